/* Server name indication: what our client sends, and what our server does with it, alone and as host of several
 * authorities. */
#include "client_side.h"
#include "link_pki.h"
#include "tls_peer.h"

#define MEF_FQDN "mef.sp.example.com"
#define MAF_FQDN "maf.sp.example.com"

static pki p;
static holder mef, maf;
static gh_buf mef_chain, mef_key, maf_chain, maf_key;
static gh_tls_host hosts[2];

static void host_of(holder *h, const char *fqdn, gh_buf *chain, gh_buf *key, gh_tls_host *out)
{
  *h = issued(GH_CERT_FQDN, fqdn, NULL, &p.middle);
  pem_of(h, chain, key);
  gh_buf_add(chain, gh_buf_str(&p.middle_pem));
  *out = (gh_tls_host){gh_str_of(fqdn), gh_buf_str(chain), gh_buf_str(key)};
}

static int make_pki(void **state)
{
  (void)state;
  pki_make(&p);
  host_of(&mef, MEF_FQDN, &mef_chain, &mef_key, &hosts[0]);
  host_of(&maf, MAF_FQDN, &maf_chain, &maf_key, &hosts[1]);
  return 0;
}

static int free_pki(void **state)
{
  (void)state;
  holder_free(&mef);
  holder_free(&maf);
  gh_buf_free(&mef_chain);
  gh_buf_wipe_free(&mef_key);
  gh_buf_free(&maf_chain);
  gh_buf_wipe_free(&maf_key);
  pki_free(&p);
  return 0;
}

static const link_key keys[] = {{.identity = "meter@maf.sp.example.com", .key_hex = GOOD_KEY, .peer_id = METER_ID}};
static char asked_name[64];

/* Remembers for which authority a key was asked. */
static gh_err find_psk(void *ctx, gh_psk_query *query)
{
  snprintf(asked_name, sizeof asked_name, "%.*s", GH_STR_ARG(query->server_name));
  return scripted_psk(ctx, query);
}

static link_test *serve(bool several)
{
  link_test *t = link_new(keys, 1);
  t->tls.chain_pem = gh_buf_str(&p.server_chain_pem);
  t->tls.key_pem = gh_buf_str(&p.server_key_pem);
  t->tls.anchors_pem = gh_buf_str(&p.root_pem);
  t->tls.fqdn = GH_STR(CSE_FQDN);
  t->tls.hosts = several ? hosts : NULL;
  t->tls.host_count = several ? 2 : 0;
  t->source.find_psk = find_psk;
  link_open(t);
  return t;
}

static tls_peer_options asking_for(const char *name, bool tls13)
{
  int version = tls13 ? TLS1_3_VERSION : TLS1_2_VERSION;
  return (tls_peer_options){.suites = "ECDHE-ECDSA-AES128-GCM-SHA256",
                            .min_version = version,
                            .max_version = version,
                            .groups = "P-256",
                            .cert = p.meter.cert,
                            .key = p.meter.key,
                            .issuer = p.middle.cert,
                            .server_name = name};
}

static bool bears(X509 *cert, const char *name)
{
  return X509_check_host(cert, name, 0, X509_CHECK_FLAG_NO_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) ==
         1;
}

static const struct {
  const char *asked, *several, *alone; /* whose certificate is shown; NULL: alert unrecognized_name */
} rows[] = {
    {CSE_FQDN, CSE_FQDN, CSE_FQDN},
    {MEF_FQDN, MEF_FQDN, CSE_FQDN},
    {MAF_FQDN, MAF_FQDN, CSE_FQDN},
    {"MAF.sp.Example.COM", MAF_FQDN, CSE_FQDN}, /* letter case does not matter */
    {"", CSE_FQDN, CSE_FQDN},                   /* who does not say gets the first */
    {"das.sp.example.com", NULL, CSE_FQDN},
    {"x.maf.sp.example.com", NULL, CSE_FQDN},
    {"maf.sp.example.com.evil.example.org", NULL, CSE_FQDN},
};

/*= TS-0003 10.2.1 a host of several authorities; alone, the name is ignored */
static void the_server_chooses(void **state)
{
  (void)state;
  for (int several = 0; several < 2; several++) {
    link_test *t = serve(several);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
      for (int tls13 = 0; tls13 < 2; tls13++) {
        const char *shown = several ? rows[i].several : rows[i].alone;
        tls_peer_options options = asking_for(rows[i].asked, tls13);
        tls_peer peer;
        bool done = peer_connect(&peer, t->port, &options);
        if (done != (shown != NULL)) fail_msg("%s: alert %d", rows[i].asked, peer.alert);
        if (!done) assert_int_equal(peer.alert, SSL_AD_UNRECOGNIZED_NAME);
        if (done && !bears(SSL_get0_peer_certificate(peer.ssl), shown)) fail_msg("%s shows another", rows[i].asked);
        if (done) assert_true(peer_ask(&peer, ASK_LAST)); /* and the client's certificate is judged as ever */
        if (done) assert_non_null(strstr(peer.answer, "AE " METER_ID));
        peer_end(&peer);
      }
    link_end(t);
  }
}

