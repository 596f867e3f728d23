/* HTTP response -> response primitive (TS-0009 6.3.2, 6.4.17, 6.5), on the client side. */
#include "bind/http_codec.h"
#include "bind/http_media_codec.h"

#include "m2m/constants.h"

/* The response status code that a status stands for when X-M2M-RSC is missing: a peer or proxy that speaks only HTTP.
 */
static int rsc_of_status(int status)
{
  switch (status) {
  case 200: return GH_RSC_OK;
  case 201: return GH_RSC_CREATED;
  case 202: return GH_RSC_ACCEPTED;
  case 400: return GH_RSC_BAD_REQUEST;
  case 403: return GH_RSC_ORIGINATOR_HAS_NO_PRIVILEGE;
  case 404: return GH_RSC_NOT_FOUND;
  case 405: return GH_RSC_OPERATION_NOT_ALLOWED;
  case 406: return GH_RSC_NOT_ACCEPTABLE;
  case 409: return GH_RSC_CONFLICT;
  case 415: return GH_RSC_UNSUPPORTED_MEDIA_TYPE;
  case 500: return GH_RSC_INTERNAL_SERVER_ERROR;
  case 501: return GH_RSC_NOT_IMPLEMENTED;
  case 504: return GH_RSC_REQUEST_TIMEOUT;
  default: break; /* an integer: by its class below */
  }
  if (status >= 200 && status < 300) return GH_RSC_OK;
  return status >= 400 && status < 500 ? GH_RSC_BAD_REQUEST : GH_RSC_INTERNAL_SERVER_ERROR;
}

/*= TS-0009 6.4.17 */
static gh_err read_rsc(const gh_http_message *message, gh_response *out, gh_diag *diag)
{
  uint64_t number;
  if (!gh_http_has(message, GH_HTTP_X_RSC)) {
    out->rsc = rsc_of_status(message->status);
    return GH_OK;
  }
  if (message->repeated >> GH_HTTP_X_RSC & 1u) return gh_fail(diag, GH_EPROTO, "X-M2M-RSC repeated");
  if (!gh_str_to_u64(message->header[GH_HTTP_X_RSC], &number) || number < 1000 || number > 9999)
    return gh_fail(diag, GH_EPROTO, "X-M2M-RSC is not a response status code");
  out->rsc = (int)number;
  return GH_OK;
}

/* A path, or a URL of which the path counts. What cannot be an identifier is left out: it is information only. */
static void read_location(gh_arena *arena, gh_str value, gh_response *out)
{
  size_t scheme = gh_str_starts(value, GH_STR("http://")) ? 7 : gh_str_starts(value, GH_STR("https://")) ? 8 : 0;
  if (scheme) {
    gh_str rest = gh_str_sub(value, scheme, value.len);
    value = gh_str_sub(rest, gh_str_find(rest, '/'), rest.len);
  }
  gh_str id;
  if (value.len && gh_http_path_to_id(arena, value, &id, NULL) == GH_OK) out->location = gh_arena_dup(arena, id);
}

static gh_err read_content(gh_arena *arena, const gh_http_message *message, gh_response *out, gh_diag *diag)
{
  gh_http_media media = {0};
  gh_diag why = {.text = ""};
  if (!message->body.len || !gh_http_has(message, GH_HTTP_CONTENT_TYPE)) return GH_OK;
  if (gh_http_read_media(message->header[GH_HTTP_CONTENT_TYPE], &media, NULL) != GH_OK || !media.type) return GH_OK;
  gh_str octets = gh_arena_dup(arena, message->body);
  gh_err err = gh_representation_decode(media.type->representation, arena, octets, &out->pc, &why);
  return err == GH_OK ? GH_OK : gh_fail(diag, err, "pc: %s", why.text);
}

gh_err gh_http_to_response(gh_arena *arena, const gh_http_message *message, gh_response *out, gh_diag *diag)
{
  *out = (gh_response){.rsc = GH_RSC_INTERNAL_SERVER_ERROR};
  GH_TRY(read_rsc(message, out, diag));
  out->rqi = gh_arena_dup(arena, message->header[GH_HTTP_X_RI]);
  out->rvi = gh_arena_dup(arena, message->header[GH_HTTP_X_RVI]);
  read_location(arena, message->header[GH_HTTP_CONTENT_LOCATION], out);
  return read_content(arena, message, out, diag);
}
