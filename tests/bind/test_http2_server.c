/* HTTP/2 against the client side of libnghttp2, over a real TLS association. TP-01, TP-18. */
#include "server_fixture.h"

#include <nghttp2/nghttp2.h>

#include "../store/store_fixture.h"

enum { REPLIES_MAX = 256 };

typedef struct reply {
  int32_t id;
  int status, rsc;
  char ri[32];
  gh_buf body;
  bool closed;
  uint32_t error;
} reply;

typedef struct h2 { /* the client */
  tls_peer p;
  nghttp2_session *ng;
  reply replies[REPLIES_MAX];
  size_t count, open;
  gh_str sending; /* body of the last request */
} h2;

static const tls_peer_options h2_meter = {
    .identity = "meter@maf.sp.example.com", .key_hex = GOOD_KEY, .alpn = "\x02h2\x08http/1.1"};

static reply *reply_of(h2 *c, int32_t id)
{
  for (size_t i = 0; i < c->count; i++)
    if (c->replies[i].id == id) return &c->replies[i];
  fail_msg("no such stream %d", id);
  return NULL;
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
                     const uint8_t *value, size_t value_len, uint8_t flags, void *user)
{
  (void)ng;
  (void)flags;
  reply *r = reply_of(user, frame->hd.stream_id);
  gh_str n = {(const char *)name, name_len};
  char text[128];
  snprintf(text, sizeof text, "%.*s", (int)value_len, (const char *)value);
  if (gh_str_eq(n, GH_STR(":status"))) r->status = atoi(text);
  if (gh_str_eq(n, GH_STR("x-m2m-rsc"))) r->rsc = atoi(text);
  if (gh_str_eq(n, GH_STR("x-m2m-ri"))) snprintf(r->ri, sizeof r->ri, "%.31s", text);
  assert_false(gh_str_eq(n, GH_STR("connection")));
  return 0;
}

static int on_data(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *octets, size_t len, void *user)
{
  (void)ng;
  (void)flags;
  gh_buf_add_bytes(&reply_of(user, id)->body, octets, len);
  return 0;
}

static int on_close(nghttp2_session *ng, int32_t id, uint32_t code, void *user)
{
  (void)ng;
  h2 *c = user;
  reply *r = reply_of(c, id);
  r->closed = true;
  r->error = code;
  c->open--;
  return 0;
}

static void flush(h2 *c)
{
  const uint8_t *octets;
  for (ssize_t len; (len = nghttp2_session_mem_send(c->ng, &octets)) > 0;)
    assert_int_equal(SSL_write(c->p.ssl, octets, (int)len), len);
}

static void begin(h2 *c, const served *s)
{
  *c = (h2){.count = 0};
  join(&c->p, s, &h2_meter);
  nghttp2_session_callbacks *callbacks;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
  nghttp2_session_client_new(&c->ng, callbacks, c);
  nghttp2_session_callbacks_del(callbacks);
  nghttp2_submit_settings(c->ng, NGHTTP2_FLAG_NONE, NULL, 0);
  flush(c);
}

static void end(h2 *c)
{
  nghttp2_session_del(c->ng);
  for (size_t i = 0; i < c->count; i++) gh_buf_free(&c->replies[i].body);
  peer_end(&c->p);
}

/* Reads once; false when the server has ended the connection. */
static bool take(h2 *c)
{
  uint8_t octets[16384];
  size_t got;
  if (SSL_read_ex(c->p.ssl, octets, sizeof octets, &got) != 1) return false;
  if (nghttp2_session_mem_recv(c->ng, octets, got) < 0) return false;
  flush(c);
  return true;
}

/* Reads until every stream is closed; false when the server went first. */
static bool finish(h2 *c)
{
  while (c->open)
    if (!take(c)) return false;
  return true;
}

static ssize_t give_body(nghttp2_session *ng, int32_t id, uint8_t *out, size_t cap, uint32_t *flags,
                         nghttp2_data_source *source, void *user)
{
  (void)ng;
  (void)id;
  (void)user;
  gh_str *rest = source->ptr;
  size_t len = rest->len < cap ? rest->len : cap;
  memcpy(out, rest->ptr, len);
  *rest = gh_str_sub(*rest, len, SIZE_MAX);
  if (!rest->len) *flags |= NGHTTP2_DATA_FLAG_EOF;
  return (ssize_t)len;
}

