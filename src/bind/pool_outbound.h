/* The outbound port over associations that are kept: a few to each peer on each worker, one call at a time on each,
 * every call with a deadline. How a call becomes octets is the business of the peer's binding. */
#ifndef GH_BIND_POOL_OUTBOUND_H
#define GH_BIND_POOL_OUTBOUND_H

#include <sys/socket.h>

#include "host/outbound.h"
#include "link/conn.h"

typedef struct gh_pool_outbound gh_pool_outbound;
typedef struct gh_outbound_binding gh_outbound_binding;

extern const gh_outbound_binding gh_http_outbound; /* HTTP/1.1 over TLS */
extern const gh_outbound_binding gh_coap_outbound; /* coaps: `tls` is made with `datagram` */
extern const gh_outbound_binding gh_coap_tcp_outbound;

/* A peer that may be called, and how: over an association with our own credential, to the address that `endpoint`
 * finds. */
typedef struct gh_outbound_peer {
  gh_str entity;                      /* FQDN or absolute CSE-ID, as in calls */
  gh_str host_header;                 /* its FQDN */
  const gh_outbound_binding *binding; /* at `endpoint`; NULL: gh_http_outbound */
  uint16_t mtu;                       /* of datagrams; 0: 1280 */
  gh_tls_client *tls;
  /* Another credential for the next connection, over this binding: the caller becomes an owner of it. On the worker.
   * May be NULL where all is one binding. */
  gh_tls_client *(*choose_tls)(void *ctx, const struct gh_outbound_peer *peer, const gh_outbound_binding *binding);
  /* Address of the peer (host_header) now; on the worker, must not block. GH_EAGAIN: it is being looked up, and asked
   * for again while calls wait. */
  gh_err (*endpoint)(void *ctx, gh_str fqdn, struct sockaddr_storage *address, socklen_t *len);
  /* The peer has several addresses, in order: instead of `endpoint`. GH_ENOTFOUND when there are not so many; with
   * address NULL that is all that is asked. A peer that cannot be reached at one is looked for at the next (TS-0004
   * 7.3.2.6). *binding is that of the peer, to be changed where the address is for another. May be NULL. */
  gh_err (*endpoint_at)(void *ctx, gh_str fqdn, size_t choice, struct sockaddr_storage *address, socklen_t *len,
                        const gh_outbound_binding **binding);
  void *ctx;
} gh_outbound_peer;

/* Text and TLS clients must outlive it. */
gh_pool_outbound *gh_pool_outbound_new(const gh_outbound_peer *peers, size_t peer_count, gh_worker *const *workers,
                                       size_t worker_count, const gh_log *log);
gh_outbound gh_pool_outbound_port(gh_pool_outbound *outbound);
/* Whoever is none of the peers is asked for: `find` gives a peer that lives as long as this port, or NULL. On the
 * worker. Before the first call. */
void gh_pool_outbound_find_with(gh_pool_outbound *outbound, const gh_outbound_peer *(*find)(void *ctx, gh_str entity),
                                void *ctx);
/* While the workers run: fails what waits, closes connections and timers. */
void gh_pool_outbound_stop(gh_pool_outbound *outbound);
/* After the workers have ended. */
void gh_pool_outbound_free(gh_pool_outbound *outbound);

/* ---- for a binding: the state of one association, on its worker */

typedef enum gh_outbound_answer {
  GH_ANSWER_NONE,  /* not yet */
  GH_ANSWER_WHOLE, /* call->err and call->response are set */
  GH_ANSWER_LAST,  /* the same, and the association takes no further call */
  GH_ANSWER_BROKEN /* what came is no answer to anything */
} gh_outbound_answer;

struct gh_outbound_binding {
  const char *name; /* in logs */
  bool datagrams;
  void *(*begin)(const gh_outbound_peer *peer, gh_worker *worker);
  void (*ready)(void *state, gh_conn *conn); /* may be NULL */
  /* Sends it; what it needs later is copied. GH_EINVAL: a value that the binding cannot carry. */
  gh_err (*ask)(void *state, gh_conn *conn, gh_outbound_call *call);
  /* Takes octets away from the front of *octets. `call`: the one that was asked last, NULL when it was answered. */
  gh_outbound_answer (*take)(void *state, gh_outbound_call *call, gh_str *octets);
  /* Datagrams: something that a peer which has the association answers. Asked of one that was idle, before it gets a
   * call. NULL: the end of an association is always heard of. */
  void (*ping)(void *state);
  bool (*is_lost)(const void *state); /* it has given up sending the request; may be NULL */
  /* The peer has ended the association: was that the end of the answer to `call`? Then as GH_ANSWER_LAST. May be
   * NULL. */
  bool (*close_ends)(void *state, gh_outbound_call *call);
  void (*end)(void *state); /* the association has gone */
};

#endif
