/* Test purposes of the decision: what is unknown never permits, what came with a request is never a pattern, and
 * which answer and reason come out. */
#include "authz_fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "authz/context.h"
#include "authz/originator.h"

#define ALL(extra) "{\"acor\":[\"all\"],\"acop\":2," extra "}"
#define CONTEXT(members) ALL("\"acco\":[{" members "}]")

/* ---- TP-01: a context that cannot be evaluated never permits */

/*= TS-0003 7.1.4; what cannot be evaluated is no permit */
static void test_tp01_unknown_context(void **state)
{
  (void)state;
  static const char *const rules[] = {
      CONTEXT("\"actw\":[\"* * * * * * *\"]"),
      CONTEXT("\"acip\":{\"ipv4\":[\"0.0.0.0/0\"],\"ipv6\":[\"::/0\"]}"),
      CONTEXT("\"aclr\":{\"accr\":[0,0,30000000]}"),
      CONTEXT("\"aclr\":{\"accc\":[\"FR\"]}"),
  };
  for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
    gh_arena arena;
    gh_arena_init(&arena);
    gh_policy *policy = policy_of(&arena, rules[i]);
    gh_question q = plain_question();
    q.time_us = 0;
    gh_decision d = decide_one(policy, q);
    assert_int_equal(d.outcome, GH_REFUSE);
    assert_string_equal(d.reason, "indeterminate");
    gh_policy_free(policy);
    gh_arena_free(&arena);
  }
}

static void test_tp01_clock_not_set(void **state)
{
  (void)state;
  const int64_t unset[] = {0, -1, INT64_MIN, 1, time_of("19991231T235959")};
  gh_question q = plain_question();
  for (size_t i = 0; i < sizeof(unset) / sizeof(unset[0]); i++) {
    gh_arena arena;
    gh_arena_init(&arena);
    gh_policy *policy = policy_of(&arena, CONTEXT("\"actw\":[\"* * * * * * *\"]"));
    q.time_us = unset[i];
    assert_int_equal(decide_one(policy, q).outcome, GH_REFUSE);
    assert_string_equal(decide_one(policy, q).reason, "indeterminate");
    gh_policy_free(policy);
    gh_arena_free(&arena);
  }
  q.time_us = time_of("20000101T000000");
  assert_int_equal(outcome_of(CONTEXT("\"actw\":[\"* * * * * * *\"]"), q), GH_PERMIT);
  q.time_us = INT64_MAX; /* a year without four digits */
  assert_int_equal(outcome_of(CONTEXT("\"actw\":[\"* * * * * * *\"]"), q), GH_REFUSE);
}

static void test_tp01_place_that_is_no_place(void **state)
{
  (void)state;
  const gh_place places[] = {
      {.has_point = true, .latitude = NAN},
      {.has_point = true, .longitude = NAN},
      {.has_point = true, .latitude = INFINITY},
      {.has_point = true, .latitude = 91},
      {.has_point = true, .longitude = 181},
      {.has_point = true, .uncertainty_m = NAN},
      {.has_point = true, .uncertainty_m = -1000},
      {.has_country = true, .country = "FR"}, /* a country is no point */
      {.latitude = 0, .longitude = 0},        /* a point without the flag */
  };
  gh_question q = plain_question();
  for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
    q.place = places[i];
    assert_int_equal(outcome_of(CONTEXT("\"aclr\":{\"accr\":[0,0,30000000]}"), q), GH_REFUSE);
  }
  q.place = (gh_place){.has_point = true, .uncertainty_m = INFINITY};
  assert_int_equal(outcome_of(CONTEXT("\"aclr\":{\"accr\":[0,0,30000000]}"), q), GH_REFUSE);
  q.place = (gh_place){.has_point = true};
  assert_int_equal(outcome_of(CONTEXT("\"aclr\":{\"accr\":[0,0,0]}"), q), GH_PERMIT);
  assert_int_equal(outcome_of(CONTEXT("\"aclr\":{\"accc\":[\"FR\"]}"), q), GH_REFUSE);
}

static void test_tp01_odd_address_families(void **state)
{
  (void)state;
  gh_question q = plain_question();
  for (unsigned family = 0; family < 256; family++) {
    if (family == 4 || family == 6) continue;
    q.peer = (gh_peer_addr){.family = (uint8_t)family};
    assert_int_equal(outcome_of(CONTEXT("\"acip\":{\"ipv4\":[\"0.0.0.0/0\"],\"ipv6\":[\"::/0\"]}"), q), GH_REFUSE);
  }
}