#define FIELD(n, v)                                                                                                  \
  {                                                                                                                  \
    (uint8_t *)(uintptr_t)(n), (uint8_t *)(uintptr_t)(v), strlen(n), strlen(v), NGHTTP2_NV_FLAG_NONE                 \
  }

/* The same, and then a field. */
static const nghttp2_nv *user_trailer; /* of the next body */

static ssize_t give_body_and_trailer(nghttp2_session *ng, int32_t id, uint8_t *out, size_t cap, uint32_t *flags,
                                     nghttp2_data_source *source, void *user)
{
  ssize_t len = give_body(ng, id, out, cap, flags, source, user);
  *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
  assert_int_equal(nghttp2_submit_trailer(ng, id, user_trailer, 1), 0);
  return len;
}

/* type NULL: no body. */
static int32_t ask_h2(h2 *c, const char *method, const char *path, const char *from, const char *ri, const char *type,
                      gh_str body)
{
  nghttp2_nv fields[] = {FIELD(":method", method),
                         FIELD(":scheme", "https"),
                         FIELD(":authority", "in-cse.sp.example.com"),
                         FIELD(":path", path),
                         FIELD("x-m2m-rvi", "3"),
                         FIELD("x-m2m-origin", from),
                         FIELD("x-m2m-ri", ri),
                         FIELD("content-type", type ? type : "")};
  c->sending = body;
  nghttp2_data_provider data = {.source.ptr = &c->sending, .read_callback = give_body};
  int32_t id = nghttp2_submit_request(c->ng, NULL, fields, type ? 8 : 7, type ? &data : NULL, NULL);
  assert_true(id > 0 && c->count < REPLIES_MAX);
  c->replies[c->count++] = (reply){.id = id, .body = GH_BUF_INIT};
  c->open++;
  flush(c);
  return id;
}

#define CIN "{\"m2m:cin\":{\"con\":\"h2\"}}"

/*= TS-0009 6.2; the same primitive over the other framing */
static void one_after_the_other(void **state)
{
  const served *s = *state;
  h2 c;
  begin(&c, s);
  int32_t made = ask_h2(&c, "POST", "/cse-in/meter/box", "Cmeter", "a", "application/json;ty=4", GH_STR(CIN));
  assert_true(finish(&c));
  assert_int_equal(reply_of(&c, made)->status, 201);
  assert_int_equal(reply_of(&c, made)->rsc, 2001);
  int32_t read = ask_h2(&c, "GET", "/cse-in/meter/box/la", "Cmeter", "b", NULL, GH_STR_NONE);
  assert_true(finish(&c));
  const reply *r = reply_of(&c, read);
  assert_int_equal(r->rsc, 2000);
  assert_string_equal(r->ri, "b");
  assert_non_null(memmem(r->body.ptr, r->body.len, "\"con\":\"h2\"", 10));
  end(&c);
}

static void many_at_once(void **state)
{
  const served *s = *state;
  h2 c;
  begin(&c, s);
  char ri[60][16];
  for (int i = 0; i < 60; i++) {
    snprintf(ri[i], sizeof ri[i], "r%d", i);
    if (i % 3)
      ask_h2(&c, "GET", "/cse-in/meter/box", "Cmeter", ri[i], NULL, GH_STR_NONE);
    else
      ask_h2(&c, "POST", "/cse-in/meter/box", "Cmeter", ri[i], "application/json;ty=4", GH_STR(CIN));
  }
  assert_true(finish(&c));
  for (int i = 0; i < 60; i++) {
    assert_string_equal(c.replies[i].ri, ri[i]);
    assert_int_equal(c.replies[i].rsc, i % 3 ? 2000 : 2001);
  }
  end(&c);
}

