/* CoAP over TLS on a real socket: signalling, requests side by side, blocks, limits, ends. TP-13, TP-15, TP-18. */
#include "coap_server_fixture.h"

static void send_message(tls_peer *p, const gh_coap_message *m)
{
  gh_buf out = GH_BUF_INIT;
  gh_coap_write_tcp(&out, m);
  send_text(p, out.ptr, out.len);
  gh_buf_free(&out);
}

/* The next message; it borrows until the next call. False when the association ended. */
static bool read_message(talk *r, gh_coap_message *m)
{
  for (;;) {
    gh_str rest = gh_buf_rest(&r->in);
    size_t len = 0, got = 0;
    if (gh_coap_frame_len(rest, 1 << 20, &len) == GH_OK && rest.len >= len) {
      assert_int_equal(gh_coap_parse_tcp(gh_str_sub(rest, 0, len), m), GH_OK);
      r->in.pos += len;
      return true;
    }
    if (r->in.pos == r->in.len) gh_buf_clear(&r->in);
    char *into = gh_buf_reserve(&r->in, 65536);
    if (SSL_read_ex(r->p->ssl, into, 65536, &got) != 1) return false;
    gh_buf_added(&r->in, got);
  }
}

/* Connects and exchanges CSMs; `peer_limit` 0: none stated. */
static void begin_coap(talk *r, const coap_served *c, const tls_peer_options *as, uint32_t peer_limit)
{
  gh_arena arena;
  gh_arena_init(&arena);
  gh_coap_message csm = {.code = GH_COAP_CSM}, theirs;
  uint32_t size = 0;
  if (!peer_connect(r->p, c->port, as)) fail_msg("alert %d", r->p->alert);
  if (peer_limit) gh_coap_add_uint(&arena, &csm, GH_COAP_CSM_MAX_MESSAGE_SIZE, peer_limit);
  send_message(r->p, &csm);
  assert_true(read_message(r, &theirs));
  assert_int_equal(theirs.code, GH_COAP_CSM);
  assert_true(gh_coap_find_uint(&theirs, GH_COAP_CSM_MAX_MESSAGE_SIZE, &size));
  assert_int_equal(size, 256 * 1024 + 16 * 1024);
  gh_arena_free(&arena);
}

static gh_coap_message say_coap(talk *r, const gh_coap_message *m)
{
  gh_coap_message reply;
  send_message(r->p, m);
  if (!read_message(r, &reply)) fail_msg("no reply");
  assert_int_equal(reply.token_len, m->token_len);
  assert_memory_equal(reply.token, m->token, m->token_len);
  return reply;
}

/*= TS-0008 6.3.1; TS-0008 7; RFC 8323 3.2 */
static void create_retrieve_delete(void **state)
{
  const coap_served *c = *state;
  tls_peer p;
  talk r = {&p, GH_BUF_INIT};
  begin_coap(&r, c, &as_meter, 1 << 20);
  gh_coap_message m = coap_request(GH_COAP_POST, "Cmeter", "cse-in/meter/box", "a1");
  with_body(&m, "\4", "{\"m2m:cin\":{\"con\":\"x\",\"rn\":\"one\"}}");
  gh_coap_message reply = say_coap(&r, &m);
  assert_int_equal(reply.code, GH_COAP_CREATED);
  assert_int_equal(rsc_in(&reply), 2001);
  m = coap_request(GH_COAP_GET, "Cmeter", "cse-in/meter/box/one", "a2");
  reply = say_coap(&r, &m);
  assert_int_equal(reply.code, GH_COAP_CONTENT);
  assert_int_equal(rsc_in(&reply), 2000);
  assert_non_null(memmem(reply.payload.ptr, reply.payload.len, "\"con\":\"x\"", 9));
  m = coap_request(GH_COAP_DELETE, "Cmeter", "cse-in/meter/box/one", "a3");
  reply = say_coap(&r, &m);
  assert_int_equal(reply.code, GH_COAP_CODE(2, 2));
  m = coap_request(GH_COAP_GET, "Cmeter", "cse-in/meter/box/one", "a4");
  reply = say_coap(&r, &m);
  assert_int_equal(reply.code, GH_COAP_CODE(4, 4));
  assert_int_equal(rsc_in(&reply), 4004);
  part(&r);
}

