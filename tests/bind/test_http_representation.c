/* JSON and CBOR over HTTP: bodies, Accept, the form of an answer, refusals, and the client's side. */
#include "http_fixture.h"

#include "m2m/cbor.h"
#include "m2m/constants.h"

#define JSON_BODY "{\"m2m:cnt\":{\"mni\":5}}"
#define CBOR_BODY "\xa1\x67m2m:cnt\xa1\x63mni\x05"

/* PUT with these header lines and this body. */
static decoded put(const char *headers, gh_str body)
{
  gh_buf text = GH_BUF_INIT;
  gh_buf_fmt(&text, "PUT /a HTTP/1.1\r\n" HEAD "%sContent-Length: %zu\r\n\r\n", headers, body.len);
  gh_buf_add(&text, body);
  decoded d = decode_octets(gh_buf_str(&text));
  gh_buf_free(&text);
  return d;
}

static decoded put_cbor(const char *headers)
{
  return put(headers, GH_STR(CBOR_BODY));
}

static gh_str answer_type(const decoded *d)
{
  return d->request.accept ? d->request.accept->name : GH_STR("application/json");
}

/*= TS-0009 6.4.3; 6.5; TS-0004 8.5.1 */
static void test_cbor_bodies(void **state)
{
  (void)state;
  static const char *const types[] = {"application/cbor", "Application/CBOR ; charset=utf-8",
                                      "application/vnd.onem2m-res+cbor"};
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    char headers[128];
    (void)snprintf(headers, sizeof headers, "Content-Type: %s\r\n", types[i]);
    decoded d = put_cbor(headers);
    assert_int_equal(d.rsc, GH_RSC_OK);
    assert_json(d.request.pc, JSON_BODY);
    assert_int_equal(d.request.content_type->representation, GH_REP_CBOR);
    decoded_free(&d);
  }
  decoded d = decode("POST /a HTTP/1.1\r\n" HEAD "Content-Type: application/vnd.onem2m-res+cbor; ty=3\r\n"
                     "Content-Length: 15\r\n\r\n" CBOR_BODY);
  assert_int_equal(d.rsc, GH_RSC_OK);
  assert_int_equal(d.request.op, GH_OP_CREATE);
  assert_int_equal(d.request.ty, 3);
  assert_json(d.request.pc, JSON_BODY);
  decoded_free(&d);
  d = decode("POST /a HTTP/1.1\r\n" HEAD "Content-Type: application/vnd.onem2m-ntfy+cbor\r\n"
             "Content-Length: 15\r\n\r\n" CBOR_BODY);
  assert_int_equal(d.rsc, GH_RSC_OK);
  assert_int_equal(d.request.op, GH_OP_NOTIFY);
  decoded_free(&d);
}

/*= TS-0004 7.3.2.1; 7.3.3.1 (TP-13) */
static void test_bodies_of_other_types_are_refused(void **state)
{
  (void)state;
  static const char *const headers[] = {
      "",
      "Content-Type: application/xml\r\n",
      "Content-Type: application/vnd.onem2m-res+xml\r\n",
      "Content-Type: application/cbor-seq\r\n",
      "Content-Type: application/*\r\n",
      "Content-Type: */*\r\n",
      "Content-Type: application/octet-stream\r\n",
      "Content-Type: application/cbor; charset=latin1\r\n",
      "Content-Type: application/vnd.onem2m-preq+cbor\r\n",
      "Content-Type: application/vnd.onem2m-prsp+cbor\r\n",
      "Content-Type: application/vnd.onem2m-prsp+json\r\n",
      "Content-Type: application/vnd.onem2m-ntfy+cbor\r\n", /* in an UPDATE */
      "Content-Type: application/cbor\r\nContent-Encoding: deflate\r\n",
  };
  for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
    decoded d = put_cbor(headers[i]);
    if (d.rsc != GH_RSC_UNSUPPORTED_MEDIA_TYPE) fail_msg("%s gives %d", headers[i], d.rsc);
    assert_null(d.request.pc);
    decoded_free(&d);
  }
}

