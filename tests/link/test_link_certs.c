/* Certificates on real sockets, in both directions. TP-09: whatever is wrong with a certificate, nobody is served. */
#include "client_side.h"
#include "link_pki.h"
#include "tls_peer.h"

static pki p;
static holder other_root, other_middle; /* of another CA that bears the same names */

static int make_pki(void **state)
{
  (void)state;
  pki_make(&p);
  other_root = issued(GH_CERT_CA, "Root", NULL, NULL);
  other_middle = issued(GH_CERT_CA, "Intermediate", "sp.example.com", &other_root);
  return 0;
}

static int free_pki(void **state)
{
  (void)state;
  pki_free(&p);
  holder_free(&other_root);
  holder_free(&other_middle);
  return 0;
}

static const link_key keys[] = {{.identity = "meter@maf.sp.example.com", .key_hex = GOOD_KEY, .peer_id = METER_ID}};

static int setup(void **state)
{
  link_test *t = link_new(keys, 1);
  t->tls.chain_pem = gh_buf_str(&p.server_chain_pem);
  t->tls.key_pem = gh_buf_str(&p.server_key_pem);
  t->tls.anchors_pem = gh_buf_str(&p.root_pem);
  link_open(t);
  *state = t;
  return 0;
}

static int teardown(void **state)
{
  link_end(*state);
  return 0;
}

#define CERT_SUITES "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES128-CCM8"

static tls_peer_options with(const holder *i, X509 *issuer, bool tls13)
{
  int version = tls13 ? TLS1_3_VERSION : TLS1_2_VERSION;
  return (tls_peer_options){.suites = CERT_SUITES,
                            .min_version = version,
                            .max_version = version,
                            .groups = "P-256",
                            .cert = i ? i->cert : NULL,
                            .key = i ? i->key : NULL,
                            .issuer = issuer};
}

static void assert_served(link_test *t, const tls_peer_options *options, const char *expected)
{
  tls_peer peer;
  if (!peer_connect(&peer, t->port, options)) fail_msg("handshake: alert %d", peer.alert);
  assert_true(peer_ask(&peer, ASK_LAST));
  if (!strstr(peer.answer, expected)) fail_msg("%s is not in %s", expected, peer.answer);
  peer_end(&peer);
}

static int assert_not_served(link_test *t, const tls_peer_options *options, const char *what)
{
  tls_peer peer;
  int ready = counts_now(t).ready;
  if (peer_connect(&peer, t->port, options) && peer_ask(&peer, ASK)) fail_msg("%s is served: %s", what, peer.answer);
  int alert = peer.alert;
  peer_end(&peer);
  if (counts_now(t).ready != ready) fail_msg("%s was let in", what);
  return alert;
}

/*= TS-0003 10.2.3; TS-0003 8.2.2.2 */
static void each_suite_of_the_profile(void **state)
{
  static const char *const suites[] = {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305",
                                       "ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES128-CCM8"};
  char expected[120];
  for (size_t i = 0; i < sizeof suites / sizeof *suites; i++) {
    tls_peer_options options = with(&p.meter, p.middle.cert, false);
    options.suites = suites[i];
    snprintf(expected, sizeof expected, "AE " METER_ID " TLSv1.2 %s", suites[i]);
    assert_served(*state, &options, expected);
  }
  tls_peer_options options = with(&p.meter, p.middle.cert, true);
  assert_served(*state, &options, "AE " METER_ID " TLSv1.3");
}

/* Beside certificates the pre-shared keys still work, and a client that offers both means its key. */
static void keys_beside_certificates(void **state)
{
  tls_peer_options options = {.identity = keys[0].identity, .key_hex = GOOD_KEY};
  assert_served(*state, &options, "TLSv1.2 ECDHE-PSK");
  options = with(&p.meter, p.middle.cert, false);
  options.identity = keys[0].identity;
  options.key_hex = GOOD_KEY;
  options.suites = CERT_SUITES ":ECDHE-PSK-AES128-CBC-SHA256";
  assert_served(*state, &options, "TLSv1.2 ECDHE-PSK");
  options = (tls_peer_options){.identity = keys[0].identity,
                               .key_hex = GOOD_KEY,
                               .min_version = TLS1_3_VERSION,
                               .max_version = TLS1_3_VERSION,
                               .groups = "P-256"};
  assert_served(*state, &options, "TLSv1.3");
}

