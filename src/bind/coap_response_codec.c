/* Response primitive <-> CoAP response (TS-0008 6.2.3, 6.2.4). */
#include "bind/coap_media_codec.h"
#include "bind/coap_path_codec.h"
#include "bind/http_uri_codec.h"

#include "m2m/constants.h"
#include "m2m/tables.h"

/*= TS-0008 6.2.4 table 6.2.4-1; TS-0008 6.3.2 */
static uint8_t code_of(const gh_request *request, const gh_response *response)
{
  int code = gh_rsc_find(response->rsc)->coap_code;
  bool retrieve = request && request->op == GH_OP_RETRIEVE;
  if (response->rsc == GH_RSC_OK) return retrieve ? GH_COAP_CONTENT : GH_COAP_CHANGED;
  if (response->rsc == GH_RSC_ACCEPTED_FOR_NON_BLOCKING_REQUEST_ASYNCH && gh_str_empty(response->location))
    return GH_COAP_CHANGED;
  return code < 0 ? GH_COAP_CHANGED : (uint8_t)code; /* 1000 has none */
}

static gh_str first_of(gh_str a, gh_str b)
{
  return gh_str_empty(a) ? b : a;
}

/* A value from a primitive that no option can carry is left out; who answers cannot refuse any more. */
static void add_text(gh_coap_message *out, uint16_t number, gh_str value)
{
  if (value.len && value.len <= 255 && gh_uri_printable(value)) (void)gh_coap_add(out, number, value);
}

/*= TS-0008 6.2.2.4.10; 6.2.2.4.2; 6.2.2.4.16; 6.2.3; 6.4 */
void gh_coap_from_response(gh_arena *arena, const gh_request *request, const gh_response *response,
                           const gh_coap_context *context, gh_coap_message *out)
{
  gh_str rqi = request ? request->rqi : GH_STR_NONE, rvi = request ? request->rvi : GH_STR_NONE;
  out->option_count = 0;
  out->code = context->code ? context->code : code_of(request, response);
  if (response->location.len && gh_coap_write_path(out, GH_COAP_LOCATION_PATH, response->location) != GH_OK)
    out->option_count = 0;
  bool empty = request && request->op == GH_OP_NOTIFY && response->rsc == GH_RSC_OK;
  uint16_t format = context->text_format;
  out->payload = empty ? GH_STR_NONE : gh_coap_write_content(arena, &format, response->pc, response->body);
  if (out->payload.len) (void)gh_coap_add_uint(arena, out, GH_COAP_CONTENT_FORMAT, format);
  /* complete mapping: nobody between us and the client may answer for us */
  if (request && request->op == GH_OP_RETRIEVE) (void)gh_coap_add_uint(arena, out, GH_COAP_MAX_AGE, 0);
  add_text(out, GH_COAP_RVI, first_of(response->rvi, rvi));
  add_text(out, GH_COAP_RQI, first_of(response->rqi, rqi));
  (void)gh_coap_add_uint(arena, out, GH_COAP_RSC, (uint32_t)response->rsc);
}

/* ------------------------------------------------------------------------------------------------- reading */

/* The response status code that a CoAP code stands for when oneM2M-RSC is missing. */
static int rsc_of_code(uint8_t code)
{
  switch (code) {
  case GH_COAP_CREATED: return GH_RSC_CREATED;
  case GH_COAP_CODE(2, 2): return GH_RSC_DELETED;
  case GH_COAP_CHANGED: return GH_RSC_UPDATED;
  case GH_COAP_CONTENT: return GH_RSC_OK;
  case GH_COAP_FORBIDDEN: return GH_RSC_ORIGINATOR_HAS_NO_PRIVILEGE;
  case GH_COAP_CODE(4, 4): return GH_RSC_NOT_FOUND;
  case GH_COAP_CODE(4, 5): return GH_RSC_OPERATION_NOT_ALLOWED;
  case GH_COAP_CODE(4, 6): return GH_RSC_NOT_ACCEPTABLE;
  case GH_COAP_CODE(4, 15): return GH_RSC_UNSUPPORTED_MEDIA_TYPE;
  case GH_COAP_CODE(5, 1): return GH_RSC_NOT_IMPLEMENTED;
  case GH_COAP_CODE(5, 4): return GH_RSC_REQUEST_TIMEOUT;
  default: break; /* an octet: by its class below */
  }
  if (code >> 5 == 2) return GH_RSC_OK;
  return code >> 5 == 4 ? GH_RSC_BAD_REQUEST : GH_RSC_INTERNAL_SERVER_ERROR;
}

static gh_str text_of(gh_arena *arena, const gh_coap_message *message, uint16_t number)
{
  const gh_coap_option *option = gh_coap_find(message, number);
  return option && gh_uri_printable(option->value) ? gh_arena_dup(arena, option->value) : GH_STR_NONE;
}

static gh_err read_rsc(const gh_coap_message *message, gh_response *out, gh_diag *diag)
{
  uint32_t number;
  out->rsc = rsc_of_code(message->code);
  if (!gh_coap_find_uint(message, GH_COAP_RSC, &number)) return GH_OK;
  if (number < 1000 || number > 9999) return gh_fail(diag, GH_EPROTO, "oneM2M-RSC is not a response status code");
  out->rsc = (int)number;
  return GH_OK;
}

gh_err gh_coap_to_response(gh_arena *arena, gh_coap_message *message, gh_response *out, gh_diag *diag)
{
  uint32_t format;
  *out = (gh_response){.rsc = GH_RSC_INTERNAL_SERVER_ERROR};
  if (!gh_coap_is_response(message)) return gh_fail(diag, GH_EPROTO, "code is not of a response");
  uint16_t refused = gh_coap_check_options(message);
  if (refused) return gh_fail(diag, GH_EPROTO, "option %u is unknown, repeated, or of a wrong length", refused);
  GH_TRY(read_rsc(message, out, diag));
  out->rqi = text_of(arena, message, GH_COAP_RQI);
  out->rvi = text_of(arena, message, GH_COAP_RVI);
  if (gh_coap_read_path(arena, message, GH_COAP_LOCATION_PATH, &out->location, NULL) != GH_OK)
    out->location = GH_STR_NONE; /* information only */
  if (!message->payload.len || !gh_coap_find_uint(message, GH_COAP_CONTENT_FORMAT, &format) ||
      !gh_coap_format_readable(format, GH_OP_RETRIEVE))
    return GH_OK;
  return gh_coap_read_content(arena, format, gh_arena_dup(arena, message->payload), &out->pc, diag);
}
