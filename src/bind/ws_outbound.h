/* The outbound port over WebSocket: requests of ours to a registree, over the connection that it opened. Several are
 * in flight at a time, matched by rqi. Entities without an open connection are left to another port. */
#ifndef GH_BIND_WS_OUTBOUND_H
#define GH_BIND_WS_OUTBOUND_H

#include "host/outbound.h"

typedef struct gh_ws_outbound gh_ws_outbound;
typedef struct gh_ws_call gh_ws_call;

/* An open connection. Embedded in its session, touched on its worker only. The session sets worker and the
 * functions; `send` must copy what it needs. */
typedef struct gh_ws_peer {
  gh_worker *worker;
  gh_err (*send)(struct gh_ws_peer *peer, const gh_request *request); /* GH_ECONN, GH_ELIMIT */
  /* Has it proven the entity itself, or the credential that the entity registered with? */
  bool (*bears)(const struct gh_ws_peer *peer, gh_str credential_id);
  void (*ping)(struct gh_ws_peer *peer);
  void (*leave)(struct gh_ws_peer *peer); /* the process ends: closes in order */

  /* private */
  struct {
    struct gh_ws_peer *next, *prev;
  } in[2];                       /* lists: of all peers of the worker, of those with calls */
  struct gh_ws_peer *same_place; /* in the table of names */
  gh_str entity; /* absolute AE-ID or CSE-ID; empty: not registered yet, or replaced by a newer connection */
  bool named;
  bool leaves; /* was told to */
  gh_ws_call *calls;
  size_t call_count;
  uint64_t renamed; /* rqi that were in use already */
  int64_t ping_at_us;
} gh_ws_peer;

/* `next` takes the calls to entities without a connection; with send NULL these end with GH_ENOTFOUND. */
gh_ws_outbound *gh_ws_outbound_new(gh_outbound next, gh_worker *const *workers, size_t worker_count,
                                   const gh_log *log);
gh_outbound gh_ws_outbound_port(gh_ws_outbound *outbound);
/* While the workers run: fails what waits, closes connections and timers. */
void gh_ws_outbound_stop(gh_ws_outbound *outbound);
/* After the workers have ended. */
void gh_ws_outbound_free(gh_ws_outbound *outbound);

/* ---- for the session, on its worker */

/* The connection is open. */
void gh_ws_outbound_enter(gh_ws_outbound *outbound, gh_ws_peer *peer);
/* Whom the connection stands for; no effect after the first time. The last one to say so gets the requests. */
void gh_ws_outbound_name(gh_ws_outbound *outbound, gh_ws_peer *peer, gh_str entity);
/* A response came. False when nothing waits for it. */
bool gh_ws_outbound_answer(gh_ws_outbound *outbound, gh_ws_peer *peer, gh_val *tree);
/* The connection has gone: its calls end with GH_ECONN. */
void gh_ws_outbound_gone(gh_ws_outbound *outbound, gh_ws_peer *peer);

#endif
