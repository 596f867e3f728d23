/* Primitives -> HTTP and back: status of every response code, response decoding, round trips, and the example
 * exchanges of the MAF and MEF interface octet by octet. */
#include "http_fixture.h"

#include <jansson.h>

#include "m2m/constants.h"
#include "m2m/tables.h"

static gh_http_state read_all(gh_http_reader *reader, gh_http_mode mode, gh_str text)
{
  size_t used;
  gh_http_reader_init(reader, mode, NULL);
  gh_http_state state = feed_in_pieces(reader, text, SIZE_MAX, &used);
  if (state != GH_HTTP_MESSAGE) fail_msg("%s in %.*s", reader->error.text, GH_STR_ARG(text));
  assert_int_equal(used, text.len);
  return state;
}

static void expect_status(int rsc, int http_status)
{
  gh_buf text = GH_BUF_INIT;
  gh_http_reader reader;
  gh_response response = {.rsc = rsc, .rqi = GH_STR("r1"), .rvi = GH_STR("3")}, back;
  gh_arena arena;
  gh_http_write_response(&text, NULL, &response, true);
  read_all(&reader, GH_HTTP_RESPONSES, gh_buf_str(&text));
  if (reader.message.status != http_status)
    fail_msg("%d gives status %d, not %d", rsc, reader.message.status, http_status);
  gh_arena_init(&arena);
  assert_int_equal(gh_http_to_response(&arena, &reader.message, &back, NULL), GH_OK);
  assert_int_equal(back.rsc, rsc); /* the header, not the status, carries the truth */
  gh_arena_free(&arena);
  gh_http_reader_free(&reader);
  gh_buf_free(&text);
}

/*= TS-0009 6.3.2; 6.4.17; TP-13, against the data and not against the generated table */
static void test_every_response_code_has_its_status(void **state)
{
  (void)state;
  json_t *data = json_load_file("data/response_codes.json", 0, NULL);
  json_t *rows = json_object_get(data, "response_codes"), *row;
  size_t i;
  assert_true(json_array_size(rows) > 90);
  json_array_foreach(rows, i, row)
  {
    expect_status((int)json_integer_value(json_object_get(row, "rsc")),
                  (int)json_integer_value(json_object_get(row, "http_status")));
  }
  json_decref(data);
}

/*= TS-0009 6.3.1; 6.3.3; 6.4.4; 6.4.5; 6.4.8; 6.4.22 */
static void test_response_octets(void **state)
{
  (void)state;
  gh_request request = {.rqi = GH_STR("r7"), .rvi = GH_STR("3")};
  gh_response response = {
      .rsc = GH_RSC_CREATED, .location = GH_STR("/in-cse/cnt1"), .body = GH_STR("{\"m2m:cnt\":{}}")};
  gh_buf text = GH_BUF_INIT;
  gh_http_write_response(&text, &request, &response, false);
  assert_str(gh_buf_str(&text),
             "HTTP/1.1 201 \r\nX-M2M-RSC: 2001\r\nX-M2M-RI: r7\r\nX-M2M-RVI: 3\r\n"
             "Content-Location: /~/in-cse/cnt1\r\nContent-Type: application/json\r\nConnection: close\r\n"
             "Content-Length: 14\r\n\r\n{\"m2m:cnt\":{}}");
  gh_buf_clear(&text);
  gh_http_write_plain(&text, 431, GH_RSC_BAD_REQUEST, GH_STR("too \"large\""));
  assert_str(gh_buf_str(&text),
             "HTTP/1.1 431 \r\nX-M2M-RSC: 4000\r\nContent-Type: application/json\r\nConnection: close\r\n"
             "Content-Length: 27\r\n\r\n{\"m2m:dbg\":\"too \\\"large\\\"\"}");
  gh_buf_free(&text);
}

