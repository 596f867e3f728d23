/* CBOR reader: one pass, recursive with a bound, strict. It never repairs its input, and no announced length makes it
 * allocate: memory grows with the octets that are there. */
#include "m2m/cbor.h"

#include <math.h>

#include "m2m/members.h"
#include "m2m/printable.h"
#include "m2m/utf8.h"

enum { DEPTH_CAP = 512 }; /* whatever the caller asks: the reader recurses */

const gh_cbor_limits gh_cbor_default_limits = {.max_depth = 32, .max_values = 100000};

/* RFC 8949 3.1 */
enum major { UNSIGNED = 0, NEGATIVE = 1, OCTETS = 2, TEXT = 3, ARRAY = 4, MAP = 5, TAG = 6, OTHER = 7 };
enum { INFO_ONE = 24, INFO_EIGHT = 27, INFO_OPEN = 31, BREAK = 0xff };
enum { SIMPLE_FALSE = 20, SIMPLE_TRUE = 21, SIMPLE_NULL = 22, FLOAT_HALF = 25, FLOAT_SINGLE = 26, FLOAT_DOUBLE = 27 };

typedef struct parser {
  gh_arena *arena;
  const char *start, *cur, *end;
  uint32_t max_depth, depth, values_left;
  gh_diag *diag;
} parser;

typedef struct head { /* the first octets of an item */
  const char *at;
  enum major major;
  unsigned info;
  uint64_t argument;
} head;

static gh_err parse_value(parser *p, gh_val *val);

static gh_err fail_at(parser *p, const char *at, gh_err err, const char *what)
{
  return gh_fail(p->diag, err, "offset %zu: %s", (size_t)(at - p->start), what);
}

static gh_err fail_duplicate(parser *p, size_t offset, gh_str name)
{
  return gh_fail(p->diag, GH_ESYNTAX, "offset %zu: duplicate member \"%s\"", offset, gh_printable_of(name).text);
}

static size_t left(const parser *p)
{
  return (size_t)(p->end - p->cur);
}

static bool is_open(const head *h)
{
  return h->info == INFO_OPEN;
}

/*= RFC 8949 3; 3.2.1 */
static gh_err read_head(parser *p, head *h)
{
  h->at = p->cur;
  if (!left(p)) return fail_at(p, p->cur, GH_ESYNTAX, "the octets end too early");
  unsigned char first = (unsigned char)*p->cur++;
  h->major = (enum major)(first >> 5);
  h->info = first & 31;
  h->argument = h->info;
  if (h->info < INFO_ONE) return GH_OK;
  if (is_open(h)) {
    if (h->major >= OCTETS && h->major <= MAP) return GH_OK;
    return fail_at(p, h->at, GH_ESYNTAX, first == BREAK ? "a break stands where an item is expected" : "bad length");
  }
  if (h->info > INFO_EIGHT) return fail_at(p, h->at, GH_ESYNTAX, "reserved additional information");
  size_t count = (size_t)1 << (h->info - INFO_ONE);
  if (left(p) < count) return fail_at(p, p->end, GH_ESYNTAX, "the octets end too early");
  h->argument = 0;
  for (size_t i = 0; i < count; i++) h->argument = h->argument << 8 | (unsigned char)*p->cur++;
  return GH_OK;
}

/* Inside an item of open length: takes the break that ends it. */
static bool take_break(parser *p)
{
  if (!left(p) || (unsigned char)*p->cur != BREAK) return false;
  p->cur++;
  return true;
}

/* ---- text */

/* The first octet that text may not have here, NULL when all is well. U+0000 is refused as in JSON: no oneM2M data
 * type can hold it. */
static const char *bad_octet(gh_str text)
{
  size_t i = 0;
  while (i < text.len) {
    uint64_t word;
    if (text.len - i >= sizeof word) {
      memcpy(&word, text.ptr + i, sizeof word);
      if (((word | gh_word_zeros(word)) & GH_WORD_HIGHS) == 0) {
        i += sizeof word;
        continue;
      }
    }
    unsigned char c = (unsigned char)text.ptr[i];
    size_t step = c >= 0x80 ? gh_utf8_sequence(text.ptr + i, text.len - i) : c != 0;
    if (step == 0) return text.ptr + i;
    i += step;
  }
  return NULL;
}

