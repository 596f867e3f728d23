/* WebSocket on octets: the handshake of both sides, messages however they are cut. */
#include "http_fixture.h"

#include "bind/ws_codec.h"

/* ---- handshake */

#define KEY "ud63env87LQLd4uIV20/oQ=="
#define OFFER_BEHIND(target) "GET " target " HTTP/1.1\r\nHost: h\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n"
#define OFFER OFFER_BEHIND("/")
#define REST "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: oneM2M.json\r\n"

static int judge(const char *text, gh_ws_grant *grant)
{
  gh_http_reader reader;
  const char *why = NULL;
  size_t used;
  gh_http_reader_init(&reader, GH_HTTP_REQUESTS, NULL);
  reader.websocket = true;
  int status = gh_http_feed(&reader, gh_str_of(text), &used) == GH_HTTP_MESSAGE && reader.message.upgrade
                   ? gh_ws_judge_offer(&reader.message, grant, &why)
                   : reader.error.status;
  gh_http_reader_free(&reader);
  return status;
}

/*= TS-0020 6.2.3.4; RFC 6455 4.2.2 (the digest that TS-0020 prints belongs to another key) */
static void accept_digests(void **state)
{
  (void)state;
  static const char *const pairs[][2] = {{KEY, "5thN0mVgdTFTgHSjknHQ8H0EtnM="},
                                         {"b25lTTJNLXRlc3Qta2V5MQ==", "Vpj6ZyTEfnNiVa69UrMcrpfJmrg="},
                                         {"dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="}};
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    char text[512];
    gh_ws_grant grant;
    snprintf(text, sizeof text, OFFER REST "Sec-WebSocket-Key: %s\r\n\r\n", pairs[i][0]);
    assert_int_equal(judge(text, &grant), 101);
    assert_string_equal(grant.accept, pairs[i][1]);
  }
}

