/* One session for each connection; a stream lives until its answer is sent, or, when the peer has gone, until the
 * gate is done with its request. */
#include "bind/http2_server.h"

#include <stdlib.h>

#include "bind/exchange_server.h"
#include "bind/http2_message_server.h"
#include "m2m/constants.h"

enum {
  STREAMS_MAX = 64,     /* at once, as the peer is told */
  UNFINISHED_MAX = 128, /* with those that the peer has reset and the gate still performs */
  CONNECTION_WINDOW = 1 << 20
};

typedef struct stream {
  struct stream *next;
  struct session *session;
  int32_t id;
  gh_http2_request request;
  gh_http_reader reader;
  gh_bound_exchange exchange;
  gh_buf answer;
  gh_str unsent;  /* of the answer's body */
  bool head;      /* HEAD: the answer has no body */
  bool receiving; /* the request is not complete */
  bool busy;      /* with the gate */
  bool gone;      /* closed by the peer or answered; freed when not busy */
} stream;

typedef struct session {
  gh_http_server *server;
  gh_worker *worker;
  gh_conn *conn; /* NULL once the connection has gone */
  nghttp2_session *ng;
  stream *streams;
  size_t count;
  bool inside; /* of nghttp2 or of the gate: what comes of it is sent afterwards */
} session;

/* ---- life */

static void free_stream(stream *s)
{
  stream **at = &s->session->streams;
  while (*at != s) at = &(*at)->next;
  *at = s->next;
  s->session->count--;
  gh_http2_request_free(&s->request);
  gh_http_reader_free(&s->reader);
  gh_buf_wipe_free(&s->answer);
  free(s);
}

static void free_session_if_done(session *s)
{
  if (s->conn || s->inside || s->streams) return;
  nghttp2_session_del(s->ng);
  free(s);
}

static void let_go(stream *s)
{
  s->gone = true;
  if (!s->busy) free_stream(s);
}

/* A request that is not complete runs against the time limit of requests. */
static void watch(session *s)
{
  bool receiving = false;
  for (const stream *t = s->streams; t; t = t->next) receiving |= t->receiving;
  if (s->conn) gh_conn_expect(s->conn, receiving);
}

/* ---- sending */

/* May end the connection. The session stays until its caller has asked whether it is done. */
static void send_out(session *s)
{
  if (s->inside || !s->conn) return;
  const uint8_t *octets;
  ssize_t len = 0;
  s->inside = true;
  while (gh_conn_is_open(s->conn) && !gh_conn_is_full(s->conn) &&
         (len = nghttp2_session_mem_send(s->ng, &octets)) > 0)
    gh_buf_add_bytes(gh_conn_out(s->conn), octets, (size_t)len);
  gh_conn_flush(s->conn);
  if (s->conn && len < 0)
    gh_conn_close(s->conn, GH_EPROTO, "HTTP/2 cannot go on");
  else if (s->conn && !nghttp2_session_want_read(s->ng) && !nghttp2_session_want_write(s->ng))
    gh_conn_close(s->conn, GH_OK, "HTTP/2 session has ended");
  s->inside = false;
}

static ssize_t read_body(nghttp2_session *ng, int32_t id, uint8_t *out, size_t cap, uint32_t *flags,
                         nghttp2_data_source *source, void *user)
{
  (void)ng;
  (void)id;
  (void)user;
  stream *s = source->ptr;
  size_t len = s->unsent.len < cap ? s->unsent.len : cap;
  memcpy(out, s->unsent.ptr, len);
  s->unsent = gh_str_sub(s->unsent, len, SIZE_MAX);
  if (!s->unsent.len) *flags |= NGHTTP2_DATA_FLAG_EOF;
  return (ssize_t)len;
}

static void answer(stream *s)
{
  gh_http2_answer a;
  session *own = s->session;
  if (s->gone || !own->conn) {
    let_go(s);
    return;
  }
  int rc = NGHTTP2_ERR_INVALID_ARGUMENT;
  if (gh_http2_answer_read(&s->answer, &a)) {
    s->unsent = s->head ? GH_STR_NONE : a.body; /*= RFC 9110 9.3.2 */
    nghttp2_data_provider body = {.source.ptr = s, .read_callback = read_body};
    rc = nghttp2_submit_response(own->ng, s->id, a.fields, a.count, s->unsent.len ? &body : NULL);
  }
  if (rc != 0) nghttp2_submit_rst_stream(own->ng, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_INTERNAL_ERROR);
}

/* ---- requests */

static void on_answer(gh_exchange *x)
{
  stream *s = x->owner;
  session *own = s->session;
  s->busy = false;
  if (own->conn && !s->gone) gh_http_write_response(&s->answer, &x->request, &x->response, true);
  gh_exchange_clear(x);
  answer(s);
  send_out(own);
  free_session_if_done(own);
}

static void perform(stream *s)
{
  session *own = s->session;
  gh_exchange *x = &s->exchange.x;
  gh_diag diag = {""};
  gh_bound_exchange_begin(&s->exchange, own->server->host, own->worker, own->conn, s, on_answer);
  s->busy = true;
  int rsc = gh_http_to_request(&x->arena, &s->reader.message, &x->request, &diag);
  if (rsc == GH_RSC_OK) {
    gh_gate_submit(x);
    return;
  }
  gh_bound_exchange_refuse(&s->exchange, rsc, &diag);
  on_answer(x);
}

