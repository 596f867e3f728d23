/* Media types of the HTTP binding (TS-0009 6.4.2, 6.4.3; TS-0004 6.7). Private to the HTTP codec. */
#ifndef GH_BIND_HTTP_MEDIA_CODEC_H
#define GH_BIND_HTTP_MEDIA_CODEC_H

#include "m2m/representation.h"

typedef struct gh_http_media {
  const gh_media_type *type; /* NULL: none that this binding reads */
  bool has_ty;               /* parameter ty: the Resource Type of a CREATE */
  uint32_t ty;
} gh_http_media;

/* GH_ESYNTAX when the header value is malformed or `ty` is no number. */
GH_MUST_USE gh_err gh_http_read_media(gh_str value, gh_http_media *out, gh_diag *diag);

/* The media type of an answer to a request with this Accept value, whose body came as `sent` (NULL: it had none);
 * NULL when nothing that is offered is acceptable. */
const gh_media_type *gh_http_choose_media(gh_str accept, const gh_media_type *sent);

#endif
