/* Raw public keys (RFC 7250) on real sockets, of clients and of servers: who is known is let in, everybody else is
 * refused within the handshake, with the reason that stands in the audit trail. TP-09, TP-13. */
#include "client_side.h"
#include "dtls_peer.h"
#include "link_pki.h"

#include <openssl/core_names.h>

#include "crypto/public_key.h"
#include "crypto/public_key_id.h"
#include "link/raw_public_key.h"

#define SUITES "ECDHE-ECDSA-AES128-GCM-SHA256"

static const unsigned char raw_only[] = {RAW_TYPE, NO_TYPE}, raw_first[] = {RAW_TYPE, X509_TYPE, NO_TYPE},
                           x509_first[] = {X509_TYPE, RAW_TYPE, NO_TYPE};

static pki p;
static EVP_PKEY *known, *stranger;

static int make_keys(void **state)
{
  (void)state;
  pki_make(&p);
  known = new_key();
  stranger = new_key();
  return 0;
}

static int free_keys(void **state)
{
  (void)state;
  pki_free(&p);
  EVP_PKEY_free(known);
  EVP_PKEY_free(stranger);
  return 0;
}

/* ---- the server's side */

static char audited[320];
static int asked, forget_after; /* how often the source knows the key; 0: always. Both under the lock */
static pthread_mutex_t audit_lock = PTHREAD_MUTEX_INITIALIZER;

static void on_failed(void *ctx, gh_str psk_identity, const char *address, const char *reason)
{
  (void)ctx;
  (void)psk_identity;
  assert_string_not_equal(address, "");
  pthread_mutex_lock(&audit_lock);
  snprintf(audited, sizeof audited, "%s", reason);
  pthread_mutex_unlock(&audit_lock);
}

static gh_err name_key(void *ctx, gh_str spki, gh_peer *peer)
{
  (void)ctx;
  gh_public_key_id id;
  pthread_mutex_lock(&audit_lock);
  bool forgotten = forget_after && asked++ >= forget_after;
  pthread_mutex_unlock(&audit_lock);
  MUST(gh_public_key_id_of_key(known, GH_SHA_256_120, &id) == GH_OK);
  if (forgotten || !gh_public_key_id_matches(&id, spki)) return GH_ENOTFOUND;
  gh_peer found = {.kind = GH_PEER_AE, .id = GH_STR(METER_ID), .credential_id = GH_STR("30-x")};
  gh_peer_copy(peer, &found);
  return GH_OK;
}

static link_test *prepared(void)
{
  static const link_key keys[] = {{.identity = "k@sp.example.com", .key_hex = GOOD_KEY}};
  link_test *t = link_new(keys, 1);
  t->tls.chain_pem = gh_buf_str(&p.server_chain_pem);
  t->tls.key_pem = gh_buf_str(&p.server_key_pem);
  t->tls.anchors_pem = gh_buf_str(&p.root_pem);
  t->source.handshake_failed = on_failed;
  t->source.name_public_key = name_key;
  asked = forget_after = 0;
  audited[0] = '\0';
  return t;
}

/* ---- clients of the test's own */

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

static tls_peer_options with(EVP_PKEY *key, int version)
{
  return (tls_peer_options){.suites = SUITES,
                            .min_version = version,
                            .max_version = version,
                            .groups = "P-256",
                            .key = key,
                            .cert_types = raw_only};
}

#ifdef TLSEXT_cert_type_rpk
static bool is_servers_key(SSL *ssl)
{
  EVP_PKEY *key = SSL_get0_peer_rpk(ssl);
  return key && EVP_PKEY_eq(key, p.server.key) == 1;
}
#else
static bool is_servers_key(SSL *ssl)
{
  (void)ssl;
  return false;
}
#endif

/*= TS-0003 8.1.2.1; 8.2.2.2; 10.2.3; the server's certificate, or its raw public key to who asks for that */
static void a_known_key_is_let_in(void **state)
{
  (void)state;
  link_test *t = prepared();
  link_open(t);
  for (size_t i = 0; i < 4; i++) {
    tls_peer peer;
    tls_peer_options options = with(known, versions[i % 2]);
    if (i >= 2) options.server_types = raw_only;
    if (!peer_connect(&peer, t->port, &options)) fail_msg("alert %d, %s", peer.alert, audited);
    assert_true(peer_ask(&peer, ASK_LAST));
    assert_non_null(strstr(peer.answer, "AE " METER_ID " TLSv1."));
    assert_int_equal(is_servers_key(peer.ssl), i >= 2);
    assert_int_equal(SSL_get0_peer_certificate(peer.ssl) == NULL, i >= 2);
    peer_end(&peer);
  }
  link_end(t);
}

