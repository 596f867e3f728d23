/* The JSON reader and writer: what is accepted, what is refused and with which message, round trips. */
#include "cmocka_all.h"

#include <locale.h>
#include <math.h>

#include "m2m/json.h"
#include "vector_file.h"

static gh_err parse(gh_arena *arena, gh_str text, gh_val **out, gh_diag *diag)
{
  /* an exact copy on the heap, so that reading one octet too far is seen */
  char *copy = malloc(text.len ? text.len : 1);
  if (text.len) memcpy(copy, text.ptr, text.len);
  gh_err err = gh_json_parse(arena, (gh_str){copy, text.len}, NULL, out, diag);
  if (err == GH_OK) *out = gh_val_copy(arena, *out);
  free(copy);
  return err;
}

static void refuse_one(gh_arena *arena, const vector *v)
{
  gh_val *out = NULL;
  gh_diag diag = {{0}};
  char want[32];
  gh_err err = parse(arena, vector_octets(arena, v->column[2]), &out, &diag);
  if (strncmp(gh_err_name(err), v->column[0].ptr, v->column[0].len) != 0)
    fail_msg("json_refuse.txt:%d: %s (%s)", v->line, gh_err_name(err), diag.text);
  assert_null(out);
  snprintf(want, sizeof want, "offset %.*s: ", GH_STR_ARG(v->column[1]));
  if (strncmp(diag.text, want, strlen(want)) != 0) fail_msg("json_refuse.txt:%d: %s", v->line, diag.text);
}

/*= TS-0004 8.4; only well-formed JSON, member names unique */
static void refuses(void **state)
{
  (void)state;
  assert_true(vector_each("tests/vectors/m2m/json_refuse.txt", refuse_one) > 60);
}

static void accept_one(gh_arena *arena, const vector *v)
{
  gh_val *out = NULL, *again = NULL;
  gh_diag diag = {{0}};
  gh_buf buf = GH_BUF_INIT;
  gh_str want = vector_octets(arena, v->column[1]);
  if (parse(arena, vector_octets(arena, v->column[0]), &out, &diag) != GH_OK)
    fail_msg("json_accept.txt:%d: %s", v->line, diag.text);
  gh_json_write(&buf, out);
  if (!gh_str_eq(gh_buf_str(&buf), want)) fail_msg("json_accept.txt:%d: %.*s", v->line, GH_STR_ARG(gh_buf_str(&buf)));
  assert_int_equal(parse(arena, gh_buf_str(&buf), &again, &diag), GH_OK);
  assert_true(gh_val_equal(out, again));
  gh_buf_free(&buf);
}

static void accepts(void **state)
{
  (void)state;
  assert_true(vector_each("tests/vectors/m2m/json_accept.txt", accept_one) > 25);
}

static void body_one(gh_arena *arena, const vector *v)
{
  gh_val *out = NULL, *pretty = NULL;
  gh_buf buf = GH_BUF_INIT;
  uint64_t length;
  assert_int_equal(v->count, 5);
  assert_int_equal(parse(arena, v->column[4], &out, NULL), GH_OK);
  gh_json_write(&buf, out);
  assert_true(gh_str_eq(gh_buf_str(&buf), v->column[4]));
  if (gh_str_to_u64(v->column[3], &length)) assert_int_equal(buf.len, length);
  gh_buf_clear(&buf);
  gh_json_write_pretty(&buf, out);
  assert_int_equal(buf.ptr[buf.len - 1], '\n');
  assert_int_equal(parse(arena, gh_buf_str(&buf), &pretty, NULL), GH_OK);
  assert_true(gh_val_equal(out, pretty));
  gh_buf_free(&buf);
}

/* Our writer gives back the published bodies octet by octet. */
static void bodies_round_trip(void **state)
{
  (void)state;
  assert_true(vector_each("tests/vectors/m2m/bodies.txt", body_one) > 50);
}

static void strings_borrow_from_the_text(void **state)
{
  (void)state;
  gh_arena arena;
  gh_arena_init(&arena);
  gh_str text = GH_STR("{\"plain\":\"stays\",\"escaped\":\"m\\u006fves\"}"), plain = GH_STR_NONE,
         escaped = GH_STR_NONE;
  gh_val *out;
  assert_int_equal(gh_json_parse(&arena, text, NULL, &out, NULL), GH_OK);
  assert_true(gh_val_get_str(out, GH_STR("plain"), &plain) && gh_val_get_str(out, GH_STR("escaped"), &escaped));
  assert_ptr_equal(plain.ptr, text.ptr + 10);
  assert_str(escaped, "moves");
  assert_int_equal(gh_val_get(out, GH_STR("escaped"))->offset, 27);
  gh_arena_free(&arena);
}

static void limits_hold(void **state)
{
  (void)state;
  gh_arena arena;
  gh_arena_init(&arena);
  gh_val *out;
  gh_json_limits flat = {.max_depth = 0, .max_values = 10}, few = {.max_depth = 3, .max_values = 3};
  assert_int_equal(gh_json_parse(&arena, GH_STR("1"), &flat, &out, NULL), GH_OK);
  assert_int_equal(gh_json_parse(&arena, GH_STR("[]"), &flat, &out, NULL), GH_ELIMIT);
  assert_int_equal(gh_json_parse(&arena, GH_STR("[1,2]"), &few, &out, NULL), GH_OK);
  assert_int_equal(gh_json_parse(&arena, GH_STR("[1,2,3]"), &few, &out, NULL), GH_ELIMIT);
  assert_int_equal(gh_json_parse(&arena, GH_STR("[[[]]]"), &few, &out, NULL), GH_OK);
  gh_arena_free(&arena);
}

