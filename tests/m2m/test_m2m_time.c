/* Timestamps: grammar, impossible dates, relative forms; dates beside the C library's calendar. */
#include "cmocka_all.h"

#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "m2m/m2m_time.h"

typedef struct sample {
  const char *text;
  gh_err err;
  int64_t us;
} sample;

/*= TS-0004 6.3.3; m2m:timestamp */
static void timestamps(void **state)
{
  (void)state;
  const sample samples[] = {
      {"19700101T000000", GH_OK, 0},
      {"20270101T080000", GH_OK, INT64_C(1798790400000000)},
      {"20270101T080000,5", GH_OK, INT64_C(1798790400500000)},
      {"20270101T080000,000001", GH_OK, INT64_C(1798790400000001)},
      {"19691231T235959,999999", GH_OK, -1},
      {"20240229T120000", GH_OK, INT64_C(1709208000000000)},
      {"20000229T000000", GH_OK, INT64_C(951782400000000)},
      {"99991231T235959", GH_OK, INT64_C(253402300799000000)},
      {"00010101T000000", GH_OK, INT64_C(-62135596800000000)},
      {"20230229T000000", GH_ERANGE, 0},
      {"19000229T000000", GH_ERANGE, 0},
      {"20270001T000000", GH_ERANGE, 0},
      {"20271301T000000", GH_ERANGE, 0},
      {"20270100T000000", GH_ERANGE, 0},
      {"20270132T000000", GH_ERANGE, 0},
      {"20270431T000000", GH_ERANGE, 0},
      {"20270101T240000", GH_ERANGE, 0},
      {"20270101T006000", GH_ERANGE, 0},
      {"20270101T000060", GH_ERANGE, 0},
      {"00000101T000000", GH_ERANGE, 0},
      {"00000000T000000", GH_ERANGE, 0},
      {"", GH_ESYNTAX, 0},
      {"20270101", GH_ESYNTAX, 0},
      {"20270101T08000", GH_ESYNTAX, 0},
      {"20270101T0800000", GH_ESYNTAX, 0},
      {"20270101t080000", GH_ESYNTAX, 0},
      {"20270101 080000", GH_ESYNTAX, 0},
      {"20270101T080000Z", GH_ESYNTAX, 0},
      {"20270101T080000,", GH_ESYNTAX, 0},
      {"20270101T080000.5", GH_ESYNTAX, 0},
      {"20270101T080000,1234567", GH_ESYNTAX, 0},
      {"20270101T080000,12x", GH_ESYNTAX, 0},
      {"2027-101T080000", GH_ESYNTAX, 0},
      {"+0270101T080000", GH_ESYNTAX, 0},
      {" 20270101T08000", GH_ESYNTAX, 0},
  };
  for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
    int64_t us = 0;
    gh_err err = gh_timestamp_parse(gh_str_of(samples[i].text), &us);
    if (err != samples[i].err || us != samples[i].us)
      fail_msg("%s: %s %lld", samples[i].text, gh_err_name(err), (long long)us);
  }
}

/*= TS-0004 6.3.3; m2m:absRelTimestamp */
static void absolute_or_relative(void **state)
{
  (void)state;
  const int64_t now = INT64_C(1798790400000000);
  const sample samples[] = {
      {"20270101T080000", GH_OK, now},
      {"0", GH_OK, now},
      {"1500", GH_OK, now + 1500000},
      {"+1500", GH_OK, now + 1500000},
      {"-1500", GH_OK, now - 1500000},
      {"20270101", GH_OK, now + INT64_C(20270101000)},
      {"", GH_ESYNTAX, 0},
      {"-", GH_ESYNTAX, 0},
      {"+-1", GH_ESYNTAX, 0},
      {"1.5", GH_ESYNTAX, 0},
      {"1 ", GH_ESYNTAX, 0},
      {"0x10", GH_ESYNTAX, 0},
      {"PT1H", GH_ESYNTAX, 0},
      {"9223372036854775", GH_ERANGE, 0},
      {"9223372036854775807", GH_ERANGE, 0},
      {"-9223372036854775808", GH_ERANGE, 0},
      {"99999999999999999999999", GH_ERANGE, 0},
      {"20271301T000000", GH_ERANGE, 0},
  };
  for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
    int64_t us = 0;
    gh_err err = gh_abs_rel_parse(gh_str_of(samples[i].text), now, &us);
    if (err != samples[i].err || us != samples[i].us)
      fail_msg("%s: %s %lld", samples[i].text, gh_err_name(err), (long long)us);
  }
}

static void calendar_of_the_c_library(void **state)
{
  (void)state;
  gh_arena arena;
  gh_arena_init(&arena);
  for (int64_t seconds = INT64_C(-62135596800); seconds < INT64_C(253402300800); seconds += INT64_C(29376421)) {
    time_t t = (time_t)seconds;
    struct tm tm;
    char want[80];
    int64_t us;
    gmtime_r(&t, &tm);
    snprintf(want, sizeof want, "%04d%02d%02dT%02d%02d%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
             tm.tm_min, tm.tm_sec);
    assert_str(gh_timestamp(&arena, seconds * GH_US_PER_S + 999999), want);
    assert_int_equal(gh_timestamp_parse(gh_str_of(want), &us), GH_OK);
    assert_true(us == seconds * GH_US_PER_S);
    gh_arena_reset(&arena);
  }
  gh_arena_free(&arena);
}

static void beyond_the_calendar(void **state)
{
  (void)state;
  gh_arena arena;
  gh_arena_init(&arena);
  assert_str(gh_timestamp(&arena, INT64_MAX), "99991231T235959");
  assert_str(gh_timestamp(&arena, INT64_MIN), "00010101T000000");
  assert_str(gh_timestamp(&arena, -1), "19691231T235959");
  gh_arena_free(&arena);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(timestamps),
      cmocka_unit_test(absolute_or_relative),
      cmocka_unit_test(calendar_of_the_c_library),
      cmocka_unit_test(beyond_the_calendar),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
