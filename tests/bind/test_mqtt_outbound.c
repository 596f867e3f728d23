/* Requests to another CSE through a broker: each call ends exactly once, and only with what that CSE has answered to
 * it. */
#include "broker_fixture.h"

#include "bind/mqtt_outbound.h"
#include "m2m/m2m_time.h"

#define MN1 "//sp.example.com/mn1"

enum { CALLS_MAX = 4096, UNSENT_MAX = 8000 };

typedef struct mqtt_out {
  broker_test b;
  gh_mqtt_outbound *outbound;
  gh_str entities[2];
  _Atomic int ended;
  bool stopped;
  int passed_on; /* to the next port; on the worker */
} mqtt_out;

typedef struct asked {
  gh_outbound_call out;
  mqtt_out *t;
  bool to_ae;
  _Atomic int done;
} asked;

/* A CSE that the configuration does not know. */
static bool reaches(void *ctx, gh_str entity)
{
  (void)ctx;
  return gh_str_eq(entity, GH_STR("//sp.example.com/mn7"));
}

static void send_next(void *ctx, gh_worker *worker, gh_outbound_call *call)
{
  (void)worker;
  ((mqtt_out *)ctx)->passed_on++;
  call->err = GH_EUNSUPPORTED;
  call->done(call);
}

static void start(mqtt_out *t, uint32_t max_unsent)
{
  gh_diag diag = {""};
  harness *h = &t->b.h;
  t->entities[0] = GH_STR(MN1);
  t->entities[1] = GH_STR("//sp.example.com/mn2");
  const gh_mqtt_outbound_options out = {.self = h->options.config.self,
                                        .entities = t->entities,
                                        .entity_count = 2,
                                        .reaches = reaches,
                                        .next = {t, send_next},
                                        .workers = h->workers,
                                        .worker_count = 1,
                                        .random = h->options.random};
  assert_int_equal(gh_mqtt_outbound_new(&out, &t->outbound), GH_OK);
  const gh_mqtt_options options = {.host = h->host,
                                   .workers = h->workers,
                                   .worker_count = 1,
                                   .broker_host = "127.0.0.1",
                                   .broker_port = t->b.port,
                                   .enforces = true,
                                   .responses = gh_mqtt_outbound_responses(t->outbound),
                                   .limits = {.max_payload_bytes = 1000, .max_unsent = max_unsent}};
  if (gh_mqtt_server_start(&options, &t->b.server, &diag) != GH_OK) fail_msg("%s", diag.text);
  gh_mqtt_outbound_use(t->outbound, t->b.server);
}

static void welcome(mqtt_out *t)
{
  static const char *const filters[] = {"/oneM2M/req/+/in-cse/#", "/oneM2M/reg_req/+/in-cse/#",
                                        "/oneM2M/resp/in-cse/#"};
  welcome_to(&t->b, filters, 3);
}

static int setup(void **state)
{
  mqtt_out *t = calloc(1, sizeof *t);
  broker_begin(&t->b);
  *state = t;
  return 0;
}

static void stop(mqtt_out *t)
{
  if (t->stopped) return;
  t->stopped = true;
  gh_mqtt_server_stop(t->b.server, 0);
  gh_mqtt_outbound_stop(t->outbound);
}

static int teardown(void **state)
{
  mqtt_out *t = *state;
  gh_mqtt_outbound *outbound = t->outbound;
  stop(t);
  broker_end(&t->b);
  gh_mqtt_outbound_free(outbound);
  free(t);
  return 0;
}

/* ---- calls */

static void on_done(gh_outbound_call *out)
{
  asked *a = out->ctx;
  a->done++;
  a->t->ended++;
}

static void submit(void *arg)
{
  asked *a = arg;
  gh_outbound port = a->to_ae ? gh_mqtt_outbound_ae_port(a->t->outbound) : gh_mqtt_outbound_port(a->t->outbound);
  port.send(port.ctx, &a->t->b.h.worker, &a->out);
}

static void begin_with(mqtt_out *t, asked *a, const char *entity, int64_t life_us, bool to_ae)
{
  *a = (asked){.t = t, .to_ae = to_ae};
  gh_arena_init(&a->out.arena);
  a->out.entity = gh_str_of(entity);
  a->out.deadline_us = harness_mono(&t->b.h) + life_us;
  a->out.done = on_done;
  a->out.ctx = a;
  a->out.request = (gh_request){.op = GH_OP_RETRIEVE,
                                .to = GH_STR("cse-mn/box"),
                                .from = GH_STR("/in-cse/Cmeter"),
                                .has_from = true,
                                .rqi = GH_STR("n1"),
                                .rvi = GH_STR("3"),
                                .rcn = GH_RCN_ABSENT};
  gh_loop_call(t->b.h.loop, submit, a);
}

