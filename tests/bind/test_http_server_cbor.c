/* CBOR at a CSE on a real socket: what is stored as JSON is answered in either serialization, refusals included. */
#include "server_fixture.h"

#include "m2m/cbor.h"
#include "m2m/json.h"

/* Content of an answer, as the tree that it is in that serialization. */
static gh_val *content(gh_arena *arena, const http_answer *a, bool cbor)
{
  gh_val *value = NULL;
  gh_diag diag = {""};
  gh_str octets = gh_arena_dup(arena, a->body);
  gh_err err =
      cbor ? gh_cbor_parse(arena, octets, NULL, &value, &diag) : gh_json_parse(arena, octets, NULL, &value, &diag);
  if (err != GH_OK) fail_msg("%s", diag.text);
  return value;
}

#define GET_AS(path, accept) "GET " path " HTTP/1.1\r\n" FROM_METER "X-M2M-RI: g\r\nAccept: " accept "\r\n\r\n"

/*= TS-0009 6.4.2; TS-0004 8.5.1 */
static void the_same_resource_in_both(void **state)
{
  served *s = *state;
  tls_peer p;
  talk r = {&p, GH_BUF_INIT};
  gh_arena arena;
  gh_arena_init(&arena);
  join(&p, s, &as_meter);
  static const char *const requests[][2] = {
      {GET_AS("/cse-in/meter/box", "application/json"), GET_AS("/cse-in/meter/box", "application/cbor")},
      {GET_AS("/cse-in/meter?rcn=4", "*/*"), GET_AS("/cse-in/meter?rcn=4", "application/vnd.onem2m-res+cbor")},
      {GET_AS("/cse-in/meter?rcn=5", "*/*"),
       GET_AS("/cse-in/meter?rcn=5", "application/json;q=0.1, application/cbor")},
      {GET_AS("/cse-in/meter/box?atrl=rn", "*/*"), GET_AS("/cse-in/meter/box?atrl=rn", "application/cbor")},
  };
  for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
    http_answer as_json = say(&r, requests[i][0]);
    assert_int_equal(as_json.rsc, 2000);
    gh_val *json = content(&arena, &as_json, false);
    http_answer as_cbor = say(&r, requests[i][1]);
    assert_int_equal(as_cbor.rsc, 2000);
    assert_true(gh_val_equal(json, content(&arena, &as_cbor, true)));
  }
  gh_arena_free(&arena);
  part(&r);
}

static void send_cbor(talk *r, const char *head, gh_str body)
{
  gh_buf text = GH_BUF_INIT;
  gh_buf_fmt(&text, "%s" FROM_METER "X-M2M-RI: c\r\nContent-Length: %zu\r\n\r\n", head, body.len);
  gh_buf_add(&text, body);
  send_text(r->p, text.ptr, text.len);
  gh_buf_free(&text);
}

/* What was created in CBOR is answered in CBOR, and is there in JSON. */ /*= TS-0004 7.3.3.12 */
static void created_in_cbor(void **state)
{
  served *s = *state;
  tls_peer p;
  talk r = {&p, GH_BUF_INIT};
  http_answer a;
  gh_arena arena;
  gh_arena_init(&arena);
  join(&p, s, &as_meter);
  gh_str body = GH_STR("\xa1\x67m2m:cin\xa2\x63"
                       "con\x63"
                       "abc\x62rn\x63one");
  send_cbor(&r, "POST /cse-in/meter/box HTTP/1.1\r\nContent-Type: application/vnd.onem2m-res+cbor;ty=4\r\n", body);
  assert_true(read_answer(&r, &a));
  assert_int_equal(a.rsc, 2001);
  gh_val *created = gh_val_get(content(&arena, &a, true), GH_STR("m2m:cin"));
  gh_str con = GH_STR_NONE;
  int64_t size = 0;
  assert_true(gh_val_get_str(created, GH_STR("con"), &con) && gh_val_get_int(created, GH_STR("cs"), &size));
  assert_true(gh_str_eq(con, GH_STR("abc")));
  assert_int_equal(size, 3);
  a = say(&r, GET_AS("/cse-in/meter/box/one", "application/json"));
  assert_int_equal(a.rsc, 2000);
  assert_true(gh_val_equal(created, gh_val_get(content(&arena, &a, false), GH_STR("m2m:cin"))));
  gh_arena_free(&arena);
  part(&r);
}

/*= TS-0004 7.3.2.1; 7.3.3.1; 7.3.3.13; TS-0009 6.3.2 (TP-13) */
static void refusals(void **state)
{
  served *s = *state;
  tls_peer p;
  talk r = {&p, GH_BUF_INIT};
  gh_arena arena;
  gh_arena_init(&arena);
  join(&p, s, &as_meter);
  static const struct {
    const char *head;
    gh_str body;
    int status, rsc;
    bool cbor; /* the answer */
  } cases[] = {
      {"GET /cse-in/meter/none HTTP/1.1\r\nAccept: application/cbor\r\n", {"", 0}, 404, 4004, true},
      {"GET /cse-in/other HTTP/1.1\r\nAccept: application/cbor\r\n", {"", 0}, 403, 4103, true},
      {"GET /cse-in/meter HTTP/1.1\r\nAccept: application/xml\r\n", {"", 0}, 406, 5207, false},
      {"PUT /cse-in/meter/box HTTP/1.1\r\nContent-Type: application/xml\r\nAccept: application/cbor\r\n",
       {"<a/>", 4},
       415,
       4015,
       true},
      {"PUT /cse-in/meter/box HTTP/1.1\r\nContent-Type: application/cbor\r\n", {"\xa1\x61", 2}, 400, 4000, true},
      {"PUT /cse-in/meter/box HTTP/1.1\r\nContent-Type: application/cbor\r\n",
       {"\xa1\x67m2m:cnt\xa1\x63mni\x61x", 16},
       400,
       4000,
       true},
      {"PUT /cse-in/meter/box HTTP/1.1\r\nContent-Type: application/cbor\r\nAccept: application/json\r\n",
       {"\xa1\x67m2m:cnt\xa1\x63zzz\x01", 15},
       400,
       4000,
       false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    http_answer a;
    send_cbor(&r, cases[i].head, cases[i].body);
    assert_true(read_answer(&r, &a));
    assert_int_equal(a.rsc, cases[i].rsc);
    assert_int_equal(a.status, cases[i].status);
    assert_non_null(gh_val_get(content(&arena, &a, cases[i].cbor), GH_STR("m2m:dbg")));
  }
  gh_arena_free(&arena);
  part(&r);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(the_same_resource_in_both, setup_served, teardown_served),
      cmocka_unit_test_setup_teardown(created_in_cbor, setup_served, teardown_served),
      cmocka_unit_test_setup_teardown(refusals, setup_served, teardown_served),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
