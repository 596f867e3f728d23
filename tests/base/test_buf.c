/* Buffer: growing, consuming, and staying small while it is filled and emptied at the same pace (TP-18). */
#include "../m2m/cmocka_all.h"

#include <string.h>

#include "base/buf.h"

static void grows_and_keeps_what_was_written(void **state)
{
  (void)state;
  gh_buf buf = GH_BUF_INIT;
  gh_buf_add(&buf, GH_STR_NONE);
  assert_null(buf.ptr);
  for (int i = 0; i < 1000; i++) gh_buf_fmt(&buf, "%03d,", i);
  gh_buf_add_u64(&buf, 0);
  gh_buf_add_u64(&buf, UINT64_MAX);
  gh_buf_add_char(&buf, '\0');
  assert_int_equal(buf.len, 4000 + 1 + 20 + 1);
  assert_memory_equal(buf.ptr, "000,001,", 8);
  assert_memory_equal(buf.ptr + 3996, "999,018446744073709551615", 26);
  gh_buf_clear(&buf);
  assert_int_equal(buf.len, 0);
  assert_true(buf.cap >= 4022);
  gh_buf_free(&buf);
  assert_null(buf.ptr);
}

static void reserve_gives_room_for_what_was_asked(void **state)
{
  (void)state;
  gh_buf buf = GH_BUF_INIT;
  for (size_t more = 1; more < 100000; more = more * 3 + 1) {
    memset(gh_buf_reserve(&buf, more), 'x', more);
    gh_buf_added(&buf, more);
  }
  gh_buf_fmt(&buf, "%s", "");
  gh_buf_wipe_free(&buf);
}

static void consuming_everything_starts_anew(void **state)
{
  (void)state;
  gh_buf buf = GH_BUF_INIT;
  assert_int_equal(gh_buf_rest(&buf).len, 0);
  gh_buf_add(&buf, GH_STR("one two"));
  gh_buf_consume(&buf, 4);
  assert_str(gh_buf_rest(&buf), "two");
  gh_buf_consume(&buf, 3);
  assert_int_equal(buf.pos, 0);
  assert_int_equal(buf.len, 0);
  gh_buf_consume(&buf, 0);
  gh_buf_free(&buf);
}

/* A peer that reads slowly but steadily never lets the buffer become empty: its memory is bounded all the same. */
static void memory_follows_the_rest_not_the_total(void **state)
{
  (void)state;
  gh_buf buf = GH_BUF_INIT;
  char piece[1000];
  uint8_t written = 0, read = 0;
  for (size_t i = 0; i < sizeof piece; i++) piece[i] = (char)written++;
  gh_buf_add_bytes(&buf, piece, sizeof piece);
  for (int round = 0; round < 20000; round++) {
    for (size_t i = 0; i < sizeof piece; i++) piece[i] = (char)written++;
    gh_buf_add_bytes(&buf, piece, sizeof piece);
    gh_str rest = gh_buf_rest(&buf);
    for (size_t i = 0; i < sizeof piece; i++)
      if ((uint8_t)rest.ptr[i] != read++) fail_msg("round %d octet %zu", round, i);
    gh_buf_consume(&buf, sizeof piece);
  }
  assert_int_equal(gh_buf_rest(&buf).len, sizeof piece);
  assert_true(buf.cap <= 16 * sizeof piece);
  gh_buf_free(&buf);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(grows_and_keeps_what_was_written),
      cmocka_unit_test(reserve_gives_room_for_what_was_asked),
      cmocka_unit_test(consuming_everything_starts_anew),
      cmocka_unit_test(memory_follows_the_rest_not_the_total),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