/* The reader recurses, so its own cap stands above what a caller allows. */
static void depth_is_capped(void **state)
{
  (void)state;
  enum { LEVELS = 100000 };
  gh_arena arena;
  gh_arena_init(&arena);
  gh_json_limits wide = {.max_depth = UINT32_MAX, .max_values = UINT32_MAX};
  char *text = malloc(LEVELS);
  gh_val *out;
  memset(text, '[', LEVELS);
  assert_int_equal(gh_json_parse(&arena, (gh_str){text, LEVELS}, &wide, &out, NULL), GH_ELIMIT);
  free(text);
  gh_arena_free(&arena);
}

static void write_members(gh_buf *buf, int count, int twice)
{
  (void)gh_buf_reserve(buf, (size_t)count * 32 + 64);
  gh_buf_add_char(buf, '{');
  for (int i = 0; i < count; i++) gh_buf_fmt(buf, "\"member%d\":%d,", i, i);
  gh_buf_fmt(buf, "\"member%d\":0}", twice);
}

/* Beyond the small objects names are found by sorting: duplicates at every place, and in bounded time. */
static void large_objects_are_checked(void **state)
{
  (void)state;
  gh_arena arena;
  gh_arena_init(&arena);
  gh_val *out;
  gh_diag diag = {{0}};
  for (int count = 20; count < 60; count++) {
    for (int twice = 0; twice <= count; twice++) {
      gh_buf buf = GH_BUF_INIT;
      write_members(&buf, count, twice);
      gh_err want = twice < count ? GH_ESYNTAX : GH_OK;
      assert_int_equal(gh_json_parse(&arena, gh_buf_str(&buf), NULL, &out, &diag), want);
      if (want != GH_OK) assert_non_null(strstr(diag.text, "duplicate member \"member"));
      gh_buf_free(&buf);
    }
    gh_arena_reset(&arena);
  }
  gh_buf huge = GH_BUF_INIT;
  write_members(&huge, 90000, 17);
  assert_int_equal(gh_json_parse(&arena, gh_buf_str(&huge), NULL, &out, &diag), GH_ESYNTAX);
  gh_buf_free(&huge);
  gh_arena_free(&arena);
}

/* Names from outside reach messages without control characters. */
static void messages_are_printable(void **state)
{
  (void)state;
  gh_arena arena;
  gh_arena_init(&arena);
  gh_val *out;
  gh_diag diag = {{0}};
  gh_str text = GH_STR("{\"a\\u001b\\\"\xc3\xa9\":1,\"a\\u001b\\\"\xc3\xa9\":2}");
  assert_int_equal(gh_json_parse(&arena, text, NULL, &out, &diag), GH_ESYNTAX);
  assert_string_equal(diag.text, "offset 17: duplicate member \"a????\"");
  gh_arena_free(&arena);
}

static void writer_mends_foreign_octets(void **state)
{
  (void)state;
  gh_buf buf = GH_BUF_INIT;
  gh_json_write_string(&buf, GH_STR("a\xff\xed\xa0\x80\0\x1f"));
  assert_str(gh_buf_str(&buf), "\"a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\\u0000\\u001f\"");
  gh_buf_free(&buf);
}

static void numbers_json_cannot_hold(void **state)
{
  (void)state;
  gh_arena arena;
  gh_arena_init(&arena);
  gh_buf buf = GH_BUF_INIT;
  gh_json_write(&buf, gh_val_real(&arena, (double)INFINITY));
  gh_json_write(&buf, gh_val_real(&arena, (double)NAN));
  assert_str(gh_buf_str(&buf), "nullnull");
  gh_buf_free(&buf);
  gh_arena_free(&arena);
}

/* A process may run under a locale whose decimal point is a comma. */
static void locale_does_not_matter(void **state)
{
  (void)state;
  static const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "ps_AF", "C"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (setlocale(LC_NUMERIC, names[i]))
      assert_true(vector_each("tests/vectors/m2m/json_accept.txt", accept_one) > 25);
  setlocale(LC_NUMERIC, "C");
}

static void pretty_form(void **state)
{
  (void)state;
  gh_arena arena;
  gh_arena_init(&arena);
  gh_val *out;
  gh_buf buf = GH_BUF_INIT;
  assert_int_equal(gh_json_parse(&arena, GH_STR("{\"a\":[1,{}],\"b\":[]}"), NULL, &out, NULL), GH_OK);
  gh_json_write_pretty(&buf, out);
  assert_str(gh_buf_str(&buf), "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": []\n}\n");
  gh_buf_free(&buf);
  gh_arena_free(&arena);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(refuses),
      cmocka_unit_test(accepts),
      cmocka_unit_test(bodies_round_trip),
      cmocka_unit_test(strings_borrow_from_the_text),
      cmocka_unit_test(limits_hold),
      cmocka_unit_test(depth_is_capped),
      cmocka_unit_test(large_objects_are_checked),
      cmocka_unit_test(messages_are_printable),
      cmocka_unit_test(writer_mends_foreign_octets),
      cmocka_unit_test(numbers_json_cannot_hold),
      cmocka_unit_test(locale_does_not_matter),
      cmocka_unit_test(pretty_form),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
