/* CoAP over TLS (coaps+tcp, RFC 8323): frames of a stream, signalling, and the answers in the order they come. */
#include <stdlib.h>

#include "bind/coap_session.h"

enum {
  HEAD_BYTES_MAX = 16 * 1024, /* options of a message */
  WAITING_BYTES_MAX = 64 * 1024,
  BASE_MESSAGE_BYTES = 1152, /* RFC 8323 5.3.1: what a peer takes that has not said otherwise */
  ANSWER_HEAD_BYTES = 128    /* at least this much of a message is not payload */
};

typedef struct session {
  gh_coap_association a; /* first: `answer` and `released` lead back here */
  gh_buf waiting;        /* octets that are not a whole frame yet, or wait for their turn */
  bool csm_seen;
  bool released; /* the peer asked for the end: answers that are due, then close */
  bool ended;    /* nothing more is read */
  bool running;  /* inside take_frames: answers that come at once do not recurse */
  bool gone;     /* freed when take_frames returns */
} session;

static size_t most_frame(const session *s)
{
  return s->a.service->max_body_bytes + HEAD_BYTES_MAX;
}

static void set_peer_limit(session *s, uint32_t message_bytes)
{
  size_t head = message_bytes < 2 * ANSWER_HEAD_BYTES ? message_bytes / 2 : ANSWER_HEAD_BYTES;
  s->a.most = message_bytes - head;
  if (s->a.most < 16) s->a.most = 16;
}

static void send_signal(session *s, uint8_t code, const gh_coap_message *to, uint16_t option, uint32_t value,
                        const char *text)
{
  gh_arena arena;
  gh_arena_init(&arena);
  gh_coap_message m = {.code = code, .payload = gh_str_of(text)};
  if (to) {
    m.token_len = to->token_len;
    memcpy(m.token, to->token, sizeof m.token);
  }
  if (option) (void)gh_coap_add_uint(&arena, &m, option, value);
  gh_coap_write_tcp(gh_conn_out(s->a.conn), &m);
  gh_arena_free(&arena);
}

/*= RFC 8323 5.6 */
static void abort_session(session *s, uint16_t bad_option, const char *text)
{
  GH_LOG(s->a.service->log, GH_LOG_INFO, "malformed-coap", GH_F("peer", gh_conn_address_text(s->a.conn)),
         GH_F("reason", text));
  send_signal(s, GH_COAP_ABORT, NULL, bad_option ? 2 : 0, bad_option, text);
  s->ended = true;
  gh_conn_close(s->a.conn, GH_EPROTO, "malformed CoAP");
}

/*= RFC 8323 5.3 */
static void send_csm(session *s)
{
  gh_arena arena;
  gh_arena_init(&arena);
  gh_coap_message csm = {.code = GH_COAP_CSM};
  (void)gh_coap_add_uint(&arena, &csm, GH_COAP_CSM_MAX_MESSAGE_SIZE, (uint32_t)most_frame(s));
  (void)gh_coap_add(&csm, GH_COAP_CSM_BLOCK_WISE, GH_STR_NONE);
  gh_coap_write_tcp(gh_conn_out(s->a.conn), &csm);
  gh_arena_free(&arena);
}

static void take_csm(session *s, const gh_coap_message *m)
{
  uint32_t bytes;
  for (size_t i = 0; i < m->option_count; i++)
    if (m->options[i].number & 1) { /* critical, and none is known */
      abort_session(s, m->options[i].number, "option of CSM");
      return;
    }
  s->csm_seen = true;
  if (gh_coap_find_uint(m, GH_COAP_CSM_MAX_MESSAGE_SIZE, &bytes)) set_peer_limit(s, bytes);
}

static void close_if_released(session *s)
{
  if (!s->released || s->a.calls || !s->a.conn) return;
  s->ended = true;
  gh_conn_close(s->a.conn, GH_OK, "released by peer");
}

/*= RFC 8323 5.3; RFC 8323 5.4; RFC 8323 5.5; RFC 8323 5.6 */
static void take_signal(session *s, const gh_coap_message *m)
{
  switch (m->code) {
  case GH_COAP_CSM: take_csm(s, m); return;
  case GH_COAP_PING: send_signal(s, GH_COAP_PONG, m, 0, 0, NULL); return;
  case GH_COAP_PONG: return;
  case GH_COAP_RELEASE: s->released = true; return;
  case GH_COAP_ABORT:
    s->ended = true;
    gh_conn_close(s->a.conn, GH_OK, "aborted by peer");
    return;
  default: return; /* unknown signals are ignored */
  }
}

