/* Content-Formats of the CoAP binding, and Content <-> payload: the one place that knows how a body is serialized.
 * Private to the CoAP codec. */
#ifndef GH_BIND_COAP_MEDIA_CODEC_H
#define GH_BIND_COAP_MEDIA_CODEC_H

#include "bind/coap_codec.h"

/* Has this Content-Format a serialization of Content that is read here? Those of notifications are for NOTIFY only.
 */
bool gh_coap_format_readable(uint32_t format, gh_op op);
/* May an answer be of this Content-Format? */
bool gh_coap_format_offered(uint32_t format);
/* Content-Format of payloads where the peer has no wish. */
uint16_t gh_coap_format_default(void);
/* Content-Format of an answer to a payload of this one. */
uint16_t gh_coap_format_like(uint32_t format);
/* NULL is the default, as in gh_request. */
uint16_t gh_coap_format_of(const gh_media_type *type);

/* The tree may borrow from `payload`. */
GH_MUST_USE gh_err gh_coap_read_content(gh_arena *arena, uint32_t format, gh_str payload, gh_val **out,
                                        gh_diag *diag);
/* `ready`: serialized as JSON already, used instead of pc when not empty. *format is corrected when the payload is
 * not what was asked for. */
gh_str gh_coap_write_content(gh_arena *arena, uint16_t *format, const gh_val *pc, gh_str ready);

#endif
