/* A listening port shared by all workers (SO_REUSEPORT): each accepts on a socket of its own. */
#ifndef GH_LINK_LISTENER_H
#define GH_LINK_LISTENER_H

#include "link/conn.h"

typedef struct gh_listener gh_listener;

typedef struct gh_listener_options {
  const char *host;   /* numeric address */
  uint16_t port;      /* 0: the system chooses */
  gh_tls_server *tls; /* NULL: clear text (local trust only) */
  gh_str plain_refusal;
  const gh_conn_handler *handler;
  /* Context of a new connection; NULL refuses it. On the worker's thread. */
  void *(*new_ctx)(void *owner, gh_worker *worker);
  void *owner;
  /* datagrams only (gh_dtls_listener_open) */
  uint16_t mtu; /* of the path, IP header included; 0: 1280 */
  /* Writes what to answer to a datagram in clear text, or nothing; never sent when longer than the question. May be
   * NULL. */
  void (*refuse_plain)(gh_str datagram, gh_buf *answer);
} gh_listener_options;

/* One socket per worker. *port is the port in use. */
GH_MUST_USE gh_err gh_listener_open(const gh_listener_options *options, gh_worker *const *workers, size_t count,
                                    uint16_t *port, gh_listener **out, gh_diag *diag);
/* Stops accepting, on every worker's loop, and waits for that. */
void gh_listener_close(gh_listener *listener);
/* For listeners: a socket bound to *port (0: chosen, and stored); `type` SOCK_STREAM (listens) or SOCK_DGRAM. The
 * first one of a port is GH_PORT_NEW, and GH_EIO where somebody has that port; those of the other workers are
 * GH_PORT_SHARED. errno says why. */
typedef enum gh_port_claim { GH_PORT_NEW, GH_PORT_SHARED } gh_port_claim;
GH_MUST_USE gh_err gh_socket_bind(const char *host, uint16_t *port, int type, gh_port_claim claim, int *out);
/* After the loops have ended. */
void gh_listener_free(gh_listener *listener);

#endif