static void begin(mqtt_out *t, asked *a, const char *entity, int64_t life_us)
{
  begin_with(t, a, entity, life_us, false);
}

static void wait_ended(mqtt_out *t, int wanted)
{
  for (time_t begun = time(NULL); t->ended < wanted && time(NULL) < begun + WAIT_S;) usleep(1000);
  assert_int_equal(t->ended, wanted);
}

static gh_err end(asked *a)
{
  for (time_t begun = time(NULL); !a->done && time(NULL) < begun + WAIT_S;) usleep(1000);
  gh_loop_call(a->t->b.h.loop, harness_nothing, NULL);
  assert_int_equal(a->done, 1);
  gh_err err = a->out.err;
  gh_arena_free(&a->out.arena);
  return err;
}

/* ---- the other CSE */

typedef struct arrived {
  char rqi[64], rqet[32];
} arrived;

static void copy_text(const char *payload, const char *name, char *out, size_t size)
{
  const char *at = strstr(payload, name);
  if (!at) fail_msg("no %s in %s", name, payload);
  at += strlen(name);
  size_t len = strcspn(at, "\"");
  assert_true(len && len < size);
  memcpy(out, at, len);
  out[len] = '\0';
}

/* The request as the broker delivers it; confirmed. */
static arrived arrives(mqtt_out *t, const char *topic)
{
  arrived a;
  packet p = expect(&t->b, PUBLISH);
  gh_str name = text_at(&p, 0);
  assert_text(name, topic);
  assert_int_equal(p.flags, 2); /*= TS-0010 6.4.1 QoS 1, not retained */
  p.body[p.len] = 0;
  const char *payload = (const char *)p.body + 4 + name.len;
  copy_text(payload, "\"rqi\":\"", a.rqi, sizeof a.rqi);
  copy_text(payload, "\"rqet\":\"", a.rqet, sizeof a.rqet);
  assert_non_null(strstr(payload, "\"fr\":\"/in-cse/Cmeter\""));
  send_packet(&t->b, PUBACK << 4, p.body + 2 + name.len, 2);
  return a;
}

#define REQ_MN1 "/oneM2M/req/in-cse/mn1/json"
#define RESP_MN1 "/oneM2M/resp/in-cse/mn1/json"

static void replies(mqtt_out *t, const char *topic, const arrived *to, int rsc)
{
  char text[sizeof to->rqi + 40];
  snprintf(text, sizeof text, "{\"rsc\":%d,\"rqi\":\"%.*s\"}", rsc, (int)sizeof to->rqi, to->rqi);
  publish(&t->b, topic, text, false);
}

/* The same where requests that the lost connection did not carry come in between. */
static void replies_now(mqtt_out *t, const char *topic, const arrived *to, int rsc)
{
  char text[200];
  snprintf(text, sizeof text, "{\"rsc\":%d,\"rqi\":\"%s\"}", rsc, to->rqi);
  begin_publish(&t->b, topic, text, false);
  for (packet p = read_packet(&t->b); p.type != PUBACK; p = read_packet(&t->b)) assert_int_equal(p.type, PUBLISH);
}

/*= TS-0010 6.4.2; TS-0010 6.4.3; TS-0010 6.5.2 an rqi of our own goes out, the caller's comes back */
static void a_call_is_answered(void **state)
{
  mqtt_out *t = *state;
  asked a;
  start(t, UNSENT_MAX);
  welcome(t);
  begin(t, &a, MN1, 5 * GH_US_PER_S);
  arrived r = arrives(t, REQ_MN1);
  assert_string_not_equal(r.rqi, "n1");
  int64_t ends_us = 0, now_us = harness_wall(&t->b.h);
  assert_int_equal(gh_timestamp_parse(gh_str_of(r.rqet), &ends_us), GH_OK);
  assert_true(ends_us > now_us && ends_us < now_us + 7 * GH_US_PER_S); /* the broker may keep it: it bears its end */
  replies(t, RESP_MN1, &r, 2000);
  assert_int_equal(end(&a), GH_OK);
  assert_int_equal(a.out.response.rsc, 2000);
  assert_text(a.out.response.rqi, "n1");
}

