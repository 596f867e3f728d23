/* WebSocket server side (TS-0020): an HTTP connection that was upgraded carries primitives in both directions,
 * several at a time. The peer is that of the association, as before. */
#ifndef GH_BIND_WS_SERVER_H
#define GH_BIND_WS_SERVER_H

#include "bind/ws_codec.h"
#include "bind/ws_outbound.h"
#include "host/host.h"

enum {
  GH_WS_PARALLEL_MAX = 16
}; /* requests of one connection that are with the gate; then no more octets are taken */

typedef struct gh_ws_server {
  gh_host *host;
  size_t max_message_bytes;
  gh_ws_outbound *outbound; /* learns of every connection; NULL: none takes requests of ours, none is pinged */
} gh_ws_server;

/* Takes the connection over on its worker. The handshake has been written; `rest` came behind the client's. The
 * server must outlive the connection. */
void gh_ws_server_adopt(gh_ws_server *server, gh_conn *conn, gh_representation representation, gh_str rest);

/* A connection that this side has opened: the handshake was granted. */
typedef struct gh_ws_client_side {
  gh_str entity;           /* absolute CSE-ID that the association proved: its requests come in, ours go out */
  void (*gone)(void *ctx); /* the connection has ended; once, on its worker */
  void *ctx;
} gh_ws_client_side;

/* The same for it. Text must outlive the connection. */
void gh_ws_server_adopt_own(gh_ws_server *server, gh_conn *conn, const gh_ws_client_side *side,
                            gh_representation representation, gh_str rest);

#endif
