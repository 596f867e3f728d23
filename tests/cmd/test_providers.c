/* The group `providers` of gatehouse.conf: what is read, what is refused, and what doctor says of it. */
#include "cli.h"

#include <sys/stat.h>

#include "cmd/config.h"
#include "cmd/runtime.h"

static const char *realm_with(temp_dir *t, const char *providers)
{
  static char text[65536];
  const char *path = temp_path(t, "realm/gatehouse.conf"), *kept = temp_path(t, "kept.conf");
  struct stat st;
  if (stat(kept, &st) != 0) {
    cli_expect(0, "init", temp_path(t, "realm"), "--sp-id", "sp.example.com", "--mn-cse", "mn1");
    char *fresh = temp_read(path);
    temp_write(kept, fresh, 0600);
    free(fresh);
  }
  char *fresh = temp_read(kept);
  snprintf(text, sizeof text, "%s\nproviders = {\n%s};\n", fresh, providers);
  free(fresh);
  temp_write(path, text, 0600);
  return temp_path(t, "realm");
}

/*= TS-0001 6.5.1.1 the public domain name is made of the CSE-ID, or another one below the provider's */
static void what_is_read(void **state)
{
  temp_dir *t = *state;
  gh_realm realm;
  gh_diag diag = {""};
  const char *dir = realm_with(t, "  a = { cse = \"//SP2.example.NET/in2\"; anchors = \"a.pem\"; reach = "
                                  "\"https://192.0.2.1:443\"; register = true; };\n"
                                  "  b = { cse = \"//sp3.example.org/in-cse\"; fqdn = \"M2M.sp3.example.org\"; "
                                  "may_register = true; };\n");
  if (gh_realm_read(dir, &realm, &diag) != GH_OK) fail_msg("%s", diag.text);
  assert_int_equal(realm.provider_count, 2);
  const gh_realm_provider *a = &realm.providers[0], *b = &realm.providers[1];
  assert_true(gh_str_eq(a->name, GH_STR("a")) && gh_str_eq(a->cse, GH_STR("//sp2.example.net/in2")));
  assert_true(gh_str_eq(a->sp, GH_STR("sp2.example.net")) && gh_str_eq(a->fqdn, GH_STR("in2.sp2.example.net")));
  assert_true(gh_str_ends(a->anchors, GH_STR("/realm/a.pem")));
  assert_true(gh_str_eq(b->fqdn, GH_STR("m2m.sp3.example.org")) && gh_str_empty(b->anchors));
  assert_true(gh_str_eq(b->reach, GH_STR("none")));
  /*= TS-0001 6.5.4 registration is agreed for itself, in each direction */
  assert_true(a->registers && !a->may_register && b->may_register && !b->registers);
  gh_provider known[GH_REALM_MAX_PROVIDERS];
  gh_host_config config = {.provider_count = 0};
  gh_runtime_tell_providers(&realm, known, &config);
  assert_true(config.provider_count == 2 && known[0].called && !known[1].called);
  assert_true(known[0].registers && !known[0].may_register && known[1].may_register && !known[1].registers);
  assert_true(gh_provider_may_register(&config, b->cse) && !gh_provider_may_register(&config, a->cse));
  assert_false(gh_provider_may_register(&config, GH_STR("//sp3.example.org/mn1")));
  gh_realm_free(&realm);
  if (gh_realm_read(realm_with(t, ""), &realm, &diag) != GH_OK) fail_msg("%s", diag.text);
  assert_int_equal(realm.provider_count, 0);
  gh_realm_free(&realm);
}

