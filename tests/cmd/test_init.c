/* TP-12: a fresh realm has no default secret, and nothing in it that others can read; its configuration is read
 * strictly. */
#include "cli.h"

#include "client/secret_file.h"
#include "cmd/config.h"

static const char *make(temp_dir *t, const char *name)
{
  const char *dir = temp_path(t, name);
  cli_expect(0, "init", dir, "--sp-id", "sp.example.com");
  return dir;
}

static size_t seen, open_to_others;

static int look(const char *path, const struct stat *st, int kind, struct FTW *at)
{
  (void)path;
  (void)kind;
  (void)at;
  seen++;
  open_to_others += (st->st_mode & 077) != 0;
  return 0;
}

static void everything_is_private(void **state)
{
  mode_t before = umask(0); /* the worst habit of a shell */
  const char *dir = make(*state, "realm");
  umask(before);
  seen = open_to_others = 0;
  assert_int_equal(nftw(dir, look, 16, FTW_PHYS), 0);
  assert_true(seen > 12);
  assert_int_equal(open_to_others, 0);
}

static void two_realms_share_no_secret(void **state)
{
  make(*state, "a");
  make(*state, "b");
  static const char *const names[] = {"secret",     "admin/secret",      "ca.sealed", "mef.sealed", "maf.sealed",
                                      "cse.sealed", "admin/keys.sealed", "ca.pem",    "mef.pem",    "admin/cert.pem"};
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    char a[64], b[64];
    snprintf(a, sizeof(a), "a/%s", names[i]);
    snprintf(b, sizeof(b), "b/%s", names[i]);
    char *first = temp_read(temp_path(*state, a)), *second = temp_read(temp_path(*state, b));
    assert_true(strlen(first) > 8 || strstr(names[i], "sealed"));
    struct stat sa, sb;
    stat(temp_path(*state, a), &sa);
    stat(temp_path(*state, b), &sb);
    assert_true(sa.st_size != sb.st_size || memcmp(first, second, (size_t)sa.st_size) != 0);
    free(first);
    free(second);
  }
}

/* TP-19: no key in the output, none in the clear on disk. */
static void no_key_is_shown(void **state)
{
  const char *dir = temp_path(*state, "realm");
  for (int json = 0; json < 2; json++) {
    said *s = json ? cli("init", temp_path(*state, "other"), "--sp-id", "sp.example.com", "--json")
                   : cli("init", dir, "--sp-id", "sp.example.com");
    assert_int_equal(s->code, 0);
    assert_null(strstr(s->out, "PRIVATE"));
    char *secret = temp_read(temp_path(*state, json ? "other/secret" : "realm/secret"));
    secret[strcspn(secret, "\n")] = '\0';
    assert_null(strstr(s->out, secret));
    assert_null(strstr(s->err, secret));
    free(secret);
  }
  static const char *const names[] = {"gatehouse.conf",    "ca.pem",   "mef.pem", "admin/cert.pem",
                                      "admin/keys.sealed", "ca.sealed"};
  for (size_t i = 0; i < 6; i++) {
    char path[64];
    snprintf(path, sizeof(path), "realm/%s", names[i]);
    char *text = temp_read(temp_path(*state, path));
    assert_null(strstr(text, "PRIVATE"));
    free(text);
  }
}

static void refuses_what_is_there(void **state)
{
  const char *dir = make(*state, "realm");
  said *s = cli("init", dir, "--sp-id", "sp.example.com");
  assert_int_equal(s->code, 3);
  assert_non_null(strstr(s->err, "not an empty folder"));
  cli_expect(2, "init", temp_path(*state, "x"), "--sp-id", "not an fqdn");
  cli_expect(2, "init", temp_path(*state, "x"));
  cli_expect(2, "init", temp_path(*state, "x"), "--sp-id", "sp.example.com", "--listen", "everywhere");
  cli_expect(2, "init", temp_path(*state, "x"), "--sp-id", "sp.example.com", "--cse-name", "a.b");
  assert_int_not_equal(access(temp_path(*state, "x"), F_OK), 0);
}

