/* Owns accessControlWindow: seven fields that must all match (TS-0004 7.4.9.1). Must never OR the day of the month
 * with the day of the week, as Unix cron does. */
#include "authz/context.h"

#include "base/clock.h"

enum { FIELDS = 7, FIRST_YEAR = 2000, LAST_YEAR = 9999, TEXT_MAX_BYTES = 512 };

typedef struct field_range {
  const char *name;
  unsigned low, high;
} field_range;

static const field_range ranges[FIELDS] = {{"second", 0, 59},
                                           {"minute", 0, 59},
                                           {"hour", 0, 23},
                                           {"day of the month", 1, 31},
                                           {"month", 1, 12},
                                           {"day of the week", 0, 6},
                                           {"year", FIRST_YEAR, LAST_YEAR}};

typedef struct span {
  unsigned from, to, step;
} span;

/* ---- compiling */

static bool number(gh_str text, unsigned *out)
{
  uint64_t value;
  if (text.len == 0 || text.len > 4 || !gh_str_to_u64(text, &value)) return false;
  *out = (unsigned)value;
  return true;
}

static bool parse_range(gh_str text, const field_range *range, bool has_step, span *out)
{
  size_t dash = gh_str_find(text, '-');
  if (gh_str_eq(text, GH_STR("*"))) {
    out->from = range->low;
    out->to = range->high;
    return true;
  }
  if (dash == SIZE_MAX) {
    if (has_step || !number(text, &out->from)) return false; /* a step behind one number has no meaning */
    out->to = out->from;
  } else if (!number(gh_str_sub(text, 0, dash), &out->from) ||
             !number(gh_str_sub(text, dash + 1, text.len), &out->to)) {
    return false;
  }
  return out->from <= out->to && out->from >= range->low && out->to <= range->high;
}

static bool parse_element(gh_str text, const field_range *range, span *out)
{
  size_t slash = gh_str_find(text, '/');
  out->step = 1;
  if (slash == SIZE_MAX) return parse_range(text, range, false, out);
  if (!number(gh_str_sub(text, slash + 1, text.len), &out->step) || out->step == 0) return false;
  return parse_range(gh_str_sub(text, 0, slash), range, true, out);
}

static uint64_t span_bits(const span *s)
{
  uint64_t bits = 0;
  for (unsigned v = s->from; v <= s->to; v += s->step) bits |= UINT64_C(1) << v;
  return bits;
}

static bool parse_bits(gh_str text, const field_range *range, uint64_t *bits)
{
  gh_str rest = text, element;
  *bits = 0;
  while (gh_str_split(&rest, ',', &element)) {
    span s;
    if (!parse_element(element, range, &s)) return false;
    *bits |= span_bits(&s);
  }
  return *bits != 0;
}

static bool parse_years(gh_arena *arena, gh_str text, const field_range *range, gh_window *w)
{
  size_t commas = 0;
  for (size_t i = 0; i < text.len; i++) commas += text.ptr[i] == ',';
  w->years = GH_NEW_ARRAY(arena, gh_year_span, commas + 1);
  gh_str rest = text, element;
  while (gh_str_split(&rest, ',', &element)) {
    span s;
    if (!parse_element(element, range, &s)) return false;
    w->years[w->year_count++] = (gh_year_span){(uint16_t)s.from, (uint16_t)s.to, (uint16_t)s.step};
  }
  return w->year_count > 0;
}

static bool parse_field(gh_arena *arena, size_t index, gh_str text, gh_window *w)
{
  const field_range *range = &ranges[index];
  uint64_t bits;
  if (index == FIELDS - 1) return parse_years(arena, text, range, w);
  if (!parse_bits(text, range, &bits)) return false;
  if (index == 0)
    w->seconds = bits;
  else if (index == 1)
    w->minutes = bits;
  else
    *(uint32_t *[]){&w->hours, &w->days, &w->months, &w->weekdays}[index - 2] = (uint32_t)bits;
  return true;
}

/* The next field and the blanks behind it. */
static bool next_field(gh_str *rest, gh_str *field)
{
  if (!gh_str_split(rest, ' ', field)) return false;
  bool more = rest->ptr != NULL;
  while (more && rest->len > 0 && rest->ptr[0] == ' ') *rest = gh_str_sub(*rest, 1, rest->len);
  return field->len > 0 && !(more && rest->len == 0); /* no blank in front, none behind the last */
}

/*= TS-0004 7.4.9.1; exactly seven fields; lists, ranges, steps */
gh_err gh_window_compile(gh_compile *c, const gh_val *value, void *window)
{
  gh_str text, field;
  GH_TRY(gh_compile_text(c, value, TEXT_MAX_BYTES, &text));
  for (size_t i = 0; i < FIELDS; i++) {
    if (!next_field(&text, &field) || !parse_field(c->arena, i, field, window))
      return gh_compile_fail(c, GH_ESYNTAX, "bad %s in '%.*s'", ranges[i].name,
                             GH_STR_ARG(gh_str_sub(value->u.str, 0, 100)));
  }
  if (text.ptr) return gh_compile_fail(c, GH_ESYNTAX, "more than seven fields");
  return GH_OK;
}

/* ---- matching */

/* Days since 1970-01-01 to a date of the proleptic Gregorian calendar; eras of 400 years that begin in March. */
static void date_of(int64_t days, gh_moment *m)
{
  int64_t shifted = days + 719468, era = shifted / 146097;
  unsigned of_era = (unsigned)(shifted - era * 146097);
  unsigned year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  unsigned of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  unsigned march_month = (5 * of_year + 2) / 153;
  m->day = of_year - (153 * march_month + 2) / 5 + 1;
  m->month = march_month < 10 ? march_month + 3 : march_month - 9;
  m->year = (unsigned)(era * 400) + year_of_era + (m->month <= 2 ? 1 : 0);
  m->weekday = (unsigned)((days + 4) % 7); /* the epoch was a Thursday */
}

gh_moment gh_moment_of(int64_t time_us)
{
  gh_moment m = {.known = false};
  if (time_us <= 0) return m;
  int64_t seconds = time_us / GH_US_PER_S;
  unsigned of_day = (unsigned)(seconds % 86400);
  m.second = of_day % 60;
  m.minute = of_day / 60 % 60;
  m.hour = of_day / 3600;
  date_of(seconds / 86400, &m);
  m.known = m.year >= FIRST_YEAR; /* an earlier clock was never set */
  return m;
}

static bool has_bit(uint64_t bits, unsigned n)
{
  return (bits >> n) & 1;
}

static bool has_year(const gh_window *w, unsigned year)
{
  for (size_t i = 0; i < w->year_count; i++) {
    const gh_year_span *y = &w->years[i];
    if (year >= y->from && year <= y->to && (year - y->from) % y->step == 0) return true;
  }
  return false;
}

/*= TS-0003 7.1.5; res_time; TS-0004 7.4.9.1; all seven fields */
gh_truth gh_window_match(const gh_window *w, const gh_moment *m)
{
  if (!m->known) return GH_UNKNOWN;
  bool clock = has_bit(w->seconds, m->second) && has_bit(w->minutes, m->minute) && has_bit(w->hours, m->hour);
  bool date = has_bit(w->days, m->day) && has_bit(w->months, m->month) && has_bit(w->weekdays, m->weekday);
  return clock && date && has_year(w, m->year) ? GH_YES : GH_NO;
}
