/* The MAF through the gate: registration with a key from the MEF, key registration, retrieval, revocation. */
#include "../host/harness.h"
#include "../keyservice/refused_keys.h"

static const who admin = {
    GH_PEER_AE, GH_METHOD_CERTIFICATE, "//sp.example.com/Sadmin", "33-//sp.example.com/Sadmin", "", false};
static const who newcomer = {
    GH_PEER_AE, GH_METHOD_PSK, "//sp.example.com/in-cse/Cmeter", "11-AA@mef.sp.example.com", "AA@mef.sp.example.com",
    true};
static const who device = {GH_PEER_AE,
                           GH_METHOD_PSK,
                           "//sp.example.com/in-cse/Cmeter",
                           "11-km.1@maf.sp.example.com",
                           "km.1@maf.sp.example.com",
                           false};
static const who other = {GH_PEER_AE,
                          GH_METHOD_PSK,
                          "//sp.example.com/in-cse/Cother",
                          "11-km.2@maf.sp.example.com",
                          "km.2@maf.sp.example.com",
                          false};
static const who cse = {
    GH_PEER_CSE, GH_METHOD_CERTIFICATE, "//sp.example.com/in-cse", "32-//sp.example.com/in-cse", "", false};

#define REGISTRATION "{\"sec:macr\":{\"et\":\"20991231T235959\",\"adfq\":\"sp.example.com\"}}"
#define KEY(suid, targets)                                                                                           \
  "{\"sec:skr\":{\"et\":\"20991231T235959\",\"adfq\":\"sp.example.com\",\"suid\":" suid ",\"tgis\":[" targets "]}}"
#define CSE "\"//sp.example.com/in-cse\""

static int setup(void **state)
{
  harness *h = calloc(1, sizeof *h);
  harness_start(h, &gh_maf_function);
  *state = h;
  return 0;
}

static int teardown(void **state)
{
  harness_stop(*state);
  free(*state);
  return 0;
}

/*= TS-0003 8.8.2.3 a key from the MEF serves for registration alone */
static void provisional_associations_only_register(void **state)
{
  harness *h = *state;
  assert_rsc(ask(h, &newcomer, GH_OP_CREATE, "maf", NULL, GH_TY_SYMM_KEY_REG, KEY("32", CSE)), 4103);
  /* the key of this association is not held by the fetcher in this test: no KmID can be made of it */
  assert_rsc(ask(h, &newcomer, GH_OP_CREATE, "maf", NULL, GH_TY_MAF_CLIENT_REG, REGISTRATION), 4103);
}

static void registered(harness *h)
{
  assert_rsc(ask(h, &device, GH_OP_CREATE, "maf", NULL, GH_TY_MAF_CLIENT_REG, REGISTRATION), 2001);
}

/*= TS-0003 8.8.2.7 */
static void key_registration(void **state)
{
  harness *h = *state;
  assert_rsc(ask(h, &device, GH_OP_CREATE, "maf", NULL, GH_TY_SYMM_KEY_REG, KEY("32", CSE)),
             4103); /* not registered */
  registered(h);
  answer a = ask(h, &device, GH_OP_CREATE, "maf", NULL, GH_TY_SYMM_KEY_REG, KEY("32", CSE));
  assert_rsc(a, 2001);
  assert_has(a, "\"tgis\":[\"//sp.example.com/in-cse\"]");
  assert_has_not(a, "\"kv\"");
  assert_has(a, "\"ri\":\"1A1B1C1D1E1F20212223242526272829\""); /* hex of the first 16 exported octets */
  /*= TS-0003 10.3.1 a second exporter-based registration in one association */
  assert_rsc(ask(h, &device, GH_OP_CREATE, "maf", NULL, GH_TY_SYMM_KEY_REG, KEY("32", CSE)), 4105);
  h->export_seed = 50;
  assert_rsc(ask(h, &device, GH_OP_CREATE, "maf", NULL, GH_TY_SYMM_KEY_REG, KEY("32", CSE)), 2001);
}