/*= TS-0003 10.2.3; over datagrams too */
static void over_dtls(void **state)
{
  (void)state;
  dtls_test d;
  dtls_open(&d, prepared());
  tls_peer peer;
  tls_peer_options options = {.suites = SUITES, .key = known, .cert_types = raw_only, .server_types = raw_only};
  if (!dtls_join_patiently(&peer, d.port, &options)) fail_msg("alert %d, %s", peer.alert, audited);
  assert_true(is_servers_key(peer.ssl));
  assert_true(dtls_say(&peer, "hello") > 0);
  assert_non_null(strstr(peer.answer, "AE " METER_ID " DTLSv1.2"));
  peer_end(&peer);
  options.key = stranger;
  assert_false(dtls_join_patiently(&peer, d.port, &options));
  peer_end(&peer);
  wait_closed(d.t, 1);
  pthread_mutex_lock(&audit_lock);
  assert_non_null(strstr(audited, "is not known here"));
  pthread_mutex_unlock(&audit_lock);
  dtls_end(&d);
}

static void refused(link_test *t, const tls_peer_options *options, const char *what, const char *reason)
{
  tls_peer peer;
  int ready = counts_now(t).ready, closed = counts_now(t).closed;
  if (peer_connect(&peer, t->port, options) && peer_ask(&peer, ASK)) fail_msg("%s is served: %s", what, peer.answer);
  peer_end(&peer);
  wait_closed(t, closed + 1);
  if (counts_now(t).ready != ready) fail_msg("%s was let in", what);
  pthread_mutex_lock(&audit_lock);
  bool fits = strstr(audited, reason) != NULL;
  pthread_mutex_unlock(&audit_lock);
  if (!fits) fail_msg("%s: audited is \"%s\", not \"%s\"", what, audited, reason);
}

static EVP_PKEY *key_of_curve(const char *curve, const char *form)
{
  EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", curve);
  assert_non_null(key);
  assert_int_equal(EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, form), 1);
  return key;
}

/*= TS-0003 8.1.2.5; 10.1.1.2 */
static void every_other_key_is_refused(void **state)
{
  (void)state;
  link_test *t = prepared();
  link_open(t);
  EVP_PKEY *p384 = key_of_curve("P-384", "uncompressed"), *compressed = key_of_curve("P-256", "compressed");
  for (size_t v = 0; v < 2; v++) {
    gh_arena arena;
    gh_public_key_id id;
    gh_arena_init(&arena);
    assert_int_equal(gh_public_key_id_of_key(stranger, GH_SHA_256, &id), GH_OK);
    gh_str named = gh_public_key_id_uri(&arena, &id);
    tls_peer_options options = with(stranger, versions[v]);
    refused(t, &options, "a stranger", gh_arena_fmt(&arena, "raw public key %s is not known here", named.ptr).ptr);
    gh_arena_free(&arena);
    options = with(compressed, versions[v]);
    refused(t, &options, "a compressed point", "not an uncompressed point of P-256");
    options = with(p384, versions[v]);
    refused(t, &options, "another curve", "");
    options = with(NULL, versions[v]);
    refused(t, &options, "nothing", "peer did not return a certificate");
  }
  EVP_PKEY_free(p384);
  EVP_PKEY_free(compressed);
  link_end(t);
}

/* Taken away between the check in the handshake and its end. */
static void a_key_that_goes_meanwhile(void **state)
{
  (void)state;
  link_test *t = prepared();
  link_open(t);
  for (size_t v = 0; v < 2; v++) {
    tls_peer_options options = with(known, versions[v]);
    pthread_mutex_lock(&audit_lock);
    asked = 0;
    forget_after = 1;
    pthread_mutex_unlock(&audit_lock);
    refused(t, &options, "a key that was taken away", "stands for nobody known here");
  }
  link_end(t);
}

/* A function that takes no raw public keys agrees on certificates; a client that has none is refused. */
static void where_none_are_taken(void **state)
{
  (void)state;
  link_test *t = prepared();
  t->source.name_public_key = NULL;
  link_open(t);
  for (size_t v = 0; v < 2; v++) {
    tls_peer_options options = with(known, versions[v]);
    refused(t, &options, "a raw public key", "");
  }
  link_end(t);
}

/* RFC 7250 4.1: the order of the client decides. */
static void who_has_both(void **state)
{
  (void)state;
  link_test *t = prepared();
  link_open(t);
  for (size_t v = 0; v < 2; v++)
    for (int first_raw = 0; first_raw < 2; first_raw++) {
      tls_peer peer;
      tls_peer_options options = with(p.meter.key, versions[v]);
      options.cert = p.meter.cert;
      options.issuer = p.middle.cert;
      options.cert_types = first_raw ? raw_first : x509_first;
      if (first_raw) { /* the certificate would do, but its key alone is nobody's */
        refused(t, &options, "the key of a certificate", "is not known here");
        continue;
      }
      int closed = counts_now(t).closed;
      if (!peer_connect(&peer, t->port, &options)) fail_msg("alert %d, %s", peer.alert, audited);
      assert_true(peer_ask(&peer, ASK_LAST));
      assert_non_null(strstr(peer.answer, "AE " METER_ID));
      peer_end(&peer);
      wait_closed(t, closed + 1); /* it is not the end of the next one */
    }
  link_end(t);
}

