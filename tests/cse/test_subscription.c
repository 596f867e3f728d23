/* Service subscriptions: which credential may register which App-ID under which AE-ID. */
#include "../host/harness.h"
#include "cse/app_rule.h"

static const who admin = {
    GH_PEER_AE, GH_METHOD_CERTIFICATE, "//sp.example.com/Sadmin", "33-//sp.example.com/Sadmin", "", false};
static const who false_admin = {GH_PEER_AE,         GH_METHOD_PSK, "//sp.example.com/Sadmin", "12-K9@m.example.com",
                                "K9@m.example.com", false};
static const who device = {GH_PEER_CREDENTIAL,         GH_METHOD_PSK,           "",
                           "12-K3@maf.sp.example.com", "K3@maf.sp.example.com", false};
static const who second = {GH_PEER_CREDENTIAL,         GH_METHOD_PSK,           "",
                           "12-K3@mef.sp.example.com", "K3@mef.sp.example.com", false};
static const who stranger = {GH_PEER_CREDENTIAL,         GH_METHOD_PSK,           "",
                             "12-Z1@maf.sp.example.com", "Z1@maf.sp.example.com", false};

#define AE(app) "{\"m2m:ae\":{\"api\":\"" app "\",\"rr\":false,\"srv\":[\"3\"]}}"
#define RULE(name, cred, app, ae)                                                                                    \
  "{\"m2m:asar\":{\"rn\":\"" name "\"" cred ",\"aai\":[\"" app "\"],\"aae\":[\"" ae "\"]}}"

static int setup(void **state)
{
  harness *h = calloc(1, sizeof *h);
  harness_start(h, &gh_cse_function);
  *state = h;
  return 0;
}

static int teardown(void **state)
{
  harness_stop(*state);
  free(*state);
  return 0;
}

/* A profile for this CSE with the rules named in rlk. */
static void subscribe(harness *h, const char *links)
{
  char node[256];
  snprintf(node, sizeof node, "{\"m2m:svsn\":{\"rn\":\"n\",\"ni\":\"urn:x:1\",\"csi\":\"/in-cse\"%s%s%s}}",
           *links ? ",\"rlk\":[" : "", links, *links ? "]" : "");
  assert_rsc(ask(h, &admin, GH_OP_CREATE, "cse-in", "Sadmin", 11, "{\"m2m:mssp\":{\"rn\":\"s\"}}"), 2001);
  assert_rsc(ask(h, &admin, GH_OP_CREATE, "cse-in/s", "Sadmin", 20, node), 2001);
}

static void rule(harness *h, const char *content)
{
  assert_rsc(ask(h, &admin, GH_OP_CREATE, "cse-in", "Sadmin", 19, content), 2001);
}

