/* Requests of the CSE to a registree over the connection that it opened: each call is answered exactly once. */
#include "ws_fixture.h"

typedef struct ask_call {
  gh_outbound_call out;
  gh_worker *worker;
  gh_outbound port;
  _Atomic int done;
} ask_call;

static void on_done(gh_outbound_call *out)
{
  ask_call *call = out->ctx;
  call->done++;
}

static void submit(void *arg)
{
  ask_call *call = arg;
  call->port.send(call->port.ctx, call->worker, &call->out);
}

static void make(ws_served *w, ask_call *call, gh_worker *worker, const char *entity, const char *rqi,
                 int64_t life_us)
{
  *call = (ask_call){.worker = worker, .port = gh_ws_outbound_port(w->server.outbound)};
  gh_arena_init(&call->out.arena);
  call->out.entity = gh_str_of(entity);
  call->out.deadline_us = harness_mono(&w->s->h) + life_us;
  call->out.done = on_done;
  call->out.ctx = call;
  gh_val *content = NULL;
  assert_int_equal(gh_json_parse(&call->out.arena, GH_STR("{\"m2m:sgn\":{\"sur\":\"s\"}}"), NULL, &content, NULL),
                   GH_OK);
  call->out.request = (gh_request){.op = GH_OP_NOTIFY,
                                   .to = GH_STR("Cmeter"),
                                   .from = GH_STR("/in-cse"),
                                   .has_from = true,
                                   .rqi = gh_str_of(rqi),
                                   .rvi = GH_STR("3"),
                                   .rcn = GH_RCN_ABSENT,
                                   .pc = content};
}

static void begin(ws_served *w, ask_call *call, gh_worker *worker, const char *entity, const char *rqi,
                  int64_t life_us)
{
  make(w, call, worker, entity, rqi, life_us);
  gh_loop_call(worker->loop, submit, call);
}

/* To an AE that registered with this credential. */
static void begin_for(ws_served *w, ask_call *call, const char *entity, const char *credential_id)
{
  make(w, call, w->workers[1], entity, "n1", 5 * GH_US_PER_S);
  call->out.credential_id = gh_str_of(credential_id);
  gh_loop_call(call->worker->loop, submit, call);
}

static gh_err end(ask_call *call)
{
  time_t start = time(NULL);
  while (!call->done && time(NULL) < start + LINK_WAIT_S) usleep(1000);
  usleep(1000);
  assert_int_equal(call->done, 1);
  gh_err err = call->out.err;
  gh_arena_free(&call->out.arena);
  return err;
}

/* The request as it arrives at the registree. */
static gh_str arrives(ws_client *c)
{
  gh_val *tree = ws_next(c);
  int64_t op = 0;
  assert_true(gh_val_get_int(tree, GH_STR("op"), &op) && op == GH_OP_NOTIFY);
  assert_true(gh_str_eq(ws_text(tree, "fr"), GH_STR("/in-cse")) && gh_val_get(tree, GH_STR("pc")));
  return ws_text(tree, "rqi");
}

static void reply(ws_client *c, gh_str rqi, int rsc)
{
  gh_str text = gh_arena_fmt(&c->arena, "{\"rsc\":%d,\"rqi\":\"%.*s\"}", rsc, GH_STR_ARG(rqi));
  ws_say(c, text.ptr);
}

/*= TS-0020 5.1; 6.4; 6.5 over the open connection, in either serialization, from any worker */
static void both_directions(void **state)
{
  ws_served *w = *state;
  for (int i = 0; i < 4; i++) {
    ws_client c;
    ask_call call;
    ws_join(&c, w, &as_meter, i & 1 ? GH_REP_CBOR : GH_REP_JSON);
    begin(w, &call, w->workers[i / 2], METER, "n1", 5 * GH_US_PER_S);
    gh_str rqi = arrives(&c);
    assert_int_equal(ws_ask(&c, WS_GET("cse-in/meter", "n1")), 2000); /* the same rqi in the other direction */
    reply(&c, rqi, 2000);
    assert_int_equal(end(&call), GH_OK);
    assert_int_equal(call.out.response.rsc, 2000);
    assert_true(gh_str_eq(call.out.response.rqi, GH_STR("n1")));
    ws_part(&c);
    wait_connections(w->s, 0);
  }
}