static void suites_outside_the_profile(void **state)
{
  static const char *const suites[] = {"ECDHE-ECDSA-AES128-SHA",   "ECDHE-ECDSA-AES256-GCM-SHA384",
                                       "ECDHE-ECDSA-NULL-SHA",     "ECDHE-RSA-CHACHA20-POLY1305",
                                       "ECDHE-ECDSA-AES128-CCM",   "AES128-GCM-SHA256",
                                       "DHE-RSA-AES128-GCM-SHA256"};
  for (size_t i = 0; i < sizeof suites / sizeof *suites; i++) {
    tls_peer_options options = with(&p.meter, p.middle.cert, false);
    options.suites = suites[i];
    if (assert_not_served(*state, &options, suites[i]) != SSL_AD_HANDSHAKE_FAILURE) fail_msg("%s", suites[i]);
  }
  for (int tls13 = 0; tls13 < 2; tls13++) { /* P-256 with SHA-256 and nothing else */
    tls_peer_options options = with(&p.meter, p.middle.cert, tls13);
    options.sigalgs = tls13 ? "ecdsa_secp384r1_sha384:ed25519" : "ECDSA+SHA384:ECDSA+SHA1";
    assert_not_served(*state, &options, options.sigalgs);
  }
}

static void no_certificate(void **state)
{
  tls_peer_options options = with(NULL, NULL, false);
  assert_int_equal(assert_not_served(*state, &options, "nothing"), SSL_AD_HANDSHAKE_FAILURE);
  tls_peer peer; /* under 1.3 it hears of it later; what it sends meanwhile could overtake the alert */
  int ready = counts_now(*state).ready;
  options = with(NULL, NULL, true);
  assert_true(peer_connect(&peer, ((link_test *)*state)->port, &options));
  assert_false(peer_ask(&peer, NULL));
  assert_int_equal(peer.alert, SSL_AD_CERTIFICATE_REQUIRED);
  peer_end(&peer);
  assert_int_equal(counts_now(*state).ready, ready);
}

static EVP_PKEY *key_on(const char *curve)
{
  EVP_PKEY *key = EVP_EC_gen(curve);
  assert_non_null(key);
  return key;
}

typedef struct bad_cert {
  const char *what;
  holder i;
  X509 *issuer; /* sent behind it */
} bad_cert;

static X509 *odd(EVP_PKEY *key, const holder *issuer, const char *names, const char *usage, const EVP_MD *digest)
{
  return odd_make(&(odd_cert){
      .key = key, .issuer = issuer->cert, .signer = issuer->key, .names = names, .usage = usage, .digest = digest});
}

#define AE_NAME "URI:" METER_ID
#define SIGNS "critical,digitalSignature"

