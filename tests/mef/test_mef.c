/* The MEF through the gate: enrolees, registration, enrolment keys, key registration, the older credential fetch. */
#include "../host/harness.h"
#include "../keyservice/refused_keys.h"
#include "base/encoding.h"
#include "crypto/kdf.h"

static const who admin = {
    GH_PEER_AE, GH_METHOD_CERTIFICATE, "//sp.example.com/Sadmin", "33-//sp.example.com/Sadmin", "", false};
static const who typed_admin = {
    GH_PEER_AE, GH_METHOD_PSK, "//sp.example.com/Sadmin", "10-X@mef.sp.example.com", "X@mef.sp.example.com", false};
static const who device = {GH_PEER_AE,
                           GH_METHOD_PSK,
                           "//sp.example.com/in-cse/Cmeter",
                           "10-kpm1@mef.sp.example.com",
                           "kpm1@mef.sp.example.com",
                           false};
static const who maf = {
    GH_PEER_FUNCTION, GH_METHOD_CERTIFICATE, "maf.sp.example.com", "32-maf.sp.example.com", "", false};
static const who cse = {
    GH_PEER_CSE, GH_METHOD_CERTIFICATE, "//sp.example.com/in-cse", "32-//sp.example.com/in-cse", "", false};

#define ENROLEE                                                                                                      \
  "{\"gh:enr\":{\"syki\":\"kpm1@mef.sp.example.com\",\"kv\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\","       \
  "\"enid\":\"//sp.example.com/in-cse/Cmeter\"}}"
#define REGISTRATION "{\"sec:mecr\":{\"et\":\"20991231T235959\",\"adfq\":\"sp.example.com\"}}"

static int setup(void **state)
{
  harness *h = calloc(1, sizeof *h);
  harness_start(h, &gh_mef_function);
  *state = h;
  return 0;
}

static int teardown(void **state)
{
  harness_stop(*state);
  free(*state);
  return 0;
}

/* TP-07, TP-19 */
static void only_an_administrator_adds_enrolees(void **state)
{
  harness *h = *state;
  assert_rsc(ask(h, &device, GH_OP_CREATE, "mef", NULL, GH_TY_ENROLEE, ENROLEE), 4103);
  assert_rsc(ask(h, &typed_admin, GH_OP_CREATE, "mef", "//sp.example.com/Sadmin", GH_TY_ENROLEE, ENROLEE), 4103);
  answer a = ask(h, &admin, GH_OP_CREATE, "mef", NULL, GH_TY_ENROLEE, ENROLEE);
  assert_rsc(a, 2001);
  assert_has_not(a, "AAECAwQF");
  assert_has_not(a, "\"kv\"");
  assert_rsc(ask(h, &admin, GH_OP_CREATE, "mef", NULL, GH_TY_ENROLEE, ENROLEE), 4105);
  assert_rsc(ask(h, &admin, GH_OP_CREATE, "mef", NULL, GH_TY_ENROLEE,
                 "{\"gh:enr\":{\"syki\":\"k2@mef.sp.example.com\",\"kv\":\"AAECAw==\"}}"),
             4102);
  assert_rsc(ask(h, &admin, GH_OP_CREATE, "mef", NULL, GH_TY_ENROLEE,
                 "{\"gh:enr\":{\"syki\":\"no at sign\",\"kv\":\"AAECAwQFBgcICQoLDA0ODw==\"}}"),
             4000);
  assert_has_not(ask_rcn(h, &device, GH_OP_RETRIEVE, "mef", NULL, 0, NULL, 4), "gh:enr");
  assert_has(ask_rcn(h, &admin, GH_OP_RETRIEVE, "mef", NULL, 0, NULL, 4), "gh:enr");
}

static gh_err find(harness *h, const char *identity, gh_psk_query *query)
{
  *query = (gh_psk_query){.identity = gh_str_of(identity), .worker = &h->worker};
  return h->host->key_source.find_psk(h->host->key_source.ctx, query);
}