static gh_err take_octets(parser *p, const head *h, gh_str *out)
{
  if (h->argument > left(p)) return fail_at(p, h->at, GH_ESYNTAX, "a string is longer than what follows");
  *out = (gh_str){p->cur, (size_t)h->argument};
  p->cur += out->len;
  return GH_OK;
}

static gh_err check_text(parser *p, gh_str text, const char *at)
{
  const char *bad = bad_octet(text);
  if (!bad) return GH_OK;
  return fail_at(p, at ? at : bad, GH_ESYNTAX, *bad ? "not UTF-8" : "U+0000 in a string");
}

/* One chunk of a string of open length: of the same major type and of definite length. */
static gh_err take_chunk(parser *p, const head *whole, gh_str *out)
{
  head h = {0};
  GH_TRY(read_head(p, &h));
  if (h.major != whole->major || is_open(&h)) return fail_at(p, h.at, GH_ESYNTAX, "not a chunk of this string");
  GH_TRY(take_octets(p, &h, out));
  return whole->major == TEXT ? check_text(p, *out, NULL) : GH_OK;
}

/*= RFC 8949 3.2.3 */
static gh_err join_chunks(parser *p, const head *whole, gh_str *out)
{
  const char *first = p->cur;
  gh_str chunk = GH_STR_NONE;
  size_t len = 0;
  while (!take_break(p)) {
    GH_TRY(take_chunk(p, whole, &chunk));
    len += chunk.len;
  }
  char *to = gh_arena_alloc(p->arena, len);
  *out = (gh_str){to, len};
  for (p->cur = first; !take_break(p); to += chunk.len) {
    GH_TRY(take_chunk(p, whole, &chunk));
    if (chunk.len) memcpy(to, chunk.ptr, chunk.len);
  }
  return whole->major == TEXT ? GH_OK : check_text(p, *out, whole->at);
}

/*= TS-0004 8.5.1; 8.5.2 text is of major type 3; the examples have it in byte strings */
static gh_err parse_text(parser *p, const head *h, gh_str *out)
{
  if (is_open(h)) return join_chunks(p, h, out);
  GH_TRY(take_octets(p, h, out));
  return check_text(p, *out, NULL);
}

/* ---- numbers and simple values */

/*= TS-0004 8.5.1 integers are of major types 0 and 1 */
static gh_err parse_integer(parser *p, const head *h, gh_val *val)
{
  if (h->argument > INT64_MAX) return fail_at(p, h->at, GH_ERANGE, "an integer is out of range");
  val->type = GH_VAL_INT;
  val->u.integer = h->major == UNSIGNED ? (int64_t)h->argument : -1 - (int64_t)h->argument;
  return GH_OK;
}

static double half_value(unsigned bits)
{
  int exponent = (int)(bits >> 10 & 31), fraction = (int)(bits & 1023);
  double value = exponent == 0 ? ldexp(fraction, -24) : ldexp(fraction + 1024, exponent - 25);
  if (exponent == 31) value = (double)INFINITY; /* or NaN: refused alike */
  return bits & 0x8000 ? -value : value;
}

static double float_value(const head *h)
{
  if (h->info == FLOAT_HALF) return half_value((unsigned)h->argument);
  if (h->info == FLOAT_DOUBLE) {
    double value;
    memcpy(&value, &h->argument, sizeof value);
    return value;
  }
  uint32_t bits = (uint32_t)h->argument;
  float value;
  memcpy(&value, &bits, sizeof value);
  return (double)value;
}

static gh_err parse_float(parser *p, const head *h, gh_val *val)
{
  val->type = GH_VAL_REAL;
  val->u.real = float_value(h);
  return isfinite(val->u.real) ? GH_OK : fail_at(p, h->at, GH_ERANGE, "a number is not finite");
}

static gh_err parse_other(parser *p, const head *h, gh_val *val)
{
  switch (h->info) {
  case SIMPLE_FALSE:
  case SIMPLE_TRUE:
    val->type = GH_VAL_BOOL;
    val->u.boolean = h->info == SIMPLE_TRUE;
    return GH_OK;
  case SIMPLE_NULL: val->type = GH_VAL_NULL; return GH_OK;
  case FLOAT_HALF:
  case FLOAT_SINGLE:
  case FLOAT_DOUBLE: return parse_float(p, h, val);
  default: return fail_at(p, h->at, GH_ESYNTAX, "a simple value that has no meaning here"); /* an integer */
  }
}

