/* m2m:timestamp and m2m:absRelTimestamp as text. The clock is the caller's. */
#include "m2m/m2m_time.h"

#include "base/clock.h"

enum { BASIC_BYTES = 15, FRACTION_DIGITS = 6, SECONDS_PER_DAY = 86400, US_PER_MS = 1000 };

/* Days since 1970-01-01 of a date of the Gregorian calendar; years count from March, so that a leap day ends one. */
static int64_t days_of_date(int64_t year, int64_t month, int64_t day)
{
  int64_t y = month <= 2 ? year - 1 : year;
  int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return y * 365 + y / 4 - y / 100 + y / 400 + day_of_year - 719468;
}

static int64_t days_in_month(int64_t year, int64_t month)
{
  static const int8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return days[month - 1] + (month == 2 && leap);
}

/* `count` digits at `from`, or -1. */
static int64_t digits(gh_str text, size_t from, size_t count)
{
  uint64_t number;
  gh_str part = gh_str_sub(text, from, count);
  return part.len == count && gh_str_to_u64(part, &number) ? (int64_t)number : -1;
}

/* ",f" with one to six digits; other tails are -1. */
static int64_t fraction_us(gh_str tail)
{
  if (tail.len == 0) return 0;
  if (tail.ptr[0] != ',' || tail.len < 2 || tail.len > 1 + FRACTION_DIGITS) return -1;
  int64_t us = digits(tail, 1, tail.len - 1);
  for (size_t i = tail.len; us >= 0 && i <= FRACTION_DIGITS; i++) us *= 10;
  return us;
}

/*= TS-0004 6.3.3; m2m:timestamp is YYYYMMDDThhmmss, optionally a comma and one to six digits, UTC */
gh_err gh_timestamp_parse(gh_str text, int64_t *wall_us)
{
  if (text.len < BASIC_BYTES || text.ptr[8] != 'T') return GH_ESYNTAX;
  int64_t year = digits(text, 0, 4), month = digits(text, 4, 2), day = digits(text, 6, 2);
  int64_t hour = digits(text, 9, 2), minute = digits(text, 11, 2), second = digits(text, 13, 2);
  int64_t us = fraction_us(gh_str_sub(text, BASIC_BYTES, SIZE_MAX));
  if ((year | month | day | hour | minute | second | us) < 0) return GH_ESYNTAX;
  if (year == 0 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month)) return GH_ERANGE;
  if (hour > 23 || minute > 59 || second > 59) return GH_ERANGE;
  int64_t seconds = days_of_date(year, month, day) * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second;
  *wall_us = seconds * GH_US_PER_S + us;
  return GH_OK;
}

static gh_err signed_number(gh_str text, int64_t *out)
{
  uint64_t magnitude;
  bool minus = text.len && text.ptr[0] == '-';
  bool sign = minus || (text.len && text.ptr[0] == '+');
  gh_str rest = gh_str_sub(text, sign, SIZE_MAX);
  for (size_t i = 0; i < rest.len; i++)
    if (rest.ptr[i] < '0' || rest.ptr[i] > '9') return GH_ESYNTAX;
  if (rest.len == 0) return GH_ESYNTAX;
  if (!gh_str_to_u64(rest, &magnitude) || magnitude > INT64_MAX) return GH_ERANGE;
  *out = minus ? -(int64_t)magnitude : (int64_t)magnitude;
  return GH_OK;
}

/*= TS-0004 6.3.3; m2m:absRelTimestamp is a timestamp or milliseconds relative to the time of receipt */
gh_err gh_abs_rel_parse(gh_str text, int64_t now_us, int64_t *wall_us)
{
  int64_t ms, us;
  if (gh_str_find(text, 'T') != SIZE_MAX) return gh_timestamp_parse(text, wall_us);
  GH_TRY(signed_number(text, &ms));
  if (__builtin_mul_overflow(ms, (int64_t)US_PER_MS, &us)) return GH_ERANGE;
  if (__builtin_add_overflow(us, now_us, &us)) return GH_ERANGE;
  *wall_us = us;
  return GH_OK;
}

/* Year, month and day of a day count from 1970-01-01 on, within the years 1 to 9999. */
static void date_of_days(int64_t days, int64_t *year, int64_t *month, int64_t *day)
{
  int64_t y = 1970 + days / 366; /* never too late */
  if (days < 0) y = 1970 + days / 365 - 1;
  while (days_of_date(y + 1, 1, 1) <= days) y++;
  int64_t m = 1, rest = days - days_of_date(y, 1, 1);
  for (; rest >= days_in_month(y, m); m++) rest -= days_in_month(y, m);
  *year = y;
  *month = m;
  *day = rest + 1;
}

static char *put_number(char *at, int64_t number, int count)
{
  for (int i = count; i-- > 0; number /= 10) at[i] = (char)('0' + number % 10);
  return at + count;
}

gh_str gh_timestamp(gh_arena *arena, int64_t wall_us)
{
  const int64_t first = days_of_date(1, 1, 1) * SECONDS_PER_DAY;
  const int64_t last = days_of_date(10000, 1, 1) * SECONDS_PER_DAY - 1;
  int64_t seconds = wall_us / GH_US_PER_S - (wall_us % GH_US_PER_S < 0);
  if (seconds < first) seconds = first;
  if (seconds > last) seconds = last;
  int64_t days = seconds / SECONDS_PER_DAY - (seconds % SECONDS_PER_DAY < 0);
  int64_t rest = seconds - days * SECONDS_PER_DAY, year, month, day;
  date_of_days(days, &year, &month, &day);
  char *text = gh_arena_alloc(arena, BASIC_BYTES + 1), *at = text; /* two or three in every resource */
  at = put_number(put_number(put_number(at, year, 4), month, 2), day, 2);
  *at++ = 'T';
  at = put_number(put_number(put_number(at, rest / 3600, 2), rest / 60 % 60, 2), rest % 60, 2);
  *at = '\0';
  return (gh_str){text, BASIC_BYTES};
}
