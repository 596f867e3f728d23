/* Head of an HTTP/1.1 message. The strict line scan runs before libhttp-parser, which forgives more than a gate may:
 * two parsers that disagree about a message are how requests are smuggled. */
#include "bind/http_head_codec.h"

#include <http_parser.h>

#include "m2m/constants.h"

typedef enum scan_state {
  SCAN_BEFORE, /* empty lines before a start line are skipped */
  SCAN_BEFORE_LF,
  SCAN_LINE,
  SCAN_LINE_LF,
  SCAN_FIELD, /* first octet of a header line, or of the empty line */
  SCAN_NAME,
  SCAN_VALUE,
  SCAN_VALUE_LF,
  SCAN_END_LF,
  SCAN_DONE
} scan_state;

bool gh_http_refuse(gh_http_reader *reader, int status, const char *text)
{
  int rsc = GH_RSC_BAD_REQUEST;
  if (status == 405) rsc = GH_RSC_OPERATION_NOT_ALLOWED;
  if (status == 501 || status == 505) rsc = GH_RSC_NOT_IMPLEMENTED;
  reader->error = (gh_http_error){status, rsc, text};
  return false;
}

/*= RFC 9110 5.6.2 */
static const bool token_octets[256] = {
    ['a' ... 'z'] = true, ['A' ... 'Z'] = true, ['0' ... '9'] = true, ['!'] = true, ['#'] = true, ['$'] = true,
    ['%'] = true,         ['&'] = true,         ['\''] = true,        ['*'] = true, ['+'] = true, ['-'] = true,
    ['.'] = true,         ['^'] = true,         ['_'] = true,         ['`'] = true, ['|'] = true, ['~'] = true,
};

static bool is_token(unsigned char c)
{
  return token_octets[c];
}

static bool is_value(unsigned char c)
{
  return c == '\t' || (c >= ' ' && c != 0x7f);
}

/* The state behind octet c, or -1 when c may not stand there. */
static int scan_step(scan_state state, unsigned char c)
{
  switch (state) {
  case SCAN_BEFORE:
    if (c == '\r') return SCAN_BEFORE_LF;
    return c > ' ' && c < 0x7f ? SCAN_LINE : -1;
  case SCAN_BEFORE_LF: return c == '\n' ? SCAN_BEFORE : -1;
  case SCAN_LINE:
    if (c == '\r') return SCAN_LINE_LF;
    return c >= ' ' && c < 0x7f ? SCAN_LINE : -1;
  case SCAN_LINE_LF: return c == '\n' ? SCAN_FIELD : -1;
  case SCAN_FIELD:
    if (c == '\r') return SCAN_END_LF;
    return is_token(c) ? SCAN_NAME : -1; /* a blank here would fold the line before */
  case SCAN_NAME:
    if (c == ':') return SCAN_VALUE;
    return is_token(c) ? SCAN_NAME : -1;
  case SCAN_VALUE:
    if (c == '\r') return SCAN_VALUE_LF;
    return is_value(c) ? SCAN_VALUE : -1;
  case SCAN_VALUE_LF: return c == '\n' ? SCAN_FIELD : -1;
  case SCAN_END_LF: return c == '\n' ? SCAN_DONE : -1;
  case SCAN_DONE: break;
  }
  return -1;
}

gh_http_scan gh_http_head_scan(gh_http_reader *reader, gh_str octets, size_t *consumed)
{
  size_t room = reader->limits->max_head_bytes - reader->head.len;
  size_t end = octets.len < room ? octets.len : room;
  size_t i = 0;
  int state = reader->scan;
  while (i < end && state >= 0 && state != SCAN_DONE)
    state = scan_step((scan_state)state, (unsigned char)octets.ptr[i++]);
  gh_buf_add_bytes(&reader->head, octets.ptr, i);
  *consumed = i;
  if (state < 0) {
    gh_http_refuse(reader, 400, "malformed message head");
    return GH_HTTP_SCAN_BAD;
  }
  reader->scan = (uint8_t)state;
  if (state == SCAN_DONE) return GH_HTTP_SCAN_END;
  if (reader->head.len < reader->limits->max_head_bytes) return GH_HTTP_SCAN_MORE;
  gh_http_refuse(reader, 431, "message head too large"); /*= RFC 6585 5 */
  return GH_HTTP_SCAN_BAD;
}

