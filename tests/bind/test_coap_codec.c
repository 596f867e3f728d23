/* CoAP messages and their mapping to primitives. TP-03, TP-05, TP-13, TP-15, TP-18. */
#include "coap_fixture.h"

#include "m2m/tables.h"

#define AE_BODY "7b226d326d3a6165223a7b22617069223a224e2e64656d6f222c227272223a66616c73652c22737276223a5b2233225d7d7d"
/* computed by hand from RFC 7252 */
#define AE_REQUEST "4102123401b66373652d696e122711d1f20241338143427231ff" AE_BODY
#define AE_ANSWER "6141123401866373652d696e054341453031d1fa33c27231d20b07d1"

/*= RFC 7252 3; TS-0008 6.2.1; TS-0008 6.2.2.4.0; TS-0008 A.1 */
static void a_registration_is_read(void **state)
{
  (void)state;
  gh_str octets = unhex(AE_REQUEST);
  gh_coap_message m;
  assert_int_equal(gh_coap_parse_udp(octets, &m), GH_OK);
  assert_int_equal(m.type, GH_COAP_CON);
  assert_int_equal(m.mid, 0x1234);
  assert_int_equal(m.token_len, 1);
  decoded d = decode(m);
  unhex_free(octets); /* nothing borrows from it */
  if (d.rsc != GH_RSC_OK) fail_msg("%s", d.diag.text);
  assert_int_equal(d.request.op, GH_OP_CREATE);
  assert_str(d.request.to, "cse-in");
  assert_str(d.request.from, "C");
  assert_str(d.request.rqi, "r1");
  assert_str(d.request.rvi, "3");
  assert_int_equal(d.request.ty, 2);
  assert_non_null(gh_val_get(d.request.pc, GH_STR("m2m:ae")));
  gh_arena_free(&d.arena);
}

/*= TS-0008 6.2.4; TS-0008 6.2.3; TS-0008 6.2.2.4.10 */
static void a_response_is_written(void **state)
{
  (void)state;
  gh_arena arena;
  gh_buf out = GH_BUF_INIT;
  gh_arena_init(&arena);
  gh_request request = {.op = GH_OP_CREATE, .rqi = GH_STR("r1"), .rvi = GH_STR("3")};
  gh_response response = {.rsc = GH_RSC_CREATED, .location = GH_STR("cse-in/CAE01")};
  gh_coap_context context = {.text_format = 50};
  gh_coap_message m = {.type = GH_COAP_ACK, .mid = 0x1234, .token_len = 1, .token = {1}};
  gh_coap_from_response(&arena, &request, &response, &context, &m);
  gh_coap_write_udp(&out, &m);
  gh_str expected = unhex(AE_ANSWER);
  assert_int_equal(out.len, expected.len);
  assert_memory_equal(out.ptr, expected.ptr, expected.len);
  gh_coap_message back;
  gh_response read;
  gh_diag diag;
  assert_int_equal(gh_coap_parse_udp(expected, &back), GH_OK);
  assert_int_equal(gh_coap_to_response(&arena, &back, &read, &diag), GH_OK);
  assert_int_equal(read.rsc, 2001);
  assert_str(read.location, "cse-in/CAE01");
  assert_str(read.rqi, "r1");
  unhex_free(expected);
  gh_buf_free(&out);
  gh_arena_free(&arena);
}

/*= RFC 7252 3; RFC 7252 4.1 */
static void malformed_messages(void **state)
{
  (void)state;
  static const char *const bad[] = {"",
                                    "40",
                                    "400112",
                                    "00010000",                   /* version 0 */
                                    "80010000",                   /* version 2 */
                                    "49010000010203040506070809", /* token of nine */
                                    "4f010000",
                                    "41010000",   /* token cut */
                                    "40010000ff", /* marker, no payload */
                                    "40010000f0",
                                    "400100000f", /* reserved 15 */
                                    "40010000d0",
                                    "40010000e000",
                                    "4001000001",
                                    "400100000d",           /* cut */
                                    "40010000e0ffffe0ffff", /* number over 65535 */
                                    "4100000001",
                                    "4000000001"}; /* not so empty */
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    if (parse_hex(bad[i]) != GH_ESYNTAX) fail_msg("%s was taken", bad[i]);
  assert_int_equal(parse_hex("40000000"), GH_OK);
  char many[8 + 2 * 65 + 1] = "40010000";
  for (int i = 0; i < 65; i++) strcat(many, "00");
  assert_int_equal(parse_hex(many), GH_ELIMIT);
  many[8 + 2 * 64] = '\0';
  assert_int_equal(parse_hex(many), GH_OK);
}

