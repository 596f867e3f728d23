/* The tables of members of a primitive, and the two ways through them. */
#include "m2m/primitive_tree.h"

#include "m2m/attr_names.h"
#include "m2m/constants.h"
#include "m2m/printable.h"

typedef enum member_kind {
  MEMBER_OP,
  MEMBER_TEXT,  /* printable ASCII */
  MEMBER_WORDS, /* any text without control characters */
  MEMBER_TIME,  /* timestamp, or milliseconds as number or text */
  MEMBER_TY,
  MEMBER_RCN,
  MEMBER_RT,
  MEMBER_DRT,
  MEMBER_FC,
  MEMBER_PC,
  MEMBER_INT,
  MEMBER_TEXTS,  /* array of strings */
  MEMBER_ARRAY,  /* array of anything */
  MEMBER_OBJECT, /* object of anything */
  MEMBER_FLAG,   /* boolean; not supported when true */
  MEMBER_IGNORED /* boolean without effect */
} member_kind;

typedef struct member_def {
  char name[6];
  member_kind kind;
  size_t offset; /* of a gh_str in gh_request; SIZE_MAX when there is none */
  bool supported;
} member_def;

#define GOES_TO(member) offsetof(gh_request, member), true
#define NOWHERE SIZE_MAX, true
#define UNSUPPORTED SIZE_MAX, false /*= TS-0004 7.2.1.1 known, not supported here: 5001 */

/* In the order in which they are written. */ /*= TS-0004 6.4.1; 7.2.1.1; 8.2.2 */
static const member_def request_members[] = {
    {"op", MEMBER_OP, NOWHERE},           {"to", MEMBER_WORDS, GOES_TO(to)},
    {"fr", MEMBER_TEXT, GOES_TO(from)},   {"rqi", MEMBER_TEXT, GOES_TO(rqi)},
    {"rvi", MEMBER_TEXT, GOES_TO(rvi)},   {"ty", MEMBER_TY, NOWHERE},
    {"rcn", MEMBER_RCN, NOWHERE},         {"rt", MEMBER_RT, NOWHERE},
    {"drt", MEMBER_DRT, NOWHERE},         {"ot", MEMBER_TEXT, GOES_TO(ot)},
    {"rqet", MEMBER_TIME, GOES_TO(rqet)}, {"rset", MEMBER_TIME, GOES_TO(rset)},
    {"vsi", MEMBER_WORDS, GOES_TO(vsi)},  {"gid", MEMBER_TEXT, offsetof(gh_request, gid), false},
    {"fc", MEMBER_FC, NOWHERE},           {"pc", MEMBER_PC, NOWHERE},
    {"asi", MEMBER_IGNORED, NOWHERE},     {"auri", MEMBER_FLAG, NOWHERE},
    {"da", MEMBER_FLAG, NOWHERE},         {"sqi", MEMBER_FLAG, NOWHERE},
    {"tqi", MEMBER_FLAG, NOWHERE},        {"aus", MEMBER_ARRAY, UNSUPPORTED},
    {"ec", MEMBER_INT, UNSUPPORTED},      {"grtm", MEMBER_TEXTS, UNSUPPORTED},
    {"ltids", MEMBER_TEXTS, UNSUPPORTED}, {"oet", MEMBER_TIME, UNSUPPORTED},
    {"rids", MEMBER_TEXTS, UNSUPPORTED},  {"rp", MEMBER_TIME, UNSUPPORTED},
    {"tids", MEMBER_TEXTS, UNSUPPORTED},  {"tkns", MEMBER_TEXTS, UNSUPPORTED},
};
enum { REQUEST_MEMBER_COUNT = sizeof request_members / sizeof *request_members };

typedef struct reading {
  gh_arena *arena;
  gh_request *out;
  gh_diag *diag;
} reading;

static const member_def *member_of(const member_def *defs, size_t count, gh_str name)
{
  for (size_t i = 0; i < count; i++)
    if (gh_str_eq(gh_str_of(defs[i].name), name)) return &defs[i];
  return NULL;
}

/* ---- values */

static bool printable(gh_str s, bool ascii)
{
  for (size_t i = 0; i < s.len; i++) {
    unsigned char c = (unsigned char)s.ptr[i];
    if (c < 0x20 || c == 0x7f || (ascii && c > 0x7e)) return false;
  }
  return true;
}

