/* DTLS associations: keys, certificates, cookies, loss, revocation, expiry, limits. TP-09, TP-18, TP-20. */
#include "dtls_peer.h"
#include "link_pki.h"

static const link_key keys[] = {
    {.identity = "meter@maf.sp.example.com", .key_hex = GOOD_KEY, .peer_id = "//sp.example.com/in-cse/Cmeter"},
    {.identity = "later@maf.sp.example.com",
     .key_hex = GOOD_KEY,
     .peer_id = "//sp.example.com/in-cse/Clater",
     .later = true},
};
static const tls_peer_options meter = {.identity = "meter@maf.sp.example.com", .key_hex = GOOD_KEY},
                              later = {.identity = "later@maf.sp.example.com", .key_hex = GOOD_KEY};

#define WHO_METER "|AE //sp.example.com/in-cse/Cmeter DTLSv1.2 "

static int begin_test(void **state)
{
  dtls_test *d = calloc(1, sizeof *d);
  dtls_open(d, link_new(keys, 2));
  *state = d;
  return 0;
}

static int end_test(void **state)
{
  dtls_end(*state);
  free(*state);
  return 0;
}

static void assert_says(tls_peer *p, const char *text, const char *expected)
{
  if (!dtls_say(p, text)) fail_msg("no answer to %s, alert %d", text, p->alert);
  if (!strstr(p->answer, expected)) fail_msg("\"%s\" is not in \"%s\"", expected, p->answer);
}

/*= TS-0003 10.2.2; TS-0003 10.2.3 */
static void each_psk_suite(void **state)
{
  const dtls_test *d = *state;
  static const char *const suites[] = {"PSK-AES128-CCM8", "PSK-AES128-GCM-SHA256", "ECDHE-PSK-CHACHA20-POLY1305"};
  for (size_t i = 0; i < 3; i++) {
    tls_peer p;
    tls_peer_options options = meter;
    options.suites = suites[i];
    if (!dtls_join(&p, d->port, &options)) fail_msg("%s: alert %d", suites[i], p.alert);
    assert_says(&p, "hello", "hello" WHO_METER);
    assert_says(&p, "again", suites[i]);
    peer_end(&p);
  }
  tls_peer p;
  tls_peer_options other = meter;
  other.suites = "PSK-AES128-CBC-SHA256";
  assert_false(dtls_join(&p, d->port, &other));
  assert_int_equal(p.alert, SSL_AD_HANDSHAKE_FAILURE);
  peer_end(&p);
}

/*= TS-0003 10.3.1 */
static void both_export_the_same(void **state)
{
  const dtls_test *d = *state;
  tls_peer p;
  uint8_t ours[48];
  assert_true(dtls_join(&p, d->port, &meter));
  assert_int_equal(SSL_get_extms_support(p.ssl), 1);
  assert_int_equal(SSL_export_keying_material(p.ssl, ours, 48, "EXPORTER-oneM2M-test", 20, NULL, 0, 0), 1);
  assert_int_equal(dtls_say(&p, "key"), 48);
  assert_memory_equal(ours, p.answer, 48);
  peer_end(&p);
}

static void without_extended_master_secret(void **state)
{
  dtls_test *d = *state;
  tls_peer p;
  tls_peer_options options = meter;
  options.ssl_options = SSL_OP_NO_EXTENDED_MASTER_SECRET;
  (void)dtls_join(&p, d->port, &options);
  wait_closed(d->t, 1);
  assert_int_equal(counts_now(d->t).ready, 0);
  peer_end(&p);
}

static _Atomic int audited;

static void on_failed(void *ctx, gh_str identity, const char *address, const char *reason)
{
  (void)ctx, (void)address, (void)reason;
  if (gh_str_ends(identity, GH_STR("@maf.sp.example.com"))) audited++;
}

/* An unknown identity and a wrong key look alike: the association does not come about, and the audit trail knows. */
static void wrong_keys(void **state)
{
  dtls_test *d = *state;
  tls_peer_options rows[2] = {meter, meter};
  rows[0].key_hex = "00112233445566778899aabbccddeeff";
  rows[1].identity = "nobody@maf.sp.example.com";
  d->t->source.handshake_failed = on_failed;
  for (int i = 0; i < 2; i++) {
    tls_peer p;
    int fd = udp_connect(d->port, 0);
    struct timeval limit = {.tv_sec = 1};
    dtls_prepare_on(&p, fd, &rows[i]);
    BIO_ctrl(SSL_get_rbio(p.ssl), BIO_CTRL_DGRAM_SET_RECV_TIMEOUT, 0, &limit);
    for (int tries = 0; tries < 2; tries++) assert_false(peer_handshake(&p));
    peer_end(&p);
  }
  pass_time(d->t, 11);
  wait_closed(d->t, 2);
  assert_int_equal(counts_now(d->t).ready, 0);
  assert_int_equal(audited, 2);
}