/* TP-05, TP-13, TP-15: From must be who the association proved. */ /*= TS-0003 7.2.1; TS-0008 6.2.4 */
static void from_must_agree_with_the_association(void **state)
{
  const coap_served *c = *state;
  tls_peer p;
  talk r = {&p, GH_BUF_INIT};
  struct {
    const char *from;
    uint8_t code;
    uint32_t rsc;
  } rows[] = {{"Cother", GH_COAP_FORBIDDEN, 4106}, {"*", GH_COAP_BAD_REQUEST, 4000},
              {"C*", GH_COAP_BAD_REQUEST, 4000},   {"Sadmin", GH_COAP_FORBIDDEN, 4106},
              {NULL, GH_COAP_BAD_REQUEST, 4000},   {"Cmeter", GH_COAP_CONTENT, 2000}};
  begin_coap(&r, c, &as_meter, 0);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    gh_coap_message m = coap_request(GH_COAP_GET, rows[i].from, "cse-in/meter/box", "f1");
    gh_coap_message reply = say_coap(&r, &m);
    if (rsc_in(&reply) != rows[i].rsc) fail_msg("%s: %u", rows[i].from ? rows[i].from : "-", rsc_in(&reply));
    assert_int_equal(reply.code, rows[i].code);
  }
  gh_coap_message m = coap_request(GH_COAP_GET, "Cmeter", "cse-in/other", "f2"); /* and no privilege beyond */
  gh_coap_message reply = say_coap(&r, &m);
  assert_int_equal(reply.code, GH_COAP_FORBIDDEN);
  assert_int_equal(rsc_in(&reply), 4103);
  part(&r);
}

/*= RFC 8323 5.4; RFC 8323 5.5; RFC 8323 5.6; RFC 8323 5.3 */
static void signalling(void **state)
{
  const coap_served *c = *state;
  tls_peer p;
  talk r = {&p, GH_BUF_INIT};
  gh_coap_message reply, ping = {.code = GH_COAP_PING, .token_len = 3, .token = {7, 8, 9}}, empty = {.code = 0},
                         unknown = {.code = GH_COAP_CODE(7, 30)}, release = {.code = GH_COAP_RELEASE};
  begin_coap(&r, c, &as_meter, 0);
  send_message(&p, &empty);
  send_message(&p, &unknown);
  reply = say_coap(&r, &ping);
  assert_int_equal(reply.code, GH_COAP_PONG);
  gh_coap_message m = coap_request(GH_COAP_POST, "Cmeter", "cse-in/meter/box", "s1");
  with_body(&m, "\4", "{\"m2m:cin\":{\"con\":\"x\"}}");
  send_message(&p, &m);
  send_message(&p, &release);
  assert_true(read_message(&r, &reply)); /* what was asked before is answered */
  assert_int_equal(rsc_in(&reply), 2001);
  assert_false(read_message(&r, &reply));
  part(&r);
  begin_coap(&r, c, &as_meter, 0);
  gh_coap_message bad = {.code = GH_COAP_CSM};
  gh_coap_add(&bad, 7, GH_STR("x"));
  send_message(&p, &bad);
  assert_true(read_message(&r, &reply));
  assert_int_equal(reply.code, GH_COAP_ABORT);
  uint32_t option = 0;
  assert_true(gh_coap_find_uint(&reply, 2, &option) && option == 7);
  assert_false(read_message(&r, &reply));
  part(&r);
}

static void what_is_malformed_ends_the_association(void **state)
{
  const coap_served *c = *state;
  static const struct {
    const char *octets;
    size_t len;
    bool csm;
  } rows[] = {
      {"\x0f\x01", 2, true},                 /* token of 15 */
      {"\x10\x01\xff", 3, true},             /* marker without payload */
      {"\x10\x01\xf0", 3, true},             /* reserved */
      {"\xf0\x7f\xff\xff\xff\x01", 6, true}, /* two gigabytes */
      {"\x00\x01", 2, false},                /* a request before CSM */
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    tls_peer p;
    talk r = {&p, GH_BUF_INIT};
    gh_coap_message reply;
    if (rows[i].csm)
      begin_coap(&r, c, &as_meter, 0);
    else
      assert_true(peer_connect(&p, c->port, &as_meter));
    send_text(&p, rows[i].octets, rows[i].len);
    if (!rows[i].csm) assert_true(read_message(&r, &reply) && reply.code == GH_COAP_CSM);
    if (!read_message(&r, &reply)) fail_msg("row %zu", i);
    assert_int_equal(reply.code, GH_COAP_ABORT);
    assert_false(read_message(&r, &reply));
    part(&r);
  }
}

