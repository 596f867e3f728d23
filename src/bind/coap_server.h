/* CoAP server side (TS-0008): what TCP and UDP share. An association's requests are performed side by side, up to a
 * bound; each is put together from its blocks, handed to the gate, and its answer given back in blocks. */
#ifndef GH_BIND_COAP_SERVER_H
#define GH_BIND_COAP_SERVER_H

#include "bind/coap_block_codec.h"
#include "bind/exchange_server.h"
#include "link/listener.h"

enum { GH_COAP_PARALLEL_MAX = 16 }; /* requests of one association that are with the gate */

typedef struct gh_coap_server {
  gh_host *host;
  size_t max_body_bytes; /* of a request, whole or in blocks */
  uint16_t mtu;          /* of datagrams: answers are cut so that they fit; 0: 1280 */
} gh_coap_server;

typedef struct gh_coap_call gh_coap_call;

/* One association. Embedded in the session of a transport. */
typedef struct gh_coap_association {
  const gh_coap_server *server;
  gh_worker *worker;
  gh_conn *conn; /* NULL once it has gone */
  gh_coap_transfers transfers;
  gh_coap_call *calls; /* with the gate */
  size_t call_count;
  unsigned held; /* not released now */
  size_t most;   /* largest payload of an answer */
  /* Sends the answer to `request_id` (that of gh_coap_serve); code, token, options and payload are set. */
  void (*answer)(struct gh_coap_association *a, uint32_t request_id, gh_coap_message *answer);
  /* After the last call of an association whose connection has gone: frees the session. */
  void (*released)(struct gh_coap_association *a);
} gh_coap_association;

void gh_coap_association_init(gh_coap_association *a, const gh_coap_server *server, gh_worker *worker);
/* One request message; the answer comes now or later. False when too many are with the gate: nothing was done. */
bool gh_coap_serve(gh_coap_association *a, uint32_t request_id, gh_coap_message *request);
/* The connection has gone. Calls `released` now, or after the last answer (which is dropped). */
void gh_coap_association_end(gh_coap_association *a);

/* Fills handler, new_ctx, owner and plain_refusal of listener options; the server must outlive the listener. */
void gh_coap_tcp_listen_options(gh_coap_server *server, gh_listener_options *options);
void gh_coap_udp_listen_options(gh_coap_server *server, gh_listener_options *options);

#endif
