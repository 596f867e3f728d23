/* CoAP request <-> request primitive (TS-0008 6.2). Reads what the client says; believes nothing. */
#include "bind/coap_media_codec.h"
#include "bind/coap_path_codec.h"
#include "bind/http_uri_codec.h"

#include "m2m/constants.h"
#include "m2m/m2m_time.h"
#include "m2m/printable.h"

/* A parameter that travels in an option of text: where it goes and whether we do something with it. */
typedef struct text_field {
  uint16_t number;
  const char *name; /* short name of the parameter */
  size_t offset;    /* of a gh_str in gh_request; SIZE_MAX when there is none */
  bool supported;
} text_field;

#define GOES_TO(member) offsetof(gh_request, member)

/*= TS-0008 6.2.2.4.1; 6.2.2.4.2; 6.2.2.4.4; 6.2.2.4.5; 6.2.2.4.6; 6.2.2.4.7; 6.2.2.4.8; 6.2.2.4.11; 6.2.2.4.16;
 * 6.2.2.4.17; 6.2.2.4.18; 6.2.2.4.19 */
static const text_field text_fields[] = {
    {GH_COAP_RQI, "rqi", GOES_TO(rqi), true},    {GH_COAP_RVI, "rvi", GOES_TO(rvi), true},
    {GH_COAP_FR, "fr", GOES_TO(from), true},     {GH_COAP_OT, "ot", GOES_TO(ot), true},
    {GH_COAP_RQET, "rqet", GOES_TO(rqet), true}, {GH_COAP_RSET, "rset", GOES_TO(rset), true},
    {GH_COAP_VSI, "vsi", GOES_TO(vsi), true},    {GH_COAP_GID, "gid", GOES_TO(gid), false},
    {GH_COAP_OET, "oet", SIZE_MAX, false},       {GH_COAP_AUS, "aus", SIZE_MAX, false},
    {GH_COAP_GTM, "grtm", SIZE_MAX, false},      {GH_COAP_RTURI, "nu", SIZE_MAX, false},
};
enum { TEXT_FIELD_COUNT = sizeof text_fields / sizeof *text_fields };

typedef struct reading {
  gh_arena *arena;
  const gh_coap_message *message;
  gh_request *out;
  gh_coap_context *context;
  gh_diag *diag;
  bool has_op; /* op came in a Uri-Query */
  bool has_tokens;
  uint64_t seen;
} reading;

static int refuse(const reading *r, int rsc, const char *text)
{
  (void)gh_fail(r->diag, GH_ESYNTAX, "%s", text);
  return rsc;
}

static int rsc_of(gh_err err)
{
  return err == GH_OK ? GH_RSC_OK : GH_RSC_BAD_REQUEST;
}

static void name_unsupported(reading *r, const char *name)
{
  if (gh_str_empty(r->out->unsupported)) r->out->unsupported = gh_str_of(name);
}

static gh_err read_text(reading *r, const text_field *field)
{
  const gh_coap_option *option = gh_coap_find(r->message, field->number);
  if (!option) return GH_OK;
  if (!gh_uri_printable(option->value)) return gh_fail(r->diag, GH_ESYNTAX, "%s: not printable UTF-8", field->name);
  if (field->offset != SIZE_MAX) {
    gh_str *to = (gh_str *)(void *)((char *)r->out + field->offset);
    *to = gh_arena_dup(r->arena, option->value);
  }
  if (!field->supported) name_unsupported(r, field->name);
  return GH_OK;
}

static gh_err read_texts(reading *r)
{
  for (size_t i = 0; i < TEXT_FIELD_COUNT; i++) GH_TRY(read_text(r, &text_fields[i]));
  if (gh_str_empty(r->out->rqi)) return gh_fail(r->diag, GH_ESYNTAX, "rqi: option oneM2M-RQI is missing");
  r->out->has_from = r->out->from.len > 0;
  return GH_OK;
}

