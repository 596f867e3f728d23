/* Content-Type and Accept. */
#include "bind/http_media_codec.h"

static gh_str trim(gh_str s)
{
  while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) s = gh_str_sub(s, 1, s.len);
  while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t')) s.len--;
  return s;
}

static bool is_json(gh_str type)
{
  return gh_str_eq_nocase(type, GH_STR("application/json")) ||
         gh_str_eq_nocase(type, GH_STR("application/vnd.onem2m-res+json"));
}

static bool is_notify_json(gh_str type)
{
  return gh_str_eq_nocase(type, GH_STR("application/vnd.onem2m-ntfy+json"));
}

static gh_err read_ty(gh_str value, gh_http_media *out, gh_diag *diag)
{
  uint64_t number;
  if (out->has_ty) return gh_fail(diag, GH_ESYNTAX, "Content-Type: ty repeated");
  if (!gh_str_to_u64(value, &number) || number == 0 || number > UINT32_MAX)
    return gh_fail(diag, GH_ESYNTAX, "ty: not a resource type");
  out->has_ty = true;
  out->ty = (uint32_t)number;
  return GH_OK;
}

static gh_err read_parameter(gh_str text, gh_http_media *out, gh_diag *diag)
{
  size_t equal = gh_str_find(text, '=');
  if (equal == SIZE_MAX) return gh_fail(diag, GH_ESYNTAX, "Content-Type: malformed parameter");
  gh_str name = trim(gh_str_sub(text, 0, equal)), value = trim(gh_str_sub(text, equal + 1, text.len));
  if (gh_str_eq_nocase(name, GH_STR("ty"))) return read_ty(value, out, diag);
  if (gh_str_eq_nocase(name, GH_STR("charset")) && !gh_str_eq_nocase(value, GH_STR("utf-8")) &&
      !gh_str_eq_nocase(value, GH_STR("\"utf-8\"")))
    out->json = false; /* JSON is UTF-8 */
  return GH_OK;
}

/*= TS-0009 6.4.3 */
gh_err gh_http_read_media(gh_str value, gh_http_media *out, gh_diag *diag)
{
  gh_str part;
  *out = (gh_http_media){0};
  if (!gh_str_split(&value, ';', &part)) return gh_fail(diag, GH_ESYNTAX, "Content-Type is empty");
  gh_str type = trim(part);
  out->notify = is_notify_json(type);
  out->json = out->notify || is_json(type);
  while (gh_str_split(&value, ';', &part)) GH_TRY(read_parameter(trim(part), out, diag));
  return GH_OK;
}

static bool is_zero_quality(gh_str parameter)
{
  parameter = trim(parameter);
  if (parameter.len < 3 || (parameter.ptr[0] | 0x20) != 'q' || parameter.ptr[1] != '=') return false;
  for (size_t i = 2; i < parameter.len; i++)
    if (parameter.ptr[i] != '0' && parameter.ptr[i] != '.') return false;
  return true;
}

static bool range_permits_json(gh_str range)
{
  gh_str part;
  if (!gh_str_split(&range, ';', &part)) return false;
  gh_str type = trim(part);
  if (!is_json(type) && !is_notify_json(type) && !gh_str_eq(type, GH_STR("*/*")) &&
      !gh_str_eq_nocase(type, GH_STR("application/*")))
    return false;
  while (gh_str_split(&range, ';', &part))
    if (is_zero_quality(part)) return false;
  return true;
}

/*= TS-0009 6.4.2 */
bool gh_http_accepts_json(gh_str accept)
{
  gh_str range;
  if (gh_str_empty(accept)) return true;
  while (gh_str_split(&accept, ',', &range))
    if (range_permits_json(range)) return true;
  return false;
}
