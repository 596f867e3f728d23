/* The HTTP reader: framing, bounds, and what must be refused before anybody looks at its meaning. */
#include "http_fixture.h"

static const char one_request[] = "POST /cse-in HTTP/1.1\r\nHost: in.example.com\r\nX-M2M-RI: r1\r\n"
                                  "Content-Type: application/json;ty=2\r\nContent-Length: 13\r\n\r\n{\"m2m:ae\":{}}";
static const char chunked_request[] = "PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                                      "4\r\n{\"a\"\r\n3;x=\"y\"\r\n:1}\r\n0\r\n\r\n";

static void expect_message(const char *text, size_t piece, gh_http_method method, const char *target,
                           const char *body)
{
  gh_http_reader reader;
  size_t used;
  gh_http_reader_init(&reader, GH_HTTP_REQUESTS, NULL);
  assert_int_equal(feed_in_pieces(&reader, gh_str_of(text), piece, &used), GH_HTTP_MESSAGE);
  assert_int_equal(used, strlen(text));
  assert_int_equal(reader.message.method, method);
  assert_str(reader.message.target, target);
  assert_str(reader.message.body, body);
  assert_true(reader.message.keep_alive);
  gh_http_reader_free(&reader);
}

static void test_any_cut_gives_the_same_message(void **state)
{
  (void)state;
  for (size_t piece = 1; piece <= sizeof one_request; piece++)
    expect_message(one_request, piece, GH_HTTP_POST, "/cse-in", "{\"m2m:ae\":{}}");
  for (size_t piece = 1; piece <= sizeof chunked_request; piece++) /*= RFC 9112 7.1 */
    expect_message(chunked_request, piece, GH_HTTP_PUT, "/a", "{\"a\":1}");
}

static void test_headers_are_found_in_any_case_and_trimmed(void **state)
{
  (void)state;
  static const char text[] = "GET /a HTTP/1.1\r\nhOST:h\r\nx-m2m-ORIGIN: \t C1 \t\r\nX-M2M-RI:\r\nX-Other: y\r\n\r\n";
  gh_http_reader reader;
  size_t used;
  gh_http_reader_init(&reader, GH_HTTP_REQUESTS, NULL);
  assert_int_equal(feed_in_pieces(&reader, gh_str_of(text), SIZE_MAX, &used), GH_HTTP_MESSAGE);
  assert_str(reader.message.header[GH_HTTP_X_ORIGIN], "C1");
  assert_true(gh_http_has(&reader.message, GH_HTTP_X_RI));
  assert_str(reader.message.header[GH_HTTP_X_RI], "");
  assert_false(gh_http_has(&reader.message, GH_HTTP_X_RVI));
  gh_http_reader_free(&reader);
}

static void test_pipelined_requests_come_one_by_one(void **state)
{
  (void)state;
  gh_buf text = GH_BUF_INIT;
  for (int i = 0; i < 3; i++) gh_buf_fmt(&text, "%s%s", i == 1 ? "\r\n" : "", i == 1 ? chunked_request : one_request);
  gh_http_reader reader;
  gh_http_reader_init(&reader, GH_HTTP_REQUESTS, NULL);
  size_t at = 0;
  for (int i = 0; i < 3; i++) {
    size_t used, none;
    gh_str rest = gh_str_sub(gh_buf_str(&text), at, text.len);
    assert_int_equal(gh_http_feed(&reader, rest, &used), GH_HTTP_MESSAGE);
    at += used;
    assert_int_equal(gh_http_feed(&reader, rest, &none), GH_HTTP_MESSAGE); /* takes nothing until told */
    assert_int_equal(none, 0);
    assert_str(reader.message.target, i == 1 ? "/a" : "/cse-in");
    gh_http_next(&reader);
    assert_false(gh_http_reader_in_message(&reader));
  }
  assert_int_equal(at, text.len);
  gh_http_reader_free(&reader);
  gh_buf_free(&text);
}

static void test_keep_alive_follows_the_connection_header(void **state)
{
  (void)state;
  static const char *const closing[] = {"GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
                                        "OPTIONS /a HTTP/1.1\r\nHost: h\r\n\r\n",
                                        "HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n"};
  for (size_t i = 0; i < 3; i++) {
    gh_http_reader reader;
    size_t used;
    gh_http_reader_init(&reader, GH_HTTP_REQUESTS, NULL);
    assert_int_equal(feed_in_pieces(&reader, gh_str_of(closing[i]), SIZE_MAX, &used), GH_HTTP_MESSAGE);
    assert_false(reader.message.keep_alive);
    gh_http_reader_free(&reader);
  }
}

typedef struct refused {
  const char *what;
  int status;
  const char *text;
} refused;

#define H "Host: h\r\n"
static const refused refusals[] = {
    {"both framings", 400, "POST /a HTTP/1.1\r\n" H "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"},
    {"both framings, other order", 400,
     "POST /a HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n"},
    {"two lengths", 400, "POST /a HTTP/1.1\r\n" H "Content-Length: 3\r\nContent-Length: 4\r\n\r\n"},
    {"two equal lengths", 400, "POST /a HTTP/1.1\r\n" H "Content-Length: 3\r\nContent-Length: 3\r\n\r\n"},
    {"list of lengths", 400, "POST /a HTTP/1.1\r\n" H "Content-Length: 3, 3\r\n\r\n"},
    {"signed length", 400, "POST /a HTTP/1.1\r\n" H "Content-Length: +3\r\n\r\n"},
    {"negative length", 400, "POST /a HTTP/1.1\r\n" H "Content-Length: -1\r\n\r\n"},
    {"hexadecimal length", 400, "POST /a HTTP/1.1\r\n" H "Content-Length: 0x3\r\n\r\n"},
    {"empty length", 400, "POST /a HTTP/1.1\r\n" H "Content-Length:\r\n\r\n"},
    {"huge length", 400, "POST /a HTTP/1.1\r\n" H "Content-Length: 99999999999999999999999\r\n\r\n"},
    {"length wraps", 400, "POST /a HTTP/1.1\r\n" H "Content-Length: 18446744073709551617\r\n\r\n"},
    {"body too large", 413, "POST /a HTTP/1.1\r\n" H "Content-Length: 262145\r\n\r\n"},
    {"two codings", 400,
     "POST /a HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n"},
    {"list of codings", 501, "POST /a HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n"},
    {"coding last but not chunked", 501, "POST /a HTTP/1.1\r\n" H "Transfer-Encoding: chunked, identity\r\n\r\n"},
    {"disguised coding", 501, "POST /a HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n"},
    {"coding with vertical tab", 400,
     "POST /a HTTP/1.1\r\n" H "Transfer-Encoding: \x0b"
     "chunked\r\n\r\n"},
    {"blank before colon", 400, "POST /a HTTP/1.1\r\n" H "Content-Length : 3\r\n\r\n"},
    {"folded line", 400, "GET /a HTTP/1.1\r\n" H "X-A: b\r\n c\r\n\r\n"},
    {"folded with tab", 400, "GET /a HTTP/1.1\r\n" H "X-A: b\r\n\tc\r\n\r\n"},
    {"header before its name", 400, "GET /a HTTP/1.1\r\n X-A: b\r\n" H "\r\n"},
    {"line feed alone", 400, "GET /a HTTP/1.1\n" H "\r\n"},
    {"line feed alone in header", 400, "GET /a HTTP/1.1\r\n" H "X-A: b\nTransfer-Encoding: chunked\r\n\r\n"},
    {"carriage return alone", 400, "GET /a HTTP/1.1\r\n" H "X-A: b\rc\r\n\r\n"},
    {"empty name", 400, "GET /a HTTP/1.1\r\n" H ": b\r\n\r\n"},
    {"no colon", 400, "GET /a HTTP/1.1\r\n" H "X-A\r\n\r\n"},
    {"name is no token", 400, "GET /a HTTP/1.1\r\n" H "X(A): b\r\n\r\n"},
    {"blank in target", 400, "GET /a b HTTP/1.1\r\n" H "\r\n"},
    {"tab in request line", 400, "GET\t/a HTTP/1.1\r\n" H "\r\n"},
    {"octet above ASCII in target", 400, "GET /\xc3\xa4 HTTP/1.1\r\n" H "\r\n"},
    {"no version", 505, "GET /a\r\n" H "\r\n"},
    {"HTTP/1.0", 505, "GET /a HTTP/1.0\r\n" H "\r\n"},
    {"HTTP/2.0", 505, "GET /a HTTP/2.0\r\n" H "\r\n"},
    {"unknown method", 405, "FETCH /a HTTP/1.1\r\n" H "\r\n"},
    {"lower-case method", 405, "get /a HTTP/1.1\r\n" H "\r\n"},
    {"CONNECT", 405, "CONNECT h:443 HTTP/1.1\r\n" H "\r\n"},
    {"Upgrade", 400, "GET /a HTTP/1.1\r\n" H "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"},
    {"Upgrade without Connection", 400, "GET /a HTTP/1.1\r\n" H "Upgrade: h2c\r\n\r\n"},
    {"Host missing", 400, "GET /a HTTP/1.1\r\nX-M2M-RI: 1\r\n\r\n"},
    {"Host empty", 400, "GET /a HTTP/1.1\r\nHost:\r\n\r\n"},
    {"Host twice", 400, "GET /a HTTP/1.1\r\n" H "host: i\r\n\r\n"},
    {"unknown expectation", 417, "GET /a HTTP/1.1\r\n" H "Expect: a-wonder\r\n\r\n"},
    {"TLS to a plain port", 400, "\x16\x03\x01\x02"},
    {"chunk size missing", 400, "PUT /a HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n\r\n"},
    {"chunk size not hexadecimal", 400, "PUT /a HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\ng\r\n"},
    {"chunk size with prefix", 400, "PUT /a HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0x3\r\n"},
    {"chunk size with blank", 400, "PUT /a HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n3 \r\n"},
    {"chunk size wraps", 400, "PUT /a HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n"},
    {"chunk too large", 413, "PUT /a HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n40001\r\n"},
    {"chunk ends with line feed", 400, "PUT /a HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n"},
    {"chunk longer than said", 400, "PUT /a HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n"},
    {"trailer field", 400, "PUT /a HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\nX-M2M-Origin: Cx\r\n\r\n"},
};

/*= RFC 9112 6.1; 6.3; RFC 9110 5.6.2; TS-0009 6.2.1; 6.2.3; 6.4.1; ambiguous or malformed messages never become
 * requests (TP-18) */
static void test_refusals(void **state)
{
  (void)state;
  for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
    for (int bytewise = 0; bytewise < 2; bytewise++) {
      gh_http_reader reader;
      size_t used;
      gh_http_reader_init(&reader, GH_HTTP_REQUESTS, NULL);
      gh_http_state got = feed_in_pieces(&reader, gh_str_of(refusals[i].text), bytewise ? 1 : SIZE_MAX, &used);
      if (got != GH_HTTP_ERROR || reader.error.status != refusals[i].status)
        fail_msg("%s: state %d, status %d", refusals[i].what, (int)got, reader.error.status);
      assert_non_null(reader.error.text);
      assert_in_range(reader.error.rsc, 4000, 5999);
      size_t more;
      assert_int_equal(gh_http_feed(&reader, gh_str_of(one_request), &more), GH_HTTP_ERROR);
      assert_int_equal(more, 0);
      gh_http_reader_free(&reader);
    }
  }
}