static void octet_by_octet(void **state)
{
  const coap_served *c = *state;
  tls_peer p;
  talk r = {&p, GH_BUF_INIT};
  gh_coap_message reply, m = coap_request(GH_COAP_GET, "Cmeter", "cse-in/meter/box", "o1");
  gh_buf out = GH_BUF_INIT;
  begin_coap(&r, c, &as_meter, 0);
  gh_coap_write_tcp(&out, &m);
  for (size_t i = 0; i < out.len; i++) send_text(&p, out.ptr + i, 1);
  assert_true(read_message(&r, &reply));
  assert_int_equal(rsc_in(&reply), 2000);
  gh_buf_free(&out);
  part(&r);
}

/* More than are performed at once: each is answered, under its token. */
static void many_requests_in_one_breath(void **state)
{
  enum { COUNT = 100 };
  const coap_served *c = *state;
  tls_peer p;
  talk r = {&p, GH_BUF_INIT};
  gh_buf all = GH_BUF_INIT;
  bool seen[COUNT] = {false};
  begin_coap(&r, c, &as_meter, 0);
  for (int i = 0; i < COUNT; i++) {
    gh_coap_message m = coap_request(i & 1 ? GH_COAP_POST : GH_COAP_GET, "Cmeter", "cse-in/meter/box", "m1");
    if (i & 1) with_body(&m, "\4", "{\"m2m:cin\":{\"con\":\"x\"}}");
    m.token_len = 1;
    m.token[0] = (uint8_t)i;
    gh_coap_write_tcp(&all, &m);
  }
  send_text(&p, all.ptr, all.len);
  for (int i = 0; i < COUNT; i++) {
    gh_coap_message reply;
    assert_true(read_message(&r, &reply));
    assert_int_equal(reply.token_len, 1);
    assert_true(reply.token[0] < COUNT && !seen[reply.token[0]]);
    seen[reply.token[0]] = true;
    assert_int_equal(rsc_in(&reply), reply.token[0] & 1 ? 2001 : 2000);
  }
  gh_buf_free(&all);
  part(&r);
}

/* An reply longer than the peer takes comes in blocks. */ /*= RFC 8323 5.3.1; RFC 7959 2.4; TS-0008 6.5 */
static void a_long_answer_comes_in_blocks(void **state)
{
  const coap_served *c = *state;
  tls_peer p;
  talk r = {&p, GH_BUF_INIT};
  char body[6000];
  memset(body, 'y', sizeof body);
  memcpy(body, "{\"m2m:cin\":{\"rn\":\"long\",\"con\":\"", 31);
  strcpy(body + 5000, "\"}}");
  begin_coap(&r, c, &as_meter, 0); /* the peer takes 1152 octets */
  gh_coap_message m = coap_request(GH_COAP_POST, "Cmeter", "cse-in/meter/box", "b1");
  with_body(&m, "\4", body);
  gh_coap_add(&m, GH_COAP_URI_QUERY, GH_STR("rcn=0"));
  gh_coap_message reply = say_coap(&r, &m);
  assert_int_equal(rsc_in(&reply), 2001);
  gh_buf whole = GH_BUF_INIT;
  gh_coap_block block = {.more = true};
  for (uint32_t num = 0; block.more; num++) {
    gh_arena arena;
    gh_arena_init(&arena);
    m = coap_request(GH_COAP_GET, "Cmeter", "cse-in/meter/box/long", "b2");
    if (num) gh_coap_add_uint(&arena, &m, GH_COAP_BLOCK2, gh_coap_block_value((gh_coap_block){num, false, 6}));
    reply = say_coap(&r, &m);
    assert_int_equal(reply.code, GH_COAP_CONTENT);
    assert_true(gh_coap_find_block(&reply, GH_COAP_BLOCK2, &block));
    assert_int_equal(block.num, num);
    assert_int_equal(block.szx, 6);
    gh_buf_add(&whole, reply.payload);
    gh_arena_free(&arena);
  }
  assert_true(whole.len > 4990);
  assert_non_null(memmem(whole.ptr, whole.len, "yyyy\"", 5));
  gh_buf_free(&whole);
  part(&r);
}

