/* The table of media types and of codecs. A further serialization is a row in each. */
#include "m2m/representation.h"

#include "m2m/cbor.h"
#include "m2m/json.h"

enum { MEDIA_KINDS = GH_MEDIA_RESPONSE + 1, REPRESENTATIONS = GH_REP_CBOR + 1 };

#define ROW(suffix, rep, number, media)                                                                              \
  {                                                                                                                  \
    .name = {"application/" suffix, sizeof("application/" suffix) - 1}, .representation = (rep), .kind = (media),    \
    .content_format = (number)                                                                                       \
  }

/*= TS-0004 6.7; TS-0008 6.2.2.2 in the order of both enums */
static const gh_media_type media_types[] = {
    ROW("json", GH_REP_JSON, 50, GH_MEDIA_PLAIN),
    ROW("vnd.onem2m-res+json", GH_REP_JSON, 10001, GH_MEDIA_RESOURCE),
    ROW("vnd.onem2m-ntfy+json", GH_REP_JSON, 10003, GH_MEDIA_NOTIFICATION),
    ROW("vnd.onem2m-preq+json", GH_REP_JSON, 10007, GH_MEDIA_REQUEST),
    ROW("vnd.onem2m-prsp+json", GH_REP_JSON, 10009, GH_MEDIA_RESPONSE),
    ROW("cbor", GH_REP_CBOR, 60, GH_MEDIA_PLAIN),
    ROW("vnd.onem2m-res+cbor", GH_REP_CBOR, 10010, GH_MEDIA_RESOURCE),
    ROW("vnd.onem2m-ntfy+cbor", GH_REP_CBOR, 10011, GH_MEDIA_NOTIFICATION),
    ROW("vnd.onem2m-preq+cbor", GH_REP_CBOR, 10012, GH_MEDIA_REQUEST),
    ROW("vnd.onem2m-prsp+cbor", GH_REP_CBOR, 10013, GH_MEDIA_RESPONSE),
};
enum { MEDIA_TYPES = sizeof(media_types) / sizeof(media_types[0]) };
_Static_assert(MEDIA_TYPES == REPRESENTATIONS * MEDIA_KINDS, "a media type of each kind for each representation");

const gh_media_type *gh_media_type_by_name(gh_str name)
{
  for (size_t i = 0; i < MEDIA_TYPES; i++)
    if (gh_str_eq_nocase(media_types[i].name, name)) return &media_types[i];
  return NULL;
}

const gh_media_type *gh_media_type_by_format(uint32_t content_format)
{
  for (size_t i = 0; i < MEDIA_TYPES; i++)
    if (media_types[i].content_format == content_format) return &media_types[i];
  return NULL;
}

const gh_media_type *gh_media_type_of(gh_representation representation, gh_media_kind kind)
{
  return &media_types[(size_t)representation * MEDIA_KINDS + kind];
}

static gh_err decode_json(gh_arena *arena, gh_str octets, gh_val **out, gh_diag *diag)
{
  return gh_json_parse(arena, octets, &gh_json_default_limits, out, diag);
}

static gh_err decode_cbor(gh_arena *arena, gh_str octets, gh_val **out, gh_diag *diag)
{
  return gh_cbor_parse(arena, octets, &gh_cbor_default_limits, out, diag);
}

static const struct codec {
  gh_str name;
  gh_err (*decode)(gh_arena *arena, gh_str octets, gh_val **out, gh_diag *diag);
  void (*encode)(gh_buf *out, const gh_val *value);
} codecs[REPRESENTATIONS] = {
    [GH_REP_JSON] = {{"json", 4}, decode_json, gh_json_write},
    [GH_REP_CBOR] = {{"cbor", 4}, decode_cbor, gh_cbor_write},
};

/*= TS-0004 6.3.3 m2m:serializations */
gh_str gh_representation_name(gh_representation representation)
{
  return codecs[representation].name;
}

bool gh_representation_by_name(gh_str name, gh_representation *out)
{
  for (size_t i = 0; i < REPRESENTATIONS; i++) {
    if (!gh_str_eq(codecs[i].name, name)) continue;
    *out = (gh_representation)i;
    return true;
  }
  return false;
}

/*= TS-0004 6.3.3 m2m:serializations has xml, too */
bool gh_representation_is_word(gh_str text)
{
  gh_representation ignored;
  return gh_representation_by_name(text, &ignored) || gh_str_eq(text, GH_STR("xml"));
}

gh_err gh_representation_decode(gh_representation representation, gh_arena *arena, gh_str octets, gh_val **out,
                                gh_diag *diag)
{
  return codecs[representation].decode(arena, octets, out, diag);
}

void gh_representation_encode(gh_representation representation, gh_buf *out, const gh_val *value)
{
  codecs[representation].encode(out, value);
}