/* Each length around the borders of the field is written and read alike. */ /*= RFC 8323 3.2 */
static void frames_of_tcp(void **state)
{
  (void)state;
  static const size_t sizes[] = {0,   1,   11,    12,    13,    14,    266,   267,  268,
                                 269, 270, 65802, 65803, 65804, 65805, 65806, 70000};
  char *text = calloc(1, 70000);
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    gh_buf out = GH_BUF_INIT;
    gh_coap_message m = {.code = GH_COAP_POST, .token_len = 8, .token = {1, 2, 3, 4, 5, 6, 7, 8}}, back;
    m.payload = (gh_str){text, sizes[i]};
    gh_coap_write_tcp(&out, &m);
    size_t len = 0;
    assert_int_equal(gh_coap_frame_len(gh_buf_str(&out), 100000, &len), GH_OK);
    assert_int_equal(len, out.len);
    assert_int_equal(gh_coap_frame_len(gh_buf_str(&out), out.len - 1, &len), GH_ELIMIT);
    assert_int_equal(gh_coap_parse_tcp(gh_buf_str(&out), &back), GH_OK);
    assert_int_equal(back.payload.len, sizes[i]);
    assert_int_equal(back.token_len, 8);
    assert_int_equal(gh_coap_parse_tcp(gh_str_sub(gh_buf_str(&out), 0, out.len - 1), &back), GH_ESYNTAX);
    gh_buf_free(&out);
  }
  free(text);
  size_t len;
  assert_int_equal(gh_coap_frame_len(GH_STR_NONE, 100, &len), GH_EAGAIN);
  assert_int_equal(gh_coap_frame_len(GH_STR("\xd0"), 100, &len), GH_EAGAIN);
  assert_int_equal(gh_coap_frame_len(GH_STR("\x09"), 100, &len), GH_ESYNTAX);
  assert_int_equal(gh_coap_frame_len(GH_STR("\xf0\xff\xff\xff\xff"), 100, &len), GH_ELIMIT);
}

static void long_options_keep_their_place(void **state)
{
  (void)state;
  char text[512];
  memset(text, 'x', sizeof text);
  gh_coap_message m = {.code = GH_COAP_GET}, back;
  static const size_t sizes[] = {0, 12, 13, 268, 269, 270, 512};
  for (size_t i = 0; i < 7; i++) gh_coap_add(&m, GH_COAP_GTM, (gh_str){text, sizes[i]});
  gh_coap_add(&m, 1, GH_STR("a"));
  gh_coap_add(&m, 65000, GH_STR("z"));
  gh_buf out = GH_BUF_INIT;
  gh_coap_write_udp(&out, &m);
  assert_int_equal(gh_coap_parse_udp(gh_buf_str(&out), &back), GH_OK);
  assert_int_equal(back.option_count, 9);
  assert_int_equal(back.options[0].number, 1);
  assert_int_equal(back.options[8].number, 65000);
  for (size_t i = 0; i < 7; i++) assert_int_equal(back.options[i + 1].value.len, sizes[i]);
  gh_buf_free(&out);
}

