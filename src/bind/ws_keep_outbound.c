/* One connection, on one worker: connect, handshake, hand over to ws_server.c, wait for its end, pause, again. Calls
 * of other workers look at the state only. */
#include "bind/ws_keep_outbound.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { PAUSE_FIRST_MS = 500, PAUSE_MAX_MS = 30000, CONNECT_MS = 10000, LOOK_MS = 20 };

typedef enum keeper_state { PAUSED, CONNECTING, OPEN, STOPPED } keeper_state;

struct gh_ws_keeper {
  const gh_outbound_peer *peer;
  gh_representation representation;
  gh_outbound next;
  const gh_log *log;
  gh_ws_server *server; /* NULL: not started */
  gh_worker *worker;
  uv_timer_t timer;
  gh_conn *conn; /* until it is handed over */
  gh_http_reader reader;
  char key[GH_WS_KEY_CHARS + 1];
  uint32_t pause_ms;
  int64_t opened_us;
  _Atomic int state;
};

static void open_connection(gh_ws_keeper *k);

static void on_timer(uv_timer_t *timer)
{
  open_connection(timer->data);
}

/* An even crowd of registrees comes back one after the other: up to half as long again, drawn. */
static uint32_t drawn(const gh_ws_keeper *k, uint32_t ms)
{
  uint32_t number = 0;
  if (gh_random_fill(&k->server->host->random, &number, sizeof number) != GH_OK) number = 0;
  return ms + number % (ms / 2);
}

static void try_later(gh_ws_keeper *k, const char *reason)
{
  if (atomic_load(&k->state) == STOPPED) return;
  uint32_t ms = drawn(k, k->pause_ms);
  GH_LOG(k->log, GH_LOG_WARN, "websocket-not-open", GH_F("entity", k->peer->entity), GH_F("reason", reason),
         GH_F("again_ms", ms));
  atomic_store(&k->state, PAUSED);
  k->pause_ms = k->pause_ms * 2 < PAUSE_MAX_MS ? k->pause_ms * 2 : PAUSE_MAX_MS;
  uv_timer_start(&k->timer, on_timer, ms, 0);
}

/* ---- from the connection to the WebSocket */

static void on_ready(gh_conn *conn, void *ctx)
{
  gh_ws_keeper *k = ctx;
  if (gh_ws_make_key(&k->server->host->random, k->key) != GH_OK) {
    gh_conn_close(conn, GH_ECRYPTO, "no random octets");
    return;
  }
  gh_ws_write_offer(gh_conn_out(conn), k->peer->host_header, k->key, k->representation);
  gh_conn_expect(conn, true); /* the answer has the time of a request */
  gh_conn_flush(conn);
}

static void on_session_gone(void *ctx)
{
  gh_ws_keeper *k = ctx;
  int64_t stood_us = gh_clock_mono_us(&k->worker->clock) - k->opened_us;
  if (stood_us > (int64_t)k->pause_ms * 1000) k->pause_ms = PAUSE_FIRST_MS;
  try_later(k, "the connection ended");
}

/*= TS-0020 6.2.3; TS-0020 6.4 the association proved the registrar: its requests come over this connection */
static void hand_over(gh_ws_keeper *k, gh_conn *conn, gh_str rest)
{
  const gh_ws_client_side side = {.entity = k->peer->entity, .gone = on_session_gone, .ctx = k};
  int connecting = CONNECTING;
  k->conn = NULL;
  k->opened_us = gh_clock_mono_us(&k->worker->clock);
  GH_LOG(k->log, GH_LOG_INFO, "websocket-open", GH_F("entity", k->peer->entity),
         GH_F("association", gh_conn_id(conn)));
  gh_ws_server_adopt_own(k->server, conn, &side, k->representation, rest);
  /* only now a call that waited finds the connection; and what came with the grant may have ended it already */
  atomic_compare_exchange_strong(&k->state, &connecting, OPEN);
}

static void on_data(gh_conn *conn, void *ctx, gh_str octets)
{
  gh_ws_keeper *k = ctx;
  size_t used = 0;
  gh_diag diag = {"malformed answer"};
  gh_http_state state = gh_http_feed(&k->reader, octets, &used);
  if (state == GH_HTTP_NEED_MORE) return;
  if (state == GH_HTTP_ERROR || gh_ws_check_grant(&k->reader.message, k->key, k->representation, &diag) != GH_OK) {
    GH_LOG(k->log, GH_LOG_WARN, "websocket-refused", GH_F("entity", k->peer->entity),
           GH_F("reason", (const char *)diag.text));
    gh_conn_close(conn, GH_EPROTO, "no WebSocket");
    return;
  }
  hand_over(k, conn, gh_str_sub(octets, used, SIZE_MAX));
}

static void on_closed(gh_conn *conn, void *ctx, gh_err why, const char *reason)
{
  (void)conn, (void)why;
  gh_ws_keeper *k = ctx;
  k->conn = NULL;
  try_later(k, reason);
}

static const gh_conn_handler handler = {on_ready, on_data, on_closed};

