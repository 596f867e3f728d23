/* The order of the sources, the policies where they are silent, files that change, answers that are kept; and all of
 * it in real handshakes, in both directions, waiting included. */
#include "status_fixture.h"

static pki p;
static holder meter_b; /* another end entity of the same issuer */
static scripted_web web;
static char dir[64], crl_path[96];

static int make_all(void **state)
{
  (void)state;
  pki_make(&p);
  meter_b = issued(GH_CERT_AE_ID, "//sp.example.com/in-cse/Cother", NULL, &p.middle);
  snprintf(dir, sizeof dir, "/tmp/gatehouse-test-XXXXXX");
  assert_non_null(mkdtemp(dir));
  snprintf(crl_path, sizeof crl_path, "%s/crl.pem", dir);
  return 0;
}

static int free_all(void **state)
{
  (void)state;
  unlink(crl_path);
  rmdir(dir);
  holder_free(&meter_b);
  pki_free(&p);
  return 0;
}

static int set_up(void **state)
{
  (void)state;
  web_begin(&web);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  web_end(&web);
  return 0;
}

static list_of list_with(X509 *revoked)
{
  return (list_of){.issuer = p.middle.cert, .signer = p.middle.key, .revoked = revoked, .begin_h = -1, .end_h = 24};
}

static answer_of answer_about(X509 *cert, int status)
{
  return (answer_of){
      .cert = cert, .issuer = p.middle.cert, .signer = p.middle.key, .status = status, .begin_h = -1, .end_h = 24};
}

/* Replaced as a whole, as an operator should. */
static void write_list(const list_of *lists, size_t count)
{
  char next[128];
  gh_buf pem = GH_BUF_INIT;
  snprintf(next, sizeof next, "%s.next", crl_path);
  for (size_t i = 0; i < count; i++) add_list_pem(&pem, &lists[i]);
  FILE *file = fopen(next, "w");
  assert_non_null(file);
  assert_int_equal(fwrite(pem.ptr, 1, pem.len, file), pem.len);
  fclose(file);
  assert_int_equal(rename(next, crl_path), 0);
  gh_buf_free(&pem);
}

/* ---- asking without a handshake */

typedef struct asked {
  gh_err result;
  bool revoked;
  const char *why;
} asked;

static asked ask_about(gh_certificate_status *status, const holder *h, gh_str stapled, bool of_server)
{
  X509 *above[] = {p.middle.cert, p.root.cert};
  gh_status_query query = {.cert = h->cert,
                           .issuer = p.middle.cert,
                           .above = above,
                           .above_count = 2,
                           .stapled = stapled,
                           .of_server = of_server};
  const gh_status_source *source = gh_certificate_status_source(status);
  asked a = {.result = source->find_status(source->ctx, &query)};
  a.revoked = query.revoked;
  a.why = query.why;
  return a;
}

static gh_err verdict(gh_certificate_status *status, const holder *h)
{
  return ask_about(status, h, GH_STR_NONE, false).result;
}

/*= TS-0003 8.1.2.5; a list in a file; require, soft, off */
static void a_list_and_its_policies(void **state)
{
  (void)state;
  list_of lists[] = {list_with(p.meter.cert), list_with(NULL)};
  lists[1].issuer = p.root.cert; /* of another issuer: says nothing of end entities here */
  lists[1].signer = p.root.key;
  static const struct {
    gh_status_policy policy;
    int list;
    bool meter, other; /* let in? */
  } cases[] = {
      {GH_STATUS_REQUIRE, 0, false, true},  {GH_STATUS_SOFT, 0, false, true}, {GH_STATUS_OFF, 0, true, true},
      {GH_STATUS_REQUIRE, 1, false, false}, {GH_STATUS_SOFT, 1, true, true},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    write_list(&lists[cases[i].list], 1);
    gh_certificate_status_options o = status_options(&web);
    o.crl_path = crl_path;
    o.crl = cases[i].policy;
    gh_certificate_status *status = status_open(&o);
    asked a = ask_about(status, &p.meter, GH_STR_NONE, false);
    if ((a.result == GH_OK) != cases[i].meter || (verdict(status, &meter_b) == GH_OK) != cases[i].other)
      fail_msg("row %zu", i);
    assert_int_equal(a.revoked, a.result != GH_OK && cases[i].list == 0); /* the other is want of an answer */
    gh_certificate_status_close(status);
  }
}