/* Callers choose alike: several in flight, answered in another order, once each. */
static void matched_by_rqi(void **state)
{
  mqtt_out *t = *state;
  enum { MANY = 5 };
  asked a[MANY];
  arrived r[MANY];
  start(t, UNSENT_MAX);
  welcome(t);
  for (int i = 0; i < MANY; i++) begin(t, &a[i], MN1, 20 * GH_US_PER_S);
  for (int i = 0; i < MANY; i++) r[i] = arrives(t, REQ_MN1);
  for (int i = 0; i < MANY; i++)
    for (int k = 0; k < i; k++) assert_string_not_equal(r[i].rqi, r[k].rqi);
  for (int i = MANY - 1; i >= 0; i--) replies(t, RESP_MN1, &r[i], 4000 + i);
  replies(t, RESP_MN1, &r[0], 2000); /* once is enough */
  for (int i = 0; i < MANY; i++) {
    assert_int_equal(end(&a[i]), GH_OK);
    assert_int_equal(a[i].out.response.rsc, 4000 + i);
  }
}

/* Only the CSE that was asked can answer: the broker vouches for the level in the topic. */ /*= TS-0003 7.2 */
static void another_cannot_answer(void **state)
{
  mqtt_out *t = *state;
  asked a, b;
  start(t, UNSENT_MAX);
  welcome(t);
  begin(t, &a, MN1, 20 * GH_US_PER_S);
  arrived r = arrives(t, REQ_MN1);
  begin(t, &b, "//sp.example.com/mn2", 20 * GH_US_PER_S);
  arrived other = arrives(t, "/oneM2M/req/in-cse/mn2/json");
  replies(t, "/oneM2M/resp/in-cse/mn2/json", &r, 2000);             /* the other CSE */
  replies(t, "/oneM2M/resp/in-cse/Cx/json", &r, 2000);              /* an AE */
  replies(t, "/oneM2M/resp/mn9/mn1/json", &r, 2000);                /* to somebody else */
  replies(t, "/oneM2M/resp/in-cse/mn1/cbor", &r, 2000);             /* in what was not asked for */
  replies(t, "/oneM2M/req/in-cse/mn1/json", &r, 2000);              /* no response */
  publish(&t->b, RESP_MN1, "{\"rsc\":2000,\"rqi\":\"n1\"}", false); /* the caller's rqi never went out */
  replies(t, "/oneM2M/resp/in-cse/mn2/json", &other, 2001);
  assert_int_equal(end(&b), GH_OK);
  assert_int_equal(b.out.response.rsc, 2001);
  assert_int_equal(a.done, 0); /* everything before that was taken */
  replies(t, RESP_MN1, &r, 2004);
  assert_int_equal(end(&a), GH_OK);
  assert_int_equal(a.out.response.rsc, 2004);
}

/* What can be matched ends the call; what cannot is no answer. */ /*= TS-0010 6.5.3 */
static void malformed_answers(void **state)
{
  static const char *const bad[] = {"{\"rsc\":\"2000\",\"rqi\":\"%s\"}", "{\"rsc\":7,\"rqi\":\"%s\"}",
                                    "{\"rsc\":2000,\"rqi\":\"%s\",\"zz\":1}",
                                    "{\"rsc\":2000,\"rqi\":\"%s\",\"pc\":1}"};
  static const char *const none[] = {"",
                                     "{",
                                     "[]",
                                     "{\"rsc\":2000}",
                                     "{\"rsc\":2000,\"rqi\":5}",
                                     "{\"op\":2,\"to\":\"x\",\"fr\":\"/mn1\",\"rqi\":\"%s\"}"};
  mqtt_out *t = *state;
  char text[200];
  start(t, UNSENT_MAX);
  welcome(t);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    asked a;
    begin(t, &a, MN1, 20 * GH_US_PER_S);
    arrived r = arrives(t, REQ_MN1);
    for (size_t k = 0; k < sizeof none / sizeof *none; k++) {
      gh_str start_of = gh_str_of(none[k]);
      const char *hole = strstr(none[k], "%s");
      size_t before = hole ? (size_t)(hole - none[k]) : start_of.len;
      snprintf(text, sizeof text, "%.*s%s%s", (int)before, none[k], hole ? r.rqi : "", hole ? hole + 2 : "");
      publish(&t->b, RESP_MN1, text, false);
    }
    assert_int_equal(a.done, 0);
    const char *hole = strstr(bad[i], "%s");
    snprintf(text, sizeof text, "%.*s%s%s", (int)(hole - bad[i]), bad[i], r.rqi, hole + 2);
    publish(&t->b, RESP_MN1, text, false);
    if (end(&a) != GH_EPROTO) fail_msg("%s was taken", text);
  }
}

