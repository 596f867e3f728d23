/* Slices: comparing, cutting, numbers; secrets and diagnostics. */
#include "../m2m/cmocka_all.h"

#include "gatehouse/error.h"
#include "gatehouse/secret.h"

static void comparing(void **state)
{
  (void)state;
  assert_true(gh_str_eq(GH_STR_NONE, GH_STR("")));
  assert_false(gh_str_eq(GH_STR("a"), GH_STR("a\0")));
  assert_true(gh_str_eq_nocase(GH_STR("aZ09"), GH_STR("Az09")));
  assert_false(gh_str_eq_nocase(GH_STR("@["), GH_STR("`{"))); /* the neighbours of the letters */
  assert_false(gh_str_eq_nocase(GH_STR("\xc3\x84"), GH_STR("\xc3\xa4")));
  assert_true(gh_str_starts(GH_STR("abc"), GH_STR("")));
  assert_true(gh_str_starts(GH_STR("abc"), GH_STR("abc")));
  assert_false(gh_str_starts(GH_STR("ab"), GH_STR("abc")));
  assert_true(gh_str_ends(GH_STR("abc"), GH_STR("bc")));
  assert_false(gh_str_ends(GH_STR("bc"), GH_STR("abc")));
  assert_true(gh_str_ends(GH_STR_NONE, GH_STR_NONE));
}

static void cutting(void **state)
{
  (void)state;
  assert_str(gh_str_sub(GH_STR("abcdef"), 2, 3), "cde");
  assert_str(gh_str_sub(GH_STR("abcdef"), 4, SIZE_MAX), "ef");
  assert_str(gh_str_sub(GH_STR("abcdef"), 9, 1), "");
  assert_str(gh_str_sub(GH_STR_NONE, 1, 1), "");
  assert_int_equal(gh_str_find(GH_STR("a/b/c"), '/'), 1);
  assert_int_equal(gh_str_rfind(GH_STR("a/b/c"), '/'), 3);
  assert_int_equal(gh_str_find(GH_STR_NONE, '/'), SIZE_MAX);
  assert_int_equal(gh_str_rfind(GH_STR("abc"), '/'), SIZE_MAX);
}

static void splitting(void **state)
{
  (void)state;
  gh_str rest = GH_STR("a//b/"), part;
  static const char *const parts[] = {"a", "", "b", ""};
  for (size_t i = 0; i < 4; i++) {
    assert_true(gh_str_split(&rest, '/', &part));
    assert_str(part, parts[i]);
  }
  assert_false(gh_str_split(&rest, '/', &part));
  rest = GH_STR("");
  assert_true(gh_str_split(&rest, '/', &part)); /* empty text has one empty part, no text has none */
  assert_false(gh_str_split(&rest, '/', &part));
  rest = GH_STR_NONE;
  assert_false(gh_str_split(&rest, '/', &part));
}

static void numbers(void **state)
{
  (void)state;
  uint64_t value = 7;
  static const char *const bad[] = {"",
                                    "-1",
                                    "+1",
                                    " 1",
                                    "1 ",
                                    "0x1",
                                    "1.0",
                                    "1e3",
                                    "18446744073709551616",
                                    "99999999999999999999",
                                    "000000000000000000001"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    if (gh_str_to_u64(gh_str_of(bad[i]), &value)) fail_msg("%s", bad[i]);
  assert_int_equal(value, 7);
  assert_true(gh_str_to_u64(GH_STR("18446744073709551615"), &value));
  assert_true(value == UINT64_MAX);
  assert_true(gh_str_to_u64(GH_STR("007"), &value));
  assert_int_equal(value, 7);
}

static void to_c_strings(void **state)
{
  (void)state;
  char out[4] = "zzz";
  assert_true(gh_str_to_cstr(GH_STR("abc"), out, sizeof out));
  assert_string_equal(out, "abc");
  assert_false(gh_str_to_cstr(GH_STR("abcd"), out, sizeof out));
  assert_string_equal(out, "");
  assert_false(gh_str_to_cstr(GH_STR("a\0b"), out, sizeof out));
  assert_false(gh_str_to_cstr(GH_STR(""), out, 0));
  assert_true(gh_str_to_cstr(GH_STR_NONE, out, 1));
}

static void secrets(void **state)
{
  (void)state;
  gh_secret a = {.len = 0}, b = {.len = 0};
  char octets[GH_SECRET_MAX_BYTES + 1];
  memset(octets, 'k', sizeof octets);
  assert_true(gh_secret_equal(&a, &b));
  assert_int_equal(gh_secret_set(&a, octets, GH_SECRET_MAX_BYTES), GH_OK);
  assert_int_equal(gh_secret_set(&a, octets, GH_SECRET_MAX_BYTES + 1), GH_ELIMIT);
  assert_int_equal(a.len, GH_SECRET_MAX_BYTES); /* untouched by the refusal */
  assert_int_equal(gh_secret_set(&b, octets, GH_SECRET_MAX_BYTES - 1), GH_OK);
  assert_false(gh_secret_equal(&a, &b));
  assert_int_equal(b.bytes[GH_SECRET_MAX_BYTES - 1], 0);
  assert_int_equal(gh_secret_set(&a, "short", 5), GH_OK);
  for (size_t i = 5; i < sizeof a.bytes; i++) assert_int_equal(a.bytes[i], 0); /* nothing of the longer key is left */
  gh_secret_wipe(&a);
  assert_int_equal(a.len, 0);
  assert_int_equal(a.bytes[0], 0);
  gh_wipe(NULL, 5);
}

static void diagnostics(void **state)
{
  (void)state;
  gh_diag diag = {""};
  char longer[1000];
  memset(longer, 'x', sizeof longer - 1);
  longer[sizeof longer - 1] = '\0';
  assert_int_equal(gh_fail(&diag, GH_ESYNTAX, "%s", longer), GH_ESYNTAX);
  assert_int_equal(strlen(diag.text), sizeof diag.text - 1);
  assert_int_equal(gh_fail(NULL, GH_EIO, "nobody listens"), GH_EIO);
  for (int e = GH_OK; e <= GH_EINTERNAL; e++) assert_string_not_equal(gh_err_name((gh_err)e), "unknown");
  assert_string_equal(gh_err_name((gh_err)(GH_EINTERNAL + 1)), "unknown");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(comparing),   cmocka_unit_test(cutting),      cmocka_unit_test(splitting),
      cmocka_unit_test(numbers),     cmocka_unit_test(to_c_strings), cmocka_unit_test(secrets),
      cmocka_unit_test(diagnostics),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