/* One unknown member spoils its element; a false one decides it; another element may still permit. */
static void test_tp01_three_values(void **state)
{
  (void)state;
  gh_question q = plain_question(); /* time known, address and place unknown */
  const char *in = "\"actw\":[\"* * 10 * * * *\"]", *out = "\"actw\":[\"* * 11 * * * *\"]";
  const char *unknown = "\"acip\":{\"ipv4\":[\"0.0.0.0/0\"]}";
  static const struct {
    int first, second; /* 0 out, 1 in, 2 unknown, 3 in and unknown, 4 out and unknown */
    const char *reason;
  } cases[] = {{1, 1, "rule"},
               {1, 0, "rule"},
               {0, 1, "rule"},
               {2, 1, "rule"},
               {1, 2, "rule"},
               {0, 0, "no-rule-matches"},
               {0, 4, "no-rule-matches"},
               {4, 4, "no-rule-matches"},
               {2, 0, "indeterminate"},
               {0, 3, "indeterminate"},
               {3, 2, "indeterminate"},
               {4, 2, "indeterminate"}};
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    gh_arena arena;
    gh_arena_init(&arena);
    gh_str element[2];
    for (int e = 0; e < 2; e++) {
      int kind = e ? cases[i].second : cases[i].first;
      const char *one = kind == 0 || kind == 4 ? out : kind == 2 ? unknown : in;
      element[e] = kind < 3 ? gh_arena_fmt(&arena, "{%s}", one) : gh_arena_fmt(&arena, "{%s,%s}", one, unknown);
    }
    gh_str rule =
        gh_arena_fmt(&arena, "{\"acor\":[\"all\"],\"acop\":2,\"acco\":[%s,%s]}", element[0].ptr, element[1].ptr);
    gh_policy *policy = policy_of(&arena, rule.ptr);
    gh_decision d = decide_one(policy, q);
    if (strcmp(d.reason, cases[i].reason) != 0) fail_msg("case %zu: %s", i, d.reason);
    assert_int_equal(d.outcome == GH_PERMIT, strcmp(d.reason, "rule") == 0);
    gh_policy_free(policy);
    gh_arena_free(&arena);
  }
}

/* ---- TP-03: the originator is data */

static void test_tp03_originator_is_no_pattern(void **state)
{
  (void)state;
  static const char *const odd[] = {"*",
                                    ".*",
                                    "all",
                                    "%",
                                    "C*",
                                    "//sp.example.com/cse1/*",
                                    "//sp.example.com/cse1/C*",
                                    "//sp.example.com/*/Cae1",
                                    "//*/cse1/Cae1",
                                    "//sp.example.com/cse1/.*",
                                    "//sp.example.com/cse1/Cae%",
                                    "//sp.example.com/cse1/Cae?",
                                    "//sp.example.com",
                                    "r1@as.example.com",
                                    ""};
  static const char *const rules[] = {
      "{\"acor\":[\"Cae1\"],\"acop\":63}",    "{\"acor\":[\"//sp.example.com/cse1/Cae1\"],\"acop\":63}",
      "{\"acor\":[\"Cae1*\"],\"acop\":63}",   "{\"acor\":[\"r1@as.example.com\"],\"acop\":63}",
      "{\"acor\":[\"/cse2/*\"],\"acop\":63}",
  };
  gh_question q = plain_question();
  for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
    q.from = gh_str_of(odd[i]);
    for (size_t k = 0; k < sizeof(rules) / sizeof(rules[0]); k++)
      assert_int_equal(outcome_of(rules[k], q), GH_REFUSE);
  }
}

/* Each matches itself only: as the policy's text it names exactly that originator. */
static void test_tp03_odd_names_match_themselves(void **state)
{
  (void)state;
  static const char *const names[] = {"C.ae", "C%ae", "C?ae", "C[a]", "C(ae)", "C\\\\ae", "C^", "C$", "Call", "C|C"};
  gh_question q = plain_question();
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    char rule[100], from[100];
    snprintf(rule, sizeof(rule), "{\"acor\":[\"%s\"],\"acop\":2}", names[i]);
    snprintf(from, sizeof(from), "//sp.example.com/cse1/%s", strcmp(names[i], "C\\\\ae") ? names[i] : "C\\ae");
    q.from = gh_str_of(from);
    assert_int_equal(outcome_of(rule, q), GH_PERMIT);
    q.from = GH_STR("//sp.example.com/cse1/Cae");
    assert_int_equal(outcome_of(rule, q), GH_REFUSE);
  }
}

