/* Decoder of the chunked transfer coding (RFC 9112 7.1). Private to the HTTP codec. */
#ifndef GH_BIND_HTTP_CHUNK_CODEC_H
#define GH_BIND_HTTP_CHUNK_CODEC_H

#include "bind/http_codec.h"

typedef enum gh_http_chunk_state {
  GH_HTTP_CHUNKS_MORE,
  GH_HTTP_CHUNKS_END,
  GH_HTTP_CHUNKS_BAD,
  GH_HTTP_CHUNKS_LARGE
} gh_http_chunk_state;

/* Appends decoded octets to `body`. LARGE when the body or its coded form (twice that and 1 KiB) passes the bound.
 * Strict: CRLF only, no blanks around the size, no trailer fields. */
gh_http_chunk_state gh_http_chunks_feed(gh_http_chunks *chunks, gh_buf *body, size_t max_body, gh_str octets,
                                        size_t *consumed);

#endif