/*= TS-0003 7.2.1; TS-0004 7.3.2.1 the same gate: TP-01 */
static void refusals(void **state)
{
  const served *s = *state;
  h2 c;
  begin(&c, s);
  static const struct {
    const char *method, *path, *from, *type, *body;
    int rsc, status;
  } cases[] = {{"GET", "/cse-in/meter", "Cother", NULL, NULL, 4106, 403},
               {"GET", "/cse-in/meter", "/in-cse/Cmeter", NULL, NULL, 4000, 400},
               {"GET", "/cse-in/nothing", "Cmeter", NULL, NULL, 4004, 404},
               {"POST", "/cse-in/meter", "Cmeter", "text/plain;ty=3", "x", 4015, 415},
               {"POST", "/cse-in/meter", "Cmeter", "application/json;ty=3", "{", 4000, 400},
               {"POST", "/cse-in/meter", "Cmeter", "application/json;ty=3", "", 4000, 400},
               {"PATCH", "/cse-in/meter", "Cmeter", NULL, NULL, 4005, 405},
               {"GET", "/cse-in/me ter", "Cmeter", NULL, NULL, 4000, 400}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    int32_t id = ask_h2(&c, cases[i].method, cases[i].path, cases[i].from, "r", cases[i].type,
                        gh_str_of(cases[i].body ? cases[i].body : ""));
    if (!finish(&c)) fail_msg("case %zu: the connection ended", i);
    const reply *r = reply_of(&c, id);
    if (r->error == NGHTTP2_PROTOCOL_ERROR) continue; /* libnghttp2 refuses it before we see it */
    if (r->rsc != cases[i].rsc || r->status != cases[i].status) fail_msg("case %zu: %d %d", i, r->rsc, r->status);
  }
  assert_int_equal(reply_of(&c, ask_h2(&c, "GET", "/cse-in/meter", "Cmeter", "r", NULL, GH_STR_NONE))->rsc, 0);
  assert_true(finish(&c)); /* and it lives on */
  assert_int_equal(c.replies[c.count - 1].rsc, 2000);
  end(&c);
}

/* Sends a request without From, and `trailer` behind its body. */
static const reply *ask_with_trailer(h2 *c, const nghttp2_nv *trailer, const char *from)
{
  nghttp2_nv fields[] = {FIELD(":method", "POST"),
                         FIELD(":scheme", "https"),
                         FIELD(":authority", "in-cse.sp.example.com"),
                         FIELD(":path", "/cse-in/meter/box"),
                         FIELD("x-m2m-rvi", "3"),
                         FIELD("x-m2m-ri", "t"),
                         FIELD("content-type", "application/json;ty=4"),
                         FIELD("x-m2m-origin", from ? from : "")};
  user_trailer = trailer;
  c->sending = GH_STR(CIN);
  nghttp2_data_provider data = {.source.ptr = &c->sending, .read_callback = give_body_and_trailer};
  int32_t id = nghttp2_submit_request(c->ng, NULL, fields, from ? 8 : 7, &data, NULL);
  assert_true(id > 0 && c->count < REPLIES_MAX);
  c->replies[c->count++] = (reply){.id = id, .body = GH_BUF_INIT};
  c->open++;
  flush(c);
  assert_true(finish(c));
  return reply_of(c, id);
}

/*= RFC 9110 6.5.1 nothing behind the body is a parameter: a From that is missing is missing, one that is there stays
 */
static void fields_behind_the_body(void **state)
{
  const served *s = *state;
  h2 c;
  begin(&c, s);
  static const nghttp2_nv good = FIELD("x-m2m-origin", "Cmeter"), bad = FIELD("x-m2m-origin", "Cother"),
                          type = FIELD("content-type", "application/json;ty=3"), other = FIELD("x-checksum", "0");
  assert_int_equal(ask_with_trailer(&c, &good, NULL)->rsc, 4000);
  assert_int_equal(ask_with_trailer(&c, &other, NULL)->rsc, 4000);
  assert_int_equal(ask_with_trailer(&c, &good, "Cother")->rsc, 4106);
  assert_int_equal(ask_with_trailer(&c, &bad, "Cmeter")->rsc, 2001);
  assert_int_equal(ask_with_trailer(&c, &good, "Cmeter")->rsc, 2001); /* not twice */
  assert_int_equal(ask_with_trailer(&c, &type, "Cmeter")->rsc, 2001);
  end(&c);
}