/* False: it must wait until others have been answered. */
static bool take_message(session *s, gh_coap_message *m)
{
  /*= RFC 8323 5.3 a CSM is the first message of each side */
  if (!s->csm_seen && m->code != GH_COAP_CSM) {
    abort_session(s, 0, "no CSM");
    return true;
  }
  if (gh_coap_is_signal(m)) {
    take_signal(s, m);
    return true;
  }
  if (!gh_coap_is_request(m)) return true; /* empty messages keep the association alive; we have asked nothing */
  return s->released || gh_coap_serve(&s->a, 0, m);
}

/* Takes one frame; false when there is none, or it must wait. */
static bool take_frame(session *s)
{
  gh_coap_message m;
  gh_str rest = gh_buf_rest(&s->waiting);
  size_t len = 0;
  gh_err err = gh_coap_frame_len(rest, most_frame(s), &len);
  if (err == GH_EAGAIN || (err == GH_OK && rest.len < len)) return false;
  if (err == GH_OK) err = gh_coap_parse_tcp(gh_str_sub(rest, 0, len), &m);
  if (err != GH_OK) {
    abort_session(s, 0, err == GH_ELIMIT ? "message too large" : "message format");
    return false;
  }
  if (!take_message(s, &m)) return false;
  gh_buf_consume(&s->waiting, len);
  return true;
}

/* The time of a request runs while it is incomplete, not while it is performed. */
static void watch_request(session *s)
{
  if (s->a.conn && !s->ended) gh_conn_expect(s->a.conn, !s->a.calls && gh_buf_rest(&s->waiting).len > 0);
}

static void free_session(session *s)
{
  gh_buf_free(&s->waiting);
  free(s);
}

static void take_frames(session *s)
{
  s->running = true;
  while (s->a.conn && !s->ended && gh_conn_is_open(s->a.conn) && !gh_conn_is_full(s->a.conn) && take_frame(s))
    continue;
  if (s->waiting.cap > 4096 && gh_buf_rest(&s->waiting).len == 0) gh_buf_free(&s->waiting);
  if (s->a.conn) close_if_released(s);
  if (s->a.conn) gh_conn_flush(s->a.conn);
  s->running = false;
  if (s->gone)
    free_session(s);
  else
    watch_request(s);
}

static void answer(gh_coap_association *a, uint32_t request_id, gh_coap_message *m)
{
  (void)request_id;
  session *s = (session *)a;
  gh_coap_write_tcp(gh_conn_out(a->conn), m);
  gh_conn_expect(a->conn, false);
  if (!s->running) take_frames(s); /* sends, and goes on with what waited */
}

static void released(gh_coap_association *a)
{
  session *s = (session *)a;
  s->gone = true;
  if (!s->running) free_session(s);
}

static void on_ready(gh_conn *conn, void *ctx)
{
  session *s = ctx;
  s->a.conn = conn;
  if (s->a.service->ready) s->a.service->ready(&s->a, conn);
  send_csm(s);
  gh_conn_flush(conn);
}

static void on_data(gh_conn *conn, void *ctx, gh_str octets)
{
  session *s = ctx;
  if (gh_buf_rest(&s->waiting).len + octets.len > WAITING_BYTES_MAX + GH_WORKER_READ_BYTES + most_frame(s)) {
    gh_conn_close(conn, GH_ELIMIT, "too much was pipelined");
    return;
  }
  gh_buf_add(&s->waiting, octets);
  take_frames(s);
}

static void on_closed(gh_conn *conn, void *ctx, gh_err why, const char *reason)
{
  session *s = ctx;
  if (s->a.service->closed) s->a.service->closed(&s->a, conn, why, reason);
  gh_coap_association_end(&s->a);
}

static const gh_conn_handler handler = {on_ready, on_data, on_closed};

static void *new_session(void *owner, gh_worker *worker)
{
  session *s = gh_calloc(1, sizeof *s);
  gh_coap_association_init(&s->a, owner, worker);
  s->a.answer = answer;
  s->a.released = released;
  s->a.transfers.bert = true; /*= RFC 8323 6 */
  set_peer_limit(s, BASE_MESSAGE_BYTES);
  return s;
}

void gh_coap_tcp_session_options(gh_coap_service *service, gh_listener_options *options)
{
  /*= TS-0003 6.1.2.2.1 an unprotected request is not served: CSM, then Abort with the reason */
  static const char refusal[] = "\x00\xe1"
                                "\xd0\x16\xe5\xff"
                                "4107 security association required";
  options->handler = &handler;
  options->new_ctx = new_session;
  options->owner = service;
  options->plain_refusal = GH_STR(refusal);
}
