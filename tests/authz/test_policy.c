/* What is refused when a policy is written, and how the refusal names the place. */
#include "authz_fixture.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct refusal {
  const char *rule, *where; /* `where` must be in the diag */
} refusal;

static void assert_refused(const char *rule, gh_err want, const char *where)
{
  gh_arena arena;
  gh_arena_init(&arena);
  gh_policy *policy;
  gh_diag diag = {""};
  gh_str text = gh_arena_fmt(&arena, "{\"acr\":[{\"acor\":[\"all\"],\"acop\":1},%s]}", rule);
  gh_err err = compile_text(&arena, text.ptr, &policy, &diag);
  if (err != want || policy || !strstr(diag.text, where)) fail_msg("%s: %s '%s'", rule, gh_err_name(err), diag.text);
  gh_arena_free(&arena);
}

/*= TS-0004 6.3.5.26 */
static void test_refused_rules(void **state)
{
  (void)state;
  static const refusal cases[] = {
      {"{\"acop\":2}", "acr[1]: member 'acor' is missing"},
      {"{\"acor\":[\"all\"]}", "acr[1]: member 'acop' is missing"},
      {"{\"acor\":[\"all\"],\"acop\":0}", "acr[1].acop"},
      {"{\"acor\":[\"all\"],\"acop\":-1}", "acr[1].acop"},
      {"{\"acor\":[\"all\"],\"acop\":64}", "acr[1].acop"},
      {"{\"acor\":[\"all\"],\"acop\":2.0}", "acr[1].acop"},
      {"{\"acor\":[\"all\"],\"acop\":\"2\"}", "acr[1].acop"},
      {"{\"acor\":[\"all\"],\"acop\":null}", "acr[1].acop"},
      {"{\"acor\":[\"all\"],\"acop\":2,\"acxx\":1}", "acr[1]: unknown member 'acxx'"},
      {"{\"acor\":[\"all\"],\"acop\":2,\"ACAF\":true}", "unknown member 'ACAF'"},
      {"{\"acor\":\"all\",\"acop\":2}", "acr[1].acor: must be a list"},
      {"{\"acor\":{},\"acop\":2}", "acr[1].acor: must be a list"},
      {"{\"acor\":[7],\"acop\":2}", "acr[1].acor[0]"},
      {"{\"acor\":[\"Cae1\",\"\"],\"acop\":2}", "acr[1].acor[1]"},
      {"{\"acor\":[\"C\\u0001\"],\"acop\":2}", "acr[1].acor[0]: has a control"},
      {"{\"acor\":[\"Cae1 Cae2\"],\"acop\":2}", "acr[1].acor[0]: an originator has no blanks"},
      {"{\"acor\":[\"all\"],\"acop\":2,\"acaf\":1}", "acr[1].acaf"},
      {"{\"acor\":[\"all\"],\"acop\":2,\"acaf\":\"true\"}", "acr[1].acaf"},
      {"{\"acor\":[\"all\"],\"acop\":2,\"acaf\":null}", "acr[1].acaf"},
      {"{\"acor\":[\"all\"],\"acop\":2,\"acco\":{}}", "acr[1].acco: must be a list"},
      {"{\"acor\":[\"all\"],\"acop\":2,\"acco\":[]}", "acr[1].acco: must not be empty"},
      {"{\"acor\":[\"all\"],\"acop\":2,\"acco\":[7]}", "acr[1].acco[0]: must be an object"},
      {"{\"acor\":[\"all\"],\"acop\":2,\"acco\":[{},{\"acwt\":[]}]}", "acr[1].acco[1]: unknown member 'acwt'"},
      {"7", "acr[1]: must be an object"},
      {"[]", "acr[1]: must be an object"},
      {"null", "acr[1]: must be an object"},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
    assert_refused(cases[i].rule, GH_ESYNTAX, cases[i].where);
}

/* Members of Release 4 are known: their own error, so that the answer can be NOT_IMPLEMENTED. */
static void test_release_4_members(void **state)
{
  (void)state;
  static const refusal cases[] = {
      {"{\"acor\":[\"all\"],\"acop\":2,\"aca\":[\"lbl\"]}", "acr[1]: member 'aca' is not implemented"},
      {"{\"acor\":[\"all\"],\"acop\":2,\"acco\":[{\"acui\":[\"u\"]}]}", "acr[1].acco[0]: member 'acui'"},
      {"{\"acor\":[\"all\"],\"acop\":2,\"acco\":[{\"acec\":{}}]}", "acr[1].acco[0]: member 'acec'"},
      {"{\"acor\":[\"all\"],\"acop\":2,\"acco\":[{\"acl\":3}]}", "acr[1].acco[0]: member 'acl'"},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
    assert_refused(cases[i].rule, GH_EUNSUPPORTED, cases[i].where);
}

static void assert_refused_member(const char *member, const char *value, const char *where)
{
  char rule[1024];
  snprintf(rule, sizeof(rule), "{\"acor\":[\"all\"],\"acop\":1,\"%s\":[%s]}", member, value);
  assert_refused(rule, GH_ESYNTAX, where);
}

/*= TS-0004 6.3.5.27; accessControlObjectDetails */
/*= TS-0003 7.1.5; specializationType is due for mgmtObj and flexContainer */
static void test_refused_object_details(void **state)
{
  (void)state;
  static const refusal cases[] = {
      {"{}", "acod[0]: member 'chty' is missing"},
      {"{\"ty\":3}", "member 'chty' is missing"},
      {"{\"chty\":[]}", "acod[0].chty: must not be empty"},
      {"{\"chty\":3}", "acod[0].chty: must be a list"},
      {"{\"chty\":[0]}", "acod[0].chty[0]"},
      {"{\"chty\":[4294967296]}", "acod[0].chty[0]"},
      {"{\"chty\":[3,\"4\"]}", "acod[0].chty[1]"},
      {"{\"ty\":-1,\"chty\":[3]}", "acod[0].ty"},
      {"{\"ty\":28,\"chty\":[3]}", "type 28 needs spty"},
      {"{\"ty\":13,\"chty\":[3]}", "type 13 needs spty"},
      {"{\"ty\":28,\"spty\":{},\"chty\":[3]}", "either cnd or mgd"},
      {"{\"ty\":28,\"spty\":{\"cnd\":\"x\",\"mgd\":1001},\"chty\":[3]}", "either cnd or mgd"},
      {"{\"ty\":28,\"spty\":{\"cnd\":\"\"},\"chty\":[3]}", "acod[0].spty.cnd"},
      {"{\"ty\":13,\"spty\":{\"mgd\":0},\"chty\":[3]}", "acod[0].spty.mgd"},
      {"{\"ty\":28,\"spty\":\"x\",\"chty\":[3]}", "acod[0].spty: must be an object"},
      {"{\"chty\":[3],\"type\":3}", "unknown member 'type'"},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
    assert_refused_member("acod", cases[i].rule, cases[i].where);
  assert_refused("{\"acor\":[\"all\"],\"acop\":1,\"acod\":[]}", GH_ESYNTAX, "acod: must not be empty");
}

/*= TS-0004 7.4.9.1; exactly seven fields; lists, ranges, steps */
static void test_refused_windows(void **state)
{
  (void)state;
  static const char *const windows[] = {
      "",
      " ",
      "*",
      "* * * * * *",
      "* * * * * * * *",
      " * * * * * * *",
      "* * * * * * * ",
      "*\\t* * * * * *",
      "60 * * * * * *",
      "* 60 * * * * *",
      "* * 24 * * * *",
      "* * * 0 * * *",
      "* * * 32 * * *",
      "* * * * 0 * *",
      "* * * * 13 * *",
      "* * * * * 7 *",
      "* * * * * * 1999",
      "* * * * * * 10000",
      "17-8 * * * * * *",
      "5/2 * * * * * *",
      "*/0 * * * * * *",
      "*/ * * * * * *",
      "/2 * * * * * *",
      "1- * * * * * *",
      "-1 * * * * * *",
      "1-2-3 * * * * * *",
      "1-5/0 * * * * * *",
      "1-5/2/2 * * * * * *",
      "1,,2 * * * * * *",
      ",1 * * * * * *",
      "1, * * * * * *",
      "** * * * * * *",
      "* * * * * * 2024,",
      "* * * * * * 2024-2020",
      "* * * * * MON *",
      "* * * * JAN * *",
      "a * * * * * *",
      "+1 * * * * * *",
      "1.5 * * * * * *",
      "99999 * * * * * *",
      "18446744073709551617 * * * * * *",
      "? * * * * * *",
      "* * L * * * *",
  };
  for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]); i++) {
    char context[200];
    snprintf(context, sizeof(context), "{\"actw\":[\"* * * * * * *\",\"%s\"]}", windows[i]);
    assert_refused_member("acco", context, "acr[1].acco[0].actw[1]");
  }
  assert_refused_member("acco", "{\"actw\":\"* * * * * * *\"}", "actw: must be a list");
  assert_refused_member("acco", "{\"actw\":[]}", "actw: must not be empty");
  assert_refused_member("acco", "{\"actw\":[7]}", "actw[0]");
}

