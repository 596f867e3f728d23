/* HTTP request -> request primitive: paths, queries, headers, media types, and the code of each refusal. */
#include "http_fixture.h"

#include "m2m/constants.h"

static void test_example_of_the_binding(void **state)
{
  (void)state;
  decoded d =
      decode("POST /cse-in HTTP/1.1\r\n" HEAD "Content-Type: application/json;ty=2\r\nContent-Length: 27\r\n\r\n"
             "{\"m2m:ae\":{\"api\":\"N.demo\"}}");
  assert_int_equal(d.rsc, GH_RSC_OK);
  assert_int_equal(d.request.op, GH_OP_CREATE);
  assert_str(d.request.to, "cse-in");
  assert_str(d.request.from, "Cae1");
  assert_true(d.request.has_from);
  assert_str(d.request.rqi, "r1");
  assert_str(d.request.rvi, "3");
  assert_true(d.request.has_ty);
  assert_int_equal(d.request.ty, 2);
  assert_json(d.request.pc, "{\"m2m:ae\":{\"api\":\"N.demo\"}}");
  assert_int_equal(d.request.rcn, GH_RCN_ABSENT);
  assert_int_equal(d.request.rt, 3);
  assert_int_equal(d.request.drt, 1);
  assert_false(d.request.has_fc);
  assert_true(gh_str_empty(d.request.unsupported));
  decoded_free(&d);
}