/* In the order of gh_http_header. */
static const gh_str header_names[GH_HTTP_HEADER_COUNT] = {
    {"Host", 4},
    {"Accept", 6},
    {"Expect", 6},
    {"Upgrade", 7},
    {"Authorization", 13},
    {"Content-Type", 12},
    {"Content-Length", 14},
    {"Content-Location", 16},
    {"Content-Encoding", 16},
    {"Transfer-Encoding", 17},
    {"X-M2M-Origin", 12},
    {"X-M2M-RI", 8},
    {"X-M2M-RVI", 9},
    {"X-M2M-RSC", 9},
    {"X-M2M-GID", 9},
    {"X-M2M-RTU", 9},
    {"X-M2M-OT", 8},
    {"X-M2M-RST", 9},
    {"X-M2M-RET", 9},
    {"X-M2M-OET", 9},
    {"X-M2M-EC", 8},
    {"X-M2M-ATI", 9},
    {"X-M2M-CTS", 9},
    {"X-M2M-CTO", 9},
    {"X-M2M-VSI", 9},
    {"X-M2M-AS", 8},
    {"X-M2M-ASRI", 10},
    {"X-M2M-GTM", 9},
    {"Origin", 6},
    {"Sec-WebSocket-Accept", 20},
    {"Sec-WebSocket-Extensions", 24},
    {"Sec-WebSocket-Key", 17},
    {"Sec-WebSocket-Protocol", 22},
    {"Sec-WebSocket-Version", 21},
};

/* GH_HTTP_HEADER_COUNT for a name that means nothing here (TS-0009 6.4.0: ignored). */
static unsigned header_of(gh_str name)
{
  if (name.len < 4 || name.len > 24) return GH_HTTP_HEADER_COUNT;
  char last = (char)(name.ptr[name.len - 1] | 0x20);
  for (unsigned h = 0; h < GH_HTTP_HEADER_COUNT; h++) {
    gh_str known = header_names[h];
    if (known.len == name.len && (known.ptr[known.len - 1] | 0x20) == last && gh_str_eq_nocase(known, name)) return h;
  }
  return GH_HTTP_HEADER_COUNT;
}

static gh_str trim_end(gh_str s)
{
  while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t')) s.len--;
  return s;
}

/* What the callbacks of libhttp-parser fill. */
typedef struct head {
  gh_http_message *message;
  gh_buf *accept, *protocols;
  unsigned count;
  unsigned current; /* gh_http_header, or GH_HTTP_HEADER_COUNT */
  bool repeats;
  bool complete;
} head;

static int on_target(http_parser *parser, const char *at, size_t len)
{
  head *h = parser->data;
  h->message->target = (gh_str){at, len};
  return 0;
}

static int on_name(http_parser *parser, const char *at, size_t len)
{
  head *h = parser->data;
  h->count++;
  h->current = header_of((gh_str){at, len});
  h->repeats = false;
  if (h->current == GH_HTTP_HEADER_COUNT) return 0;
  uint64_t bit = UINT64_C(1) << h->current;
  h->repeats = (h->message->seen & bit) != 0;
  if (h->repeats) h->message->repeated |= bit;
  h->message->seen |= bit;
  return 0;
}

/*= RFC 9110 5.3 a list over several fields is one list */
static void join(gh_buf *list, gh_str *joined, gh_str value)
{
  if (!list->len) gh_buf_add(list, *joined);
  gh_buf_add_char(list, ',');
  gh_buf_add(list, value);
  *joined = gh_buf_str(list);
}

