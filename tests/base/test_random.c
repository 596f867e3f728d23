/* Random identifiers, and the stream that makes tests repeatable. */
#include "../m2m/cmocka_all.h"

#include "base/clock.h"
#include "base/random.h"

static void ids_are_hexadecimal_and_differ(void **state)
{
  (void)state;
  enum { COUNT = 2000 };
  gh_arena arena;
  gh_arena_init(&arena);
  gh_random random = gh_random_system();
  static gh_str ids[COUNT];
  for (size_t i = 0; i < COUNT; i++) {
    assert_int_equal(gh_random_id(&random, &arena, GH_STR("C"), 8, &ids[i]), GH_OK);
    assert_int_equal(ids[i].len, 17);
    assert_int_equal(ids[i].ptr[0], 'C');
    assert_int_equal(strspn(ids[i].ptr + 1, "0123456789ABCDEF"), 16);
    for (size_t k = 0; k < i; k++) assert_false(gh_str_eq(ids[i], ids[k]));
  }
  gh_arena_free(&arena);
}

static void bounds(void **state)
{
  (void)state;
  gh_arena arena;
  gh_arena_init(&arena);
  gh_random random = gh_random_system();
  gh_str id = GH_STR("untouched");
  assert_int_equal(gh_random_id(&random, &arena, GH_STR_NONE, 65, &id), GH_ELIMIT);
  assert_str(id, "untouched");
  assert_int_equal(gh_random_id(&random, &arena, GH_STR_NONE, 64, &id), GH_OK);
  assert_int_equal(id.len, 128);
  assert_int_equal(gh_random_id(&random, &arena, GH_STR("x"), 0, &id), GH_OK);
  assert_str(id, "x");
  gh_arena_free(&arena);
}

static gh_err no_randomness(void *ctx, void *out, size_t len)
{
  (void)ctx;
  (void)out;
  (void)len;
  return GH_EIO;
}

static void a_source_that_fails_gives_no_id(void **state)
{
  (void)state;
  gh_arena arena;
  gh_arena_init(&arena);
  gh_random random = {no_randomness, NULL};
  gh_str id = GH_STR_NONE;
  assert_int_equal(gh_random_id(&random, &arena, GH_STR("C"), 8, &id), GH_EIO);
  assert_null(id.ptr);
  gh_arena_free(&arena);
}

static void a_seed_repeats_itself(void **state)
{
  (void)state;
  uint64_t one = 42, two = 42, other = 43;
  uint8_t a[64], b[64], c[64];
  gh_random first = gh_random_of_seed(&one), second = gh_random_of_seed(&two), third = gh_random_of_seed(&other);
  assert_int_equal(gh_random_fill(&first, a, sizeof a), GH_OK);
  assert_int_equal(gh_random_fill(&second, b, 10), GH_OK);
  assert_int_equal(gh_random_fill(&second, b + 10, sizeof b - 10), GH_OK); /* the cut does not matter */
  assert_int_equal(gh_random_fill(&third, c, sizeof c), GH_OK);
  assert_memory_equal(a, b, sizeof a);
  assert_memory_not_equal(a, c, sizeof a);
}

static void clocks(void **state)
{
  (void)state;
  gh_clock_fixed fixed = {.now_us = 5};
  gh_clock clock = gh_clock_of_fixed(&fixed), system = gh_clock_system();
  assert_int_equal(gh_clock_wall_us(&clock), 5);
  fixed.now_us = 6;
  assert_int_equal(gh_clock_mono_us(&clock), 6);
  int64_t before = gh_clock_mono_us(&system);
  assert_true(gh_clock_mono_us(&system) >= before);
  assert_true(gh_clock_wall_us(&system) > INT64_C(1700000000) * GH_US_PER_S);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ids_are_hexadecimal_and_differ),
      cmocka_unit_test(bounds),
      cmocka_unit_test(a_source_that_fails_gives_no_id),
      cmocka_unit_test(a_seed_repeats_itself),
      cmocka_unit_test(clocks),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