static void test_tp03_roles_are_no_patterns(void **state)
{
  (void)state;
  gh_question q = plain_question();
  const gh_str odd[] = {GH_STR("*"), GH_STR("*@as.example.com"), GH_STR("all"), GH_STR(""),
                        GH_STR("R1@as.example.com")};
  q.roles = odd;
  q.role_count = 5;
  assert_int_equal(outcome_of("{\"acor\":[\"r1@as.example.com\"],\"acop\":2}", q), GH_REFUSE);
  /* Nor does an entry that is no Role-ID match a role of the same text. */
  assert_int_equal(outcome_of("{\"acor\":[\"*@as.example.com\"],\"acop\":2}", q), GH_REFUSE);
}

/* A domain stands for the CSEs and AEs in it, not for its own name. */
static void test_tp03_domain_is_no_originator(void **state)
{
  (void)state;
  static const char *const froms[] = {"//sp.example.com",    "//sp.example.com/",   "//sp.example.comx/cse1", "//x",
                                      "sp.example.com/cse1", "/sp.example.com/cse1"};
  gh_question q = plain_question();
  for (size_t i = 0; i < sizeof(froms) / sizeof(froms[0]); i++) {
    q.from = gh_str_of(froms[i]);
    assert_int_equal(outcome_of("{\"acor\":[\"//sp.example.com\"],\"acop\":2}", q), GH_REFUSE);
  }
  q.from = GH_STR("//sp.example.com/c");
  assert_int_equal(outcome_of("{\"acor\":[\"//sp.example.com\"],\"acop\":2}", q), GH_PERMIT);
}

/* ---- TP-04: only '*' is special in a policy */

static void test_tp04_literal_characters(void **state)
{
  (void)state;
  static const struct {
    const char *entry, *from;
    bool want;
  } cases[] = {
      {"C1", "//sp.example.com/cse1/C1", true},
      {"C1", "//sp.example.com/cse1/C12", false},
      {"C12", "//sp.example.com/cse1/C1", false},
      {"C1", "//sp.example.com/cse1/xC1", false},
      {"C.1", "//sp.example.com/cse1/C.1", true},
      {"C.1", "//sp.example.com/cse1/Cx1", false},
      {"C.*", "//sp.example.com/cse1/C.1", true},
      {"C.*", "//sp.example.com/cse1/Cx1", false},
      {"C+", "//sp.example.com/cse1/CC", false},
      {"C?", "//sp.example.com/cse1/C1", false},
      {"C%", "//sp.example.com/cse1/C1", false},
      {"C_1", "//sp.example.com/cse1/Cx1", false},
      {"[C]1", "//sp.example.com/cse1/C1", false},
      {"C1|C2", "//sp.example.com/cse1/C1", false},
      {"(C1)", "//sp.example.com/cse1/C1", false},
      {"C1$", "//sp.example.com/cse1/C1", false},
      {"C*1", "//sp.example.com/cse1/C1", true},
      {"C*1", "//sp.example.com/cse1/C121", true},
      {"C*1", "//sp.example.com/cse1/C12", false},
      {"C*1*", "//sp.example.com/cse1/C12", true},
      {"C**1", "//sp.example.com/cse1/C1", true},
      {"C*a*b*c", "//sp.example.com/cse1/Cabababc", true},
      {"C*a*b*c", "//sp.example.com/cse1/Cababab", false},
      {"/cse*/C1", "//sp.example.com/cse1/C1", true},
      {"/cse*/C1", "//sp.example.com/cse1/x/C1", false},
      {"/*/*", "//sp.example.com/cse1/C1", true},
      {"/*", "//sp.example.com/cse1/C1", false},
      {"//sp.*.com/cse1/C1", "//sp.example.com/cse1/C1", true},
      {"//sp*/cse1/C1", "//sp.example.com/cse1/C1", true},
      {"//*", "//sp.example.com/cse1/C1", false},
      {"//*", "//*", false},
      {"//sp.example.com/", "//sp.example.com/cse1/C1", false},
      {"all", "//sp.example.com/cse1/C1", true},
      {"All", "//sp.example.com/cse1/C1", false},
      {"/all", "//sp.example.com/cse1/C1", false},
      {"//", "//sp.example.com/cse1/C1", false},
      {"/", "//sp.example.com/cse1/C1", false},
      {"@", "//sp.example.com/cse1/C1", false},
  };
  gh_question q = plain_question();
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    char rule[100];
    snprintf(rule, sizeof(rule), "{\"acor\":[\"%s\"],\"acop\":2}", cases[i].entry);
    q.from = gh_str_of(cases[i].from);
    if ((outcome_of(rule, q) == GH_PERMIT) != cases[i].want) fail_msg("%s against %s", cases[i].entry, cases[i].from);
  }
}

