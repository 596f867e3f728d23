/* Query component of the request target: parameters and filter conditions by their short names (TS-0009 6.2.2.2). */
#include "bind/http_uri_codec.h"

#include "m2m/attr_names.h"
#include "m2m/printable.h"

typedef enum query_kind {
  QUERY_RCN,
  QUERY_RT,
  QUERY_DRT,
  QUERY_FU,
  QUERY_ATRL,
  QUERY_INT,         /* filter condition, non-negative */
  QUERY_TEXT,        /* filter condition */
  QUERY_INT_LIST,    /* filter condition */
  QUERY_TEXT_LIST,   /* filter condition */
  QUERY_UNSUPPORTED, /*= TS-0004 7.2.1.1 known, not supported here: 5001 */
  QUERY_FLAG,        /* boolean, not supported when true */
  QUERY_IGNORED      /* boolean without effect */
} query_kind;

typedef struct query_field {
  char name[8];
  query_kind kind;
} query_field;

/*= TS-0009 6.2.2.2 */
static const query_field fields[] = {
    {"arp", QUERY_TEXT},         {"asi", QUERY_IGNORED},     {"atrl", QUERY_ATRL},
    {"auri", QUERY_FLAG},        {"cfq", QUERY_UNSUPPORTED}, {"cfs", QUERY_UNSUPPORTED},
    {"chty", QUERY_INT_LIST},    {"clbl", QUERY_TEXT_LIST},  {"cra", QUERY_TEXT},
    {"crb", QUERY_TEXT},         {"cty", QUERY_TEXT_LIST},   {"da", QUERY_FLAG},
    {"drt", QUERY_DRT},          {"exa", QUERY_TEXT},        {"exb", QUERY_TEXT},
    {"fo", QUERY_INT},           {"fu", QUERY_FU},           {"lbl", QUERY_TEXT_LIST},
    {"lbq", QUERY_TEXT},         {"lim", QUERY_INT},         {"ltids", QUERY_UNSUPPORTED},
    {"lvl", QUERY_INT},          {"ms", QUERY_TEXT},         {"ofst", QUERY_INT},
    {"palb", QUERY_TEXT_LIST},   {"pty", QUERY_INT_LIST},    {"rcn", QUERY_RCN},
    {"rids", QUERY_UNSUPPORTED}, {"rp", QUERY_UNSUPPORTED},  {"rt", QUERY_RT},
    {"smf", QUERY_UNSUPPORTED},  {"sqi", QUERY_FLAG},        {"stb", QUERY_INT},
    {"sts", QUERY_INT},          {"sza", QUERY_INT},         {"szb", QUERY_INT},
    {"tids", QUERY_UNSUPPORTED}, {"tqi", QUERY_FLAG},        {"ty", QUERY_INT_LIST},
    {"us", QUERY_TEXT},
};
enum { FIELD_COUNT = sizeof(fields) / sizeof(fields[0]) };
_Static_assert(FIELD_COUNT <= 64, "seen is a mask of 64 bits");

typedef struct query {
  gh_arena *arena;
  gh_request *out;
  gh_diag *diag;
  uint64_t seen; /* bit per row of fields */
  bool plain;    /* values are not percent-coded (CoAP) */
} query;

static const query_field *field_of(gh_str name)
{
  for (size_t i = 0; i < FIELD_COUNT; i++)
    if (fields[i].name[0] == name.ptr[0] && gh_str_eq(gh_str_of(fields[i].name), name)) return &fields[i];
  return NULL;
}

static gh_err bad(const query *q, gh_str name)
{
  return gh_fail(q->diag, GH_ESYNTAX, "query: bad value of %s", gh_printable_of(name).text);
}

static gh_err read_int(const query *q, gh_str name, gh_str value, int low, int high, int *out)
{
  uint64_t number;
  if (!gh_str_to_u64(value, &number) || number < (uint64_t)low || number > (uint64_t)high) return bad(q, name);
  *out = (int)number;
  return GH_OK;
}

static gh_err read_flag(query *q, gh_str name, gh_str value, bool matters)
{
  bool yes = gh_str_eq(value, GH_STR("true")) || gh_str_eq(value, GH_STR("1"));
  if (!yes && !gh_str_eq(value, GH_STR("false")) && !gh_str_eq(value, GH_STR("0"))) return bad(q, name);
  if (yes && matters && gh_str_empty(q->out->unsupported)) q->out->unsupported = gh_arena_dup(q->arena, name);
  return GH_OK;
}

static gh_val *conditions(query *q)
{
  if (!q->out->fc) q->out->fc = gh_val_object(q->arena);
  q->out->has_fc = true;
  return q->out->fc;
}

static gh_val *array_member(query *q, gh_val *object, gh_str name)
{
  gh_val *array = gh_val_get(object, name);
  if (!array) {
    array = gh_val_array(q->arena);
    gh_val_set(q->arena, object, gh_arena_dup(q->arena, name), array);
  }
  return array;
}

