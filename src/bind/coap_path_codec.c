/* The segments of a resource identifier, each an option of its own; the first says how it is addressed. */
#include "bind/coap_path_codec.h"

#include "bind/http_uri_codec.h"

static const gh_coap_option *next_of(const gh_coap_message *message, const gh_coap_option *from, uint16_t number)
{
  const gh_coap_option *end = message->options + message->option_count;
  for (; from < end; from++)
    if (from->number == number) return from;
  return NULL;
}

static size_t total_len(const gh_coap_message *message, uint16_t number)
{
  size_t total = 0;
  for (const gh_coap_option *o = message->options; (o = next_of(message, o, number)); o++) total += o->value.len + 1;
  return total;
}

static gh_err join(char *to, size_t *len, const gh_coap_option *segment, gh_diag *diag)
{
  GH_TRY(gh_uri_check_segment(segment->value, diag));
  if (*len) to[(*len)++] = '/';
  memcpy(to + *len, segment->value.ptr, segment->value.len);
  *len += segment->value.len;
  return GH_OK;
}

/*= TS-0008 6.2.2.3 */
gh_err gh_coap_read_path(gh_arena *arena, const gh_coap_message *message, uint16_t number, gh_str *id, gh_diag *diag)
{
  const gh_coap_option *segment = next_of(message, message->options, number);
  if (!segment) return gh_fail(diag, GH_ENOTFOUND, "to: no Uri-Path");
  size_t len = 0;
  char *text = gh_arena_alloc(arena, total_len(message, number) + 3), *to = text + 2;
  bool absolute = gh_str_eq(segment->value, GH_STR("_")), sp_relative = gh_str_eq(segment->value, GH_STR("~"));
  text[0] = text[1] = '/';
  if (absolute || sp_relative) segment++;
  for (; (segment = next_of(message, segment, number)); segment++) GH_TRY(join(to, &len, segment, diag));
  if (!len) return gh_fail(diag, GH_ESYNTAX, "to: path names no resource");
  to[len] = '\0';
  size_t slashes = absolute ? 2 : sp_relative ? 1 : 0;
  *id = (gh_str){to - slashes, len + slashes};
  return GH_OK;
}

/*= TS-0008 6.2.2.3 */
gh_err gh_coap_write_path(gh_coap_message *message, uint16_t number, gh_str id)
{
  gh_str segment;
  id = gh_str_sub(id, 0, gh_str_find(id, '#'));
  if (gh_str_starts(id, GH_STR("//"))) {
    GH_REQUIRE(gh_coap_add(message, number, GH_STR("_")), GH_EINVAL);
    id = gh_str_sub(id, 2, id.len);
  } else if (gh_str_starts(id, GH_STR("/"))) {
    GH_REQUIRE(gh_coap_add(message, number, GH_STR("~")), GH_EINVAL);
    id = gh_str_sub(id, 1, id.len);
  }
  while (gh_str_split(&id, '/', &segment)) {
    GH_REQUIRE(segment.len && segment.len <= 255, GH_EINVAL);
    GH_REQUIRE(gh_coap_add(message, number, segment), GH_EINVAL);
  }
  return GH_OK;
}
