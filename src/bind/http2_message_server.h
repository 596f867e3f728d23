/* HTTP/2 is another framing of the same messages (RFC 9113 8): a stream's fields and body become the text of an
 * HTTP/1.1 request and go through the same strict reader; the text of the answer becomes fields and body again. Pure
 * functions. */
#ifndef GH_BIND_HTTP2_MESSAGE_SERVER_H
#define GH_BIND_HTTP2_MESSAGE_SERVER_H

#include <nghttp2/nghttp2.h>

#include "bind/http_codec.h"

/* What a stream has brought so far; bounded by the limits plus one octet, so that the reader refuses what is too
 * large with its own code. */
typedef struct gh_http2_request {
  gh_buf method, path, authority;
  gh_buf fields; /* lines "name: value\r\n" */
  gh_buf body;
} gh_http2_request;

void gh_http2_request_free(gh_http2_request *request);
void gh_http2_request_field(gh_http2_request *request, const gh_http_limits *limits, gh_str name, gh_str value);
void gh_http2_request_body(gh_http2_request *request, const gh_http_limits *limits, gh_str octets);
/* The whole message as HTTP/1.1. */
void gh_http2_request_text(const gh_http2_request *request, gh_buf *out);

enum { GH_HTTP2_FIELDS_MAX = 16 };

/* An answer taken apart: names in lower case, slices into `text`, which is changed for it. */
typedef struct gh_http2_answer {
  nghttp2_nv fields[GH_HTTP2_FIELDS_MAX];
  size_t count;
  gh_str body;
} gh_http2_answer;

/* `text` is what gh_http_write_response or gh_http_write_plain wrote. False: it is none. */
bool gh_http2_answer_read(gh_buf *text, gh_http2_answer *out);

#endif