static void the_configuration_reads_back(void **state)
{
  gh_realm realm;
  gh_diag diag = {""};
  const char *dir = temp_path(*state, "realm");
  cli_expect(0, "init", dir, "--sp-id", "SP.example.com", "--cse-name", "cse7", "--cse-rn", "base", "--listen",
             "127.0.0.1:18000");
  if (gh_realm_read(dir, &realm, &diag) != GH_OK) fail_msg("%s", diag.text);
  assert_str(realm.sp_fqdn, "sp.example.com");
  assert_str(realm.in_cse, "cse7");
  assert_int_equal(realm.admins.count, 1);
  assert_int_equal(realm.function_count, 3);
  const gh_realm_function *cse = gh_realm_first(&realm, GH_REALM_CSE);
  assert_str(cse->fqdn, "cse7.sp.example.com");
  assert_str(cse->cse_id, "cse7");
  assert_str(cse->cse_rn, "base");
  assert_int_equal(cse->listen_port, 18002);
  assert_string_equal(cse->listen_host, "127.0.0.1");
  assert_false(cse->open_registration);
  const gh_realm_function *mef = gh_realm_function_named(&realm, GH_STR("mef"));
  assert_str(mef->cse_rn, "mef");
  assert_ptr_equal(gh_realm_function_of(&realm, GH_STR("MEF.sp.example.com")), mef);
  assert_int_equal(access(mef->certificate.ptr, R_OK), 0);
  assert_int_equal(realm.limits.idle_ms, 300000);
  assert_int_equal(realm.log_level, GH_LOG_INFO);
  gh_realm_free(&realm);
}

static void credentials_open(void **state)
{
  gh_realm realm;
  gh_diag diag = {""};
  gh_random random = gh_random_system();
  const char *dir = make(*state, "realm");
  assert_int_equal(gh_realm_read(dir, &realm, &diag), GH_OK);
  for (size_t i = 0; i < realm.function_count; i++) {
    gh_se *se;
    gh_tls_options tls;
    assert_int_equal(gh_realm_open_se(&realm, &realm.functions[i], &random, &se, &diag), GH_OK);
    assert_int_equal(gh_realm_credentials(&realm, &realm.functions[i], se, &realm.arena, &tls, &diag), GH_OK);
    assert_true(tls.chain_pem.len && tls.key_pem.len && tls.anchors_pem.len && tls.require_ems);
    gh_se_close(se);
  }
  char host[GH_ENDPOINT_HOST_BYTES];
  uint16_t port;
  gh_str fqdn = GH_STR("maf.sp.example.com");
  assert_int_equal(gh_realm_endpoint(&realm, fqdn, host, &port, &diag), GH_ENOTFOUND);
  assert_int_equal(gh_realm_announce(&realm, gh_realm_function_of(&realm, fqdn), 4242, &diag), GH_OK);
  assert_int_equal(gh_realm_endpoint(&realm, fqdn, host, &port, &diag), GH_OK);
  assert_string_equal(host, "127.0.0.1");
  assert_int_equal(port, 4242);
  assert_int_equal(gh_realm_endpoint(&realm, GH_STR("maf.elsewhere.example"), host, &port, &diag), GH_ENOTFOUND);
  gh_realm_free(&realm);
}

/* Puts `line` in place of `old`, or at the end, and wants `part` in the message; "%d" in it is the line's number. */
static void refuse(temp_dir *t, const char *old, const char *line, const char *part)
{
  gh_realm realm;
  gh_diag diag = {""};
  const char *path = temp_path(t, "realm/gatehouse.conf");
  char *text = temp_read(path), *changed = calloc(1, strlen(text) + 200);
  char *at = old ? strstr(text, old) : text + strlen(text);
  assert_non_null(at);
  int number = 1;
  for (const char *c = text; c < at; c++) number += *c == '\n';
  char wanted[200];
  const char *gap = strstr(part, "%d");
  snprintf(wanted, sizeof wanted, "%.*s", gap ? (int)(gap - part) : (int)strlen(part), part);
  if (gap) snprintf(wanted + strlen(wanted), sizeof wanted - strlen(wanted), "%d%s", number, gap + 2);
  sprintf(changed, "%.*s%s%s", (int)(at - text), text, line, at + (old ? strlen(old) : 0));
  temp_write(path, changed, 0600);
  gh_err err = gh_realm_read(temp_path(t, "realm"), &realm, &diag);
  gh_realm_free(&realm);
  if (err != GH_ESYNTAX || !strstr(diag.text, wanted))
    fail_msg("%s: \"%s\" lacks \"%s\"", gh_err_name(err), diag.text, wanted);
  temp_write(path, text, 0600);
  free(text);
  free(changed);
}