/*= TS-0001 8.1.2 several in flight, matched by rqi, also where callers chose the same */
static void side_by_side(void **state)
{
  ws_served *w = *state;
  ws_client c;
  ask_call calls[4];
  gh_str rqi[4];
  ws_join(&c, w, &as_meter, GH_REP_JSON);
  for (int i = 0; i < 4; i++) begin(w, &calls[i], w->workers[i % 2], METER, i == 3 ? "n2" : "n1", 5 * GH_US_PER_S);
  for (int i = 0; i < 4; i++) rqi[i] = arrives(&c);
  for (int i = 0; i < 4; i++)
    for (int k = 0; k < i; k++) assert_false(gh_str_eq(rqi[i], rqi[k]));
  for (int i = 3; i >= 0; i--) reply(&c, rqi[i], 2000);
  reply(&c, rqi[0], 4004); /* once is enough */
  for (int i = 0; i < 4; i++) assert_int_equal(end(&calls[i]), GH_OK);
  for (int i = 0; i < 4; i++) assert_int_equal(calls[i].out.response.rsc, 2000);
  assert_int_equal(ws_ask(&c, WS_GET("cse-in/meter", "after")), 2000);
  ws_part(&c);
}

static void nobody_there(void **state)
{
  ws_served *w = *state;
  ask_call call;
  begin(w, &call, w->workers[0], METER, "n1", GH_US_PER_S);
  assert_int_equal(end(&call), GH_ENOTFOUND);
  ws_client c;
  ws_join(&c, w, &as_meter, GH_REP_JSON);
  begin(w, &call, w->workers[1], "//sp.example.com/in-cse/Cother", "n1", GH_US_PER_S);
  assert_int_equal(end(&call), GH_ENOTFOUND);
  ws_part(&c);
}

/* Only the peer that was asked can answer. */ /*= TS-0003 7.2 */
static void another_answers(void **state)
{
  ws_served *w = *state;
  ws_client c, o;
  ask_call call;
  ws_join(&c, w, &as_meter, GH_REP_JSON);
  ws_join(&o, w, &as_other, GH_REP_JSON);
  begin(w, &call, w->workers[0], METER, "n1", 5 * GH_US_PER_S);
  gh_str rqi = arrives(&c);
  reply(&o, rqi, 4004);
  assert_int_equal(ws_ask(&o, "{\"op\":2,\"to\":\"cse-in/other\",\"fr\":\"Cother\",\"rqi\":\"d\"}"), 2000);
  assert_int_equal(call.done, 0);
  reply(&c, rqi, 2000);
  assert_int_equal(end(&call), GH_OK);
  assert_int_equal(call.out.response.rsc, 2000);
  ws_part(&c);
  ws_part(&o);
}

static void too_late(void **state)
{
  ws_served *w = *state;
  ws_client c;
  ask_call call;
  ws_join(&c, w, &as_meter, GH_REP_JSON);
  begin(w, &call, w->workers[1], METER, "n1", GH_US_PER_S);
  gh_str rqi = arrives(&c);
  w->s->h.clock_offset_us += 2 * GH_US_PER_S;
  assert_int_equal(end(&call), GH_ETIMEOUT);
  reply(&c, rqi, 2000);
  assert_int_equal(ws_ask(&c, WS_GET("cse-in/meter", "after")), 2000);
  ws_part(&c);
}

static void peer_leaves(void **state)
{
  ws_served *w = *state;
  ws_client c;
  ask_call calls[2];
  ws_join(&c, w, &as_meter, GH_REP_JSON);
  for (int i = 0; i < 2; i++) begin(w, &calls[i], w->workers[i], METER, "n1", 60 * GH_US_PER_S);
  for (int i = 0; i < 2; i++) arrives(&c);
  ws_part(&c);
  for (int i = 0; i < 2; i++) assert_int_equal(end(&calls[i]), GH_ECONN);
}

static ask_call last_call;
static ws_client one, another;

static void on_done_cut(gh_outbound_call *out)
{
  ask_call *call = out->ctx;
  for (gh_conn *conn = call->worker->first, *next; conn; conn = next) {
    next = conn->next;
    if (gh_conn_is_open(conn)) gh_conn_fail(conn, GH_ECONN, "it breaks meanwhile");
  }
  on_done(out);
}

/* The process ends: a call that fails by it breaks another connection, which is to be closed next. */
static void the_end_of_one_is_that_of_another(void **state)
{
  ws_served *w = *state;
  ws_join(&one, w, &as_meter, GH_REP_JSON);
  ws_join(&another, w, &as_other, GH_REP_JSON);
  begin(w, &last_call, w->workers[0], METER, "n1", 60 * GH_US_PER_S);
  last_call.out.done = on_done_cut;
  arrives(&one);
}

static int teardown_last_call(void **state)
{
  int rc = teardown_ws(state);
  assert_int_equal(end(&last_call), GH_ECONN);
  ws_part(&one);
  ws_part(&another);
  return rc;
}

