/* Requests from topics without a broker: who is believed, what is answered, what is dropped. TP-03, TP-07. */
#include "../host/harness.h"

#include "base/encoding.h"
#include "bind/mqtt_call_server.h"
#include "m2m/cbor.h"

typedef struct mqtt_test {
  harness h;
  gh_mqtt_seen *seen;
  uv_sem_t answered;
  char text[4096];
  size_t len;
  bool is_duplicate, is_unreadable;
} mqtt_test;

static const who admin = {
    GH_PEER_AE, GH_METHOD_CERTIFICATE, "//sp.example.com/Sadmin", "33-//sp.example.com/Sadmin", "", false};

/* owner NULL: whoever registers with it. */
static void give_key(mqtt_test *t, const char *id, const char *owner)
{
  char body[300];
  snprintf(body, sizeof body,
           "{\"gh:ask\":{\"syki\":\"%s\",%s%s%s\"kv\":\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\"}}", id,
           owner ? "\"enid\":\"" : "", owner ? owner : "", owner ? "\"," : "");
  assert_rsc(ask(&t->h, &admin, GH_OP_CREATE, "cse-in", "Sadmin", GH_TY_ASSOCIATION_KEY, body), 2001);
}

static void take_key_away(mqtt_test *t, const char *id)
{
  char to[200];
  gh_arena arena;
  gh_arena_init(&arena);
  gh_str hex = gh_hex_upper(&arena, id, strlen(id));
  snprintf(to, sizeof to, "ask-%.*s", GH_STR_ARG(hex));
  gh_arena_free(&arena);
  assert_rsc(ask(&t->h, &admin, GH_OP_DELETE, to, "Sadmin", 0, NULL), 2002);
}

static int setup(void **state)
{
  mqtt_test *t = calloc(1, sizeof *t);
  harness_prepare(&t->h, &gh_cse_function);
  t->h.options.config.open_registration = true;
  harness_open(&t->h);
  t->seen = gh_mqtt_seen_new(8);
  give_key(t, "m@keys.example.com", NULL);
  give_key(t, "n@keys.example.com", NULL);
  uv_sem_init(&t->answered, 0);
  *state = t;
  return 0;
}

static int teardown(void **state)
{
  mqtt_test *t = *state;
  harness_stop(&t->h);
  gh_mqtt_seen_free(t->seen);
  uv_sem_destroy(&t->answered);
  free(t);
  return 0;
}

static void take(gh_mqtt_call *call, gh_str payload)
{
  mqtt_test *t = call->owner;
  t->len = payload.len < sizeof t->text - 1 ? payload.len : sizeof t->text - 1;
  if (t->len) memcpy(t->text, payload.ptr, t->len);
  t->text[t->len] = '\0';
  t->is_duplicate = call->is_duplicate;
  t->is_unreadable = call->is_unreadable;
  uv_sem_post(&t->answered);
}

static void run(void *arg)
{
  gh_mqtt_call_run(arg);
}

/* rsc of the answer; 0: none. */
static int deliver(mqtt_test *t, const char *topic_text, gh_str payload, bool enforces)
{
  gh_mqtt_topic topic;
  assert_int_equal(gh_mqtt_topic_parse(gh_str_of(topic_text), GH_STR_NONE, &topic), GH_OK);
  gh_mqtt_delivery d = {.host = t->h.host,
                        .worker = &t->h.worker,
                        .topic = &topic,
                        .payload = payload,
                        .broker = GH_STR("mqtt test"),
                        .enforces = enforces,
                        .seen = t->seen,
                        .owner = t,
                        .answer = take};
  gh_loop_call(t->h.loop, run, gh_mqtt_call_new(&d));
  uv_sem_wait(&t->answered);
  const char *at = strstr(t->text, "\"rsc\":");
  return at ? atoi(at + 6) : 0;
}

static int say(mqtt_test *t, const char *topic, const char *payload, bool enforces)
{
  return deliver(t, topic, gh_str_of(payload), enforces);
}

