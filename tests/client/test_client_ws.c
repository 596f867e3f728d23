/* Our client and our server over WebSocket: requests in both directions, both serializations, what is refused. */
#include "../bind/ws_fixture.h"

#include "client/client.h"

typedef struct notified {
  int count;
  char root[32];
} notified;

static void on_request(void *ctx, gh_arena *arena, const gh_request *request, gh_response *response)
{
  notified *n = ctx;
  gh_str root = GH_STR_NONE;
  gh_val *inner;
  (void)arena;
  n->count++;
  assert_int_equal(request->op, GH_OP_NOTIFY);
  assert_true(gh_val_unwrap(request->pc, &root, &inner));
  assert_true(gh_str_to_cstr(root, n->root, sizeof n->root));
  response->rsc = 2000;
}

static gh_err open_client(ws_served *w, gh_client_options *o, gh_client **out, gh_diag *diag)
{
  uint8_t octets[64];
  gh_secret key = {.len = 0};
  assert_int_equal(gh_secret_set(&key, octets, octets_of(GOOD_KEY, octets)), GH_OK);
  o->host = GH_STR("127.0.0.1");
  o->port = w->s->port;
  o->server_name = GH_STR("in-cse.sp.example.com");
  o->psk_identity = gh_str_of(as_meter.identity);
  o->psk = &key;
  o->binding = GH_CLIENT_WS;
  gh_err err = gh_client_open(o, out, NULL, diag);
  gh_secret_wipe(&key);
  return err;
}

static gh_request get(const char *to)
{
  return (gh_request){.op = GH_OP_RETRIEVE,
                      .to = gh_str_of(to),
                      .from = GH_STR("Cmeter"),
                      .has_from = true,
                      .rcn = GH_RCN_ABSENT,
                      .rt = 3};
}

/*= TS-0020 5.1; 6.2.2; 6.3 */
static void requests(void **state)
{
  ws_served *w = *state;
  for (int cbor = 0; cbor < 2; cbor++) {
    gh_client *client = NULL;
    gh_client_options o = {.representation = cbor ? GH_REP_CBOR : GH_REP_JSON};
    gh_diag diag = {""};
    gh_arena arena;
    gh_arena_init(&arena);
    if (open_client(w, &o, &client, &diag) != GH_OK) fail_msg("%s", diag.text);
    static const struct {
      const char *to;
      int rsc;
    } cases[] = {{"cse-in/meter/box", 2000}, {"cse-in/none", 4004}, {"cse-in/other", 4103}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
      gh_request request = get(cases[i].to);
      gh_response response;
      if (gh_client_request(client, &arena, &request, &response, &diag) != GH_OK) fail_msg("%s", diag.text);
      assert_int_equal(response.rsc, cases[i].rsc);
      assert_true(gh_str_eq(response.rqi, request.rqi) && response.pc);
    }
    gh_client_close(client);
    gh_arena_free(&arena);
    wait_connections(w->s, 0);
  }
}

/* ---- the other direction */

typedef struct push {
  gh_outbound_call out;
  ws_served *w;
  _Atomic int done;
} push;

static void on_done(gh_outbound_call *out)
{
  ((push *)out->ctx)->done = 1;
}

static void send_push(void *arg)
{
  push *p = arg;
  gh_outbound port = gh_ws_outbound_port(p->w->server.outbound);
  port.send(port.ctx, p->w->workers[0], &p->out);
}

static void start_push(ws_served *w, push *p)
{
  gh_val *content = NULL;
  *p = (push){.w = w};
  gh_arena_init(&p->out.arena);
  assert_int_equal(gh_json_parse(&p->out.arena, GH_STR("{\"m2m:sgn\":{\"vrq\":true}}"), NULL, &content, NULL), GH_OK);
  p->out.entity = GH_STR(METER);
  p->out.deadline_us = harness_mono(&w->s->h) + 10 * GH_US_PER_S;
  p->out.done = on_done;
  p->out.ctx = p;
  p->out.request = (gh_request){.op = GH_OP_NOTIFY,
                                .to = GH_STR("Cmeter"),
                                .from = GH_STR("/in-cse"),
                                .rqi = GH_STR("n"),
                                .rvi = GH_STR("3"),
                                .rcn = GH_RCN_ABSENT,
                                .pc = content};
  gh_loop_call(w->s->h.loop, send_push, p);
}