/*= TS-0004 6.3.5.27; lists of IPv4 and IPv6 addresses */
static void test_refused_addresses(void **state)
{
  (void)state;
  static const char *const v4[] = {
      "",           "10.0.0",       "10.0.0.256",  "10.0.0.0/33",  "10.0.0.0/-1", "10.0.0.0/",
      "10.0.0.0/a", "10.0.0.0/8/8", "2001:db8::1", "0A00000G",     "*",           "10.0.0.1 ",
      "localhost",  "0x0a000001",   "10.0.0.0/ 8", "10.0.0.0/0008"};
  static const char *const v6[] = {"", "10.0.0.1", "2001:db8::/129", "2001:db8:::1", "::1%eth0", "2001:db8::/", "*"};
  char context[200];
  for (size_t i = 0; i < sizeof(v4) / sizeof(v4[0]); i++) {
    snprintf(context, sizeof(context), "{\"acip\":{\"ipv4\":[\"%s\"]}}", v4[i]);
    assert_refused_member("acco", context, "acip.ipv4[0]");
  }
  for (size_t i = 0; i < sizeof(v6) / sizeof(v6[0]); i++) {
    snprintf(context, sizeof(context), "{\"acip\":{\"ipv6\":[\"%s\"]}}", v6[i]);
    assert_refused_member("acco", context, "acip.ipv6[0]");
  }
  assert_refused_member("acco", "{\"acip\":{}}", "acip: neither ipv4 nor ipv6");
  assert_refused_member("acco", "{\"acip\":{\"ipv4\":[]}}", "ipv4: must not be empty");
  assert_refused_member("acco", "{\"acip\":[]}", "acip: must be an object");
  assert_refused_member("acco", "{\"acip\":{\"ipv5\":[\"1\"]}}", "unknown member 'ipv5'");
}