/*= RFC 7252 5.4.1; RFC 7252 5.4.3; RFC 7252 5.4.5 */
static void options_that_are_refused(void **state)
{
  (void)state;
  char text[600];
  memset(text, 'x', sizeof text);
  struct {
    uint16_t number;
    gh_str value;
  } bad[] = {
      {1, GH_STR("etag")},                             /* If-Match: critical, not ours */
      {5, GH_STR_NONE},                                /* If-None-Match */
      {9, GH_STR("x")},                                /* OSCORE */
      {19, GH_STR_NONE},                               /* Q-Block1 */
      {257, GH_STR("r1")},                             /* RQI of Release 1 */
      {65535, GH_STR_NONE},                            /* nobody's */
      {GH_COAP_FR, GH_STR("Cother")},                  /* a second From */
      {GH_COAP_RQI, GH_STR("r2")},                     /* a second one */
      {GH_COAP_TY, GH_STR("\1\2\3")},                  /* three octets */
      {GH_COAP_EC, GH_STR("\1\2")},                    /* two octets */
      {GH_COAP_OT, GH_STR("20300101T000000,1234567")}, /* 23 octets */
      {GH_COAP_OT, GH_STR_NONE},
      {GH_COAP_VSI, {text, 256}},
      {GH_COAP_GTM, {text, 513}},
      {GH_COAP_URI_PATH, {text, 256}},
      {GH_COAP_URI_QUERY, {text, 256}},
      {GH_COAP_BLOCK1, GH_STR("\1\2\3\4")},
      {GH_COAP_RSC, GH_STR("\x07\xd0")}, /* a response's option in a request */
      {GH_COAP_ASRI, GH_STR("1")},
      {GH_COAP_ATI, GH_STR("a:b")},
      {GH_COAP_CTO, GH_STR("\1")},
      {GH_COAP_CTS, GH_STR("\1")},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    gh_coap_message m = request_message(GH_COAP_GET);
    gh_coap_add(&m, GH_COAP_URI_PATH, GH_STR("cse-in"));
    gh_coap_add(&m, bad[i].number, bad[i].value);
    assert_refused(m, GH_RSC_BAD_REQUEST, GH_COAP_BAD_OPTION);
  }
  for (int i = 0; i < 2; i++) {
    gh_coap_message m = request_message(GH_COAP_GET);
    gh_coap_add(&m, i ? GH_COAP_PROXY_SCHEME : GH_COAP_PROXY_URI, GH_STR("coap"));
    assert_refused(m, GH_RSC_NOT_IMPLEMENTED, GH_COAP_NO_PROXY);
  }
}

static void elective_options_do_not_matter(void **state)
{
  (void)state;
  gh_coap_message m = request_message(GH_COAP_GET);
  gh_coap_add(&m, GH_COAP_URI_PATH, GH_STR("cse-in"));
  gh_coap_add(&m, 6, GH_STR_NONE); /* Observe: the binding does not use it */
  gh_coap_add(&m, 4, GH_STR("123456789"));
  gh_coap_add(&m, 256, GH_STR("Cother")); /* From of Release 1 */
  gh_coap_add(&m, 65534, GH_STR("x"));
  gh_coap_add(&m, GH_COAP_URI_HOST, GH_STR("anybody"));
  decoded d = decode(m);
  assert_int_equal(d.rsc, GH_RSC_OK);
  assert_str(d.request.from, "Cae1");
  gh_arena_free(&d.arena);
}

/* From is text: nothing but what was sent. TP-03, TP-15 */ /*= TS-0008 6.2.2.4.1 */
static void from_is_data(void **state)
{
  (void)state;
  static const char *const texts[] = {"*", ".*", "C*", "%", "all", "/in-cse/Cae1", "//sp.example.com/in-cse/Cae1"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    gh_coap_message m = {.code = GH_COAP_GET};
    gh_coap_add(&m, GH_COAP_URI_PATH, GH_STR("cse-in"));
    gh_coap_add(&m, GH_COAP_RQI, GH_STR("r1"));
    gh_coap_add(&m, GH_COAP_FR, gh_str_of(texts[i]));
    decoded d = decode(m);
    assert_int_equal(d.rsc, GH_RSC_OK);
    assert_str(d.request.from, texts[i]);
    assert_true(d.request.has_from);
    gh_arena_free(&d.arena);
  }
  static const char *const bad[] = {"C\x80", "C\n", "\xc0\x80", "C\xed\xa0\x80", "\x7f"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    gh_coap_message m = {.code = GH_COAP_GET};
    gh_coap_add(&m, GH_COAP_URI_PATH, GH_STR("cse-in"));
    gh_coap_add(&m, GH_COAP_RQI, GH_STR("r1"));
    gh_coap_add(&m, GH_COAP_FR, gh_str_of(bad[i]));
    assert_refused(m, GH_RSC_BAD_REQUEST, GH_COAP_BAD_REQUEST);
  }
}

