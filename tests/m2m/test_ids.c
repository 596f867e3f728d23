/* Identifiers: grammar, canonical form, shortest form, FQDN form, each rule with its counterexample. */
#include "cmocka_all.h"

#include "m2m/ids.h"
#include "vector_file.h"

static const gh_self self = {
    .sp_fqdn = {"sp.example.com", 14}, .cse_id = {"in-cse", 6}, .cse_rn = {"cse-in", 6}, .in_cse = {"in-cse", 6}};

static const char *kind_name(gh_id_kind kind)
{
  switch (kind) {
  case GH_ID_INVALID: return "INVALID";
  case GH_ID_SP: return "SP";
  case GH_ID_CSE: return "CSE";
  case GH_ID_AE_C: return "AE_C";
  case GH_ID_AE_S: return "AE_S";
  case GH_ID_OTHER: return "OTHER";
  }
  return "?";
}

static void id_one(gh_arena *arena, const vector *v)
{
  gh_str text = vector_octets(arena, v->column[0]), absolute, again, fqdn;
  if (!gh_str_eq(gh_str_of(kind_name(gh_id_parse(text).kind)), v->column[1])) fail_msg("ids.txt:%d: kind", v->line);
  gh_err err = gh_id_absolute(arena, &self, text, &absolute);
  if (gh_str_eq(v->column[2], GH_STR("-"))) {
    assert_int_equal(err, GH_ESYNTAX);
    return;
  }
  if (err != GH_OK || !gh_str_eq(absolute, v->column[2])) fail_msg("ids.txt:%d: %.*s", v->line, GH_STR_ARG(absolute));
  assert_int_equal(gh_id_absolute(arena, &self, absolute, &again), GH_OK);
  assert_true(gh_str_eq(absolute, again));
  gh_str relative = gh_id_relative(arena, &self, absolute);
  if (!gh_str_eq(relative, v->column[3])) fail_msg("ids.txt:%d: %.*s", v->line, GH_STR_ARG(relative));
  assert_int_equal(gh_id_absolute(arena, &self, relative, &again), GH_OK);
  assert_true(gh_str_eq(absolute, again));
  err = gh_id_fqdn_form(arena, &self, absolute, &fqdn);
  if (gh_str_eq(v->column[4], GH_STR("-")))
    assert_int_equal(err, GH_EUNSUPPORTED);
  else if (err != GH_OK || !gh_str_eq(fqdn, v->column[4]))
    fail_msg("ids.txt:%d: FQDN form", v->line);
}

/*= TS-0001 7.2; forms of M2M-SP-ID, CSE-ID and AE-ID */
/*= TS-0003 7.1.5; one canonical form for every comparison */
/*= TS-0004 7.3.2.6; shortest form toward the own CSE, the own SP, others */
/*= TS-0003 10.3.7; FQDN form */
static void identifiers(void **state)
{
  (void)state;
  assert_true(vector_each("tests/vectors/m2m/ids.txt", id_one) > 45);
}

static void own_cse(void **state)
{
  (void)state;
  gh_arena arena;
  gh_arena_init(&arena);
  gh_str out;
  gh_self mn = {GH_STR("SP.example.com"), GH_STR("mn-cse-7"), GH_STR("cse-mn"), GH_STR("in-cse")};
  assert_str(gh_self_cse_absolute(&arena, &mn), "//sp.example.com/mn-cse-7");
  assert_int_equal(gh_id_absolute(&arena, &mn, GH_STR("Cae1"), &out), GH_OK);
  assert_str(out, "//sp.example.com/mn-cse-7/Cae1");
  assert_str(gh_id_relative(&arena, &mn, GH_STR("//sp.example.com/in-cse/Cae1")), "/in-cse/Cae1");
  assert_str(gh_id_relative(&arena, &mn, GH_STR("//sp.example.com/mn-cse-7/Cae1")), "Cae1");
  assert_int_equal(gh_id_fqdn_form(&arena, &mn, out, &out), GH_OK);
  assert_str(out, "Cae1.mn-cse-7.in-cse.sp.example.com");
  assert_int_equal(gh_id_fqdn_form(&arena, &mn, GH_STR("maf.example.com"), &out), GH_OK);
  assert_str(out, "maf.example.com");
  assert_int_equal(gh_id_fqdn_form(&arena, &mn, GH_STR("/in-cse/Cae1"), &out), GH_ESYNTAX);
  assert_int_equal(gh_id_fqdn_form(&arena, &mn, GH_STR("a b"), &out), GH_ESYNTAX);
  gh_arena_free(&arena);
}

static gh_str repeat(gh_arena *arena, char c, size_t len)
{
  char *text = gh_arena_alloc(arena, len);
  memset(text, c, len);
  return (gh_str){text, len};
}

