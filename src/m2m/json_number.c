/* Reading and writing of JSON numbers. */
#include "m2m/json_number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { DIGITS_CAP = 400, EXPONENT_CAP = 100000 };

typedef struct number {
  bool negative, integer;
  char digits[DIGITS_CAP]; /* without point and leading zeros */
  size_t count;
  long exponent; /* value = digits * 10^exponent */
} number;

static bool is_digit(const char *at, const char *end)
{
  return at < end && *at >= '0' && *at <= '9';
}

static bool add_digit(number *n, char c)
{
  if (n->count == 0 && c == '0') return true;
  if (n->count == DIGITS_CAP) return false;
  n->digits[n->count++] = c;
  return true;
}

static gh_err read_whole(number *n, const char **cur, const char *end)
{
  const char *c = *cur;
  GH_REQUIRE(is_digit(c, end), GH_ESYNTAX);
  if (*c == '0' && is_digit(c + 1, end)) return GH_ESYNTAX;
  for (; is_digit(c, end); c++)
    if (!add_digit(n, *c)) return GH_ERANGE;
  *cur = c;
  return GH_OK;
}

static gh_err read_fraction(number *n, const char **cur, const char *end)
{
  const char *c = *cur;
  if (c == end || *c != '.') return GH_OK;
  c++;
  n->integer = false;
  GH_REQUIRE(is_digit(c, end), GH_ESYNTAX);
  for (; is_digit(c, end); c++) {
    if (!add_digit(n, *c) || n->exponent < -EXPONENT_CAP) return GH_ERANGE;
    n->exponent--;
  }
  *cur = c;
  return GH_OK;
}

static gh_err read_exponent(number *n, const char **cur, const char *end)
{
  const char *c = *cur;
  if (c == end || (*c != 'e' && *c != 'E')) return GH_OK;
  c++;
  n->integer = false;
  bool minus = c < end && *c == '-';
  if (c < end && (*c == '-' || *c == '+')) c++;
  GH_REQUIRE(is_digit(c, end), GH_ESYNTAX);
  long exponent = 0;
  for (; is_digit(c, end); c++)
    if (exponent <= EXPONENT_CAP) exponent = exponent * 10 + (*c - '0');
  n->exponent += minus ? -exponent : exponent;
  *cur = c;
  return GH_OK;
}

static bool fits_int64(const number *n, int64_t *out)
{
  uint64_t sum = 0;
  if (n->count > 19) return false;
  for (size_t i = 0; i < n->count; i++) sum = sum * 10 + (uint64_t)(n->digits[i] - '0');
  if (sum > (uint64_t)INT64_MAX + n->negative) return false;
  *out = n->negative ? (int64_t)(0 - sum) : (int64_t)sum;
  return true;
}

/* strtod without a decimal point does not depend on the locale. */
static gh_err to_double(const number *n, double *out)
{
  char text[DIGITS_CAP + 32];
  if (n->count == 0)
    snprintf(text, sizeof text, "%s0", n->negative ? "-" : "");
  else
    snprintf(text, sizeof text, "%s%.*se%ld", n->negative ? "-" : "", (int)n->count, n->digits, n->exponent);
  *out = strtod(text, NULL);
  return isfinite(*out) ? GH_OK : GH_ERANGE;
}

gh_err gh_json_number(const char **cur, const char *end, gh_val *val)
{
  number n;
  n.negative = **cur == '-';
  n.integer = true;
  n.count = 0;
  n.exponent = 0;
  const char *c = *cur + n.negative;
  GH_TRY(read_whole(&n, &c, end));
  GH_TRY(read_fraction(&n, &c, end));
  GH_TRY(read_exponent(&n, &c, end));
  *cur = c;
  val->type = GH_VAL_INT;
  if (n.integer && fits_int64(&n, &val->u.integer)) return GH_OK;
  val->type = GH_VAL_REAL;
  return to_double(&n, &val->u.real);
}

/* Whatever the locale calls its decimal point becomes '.'. */
static size_t normalize(const char *text, char *out)
{
  size_t len = 0;
  bool exact = false; /* a point or an exponent is there */
  for (; *text; text++) {
    bool plain = (*text >= '0' && *text <= '9') || *text == '-' || *text == '+' || *text == 'e';
    if (*text == 'e') exact = true;
    if (plain) out[len++] = *text;
    if (!plain && !exact) {
      out[len++] = '.';
      exact = true;
    }
  }
  if (!exact) {
    out[len++] = '.';
    out[len++] = '0';
  }
  return len;
}

size_t gh_json_real_text(double value, char out[static GH_JSON_REAL_BYTES])
{
  char text[64];
  if (!isfinite(value)) {
    memcpy(out, "null", 4);
    return 4;
  }
  for (int precision = 15; precision <= 17; precision++) {
    snprintf(text, sizeof text, "%.*g", precision, value);
    double back = strtod(text, NULL);
    if (back <= value && back >= value) break;
  }
  return normalize(text, out);
}