static void a_revoked_intermediate(void **state)
{
  (void)state;
  list_of lists[] = {list_with(NULL), list_with(p.middle.cert)};
  lists[1].issuer = p.root.cert;
  lists[1].signer = p.root.key;
  write_list(lists, 2);
  gh_certificate_status_options o = status_options(&web);
  o.crl_path = crl_path;
  gh_certificate_status *status = status_open(&o);
  asked a = ask_about(status, &p.meter, GH_STR_NONE, false);
  assert_int_equal(a.result, GH_EAUTH);
  assert_string_equal(a.why, "an issuer of the certificate is revoked");
  gh_certificate_status_close(status);
}

static void wait_verdict(gh_certificate_status *status, const holder *h, gh_err wanted)
{
  for (int i = 0; verdict(status, h) != wanted; i++) {
    if (i == 1000) fail_msg("the file is not read again");
    usleep(10000);
  }
}

static void a_file_that_changes(void **state)
{
  (void)state;
  list_of list = list_with(NULL);
  gh_diag diag = {""};
  gh_certificate_status *status;
  gh_certificate_status_options o = status_options(&web);
  o.crl_path = crl_path;
  unlink(crl_path);
  assert_int_equal(gh_certificate_status_open(&o, &status, &diag), GH_EIO);
  assert_non_null(strstr(diag.text, crl_path));
  write_list(&list, 1);
  status = status_open(&o);
  assert_int_equal(verdict(status, &p.meter), GH_OK);
  list.revoked = p.meter.cert;
  write_list(&list, 1);
  wait_verdict(status, &p.meter, GH_EAUTH);
  FILE *file = fopen(crl_path, "w"); /* a bad file: what was read last still counts */
  fputs("no list", file);
  fclose(file);
  usleep(600000);
  assert_int_equal(verdict(status, &p.meter), GH_EAUTH);
  assert_int_equal(verdict(status, &meter_b), GH_OK);
  unlink(crl_path);
  usleep(600000);
  assert_int_equal(verdict(status, &p.meter), GH_EAUTH);
  list.revoked = NULL;
  write_list(&list, 1);
  wait_verdict(status, &p.meter, GH_OK);
  gh_certificate_status_close(status);
}

/*= RFC 6066 8; an answer that the server stapled */
static void a_stapled_answer(void **state)
{
  (void)state;
  gh_buf good = GH_BUF_INIT, revoked = GH_BUF_INIT, foreign = GH_BUF_INIT;
  answer_of a = answer_about(p.server.cert, V_OCSP_CERTSTATUS_GOOD);
  add_answer(&good, &a);
  a.status = V_OCSP_CERTSTATUS_REVOKED;
  add_answer(&revoked, &a);
  a = answer_about(p.meter.cert, V_OCSP_CERTSTATUS_GOOD);
  add_answer(&foreign, &a);
  const struct {
    gh_status_policy policy;
    const gh_buf *stapled; /* NULL: none */
    bool in;
  } cases[] = {
      {GH_STATUS_REQUIRE, &good, true}, {GH_STATUS_REQUIRE, &revoked, false}, {GH_STATUS_REQUIRE, &foreign, false},
      {GH_STATUS_REQUIRE, NULL, false}, {GH_STATUS_SOFT, &good, true},        {GH_STATUS_SOFT, &revoked, false},
      {GH_STATUS_SOFT, &foreign, true}, {GH_STATUS_SOFT, NULL, true},         {GH_STATUS_OFF, &revoked, true},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    gh_certificate_status_options o = status_options(&web);
    o.stapling = cases[i].policy;
    gh_certificate_status *status = status_open(&o);
    gh_str stapled = cases[i].stapled ? gh_buf_str(cases[i].stapled) : GH_STR_NONE;
    if ((ask_about(status, &p.server, stapled, true).result == GH_OK) != cases[i].in) fail_msg("row %zu", i);
    /* clients never staple: nothing is demanded of them */
    assert_int_equal(ask_about(status, &p.meter, GH_STR_NONE, false).result, GH_OK);
    gh_certificate_status_close(status);
  }
  gh_buf_free(&good);
  gh_buf_free(&revoked);
  gh_buf_free(&foreign);
}