#define REQ(who) "/oneM2M/req/" who "/in-cse/json"
#define REG(credential) "/oneM2M/reg_req/" credential "/in-cse/json"
#define READ(from, to, rqi) "{\"op\":2,\"fr\":\"" from "\",\"to\":\"" to "\",\"rqi\":\"" rqi "\",\"rvi\":\"3\"}"
#define REGISTER(from, rqi)                                                                                          \
  "{\"op\":1,\"fr\":\"" from "\",\"to\":\"cse-in\",\"rqi\":\"" rqi "\",\"rvi\":\"3\",\"ty\":2,"                      \
  "\"pc\":{\"m2m:ae\":{\"api\":\"N.x\",\"rr\":false,\"srv\":[\"3\"]}}}"

static void must_be(mqtt_test *t, int rsc, int wanted)
{
  if (rsc != wanted) fail_msg("rsc %d, expected %d: %s", rsc, wanted, t->text);
}

#define SAYS(topic, payload, enforces, wanted) must_be(t, say(t, topic, payload, enforces), wanted)

/*= TS-0010 6.4.4; TS-0010 7.2 */
static void a_credential_registers(void **state)
{
  mqtt_test *t = *state;
  SAYS(REG("12-m@keys.example.com"), REGISTER("Cmeter", "1"), true, 2001);
  assert_non_null(strstr(t->text, "\"aei\":\"Cmeter\""));
  assert_non_null(strstr(t->text, "\"rqi\":\"1\""));
  /* the same credential is the same AE */
  SAYS(REG("12-m@keys.example.com"), REGISTER("Cother", "2"), true, 4106);
  SAYS(REG("12-m@keys.example.com"), REGISTER("Cmeter", "3"), true, 4117);
  /* a registration topic carries registrations */
  SAYS(REG("12-m@keys.example.com"), READ("Cmeter", "cse-in/Cmeter", "4"), true, 4106);
  SAYS(REG("12-n@keys.example.com"), READ("Cmeter", "cse-in/Cmeter", "5"), true, 4106);
  SAYS(REQ("Cmeter"), READ("Cmeter", "cse-in/Cmeter", "6"), true, 2000);
}

/*= TS-0010 7.2 the credential says which AE-ID is assigned */
static void a_provisioned_key_names_its_ae(void **state)
{
  mqtt_test *t = *state;
  give_key(t, "pump@keys.example.com", "//sp.example.com/in-cse/Cpump");
  SAYS(REG("12-pump@keys.example.com"), REGISTER("Cother", "1"), true, 4106);
  SAYS(REG("12-pump@keys.example.com"), REGISTER("C", "2"), true, 2001);
  assert_non_null(strstr(t->text, "\"aei\":\"Cpump\""));
}

/*= TS-0010 7.3 the broker's files are as old as they are, but a key that was taken away opens nothing any more: for
 * an AE, for one that is not registered yet, for a CSE */
static void a_key_that_was_taken_away(void **state)
{
  mqtt_test *t = *state;
  static const who mn1 = {
      GH_PEER_CSE, GH_METHOD_PSK, "//sp.example.com/mn1", "12-mn1@keys.example.com", "mn1@keys.example.com", false};
  static const who by_maf = {
      GH_PEER_AE, GH_METHOD_PSK, "//sp.example.com/in-cse/Cmaf", "12-K1@maf.sp.example.com", "K1@maf.sp.example.com",
      false};
  give_key(t, "mn1@keys.example.com", "//sp.example.com/mn1");
  assert_rsc(ask(&t->h, &mn1, GH_OP_CREATE, "cse-in", "/mn1", 16,
                 "{\"m2m:csr\":{\"cb\":\"/mn1/base\",\"rr\":true,\"srv\":[\"3\"]}}"),
             2001);
  assert_rsc(ask(&t->h, &by_maf, GH_OP_CREATE, "cse-in", "C", 2,
                 "{\"m2m:ae\":{\"api\":\"N.x\",\"rr\":false,\"srv\":[\"3\"]}}"),
             2001);
  SAYS(REG("12-m@keys.example.com"), REGISTER("Cmeter", "1"), true, 2001);
  SAYS(REQ("Cmeter"), READ("Cmeter", "cse-in/Cmeter", "2"), true, 2000);
  SAYS(REQ("mn1"), READ("/mn1", "cse-in/Cmeter", "3"), true, 4103);
  take_key_away(t, "m@keys.example.com");
  SAYS(REQ("Cmeter"), READ("Cmeter", "cse-in/Cmeter", "4"), true, 4106);
  SAYS(REQ("in-cse:Cmeter"), READ("Cmeter", "cse-in/Cmeter", "5"), true, 4106);
  SAYS(REG("12-m@keys.example.com"), REGISTER("Cmeter", "6"), true, 4106);
  take_key_away(t, "n@keys.example.com");
  SAYS(REG("12-n@keys.example.com"), REGISTER("C", "7"), true, 4106);
  take_key_away(t, "mn1@keys.example.com");
  SAYS(REQ("mn1"), READ("/mn1", "cse-in/Cmeter", "8"), true, 4106);
  /* whose key nobody here has to hold is as before */
  SAYS(REQ("Cmaf"), READ("Cmaf", "cse-in/Cmaf", "9"), true, 2000);
  /* a new key instead of the old one */
  give_key(t, "new@keys.example.com", "//sp.example.com/in-cse/Cmeter");
  SAYS(REQ("Cmeter"), READ("Cmeter", "cse-in/Cmeter", "10"), true, 2000);
}