static void test_bodies_that_are_no_cbor_are_refused_with_position(void **state)
{
  (void)state;
  static const gh_str bodies[] = {{JSON_BODY, sizeof JSON_BODY - 1},   {"\xa1", 1},
                                  {"\xa2\x61\x61\x01\x61\x61\x02", 7}, {CBOR_BODY "\xf6", sizeof CBOR_BODY},
                                  {"\xa1\x61\x61\xc0\x01", 5},         {"\xf9\x7e\x00", 3}};
  for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
    decoded d = put("Content-Type: application/cbor\r\n", bodies[i]);
    assert_int_equal(d.rsc, GH_RSC_BAD_REQUEST);
    assert_memory_equal(d.diag.text, "pc: offset ", 11);
    assert_str(answer_type(&d), "application/cbor"); /* the refusal, too, comes in the form of the request */
    decoded_free(&d);
  }
  decoded d = put("Content-Type: application/json\r\n", GH_STR(CBOR_BODY));
  assert_int_equal(d.rsc, GH_RSC_BAD_REQUEST);
  decoded_free(&d);
}

/* TP-18: nesting is bounded whatever the serialization. */
static void test_a_deeply_nested_body_is_refused(void **state)
{
  (void)state;
  char body[4096];
  memset(body, 0x81, sizeof body);
  decoded d = put("Content-Type: application/cbor\r\n", (gh_str){body, sizeof body});
  assert_int_equal(d.rsc, GH_RSC_BAD_REQUEST);
  assert_non_null(strstr(d.diag.text, "nested too deep"));
  decoded_free(&d);
}

#define JSON "application/json"
#define CBOR "application/cbor"
#define RES_JSON "application/vnd.onem2m-res+json"
#define RES_CBOR "application/vnd.onem2m-res+cbor"

static const struct accept_case {
  const char *accept, *to_json, *to_cbor; /* the answer's type by the body's; NULL: 5207 */
} accept_cases[] = {
    {"", JSON, CBOR},
    {"*/*", JSON, CBOR},
    {"application/*", JSON, CBOR},
    {"*/*;q=0.1", JSON, CBOR},
    {"text/html, */*;q=0.001", JSON, CBOR},
    {"application/json", JSON, JSON},
    {"Application/Json", JSON, JSON},
    {"application/json; charset=utf-8", JSON, JSON},
    {"application/cbor", CBOR, CBOR},
    {" application/cbor ; q=0.5", CBOR, CBOR},
    {"application/vnd.onem2m-res+json", RES_JSON, RES_JSON},
    {"application/vnd.onem2m-res+cbor", RES_CBOR, RES_CBOR},
    {"application/vnd.onem2m-res+cbor;q=0.9, application/json;q=0.8", RES_CBOR, RES_CBOR},
    {"application/json, application/cbor", JSON, CBOR},
    {"application/cbor, application/json", JSON, CBOR},
    {"application/json;q=0.3,application/cbor;q=0.7", CBOR, CBOR},
    {"application/json;Q=0.71,application/cbor;q=0.7", JSON, JSON},
    {"application/json;q=1.000,application/cbor;q=0.999", JSON, JSON},
    {"application/cbor;q=0, */*", JSON, JSON},
    {"*/*, application/cbor;q=0", JSON, JSON},
    {"application/json;q=0, application/*;q=0.5", CBOR, CBOR},
    {"application/*;q=0.2, */*;q=0.9, application/cbor;q=0.3", CBOR, CBOR},
    {"application/xml, application/cbor;q=0.1", CBOR, CBOR},
    {"application/cbor;q=0.1, application/cbor;q=0.8, application/json;q=0.5", CBOR, CBOR},
    {"application/json;q=2, application/cbor;q=0.2", CBOR, CBOR}, /* 2 is no weight */
    {"application/json;q=0.1234, application/cbor;q=0.2", CBOR, CBOR},
    {"application/json;q=, application/cbor;q=0.2", CBOR, CBOR},
    {",, application/cbor,", CBOR, CBOR},
    {"application/xml\r\naccept: application/cbor;q=0.4\r\nAccept:application/json;q=0.3", CBOR, CBOR},
    {"\r\nAccept: application/cbor", CBOR, CBOR}, /* one list over several fields */
    {"application/xml\r\nAccept: text/html", NULL, NULL},
    {"application/xml", NULL, NULL},
    {"application/xml, text/*, image/png", NULL, NULL},
    {"application/json;q=0", NULL, NULL},
    {"application/cbor;q=0.000", NULL, NULL},
    {"*/*;q=0", NULL, NULL},
    {"application/json;q=0, application/cbor;q=0, application/xml", NULL, NULL},
    {"application/vnd.onem2m-ntfy+json", NULL, NULL}, /* no form of a response */
    {"application/vnd.onem2m-prsp+cbor", NULL, NULL},
    {"application/vnd.onem2m-res+xml", NULL, NULL},
    {"cbor", NULL, NULL},
    {"application/cborx", NULL, NULL},
    {"application/json;q=x", NULL, NULL},
    {";;", NULL, NULL},
};