static void open_connection(gh_ws_keeper *k)
{
  struct sockaddr_storage address;
  socklen_t len = 0;
  const gh_outbound_peer *peer = k->peer;
  if (atomic_load(&k->state) == STOPPED || k->worker->closing) return;
  if (peer->endpoint(peer->ctx, peer->host_header, &address, &len) != GH_OK) {
    try_later(k, "its address is not known");
    return;
  }
  gh_tls_client *tls =
      peer->choose_tls ? peer->choose_tls(peer->ctx, peer, peer->binding) : gh_tls_client_ref(peer->tls);
  if (!tls) {
    try_later(k, "no credential"); /* never in clear text instead */
    return;
  }
  atomic_store(&k->state, CONNECTING);
  gh_http_reader_free(&k->reader);
  gh_http_reader_init(&k->reader, GH_HTTP_RESPONSES, NULL);
  k->reader.websocket = true;
  int64_t deadline_us = gh_clock_mono_us(&k->worker->clock) + (int64_t)CONNECT_MS * 1000;
  if (gh_conn_connect(k->worker, (struct sockaddr *)&address, len, tls, deadline_us, &handler, k, &k->conn) != GH_OK)
    try_later(k, "cannot connect");
  gh_tls_client_free(tls); /* the connection holds its own */
}

/* ---- calls while there is no connection */

typedef struct waiting { /* looked at on the worker of its caller until the connection is there, or is not */
  uv_timer_t timer;
  gh_ws_keeper *keeper;
  gh_worker *worker;
  gh_outbound_call *call;
  gh_err err;
} waiting;

static void on_waited(uv_handle_t *handle)
{
  waiting *w = handle->data;
  gh_outbound_call *call = w->call;
  gh_outbound port = gh_ws_outbound_port(w->keeper->server->outbound);
  gh_worker *worker = w->worker;
  gh_err err = w->err;
  free(w);
  if (err == GH_OK) {
    port.send(port.ctx, worker, call);
    return;
  }
  call->err = err;
  call->done(call);
}

static void look(uv_timer_t *timer)
{
  waiting *w = timer->data;
  int state = atomic_load(&w->keeper->state);
  bool late = gh_clock_mono_us(&w->worker->clock) >= w->call->deadline_us;
  if (state == CONNECTING && !late && !w->worker->closing) return;
  w->err = state == OPEN ? GH_OK : late ? GH_ETIMEOUT : GH_ECONN;
  uv_close((uv_handle_t *)timer, on_waited);
}

static void send_call(void *ctx, gh_worker *worker, gh_outbound_call *call)
{
  gh_ws_keeper *k = ctx;
  if (!gh_str_eq(call->entity, k->peer->entity)) {
    k->next.send(k->next.ctx, worker, call);
    return;
  }
  if (atomic_load(&k->state) != CONNECTING || worker->closing) {
    call->err = GH_ECONN;
    call->done(call);
    return;
  }
  waiting *w = gh_calloc(1, sizeof *w);
  *w = (waiting){.keeper = k, .worker = worker, .call = call};
  uv_timer_init(worker->uv, &w->timer);
  w->timer.data = w;
  uv_timer_start(&w->timer, look, LOOK_MS, LOOK_MS);
}

/* ---- life */

gh_ws_keeper *gh_ws_keeper_new(const gh_outbound_peer *peer, gh_representation representation, gh_outbound next,
                               const gh_log *log)
{
  gh_ws_keeper *k = gh_calloc(1, sizeof *k);
  k->peer = peer;
  k->representation = representation;
  k->next = next;
  k->log = log;
  k->pause_ms = PAUSE_FIRST_MS;
  gh_http_reader_init(&k->reader, GH_HTTP_RESPONSES, NULL);
  return k;
}

gh_outbound gh_ws_keeper_port(gh_ws_keeper *keeper)
{
  return (gh_outbound){keeper, send_call};
}

static void start(void *arg)
{
  gh_ws_keeper *k = arg;
  uv_timer_init(k->worker->uv, &k->timer);
  k->timer.data = k;
  open_connection(k);
}

void gh_ws_keeper_start(gh_ws_keeper *keeper, gh_ws_server *server, gh_worker *worker)
{
  if (!keeper) return;
  keeper->server = server;
  keeper->worker = worker;
  gh_loop_call(worker->loop, start, keeper);
}

static void stop(void *arg)
{
  gh_ws_keeper *k = arg;
  atomic_store(&k->state, STOPPED);
  uv_close((uv_handle_t *)&k->timer, NULL);
  if (k->conn) gh_conn_close(k->conn, GH_OK, "shutting down");
}

void gh_ws_keeper_stop(gh_ws_keeper *keeper)
{
  if (keeper && keeper->worker) gh_loop_call(keeper->worker->loop, stop, keeper);
}

void gh_ws_keeper_free(gh_ws_keeper *keeper)
{
  if (!keeper) return;
  gh_http_reader_free(&keeper->reader);
  free(keeper);
}