/* Everything that must be refused. */
static size_t bad_certs(bad_cert *out)
{
  size_t n = 0;
  EVP_PKEY *k;
#define ADD(text, ...) out[n++] = (bad_cert){.what = (text), __VA_ARGS__}
  ADD("expired", .i = issued_for(GH_CERT_AE_ID, METER_ID, &p.middle, -10, -1), .issuer = p.middle.cert);
  ADD("not yet valid", .i = issued_for(GH_CERT_AE_ID, METER_ID, &p.middle, 1, 10), .issuer = p.middle.cert);
  ADD("of another CA", .i = issued(GH_CERT_AE_ID, METER_ID, NULL, &other_middle), .issuer = other_middle.cert);
  ADD("of another CA without its chain", .i = issued(GH_CERT_AE_ID, METER_ID, NULL, &other_middle));
  ADD("without the intermediate", .i = issued(GH_CERT_AE_ID, METER_ID, NULL, &p.middle));
  ADD("self-signed", .i = issued(GH_CERT_AE_ID, METER_ID, NULL, NULL));
  ADD("issued by an end entity", .i = {k = new_key(), odd(k, &p.meter, AE_NAME, SIGNS, NULL)},
      .issuer = p.meter.cert);
  ADD("of another service provider",
      .i = {k = new_key(), odd(k, &p.middle, "URI://evil.example.org/in-cse/Cmeter", SIGNS, NULL)},
      .issuer = p.middle.cert);
  ADD("named by a wildcard", .i = {k = new_key(), odd(k, &p.middle, "DNS:*.sp.example.com", SIGNS, NULL)},
      .issuer = p.middle.cert);
  ADD("named by its CN alone", .i = {k = new_key(), odd(k, &p.middle, NULL, SIGNS, NULL)}, .issuer = p.middle.cert);
  ADD("of two names",
      .i = {k = new_key(), odd(k, &p.middle, AE_NAME ",URI://sp.example.com/in-cse/Cother", SIGNS, NULL)},
      .issuer = p.middle.cert);
  ADD("on P-384", .i = {k = key_on("P-384"), odd(k, &p.middle, AE_NAME, SIGNS, NULL)}, .issuer = p.middle.cert);
  ADD("of RSA", .i = {k = EVP_RSA_gen(2048), odd(k, &p.middle, AE_NAME, SIGNS, NULL)}, .issuer = p.middle.cert);
  ADD("signed with SHA-384", .i = {k = new_key(), odd(k, &p.middle, AE_NAME, SIGNS, EVP_sha384())},
      .issuer = p.middle.cert);
  ADD("signed with SHA-1", .i = {k = new_key(), odd(k, &p.middle, AE_NAME, SIGNS, EVP_sha1())},
      .issuer = p.middle.cert);
  ADD("that may not sign", .i = {k = new_key(), odd(k, &p.middle, AE_NAME, "critical,keyAgreement", NULL)},
      .issuer = p.middle.cert);
  ADD("of a CA", .i = {k = new_key(), odd_make(&(odd_cert){.key = k,
                                                           .issuer = p.root.cert,
                                                           .signer = p.root.key,
                                                           .basic = "critical,CA:TRUE",
                                                           .usage = "critical,keyCertSign",
                                                           .names = AE_NAME})});
#undef ADD
  return n;
}

/*= TS-0003 8.1.2.5; 10.1.1.1; 10.1.1.3; everything that must be refused */
static void bad_certificates_of_clients(void **state)
{
  bad_cert bad[32];
  size_t count = bad_certs(bad);
  for (size_t i = 0; i < count; i++) {
    X509 *issuer = bad[i].issuer;
    for (int tls13 = 0; tls13 < 2; tls13++) {
      tls_peer_options options = with(&bad[i].i, issuer, tls13);
      assert_not_served(*state, &options, bad[i].what);
    }
  }
  for (size_t i = 0; i < count; i++) holder_free(&bad[i].i);
  tls_peer_options options = with(&p.meter, p.middle.cert, false);
  assert_served(*state, &options, METER_ID);
}

static gh_err nobody_is_known(void *ctx, gh_cert_flavour flavour, gh_str name, int64_t not_after_us, gh_peer *peer)
{
  (void)ctx;
  (void)flavour;
  (void)name;
  (void)not_after_us;
  (void)peer;
  return GH_EAUTH;
}

static void a_good_certificate_of_nobody_known(void **state)
{
  link_test *t = *state;
  t->name_peer = nobody_is_known;
  for (int tls13 = 0; tls13 < 2; tls13++) {
    tls_peer_options options = with(&p.meter, p.middle.cert, tls13);
    assert_not_served(t, &options, "somebody unknown");
  }
  wait_closed(t, 2);
  assert_int_equal(counts_now(t).last_why, GH_EAUTH);
}

/* The certificate's end ends the association (injected clock). */
static void the_association_ends_with_the_certificate(void **state)
{
  link_test *t = *state;
  t->worker.limits.idle_ms = 0;
  holder brief = issued_for(GH_CERT_AE_ID, METER_ID, &p.middle, -1, 1);
  tls_peer_options options = with(&brief, p.middle.cert, true);
  tls_peer peer;
  t->worker.limits.max_association_us = 30 * DAY_US;
  assert_true(peer_connect(&peer, t->port, &options));
  assert_true(peer_ask(&peer, ASK));
  pass_time(t, 86400 - 60);
  assert_true(peer_ask(&peer, ASK));
  pass_time(t, 120);
  wait_closed(t, 1);
  assert_int_equal(counts_now(t).last_why, GH_EEXPIRED);
  peer_end(&peer);
  holder_free(&brief);
}

