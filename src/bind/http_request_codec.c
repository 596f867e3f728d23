/* HTTP request -> request primitive (TS-0009 6.2, 6.4, 6.5). Reads what the client says; believes nothing. */
#include "bind/http_codec.h"
#include "bind/http_media_codec.h"
#include "bind/http_uri_codec.h"

#include "m2m/constants.h"

/* A parameter that travels in a header field: where it goes and whether we do something with it. */
typedef struct header_field {
  gh_http_header header;
  const char *name; /* short name of the parameter */
  size_t offset;    /* of a gh_str in gh_request; SIZE_MAX when there is none */
  bool supported;
} header_field;

#define GOES_TO(member) offsetof(gh_request, member)

/*= TS-0009 6.4.7; 6.4.8; 6.4.10; 6.4.11; 6.4.12; 6.4.13; 6.4.14; 6.4.15; 6.4.16; 6.4.22; 6.4.23; 6.4.24 */
static const header_field header_fields[] = {
    {GH_HTTP_X_RI, "rqi", GOES_TO(rqi), true},     {GH_HTTP_X_RVI, "rvi", GOES_TO(rvi), true},
    {GH_HTTP_X_ORIGIN, "fr", GOES_TO(from), true}, {GH_HTTP_X_OT, "ot", GOES_TO(ot), true},
    {GH_HTTP_X_RET, "rqet", GOES_TO(rqet), true},  {GH_HTTP_X_RST, "rset", GOES_TO(rset), true},
    {GH_HTTP_X_VSI, "vsi", GOES_TO(vsi), true},    {GH_HTTP_X_GID, "gid", GOES_TO(gid), false},
    {GH_HTTP_X_OET, "oet", SIZE_MAX, false},       {GH_HTTP_X_EC, "ec", SIZE_MAX, false},
    {GH_HTTP_X_AS, "aus", SIZE_MAX, false},        {GH_HTTP_X_GTM, "grtm", SIZE_MAX, false},
    {GH_HTTP_X_RTU, "nu", SIZE_MAX, false},
};
enum { HEADER_FIELD_COUNT = sizeof(header_fields) / sizeof(header_fields[0]) };

typedef struct reading {
  gh_arena *arena;
  const gh_http_message *message;
  gh_request *out;
  gh_diag *diag;
  gh_http_media media;
  bool acceptable; /* there is a form of answer that Accept permits */
} reading;

static int refuse(const reading *r, int rsc, const char *text)
{
  (void)gh_fail(r->diag, GH_ESYNTAX, "%s", text);
  return rsc;
}

/* A syntax error found below has filled the diag already. */
static int rsc_of(gh_err err)
{
  return err == GH_OK ? GH_RSC_OK : GH_RSC_BAD_REQUEST;
}

static bool printable_ascii(gh_str s)
{
  for (size_t i = 0; i < s.len; i++)
    if (s.ptr[i] < 0x20 || s.ptr[i] > 0x7e) return false;
  return true;
}

static gh_err read_header(const reading *r, const header_field *field)
{
  const gh_http_message *m = r->message;
  if (!gh_http_has(m, field->header)) return GH_OK;
  if (m->repeated >> (unsigned)field->header & 1u)
    return gh_fail(r->diag, GH_ESYNTAX, "%s: header repeated", field->name);
  gh_str value = m->header[field->header];
  if (!printable_ascii(value)) return gh_fail(r->diag, GH_ESYNTAX, "%s: not printable ASCII", field->name);
  if (field->offset != SIZE_MAX) {
    gh_str *to = (gh_str *)(void *)((char *)r->out + field->offset);
    *to = gh_arena_dup(r->arena, value);
  }
  if (!field->supported && gh_str_empty(r->out->unsupported)) r->out->unsupported = gh_str_of(field->name);
  return GH_OK;
}