static void lengths(void **state)
{
  (void)state;
  gh_arena arena;
  gh_arena_init(&arena);
  assert_true(gh_stem_valid(repeat(&arena, 'a', 128)) && !gh_stem_valid(repeat(&arena, 'a', 129)));
  assert_true(gh_resource_name_valid(repeat(&arena, 'a', 128)) && !gh_resource_name_valid(repeat(&arena, 'a', 129)));
  assert_true(gh_fqdn_valid(repeat(&arena, 'a', 63)) && !gh_fqdn_valid(repeat(&arena, 'a', 64)));
  gh_str label = repeat(&arena, 'a', 62);
  gh_str long_name = gh_arena_fmt(&arena, "%.*s.%.*s.%.*s.%.*s.", GH_STR_ARG(label), GH_STR_ARG(label),
                                  GH_STR_ARG(label), GH_STR_ARG(label));
  assert_int_equal(long_name.len, 252);
  assert_true(gh_fqdn_valid(gh_arena_fmt(&arena, "%.*sa", GH_STR_ARG(long_name))));
  assert_false(gh_fqdn_valid(gh_arena_fmt(&arena, "%.*saa", GH_STR_ARG(long_name))));
  gh_arena_free(&arena);
}

typedef struct sample {
  gh_str text;
  bool valid;
} sample;

static void each_sample(bool (*valid)(gh_str), const sample *samples, size_t count)
{
  for (size_t i = 0; i < count; i++)
    if (valid(samples[i].text) != samples[i].valid) fail_msg("%.*s", GH_STR_ARG(samples[i].text));
}
#define SAMPLES(valid, ...)                                                                                          \
  each_sample((valid), (const sample[]){__VA_ARGS__}, sizeof((sample[]){__VA_ARGS__}) / sizeof(sample))

static void grammars(void **state)
{
  (void)state;
  SAMPLES(gh_fqdn_valid, {GH_STR("sp.example.com"), true}, {GH_STR("A-1.b"), true}, {GH_STR("localhost"), true},
          {GH_STR(""), false}, {GH_STR("a."), false}, {GH_STR(".a"), false}, {GH_STR("a..b"), false},
          {GH_STR("-a"), false}, {GH_STR("a-"), false}, {GH_STR("a_b"), false}, {GH_STR("a b"), false},
          {GH_STR("a\0b"), false}, {GH_STR("\xc3\xa9.com"), false}, {GH_STR("a/b"), false}, {GH_STR("a:1"), false});
  SAMPLES(gh_stem_valid, {GH_STR("a"), true}, {GH_STR("-._~Az09"), true}, {GH_STR("..."), true}, {GH_STR(""), false},
          {GH_STR("."), false}, {GH_STR(".."), false}, {GH_STR("a/b"), false}, {GH_STR("a%41"), false});
  SAMPLES(gh_resource_name_valid, {GH_STR("cnt1"), true}, {GH_STR("9-._~"), true}, {GH_STR(""), false},
          {GH_STR("-"), false}, {GH_STR("~a"), false}, {GH_STR("a b"), false}, {GH_STR("a/b"), false},
          {GH_STR("a#b"), false});
  /*= TS-0001 7.2; an App-ID begins with R or N */
  SAMPLES(gh_app_id_valid, {GH_STR("N.demo"), true}, {GH_STR("Rabc.com.example.app"), true}, {GH_STR("r1"), true},
          {GH_STR("N"), true}, {GH_STR(""), false}, {GH_STR("demo"), false}, {GH_STR("n1"), false},
          {GH_STR("N\n"), false}, {GH_STR("N\x7f"), false}, {GH_STR("N\xc3\xa9"), false}, {GH_STR("\0"), false});
  /*= TS-0004 6.3.3; Role-ID and Token-ID */
  SAMPLES(gh_role_or_token_id_valid, {GH_STR("1234abcd@role-issuer.com"), true}, {GH_STR("a.b_c-d@x"), true},
          {GH_STR("@x"), false}, {GH_STR("a@"), false}, {GH_STR("a"), false}, {GH_STR("a@X.com"), false},
          {GH_STR("a~@x"), false}, {GH_STR("a@b@c"), false}, {GH_STR("a b@c"), false});
}

/*= TS-0004 7.3.2.8 another M2M-SP-ID is another provider, and no part of a name is */
static void of_another_provider(void **state)
{
  (void)state;
  static const struct {
    const char *text;
    bool foreign;
  } cases[] = {
      {"//sp.example.com/in-cse", false},
      {"//SP.Example.com/in-cse/Cx", false},
      {"//sp.example.com", false},
      {"//sp2.example.net/in-cse", true},
      {"//sp2.example.net", true},
      {"//sp.example.com.evil.org/x", true},
      {"//sub.sp.example.com/in-cse", true},
      {"//sp.example.co/in-cse", true},
      {"/sp2.example.net/x", false},
      {"Cx", false},
      {"", false},
      {"//", true},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    if (gh_id_is_foreign(&self, gh_str_of(cases[i].text)) != cases[i].foreign) fail_msg("%s", cases[i].text);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(identifiers),
      cmocka_unit_test(own_cse),
      cmocka_unit_test(lengths),
      cmocka_unit_test(grammars),
      cmocka_unit_test(of_another_provider),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
