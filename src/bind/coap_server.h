/* CoAP server side (TS-0008) of a function: what the sessions of coap_session.h take in goes to the gate; requests of
 * one association side by side, up to a bound. */
#ifndef GH_BIND_COAP_SERVER_H
#define GH_BIND_COAP_SERVER_H

#include "bind/coap_session.h"
#include "bind/exchange_server.h"

typedef struct gh_coap_server {
  gh_host *host;
  size_t max_body_bytes;   /* of a request, whole or in blocks */
  uint16_t mtu;            /* of datagrams: answers are cut so that they fit; 0: 1280 */
  gh_coap_service service; /* made of the others by the calls below */
} gh_coap_server;

/* Fills handler, new_ctx, owner and what clear text is answered; the server must outlive the listener. */
void gh_coap_tcp_listen_options(gh_coap_server *server, gh_listener_options *options);
void gh_coap_udp_listen_options(gh_coap_server *server, gh_listener_options *options);

#endif