/*= TS-0003 8.8.1 */
static void key_registration_refusals(void **state)
{
  harness *h = *state;
  registered(h);
  assert_rsc(ask(h, &device, GH_OP_CREATE, "maf", NULL, GH_TY_SYMM_KEY_REG, KEY("22", CSE)), 4000);
  assert_rsc(ask(h, &device, GH_OP_CREATE, "maf", NULL, GH_TY_SYMM_KEY_REG, KEY("31", CSE)), 4000);
  assert_rsc(ask(h, &device, GH_OP_CREATE, "maf", NULL, GH_TY_SYMM_KEY_REG, KEY("32", "")), 4000);
  assert_rsc(ask(h, &device, GH_OP_CREATE, "maf", NULL, GH_TY_SYMM_KEY_REG, KEY("32", CSE ",\"//sp.example.com/x\"")),
             4000);
  assert_rsc(ask(h, &device, GH_OP_CREATE, "maf", NULL, GH_TY_SYMM_KEY_REG, KEY("32", "\"/in-cse\"")), 4102);
  assert_rsc(ask(h, &device, GH_OP_CREATE, "maf", NULL, GH_TY_SYMM_KEY_REG,
                 "{\"sec:skr\":{\"et\":\"20991231T235959\",\"adfq\":\"sp.example.com\",\"suid\":34,\"tgis\":[" CSE
                 "],\"kv\":\"AAAA\"}}"),
             4102);
  assert_rsc(ask(h, &device, GH_OP_CREATE, "maf", NULL, GH_TY_SYMM_KEY_REG,
                 "{\"sec:skr\":{\"et\":\"20991231T235959\",\"adfq\":\"sp.example.com\",\"suid\":34,\"tgis\":[" CSE
                 "],\"kv\":\"*\"}}"),
             4000);
  assert_rsc(ask(h, &device, GH_OP_CREATE, "maf", NULL, GH_TY_SYMM_KEY_REG,
                 "{\"sec:skr\":{\"et\":\"20200101T000000\",\"adfq\":\"sp.example.com\",\"suid\":32,\"tgis\":[" CSE
                 "]}}"),
             4102);
}

static const key_service service = {.base = "maf",
                                    .client = &device,
                                    .first_suid = 32,
                                    .suids = 4,
                                    .target = "//sp.example.com/in-cse",
                                    .first_target = "//sp.example.com/in-cse"};

/*= TS-0003 8.8.1; TS-0003 8.8.2.7 */
static void keys_for_no_use_of_a_maf(void **state)
{
  registered(*state);
  suids_that_are_refused(*state, &service);
  lengths_that_are_refused(*state, &service);
}

/*= TS-0003 8.8.2.8; TS-0003 8.8.2.9; TS-0003 8.8.2.10 */
static void retrieval_update_and_end(void **state)
{
  harness *h = *state;
  registered(h);
  answer a = ask(h, &device, GH_OP_CREATE, "maf", NULL, GH_TY_SYMM_KEY_REG, KEY("32", CSE));
  assert_rsc(a, 2001);
  const char *to = "maf/1A1B1C1D1E1F20212223242526272829";
  answer got = ask(h, &cse, GH_OP_RETRIEVE, to, "//sp.example.com/in-cse", 0, NULL);
  assert_rsc(got, 2000);
  assert_has(got, "\"kv\":\"KissLS4vMDEyMzQ1Njc4OTo7PD0+P0BBQkNERUZHSEk=\"");
  assert_has_not(got, "tgis");
  assert_rsc(ask(h, &other, GH_OP_RETRIEVE, to, NULL, 0, NULL), 4103);
  answer own = ask(h, &device, GH_OP_RETRIEVE, to, NULL, 0, NULL);
  assert_has(own, "tgis");
  assert_has_not(own, "\"kv\"");
  answer managed = ask(h, &admin, GH_OP_RETRIEVE, to, NULL, 0, NULL);
  assert_rsc(managed, 2000);
  assert_has_not(managed, "\"kv\"");
  harness_reopen(h);
  assert_has(ask(h, &cse, GH_OP_RETRIEVE, to, NULL, 0, NULL), "\"kv\":\"KissLS4v");
  assert_rsc(ask(h, &cse, GH_OP_UPDATE, to, NULL, 0, "{\"sec:skr\":{\"lbl\":[\"x\"]}}"), 4103);
  assert_rsc(ask(h, &device, GH_OP_UPDATE, to, NULL, 0, "{\"sec:skr\":{\"suid\":33}}"), 4000);
  answer u =
      ask(h, &device, GH_OP_UPDATE, to, NULL, 0, "{\"sec:skr\":{\"tgis\":[\"//sp.example.com/in-cse/Cother\"]}}");
  assert_string_equal(u.body, "{\"sec:skr\":{\"tgis\":[\"//sp.example.com/in-cse/Cother\"]}}");
  assert_rsc(ask(h, &cse, GH_OP_RETRIEVE, to, NULL, 0, NULL), 4103);
  assert_rsc(ask(h, &other, GH_OP_RETRIEVE, to, NULL, 0, NULL), 2000);
  assert_rsc(ask(h, &other, GH_OP_DELETE, to, NULL, 0, NULL), 4103);
  assert_rsc(ask(h, &admin, GH_OP_DELETE, to, NULL, 0, NULL), 2002);
  assert_rsc(ask(h, &other, GH_OP_RETRIEVE, to, NULL, 0, NULL), 4004);
  /* the identifier never comes back, also after a restart */
  harness_reopen(h);
  assert_rsc(ask(h, &device, GH_OP_CREATE, "maf", NULL, GH_TY_SYMM_KEY_REG, KEY("32", CSE)), 4105);
}

