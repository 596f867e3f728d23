/* What the servers of all bindings do alike with one request: an exchange filled with what the association proves,
 * and the refusal of a request that could not be read. */
#ifndef GH_BIND_EXCHANGE_SERVER_H
#define GH_BIND_EXCHANGE_SERVER_H

#include "host/host.h"

/* An exchange and the association it came through. */
typedef struct gh_bound_exchange {
  gh_exchange x;
  gh_conn *conn; /* the binding sets it to NULL when the association goes while the exchange is with the gate */
} gh_bound_exchange;

/* Begins: arena, peer, address, time of receipt. `done` is called on the worker after gh_gate_submit. */
void gh_bound_exchange_begin(gh_bound_exchange *bound, gh_host *host, gh_worker *worker, gh_conn *conn, void *owner,
                             void (*done)(gh_exchange *x));
/* The request could not be read: makes the response and logs it. The caller answers. */
void gh_bound_exchange_refuse(gh_bound_exchange *bound, int rsc, const gh_diag *diag);
/* Logs a new association. */
void gh_bound_log_ready(const gh_log *log, gh_conn *conn);
void gh_bound_log_closed(const gh_log *log, gh_conn *conn, gh_err why, const char *reason);

#endif