static void test_values_cannot_split_a_response(void **state)
{
  (void)state;
  gh_response response = {.rsc = GH_RSC_OK,
                          .rqi = GH_STR("r1\r\nX-M2M-RSC: 2000\r\n\r\n"),
                          .rvi = GH_STR("3\n"),
                          .location = GH_STR("a\r\nSet-Cookie: b")};
  gh_buf text = GH_BUF_INIT;
  gh_http_write_response(&text, NULL, &response, true);
  assert_str(
      gh_buf_str(&text),
      "HTTP/1.1 200 \r\nX-M2M-RSC: 2000\r\nContent-Location: /a%0D%0ASet-Cookie:%20b\r\nContent-Length: 0\r\n\r\n");
  gh_buf_free(&text);
}

static void test_values_cannot_split_a_request(void **state)
{
  (void)state;
  gh_request good = {.op = GH_OP_RETRIEVE, .to = GH_STR("a"), .rqi = GH_STR("1"), .rcn = GH_RCN_ABSENT, .rt = 3};
  gh_buf text = GH_BUF_INIT;
  gh_request bad = good;
  bad.from = GH_STR("C1\r\nX-M2M-RI: 2");
  assert_int_equal(gh_http_write_request(&text, &bad, GH_STR("h")), GH_EINVAL);
  bad = good;
  bad.rqi = GH_STR_NONE;
  assert_int_equal(gh_http_write_request(&text, &bad, GH_STR("h")), GH_EINVAL);
  assert_int_equal(gh_http_write_request(&text, &good, GH_STR("h\n")), GH_EINVAL);
  assert_int_equal(gh_http_write_request(&text, &good, GH_STR_NONE), GH_EINVAL);
  assert_int_equal(text.len, 0);
  good.to = GH_STR("a b\r\n/?x");
  assert_int_equal(gh_http_write_request(&text, &good, GH_STR("h")), GH_OK);
  assert_true(gh_str_starts(gh_buf_str(&text), GH_STR("GET /a%20b%0D%0A/%3Fx HTTP/1.1\r\nHost: h\r\n")));
  gh_buf_free(&text);
}

typedef struct response_case {
  const char *text;
  gh_err err;
  int rsc;
  const char *pc;
} response_case;

#define R(status) "HTTP/1.1 " #status " \r\n"
static const response_case response_cases[] = {
    {R(200) "X-M2M-RSC: 2004\r\nContent-Length: 0\r\n\r\n", GH_OK, 2004, NULL},
    {R(200) "Content-Length: 0\r\n\r\n", GH_OK, 2000, NULL},
    {R(201) "Content-Length: 0\r\n\r\n", GH_OK, 2001, NULL},
    {R(204) "\r\n", GH_OK, 2000, NULL},
    {R(403) "Content-Length: 0\r\n\r\n", GH_OK, 4103, NULL},
    {R(404) "Content-Length: 0\r\n\r\n", GH_OK, 4004, NULL},
    {R(418) "Content-Length: 0\r\n\r\n", GH_OK, 4000, NULL},
    {R(503) "Content-Length: 0\r\n\r\n", GH_OK, 5000, NULL},
    {R(504) "Content-Length: 0\r\n\r\n", GH_OK, 4008, NULL},
    {R(302) "Content-Length: 0\r\nLocation: http://evil/\r\n\r\n", GH_OK, 5000, NULL}, /* nobody follows it */
    {R(200) "X-M2M-RSC: 4103\r\nContent-Length: 0\r\n\r\n", GH_OK, 4103, NULL},
    {R(200) "X-M2M-RSC: 7777\r\nContent-Length: 0\r\n\r\n", GH_OK, 7777, NULL},
    {R(200) "X-M2M-RSC: ok\r\nContent-Length: 0\r\n\r\n", GH_EPROTO, 0, NULL},
    {R(200) "X-M2M-RSC: 200\r\nContent-Length: 0\r\n\r\n", GH_EPROTO, 0, NULL},
    {R(200) "X-M2M-RSC: 2000\r\nX-M2M-RSC: 4103\r\nContent-Length: 0\r\n\r\n", GH_EPROTO, 0, NULL},
    {R(200) "X-M2M-RSC: 2000\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"a\":1}", GH_OK, 2000,
     "{\"a\":1}"},
    {R(502) "Content-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>", GH_OK, 5000, NULL},
    {R(200) "X-M2M-RSC: 2000\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{a", GH_ESYNTAX, 0, NULL},
};