/*= TS-0003 8.3.2.1 */
static void the_enrolee_key_opens_the_association(void **state)
{
  harness *h = *state;
  gh_psk_query q;
  assert_int_equal(find(h, "kpm1@mef.sp.example.com", &q), GH_ENOTFOUND);
  assert_rsc(ask(h, &admin, GH_OP_CREATE, "mef", NULL, GH_TY_ENROLEE, ENROLEE), 2001);
  harness_reopen(h);
  assert_int_equal(find(h, "kpm1@MEF.sp.example.com", &q), GH_OK);
  assert_int_equal(q.key.len, 32);
  assert_int_equal(q.key.bytes[31], 31);
  assert_int_equal(q.peer.kind, GH_PEER_AE);
  assert_true(gh_str_eq(q.peer.id, GH_STR("//sp.example.com/in-cse/Cmeter")));
  gh_peer_clear(&q.peer);
  gh_secret_wipe(&q.key);
  assert_int_not_equal(find(h, "kpm1", &q), GH_OK);
  assert_rsc(ask_rcn(h, &admin, GH_OP_RETRIEVE, "mef", NULL, 0, NULL, 1), 2000);
}

static void register_device(harness *h, answer *registration)
{
  assert_rsc(ask(h, &admin, GH_OP_CREATE, "mef", NULL, GH_TY_ENROLEE, ENROLEE), 2001);
  *registration = ask(h, &device, GH_OP_CREATE, "mef", NULL, GH_TY_MEF_CLIENT_REG, REGISTRATION);
  assert_rsc(*registration, 2001);
}

static void expected_ke_id(char *out, size_t size, uint8_t seed)
{
  size_t n = 0;
  for (uint8_t i = 0; i < 16; i++)
    n += (size_t)snprintf(out + n, size - n, "%02X", (uint8_t)(seed + i + strlen("EXPORTER-oneM2M-Bootstrap")));
  snprintf(out + n, size - n, "@mef.sp.example.com");
}

/*= TS-0003 8.3.5.2.2; TS-0003 8.3.5.2.3; TS-0003 8.3.5.2.5; TS-0003 8.3.5.2.6 */
static void client_registration(void **state)
{
  harness *h = *state;
  answer a;
  register_device(h, &a);
  char to[80], cmd[90];
  answer b = a;
  assert_has(a, "\"cr\":\"//sp.example.com/in-cse/Cmeter\"");
  snprintf(to, sizeof to, "%s", member(&b, "ri"));
  assert_int_equal(strncmp(to, "mecr-", 5), 0);
  assert_int_equal(strlen(to), 37);
  assert_rsc(ask(h, &device, GH_OP_CREATE, "mef", NULL, GH_TY_MEF_CLIENT_REG, REGISTRATION), 4117);
  assert_rsc(ask(h, &device, GH_OP_RETRIEVE, to, NULL, 0, NULL), 2000);
  assert_rsc(ask(h, &cse, GH_OP_RETRIEVE, to, NULL, 0, NULL), 4103);
  assert_rsc(ask(h, &cse, GH_OP_DELETE, to, NULL, 0, NULL), 4103);
  snprintf(cmd, sizeof cmd, "%s/cmd", to);
  answer c = ask(h, &device, GH_OP_RETRIEVE, cmd, NULL, 0, NULL);
  assert_has(c, "\"ccid\":0"); /*= TS-0003 8.3.9 */
  assert_rsc(ask(h, &device, GH_OP_DELETE, cmd, NULL, 0, NULL), 4005);
  assert_rsc(ask(h, &device, GH_OP_UPDATE, to, NULL, 0, "{\"sec:mecr\":{}}"), 4000);
  answer u = ask(h, &device, GH_OP_UPDATE, to, NULL, 0, "{\"sec:mecr\":{\"lbl\":[\"a\"]}}");
  assert_rsc(u, 2004);
  assert_string_equal(u.body, "{\"sec:mecr\":{\"lbl\":[\"a\"]}}");
  assert_rsc(ask(h, &device, GH_OP_DELETE, to, NULL, 0, NULL), 2002);
  assert_rsc(ask(h, &device, GH_OP_RETRIEVE, to, NULL, 0, NULL), 4004);
}

