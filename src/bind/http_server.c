/* One HTTP connection of the server. Requests of a connection are performed one at a time; what is pipelined waits as
 * octets. A connection that ends while its request is with the writer lives on until the answer, which is then
 * dropped. */
#include "bind/http_server.h"

#include <stdlib.h>

#include "bind/exchange_server.h"
#include "bind/http2_server.h"
#include "m2m/constants.h"

enum { WAITING_BYTES_MAX = 256 * 1024 };

typedef struct session {
  gh_http_server *server;
  gh_worker *worker;
  gh_conn *conn; /* NULL once the connection has gone */
  gh_http_reader reader;
  gh_buf waiting; /* octets behind the request that is being performed */
  gh_bound_exchange exchange;
  bool busy;       /* the exchange is with the gate */
  bool keep_alive; /* of the request being performed */
  bool running;    /* inside take_requests: answers that come at once do not recurse, the session is not freed */
  bool ended;      /* nothing more is read */
} session;

static void free_session(session *s)
{
  gh_http_reader_free(&s->reader);
  gh_buf_free(&s->waiting);
  free(s);
}

static bool take_requests(session *s);

/* The time of a request runs while it is incomplete, not while it is performed. */
static void watch_request(session *s)
{
  if (s->conn && !s->ended) gh_conn_expect(s->conn, !s->busy && gh_http_reader_in_message(&s->reader));
}

static void on_answer(gh_exchange *x)
{
  session *s = x->owner;
  s->busy = false;
  if (!s->conn) {
    gh_exchange_clear(x);
    free_session(s);
    return;
  }
  gh_conn *conn = s->conn;
  gh_http_write_response(gh_conn_out(conn), &x->request, &x->response, s->keep_alive);
  gh_exchange_clear(x);
  gh_http_next(&s->reader);
  gh_http_reader_trim(&s->reader);
  gh_conn_expect(conn, false);
  if (!s->keep_alive) {
    s->ended = true;
    gh_conn_close(conn, GH_OK, "answered, connection: close");
    return;
  }
  if (s->running) return; /* take_requests goes on by itself */
  if (take_requests(s)) watch_request(s);
}

static void begin_exchange(session *s)
{
  gh_exchange *x = &s->exchange.x;
  gh_bound_exchange_begin(&s->exchange, s->server->host, s->worker, s->conn, s, on_answer);
  s->keep_alive = s->reader.message.keep_alive;
  s->busy = true;
  gh_diag diag = {""};
  int rsc = gh_http_to_request(&x->arena, &s->reader.message, &x->request, &diag);
  if (rsc == GH_RSC_OK) {
    gh_gate_submit(x);
    return;
  }
  if (s->reader.message.method == GH_HTTP_OTHER_METHOD) s->keep_alive = false;
  gh_bound_exchange_refuse(&s->exchange, rsc, &diag);
  on_answer(x);
}

static void refuse_octets(session *s)
{
  gh_http_write_plain(gh_conn_out(s->conn), s->reader.error.status, s->reader.error.rsc,
                      gh_str_of(s->reader.error.text));
  GH_LOG(&s->server->host->log, GH_LOG_INFO, "malformed-http", GH_F("peer", gh_conn_address_text(s->conn)),
         GH_F("reason", s->reader.error.text));
  s->ended = true;
  gh_conn_close(s->conn, GH_EPROTO, "malformed HTTP");
}

/* The connection goes on as a WebSocket, or is refused; either way it is no longer ours. */ /*= TS-0020 6.2.1 */
static void upgrade(session *s)
{
  gh_ws_grant grant;
  const char *why = "";
  gh_conn *conn = s->conn;
  int status = gh_ws_judge_offer(&s->reader.message, &grant, &why);
  if (status == 101) {
    s->conn = NULL;
    gh_ws_write_grant(gh_conn_out(conn), &grant);
    gh_ws_server_adopt(s->server->websocket, conn, grant.representation, gh_buf_rest(&s->waiting));
    return;
  }
  gh_ws_write_refusal(gh_conn_out(conn), status, why);
  GH_LOG(&s->server->host->log, GH_LOG_INFO, "websocket-refused", GH_F("peer", gh_conn_address_text(conn)),
         GH_F("status", status), GH_F("reason", why));
  s->ended = true;
  gh_conn_close(conn, GH_EPROTO, "WebSocket refused");
}