/*= TS-0009 6.2.1 */
static void test_operations(void **state)
{
  (void)state;
  static const struct {
    const char *method, *type;
    int rsc, op;
  } cases[] = {
      {"GET", "", GH_RSC_OK, GH_OP_RETRIEVE},
      {"PUT", "Content-Type: application/json\r\n", GH_RSC_OK, GH_OP_UPDATE},
      {"DELETE", "", GH_RSC_OK, GH_OP_DELETE},
      {"POST", "Content-Type: application/json; ty=3\r\n", GH_RSC_OK, GH_OP_CREATE},
      {"POST", "Content-Type: application/vnd.onem2m-res+json;ty=4\r\n", GH_RSC_OK, GH_OP_CREATE},
      {"POST", "Content-Type: application/json\r\n", GH_RSC_OK, GH_OP_NOTIFY},
      {"POST", "Content-Type: application/vnd.onem2m-ntfy+json\r\n", GH_RSC_OK, GH_OP_NOTIFY},
      {"POST", "", GH_RSC_OK, GH_OP_NOTIFY},
      {"PATCH", "Content-Type: application/json\r\n", GH_RSC_OPERATION_NOT_ALLOWED, 0},
      {"HEAD", "", GH_RSC_OPERATION_NOT_ALLOWED, 0},
      {"OPTIONS", "", GH_RSC_OPERATION_NOT_ALLOWED, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char text[512];
    (void)snprintf(text, sizeof text, "%s /a HTTP/1.1\r\n" HEAD "%s\r\n", cases[i].method, cases[i].type);
    decoded d = decode(text);
    assert_int_equal(d.rsc, cases[i].rsc);
    assert_int_equal(d.request.op, cases[i].op);
    assert_str(d.request.rqi, "r1"); /* also where it was refused */
    decoded_free(&d);
  }
}

/*= TS-0009 6.2.2.1; RFC 3986 2.3 */
static void test_paths(void **state)
{
  (void)state;
  static const char *const cases[][2] = {
      {"/CSEBase/ae12/cont27/contInst696/", "CSEBase/ae12/cont27/contInst696"},
      {"/cin00856", "cin00856"},
      {"/-/ae12", "-/ae12"},
      {"/~/CSE178/CSEBase/ae12", "/CSE178/CSEBase/ae12"},
      {"/%7E/CSE178/cin00856", "/CSE178/cin00856"},
      {"/_/m2m.example.org/CSE178/cin1", "//m2m.example.org/CSE178/cin1"},
      {"/%5f/m2m.example.org/CSE178", "//m2m.example.org/CSE178"},
      {"/fetch/E314@mef.example.com/21", "fetch/E314@mef.example.com/21"},
      {"/fetch/E314%40mef.example.com/21", "fetch/E314@mef.example.com/21"},
      {"http://in.example.com/cse/x", "cse/x"},
      {"https://IN.example.com/~/id/x?rcn=1", "/id/x"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    decoded d = decode_target(cases[i][0]);
    assert_int_equal(d.rsc, GH_RSC_OK);
    assert_str(d.request.to, cases[i][1]);
    decoded_free(&d);
  }
}

/*= TS-0009 6.2.2.1; nothing in a path may be decoded or cut a second time */
static void test_refused_paths(void **state)
{
  (void)state;
  static const char *const cases[] = {
      "/",
      "/~",
      "/_",
      "/~/",
      "/_/",
      "/%7E",
      "//",
      "//a/b",
      "/a//b",
      "/./a",
      "/a/../b",
      "/a/%2e%2e/b",
      "/%2E/a",
      "/a%2Fb",
      "/a%2fb",
      "/a%00b",
      "/a%0d%0ab",
      "/a%20b",
      "/a%",
      "/a%4",
      "/a%zz",
      "/a%252Fb",
      "/a%23rn",
      "/a#rn",
      "/a%3fb",
      "/a%22b",
      "/a%C3%A4",
      "/a%7f",
      "/a\"b",
      "/a\\b",
      "/a|b",
      "/a/<b>",
      "/a{b}",
      "http://other.example.com/a",
      "http://in.example.com",
      "ftp://in.example.com/a",
      "in.example.com",
      "*",
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char text[512];
    gh_http_reader reader;
    gh_request request;
    gh_diag diag = {.text = ""};
    gh_arena arena;
    size_t used;
    (void)snprintf(text, sizeof text, "GET %s HTTP/1.1\r\n" HEAD "\r\n", cases[i]);
    gh_arena_init(&arena);
    gh_http_reader_init(&reader, GH_HTTP_REQUESTS, NULL);
    if (feed_in_pieces(&reader, gh_str_of(text), SIZE_MAX, &used) == GH_HTTP_MESSAGE) {
      if (gh_http_to_request(&arena, &reader.message, &request, &diag) != GH_RSC_BAD_REQUEST)
        fail_msg("accepted: %s as %.*s", cases[i], GH_STR_ARG(request.to));
      assert_true(diag.text[0]);
    } else {
      assert_int_equal(reader.error.status, 400);
    }
    gh_http_reader_free(&reader);
    gh_arena_free(&arena);
  }
}

/*= TS-0009 6.2.2.2 */
static void test_query(void **state)
{
  (void)state;
  decoded d =
      decode_target("/cse?rcn=4&rt=1&fu=1&drt=2&ty=2+3&ty=4&lbl=a%2Bb+c%20d&lim=10&ofst=2&crb=20270101T000000&cr=Sam&"
                    "c.rn=x*&p.lbl=%C3%A4&atrl=ri+lbl&fo=2&us=20270101T000000%2C5&asi=1");
  assert_int_equal(d.rsc, GH_RSC_OK);
  assert_int_equal(d.request.rcn, 4);
  assert_int_equal(d.request.rt, 1);
  assert_int_equal(d.request.fu, 1);
  assert_int_equal(d.request.drt, 2);
  assert_true(d.request.has_fc);
  assert_json(d.request.fc,
              "{\"ty\":[2,3,4],\"lbl\":[\"a+b\",\"c d\"],\"lim\":10,\"ofst\":2,\"crb\":\"20270101T000000\","
              "\"atr\":[{\"nm\":\"cr\",\"val\":\"Sam\"}],\"catr\":[{\"nm\":\"rn\",\"val\":\"x*\"}],"
              "\"patr\":[{\"nm\":\"lbl\",\"val\":\"\xc3\xa4\"}],\"fo\":2,\"us\":\"20270101T000000,5\"}");
  assert_json(d.request.atrl, "[\"ri\",\"lbl\"]");
  assert_true(gh_str_empty(d.request.unsupported));
  decoded_free(&d);
  d = decode_target("/cse?fu=1");
  assert_true(d.request.has_fc);
  assert_null(d.request.fc);
  decoded_free(&d);
  d = decode_target("/cse?");
  assert_int_equal(d.rsc, GH_RSC_OK);
  decoded_free(&d);
}

/*= TS-0009 6.2.2.2 */
static void test_refused_queries(void **state)
{
  (void)state;
  static const char *const cases[] = {
      "nosuch=1",
      "rcn",
      "rcn=",
      "=1",
      "rcn=1&",
      "&rcn=1",
      "rcn=1&&fu=1",
      "rcn=1&rcn=1",
      "rcn=13",
      "rcn=-1",
      "rcn=1x",
      "rcn=99999999999999999999",
      "rt=0",
      "rt=6",
      "rt=3&rt=3",
      "fu=0",
      "fu=4",
      "drt=3",
      "ty=",
      "ty=x",
      "ty=2+",
      "ty=2++3",
      "ty=-2",
      "ty=2%203",
      "lim=-1",
      "lim=1+2",
      "lim=1&lim=1",
      "lbl=",
      "lbl=%00",
      "lbl=%ff",
      "lbl=%C3",
      "lbl=%",
      "lbl=%0a",
      "lbl=a+",
      "tqi=yes",
      "asi=2",
      "da=",
      "c.nosuch=1",
      "x.rn=1",
      "RCN=1",
      "cr=",
      "atrl=",
      "atrl=ri&atrl=rn",
      "crb=%ED%A0%80",
      "atr=rn",
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char target[128];
    (void)snprintf(target, sizeof target, "/cse?%s", cases[i]);
    decoded d = decode_target(target);
    if (d.rsc != GH_RSC_BAD_REQUEST) fail_msg("%s gives %d", cases[i], d.rsc);
    assert_memory_equal(d.diag.text, "query: ", 7);
    decoded_free(&d);
  }
}

/*= TS-0004 7.2.1.1; TS-0009 6.4.11; 6.4.15; 6.4.16; 6.4.19; 6.4.24; a parameter that is known and not supported is
 * reported, not dropped */
static void test_unsupported_parameters_are_named(void **state)
{
  (void)state;
  static const struct {
    const char *query, *header, *name;
  } cases[] = {
      {"tids=a@b", "", "tids"},
      {"ltids=x", "", "ltids"},
      {"rids=a@b+c@d", "", "rids"},
      {"rp=P1Y", "", "rp"},
      {"smf=x", "", "smf"},
      {"cfs=1", "", "cfs"},
      {"tqi=true", "", "tqi"},
      {"tqi=1", "", "tqi"},
      {"tqi=false", "", ""},
      {"auri=true", "", "auri"},
      {"da=true", "", "da"},
      {"da=0", "", ""},
      {"sqi=1", "", "sqi"},
      {"asi=true", "", ""},
      {"rcn=1", "X-M2M-OET: 20270101T000000\r\n", "oet"},
      {"rcn=1", "X-M2M-GID: g1\r\n", "gid"},
      {"rcn=1", "X-M2M-EC: 2\r\n", "ec"},
      {"rcn=1", "X-M2M-AS: AAAA\r\n", "aus"},
      {"rcn=1", "X-M2M-GTM: a\r\n", "grtm"},
      {"rcn=1", "X-M2M-RTU: http://a/\r\n", "nu"},
      {"rcn=1", "Authorization: e30.e30.AAAA\r\n", "tkns"},
      {"rcn=1", "Authorization: e30.e30.AAAA + e30.e30.BBBB\r\n", "tkns"},
      {"rcn=1", "Authorization: Bearer abc\r\n", ""},
      {"rcn=1", "Authorization: Basic dTpw\r\n", ""},
      {"rcn=1", "X-M2M-Unheard-Of: 1\r\n", ""},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char text[512];
    (void)snprintf(text, sizeof text, "GET /a?%s HTTP/1.1\r\n" HEAD "%s\r\n", cases[i].query, cases[i].header);
    decoded d = decode(text);
    assert_int_equal(d.rsc, GH_RSC_OK);
    assert_str(d.request.unsupported, cases[i].name);
    decoded_free(&d);
  }
}

/*= TS-0009 6.4.7; 6.4.8; 6.4.10; 6.4.12; 6.4.13; 6.4.14; 6.4.22; 6.4.23 */
static void test_header_parameters(void **state)
{
  (void)state;
  decoded d = decode("GET /a HTTP/1.1\r\nhost: h\r\nx-m2m-origin: /in-cse\r\nX-m2m-rI: in-cse/42\r\nX-M2M-RVI: 2a\r\n"
                     "X-M2M-OT: 20270101T000000\r\nX-M2M-RET: +5000\r\nX-M2M-RST: 20270101T000001\r\nX-M2M-GID: g\r\n"
                     "X-M2M-VSI: acme corp\r\n\r\n");
  assert_int_equal(d.rsc, GH_RSC_OK);
  assert_str(d.request.from, "/in-cse");
  assert_str(d.request.rqi, "in-cse/42");
  assert_str(d.request.rvi, "2a");
  assert_str(d.request.ot, "20270101T000000");
  assert_str(d.request.rqet, "+5000");
  assert_str(d.request.rset, "20270101T000001");
  assert_str(d.request.gid, "g");
  assert_str(d.request.vsi, "acme corp");
  decoded_free(&d);
}

static void test_refused_headers(void **state)
{
  (void)state;
  static const char *const cases[] = {
      "",                                                        /* X-M2M-RI missing */
      "X-M2M-RI:\r\n",                                           /* X-M2M-RI empty */
      "X-M2M-RI: 1\r\nX-M2M-RI: 1\r\n",                          /* which one would the answer repeat? */
      "X-M2M-RI: 1\r\nX-M2M-Origin: C1\r\nx-m2m-origin: C2\r\n", /* which one would be checked? (TP-15) */
      "X-M2M-RI: 1\r\nX-M2M-RVI: 3\r\nX-M2M-RVI: 4\r\n",
      "X-M2M-RI: 1\r\nX-M2M-Origin: C\xc3\xa4\r\n",
      "X-M2M-RI: 1\r\nX-M2M-Origin: C\t1\r\n",
      "X-M2M-RI: 1\r\nContent-Type: application/json\r\nContent-Type: application/json\r\n",
      "X-M2M-RI: 1\r\nContent-Type: application/json;ty=2;ty=3\r\n",
      "X-M2M-RI: 1\r\nContent-Type: application/json;ty=\r\n",
      "X-M2M-RI: 1\r\nContent-Type: application/json;ty=0\r\n",
      "X-M2M-RI: 1\r\nContent-Type: application/json;ty=2x\r\n",
      "X-M2M-RI: 1\r\nContent-Type: application/json;ty=-2\r\n",
      "X-M2M-RI: 1\r\nContent-Type: application/json;ty=4294967298\r\n",
      "X-M2M-RI: 1\r\nContent-Type: application/json;ty\r\n",
      "X-M2M-RI: 1\r\nContent-Type: application/json;\r\n",
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char text[512];
    (void)snprintf(text, sizeof text, "GET /a HTTP/1.1\r\nHost: h\r\n%s\r\n", cases[i]);
    decoded d = decode(text);
    if (d.rsc != GH_RSC_BAD_REQUEST) fail_msg("%s gives %d", cases[i], d.rsc);
    assert_true(d.diag.text[0]);
    decoded_free(&d);
  }
}

static void test_an_absent_or_empty_origin_is_no_originator(void **state) /* TP-08 */
{
  (void)state;
  static const char *const cases[] = {"GET /a HTTP/1.1\r\nHost: h\r\nX-M2M-RI: 1\r\n\r\n",
                                      "GET /a HTTP/1.1\r\nHost: h\r\nX-M2M-RI: 1\r\nX-M2M-Origin:\r\n\r\n"};
  for (size_t i = 0; i < 2; i++) {
    decoded d = decode(cases[i]);
    assert_int_equal(d.rsc, GH_RSC_OK);
    assert_false(d.request.has_from);
    assert_true(gh_str_empty(d.request.from));
    decoded_free(&d);
  }
}

/* TP-05: what a client says about itself in other headers leaves the primitive exactly as it was. */
static void test_claims_in_other_headers_change_nothing(void **state)
{
  (void)state;
  decoded plain = decode("GET /a HTTP/1.1\r\n" HEAD "\r\n");
  decoded claims = decode("GET /a HTTP/1.1\r\n" HEAD "X-Forwarded-For: 127.0.0.1\r\nForwarded: for=127.0.0.1\r\n"
                          "X-Real-IP: 127.0.0.1\r\nX-Remote-User: admin\r\nX-SSL-Client-Verify: SUCCESS\r\n"
                          "X-SSL-Client-S-DN: CN=in-cse\r\nX-M2M-Role: admin\r\nX-M2M-Admin: true\r\nFrom: CAdmin\r\n"
                          "X-Original-URL: /admin\r\nX-HTTP-Method-Override: DELETE\r\nCookie: admin=1\r\n"
                          "Proxy-Authorization: Basic dTpw\r\nAuthorization: Basic YWRtaW46YWRtaW4=\r\n\r\n");
  assert_int_equal(claims.rsc, plain.rsc);
  assert_int_equal(claims.request.op, plain.request.op);
  assert_true(gh_str_eq(claims.request.to, plain.request.to));
  assert_true(gh_str_eq(claims.request.from, plain.request.from));
  assert_true(gh_str_eq(claims.request.unsupported, plain.request.unsupported));
  assert_null(claims.request.fc);
  assert_null(claims.request.pc);
  decoded_free(&plain);
  decoded_free(&claims);
}

/*= TS-0009 6.4.2; 6.4.3; TS-0004 7.3.2.1; 7.3.3.1 */
static void test_media_types(void **state)
{
  (void)state;
  static const struct {
    const char *headers;
    int rsc;
  } cases[] = {
      {"Content-Type: application/json\r\n", GH_RSC_OK},
      {"Content-Type: Application/JSON; charset=UTF-8\r\n", GH_RSC_OK},
      {"Content-Type: application/json;charset=\"utf-8\"\r\n", GH_RSC_OK},
      {"Content-Type: application/vnd.onem2m-res+json\r\n", GH_RSC_OK},
      {"Content-Type: application/json; charset=latin1\r\n", GH_RSC_UNSUPPORTED_MEDIA_TYPE},
      {"", GH_RSC_UNSUPPORTED_MEDIA_TYPE},
      {"Content-Type:\r\n", GH_RSC_UNSUPPORTED_MEDIA_TYPE},
      {"Content-Type: text/plain\r\n", GH_RSC_UNSUPPORTED_MEDIA_TYPE},
      {"Content-Type: application/xml\r\n", GH_RSC_UNSUPPORTED_MEDIA_TYPE},
      {"Content-Type: application/cbor\r\n", GH_RSC_BAD_REQUEST}, /* the body is JSON */
      {"Content-Type: application/vnd.onem2m-preq+json\r\n", GH_RSC_UNSUPPORTED_MEDIA_TYPE},
      {"Content-Type: application/vnd.onem2m-ntfy+json\r\n", GH_RSC_UNSUPPORTED_MEDIA_TYPE}, /* in an UPDATE */
      {"Content-Type: application/json\r\nContent-Encoding: gzip\r\n", GH_RSC_UNSUPPORTED_MEDIA_TYPE},
      {"Content-Type: application/json\r\nAccept: application/json\r\n", GH_RSC_OK},
      {"Content-Type: application/json\r\nAccept: */*\r\n", GH_RSC_OK},
      {"Content-Type: application/json\r\nAccept: text/html, application/*;q=0.1\r\n", GH_RSC_OK},
      {"Content-Type: application/json\r\nAccept:\r\n", GH_RSC_OK},
      {"Content-Type: application/json\r\nAccept: application/xml\r\nAccept: application/json\r\n", GH_RSC_OK},
      {"Content-Type: application/json\r\nAccept: application/cbor\r\n", GH_RSC_OK},
      {"Content-Type: application/json\r\nAccept: application/xml, text/*\r\n", GH_RSC_NOT_ACCEPTABLE},
      {"Content-Type: application/json\r\nAccept: application/xml\r\nAccept: text/html\r\nAccept: text/*\r\n",
       GH_RSC_NOT_ACCEPTABLE},
      {"Content-Type: application/json\r\nAccept: application/json;q=0\r\n", GH_RSC_NOT_ACCEPTABLE},
      {"Content-Type: application/json\r\nAccept: application/json; Q=0.000\r\n", GH_RSC_NOT_ACCEPTABLE},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char text[512];
    (void)snprintf(text, sizeof text,
                   "PUT /a HTTP/1.1\r\n" HEAD "%sContent-Length: 19\r\n\r\n{\"m2m:cnt\":{\"a\":1}}",
                   cases[i].headers);
    decoded d = decode(text);
    if (d.rsc != cases[i].rsc) fail_msg("%s gives %d", cases[i].headers, d.rsc);
    decoded_free(&d);
  }
}

/*= TS-0009 6.5 */
static void test_bodies_that_are_no_json_are_refused_with_position(void **state)
{
  (void)state;
  static const char *const bodies[] = {"{",     "{\"a\":1,\"a\":2}", "{\"a\":\xff}", "nul",
                                       "{} {}", "\xef\xbb\xbf{}",    "[1,]"};
  for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
    char text[512];
    (void)snprintf(text, sizeof text,
                   "PUT /a HTTP/1.1\r\n" HEAD "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                   strlen(bodies[i]), bodies[i]);
    decoded d = decode(text);
    assert_int_equal(d.rsc, GH_RSC_BAD_REQUEST);
    assert_memory_equal(d.diag.text, "pc: ", 4);
    decoded_free(&d);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_example_of_the_binding),
      cmocka_unit_test(test_operations),
      cmocka_unit_test(test_paths),
      cmocka_unit_test(test_refused_paths),
      cmocka_unit_test(test_query),
      cmocka_unit_test(test_refused_queries),
      cmocka_unit_test(test_unsupported_parameters_are_named),
      cmocka_unit_test(test_header_parameters),
      cmocka_unit_test(test_refused_headers),
      cmocka_unit_test(test_an_absent_or_empty_origin_is_no_originator),
      cmocka_unit_test(test_claims_in_other_headers_change_nothing),
      cmocka_unit_test(test_media_types),
      cmocka_unit_test(test_bodies_that_are_no_json_are_refused_with_position),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