/*= TS-0003 8.8.2.5; TS-0003 8.8.2.9 of others, and of nothing */
static void updates_that_are_refused(void **state)
{
  harness *h = *state;
  answer r = ask(h, &device, GH_OP_CREATE, "maf", NULL, GH_TY_MAF_CLIENT_REG, REGISTRATION);
  const char *to = member(&r, "ri"), *key = "maf/1A1B1C1D1E1F20212223242526272829";
  assert_rsc(ask(h, &other, GH_OP_UPDATE, to, NULL, 0, "{\"sec:macr\":{\"lbl\":[\"x\"]}}"), 4103);
  assert_rsc(ask(h, &cse, GH_OP_UPDATE, to, NULL, 0, "{\"sec:macr\":{\"lbl\":[\"x\"]}}"), 4103);
  assert_rsc(ask(h, &other, GH_OP_DELETE, to, NULL, 0, NULL), 4103);
  assert_rsc(ask(h, &device, GH_OP_UPDATE, to, NULL, 0, "{\"sec:macr\":{}}"), 4000);
  assert_rsc(ask(h, &device, GH_OP_CREATE, "maf", NULL, GH_TY_SYMM_KEY_REG, KEY("32", CSE)), 2001);
  assert_rsc(ask(h, &other, GH_OP_UPDATE, key, NULL, 0, "{\"sec:skr\":{\"lbl\":[\"x\"]}}"), 4103);
  assert_rsc(ask(h, &device, GH_OP_UPDATE, key, NULL, 0, "{\"sec:skr\":{}}"), 4000);
}

static void expired_keys_do_not_exist(void **state)
{
  harness *h = *state;
  registered(h);
  assert_rsc(ask(h, &device, GH_OP_CREATE, "maf", NULL, GH_TY_SYMM_KEY_REG, KEY("32", CSE)), 2001);
  h->clock_offset_us = h->host->config.max_key_us + GH_US_PER_S;
  assert_rsc(ask(h, &cse, GH_OP_RETRIEVE, "maf/1A1B1C1D1E1F20212223242526272829", NULL, 0, NULL), 4004);
}

/*= TS-0003 8.8.2.5; TS-0003 8.8.2.6; TS-0003 8.8.2.2 */
static void deregistration_takes_the_keys_along(void **state)
{
  harness *h = *state;
  answer r = ask(h, &device, GH_OP_CREATE, "maf", NULL, GH_TY_MAF_CLIENT_REG, REGISTRATION);
  assert_rsc(ask(h, &device, GH_OP_CREATE, "maf", NULL, GH_TY_SYMM_KEY_REG, KEY("32", CSE)), 2001);
  assert_rsc(ask(h, &device, GH_OP_DELETE, member(&r, "ri"), NULL, 0, NULL), 2002);
  assert_rsc(ask(h, &cse, GH_OP_RETRIEVE, "maf/1A1B1C1D1E1F20212223242526272829", NULL, 0, NULL), 4004);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(provisional_associations_only_register, setup, teardown),
      cmocka_unit_test_setup_teardown(key_registration, setup, teardown),
      cmocka_unit_test_setup_teardown(key_registration_refusals, setup, teardown),
      cmocka_unit_test_setup_teardown(keys_for_no_use_of_a_maf, setup, teardown),
      cmocka_unit_test_setup_teardown(retrieval_update_and_end, setup, teardown),
      cmocka_unit_test_setup_teardown(updates_that_are_refused, setup, teardown),
      cmocka_unit_test_setup_teardown(expired_keys_do_not_exist, setup, teardown),
      cmocka_unit_test_setup_teardown(deregistration_takes_the_keys_along, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