/*= TS-0003 10.2.1 */
static void older_versions(void **state)
{
  const dtls_test *d = *state;
  tls_peer p;
  tls_peer_options options = meter;
  options.max_version = DTLS1_VERSION;
  options.suites = "ALL:PSK:@SECLEVEL=0";
  assert_false(dtls_join(&p, d->port, &options));
  peer_end(&p);
}

static void handshake_until_asked(const dtls_test *d, tls_peer *p)
{
  for (int tries = 0; tries < 100 && !counts_now(d->t).asked; tries++) assert_false(peer_handshake(p));
  wait_asked(d->t, 1);
}

/* While the key is fetched others are served; what the peer sends meanwhile is kept. */ /*= TS-0003 8.2.2.3 */
static void the_key_comes_later(void **state)
{
  dtls_test *d = *state;
  tls_peer waits, p;
  dtls_prepare_on(&waits, udp_connect(d->port, 0), &later);
  struct timeval limit = {.tv_sec = 0, .tv_usec = 200000};
  BIO_ctrl(SSL_get_rbio(waits.ssl), BIO_CTRL_DGRAM_SET_RECV_TIMEOUT, 0, &limit);
  handshake_until_asked(d, &waits);
  assert_true(dtls_join(&p, d->port, &meter));
  assert_says(&p, "x", WHO_METER);
  answer_kept(d->t);
  bool done = false;
  for (int i = 0; i < 100 && !done; i++) done = peer_handshake(&waits);
  assert_true(done);
  limit = (struct timeval){.tv_sec = PEER_WAIT_S};
  BIO_ctrl(SSL_get_rbio(waits.ssl), BIO_CTRL_DGRAM_SET_RECV_TIMEOUT, 0, &limit);
  assert_says(&waits, "x", "Clater");
  peer_end(&waits);
  peer_end(&p);
}

/* A handshake that waits for a key when the server ends. */
static void the_end_comes_before_the_key(void **state)
{
  dtls_test *d = *state;
  tls_peer waits;
  dtls_prepare_on(&waits, udp_connect(d->port, 0), &later);
  struct timeval limit = {.tv_sec = 0, .tv_usec = 200000};
  BIO_ctrl(SSL_get_rbio(waits.ssl), BIO_CTRL_DGRAM_SET_RECV_TIMEOUT, 0, &limit);
  handshake_until_asked(d, &waits);
  peer_end(&waits);
}

typedef struct look {
  gh_worker *worker;
  uint32_t connections, handshaking;
} look;

static void look_at_worker(void *arg)
{
  look *l = arg;
  l->connections = l->worker->connections;
  l->handshaking = l->worker->handshaking;
}

static look look_inside(dtls_test *d)
{
  look l = {.worker = &d->t->worker};
  gh_loop_call(d->t->loop, look_at_worker, &l);
  return l;
}

static ssize_t first_hello(char *hello, size_t size)
{
  tls_peer p;
  int pair[2];
  assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair), 0);
  dtls_prepare_on(&p, pair[0], &meter);
  SSL_set0_rbio(p.ssl, BIO_new_socket(pair[0], BIO_NOCLOSE));
  SSL_set0_wbio(p.ssl, BIO_new_socket(pair[0], BIO_NOCLOSE));
  (void)SSL_connect(p.ssl);
  ssize_t len = recv(pair[1], hello, size, 0);
  assert_true(len > 13);
  peer_end(&p);
  close(pair[1]);
  return len;
}

/* A first ClientHello of somebody who does not come back. */
static void only_knock(const dtls_test *d, const char *hello, ssize_t len)
{
  char verify[2048];
  int fd = udp_connect(d->port, 0);
  assert_int_equal(send(fd, hello, (size_t)len, 0), len);
  ssize_t got = recv(fd, verify, sizeof verify, 0);
  assert_true(got > 25 && got <= 3 * len);
  assert_int_equal(verify[13], 3); /* HelloVerifyRequest */
  close(fd);
}