/* ---- in handshakes */

static char audited[320];
static pthread_mutex_t audit_lock = PTHREAD_MUTEX_INITIALIZER;

static void on_failed(void *ctx, gh_str psk_identity, const char *address, const char *reason)
{
  (void)ctx;
  (void)psk_identity;
  (void)address;
  pthread_mutex_lock(&audit_lock);
  snprintf(audited, sizeof audited, "%s", reason);
  pthread_mutex_unlock(&audit_lock);
}

static link_test *serve(gh_certificate_status *status)
{
  link_test *t = link_new(NULL, 0);
  t->tls.chain_pem = gh_buf_str(&p.server_chain_pem);
  t->tls.key_pem = gh_buf_str(&p.server_key_pem);
  t->tls.anchors_pem = gh_buf_str(&p.root_pem);
  t->tls.status = status ? gh_certificate_status_source(status) : NULL;
  t->source.handshake_failed = on_failed;
  link_open(t);
  return t;
}

static tls_peer_options with(const holder *h, bool tls13)
{
  int version = tls13 ? TLS1_3_VERSION : TLS1_2_VERSION;
  return (tls_peer_options){.suites = "ECDHE-ECDSA-AES128-GCM-SHA256",
                            .min_version = version,
                            .max_version = version,
                            .groups = "P-256",
                            .cert = h->cert,
                            .key = h->key,
                            .issuer = p.middle.cert};
}

static bool served(link_test *t, const holder *h, bool tls13, int *alert)
{
  tls_peer peer;
  tls_peer_options options = with(h, tls13);
  bool in = peer_connect(&peer, t->port, &options) && peer_ask(&peer, ASK_LAST);
  *alert = peer.alert;
  peer_end(&peer);
  return in;
}

static void a_revoked_client(void **state)
{
  (void)state;
  list_of list = list_with(p.meter.cert);
  write_list(&list, 1);
  gh_certificate_status_options o = status_options(&web);
  o.crl_path = crl_path;
  gh_certificate_status *status = status_open(&o);
  link_test *t = serve(status);
  int alert;
  for (int tls13 = 0; tls13 < 2; tls13++) {
    assert_false(served(t, &p.meter, tls13, &alert));
    assert_int_equal(alert, SSL_AD_CERTIFICATE_REVOKED);
    wait_closed(t, 2 * tls13 + 1);
    pthread_mutex_lock(&audit_lock);
    assert_string_equal(audited, "certificate status: the certificate is revoked");
    pthread_mutex_unlock(&audit_lock);
    assert_true(served(t, &meter_b, tls13, &alert));
  }
  link_end(t);
  gh_certificate_status_close(status);
}

/* A certificate that is an anchor itself has nobody above it who could revoke it. */
static void an_anchor_is_not_asked_about(void **state)
{
  (void)state;
  holder own = issued(GH_CERT_AE_ID, METER_ID, NULL, NULL);
  gh_buf anchors = GH_BUF_INIT;
  gh_buf_add(&anchors, gh_buf_str(&p.root_pem));
  pem_of(&own, &anchors, NULL);
  list_of list = list_with(NULL);
  write_list(&list, 1);
  gh_certificate_status_options o = status_options(&web);
  o.crl_path = crl_path;
  gh_certificate_status *status = status_open(&o);
  link_test *t = link_new(NULL, 0);
  t->tls.chain_pem = gh_buf_str(&p.server_chain_pem);
  t->tls.key_pem = gh_buf_str(&p.server_key_pem);
  t->tls.anchors_pem = gh_buf_str(&anchors);
  t->tls.status = gh_certificate_status_source(status);
  link_open(t);
  int alert;
  for (int tls13 = 0; tls13 < 2; tls13++) assert_true(served(t, &own, tls13, &alert));
  link_end(t);
  gh_certificate_status_close(status);
  gh_buf_free(&anchors);
  holder_free(&own);
}