static gh_err bad(const reading *r, const char *name, const char *why)
{
  return gh_fail(r->diag, GH_ESYNTAX, "%s: %s", name, why);
}

static gh_err check_text(const reading *r, const char *name, const gh_val *value, bool ascii)
{
  if (value->type != GH_VAL_STR) return bad(r, name, "a string is expected");
  if (!printable(value->u.str, ascii)) return bad(r, name, ascii ? "not printable ASCII" : "control character");
  return GH_OK;
}

static gh_err check_int(const reading *r, const char *name, const gh_val *value, int64_t low, int64_t high)
{
  if (value->type != GH_VAL_INT) return bad(r, name, "an integer is expected");
  return value->u.integer >= low && value->u.integer <= high ? GH_OK : bad(r, name, "out of range");
}

static gh_err check_list(const reading *r, const char *name, const gh_val *value, gh_val_type of)
{
  if (value->type != GH_VAL_ARRAY) return bad(r, name, "an array is expected");
  for (const gh_val *v = value->u.array.first; v; v = v->next)
    if (v->type != of) return bad(r, name, of == GH_VAL_INT ? "not an array of integers" : "not an array of strings");
  return GH_OK;
}

static void not_supported(const reading *r, const char *name)
{
  if (gh_str_empty(r->out->unsupported)) r->out->unsupported = gh_str_of(name);
}

/* ---- filter criteria */

/*= TS-0004 6.3.5.8 (m2m:filterCriteria) */
static const member_def conditions[] = {
    {"crb", MEMBER_TEXT, NOWHERE},    {"cra", MEMBER_TEXT, NOWHERE},      {"ms", MEMBER_TEXT, NOWHERE},
    {"us", MEMBER_TEXT, NOWHERE},     {"exb", MEMBER_TEXT, NOWHERE},      {"exa", MEMBER_TEXT, NOWHERE},
    {"sts", MEMBER_INT, NOWHERE},     {"stb", MEMBER_INT, NOWHERE},       {"sza", MEMBER_INT, NOWHERE},
    {"szb", MEMBER_INT, NOWHERE},     {"lim", MEMBER_INT, NOWHERE},       {"lvl", MEMBER_INT, NOWHERE},
    {"ofst", MEMBER_INT, NOWHERE},    {"fo", MEMBER_INT, NOWHERE},        {"lbl", MEMBER_TEXTS, NOWHERE},
    {"clbl", MEMBER_TEXTS, NOWHERE},  {"palb", MEMBER_TEXTS, NOWHERE},    {"cty", MEMBER_TEXTS, NOWHERE},
    {"lbq", MEMBER_WORDS, NOWHERE},   {"arp", MEMBER_WORDS, NOWHERE},     {"smf", MEMBER_PC, UNSUPPORTED},
    {"cfs", MEMBER_INT, UNSUPPORTED}, {"cfq", MEMBER_WORDS, UNSUPPORTED},
};
enum { CONDITION_COUNT = sizeof conditions / sizeof *conditions };

static bool is_one_of(gh_str name, const char *a, const char *b, const char *c)
{
  return gh_str_eq(name, gh_str_of(a)) || gh_str_eq(name, gh_str_of(b)) || gh_str_eq(name, gh_str_of(c));
}

static bool is_scalar(const gh_val *value)
{
  return value->type == GH_VAL_STR || value->type == GH_VAL_INT || value->type == GH_VAL_REAL ||
         value->type == GH_VAL_BOOL;
}

/* [{"nm":"lbl","val":"x"}] */
static gh_err check_attributes(const reading *r, const gh_val *list)
{
  if (list->type != GH_VAL_ARRAY) return bad(r, "fc", "an array of {\"nm\",\"val\"} is expected");
  for (const gh_val *pair = list->u.array.first; pair; pair = pair->next) {
    const gh_val *value = gh_val_get(pair, GH_STR("val"));
    gh_str name;
    if (!value || !is_scalar(value) || !gh_val_get_str(pair, GH_STR("nm"), &name) || pair->u.object.count != 2)
      return bad(r, "fc", "an array of {\"nm\",\"val\"} is expected");
    if (!gh_attr_name_known(name))
      return gh_fail(r->diag, GH_ESYNTAX, "fc: attribute %s is unknown", gh_printable_of(name).text);
  }
  return GH_OK;
}