#define GOOD "cse = \"//sp2.example.net/in2\"; "
static const struct {
  const char *providers, *part;
} wrong[] = {
    {"  a = { };", "setting 'providers.a' lacks 'cse'"},
    {"  a = \"//sp2.example.net/in2\";", "setting 'providers.a' must be a group"},
    {"  a = { " GOOD "colour = 1; };", "setting 'providers.a.colour' is unknown"},
    {"  a = { cse = \"/in2\"; };", "setting 'providers.a.cse' must be an absolute CSE-ID"},
    {"  a = { cse = \"//sp2.example.net\"; };", "must be an absolute CSE-ID"},
    {"  a = { cse = \"//sp2.example.net/in2/Cx\"; };", "must be an absolute CSE-ID"},
    {"  a = { cse = \"//sp.EXAMPLE.com/in2\"; };", "has a 'cse' of this service provider"},
    {"  a = { cse = \"//in-cse.sp.example.com/mn1\"; };", "above or below this one"},
    {"  a = { cse = \"//example.com/in2\"; };", "above or below this one"},
    {"  a = { cse = \"//sp2.example.net/in_2\"; };", "needs an 'fqdn' below"},
    {"  a = { " GOOD "fqdn = \"in2.sp3.example.org\"; };", "needs an 'fqdn' below its service provider's"},
    {"  a = { " GOOD "fqdn = \"sp2.example.net\"; };", "needs an 'fqdn' below its service provider's"},
    {"  a = { " GOOD "fqdn = \"no name\"; };", "setting 'providers.a.fqdn' must be an FQDN"},
    {"  a = { " GOOD "reach = \"https://auto\"; };", "setting 'providers.a.reach' must be"},
    {"  a = { " GOOD "reach = \"https://in2.sp2.example.net\"; };", "setting 'providers.a.reach' must be"},
    {"  a = { " GOOD "reach = \"wss://192.0.2.1:443\"; };", "setting 'providers.a.reach' must be"},
    {"  a = { " GOOD "reach = \"mqtt\"; };", "setting 'providers.a.reach' must be"},
    {"  a = { " GOOD "reach = \"http://192.0.2.1:80\"; };", "setting 'providers.a.reach' must be"},
    {"  a = { " GOOD "anchors = 1; };", "setting 'providers.a.anchors' must be a path"},
    {"  a = { " GOOD "register = true; };", "'providers.a' has 'register', and no 'reach'"},
    {"  a = { " GOOD "register = \"yes\"; };", "setting 'providers.a.register' must be true or false"},
    {"  a = { " GOOD "may_register = 1; };", "setting 'providers.a.may_register' must be true or false"},
    {"  a = { " GOOD "};\n  b = { cse = \"//SP2.example.net/in3\"; };",
     "'providers.b' has a 'cse' of a service provider"},
};

static void what_is_refused(void **state)
{
  temp_dir *t = *state;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    gh_realm realm;
    gh_diag diag = {""};
    gh_err err = gh_realm_read(realm_with(t, wrong[i].providers), &realm, &diag);
    gh_realm_free(&realm);
    if (err != GH_ESYNTAX || !strstr(diag.text, wrong[i].part))
      fail_msg("%s: %s: \"%s\" lacks \"%s\"", wrong[i].providers, gh_err_name(err), diag.text, wrong[i].part);
  }
}

/*= TS-0001 6.5.1.0 the IN-CSE is the exit and the entry: without one there is nobody to meet another provider */
static void a_realm_without_in_cse(void **state)
{
  temp_dir *t = *state;
  gh_realm realm;
  gh_diag diag = {""};
  const char *dir = realm_with(t, "  a = { " GOOD "};"), *path = temp_path(t, "realm/gatehouse.conf");
  char *text = temp_read(path), *at = strstr(text, "cse_rn = \"cse-in\";");
  assert_non_null(at);
  at = strstr(at, "registrar = \"\";");
  assert_non_null(at);
  char changed[65536];
  snprintf(changed, sizeof changed, "%.*sregistrar = \"mn1\";%s", (int)(at - text), text,
           at + strlen("registrar = \"\";"));
  temp_write(path, changed, 0600);
  free(text);
  gh_err err = gh_realm_read(dir, &realm, &diag);
  gh_realm_free(&realm);
  if (err != GH_ESYNTAX || !strstr(diag.text, "needs an IN-CSE")) fail_msg("%s: %s", gh_err_name(err), diag.text);
}