/* A list that comes later ends the associations that stand, and only those that it names. */
/*= TS-0003 8.2.1 */
static void a_new_list_ends_associations(void **state)
{
  (void)state;
  list_of list = list_with(NULL);
  write_list(&list, 1);
  link_test *t = link_new(NULL, 0);
  assert_int_equal(gh_loop_start("link-test", &t->loop), GH_OK); /* the workers are there before the functions */
  gh_loop_call(t->loop, init_link_worker, t);
  gh_certificate_status_options o = status_options(&web);
  o.crl_path = crl_path;
  o.workers = t->workers;
  o.worker_count = 1;
  gh_certificate_status *status = status_open(&o);
  t->tls.chain_pem = gh_buf_str(&p.server_chain_pem);
  t->tls.key_pem = gh_buf_str(&p.server_key_pem);
  t->tls.anchors_pem = gh_buf_str(&p.root_pem);
  t->tls.status = gh_certificate_status_source(status);
  link_listen(t);
  tls_peer peers[4];
  for (int i = 0; i < 4; i++) {
    tls_peer_options options = with(i % 2 ? &p.meter : &meter_b, i / 2);
    assert_true(peer_connect(&peers[i], t->port, &options) && peer_ask(&peers[i], ASK));
  }
  list.revoked = p.meter.cert;
  write_list(&list, 1);
  wait_closed(t, 2);
  assert_int_equal(counts_now(t).last_why, GH_EEXPIRED);
  for (int i = 0; i < 4; i++) {
    assert_int_equal(peer_ask(&peers[i], ASK), i % 2 == 0);
    peer_end(&peers[i]);
  }
  gh_certificate_status_close(status); /* before the loops end, and after the last handshake */
  link_end(t);
}

/* The responder is asked in mid-handshake; its answer is kept. */
static void a_responder_is_asked_once(void **state)
{
  (void)state;
  answer_of good = answer_about(p.meter.cert, V_OCSP_CERTSTATUS_GOOD);
  web_says(&web, &good);
  gh_certificate_status_options o = status_options(&web);
  o.ocsp_url = "http://scripted/";
  gh_certificate_status *status = status_open(&o);
  link_test *t = serve(status);
  int alert;
  for (int i = 0; i < 4; i++) assert_true(served(t, &p.meter, i % 2, &alert));
  assert_int_equal(web_asked(&web), 1);
  answer_of revoked = answer_about(meter_b.cert, V_OCSP_CERTSTATUS_REVOKED);
  web_says(&web, &revoked);
  for (int i = 0; i < 2; i++) {
    assert_false(served(t, &meter_b, i, &alert));
    assert_int_equal(alert, SSL_AD_CERTIFICATE_REVOKED);
  }
  assert_int_equal(web_asked(&web), 2);
  link_end(t);
  gh_certificate_status_close(status);
}

static void a_responder_that_is_down(void **state)
{
  (void)state;
  web.down = true;
  for (int policy = GH_STATUS_OFF; policy <= GH_STATUS_REQUIRE; policy++) {
    gh_certificate_status_options o = status_options(&web);
    o.ocsp_url = "http://scripted/";
    o.ocsp = (gh_status_policy)policy;
    gh_certificate_status *status = status_open(&o);
    link_test *t = serve(status);
    int alert, before = web_asked(&web);
    for (int i = 0; i < 3; i++) assert_int_equal(served(t, &p.meter, true, &alert), policy != GH_STATUS_REQUIRE);
    /* who is down is not asked again at once */
    assert_int_equal(web_asked(&web) - before, policy == GH_STATUS_OFF ? 0 : 1);
    link_end(t);
    gh_certificate_status_close(status);
  }
}

