/* The outbound port to registrees at their points of access: an association for each request (SA2 of TS-0003 8.2.1),
 * so that what is registered now counts, and nothing is kept of registrees that come and go. */
#ifndef GH_BIND_POINT_OUTBOUND_H
#define GH_BIND_POINT_OUTBOUND_H

#include "bind/pool_outbound.h"

typedef struct gh_point_outbound gh_point_outbound;

/* Where a point of access is. */
typedef struct gh_point_place {
  const gh_outbound_binding *binding; /* NULL: whoever is behind `port` takes the call, and proves the entity */
  struct sockaddr_storage address;
  socklen_t address_len;
  gh_outbound port;
} gh_point_place;

/* Whoever knows addresses and credentials. Any worker. */
typedef struct gh_point_source {
  void *ctx;
  uint16_t mtu; /* of datagrams; 0: 1280 */
  /* Where is this point of access of call->entity? GH_EUNSUPPORTED: it is none for us and is passed over; GH_EAGAIN:
   * it is being looked up, and asked for again. Must not block. */
  gh_err (*find)(void *ctx, const gh_outbound_call *call, gh_str point, gh_point_place *place);
  /* A client that proves this host, and to whom only `call->entity` can prove itself, by the credential that
   * `call->credential_id` names. Freed by the port. GH_EAUTH, GH_ENOTFOUND, GH_EEXPIRED: there is none. */
  gh_err (*client)(void *ctx, const gh_outbound_call *call, const gh_outbound_binding *binding, gh_tls_client **out);
} gh_point_source;

/* Calls with points go to them in their order, until a request has been sent; where none can be reached, and for all
 * other calls, `next` is asked. */
gh_point_outbound *gh_point_outbound_new(gh_point_source source, gh_outbound next, gh_worker *const *workers,
                                         size_t worker_count, const gh_log *log);
gh_outbound gh_point_outbound_port(gh_point_outbound *outbound);
/* While the workers run: fails what waits, closes connections and timers. */
void gh_point_outbound_stop(gh_point_outbound *outbound);
/* After the workers have ended. */
void gh_point_outbound_free(gh_point_outbound *outbound);

#endif