static void test_a_nul_octet_is_refused_anywhere_in_the_head(void **state)
{
  (void)state;
  static const char text[] = "GET /a HTTP/1.1\r\nHost: h\r\nX-A: b\r\n\r\n";
  for (size_t i = 0; i < sizeof text - 1; i++) {
    char copy[sizeof text];
    memcpy(copy, text, sizeof text);
    copy[i] = '\0';
    gh_http_reader reader;
    size_t used;
    gh_http_reader_init(&reader, GH_HTTP_REQUESTS, NULL);
    assert_int_equal(feed_in_pieces(&reader, (gh_str){copy, sizeof text - 1}, SIZE_MAX, &used), GH_HTTP_ERROR);
    gh_http_reader_free(&reader);
  }
}

static gh_http_state feed_long(const gh_http_limits *limits, const char *begin, const char *repeated, size_t times,
                               const char *end, int *status)
{
  gh_buf text = GH_BUF_INIT;
  gh_buf_reserve(&text, 128 + times * strlen(repeated));
  gh_buf_add(&text, gh_str_of(begin));
  for (size_t i = 0; i < times; i++) gh_buf_add(&text, gh_str_of(repeated));
  gh_buf_add(&text, gh_str_of(end));
  gh_http_reader reader;
  size_t used;
  gh_http_reader_init(&reader, GH_HTTP_REQUESTS, limits);
  gh_http_state state = feed_in_pieces(&reader, gh_buf_str(&text), 1000, &used);
  *status = reader.error.status;
  assert_true(reader.head.cap <= 40 * 1024); /* memory stays bounded whatever was sent */
  gh_http_reader_free(&reader);
  gh_buf_free(&text);
  return state;
}

