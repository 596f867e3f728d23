/* The outbound port over HTTP: a few kept connections to each peer on each worker, every call with a deadline. */
#ifndef GH_BIND_HTTP_OUTBOUND_H
#define GH_BIND_HTTP_OUTBOUND_H

#include <sys/socket.h>

#include "bind/http_codec.h"
#include "host/outbound.h"
#include "link/conn.h"

typedef struct gh_http_outbound gh_http_outbound;

/* A peer that may be called, and how: over an association with our own credential, to the address that `endpoint`
 * finds. */
typedef struct gh_http_peer {
  gh_str entity;      /* FQDN or absolute CSE-ID, as in calls */
  gh_str host_header; /* its FQDN */
  gh_tls_client *tls;
  /* Another credential for the next connection; may be NULL. On the worker. */
  gh_tls_client *(*choose_tls)(void *ctx, const struct gh_http_peer *peer);
  /* Address of the peer (host_header) now; on the worker, must not block for long. */
  gh_err (*endpoint)(void *ctx, gh_str fqdn, struct sockaddr_storage *address, socklen_t *len);
  /* The peer has several addresses, in order: instead of `endpoint`. GH_ENOTFOUND when there are not so many. A peer
   * that cannot be reached at one is looked for at the next (TS-0004 7.3.2.6). May be NULL. */
  gh_err (*endpoint_at)(void *ctx, gh_str fqdn, size_t choice, struct sockaddr_storage *address, socklen_t *len);
  void *ctx;
} gh_http_peer;

/* Text and TLS clients must outlive it. */
gh_http_outbound *gh_http_outbound_new(const gh_http_peer *peers, size_t peer_count, gh_worker *const *workers,
                                       size_t worker_count, const gh_log *log);
gh_outbound gh_http_outbound_port(gh_http_outbound *outbound);
/* Whoever is none of the peers is asked for: `find` gives a peer that lives as long as this port, or NULL. On the
 * worker. Before the first call. */
void gh_http_outbound_find_with(gh_http_outbound *outbound, const gh_http_peer *(*find)(void *ctx, gh_str entity),
                                void *ctx);
/* While the workers run: fails what waits, closes connections and timers. */
void gh_http_outbound_stop(gh_http_outbound *outbound);
/* After the workers have ended. */
void gh_http_outbound_free(gh_http_outbound *outbound);

#endif