/* Reads requests from what has arrived until it is used up or a request is being performed. False when the session is
 * gone. */
static bool take_requests(session *s)
{
  s->running = true;
  while (s->conn && !s->busy && !s->ended && gh_conn_is_open(s->conn) && !gh_conn_is_full(s->conn)) {
    gh_str rest = gh_buf_rest(&s->waiting);
    if (!rest.len) break;
    size_t consumed = 0;
    gh_http_state state = gh_http_feed(&s->reader, rest, &consumed);
    gh_buf_consume(&s->waiting, consumed);
    if (state == GH_HTTP_MESSAGE && s->reader.message.upgrade) {
      upgrade(s);
      break;
    }
    if (state == GH_HTTP_MESSAGE) {
      begin_exchange(s);
    } else if (state == GH_HTTP_ERROR) {
      refuse_octets(s);
      break;
    } else {
      if (gh_http_reader_wants_continue(&s->reader)) gh_buf_add(gh_conn_out(s->conn), GH_STR(GH_HTTP_CONTINUE_LINE));
      break;
    }
  }
  if (s->waiting.cap > 4096 && gh_buf_rest(&s->waiting).len == 0) gh_buf_free(&s->waiting);
  if (s->conn) gh_conn_flush(s->conn);
  s->running = false;
  if (s->conn || s->busy) return true;
  free_session(s);
  return false;
}

static void on_ready(gh_conn *conn, void *ctx)
{
  session *s = ctx;
  s->conn = conn;
  gh_bound_log_ready(&s->server->host->log, conn);
  if (!gh_str_eq(gh_conn_alpn(conn), GH_STR("h2"))) return;
  gh_http2_begin(s->server, conn);
  s->conn = NULL;
  free_session(s);
}

static void on_data(gh_conn *conn, void *ctx, gh_str octets)
{
  session *s = ctx;
  if (gh_buf_rest(&s->waiting).len + octets.len > WAITING_BYTES_MAX + s->server->limits.max_body_bytes) {
    gh_conn_close(conn, GH_ELIMIT, "too much was pipelined");
    return;
  }
  gh_buf_add(&s->waiting, octets);
  if (!take_requests(s)) return;
  watch_request(s);
}

static void on_closed(gh_conn *conn, void *ctx, gh_err why, const char *reason)
{
  session *s = ctx;
  gh_bound_log_closed(&s->server->host->log, conn, why, reason);
  s->conn = s->exchange.conn = NULL;
  if (!s->busy && !s->running) free_session(s);
}

static const gh_conn_handler handler = {on_ready, on_data, on_closed};

static void *new_session(void *owner, gh_worker *worker)
{
  session *s = gh_calloc(1, sizeof *s);
  s->server = owner;
  s->worker = worker;
  gh_http_reader_init(&s->reader, GH_HTTP_REQUESTS, &s->server->limits);
  s->reader.websocket = s->server->websocket != NULL;
  return s;
}

void gh_http_server_listen_options(gh_http_server *server, gh_listener_options *options)
{
  /*= TS-0003 6.1.2.2.1 an unprotected request is answered 4107 and nothing else */
  static const char refusal[] =
      "HTTP/1.1 403 \r\nX-M2M-RSC: 4107\r\nContent-Type: application/json\r\nContent-Length: 44\r\n"
      "Connection: close\r\n\r\n{\"m2m:dbg\":\"security association required\"}\n";
  options->handler = &handler;
  options->new_ctx = new_session;
  options->owner = server;
  options->plain_refusal = GH_STR(refusal);
}
