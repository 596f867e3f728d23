/* CoAP over DTLS on real sockets: answers, duplicates, blocks, a bad path, revocation, and libcoap's own client.
 * TP-05, TP-13, TP-15, TP-18, TP-20. */
#include "coap_server_fixture.h"

#include "../link/dtls_peer.h"

typedef struct udp_served {
  served *s;
  gh_coap_server coap;
  gh_dtls_listener *listener;
  gh_tls_server *tls;
  uint16_t port;
} udp_served;

static int setup_udp(void **state)
{
  udp_served *u = calloc(1, sizeof *u);
  void *inner = NULL;
  gh_diag diag = {""};
  gh_random random = gh_random_system();
  setup_served(&inner);
  u->s = inner;
  u->coap = (gh_coap_server){.host = u->s->h.host, .max_body_bytes = 256 * 1024};
  gh_tls_options tls = u->s->keys->tls;
  tls.datagram = true;
  assert_int_equal(gh_tls_server_new(&tls, &u->s->keys->source, &random, &u->tls, &diag), GH_OK);
  gh_listener_options options = {.host = "127.0.0.1", .tls = u->tls};
  gh_coap_udp_listen_options(&u->coap, &options);
  if (gh_dtls_listener_open(&options, u->s->h.workers, 1, &random, &u->port, &u->listener, &diag) != GH_OK)
    fail_msg("%s", diag.text);
  *state = u;
  return 0;
}

static int teardown_udp(void **state)
{
  udp_served *u = *state;
  void *inner = u->s;
  gh_dtls_listener_close(u->listener);
  teardown_served(&inner);
  gh_dtls_listener_free(u->listener);
  gh_tls_server_free(u->tls);
  free(u);
  return 0;
}

static void dtls_begin(tls_peer *p, uint16_t port, const tls_peer_options *as)
{
  tls_peer_options options = *as;
  options.suites = "PSK-AES128-CCM8";
  if (!dtls_join_patiently(p, port, &options)) fail_msg("alert %d", p->alert);
}

static void send_datagram(tls_peer *p, gh_coap_message *m, gh_coap_type type, uint16_t mid)
{
  gh_buf out = GH_BUF_INIT;
  m->type = type;
  m->mid = mid;
  gh_coap_write_udp(&out, m);
  assert_int_equal(SSL_write(p->ssl, out.ptr, (int)out.len), out.len);
  gh_buf_free(&out);
}

/* The next message; it borrows p->answer. False after `ms` without one. */
static bool next_datagram(tls_peer *p, int ms, gh_coap_message *m)
{
  size_t got = 0;
  struct timeval limit = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
  BIO_ctrl(SSL_get_rbio(p->ssl), BIO_CTRL_DGRAM_SET_RECV_TIMEOUT, 0, &limit);
  ERR_clear_error();
  if (SSL_read_ex(p->ssl, p->answer, sizeof p->answer, &got) != 1) return false;
  assert_int_equal(gh_coap_parse_udp((gh_str){p->answer, got}, m), GH_OK);
  return true;
}

/* A request and its answer, as a client of RFC 7252 that sends again after `ms`. */
static gh_coap_message say_udp(tls_peer *p, gh_coap_message *m, uint16_t mid, int ms)
{
  gh_coap_message reply;
  bool acknowledged = false;
  for (int tries = 0; tries < 40; tries++) {
    if (!acknowledged) send_datagram(p, m, GH_COAP_CON, mid);
    while (next_datagram(p, ms, &reply)) {
      if (reply.type == GH_COAP_ACK && reply.code == GH_COAP_EMPTY && reply.mid == mid) acknowledged = true;
      if (reply.token_len != m->token_len || memcmp(reply.token, m->token, m->token_len) != 0) continue;
      if (reply.type == GH_COAP_CON) {
        gh_coap_message ack = {.code = 0};
        uint16_t theirs = reply.mid;
        send_datagram(p, &ack, GH_COAP_ACK, theirs);
      }
      if (reply.code != GH_COAP_EMPTY) return reply;
    }
  }
  fail_msg("no answer");
  return reply;
}

