/* The CBOR reader and writer: what is accepted, what is refused and with which message, limits. */
#include "cmocka_all.h"

#include <math.h>

#include "cbor_file.h"
#include "m2m/cbor.h"
#include "m2m/json.h"

static gh_err parse(gh_arena *arena, gh_str octets, gh_val **out, gh_diag *diag)
{
  /* an exact copy on the heap, so that reading one octet too far is seen */
  char *copy = malloc(octets.len ? octets.len : 1);
  if (octets.len) memcpy(copy, octets.ptr, octets.len);
  gh_err err = gh_cbor_parse(arena, (gh_str){copy, octets.len}, NULL, out, diag);
  if (err == GH_OK) *out = gh_val_copy(arena, *out);
  free(copy);
  return err;
}

static gh_err parse_limited(gh_arena *arena, gh_str octets, gh_cbor_limits limits)
{
  gh_val *out;
  return gh_cbor_parse(arena, octets, &limits, &out, NULL);
}

static void accept_one(gh_arena *arena, const vector *v)
{
  gh_val *out = NULL, *json = NULL, *again = NULL;
  gh_diag diag = {{0}};
  gh_buf buf = GH_BUF_INIT;
  bool unchanged = gh_str_eq(v->column[3], GH_STR("="));
  gh_str want = octets_of_hex(arena, unchanged ? v->column[1] : v->column[3]);
  gh_str text = vector_octets(arena, v->column[2]);
  if (parse(arena, octets_of_hex(arena, v->column[1]), &out, &diag) != GH_OK)
    fail_msg("cbor_accept.txt:%d: %s", v->line, diag.text);
  assert_int_equal(gh_json_parse(arena, text, NULL, &json, NULL), GH_OK);
  if (!gh_val_equal(out, json)) fail_msg("cbor_accept.txt:%d: another value than its JSON", v->line);
  gh_json_write(&buf, out);
  if (!gh_str_eq(gh_buf_str(&buf), text)) fail_msg("cbor_accept.txt:%d: %.*s", v->line, GH_STR_ARG(gh_buf_str(&buf)));
  gh_buf_clear(&buf);
  gh_cbor_write(&buf, json);
  if (!gh_str_eq(gh_buf_str(&buf), want)) fail_msg("cbor_accept.txt:%d: written otherwise", v->line);
  assert_int_equal(parse(arena, gh_buf_str(&buf), &again, NULL), GH_OK);
  assert_true(gh_val_equal(out, again));
  gh_buf_free(&buf);
}

/*= TS-0004 8.5.1; 8.5.2; RFC 8949 3; 3.2.1; 3.2.3; 4.1; 4.2.1 */
static void accepts(void **state)
{
  (void)state;
  assert_true(vector_each("tests/vectors/m2m/cbor_accept.txt", accept_one) > 85);
}

static void refuse_one(gh_arena *arena, const vector *v)
{
  gh_val *out = NULL;
  gh_diag diag = {{0}};
  char want[32];
  gh_err err = parse(arena, octets_of_hex(arena, v->column[2]), &out, &diag);
  if (strncmp(gh_err_name(err), v->column[0].ptr, v->column[0].len) != 0)
    fail_msg("cbor_refuse.txt:%d: %s (%s)", v->line, gh_err_name(err), diag.text);
  assert_null(out);
  snprintf(want, sizeof want, "offset %.*s: ", GH_STR_ARG(v->column[1]));
  if (strncmp(diag.text, want, strlen(want)) != 0) fail_msg("cbor_refuse.txt:%d: %s", v->line, diag.text);
}

/*= TS-0004 8.5.1; RFC 8949 3; 3.2.3 what JSON cannot hold is no Content (TP-18) */
static void refuses(void **state)
{
  (void)state;
  assert_true(vector_each("tests/vectors/m2m/cbor_refuse.txt", refuse_one) > 120);
}

/* Every strict prefix of an accepted item is refused. */
static void prefixes_one(gh_arena *arena, const vector *v)
{
  gh_str whole = octets_of_hex(arena, v->column[1]);
  for (size_t len = 0; len < whole.len; len++) {
    gh_val *out = NULL;
    gh_diag diag = {{0}};
    assert_int_equal(parse(arena, gh_str_sub(whole, 0, len), &out, &diag), GH_ESYNTAX);
    assert_memory_equal(diag.text, "offset ", 7);
  }
}