/*= TS-0004 6.3.5.28 */
/*= TS-0003 F.1.2 */
static void test_refused_regions(void **state)
{
  (void)state;
  static const refusal cases[] = {
      {"{}", "aclr: either accc or accr"},
      {"{\"accc\":[\"FR\"],\"accr\":[1,2,3]}", "aclr: either accc or accr"},
      {"{\"accc\":[]}", "accc: must not be empty"},
      {"{\"accc\":[\"fr\"]}", "accc[0]"},
      {"{\"accc\":[\"FRA\"]}", "accc[0]"},
      {"{\"accc\":[\"F\"]}", "accc[0]"},
      {"{\"accc\":[\"F1\"]}", "accc[0]"},
      {"{\"accc\":\"FR\"}", "accc: must be a list"},
      {"{\"accr\":[1,2]}", "latitude, longitude and radius"},
      {"{\"accr\":[1,2,3,4]}", "latitude, longitude and radius"},
      {"{\"accr\":[90.1,2,3]}", "latitude within 90"},
      {"{\"accr\":[1,-180.1,3]}", "latitude within 90"},
      {"{\"accr\":[1,2,-0.5]}", "latitude within 90"},
      {"{\"accr\":[1,2,\"3\"]}", "accr[2]"},
      {"{\"accr\":[1,null,3]}", "accr[1]"},
      {"{\"accs\":[1]}", "unknown member 'accs'"},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    char context[200];
    snprintf(context, sizeof(context), "{\"aclr\":%s}", cases[i].rule);
    assert_refused_member("acco", context, cases[i].where);
  }
}

static void test_sets(void **state)
{
  (void)state;
  gh_arena arena;
  gh_arena_init(&arena);
  gh_policy *policy;
  gh_diag diag = {""};
  static const char *const empty[] = {"{}", "{\"acr\":[]}"};
  static const char *const odd[] = {"null", "[]", "7", "{\"acr\":{}}", "{\"acr\":null}", "{\"acr\":[],\"x\":1}"};
  for (size_t i = 0; i < 2; i++) {
    assert_int_equal(compile_text(&arena, empty[i], &policy, &diag), GH_OK);
    assert_int_equal(gh_policy_rule_count(policy), 0);
    gh_policy_free(policy);
  }
  for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
    assert_int_equal(compile_text(&arena, odd[i], &policy, &diag), GH_ESYNTAX);
  assert_int_equal(gh_policy_compile(NULL, test_self(), &policy, &diag), GH_EINVAL);
  assert_int_equal(compile_text(&arena, "{\"acr\":[7]}", &policy, NULL), GH_ESYNTAX); /* without a diag too */
  gh_policy_free(NULL);
  gh_arena_free(&arena);
}