/* While one handshake waits for the responder, others are served; who hangs up meanwhile does no harm. */
static void waiting_stops_nobody(void **state)
{
  (void)state;
  answer_of good = answer_about(p.meter.cert, V_OCSP_CERTSTATUS_GOOD);
  list_of list = list_with(NULL);
  web_says(&web, &good);
  web.held = true;
  gh_certificate_status_options o = status_options(&web);
  o.ocsp_url = "http://scripted/";
  gh_certificate_status *status = status_open(&o);
  link_test *t = serve(status);
  static const link_key keys[] = {{.identity = "m@maf.sp.example.com", .key_hex = GOOD_KEY, .peer_id = METER_ID}};
  t->keys = keys;
  t->key_count = 1;
  (void)list;
  tls_peer waiting, gone;
  tls_peer_options options = with(&p.meter, true), psk = {.identity = keys[0].identity, .key_hex = GOOD_KEY};
  assert_true(peer_connect(&waiting, t->port, &options)); /* under TLS 1.3 the client is done before the server is */
  assert_true(peer_connect(&gone, t->port, &options));
  web_wait(&web, 1);
  peer_end(&gone);
  tls_peer other;
  assert_true(peer_connect(&other, t->port, &psk));
  assert_true(peer_ask(&other, ASK_LAST));
  peer_end(&other);
  pthread_mutex_lock(&web.lock);
  web.held = false;
  pthread_mutex_unlock(&web.lock);
  sem_post(&web.go);
  assert_true(peer_ask(&waiting, ASK_LAST));
  peer_end(&waiting);
  link_end(t);
  gh_certificate_status_close(status);
}

/* The worker ends while the responder is still being asked. */
static void an_end_in_the_middle(void **state)
{
  (void)state;
  web.held = true;
  gh_certificate_status_options o = status_options(&web);
  o.ocsp_url = "http://scripted/";
  gh_certificate_status *status = status_open(&o);
  link_test *t = serve(status);
  tls_peer peers[3];
  tls_peer_options options = with(&p.meter, true);
  for (int i = 0; i < 3; i++) assert_true(peer_connect(&peers[i], t->port, &options));
  web_wait(&web, 1);
  gh_listener *listener = t->listener;
  gh_listener_close(listener);
  t->listener = NULL;
  gh_loop_call(t->loop, close_link_worker, &t->worker);
  pthread_mutex_lock(&web.lock);
  web.held = false;
  web.down = true;
  pthread_mutex_unlock(&web.lock);
  sem_post(&web.go);
  gh_certificate_status_close(status); /* answers all, to a loop that still runs */
  for (int i = 0; i < 3; i++) peer_end(&peers[i]);
  link_end(t);
  gh_listener_free(listener);
}

/* ---- our own client, and a server that staples */

static bool our_client(link_test *t, gh_certificate_status *status, bool tls13)
{
  gh_buf chain = GH_BUF_INIT, key = GH_BUF_INIT;
  pem_of(&p.meter, &chain, &key);
  gh_buf_add(&chain, gh_buf_str(&p.middle_pem));
  gh_tls_client_options options = {.tls = {.chain_pem = gh_buf_str(&chain),
                                           .key_pem = gh_buf_str(&key),
                                           .anchors_pem = gh_buf_str(&p.root_pem),
                                           .status = gh_certificate_status_source(status),
                                           .tls13 = tls13,
                                           .require_ems = true},
                                   .server_name = GH_STR(CSE_FQDN)};
  client_side c;
  client_begin(&c, t, &options);
  client_connect(&c, 1);
  pthread_mutex_lock(&t->lock);
  while (!c.ready && !c.closed) pthread_cond_wait(&t->changed, &t->lock);
  bool ready = c.ready;
  pthread_mutex_unlock(&t->lock);
  client_end(&c);
  gh_buf_free(&chain);
  gh_buf_wipe_free(&key);
  return ready;
}