static void wildcards(void **state)
{
  (void)state;
  static const struct {
    const char *pattern, *text;
    bool matches;
  } cases[] = {{"*", "", true},
               {"*", "C1", true},
               {"C*", "C1", true},
               {"C*", "S1", false},
               {"C123*X", "C123X", true},
               {"C123*X", "C123abX", true},
               {"C123*X", "C123ab", false},
               {"a*b*c", "aXbYbZc", true},
               {"a*b*c", "aXcYb", false},
               {"", "", true},
               {"", "x", false},
               {"C1", "C1", true},
               {"C1", "C12", false},
               {"**", "x", true},
               {"*a*a*", "aba", true},
               {"*aab", "aaaaab", true},
               {"*ab*", "ba", false}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    if (gh_wildcard_matches(gh_str_of(cases[i].pattern), gh_str_of(cases[i].text)) != cases[i].matches)
      fail_msg("%s on %s", cases[i].pattern, cases[i].text);
}

/*= TS-0004 7.3.2.7; TS-0001 9.6.29; TS-0001 10.2.2.2 */
static void rules_decide(void **state)
{
  harness *h = *state;
  assert_rsc(ask(h, &device, GH_OP_CREATE, "cse-in", "C", 2, AE("N.a")), 4128); /* no subscription at all */
  rule(h, RULE("r1", ",\"apci\":[\"12-K3@*\"]", "N.meter*", "C*"));
  rule(h, RULE("r2", "", "N.open", "Copen*"));
  subscribe(h, "");
  assert_rsc(ask(h, &device, GH_OP_CREATE, "cse-in", "C", 2, AE("N.meter.x")), 4126); /* linked to no rule */
  assert_rsc(ask(h, &admin, GH_OP_UPDATE, "cse-in/s/n", "Sadmin", 0,
                 "{\"m2m:svsn\":{\"rlk\":[\"cse-in/gone\",\"cse-in/r1\",\"cse-in/r2\"]}}"),
             2004);
  assert_rsc(ask(h, &device, GH_OP_CREATE, "cse-in", "C", 2, AE("N.other")), 4126);
  assert_rsc(ask(h, &stranger, GH_OP_CREATE, "cse-in", "C", 2, AE("N.meter.x")), 4126);
  assert_rsc(ask(h, &device, GH_OP_CREATE, "cse-in", "S", 2, AE("N.meter.x")), 4126);
  assert_rsc(ask(h, &device, GH_OP_CREATE, "cse-in", "Sx", 2, AE("N.meter.x")), 4126);
  answer a = ask(h, &device, GH_OP_CREATE, "cse-in", "C", 2, AE("N.meter.x"));
  assert_rsc(a, 2001);
  assert_true(strncmp(h->bound, "//sp.example.com/in-cse/C", 25) == 0 && strlen(h->bound) > 33);
  assert_rsc(ask(h, &second, GH_OP_CREATE, "cse-in", "Cchosen", 2, AE("N.meter.x")), 2001);
  /* a rule without applicableCredIDs is for clear text only, and the others are not */
  assert_rsc(ask(h, NULL, GH_OP_CREATE, "cse-in", "Copen1", 2, AE("N.open")), 2001);
  assert_rsc(ask(h, NULL, GH_OP_CREATE, "cse-in", "C", 2, AE("N.meter.x")), 4126);
  assert_rsc(ask(h, &stranger, GH_OP_CREATE, "cse-in", "Copen2", 2, AE("N.open")), 4126);
}

static void a_rule_hands_out_the_stem(void **state)
{
  harness *h = *state;
  rule(h, RULE("r1", ",\"apci\":[\"*\"]", "*", "Spump7"));
  subscribe(h, "\"cse-in/r1\"");
  assert_rsc(ask(h, &device, GH_OP_CREATE, "cse-in", "C", 2, AE("N.x")), 4126);
  assert_rsc(ask(h, &device, GH_OP_CREATE, "cse-in", "S", 2, AE("N.x")), 2001);
  assert_string_equal(h->bound, "//sp.example.com/Spump7");
}

static void subscriptions_survive_a_restart_and_end(void **state)
{
  harness *h = *state;
  rule(h, RULE("r1", ",\"apci\":[\"*\"]", "*", "*"));
  subscribe(h, "\"cse-in/r1\"");
  harness_reopen(h);
  assert_rsc(ask(h, &device, GH_OP_CREATE, "cse-in", "C1", 2, AE("N.x")), 2001);
  assert_rsc(ask(h, &admin, GH_OP_DELETE, "cse-in/s", "Sadmin", 0, NULL), 2002);
  assert_rsc(ask(h, &second, GH_OP_CREATE, "cse-in", "C2", 2, AE("N.x")), 4128);
}

/* It takes the administrator's certificate: the name alone does not do, however it was come by. */
static void only_the_administrator_writes_them(void **state)
{
  harness *h = *state;
  assert_rsc(ask(h, &false_admin, GH_OP_CREATE, "cse-in", "Sadmin", 11, "{\"m2m:mssp\":{}}"), 4103);
  assert_rsc(ask(h, &admin, GH_OP_CREATE, "cse-in", "Sadmin", 11, "{\"m2m:mssp\":{\"rn\":\"s\"}}"), 2001);
  assert_rsc(ask(h, &admin, GH_OP_CREATE, "cse-in/s", "Sadmin", 20, "{\"m2m:svsn\":{\"csi\":\"/in-cse\"}}"), 4000);
  assert_rsc(ask(h, &admin, GH_OP_CREATE, "cse-in/s", "Sadmin", 20,
                 "{\"m2m:svsn\":{\"ni\":\"urn:x:1\",\"rlk\":[\"cse-in/r\"]}}"),
             4000);
  assert_rsc(ask(h, &admin, GH_OP_CREATE, "cse-in/s", "Sadmin", 20,
                 "{\"m2m:svsn\":{\"ni\":\"urn:x:1\",\"csi\":\"/in-cse\"}}"),
             2001);
  assert_rsc(ask(h, &admin, GH_OP_CREATE, "cse-in/s", "Sadmin", 20,
                 "{\"m2m:svsn\":{\"ni\":\"urn:x:2\",\"csi\":\"//sp.example.com/in-cse\"}}"),
             4105);
  assert_rsc(ask(h, &admin, GH_OP_CREATE, "cse-in", "Sadmin", 14, "{\"m2m:nod\":{\"ni\":\"urn:x:1\"}}"), 2001);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(wildcards),
      WITH(rules_decide),
      WITH(a_rule_hands_out_the_stem),
      WITH(subscriptions_survive_a_restart_and_end),
      WITH(only_the_administrator_writes_them),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