/* An AE notifies itself, and leaves before it has answered: the end of its session answers a request of the same. */
static void leaves_in_the_middle_of_itself(void **state)
{
  ws_served *w = *state;
  ws_client c;
  gh_host *host = w->s->h.host;
  host->outbound = gh_ws_outbound_port(w->server.outbound);
  host->config.transit_us = 60 * GH_US_PER_S;
  assert_rsc(ask(&w->s->h, &meter_ae, GH_OP_UPDATE, "cse-in/meter", "Cmeter", 0, "{\"m2m:ae\":{\"rr\":true}}"), 2004);
  ws_join(&c, w, &as_meter, GH_REP_JSON);
  ws_say(&c, "{\"op\":5,\"fr\":\"Cmeter\",\"to\":\"cse-in/meter\",\"rqi\":\"n\",\"rvi\":\"3\","
             "\"pc\":{\"m2m:sgn\":{\"sur\":\"s\"}}}");
  int64_t op = 0;
  assert_true(gh_val_get_int(ws_next(&c), GH_STR("op"), &op) && op == GH_OP_NOTIFY);
  ws_part(&c);
  wait_connections(w->s, 0);
}

static void malformed_answers(void **state)
{
  ws_served *w = *state;
  static const char *const answers[] = {"{\"rsc\":\"2000\",\"rqi\":\"n1\"}", "{\"rsc\":2000,\"rqi\":\"n1\",\"zz\":1}",
                                        "{\"rsc\":7,\"rqi\":\"n1\"}", "{\"rsc\":2000,\"rqi\":\"n1\",\"pc\":1}"};
  ws_client c;
  ws_join(&c, w, &as_meter, GH_REP_JSON);
  for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
    ask_call call;
    begin(w, &call, w->workers[0], METER, "n1", 5 * GH_US_PER_S);
    arrives(&c);
    ws_say(&c, answers[i]);
    assert_int_equal(end(&call), GH_EPROTO);
  }
  ws_part(&c);
}

/* The older connection of the same entity may be half open: the last one gets the requests. */ /*= TS-0020 5.2 */
static void reconnects(void **state)
{
  ws_served *w = *state;
  ws_client old, new;
  ask_call call;
  ws_join(&old, w, &as_meter, GH_REP_JSON);
  ws_join(&new, w, &as_meter, GH_REP_CBOR);
  begin(w, &call, w->workers[1], METER, "n1", 5 * GH_US_PER_S);
  reply(&new, arrives(&new), 2000);
  assert_int_equal(end(&call), GH_OK);
  assert_int_equal(ws_ask(&old, WS_GET("cse-in/meter", "a")), 2000);
  ws_part(&new);
  wait_connections(w->s, 1);
  begin(w, &call, w->workers[1], METER, "n2", 5 * GH_US_PER_S);
  reply(&old, arrives(&old), 2000); /* it is the last again */
  assert_int_equal(end(&call), GH_OK);
  ws_part(&old);
  wait_connections(w->s, 0);
  begin(w, &call, w->workers[1], METER, "n3", GH_US_PER_S);
  assert_int_equal(end(&call), GH_ENOTFOUND);
}

/*= TS-0020 5.2; 6.4 before its registration an entity can do nothing and is not reached, afterwards it is */
static void registers(void **state)
{
  static const tls_peer_options as_new = {.identity = "new@maf.sp.example.com", .key_hex = GOOD_KEY};
  ws_served *w = *state;
  ws_client c;
  ask_call call;
  w->s->h.host->config.open_registration = true;
  ws_join(&c, w, &as_new, GH_REP_JSON);
  assert_int_equal(ws_ask(&c, WS_GET("cse-in/meter", "a")), 4106);
  ws_say(&c, "{\"op\":1,\"to\":\"cse-in\",\"fr\":\"C\",\"rqi\":\"b\",\"ty\":2,"
             "\"pc\":{\"m2m:ae\":{\"api\":\"N.d\",\"rr\":false,\"srv\":[\"3\"]}}}");
  gh_val *created = ws_next(&c);
  assert_int_equal(ws_rsc(created), 2001);
  gh_str aei = ws_text(gh_val_get(gh_val_get(created, GH_STR("pc")), GH_STR("m2m:ae")), "aei");
  gh_str entity = gh_arena_fmt(&c.arena, "//sp.example.com/in-cse/%.*s", GH_STR_ARG(aei));
  gh_str get = gh_arena_fmt(&c.arena, "{\"op\":2,\"to\":\"%.*s\",\"fr\":\"%.*s\",\"rqi\":\"c\"}", GH_STR_ARG(aei),
                            GH_STR_ARG(aei));
  assert_int_equal(ws_ask(&c, get.ptr), 2000);
  begin(w, &call, w->workers[1], entity.ptr, "n1", 5 * GH_US_PER_S);
  reply(&c, arrives(&c), 2000);
  assert_int_equal(end(&call), GH_OK);
  /*= TS-0003 8.2.1 as long as the AE-ID is that of its credential */
  begin_for(w, &call, entity.ptr, "12-new");
  reply(&c, arrives(&c), 2000);
  assert_int_equal(end(&call), GH_OK);
  begin_for(w, &call, entity.ptr, "12-another");
  assert_int_equal(end(&call), GH_ECONN);
  assert_int_equal(ws_ask(&c, get.ptr), 2000); /* nothing came before it */
  ws_part(&c);
}