/* Keys that are known beside raw public keys are what they were. */
static void pre_shared_keys_beside(void **state)
{
  (void)state;
  link_test *t = prepared();
  link_open(t);
  for (size_t v = 0; v < 2; v++) {
    tls_peer peer;
    tls_peer_options options = {.identity = "k@sp.example.com",
                                .key_hex = GOOD_KEY,
                                .min_version = versions[v],
                                .max_version = versions[v],
                                .groups = "P-256"};
    options.cert_types = options.server_types = raw_first;
    if (!peer_connect(&peer, t->port, &options)) fail_msg("alert %d, %s", peer.alert, audited);
    assert_true(peer_ask(&peer, ASK_LAST));
    assert_non_null(strstr(peer.answer, "credential 12-x"));
    peer_end(&peer);
  }
  link_end(t);
}

/* ---- our own client */

static gh_str id_text(gh_arena *arena, EVP_PKEY *key, gh_digest_suite suite)
{
  gh_public_key_id id;
  assert_int_equal(gh_public_key_id_of_key(key, suite, &id), GH_OK);
  return gh_public_key_id_uri(arena, &id);
}

/* `refusal` NULL: both are content. */
static void meet(link_test *t, const gh_tls_client_options *options, const char *what, const char *refusal)
{
  client_side c;
  client_begin(&c, t, options);
  client_connect(&c, 1);
  wait_count(t, refusal ? &c.closed : &c.ready, 1);
  pthread_mutex_lock(&t->lock);
  bool ready = c.ready == 1;
  bool fits = !refusal || strstr(c.last_refusal, refusal);
  pthread_mutex_unlock(&t->lock);
  if (ready != !refusal) fail_msg("%s: %s", what, ready ? "taken" : "refused");
  if (!fits) fail_msg("%s: %s", what, c.last_refusal);
  if (!refusal) wait_ready(t, 1);
  client_end(&c);
}

