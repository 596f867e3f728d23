/* The connection to a broker, octet by octet: a broker of a few lines, in clear. TP-03, TP-13. */
#include "broker_fixture.h"

#include "bind/mqtt_outbound.h"
#include "host/id_map.h"

static gh_mqtt_outbound *asking; /* NULL: this CSE asks nobody */

static int setup(void **state)
{
  broker_test *t = calloc(1, sizeof *t);
  broker_begin(t);
  *state = t;
  return 0;
}

static int teardown(void **state)
{
  broker_test *t = *state;
  gh_mqtt_server_stop(t->server, 0);
  gh_mqtt_outbound_stop(asking);
  broker_end(t);
  gh_mqtt_outbound_free(asking);
  asking = NULL;
  free(t);
  return 0;
}

static void start_with(broker_test *t, gh_mqtt_limits limits)
{
  gh_diag diag = {""};
  const gh_mqtt_options options = {.host = t->h.host,
                                   .workers = t->h.workers,
                                   .worker_count = 1,
                                   .broker_host = "127.0.0.1",
                                   .broker_port = t->port,
                                   .association_us = 3600 * GH_US_PER_S,
                                   .enforces = true,
                                   .responses = gh_mqtt_outbound_responses(asking),
                                   .limits = limits};
  if (gh_mqtt_server_start(&options, &t->server, &diag) != GH_OK) fail_msg("%s", diag.text);
  gh_mqtt_outbound_use(asking, t->server);
}

static void start(broker_test *t)
{
  start_with(t, (gh_mqtt_limits){.max_payload_bytes = 200, .max_under_way = 2});
}

static void welcome(broker_test *t)
{
  const char *const filters[] = {"/oneM2M/req/+/in-cse/#", "/oneM2M/reg_req/+/in-cse/#", "/oneM2M/resp/in-cse/#"};
  welcome_to(t, filters, asking ? 3 : 2); /*= TS-0010 6.4.5; TS-0010 6.4.3 */
}

static void expect_answer(broker_test *t, const char *topic, const char *part)
{
  packet p = expect(t, PUBLISH);
  /*= TS-0010 6.4.1 QoS 1; not retained */
  assert_int_equal(p.flags, 2);
  gh_str name = text_at(&p, 0);
  assert_text(name, topic);
  p.body[p.len] = 0;
  if (!strstr((const char *)p.body + 4 + name.len, part)) fail_msg("no %s in %s", part, p.body + 4 + name.len);
  send_packet(t, PUBACK << 4, p.body + 2 + name.len, 2);
}

#define READ(rqi) "{\"op\":2,\"fr\":\"Cx\",\"to\":\"cse-in/none\",\"rqi\":\"" rqi "\"}"

static void requests_are_answered(void **state)
{
  broker_test *t = *state;
  start(t);
  welcome(t);
  publish(t, "/oneM2M/req/Cx/in-cse/json", READ("1"), false);
  expect_answer(t, "/oneM2M/resp/Cx/in-cse/json", "{\"rsc\":4004,\"rqi\":\"1\"");
  publish(t, "/oneM2M/reg_req/12-k@x.example/in-cse/json", READ("2"), false);
  expect_answer(t, "/oneM2M/reg_resp/12-k@x.example/in-cse/json", "{\"rsc\":4106,\"rqi\":\"2\"");
}

static void what_is_dropped_is_counted(void **state)
{
  broker_test *t = *state;
  char large[300];
  memset(large, ' ', sizeof large - 1);
  large[sizeof large - 1] = '\0';
  start(t);
  welcome(t);
  publish(t, "/oneM2M/req/Cx/in-cse/json", READ("1"), true);
  publish(t, "/oneM2M/req/Cx/mn1/json", READ("2"), false);
  publish(t, "/oneM2M/resp/Cx/in-cse/json", READ("3"), false);
  publish(t, "/oneM2M/req/Cx/in-cse/xml", "<x/>", false);
  publish(t, "elsewhere", "x", false);
  publish(t, "/oneM2M/req/Cx/in-cse/json", large, false);
  publish(t, "/oneM2M/req/Cx/in-cse/json", READ("4"), false);
  expect_answer(t, "/oneM2M/resp/Cx/in-cse/json", "\"rqi\":\"4\"");
  publish(t, "/oneM2M/req/Cx/in-cse/json", READ("4"), false);
  publish(t, "/oneM2M/req/Cx/in-cse/json", READ("5"), false);
  expect_answer(t, "/oneM2M/resp/Cx/in-cse/json", "\"rqi\":\"5\"");
  gh_mqtt_counters c;
  gh_mqtt_counters_get(t->server, &c);
  assert_int_equal(c.connects, 1);
  assert_int_equal(c.requests, 3);
  assert_int_equal(c.duplicates, 1);
  assert_int_equal(c.dropped, 6);
}