static void wait_staple(gh_certificate_status *status)
{
  gh_buf der = GH_BUF_INIT;
  const gh_status_source *source = gh_certificate_status_source(status);
  for (int i = 0; !source->own_staple(source->ctx, &der); i++) {
    if (i == 1000) fail_msg("no answer about our own certificate");
    usleep(10000);
  }
  gh_buf_free(&der);
}

/*= RFC 6066 8; the server fetches and staples, the client demands */
static void stapling_between_our_own(void **state)
{
  (void)state;
  for (int status_of_server = V_OCSP_CERTSTATUS_GOOD; status_of_server <= V_OCSP_CERTSTATUS_REVOKED;
       status_of_server++) {
    answer_of answer = answer_about(p.server.cert, status_of_server);
    web_says(&web, &answer);
    gh_certificate_status_options o = status_options(&web);
    o.stapling = GH_STATUS_REQUIRE;
    gh_certificate_status *demanding = status_open(&o);
    o = status_options(&web);
    o.ocsp_url = "http://scripted/";
    o.ocsp = GH_STATUS_OFF; /* clients of this server are not asked about */
    o.staple = true;
    o.chain_pem = gh_buf_str(&p.server_chain_pem);
    gh_certificate_status *stapler = status_open(&o);
    wait_staple(stapler);
    link_test *t = serve(stapler), *silent = serve(NULL);
    for (int tls13 = 0; tls13 < 2; tls13++) {
      assert_int_equal(our_client(t, demanding, tls13), status_of_server == V_OCSP_CERTSTATUS_GOOD);
      assert_false(our_client(silent, demanding, tls13));
    }
    link_end(t);
    link_end(silent);
    gh_certificate_status_close(stapler);
    gh_certificate_status_close(demanding);
  }
}

/* Stapling needs the issuer of our certificate: behind it in the chain, or among the anchors, also those for one
 * flavour (an issuer that vouches for nothing else). Another of the same name is not the issuer. */