/*= TS-0008 6.2.2.4.12; 6.2.2.4.9 */
static gh_err read_numbers(reading *r)
{
  uint32_t number;
  r->out->has_ty = gh_coap_find_uint(r->message, GH_COAP_TY, &r->out->ty);
  if (r->out->has_ty && r->out->ty == 0) return gh_fail(r->diag, GH_ESYNTAX, "ty: not a resource type");
  if (gh_coap_find_uint(r->message, GH_COAP_EC, &number)) name_unsupported(r, "ec");
  return GH_OK;
}

/* Options that only a response has are, in a request, unknown and critical. */
static uint16_t response_option(const gh_coap_message *message)
{
  static const uint16_t numbers[] = {GH_COAP_RSC, GH_COAP_ASRI, GH_COAP_CTO, GH_COAP_CTS, GH_COAP_ATI};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
    if (gh_coap_find(message, numbers[i])) return numbers[i];
  return 0;
}

/*= TS-0008 6.2.2.3 op and tkns are Uri-Query fields of this binding alone */
static gh_err read_query_item(reading *r, gh_str item)
{
  if (gh_str_starts(item, GH_STR("op="))) {
    bool digit = item.len == 4 && item.ptr[3] >= '1' && item.ptr[3] <= '5';
    if (!digit || r->has_op) return gh_fail(r->diag, GH_ESYNTAX, "op: not one operation");
    r->has_op = true;
    r->out->op = (gh_op)(item.ptr[3] - '0');
    return GH_OK;
  }
  if (gh_str_starts(item, GH_STR("tkns="))) {
    if (!gh_uri_printable(item)) return gh_fail(r->diag, GH_ESYNTAX, "tkns: not printable UTF-8");
    name_unsupported(r, "tkns");
    return GH_OK;
  }
  return gh_query_read_item(r->arena, item, &r->seen, r->out, r->diag);
}

static gh_err read_query(reading *r)
{
  for (size_t i = 0; i < r->message->option_count; i++)
    if (r->message->options[i].number == GH_COAP_URI_QUERY) GH_TRY(read_query_item(r, r->message->options[i].value));
  return GH_OK;
}

/*= TS-0008 6.2.1 table 6.2.1-1, and POST without Operation; TS-0008 6.3.2 */
static int read_method(reading *r)
{
  gh_op *op = &r->out->op;
  if (r->has_op && r->message->code != GH_COAP_POST)
    return refuse(r, GH_RSC_BAD_REQUEST, "op: only with the method POST");
  switch (r->message->code) {
  case GH_COAP_GET: *op = GH_OP_RETRIEVE; break;
  case GH_COAP_PUT: *op = GH_OP_UPDATE; break;
  case GH_COAP_DELETE: *op = GH_OP_DELETE; break;
  case GH_COAP_POST:
    if (!r->has_op) *op = r->out->has_ty ? GH_OP_CREATE : GH_OP_NOTIFY;
    break;
  default: return refuse(r, GH_RSC_OPERATION_NOT_ALLOWED, "method is not of this binding");
  }
  bool non_blocking = r->out->rt != 3 && r->out->rt != 5;
  if (non_blocking && !r->has_op)
    return refuse(r, GH_RSC_BAD_REQUEST, "op: a non-blocking request names it, with the method POST");
  return GH_RSC_OK;
}

/*= TS-0008 6.2.2.2; TS-0008 6.2.3 */
static int read_body(reading *r)
{
  uint32_t format, accept;
  if (gh_coap_find_uint(r->message, GH_COAP_ACCEPT, &accept)) {
    if (!gh_coap_format_offered(accept)) return refuse(r, GH_RSC_NOT_ACCEPTABLE, "Accept: not a format of answers");
    r->context->text_format = (uint16_t)accept;
  }
  if (!r->message->payload.len) return GH_RSC_OK;
  if (!gh_coap_find_uint(r->message, GH_COAP_CONTENT_FORMAT, &format) || !gh_coap_format_readable(format, r->out->op))
    return refuse(r, GH_RSC_UNSUPPORTED_MEDIA_TYPE, "Content-Format: not one of this operation");
  if (!gh_coap_find(r->message, GH_COAP_ACCEPT)) r->context->text_format = gh_coap_format_like(format);
  gh_str kept = gh_arena_dup(r->arena, r->message->payload); /* the tree borrows from it */
  return rsc_of(gh_coap_read_content(r->arena, format, kept, &r->out->pc, r->diag));
}