/*= RFC 8323 6 on a stream SZX 7 is BERT: several blocks of 1024 octets in a message */
static void an_upload_with_bert(void **state)
{
  const coap_served *c = *state;
  enum { LEN = 5003 };
  tls_peer p;
  talk r = {&p, GH_BUF_INIT};
  char body[LEN + 1];
  gh_arena arena;
  gh_arena_init(&arena);
  memset(body, 'y', LEN);
  memcpy(body, "{\"m2m:cin\":{\"rn\":\"bert\",\"con\":\"", 31);
  memcpy(body + LEN - 3, "\"}}", 4);
  begin_coap(&r, c, &as_meter, 65536);
  gh_coap_message reply = {.code = 0};
  static const size_t lengths[] = {3072, 1024, LEN - 4096};
  for (size_t i = 0, at = 0; i < 3; at += lengths[i++]) {
    gh_coap_message m = coap_request(GH_COAP_POST, "Cmeter", "cse-in/meter/box", "u1");
    with_body(&m, "\4", body);
    m.payload = gh_str_sub(m.payload, at, lengths[i]);
    gh_coap_add_uint(&arena, &m, GH_COAP_BLOCK1,
                     gh_coap_block_value((gh_coap_block){(uint32_t)(at / 1024), i < 2, 7}));
    reply = say_coap(&r, &m);
    assert_int_equal(reply.code, i < 2 ? GH_COAP_CONTINUE : GH_COAP_CREATED);
  }
  assert_int_equal(rsc_in(&reply), 2001);
  gh_coap_message m = coap_request(GH_COAP_GET, "Cmeter", "cse-in/meter/box/bert", "u2");
  gh_coap_add_uint(&arena, &m, GH_COAP_BLOCK2, gh_coap_block_value((gh_coap_block){0, false, 7}));
  reply = say_coap(&r, &m);
  assert_int_equal(reply.code, GH_COAP_CONTENT);
  assert_true(reply.payload.len > LEN - 40);
  gh_arena_free(&arena);
  part(&r);
}

/* A client that closes while its request is with the writer. */
static void the_peer_leaves_early(void **state)
{
  coap_served *c = *state;
  for (int i = 0; i < 20; i++) {
    tls_peer p;
    talk r = {&p, GH_BUF_INIT};
    begin_coap(&r, c, &as_meter, 0);
    for (int k = 0; k < 5; k++) {
      gh_coap_message m = coap_request(GH_COAP_POST, "Cmeter", "cse-in/meter/box", "l1");
      with_body(&m, "\4", "{\"m2m:cin\":{\"con\":\"x\"}}");
      send_message(&p, &m);
    }
    part(&r);
  }
  wait_connections(c->s, 0);
}

/*= TS-0003 6.1.2.2.1 */
static void clear_text_is_told_why(void **state)
{
  const coap_served *c = *state;
  char reply[256];
  int fd = tcp_connect(c->port);
  assert_int_equal(send(fd, "\x00\xe1", 2, 0), 2);
  ssize_t got = 0, n;
  while ((n = recv(fd, reply + got, sizeof reply - (size_t)got, 0)) > 0) got += n;
  close(fd);
  gh_coap_message m;
  assert_true(got > 2);
  assert_int_equal(gh_coap_parse_tcp((gh_str){reply, 2}, &m), GH_OK);
  assert_int_equal(m.code, GH_COAP_CSM);
  assert_int_equal(gh_coap_parse_tcp((gh_str){reply + 2, (size_t)got - 2}, &m), GH_OK);
  assert_int_equal(m.code, GH_COAP_ABORT);
  assert_true(gh_str_starts(m.payload, GH_STR("4107")));
}

/*= RFC 8323 8.2 */
static void protocols_that_the_client_names(void **state)
{
  const coap_served *c = *state;
  tls_peer p;
  const unsigned char *chosen = NULL;
  unsigned len = 0;
  peer_prepare(&p, c->port, &as_meter);
  assert_int_equal(SSL_set_alpn_protos(p.ssl, (const unsigned char *)"\2h2\4coap", 8), 0);
  assert_true(peer_handshake(&p));
  SSL_get0_alpn_selected(p.ssl, &chosen, &len);
  assert_int_equal(len, 4);
  assert_memory_equal(chosen, "coap", 4);
  peer_end(&p);
  peer_prepare(&p, c->port, &as_meter);
  assert_int_equal(SSL_set_alpn_protos(p.ssl, (const unsigned char *)"\2h2\10http/1.1", 12), 0);
  assert_false(peer_handshake(&p));
  assert_int_equal(p.alert, SSL_AD_NO_APPLICATION_PROTOCOL);
  peer_end(&p);
}

int main(void)
{
#define SERVED(f) cmocka_unit_test_setup_teardown(f, setup_coap_tcp, teardown_coap_tcp)
  const struct CMUnitTest tests[] = {
      SERVED(create_retrieve_delete),
      SERVED(from_must_agree_with_the_association),
      SERVED(signalling),
      SERVED(what_is_malformed_ends_the_association),
      SERVED(octet_by_octet),
      SERVED(many_requests_in_one_breath),
      SERVED(a_long_answer_comes_in_blocks),
      SERVED(an_upload_with_bert),
      SERVED(the_peer_leaves_early),
      SERVED(clear_text_is_told_why),
      SERVED(protocols_that_the_client_names),
  };
  signal(SIGPIPE, SIG_IGN);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