static gh_err check_condition(const reading *r, const member_def *def, const gh_val *value)
{
  switch (def->kind) {
  case MEMBER_TEXT:
  case MEMBER_WORDS: return check_text(r, def->name, value, def->kind == MEMBER_TEXT);
  case MEMBER_INT: return check_int(r, def->name, value, 0, INT64_MAX);
  case MEMBER_TEXTS: return check_list(r, def->name, value, GH_VAL_STR);
  case MEMBER_PC: return GH_OK;
  case MEMBER_OP:
  case MEMBER_TIME:
  case MEMBER_TY:
  case MEMBER_RCN:
  case MEMBER_RT:
  case MEMBER_DRT:
  case MEMBER_FC:
  case MEMBER_ARRAY:
  case MEMBER_OBJECT:
  case MEMBER_FLAG:
  case MEMBER_IGNORED: break;
  }
  return GH_EINTERNAL;
}

static gh_err read_condition(const reading *r, gh_str name, gh_val *value)
{
  const member_def *def = member_of(conditions, CONDITION_COUNT, name);
  if (gh_str_eq(name, GH_STR("fu"))) {
    GH_TRY(check_int(r, "fu", value, 1, 3));
    r->out->fu = (int)value->u.integer;
    return GH_OK;
  }
  if (is_one_of(name, "atr", "catr", "patr"))
    GH_TRY(check_attributes(r, value));
  else if (is_one_of(name, "ty", "chty", "pty"))
    GH_TRY(check_list(r, "fc.ty", value, GH_VAL_INT));
  else if (!def)
    return gh_fail(r->diag, GH_ESYNTAX, "fc: %s is unknown", gh_printable_of(name).text);
  else
    GH_TRY(check_condition(r, def, value));
  if (def && !def->supported) {
    not_supported(r, def->name);
    return GH_OK;
  }
  if (!r->out->fc) r->out->fc = gh_val_object(r->arena);
  gh_val_set(r->arena, r->out->fc, name, value);
  return GH_OK;
}

static gh_err read_fc(const reading *r, const gh_val *value)
{
  if (value->type != GH_VAL_OBJECT) return bad(r, "fc", "an object is expected");
  r->out->has_fc = true;
  for (const gh_member *m = value->u.object.first; m; m = m->next) GH_TRY(read_condition(r, m->name, m->value));
  return GH_OK;
}

/* ---- members of a request */

/* {"rtv":3,"nu":["..."]} */ /*= TS-0004 6.3.5.30 (m2m:responseTypeInfo) */
static gh_err read_rt(const reading *r, const gh_val *value)
{
  const gh_val *number = gh_val_get(value, GH_STR("rtv")), *targets = gh_val_get(value, GH_STR("nu"));
  if (!number) return bad(r, "rt", "an object with rtv is expected");
  GH_TRY(check_int(r, "rt", number, 1, 5));
  if (targets) {
    GH_TRY(check_list(r, "rt", targets, GH_VAL_STR));
    not_supported(r, "nu");
  }
  if (value->u.object.count != 1u + (targets != NULL)) return bad(r, "rt", "unknown member");
  r->out->rt = (int)number->u.integer;
  return GH_OK;
}

static gh_err read_pc(const reading *r, gh_val *value)
{
  if (value->type != GH_VAL_OBJECT) return bad(r, "pc", "an object is expected");
  r->out->pc = value;
  return GH_OK;
}

static gh_err read_time(const reading *r, const member_def *def, gh_val *value)
{
  if (value->type == GH_VAL_INT) {
    gh_str text = gh_arena_fmt(r->arena, "%lld", (long long)value->u.integer);
    value = gh_val_str(r->arena, text);
  }
  GH_TRY(check_text(r, def->name, value, true));
  if (def->offset != SIZE_MAX) *(gh_str *)(void *)((char *)r->out + def->offset) = value->u.str;
  return GH_OK;
}