static void request_is_complete(stream *s)
{
  gh_buf text = GH_BUF_INIT;
  size_t consumed = 0;
  s->receiving = false;
  s->head = gh_str_eq(gh_buf_str(&s->request.method), GH_STR("HEAD"));
  gh_http2_request_text(&s->request, &text);
  gh_http2_request_free(&s->request);
  s->request = (gh_http2_request){.method = GH_BUF_INIT};
  gh_http_state state = gh_http_feed(&s->reader, gh_buf_str(&text), &consumed);
  bool whole = state == GH_HTTP_MESSAGE && consumed == text.len;
  gh_buf_wipe_free(&text); /* keys travel in requests */
  if (whole) {
    perform(s);
    return;
  }
  gh_http_error error =
      state == GH_HTTP_ERROR ? s->reader.error : (gh_http_error){400, GH_RSC_BAD_REQUEST, "malformed request"};
  GH_LOG(&s->session->server->host->log, GH_LOG_INFO, "malformed-http",
         GH_F("peer", gh_conn_address_text(s->session->conn)), GH_F("reason", error.text));
  gh_http_write_plain(&s->answer, error.status, error.rsc, gh_str_of(error.text));
  answer(s);
}

/* ---- what nghttp2 tells */

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
  session *s = user;
  if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
  if (s->count >= UNFINISHED_MAX) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* RST_STREAM */
  stream *t = gh_calloc(1, sizeof *t);
  *t = (stream){.next = s->streams, .session = s, .id = frame->hd.stream_id, .receiving = true};
  gh_http_reader_init(&t->reader, GH_HTTP_REQUESTS, &s->server->limits);
  s->streams = t;
  s->count++;
  nghttp2_session_set_stream_user_data(ng, t->id, t);
  return 0;
}

/* What comes behind the body is no part of the primitive, and must not become one: whoever looked at the head, a
 * proxy or a log, has seen another From. */ /*= RFC 9110 6.5.1 */
static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
                     const uint8_t *value, size_t value_len, uint8_t flags, void *user)
{
  session *s = user;
  (void)flags;
  stream *t = nghttp2_session_get_stream_user_data(ng, frame->hd.stream_id);
  if (t && t->receiving && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
    gh_http2_request_field(&t->request, &s->server->limits, (gh_str){(const char *)name, name_len},
                           (gh_str){(const char *)value, value_len});
  return 0;
}

static int on_data_chunk(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *octets, size_t len,
                         void *user)
{
  session *s = user;
  (void)flags;
  stream *t = nghttp2_session_get_stream_user_data(ng, id);
  if (t && t->receiving) gh_http2_request_body(&t->request, &s->server->limits, (gh_str){(const char *)octets, len});
  return 0;
}

static int on_frame(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
  (void)user;
  bool ends = (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
              (frame->hd.flags & NGHTTP2_FLAG_END_STREAM);
  stream *t = ends ? nghttp2_session_get_stream_user_data(ng, frame->hd.stream_id) : NULL;
  if (t && t->receiving) request_is_complete(t);
  return 0;
}

static int on_stream_close(nghttp2_session *ng, int32_t id, uint32_t code, void *user)
{
  (void)code;
  (void)user;
  stream *t = nghttp2_session_get_stream_user_data(ng, id);
  if (!t) return 0;
  nghttp2_session_set_stream_user_data(ng, id, NULL);
  let_go(t);
  return 0;
}

/* ---- what the connection tells */

static void on_ready(gh_conn *conn, void *ctx)
{
  (void)conn;
  (void)ctx;
}

static void on_data(gh_conn *conn, void *ctx, gh_str octets)
{
  session *s = ctx;
  s->inside = true;
  ssize_t used = octets.len ? nghttp2_session_mem_recv(s->ng, (const uint8_t *)octets.ptr, octets.len) : 0;
  s->inside = false;
  watch(s);
  if (used < 0) {
    GH_LOG(&s->server->host->log, GH_LOG_INFO, "malformed-http", GH_F("peer", gh_conn_address_text(conn)),
           GH_F("reason", nghttp2_strerror((int)used)));
    gh_conn_close(conn, GH_EPROTO, "malformed HTTP/2");
    return;
  }
  send_out(s);
  free_session_if_done(s);
}

static void on_closed(gh_conn *conn, void *ctx, gh_err why, const char *reason)
{
  session *s = ctx;
  gh_bound_log_closed(&s->server->host->log, conn, why, reason);
  s->conn = NULL;
  for (stream *t = s->streams, *next; t; t = next) {
    next = t->next;
    t->exchange.conn = NULL;
    let_go(t);
  }
  free_session_if_done(s);
}

static const gh_conn_handler handler = {on_ready, on_data, on_closed};

/*= RFC 9113 3.4; 6.5.2 */
static int greet(session *s)
{
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, STREAMS_MAX},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)s->server->limits.max_head_bytes},
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0}};
  int rc = nghttp2_submit_settings(s->ng, NGHTTP2_FLAG_NONE, settings, sizeof settings / sizeof *settings);
  return rc ? rc : nghttp2_session_set_local_window_size(s->ng, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW);
}

static int new_session(nghttp2_session **out, void *user)
{
  nghttp2_session_callbacks *callbacks;
  int rc = nghttp2_session_callbacks_new(&callbacks);
  if (rc) return rc;
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
  rc = nghttp2_session_server_new(out, callbacks, user);
  nghttp2_session_callbacks_del(callbacks);
  return rc;
}

void gh_http2_begin(gh_http_server *server, gh_conn *conn)
{
  session *s = gh_calloc(1, sizeof *s);
  *s = (session){.server = server, .worker = gh_conn_worker(conn), .conn = conn};
  gh_conn_set_handler(conn, &handler, s);
  if (new_session(&s->ng, s) != 0 || greet(s) != 0) {
    gh_conn_close(conn, GH_EINTERNAL, "no HTTP/2 session");
    return;
  }
  send_out(s);
  free_session_if_done(s);
}