/* A pattern that would take a backtracking matcher ages. */
static void test_wildcards_take_bounded_time(void **state)
{
  (void)state;
  char pattern[1000], text[1000];
  for (size_t i = 0; i < sizeof(pattern); i++) {
    pattern[i] = i % 2 ? '*' : 'a';
    text[i] = 'a';
  }
  pattern[998] = 'b';
  assert_false(gh_wildcard_match((gh_str){pattern, 999}, (gh_str){text, sizeof(text)}));
  assert_true(gh_wildcard_match((gh_str){pattern, 998}, (gh_str){text, sizeof(text)}));
}

/* ---- TP-06: a window permits only when all seven fields match */

/*= TS-0003 7.1.5; res_time */
/*= TS-0004 7.4.9.1; all seven fields */
static void test_tp06_each_field_counts(void **state)
{
  (void)state;
  /* 2024-03-05T10:30:15Z, a Tuesday: the right value of each field, and a wrong one */
  static const char *const right[7] = {"15", "30", "10", "5", "3", "2", "2024"};
  static const char *const wrong[7] = {"16", "31", "11", "6", "4", "3", "2025"};
  gh_question q = plain_question();
  q.time_us = time_of("20240305T103015");
  for (int off = -1; off < 7; off++) {
    char rule[200];
    const char *f[7];
    for (int i = 0; i < 7; i++) f[i] = i == off ? wrong[i] : right[i];
    snprintf(rule, sizeof(rule), CONTEXT("\"actw\":[\"%s %s %s %s %s %s %s\"]"), f[0], f[1], f[2], f[3], f[4], f[5],
             f[6]);
    assert_int_equal(outcome_of(rule, q), off < 0 ? GH_PERMIT : GH_REFUSE);
  }
}

static void test_tp06_windows_are_or_ed(void **state)
{
  (void)state;
  gh_question q = plain_question();
  assert_int_equal(outcome_of(CONTEXT("\"actw\":[\"* * 9 * * * *\",\"* * 10 * * * *\"]"), q), GH_PERMIT);
  assert_int_equal(outcome_of(CONTEXT("\"actw\":[\"* * 9 * * * *\",\"* * 11 * * * *\"]"), q), GH_REFUSE);
}

static void test_tp06_blanks_and_leading_zeros(void **state)
{
  (void)state;
  gh_question q = plain_question();
  assert_int_equal(outcome_of(CONTEXT("\"actw\":[\"*   *  10-010  05 */1 1-5/1 2024\"]"), q), GH_PERMIT);
}

/* The calendar of the decision against that of the C library. */
static void test_tp06_calendar(void **state)
{
  (void)state;
  const int64_t first = time_of("20000101T000000") / 1000000, last = time_of("99991231T235959") / 1000000;
  const int64_t step = (last - first) / 20011;
  for (int64_t t = first; t <= last; t += step) {
    struct tm tm;
    time_t seconds = (time_t)t;
    gmtime_r(&seconds, &tm);
    gh_moment m = gh_moment_of(t * 1000000 + 999999);
    assert_true(m.known);
    assert_true((int)m.year == tm.tm_year + 1900 && (int)m.month == tm.tm_mon + 1 && (int)m.day == tm.tm_mday);
    assert_true((int)m.hour == tm.tm_hour && (int)m.minute == tm.tm_min && (int)m.second == tm.tm_sec);
    assert_int_equal(m.weekday, tm.tm_wday);
  }
}

/*= TS-0003 7.1.5; res_loc */
static void test_distances(void **state)
{
  (void)state;
  assert_true(fabs(gh_distance_m(48.8584, 2.2945, 48.8606, 2.3376) - 3162.504) < 0.001);
  assert_true(fabs(gh_distance_m(0, 179.9, 0, -179.9) - 22239.016) < 0.001);
  assert_true(fabs(gh_distance_m(89.9, 0, 89.9, 180) - 22239.016) < 0.001);
  assert_true(gh_distance_m(12.5, 33.25, 12.5, 33.25) <= 0);
  assert_true(fabs(gh_distance_m(0, 0, 0, 180) - 20015114.4) < 1);
  assert_true(fabs(gh_distance_m(-90, 0, 90, 77) - 20015114.4) < 1);
}