static void too_many(void **state)
{
  temp_dir *t = *state;
  gh_realm realm;
  gh_diag diag = {""};
  char text[4096];
  for (int count = GH_REALM_MAX_PROVIDERS; count <= GH_REALM_MAX_PROVIDERS + 1; count++) {
    size_t at = 0;
    for (int i = 0; i < count; i++)
      at += (size_t)snprintf(text + at, sizeof text - at, "  p%d = { cse = \"//p%d.example.net/in\"; };\n", i, i);
    gh_err err = gh_realm_read(realm_with(t, text), &realm, &diag);
    gh_realm_free(&realm);
    assert_int_equal(err, count > GH_REALM_MAX_PROVIDERS ? GH_ESYNTAX : GH_OK);
  }
  assert_non_null(strstr(diag.text, "one provider too many"));
}

static void doctor_knows_them(void **state)
{
  temp_dir *t = *state;
  const char *dir = realm_with(t, "  a = { " GOOD "anchors = \"a.pem\"; reach = \"https://192.0.2.1:443\"; "
                                  "register = true; };\n"
                                  "  b = { cse = \"//sp3.example.org/in-cse\"; may_register = true; };\n");
  said *s = cli("doctor", dir);
  assert_int_equal(s->code, 3); /* not there */
  char *pem = temp_read(temp_path(t, "realm/ca.pem"));
  temp_write(temp_path(t, "realm/a.pem"), pem, 0600);
  free(pem);
  s = cli("doctor", dir);
  if (s->code != 0) fail_msg("%s", s->out);
  assert_non_null(strstr(s->out, "called at https://192.0.2.1:443; may not register here; we register there"));
  assert_non_null(strstr(s->out, "reach is none; may register here; we do not register there"));
  assert_non_null(strstr(s->out, "1 for in2.sp2.example.net, until"));
  assert_non_null(strstr(s->out, "//sp3.example.org/in-cse proves itself with a provisioned key alone"));
  temp_write(temp_path(t, "realm/a.pem"), "nothing\n", 0600);
  s = cli("doctor", dir);
  assert_int_equal(s->code, 3);
  assert_non_null(strstr(s->out, "a.pem holds no certificate"));
}

/*= TS-0003 8.1.2.4 what the IN-CSE of another provider proves leads to its anchors, whatever ours vouch for */
static void whose_anchors_count(void **state)
{
  (void)state;
  const gh_tls_guest guests[] = {{GH_STR("in2.sp2.example.net"), GH_STR("theirs")},
                                 {GH_STR("in-cse.sp3.example.org"), GH_STR_NONE}};
  gh_tls_options own = {
      .anchors_pem = GH_STR("ours"), .chain_pem = GH_STR("chain"), .guests = guests, .guest_count = 2};
  for (size_t i = 0; i < GH_CERT_FLAVOURS; i++) own.anchors_for[i] = GH_STR("further");
  static const struct {
    const char *fqdn, *anchors;
  } cases[] = {{"in2.sp2.example.net", "theirs"}, {"in-cse.sp3.example.org", ""}, {"in-cse.sp4.example.org", ""}};
  for (size_t k = 0; k < 3; k++) {
    const gh_realm_provider provider = {.fqdn = gh_str_of(cases[k].fqdn)};
    gh_tls_options options = gh_runtime_options_for(&provider, &own);
    assert_true(gh_str_eq(options.anchors_pem, gh_str_of(cases[k].anchors)));
    assert_true(gh_str_eq(options.chain_pem, GH_STR("chain")));
    for (size_t i = 0; i < GH_CERT_FLAVOURS; i++) assert_true(gh_str_empty(options.anchors_for[i]));
  }
  gh_tls_options options = gh_runtime_options_for(NULL, &own);
  assert_true(gh_str_eq(options.anchors_pem, GH_STR("ours")));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(what_is_read, temp_dir_make, temp_dir_drop),
      cmocka_unit_test_setup_teardown(what_is_refused, temp_dir_make, temp_dir_drop),
      cmocka_unit_test_setup_teardown(a_realm_without_in_cse, temp_dir_make, temp_dir_drop),
      cmocka_unit_test_setup_teardown(too_many, temp_dir_make, temp_dir_drop),
      cmocka_unit_test(whose_anchors_count),
      cmocka_unit_test_setup_teardown(doctor_knows_them, temp_dir_make, temp_dir_drop),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