static void expect_answer(const struct accept_case *c, bool cbor)
{
  char headers[256];
  const char *want = cbor ? c->to_cbor : c->to_json;
  (void)snprintf(headers, sizeof headers, "Content-Type: %s\r\nAccept: %s\r\n", cbor ? CBOR : JSON, c->accept);
  decoded d = cbor ? put_cbor(headers) : put(headers, GH_STR(JSON_BODY));
  if (d.rsc != (want ? GH_RSC_OK : GH_RSC_NOT_ACCEPTABLE)) fail_msg("%s gives %d", headers, d.rsc);
  if (want && !gh_str_eq(answer_type(&d), gh_str_of(want)))
    fail_msg("%s gives %.*s", headers, GH_STR_ARG(answer_type(&d)));
  decoded_free(&d);
}

/*= TS-0009 6.4.2; TS-0004 7.3.3.12; 7.3.3.13; RFC 9110 5.3; 12.4.2; 12.5.1 */
static void test_accept_chooses_the_answer(void **state)
{
  (void)state;
  for (size_t i = 0; i < sizeof accept_cases / sizeof *accept_cases; i++) {
    expect_answer(&accept_cases[i], false);
    expect_answer(&accept_cases[i], true);
  }
}

static void test_a_request_without_body_is_answered_in_json(void **state)
{
  (void)state;
  decoded d = decode("GET /a HTTP/1.1\r\n" HEAD "Content-Type: application/cbor\r\n\r\n");
  assert_int_equal(d.rsc, GH_RSC_OK);
  assert_null(d.request.accept);
  decoded_free(&d);
  d = decode("GET /a HTTP/1.1\r\n" HEAD "Accept: application/cbor\r\n\r\n");
  assert_str(answer_type(&d), CBOR);
  decoded_free(&d);
}

/* Also a refusal that comes before the body is looked at answers in the form that was asked for. */
static void test_refusals_know_the_form_of_the_answer(void **state)
{
  (void)state;
  static const char *const requests[] = {
      "GET /a?rcn=99 HTTP/1.1\r\n" HEAD "Accept: application/cbor\r\n\r\n",
      "GET /a HTTP/1.1\r\nHost: h\r\nAccept: application/cbor\r\n\r\n",
      "PATCH /a HTTP/1.1\r\n" HEAD "Accept: application/cbor\r\n\r\n",
  };
  for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
    decoded d = decode(requests[i]);
    assert_int_not_equal(d.rsc, GH_RSC_OK);
    assert_str(answer_type(&d), CBOR);
    decoded_free(&d);
  }
}

/* ---- answers */