static void configuration_is_strict(void **state)
{
  make(*state, "realm");
  refuse(*state, NULL, "colour = 1;\n", "setting 'colour' is unknown");
  refuse(*state, "workers = 0;", "worker = 0;", "gatehouse.conf:%d: setting 'limits.worker' is unknown");
  refuse(*state, "type = \"mef\";", "type = \"das\";",
         "setting 'functions.mef.type' must be \"mef\", \"maf\" or \"cse\"");
  refuse(*state, "type = \"mef\";", "", "setting 'functions.mef' lacks 'type'");
  refuse(*state, "fqdn = \"maf.sp.example.com\"", "fqdn = \"mef.sp.example.com\"", "has an FQDN that is taken");
  refuse(*state, "names = [ ]", "names = [ \"maf.SP.example.com\" ]", "has an FQDN that is taken");
  refuse(*state, "names = [ ]", "names = [ \"a.sp.example.com\", \"a.sp.example.com\" ]",
         "has an FQDN that is taken");
  refuse(*state, "names = [ ]", "names = [ \"no name\" ]", "must be a list of FQDNs");
  refuse(*state, "node_cses = [ ]", "node_cses = [ \"33-//sp.example.com/Sx //sp.example.com/mn1\" ]",
         "must be \"CREDENTIAL-ID CSE-ID\"");
  refuse(*state, "node_cses = [ ]", "node_cses = [ \"34-urn:x:1 //sp.example.com/mn1/Cae\" ]",
         "must be \"CREDENTIAL-ID CSE-ID\"");
  refuse(*state, "names = [ ]", "names = \"a.sp.example.com\"", "must be a list of FQDNs");
  refuse(*state, "cse_rn = \"cse-in\"", "cse_rn = \"\"", "is a CSE and lacks");
  refuse(*state, "level = \"info\"", "level = \"chatty\"", "setting 'log.level' must be");
  refuse(*state, "admins = [ \"//sp.example.com/Sadmin\" ]", "admins = [ \"admin\" ]", "absolute AE-ID");
  refuse(*state, "endpoint = \"auto\"", "endpoint = \"127.0.0.1:0\"", "setting 'functions.mef.endpoint' must be");
  refuse(*state, "max_head_bytes = 16384", "max_head_bytes = 1", "must be 1024 to");
  refuse(*state, "sp_fqdn = \"sp.example.com\";", "", "'sp_fqdn' is missing");
}

static void doctor_finds_it_well_and_ill(void **state)
{
  const char *dir = make(*state, "realm");
  cli_expect(0, "doctor", dir);
  chmod(temp_path(*state, "realm/mef.pem"), 0644);
  said *s = cli("doctor", dir);
  assert_int_equal(s->code, 3);
  assert_non_null(strstr(s->out, "mode 0644 lets others in"));
  chmod(temp_path(*state, "realm/mef.pem"), 0600);
  /* another function's certificate: wrong name, wrong key */
  char *other = temp_read(temp_path(*state, "realm/maf.pem"));
  temp_write(temp_path(*state, "realm/mef.pem"), other, 0600);
  free(other);
  s = cli("doctor", dir);
  assert_int_equal(s->code, 3);
  assert_non_null(strstr(s->out, "bears maf.sp.example.com, not mef.sp.example.com"));
  assert_non_null(strstr(s->out, "does not belong to the certificate"));
  /* a sealed file that was changed */
  FILE *file = fopen(temp_path(*state, "realm/cse.sealed"), "r+");
  fseek(file, -1, SEEK_END);
  int last = fgetc(file);
  fseek(file, -1, SEEK_END);
  fputc(last ^ 1, file);
  fclose(file);
  s = cli("doctor", dir, "--json");
  assert_int_equal(s->code, 3);
  assert_non_null(strstr(s->out, "\"cse sealed file\",\"state\":\"FAILED\""));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(everything_is_private, temp_dir_make, temp_dir_drop),
      cmocka_unit_test_setup_teardown(two_realms_share_no_secret, temp_dir_make, temp_dir_drop),
      cmocka_unit_test_setup_teardown(no_key_is_shown, temp_dir_make, temp_dir_drop),
      cmocka_unit_test_setup_teardown(refuses_what_is_there, temp_dir_make, temp_dir_drop),
      cmocka_unit_test_setup_teardown(the_configuration_reads_back, temp_dir_make, temp_dir_drop),
      cmocka_unit_test_setup_teardown(credentials_open, temp_dir_make, temp_dir_drop),
      cmocka_unit_test_setup_teardown(configuration_is_strict, temp_dir_make, temp_dir_drop),
      cmocka_unit_test_setup_teardown(doctor_finds_it_well_and_ill, temp_dir_make, temp_dir_drop),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