static gh_err read_text(const reading *r, const member_def *def, const gh_val *value)
{
  GH_TRY(check_text(r, def->name, value, def->kind == MEMBER_TEXT));
  *(gh_str *)(void *)((char *)r->out + def->offset) = value->u.str;
  return GH_OK;
}

static gh_err read_flag(const reading *r, const member_def *def, const gh_val *value)
{
  if (value->type != GH_VAL_BOOL) return bad(r, def->name, "a boolean is expected");
  if (def->kind == MEMBER_FLAG && value->u.boolean) not_supported(r, def->name);
  return GH_OK;
}

static gh_err read_int(const reading *r, const member_def *def, const gh_val *value, int low, int high, int *out)
{
  GH_TRY(check_int(r, def->name, value, low, high));
  *out = (int)value->u.integer;
  return GH_OK;
}

static gh_err read_ty(const reading *r, const member_def *def, const gh_val *value)
{
  GH_TRY(check_int(r, def->name, value, 0, UINT32_MAX));
  r->out->ty = (uint32_t)value->u.integer;
  r->out->has_ty = true;
  return GH_OK;
}

static gh_err read_member(const reading *r, const member_def *def, gh_val *value)
{
  gh_request *out = r->out;
  switch (def->kind) {
  case MEMBER_OP: {
    int op = 0;
    GH_TRY(read_int(r, def, value, GH_OP_CREATE, GH_OP_NOTIFY, &op));
    out->op = (gh_op)op;
    return GH_OK;
  }
  case MEMBER_TEXT:
  case MEMBER_WORDS: return read_text(r, def, value);
  case MEMBER_TIME: return read_time(r, def, value);
  case MEMBER_TY: return read_ty(r, def, value);
  case MEMBER_RCN: return read_int(r, def, value, 0, 12, &out->rcn);
  case MEMBER_RT: return read_rt(r, value);
  case MEMBER_DRT: return read_int(r, def, value, 1, 2, &out->drt);
  case MEMBER_FC: return read_fc(r, value);
  case MEMBER_PC: return read_pc(r, value);
  case MEMBER_INT: return check_int(r, def->name, value, INT64_MIN, INT64_MAX);
  case MEMBER_TEXTS: return check_list(r, def->name, value, GH_VAL_STR);
  case MEMBER_ARRAY: return value->type == GH_VAL_ARRAY ? GH_OK : bad(r, def->name, "an array is expected");
  case MEMBER_OBJECT: return value->type == GH_VAL_OBJECT ? GH_OK : bad(r, def->name, "an object is expected");
  case MEMBER_FLAG:
  case MEMBER_IGNORED: return read_flag(r, def, value);
  }
  return GH_EINTERNAL;
}

/* What a refusal repeats, and who may be told. */
static void read_early(const gh_val *tree, gh_request *out)
{
  int64_t op = 0;
  if (gh_val_get_int(tree, GH_STR("op"), &op) && op >= GH_OP_CREATE && op <= GH_OP_NOTIFY) out->op = (gh_op)op;
  if (!gh_val_get_str(tree, GH_STR("rqi"), &out->rqi) || !printable(out->rqi, true)) out->rqi = GH_STR_NONE;
  if (!gh_val_get_str(tree, GH_STR("rvi"), &out->rvi) || !printable(out->rvi, true)) out->rvi = GH_STR_NONE;
}

/* Partial retrieval names its attributes in Content. */ /*= TS-0004 6.3.5.5; TS-0001 8.1.2 */
static gh_err take_attribute_list(const reading *r)
{
  gh_request *out = r->out;
  gh_str root;
  gh_val *list;
  if (out->op != GH_OP_RETRIEVE || !out->pc || !gh_val_unwrap(out->pc, &root, &list)) return GH_OK;
  if (!gh_str_eq(root, GH_STR("m2m:atrl"))) return GH_OK;
  GH_TRY(check_list(r, "pc", list, GH_VAL_STR));
  out->atrl = list;
  out->pc = NULL;
  return GH_OK;
}

static gh_err check_complete(const reading *r)
{
  if (!r->out->op) return bad(r, "op", "missing");
  if (gh_str_empty(r->out->to)) return bad(r, "to", "missing");
  if (gh_str_empty(r->out->rqi)) return bad(r, "rqi", "missing");
  return GH_OK;
}

