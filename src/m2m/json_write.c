/* JSON writer. What it writes, the reader accepts: octets that are not UTF-8 become U+FFFD. */
#include "m2m/json.h"

#include <inttypes.h>

#include "m2m/json_number.h"
#include "m2m/utf8.h"

static void write_special(gh_buf *out, unsigned char c)
{
  static const char hex[] = "0123456789abcdef";
  switch (c) {
  case '"': gh_buf_add(out, GH_STR("\\\"")); return;
  case '\\': gh_buf_add(out, GH_STR("\\\\")); return;
  case '\n': gh_buf_add(out, GH_STR("\\n")); return;
  case '\r': gh_buf_add(out, GH_STR("\\r")); return;
  case '\t': gh_buf_add(out, GH_STR("\\t")); return;
  default:
    if (c >= 0x80) {
      gh_buf_add(out, GH_STR("\xef\xbf\xbd"));
      return;
    }
    char escape[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
    gh_buf_add_bytes(out, escape, sizeof escape);
  }
}

/* Octets from `at` that need no escape. */
static size_t plain_run(const char *at, size_t left)
{
  size_t len = 0;
  while (len < left) {
    if (left - len >= 8 && gh_word_is_plain(at + len)) {
      len += 8;
      continue;
    }
    unsigned char c = (unsigned char)at[len];
    size_t step = c >= 0x80 ? gh_utf8_sequence(at + len, left - len) : 1;
    if (step == 0 || c < 0x20 || c == '"' || c == '\\') break;
    len += step;
  }
  return len;
}

/* With what comes behind it: most strings need no escape. */
static void write_string(gh_buf *out, gh_str text, gh_str behind)
{
  size_t plain = plain_run(text.ptr, text.len);
  char *at = gh_buf_reserve(out, plain + 2 + behind.len);
  *at++ = '"';
  if (plain) memcpy(at, text.ptr, plain);
  if (plain == text.len) {
    at[plain] = '"';
    if (behind.len) memcpy(at + plain + 1, behind.ptr, behind.len);
    gh_buf_added(out, plain + 2 + behind.len);
    return;
  }
  gh_buf_added(out, plain + 1);
  for (size_t i = plain; i < text.len;) {
    size_t run = plain_run(text.ptr + i, text.len - i);
    gh_buf_add_bytes(out, text.ptr + i, run);
    i += run;
    if (i < text.len) write_special(out, (unsigned char)text.ptr[i++]);
  }
  gh_buf_add_char(out, '"');
  gh_buf_add(out, behind);
}

void gh_json_write_string(gh_buf *out, gh_str text)
{
  write_string(out, text, GH_STR_NONE);
}

static void write_int(gh_buf *out, int64_t value)
{
  if (value < 0) gh_buf_add_char(out, '-');
  gh_buf_add_u64(out, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

static void write_real(gh_buf *out, double value)
{
  char text[GH_JSON_REAL_BYTES];
  gh_buf_add_bytes(out, text, gh_json_real_text(value, text));
}

/* Level of the lines inside, or COMPACT. */
enum { COMPACT = -1 };

static void new_line(gh_buf *out, int level)
{
  if (level == COMPACT) return;
  gh_buf_add_char(out, '\n');
  for (int i = 0; i < level; i++) gh_buf_add(out, GH_STR("  "));
}

static int deeper(int level)
{
  return level == COMPACT ? COMPACT : level + 1;
}

static void write_value(gh_buf *out, const gh_val *value, int level);

static void write_array(gh_buf *out, const gh_val *array, int level)
{
  gh_buf_add_char(out, '[');
  for (const gh_val *element = array->u.array.first; element; element = element->next) {
    new_line(out, deeper(level));
    write_value(out, element, deeper(level));
    if (element->next) gh_buf_add_char(out, ',');
  }
  if (array->u.array.first) new_line(out, level);
  gh_buf_add_char(out, ']');
}

static void write_object(gh_buf *out, const gh_val *object, int level)
{
  gh_buf_add_char(out, '{');
  for (const gh_member *member = object->u.object.first; member; member = member->next) {
    new_line(out, deeper(level));
    write_string(out, member->name, level == COMPACT ? GH_STR(":") : GH_STR(": "));
    write_value(out, member->value, deeper(level));
    if (member->next) gh_buf_add_char(out, ',');
  }
  if (object->u.object.first) new_line(out, level);
  gh_buf_add_char(out, '}');
}

static void write_value(gh_buf *out, const gh_val *value, int level)
{
  switch (value->type) {
  case GH_VAL_NULL: gh_buf_add(out, GH_STR("null")); break;
  case GH_VAL_BOOL: gh_buf_add(out, value->u.boolean ? GH_STR("true") : GH_STR("false")); break;
  case GH_VAL_INT: write_int(out, value->u.integer); break;
  case GH_VAL_REAL: write_real(out, value->u.real); break;
  case GH_VAL_STR: write_string(out, value->u.str, GH_STR_NONE); break;
  case GH_VAL_ARRAY: write_array(out, value, level); break;
  case GH_VAL_OBJECT: write_object(out, value, level); break;
  }
}

void gh_json_write(gh_buf *out, const gh_val *value)
{
  write_value(out, value, COMPACT);
}

void gh_json_write_pretty(gh_buf *out, const gh_val *value)
{
  write_value(out, value, 0);
  gh_buf_add_char(out, '\n');
}
