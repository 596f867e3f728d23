/* JSON reader: one pass, recursive with a bound, strict. Beyond RFC 8259 it refuses \u0000, which no
 * oneM2M data type can hold. It never repairs its input. */
#include "m2m/json.h"

#include "m2m/json_number.h"
#include "m2m/members.h"
#include "m2m/printable.h"
#include "m2m/utf8.h"

enum {
  DEPTH_CAP = 512 /* whatever the caller asks: the reader recurses */
};

const gh_json_limits gh_json_default_limits = {.max_depth = 32, .max_values = 100000};

typedef struct parser {
  gh_arena *arena;
  const char *start, *cur, *end;
  uint32_t max_depth, depth, values_left;
  gh_diag *diag;
} parser;

static gh_err parse_value(parser *p, gh_val *val);

static gh_err fail_at(parser *p, const char *at, gh_err err, const char *what)
{
  return gh_fail(p->diag, err, "offset %zu: %s", (size_t)(at - p->start), what);
}

static gh_err fail_here(parser *p, const char *what)
{
  return fail_at(p, p->cur, GH_ESYNTAX, p->cur == p->end ? "the text ends too early" : what);
}

static gh_err fail_duplicate(parser *p, size_t offset, gh_str name)
{
  return gh_fail(p->diag, GH_ESYNTAX, "offset %zu: duplicate member \"%s\"", offset, gh_printable_of(name).text);
}

static inline void skip_blanks(parser *p)
{
  while (p->cur < p->end && (*p->cur == ' ' || *p->cur == '\t' || *p->cur == '\n' || *p->cur == '\r')) p->cur++;
}

static inline bool take(parser *p, char c)
{
  if (p->cur == p->end || *p->cur != c) return false;
  p->cur++;
  return true;
}

/* Four hexadecimal digits, or -1. */
static int32_t hex4(const char *at, const char *end)
{
  int32_t unit = 0;
  if (end - at < 4) return -1;
  for (int i = 0; i < 4; i++) {
    char c = at[i];
    if (c >= '0' && c <= '9')
      unit = unit * 16 + (c - '0');
    else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
      unit = unit * 16 + ((c | 0x20) - 'a' + 10);
    else
      return -1;
  }
  return unit;
}

/* Octets of the escape at `at` (a backslash) and the code point it stands for; 0 when it is wrong. */
static size_t escape_read(const char *at, const char *end, int32_t *code)
{
  static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
  if (end - at < 2) return 0;
  const char *letter = at[1] ? strchr(letters, at[1]) : NULL;
  if (letter) {
    *code = (unsigned char)meanings[letter - letters];
    return 2;
  }
  if (at[1] != 'u') return 0;
  *code = hex4(at + 2, end);
  if (*code <= 0) return 0;
  if (*code < 0xd800 || *code > 0xdfff) return 6;
  if (*code > 0xdbff || end - at < 12 || at[6] != '\\' || at[7] != 'u') return 0;
  int32_t low = hex4(at + 8, end);
  if (low < 0xdc00 || low > 0xdfff) return 0;
  *code = 0x10000 + ((*code - 0xd800) << 10) + (low - 0xdc00);
  return 12;
}