static gh_err read_request(const reading *r, gh_val *tree)
{
  if (tree->type != GH_VAL_OBJECT) return gh_fail(r->diag, GH_ESYNTAX, "primitive: an object is expected");
  read_early(tree, r->out);
  for (gh_member *m = tree->u.object.first; m; m = m->next) {
    const member_def *def = member_of(request_members, REQUEST_MEMBER_COUNT, m->name);
    if (!def) return gh_fail(r->diag, GH_ESYNTAX, "%s: unknown member", gh_printable_of(m->name).text);
    GH_TRY(read_member(r, def, m->value));
    if (!def->supported) not_supported(r, def->name);
  }
  r->out->has_from = r->out->from.len > 0;
  GH_TRY(check_complete(r));
  return take_attribute_list(r);
}

int gh_request_from_tree(gh_arena *arena, gh_val *tree, gh_request *out, gh_diag *diag)
{
  reading r = {.arena = arena, .out = out, .diag = diag};
  *out = (gh_request){.rcn = GH_RCN_ABSENT, .rt = 3, .drt = 1};
  return read_request(&r, tree) == GH_OK ? GH_RSC_OK : GH_RSC_BAD_REQUEST;
}

gh_primitive_kind gh_primitive_kind_of(const gh_val *tree)
{
  bool response = gh_val_get(tree, GH_STR("rsc")) && !gh_val_get(tree, GH_STR("op"));
  return response ? GH_PRIMITIVE_RESPONSE : GH_PRIMITIVE_REQUEST;
}

/* ---- writing a request */

static void put(gh_arena *arena, gh_val *object, const char *name, gh_val *value)
{
  gh_val_set(arena, object, gh_str_of(name), value);
}

static void put_int(gh_arena *arena, gh_val *object, const char *name, int64_t number)
{
  put(arena, object, name, gh_val_int(arena, number));
}

static void put_text(gh_arena *arena, gh_val *object, gh_str name, gh_str text)
{
  if (!gh_str_empty(text)) gh_val_set(arena, object, name, gh_val_str(arena, text));
}

static void put_fc(gh_arena *arena, gh_val *object, const gh_request *r)
{
  if (!r->has_fc && !r->fc && !r->fu) return;
  gh_val *fc = gh_val_object(arena);
  if (r->fu) put_int(arena, fc, "fu", r->fu);
  if (r->fc)
    for (const gh_member *m = r->fc->u.object.first; m; m = m->next) gh_val_set(arena, fc, m->name, m->value);
  put(arena, object, "fc", fc);
}

static gh_val *content_of(gh_arena *arena, const gh_request *r)
{
  return r->atrl ? gh_val_wrap(arena, GH_STR("m2m:atrl"), r->atrl) : r->pc;
}

gh_val *gh_request_to_tree(gh_arena *arena, const gh_request *request)
{
  gh_val *tree = gh_val_object(arena);
  put_int(arena, tree, "op", (int64_t)request->op);
  for (size_t i = 0; i < REQUEST_MEMBER_COUNT; i++) {
    const member_def *def = &request_members[i];
    if (def->offset == SIZE_MAX) continue;
    put_text(arena, tree, gh_str_of(def->name), *(const gh_str *)(const void *)((const char *)request + def->offset));
  }
  if (request->has_ty) put_int(arena, tree, "ty", request->ty);
  if (request->rcn != GH_RCN_ABSENT) put_int(arena, tree, "rcn", request->rcn);
  if (request->rt && request->rt != 3)
    put(arena, tree, "rt", gh_val_wrap(arena, GH_STR("rtv"), gh_val_int(arena, request->rt)));
  if (request->drt > 1) put_int(arena, tree, "drt", request->drt);
  put_fc(arena, tree, request);
  gh_val *content = content_of(arena, request);
  if (content) put(arena, tree, "pc", content);
  return tree;
}

/* ---- responses */