/*= RFC 7252 5.4.1 4.02; RFC 7252 5.7.2 5.05: no proxy */
static int check_options(reading *r, uint16_t refused)
{
  if (gh_coap_find(r->message, GH_COAP_PROXY_URI) || gh_coap_find(r->message, GH_COAP_PROXY_SCHEME)) {
    r->context->code = GH_COAP_NO_PROXY;
    return refuse(r, GH_RSC_NOT_IMPLEMENTED, "this is no proxy");
  }
  if (!refused) refused = response_option(r->message);
  if (!refused) return GH_RSC_OK;
  r->context->code = GH_COAP_BAD_OPTION;
  (void)gh_fail(r->diag, GH_ESYNTAX, "option %u is unknown, repeated, or of a wrong length", refused);
  return GH_RSC_BAD_REQUEST;
}

static int read_target(reading *r)
{
  GH_REQUIRE(gh_coap_read_path(r->arena, r->message, GH_COAP_URI_PATH, &r->out->to, r->diag) == GH_OK,
             GH_RSC_BAD_REQUEST);
  return GH_RSC_OK;
}

int gh_coap_to_request(gh_arena *arena, gh_coap_message *message, gh_request *out, gh_coap_context *context,
                       gh_diag *diag)
{
  reading r = {.arena = arena, .message = message, .out = out, .context = context, .diag = diag};
  *out = (gh_request){.rcn = GH_RCN_ABSENT, .rt = 3, .drt = 1};
  *context = (gh_coap_context){.text_format = gh_coap_format_default()};
  uint16_t refused = gh_coap_check_options(message);
  int texts = rsc_of(read_texts(&r)); /* first, so that a refusal can repeat rqi */
  int rsc = check_options(&r, refused);
  if (rsc == GH_RSC_OK) rsc = texts;
  if (rsc == GH_RSC_OK) rsc = rsc_of(read_numbers(&r));
  if (rsc == GH_RSC_OK) rsc = rsc_of(read_query(&r));
  if (rsc == GH_RSC_OK) rsc = read_method(&r);
  if (rsc == GH_RSC_OK) rsc = read_target(&r);
  return rsc == GH_RSC_OK ? read_body(&r) : rsc;
}

/* ------------------------------------------------------------------------------------------------- writing */

static gh_err write_text(gh_coap_message *out, uint16_t number, gh_str value)
{
  if (gh_str_empty(value)) return GH_OK;
  GH_REQUIRE(value.len <= 255 && gh_uri_printable(value), GH_EINVAL);
  return gh_coap_add(out, number, value) ? GH_OK : GH_EINVAL;
}

/*= TS-0008 6.2.2.4.0 a time is exactly 15 octets: no fraction, not relative */
static gh_err write_time(gh_arena *arena, gh_coap_message *out, uint16_t number, gh_str value, int64_t now_us)
{
  int64_t at;
  if (gh_str_empty(value) || value.len == 15) return write_text(out, number, value);
  GH_REQUIRE(gh_abs_rel_parse(value, now_us, &at) == GH_OK, GH_EINVAL);
  return write_text(out, number, gh_timestamp(arena, at));
}

