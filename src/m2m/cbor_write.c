/* CBOR writer: shortest heads, definite lengths (RFC 8949 4.1), members in the order of the tree. */
#include "m2m/cbor.h"

#include <float.h>
#include <math.h>

#include "m2m/utf8.h"

/* Major types in their place in the first octet, and whole first octets. */
enum {
  UNSIGNED = 0x00,
  NEGATIVE = 0x20,
  TEXT = 0x60,
  ARRAY = 0x80,
  MAP = 0xa0,
  FALSE_ITEM = 0xf4,
  TRUE_ITEM = 0xf5,
  NULL_ITEM = 0xf6,
  SINGLE = 0xfa,
  DOUBLE = 0xfb
};

/* An octet and the low `count` octets of a number behind it, highest first. */
static void write_octets(gh_buf *out, unsigned first, uint64_t number, size_t count)
{
  unsigned char octets[1 + sizeof number] = {(unsigned char)first};
  for (size_t i = 0; i < count; i++) octets[count - i] = (unsigned char)(number >> (8 * i));
  gh_buf_add_bytes(out, octets, 1 + count);
}

/*= RFC 8949 4.2.1 */
static void write_head(gh_buf *out, unsigned major, uint64_t argument)
{
  if (argument < 24)
    write_octets(out, major | (unsigned)argument, 0, 0);
  else if (argument <= UINT8_MAX)
    write_octets(out, major | 24, argument, 1);
  else if (argument <= UINT16_MAX)
    write_octets(out, major | 25, argument, 2);
  else if (argument <= UINT32_MAX)
    write_octets(out, major | 26, argument, 4);
  else
    write_octets(out, major | 27, argument, 8);
}

/* Octets from `at` that are UTF-8. */
static size_t good_run(const char *at, size_t left)
{
  size_t len = 0;
  while (len < left) {
    size_t step = (unsigned char)at[len] >= 0x80 ? gh_utf8_sequence(at + len, left - len) : 1;
    if (step == 0) break;
    len += step;
  }
  return len;
}

/* Text with each foreign octet replaced by U+FFFD; returns the octets, `out` may be NULL. */
static size_t mend(gh_buf *out, gh_str text)
{
  size_t len = 0;
  for (size_t i = 0; i < text.len;) {
    size_t run = good_run(text.ptr + i, text.len - i);
    if (out) gh_buf_add_bytes(out, text.ptr + i, run);
    len += run;
    i += run;
    if (i == text.len) break;
    if (out) gh_buf_add(out, GH_STR("\xef\xbf\xbd"));
    len += 3;
    i++;
  }
  return len;
}

static void write_text(gh_buf *out, gh_str text)
{
  if (good_run(text.ptr, text.len) == text.len) {
    write_head(out, TEXT, text.len);
    gh_buf_add(out, text);
    return;
  }
  write_head(out, TEXT, mend(NULL, text));
  mend(out, text);
}

static void write_int(gh_buf *out, int64_t value)
{
  if (value < 0)
    write_head(out, NEGATIVE, (uint64_t)(-1 - value));
  else
    write_head(out, UNSIGNED, (uint64_t)value);
}

/*= TS-0004 8.5.1 additional information 26 and 27, so never the half precision of RFC 8949 4.2.1 */
static void write_real(gh_buf *out, double value)
{
  if (!isfinite(value)) {
    write_octets(out, NULL_ITEM, 0, 0);
    return;
  }
  float single = fabs(value) <= (double)FLT_MAX ? (float)value : 0.0F;
  double back = (double)single;
  if (back <= value && back >= value) {
    uint32_t bits;
    memcpy(&bits, &single, sizeof bits);
    write_octets(out, SINGLE, bits, sizeof bits);
    return;
  }
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  write_octets(out, DOUBLE, bits, sizeof bits);
}

/*= TS-0004 8.5.1; RFC 8949 4.1 */
void gh_cbor_write(gh_buf *out, const gh_val *value)
{
  switch (value->type) {
  case GH_VAL_NULL: write_octets(out, NULL_ITEM, 0, 0); break;
  case GH_VAL_BOOL: write_octets(out, value->u.boolean ? TRUE_ITEM : FALSE_ITEM, 0, 0); break;
  case GH_VAL_INT: write_int(out, value->u.integer); break;
  case GH_VAL_REAL: write_real(out, value->u.real); break;
  case GH_VAL_STR: write_text(out, value->u.str); break;
  case GH_VAL_ARRAY:
    write_head(out, ARRAY, value->u.array.count);
    for (const gh_val *element = value->u.array.first; element; element = element->next) gh_cbor_write(out, element);
    break;
  case GH_VAL_OBJECT:
    write_head(out, MAP, value->u.object.count);
    for (const gh_member *member = value->u.object.first; member; member = member->next) {
      write_text(out, member->name);
      gh_cbor_write(out, member->value);
    }
    break;
  }
}