/*= TS-0010 7.2; TS-0003 7.2.1 */
static void a_topic_does_not_lend_its_name(void **state)
{
  mqtt_test *t = *state;
  SAYS(REG("12-m@keys.example.com"), REGISTER("Cmeter", "1"), true, 2001);
  SAYS(REQ("Cother"), READ("Cmeter", "cse-in/Cmeter", "2"), true, 4106);
  SAYS(REQ("Cother"), READ("Cmeter", "cse-in/Cmeter", "3"), false, 4106);
  SAYS(REQ("in-cse:Cmeter"), READ("Cmeter", "cse-in/Cmeter", "4"), true, 2000);
  SAYS(REQ("mn1:Cmeter"), READ("Cmeter", "cse-in/Cmeter", "5"), true, 4106);
  SAYS(REQ("Cmeter"), READ("/mn1/Cmeter", "cse-in/Cmeter", "6"), true, 4106);
  SAYS(REQ("Cmeter"), READ("/in-cse/Cmeter", "cse-in/Cmeter", "7"), true, 4000); /* an AE sends its stem */
  SAYS(REQ("mn1"), READ("Cmeter", "cse-in/Cmeter", "8"), true, 4106);
  SAYS(REQ("mn1"), READ("/mn2", "cse-in/Cmeter", "9"), true, 4106);
  SAYS(REQ("mn1"), READ("/mn1", "cse-in/Cmeter", "10"), true, 4103);
  SAYS(REQ("mn1"), READ("/mn1", "cse-in/Cmeter", "11"), false, 4107);
}

/* Whoever takes our own name is not us; an administrator is a certificate of this host's own associations. */
static void nobody_is_us_or_the_administrator(void **state)
{
  mqtt_test *t = *state;
  SAYS(REQ("in-cse"), READ("/in-cse", "cse-in", "1"), true, 4106);
  SAYS(REQ(":sp.example.com:in-cse"), READ("/in-cse", "cse-in", "2"), true, 4106);
  SAYS(REQ("Sadmin"), READ("Sadmin", "cse-in", "3"), true, 4103);
  SAYS(REQ("Sadmin"), READ("Sadmin", "cse-in", "4"), false, 4106);
}

/*= TS-0004 7.3.2.1 outside any association */
static void a_broker_that_enforces_nothing_proves_nothing(void **state)
{
  mqtt_test *t = *state;
  SAYS(REG("12-m@keys.example.com"), REGISTER("Cmeter", "1"), true, 2001);
  SAYS(REQ("Cnobody"), READ("Cnobody", "cse-in/Cmeter", "2"), false, 4106);
  /* an AE that registered with a credential needs one */
  SAYS(REQ("Cmeter"), READ("Cmeter", "cse-in/Cmeter", "3"), false, 4107);
  /* and a credential that nobody proved is none */
  SAYS(REG("12-n@keys.example.com"), REGISTER("C", "4"), false, 4128);
}

