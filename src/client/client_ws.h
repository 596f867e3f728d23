/* The WebSocket of a client, for client.c: from the handshake to responses, and requests that the other side sends.
 * Octets in, octets out; the connection is the caller's. */
#ifndef GH_CLIENT_CLIENT_WS_H
#define GH_CLIENT_CLIENT_WS_H

#include "bind/ws_codec.h"
#include "client/client.h"

typedef struct gh_client_ws gh_client_ws;

/* The handshake is in `out` of the result. GH_EIO: no random octets. */
GH_MUST_USE gh_err gh_client_ws_new(const gh_client_options *options, const gh_random *random, gh_client_ws **out);
void gh_client_ws_free(gh_client_ws *ws);

/* What is to be sent; the caller sends and clears it after every other call. */
gh_buf *gh_client_ws_out(gh_client_ws *ws);
/* Octets came. GH_ECONN, GH_EPROTO: the WebSocket is at its end, in order or not; *diag says why. */
GH_MUST_USE gh_err gh_client_ws_feed(gh_client_ws *ws, gh_str octets, gh_diag *diag);
/* Has what is waited for come: the grant of the handshake, then the response? */
bool gh_client_ws_done(const gh_client_ws *ws);
/* Sends a request; its response is waited for. GH_ECONN. */
GH_MUST_USE gh_err gh_client_ws_ask(gh_client_ws *ws, const gh_request *request);
/* The response, once done. GH_ESYNTAX. */
GH_MUST_USE gh_err gh_client_ws_take(gh_client_ws *ws, gh_arena *arena, gh_response *response, gh_diag *diag);
/* Whoever is there answers with a pong. */
void gh_client_ws_ping(gh_client_ws *ws);
/* Orderly end. */
void gh_client_ws_close(gh_client_ws *ws);

#endif