/*= TS-0008 6.2.2.3 table 6.2.2.3-1 */
static void paths(void **state)
{
  (void)state;
  struct {
    const char *segments[6], *to;
  } rows[] = {
      {{"CSEBase", "ae12", "cont27", "contInst696"}, "CSEBase/ae12/cont27/contInst696"},
      {{"~", "CSE178", "CSEBase", "ae12"}, "/CSE178/CSEBase/ae12"},
      {{"_", "mym2msp.org", "CSE178", "CSEBase", "ae12"}, "//mym2msp.org/CSE178/CSEBase/ae12"},
      {{"cin00856"}, "cin00856"},
      {{"~", "CSE178", "cin00856"}, "/CSE178/cin00856"},
      {{"_", "mym2msp.org", "CSE178", "cin00856"}, "//mym2msp.org/CSE178/cin00856"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    gh_coap_message m = request_message(GH_COAP_GET), back = {.code = 0};
    for (size_t k = 0; k < 6 && rows[i].segments[k]; k++)
      gh_coap_add(&m, GH_COAP_URI_PATH, gh_str_of(rows[i].segments[k]));
    decoded d = decode(m);
    assert_int_equal(d.rsc, GH_RSC_OK);
    assert_str(d.request.to, rows[i].to);
    assert_int_equal(gh_coap_from_request(&d.arena, &d.request, 0, &back), GH_OK);
    size_t seen = 0;
    for (size_t k = 0; k < back.option_count; k++)
      if (back.options[k].number == GH_COAP_URI_PATH) assert_str(back.options[k].value, rows[i].segments[seen++]);
    assert_true(seen == 6 || !rows[i].segments[seen]);
    gh_arena_free(&d.arena);
  }
  static const char *const bad[][3] = {{"~"},     {"_"},   {"a", ""}, {"a/b"},   {"a", ".."}, {"."},
                                       {"a%2fb"}, {"a#b"}, {"a?b"},   {"", "a"}, {"a\x01"},   {"\xff"}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    gh_coap_message m = request_message(GH_COAP_GET);
    for (size_t k = 0; k < 3 && bad[i][k]; k++) gh_coap_add(&m, GH_COAP_URI_PATH, gh_str_of(bad[i][k]));
    assert_refused(m, GH_RSC_BAD_REQUEST, GH_COAP_BAD_REQUEST);
  }
  assert_refused(request_message(GH_COAP_GET), GH_RSC_BAD_REQUEST, GH_COAP_BAD_REQUEST);
}

/*= TS-0008 6.2.1 table 6.2.1-1; TS-0008 6.3.2; TS-0008 6.3.3; TS-0008 6.3.4 */
static void operations(void **state)
{
  (void)state;
  struct {
    uint8_t code;
    uint32_t ty;
    const char *query;
    int rsc, op;
  } rows[] = {
      {GH_COAP_GET, 0, NULL, 2000, GH_OP_RETRIEVE},
      {GH_COAP_PUT, 0, NULL, 2000, GH_OP_UPDATE},
      {GH_COAP_DELETE, 0, NULL, 2000, GH_OP_DELETE},
      {GH_COAP_POST, 3, NULL, 2000, GH_OP_CREATE},
      {GH_COAP_POST, 0, NULL, 2000, GH_OP_NOTIFY},
      {GH_COAP_POST, 0, "op=2", 2000, GH_OP_RETRIEVE},
      {GH_COAP_POST, 3, "op=1", 2000, GH_OP_CREATE},
      {GH_COAP_POST, 0, "op=6", 4000, 0},
      {GH_COAP_POST, 0, "op=", 4000, 0},
      {GH_COAP_POST, 0, "op=22", 4000, 0},
      {GH_COAP_GET, 0, "op=4", 4000, 0},
      {GH_COAP_GET, 0, "rt=1", 4000, 0},
      {GH_COAP_CODE(0, 5), 0, NULL, 4005, 0},
      {GH_COAP_CODE(0, 31), 0, NULL, 4005, 0},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    gh_coap_message m = request_message(rows[i].code);
    char ty[] = {(char)rows[i].ty};
    gh_coap_add(&m, GH_COAP_URI_PATH, GH_STR("cse-in"));
    if (rows[i].ty) gh_coap_add(&m, GH_COAP_TY, (gh_str){ty, 1});
    if (rows[i].query) gh_coap_add(&m, GH_COAP_URI_QUERY, gh_str_of(rows[i].query));
    decoded d = decode(m);
    if (d.rsc != rows[i].rsc) fail_msg("row %zu: %d %s", i, d.rsc, d.diag.text);
    if (rows[i].op) assert_int_equal(d.request.op, rows[i].op);
    gh_arena_free(&d.arena);
  }
  gh_coap_message twice = request_message(GH_COAP_POST);
  gh_coap_add(&twice, GH_COAP_URI_PATH, GH_STR("cse-in"));
  gh_coap_add(&twice, GH_COAP_URI_QUERY, GH_STR("op=2"));
  gh_coap_add(&twice, GH_COAP_URI_QUERY, GH_STR("op=4"));
  assert_refused(twice, GH_RSC_BAD_REQUEST, GH_COAP_BAD_REQUEST);
}

/*= TS-0008 6.2.2.3 */
static void query_fields(void **state)
{
  (void)state;
  gh_coap_message m = request_message(GH_COAP_GET);
  static const char *const items[] = {"fu=1", "ty=2+3", "lbl=a b+c%20", "lbq=x+y", "rcn=6", "drt=2", "lim=5"};
  gh_coap_add(&m, GH_COAP_URI_PATH, GH_STR("cse-in"));
  for (size_t i = 0; i < sizeof items / sizeof *items; i++) gh_coap_add(&m, GH_COAP_URI_QUERY, gh_str_of(items[i]));
  decoded d = decode(m);
  if (d.rsc != 2000) fail_msg("%s", d.diag.text);
  gh_buf text = GH_BUF_INIT;
  gh_json_write(&text, d.request.fc);
  assert_str(gh_buf_str(&text), "{\"ty\":[2,3],\"lbl\":[\"a b\",\"c%20\"],\"lbq\":\"x+y\",\"lim\":5}");
  assert_int_equal(d.request.fu, 1);
  assert_int_equal(d.request.drt, 2);
  gh_coap_message again = {.code = 0};
  assert_int_equal(gh_coap_from_request(&d.arena, &d.request, 0, &again), GH_OK);
  decoded e = decode(again);
  if (e.rsc != 2000) fail_msg("%s", e.diag.text);
  assert_true(gh_val_equal(d.request.fc, e.request.fc));
  gh_buf_free(&text);
  gh_arena_free(&d.arena);
  gh_arena_free(&e.arena);
  static const char *const bad[] = {"", "fu", "=1", "fu=", "fu=9", "nothing=1", "lim=x", "lbl=\xff", "tkns=\x01"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    gh_coap_message one = request_message(GH_COAP_GET);
    gh_coap_add(&one, GH_COAP_URI_PATH, GH_STR("cse-in"));
    gh_coap_add(&one, GH_COAP_URI_QUERY, gh_str_of(bad[i]));
    assert_refused(one, GH_RSC_BAD_REQUEST, GH_COAP_BAD_REQUEST);
  }
}

/*= TS-0008 6.2.2.2 */
static void formats(void **state)
{
  (void)state;
  struct {
    int format, accept, rsc;
    uint8_t code, notify;
  } rows[] = {{50, -1, 2000, 0, 0},
              {10001, 10001, 2000, 0, 0},
              {10003, -1, 2000, 0, 1},
              {10003, -1, 4015, GH_COAP_CODE(4, 15), 0},
              {41, -1, 4015, GH_COAP_CODE(4, 15), 0},
              {60, -1, 2000, 0, 0},
              {60, 50, 2000, 0, 0},
              {50, 60, 2000, 0, 0},
              {10004, -1, 4015, GH_COAP_CODE(4, 15), 0},
              {-1, -1, 4015, GH_COAP_CODE(4, 15), 0},
              {50, 41, 5207, GH_COAP_CODE(4, 6), 0}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    gh_arena arena;
    gh_arena_init(&arena);
    gh_coap_message m = request_message(rows[i].notify ? GH_COAP_POST : GH_COAP_PUT);
    gh_coap_add(&m, GH_COAP_URI_PATH, GH_STR("cse-in"));
    if (rows[i].format >= 0) gh_coap_add_uint(&arena, &m, GH_COAP_CONTENT_FORMAT, (uint32_t)rows[i].format);
    if (rows[i].accept >= 0) gh_coap_add_uint(&arena, &m, GH_COAP_ACCEPT, (uint32_t)rows[i].accept);
    m.payload = rows[i].format == 60 ? GH_STR("\xa1\x67m2m:cnt\xa0") : GH_STR("{\"m2m:cnt\":{}}");
    decoded d = decode(m);
    if (d.rsc != rows[i].rsc) fail_msg("row %zu: %d %s", i, d.rsc, d.diag.text);
    int answer = rows[i].accept >= 0 ? rows[i].accept : rows[i].format;
    if (rows[i].rsc == 2000 && !rows[i].notify) assert_int_equal(d.context.text_format, answer);
    gh_arena_free(&d.arena);
    if (rows[i].code) assert_refused(m, rows[i].rsc, rows[i].code);
    gh_arena_free(&arena);
  }
}

/*= TS-0004 8.5; a stored resource is JSON, and is answered as CBOR where that is asked for */
static void an_answer_in_cbor(void **state)
{
  (void)state;
  gh_arena arena;
  gh_arena_init(&arena);
  gh_response response = {.rsc = 2000, .body = GH_STR("{\"m2m:cnt\":{}}")};
  gh_coap_context context = {.text_format = 60};
  gh_coap_message m = {.code = 0};
  uint32_t format;
  gh_coap_from_response(&arena, NULL, &response, &context, &m);
  assert_true(gh_coap_find_uint(&m, GH_COAP_CONTENT_FORMAT, &format));
  assert_int_equal(format, 60);
  assert_true(gh_str_eq(m.payload, GH_STR("\xa1\x67m2m:cnt\xa0")));
  response.body = GH_STR("{damaged"); /* goes out as what it is */
  gh_coap_from_response(&arena, NULL, &response, &context, &m);
  assert_true(gh_coap_find_uint(&m, GH_COAP_CONTENT_FORMAT, &format));
  assert_int_equal(format, 50);
  gh_arena_free(&arena);
}

/* TP-13: each code of the table, and RSC always beside it. */ /*= TS-0008 6.2.4 table 6.2.4-1 */
static void every_response_status_code(void **state)
{
  (void)state;
  struct {
    int rsc, op;
    uint8_t code;
  } rows[] = {
      {2000, GH_OP_RETRIEVE, GH_COAP_CONTENT},
      {2000, GH_OP_NOTIFY, GH_COAP_CHANGED},
      {2001, GH_OP_CREATE, GH_COAP_CREATED},
      {2002, GH_OP_DELETE, GH_COAP_CODE(2, 2)},
      {2004, GH_OP_UPDATE, GH_COAP_CHANGED},
      {1002, GH_OP_CREATE, GH_COAP_CHANGED},
      {4000, 2, GH_COAP_BAD_REQUEST},
      {4001, 2, GH_COAP_CODE(5, 1)},
      {4004, 2, GH_COAP_CODE(4, 4)},
      {4005, 2, GH_COAP_CODE(4, 5)},
      {4008, 2, GH_COAP_CODE(5, 4)},
      {4103, 2, GH_COAP_FORBIDDEN},
      {4105, 2, GH_COAP_FORBIDDEN},
      {4106, 2, GH_COAP_FORBIDDEN},
      {4107, 2, GH_COAP_FORBIDDEN},
      {5000, 2, GH_COAP_INTERNAL},
      {5106, 2, GH_COAP_BAD_REQUEST},
      {5207, 2, GH_COAP_CODE(4, 6)},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    gh_arena arena;
    gh_arena_init(&arena);
    gh_request request = {.op = (gh_op)rows[i].op, .rqi = GH_STR("r1")};
    gh_response response = {.rsc = rows[i].rsc, .body = GH_STR("{}")}, back;
    gh_coap_context context = {.text_format = 50};
    gh_coap_message m = {.code = 0};
    gh_diag diag;
    gh_coap_from_response(&arena, &request, &response, &context, &m);
    if (m.code != rows[i].code) fail_msg("%d: %u", rows[i].rsc, m.code);
    assert_int_equal(m.payload.len, rows[i].op == GH_OP_NOTIFY ? 0 : 2);
    uint32_t rsc = 0, max_age = 1;
    assert_true(gh_coap_find_uint(&m, GH_COAP_RSC, &rsc));
    assert_int_equal(rsc, rows[i].rsc);
    if (rows[i].op == GH_OP_RETRIEVE) assert_true(gh_coap_find_uint(&m, GH_COAP_MAX_AGE, &max_age) && max_age == 0);
    assert_int_equal(gh_coap_to_response(&arena, &m, &back, &diag), GH_OK);
    assert_int_equal(back.rsc, rows[i].rsc);
    gh_arena_free(&arena);
  }
}

/*= TS-0008 6.2.2.4.5; TS-0008 6.2.2.4.6; TS-0008 6.2.2.4.4 */
static void times_are_sent_with_fifteen_octets(void **state)
{
  (void)state;
  gh_arena arena;
  gh_arena_init(&arena);
  gh_request request = {.op = GH_OP_RETRIEVE,
                        .to = GH_STR("cse-in"),
                        .rqi = GH_STR("r"),
                        .rt = 3,
                        .rcn = -1,
                        .rqet = GH_STR("5000"),
                        .rset = GH_STR("20300101T000000,123"),
                        .ot = GH_STR("20300101T000000")};
  gh_coap_message m = {.code = 0};
  assert_int_equal(gh_coap_from_request(&arena, &request, 0, &m), GH_OK);
  assert_str(gh_coap_find(&m, GH_COAP_RQET)->value, "19700101T000005");
  assert_str(gh_coap_find(&m, GH_COAP_RSET)->value, "20300101T000000");
  assert_str(gh_coap_find(&m, GH_COAP_OT)->value, "20300101T000000");
  gh_coap_message relative = request_message(GH_COAP_GET); /* on receipt both are taken */
  gh_coap_add(&relative, GH_COAP_URI_PATH, GH_STR("cse-in"));
  gh_coap_add(&relative, GH_COAP_RQET, GH_STR("5000"));
  decoded d = decode(relative);
  assert_int_equal(d.rsc, 2000);
  assert_str(d.request.rqet, "5000");
  gh_arena_free(&d.arena);
  char text[257];
  memset(text, 'x', 256);
  text[256] = '\0';
  request.from = gh_str_of(text);
  assert_int_equal(gh_coap_from_request(&arena, &request, 0, &m), GH_EINVAL);
  gh_arena_free(&arena);
}

/*= TS-0008 6.2.2.4.7; TS-0008 6.2.2.4.9; TS-0008 6.2.2.4.18; TS-0008 6.2.2.4.19; TS-0008 6.2.2.4.8 */
static void what_is_not_supported_is_named(void **state)
{
  (void)state;
  struct {
    uint16_t number;
    const char *value, *name;
  } rows[] = {{GH_COAP_OET, "20300101T000000", "oet"},
              {GH_COAP_EC, "\2", "ec"},
              {GH_COAP_GTM, "a", "grtm"},
              {GH_COAP_AUS, "a", "aus"},
              {GH_COAP_RTURI, "a", "nu"},
              {GH_COAP_GID, "a", "gid"},
              {GH_COAP_URI_QUERY, "tkns=a.b.c", "tkns"},
              {GH_COAP_URI_QUERY, "tqi=1", "tqi"}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    gh_coap_message m = request_message(GH_COAP_GET);
    gh_coap_add(&m, GH_COAP_URI_PATH, GH_STR("cse-in"));
    gh_coap_add(&m, rows[i].number, gh_str_of(rows[i].value));
    decoded d = decode(m);
    assert_int_equal(d.rsc, 2000);
    assert_str(d.request.unsupported, rows[i].name);
    gh_arena_free(&d.arena);
  }
}

static void a_refusal_repeats_the_request_identifier(void **state)
{
  (void)state;
  gh_coap_message m = request_message(GH_COAP_GET);
  gh_coap_add(&m, 1, GH_STR("x"));
  decoded d = decode(m);
  assert_int_equal(d.rsc, 4000);
  assert_str(d.request.rqi, "r1");
  gh_arena_free(&d.arena);
  gh_coap_message nameless = {.code = GH_COAP_GET};
  gh_coap_add(&nameless, GH_COAP_URI_PATH, GH_STR("cse-in"));
  assert_refused(nameless, GH_RSC_BAD_REQUEST, GH_COAP_BAD_REQUEST);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_registration_is_read),
      cmocka_unit_test(a_response_is_written),
      cmocka_unit_test(malformed_messages),
      cmocka_unit_test(frames_of_tcp),
      cmocka_unit_test(long_options_keep_their_place),
      cmocka_unit_test(options_that_are_refused),
      cmocka_unit_test(elective_options_do_not_matter),
      cmocka_unit_test(from_is_data),
      cmocka_unit_test(paths),
      cmocka_unit_test(operations),
      cmocka_unit_test(query_fields),
      cmocka_unit_test(formats),
      cmocka_unit_test(an_answer_in_cbor),
      cmocka_unit_test(every_response_status_code),
      cmocka_unit_test(times_are_sent_with_fifteen_octets),
      cmocka_unit_test(what_is_not_supported_is_named),
      cmocka_unit_test(a_refusal_repeats_the_request_identifier),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