static void registration_refusals(void **state)
{
  harness *h = *state;
  assert_rsc(ask(h, NULL, GH_OP_CREATE, "mef", NULL, GH_TY_MEF_CLIENT_REG, REGISTRATION), 4107);
  assert_rsc(ask(h, &device, GH_OP_CREATE, "mef", "Cother", GH_TY_MEF_CLIENT_REG, REGISTRATION), 4103);
  assert_rsc(
      ask(h, &device, GH_OP_CREATE, "mef", NULL, GH_TY_MEF_CLIENT_REG, "{\"sec:mecr\":{\"et\":\"20991231T235959\"}}"),
      4000);
  assert_rsc(ask(h, &device, GH_OP_CREATE, "mef", NULL, GH_TY_MEF_CLIENT_REG,
                 "{\"sec:mecr\":{\"et\":\"20200101T000000\",\"adfq\":\"sp.example.com\"}}"),
             4102);
  assert_rsc(ask(h, &device, GH_OP_CREATE, "mef", NULL, GH_TY_MEF_CLIENT_REG,
                 "{\"sec:mecr\":{\"et\":\"20991231T235959\",\"adfq\":\"other.example.com\"}}"),
             5105);
  assert_rsc(ask(h, &device, GH_OP_CREATE, "mef", NULL, GH_TY_MEF_CLIENT_REG,
                 "{\"sec:mecr\":{\"et\":\"20991231T235959\",\"adfq\":\"sp.example.com\",\"cr\":\"x\"}}"),
             4000);
  assert_rsc(ask(h, &device, GH_OP_CREATE, "mef", NULL, GH_TY_MAF_CLIENT_REG,
                 "{\"sec:macr\":{\"et\":\"20991231T235959\",\"adfq\":\"sp.example.com\"}}"),
             4108);
  assert_rsc(ask(h, &device, GH_OP_NOTIFY, "mef", NULL, 0, "{\"m2m:sgn\":{}}"), 4005);
}

/*= TS-0003 8.3.2.1; TS-0003 10.3.7 */
static void targets_fetch_what_is_derived_for_them(void **state)
{
  harness *h = *state;
  answer a;
  register_device(h, &a);
  char id[80], to[160];
  expected_ke_id(id, sizeof id, 0);
  snprintf(to, sizeof to, "fetchCredentials/%s/21", id);
  answer m = ask(h, &maf, GH_OP_RETRIEVE, to, "maf.sp.example.com", 0, NULL);
  assert_rsc(m, 2000);
  assert_has(m, "\"status\":true");
  assert_has(m, "\"enroleeID\":\"//sp.example.com/in-cse/Cmeter\"");
  gh_secret ke = {.len = 32}, expected;
  for (size_t i = 0; i < 32; i++) ke.bytes[i] = (uint8_t)(16 + i + strlen("EXPORTER-oneM2M-Bootstrap"));
  assert_int_equal(gh_kdf_usage(&ke, 21, GH_STR("maf.sp.example.com"), &expected), GH_OK);
  gh_arena arena;
  gh_arena_init(&arena);
  assert_has(m, gh_base64(&arena, expected.bytes, expected.len).ptr);
  gh_arena_free(&arena);
  assert_rsc(ask(h, &cse, GH_OP_RETRIEVE, to, NULL, 0, NULL), 4103); /* 21 is not for a CSE */
  assert_rsc(ask(h, &device, GH_OP_RETRIEVE, to, NULL, 0, NULL), 4103);
  assert_rsc(ask(h, &maf, GH_OP_DELETE, to, NULL, 0, NULL), 4005);
  snprintf(to, sizeof to, "fetchCredentials/%s/22", id);
  assert_rsc(ask(h, &cse, GH_OP_RETRIEVE, to, NULL, 0, NULL), 2000);
  assert_rsc(ask(h, &maf, GH_OP_RETRIEVE, to, NULL, 0, NULL), 4103);
  snprintf(to, sizeof to, "fetchCredentials/%s/23", id);
  assert_rsc(ask(h, &cse, GH_OP_RETRIEVE, to, NULL, 0, NULL), 4103);
  assert_rsc(ask(h, &maf, GH_OP_RETRIEVE, "fetchCredentials/00@mef.sp.example.com/21", NULL, 0, NULL), 4004);
  assert_rsc(ask(h, &maf, GH_OP_RETRIEVE, "fetchCredentials/xx/21/3", NULL, 0, NULL), 4000);
}