/* ---- outcomes and reasons */

static gh_decision decide_refs(gh_policy_ref *refs, size_t count)
{
  gh_question q = plain_question();
  q.policies = refs;
  q.policy_count = count;
  return gh_decide(&q, NULL);
}

static void test_needs_only_when_nobody_present_permits(void **state)
{
  (void)state;
  gh_arena arena;
  gh_arena_init(&arena);
  gh_policy *no = policy_of(&arena, "{\"acor\":[\"Cae2\"],\"acop\":63}");
  gh_policy *yes = policy_of(&arena, "{\"acor\":[\"Cx\"],\"acop\":2},{\"acor\":[\"Cae1\"],\"acop\":2}");
  gh_policy_ref refs[4] = {{.id = GH_STR("a"), .policy = no, .state = GH_REF_PRESENT},
                           {.id = GH_STR("b"), .state = GH_REF_UNKNOWN},
                           {.id = GH_STR("c"), .state = GH_REF_UNKNOWN},
                           {.id = GH_STR("d"), .policy = yes, .state = GH_REF_PRESENT}};
  gh_decision d = decide_refs(refs, 4);
  assert_int_equal(d.outcome, GH_PERMIT);
  assert_int_equal(d.policy_index, 3);
  assert_int_equal(d.rule_index, 1);
  refs[3].policy = no;
  d = decide_refs(refs, 4);
  assert_int_equal(d.outcome, GH_NEEDS);
  assert_int_equal(d.policy_index, 1); /* the first one */
  refs[1].state = GH_REF_ABSENT;
  assert_int_equal(decide_refs(refs, 4).policy_index, 2);
  refs[2].state = GH_REF_ABSENT;
  d = decide_refs(refs, 4);
  assert_int_equal(d.outcome, GH_REFUSE);
  assert_string_equal(d.reason, "no-rule-matches");
  refs[2].state = GH_REF_PRESENT; /* claimed, but there is none: no rule, no crash */
  assert_int_equal(decide_refs(refs, 4).outcome, GH_REFUSE);
  gh_policy_free(no);
  gh_policy_free(yes);
  gh_arena_free(&arena);
}

/*= TS-0001 9.6.1.3.2; without acpi the creator has full access and nobody else has any */
static void test_default_policy(void **state)
{
  (void)state;
  gh_arena arena;
  gh_arena_init(&arena);
  gh_policy *everybody = policy_of(&arena, "{\"acor\":[\"all\"],\"acop\":63}");
  gh_policy_ref refs[2] = {{.id = GH_STR("a"), .policy = everybody, .state = GH_REF_PRESENT},
                           {.id = GH_STR("b"), .state = GH_REF_UNKNOWN}};
  gh_question q = plain_question();
  q.policies = refs;
  q.policy_count = 2;
  q.default_subject = GH_STR("//sp.example.com/cse1/Cae2");
  gh_decision d = gh_decide(&q, NULL);
  assert_int_equal(d.outcome, GH_REFUSE); /* no policy applies beside it, fetched or not */
  assert_string_equal(d.reason, "not-default-subject");
  for (uint8_t op = 1; op <= 32; op = (uint8_t)(op * 2)) {
    q.operation = op;
    q.from = GH_STR("//sp.example.com/cse1/Cae2");
    d = gh_decide(&q, NULL);
    assert_int_equal(d.outcome, GH_PERMIT);
    assert_string_equal(d.reason, "default-policy");
    q.from = GH_STR("//sp.example.com/cse1/Cae21");
    assert_int_equal(gh_decide(&q, NULL).outcome, GH_REFUSE);
    q.from = GH_STR("//sp.example.com/cse1/Cae");
    assert_int_equal(gh_decide(&q, NULL).outcome, GH_REFUSE);
  }
  gh_policy_free(everybody);
  gh_arena_free(&arena);
}

/* TP-08: what is missing never widens access */
static void test_tp08_missing_things(void **state)
{
  (void)state;
  gh_question q = plain_question();
  gh_decision d = gh_decide(&q, NULL); /* no policy */
  assert_int_equal(d.outcome, GH_REFUSE);
  assert_string_equal(d.reason, "no-policy");
  q.from = GH_STR_NONE;
  assert_int_equal(outcome_of("{\"acor\":[\"all\"],\"acop\":63}", q), GH_REFUSE);
  q.default_subject = GH_STR_NONE;
  assert_int_equal(gh_decide(&q, NULL).outcome, GH_REFUSE);
  assert_string_equal(gh_decide(&q, NULL).reason, "no-originator");
}

