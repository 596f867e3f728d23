/* contentSerialization: in what a request goes on to an AE, to a registered CSE and to the registrar; what may stand
 * there, and what stood there before that was looked at. */
#include "far_side.h"

#include <sqlite3.h>

static const who meter = {
    GH_PEER_AE, GH_METHOD_PSK, "//sp.example.com/in-cse/Cmeter", "12-K1@maf.sp.example.com", "K1@maf.sp.example.com",
    false};
static const who mn1 = {GH_PEER_CSE, GH_METHOD_CERTIFICATE, "//sp.example.com/mn1", "32-//sp.example.com/mn1", "",
                        false};

#define NOTE "{\"m2m:sgn\":{\"nev\":{\"net\":3},\"sur\":\"cse-in/Cmeter/data/sub\"}}"
#define AE(more)                                                                                                     \
  "{\"m2m:ae\":{\"api\":\"N.demo\",\"rr\":true,\"srv\":[\"3\"],\"poa\":[\"https://127.0.0.1:9\"]" more "}}"
#define CSR(more) "{\"m2m:csr\":{\"cb\":\"/x/cse\",\"rr\":true,\"srv\":[\"3\"],\"rn\":\"mn1\"" more "}}"

/* What was said, and in what it then goes; NULL: nothing goes. */
static const struct {
  const char *csz, *goes;
} said[] = {{"null", "json"},
            {"[\"json\"]", "json"},
            {"[\"cbor\"]", "cbor"},
            {"[\"cbor\",\"json\"]", "cbor"},
            {"[\"json\",\"cbor\"]", "json"},
            {"[\"xml\",\"cbor\",\"json\"]", "cbor"},
            {"[\"xml\",\"json\"]", "json"},
            {"[\"xml\"]", NULL},
            {"[\"xml\",\"xml\"]", NULL}};
enum { SAID = sizeof said / sizeof *said };

static int setup_in_cse(void **state)
{
  place *p = place_prepare(NULL);
  harness_open(&p->h);
  assert_rsc(ask(&p->h, &meter, GH_OP_CREATE, "cse-in", "Cmeter", 2, AE("")), 2001);
  assert_rsc(ask(&p->h, &mn1, GH_OP_CREATE, "cse-in", "/mn1", 16, CSR("")), 2001);
  *state = p;
  return 0;
}

static gh_representation sent_in(const gh_media_type *type)
{
  return type ? type->representation : GH_REP_JSON;
}

/* It has gone out once, in it, and asks for it. */
static void assert_goes(const place *p, const char *in, const char *what)
{
  gh_representation expected = GH_REP_JSON;
  assert_true(gh_representation_by_name(gh_str_of(in), &expected));
  if (p->far.count != 1 || sent_in(p->far.sent) != expected || sent_in(p->far.wanted) != expected)
    fail_msg("%s: %d calls, content %d, accept %d, expected %s", what, p->far.count, sent_in(p->far.sent),
             sent_in(p->far.wanted), in);
}

static void say(harness *h, const who *peer, const char *to, const char *from, const char *root, const char *csz,
                int rsc)
{
  char content[200];
  snprintf(content, sizeof content, "{\"%s\":{\"csz\":%s}}", root, csz);
  answer a = ask(h, peer, GH_OP_UPDATE, to, from, 0, content);
  if (a.rsc != rsc) fail_msg("csz %s: %d, expected %d: %s", csz, a.rsc, rsc, a.body);
}

/*= TS-0004 7.5.1.1; TS-0001 9.6.5 NOTIFY uses one of the serializations of the <AE>, the first that it can */
static void to_an_ae(void **state)
{
  place *p = *state;
  for (size_t i = 0; i < SAID; i++) {
    say(&p->h, &meter, "cse-in/Cmeter", "Cmeter", "m2m:ae", said[i].csz, 2004);
    p->far.count = 0;
    answer a = ask(&p->h, &meter, GH_OP_NOTIFY, "cse-in/Cmeter", "Cmeter", 0, NOTE);
    if (said[i].goes)
      assert_goes(p, said[i].goes, said[i].csz);
    else
      assert_int_equal(p->far.count, 0);
    assert_rsc(a, said[i].goes ? 2000 : 5103);
  }
}

/*= TS-0004 7.5.1.1; TS-0001 9.6.4 any request that goes through, by the <remoteCSE> of the next CSE */
static void to_a_registered_cse(void **state)
{
  place *p = *state;
  for (size_t i = 0; i < SAID; i++) {
    say(&p->h, &mn1, "cse-in/mn1", "/mn1", "m2m:csr", said[i].csz, 2004);
    p->far.count = 0;
    answer a = ask(&p->h, &meter, GH_OP_CREATE, "/mn1/-/box", "Cmeter", 3, "{\"m2m:cnt\":{}}");
    if (said[i].goes)
      assert_goes(p, said[i].goes, said[i].csz);
    else
      assert_int_equal(p->far.count, 0);
    assert_rsc(a, said[i].goes ? 2000 : 5103);
  }
  say(&p->h, &mn1, "cse-in/mn1", "/mn1", "m2m:csr", "[\"cbor\"]", 2004);
  harness_reopen(&p->h);
  p->far.count = 0;
  assert_rsc(ask(&p->h, &meter, GH_OP_RETRIEVE, "/mn1/-/box", "Cmeter", 0, NULL), 2000);
  assert_goes(p, "cbor", "after a restart");
}