static void test_responses_are_read(void **state)
{
  (void)state;
  for (size_t i = 0; i < sizeof response_cases / sizeof response_cases[0]; i++) {
    const response_case *c = &response_cases[i];
    gh_http_reader reader;
    gh_arena arena;
    gh_response response;
    gh_diag diag;
    gh_arena_init(&arena);
    read_all(&reader, GH_HTTP_RESPONSES, gh_str_of(c->text));
    gh_err err = gh_http_to_response(&arena, &reader.message, &response, &diag);
    if (err != c->err || (!err && response.rsc != c->rsc))
      fail_msg("%s: %s, %d", c->text, gh_err_name(err), response.rsc);
    if (!err && c->pc) assert_json(response.pc, c->pc);
    if (!err && !c->pc) assert_null(response.pc);
    gh_http_reader_free(&reader);
    gh_arena_free(&arena);
  }
}

static void test_content_location_becomes_an_identifier(void **state)
{
  (void)state;
  static const char *const cases[][2] = {
      {"/cse-in/a", "cse-in/a"},
      {"/~/id/a", "/id/a"},
      {"https://h:8443/cse-in/a", "cse-in/a"},
      {"/a%2Fb", ""},
      {"", ""},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char text[256];
    gh_http_reader reader;
    gh_arena arena;
    gh_response response;
    (void)snprintf(text, sizeof text, R(201) "Content-Location: %s\r\nContent-Length: 0\r\n\r\n", cases[i][0]);
    gh_arena_init(&arena);
    read_all(&reader, GH_HTTP_RESPONSES, gh_str_of(text));
    assert_int_equal(gh_http_to_response(&arena, &reader.message, &response, NULL), GH_OK);
    assert_str(response.location, cases[i][1]);
    gh_http_reader_free(&reader);
    gh_arena_free(&arena);
  }
}

/* Writes the request, reads it as a server would, writes that again: both texts must be the same. */
static void expect_round_trip(const gh_request *request, gh_request *back, gh_arena *arena)
{
  gh_buf first = GH_BUF_INIT, second = GH_BUF_INIT;
  gh_http_reader reader;
  gh_diag diag = {.text = ""};
  assert_int_equal(gh_http_write_request(&first, request, GH_STR("h:1")), GH_OK);
  read_all(&reader, GH_HTTP_REQUESTS, gh_buf_str(&first));
  if (gh_http_to_request(arena, &reader.message, back, &diag) != GH_RSC_OK)
    fail_msg("%s in %.*s", diag.text, GH_STR_ARG(gh_buf_str(&first)));
  assert_int_equal(gh_http_write_request(&second, back, GH_STR("h:1")), GH_OK);
  if (!gh_str_eq(gh_buf_str(&first), gh_buf_str(&second)))
    fail_msg("%.*s\nbecame\n%.*s", GH_STR_ARG(gh_buf_str(&first)), GH_STR_ARG(gh_buf_str(&second)));
  gh_http_reader_free(&reader);
  gh_buf_free(&first);
  gh_buf_free(&second);
}

static gh_val *parsed(gh_arena *arena, const char *text)
{
  gh_val *value = NULL;
  assert_int_equal(gh_json_parse(arena, gh_str_of(text), &gh_json_default_limits, &value, NULL), GH_OK);
  return value;
}

