/* Runs tests/vectors/authz/decision-corpus.json: one policy, one request, one expected outcome a case. */
#include "authz_fixture.h"

#include <stdio.h>
#include <stdlib.h>

static gh_str read_all(gh_arena *arena, const char *path)
{
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  enum { MAX = 1 << 20 };
  char *text = gh_arena_alloc(arena, MAX);
  size_t len = fread(text, 1, MAX, file);
  fclose(file);
  return (gh_str){text, len};
}

static uint8_t operation_of(const gh_val *request)
{
  static const char *const names[] = {"CREATE", "RETRIEVE", "UPDATE", "DELETE", "NOTIFY", "DISCOVERY"};
  gh_str op = GH_STR("RETRIEVE");
  gh_val_get_str(request, GH_STR("op"), &op);
  for (unsigned bit = 0; bit < 6; bit++) {
    if (gh_str_eq(op, gh_str_of(names[bit]))) return (uint8_t)(1u << bit);
  }
  fail_msg("unknown operation %.*s", GH_STR_ARG(op));
  return 0;
}

static double number_of(const gh_val *v)
{
  return v->type == GH_VAL_INT ? (double)v->u.integer : v->u.real;
}

static gh_place place_of(const gh_val *request)
{
  gh_place place = {.has_point = false};
  gh_str country;
  const gh_val *point = gh_val_get(request, GH_STR("point"));
  const gh_val *uncertainty = gh_val_get(request, GH_STR("uncertainty"));
  if (gh_val_get_str(request, GH_STR("country"), &country)) {
    place.has_country = true;
    memcpy(place.country, country.ptr, 2);
  }
  if (point) {
    place.has_point = true;
    place.latitude = number_of(point->u.array.first);
    place.longitude = number_of(point->u.array.first->next);
  }
  if (uncertainty) place.uncertainty_m = number_of(uncertainty);
  return place;
}

static void roles_of(gh_arena *arena, const gh_val *request, gh_question *q)
{
  const gh_val *roles = gh_val_get(request, GH_STR("roles"));
  if (!roles) return;
  gh_str *texts = GH_NEW_ARRAY(arena, gh_str, roles->u.array.count);
  for (const gh_val *role = roles->u.array.first; role; role = role->next) texts[q->role_count++] = role->u.str;
  q->roles = texts;
}

static gh_question question_of(gh_arena *arena, const gh_val *request)
{
  gh_question q = plain_question();
  gh_str text = GH_STR("Cae1");
  int64_t number = 0;
  gh_val_get_str(request, GH_STR("from"), &text);
  assert_int_equal(gh_id_absolute(arena, test_self(), text, &q.from), GH_OK);
  gh_val_get_bool(request, GH_STR("authenticated"), &q.authenticated);
  q.operation = operation_of(request);
  if (gh_val_get_int(request, GH_STR("ty"), &number)) q.child_ty = (uint32_t)number;
  if (gh_val_get_int(request, GH_STR("target_ty"), &number)) q.target_ty = (uint32_t)number;
  gh_val_get_str(request, GH_STR("cnd"), &q.target_cnd);
  gh_val_get_int(request, GH_STR("mgd"), &q.target_mgd);
  if (gh_val_get_str(request, GH_STR("time"), &text)) assert_int_equal(gh_timestamp_parse(text, &q.time_us), GH_OK);
  if (gh_val_get_str(request, GH_STR("ip"), &text)) q.peer = addr_of(text);
  q.place = place_of(request);
  roles_of(arena, request, &q);
  return q;
}

static const char *outcome_name(gh_arena *arena, gh_val *one)
{
  gh_val *set = gh_val_wrap(arena, GH_STR("acr"), gh_val_get(one, GH_STR("rules")));
  gh_policy *policy;
  gh_diag diag = {""};
  gh_err err = gh_policy_compile(set, test_self(), &policy, &diag);
  if (err == GH_ESYNTAX) return "refused-at-write";
  if (err != GH_OK) fail_msg("%s", diag.text);
  gh_decision d = decide_one(policy, question_of(arena, gh_val_get(one, GH_STR("request"))));
  gh_policy_free(policy);
  assert_true(d.outcome != GH_PERMIT || (strcmp(d.reason, "rule") == 0 && d.policy_index == 0));
  return d.outcome == GH_PERMIT ? "permit" : d.outcome == GH_REFUSE ? "refuse" : "needs";
}

/*= TS-0003 7.1.3 */
/*= TS-0003 7.1.4 */
/*= TS-0003 7.1.5 */
/*= TS-0004 6.3.4.2.29 */
static void test_corpus(void **state)
{
  (void)state;
  gh_arena arena;
  gh_arena_init(&arena);
  gh_val *file = parse_json(&arena, read_all(&arena, "tests/vectors/authz/decision-corpus.json"));
  gh_val *cases = gh_val_get(file, GH_STR("cases"));
  size_t wrong = 0;
  for (gh_val *one = cases->u.array.first; one; one = one->next) {
    gh_str want = GH_STR_NONE, why = GH_STR_NONE;
    int64_t n = 0;
    gh_val_get_int(one, GH_STR("n"), &n);
    gh_val_get_str(one, GH_STR("expect"), &want);
    gh_val_get_str(one, GH_STR("why"), &why);
    const char *got = outcome_name(&arena, one);
    if (gh_str_eq(gh_str_of(got), want)) continue;
    print_error("case %lld: got %s, want %.*s (%.*s)\n", (long long)n, got, GH_STR_ARG(want), GH_STR_ARG(why));
    wrong++;
  }
  assert_int_equal(wrong, 0);
  assert_int_equal(cases->u.array.count, 59 + 29);
  gh_arena_free(&arena);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_corpus)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