/* TP-18: a first ClientHello costs nothing; its answer is shorter than three times the question. */
/*= RFC 6347 4.2.1 */
static void no_state_before_the_cookie(void **state)
{
  dtls_test *d = *state;
  char hello[2048];
  ssize_t len = first_hello(hello, sizeof hello);
  for (int i = 0; i < 50; i++) only_knock(d, hello, len);
  look inside = look_inside(d);
  assert_int_equal(inside.connections, 0);
  assert_int_equal(inside.handshaking, 0);
}

enum { RECORD_HEAD = 13, MESSAGE_HEAD = 12, AT_COOKIE = RECORD_HEAD + MESSAGE_HEAD + 2 + 32 + 1, COOKIE = 32 };

static void lengthen(char *at, size_t octets, size_t by)
{
  size_t value = by;
  for (size_t i = 0; i < octets; i++) value += (size_t)(uint8_t)at[i] << (8 * (octets - 1 - i));
  for (; octets; value >>= 8) at[--octets] = (char)value;
}

/* The kind of the answer's first message; -1: none came. */
static int answer_with_cookie(int fd, const char *hello, ssize_t len, const char *cookie, char answer[static 2048])
{
  char text[2048];
  struct timeval limit = {.tv_sec = 2};
  assert_true(len + COOKIE < (ssize_t)sizeof text && !hello[AT_COOKIE - 1] && !hello[AT_COOKIE]);
  memcpy(text, hello, AT_COOKIE + 1);
  if (cookie) memcpy(text + AT_COOKIE + 1, cookie, COOKIE);
  size_t more = cookie ? COOKIE : 0;
  memcpy(text + AT_COOKIE + 1 + more, hello + AT_COOKIE + 1, (size_t)len - AT_COOKIE - 1);
  text[AT_COOKIE] = (char)more;
  text[RECORD_HEAD + 5] = cookie != NULL; /* the number of the message */
  lengthen(text + 11, 2, more);
  lengthen(text + RECORD_HEAD + 1, 3, more);
  lengthen(text + RECORD_HEAD + 9, 3, more);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  assert_int_equal(send(fd, text, (size_t)len + more, 0), len + (ssize_t)more);
  return recv(fd, answer, 2048, 0) > RECORD_HEAD ? answer[RECORD_HEAD] : -1;
}

/* TP-18: whoever has a cookie of another's, an old one, or none, is asked again, and nothing is kept of it. */
/*= RFC 6347 4.2.1 */
static void a_cookie_is_for_one_address_and_time(void **state)
{
  enum { SERVER_HELLO = 2, VERIFY_REQUEST = 3, AT_THEIRS = RECORD_HEAD + MESSAGE_HEAD + 3 };
  dtls_test *d = *state;
  char hello[2048], answer[2048], cookie[COOKIE], wrong[COOKIE];
  ssize_t len = first_hello(hello, sizeof hello);
  int own = udp_connect(d->port, 0), other = udp_connect(d->port, 0);
  assert_int_equal(answer_with_cookie(own, hello, len, NULL, answer), VERIFY_REQUEST);
  memcpy(cookie, answer + AT_THEIRS, COOKIE);
  memcpy(wrong, cookie, COOKIE);
  wrong[COOKIE - 1] ^= 1;
  assert_int_equal(answer_with_cookie(own, hello, len, wrong, answer), VERIFY_REQUEST);
  assert_int_equal(answer_with_cookie(other, hello, len, cookie, answer), VERIFY_REQUEST);
  pass_time(d->t, 121);
  assert_int_equal(answer_with_cookie(own, hello, len, cookie, answer), VERIFY_REQUEST);
  assert_int_equal(look_inside(d).connections, 0);
  memcpy(cookie, answer + AT_THEIRS, COOKIE);
  assert_int_equal(answer_with_cookie(own, hello, len, cookie, answer), SERVER_HELLO);
  assert_int_equal(look_inside(d).connections, 1);
  close(own);
  close(other);
}