/* ---- the port behind */

static void send_next(void *ctx, gh_worker *worker, gh_outbound_call *call)
{
  (void)worker;
  ++*(int *)ctx;
  call->err = GH_EUNSUPPORTED;
  call->done(call);
}

static int next_count;

static int setup_with_next(void **state)
{
  next_count = 0;
  return setup_ws_before(state, (gh_outbound){&next_count, send_next});
}

static void left_to_another_port(void **state)
{
  ws_served *w = *state;
  ask_call call;
  ws_client c;
  begin(w, &call, w->workers[0], METER, "n1", GH_US_PER_S);
  assert_int_equal(end(&call), GH_EUNSUPPORTED);
  ws_join(&c, w, &as_meter, GH_REP_JSON);
  begin(w, &call, w->workers[0], METER, "n1", 5 * GH_US_PER_S);
  reply(&c, arrives(&c), 2000);
  assert_int_equal(end(&call), GH_OK);
  assert_int_equal(next_count, 1);
  ws_part(&c);
}

/*= TS-0001 6.5.4 the IN-CSE of another provider is called where the agreement says; a registree where it is */
static void over_mccp_it_is_no_way(void **state)
{
  static const gh_provider provider = {
      .cse = {"//sp2.example.net/in2", 21}, .fqdn = {"in2.sp2.example.net", 19}, .may_register = true};
  static const tls_peer_options as_in2 = {.identity = "in2@keys.example.com", .key_hex = GOOD_KEY},
                                as_mn1 = {.identity = "mn1@keys.example.com", .key_hex = GOOD_KEY};
  static const char *const registration =
      "{\"op\":1,\"to\":\"cse-in\",\"fr\":\"%s\",\"rqi\":\"b\",\"ty\":16,\"pc\":{\"m2m:csr\":{\"cb\":\"/x/"
      "y\",\"rr\":true,\"srv\":[\"3\"]}}}";
  ws_served *w = *state;
  ws_client foreign, near;
  ask_call call;
  char text[300];
  w->s->h.host->config.providers = &provider;
  w->s->h.host->config.provider_count = 1;
  ws_join(&foreign, w, &as_in2, GH_REP_JSON);
  snprintf(text, sizeof text, registration, "//sp2.example.net/in2");
  assert_int_equal(ws_ask(&foreign, text), 2001);
  begin(w, &call, w->workers[0], "//sp2.example.net/in2", "n1", GH_US_PER_S);
  assert_int_equal(end(&call), GH_EUNSUPPORTED); /* of the next port */
  assert_int_equal(next_count, 1);
  ws_join(&near, w, &as_mn1, GH_REP_JSON);
  snprintf(text, sizeof text, registration, "/mn1");
  assert_int_equal(ws_ask(&near, text), 2001);
  begin(w, &call, w->workers[0], "//sp.example.com/mn1", "n2", 5 * GH_US_PER_S);
  reply(&near, arrives(&near), 2000);
  assert_int_equal(end(&call), GH_OK);
  ws_part(&near);
  ws_part(&foreign);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(both_directions, setup_ws, teardown_ws),
      cmocka_unit_test_setup_teardown(side_by_side, setup_ws, teardown_ws),
      cmocka_unit_test_setup_teardown(nobody_there, setup_ws, teardown_ws),
      cmocka_unit_test_setup_teardown(another_answers, setup_ws, teardown_ws),
      cmocka_unit_test_setup_teardown(too_late, setup_ws, teardown_ws),
      cmocka_unit_test_setup_teardown(peer_leaves, setup_ws, teardown_ws),
      cmocka_unit_test_setup_teardown(leaves_in_the_middle_of_itself, setup_ws, teardown_ws),
      cmocka_unit_test_setup_teardown(the_end_of_one_is_that_of_another, setup_ws, teardown_last_call),
      cmocka_unit_test_setup_teardown(malformed_answers, setup_ws, teardown_ws),
      cmocka_unit_test_setup_teardown(reconnects, setup_ws, teardown_ws),
      cmocka_unit_test_setup_teardown(registers, setup_ws, teardown_ws),
      cmocka_unit_test_setup_teardown(left_to_another_port, setup_with_next, teardown_ws),
      cmocka_unit_test_setup_teardown(over_mccp_it_is_no_way, setup_with_next, teardown_ws),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