static void refuses_what_is_cut(void **state)
{
  (void)state;
  assert_true(vector_each("tests/vectors/m2m/cbor_accept.txt", prefixes_one) > 85);
}

static void strings_borrow_from_the_octets(void **state)
{
  (void)state;
  gh_arena arena;
  gh_arena_init(&arena);
  gh_str octets = GH_STR("\xa2\x61p\x65stays\x61q\x7f\x62mo\x63ves\xff"), plain = GH_STR_NONE, chunked = GH_STR_NONE;
  gh_val *out;
  assert_int_equal(gh_cbor_parse(&arena, octets, NULL, &out, NULL), GH_OK);
  assert_true(gh_val_get_str(out, GH_STR("p"), &plain) && gh_val_get_str(out, GH_STR("q"), &chunked));
  assert_ptr_equal(plain.ptr, octets.ptr + 4);
  assert_str(chunked, "moves");
  assert_int_equal(gh_val_get(out, GH_STR("q"))->offset, 11);
  gh_arena_free(&arena);
}

static void limits_hold(void **state)
{
  (void)state;
  gh_arena arena;
  gh_arena_init(&arena);
  gh_cbor_limits flat = {.max_depth = 0, .max_values = 10}, few = {.max_depth = 3, .max_values = 3};
  assert_int_equal(parse_limited(&arena, GH_STR("\x01"), flat), GH_OK);
  assert_int_equal(parse_limited(&arena, GH_STR("\x80"), flat), GH_ELIMIT);
  assert_int_equal(parse_limited(&arena, GH_STR("\xa0"), flat), GH_ELIMIT);
  assert_int_equal(parse_limited(&arena, GH_STR("\x82\x01\x02"), few), GH_OK);
  assert_int_equal(parse_limited(&arena, GH_STR("\x83\x01\x02\x03"), few), GH_ELIMIT);
  assert_int_equal(parse_limited(&arena, GH_STR("\x81\x81\x80"), few), GH_OK);
  assert_int_equal(parse_limited(&arena, GH_STR("\x81\x9f\x81\x80\xff"), few), GH_ELIMIT);
  gh_arena_free(&arena);
}

/* The reader recurses, so its own cap stands above what a caller allows. */
static void depth_is_capped(void **state)
{
  (void)state;
  enum { LEVELS = 100000 };
  static const char openers[] = {(char)0x81, (char)0x9f};
  gh_arena arena;
  gh_arena_init(&arena);
  char *octets = malloc(LEVELS);
  for (size_t i = 0; i < sizeof openers; i++) {
    memset(octets, openers[i], LEVELS);
    gh_cbor_limits wide = {.max_depth = UINT32_MAX, .max_values = UINT32_MAX};
    assert_int_equal(parse_limited(&arena, (gh_str){octets, LEVELS}, wide), GH_ELIMIT);
    assert_int_equal(parse_limited(&arena, (gh_str){octets, LEVELS}, gh_cbor_default_limits), GH_ELIMIT);
  }
  free(octets);
  gh_arena_free(&arena);
}

/* TP-18: a head may announce anything; memory is taken for what is there. */
static void announced_lengths_cost_nothing(void **state)
{
  (void)state;
  static const char *const heads[] = {"9a7fffffff", "ba7fffffff", "9bffffffffffffff00", "5a7fffffff",
                                      "7b00000fffffffffff"};
  for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
    gh_arena arena;
    gh_val *out;
    gh_arena_init(&arena);
    gh_str octets = octets_of_hex(&arena, gh_str_of(heads[i]));
    size_t before = arena.total;
    assert_int_equal(gh_cbor_parse(&arena, octets, NULL, &out, NULL), GH_ESYNTAX);
    assert_true(arena.total - before < 256);
    gh_arena_free(&arena);
  }
}