/* A hello that is larger than the path: its first fragment has the cookie, the others follow. */
/*= RFC 6347 4.2.3 */
static void a_hello_in_fragments(void **state)
{
  const dtls_test *d = *state;
  tls_peer p;
  tls_peer_options options = meter;
  options.suites = "ALL:PSK:" DTLS_PSK_SUITES;
  dtls_prepare_on(&p, udp_connect(d->port, 0), &options);
  SSL_set_mtu(p.ssl, 256);
  struct timeval limit = {.tv_sec = 2};
  BIO_ctrl(SSL_get_rbio(p.ssl), BIO_CTRL_DGRAM_SET_RECV_TIMEOUT, 0, &limit);
  if (!peer_handshake(&p)) fail_msg("alert %d", p.alert);
  assert_says(&p, "hello", "hello" WHO_METER);
  peer_end(&p);
}

static void noise_is_ignored(void **state)
{
  dtls_test *d = *state;
  tls_peer p;
  assert_true(dtls_join(&p, d->port, &meter));
  unsigned seed = 1;
  char octets[600];
  for (int i = 0; i < 400; i++) {
    size_t len = (size_t)rand_r(&seed) % sizeof octets;
    for (size_t k = 0; k < len; k++) octets[k] = (char)rand_r(&seed);
    if (i & 1 && len > 20) memcpy(octets, "\x16\xfe\xfd\0\0\0\0\0\0\0\0\0\x20\1", 14);
    if (i % 4 == 2 && len > 20) memcpy(octets, "\x17\xfe\xfd\0\1\0\0\0\0\0\5\0\x20", 13);
    assert_true(send(p.fd, octets, len, 0) == (ssize_t)len); /* as from the peer itself */
    int fd = udp_connect(d->port, 0);
    assert_true(send(fd, octets, len, 0) == (ssize_t)len);
    close(fd);
    if (i % 16 == 0) look_inside(d); /* it has read so far: no socket overflows */
  }
  struct timeval limit = {.tv_sec = 1};
  BIO_ctrl(SSL_get_rbio(p.ssl), BIO_CTRL_DGRAM_SET_RECV_TIMEOUT, 0, &limit);
  size_t got = 0;
  for (int i = 0; i < 20 && !got; i++) got = dtls_say(&p, "still here"); /* the socket may have been full */
  assert_true(got && strstr(p.answer, "still here" WHO_METER));
  assert_int_equal(look_inside(d).connections, 1);
  peer_end(&p);
}

/* The peer lost its state and begins again from the same port; the old association ends when the new one is there. */
/*= RFC 6347 4.2.8 */
static void the_peer_begins_again(void **state)
{
  dtls_test *d = *state;
  tls_peer p, again;
  assert_true(dtls_join(&p, d->port, &meter));
  assert_says(&p, "one", WHO_METER);
  uint16_t own = own_port_of(p.fd);
  close(p.fd);
  p.fd = -1;
  dtls_prepare_on(&again, udp_connect(d->port, own), &meter);
  assert_true(peer_handshake(&again));
  assert_says(&again, "two", "two" WHO_METER);
  wait_closed(d->t, 1);
  assert_int_equal(look_inside(d).connections, 1);
  SSL_free(p.ssl);
  SSL_CTX_free(p.ctx);
  peer_end(&again);
}

/* Who only sends a hello with a good cookie from that address does not end the association. */
static void half_a_beginning_ends_nothing(void **state)
{
  dtls_test *d = *state;
  tls_peer p, rival;
  assert_true(dtls_join(&p, d->port, &meter));
  tls_peer_options wrong = meter;
  wrong.key_hex = "00112233445566778899aabbccddeeff";
  dtls_prepare_on(&rival, p.fd, &wrong);
  struct timeval limit = {.tv_sec = 0, .tv_usec = 300000};
  BIO_ctrl(SSL_get_rbio(rival.ssl), BIO_CTRL_DGRAM_SET_RECV_TIMEOUT, 0, &limit);
  assert_false(peer_handshake(&rival));
  assert_says(&p, "still here", "still here" WHO_METER);
  SSL_free(rival.ssl);
  SSL_CTX_free(rival.ctx);
  peer_end(&p);
}