/* The value behind the arena copy, because the message goes before the request does. */
static gh_err decoded(const query *q, gh_str name, gh_str value, gh_str *out)
{
  if (gh_str_empty(value)) return bad(q, name);
  if (q->plain && !gh_uri_printable(value)) return bad(q, name);
  if (q->plain)
    *out = value;
  else if (gh_uri_decode(q->arena, value, true, out) != GH_OK)
    return bad(q, name);
  if (out->ptr == value.ptr) *out = gh_arena_dup(q->arena, value);
  return GH_OK;
}

/* "2+3+4": cut at '+' first, so that %2B is a plus inside an element. */
static gh_err read_list(const query *q, gh_str name, gh_str value, bool numbers, gh_val *array)
{
  gh_str part, text = GH_STR_NONE;
  while (gh_str_split(&value, '+', &part)) {
    uint64_t number;
    GH_TRY(decoded(q, name, part, &text));
    if (!numbers) {
      gh_val_push(array, gh_val_str(q->arena, text));
    } else {
      if (!gh_str_to_u64(text, &number) || number > INT32_MAX) return bad(q, name);
      gh_val_push(array, gh_val_int(q->arena, (int64_t)number));
    }
  }
  return GH_OK;
}

static gh_err read_condition(query *q, const query_field *field, gh_str name, gh_str value)
{
  gh_val *fc = conditions(q);
  gh_str text = GH_STR_NONE;
  if (field->kind == QUERY_INT_LIST || field->kind == QUERY_TEXT_LIST)
    return read_list(q, name, value, field->kind == QUERY_INT_LIST, array_member(q, fc, name));
  GH_TRY(decoded(q, name, value, &text));
  gh_val *element = gh_val_str(q->arena, text);
  if (field->kind == QUERY_INT) {
    uint64_t number;
    if (!gh_str_to_u64(text, &number) || number > INT64_MAX) return bad(q, name);
    element = gh_val_int(q->arena, (int64_t)number);
  }
  gh_val_set(q->arena, fc, gh_arena_dup(q->arena, name), element);
  return GH_OK;
}

static gh_err read_atrl(query *q, gh_str name, gh_str value)
{
  q->out->atrl = gh_val_array(q->arena);
  return read_list(q, name, value, false, q->out->atrl);
}

static gh_err read_field(query *q, const query_field *field, gh_str name, gh_str value)
{
  gh_request *out = q->out;
  switch (field->kind) {
  case QUERY_RCN: return read_int(q, name, value, 0, 12, &out->rcn);
  case QUERY_RT: return read_int(q, name, value, 1, 5, &out->rt);
  case QUERY_DRT: return read_int(q, name, value, 1, 2, &out->drt);
  case QUERY_FU: out->has_fc = true; return read_int(q, name, value, 1, 3, &out->fu);
  case QUERY_ATRL: return read_atrl(q, name, value);
  case QUERY_INT:
  case QUERY_TEXT:
  case QUERY_INT_LIST:
  case QUERY_TEXT_LIST: return read_condition(q, field, name, value);
  case QUERY_UNSUPPORTED:
    if (gh_str_empty(out->unsupported)) out->unsupported = gh_arena_dup(q->arena, name);
    return GH_OK;
  case QUERY_FLAG: return read_flag(q, name, value, true);
  case QUERY_IGNORED: return read_flag(q, name, value, false);
  }
  return GH_EINTERNAL;
}

static bool may_repeat(query_kind kind)
{
  return kind == QUERY_INT_LIST || kind == QUERY_TEXT_LIST || kind == QUERY_UNSUPPORTED;
}

/* attname=attvalue, c.attname=attvalue, p.attname=attvalue */
static gh_err read_attribute(query *q, gh_str name, gh_str value)
{
  gh_str list = GH_STR("atr"), attribute = name, text = GH_STR_NONE;
  if (gh_str_starts(name, GH_STR("c."))) list = GH_STR("catr");
  if (gh_str_starts(name, GH_STR("p."))) list = GH_STR("patr");
  if (list.len == 4) attribute = gh_str_sub(name, 2, name.len);
  if (!gh_attr_name_known(attribute))
    return gh_fail(q->diag, GH_ESYNTAX, "query: %s is unknown", gh_printable_of(name).text);
  GH_TRY(decoded(q, name, value, &text));
  gh_val *pair = gh_val_object(q->arena);
  gh_val_set(q->arena, pair, GH_STR("nm"), gh_val_str(q->arena, gh_arena_dup(q->arena, attribute)));
  gh_val_set(q->arena, pair, GH_STR("val"), gh_val_str(q->arena, text));
  gh_val_push(array_member(q, conditions(q), list), pair);
  return GH_OK;
}

static gh_err read_pair(query *q, gh_str pair)
{
  size_t equal = gh_str_find(pair, '=');
  if (equal == SIZE_MAX || equal == 0) return gh_fail(q->diag, GH_ESYNTAX, "query: field without name or value");
  gh_str name = {pair.ptr, equal}, value = gh_str_sub(pair, equal + 1, pair.len);
  const query_field *field = field_of(name);
  if (!field) return read_attribute(q, name, value);
  uint64_t bit = UINT64_C(1) << (field - fields);
  if ((q->seen & bit) && !may_repeat(field->kind))
    return gh_fail(q->diag, GH_ESYNTAX, "query: %s repeated", field->name);
  q->seen |= bit;
  return read_field(q, field, name, value);
}