/*= RFC 9110 9.3.2 refused as any method that this binding has not, and without a body */
static void head_has_no_body(void **state)
{
  const served *s = *state;
  h2 c;
  begin(&c, s);
  int32_t id = ask_h2(&c, "HEAD", "/cse-in/meter/box", "Cmeter", "h", NULL, GH_STR_NONE);
  assert_true(finish(&c));
  const reply *r = reply_of(&c, id);
  assert_int_equal(r->error, NGHTTP2_NO_ERROR);
  assert_int_equal(r->status, 405);
  assert_int_equal(r->rsc, 4005);
  assert_int_equal(r->body.len, 0);
  id = ask_h2(&c, "GET", "/cse-in/meter/box", "Cmeter", "g", NULL, GH_STR_NONE);
  assert_true(finish(&c));
  assert_int_equal(reply_of(&c, id)->rsc, 2000);
  assert_true(reply_of(&c, id)->body.len > 0);
  end(&c);
}

/* TP-18 */
static void too_large(void **state)
{
  const served *s = *state;
  h2 c;
  begin(&c, s);
  size_t size = 400000;
  char *large = calloc(1, size + 1);
  memset(large, 'x', size);
  int32_t id = ask_h2(&c, "POST", "/cse-in/meter/box", "Cmeter", "r", "application/json;ty=4", (gh_str){large, size});
  assert_true(finish(&c));
  assert_int_equal(reply_of(&c, id)->status, 413);
  large[0] = '/';
  large[3000] = '\0';
  id = ask_h2(&c, "GET", large, "Cmeter", "r", NULL, GH_STR_NONE);
  assert_true(finish(&c));
  assert_int_equal(reply_of(&c, id)->status, 414);
  free(large);
  end(&c);
}

static gh_err put_nothing(job *j, gh_store_txn *txn)
{
  (void)j;
  (void)txn;
  return GH_OK;
}

