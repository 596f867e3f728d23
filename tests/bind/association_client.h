/* One client that speaks any of the bindings over OpenSSL: HTTP/1.1 as text, HTTP/2 with libnghttp2, CoAP with the
 * codec, WebSocket with frames by hand. A request, and the codes of its answer. */
#ifndef GH_TEST_ASSOCIATION_CLIENT_H
#define GH_TEST_ASSOCIATION_CLIENT_H

#include "association_hall.h"
#include "association_ws.h"

#include <nghttp2/nghttp2.h>

typedef enum binding { HTTP1, HTTP2, COAP_TLS, COAP_DTLS, WS_JSON, WS_CBOR } binding;

typedef struct channel {
  const char *what;
  binding binding;
  int version;
} channel;

/* What there is; HTTP over DTLS and DTLS 1.3 are not. */
static const channel channels[] = {
    {"HTTP/1.1, TLS 1.2", HTTP1, TLS1_2_VERSION},
    {"HTTP/1.1, TLS 1.3", HTTP1, TLS1_3_VERSION},
    {"HTTP/2, TLS 1.2", HTTP2, TLS1_2_VERSION},
    {"HTTP/2, TLS 1.3", HTTP2, TLS1_3_VERSION},
    {"CoAP, TLS 1.2", COAP_TLS, TLS1_2_VERSION},
    {"CoAP, TLS 1.3", COAP_TLS, TLS1_3_VERSION},
    {"CoAP, DTLS 1.2", COAP_DTLS, DTLS1_2_VERSION},
    {"WebSocket in JSON, TLS 1.2", WS_JSON, TLS1_2_VERSION},
    {"WebSocket in JSON, TLS 1.3", WS_JSON, TLS1_3_VERSION},
    {"WebSocket in CBOR, TLS 1.2", WS_CBOR, TLS1_2_VERSION},
    {"WebSocket in CBOR, TLS 1.3", WS_CBOR, TLS1_3_VERSION},
};
enum { CHANNELS = sizeof channels / sizeof *channels };

typedef struct question {
  gh_op op;
  const char *to, *from; /* from NULL: not said */
  uint32_t ty;           /* CREATE: of `content` */
  const char *content;
} question;

/* `status`: of the binding, 405 or 4.05 as 405; WebSocket has none but the response status code. */
typedef struct verdict {
  int rsc, status;
} verdict;

typedef struct talker {
  const channel *over;
  tls_peer p;
  talk text; /* HTTP/1.1, CoAP over TLS, WebSocket */
  nghttp2_session *ng;
  verdict seen; /* HTTP/2: of the stream in flight */
  bool closed;
  gh_str rest;
  uint16_t mid;
} talker;

/* ---- HTTP/1.1 */

static inline const char *http_method(gh_op op)
{
  return op == GH_OP_CREATE ? "POST" : op == GH_OP_DELETE ? "DELETE" : "GET";
}

static inline verdict ask_http1(talker *t, const question *q)
{
  gh_arena arena;
  gh_arena_init(&arena);
  gh_str from = q->from ? gh_arena_fmt(&arena, "X-M2M-Origin: %s\r\n", q->from) : GH_STR("");
  gh_str body = gh_str_of(q->content ? q->content : "");
  gh_str type = GH_STR("");
  if (q->content)
    type = gh_arena_fmt(&arena, "Content-Type: application/json;ty=%u\r\nContent-Length: %zu\r\n", q->ty, body.len);
  gh_str text = gh_arena_fmt(&arena, "%s /%s HTTP/1.1\r\n" HEADS "X-M2M-RI: r1\r\n%.*s%.*s\r\n%.*s",
                             http_method(q->op), q->to, GH_STR_ARG(from), GH_STR_ARG(type), GH_STR_ARG(body));
  http_answer a = {0};
  send_text(&t->p, text.ptr, text.len);
  if (!read_answer(&t->text, &a)) fail_msg("no answer to %.*s", GH_STR_ARG(text));
  gh_arena_free(&arena);
  return (verdict){a.rsc, a.status};
}

/* ---- HTTP/2 */

static inline int h2_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
                            const uint8_t *value, size_t value_len, uint8_t flags, void *user)
{
  (void)ng;
  (void)frame;
  (void)flags;
  talker *t = user;
  gh_str n = {(const char *)name, name_len};
  char text[16];
  snprintf(text, sizeof text, "%.*s", (int)value_len, (const char *)value);
  if (gh_str_eq(n, GH_STR(":status"))) t->seen.status = atoi(text);
  if (gh_str_eq(n, GH_STR("x-m2m-rsc"))) t->seen.rsc = atoi(text);
  return 0;
}

static inline int h2_close(nghttp2_session *ng, int32_t id, uint32_t code, void *user)
{
  (void)ng;
  (void)id;
  assert_int_equal(code, NGHTTP2_NO_ERROR);
  ((talker *)user)->closed = true;
  return 0;
}

