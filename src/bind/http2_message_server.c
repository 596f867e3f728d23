/* From fields to text and back. */
#include "bind/http2_message_server.h"

void gh_http2_request_free(gh_http2_request *request)
{
  gh_buf_free(&request->method);
  gh_buf_free(&request->path);
  gh_buf_free(&request->authority);
  gh_buf_free(&request->fields);
  gh_buf_free(&request->body);
}

/* One octet more than allowed is enough for the reader to refuse it. */
static void add_bounded(gh_buf *to, gh_str octets, size_t limit)
{
  size_t room = to->len <= limit ? limit + 1 - to->len : 0;
  gh_buf_add(to, gh_str_sub(octets, 0, room));
}

/* Which the framing replaces (RFC 9113 8.2.2), and what the text will say itself. */
static bool is_framing(gh_str name)
{
  static const char *const names[] = {"content-length", "connection", "transfer-encoding", "host", "te", "upgrade",
                                      "keep-alive",     "expect"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (gh_str_eq(name, gh_str_of(names[i]))) return true;
  return false;
}

void gh_http2_request_field(gh_http2_request *request, const gh_http_limits *limits, gh_str name, gh_str value)
{
  if (gh_str_eq(name, GH_STR(":method"))) {
    add_bounded(&request->method, value, limits->max_target_bytes);
  } else if (gh_str_eq(name, GH_STR(":path"))) {
    add_bounded(&request->path, value, limits->max_target_bytes);
  } else if (gh_str_eq(name, GH_STR(":authority"))) {
    add_bounded(&request->authority, value, limits->max_head_bytes);
  } else if (name.len && name.ptr[0] != ':' && !is_framing(name)) {
    add_bounded(&request->fields, name, limits->max_head_bytes);
    add_bounded(&request->fields, GH_STR(": "), limits->max_head_bytes);
    add_bounded(&request->fields, value, limits->max_head_bytes);
    add_bounded(&request->fields, GH_STR("\r\n"), limits->max_head_bytes);
  }
}

void gh_http2_request_body(gh_http2_request *request, const gh_http_limits *limits, gh_str octets)
{
  add_bounded(&request->body, octets, limits->max_body_bytes);
}

void gh_http2_request_text(const gh_http2_request *request, gh_buf *out)
{
  gh_str method = gh_buf_str(&request->method);
  bool has_body = gh_str_eq(method, GH_STR("POST")) || gh_str_eq(method, GH_STR("PUT")) || request->body.len;
  gh_buf_add(out, method);
  gh_buf_add_char(out, ' ');
  gh_buf_add(out, gh_buf_str(&request->path));
  gh_buf_add(out, GH_STR(" HTTP/1.1\r\nHost: "));
  gh_buf_add(out, gh_buf_str(&request->authority));
  gh_buf_add(out, GH_STR("\r\n"));
  gh_buf_add(out, gh_buf_str(&request->fields));
  if (has_body) {
    gh_buf_add(out, GH_STR("Content-Length: "));
    gh_buf_add_u64(out, request->body.len);
    gh_buf_add(out, GH_STR("\r\n"));
  }
  gh_buf_add(out, GH_STR("\r\n"));
  gh_buf_add(out, gh_buf_str(&request->body));
}

/* ---- answers */

static void lower(char *text, size_t len)
{
  for (size_t i = 0; i < len; i++)
    if (text[i] >= 'A' && text[i] <= 'Z') text[i] = (char)(text[i] | 0x20);
}

static bool add_field(gh_http2_answer *out, gh_str name, gh_str value)
{
  if (out->count == GH_HTTP2_FIELDS_MAX) return false;
  out->fields[out->count++] = (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name.ptr,
                                           .namelen = name.len,
                                           .value = (uint8_t *)(uintptr_t)value.ptr,
                                           .valuelen = value.len};
  return true;
}

/* "Name: value" */
static bool take_line(gh_http2_answer *out, char *line, size_t len)
{
  const char *colon = memchr(line, ':', len);
  if (!colon || (size_t)(colon - line) + 2 > len) return false;
  gh_str name = {line, (size_t)(colon - line)}, value = {colon + 2, len - (size_t)(colon - line) - 2};
  lower(line, name.len);
  if (gh_str_eq(name, GH_STR("connection"))) return true; /* RFC 9113 8.2.2 */
  return add_field(out, name, value);
}

bool gh_http2_answer_read(gh_buf *text, gh_http2_answer *out)
{
  static const char first[] = "HTTP/1.1 ";
  enum { FIRST = sizeof first - 1, STATUS = 3 };
  *out = (gh_http2_answer){.count = 0};
  char *at = text->ptr, *end = at + text->len;
  if (text->len < FIRST + STATUS || memcmp(at, first, FIRST) != 0) return false;
  if (!add_field(out, GH_STR(":status"), (gh_str){at + FIRST, STATUS})) return false;
  for (;;) {
    char *line_end = memmem(at, (size_t)(end - at), "\r\n", 2);
    if (!line_end) return false;
    if (line_end == at) break;
    if (at != text->ptr && !take_line(out, at, (size_t)(line_end - at))) return false;
    at = line_end + 2;
  }
  out->body = (gh_str){at + 2, (size_t)(end - at) - 2};
  return true;
}