/*= TS-0003 8.3.5.2.2; TS-0003 8.3.2.1 From of a fetch must be who the handshake proved */
static void nobody_fetches_in_another_name(void **state)
{
  harness *h = *state;
  answer a;
  register_device(h, &a);
  char id[80], to[160];
  expected_ke_id(id, sizeof id, 0);
  snprintf(to, sizeof to, "fetchCredentials/%s/21", id);
  assert_rsc(ask(h, &cse, GH_OP_RETRIEVE, to, "maf.sp.example.com", 0, NULL), 4103);
  assert_rsc(ask(h, &device, GH_OP_RETRIEVE, to, "maf.sp.example.com", 0, NULL), 4103);
  assert_rsc(ask(h, &maf, GH_OP_RETRIEVE, to, "//sp.example.com/in-cse", 0, NULL), 4103);
  assert_rsc(ask(h, NULL, GH_OP_RETRIEVE, to, "maf.sp.example.com", 0, NULL), 4107);
  assert_rsc(ask(h, &maf, GH_OP_RETRIEVE, to, "maf.sp.example.com", 0, NULL), 2000);
}

/*= TS-0003 8.3.5.2.5 of others, and of nothing */
static void updates_that_are_refused(void **state)
{
  harness *h = *state;
  answer a;
  register_device(h, &a);
  const char *to = member(&a, "ri");
  assert_rsc(ask(h, &cse, GH_OP_UPDATE, to, NULL, 0, "{\"sec:mecr\":{\"lbl\":[\"x\"]}}"), 4103);
  assert_rsc(ask(h, &cse, GH_OP_UPDATE, to, "//sp.example.com/in-cse/Cmeter", 0, "{\"sec:mecr\":{\"lbl\":[\"x\"]}}"),
             4103);
  assert_rsc(ask(h, &device, GH_OP_UPDATE, to, NULL, 0, "{\"sec:mecr\":{}}"), 4000);
  assert_rsc(ask(h, &device, GH_OP_UPDATE, to, NULL, 0, "{\"sec:mecr\":{\"adfq\":\"sp.example.com\"}}"), 4000);
}

/* A new association that updates the registration brings a new Ke; the old one is gone. */
static void an_update_renews_the_enrolment_key(void **state)
{
  harness *h = *state;
  answer a;
  register_device(h, &a);
  char id[80], to[160];
  h->export_seed = 7;
  assert_rsc(ask(h, &device, GH_OP_UPDATE, member(&a, "ri"), NULL, 0, "{\"sec:mecr\":{\"et\":\"20981231T235959\"}}"),
             2004);
  expected_ke_id(id, sizeof id, 7);
  snprintf(to, sizeof to, "fetchCredentials/%s/21", id);
  assert_rsc(ask(h, &maf, GH_OP_RETRIEVE, to, NULL, 0, NULL), 2000);
  expected_ke_id(id, sizeof id, 0);
  snprintf(to, sizeof to, "fetchCredentials/%s/21", id);
  assert_rsc(ask(h, &maf, GH_OP_RETRIEVE, to, NULL, 0, NULL), 4004);
}