/*= TS-0008 6.3.1; TS-0008 7 */
static void create_retrieve_delete(void **state)
{
  const udp_served *u = *state;
  tls_peer p;
  dtls_begin(&p, u->port, &as_meter);
  gh_coap_message m = coap_request(GH_COAP_POST, "Cmeter", "cse-in/meter/box", "a1");
  with_body(&m, "\4", "{\"m2m:cin\":{\"con\":\"x\",\"rn\":\"one\"}}");
  gh_coap_message reply = say_udp(&p, &m, 1, 5000);
  assert_int_equal(reply.code, GH_COAP_CREATED);
  assert_int_equal(rsc_in(&reply), 2001);
  m = coap_request(GH_COAP_GET, "Cmeter", "cse-in/meter/box/one", "a2");
  reply = say_udp(&p, &m, 2, 5000);
  assert_int_equal(reply.code, GH_COAP_CONTENT);
  assert_int_equal(reply.type, GH_COAP_ACK);
  m = coap_request(GH_COAP_DELETE, "Cmeter", "cse-in/meter/box/one", "a3");
  reply = say_udp(&p, &m, 3, 5000);
  assert_int_equal(rsc_in(&reply), 2002);
  peer_end(&p);
}

/*= TS-0003 7.2.1; TS-0008 6.2.4 */
static void from_must_agree_with_the_association(void **state)
{
  const udp_served *u = *state;
  static const struct {
    const char *from;
    uint8_t code;
    uint32_t rsc;
  } rows[] = {{"Cother", GH_COAP_FORBIDDEN, 4106},
              {"Sadmin", GH_COAP_FORBIDDEN, 4106},
              {NULL, GH_COAP_BAD_REQUEST, 4000},
              {"Cmeter", GH_COAP_CONTENT, 2000}};
  tls_peer p;
  dtls_begin(&p, u->port, &as_meter);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    gh_coap_message m = coap_request(GH_COAP_GET, rows[i].from, "cse-in/meter/box", "f1");
    gh_coap_message reply = say_udp(&p, &m, (uint16_t)(10 + i), 5000);
    assert_int_equal(rsc_in(&reply), rows[i].rsc);
    assert_int_equal(reply.code, rows[i].code);
  }
  peer_end(&p);
}

/* A request that comes twice is performed once. */ /*= RFC 7252 4.5; TS-0008 6.3.0 */
static void duplicates_are_performed_once(void **state)
{
  const udp_served *u = *state;
  tls_peer p;
  gh_coap_message reply;
  dtls_begin(&p, u->port, &as_meter);
  gh_coap_message m = coap_request(GH_COAP_POST, "Cmeter", "cse-in/meter/box", "d1");
  with_body(&m, "\4", "{\"m2m:cin\":{\"con\":\"x\",\"rn\":\"once\"}}");
  for (int i = 0; i < 3; i++) send_datagram(&p, &m, GH_COAP_CON, 77);
  int created = 0;
  for (int i = 0; i < 3 && next_datagram(&p, 700, &reply); i++) {
    if (reply.code == GH_COAP_EMPTY) continue;
    assert_int_equal(rsc_in(&reply), 2001); /* a second performance would be 4105 */
    created++;
  }
  assert_true(created >= 1);
  peer_end(&p);
}