/*= TS-0009 6.2.2.2 */
static void test_a_discovery_makes_the_round_trip(void **state)
{
  (void)state;
  gh_arena arena;
  gh_arena_init(&arena);
  static const char conditions[] =
      "{\"ty\":[2,3],\"lbl\":[\"a+b &c\",\"\xc3\xa4=1\"],\"lim\":5,\"crb\":\"20270101T000000,5\","
      "\"atr\":[{\"nm\":\"cr\",\"val\":\"S*m&\"}],\"catr\":[{\"nm\":\"rn\",\"val\":\"100%\"}],"
      "\"patr\":[{\"nm\":\"ct\",\"val\":\"2027*\"}]}";
  gh_request back, request = {.op = GH_OP_RETRIEVE,
                              .to = GH_STR("//sp.example.com/in-cse/-"),
                              .from = GH_STR("/mn-cse"),
                              .has_from = true,
                              .rqi = GH_STR("r/1"),
                              .rvi = GH_STR("3"),
                              .rcn = 6,
                              .rt = 1,
                              .drt = 2,
                              .fu = 1,
                              .has_fc = true,
                              .fc = parsed(&arena, conditions),
                              .ot = GH_STR("20270101T000000"),
                              .rqet = GH_STR("+10000"),
                              .rset = GH_STR("+20000"),
                              .vsi = GH_STR("v w")};
  expect_round_trip(&request, &back, &arena);
  assert_json(back.fc, conditions);
  assert_str(back.to, "//sp.example.com/in-cse/-");
  assert_int_equal(back.rcn, 6);
  gh_arena_free(&arena);
}

/*= TS-0009 6.2.2.2; an attribute behind '#' travels as atrl */
static void test_partial_retrieve(void **state)
{
  (void)state;
  gh_arena arena;
  gh_arena_init(&arena);
  gh_buf text = GH_BUF_INIT;
  gh_request request = {
      .op = GH_OP_RETRIEVE, .to = GH_STR("/id/-/c#lbl"), .rqi = GH_STR("1"), .rcn = GH_RCN_ABSENT, .rt = 3, .drt = 1};
  assert_int_equal(gh_http_write_request(&text, &request, GH_STR("h")), GH_OK);
  assert_true(gh_str_starts(gh_buf_str(&text), GH_STR("GET /~/id/-/c?atrl=lbl HTTP/1.1\r\n")));
  request.to = GH_STR("cse-in/c");
  request.atrl = parsed(&arena, "[\"ri\",\"lbl\"]");
  gh_request back;
  expect_round_trip(&request, &back, &arena);
  assert_json(back.atrl, "[\"ri\",\"lbl\"]");
  gh_arena_free(&arena);
  gh_buf_free(&text);
}

static void test_operations_make_the_round_trip(void **state)
{
  (void)state;
  gh_arena arena;
  gh_arena_init(&arena);
  for (int op = GH_OP_CREATE; op <= GH_OP_NOTIFY; op++) {
    gh_request back,
        request = {
            .op = (gh_op)op, .to = GH_STR("cse-in/x"), .rqi = GH_STR("1"), .rcn = GH_RCN_ABSENT, .rt = 3, .drt = 1};
    request.has_ty = op == GH_OP_CREATE;
    request.ty = op == GH_OP_CREATE ? 4 : 0;
    if (op != GH_OP_RETRIEVE && op != GH_OP_DELETE)
      request.pc = parsed(&arena, "{\"m2m:x\":{\"con\":\"\xe2\x82\xac\"}}");
    expect_round_trip(&request, &back, &arena);
    assert_int_equal(back.op, op);
    assert_int_equal(back.ty, request.ty);
  }
  gh_arena_free(&arena);
}

/* ------------------------------------------------------------------------------- example exchanges from a file */