static void test_bounds(void **state) /*= RFC 6585 5; TP-18 */
{
  (void)state;
  int status;
  assert_int_equal(feed_long(NULL, "GET /", "a", 2047, " HTTP/1.1\r\nHost: h\r\n\r\n", &status), GH_HTTP_MESSAGE);
  assert_int_equal(feed_long(NULL, "GET /", "a", 2048, " HTTP/1.1\r\nHost: h\r\n\r\n", &status), GH_HTTP_ERROR);
  assert_int_equal(status, 414);
  assert_int_equal(feed_long(NULL, "GET /a HTTP/1.1\r\nHost: h\r\n", "X: y\r\n", 63, "\r\n", &status),
                   GH_HTTP_MESSAGE);
  assert_int_equal(feed_long(NULL, "GET /a HTTP/1.1\r\nHost: h\r\n", "X: y\r\n", 64, "\r\n", &status), GH_HTTP_ERROR);
  assert_int_equal(status, 431);
  assert_int_equal(feed_long(NULL, "GET /a HTTP/1.1\r\nHost: h\r\nX: ", "y", 100000, "", &status), GH_HTTP_ERROR);
  assert_int_equal(status, 431);
  assert_int_equal(feed_long(NULL, "", "\r\n", 100000, "", &status), GH_HTTP_ERROR); /* endless empty lines */
  assert_int_equal(
      feed_long(NULL, "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 262144\r\n\r\n", "b", 262144, "", &status),
      GH_HTTP_MESSAGE);
}