/* ---- our own client side */

static gh_tls_client_options cert_client(const holder *i, gh_buf *chain, gh_buf *key, bool tls13)
{
  pem_of(i, chain, key);
  gh_buf_add(chain, gh_buf_str(&p.middle_pem));
  return (gh_tls_client_options){.tls = {.chain_pem = gh_buf_str(chain),
                                         .key_pem = gh_buf_str(key),
                                         .anchors_pem = gh_buf_str(&p.root_pem),
                                         .tls13 = tls13,
                                         .require_ems = true},
                                 .server_name = GH_STR(CSE_FQDN)};
}

/* Connects once; true when the association stands on both sides. */
static bool our_client_accepts(link_test *t, gh_tls_client_options *options)
{
  client_side c;
  client_begin(&c, t, options);
  client_connect(&c, 1);
  pthread_mutex_lock(&t->lock);
  while (!c.ready && !c.closed) pthread_cond_wait(&t->changed, &t->lock);
  bool ready = c.ready;
  pthread_mutex_unlock(&t->lock);
  if (ready) {
    gh_loop_call(c.loop, ask_on_loop, &c);
    wait_count(t, &c.answers, 1);
  }
  client_end(&c);
  return ready;
}

static void our_client_and_our_server(void **state)
{
  link_test *t = *state;
  for (int tls13 = 0; tls13 < 2; tls13++) {
    gh_buf chain = GH_BUF_INIT, key = GH_BUF_INIT;
    gh_tls_client_options options = cert_client(&p.meter, &chain, &key, tls13);
    assert_true(our_client_accepts(t, &options));
    options.server_name = GH_STR("IN-CSE.sp.example.com"); /* letter case of names does not matter */
    assert_true(our_client_accepts(t, &options));
    static const char *const others[] = {"mef.sp.example.com", "sp.example.com", "x.in-cse.sp.example.com",
                                         "in-cse.sp.example.co", "127.0.0.1"};
    for (size_t i = 0; i < 5; i++) {
      options.server_name = gh_str_of(others[i]);
      if (our_client_accepts(t, &options)) fail_msg("accepted for %s", others[i]);
    }
    gh_buf_free(&chain);
    gh_buf_wipe_free(&key);
  }
}

/* A server whose certificate is wrong is not talked to. */
static void bad_certificates_of_servers(void **state)
{
  (void)state;
  EVP_PKEY *k;
  bad_cert bad[] = {
      {"expired", issued_for(GH_CERT_FQDN, CSE_FQDN, &p.middle, -10, -1), p.middle.cert},
      {"of another CA", issued(GH_CERT_FQDN, CSE_FQDN, NULL, &other_root), NULL},
      {"without the intermediate", issued(GH_CERT_FQDN, CSE_FQDN, NULL, &p.middle), NULL},
      {"of another name", issued(GH_CERT_FQDN, "mef.sp.example.com", NULL, &p.middle), p.middle.cert},
      {"named by a wildcard", {k = new_key(), odd(k, &p.middle, "DNS:*.sp.example.com", SIGNS, NULL)}, p.middle.cert},
      {"named by its CN alone", {k = new_key(), odd(k, &p.middle, NULL, SIGNS, NULL)}, p.middle.cert},
      {"signed with SHA-384",
       {k = new_key(), odd(k, &p.middle, "DNS:" CSE_FQDN, SIGNS, EVP_sha384())},
       p.middle.cert},
      {"that may not sign",
       {k = new_key(), odd(k, &p.middle, "DNS:" CSE_FQDN, "critical,keyAgreement", NULL)},
       p.middle.cert},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    gh_buf chain = GH_BUF_INIT, key = GH_BUF_INIT, own_chain = GH_BUF_INIT, own_key = GH_BUF_INIT;
    pem_of(&bad[i].i, &chain, &key);
    if (bad[i].issuer) gh_buf_add(&chain, gh_buf_str(&p.middle_pem));
    link_test *t = link_new(keys, 1);
    t->tls.chain_pem = gh_buf_str(&chain);
    t->tls.key_pem = gh_buf_str(&key);
    t->tls.anchors_pem = gh_buf_str(&p.root_pem);
    link_open(t);
    for (int tls13 = 0; tls13 < 2; tls13++) {
      gh_buf_clear(&own_chain);
      gh_buf_clear(&own_key);
      gh_tls_client_options options = cert_client(&p.meter, &own_chain, &own_key, tls13);
      if (our_client_accepts(t, &options)) fail_msg("a server %s is accepted", bad[i].what);
    }
    link_end(t);
    gh_buf_free(&chain);
    gh_buf_wipe_free(&key);
    gh_buf_free(&own_chain);
    gh_buf_wipe_free(&own_key);
    holder_free(&bad[i].i);
  }
}