/*= TS-0010 6.4.1 */
static void a_duplicate_is_dropped(void **state)
{
  mqtt_test *t = *state;
  SAYS(REG("12-m@keys.example.com"), REGISTER("Cmeter", "1"), true, 2001);
  SAYS(REQ("Cmeter"), READ("Cmeter", "cse-in/Cmeter", "x"), true, 2000);
  SAYS(REQ("Cmeter"), READ("Cmeter", "cse-in/Cmeter", "x"), true, 0);
  assert_true(t->is_duplicate);
  SAYS(REQ("Cother"), READ("Cother", "cse-in/Cmeter", "x"), true, 4103); /* another's rqi is its own */
  char request[200], rqi[16];
  for (int i = 0; i < 8; i++) { /* the window is bounded */
    snprintf(rqi, sizeof rqi, "w%d", i);
    snprintf(request, sizeof request, "{\"op\":2,\"fr\":\"Cmeter\",\"to\":\"cse-in/Cmeter\",\"rqi\":\"%s\"}", rqi);
    SAYS(REQ("Cmeter"), request, true, 2000);
  }
  SAYS(REQ("Cmeter"), READ("Cmeter", "cse-in/Cmeter", "x"), true, 2000);
}

/*= TS-0010 6.5.1; TS-0010 6.5.2 */
static void what_cannot_be_read(void **state)
{
  mqtt_test *t = *state;
  static const char *const silent[] = {"",
                                       "{",
                                       "[]",
                                       "null",
                                       "{\"op\":2}",
                                       "{\"rsc\":2000,\"rqi\":\"1\"}",
                                       "{\"op\":2,\"to\":\"cse-in\",\"fr\":\"Cx\"}"};
  for (size_t i = 0; i < sizeof silent / sizeof *silent; i++) {
    SAYS(REQ("Cx"), silent[i], true, 0);
    assert_true(t->is_unreadable);
    assert_int_equal(t->len, 0);
  }
  SAYS(REQ("Cx"), "{\"op\":2,\"rqi\":\"1\",\"fr\":\"Cx\"}", true, 4000);
  assert_non_null(strstr(t->text, "\"rqi\":\"1\""));
  SAYS(REQ("Cx"), "{\"op\":9,\"to\":\"cse-in\",\"rqi\":\"1\",\"fr\":\"Cx\"}", true, 4000);
  SAYS(REQ("Cx"), "{\"op\":2,\"to\":\"cse-in\",\"rqi\":\"2\"}", true, 4000);
  char *large = malloc(1000);
  memset(large, 'a', 999);
  large[999] = '\0';
  char request[1200];
  snprintf(request, sizeof request, "{\"op\":2,\"to\":\"cse-in\",\"fr\":\"Cx\",\"rqi\":\"%s\"}", large);
  free(large);
  SAYS(REQ("Cx"), request, true, 0);
}

/*= TS-0010 6.4.3 the request may be old */
static void what_is_too_late(void **state)
{
  mqtt_test *t = *state;
  SAYS(REQ("Cx"),
       "{\"op\":2,\"to\":\"cse-in\",\"fr\":\"Cx\",\"rqi\":\"1\",\"rvi\":\"3\",\"rqet\":\"20200101T000000\"}", true,
       4008);
}

/*= TS-0010 6.5.3 */
static void cbor_is_answered_in_cbor(void **state)
{
  mqtt_test *t = *state;
  static const char request[] = "\xa5\x62op\x02\x62to\x66"
                                "cse-in\x62"
                                "fr\x62"
                                "Cx\x63rqi\x62"
                                "c1\x63rvi\x61"
                                "3";
  assert_int_equal(deliver(t, "/oneM2M/req/Cx/in-cse/cbor", (gh_str){request, sizeof request - 1}, true), 0);
  assert_non_null(memmem(t->text, t->len, "\x63rsc\x19", 5));
  assert_non_null(memmem(t->text, t->len,
                         "\x63rqi\x62"
                         "c1",
                         7));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      TEST(a_credential_registers),
      TEST(a_provisioned_key_names_its_ae),
      TEST(a_key_that_was_taken_away),
      TEST(a_topic_does_not_lend_its_name),
      TEST(nobody_is_us_or_the_administrator),
      TEST(a_broker_that_enforces_nothing_proves_nothing),
      TEST(a_duplicate_is_dropped),
      TEST(what_cannot_be_read),
      TEST(what_is_too_late),
      TEST(cbor_is_answered_in_cbor),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