/*= TS-0008 6.5; RFC 7959 2.5; RFC 7959 2.4 */
static void blocks_both_ways(void **state)
{
  const udp_served *u = *state;
  enum { LEN = 9000 };
  tls_peer p;
  char *body = malloc(LEN + 1);
  memset(body, 'y', LEN);
  memcpy(body, "{\"m2m:cin\":{\"rn\":\"long\",\"con\":\"", 31);
  memcpy(body + LEN - 3, "\"}}", 4);
  gh_arena arena;
  gh_arena_init(&arena);
  dtls_begin(&p, u->port, &as_meter);
  uint16_t mid = 100;
  gh_coap_message reply = {.code = 0};
  for (uint32_t num = 0; num * 512 < LEN; num++) {
    gh_coap_message m = coap_request(GH_COAP_POST, "Cmeter", "cse-in/meter/box", "b1");
    gh_coap_block block = {num, (num + 1) * 512 < LEN, 5};
    with_body(&m, "\4", body);
    m.payload = gh_str_sub(m.payload, num * 512, 512);
    gh_coap_add(&m, GH_COAP_URI_QUERY, GH_STR("rcn=0"));
    gh_coap_add_uint(&arena, &m, GH_COAP_BLOCK1, gh_coap_block_value(block));
    reply = say_udp(&p, &m, mid++, 5000);
    assert_int_equal(reply.code, block.more ? GH_COAP_CONTINUE : GH_COAP_CREATED);
    assert_true(gh_coap_find_block(&reply, GH_COAP_BLOCK1, &block));
    assert_int_equal(block.num, num);
  }
  assert_int_equal(rsc_in(&reply), 2001);
  gh_buf whole = GH_BUF_INIT;
  gh_coap_block block = {.more = true};
  for (uint32_t num = 0; block.more; num++) {
    gh_coap_message m = coap_request(GH_COAP_GET, "Cmeter", "cse-in/meter/box/long", "b2");
    if (num) gh_coap_add_uint(&arena, &m, GH_COAP_BLOCK2, gh_coap_block_value((gh_coap_block){num, false, 6}));
    reply = say_udp(&p, &m, mid++, 5000);
    assert_int_equal(reply.code, GH_COAP_CONTENT);
    assert_true(gh_coap_find_block(&reply, GH_COAP_BLOCK2, &block));
    assert_int_equal(block.num, num);
    gh_buf_add(&whole, reply.payload);
  }
  assert_true(whole.len > LEN - 40);
  gh_buf_free(&whole);
  gh_coap_message big = coap_request(GH_COAP_POST, "Cmeter", "cse-in/meter/box", "b3"); /* TP-18 */
  with_body(&big, "\4", body);
  big.payload.len = 16;
  gh_coap_add_uint(&arena, &big, GH_COAP_BLOCK1, gh_coap_block_value((gh_coap_block){0, true, 0}));
  gh_coap_add_uint(&arena, &big, GH_COAP_SIZE1, 1 << 20);
  reply = say_udp(&p, &big, mid, 5000);
  assert_int_equal(reply.code, GH_COAP_TOO_LARGE);
  gh_arena_free(&arena);
  free(body);
  peer_end(&p);
}

/*= RFC 7959 2.2 SZX 7 is reserved: 4.00, and nothing is performed, whole as the body may be */
static void a_reserved_block_size(void **state)
{
  const udp_served *u = *state;
  tls_peer p;
  gh_arena arena;
  gh_arena_init(&arena);
  dtls_begin(&p, u->port, &as_meter);
  gh_coap_message m = coap_request(GH_COAP_POST, "Cmeter", "cse-in/meter/box", "s1");
  with_body(&m, "\4", "{\"m2m:cin\":{\"con\":\"x\",\"rn\":\"reserved\"}}");
  gh_coap_add_uint(&arena, &m, GH_COAP_BLOCK1, gh_coap_block_value((gh_coap_block){0, false, 7}));
  assert_int_equal(say_udp(&p, &m, 1, 5000).code, GH_COAP_BAD_REQUEST);
  m = coap_request(GH_COAP_GET, "Cmeter", "cse-in/meter/box/reserved", "s2");
  assert_int_equal(say_udp(&p, &m, 2, 5000).code, GH_COAP_CODE(4, 4));
  m = coap_request(GH_COAP_GET, "Cmeter", "cse-in/meter/box", "s3");
  gh_coap_add_uint(&arena, &m, GH_COAP_BLOCK2, gh_coap_block_value((gh_coap_block){0, false, 7}));
  assert_int_equal(say_udp(&p, &m, 3, 5000).code, GH_COAP_BAD_REQUEST);
  m = coap_request(GH_COAP_GET, "Cmeter", "cse-in/meter/box", "s4");
  assert_int_equal(say_udp(&p, &m, 4, 5000).code, GH_COAP_CONTENT);
  gh_arena_free(&arena);
  peer_end(&p);
}