/* Handshakes and records over a path that loses, doubles and swaps. */ /*= RFC 6347 4.2.4 */
static void bad_paths(void **state)
{
  dtls_test *d = *state;
  static const unsigned rows[][3] = {{0, 1, 0}, {0, 0, 2}, {0, 2, 3}, {5, 0, 0}, {5, 3, 4}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    static relay r; /* its thread lives on when an assertion fails */
    tls_peer p;
    uint16_t port = relay_begin(&r, d->port, rows[i][0], rows[i][1], rows[i][2]);
    if (!dtls_join_patiently(&p, port, &meter)) fail_msg("row %zu: alert %d", i, p.alert);
    atomic_store(&r.lose, 0);
    for (int k = 0; k < 10; k++) assert_says(&p, "hello", WHO_METER);
    peer_end(&p);
    relay_end(&r);
  }
}

static bool is_meter(void *ctx, gh_conn *conn)
{
  (void)ctx;
  return gh_str_eq(gh_conn_peer(conn)->key_id, GH_STR("meter@maf.sp.example.com"));
}

static void revoke_meter(void *arg)
{
  dtls_test *d = arg;
  MUST(gh_worker_revoke(&d->t->worker, is_meter, NULL) == 1);
}

/* TP-20 */ /*= TS-0003 8.2.1 */
static void revocation(void **state)
{
  dtls_test *d = *state;
  tls_peer p;
  assert_true(dtls_join(&p, d->port, &meter));
  assert_says(&p, "x", WHO_METER);
  gh_loop_call(d->t->loop, revoke_meter, d);
  wait_closed(d->t, 1);
  assert_int_equal(counts_now(d->t).last_why, GH_EEXPIRED);
  assert_int_equal(dtls_say(&p, "x"), 0); /* close_notify */
  peer_end(&p);
}

static void idle_and_expired_associations(void **state)
{
  dtls_test *d = *state;
  tls_peer idle, busy;
  assert_true(dtls_join(&idle, d->port, &meter));
  assert_true(dtls_join(&busy, d->port, &meter));
  wait_ready(d->t, 2);
  pass_time(d->t, 200);
  assert_says(&busy, "x", WHO_METER);
  pass_time(d->t, 200);
  wait_closed(d->t, 1);
  assert_int_equal(counts_now(d->t).last_why, GH_ETIMEOUT);
  assert_says(&busy, "x", WHO_METER);
  for (int i = 0; i < 24 * 3600 / 200; i++) {
    pass_time(d->t, 200);
    if (counts_now(d->t).closed == 2) break;
    if (!dtls_say(&busy, "x")) break;
  }
  wait_closed(d->t, 2);
  assert_int_equal(counts_now(d->t).last_why, GH_EEXPIRED);
  peer_end(&idle);
  peer_end(&busy);
}

static void allow_eight_handshakes(void *arg)
{
  link_test *t = arg;
  t->worker.limits.max_handshakes = 8;
}

/* TP-18 */
static void handshakes_in_flight_are_bounded(void **state)
{
  dtls_test *d = *state;
  enum { MANY = 12 };
  static tls_peer waits[MANY]; /* frames stay small: see the note on valgrind in tools/run_tests.py */
  gh_loop_call(d->t->loop, allow_eight_handshakes, d->t);
  for (int i = 0; i < MANY; i++) {
    dtls_prepare_on(&waits[i], udp_connect(d->port, 0), &later);
    struct timeval limit = {.tv_sec = 0, .tv_usec = 100000};
    BIO_ctrl(SSL_get_rbio(waits[i].ssl), BIO_CTRL_DGRAM_SET_RECV_TIMEOUT, 0, &limit);
    bool counted = false;
    for (int tries = 0; tries < 50 && !counted; tries++) {
      assert_false(peer_handshake(&waits[i]));
      counted = i >= 8 || look_inside(d).handshaking > (uint32_t)i;
    }
  }
  assert_int_equal(look_inside(d).handshaking, 8);
  pass_time(d->t, 11);
  wait_closed(d->t, 8);
  tls_peer p;
  assert_true(dtls_join(&p, d->port, &meter));
  assert_says(&p, "x", WHO_METER);
  peer_end(&p);
  for (int i = 0; i < MANY; i++) peer_end(&waits[i]);
}

static void orderly_ends(void **state)
{
  dtls_test *d = *state;
  tls_peer p;
  size_t got;
  assert_true(dtls_join(&p, d->port, &meter));
  assert_says(&p, "bye", "bye" WHO_METER);
  assert_int_not_equal(SSL_read_ex(p.ssl, p.answer, 10, &got), 1);
  assert_int_equal(SSL_get_error(p.ssl, 0), SSL_ERROR_ZERO_RETURN);
  wait_closed(d->t, 1);
  peer_end(&p);
  assert_true(dtls_join(&p, d->port, &meter));
  assert_says(&p, "x", WHO_METER);
  SSL_shutdown(p.ssl);
  wait_closed(d->t, 2);
  assert_int_equal(counts_now(d->t).last_why, GH_OK);
  peer_end(&p);
}