static gh_http_state read_all(gh_http_reader *reader, gh_http_mode mode, gh_str text)
{
  size_t used;
  gh_http_reader_init(reader, mode, NULL);
  return feed_in_pieces(reader, text, SIZE_MAX, &used);
}

static void expect_written(const char *type, const gh_response *response, const char *want_type, gh_str want)
{
  gh_request request = {.rqi = GH_STR("r1"), .accept = type ? gh_media_type_by_name(gh_str_of(type)) : NULL};
  gh_buf out = GH_BUF_INIT;
  gh_http_reader reader;
  gh_http_write_response(&out, &request, response, true);
  assert_int_equal(read_all(&reader, GH_HTTP_RESPONSES, gh_buf_str(&out)), GH_HTTP_MESSAGE);
  assert_str(reader.message.header[GH_HTTP_CONTENT_TYPE], want_type);
  assert_true(gh_str_eq(reader.message.body, want));
  assert_int_equal(reader.message.status, 200);
  gh_http_reader_free(&reader);
  gh_buf_free(&out);
}

/*= TS-0009 6.4.2; 6.4.3; 6.4.5 whether the Content is a tree or stored text */
static void test_answers_are_written_as_chosen(void **state)
{
  (void)state;
  gh_arena arena;
  gh_arena_init(&arena);
  gh_response as_text = {.rsc = GH_RSC_OK, .body = GH_STR(JSON_BODY)}, as_tree = {.rsc = GH_RSC_OK},
              none = {.rsc = GH_RSC_OK}, damaged = {.rsc = GH_RSC_OK, .body = GH_STR("{\"m2m:cnt\":")};
  assert_int_equal(gh_json_parse(&arena, GH_STR(JSON_BODY), NULL, &as_tree.pc, NULL), GH_OK);
  expect_written(NULL, &as_text, JSON, GH_STR(JSON_BODY));
  expect_written(NULL, &as_tree, JSON, GH_STR(JSON_BODY));
  expect_written(RES_JSON, &as_text, RES_JSON, GH_STR(JSON_BODY));
  expect_written(RES_JSON, &as_tree, RES_JSON, GH_STR(JSON_BODY));
  expect_written(CBOR, &as_text, CBOR, GH_STR(CBOR_BODY));
  expect_written(CBOR, &as_tree, CBOR, GH_STR(CBOR_BODY));
  expect_written(RES_CBOR, &as_text, RES_CBOR, GH_STR(CBOR_BODY));
  expect_written(CBOR, &none, "", GH_STR(""));
  expect_written(CBOR, &damaged, JSON, damaged.body);
  gh_arena_free(&arena);
}

static void test_error_answers_are_written_as_chosen(void **state)
{
  (void)state;
  gh_arena arena;
  gh_http_reader reader;
  gh_buf out = GH_BUF_INIT;
  gh_response response = {.rsc = 0};
  gh_request request = {.accept = gh_media_type_by_name(GH_STR(CBOR))};
  gh_arena_init(&arena);
  gh_response_error(&arena, &response, GH_RSC_BAD_REQUEST, "mni: too large");
  gh_http_write_response(&out, &request, &response, true);
  assert_int_equal(read_all(&reader, GH_HTTP_RESPONSES, gh_buf_str(&out)), GH_HTTP_MESSAGE);
  assert_int_equal(reader.message.status, 400);
  assert_str(reader.message.body, "\xa1\x67m2m:dbg\x6emni: too large");
  gh_http_reader_free(&reader);
  gh_buf_free(&out);
  gh_arena_free(&arena);
}

/* ---- the client's side */

