/* A CSE keeps a WebSocket open to its registrar (TS-0020), and again whenever it ends: requests of both sides go over
 * it, so nobody need be able to connect to this CSE. */
#ifndef GH_BIND_WS_KEEP_OUTBOUND_H
#define GH_BIND_WS_KEEP_OUTBOUND_H

#include "bind/pool_outbound.h"
#include "bind/ws_server.h"

typedef struct gh_ws_keeper gh_ws_keeper;

/* `peer`: the registrar; its entity is a CSE-ID. It, and `next`, which takes the calls to all others, must outlive
 * the keeper. `representation`: of all that goes over the connection, in both directions. */
gh_ws_keeper *gh_ws_keeper_new(const gh_outbound_peer *peer, gh_representation representation, gh_outbound next,
                               const gh_log *log);
/* For calls to entities that have no connection: to the registrar they wait while one is being made, and end with
 * GH_ECONN when there is none. */
gh_outbound gh_ws_keeper_port(gh_ws_keeper *keeper);
/* Begins, on a worker of the server's. The server must have an outbound, whose `next` is the port above. */
void gh_ws_keeper_start(gh_ws_keeper *keeper, gh_ws_server *server, gh_worker *worker);
/* While the workers run, before the server's outbound is stopped. */
void gh_ws_keeper_stop(gh_ws_keeper *keeper);
/* After the workers have ended. */
void gh_ws_keeper_free(gh_ws_keeper *keeper);

#endif