static int on_value(http_parser *parser, const char *at, size_t len)
{
  head *h = parser->data;
  gh_str value = trim_end((gh_str){at, len});
  if (h->current == GH_HTTP_HEADER_COUNT) return 0;
  if (!h->repeats)
    h->message->header[h->current] = value;
  else if (h->current == GH_HTTP_ACCEPT)
    join(h->accept, &h->message->header[GH_HTTP_ACCEPT], value);
  else if (h->current == GH_HTTP_WS_PROTOCOL)
    join(h->protocols, &h->message->header[GH_HTTP_WS_PROTOCOL], value); /*= TS-0020 6.2.2.7 */
  return 0;
}

static int on_head(http_parser *parser)
{
  head *h = parser->data;
  h->complete = true;
  return 1; /* the body is framed by the reader */
}

static gh_http_method method_of(const http_parser *parser)
{
  switch (parser->method) {
  case HTTP_GET: return GH_HTTP_GET;
  case HTTP_POST: return GH_HTTP_POST;
  case HTTP_PUT: return GH_HTTP_PUT;
  case HTTP_DELETE: return GH_HTTP_DELETE;
  default: return GH_HTTP_OTHER_METHOD; /* an integer, not an enum */
  }
}

static bool run_parser(gh_http_reader *reader, http_parser *parser, head *h)
{
  static const http_parser_settings settings = {
      .on_url = on_target, .on_header_field = on_name, .on_header_value = on_value, .on_headers_complete = on_head};
  http_parser_init(parser, reader->mode == GH_HTTP_REQUESTS ? HTTP_REQUEST : HTTP_RESPONSE);
  parser->data = h;
  size_t taken = http_parser_execute(parser, &settings, reader->head.ptr, reader->head.len);
  enum http_errno fault = HTTP_PARSER_ERRNO(parser);
  if (fault == HPE_INVALID_METHOD) return gh_http_refuse(reader, 405, "method unknown"); /*= TS-0009 6.2.1 */
  if (fault != HPE_OK) return gh_http_refuse(reader, 400, http_errno_description(fault));
  if (!h->complete || (taken != reader->head.len && !parser->upgrade))
    return gh_http_refuse(reader, 400, "malformed message head");
  return true;
}

/*= RFC 9112 6.1; 6.3; a message with two framings is refused, not repaired */
static bool check_framing(gh_http_reader *reader, const http_parser *parser, gh_http_framing *framing)
{
  const gh_http_message *m = &reader->message;
  uint64_t framing_bits = UINT64_C(1) << GH_HTTP_CONTENT_LENGTH | UINT64_C(1) << GH_HTTP_TRANSFER_ENCODING;
  if (m->repeated & framing_bits) return gh_http_refuse(reader, 400, "framing header repeated");
  if ((m->seen & framing_bits) == framing_bits)
    return gh_http_refuse(reader, 400, "both Content-Length and Transfer-Encoding");
  *framing = reader->mode == GH_HTTP_REQUESTS ? GH_HTTP_NO_BODY : GH_HTTP_UNTIL_CLOSE;
  if (gh_http_has(m, GH_HTTP_TRANSFER_ENCODING)) {
    if (!gh_str_eq_nocase(m->header[GH_HTTP_TRANSFER_ENCODING], GH_STR("chunked")))
      return gh_http_refuse(reader, 501, "Transfer-Encoding other than chunked");
    if (parser->http_minor == 0) return gh_http_refuse(reader, 400, "Transfer-Encoding in HTTP/1.0");
    *framing = GH_HTTP_CHUNKED;
  }
  if (gh_http_has(m, GH_HTTP_CONTENT_LENGTH)) {
    if (!gh_str_to_u64(m->header[GH_HTTP_CONTENT_LENGTH], &reader->body_left))
      return gh_http_refuse(reader, 400, "Content-Length is not a number");
    if (reader->body_left > reader->limits->max_body_bytes) return gh_http_refuse(reader, 413, "body too large");
    *framing = reader->body_left ? GH_HTTP_LENGTH : GH_HTTP_NO_BODY;
  }
  return true;
}