static void test_bounds(void **state)
{
  (void)state;
  gh_arena arena;
  gh_arena_init(&arena);
  gh_buf rules = GH_BUF_INIT, names = GH_BUF_INIT;
  gh_policy *policy;
  gh_diag diag = {""};
  gh_buf_fmt(&rules, "{\"acr\":[");
  for (int i = 0; i < 1025; i++) gh_buf_fmt(&rules, "%s{\"acor\":[],\"acop\":1}", i ? "," : "");
  gh_buf_fmt(&rules, "]}");
  gh_buf_add_char(&rules, '\0');
  assert_int_equal(compile_text(&arena, rules.ptr, &policy, &diag), GH_ELIMIT);
  gh_buf_fmt(&names, "{\"acr\":[{\"acop\":1,\"acor\":[");
  for (int i = 0; i < 4097; i++) gh_buf_fmt(&names, "%s\"C%d\"", i ? "," : "", i);
  gh_buf_fmt(&names, "]}]}");
  gh_buf_add_char(&names, '\0');
  assert_int_equal(compile_text(&arena, names.ptr, &policy, &diag), GH_ELIMIT);
  gh_buf_free(&rules);
  gh_buf_free(&names);
  gh_arena_free(&arena);
}

/* A compiled policy borrows nothing from the text that it was made of. */
static void test_policy_outlives_its_text(void **state)
{
  (void)state;
  gh_arena arena;
  gh_arena_init(&arena);
  char text[] = "{\"acr\":[{\"acor\":[\"Cae1\",\"r1@as.example.com\"],\"acop\":1,"
                "\"acod\":[{\"ty\":28,\"spty\":{\"cnd\":\"org.example.X\"},\"chty\":[23]}]}]}";
  gh_policy *policy;
  assert_int_equal(compile_text(&arena, text, &policy, NULL), GH_OK);
  memset(text, '#', sizeof(text) - 1);
  gh_arena_free(&arena);
  gh_question q = plain_question();
  q.operation = GH_ACOP_CREATE;
  q.child_ty = 23;
  q.target_ty = 28;
  q.target_cnd = GH_STR("org.example.X");
  assert_int_equal(decide_one(policy, q).outcome, GH_PERMIT);
  q.from = GH_STR("//sp.example.com/cse1/Cae2");
  const gh_str role = GH_STR("r1@as.example.com");
  q.roles = &role;
  q.role_count = 1;
  assert_int_equal(decide_one(policy, q).outcome, GH_PERMIT);
  gh_policy_free(policy);
}

/* TP-14: an update that would leave a policy unchangeable for everybody */
static void test_changeable(void **state)
{
  (void)state;
  static const struct {
    const char *rules;
    bool want;
  } cases[] = {
      {"", false},
      {"{\"acor\":[\"Cadmin\"],\"acop\":63}", true},
      {"{\"acor\":[\"Cadmin\"],\"acop\":4}", true},
      {"{\"acor\":[\"Cadmin\"],\"acop\":59}", false},
      {"{\"acor\":[],\"acop\":63}", false},
      {"{\"acor\":[],\"acop\":63},{\"acor\":[\"all\"],\"acop\":4}", true},
      {"{\"acor\":[\"//*\"],\"acop\":63}", false}, /* an entry that matches nobody */
      {"{\"acor\":[\"r*@as.example.com\",\"Cadmin\"],\"acop\":63}", true},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    gh_arena arena;
    gh_arena_init(&arena);
    gh_policy *policy = policy_of(&arena, cases[i].rules);
    assert_int_equal(gh_policy_is_changeable(policy), cases[i].want);
    gh_policy_free(policy);
    gh_arena_free(&arena);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_refused_rules),
      cmocka_unit_test(test_release_4_members),
      cmocka_unit_test(test_refused_object_details),
      cmocka_unit_test(test_refused_windows),
      cmocka_unit_test(test_refused_addresses),
      cmocka_unit_test(test_refused_regions),
      cmocka_unit_test(test_sets),
      cmocka_unit_test(test_bounds),
      cmocka_unit_test(test_policy_outlives_its_text),
      cmocka_unit_test(test_changeable),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