static void where_our_issuer_is_found(void **state)
{
  (void)state;
  gh_buf alone = GH_BUF_INIT, stranger_pem = GH_BUF_INIT;
  holder stranger = issued(GH_CERT_CA, "Intermediate", "sp.example.com", &p.root);
  pem_of(&p.server, &alone, NULL);
  pem_of(&stranger, &stranger_pem, NULL);
  gh_buf both = GH_BUF_INIT;
  gh_buf_add(&both, gh_buf_str(&stranger_pem));
  gh_buf_add(&both, gh_buf_str(&p.middle_pem));
  const struct {
    const gh_buf *chain, *anchors, *anchors_for;
    bool found;
  } cases[] = {{&p.server_chain_pem, NULL, NULL, true},    {&alone, &p.middle_pem, NULL, true},
               {&alone, NULL, &p.middle_pem, true},        {&alone, &p.root_pem, &p.middle_pem, true},
               {&alone, &stranger_pem, &both, true},       {&alone, &p.root_pem, NULL, false},
               {&alone, NULL, &p.root_pem, false},         {&alone, NULL, NULL, false},
               {&alone, &stranger_pem, &p.root_pem, false}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    for (int flavour = 0; flavour < GH_CERT_FLAVOURS; flavour++) {
      gh_certificate_status *status = NULL;
      gh_diag diag = {""};
      gh_certificate_status_options o = status_options(&web);
      o.ocsp_url = "http://scripted/";
      o.staple = true;
      o.chain_pem = gh_buf_str(cases[i].chain);
      if (cases[i].anchors) o.anchors_pem = gh_buf_str(cases[i].anchors);
      gh_str anchors_for[GH_CERT_FLAVOURS] = {{NULL, 0}};
      if (cases[i].anchors_for) anchors_for[flavour] = gh_buf_str(cases[i].anchors_for);
      o.anchors_for = anchors_for;
      gh_err err = gh_certificate_status_open(&o, &status, &diag);
      if (err != (cases[i].found ? GH_OK : GH_ESYNTAX)) fail_msg("row %zu, flavour %d: %s", i, flavour, diag.text);
      if (err == GH_OK) gh_certificate_status_close(status);
    }
  gh_buf_free(&alone);
  gh_buf_free(&both);
  gh_buf_free(&stranger_pem);
  holder_free(&stranger);
}

/* A server that does not staple, and a client that asks the responder itself. */
static void a_client_that_asks(void **state)
{
  (void)state;
  answer_of answer = answer_about(p.server.cert, V_OCSP_CERTSTATUS_GOOD);
  web_says(&web, &answer);
  gh_certificate_status_options o = status_options(&web);
  o.ocsp_url = "http://scripted/";
  gh_certificate_status *status = status_open(&o);
  link_test *t = serve(NULL);
  for (int tls13 = 0; tls13 < 2; tls13++) assert_true(our_client(t, status, tls13));
  assert_int_equal(web_asked(&web), 1);
  gh_certificate_status_close(status);
  answer.status = V_OCSP_CERTSTATUS_REVOKED;
  web_says(&web, &answer);
  status = status_open(&o);
  for (int tls13 = 0; tls13 < 2; tls13++) assert_false(our_client(t, status, tls13));
  gh_certificate_status_close(status);
  link_end(t);
}

/* A list from a web server; the first handshake waits for it. */
static void a_list_from_the_web(void **state)
{
  (void)state;
  list_of list = list_with(p.meter.cert);
  add_list_pem(&web.crl, &list);
  web.held = true;
  gh_certificate_status_options o = status_options(&web);
  o.crl_url = "http://scripted/crl";
  gh_certificate_status *status = status_open(&o);
  link_test *t = serve(status);
  tls_peer early;
  tls_peer_options options = with(&meter_b, true);
  assert_true(peer_connect(&early, t->port, &options));
  web_wait(&web, 1);
  pthread_mutex_lock(&web.lock);
  web.held = false;
  pthread_mutex_unlock(&web.lock);
  sem_post(&web.go);
  assert_true(peer_ask(&early, ASK_LAST));
  peer_end(&early);
  int alert;
  assert_false(served(t, &p.meter, false, &alert));
  assert_int_equal(alert, SSL_AD_CERTIFICATE_REVOKED);
  assert_int_equal(web_asked(&web), 1);
  link_end(t);
  gh_certificate_status_close(status);
}

static void names_of_policies(void **state)
{
  (void)state;
  gh_status_policy policy = GH_STATUS_OFF;
  assert_true(gh_status_policy_named(GH_STR("require"), &policy) && policy == GH_STATUS_REQUIRE);
  assert_true(gh_status_policy_named(GH_STR("soft"), &policy) && policy == GH_STATUS_SOFT);
  assert_true(gh_status_policy_named(GH_STR("off"), &policy) && policy == GH_STATUS_OFF);
  assert_false(gh_status_policy_named(GH_STR("hard"), &policy) || gh_status_policy_named(GH_STR_NONE, &policy));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(a_list_and_its_policies),      TEST(a_revoked_intermediate),
      TEST(a_file_that_changes),          TEST(a_stapled_answer),
      TEST(where_our_issuer_is_found),    TEST(a_revoked_client),
      TEST(an_anchor_is_not_asked_about), TEST(a_new_list_ends_associations),
      TEST(a_responder_is_asked_once),    TEST(a_responder_that_is_down),
      TEST(waiting_stops_nobody),         TEST(an_end_in_the_middle),
      TEST(stapling_between_our_own),     TEST(a_client_that_asks),
      TEST(a_list_from_the_web),          TEST(names_of_policies),
  };
  return cmocka_run_group_tests(tests, make_all, free_all);
}
