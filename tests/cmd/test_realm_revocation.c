/* Revocation of certificates as an operator configures it: a list for every function of a realm, an administrator who
 * is revoked while everything runs, a list that is missing at the start. */
#include "cli.h"

#include <signal.h>

#include "../crypto/status_maker.h"
#include "client/secret_file.h"
#include "cmd/realm_pki.h"
#include "cmd/runtime.h"

typedef struct realm_run {
  temp_dir *temp;
  char path[300];
  gh_realm realm;
  gh_runtime runtime;
} realm_run;

static gh_err begin(realm_run *w, gh_diag *diag)
{
  const gh_realm_function *functions[GH_REALM_MAX_FUNCTIONS];
  if (gh_realm_read(w->path, &w->realm, diag) != GH_OK) fail_msg("%s", diag->text);
  w->realm.log_level = GH_LOG_OFF;
  for (size_t i = 0; i < w->realm.function_count; i++) functions[i] = &w->realm.functions[i];
  return gh_runtime_start(&w->runtime, &w->realm, functions, w->realm.function_count, diag);
}

static void end(realm_run *w)
{
  gh_runtime_stop(&w->runtime, 1000);
  gh_realm_free(&w->realm);
}

static const char *in_realm(realm_run *w, const char *name)
{
  static char paths[4][400];
  static unsigned turn;
  char *at = paths[turn++ % 4];
  snprintf(at, sizeof paths[0], "%s/%s", w->path, name);
  return at;
}

/* Replaces every `from` of the configuration. */
static void configure(realm_run *w, const char *from, const char *to)
{
  char *text = temp_read(in_realm(w, "gatehouse.conf"));
  gh_buf changed = GH_BUF_INIT;
  const char *rest = text;
  int count = 0;
  for (const char *at; (at = strstr(rest, from)); rest = at + strlen(from), count++) {
    gh_buf_add_bytes(&changed, rest, (size_t)(at - rest));
    gh_buf_add(&changed, gh_str_of(to));
  }
  gh_buf_add(&changed, gh_str_of(rest));
  gh_buf_add_char(&changed, '\0');
  assert_int_equal(count, 3);
  temp_write(in_realm(w, "gatehouse.conf"), changed.ptr, 0600);
  gh_buf_free(&changed);
  free(text);
}

static X509 *read_cert(realm_run *w, const char *name)
{
  X509 *cert = NULL;
  char *text = temp_read(in_realm(w, name));
  assert_int_equal(gh_cert_from_pem(gh_str_of(text), &cert), GH_OK);
  free(text);
  return cert;
}

static EVP_PKEY *ca_key(realm_run *w)
{
  gh_buf passphrase = GH_BUF_INIT;
  gh_diag diag = {""};
  gh_random random = gh_random_system();
  gh_arena arena;
  gh_se *se;
  gh_str pem;
  EVP_PKEY *key = NULL;
  gh_arena_init(&arena);
  assert_int_equal(gh_passphrase_read(in_realm(w, "secret"), &passphrase, &diag), GH_OK);
  assert_int_equal(gh_se_file_open(in_realm(w, "ca.sealed"), gh_buf_str(&passphrase), &random, &se, &diag), GH_OK);
  assert_int_equal(gh_se_use_blob(se, &arena, GH_SE_PRIVATE_KEY, GH_STR(GH_CA_KEY_ID), &pem), GH_OK);
  assert_int_equal(gh_key_from_pem(pem, &key), GH_OK);
  gh_se_close(se);
  gh_arena_free(&arena);
  gh_buf_wipe_free(&passphrase);
  return key;
}

static void publish(realm_run *w, const char *revoked)
{
  char next[400], list[400];
  gh_buf pem = GH_BUF_INIT;
  EVP_PKEY *key = ca_key(w);
  X509 *ca = read_cert(w, "ca.pem"), *cert = revoked ? read_cert(w, revoked) : NULL;
  const list_of o = {.issuer = ca, .signer = key, .revoked = cert, .begin_h = -1, .end_h = 24};
  add_list_pem(&pem, &o);
  gh_buf_add_char(&pem, '\0');
  snprintf(next, sizeof next, "%s", in_realm(w, "crl.next"));
  snprintf(list, sizeof list, "%s", in_realm(w, "crl.pem"));
  temp_write(next, pem.ptr, 0600);
  assert_int_equal(rename(next, list), 0);
  gh_buf_free(&pem);
  X509_free(cert);
  X509_free(ca);
  EVP_PKEY_free(key);
}