/*= TS-0009 6.4.2; 6.4.3 */
static void test_a_client_sends_and_asks_for_cbor(void **state)
{
  (void)state;
  gh_arena arena;
  gh_arena_init(&arena);
  gh_request request = {.op = GH_OP_CREATE, .to = GH_STR("cse/box"), .rqi = GH_STR("r1"), .rcn = GH_RCN_ABSENT};
  request.ty = 3;
  request.has_ty = true;
  request.content_type = gh_media_type_by_name(GH_STR(CBOR));
  request.accept = gh_media_type_by_name(GH_STR(RES_CBOR));
  assert_int_equal(gh_json_parse(&arena, GH_STR(JSON_BODY), NULL, &request.pc, NULL), GH_OK);
  gh_buf out = GH_BUF_INIT;
  assert_int_equal(gh_http_write_request(&out, &request, GH_STR("h")), GH_OK);
  gh_http_reader reader;
  assert_int_equal(read_all(&reader, GH_HTTP_REQUESTS, gh_buf_str(&out)), GH_HTTP_MESSAGE);
  assert_str(reader.message.header[GH_HTTP_CONTENT_TYPE], "application/cbor;ty=3");
  assert_str(reader.message.header[GH_HTTP_ACCEPT], RES_CBOR);
  assert_true(gh_str_eq(reader.message.body, GH_STR(CBOR_BODY)));
  gh_request back;
  gh_diag diag;
  assert_int_equal(gh_http_to_request(&arena, &reader.message, &back, &diag), GH_RSC_OK);
  assert_ptr_equal(back.content_type, request.content_type);
  assert_ptr_equal(back.accept, request.accept);
  assert_true(gh_val_equal(back.pc, request.pc));
  gh_http_reader_free(&reader);
  gh_buf_free(&out);
  gh_arena_free(&arena);
}

static void test_a_client_reads_what_comes(void **state)
{
  (void)state;
  static const struct {
    const char *type;
    gh_str body;
    gh_err err;
    bool content;
  } cases[] = {
      {CBOR, {CBOR_BODY, sizeof CBOR_BODY - 1}, GH_OK, true},
      {RES_CBOR, {CBOR_BODY, sizeof CBOR_BODY - 1}, GH_OK, true},
      {JSON, {JSON_BODY, sizeof JSON_BODY - 1}, GH_OK, true},
      {CBOR, {"\xa1", 1}, GH_ESYNTAX, false},
      {"text/plain", {"hello", 5}, GH_OK, false},
      {"application/xml", {"<a/>", 4}, GH_OK, false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    gh_buf text = GH_BUF_INIT;
    gh_http_reader reader;
    gh_response response;
    gh_diag diag = {""};
    gh_arena arena;
    gh_arena_init(&arena);
    gh_buf_fmt(&text, "HTTP/1.1 200 \r\nX-M2M-RSC: 2000\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n",
               cases[i].type, cases[i].body.len);
    gh_buf_add(&text, cases[i].body);
    assert_int_equal(read_all(&reader, GH_HTTP_RESPONSES, gh_buf_str(&text)), GH_HTTP_MESSAGE);
    assert_int_equal(gh_http_to_response(&arena, &reader.message, &response, &diag), cases[i].err);
    gh_http_reader_free(&reader);
    if (cases[i].content)
      assert_json(response.pc, JSON_BODY);
    else
      assert_null(response.pc);
    gh_buf_free(&text);
    gh_arena_free(&arena);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_cbor_bodies),
      cmocka_unit_test(test_bodies_of_other_types_are_refused),
      cmocka_unit_test(test_bodies_that_are_no_cbor_are_refused_with_position),
      cmocka_unit_test(test_a_deeply_nested_body_is_refused),
      cmocka_unit_test(test_accept_chooses_the_answer),
      cmocka_unit_test(test_a_request_without_body_is_answered_in_json),
      cmocka_unit_test(test_refusals_know_the_form_of_the_answer),
      cmocka_unit_test(test_answers_are_written_as_chosen),
      cmocka_unit_test(test_error_answers_are_written_as_chosen),
      cmocka_unit_test(test_a_client_sends_and_asks_for_cbor),
      cmocka_unit_test(test_a_client_reads_what_comes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