/* Two may be under way: the others wait, none is lost. */
static void many_at_once(void **state)
{
  broker_test *t = *state;
  enum { MANY = 100 };
  int answers = 0, confirmed = 0;
  start(t);
  welcome(t);
  for (int i = 0; i < MANY; i++) {
    char request[100];
    snprintf(request, sizeof request, "{\"op\":2,\"fr\":\"Cx\",\"to\":\"cse-in/none\",\"rqi\":\"%d\"}", i);
    begin_publish(t, "/oneM2M/req/Cx/in-cse/json", request, false);
  }
  while (answers < MANY || confirmed < MANY) {
    packet p = read_packet(t);
    answers += p.type == PUBLISH;
    confirmed += p.type == PUBACK;
    if (p.type == PUBLISH) send_packet(t, PUBACK << 4, p.body + 2 + text_at(&p, 0).len, 2);
  }
  assert_int_equal(answers, MANY);
  assert_int_equal(confirmed, MANY);
}

static void ask_mn1_over_mqtt(broker_test *t)
{
  static const gh_str mn1[] = {{"//sp.example.com/mn1", 20}};
  const gh_mqtt_outbound_options options = {.self = t->h.host->config.self,
                                            .entities = mn1,
                                            .entity_count = 1,
                                            .workers = t->h.workers,
                                            .worker_count = 1,
                                            .random = t->h.options.random};
  assert_int_equal(gh_mqtt_outbound_new(&options, &asking), GH_OK);
  t->h.host->outbound = gh_mqtt_outbound_port(asking);
  t->h.host->config.transit_us = 600 * GH_US_PER_S;
  gh_id_map_set(t->h.host->routes, mn1[0], mn1[0]);
}

/* Requests that wait for responses over the same connection do not keep it from being read: each of them would wait
 * for the others. */
static void forwarded_requests_hold_up_nobody(void **state)
{
  broker_test *t = *state;
  enum { MANY = 10, RQI = 64 };
  int forwarded = 0, answers = 0;
  char rqi[MANY][RQI];
  ask_mn1_over_mqtt(t);
  start(t);
  welcome(t);
  for (int i = 0; i < MANY; i++) {
    char request[100];
    snprintf(request, sizeof request, "{\"op\":2,\"fr\":\"Cx\",\"to\":\"/mn1/cse/x\",\"rqi\":\"%d\"}", i);
    begin_publish(t, "/oneM2M/req/Cx/in-cse/json", request, false);
  }
  while (answers < MANY) {
    packet p = read_packet(t);
    if (p.type != PUBLISH) continue;
    gh_str topic = text_at(&p, 0);
    p.body[p.len] = 0;
    send_packet(t, PUBACK << 4, p.body + 2 + topic.len, 2);
    const char *name = strstr((const char *)p.body + 4 + topic.len, "\"rqi\":\"");
    assert_non_null(name);
    if (!gh_str_eq(topic, GH_STR("/oneM2M/req/in-cse/mn1/json"))) {
      answers++;
      continue;
    }
    assert_int_equal(sscanf(name + 7, "%63[^\"]", rqi[forwarded]), 1);
    if (++forwarded < MANY) continue;
    for (int i = 0; i < MANY; i++) {
      char response[100];
      snprintf(response, sizeof response, "{\"rsc\":4004,\"rqi\":\"%.63s\"}", rqi[i]);
      begin_publish(t, "/oneM2M/resp/in-cse/mn1/json", response, false);
    }
  }
  assert_int_equal(forwarded, MANY);
}

/* Answers of this CSE, and what it forwards, come as they like. */
static packet next_publish(broker_test *t)
{
  packet p = read_packet(t);
  while (p.type != PUBLISH) p = read_packet(t);
  send_packet(t, PUBACK << 4, p.body + 2 + text_at(&p, 0).len, 2);
  p.body[p.len] = 0;
  return p;
}

static const char *payload_of(const packet *p)
{
  return (const char *)p->body + 4 + text_at(p, 0).len;
}

static void forward_me(broker_test *t, const char *name, int rqi)
{
  char topic[80], request[100];
  snprintf(topic, sizeof topic, "/oneM2M/req/%s/in-cse/json", name);
  snprintf(request, sizeof request, "{\"op\":2,\"fr\":\"%s\",\"to\":\"/mn1/cse/x\",\"rqi\":\"%d\"}", name, rqi);
  begin_publish(t, topic, request, false);
}