/*= TS-0003 8.3.5.2.7; TS-0003 8.3.5.2.8 */
static void key_registration_for_a_cse(void **state)
{
  harness *h = *state;
  answer a;
  register_device(h, &a);
  const char *key = "{\"sec:skr\":{\"et\":\"20991231T235959\",\"adfq\":\"sp.example.com\",\"suid\":22,\"tgis\":[\"//"
                    "sp.example.com/in-cse\"]}}";
  answer r = ask(h, &device, GH_OP_CREATE, "mef", NULL, GH_TY_SYMM_KEY_REG, key);
  assert_rsc(r, 2001);
  assert_has_not(r, "\"kv\"");
  answer again = ask(h, &device, GH_OP_CREATE, "mef", NULL, GH_TY_SYMM_KEY_REG, key);
  assert_rsc(again, 4105); /*= TS-0003 10.3.1 */
  char id[40], to[60];
  snprintf(id, sizeof id, "%s", member(&r, "ri"));
  snprintf(to, sizeof to, "mef/%s", id);
  answer got = ask(h, &cse, GH_OP_RETRIEVE, to, NULL, 0, NULL);
  assert_rsc(got, 2000);
  assert_has(got, "\"kv\":\"");
  assert_has_not(got, "tgis");
  assert_rsc(ask(h, &maf, GH_OP_RETRIEVE, to, NULL, 0, NULL), 4103);
  assert_rsc(ask(h, &device, GH_OP_CREATE, "mef", NULL, GH_TY_SYMM_KEY_REG,
                 "{\"sec:skr\":{\"et\":\"20991231T235959\",\"adfq\":\"sp.example.com\",\"suid\":32,\"tgis\":[\"//"
                 "sp.example.com/in-cse\"]}}"),
             4000);
}

/*= TS-0003 8.3.5.2.7 towards a MAF: SUID 21, named by its FQDN */
static void key_registration_for_a_maf(void **state)
{
  harness *h = *state;
  answer a;
  register_device(h, &a);
  assert_rsc(ask(h, &device, GH_OP_CREATE, "mef", NULL, GH_TY_SYMM_KEY_REG,
                 "{\"sec:skr\":{\"et\":\"20991231T235959\",\"adfq\":\"sp.example.com\",\"suid\":21,\"tgis\":[\"//"
                 "sp.example.com/in-cse\"]}}"),
             4102);
  answer r = ask(h, &device, GH_OP_CREATE, "mef", NULL, GH_TY_SYMM_KEY_REG,
                 "{\"sec:skr\":{\"et\":\"20991231T235959\",\"adfq\":\"sp.example.com\",\"suid\":21,\"tgis\":[\"maf."
                 "sp.example.com\"]}}");
  assert_rsc(r, 2001);
  char to[60];
  snprintf(to, sizeof to, "mef/%s", member(&r, "ri"));
  answer got = ask(h, &maf, GH_OP_RETRIEVE, to, "maf.sp.example.com", 0, NULL);
  assert_rsc(got, 2000);
  assert_has(got, "\"kv\":\"");
  assert_has(got, "\"suid\":21");
  assert_rsc(ask(h, &cse, GH_OP_RETRIEVE, to, NULL, 0, NULL), 4103);
}

static const key_service service = {.base = "mef",
                                    .client = &device,
                                    .first_suid = 21,
                                    .suids = 5,
                                    .target = "//sp.example.com/in-cse",
                                    .first_target = "maf.sp.example.com"};

/*= TS-0003 8.3.5.2.7 */
static void keys_for_no_use_of_a_mef(void **state)
{
  answer a;
  register_device(*state, &a);
  suids_that_are_refused(*state, &service);
  lengths_that_are_refused(*state, &service);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(only_an_administrator_adds_enrolees, setup, teardown),
      cmocka_unit_test_setup_teardown(the_enrolee_key_opens_the_association, setup, teardown),
      cmocka_unit_test_setup_teardown(client_registration, setup, teardown),
      cmocka_unit_test_setup_teardown(registration_refusals, setup, teardown),
      cmocka_unit_test_setup_teardown(targets_fetch_what_is_derived_for_them, setup, teardown),
      cmocka_unit_test_setup_teardown(nobody_fetches_in_another_name, setup, teardown),
      cmocka_unit_test_setup_teardown(updates_that_are_refused, setup, teardown),
      cmocka_unit_test_setup_teardown(an_update_renews_the_enrolment_key, setup, teardown),
      cmocka_unit_test_setup_teardown(key_registration_for_a_cse, setup, teardown),
      cmocka_unit_test_setup_teardown(key_registration_for_a_maf, setup, teardown),
      cmocka_unit_test_setup_teardown(keys_for_no_use_of_a_mef, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
