/* WebSocket at a CSE on a real socket: the gate behind it, slow and silent peers, what is kept for whom. */
#include "ws_fixture.h"

/*= TS-0020 5.1; 6.2.1; 6.2.2.9; TS-0004 8.4; 8.5.1 */
static void both_serializations(void **state)
{
  ws_served *w = *state;
  for (int cbor = 0; cbor < 2; cbor++) {
    ws_client c;
    ws_join(&c, w, &as_meter, cbor ? GH_REP_CBOR : GH_REP_JSON);
    assert_int_equal(ws_ask(&c, WS_GET("cse-in/meter/box", "a")), 2000);
    assert_true(gh_str_eq(ws_text(c.inbox[0], "rqi"), GH_STR("a")) && gh_val_get(c.inbox[0], GH_STR("pc")));
    assert_int_equal(ws_ask(&c, "{\"op\":1,\"to\":\"cse-in/meter/box\",\"fr\":\"Cmeter\",\"rqi\":\"b\",\"ty\":4,"
                                "\"pc\":{\"m2m:cin\":{\"con\":\"x\"}}}"),
                     2001);
    assert_int_equal(ws_ask(&c, WS_GET("cse-in/none", "c")), 4004);
    ws_part(&c);
  }
}

/*= TS-0003 7.2.1; TS-0004 7.3.2.1; TS-0020 7 */
static void who_asks_is_the_association(void **state)
{
  ws_served *w = *state;
  ws_client c;
  ws_join(&c, w, &as_other, GH_REP_JSON);
  assert_int_equal(ws_ask(&c, WS_GET("cse-in/meter/box", "a")), 4106);
  assert_int_equal(ws_ask(&c, "{\"op\":2,\"to\":\"cse-in/meter\",\"fr\":\"Cother\",\"rqi\":\"b\"}"), 4103);
  assert_int_equal(ws_ask(&c, "{\"op\":2,\"to\":\"cse-in/other\",\"rqi\":\"c\"}"), 4000);
  assert_int_equal(ws_ask(&c, "{\"op\":2,\"to\":\"cse-in/other\",\"fr\":\"Cother\",\"rqi\":\"d\"}"), 2000);
  ws_part(&c);
}

/* Requests come with the handshake, or right behind it. */
static void requests_with_the_handshake(void **state)
{
  ws_served *w = *state;
  ws_client c;
  ws_open(&c, w, &as_meter, GH_REP_JSON);
  ws_say(&c, WS_GET("cse-in/meter", "early"));
  ws_granted(&c);
  assert_int_equal(ws_rsc(ws_next(&c)), 2000);
  ws_part(&c);
}

/* Whoever does not read is not served without bound, and gets everything in the end. (TP-18) */
static void slow_reader(void **state)
{
  enum { REQUESTS = 60, LARGE_BYTES = 200 * 1024 };
  ws_served *w = *state;
  ws_client c;
  gh_buf text = GH_BUF_INIT;
  ws_join(&c, w, &as_meter, GH_REP_JSON);
  gh_buf_add(&text, GH_STR("{\"op\":1,\"to\":\"cse-in/meter/box\",\"fr\":\"Cmeter\",\"rqi\":\"l\",\"ty\":4,\"pc\":"
                           "{\"m2m:cin\":{\"rn\":\"large\",\"con\":\""));
  for (int i = 0; i < LARGE_BYTES; i++) gh_buf_add_char(&text, 'x');
  gh_buf_add(&text, GH_STR("\"}}}"));
  gh_buf_add_char(&text, '\0');
  assert_int_equal(ws_ask(&c, text.ptr), 2001);
  for (int i = 0; i < REQUESTS; i++) ws_say(&c, WS_GET("cse-in/meter/box/large", "g"));
  for (int i = 0; i < 20; i++) {
    size_t most = w->s->h.worker.limits.max_out_bytes + (4096 / 60 + 2) * (LARGE_BYTES + 1024);
    assert_true(look_inside(w->s).unsent < most);
    usleep(5000);
  }
  for (int i = 0; i < REQUESTS; i++) assert_int_equal(ws_rsc(ws_next(&c)), 2000);
  gh_buf_free(&text);
  ws_part(&c);
}

/* Reads one frame without payload. */
static void expect_frame(ws_client *c, unsigned char first)
{
  unsigned char head[2];
  size_t got = 0;
  assert_int_equal(SSL_read_ex(c->p.ssl, head, 2, &got), 1);
  assert_int_equal(got, 2);
  assert_int_equal(head[0], first);
  assert_int_equal(head[1], 0);
}