static void a_stream_is_reset_while_it_is_performed(void **state)
{
  served *s = *state;
  h2 c;
  store_test t = {.store = s->h.host->store};
  blocker b;
  begin(&c, s);
  block_writer(&t, &b);
  int32_t id = ask_h2(&c, "POST", "/cse-in/meter/box", "Cmeter", "a", "application/json;ty=4", GH_STR(CIN));
  nghttp2_submit_rst_stream(c.ng, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
  flush(&c);
  int32_t read = ask_h2(&c, "GET", "/cse-in/meter/box", "Cmeter", "b", NULL, GH_STR_NONE);
  assert_true(finish(&c));
  assert_int_equal(reply_of(&c, read)->rsc, 2000);
  unblock_writer(&b);
  assert_int_equal(do_job(&t, put_nothing, 0), GH_OK); /* behind it */
  int32_t again = ask_h2(&c, "GET", "/cse-in/meter/box/la", "Cmeter", "c", NULL, GH_STR_NONE);
  assert_true(finish(&c));
  assert_int_equal(reply_of(&c, again)->rsc, 2000); /* what was asked for was done */
  end(&c);
}

/* What a peer has reset still costs until it is done: it cannot have more of it under way than is allowed. */
static void rapid_resets_are_bounded(void **state)
{
  served *s = *state;
  h2 c;
  store_test t = {.store = s->h.host->store};
  blocker b;
  begin(&c, s);
  block_writer(&t, &b);
  for (int i = 0; i < 140; i++) {
    int32_t id = ask_h2(&c, "POST", "/cse-in/meter/box", "Cmeter", "a", "application/json;ty=4", GH_STR(CIN));
    nghttp2_submit_rst_stream(c.ng, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
    flush(&c);
  }
  for (size_t i = 0; i < c.count; i++) gh_buf_free(&c.replies[i].body);
  c.count = c.open = 0;
  for (int i = 0; i < 20; i++) ask_h2(&c, "GET", "/cse-in/meter/box", "Cmeter", "b", NULL, GH_STR_NONE);
  bool alive = finish(&c);
  size_t refused = 0;
  for (size_t i = 0; i < c.count; i++) refused += c.replies[i].error != 0;
  assert_true(!alive || refused > 0);
  unblock_writer(&b);
  end(&c);
  wait_connections(s, 0);
}

static void the_peer_leaves_while_its_requests_are_performed(void **state)
{
  served *s = *state;
  h2 c;
  store_test t = {.store = s->h.host->store};
  blocker b;
  begin(&c, s);
  block_writer(&t, &b);
  for (int i = 0; i < 5; i++)
    ask_h2(&c, "POST", "/cse-in/meter/box", "Cmeter", "a", "application/json;ty=4", GH_STR(CIN));
  look_inside(s);
  end(&c);
  wait_connections(s, 0);
  unblock_writer(&b);
  look_inside(s);
}

static void cut_the_sockets(void *arg)
{
  served *s = arg;
  for (gh_conn *conn = s->h.worker.first; conn; conn = conn->next) shutdown(conn->socket.fd, SHUT_WR);
}

/* The answer is what finds that the connection has gone: it ends the session that is just being written to. */
static void the_connection_breaks_under_the_answer(void **state)
{
  served *s = *state;
  h2 c;
  store_test t = {.store = s->h.host->store};
  blocker b;
  begin(&c, s);
  block_writer(&t, &b);
  ask_h2(&c, "POST", "/cse-in/meter/box", "Cmeter", "a", "application/json;ty=4", GH_STR(CIN));
  const reply *behind = reply_of(&c, ask_h2(&c, "GET", "/cse-in/meter/box", "Cmeter", "b", NULL, GH_STR_NONE));
  while (!behind->closed) assert_true(take(&c));
  gh_loop_call(s->h.loop, cut_the_sockets, s);
  unblock_writer(&b);
  wait_connections(s, 0);
  end(&c);
}

static void octets_that_are_no_http2(void **state)
{
  served *s = *state;
  tls_peer p;
  join(&p, s, &h2_meter);
  send_text(&p, GET_BOX("r"), strlen(GET_BOX("r")));
  while (!peer_is_closed(&p)) continue; /* its settings, then the end */
  peer_end(&p);
  wait_connections(s, 0);
}

/*= RFC 7301 3.2 */
static void what_alpn_agrees_upon(void **state)
{
  const served *s = *state;
  tls_peer p;
  tls_peer_options options = h2_meter;
  options.alpn = "\x08http/1.1";
  join(&p, s, &options);
  talk r = {&p, GH_BUF_INIT};
  assert_int_equal(say(&r, GET_BOX("r")).rsc, 2000);
  part(&r);
  options.alpn = "\x04mqtt";
  assert_false(peer_connect(&p, s->port, &options));
  assert_int_equal(p.alert, SSL_AD_NO_APPLICATION_PROTOCOL);
  peer_end(&p);
}

/* A revoked association answers nothing more. */
static bool everybody(void *ctx, gh_conn *conn)
{
  (void)ctx;
  (void)conn;
  return true;
}

static void revoke_all(void *arg)
{
  served *s = arg;
  gh_worker_revoke(&s->h.worker, everybody, NULL);
}

static void a_revoked_association(void **state)
{
  served *s = *state;
  h2 c;
  begin(&c, s);
  ask_h2(&c, "GET", "/cse-in/meter/box", "Cmeter", "a", NULL, GH_STR_NONE);
  assert_true(finish(&c));
  gh_loop_call(s->h.loop, revoke_all, s);
  wait_connections(s, 0);
  end(&c);
}

#define SERVED(test) cmocka_unit_test_setup_teardown(test, setup_served, teardown_served)

int main(void)
{
  const struct CMUnitTest tests[] = {
      SERVED(one_after_the_other),
      SERVED(many_at_once),
      SERVED(refusals),
      SERVED(fields_behind_the_body),
      SERVED(head_has_no_body),
      SERVED(too_large),
      SERVED(a_stream_is_reset_while_it_is_performed),
      SERVED(rapid_resets_are_bounded),
      SERVED(the_peer_leaves_while_its_requests_are_performed),
      SERVED(the_connection_breaks_under_the_answer),
      SERVED(octets_that_are_no_http2),
      SERVED(what_alpn_agrees_upon),
      SERVED(a_revoked_association),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