static void over_ipv6(void **state)
{
  (void)state;
  dtls_test d;
  link_test *t = link_new(keys, 2);
  t->listen.host = "::1";
  dtls_open(&d, t);
  struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback, .sin6_port = htons(d.port)};
  tls_peer p[3];
  for (int i = 0; i < 3; i++) {
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    dtls_prepare_on(&p[i], fd, &meter);
    BIO_ctrl(SSL_get_rbio(p[i].ssl), BIO_CTRL_DGRAM_SET_CONNECTED, 0, &to);
    assert_true(peer_handshake(&p[i]));
  }
  for (int i = 0; i < 3; i++) assert_says(&p[i], "six", "six" WHO_METER);
  for (int i = 0; i < 3; i++) peer_end(&p[i]);
  dtls_end(&d);
}

/* TP-09 */ /*= TS-0003 8.2.2.2; TS-0003 10.2.3 */
static void certificates(void **state)
{
  (void)state;
  static const char *const suites[] = {"ECDHE-ECDSA-AES128-CCM8", "ECDHE-ECDSA-AES128-GCM-SHA256",
                                       "ECDHE-ECDSA-CHACHA20-POLY1305"};
  pki made;
  dtls_test d;
  pki_make(&made);
  link_test *t = link_new(keys, 2);
  t->tls.chain_pem = gh_buf_str(&made.server_chain_pem);
  t->tls.key_pem = gh_buf_str(&made.server_key_pem);
  t->tls.anchors_pem = gh_buf_str(&made.root_pem);
  dtls_open(&d, t);
  for (size_t i = 0; i < sizeof suites / sizeof *suites; i++) {
    tls_peer p;
    tls_peer_options options = {
        .suites = suites[i], .cert = made.meter.cert, .key = made.meter.key, .issuer = made.middle.cert};
    if (!dtls_join(&p, d.port, &options)) fail_msg("%s: alert %d", suites[i], p.alert);
    assert_says(&p, "x", WHO_METER);
    assert_says(&p, "x", suites[i]);
    peer_end(&p);
    options.cert = NULL;
    options.key = NULL;
    if (dtls_join(&p, d.port, &options)) assert_int_equal(dtls_say(&p, "x"), 0);
    peer_end(&p);
  }
  assert_int_equal(counts_now(t).ready, sizeof suites / sizeof *suites);
  dtls_end(&d);
  pki_free(&made);
}

/* Strangers come in after the credentials were renewed, and under each of several names. */
static void renewed_and_several_names(void **state)
{
  (void)state;
  static const char *const names[] = {CSE_FQDN, "maf.sp.example.com", NULL};
  pki made;
  dtls_test d;
  gh_buf chain = GH_BUF_INIT, key = GH_BUF_INIT;
  gh_diag diag = {""};
  pki_make(&made);
  holder maf = issued(GH_CERT_FQDN, names[1], NULL, &made.middle);
  pem_of(&maf, &chain, &key);
  gh_buf_add(&chain, gh_buf_str(&made.middle_pem));
  const gh_tls_host host = {gh_str_of(names[1]), gh_buf_str(&chain), gh_buf_str(&key)};
  link_test *t = link_new(keys, 2);
  t->tls.chain_pem = gh_buf_str(&made.server_chain_pem);
  t->tls.key_pem = gh_buf_str(&made.server_key_pem);
  t->tls.anchors_pem = gh_buf_str(&made.root_pem);
  t->tls.fqdn = GH_STR(CSE_FQDN);
  t->tls.hosts = &host;
  t->tls.host_count = 1;
  dtls_open(&d, t);
  for (int round = 0; round < 3; round++) {
    for (size_t i = 0; i < 3; i++) {
      tls_peer p;
      const tls_peer_options options = {.suites = "ECDHE-ECDSA-AES128-GCM-SHA256",
                                        .cert = made.meter.cert,
                                        .key = made.meter.key,
                                        .issuer = made.middle.cert,
                                        .server_name = names[i]};
      if (!dtls_join(&p, d.port, &options)) fail_msg("round %d, name %zu: alert %d", round, i, p.alert);
      assert_says(&p, "x", WHO_METER);
      peer_end(&p);
    }
    assert_int_equal(gh_tls_server_renew(t->server, &t->tls, &diag), GH_OK);
  }
  dtls_end(&d);
  holder_free(&maf);
  gh_buf_free(&chain);
  gh_buf_wipe_free(&key);
  pki_free(&made);
}