/* ---- arrays and maps */

static gh_err enter(parser *p, const head *h, unsigned octets_each)
{
  if (p->depth == p->max_depth) return fail_at(p, h->at, GH_ELIMIT, "nested too deep");
  if (!is_open(h) && h->argument > left(p) / octets_each)
    return fail_at(p, h->at, GH_ESYNTAX, "more elements are announced than follow");
  p->depth++;
  return GH_OK;
}

static bool has_more(parser *p, const head *h, uint64_t count)
{
  return is_open(h) ? !take_break(p) : count < h->argument;
}

static gh_err parse_array(parser *p, const head *h, gh_val *val)
{
  val->type = GH_VAL_ARRAY;
  GH_TRY(enter(p, h, 1));
  while (has_more(p, h, val->u.array.count)) {
    gh_val *element = GH_NEW(p->arena, gh_val);
    GH_TRY(parse_value(p, element));
    gh_val_push(val, element);
  }
  p->depth--;
  return GH_OK;
}

static gh_err parse_member(parser *p, gh_val *object)
{
  gh_member_slot *slot = GH_NEW(p->arena, gh_member_slot);
  head name;
  GH_TRY(read_head(p, &name));
  if (name.major != TEXT && name.major != OCTETS) return fail_at(p, name.at, GH_ESYNTAX, "a member name is not text");
  GH_TRY(parse_text(p, &name, &slot->member.name));
  if (gh_members_known(object, slot->member.name))
    return fail_duplicate(p, (size_t)(name.at - p->start), slot->member.name);
  slot->member.value = &slot->value;
  GH_TRY(parse_value(p, &slot->value));
  gh_members_append(object, &slot->member);
  return GH_OK;
}

static gh_err parse_map(parser *p, const head *h, gh_val *val)
{
  val->type = GH_VAL_OBJECT;
  GH_TRY(enter(p, h, 2));
  while (has_more(p, h, val->u.object.count)) GH_TRY(parse_member(p, val));
  p->depth--;
  const gh_member *twice = gh_members_duplicate(val);
  return twice ? fail_duplicate(p, twice->value->offset, twice->name) : GH_OK;
}

static gh_err parse_value(parser *p, gh_val *val)
{
  head h;
  GH_TRY(read_head(p, &h));
  if (p->values_left == 0) return fail_at(p, h.at, GH_ELIMIT, "too many values");
  p->values_left--;
  val->offset = (uint32_t)(h.at - p->start);
  switch (h.major) {
  case UNSIGNED:
  case NEGATIVE: return parse_integer(p, &h, val);
  case OCTETS:
  case TEXT: val->type = GH_VAL_STR; return parse_text(p, &h, &val->u.str);
  case ARRAY: return parse_array(p, &h, val);
  case MAP: return parse_map(p, &h, val);
  case TAG: return fail_at(p, h.at, GH_ESYNTAX, "a tag has no meaning here");
  case OTHER: break;
  }
  return parse_other(p, &h, val);
}

gh_err gh_cbor_parse(gh_arena *arena, gh_str octets, const gh_cbor_limits *limits, gh_val **out, gh_diag *diag)
{
  if (!limits) limits = &gh_cbor_default_limits;
  const char *start = octets.ptr ? octets.ptr : "";
  parser p = {.arena = arena, .start = start, .cur = start, .end = start + octets.len, .diag = diag};
  p.max_depth = limits->max_depth < DEPTH_CAP ? limits->max_depth : DEPTH_CAP;
  p.values_left = limits->max_values;
  if (octets.len > UINT32_MAX) return fail_at(&p, start, GH_ELIMIT, "the item is too long");
  gh_val *root = GH_NEW(arena, gh_val);
  GH_TRY(parse_value(&p, root));
  if (p.cur != p.end) return fail_at(&p, p.cur, GH_ESYNTAX, "something stands behind the value");
  *out = root;
  return GH_OK;
}