static int setup(void **state)
{
  void *temp;
  signal(SIGPIPE, SIG_IGN);
  if (temp_dir_make(&temp) != 0) return -1;
  realm_run *w = calloc(1, sizeof *w);
  w->temp = temp;
  snprintf(w->path, sizeof w->path, "%s/realm", w->temp->path);
  cli_expect(0, "init", w->path, "--sp-id", "sp.example.com");
  *state = w;
  return 0;
}

static int teardown(void **state)
{
  realm_run *w = *state;
  void *temp = w->temp;
  temp_dir_drop(&temp);
  free(w);
  return 0;
}

/*= TS-0003 8.1.2.5 */
static void a_revoked_administrator(void **state)
{
  realm_run *w = *state;
  gh_diag diag = {""};
  configure(w, "crl = \"\"", "crl = \"crl.pem\"");
  publish(w, NULL);
  if (begin(w, &diag) != GH_OK) fail_msg("%s", diag.text);
  cli_expect(0, "mef", "enrolee", "list", w->path);
  cli_expect(0, "maf", "key", "list", w->path);
  publish(w, "admin/cert.pem");
  usleep(1000000); /* read again within half a second */
  said *s = cli("mef", "enrolee", "list", w->path);
  assert_int_not_equal(s->code, 0);
  publish(w, NULL);
  usleep(1000000);
  cli_expect(0, "mef", "enrolee", "list", w->path);
  end(w);
}

/*= TS-0003 8.1.2.5 the other way round: the administrator's commands do not talk to a function that is revoked */
static void a_revoked_function(void **state)
{
  realm_run *w = *state;
  gh_diag diag = {""};
  configure(w, "crl = \"\"", "crl = \"crl.pem\"");
  publish(w, NULL);
  if (begin(w, &diag) != GH_OK) fail_msg("%s", diag.text);
  publish(w, "mef.pem");
  said *s = cli("mef", "enrolee", "list", w->path);
  assert_int_equal(s->code, 1);
  if (!strstr(s->out, "revoked")) fail_msg("%s", s->out);
  cli_expect(0, "maf", "key", "list", w->path);
  assert_int_equal(unlink(in_realm(w, "crl.pem")), 0);
  s = cli("maf", "key", "list", w->path); /* required, and nobody says */
  assert_int_not_equal(s->code, 0);
  assert_non_null(strstr(s->err, "crl.pem"));
  configure(w, "crl_policy = \"require\"", "crl_policy = \"soft\"");
  cli_expect(0, "maf", "key", "list", w->path);
  end(w);
}

static void a_list_that_is_missing(void **state)
{
  realm_run *w = *state;
  gh_diag diag = {""};
  configure(w, "crl = \"\"", "crl = \"nowhere.pem\"");
  assert_int_equal(begin(w, &diag), GH_EIO);
  assert_non_null(strstr(diag.text, "nowhere.pem"));
  end(w);
}

/* Fail closed: the responder is not there, and its answer is required. Open: the same, softly. */
static void a_responder_that_is_missing(void **state)
{
  realm_run *w = *state;
  gh_diag diag = {""};
  configure(w, "ocsp_responder = \"\"", "ocsp_responder = \"http://127.0.0.1:1/\"");
  assert_int_equal(begin(w, &diag), GH_OK);
  assert_int_not_equal(cli("mef", "enrolee", "list", w->path)->code, 0);
  end(w);
  configure(w, "ocsp_policy = \"require\"", "ocsp_policy = \"soft\"");
  configure(w, "ocsp_staple = false", "ocsp_staple = true");
  if (begin(w, &diag) != GH_OK) fail_msg("%s", diag.text);
  cli_expect(0, "mef", "enrolee", "list", w->path);
  end(w);
}

static void each_security_policy_serves(void **state)
{
  realm_run *w = *state;
  gh_diag diag = {""};
  static const char *const names[] = {"security_policy = \"modern\"", "security_policy = \"ts0003-r3\"",
                                      "security_policy = \"constrained\""};
  for (size_t i = 0; i < 3; i++) {
    if (i) configure(w, names[i - 1], names[i]);
    if (begin(w, &diag) != GH_OK) fail_msg("%s", diag.text);
    cli_expect(0, "mef", "enrolee", "list", w->path);
    end(w);
  }
  configure(w, names[2], "security_policy = \"any\"");
  assert_int_not_equal(gh_realm_read(w->path, &w->realm, &diag), GH_OK);
  gh_realm_free(&w->realm);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(a_revoked_administrator, setup, teardown),
      cmocka_unit_test_setup_teardown(a_revoked_function, setup, teardown),
      cmocka_unit_test_setup_teardown(a_list_that_is_missing, setup, teardown),
      cmocka_unit_test_setup_teardown(a_responder_that_is_missing, setup, teardown),
      cmocka_unit_test_setup_teardown(each_security_policy_serves, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