/*= RFC 6455 4.1 Upgrade names it, Connection says that it is meant for the next hop */
static bool means_websocket(const gh_http_reader *reader, const http_parser *parser)
{
  const gh_http_message *m = &reader->message;
  return reader->websocket && (parser->flags & F_CONNECTION_UPGRADE) && !(m->repeated >> GH_HTTP_UPGRADE & 1u) &&
         gh_str_eq_nocase(m->header[GH_HTTP_UPGRADE], GH_STR("websocket"));
}

static bool check_request(gh_http_reader *reader, const http_parser *parser, gh_http_framing framing)
{
  gh_http_message *m = &reader->message;
  if (parser->http_major != 1 || parser->http_minor != 1) /*= TS-0009 6.2.3 */
    return gh_http_refuse(reader, 505, "HTTP version is not 1.1");
  if (m->target.len > reader->limits->max_target_bytes) return gh_http_refuse(reader, 414, "request target too long");
  if (parser->method == HTTP_CONNECT) return gh_http_refuse(reader, 405, "CONNECT is not offered");
  m->upgrade = parser->method == HTTP_GET && framing == GH_HTTP_NO_BODY && means_websocket(reader, parser);
  if ((parser->upgrade || gh_http_has(m, GH_HTTP_UPGRADE)) && !m->upgrade)
    return gh_http_refuse(reader, 400, "Upgrade is not offered");
  if (!gh_http_has(m, GH_HTTP_HOST) || !m->header[GH_HTTP_HOST].len) /*= TS-0009 6.4.1 */
    return gh_http_refuse(reader, 400, "Host is missing");
  if (m->repeated >> GH_HTTP_HOST & 1u) return gh_http_refuse(reader, 400, "Host repeated");
  m->method = method_of(parser);
  m->keep_alive = http_should_keep_alive(parser) && m->method != GH_HTTP_OTHER_METHOD;
  if (gh_http_has(m, GH_HTTP_EXPECT)) {
    reader->continue_wanted = gh_str_eq_nocase(m->header[GH_HTTP_EXPECT], GH_STR("100-continue"));
    if (!reader->continue_wanted) return gh_http_refuse(reader, 417, "Expect other than 100-continue");
  }
  return true;
}

static bool check_response(gh_http_reader *reader, const http_parser *parser, gh_http_framing *framing)
{
  gh_http_message *m = &reader->message;
  m->status = parser->status_code;
  m->keep_alive = http_should_keep_alive(parser) && *framing != GH_HTTP_UNTIL_CLOSE;
  if (parser->http_major != 1) return gh_http_refuse(reader, 505, "HTTP version is not 1");
  if (m->status < 100 || m->status > 599) return gh_http_refuse(reader, 400, "no such status");
  m->upgrade = m->status == 101 && means_websocket(reader, parser);
  if (m->status == 101 && !m->upgrade) return gh_http_refuse(reader, 400, "Upgrade was not asked for");
  if (m->status < 200 || m->status == 204 || m->status == 304) { /*= RFC 9112 6.3 */
    m->keep_alive = http_should_keep_alive(parser);
    *framing = GH_HTTP_NO_BODY;
  }
  return true;
}

bool gh_http_head_parse(gh_http_reader *reader, gh_http_framing *framing)
{
  http_parser parser;
  head h = {.message = &reader->message,
            .accept = &reader->accept,
            .protocols = &reader->protocols,
            .current = GH_HTTP_HEADER_COUNT};
  if (!run_parser(reader, &parser, &h)) return false;
  if (h.count > reader->limits->max_headers) return gh_http_refuse(reader, 431, "too many header fields");
  if (!check_framing(reader, &parser, framing)) return false;
  if (reader->mode == GH_HTTP_REQUESTS) return check_request(reader, &parser, *framing);
  return check_response(reader, &parser, framing);
}