static inline ssize_t h2_body(nghttp2_session *ng, int32_t id, uint8_t *out, size_t cap, uint32_t *flags,
                              nghttp2_data_source *source, void *user)
{
  (void)ng;
  (void)id;
  (void)user;
  const gh_str *body = source->ptr;
  assert_true(body->len <= cap);
  memcpy(out, body->ptr, body->len);
  *flags |= NGHTTP2_DATA_FLAG_EOF;
  return (ssize_t)body->len;
}

static inline void h2_flush(talker *t)
{
  const uint8_t *octets;
  for (ssize_t len; (len = nghttp2_session_mem_send(t->ng, &octets)) > 0;)
    assert_int_equal(SSL_write(t->p.ssl, octets, (int)len), len);
}

static inline void h2_begin(talker *t)
{
  nghttp2_session_callbacks *callbacks;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, h2_header);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, h2_close);
  nghttp2_session_client_new(&t->ng, callbacks, t);
  nghttp2_session_callbacks_del(callbacks);
  nghttp2_submit_settings(t->ng, NGHTTP2_FLAG_NONE, NULL, 0);
  h2_flush(t);
}

static inline nghttp2_nv h2_field(const char *name, const char *value)
{
  return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name), strlen(value),
                      NGHTTP2_NV_FLAG_NONE};
}

static inline verdict ask_http2(talker *t, const question *q)
{
  char path[128], type[64];
  uint8_t octets[16384];
  size_t count = 0, got;
  nghttp2_nv fields[8];
  snprintf(path, sizeof path, "/%s", q->to);
  snprintf(type, sizeof type, "application/json;ty=%u", q->ty);
  fields[count++] = h2_field(":method", http_method(q->op));
  fields[count++] = h2_field(":scheme", "https");
  fields[count++] = h2_field(":authority", CSE_FQDN);
  fields[count++] = h2_field(":path", path);
  fields[count++] = h2_field("x-m2m-rvi", "3");
  fields[count++] = h2_field("x-m2m-ri", "r1");
  if (q->from) fields[count++] = h2_field("x-m2m-origin", q->from);
  if (q->content) fields[count++] = h2_field("content-type", type);
  t->rest = gh_str_of(q->content);
  t->seen = (verdict){0, 0};
  t->closed = false;
  nghttp2_data_provider data = {.source.ptr = &t->rest, .read_callback = h2_body};
  assert_true(nghttp2_submit_request(t->ng, NULL, fields, count, q->content ? &data : NULL, NULL) > 0);
  h2_flush(t);
  while (!t->closed) {
    if (SSL_read_ex(t->p.ssl, octets, sizeof octets, &got) != 1) fail_msg("the association ended");
    assert_true(nghttp2_session_mem_recv(t->ng, octets, got) >= 0);
    h2_flush(t);
  }
  return t->seen;
}

/* ---- CoAP */

static inline gh_coap_message coap_question(const question *q, const char ty[static 2])
{
  static const uint8_t codes[] = {
      [GH_OP_CREATE] = GH_COAP_POST, [GH_OP_RETRIEVE] = GH_COAP_GET, [GH_OP_DELETE] = GH_COAP_DELETE};
  gh_coap_message m = coap_request(codes[q->op], q->from, q->to, "r1");
  if (q->content) with_body(&m, ty, q->content);
  return m;
}

static inline verdict coap_verdict(const gh_coap_message *m)
{
  return (verdict){(int)rsc_in(m), (m->code >> 5) * 100 + (m->code & 31)};
}

static inline void coap_write(talker *t, gh_coap_message *m, gh_coap_type type)
{
  gh_buf out = GH_BUF_INIT;
  m->type = type;
  if (t->over->binding == COAP_DTLS)
    gh_coap_write_udp(&out, m);
  else
    gh_coap_write_tcp(&out, m);
  send_text(&t->p, out.ptr, out.len);
  gh_buf_free(&out);
}

/* The next frame of a stream; it borrows until the next call. */
static inline void coap_read_frame(talker *t, gh_coap_message *m)
{
  talk *r = &t->text;
  for (;;) {
    gh_str rest = gh_buf_rest(&r->in);
    size_t len = 0, got = 0;
    if (gh_coap_frame_len(rest, 1 << 20, &len) == GH_OK && rest.len >= len) {
      assert_int_equal(gh_coap_parse_tcp(gh_str_sub(rest, 0, len), m), GH_OK);
      r->in.pos += len;
      return;
    }
    if (r->in.pos == r->in.len) gh_buf_clear(&r->in);
    char *into = gh_buf_reserve(&r->in, 65536);
    if (SSL_read_ex(t->p.ssl, into, 65536, &got) != 1) fail_msg("the association ended");
    gh_buf_added(&r->in, got);
  }
}

static inline verdict ask_coap_tls(talker *t, const question *q)
{
  const char ty[2] = {(char)q->ty, '\0'};
  gh_coap_message m = coap_question(q, ty), reply;
  coap_write(t, &m, GH_COAP_CON);
  coap_read_frame(t, &reply);
  assert_memory_equal(reply.token, m.token, m.token_len);
  return coap_verdict(&reply);
}