static gh_err write_method(gh_arena *arena, const gh_request *request, gh_coap_message *out) /*= TS-0008 6.2.1 */
{
  static const uint8_t methods[] = {[GH_OP_CREATE] = GH_COAP_POST,
                                    [GH_OP_RETRIEVE] = GH_COAP_GET,
                                    [GH_OP_UPDATE] = GH_COAP_PUT,
                                    [GH_OP_DELETE] = GH_COAP_DELETE,
                                    [GH_OP_NOTIFY] = GH_COAP_POST};
  GH_REQUIRE(request->op >= GH_OP_CREATE && request->op <= GH_OP_NOTIFY, GH_EINVAL);
  out->code = methods[request->op];
  bool blocking = request->rt == 3 || request->rt == 5 || request->rt == 0;
  bool plain = request->op != GH_OP_CREATE || request->has_ty;
  if (request->op == GH_OP_NOTIFY && request->has_ty) plain = false;
  if (blocking && plain) return GH_OK;
  out->code = GH_COAP_POST;
  gh_str op = gh_arena_fmt(arena, "op=%d", (int)request->op);
  return gh_coap_add(out, GH_COAP_URI_QUERY, op) ? GH_OK : GH_EINVAL;
}

/* The fields are those of HTTP's query, each an option of its own and not percent-coded. */
static gh_err write_query(gh_arena *arena, const gh_request *request, gh_coap_message *out)
{
  gh_buf text = GH_BUF_INIT;
  gh_err err = GH_OK;
  size_t hash = gh_str_find(request->to, '#');
  gh_str attribute = hash == SIZE_MAX ? GH_STR_NONE : gh_str_sub(request->to, hash + 1, SIZE_MAX), item;
  gh_http_write_query(&text, request, attribute);
  gh_str rest = gh_str_sub(gh_arena_dup(arena, gh_buf_str(&text)), 1, SIZE_MAX);
  gh_buf_free(&text);
  while (err == GH_OK && rest.len && gh_str_split(&rest, '&', &item)) {
    gh_str plain;
    err = gh_uri_decode(arena, item, false, &plain) == GH_OK && plain.len <= 255 ? GH_OK : GH_EINVAL;
    if (err == GH_OK && !gh_coap_add(out, GH_COAP_URI_QUERY, plain)) err = GH_EINVAL;
  }
  return err;
}

gh_err gh_coap_from_request(gh_arena *arena, const gh_request *request, int64_t now_us, gh_coap_message *out)
{
  out->option_count = 0;
  GH_TRY(write_method(arena, request, out));
  GH_TRY(gh_coap_write_path(out, GH_COAP_URI_PATH, request->to));
  GH_TRY(write_query(arena, request, out));
  GH_TRY(write_text(out, GH_COAP_FR, request->from));
  GH_TRY(write_text(out, GH_COAP_RQI, request->rqi));
  GH_TRY(write_text(out, GH_COAP_RVI, request->rvi));
  GH_TRY(write_text(out, GH_COAP_VSI, request->vsi));
  GH_TRY(write_text(out, GH_COAP_GID, request->gid));
  GH_TRY(write_time(arena, out, GH_COAP_OT, request->ot, now_us));
  GH_TRY(write_time(arena, out, GH_COAP_RQET, request->rqet, now_us));
  GH_TRY(write_time(arena, out, GH_COAP_RSET, request->rset, now_us));
  if (request->has_ty) {
    GH_REQUIRE(request->ty && request->ty <= UINT16_MAX, GH_EINVAL);
    GH_REQUIRE(gh_coap_add_uint(arena, out, GH_COAP_TY, request->ty), GH_EINVAL);
  }
  uint16_t format = gh_coap_format_of(request->content_type);
  out->payload = gh_coap_write_content(arena, &format, request->pc, GH_STR_NONE);
  if (out->payload.len) GH_REQUIRE(gh_coap_add_uint(arena, out, GH_COAP_CONTENT_FORMAT, format), GH_EINVAL);
  if (request->accept)
    GH_REQUIRE(gh_coap_add_uint(arena, out, GH_COAP_ACCEPT, gh_coap_format_of(request->accept)), GH_EINVAL);
  return GH_OK;
}
