/* CoAP server side (TS-0008) of one association, over TCP and UDP: frames or message layer, requests put together
 * from blocks, answers given back in blocks. Who performs the requests is the service's: the gate of a function, or a
 * device. */
#ifndef GH_BIND_COAP_SESSION_H
#define GH_BIND_COAP_SESSION_H

#include "bind/coap_block_codec.h"
#include "link/listener.h"

enum { GH_COAP_PARALLEL_MAX = 16 }; /* requests of one association that wait for their answer */

typedef struct gh_coap_association gh_coap_association;
typedef struct gh_coap_call gh_coap_call; /* of a service whose answers come later */

/* What all associations of a listener share; outlives it. */
typedef struct gh_coap_service {
  void *owner;
  const gh_log *log; /* NULL: none */
  const gh_random *random;
  size_t max_body_bytes; /* of a request, whole or in blocks */
  uint16_t mtu;          /* of datagrams: answers are cut so that they fit; 0: 1280 */
  /* A whole request, which goes when this returns; answered by gh_coap_association_reply, in this call or later. One
   * that is answered later is in the association's `calls` meanwhile. */
  void (*perform)(gh_coap_association *a, uint32_t request_id, gh_coap_message *request);
  void (*ready)(gh_coap_association *a, gh_conn *conn); /* may be NULL, as the next one */
  void (*closed)(gh_coap_association *a, gh_conn *conn, gh_err why, const char *reason);
} gh_coap_service;

/* One association. Embedded in the session of a transport. */
struct gh_coap_association {
  const gh_coap_service *service;
  gh_worker *worker;
  gh_conn *conn; /* NULL once it has gone */
  gh_coap_transfers transfers;
  gh_coap_call *calls;
  size_t call_count;
  unsigned held; /* not released now */
  size_t most;   /* largest payload of an answer */
  /* Sends the answer to `request_id` (that of gh_coap_serve); code, token, options and payload are set. */
  void (*answer)(gh_coap_association *a, uint32_t request_id, gh_coap_message *answer);
  /* After the last call of an association whose connection has gone: frees the session. */
  void (*released)(gh_coap_association *a);
};

void gh_coap_association_init(gh_coap_association *a, const gh_coap_service *service, gh_worker *worker);
/* One request message; the answer comes now or later. False when too many wait for theirs: nothing was done. */
bool gh_coap_serve(gh_coap_association *a, uint32_t request_id, gh_coap_message *request);
/* `request`: token and options as they came. Code, options and payload of `answer` are set; token and blocks are
 * not. */
void gh_coap_association_reply(gh_coap_association *a, uint32_t request_id, gh_arena *arena,
                               const gh_coap_message *request, gh_coap_message *answer);
/* The connection has gone. */
void gh_coap_association_end(gh_coap_association *a);
/* Calls `released` where the connection has gone and nothing waits any more. */
void gh_coap_association_release_if_done(gh_coap_association *a);

/* Fills handler, new_ctx, owner and what clear text is answered. */
void gh_coap_tcp_session_options(gh_coap_service *service, gh_listener_options *options);
void gh_coap_udp_session_options(gh_coap_service *service, gh_listener_options *options);

#endif