static inline void coap_read_datagram(talker *t, gh_coap_message *m)
{
  size_t got = 0;
  if (SSL_read_ex(t->p.ssl, t->p.answer, sizeof t->p.answer, &got) != 1) fail_msg("no answer");
  assert_int_equal(gh_coap_parse_udp((gh_str){t->p.answer, got}, m), GH_OK);
}

/* The answer comes with the acknowledgement, or behind it in a message of its own. */
static inline verdict ask_coap_dtls(talker *t, const question *q)
{
  const char ty[2] = {(char)q->ty, '\0'};
  gh_coap_message m = coap_question(q, ty), reply;
  m.mid = ++t->mid;
  coap_write(t, &m, GH_COAP_CON);
  do coap_read_datagram(t, &reply);
  while (reply.code == GH_COAP_EMPTY);
  assert_memory_equal(reply.token, m.token, m.token_len);
  if (reply.type == GH_COAP_CON) {
    gh_coap_message ack = {.mid = reply.mid};
    coap_write(t, &ack, GH_COAP_ACK);
  }
  return coap_verdict(&reply);
}

static inline void coap_begin(talker *t)
{
  gh_coap_message csm = {.code = GH_COAP_CSM}, theirs;
  coap_write(t, &csm, GH_COAP_CON);
  coap_read_frame(t, &theirs);
  assert_int_equal(theirs.code, GH_COAP_CSM);
}

/* ---- WebSocket */

static inline bool is_ws(const channel *over)
{
  return over->binding == WS_JSON || over->binding == WS_CBOR;
}

static inline gh_representation ws_representation(const channel *over)
{
  return over->binding == WS_CBOR ? GH_REP_CBOR : GH_REP_JSON;
}

static inline void ws_set_text(gh_arena *a, gh_val *o, const char *name, const char *text)
{
  if (text) gh_val_set(a, o, gh_str_of(name), gh_val_str(a, gh_str_of(text)));
}

static inline verdict ask_ws(talker *t, const question *q)
{
  gh_arena a;
  gh_arena_init(&a);
  gh_val *o = gh_val_object(&a), *pc = NULL;
  gh_val_set(&a, o, GH_STR("op"), gh_val_int(&a, q->op));
  ws_set_text(&a, o, "to", q->to);
  ws_set_text(&a, o, "fr", q->from);
  ws_set_text(&a, o, "rqi", "r1");
  ws_set_text(&a, o, "rvi", "3");
  if (q->content) {
    gh_val_set(&a, o, GH_STR("ty"), gh_val_int(&a, q->ty));
    assert_int_equal(gh_json_parse(&a, gh_str_of(q->content), NULL, &pc, NULL), GH_OK);
    gh_val_set(&a, o, GH_STR("pc"), pc);
  }
  int rsc = ws_ask_primitive(&t->text, ws_representation(t->over), &a, o);
  gh_arena_free(&a);
  return (verdict){rsc, rsc};
}

/* ---- any of them */

/* The handshake's options on this channel. */
static inline tls_peer_options options_on(const channel *over, const tls_peer_options *as)
{
  tls_peer_options options = *as;
  options.min_version = options.max_version = over->version;
  options.suites = as->identity ? "PSK-AES128-GCM-SHA256" : "ECDHE-ECDSA-AES128-GCM-SHA256";
  if (over->binding == HTTP1 || is_ws(over)) options.alpn = "\x08http/1.1";
  if (over->binding == HTTP2) options.alpn = "\x02h2";
  if (over->binding == COAP_TLS)
    options.alpn = "\x04"
                   "coap";
  return options;
}

static inline uint16_t port_of(const hall *l, const channel *over)
{
  if (over->binding == COAP_DTLS) return l->coap_udp_port;
  return over->binding == COAP_TLS ? l->coap_tcp_port : l->http_port;
}

static inline void talker_begin(talker *t, const hall *l, const channel *over, const tls_peer_options *as)
{
  *t = (talker){.over = over};
  t->text.p = &t->p;
  tls_peer_options options = options_on(over, as);
  bool joined = over->binding == COAP_DTLS ? dtls_join_patiently(&t->p, port_of(l, over), &options)
                                           : peer_connect(&t->p, port_of(l, over), &options);
  if (!joined) fail_msg("%s: alert %d", over->what, t->p.alert);
  assert_int_equal(SSL_version(t->p.ssl), over->version);
  if (over->binding == HTTP2) h2_begin(t);
  if (over->binding == COAP_TLS) coap_begin(t);
  if (is_ws(over)) ws_upgrade(&t->text, ws_representation(over));
}

static inline verdict talker_ask(talker *t, const question *q)
{
  switch (t->over->binding) {
  case HTTP1: return ask_http1(t, q);
  case HTTP2: return ask_http2(t, q);
  case COAP_TLS: return ask_coap_tls(t, q);
  case COAP_DTLS: return ask_coap_dtls(t, q);
  case WS_JSON:
  case WS_CBOR: return ask_ws(t, q);
  }
  return (verdict){0, 0};
}

static inline void talker_end(talker *t)
{
  if (t->ng) nghttp2_session_del(t->ng);
  gh_buf_free(&t->text.in);
  if (t->p.ssl) SSL_shutdown(t->p.ssl);
  peer_end(&t->p);
}

#endif
