/* Media types of the HTTP binding (TS-0009 6.4.2, 6.4.3; TS-0004 6.7). Private to the HTTP codec. */
#ifndef GH_BIND_HTTP_MEDIA_CODEC_H
#define GH_BIND_HTTP_MEDIA_CODEC_H

#include "gatehouse/error.h"
#include "gatehouse/str.h"

typedef struct gh_http_media {
  bool json;   /* a JSON serialization of Content that this binding reads */
  bool notify; /* application/vnd.onem2m-ntfy+json: only in NOTIFY */
  bool has_ty; /* parameter ty: the Resource Type of a CREATE */
  uint32_t ty;
} gh_http_media;

/* GH_ESYNTAX when the header value is malformed or `ty` is no number. */
GH_MUST_USE gh_err gh_http_read_media(gh_str value, gh_http_media *out, gh_diag *diag);

/* Does the Accept value permit JSON? */
bool gh_http_accepts_json(gh_str accept);

#endif