static void add_head(gh_buf *out, gh_str line, bool response)
{
  gh_str rest = line;
  for (bool first = true;; first = false) {
    const char *bar = rest.len ? memmem(rest.ptr, rest.len, " | ", 3) : NULL;
    gh_buf_add(out, bar ? (gh_str){rest.ptr, (size_t)(bar - rest.ptr)} : rest);
    gh_buf_add(out, first && response ? GH_STR(" \r\n") : GH_STR("\r\n"));
    if (!bar) break;
    rest = gh_str_sub(rest, (size_t)(bar - rest.ptr) + 3, rest.len);
  }
  gh_buf_add(out, GH_STR("\r\n"));
}

static void check_request(gh_str text)
{
  gh_arena arena;
  gh_request request;
  gh_diag diag = {.text = ""};
  gh_http_reader reader;
  gh_buf again = GH_BUF_INIT;
  gh_arena_init(&arena);
  read_all(&reader, GH_HTTP_REQUESTS, text);
  if (gh_http_to_request(&arena, &reader.message, &request, &diag) != GH_RSC_OK)
    fail_msg("%s: %.*s", diag.text, GH_STR_ARG(text));
  assert_int_equal(gh_http_write_request(&again, &request, reader.message.header[GH_HTTP_HOST]), GH_OK);
  if (!gh_str_eq(gh_buf_str(&again), text))
    fail_msg("%.*s\nis not\n%.*s", GH_STR_ARG(gh_buf_str(&again)), GH_STR_ARG(text));
  gh_buf_free(&again);
  gh_http_reader_free(&reader);
  gh_arena_free(&arena);
}

static void check_response(gh_str text)
{
  gh_arena arena;
  gh_response response;
  gh_http_reader reader;
  gh_buf again = GH_BUF_INIT;
  gh_arena_init(&arena);
  read_all(&reader, GH_HTTP_RESPONSES, text);
  assert_int_equal(gh_http_to_response(&arena, &reader.message, &response, NULL), GH_OK);
  gh_http_write_response(&again, NULL, &response, true);
  if (!gh_str_eq(gh_buf_str(&again), text))
    fail_msg("%.*s\nis not\n%.*s", GH_STR_ARG(gh_buf_str(&again)), GH_STR_ARG(text));
  gh_buf_free(&again);
  gh_http_reader_free(&reader);
  gh_arena_free(&arena);
}

/*= TS-0009 6.4.22; every example of the MAF and MEF interface, decoded and encoded again without a change
 */
static void test_example_exchanges(void **state)
{
  (void)state;
  FILE *file = fopen("tests/vectors/http/exchanges.txt", "r");
  char line[2048], side = 0;
  gh_buf text = GH_BUF_INIT;
  int count = 0;
  assert_non_null(file);
  for (bool more = true; more;) {
    more = fgets(line, sizeof line, file) != NULL;
    gh_str content = {line + 2, more ? strlen(line) - 3 : 0};
    bool begins = !more || line[0] == '#' || line[0] == '\n' || line[0] != side;
    if (begins && text.len) {
      if (side == '>')
        check_request(gh_buf_str(&text));
      else
        check_response(gh_buf_str(&text));
      gh_buf_clear(&text);
      count++;
    }
    side = more && (line[0] == '>' || line[0] == '<') ? line[0] : 0;
    if (side && begins)
      add_head(&text, content, side == '<');
    else if (side)
      gh_buf_add(&text, content);
  }
  assert_int_equal(count, 64);
  gh_buf_free(&text);
  (void)fclose(file);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_response_code_has_its_status),
      cmocka_unit_test(test_response_octets),
      cmocka_unit_test(test_values_cannot_split_a_response),
      cmocka_unit_test(test_values_cannot_split_a_request),
      cmocka_unit_test(test_responses_are_read),
      cmocka_unit_test(test_content_location_becomes_an_identifier),
      cmocka_unit_test(test_a_discovery_makes_the_round_trip),
      cmocka_unit_test(test_partial_retrieve),
      cmocka_unit_test(test_operations_make_the_round_trip),
      cmocka_unit_test(test_example_exchanges),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