/*= TS-0009 6.2.2.2 */
gh_err gh_http_read_query(gh_arena *arena, gh_str text, gh_request *out, gh_diag *diag)
{
  query q = {.arena = arena, .out = out, .diag = diag};
  gh_str pair;
  if (gh_str_empty(text)) return GH_OK;
  while (gh_str_split(&text, '&', &pair)) GH_TRY(read_pair(&q, pair));
  return GH_OK;
}

/*= TS-0008 6.2.2.3 */
gh_err gh_query_read_item(gh_arena *arena, gh_str item, uint64_t *seen, gh_request *out, gh_diag *diag)
{
  query q = {.arena = arena, .out = out, .diag = diag, .seen = *seen, .plain = true};
  gh_err err = read_pair(&q, item);
  *seen = q.seen;
  return err;
}

/* ------------------------------------------------------------------------------------------------- writing */

static const char kept_in_value[] = ":@,/*!()$'";

static void begin_field(gh_buf *out, bool *first, gh_str name)
{
  gh_buf_add_char(out, *first ? '?' : '&');
  *first = false;
  gh_uri_encode(out, name, "");
  gh_buf_add_char(out, '=');
}

static void write_scalar(gh_buf *out, const gh_val *value)
{
  switch (value->type) {
  case GH_VAL_BOOL: gh_buf_add(out, value->u.boolean ? GH_STR("true") : GH_STR("false")); break;
  case GH_VAL_INT: gh_buf_fmt(out, "%lld", (long long)value->u.integer); break;
  case GH_VAL_REAL: gh_buf_fmt(out, "%.17g", value->u.real); break;
  case GH_VAL_STR: gh_uri_encode(out, value->u.str, kept_in_value); break;
  case GH_VAL_NULL:
  case GH_VAL_ARRAY:
  case GH_VAL_OBJECT: break; /* not a condition's value */
  }
}

static void write_list(gh_buf *out, const gh_val *value)
{
  if (value->type != GH_VAL_ARRAY) {
    write_scalar(out, value);
    return;
  }
  for (const gh_val *v = value->u.array.first; v; v = v->next) {
    if (v != value->u.array.first) gh_buf_add_char(out, '+');
    write_scalar(out, v);
  }
}

static void write_number(gh_buf *out, bool *first, gh_str name, int number)
{
  begin_field(out, first, name);
  gh_buf_add_u64(out, (uint64_t)number);
}

static void write_attributes(gh_buf *out, bool *first, gh_str prefix, const gh_val *array)
{
  if (array->type != GH_VAL_ARRAY) return;
  for (const gh_val *pair = array->u.array.first; pair; pair = pair->next) {
    const gh_val *value = gh_val_get(pair, GH_STR("val"));
    gh_str name;
    if (!value || !gh_val_get_str(pair, GH_STR("nm"), &name)) continue;
    gh_buf_add_char(out, *first ? '?' : '&');
    *first = false;
    gh_buf_add(out, prefix);
    gh_uri_encode(out, name, "");
    gh_buf_add_char(out, '=');
    write_scalar(out, value);
  }
}

static void write_conditions(gh_buf *out, bool *first, const gh_val *fc)
{
  if (fc->type != GH_VAL_OBJECT) return;
  for (const gh_member *m = fc->u.object.first; m; m = m->next) {
    if (gh_str_eq(m->name, GH_STR("atr"))) {
      write_attributes(out, first, GH_STR_NONE, m->value);
    } else if (gh_str_eq(m->name, GH_STR("catr"))) {
      write_attributes(out, first, GH_STR("c."), m->value);
    } else if (gh_str_eq(m->name, GH_STR("patr"))) {
      write_attributes(out, first, GH_STR("p."), m->value);
    } else {
      begin_field(out, first, m->name);
      write_list(out, m->value);
    }
  }
}

/*= TS-0009 6.2.2.2 */
void gh_http_write_query(gh_buf *out, const gh_request *request, gh_str attribute)
{
  bool first = true;
  if (request->rt && request->rt != 3) write_number(out, &first, GH_STR("rt"), request->rt);
  if (request->rcn != GH_RCN_ABSENT) write_number(out, &first, GH_STR("rcn"), request->rcn);
  if (request->drt > 1) write_number(out, &first, GH_STR("drt"), request->drt);
  if (request->fu) write_number(out, &first, GH_STR("fu"), request->fu);
  if (request->fc) write_conditions(out, &first, request->fc);
  if (request->atrl) {
    begin_field(out, &first, GH_STR("atrl"));
    write_list(out, request->atrl);
  } else if (!gh_str_empty(attribute)) {
    begin_field(out, &first, GH_STR("atrl"));
    gh_uri_encode(out, attribute, "");
  }
}
