/* Head of an HTTP/1.1 message: finds its end strictly, then has libhttp-parser read it. Private to the HTTP codec. */
#ifndef GH_BIND_HTTP_HEAD_CODEC_H
#define GH_BIND_HTTP_HEAD_CODEC_H

#include "bind/http_codec.h"

typedef enum gh_http_scan { GH_HTTP_SCAN_MORE, GH_HTTP_SCAN_END, GH_HTTP_SCAN_BAD } gh_http_scan;

/* Appends octets to reader->head up to and including the empty line. Refused (BAD, reader->error set): anything but
 * CRLF at a line's end, control characters, folded lines, names that are no token, and what exceeds the limits. */
gh_http_scan gh_http_head_scan(gh_http_reader *reader, gh_str octets, size_t *consumed);

/* How the body is framed (RFC 9112 6.3). */
typedef enum gh_http_framing {
  GH_HTTP_NO_BODY,
  GH_HTTP_LENGTH,
  GH_HTTP_CHUNKED,
  GH_HTTP_UNTIL_CLOSE
} gh_http_framing;

/* Reads the complete head into reader->message. False with reader->error set when it is refused. */
bool gh_http_head_parse(gh_http_reader *reader, gh_http_framing *framing);

/* Sets reader->error; returns false. `text` must be static. */
bool gh_http_refuse(gh_http_reader *reader, int status, const char *text);

#endif