/*= TS-0003 8.1.2.4; 8.1.2.5; 10.1.2; servers are known by the identifier of their key, whole or cut */
static void keys_of_servers(void **state)
{
  (void)state;
  gh_buf pem = GH_BUF_INIT;
  gh_arena arena;
  gh_arena_init(&arena);
  assert_int_equal(gh_key_to_pem(known, &pem), GH_OK);
  const struct {
    const char *what;
    gh_str keys;
    bool raw_server;
    const char *refusal;
  } rows[] = {
      {"the right key", id_text(&arena, p.server.key, GH_SHA_256), true, NULL},
      {"cut to 120 bits", id_text(&arena, p.server.key, GH_SHA_256_120), true, NULL},
      {"one of two",
       gh_arena_fmt(&arena, "%s %s", id_text(&arena, stranger, GH_SHA_256).ptr,
                    id_text(&arena, p.server.key, GH_SHA_256).ptr),
       true, NULL},
      {"another key", id_text(&arena, stranger, GH_SHA_256), true, "another raw public key"},
      {"a certificate instead", id_text(&arena, p.server.key, GH_SHA_256), false, "a certificate came"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    for (size_t v = 0; v < 2; v++) {
      link_test *t = prepared();
      if (!rows[i].raw_server) t->source.name_public_key = NULL;
      gh_tls_client_options options = {
          .tls = {.key_pem = gh_buf_str(&pem), .tls13 = versions[v] == TLS1_3_VERSION, .require_ems = true},
          .server_name = GH_STR(CSE_FQDN),
          .server_keys = rows[i].keys};
      link_open(t);
      meet(t, &options, rows[i].what, rows[i].refusal);
      link_end(t);
    }
  gh_arena_free(&arena);
  gh_buf_wipe_free(&pem);
}

/* A certificate on our side, a raw public key on the other, and the reverse. */
static void mixed(void **state)
{
  (void)state;
  gh_buf own = GH_BUF_INIT, own_key = GH_BUF_INIT, pem = GH_BUF_INIT;
  gh_arena arena;
  gh_arena_init(&arena);
  pem_of(&p.meter, &own, &own_key);
  gh_buf_add(&own, gh_buf_str(&p.middle_pem));
  assert_int_equal(gh_key_to_pem(known, &pem), GH_OK);
  for (size_t v = 0; v < 2; v++) {
    bool tls13 = versions[v] == TLS1_3_VERSION;
    link_test *t = prepared();
    link_open(t);
    gh_tls_client_options options = {
        .tls = {.chain_pem = gh_buf_str(&own), .key_pem = gh_buf_str(&own_key), .tls13 = tls13, .require_ems = true},
        .server_name = GH_STR(CSE_FQDN),
        .server_keys = id_text(&arena, p.server.key, GH_SHA_256)};
    meet(t, &options, "own certificate", NULL);
    link_end(t);
    t = prepared();
    link_open(t);
    options = (gh_tls_client_options){.tls = {.key_pem = gh_buf_str(&pem),
                                              .anchors_pem = gh_buf_str(&p.root_pem),
                                              .tls13 = tls13,
                                              .require_ems = true},
                                      .server_name = GH_STR(CSE_FQDN)};
    meet(t, &options, "own key", NULL);
    options.server_name = GH_STR("mef.sp.example.com");
    meet(t, &options, "own key, another server", "hostname mismatch");
    link_end(t);
  }
  gh_arena_free(&arena);
  gh_buf_free(&own);
  gh_buf_wipe_free(&own_key);
  gh_buf_wipe_free(&pem);
}

/* ---- whatever this OpenSSL has */

static void options_that_are_none(void **state)
{
  (void)state;
  gh_buf pem = GH_BUF_INIT;
  gh_tls_client *client = NULL;
  gh_diag diag = {""};
  assert_int_equal(gh_key_to_pem(known, &pem), GH_OK);
  gh_tls_client_options options = {.tls = {.key_pem = gh_buf_str(&pem)}, .server_name = GH_STR(CSE_FQDN)};
  options.server_keys = GH_STR("ni:///sha-512;AAAA");
  assert_int_equal(gh_tls_client_new(&options, &client, &diag), GH_EINVAL);
  options.server_keys = GH_STR("");
  options.server_name = GH_STR("");
  assert_int_equal(gh_tls_client_new(&options, &client, &diag), GH_EINVAL);
  options.server_name = GH_STR(CSE_FQDN);
  gh_err err = gh_tls_client_new(&options, &client, &diag);
  assert_int_equal(err, gh_raw_public_key_available() ? GH_OK : GH_EUNSUPPORTED);
  if (err != GH_OK) assert_string_equal(diag.text, "raw public keys need OpenSSL 3.2 or later");
  gh_tls_client_free(client);
  gh_buf_wipe_free(&pem);
}

/*= TS-0003 10.1.1.2; P-256, the point uncompressed, and nothing else */
static void the_profile(void **state)
{
  (void)state;
  gh_arena arena;
  gh_str spki;
  gh_diag diag;
  gh_arena_init(&arena);
  EVP_PKEY *others[] = {key_of_curve("P-384", "uncompressed"),    key_of_curve("P-256", "compressed"),
                        key_of_curve("P-256", "hybrid"),          key_of_curve("secp256k1", "uncompressed"),
                        EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), EVP_RSA_gen(2048)};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    assert_int_equal(gh_public_key_der(&arena, others[i], &spki), GH_OK);
    if (gh_public_key_check_profile(spki, &diag) != GH_EAUTH) fail_msg("key %zu fits", i);
    EVP_PKEY_free(others[i]);
  }
  assert_int_equal(gh_public_key_der(&arena, known, &spki), GH_OK);
  assert_int_equal(gh_public_key_check_profile(spki, &diag), GH_OK);
  assert_int_equal(gh_public_key_check_profile(gh_str_sub(spki, 0, spki.len - 1), &diag), GH_EAUTH);
  assert_int_equal(gh_public_key_check_profile(GH_STR(""), &diag), GH_EAUTH);
  gh_arena_free(&arena);
}

int main(void)
{
  const struct CMUnitTest always[] = {cmocka_unit_test(options_that_are_none), cmocka_unit_test(the_profile)};
  const struct CMUnitTest where_there_are[] = {
      cmocka_unit_test(a_known_key_is_let_in),
      cmocka_unit_test(over_dtls),
      cmocka_unit_test(every_other_key_is_refused),
      cmocka_unit_test(a_key_that_goes_meanwhile),
      cmocka_unit_test(where_none_are_taken),
      cmocka_unit_test(who_has_both),
      cmocka_unit_test(pre_shared_keys_beside),
      cmocka_unit_test(keys_of_servers),
      cmocka_unit_test(mixed),
  };
  int failed = cmocka_run_group_tests(always, make_keys, free_keys);
  if (!gh_raw_public_key_available()) {
    print_message("%s: nothing more to see here\n", GH_RAW_PUBLIC_KEY_NEEDS);
    return failed;
  }
  return failed + cmocka_run_group_tests(where_there_are, make_keys, free_keys);
}