static void test_one_operation_at_a_time(void **state)
{
  (void)state;
  gh_question q = plain_question();
  for (unsigned op = 0; op < 256; op++) {
    q.operation = (uint8_t)op;
    bool single = op == 1 || op == 2 || op == 4 || op == 8 || op == 16 || op == 32;
    assert_int_equal(outcome_of("{\"acor\":[\"all\"],\"acop\":63}", q), single ? GH_PERMIT : GH_REFUSE);
  }
}

/*= TS-0003 7.1.5; res_ops */
static void test_each_bit_of_acop(void **state)
{
  (void)state;
  gh_question q = plain_question();
  for (unsigned mask = 1; mask < 64; mask++) {
    char rule[64];
    snprintf(rule, sizeof(rule), "{\"acor\":[\"all\"],\"acop\":%u}", mask);
    for (unsigned op = 1; op <= 32; op *= 2) {
      q.operation = (uint8_t)op;
      assert_int_equal(outcome_of(rule, q), (mask & op) ? GH_PERMIT : GH_REFUSE);
    }
  }
}

static void test_trace(void **state)
{
  (void)state;
  gh_arena arena;
  gh_arena_init(&arena);
  gh_policy *policy = policy_of(
      &arena,
      "{\"acor\":[\"all\"],\"acop\":1},{\"acor\":[\"Cae2\"],\"acop\":2},{\"acor\":[\"all\"],\"acop\":2,"
      "\"acaf\":true}," CONTEXT("\"acip\":{\"ipv4\":[\"10.0.0.0/8\"]}") "," CONTEXT(
          "\"actw\":[\"* * 3 * * * *\"]") ",{\"acor\":[\"Cae1\"],\"acop\":2},{\"acor\":[\"all\"],\"acop\":2}");
  gh_policy_ref refs[2] = {{.id = GH_STR("acp-far"), .state = GH_REF_UNKNOWN},
                           {.id = GH_STR("acp-near"), .policy = policy, .state = GH_REF_PRESENT}};
  gh_question q = plain_question();
  gh_buf trace = GH_BUF_INIT;
  q.authenticated = false;
  q.policies = refs;
  q.policy_count = 2;
  assert_int_equal(gh_decide(&q, &trace).outcome, GH_PERMIT);
  assert_str(gh_buf_str(&trace),
             "policy acp-far: not fetched yet\n"
             "policy acp-near rule 0: the operation is not in acop\n"
             "policy acp-near rule 1: the originator is not in acor\n"
             "policy acp-near rule 2: acaf asks for an authenticated originator\n"
             "policy acp-near rule 3: a context cannot be evaluated (time, address or place unknown)\n"
             "policy acp-near rule 4: no context (acco) is satisfied\n"
             "policy acp-near rule 5: permits\n"
             "decision: permit (rule)\n");
  gh_buf_free(&trace);
  gh_policy_free(policy);
  gh_arena_free(&arena);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_tp01_unknown_context),
      cmocka_unit_test(test_tp01_clock_not_set),
      cmocka_unit_test(test_tp01_place_that_is_no_place),
      cmocka_unit_test(test_tp01_odd_address_families),
      cmocka_unit_test(test_tp01_three_values),
      cmocka_unit_test(test_tp03_originator_is_no_pattern),
      cmocka_unit_test(test_tp03_odd_names_match_themselves),
      cmocka_unit_test(test_tp03_roles_are_no_patterns),
      cmocka_unit_test(test_tp03_domain_is_no_originator),
      cmocka_unit_test(test_tp04_literal_characters),
      cmocka_unit_test(test_wildcards_take_bounded_time),
      cmocka_unit_test(test_tp06_each_field_counts),
      cmocka_unit_test(test_tp06_windows_are_or_ed),
      cmocka_unit_test(test_tp06_blanks_and_leading_zeros),
      cmocka_unit_test(test_tp06_calendar),
      cmocka_unit_test(test_distances),
      cmocka_unit_test(test_needs_only_when_nobody_present_permits),
      cmocka_unit_test(test_default_policy),
      cmocka_unit_test(test_tp08_missing_things),
      cmocka_unit_test(test_one_operation_at_a_time),
      cmocka_unit_test(test_each_bit_of_acop),
      cmocka_unit_test(test_trace),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