static char *utf8_put(char *out, int32_t code)
{
  if (code < 0x80) {
    *out++ = (char)code;
  } else if (code < 0x800) {
    *out++ = (char)(0xc0 | (code >> 6));
    *out++ = (char)(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    *out++ = (char)(0xe0 | (code >> 12));
    *out++ = (char)(0x80 | ((code >> 6) & 0x3f));
    *out++ = (char)(0x80 | (code & 0x3f));
  } else {
    *out++ = (char)(0xf0 | (code >> 18));
    *out++ = (char)(0x80 | ((code >> 12) & 0x3f));
    *out++ = (char)(0x80 | ((code >> 6) & 0x3f));
    *out++ = (char)(0x80 | (code & 0x3f));
  }
  return out;
}

/* Checks the string up to its closing quote, which is left at p->cur. */
static gh_err scan_string(parser *p, bool *escaped)
{
  const char *c = p->cur;
  int32_t code;
  while (true) {
    while (p->end - c >= 8 && gh_word_is_plain(c)) c += 8;
    if (c == p->end) return fail_at(p, c, GH_ESYNTAX, "a string does not end");
    size_t step = 1;
    if (*c == '"') break;
    if (*c == '\\') {
      *escaped = true;
      step = escape_read(c, p->end, &code);
      if (step == 0) return fail_at(p, c, GH_ESYNTAX, "bad escape in a string");
    } else if ((unsigned char)*c < 0x20) {
      return fail_at(p, c, GH_ESYNTAX, "control character in a string");
    } else if ((unsigned char)*c >= 0x80) {
      step = gh_utf8_sequence(c, (size_t)(p->end - c));
      if (step == 0) return fail_at(p, c, GH_ESYNTAX, "not UTF-8");
    }
    c += step;
  }
  p->cur = c;
  return GH_OK;
}

static gh_str unescape(parser *p, gh_str raw)
{
  char *copy = gh_arena_alloc(p->arena, raw.len), *out = copy;
  const char *c = raw.ptr, *end = raw.ptr + raw.len;
  while (c < end) {
    int32_t code = 0;
    if (*c != '\\') {
      *out++ = *c++;
      continue;
    }
    c += escape_read(c, end, &code);
    out = utf8_put(out, code);
  }
  return (gh_str){copy, (size_t)(out - copy)};
}

static gh_err parse_string(parser *p, gh_str *out)
{
  bool escaped = false;
  const char *first = ++p->cur;
  GH_TRY(scan_string(p, &escaped));
  gh_str raw = {first, (size_t)(p->cur - first)};
  *out = escaped ? unescape(p, raw) : raw;
  p->cur++;
  return GH_OK;
}

static gh_err parse_number(parser *p, gh_val *val)
{
  const char *first = p->cur;
  gh_err err = gh_json_number(&p->cur, p->end, val);
  if (err == GH_OK) return GH_OK;
  return fail_at(p, first, err, err == GH_ERANGE ? "a number is out of range" : "bad number");
}

static gh_err parse_word(parser *p, gh_val *val, gh_str word, gh_val_type type, bool truth)
{
  if ((size_t)(p->end - p->cur) < word.len || memcmp(p->cur, word.ptr, word.len) != 0)
    return fail_here(p, "a value is expected");
  p->cur += word.len;
  val->type = type;
  if (type == GH_VAL_BOOL) val->u.boolean = truth;
  return GH_OK;
}

static gh_err enter(parser *p)
{
  if (p->depth == p->max_depth) return fail_at(p, p->cur, GH_ELIMIT, "nested too deep");
  p->depth++;
  p->cur++;
  skip_blanks(p);
  return GH_OK;
}

static gh_err parse_array(parser *p, gh_val *val)
{
  val->type = GH_VAL_ARRAY;
  GH_TRY(enter(p));
  bool more = !take(p, ']');
  while (more) {
    gh_val *element = GH_NEW(p->arena, gh_val);
    GH_TRY(parse_value(p, element));
    gh_val_push(val, element);
    skip_blanks(p);
    more = take(p, ',');
    if (!more && !take(p, ']')) return fail_here(p, "',' or ']' is expected");
  }
  p->depth--;
  return GH_OK;
}

static gh_err parse_member(parser *p, gh_val *object)
{
  gh_member_slot *slot = GH_NEW(p->arena, gh_member_slot);
  skip_blanks(p);
  const char *at = p->cur;
  if (at == p->end || *at != '"') return fail_here(p, "a member name is expected");
  GH_TRY(parse_string(p, &slot->member.name));
  if (gh_members_known(object, slot->member.name))
    return fail_duplicate(p, (size_t)(at - p->start), slot->member.name);
  skip_blanks(p);
  if (!take(p, ':')) return fail_here(p, "':' is expected");
  slot->member.value = &slot->value;
  GH_TRY(parse_value(p, &slot->value));
  gh_members_append(object, &slot->member);
  return GH_OK;
}

static gh_err parse_object(parser *p, gh_val *val)
{
  val->type = GH_VAL_OBJECT;
  GH_TRY(enter(p));
  bool more = !take(p, '}');
  while (more) {
    GH_TRY(parse_member(p, val));
    skip_blanks(p);
    more = take(p, ',');
    if (!more && !take(p, '}')) return fail_here(p, "',' or '}' is expected");
  }
  p->depth--;
  const gh_member *twice = gh_members_duplicate(val);
  return twice ? fail_duplicate(p, twice->value->offset, twice->name) : GH_OK;
}

static gh_err parse_value(parser *p, gh_val *val)
{
  skip_blanks(p);
  if (p->cur == p->end) return fail_here(p, "");
  if (p->values_left == 0) return fail_at(p, p->cur, GH_ELIMIT, "too many values");
  p->values_left--;
  val->offset = (uint32_t)(p->cur - p->start);
  switch (*p->cur) {
  case '{': return parse_object(p, val);
  case '[': return parse_array(p, val);
  case '"': val->type = GH_VAL_STR; return parse_string(p, &val->u.str);
  case 't': return parse_word(p, val, GH_STR("true"), GH_VAL_BOOL, true);
  case 'f': return parse_word(p, val, GH_STR("false"), GH_VAL_BOOL, false);
  case 'n': return parse_word(p, val, GH_STR("null"), GH_VAL_NULL, false);
  default:
    if (*p->cur == '-' || (*p->cur >= '0' && *p->cur <= '9')) return parse_number(p, val);
    return fail_here(p, "a value is expected");
  }
}

gh_err gh_json_parse(gh_arena *arena, gh_str text, const gh_json_limits *limits, gh_val **out, gh_diag *diag)
{
  if (!limits) limits = &gh_json_default_limits;
  const char *start = text.ptr ? text.ptr : "";
  parser p = {.arena = arena, .start = start, .cur = start, .end = start + text.len, .diag = diag};
  p.max_depth = limits->max_depth < DEPTH_CAP ? limits->max_depth : DEPTH_CAP;
  p.values_left = limits->max_values;
  if (text.len > UINT32_MAX) return fail_at(&p, start, GH_ELIMIT, "the text is too long");
  if (gh_str_starts(text, GH_STR("\xef\xbb\xbf"))) return fail_at(&p, start, GH_ESYNTAX, "byte order mark");
  gh_val *root = GH_NEW(arena, gh_val);
  GH_TRY(parse_value(&p, root));
  skip_blanks(&p);
  if (p.cur != p.end) return fail_at(&p, p.cur, GH_ESYNTAX, "something stands behind the value");
  *out = root;
  return GH_OK;
}
