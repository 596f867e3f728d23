/* Content-Formats (TS-0008 6.2.2.2) and the serialization of Content. */
#include "bind/coap_media_codec.h"

#include "m2m/json.h"

/*= TS-0008 6.2.2.2 */
enum { FORMAT_JSON = 50, FORMAT_RES_JSON = 10001, FORMAT_NTFY_JSON = 10003 };

bool gh_coap_format_readable(uint32_t format, gh_op op)
{
  return format == FORMAT_JSON || format == FORMAT_RES_JSON || (format == FORMAT_NTFY_JSON && op == GH_OP_NOTIFY);
}

bool gh_coap_format_offered(uint32_t format)
{
  return format == FORMAT_JSON || format == FORMAT_RES_JSON;
}

uint16_t gh_coap_format_default(void)
{
  return FORMAT_JSON;
}

gh_err gh_coap_read_content(gh_arena *arena, uint32_t format, gh_str payload, gh_val **out, gh_diag *diag)
{
  (void)format; /* all that are readable are JSON */
  gh_diag why = {.text = ""};
  gh_err err = gh_json_parse(arena, payload, &gh_json_default_limits, out, &why);
  return err == GH_OK ? GH_OK : gh_fail(diag, err, "pc: %s", why.text);
}

gh_str gh_coap_write_content(gh_arena *arena, uint32_t format, const gh_val *pc, gh_str ready)
{
  (void)format;
  if (!pc || !gh_str_empty(ready)) return ready;
  gh_buf text = GH_BUF_INIT;
  gh_json_write(&text, pc);
  gh_str kept = gh_arena_dup(arena, gh_buf_str(&text));
  gh_buf_wipe_free(&text); /* keys travel in Content */
  return kept;
}