static gh_err read_headers(reading *r)
{
  for (size_t i = 0; i < HEADER_FIELD_COUNT; i++) GH_TRY(read_header(r, &header_fields[i]));
  if (gh_str_empty(r->out->rqi)) return gh_fail(r->diag, GH_ESYNTAX, "rqi: X-M2M-RI is missing");
  r->out->has_from = r->out->from.len > 0;
  return GH_OK;
}

/* Tokens have no scheme word; with one ("Bearer x", "Basic x") the field is no oneM2M parameter and, like every
 * header that a client sends about itself, without effect. */
static void read_authorization(reading *r) /*= TS-0009 6.4.19 */
{
  if (!gh_http_has(r->message, GH_HTTP_AUTHORIZATION)) return;
  gh_str value = r->message->header[GH_HTTP_AUTHORIZATION];
  size_t blank = gh_str_find(value, ' ');
  bool scheme_word = blank != SIZE_MAX && gh_str_find(gh_str_sub(value, 0, blank), '.') == SIZE_MAX;
  if (!scheme_word && gh_str_empty(r->out->unsupported)) r->out->unsupported = GH_STR("tkns");
}

/*= TS-0009 6.2.1 */
static int read_method(reading *r)
{
  switch (r->message->method) {
  case GH_HTTP_GET: r->out->op = GH_OP_RETRIEVE; return GH_RSC_OK;
  case GH_HTTP_PUT: r->out->op = GH_OP_UPDATE; return GH_RSC_OK;
  case GH_HTTP_DELETE: r->out->op = GH_OP_DELETE; return GH_RSC_OK;
  case GH_HTTP_POST: r->out->op = r->media.has_ty ? GH_OP_CREATE : GH_OP_NOTIFY; return GH_RSC_OK;
  case GH_HTTP_OTHER_METHOD: break;
  }
  return refuse(r, GH_RSC_OPERATION_NOT_ALLOWED, "method is not of this binding");
}

/*= TS-0009 6.4.3 */
static int read_media(reading *r)
{
  const gh_http_message *m = r->message;
  if ((m->repeated >> GH_HTTP_CONTENT_TYPE) & 1u) return refuse(r, GH_RSC_BAD_REQUEST, "Content-Type repeated");
  if (gh_http_has(m, GH_HTTP_CONTENT_TYPE)) {
    if (gh_http_read_media(m->header[GH_HTTP_CONTENT_TYPE], &r->media, r->diag) != GH_OK) return GH_RSC_BAD_REQUEST;
    r->out->has_ty = r->media.has_ty;
    r->out->ty = r->media.ty;
  }
  return GH_RSC_OK;
}

/* Plain JSON is NULL in the request, so that the answer takes the shortest way. */
static const gh_media_type *unless_usual(const gh_media_type *type)
{
  return type == gh_media_type_of(GH_REP_JSON, GH_MEDIA_PLAIN) ? NULL : type;
}

/*= TS-0009 6.4.2 also for the answer that says what is wrong */
static void read_accept(reading *r)
{
  const gh_http_message *m = r->message;
  const gh_media_type *sent = m->body.len ? r->media.type : NULL;
  const gh_media_type *answer = gh_http_choose_media(m->header[GH_HTTP_ACCEPT], sent);
  r->acceptable = answer != NULL;
  r->out->accept = unless_usual(answer);
  r->out->content_type = unless_usual(sent);
}

/* May a body of this type carry the Content of this operation? Whole primitives do not travel in bodies. */
static bool is_content(const gh_media_type *type, gh_op op)
{
  if (!type) return false;
  switch (type->kind) {
  case GH_MEDIA_PLAIN:
  case GH_MEDIA_RESOURCE: return true;
  case GH_MEDIA_NOTIFICATION: return op == GH_OP_NOTIFY;
  case GH_MEDIA_REQUEST:
  case GH_MEDIA_RESPONSE: break;
  }
  return false;
}