/* Retained ones and those that are too large were not made for this request. */
static void answers_that_are_dropped(void **state)
{
  mqtt_out *t = *state;
  asked a;
  char text[1100];
  start(t, UNSENT_MAX);
  welcome(t);
  begin(t, &a, MN1, 20 * GH_US_PER_S);
  arrived r = arrives(t, REQ_MN1);
  snprintf(text, sizeof text, "{\"rsc\":2000,\"rqi\":\"%s\"}", r.rqi);
  publish(&t->b, RESP_MN1, text, true);
  size_t len = strlen(text);
  memset(text + len, ' ', sizeof text - len - 1);
  text[sizeof text - 1] = '\0';
  begin_publish(&t->b, RESP_MN1, text, false);
  expect(&t->b, PUBACK);
  assert_int_equal(a.done, 0);
  replies(t, RESP_MN1, &r, 2000);
  assert_int_equal(end(&a), GH_OK);
}

/*= TS-0010 6.4.2; TS-0010 7.4 an AE of ours has its stem for a name, and answers under it alone */
static void to_an_ae(void **state)
{
  mqtt_out *t = *state;
  asked a, b;
  start(t, UNSENT_MAX);
  assert_false(gh_mqtt_outbound_is_open(t->outbound));
  begin_with(t, &a, "//sp.example.com/in-cse/Cvalve", 20 * GH_US_PER_S, true);
  assert_int_equal(end(&a), GH_ECONN); /* not connected yet */
  welcome(t);
  begin_with(t, &a, "//sp.example.com/in-cse/Cvalve", 20 * GH_US_PER_S, true);
  assert_true(gh_mqtt_outbound_is_open(t->outbound));
  begin_with(t, &b, "//sp.example.com/Svalve", 20 * GH_US_PER_S, true);
  arrived r = arrives(t, "/oneM2M/req/in-cse/Cvalve/json"), s = arrives(t, "/oneM2M/req/in-cse/Svalve/json");
  replies(t, "/oneM2M/resp/in-cse/Cother/json", &r, 2000);
  replies(t, "/oneM2M/resp/in-cse/Svalve/json", &r, 2000);
  replies(t, "/oneM2M/resp/Cvalve/in-cse/json", &r, 2000);
  replies(t, "/oneM2M/resp/in-cse/Svalve/json", &s, 2001);
  assert_int_equal(end(&b), GH_OK);
  assert_int_equal(a.done, 0); /* everything before that was taken */
  replies(t, "/oneM2M/resp/in-cse/Cvalve/json", &r, 5207);
  assert_int_equal(end(&a), GH_OK);
  assert_int_equal(a.out.response.rsc, 5207);
  assert_text(a.out.response.rqi, "n1");
}

/* Who is known by its registration only. */
static void to_a_cse_that_is_found(void **state)
{
  mqtt_out *t = *state;
  asked a;
  start(t, UNSENT_MAX);
  welcome(t);
  begin(t, &a, "//sp.example.com/mn7", 20 * GH_US_PER_S);
  arrived r = arrives(t, "/oneM2M/req/in-cse/mn7/json");
  replies(t, "/oneM2M/resp/in-cse/mn7/json", &r, 2000);
  assert_int_equal(end(&a), GH_OK);
  begin(t, &a, "//sp.example.com/mn8", 20 * GH_US_PER_S);
  assert_int_equal(end(&a), GH_EUNSUPPORTED);
  assert_int_equal(t->passed_on, 1);
}

static void too_late(void **state)
{
  mqtt_out *t = *state;
  asked a, b;
  start(t, UNSENT_MAX);
  welcome(t);
  begin(t, &a, MN1, 30 * GH_US_PER_S);
  begin(t, &b, MN1, 300 * GH_US_PER_S);
  arrived ra = arrives(t, REQ_MN1), rb = arrives(t, REQ_MN1);
  t->b.h.clock_offset_us += 40 * GH_US_PER_S;
  assert_int_equal(end(&a), GH_ETIMEOUT);
  assert_int_equal(b.done, 0);
  replies(t, RESP_MN1, &ra, 2000); /* nobody waits for it any more */
  replies(t, RESP_MN1, &rb, 2000);
  assert_int_equal(end(&b), GH_OK);
}

