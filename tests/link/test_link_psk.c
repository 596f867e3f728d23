/* Pre-shared keys on real sockets: who has the key is known, whoever has not learns nothing, and what the profile
 * leaves out is refused. */
#include "tls_peer.h"

#define METER "//sp.example.com/in-cse/Cmeter"

static const link_key keys[] = {
    {.identity = "meter@maf.sp.example.com", .key_hex = GOOD_KEY, .peer_id = METER},
    {.identity = "nameless@maf.sp.example.com",
     .key_hex = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"},
    {.identity = "expired@maf.sp.example.com", .key_hex = GOOD_KEY, .result = GH_EEXPIRED},
};

static int setup(void **state)
{
  *state = link_new(keys, sizeof keys / sizeof *keys);
  link_open(*state);
  return 0;
}

static int teardown(void **state)
{
  link_end(*state);
  return 0;
}

static const tls_peer_options good = {.identity = "meter@maf.sp.example.com", .key_hex = GOOD_KEY};
static const tls_peer_options good13 = {.identity = "meter@maf.sp.example.com",
                                        .key_hex = GOOD_KEY,
                                        .min_version = TLS1_3_VERSION,
                                        .max_version = TLS1_3_VERSION,
                                        .groups = "P-256"};

static void assert_served(link_test *t, const tls_peer_options *options, const char *expected)
{
  tls_peer p;
  if (!peer_connect(&p, t->port, options)) fail_msg("handshake for %s: alert %d", expected, p.alert);
  assert_true(peer_ask(&p, ASK_LAST));
  if (!strstr(p.answer, expected)) fail_msg("%s is not in %s", expected, p.answer);
  assert_true(peer_is_closed(&p));
  peer_end(&p);
}

/* Refused in the handshake or right behind it: no request is ever served. Returns the alert. */
static int assert_not_served(link_test *t, const tls_peer_options *options)
{
  tls_peer p;
  int ready = counts_now(t).ready;
  if (peer_connect(&p, t->port, options) && peer_ask(&p, ASK)) fail_msg("served: %s", p.answer);
  int alert = p.alert;
  peer_end(&p);
  assert_int_equal(counts_now(t).ready, ready);
  return alert;
}

/*= TS-0003 10.2.2; every suite of the profile, in both versions */
static void each_suite_of_the_profile(void **state)
{
  static const char *const suites[] = {"ECDHE-PSK-CHACHA20-POLY1305", "ECDHE-PSK-AES128-CBC-SHA256",
                                       "PSK-AES128-GCM-SHA256", "PSK-AES128-CBC-SHA256", "PSK-AES128-CCM8"};
  for (size_t i = 0; i < 5; i++) {
    tls_peer_options options = good;
    char expected[120];
    options.suites = suites[i];
    snprintf(expected, sizeof expected, "AE " METER " TLSv1.2 %s", suites[i]);
    assert_served(*state, &options, expected);
  }
  static const char *const suites13[] = {"TLS_AES_128_GCM_SHA256", "TLS_AES_128_CCM_SHA256",
                                         "TLS_CHACHA20_POLY1305_SHA256"};
  for (size_t i = 0; i < 3; i++) {
    tls_peer_options options = good13;
    char expected[120];
    options.suites13 = suites13[i];
    snprintf(expected, sizeof expected, "AE " METER " TLSv1.3 %s", suites13[i]);
    assert_served(*state, &options, expected);
  }
}

/* The client's first group is not ours: HelloRetryRequest, and the key is asked for once. */
static void a_retried_hello(void **state)
{
  link_test *t = *state;
  tls_peer_options options = good13;
  options.groups = "X25519:P-256";
  assert_served(t, &options, "AE " METER " TLSv1.3");
  assert_int_equal(counts_now(t).asked, 1);
  options.key_hex = "ff";
  assert_int_equal(assert_not_served(t, &options), bad_binder_alert());
}

static void a_credential_without_identity(void **state)
{
  tls_peer_options options = good;
  options.identity = "nameless@maf.sp.example.com";
  options.key_hex = keys[1].key_hex;
  assert_served(*state, &options, "credential 12-x TLSv1.2");
}

/* Wrong key, unknown identity, refused key: one and the same alert, so that nobody can find out which identities
 * exist. */
static void no_oracle_for_identities(void **state)
{
  link_test *t = *state;
  static const tls_peer_options versions[] = {
      {.max_version = TLS1_2_VERSION},
      {.min_version = TLS1_3_VERSION, .max_version = TLS1_3_VERSION, .groups = "P-256"}};
  for (size_t v = 0; v < 2; v++) {
    tls_peer_options wrong_key = versions[v], unknown = versions[v], expired = versions[v];
    wrong_key.identity = "meter@maf.sp.example.com";
    wrong_key.key_hex = "ff23456789abcdef0123456789abcdef";
    unknown.identity = "nobody@maf.sp.example.com";
    expired.identity = "expired@maf.sp.example.com";
    unknown.key_hex = expired.key_hex = GOOD_KEY;
    int alert = assert_not_served(t, &wrong_key);
    assert_int_equal(alert, v == 0 ? SSL_AD_BAD_RECORD_MAC : bad_binder_alert());
    assert_int_equal(assert_not_served(t, &unknown), alert);
    assert_int_equal(assert_not_served(t, &expired), alert);
  }
  for (size_t i = 0; i < 5; i++) { /* in every suite */
    static const char *const suites[] = {"ECDHE-PSK-CHACHA20-POLY1305", "ECDHE-PSK-AES128-CBC-SHA256",
                                         "PSK-AES128-GCM-SHA256", "PSK-AES128-CBC-SHA256", "PSK-AES128-CCM8"};
    tls_peer_options wrong_key = good, unknown = good;
    wrong_key.suites = unknown.suites = suites[i];
    wrong_key.key_hex = "ff23456789abcdef0123456789abcdef";
    unknown.identity = "nobody@maf.sp.example.com";
    assert_int_equal(assert_not_served(t, &wrong_key), assert_not_served(t, &unknown));
  }
}

/* An identity that is empty, too long for us, or no text. */
static void odd_identities(void **state)
{
  link_test *t = *state;
  char longer[257];
  memset(longer, 'x', 256);
  longer[256] = '\0';
  static const char *const odd[] = {"\xff\xfe\x80", "\n", "../../etc/passwd", "' OR 1=1 --", "*"};
  for (size_t i = 0; i <= sizeof odd / sizeof *odd; i++) {
    tls_peer_options options = good, options13 = good13;
    options.identity = options13.identity = i < sizeof odd / sizeof *odd ? odd[i] : longer;
    if (i < sizeof odd / sizeof *odd) assert_not_served(t, &options);
    if (i < sizeof odd / sizeof *odd) assert_not_served(t, &options13);
  }
  assert_served(t, &good, METER);
}

/*= TS-0003 10.3.1; keys are exported here, so RFC 7627 is demanded */
static void without_extended_master_secret(void **state)
{
  link_test *t = *state;
  tls_peer_options options = good;
  options.ssl_options = SSL_OP_NO_EXTENDED_MASTER_SECRET;
  assert_not_served(t, &options);
  wait_closed(t, 1);
  assert_int_equal(counts_now(t).last_why, GH_EPROTO);
}

/*= TS-0003 10.2.1; nothing below TLS 1.2 */
static void old_versions(void **state)
{
  link_test *t = *state;
  static const int versions[] = {TLS1_VERSION, TLS1_1_VERSION};
  for (size_t i = 0; i < 2; i++) {
    tls_peer_options options = good;
    options.min_version = options.max_version = versions[i];
    options.suites = "PSK-AES128-CBC-SHA:PSK-AES128-CBC-SHA256";
    assert_int_equal(assert_not_served(t, &options), SSL_AD_PROTOCOL_VERSION);
  }
}

/*= TS-0003 10.2.2; a suite outside the profile is refused even if it is all that is offered */
static void suites_outside_the_profile(void **state)
{
  link_test *t = *state;
  static const char *const suites[] = {"PSK-AES128-CBC-SHA",
                                       "ECDHE-PSK-AES128-CBC-SHA",
                                       "PSK-AES256-GCM-SHA384",
                                       "PSK-AES256-CBC-SHA384",
                                       "PSK-NULL-SHA256",
                                       "PSK-NULL-SHA",
                                       "ECDHE-PSK-NULL-SHA256",
                                       "DHE-PSK-AES128-GCM-SHA256",
                                       "PSK-CHACHA20-POLY1305",
                                       "PSK-AES256-CCM8",
                                       "AES128-SHA",
                                       "ADH-AES128-SHA256",
                                       "AECDH-AES128-SHA",
                                       "ECDHE-RSA-AES128-GCM-SHA256"};
  for (size_t i = 0; i < sizeof suites / sizeof *suites; i++) {
    tls_peer_options options = good;
    options.suites = suites[i];
    int alert = assert_not_served(t, &options);
    if (alert != SSL_AD_HANDSHAKE_FAILURE) fail_msg("%s: alert %d", suites[i], alert);
  }
  tls_peer_options options = good13;
  options.suites13 = "TLS_AES_256_GCM_SHA384";
  assert_int_equal(assert_not_served(t, &options), SSL_AD_HANDSHAKE_FAILURE);
}

/*= TS-0003 10.2.3; P-256 and no other group */
static void other_groups(void **state)
{
  link_test *t = *state;
  static const char *const groups[] = {"X25519", "P-384", "P-521:X448"};
  for (size_t i = 0; i < 3; i++) {
    tls_peer_options options = good, options13 = good13;
    options.suites = "ECDHE-PSK-AES128-CBC-SHA256";
    options.groups = options13.groups = groups[i];
    assert_int_equal(assert_not_served(t, &options), SSL_AD_HANDSHAKE_FAILURE);
    assert_int_equal(assert_not_served(t, &options13), SSL_AD_HANDSHAKE_FAILURE);
  }
}

/* A second handshake inside the association is refused, whoever asks for it. */
static void renegotiation(void **state)
{
  link_test *t = *state;
  tls_peer p;
  assert_true(peer_connect(&p, t->port, &good));
  assert_true(peer_ask(&p, ASK));
  assert_int_equal(SSL_renegotiate(p.ssl), 1);
  assert_int_not_equal(SSL_do_handshake(p.ssl), 1);
  peer_end(&p);
  wait_closed(t, 1);
  assert_int_equal(counts_now(t).asked, 1);
  assert_int_equal(counts_now(t).ready, 1);
}

/* No session is resumed: each association proves its key anew. */
static void no_resumption(void **state)
{
  link_test *t = *state;
  const tls_peer_options *const versions[] = {&good, &good13};
  for (size_t v = 0; v < 2; v++) {
    tls_peer p, again;
    assert_true(peer_connect(&p, t->port, versions[v]));
    assert_true(peer_ask(&p, ASK));
    SSL_SESSION *session = SSL_get1_session(p.ssl);
    peer_prepare(&again, t->port, versions[v]);
    SSL_set_session(again.ssl, session);
    if (peer_handshake(&again)) {
      bool resumed_psk = v == 1; /* TLS 1.3 calls every PSK handshake a resumption */
      if (!resumed_psk) assert_int_equal(SSL_session_reused(again.ssl), 0);
      assert_true(peer_ask(&again, ASK));
    }
    SSL_SESSION_free(session);
    peer_end(&again);
    peer_end(&p);
    assert_int_equal(counts_now(t).asked, 2 * ((int)v + 1));
  }
}

/*= TS-0003 6.1.2.2.1; who speaks clear text gets one answer and is closed */
static void clear_text(void **state)
{
  link_test *t = *state;
  static const char *const texts[] = {"G", "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
                                      "\x15\x03\x01", "\0\0\0\0", "\x80\x2e\1\3\1"};
  static const size_t lengths[] = {1, 54, 3, 4, 5};
  for (size_t i = 0; i < 5; i++) {
    char answer[512];
    size_t len = 0;
    int fd = tcp_connect(t->port);
    assert_int_equal(send(fd, texts[i], lengths[i], MSG_NOSIGNAL), lengths[i]);
    for (ssize_t got; (got = recv(fd, answer + len, sizeof answer - len, 0)) > 0;) len += (size_t)got;
    assert_int_equal(len, strlen(REFUSAL));
    assert_memory_equal(answer, REFUSAL, len);
    close(fd);
  }
  wait_closed(t, 5);
  assert_int_equal(counts_now(t).ready, 0);
  assert_int_equal(counts_now(t).asked, 0);
  assert_served(t, &good, METER);
}

typedef struct pourer {
  int fd;
  atomic_bool over;
} pourer;

static void *pour(void *arg)
{
  pourer *p = arg;
  static const char text[65536] = "GET / HTTP/1.1\r\n";
  while (!atomic_load(&p->over) && send(p->fd, text, sizeof text, MSG_NOSIGNAL) > 0) continue;
  return NULL;
}

/* TP-18: clear text without end does not keep the loop from others. */
static void clear_text_without_end(void **state)
{
  enum { POURERS = 3 };
  link_test *t = *state;
  pourer pourers[POURERS];
  pthread_t threads[POURERS];
  for (int i = 0; i < POURERS; i++) {
    pourers[i].fd = tcp_connect(t->port);
    atomic_init(&pourers[i].over, false);
    assert_int_equal(pthread_create(&threads[i], NULL, pour, &pourers[i]), 0);
  }
  wait_closed(t, POURERS);
  for (int i = 0; i < 5; i++) assert_served(t, &good, METER);
  for (int i = 0; i < POURERS; i++) {
    atomic_store(&pourers[i].over, true);
    pthread_join(threads[i], NULL);
    close(pourers[i].fd);
  }
}

static void tls_that_is_none(void **state)
{
  link_test *t = *state;
  static const char *const texts[] = {"\x16garbage that is no record at all", "\x16\x03\x01\x00\x05hello",
                                      "\x16\x03\x03\xff\xff", "\x16\x03\x03\x00\x04\x01\x00\x00\x00"};
  static const size_t lengths[] = {33, 10, 5, 9};
  for (size_t i = 0; i < 4; i++) {
    char answer[64];
    int fd = tcp_connect(t->port);
    assert_int_equal(send(fd, texts[i], lengths[i], MSG_NOSIGNAL), lengths[i]);
    shutdown(fd, SHUT_WR);
    while (recv(fd, answer, sizeof answer, 0) > 0) continue;
    close(fd);
  }
  wait_closed(t, 4);
  assert_served(t, &good, METER);
}

/* An association of many records, in both directions, with a client that reads slowly. */
static void much_data(void **state)
{
  link_test *t = *state;
  const tls_peer_options *const versions[] = {&good, &good13};
  static char octets[70000];
  for (size_t v = 0; v < 2; v++) {
    tls_peer p;
    assert_true(peer_connect(&p, t->port, versions[v]));
    static const char big[] = "GET /big HTTP/1.1\r\n\r\n";
    assert_true(SSL_write(p.ssl, big, sizeof big - 1) > 0);
    size_t total = 0, wanted = (8 << 20) + strlen("HTTP/1.1 200 OK\r\nContent-Length: 8388608\r\n\r\n"), got;
    while (total < wanted && SSL_read_ex(p.ssl, octets, total % 70000 + 1, &got) == 1) total += got;
    assert_int_equal(total, wanted);
    memset(octets, 'x', sizeof octets); /* a request of many records */
    for (int i = 0; i < 20; i++) assert_int_equal(SSL_write(p.ssl, octets, sizeof octets), sizeof octets);
    assert_true(peer_ask(&p, "\r\n\r\n"));
    assert_non_null(strstr(p.answer, METER));
    peer_end(&p);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(each_suite_of_the_profile, setup, teardown),
      cmocka_unit_test_setup_teardown(a_retried_hello, setup, teardown),
      cmocka_unit_test_setup_teardown(a_credential_without_identity, setup, teardown),
      cmocka_unit_test_setup_teardown(no_oracle_for_identities, setup, teardown),
      cmocka_unit_test_setup_teardown(odd_identities, setup, teardown),
      cmocka_unit_test_setup_teardown(without_extended_master_secret, setup, teardown),
      cmocka_unit_test_setup_teardown(old_versions, setup, teardown),
      cmocka_unit_test_setup_teardown(suites_outside_the_profile, setup, teardown),
      cmocka_unit_test_setup_teardown(other_groups, setup, teardown),
      cmocka_unit_test_setup_teardown(renegotiation, setup, teardown),
      cmocka_unit_test_setup_teardown(no_resumption, setup, teardown),
      cmocka_unit_test_setup_teardown(clear_text, setup, teardown),
      cmocka_unit_test_setup_teardown(clear_text_without_end, setup, teardown),
      cmocka_unit_test_setup_teardown(tls_that_is_none, setup, teardown),
      cmocka_unit_test_setup_teardown(much_data, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