static void test_chunks_cannot_stretch_a_body(void **state) /* TP-18 */
{
  (void)state;
  static const gh_http_limits limits = {
      .max_head_bytes = 1024, .max_target_bytes = 64, .max_headers = 8, .max_body_bytes = 4096};
  static const char begin[] = "PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  static const char in_extension[] = "PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;";
  int status;
  assert_int_equal(feed_long(&limits, begin, "1\r\nx\r\n", 1000, "0\r\n\r\n", &status), GH_HTTP_MESSAGE);
  assert_int_equal(feed_long(&limits, begin, "1\r\nx\r\n", 4096, "0\r\n\r\n", &status), GH_HTTP_ERROR);
  assert_int_equal(status, 413);
  assert_int_equal(feed_long(&limits, begin, "400\r\nx\r\n", 4096, "0\r\n\r\n", &status), GH_HTTP_ERROR);
  assert_int_equal(feed_long(&limits, in_extension, "e", 100000, "", &status), GH_HTTP_ERROR);
  assert_int_equal(status, 413);
}

static void test_own_limits_hold(void **state)
{
  (void)state;
  static const gh_http_limits tight = {
      .max_head_bytes = 64, .max_target_bytes = 8, .max_headers = 2, .max_body_bytes = 4};
  static const refused cases[] = {
      {"head", 431, "GET /a HTTP/1.1\r\nHost: h\r\nX-A: 0123456789012345678901234567890123456789\r\n\r\n"},
      {"target", 414, "GET /12345678 HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"headers", 431, "GET /a HTTP/1.1\r\nHost: h\r\nA: b\r\nC: d\r\n\r\n"},
      {"body", 413, "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    gh_http_reader reader;
    size_t used;
    gh_http_reader_init(&reader, GH_HTTP_REQUESTS, &tight);
    assert_int_equal(feed_in_pieces(&reader, gh_str_of(cases[i].text), 1, &used), GH_HTTP_ERROR);
    assert_int_equal(reader.error.status, cases[i].status);
    gh_http_reader_free(&reader);
  }
}

static void test_expect_continue_is_asked_for_once(void **state)
{
  (void)state;
  static const char head[] = "PUT /a HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n";
  gh_http_reader reader;
  size_t used;
  gh_http_reader_init(&reader, GH_HTTP_REQUESTS, NULL);
  assert_int_equal(gh_http_feed(&reader, gh_str_of(head), &used), GH_HTTP_NEED_MORE);
  assert_true(gh_http_reader_wants_continue(&reader));
  assert_false(gh_http_reader_wants_continue(&reader));
  assert_int_equal(gh_http_feed(&reader, GH_STR("{}"), &used), GH_HTTP_MESSAGE);
  gh_http_next(&reader);
  gh_buf both = GH_BUF_INIT; /* the body came along: nobody waits */
  gh_buf_fmt(&both, "%s{}", head);
  assert_int_equal(gh_http_feed(&reader, gh_buf_str(&both), &used), GH_HTTP_MESSAGE);
  assert_false(gh_http_reader_wants_continue(&reader));
  gh_buf_free(&both);
  gh_http_reader_free(&reader);
}

static void test_end_of_connection(void **state)
{
  (void)state;
  gh_http_reader reader;
  size_t used;
  gh_http_reader_init(&reader, GH_HTTP_REQUESTS, NULL);
  assert_int_equal(gh_http_feed_end(&reader), GH_HTTP_NEED_MORE);
  assert_int_equal(gh_http_feed(&reader, GH_STR("GET /"), &used), GH_HTTP_NEED_MORE);
  assert_true(gh_http_reader_in_message(&reader));
  gh_http_reader_trim(&reader); /* no effect inside a message */
  assert_int_equal(reader.head.len, 5);
  assert_int_equal(gh_http_feed_end(&reader), GH_HTTP_ERROR);
  gh_http_reader_free(&reader);
}

static void test_an_idle_reader_holds_no_memory(void **state)
{
  (void)state;
  gh_http_reader reader;
  size_t used;
  gh_http_reader_init(&reader, GH_HTTP_REQUESTS, NULL);
  assert_int_equal(gh_http_feed(&reader, gh_str_of(one_request), &used), GH_HTTP_MESSAGE);
  gh_http_next(&reader);
  gh_http_reader_trim(&reader);
  assert_null(reader.head.ptr);
  assert_null(reader.body.ptr);
  gh_http_reader_free(&reader);
}

static gh_http_state read_response(gh_http_reader *reader, const char *text, bool end)
{
  size_t used;
  gh_http_reader_init(reader, GH_HTTP_RESPONSES, NULL);
  gh_http_state state = feed_in_pieces(reader, gh_str_of(text), 7, &used);
  return end && state == GH_HTTP_NEED_MORE ? gh_http_feed_end(reader) : state;
}

static void test_responses(void **state)
{
  (void)state;
  static const struct {
    const char *text;
    bool end;
    int status;
    const char *body;
    bool keep_alive;
  } cases[] = {
      {"HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\n{}", false, 200, "{}", true},
      {"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", false, 200, "", true},
      {"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", false, 403, "", false},
      {"HTTP/1.1 100 \r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 201 \r\nContent-Length: 1\r\n\r\nx",
       false, 201, "x", true},
      {"HTTP/1.1 204 \r\n\r\n", false, 204, "", true},
      {"HTTP/1.1 304 \r\nContent-Length: 9\r\n\r\n", false, 304, "", true},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nz\r\n0\r\n\r\n", false, 200, "z", true},
      {"HTTP/1.0 200 OK\r\n\r\nuntil the end", true, 200, "until the end", false},
      {"HTTP/1.1 200 OK\r\n\r\nuntil the end", true, 200, "until the end", false},
      {"HTTP/1.1 200 OK\r\n\r\n", true, 200, "", false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    gh_http_reader reader;
    if (read_response(&reader, cases[i].text, cases[i].end) != GH_HTTP_MESSAGE)
      fail_msg("%s: %s", cases[i].text, reader.error.text);
    assert_int_equal(reader.message.status, cases[i].status);
    assert_str(reader.message.body, cases[i].body);
    assert_int_equal(reader.message.keep_alive, cases[i].keep_alive);
    gh_http_reader_free(&reader);
  }
}

static void test_malformed_responses(void **state)
{
  (void)state;
  static const char *const cases[] = {
      "HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\nabc",
      "HTTP/1.1 101 \r\nUpgrade: x\r\n\r\n",
      "HTTP/1.1 99 \r\n\r\n",
      "HTTP/1.1 600 \r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.1 200 \r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
      "HTTP/2.0 200 \r\nContent-Length: 0\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
      "ICY 200 OK\r\n\r\n",
      "HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    gh_http_reader reader;
    if (read_response(&reader, cases[i], true) != GH_HTTP_ERROR) fail_msg("accepted: %s", cases[i]);
    gh_http_reader_free(&reader);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_any_cut_gives_the_same_message),
      cmocka_unit_test(test_headers_are_found_in_any_case_and_trimmed),
      cmocka_unit_test(test_pipelined_requests_come_one_by_one),
      cmocka_unit_test(test_keep_alive_follows_the_connection_header),
      cmocka_unit_test(test_refusals),
      cmocka_unit_test(test_a_nul_octet_is_refused_anywhere_in_the_head),
      cmocka_unit_test(test_bounds),
      cmocka_unit_test(test_chunks_cannot_stretch_a_body),
      cmocka_unit_test(test_own_limits_hold),
      cmocka_unit_test(test_expect_continue_is_asked_for_once),
      cmocka_unit_test(test_end_of_connection),
      cmocka_unit_test(test_an_idle_reader_holds_no_memory),
      cmocka_unit_test(test_responses),
      cmocka_unit_test(test_malformed_responses),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