/*= TS-0020 6.1; 6.5 a client that takes Notifications, and one that takes nothing */
static void requests_of_the_cse(void **state)
{
  ws_served *w = *state;
  for (int i = 0; i < 4; i++) {
    notified n = {0};
    gh_client *client = NULL;
    gh_diag diag = {""};
    gh_client_options o = {.representation = i & 1 ? GH_REP_CBOR : GH_REP_JSON,
                           .on_request = i < 2 ? on_request : NULL,
                           .on_request_ctx = &n};
    push p;
    if (open_client(w, &o, &client, &diag) != GH_OK) fail_msg("%s", diag.text);
    start_push(w, &p);
    while (!p.done) (void)(gh_client_wait_closed(client, 10) == GH_OK);
    assert_int_equal(p.out.err, GH_OK);
    assert_int_equal(p.out.response.rsc, i < 2 ? 2000 : 4005);
    assert_int_equal(n.count, i < 2);
    if (i < 2) assert_string_equal(n.root, "m2m:sgn");
    gh_client_close(client);
    gh_arena_free(&p.out.arena);
    wait_connections(w->s, 0);
  }
}

/* A request of the CSE comes while ours is under way. */
static void both_at_once(void **state)
{
  ws_served *w = *state;
  notified n = {0};
  gh_client *client = NULL;
  gh_diag diag = {""};
  gh_arena arena;
  gh_client_options o = {.on_request = on_request, .on_request_ctx = &n};
  push p;
  gh_arena_init(&arena);
  if (open_client(w, &o, &client, &diag) != GH_OK) fail_msg("%s", diag.text);
  start_push(w, &p);
  for (int i = 0; i < 5; i++) {
    gh_request request = get("cse-in/meter");
    gh_response response;
    request.rqi = GH_STR("n"); /* the one of the CSE is another */
    if (gh_client_request(client, &arena, &request, &response, &diag) != GH_OK) fail_msg("%s", diag.text);
    assert_int_equal(response.rsc, 2000);
    assert_non_null(response.pc);
  }
  while (!p.done) (void)(gh_client_wait_closed(client, 10) == GH_OK);
  assert_int_equal(n.count, 1);
  gh_client_close(client);
  gh_arena_free(&p.out.arena);
  gh_arena_free(&arena);
}

/*= TS-0020 5.2 there is one connection between two nodes; a second one takes the place of the first while it stands
 */
/*= TS-0020 6.1 and what it says of requests is what the AE says */
static void a_second_connection_is_the_one(void **state)
{
  ws_served *w = *state;
  notified n = {0};
  gh_client *listens = NULL, *asks = NULL;
  gh_diag diag = {""};
  gh_arena arena;
  gh_client_options taking = {.on_request = on_request, .on_request_ctx = &n}, other = {.on_request = NULL};
  push p;
  gh_arena_init(&arena);
  if (open_client(w, &taking, &listens, &diag) != GH_OK || open_client(w, &other, &asks, &diag) != GH_OK)
    fail_msg("%s", diag.text);
  gh_request request = get("cse-in/meter");
  gh_response response;
  if (gh_client_request(asks, &arena, &request, &response, &diag) != GH_OK) fail_msg("%s", diag.text);
  assert_int_equal(response.rsc, 2000); /* nothing is refused to the second one itself */
  for (int turn = 0; turn < 2; turn++) {
    start_push(w, &p);
    while (!p.done) {
      (void)(gh_client_wait_closed(listens, 10) == GH_OK);
      if (asks) (void)(gh_client_wait_closed(asks, 10) == GH_OK);
    }
    assert_int_equal(p.out.err, GH_OK);
    assert_int_equal(p.out.response.rsc, turn ? 2000 : 4005);
    assert_int_equal(n.count, turn);
    gh_arena_free(&p.out.arena);
    if (!asks) break;
    gh_client_close(asks); /* then the first one is the one again */
    asks = NULL;
    wait_connections(w->s, 1);
  }
  gh_client_close(listens);
  gh_arena_free(&arena);
}

/*= TS-0020 6.2.3.1 */
static void not_offered(void **state)
{
  ws_served *w = *state;
  gh_client *client = NULL;
  gh_diag diag = {""};
  gh_client_options o = {.timeout_ms = 5000};
  w->s->http.websocket = NULL;
  assert_int_equal(open_client(w, &o, &client, &diag), GH_EPROTO);
  assert_non_null(strstr(diag.text, "400"));
  assert_null(client);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(requests, setup_ws, teardown_ws),
      cmocka_unit_test_setup_teardown(requests_of_the_cse, setup_ws, teardown_ws),
      cmocka_unit_test_setup_teardown(both_at_once, setup_ws, teardown_ws),
      cmocka_unit_test_setup_teardown(a_second_connection_is_the_one, setup_ws, teardown_ws),
      cmocka_unit_test_setup_teardown(not_offered, setup_ws, teardown_ws),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