/*= TS-0004 7.3.2.1; 7.3.3.1 4015 for what came, 5207 for what is asked for */
static int check_media(const reading *r)
{
  const gh_http_message *m = r->message;
  if (m->body.len && !is_content(r->media.type, r->out->op))
    return refuse(r, GH_RSC_UNSUPPORTED_MEDIA_TYPE, "Content-Type: neither JSON nor CBOR of this operation");
  if (m->body.len && gh_http_has(m, GH_HTTP_CONTENT_ENCODING) &&
      !gh_str_eq_nocase(m->header[GH_HTTP_CONTENT_ENCODING], GH_STR("identity")))
    return refuse(r, GH_RSC_UNSUPPORTED_MEDIA_TYPE, "Content-Encoding: none is supported");
  if (!r->acceptable)
    return refuse(r, GH_RSC_NOT_ACCEPTABLE, "Accept: only application/json and application/cbor are offered");
  return GH_RSC_OK;
}

/* Absolute form names the host twice; both must agree. */
static gh_err strip_authority(const reading *r, gh_str *target)
{
  if (gh_str_starts(*target, GH_STR("/"))) return GH_OK;
  size_t scheme = gh_str_starts(*target, GH_STR("http://")) ? 7 : gh_str_starts(*target, GH_STR("https://")) ? 8 : 0;
  if (!scheme) return gh_fail(r->diag, GH_ESYNTAX, "to: request target is neither a path nor a URL");
  gh_str rest = gh_str_sub(*target, scheme, target->len);
  size_t slash = gh_str_find(rest, '/');
  gh_str authority = gh_str_sub(rest, 0, slash);
  if (!gh_str_eq_nocase(authority, r->message->header[GH_HTTP_HOST]))
    return gh_fail(r->diag, GH_ESYNTAX, "to: request target and Host disagree");
  *target = slash == SIZE_MAX ? GH_STR("/") : gh_str_sub(rest, slash, rest.len);
  return GH_OK;
}

/*= TS-0009 6.2.2.1; 6.2.2.2 */
static gh_err read_target(reading *r)
{
  gh_str target = r->message->target, query = GH_STR_NONE;
  GH_TRY(strip_authority(r, &target));
  if (gh_str_find(target, '#') != SIZE_MAX) return gh_fail(r->diag, GH_ESYNTAX, "to: fragment in request target");
  size_t mark = gh_str_find(target, '?');
  if (mark != SIZE_MAX) {
    query = gh_str_sub(target, mark + 1, target.len);
    target.len = mark;
  }
  GH_TRY(gh_http_path_to_id(r->arena, target, &r->out->to, r->diag));
  return gh_http_read_query(r->arena, query, r->out, r->diag);
}

/*= TS-0009 6.5 */
static gh_err read_body(const reading *r)
{
  if (!r->message->body.len) return GH_OK;
  gh_str octets = gh_arena_dup(r->arena, r->message->body); /* the tree borrows from it */
  gh_diag why = {.text = ""};
  gh_err err = gh_representation_decode(r->media.type->representation, r->arena, octets, &r->out->pc, &why);
  return err == GH_OK ? GH_OK : gh_fail(r->diag, err, "pc: %s", why.text);
}

int gh_http_to_request(gh_arena *arena, const gh_http_message *message, gh_request *out, gh_diag *diag)
{
  reading r = {.arena = arena, .message = message, .out = out, .diag = diag};
  *out = (gh_request){.rcn = GH_RCN_ABSENT, .rt = 3, .drt = 1};
  int headers = rsc_of(read_headers(&r)); /* first, so that a refusal can repeat rqi */
  int rsc = read_media(&r);
  read_accept(&r);
  if (rsc == GH_RSC_OK) rsc = read_method(&r);
  if (headers != GH_RSC_OK && rsc != GH_RSC_OPERATION_NOT_ALLOWED) return headers;
  if (rsc == GH_RSC_OK) rsc = rsc_of(read_target(&r));
  if (rsc == GH_RSC_OK) rsc = check_media(&r);
  if (rsc != GH_RSC_OK) return rsc;
  read_authorization(&r);
  return rsc_of(read_body(&r));
}