/* Renewed while it serves, as by SIGHUP: whoever comes then is asked for a cookie and let in, as before. */
static void a_renewed_server(void **state)
{
  dtls_test *d = *state;
  gh_diag diag = {""};
  for (int round = 0; round < 3; round++) {
    tls_peer p;
    if (!dtls_join(&p, d->port, &meter)) fail_msg("round %d: alert %d", round, p.alert);
    assert_says(&p, "x", WHO_METER);
    peer_end(&p);
    assert_int_equal(gh_tls_server_renew(d->t->server, &d->t->tls, &diag), GH_OK);
  }
}

/* Somebody knocked before the renewal, so that an SSL made of the old credentials waits for the next one. */
static void the_first_after_a_renewal(void **state)
{
  (void)state;
  pki made, other;
  dtls_test d;
  char hello[2048];
  gh_diag diag = {""};
  pki_make(&made);
  pki_make(&other);
  gh_buf anchors = GH_BUF_INIT;
  gh_buf_add(&anchors, gh_buf_str(&other.root_pem));
  link_test *t = link_new(keys, 2);
  t->tls.chain_pem = gh_buf_str(&made.server_chain_pem);
  t->tls.key_pem = gh_buf_str(&made.server_key_pem);
  t->tls.anchors_pem = gh_buf_str(&made.root_pem);
  dtls_open(&d, t);
  only_knock(&d, hello, first_hello(hello, sizeof hello));
  t->tls.chain_pem = gh_buf_str(&other.server_chain_pem);
  t->tls.key_pem = gh_buf_str(&other.server_key_pem);
  t->tls.anchors_pem = gh_buf_str(&anchors);
  t->tls.policy = gh_security_policy_named(GH_STR("constrained")); /* one suite for certificates */
  assert_int_equal(gh_tls_server_renew(t->server, &t->tls, &diag), GH_OK);
  tls_peer p;
  tls_peer_options options = {.suites = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-CCM8",
                              .cert = other.meter.cert,
                              .key = other.meter.key,
                              .issuer = other.middle.cert};
  if (!dtls_join(&p, d.port, &options)) fail_msg("alert %d", p.alert);
  X509 *met = SSL_get1_peer_certificate(p.ssl);
  assert_int_equal(X509_cmp(met, other.server.cert), 0);
  X509_free(met);
  assert_says(&p, "x", "CCM8");
  peer_end(&p);
  options.cert = made.meter.cert; /* what leads to the old anchor alone is refused */
  options.key = made.meter.key;
  options.issuer = made.middle.cert;
  if (dtls_join(&p, d.port, &options)) assert_int_equal(dtls_say(&p, "x"), 0);
  peer_end(&p);
  dtls_end(&d);
  gh_buf_free(&anchors);
  pki_free(&made);
  pki_free(&other);
}

int main(void)
{
#define WITH(f) cmocka_unit_test_setup_teardown(f, begin_test, end_test)
  const struct CMUnitTest tests[] = {
      WITH(each_psk_suite),
      WITH(both_export_the_same),
      WITH(without_extended_master_secret),
      WITH(wrong_keys),
      WITH(older_versions),
      WITH(the_key_comes_later),
      WITH(the_end_comes_before_the_key),
      WITH(no_state_before_the_cookie),
      WITH(a_cookie_is_for_one_address_and_time),
      WITH(a_hello_in_fragments),
      WITH(noise_is_ignored),
      WITH(the_peer_begins_again),
      WITH(half_a_beginning_ends_nothing),
      WITH(bad_paths),
      WITH(revocation),
      WITH(idle_and_expired_associations),
      WITH(handshakes_in_flight_are_bounded),
      WITH(orderly_ends),
      WITH(a_renewed_server),
      cmocka_unit_test(over_ipv6),
      cmocka_unit_test(certificates),
      cmocka_unit_test(renewed_and_several_names),
      cmocka_unit_test(the_first_after_a_renewal),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