/* Without the broker a call ends at once; one that is under way lives until its end, over another connection, too. */
static void the_broker_goes(void **state)
{
  mqtt_out *t = *state;
  asked a, b, c;
  start(t, UNSENT_MAX);
  begin(t, &a, MN1, 20 * GH_US_PER_S);
  assert_int_equal(end(&a), GH_ECONN); /* not connected yet */
  welcome(t);
  begin(t, &b, MN1, 60 * GH_US_PER_S);
  arrived r = arrives(t, REQ_MN1);
  close(t->b.fd);
  t->b.fd = -1;
  gh_err err = GH_OK;
  for (int tries = 0; tries < 1000 && err != GH_ECONN; tries++) { /* until the loss has been seen */
    begin(t, &c, MN1, 0);
    err = end(&c);
  }
  assert_int_equal(err, GH_ECONN);
  welcome(t);
  assert_int_equal(b.done, 0);
  replies_now(t, RESP_MN1, &r, 2000);
  assert_int_equal(end(&b), GH_OK);
}

static void the_end(void **state)
{
  mqtt_out *t = *state;
  asked a[2], late;
  start(t, UNSENT_MAX);
  welcome(t);
  for (int i = 0; i < 2; i++) begin(t, &a[i], MN1, 60 * GH_US_PER_S);
  for (int i = 0; i < 2; i++) arrives(t, REQ_MN1);
  stop(t);
  for (int i = 0; i < 2; i++) assert_int_equal(end(&a[i]), GH_ECONN);
  begin(t, &late, MN1, 60 * GH_US_PER_S);
  assert_int_equal(end(&late), GH_ELIMIT);
}

/* ---- limits, and what is not for this port */

static void unconfirmed_requests_are_bounded(void **state)
{
  mqtt_out *t = *state;
  asked a[3];
  start(t, 2);
  welcome(t);
  for (int i = 0; i < 3; i++) begin(t, &a[i], MN1, 20 * GH_US_PER_S);
  assert_int_equal(end(&a[2]), GH_ECONN); /* the broker confirms nothing */
  arrived r[2];
  for (int i = 0; i < 2; i++) r[i] = arrives(t, REQ_MN1);
  for (int i = 0; i < 2; i++) replies(t, RESP_MN1, &r[i], 2000);
  for (int i = 0; i < 2; i++) assert_int_equal(end(&a[i]), GH_OK);
}

static void calls_are_bounded(void **state)
{
  mqtt_out *t = *state;
  asked *a = calloc(CALLS_MAX, sizeof *a), over;
  start(t, UNSENT_MAX);
  welcome(t);
  for (int i = 0; i < CALLS_MAX; i++) begin(t, &a[i], MN1, 600 * GH_US_PER_S);
  begin(t, &over, MN1, 600 * GH_US_PER_S);
  assert_int_equal(end(&over), GH_ELIMIT);
  arrived r = arrives(t, REQ_MN1);
  replies_now(t, RESP_MN1, &r, 2000);
  assert_int_equal(end(&a[0]), GH_OK); /* there is room for one */
  begin(t, &over, MN1, 600 * GH_US_PER_S);
  assert_int_equal(over.done, 0);
  t->b.h.clock_offset_us += 700 * GH_US_PER_S;
  wait_ended(t, CALLS_MAX + 2);
  assert_int_equal(end(&over), GH_ETIMEOUT);
  for (int i = 1; i < CALLS_MAX; i++) assert_int_equal(end(&a[i]), GH_ETIMEOUT);
  free(a);
}

static void others_are_left_to_the_next_port(void **state)
{
  mqtt_out *t = *state;
  asked a;
  start(t, UNSENT_MAX);
  begin(t, &a, "//sp.example.com/mn3", GH_US_PER_S);
  assert_int_equal(end(&a), GH_EUNSUPPORTED);
  begin(t, &a, "maf.sp.example.com", GH_US_PER_S);
  assert_int_equal(end(&a), GH_EUNSUPPORTED);
  assert_int_equal(t->passed_on, 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      TEST(a_call_is_answered),
      TEST(matched_by_rqi),
      TEST(another_cannot_answer),
      TEST(malformed_answers),
      TEST(answers_that_are_dropped),
      TEST(to_an_ae),
      TEST(to_a_cse_that_is_found),
      TEST(too_late),
      TEST(the_broker_goes),
      TEST(the_end),
      TEST(unconfirmed_requests_are_bounded),
      TEST(calls_are_bounded),
      TEST(others_are_left_to_the_next_port),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