static void write_members(gh_buf *buf, int count, int twice)
{
  gh_buf_add(buf, GH_STR("\xbf"));
  for (int i = 0; i <= count; i++) {
    gh_buf_add(buf, GH_STR("\x6c"));
    gh_buf_fmt(buf, "member%06d", i < count ? i : twice);
    gh_buf_add(buf, GH_STR("\xf6"));
  }
  gh_buf_add(buf, GH_STR("\xff"));
}

/* Beyond the small objects names are found by sorting: duplicates at every place, and in bounded time. */
static void large_maps_are_checked(void **state)
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
      assert_int_equal(gh_cbor_parse(&arena, gh_buf_str(&buf), NULL, &out, &diag), want);
      if (want != GH_OK) assert_non_null(strstr(diag.text, "duplicate member \"member"));
      gh_buf_free(&buf);
    }
    gh_arena_reset(&arena);
  }
  gh_buf huge = GH_BUF_INIT;
  write_members(&huge, 90000, 17);
  assert_int_equal(gh_cbor_parse(&arena, gh_buf_str(&huge), NULL, &out, &diag), GH_ESYNTAX);
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
  gh_str octets = GH_STR("\xa2\x65\x61\x1b\"\xc3\xa9\x01\x65\x61\x1b\"\xc3\xa9\x02");
  assert_int_equal(gh_cbor_parse(&arena, octets, NULL, &out, &diag), GH_ESYNTAX);
  assert_string_equal(diag.text, "offset 8: duplicate member \"a????\"");
  gh_arena_free(&arena);
}

static void writer_mends_foreign_octets(void **state)
{
  (void)state;
  gh_arena arena;
  gh_arena_init(&arena);
  gh_buf buf = GH_BUF_INIT;
  gh_val *out;
  gh_cbor_write(&buf, gh_val_str(&arena, GH_STR("a\xff\xed\xa0\x80z")));
  assert_str(gh_buf_str(&buf), "\x6e\x61\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz");
  assert_int_equal(gh_cbor_parse(&arena, gh_buf_str(&buf), NULL, &out, NULL), GH_OK);
  gh_buf_free(&buf);
  gh_arena_free(&arena);
}

static void numbers_cbor_content_cannot_hold(void **state)
{
  (void)state;
  gh_arena arena;
  gh_arena_init(&arena);
  gh_buf buf = GH_BUF_INIT;
  gh_cbor_write(&buf, gh_val_real(&arena, (double)INFINITY));
  gh_cbor_write(&buf, gh_val_real(&arena, (double)NAN));
  assert_str(gh_buf_str(&buf), "\xf6\xf6");
  gh_buf_free(&buf);
  gh_arena_free(&arena);
}

static void body_one(gh_arena *arena, const vector *v)
{
  gh_val *json = NULL, *cbor = NULL;
  gh_buf octets = GH_BUF_INIT, text = GH_BUF_INIT;
  assert_int_equal(gh_json_parse(arena, v->column[4], NULL, &json, NULL), GH_OK);
  gh_cbor_write(&octets, json);
  assert_true(octets.len < v->column[4].len);
  assert_int_equal(parse(arena, gh_buf_str(&octets), &cbor, NULL), GH_OK);
  gh_json_write(&text, cbor);
  assert_true(gh_str_eq(gh_buf_str(&text), v->column[4]));
  gh_buf_free(&octets);
  gh_buf_free(&text);
}

/* The bodies of the MAF and MEF messages go to CBOR and come back octet by octet. */
static void bodies_round_trip(void **state)
{
  (void)state;
  assert_true(vector_each("tests/vectors/m2m/bodies.txt", body_one) > 50);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(accepts),
      cmocka_unit_test(refuses),
      cmocka_unit_test(refuses_what_is_cut),
      cmocka_unit_test(strings_borrow_from_the_octets),
      cmocka_unit_test(limits_hold),
      cmocka_unit_test(depth_is_capped),
      cmocka_unit_test(announced_lengths_cost_nothing),
      cmocka_unit_test(large_maps_are_checked),
      cmocka_unit_test(messages_are_printable),
      cmocka_unit_test(writer_mends_foreign_octets),
      cmocka_unit_test(numbers_cbor_content_cannot_hold),
      cmocka_unit_test(bodies_round_trip),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