/* What the registrar reads is configured: it has no registration here that could say so. */
static void to_the_registrar(void **state)
{
  place *p = *state;
  harness *h = &p->h;
  const who local = {GH_PEER_AE, GH_METHOD_PSK, "//sp.example.com/mn9/Cmeter", "12-K6@maf.sp.example.com",
                     "K6@m",     false};
  assert_rsc(ask(h, &local, GH_OP_CREATE, "cse-in", "Cmeter", 2, AE("")), 2001);
  p->far.count = 0;
  assert_rsc(ask(h, &local, GH_OP_RETRIEVE, "/anywhere/-/box", "Cmeter", 0, NULL), 2000);
  assert_goes(p, "json", "without a setting");
  h->host->config.serialization = GH_REP_CBOR;
  p->far.count = 0;
  assert_rsc(ask(h, &local, GH_OP_RETRIEVE, "/anywhere/-/box", "Cmeter", 0, NULL), 2000);
  assert_goes(p, "cbor", "as configured");
  assert_rsc(ask(h, &mn1, GH_OP_CREATE, "cse-in", "/mn1", 16, CSR("")), 2001);
  p->far.count = 0;
  assert_rsc(ask(h, &local, GH_OP_RETRIEVE, "/mn1/-/box", "Cmeter", 0, NULL), 2000);
  assert_goes(p, "json", "below, where nothing was said");
}

/*= TS-0004 6.3.3 m2m:serializations: at least one, and words alone */
static void what_may_be_said(void **state)
{
  harness *h = &((place *)*state)->h;
  static const char *const wrong[] = {"[\"application/json\"]",
                                      "[\"JSON\"]",
                                      "[\"json\",\"\"]",
                                      "[]",
                                      "\"json\"",
                                      "[\"application/vnd.onem2m-res+cbor\"]",
                                      "[\"exi\"]",
                                      "[1]",
                                      "[\"cbor\",null]"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    say(h, &meter, "cse-in/Cmeter", "Cmeter", "m2m:ae", wrong[i], 4000);
    say(h, &mn1, "cse-in/mn1", "/mn1", "m2m:csr", wrong[i], 4000);
  }
  const who other = {GH_PEER_AE, GH_METHOD_PSK, "//sp.example.com/in-cse/Cother", "12-K2@maf.sp.example.com",
                     "K2@m",     false};
  answer a = ask(h, &other, GH_OP_CREATE, "cse-in", "Cother", 2, AE(",\"csz\":[\"text/xml\"]"));
  assert_rsc(a, 4000);
  assert_has(a, "csz");
  assert_rsc(ask(h, &other, GH_OP_CREATE, "cse-in", "Cother", 2, AE(",\"csz\":[\"xml\",\"cbor\"]")), 2001);
}

static void write_in_store(harness *h, const char *csz)
{
  sqlite3 *db = NULL;
  char sql[400];
  snprintf(sql, sizeof sql,
           "UPDATE resource SET body = CAST(json_set(CAST(body AS TEXT), '$.\"m2m:ae\".csz', json('%s')) AS BLOB)"
           " WHERE ri = 'Cmeter'",
           csz);
  assert_int_equal(sqlite3_open(h->store_path, &db), SQLITE_OK);
  assert_int_equal(sqlite3_busy_timeout(db, 30000), SQLITE_OK);
  if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) fail_msg("%s", sqlite3_errmsg(db));
  assert_int_equal(sqlite3_changes(db), 1);
  sqlite3_close(db);
}

/* A release before this one took any text. Such an AE is reached as it was, and may change what else it likes. */
static void what_was_said_before(void **state)
{
  place *p = *state;
  static const char *const old[] = {"[\"application/cbor\"]",
                                    "[\"application/xml\"]",
                                    "[\"xml\",\"application/cbor\"]",
                                    "[\"cbor\",\"JSON\"]",
                                    "[]",
                                    "\"cbor\""};
  for (size_t i = 0; i < sizeof old / sizeof *old; i++) {
    write_in_store(&p->h, old[i]);
    harness_reopen(&p->h);
    p->far.count = 0;
    answer a = ask(&p->h, &meter, GH_OP_NOTIFY, "cse-in/Cmeter", "Cmeter", 0, NOTE);
    assert_goes(p, "json", old[i]);
    assert_rsc(a, 2000);
    assert_rsc(ask(&p->h, &meter, GH_OP_UPDATE, "cse-in/Cmeter", "Cmeter", 0, "{\"m2m:ae\":{\"lbl\":[\"x\"]}}"),
               2004);
  }
  say(&p->h, &meter, "cse-in/Cmeter", "Cmeter", "m2m:ae", "[\"cbor\"]", 2004);
  p->far.count = 0;
  assert_rsc(ask(&p->h, &meter, GH_OP_NOTIFY, "cse-in/Cmeter", "Cmeter", 0, NOTE), 2000);
  assert_goes(p, "cbor", "said anew");
}

/*= TS-0001 9.6.3 */
static void what_we_read(void **state)
{
  place *p = *state;
  const who admin = {GH_PEER_AE, GH_METHOD_CERTIFICATE, "//sp.example.com/Sadmin", "33-//sp.example.com/Sadmin", "",
                     false};
  answer a = ask(&p->h, &admin, GH_OP_RETRIEVE, "cse-in", "Sadmin", 0, NULL);
  assert_rsc(a, 2000);
  assert_has(a, "\"csz\":[\"json\",\"cbor\"]");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(to_an_ae, setup_in_cse, teardown),
      cmocka_unit_test_setup_teardown(to_a_registered_cse, setup_in_cse, teardown),
      cmocka_unit_test_setup_teardown(to_the_registrar, setup_mn_cse, teardown),
      cmocka_unit_test_setup_teardown(what_may_be_said, setup_in_cse, teardown),
      cmocka_unit_test_setup_teardown(what_was_said_before, setup_in_cse, teardown),
      cmocka_unit_test_setup_teardown(what_we_read, setup_in_cse, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
