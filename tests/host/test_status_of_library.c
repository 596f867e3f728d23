/* The handshakes of a library that makes its own SSL from our context, on a thread that may wait, as libmosquitto's
 * with a broker: the same sources and policies as in our own handshakes, the reason of a refusal, and lists that come
 * while the association stands. */
#include "status_fixture.h"

static pki p;
static scripted_web web;
static char dir[64], crl_path[96];
static gh_buf chain, key;

static int make_all(void **state)
{
  (void)state;
  pki_make(&p);
  pem_of(&p.meter, &chain, &key);
  gh_buf_add(&chain, gh_buf_str(&p.middle_pem));
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
  gh_buf_free(&chain);
  gh_buf_wipe_free(&key);
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

static void write_list(X509 *revoked)
{
  char next[128];
  gh_buf pem = GH_BUF_INIT;
  list_of list = {.issuer = p.middle.cert, .signer = p.middle.key, .revoked = revoked, .begin_h = -1, .end_h = 24};
  add_list_pem(&pem, &list);
  snprintf(next, sizeof next, "%s.next", crl_path);
  FILE *file = fopen(next, "w");
  assert_non_null(file);
  assert_int_equal(fwrite(pem.ptr, 1, pem.len, file), pem.len);
  fclose(file);
  assert_int_equal(rename(next, crl_path), 0);
  gh_buf_free(&pem);
}

static void web_answers(int status_of_server)
{
  answer_of answer = {.cert = p.server.cert,
                      .issuer = p.middle.cert,
                      .signer = p.middle.key,
                      .status = status_of_server,
                      .begin_h = -1,
                      .end_h = 24};
  web_says(&web, &answer);
}

/* A server with the certificate p.server; what `status` staples, if anything. */
static link_test *serve(gh_certificate_status *status)
{
  link_test *t = link_new(NULL, 0);
  t->tls.chain_pem = gh_buf_str(&p.server_chain_pem);
  t->tls.key_pem = gh_buf_str(&p.server_key_pem);
  t->tls.anchors_pem = gh_buf_str(&p.root_pem);
  t->tls.status = status ? gh_certificate_status_source(status) : NULL;
  link_open(t);
  return t;
}

static gh_tls_client *client_of(gh_certificate_status *status, bool tls13)
{
  gh_tls_client *client;
  gh_diag diag = {""};
  const gh_tls_client_options options = {.tls = {.chain_pem = gh_buf_str(&chain),
                                                 .key_pem = gh_buf_str(&key),
                                                 .anchors_pem = gh_buf_str(&p.root_pem),
                                                 .status = gh_certificate_status_waiting_source(status),
                                                 .tls13 = tls13,
                                                 .require_ems = true},
                                         .server_name = GH_STR(CSE_FQDN)};
  if (gh_tls_client_new(&options, &client, &diag) != GH_OK) fail_msg("%s", diag.text);
  return client;
}

/* As a library does it: SSL_new, a socket, SSL_connect. NULL: the handshake failed. */
static SSL *library_connects(SSL_CTX *ctx, uint16_t port)
{
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
  SSL *ssl = SSL_new(ctx);
  SSL_set_fd(ssl, fd);
  if (SSL_connect(ssl) == 1) return ssl;
  ERR_clear_error();
  SSL_free(ssl);
  close(fd);
  return NULL;
}

static void library_leaves(SSL *ssl)
{
  int fd = SSL_get_fd(ssl);
  SSL_free(ssl);
  close(fd);
}

/* `why`: NULL: the server is believed; otherwise part of the reason that it is not. */
static void expect_of(link_test *t, gh_certificate_status *status, bool tls13, const char *why)
{
  gh_tls_client *client = client_of(status, tls13);
  SSL *ssl = library_connects(gh_tls_client_ctx(client), t->port);
  gh_diag refusal = gh_tls_client_refusal(client);
  if ((ssl != NULL) != (why == NULL)) fail_msg("expected: %s; but %s", why ? why : "believed", refusal.text);
  if (why && !strstr(refusal.text, why)) fail_msg("refused, but not because \"%s\": %s", why, refusal.text);
  if (!why) assert_string_equal(refusal.text, "");
  assert_string_equal(gh_tls_client_refusal(client).text, ""); /* it was forgotten */
  if (ssl) library_leaves(ssl);
  gh_tls_client_free(client);
}

/*= TS-0003 8.1.2.5; a responder that must be asked: this thread waits for it */
static void a_responder_is_waited_for(void **state)
{
  (void)state;
  link_test *t = serve(NULL);
  static const struct {
    int answers; /* -1: nobody there */
    gh_status_policy policy;
    const char *why;
  } cases[] = {
      {V_OCSP_CERTSTATUS_GOOD, GH_STATUS_REQUIRE, NULL},
      {V_OCSP_CERTSTATUS_GOOD, GH_STATUS_SOFT, NULL},
      {V_OCSP_CERTSTATUS_REVOKED, GH_STATUS_REQUIRE, "the certificate is revoked"},
      {V_OCSP_CERTSTATUS_REVOKED, GH_STATUS_SOFT, "the certificate is revoked"},
      {V_OCSP_CERTSTATUS_REVOKED, GH_STATUS_OFF, NULL},
      {-1, GH_STATUS_REQUIRE, "no source says whether the certificate is revoked"},
      {-1, GH_STATUS_SOFT, NULL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    web.down = cases[i].answers < 0;
    if (!web.down) web_answers(cases[i].answers);
    gh_certificate_status_options o = status_options(&web);
    o.ocsp_url = "http://scripted/";
    o.ocsp = cases[i].policy;
    gh_certificate_status *status = status_open(&o);
    int before = web_asked(&web);
    for (int tls13 = 0; tls13 < 2; tls13++) expect_of(t, status, tls13, cases[i].why);
    /* once: an answer is kept, and who is down is not asked again at once */
    assert_int_equal(web_asked(&web) - before, cases[i].policy == GH_STATUS_OFF ? 0 : 1);
    gh_certificate_status_close(status);
  }
  link_end(t);
}

/* A list in a file; without one that speaks of the server, and with nothing that was to speak. */
static void a_list_in_a_file(void **state)
{
  (void)state;
  link_test *t = serve(NULL);
  static const struct {
    bool revoked;
    gh_status_policy policy;
    const char *why;
  } cases[] = {{false, GH_STATUS_REQUIRE, NULL},
               {true, GH_STATUS_REQUIRE, "the certificate is revoked"},
               {true, GH_STATUS_SOFT, "the certificate is revoked"},
               {true, GH_STATUS_OFF, NULL}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    write_list(cases[i].revoked ? p.server.cert : NULL);
    gh_certificate_status_options o = status_options(&web);
    o.crl_path = crl_path;
    o.crl = cases[i].policy;
    gh_certificate_status *status = status_open(&o);
    for (int tls13 = 0; tls13 < 2; tls13++) expect_of(t, status, tls13, cases[i].why);
    gh_certificate_status_close(status);
  }
  gh_certificate_status_options o = status_options(&web); /* `require`, but there is no source to ask */
  gh_certificate_status *status = status_open(&o);
  for (int tls13 = 0; tls13 < 2; tls13++) expect_of(t, status, tls13, NULL);
  gh_certificate_status_close(status);
  link_end(t);
}

/*= RFC 6066 8; a library that knows nothing of stapling asks for it by our context */
static void a_stapled_answer(void **state)
{
  (void)state;
  for (int answer = V_OCSP_CERTSTATUS_GOOD; answer <= V_OCSP_CERTSTATUS_REVOKED; answer++) {
    web_answers(answer);
    gh_certificate_status_options o = status_options(&web);
    o.stapling = GH_STATUS_REQUIRE;
    gh_certificate_status *demanding = status_open(&o);
    o = status_options(&web);
    o.ocsp_url = "http://scripted/";
    o.ocsp = GH_STATUS_OFF; /* clients of this server are not asked about */
    o.staple = true;
    o.chain_pem = gh_buf_str(&p.server_chain_pem);
    gh_certificate_status *stapler = status_open(&o);
    gh_buf der = GH_BUF_INIT;
    const gh_status_source *source = gh_certificate_status_source(stapler);
    for (int i = 0; !source->own_staple(source->ctx, &der); i++) {
      if (i == 1000) fail_msg("no answer about the server's own certificate");
      usleep(10000);
    }
    gh_buf_free(&der);
    link_test *t = serve(stapler), *silent = serve(NULL);
    for (int tls13 = 0; tls13 < 2; tls13++) {
      expect_of(t, demanding, tls13, answer == V_OCSP_CERTSTATUS_GOOD ? NULL : "the certificate is revoked");
      expect_of(silent, demanding, tls13, "no source says");
    }
    link_end(t);
    link_end(silent);
    gh_certificate_status_close(stapler);
    gh_certificate_status_close(demanding);
  }
}

/*= TS-0003 8.2.1; a list that comes while the association stands */
static void a_list_that_comes_later(void **state)
{
  (void)state;
  link_test *t = serve(NULL);
  write_list(NULL);
  gh_certificate_status_options o = status_options(&web);
  o.crl_path = crl_path;
  gh_certificate_status *status = status_open(&o);
  for (int tls13 = 0; tls13 < 2; tls13++) {
    write_list(NULL);
    gh_tls_client *client = client_of(status, tls13);
    SSL *ssl = NULL;
    for (int i = 0; !ssl; i++) { /* the list of the turn before may still stand */
      if (i == 1000) fail_msg("the file is not read again");
      ssl = library_connects(gh_tls_client_ctx(client), t->port);
      usleep(10000);
    }
    const gh_status_source *source = gh_certificate_status_waiting_source(status);
    unsigned before = source->generation(source->ctx);
    assert_false(gh_tls_client_is_revoked(client, ssl));
    write_list(p.meter.cert); /* about somebody else */
    for (int i = 0; source->generation(source->ctx) == before; i++) {
      if (i == 1000) fail_msg("the file is not read again");
      usleep(10000);
    }
    assert_false(gh_tls_client_is_revoked(client, ssl));
    write_list(p.server.cert);
    for (int i = 0; !gh_tls_client_is_revoked(client, ssl); i++) {
      if (i == 1000) fail_msg("the new list is not held against the association");
      usleep(10000);
    }
    library_leaves(ssl);
    gh_tls_client_free(client);
  }
  gh_certificate_status_close(status);
  link_end(t);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(a_responder_is_waited_for),
      TEST(a_list_in_a_file),
      TEST(a_stapled_answer),
      TEST(a_list_that_comes_later),
  };
  return cmocka_run_group_tests(tests, make_all, free_all);
}