/*= TS-0004 6.4.2 */
static const member_def response_members[] = {
    {"rsc", MEMBER_INT, NOWHERE},    {"rqi", MEMBER_TEXT, NOWHERE},     {"rvi", MEMBER_TEXT, NOWHERE},
    {"pc", MEMBER_PC, NOWHERE},      {"to", MEMBER_WORDS, NOWHERE},     {"fr", MEMBER_WORDS, NOWHERE},
    {"ot", MEMBER_TEXT, NOWHERE},    {"rset", MEMBER_TIME, NOWHERE},    {"ec", MEMBER_INT, NOWHERE},
    {"cnst", MEMBER_INT, NOWHERE},   {"cnot", MEMBER_INT, NOWHERE},     {"ati", MEMBER_OBJECT, NOWHERE},
    {"tqf", MEMBER_OBJECT, NOWHERE}, {"asri", MEMBER_IGNORED, NOWHERE}, {"vsi", MEMBER_WORDS, NOWHERE},
};
enum { RESPONSE_MEMBER_COUNT = sizeof response_members / sizeof *response_members };

static gh_err check_response_member(const reading *r, const gh_member *m)
{
  const member_def *def = member_of(response_members, RESPONSE_MEMBER_COUNT, m->name);
  if (!def) return gh_fail(r->diag, GH_ESYNTAX, "%s: unknown member", gh_printable_of(m->name).text);
  bool text = def->kind == MEMBER_TEXT || def->kind == MEMBER_WORDS;
  if (text) return check_text(r, def->name, m->value, def->kind == MEMBER_TEXT);
  if (def->kind == MEMBER_TIME && m->value->type == GH_VAL_INT) return GH_OK;
  if (def->kind == MEMBER_TIME) return check_text(r, def->name, m->value, true);
  return read_member(r, def, m->value);
}

gh_err gh_response_from_tree(gh_val *tree, gh_response *out, gh_diag *diag)
{
  gh_request unused = {.rt = 3};
  reading r = {.out = &unused, .diag = diag};
  int64_t rsc = 0;
  *out = (gh_response){.rsc = GH_RSC_INTERNAL_SERVER_ERROR};
  if (tree->type != GH_VAL_OBJECT) return gh_fail(diag, GH_ESYNTAX, "primitive: an object is expected");
  for (const gh_member *m = tree->u.object.first; m; m = m->next) GH_TRY(check_response_member(&r, m));
  if (!gh_val_get_int(tree, GH_STR("rsc"), &rsc) || rsc < 1000 || rsc > 9999)
    return bad(&r, "rsc", "no response status code");
  out->rsc = (int)rsc;
  out->pc = unused.pc;
  (void)gh_val_get_str(tree, GH_STR("rqi"), &out->rqi);
  (void)gh_val_get_str(tree, GH_STR("rvi"), &out->rvi);
  return GH_OK;
}

static gh_val *response_head(gh_arena *arena, const gh_request *request, const gh_response *response)
{
  gh_str rqi = response->rqi, rvi = response->rvi;
  if (request && gh_str_empty(rqi)) rqi = request->rqi;
  if (request && gh_str_empty(rvi)) rvi = request->rvi;
  gh_val *tree = gh_val_object(arena);
  put_int(arena, tree, "rsc", response->rsc);
  put_text(arena, tree, GH_STR("rqi"), rqi);
  put_text(arena, tree, GH_STR("rvi"), rvi);
  return tree;
}

/* {"rsc":2000} and {"m2m:cnt":{}} -> {"rsc":2000,"pc":{"m2m:cnt":{}}} */
static void write_spliced(gh_buf *out, const gh_val *head, gh_str body)
{
  gh_representation_encode(GH_REP_JSON, out, head);
  out->len--; /* the brace that closes */
  gh_buf_add(out, GH_STR(",\"pc\":"));
  gh_buf_add(out, body);
  gh_buf_add_char(out, '}');
}

gh_err gh_response_write(gh_representation representation, gh_buf *out, const gh_request *request,
                         const gh_response *response)
{
  gh_arena arena;
  gh_err err = GH_OK;
  gh_val *content = NULL;
  gh_arena_init(&arena);
  gh_val *tree = response_head(&arena, request, response);
  if (representation == GH_REP_JSON && !gh_str_empty(response->body)) {
    write_spliced(out, tree, response->body);
  } else {
    err = gh_response_content(&arena, response, &content);
    if (content) put(&arena, tree, "pc", content);
    if (err == GH_OK) gh_representation_encode(representation, out, tree);
  }
  gh_arena_free(&arena);
  return err;
}