/* A client with a key accepts no certificate instead: a server that does not have the key cannot talk itself in. */
static void a_certificate_is_no_substitute_for_the_key(void **state)
{
  link_test *t = *state;
  gh_secret wrong = secret_of("ffffffffffffffffffffffffffffffff");
  for (int tls13 = 0; tls13 < 2; tls13++) {
    gh_tls_client_options options = psk_client("meter@maf.sp.example.com", &wrong, tls13);
    assert_false(our_client_accepts(t, &options));
  }
  gh_secret right = secret_of(GOOD_KEY);
  gh_tls_client_options options = psk_client("meter@maf.sp.example.com", &right, true);
  assert_true(our_client_accepts(t, &options));
}

/*= TS-0003 8.1.2.3; a key and a chain that fit each other */
static void credentials_that_cannot_be_used(void **state)
{
  (void)state;
  gh_random random = gh_random_system();
  gh_diag diag = {""};
  gh_tls_server *server;
  gh_key_source source = {.ctx = NULL};
  gh_buf other_key = GH_BUF_INIT;
  pem_of(&p.meter, NULL, &other_key);
  const gh_tls_options good = {.chain_pem = gh_buf_str(&p.server_chain_pem),
                               .key_pem = gh_buf_str(&p.server_key_pem),
                               .anchors_pem = gh_buf_str(&p.root_pem)};
  gh_tls_options bad[] = {good, good, good, good, good};
  bad[0].chain_pem = GH_STR("no certificate");
  bad[1].key_pem = GH_STR("no key");
  bad[2].key_pem = gh_buf_str(&other_key); /* of another certificate */
  bad[3].anchors_pem = GH_STR("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  bad[4].key_pem = GH_STR_NONE;
  for (size_t i = 0; i < 5; i++) {
    diag.text[0] = '\0';
    assert_int_not_equal(gh_tls_server_new(&bad[i], &source, &random, &server, &diag), GH_OK);
    assert_string_not_equal(diag.text, "");
    assert_null(strstr(diag.text, "PRIVATE"));
  }
  gh_buf_wipe_free(&other_key);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(each_suite_of_the_profile, setup, teardown),
      cmocka_unit_test_setup_teardown(keys_beside_certificates, setup, teardown),
      cmocka_unit_test_setup_teardown(suites_outside_the_profile, setup, teardown),
      cmocka_unit_test_setup_teardown(no_certificate, setup, teardown),
      cmocka_unit_test_setup_teardown(bad_certificates_of_clients, setup, teardown),
      cmocka_unit_test_setup_teardown(a_good_certificate_of_nobody_known, setup, teardown),
      cmocka_unit_test_setup_teardown(the_association_ends_with_the_certificate, setup, teardown),
      cmocka_unit_test_setup_teardown(our_client_and_our_server, setup, teardown),
      cmocka_unit_test(bad_certificates_of_servers),
      cmocka_unit_test_setup_teardown(a_certificate_is_no_substitute_for_the_key, setup, teardown),
      cmocka_unit_test(credentials_that_cannot_be_used),
  };
  return cmocka_run_group_tests(tests, make_pki, free_pki);
}
