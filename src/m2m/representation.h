/* How a value tree travels: JSON or CBOR, and under which names the bindings announce it. The one place that knows
 * both codecs; a binding picks a media type here and need not care what stands behind it (TS-0004 6.7, 8.4, 8.5). */
#ifndef GH_M2M_REPRESENTATION_H
#define GH_M2M_REPRESENTATION_H

#include "base/buf.h"
#include "m2m/value.h"

typedef enum gh_representation { GH_REP_JSON, GH_REP_CBOR } gh_representation;

/* What a media type says the octets are. */
typedef enum gh_media_kind {
  GH_MEDIA_PLAIN,        /* application/json, application/cbor: whatever the binding puts there */
  GH_MEDIA_RESOURCE,     /* vnd.onem2m-res: m2m:resource */
  GH_MEDIA_NOTIFICATION, /* vnd.onem2m-ntfy: m2m:notification, m2m:aggregatedNotification */
  GH_MEDIA_REQUEST,      /* vnd.onem2m-preq: a whole request primitive */
  GH_MEDIA_RESPONSE      /* vnd.onem2m-prsp: a whole response primitive */
} gh_media_kind;

typedef struct gh_media_type {
  gh_str name; /* "application/vnd.onem2m-res+cbor" */
  gh_representation representation;
  gh_media_kind kind;
  uint16_t content_format; /* CoAP (TS-0008 6.2.2.2). The numbers above 10000 are provisional: IANA has given 10001 to
                              application/oscore */
} gh_media_type;

/* By name, without parameters, upper or lower case; NULL when it is none that is read here (also XML). */
const gh_media_type *gh_media_type_by_name(gh_str name);
/* By CoAP Content-Format; NULL as above. */
const gh_media_type *gh_media_type_by_format(uint32_t content_format);
/* Never NULL. */
const gh_media_type *gh_media_type_of(gh_representation representation, gh_media_kind kind);

/* NULL: JSON. */
static inline gh_representation gh_media_representation(const gh_media_type *type)
{
  return type ? type->representation : GH_REP_JSON;
}

/* "json", "cbor": the words of m2m:serializations (csz), of MQTT topics, of `?ct=`. */
gh_str gh_representation_name(gh_representation representation);
bool gh_representation_by_name(gh_str name, gh_representation *out);
/* Is it a word of m2m:serializations, one that is read here or "xml"? Media types are none. */
bool gh_representation_is_word(gh_str text);

/* Octets -> tree, which borrows from them. Bounds are those of the codec's default limits. *diag reads like "offset
 * 17: ..."; GH_ESYNTAX, GH_ERANGE, GH_ELIMIT. */
GH_MUST_USE gh_err gh_representation_decode(gh_representation representation, gh_arena *arena, gh_str octets,
                                            gh_val **out, gh_diag *diag);
/* Tree -> octets, appended. */
void gh_representation_encode(gh_representation representation, gh_buf *out, const gh_val *value);

#endif