/* Over a path that loses, doubles and swaps: each request is answered, and performed once. */
static void a_bad_path(void **state)
{
  const udp_served *u = *state;
  static relay r;
  tls_peer p;
  uint16_t port = relay_begin(&r, u->port, 6, 4, 5);
  dtls_begin(&p, port, &as_meter);
  for (uint16_t i = 0; i < 25; i++) {
    char body[100];
    gh_coap_message m = coap_request(GH_COAP_POST, "Cmeter", "cse-in/meter/box", "p1");
    m.token[0] = (uint8_t)i;
    snprintf(body, sizeof body, "{\"m2m:cin\":{\"con\":\"x\",\"rn\":\"n%u\"}}", i);
    with_body(&m, "\4", body);
    gh_coap_message reply = say_udp(&p, &m, (uint16_t)(1000 + i), 150);
    if (rsc_in(&reply) != 2001) fail_msg("%u: %u", i, rsc_in(&reply));
  }
  peer_end(&p);
  relay_end(&r);
}

static bool anybody(void *ctx, gh_conn *conn)
{
  (void)ctx;
  return gh_conn_is_open(conn);
}

static void revoke_all(void *arg)
{
  MUST(gh_worker_revoke(arg, anybody, NULL) == 1);
}

/* TP-20 */
static void a_revoked_key_ends_the_association(void **state)
{
  udp_served *u = *state;
  tls_peer p;
  gh_coap_message reply;
  dtls_begin(&p, u->port, &as_meter);
  gh_coap_message m = coap_request(GH_COAP_GET, "Cmeter", "cse-in/meter/box", "r1");
  assert_int_equal(rsc_in(&(gh_coap_message){0}), 0);
  reply = say_udp(&p, &m, 1, 5000);
  assert_int_equal(rsc_in(&reply), 2000);
  gh_loop_call(u->s->h.loop, revoke_all, &u->s->h.worker);
  assert_false(next_datagram(&p, 5000, &reply));
  assert_int_equal(SSL_get_shutdown(p.ssl) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
  peer_end(&p);
}

static void the_peer_leaves_early(void **state)
{
  udp_served *u = *state;
  for (int i = 0; i < 10; i++) {
    tls_peer p;
    dtls_begin(&p, u->port, &as_meter);
    for (uint16_t k = 0; k < 20; k++) { /* more than are performed at once */
      gh_coap_message m = coap_request(GH_COAP_POST, "Cmeter", "cse-in/meter/box", "l1");
      with_body(&m, "\4", "{\"m2m:cin\":{\"con\":\"x\"}}");
      send_datagram(&p, &m, k & 1 ? GH_COAP_NON : GH_COAP_CON, k);
    }
    SSL_shutdown(p.ssl);
    peer_end(&p);
  }
  wait_connections(u->s, 0);
}

/*= TS-0003 6.1.2.2.1 */
static void clear_text_is_told_why(void **state)
{
  const udp_served *u = *state;
  char octets[200];
  gh_buf out = GH_BUF_INIT;
  gh_coap_message m = coap_request(GH_COAP_GET, "Cmeter", "cse-in/meter/box", "c1"), reply;
  m.mid = 99;
  gh_coap_write_udp(&out, &m);
  int fd = udp_connect(u->port, 0);
  assert_int_equal(send(fd, out.ptr, out.len, 0), out.len);
  ssize_t got = recv(fd, octets, sizeof octets, 0);
  assert_true(got > 0 && (size_t)got <= out.len); /* no amplifier */
  assert_int_equal(gh_coap_parse_udp((gh_str){octets, (size_t)got}, &reply), GH_OK);
  assert_int_equal(reply.type, GH_COAP_ACK);
  assert_int_equal(reply.mid, 99);
  assert_int_equal(reply.code, GH_COAP_FORBIDDEN);
  assert_int_equal(rsc_in(&reply), 4107);
  close(fd);
  gh_buf_free(&out);
}

/* Runs a command of another maker's client and looks for text in what it prints. */
static void assert_prints(const char *program, const char *command, const char *expected)
{
  char line[512];
  snprintf(line, sizeof line, "command -v %s >/dev/null", program);
  if (system(line) != 0) fail_msg("%s is missing: tools/setup.sh test", program);
  char output[8192];
  FILE *pipe = popen(command, "r");
  assert_non_null(pipe);
  size_t len = fread(output, 1, sizeof output - 1, pipe);
  output[len] = '\0';
  pclose(pipe);
  if (!strstr(output, expected)) fail_msg("%s\nprinted: %s", command, output);
}

/* The key is text here, as coap-client takes it. */
static void libcoap(const udp_served *u, const char *program)
{
  char command[1024];
  snprintf(command, sizeof command,
           "timeout 20 %s -v 7 -B 4 -u text@maf.sp.example.com -k 0123456789abcdef -O 279,Cmeter -O 283,r1 -O 271,3 "
           "-m get 'coaps://127.0.0.1:%u/cse-in/meter/box' 2>&1",
           program, u->port);
  assert_prints(program, command, "\"m2m:cnt\"");
  snprintf(command, sizeof command,
           "timeout 20 %s -v 7 -B 4 -u text@maf.sp.example.com -k 0123456789abcdef -O 279,Cother -O 283,r2 -O 271,3 "
           "-m get 'coaps://127.0.0.1:%u/cse-in/meter/box' 2>&1",
           program, u->port);
  assert_prints(program, command, "4.03");
}

static const link_key text_keys[] = {
    {.identity = "text@maf.sp.example.com", .key_hex = "30313233343536373839616263646566", .peer_id = METER},
};

/* On the worker, which asks for keys. */
static void use_text_keys(void *arg)
{
  link_test *script = arg;
  script->keys = text_keys;
  script->key_count = 1;
}

static void third_party_libcoap_on_openssl(void **state)
{
  udp_served *u = *state;
  gh_loop_call(u->s->h.loop, use_text_keys, u->s->keys);
  libcoap(u, "coap-client-openssl");
}

static void third_party_libcoap_on_gnutls(void **state)
{
  udp_served *u = *state;
  gh_loop_call(u->s->h.loop, use_text_keys, u->s->keys);
  libcoap(u, "coap-client-gnutls");
}

/*= TS-0003 10.2.3 */
static void third_party_openssl_s_client(void **state)
{
  const udp_served *u = *state;
  char command[512];
  snprintf(command, sizeof command,
           "sleep 1 | timeout 20 openssl s_client -dtls1_2 -psk_identity meter@maf.sp.example.com -psk " GOOD_KEY
           " -cipher PSK-AES128-CCM8:@SECLEVEL=0 -connect 127.0.0.1:%u 2>&1",
           u->port);
  assert_prints("openssl", command, "Cipher is PSK-AES128-CCM8");
}

int main(void)
{
#define SERVED(f) cmocka_unit_test_setup_teardown(f, setup_udp, teardown_udp)
  const struct CMUnitTest tests[] = {
      SERVED(create_retrieve_delete),
      SERVED(from_must_agree_with_the_association),
      SERVED(duplicates_are_performed_once),
      SERVED(blocks_both_ways),
      SERVED(a_reserved_block_size),
      SERVED(a_bad_path),
      SERVED(a_revoked_key_ends_the_association),
      SERVED(the_peer_leaves_early),
      SERVED(clear_text_is_told_why),
      SERVED(third_party_libcoap_on_openssl),
      SERVED(third_party_libcoap_on_gnutls),
      SERVED(third_party_openssl_s_client),
  };
  signal(SIGPIPE, SIG_IGN);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