/*= TS-0003 10.2.1 which keys to use: the authority goes with the question after a key */
static void the_key_source_learns_the_name(void **state)
{
  (void)state;
  link_test *t = serve(true);
  static const char *const names[] = {MEF_FQDN, "Maf.SP.example.com", ""};
  static const char *const expected[] = {MEF_FQDN, MAF_FQDN, ""};
  for (size_t i = 0; i < 3; i++)
    for (int tls13 = 0; tls13 < 2; tls13++) {
      int version = tls13 ? TLS1_3_VERSION : TLS1_2_VERSION;
      tls_peer_options options = {.identity = keys[0].identity,
                                  .key_hex = GOOD_KEY,
                                  .min_version = version,
                                  .max_version = version,
                                  .groups = "P-256",
                                  .server_name = names[i]};
      tls_peer peer;
      asked_name[0] = 'x';
      if (!peer_connect(&peer, t->port, &options)) fail_msg("alert %d", peer.alert);
      assert_true(peer_ask(&peer, ASK_LAST));
      assert_string_equal(asked_name, expected[i]);
      peer_end(&peer);
    }
  tls_peer peer;
  tls_peer_options options = {.identity = keys[0].identity, .key_hex = GOOD_KEY, .server_name = "das.sp.example.com"};
  assert_false(peer_connect(&peer, t->port, &options));
  assert_int_equal(peer.alert, SSL_AD_UNRECOGNIZED_NAME);
  peer_end(&peer);
  link_end(t);
}

/* A revoked or foreign client is refused under every name. */
static void every_name_judges_its_clients(void **state)
{
  (void)state;
  holder root = issued(GH_CERT_CA, "Other Root", NULL, NULL), stranger = issued(GH_CERT_AE_ID, METER_ID, NULL, &root);
  link_test *t = serve(true);
  for (size_t i = 0; i < 3; i++)
    for (int tls13 = 0; tls13 < 2; tls13++) {
      tls_peer_options options = asking_for(rows[i].asked, tls13);
      options.cert = stranger.cert;
      options.key = stranger.key;
      options.issuer = NULL;
      tls_peer peer;
      if (peer_connect(&peer, t->port, &options) && peer_ask(&peer, ASK)) fail_msg("served under %s", rows[i].asked);
      peer_end(&peer);
    }
  assert_int_equal(counts_now(t).ready, 0);
  link_end(t);
  holder_free(&root);
  holder_free(&stranger);
}

/* Our client names whom it wants, and takes nobody else. */
static void our_client_says_whom_it_wants(void **state)
{
  (void)state;
  static const struct {
    const char *wanted;
    bool several, alone;
  } cases[] = {
      {CSE_FQDN, true, true}, {MEF_FQDN, true, false}, {MAF_FQDN, true, false}, {"x.example.com", false, false}};
  for (int several = 0; several < 2; several++) {
    link_test *t = serve(several);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
      for (int tls13 = 0; tls13 < 2; tls13++) {
        gh_buf chain = GH_BUF_INIT, key = GH_BUF_INIT;
        pem_of(&p.meter, &chain, &key);
        gh_buf_add(&chain, gh_buf_str(&p.middle_pem));
        gh_tls_client_options options = {.tls = {.chain_pem = gh_buf_str(&chain),
                                                 .key_pem = gh_buf_str(&key),
                                                 .anchors_pem = gh_buf_str(&p.root_pem),
                                                 .tls13 = tls13,
                                                 .require_ems = true},
                                         .server_name = gh_str_of(cases[i].wanted)};
        client_side c;
        client_begin(&c, t, &options);
        client_connect(&c, 1);
        bool expected = several ? cases[i].several : cases[i].alone;
        wait_count(t, expected ? &c.ready : &c.closed, 1);
        client_end(&c);
        gh_buf_free(&chain);
        gh_buf_wipe_free(&key);
      }
    link_end(t);
  }
}

/* Names that are renewed: those that came are answered, those that went are strange. */
static void names_come_and_go(void **state)
{
  (void)state;
  gh_diag diag = {""};
  link_test *t = serve(true);
  gh_tls_options fewer = t->tls;
  fewer.hosts = &hosts[1];
  fewer.host_count = 1;
  for (int round = 0; round < 2; round++) {
    tls_peer_options options = asking_for(MEF_FQDN, true);
    tls_peer peer;
    assert_int_equal(gh_tls_server_renew(t->server, round ? &t->tls : &fewer, &diag), GH_OK);
    bool done = peer_connect(&peer, t->port, &options);
    assert_int_equal(done, round == 1);
    if (!done) assert_int_equal(peer.alert, SSL_AD_UNRECOGNIZED_NAME);
    peer_end(&peer);
    options = asking_for(MAF_FQDN, true);
    assert_true(peer_connect(&peer, t->port, &options));
    assert_true(bears(SSL_get0_peer_certificate(peer.ssl), MAF_FQDN));
    peer_end(&peer);
  }
  link_end(t);
}

static void hosts_that_cannot_be(void **state)
{
  (void)state;
  gh_random random = gh_random_system();
  gh_diag diag = {""};
  gh_key_source source = {.ctx = NULL};
  gh_tls_server *server;
  gh_tls_host bad = hosts[0];
  gh_tls_options options = {.chain_pem = gh_buf_str(&p.server_chain_pem),
                            .key_pem = gh_buf_str(&p.server_key_pem),
                            .anchors_pem = gh_buf_str(&p.root_pem),
                            .hosts = &bad,
                            .host_count = 1};
  assert_int_equal(gh_tls_server_new(&options, &source, &random, &server, &diag), GH_EINVAL);
  options.fqdn = GH_STR(CSE_FQDN);
  bad.key_pem = hosts[1].key_pem;
  assert_int_not_equal(gh_tls_server_new(&options, &source, &random, &server, &diag), GH_OK);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_server_chooses),
      cmocka_unit_test(the_key_source_learns_the_name),
      cmocka_unit_test(every_name_judges_its_clients),
      cmocka_unit_test(our_client_says_whom_it_wants),
      cmocka_unit_test(names_come_and_go),
      cmocka_unit_test(hosts_that_cannot_be),
  };
  return cmocka_run_group_tests(tests, make_pki, free_pki);
}