/*= TS-0020 6.2.2.1; 6.2.2.3; 6.2.2.4; 6.2.2.5; 6.2.2.6; 6.2.2.7; 6.2.3.1; RFC 6455 4.2.1; 4.4 */
static void offers(void **state)
{
  (void)state;
  static const struct {
    int status;
    const char *text, *protocol;
  } cases[] = {
#define K "Sec-WebSocket-Key: " KEY "\r\n"
#define V "Sec-WebSocket-Version: 13\r\n"
#define P(names) "Sec-WebSocket-Protocol: " names "\r\n"
      {101, OFFER K V P("oneM2M.json") "\r\n", "oneM2M.json"},
      {101, OFFER K V P("oneM2M.cbor") "\r\n", "oneM2M.cbor"},
      {101, OFFER K V P("oneM2M.xml , oneM2M.cbor,oneM2M.json") "\r\n", "oneM2M.cbor"},
      {101, OFFER K V P("oneM2M.xml") P("oneM2M.json") "\r\n", "oneM2M.json"},
      {101, OFFER K V P("oneM2M.R2.0.json") "\r\n", "oneM2M.R2.0.json"},
      {101, OFFER K V P("oneM2M.json") "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", "oneM2M.json"},
      {400, OFFER K V P("onem2m.json") "\r\n", NULL},
      {400, OFFER K V P("oneM2M.xml") "\r\n", NULL},
      {400, OFFER K V P("") "\r\n", NULL},
      {400, OFFER K V "\r\n", NULL},
      {400, OFFER V P("oneM2M.json") "\r\n", NULL},
      {400, OFFER K K V P("oneM2M.json") "\r\n", NULL},
      {400, OFFER K V V P("oneM2M.json") "\r\n", NULL},
      {400, OFFER "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j\r\n" V P("oneM2M.json") "\r\n", NULL},
      {400, OFFER "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ!==\r\n" V P("oneM2M.json") "\r\n", NULL},
      {426, OFFER K "Sec-WebSocket-Version: 8\r\n" P("oneM2M.json") "\r\n", NULL},
      {404, OFFER_BEHIND("/cse-in") K V P("oneM2M.json") "\r\n", NULL},
      {403, OFFER K V P("oneM2M.json") "Origin: https://evil.example\r\n\r\n", NULL},
      {400, OFFER K V P("oneM2M.json") "Content-Length: 2\r\n\r\n{}", NULL},
      {400, "POST / HTTP/1.1\r\nHost: h\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n" K V P("oneM2M.json") "\r\n",
       NULL},
      {400, "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n" K V P("oneM2M.json") "\r\n", NULL},
      {400, "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: WebSocket\r\n" K V P("oneM2M.json") "\r\n", NULL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    gh_ws_grant grant = {.protocol = GH_STR_NONE};
    int status = judge(cases[i].text, &grant);
    if (status != cases[i].status) fail_msg("%d for %s", status, cases[i].text);
    if (cases[i].protocol) assert_true(gh_str_eq(grant.protocol, gh_str_of(cases[i].protocol)));
  }
}

static gh_err check(const char *text, gh_diag *diag)
{
  gh_http_reader reader;
  size_t used;
  gh_http_reader_init(&reader, GH_HTTP_RESPONSES, NULL);
  reader.websocket = true;
  gh_err err = GH_EPROTO;
  if (gh_http_feed(&reader, gh_str_of(text), &used) == GH_HTTP_MESSAGE)
    err = gh_ws_check_grant(&reader.message, KEY, GH_REP_JSON, diag);
  gh_http_reader_free(&reader);
  return err;
}

/*= RFC 6455 4.1; TS-0020 6.2.3.2; 6.2.3.3; 6.2.3.4; 6.2.3.5; 6.2.3.6 */
static void grants(void **state)
{
  (void)state;
#define GRANT "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n"
#define ACCEPT "Sec-WebSocket-Accept: 5thN0mVgdTFTgHSjknHQ8H0EtnM=\r\n"
  static const struct {
    gh_err err;
    const char *text;
  } cases[] = {
      {GH_OK, GRANT ACCEPT P("oneM2M.json") "\r\n"},
      {GH_EPROTO, GRANT ACCEPT P("oneM2M.cbor") "\r\n"},
      {GH_EPROTO, GRANT ACCEPT "\r\n"},
      {GH_EPROTO, GRANT P("oneM2M.json") "\r\n"},
      {GH_EPROTO, GRANT "Sec-WebSocket-Accept: FuSSKANnI7C/6/FrPMt70mfBY8E=\r\n" P("oneM2M.json") "\r\n"},
      {GH_EPROTO, GRANT ACCEPT P("oneM2M.json") "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"},
      {GH_EPROTO, "HTTP/1.1 101 \r\nUpgrade: WebSocket\r\n" ACCEPT P("oneM2M.json") "\r\n"},
      {GH_EPROTO, "HTTP/1.1 101 \r\nUpgrade: h2c\r\nConnection: Upgrade\r\n" ACCEPT P("oneM2M.json") "\r\n"},
      {GH_EPROTO, "HTTP/1.1 400 \r\nContent-Length: 0\r\n\r\n"},
      {GH_EPROTO, "HTTP/1.1 200 \r\nContent-Length: 0\r\n" ACCEPT P("oneM2M.json") "\r\n"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    gh_diag diag = {""};
    if (check(cases[i].text, &diag) != cases[i].err) fail_msg("%s: %s", cases[i].text, diag.text);
  }
}

/* What we write as a client we grant as a server, and the other way round. */
static void our_own(void **state)
{
  (void)state;
  gh_buf offer = GH_BUF_INIT, answer = GH_BUF_INIT;
  gh_ws_grant grant;
  gh_diag diag = {""};
  gh_ws_write_offer(&offer, GH_STR("in-cse.example"), KEY, GH_REP_JSON);
  gh_buf_add_char(&offer, '\0');
  assert_int_equal(judge(offer.ptr, &grant), 101);
  gh_ws_write_grant(&answer, &grant);
  gh_buf_add_char(&answer, '\0');
  if (check(answer.ptr, &diag) != GH_OK) fail_msg("%s", diag.text);
  gh_buf_free(&offer);
  gh_buf_free(&answer);
}

/* ---- messages */

typedef struct side {
  gh_ws_stream *stream;
  gh_buf out, got; /* got: every message, each behind T or B */
  uint64_t seed;
  int left; /* messages until `ready` says no; -1: always ready */
} side;

static void on_message(void *ctx, bool binary, gh_str octets)
{
  side *s = ctx;
  gh_buf_add_char(&s->got, binary ? 'B' : 'T');
  gh_buf_add(&s->got, octets);
  if (s->left > 0) s->left--;
}

static bool is_ready(void *ctx)
{
  return ((side *)ctx)->left != 0;
}

static void side_init(side *s, gh_ws_role role, size_t most)
{
  *s = (side){.seed = 3, .left = -1};
  s->stream = gh_ws_stream_new(&(gh_ws_options){.role = role,
                                                .max_message_bytes = most,
                                                .random = gh_random_of_seed(&s->seed),
                                                .out = &s->out,
                                                .message = on_message,
                                                .ready = is_ready,
                                                .ctx = s});
}

static void side_free(side *s)
{
  gh_ws_stream_free(s->stream);
  gh_buf_free(&s->out);
  gh_buf_free(&s->got);
}

static void feed_all(side *s, gh_str octets, size_t piece)
{
  for (size_t at = 0, used; at < octets.len; at += used) {
    gh_ws_feed(s->stream, gh_str_sub(octets, at, piece), &used);
    if (!used) return;
  }
}

/*= RFC 6455 5.2; 5.3; 5.4; 5.6 */
static void cut_anywhere(void **state)
{
  (void)state;
  side client;
  side_init(&client, GH_WS_CLIENT, 1000);
  char large[900];
  memset(large, 'y', sizeof large);
  assert_true(gh_ws_send(client.stream, GH_REP_JSON, GH_STR("abc")));
  gh_ws_ping(client.stream);
  assert_true(gh_ws_send(client.stream, GH_REP_CBOR, (gh_str){large, sizeof large}));
  gh_buf_add(&client.out, GH_STR("\x01\x82\0\0\0\0de\x89\x81\0\0\0\0p\x80\x81\0\0\0\0f")); /* a ping in between */
  for (size_t piece = 1; piece < 1000; piece += piece < 20 ? 1 : 97) {
    side server;
    side_init(&server, GH_WS_SERVER, 1000);
    feed_all(&server, gh_buf_str(&client.out), piece);
    assert_int_equal(server.got.len, 1 + 3 + 1 + sizeof large + 1 + 3);
    assert_memory_equal(server.got.ptr, "TabcB", 5);
    assert_memory_equal(server.got.ptr + server.got.len - 4, "Tdef", 4);
    assert_int_equal(server.out.len, 5); /* two pongs */
    assert_memory_equal(server.out.ptr, "\x8a\0\x8a\x01p", 5);
    assert_false(gh_ws_in_message(server.stream));
    side_free(&server);
  }
  side_free(&client);
}

static void limits(void **state)
{
  (void)state;
  static const struct {
    gh_str octets;
    unsigned code; /* 0: goes on */
    bool in_message;
  } cases[] = {
#define O(text) {text, sizeof(text) - 1}
      {O("\x81\x84\0\0\0\0abcd"), 0, false},
      {O("\x81\x85\0\0\0\0a"), 1009, true}, /* before it is there */
      {O("\x01\x83\0\0\0\0abc\x80\x82\0\0\0\0d"), 1009, true},
      {O("\x01\x83\0\0\0\0abc"), 0, true},
      {O("\x81\x84\0\0\0\0ab"), 0, true},
      {O("\x89\x85\0\0\0\0abcde"), 0, false}, /* control frames have bounds of their own */
      {O("\x81\x02"
         "ab"),
       1002, false},
      {O("\x85\x80\0\0\0\0"), 1002, false},
      {O("\x81\x82\0\0\0\0\xc3("), 1007, true},
      {O("\x88\x82\0\0\0\0\x03\xe8"), 1000, false},
      {O("\x88\x80\0\0\0\0"), 0, false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    side server;
    side_init(&server, GH_WS_SERVER, 4);
    feed_all(&server, cases[i].octets, SIZE_MAX);
    unsigned code = gh_ws_close_code(server.stream);
    if (code == 1005) code = 0;
    if (code != cases[i].code) fail_msg("case %zu: %u", i, code);
    bool over = cases[i].code || cases[i].octets.ptr[0] == '\x88';
    if (gh_ws_is_over(server.stream) != over) fail_msg("case %zu: over", i);
    if (!over && gh_ws_in_message(server.stream) != cases[i].in_message) fail_msg("case %zu: in message", i);
    if (over) assert_false(gh_ws_send(server.stream, GH_REP_JSON, GH_STR("x")));
    side_free(&server);
  }
}

/* When the owner is busy nothing more is taken, and nothing is lost. */
static void waits_for_its_owner(void **state)
{
  (void)state;
  side client, server;
  side_init(&client, GH_WS_CLIENT, 1000);
  side_init(&server, GH_WS_SERVER, 1000);
  for (int i = 0; i < 5000; i++) assert_true(gh_ws_send(client.stream, GH_REP_JSON, GH_STR("0123456789")));
  size_t used = 0, at = 0, rounds = 0;
  while (at < client.out.len) {
    server.left = 1;
    gh_ws_feed(server.stream, gh_str_sub(gh_buf_str(&client.out), at, SIZE_MAX), &used);
    assert_in_range(used, 1, 4096);
    at += used;
    rounds++;
  }
  assert_int_equal(server.got.len, 5000 * 11);
  assert_in_range(rounds, client.out.len / 4096, 5000);
  server.left = 0;
  gh_ws_feed(server.stream, GH_STR("\x81\x80\0\0\0\0"), &used);
  assert_int_equal(used, 0);
  side_free(&client);
  side_free(&server);
}

/*= TS-0020 6.3; RFC 6455 7.1.2 */
static void closes(void **state)
{
  (void)state;
  side client, server;
  side_init(&client, GH_WS_CLIENT, 1000);
  side_init(&server, GH_WS_SERVER, 1000);
  gh_ws_close(server.stream, GH_WS_INVALID, "why");
  assert_false(gh_ws_is_over(server.stream)); /* the client's close is awaited */
  feed_all(&client, gh_buf_str(&server.out), SIZE_MAX);
  assert_true(gh_ws_is_over(client.stream));
  assert_int_equal(gh_ws_close_code(client.stream), 1007);
  feed_all(&server, gh_buf_str(&client.out), SIZE_MAX);
  assert_true(gh_ws_is_over(server.stream));
  assert_int_equal(gh_ws_close_code(server.stream), 1007);
  side_free(&client);
  side_free(&server);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(accept_digests),
      cmocka_unit_test(offers),
      cmocka_unit_test(grants),
      cmocka_unit_test(our_own),
      cmocka_unit_test(cut_anywhere),
      cmocka_unit_test(limits),
      cmocka_unit_test(waits_for_its_owner),
      cmocka_unit_test(closes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
