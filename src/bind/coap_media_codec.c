/* Content-Formats (TS-0008 6.2.2.2) and the serialization of Content: numbers of the table of media types. */
#include "bind/coap_media_codec.h"

#include "m2m/representation.h"

/*= TS-0008 6.2.2.2 */
bool gh_coap_format_readable(uint32_t format, gh_op op)
{
  const gh_media_type *type = gh_media_type_by_format(format);
  if (!type) return false;
  return type->kind == GH_MEDIA_PLAIN || type->kind == GH_MEDIA_RESOURCE ||
         (type->kind == GH_MEDIA_NOTIFICATION && op == GH_OP_NOTIFY);
}

bool gh_coap_format_offered(uint32_t format)
{
  const gh_media_type *type = gh_media_type_by_format(format);
  return type && (type->kind == GH_MEDIA_PLAIN || type->kind == GH_MEDIA_RESOURCE);
}

static uint16_t plain_of(gh_representation representation)
{
  return gh_media_type_of(representation, GH_MEDIA_PLAIN)->content_format;
}

uint16_t gh_coap_format_default(void)
{
  return plain_of(GH_REP_JSON);
}

static gh_representation representation_of(uint32_t format)
{
  const gh_media_type *type = gh_media_type_by_format(format);
  return type ? type->representation : GH_REP_JSON;
}

/*= TS-0004 7.3.3.12 an answer comes as the request came, where nothing else is asked for */
uint16_t gh_coap_format_like(uint32_t format)
{
  return plain_of(representation_of(format));
}

uint16_t gh_coap_format_of(const gh_media_type *type)
{
  return type ? type->content_format : gh_coap_format_default();
}

gh_err gh_coap_read_content(gh_arena *arena, uint32_t format, gh_str payload, gh_val **out, gh_diag *diag)
{
  gh_diag why = {.text = ""};
  gh_err err = gh_representation_decode(representation_of(format), arena, payload, out, &why);
  return err == GH_OK ? GH_OK : gh_fail(diag, err, "pc: %s", why.text);
}

static gh_str encode(gh_arena *arena, gh_representation representation, const gh_val *pc)
{
  gh_buf octets = GH_BUF_INIT;
  gh_representation_encode(representation, &octets, pc);
  gh_str kept = gh_arena_dup(arena, gh_buf_str(&octets));
  gh_buf_wipe_free(&octets); /* keys travel in Content */
  return kept;
}

/* A resource is kept as JSON. Should that not convert, it goes out as what it is. */
gh_str gh_coap_write_content(gh_arena *arena, uint16_t *format, const gh_val *pc, gh_str ready)
{
  gh_representation representation = representation_of(*format);
  gh_val *tree;
  gh_diag ignored;
  if (gh_str_empty(ready)) return pc ? encode(arena, representation, pc) : GH_STR_NONE;
  if (representation == GH_REP_JSON) return ready;
  if (gh_representation_decode(GH_REP_JSON, arena, ready, &tree, &ignored) == GH_OK)
    return encode(arena, representation, tree);
  *format = gh_coap_format_default();
  return ready;
}