#define PONG "\x8a\x80\x01\x02\x03\x04"

/*= RFC 6455 5.5.2 a silent peer is pinged; one that does not answer is gone */
static void half_open(void **state)
{
  ws_served *w = *state;
  ws_client c;
  int64_t half_us = (int64_t)w->s->h.worker.limits.idle_ms * 1000 / 2;
  ws_join(&c, w, &as_meter, GH_REP_JSON);
  for (int i = 0; i < 4; i++) { /* twice the limit, by answering */
    w->s->h.clock_offset_us += half_us + GH_US_PER_S / 10;
    expect_frame(&c, 0x89);
    send_and_wait(w->s, &c.p, GH_STR(PONG));
  }
  assert_int_equal(look_inside(w->s).connections, 1);
  w->s->h.clock_offset_us += half_us + GH_US_PER_S / 10;
  expect_frame(&c, 0x89);
  w->s->h.clock_offset_us += half_us + GH_US_PER_S;
  wait_connections(w->s, 0);
  ws_part(&c);
}

/* A message that never ends ends the connection. (TP-18) */
static void half_a_message(void **state)
{
  ws_served *w = *state;
  ws_client c;
  ws_join(&c, w, &as_meter, GH_REP_JSON);
  send_and_wait(w->s, &c.p, GH_STR("\x01\x81\0\0\0\0{")); /* a fragment */
  w->s->h.clock_offset_us += ((int64_t)w->s->h.worker.limits.request_ms * 1000) / 2;
  send_and_wait(w->s, &c.p, GH_STR("\x00\x81\0\0\0\0 ")); /* does not win time */
  w->s->h.clock_offset_us += ((int64_t)w->s->h.worker.limits.request_ms * 1000) / 2 + GH_US_PER_S;
  wait_connections(w->s, 0);
  ws_part(&c);
}

/* The peer leaves while its requests are with the writer: they are performed, the answers are dropped. */
static void leaves_early(void **state)
{
  ws_served *w = *state;
  for (int i = 0; i < 20; i++) {
    ws_client c;
    ws_join(&c, w, &as_meter, GH_REP_JSON);
    for (int k = 0; k < 10; k++)
      ws_say(&c, "{\"op\":1,\"to\":\"cse-in/meter/box\",\"fr\":\"Cmeter\",\"rqi\":\"b\",\"ty\":4,"
                 "\"pc\":{\"m2m:cin\":{\"con\":\"x\"}}}");
    ws_part(&c);
  }
  wait_connections(w->s, 0);
}

static bool everybody(void *ctx, gh_conn *conn)
{
  (void)ctx;
  (void)conn;
  return true;
}

static void revoke_all(void *arg)
{
  gh_worker_revoke(arg, everybody, NULL);
}

/*= TS-0003 7.1.5 revocation reaches open WebSockets */
static void revoked(void **state)
{
  ws_served *w = *state;
  ws_client c;
  ws_join(&c, w, &as_meter, GH_REP_JSON);
  assert_int_equal(ws_ask(&c, WS_GET("cse-in/meter", "a")), 2000);
  gh_loop_call(w->s->h.loop, revoke_all, &w->s->h.worker);
  while (ws_pump(&c)) continue;
  wait_connections(w->s, 0);
  ws_part(&c);
}

/* Answers to nothing are ignored. */
static void unasked_response(void **state)
{
  ws_served *w = *state;
  ws_client c;
  ws_join(&c, w, &as_meter, GH_REP_JSON);
  ws_say(&c, "{\"rsc\":2000,\"rqi\":\"never\"}");
  ws_say(&c, "{\"rsc\":2000}");
  assert_int_equal(ws_ask(&c, WS_GET("cse-in/meter", "a")), 2000);
  ws_part(&c);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(both_serializations, setup_ws, teardown_ws),
      cmocka_unit_test_setup_teardown(who_asks_is_the_association, setup_ws, teardown_ws),
      cmocka_unit_test_setup_teardown(requests_with_the_handshake, setup_ws, teardown_ws),
      cmocka_unit_test_setup_teardown(slow_reader, setup_ws, teardown_ws),
      cmocka_unit_test_setup_teardown(half_open, setup_ws, teardown_ws),
      cmocka_unit_test_setup_teardown(half_a_message, setup_ws, teardown_ws),
      cmocka_unit_test_setup_teardown(leaves_early, setup_ws, teardown_ws),
      cmocka_unit_test_setup_teardown(revoked, setup_ws, teardown_ws),
      cmocka_unit_test_setup_teardown(unasked_response, setup_ws, teardown_ws),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