static void expect_from(broker_test *t, const char *topic, const char *part)
{
  packet p = next_publish(t);
  assert_text(text_at(&p, 0), topic);
  if (!strstr(payload_of(&p), part)) fail_msg("no %s in %s", part, payload_of(&p));
}

/* Requests that a slow CSE keeps: an originator has three of them under way and no more; another one is served. What
 * was refused may be asked again, under the same rqi. TP-18. */
static void an_originator_has_a_share(void **state)
{
  broker_test *t = *state;
  char rqi[3][64], response[120];
  ask_mn1_over_mqtt(t);
  start_with(t, (gh_mqtt_limits){.max_payload_bytes = 200, .max_under_way = 8, .max_under_way_each = 3});
  welcome(t);
  for (int i = 0; i < 3; i++) {
    forward_me(t, "Cx", i);
    packet p = next_publish(t);
    assert_text(text_at(&p, 0), "/oneM2M/req/in-cse/mn1/json");
    assert_int_equal(sscanf(strstr(payload_of(&p), "\"rqi\":\"") + 7, "%63[^\"]", rqi[i]), 1);
  }
  for (int i = 3; i < 20; i++) {
    char part[40];
    snprintf(part, sizeof part, "{\"rsc\":5000,\"rqi\":\"%d\"", i);
    forward_me(t, "Cx", i);
    expect_from(t, "/oneM2M/resp/Cx/in-cse/json", part);
  }
  forward_me(t, "Cx", 2); /* delivered again while it is under way: it has not failed */
  forward_me(t, "Cy", 0);
  expect_from(t, "/oneM2M/req/in-cse/mn1/json", "\"fr\"");
  snprintf(response, sizeof response, "{\"rsc\":4004,\"rqi\":\"%s\"}", rqi[0]);
  begin_publish(t, "/oneM2M/resp/in-cse/mn1/json", response, false);
  expect_from(t, "/oneM2M/resp/Cx/in-cse/json", "\"rqi\":\"0\"");
  forward_me(t, "Cx", 3);
  expect_from(t, "/oneM2M/req/in-cse/mn1/json", "\"fr\"");
  gh_mqtt_counters c;
  gh_mqtt_counters_get(t->server, &c);
  assert_int_equal(c.over_share, 18);
  assert_int_equal(c.duplicates, 1);
}

/*= TS-0010 6.3.3 reconnecting, with the same session */
static void a_lost_broker_is_found_again(void **state)
{
  broker_test *t = *state;
  start(t);
  welcome(t);
  welcome(t); /* closes the first */
  publish(t, "/oneM2M/req/Cx/in-cse/json", READ("1"), false);
  expect_answer(t, "/oneM2M/resp/Cx/in-cse/json", "\"rqi\":\"1\"");
}

/*= TS-0001 11.3.2; TS-0003 8.2.1 another connection takes the place of one that has lived long enough */
static void an_association_has_its_time(void **state)
{
  broker_test *t = *state;
  start(t);
  welcome(t);
  t->h.clock_offset_us += 3601 * GH_US_PER_S;
  welcome(t); /* its DISCONNECT may be lost with our last SUBACK */
  publish(t, "/oneM2M/req/Cx/in-cse/json", READ("2"), false);
  expect_answer(t, "/oneM2M/resp/Cx/in-cse/json", "\"rqi\":\"2\"");
}

static void the_end_is_said(void **state)
{
  broker_test *t = *state;
  start(t);
  welcome(t);
  publish(t, "/oneM2M/req/Cx/in-cse/json", READ("1"), false);
  expect_answer(t, "/oneM2M/resp/Cx/in-cse/json", "\"rqi\":\"1\"");
  gh_mqtt_server_stop(t->server, WAIT_S * 1000); /* until the answer is confirmed */
  expect(t, DISCONNECT);
}

/* Nobody there, or one who never answers: stopping does not wait for them. */
static void stopping_waits_for_nobody(void **state)
{
  broker_test *t = *state;
  start(t);
  accept_one(t);
  time_t begin = time(NULL);
  gh_mqtt_server_stop(t->server, 1000);
  gh_mqtt_server_free(t->server);
  t->server = NULL;
  close(t->listener);
  start(t);
  gh_mqtt_server_stop(t->server, 1000);
  assert_true(time(NULL) - begin < 8);
  t->listener = listen_somewhere(&t->port);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      TEST(requests_are_answered),        TEST(what_is_dropped_is_counted),        TEST(many_at_once),
      TEST(a_lost_broker_is_found_again), TEST(an_association_has_its_time),       TEST(the_end_is_said),
      TEST(stopping_waits_for_nobody),    TEST(forwarded_requests_hold_up_nobody), TEST(an_originator_has_a_share),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
