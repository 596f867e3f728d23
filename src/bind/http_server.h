/* HTTP server side: a connection reads one request after the other, hands each to the gate, and writes the answers in
 * order. */
#ifndef GH_BIND_HTTP_SERVER_H
#define GH_BIND_HTTP_SERVER_H

#include "bind/http_codec.h"
#include "bind/ws_server.h"
#include "host/host.h"
#include "link/listener.h"

typedef struct gh_http_server {
  gh_host *host;
  gh_http_limits limits;
  gh_ws_server *websocket; /* NULL: Upgrade is not offered */
} gh_http_server;

/* For gh_tls_options.alpn of its listeners: HTTP/2, then HTTP/1.1. */
#define GH_HTTP_ALPN "h2,http/1.1"

/* Fills handler, new_ctx, owner and plain_refusal of listener options; the server must outlive the listener. */
void gh_http_server_listen_options(gh_http_server *server, gh_listener_options *options);

#endif
