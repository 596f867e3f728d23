/* Outgoing requests: each call is answered exactly once, whatever the peer does; kept connections are used again;
 * nobody waits longer than its deadline. */
#include "../link/link_fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "bind/pool_outbound.h"
#include "link/conn_private.h"
#include "m2m/constants.h"

#define PEER "maf.sp.example.com"

static const link_key keys[] = {
    {.identity = "cse@maf.sp.example.com", .key_hex = GOOD_KEY, .peer_id = "//sp.example.com/in-cse/Ccse"}};

enum { CALLS_MAX = 256 };

typedef struct call {
  gh_outbound_call out;
  struct out_test *x;
  int done;
} call;

typedef struct out_test {
  link_test *t; /* the peer */
  gh_loop *loop;
  gh_worker worker;
  gh_worker *workers[1];
  gh_tls_client *tls;
  gh_outbound_peer peers[2];
  gh_pool_outbound *outbound;
  bool refuse;     /* the peer's address is that of a closed port */
  bool no_address; /* the peer's address is not known */
  size_t addresses;
  bool no_name; /* of the first address */
  int not_yet;  /* times that an address is still being looked up */
  gh_outbound_peer later;
  int asked;
  call calls[CALLS_MAX];
  int count;
  int done; /* under t->lock */
} out_test;

static gh_err endpoint(void *ctx, gh_str entity, struct sockaddr_storage *address, socklen_t *len)
{
  const out_test *x = ctx;
  (void)entity;
  if (x->no_address) return GH_ENOTFOUND;
  struct sockaddr_in *in = (struct sockaddr_in *)address;
  *in = (struct sockaddr_in){.sin_family = AF_INET,
                             .sin_port = htons(x->refuse ? 1 : x->t->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  *len = sizeof *in;
  return GH_OK;
}

static void init_worker(void *arg)
{
  out_test *x = arg;
  gh_worker_init(&x->worker, gh_loop_uv(x->loop), x->loop, &x->t->clock, NULL, NULL);
}

static void begin(out_test *x, const char *key_hex)
{
  uint8_t octets[64];
  gh_secret key = {.len = 0};
  gh_diag diag = {""};
  assert_int_equal(gh_secret_set(&key, octets, octets_of(key_hex, octets)), GH_OK);
  const gh_tls_client_options options = {.tls = {.tls13 = true, .require_ems = true},
                                         .server_name = GH_STR(PEER),
                                         .psk_identity = gh_str_of(keys[0].identity),
                                         .psk = &key};
  x->t = link_new(keys, 1);
  x->t->limits.idle_ms = 0; /* time that passes here is for the calls */
  link_open(x->t);
  assert_int_equal(gh_loop_start("outgoing", &x->loop), GH_OK);
  gh_loop_call(x->loop, init_worker, x);
  assert_int_equal(gh_tls_client_new(&options, &x->tls, &diag), GH_OK);
  x->workers[0] = &x->worker;
  x->peers[0] = (gh_outbound_peer){
      .entity = GH_STR(PEER), .host_header = GH_STR(PEER), .tls = x->tls, .endpoint = endpoint, .ctx = x};
  x->peers[1] = (gh_outbound_peer){.entity = GH_STR("mef.sp.example.com"),
                                   .host_header = GH_STR("mef.sp.example.com"),
                                   .tls = x->tls,
                                   .endpoint = endpoint,
                                   .ctx = x};
  x->outbound = gh_pool_outbound_new(x->peers, 2, x->workers, 1, NULL);
}

static int setup(void **state)
{
  out_test *x = calloc(1, sizeof *x);
  begin(x, GOOD_KEY);
  *state = x;
  return 0;
}

static int setup_wrong_key(void **state)
{
  out_test *x = calloc(1, sizeof *x);
  begin(x, "ff23456789abcdef0123456789abcdef");
  *state = x;
  return 0;
}

static void close_worker(void *arg)
{
  gh_worker_close(arg);
}

static void end(out_test *x)
{
  gh_pool_outbound_stop(x->outbound);
  gh_loop_call(x->loop, close_worker, &x->worker);
  gh_loop_stop(x->loop);
  gh_worker_free(&x->worker);
  gh_pool_outbound_free(x->outbound);
  gh_tls_client_free(x->tls);
}

static int teardown(void **state)
{
  out_test *x = *state;
  if (x->loop) end(x);
  link_end(x->t);
  for (int i = 0; i < x->count; i++) gh_arena_free(&x->calls[i].out.arena);
  free(x);
  return 0;
}

static void call_done(gh_outbound_call *out)
{
  call *c = out->ctx;
  c->done++;
  count_up(c->x->t, &c->x->done);
}

typedef struct wish {
  out_test *x;
  const char *entity, *to;
  gh_op op;
  int count;
  int64_t time_us;
} wish;

static void send_on_worker(void *arg)
{
  const wish *w = arg;
  out_test *x = w->x;
  gh_outbound port = gh_pool_outbound_port(x->outbound);
  for (int i = 0; i < w->count; i++) {
    MUST(x->count < CALLS_MAX);
    call *c = &x->calls[x->count];
    *c = (call){.x = x};
    gh_arena_init(&c->out.arena);
    c->out.entity = gh_str_of(w->entity);
    c->out.request = (gh_request){.op = w->op,
                                  .to = gh_str_of(w->to),
                                  .from = GH_STR("/in-cse"),
                                  .has_from = true,
                                  .rqi = gh_arena_fmt(&c->out.arena, "r%d", x->count),
                                  .rvi = GH_STR("3"),
                                  .rcn = GH_RCN_ABSENT,
                                  .rt = 3,
                                  .ty = 3,
                                  .has_ty = w->op == GH_OP_CREATE};
    if (w->op == GH_OP_CREATE) c->out.request.pc = gh_val_object(&c->out.arena);
    c->out.deadline_us = gh_clock_mono_us(&x->t->clock) + w->time_us;
    c->out.done = call_done;
    c->out.ctx = c;
    x->count++;
    port.send(port.ctx, &x->worker, &c->out);
  }
}

static void send_calls(out_test *x, const char *to, int count)
{
  wish w = {.x = x, .entity = PEER, .to = to, .op = GH_OP_RETRIEVE, .count = count, .time_us = 100 * GH_US_PER_S};
  gh_loop_call(x->loop, send_on_worker, &w);
}

static void wait_done(out_test *x, int count)
{
  wait_count(x->t, &x->done, count);
}

static void assert_all(const out_test *x, int from, int to, gh_err err)
{
  for (int i = from; i < to; i++) {
    assert_int_equal(x->calls[i].done, 1);
    if (x->calls[i].out.err != err)
      fail_msg("call %d: %s, expected %s", i, gh_err_name(x->calls[i].out.err), gh_err_name(err));
    if (err == GH_OK) assert_int_equal(x->calls[i].out.response.rsc, 2000);
  }
}

/* A hundred calls at once, then one after the other: over a few connections that are kept. */
static void many_calls_over_few_connections(void **state)
{
  out_test *x = *state;
  send_calls(x, "maf/AA", 100);
  wait_done(x, 100);
  assert_all(x, 0, 100, GH_OK);
  for (int i = 100; i < 120; i++) {
    send_calls(x, "maf/AA", 1);
    wait_done(x, i + 1);
  }
  assert_all(x, 100, 120, GH_OK);
  link_counts c = counts_now(x->t);
  assert_true(c.ready <= 4);
  assert_int_equal(c.requests, 120);
}

static void nobody_waits_beyond_its_deadline(void **state)
{
  out_test *x = *state;
  send_calls(x, "never", 10); /* four under way, six behind them */
  wait_count(x->t, &x->t->counts.requests, 4);
  send_calls(x, "maf/AA", 1);
  pass_time(x->t, 101);
  wait_done(x, 11);
  assert_all(x, 0, 11, GH_ETIMEOUT);
  send_calls(x, "maf/AA", 1); /* and then it goes on */
  wait_done(x, 12);
  assert_all(x, 11, 12, GH_OK);
}

static void answers_that_are_none(void **state)
{
  out_test *x = *state;
  static const char *const paths[] = {"cut", "half", "noise"};
  for (int i = 0; i < 3; i++) {
    int before = x->count;
    send_calls(x, paths[i], 6);
    wait_done(x, before + 6);
    for (int k = before; k < before + 6; k++) {
      assert_int_equal(x->calls[k].done, 1);
      assert_true(x->calls[k].out.err == GH_ECONN || x->calls[k].out.err == GH_EPROTO);
    }
  }
  int before = x->count;
  send_calls(x, "maf/AA", 6);
  wait_done(x, before + 6);
  assert_all(x, before, before + 6, GH_OK);
}

static bool everybody(void *ctx, gh_conn *conn)
{
  (void)ctx;
  (void)conn;
  return true;
}

static void revoke_on_worker(void *arg)
{
  gh_worker_revoke(arg, everybody, NULL);
}

/* The peer closes a kept connection while we are about to use it: nobody notices. */
static void send_on_closed_connection(void *arg)
{
  wish *w = arg;
  gh_loop_call(w->x->t->loop, revoke_on_worker, &w->x->t->worker);
  send_on_worker(w);
}

static void a_kept_connection_that_was_closed(void **state)
{
  out_test *x = *state;
  send_calls(x, "maf/AA", 1);
  wait_done(x, 1);
  wish w = {.x = x, .entity = PEER, .to = "maf/AA", .op = GH_OP_RETRIEVE, .count = 1, .time_us = 600 * GH_US_PER_S};
  gh_loop_call(x->loop, send_on_closed_connection, &w);
  wait_done(x, 2);
  assert_all(x, 0, 2, GH_OK);
  assert_int_equal(counts_now(x->t).ready, 2);
  send_calls(x, "last", 1); /* announced: the answer is whole, the connection goes */
  wait_done(x, 3);
  send_calls(x, "maf/AA", 1);
  wait_done(x, 4);
  assert_all(x, 2, 4, GH_OK);
}

/* What may have been done is not asked for again: a change is sent once, a question may be repeated once. */
static void only_questions_are_repeated(void **state)
{
  out_test *x = *state;
  static const gh_op ops[] = {GH_OP_CREATE, GH_OP_UPDATE, GH_OP_DELETE, GH_OP_NOTIFY, GH_OP_RETRIEVE};
  for (size_t i = 0; i < 5; i++) {
    int before = x->count, requests = counts_now(x->t).requests;
    send_calls(x, "maf/AA", 1);
    wait_done(x, before + 1);
    wish w = {.x = x, .entity = PEER, .to = "cut", .op = ops[i], .count = 1, .time_us = 600 * GH_US_PER_S};
    gh_loop_call(x->loop, send_on_worker, &w);
    wait_done(x, before + 2);
    assert_all(x, before + 1, before + 2, GH_ECONN);
    assert_int_equal(counts_now(x->t).requests - requests, ops[i] == GH_OP_RETRIEVE ? 3 : 2);
  }
}

static void peers_that_are_not_there(void **state)
{
  out_test *x = *state;
  x->refuse = true;
  send_calls(x, "maf/AA", 20);
  wait_done(x, 20);
  assert_all(x, 0, 20, GH_ECONN);
  x->no_address = true;
  send_calls(x, "maf/AA", 20);
  wait_done(x, 40);
  assert_all(x, 20, 40, GH_ECONN);
  wish w = {
      .x = x, .entity = "evil.example.org", .to = "maf/AA", .op = GH_OP_RETRIEVE, .count = 1, .time_us = GH_US_PER_S};
  gh_loop_call(x->loop, send_on_worker, &w);
  wait_done(x, 41);
  assert_all(x, 40, 41, GH_ENOTFOUND);
  x->refuse = x->no_address = false; /* it comes back */
  send_calls(x, "maf/AA", 20);
  wait_done(x, 61);
  assert_all(x, 41, 61, GH_OK);
}

static void send_exporting(void *arg)
{
  const wish *w = arg;
  int first = w->x->count;
  send_on_worker(arg); /* nothing is sent before the handshake */
  for (int i = first; i < w->x->count; i++) w->x->calls[i].out.export_key = true;
}

/*= TS-0003 10.3.1 one association, one exported key: two calls never get the same */
static void exported_keys(void **state)
{
  out_test *x = *state;
  static const uint8_t none[48];
  wish w = {.x = x, .entity = PEER, .to = "maf/AA", .op = GH_OP_RETRIEVE, .count = 6, .time_us = 100 * GH_US_PER_S};
  gh_loop_call(x->loop, send_exporting, &w);
  wait_done(x, 6);
  assert_all(x, 0, 6, GH_OK);
  for (int i = 0; i < 6; i++) {
    assert_memory_not_equal(x->calls[i].out.exported, none, 48);
    for (int k = 0; k < i; k++) assert_memory_not_equal(x->calls[i].out.exported, x->calls[k].out.exported, 48);
  }
  assert_int_equal(counts_now(x->t).ready, 6);
  send_calls(x, "maf/AA", 1); /* who does not ask for it gets none */
  wait_done(x, 7);
  assert_memory_equal(x->calls[6].out.exported, none, 48);
}

/* ---- peers with several addresses, and peers that are found later */

/* The first is a closed port, the second the peer's; further ones as `addresses` says. */
static gh_err endpoint_at(void *ctx, gh_str entity, size_t choice, struct sockaddr_storage *address, socklen_t *len,
                          const gh_outbound_binding **binding)
{
  (void)binding;
  out_test *x = ctx;
  if (choice >= x->addresses) return GH_ENOTFOUND;
  if (!address) return GH_OK; /* whether there is one, is all that is asked */
  if (choice == 0 && x->no_name) return GH_ECONN;
  if (x->not_yet && x->not_yet-- > 0) return GH_EAGAIN;
  x->refuse = choice != 1;
  gh_err err = endpoint(ctx, entity, address, len);
  x->refuse = false;
  return err;
}

/*= TS-0004 7.3.2.6 the next entry upon failure; none left: not reachable */
static void the_next_address_is_tried(void **state)
{
  out_test *x = *state;
  x->peers[0].endpoint_at = endpoint_at;
  x->addresses = 2;
  send_calls(x, "maf/AA", 20);
  wait_done(x, 20);
  assert_all(x, 0, 20, GH_OK);
  x->addresses = 0;
  wish w = {.x = x, .entity = PEER, .to = "cut", .op = GH_OP_CREATE, .count = 4, .time_us = 600 * GH_US_PER_S};
  gh_loop_call(x->loop, send_on_worker, &w); /* the kept connections end */
  wait_done(x, 24);
  send_calls(x, "maf/AA", 3);
  wait_done(x, 27);
  assert_all(x, 24, 27, GH_ECONN);
  x->addresses = 1; /* nobody is there */
  send_calls(x, "maf/AA", 3);
  wait_done(x, 30);
  assert_all(x, 27, 30, GH_ECONN);
  x->addresses = 2;
  send_calls(x, "maf/AA", 3);
  wait_done(x, 33);
  assert_all(x, 30, 33, GH_OK);
}

/* A name that is looked up for a while, one that is none, and one that is never found. */
static void names_that_take_their_time(void **state)
{
  out_test *x = *state;
  x->peers[0].endpoint_at = endpoint_at;
  x->addresses = 2;
  x->no_name = true;
  x->not_yet = 5;
  send_calls(x, "maf/AA", 3);
  wait_done(x, 3);
  assert_all(x, 0, 3, GH_OK);
  assert_int_equal(x->not_yet, 0);
  x->addresses = 0;
  wish w = {.x = x, .entity = PEER, .to = "cut", .op = GH_OP_CREATE, .count = 4, .time_us = 600 * GH_US_PER_S};
  gh_loop_call(x->loop, send_on_worker, &w); /* the kept connections end */
  wait_done(x, 7);
  x->addresses = 2;
  x->not_yet = INT32_MAX;
  w = (wish){.x = x, .entity = PEER, .to = "maf/AA", .op = GH_OP_RETRIEVE, .count = 3, .time_us = GH_US_PER_S};
  gh_loop_call(x->loop, send_on_worker, &w);
  pass_time(x->t, 2);
  wait_done(x, 10);
  assert_all(x, 7, 10, GH_ETIMEOUT);
}

static void ready_and_gone(void *state, gh_conn *conn)
{
  (void)state;
  gh_conn_fail(conn, GH_ECONN, "the first octets find nobody");
}

/* The binding's first octets on a new connection are those that find it broken. */
static void a_connection_that_breaks_when_it_is_ready(void **state)
{
  out_test *x = *state;
  static gh_outbound_binding binding;
  binding = gh_http_outbound;
  binding.ready = ready_and_gone;
  x->peers[0].binding = &binding;
  wish w = {.x = x, .entity = PEER, .to = "maf/AA", .op = GH_OP_RETRIEVE, .count = 3, .time_us = GH_US_PER_S};
  gh_loop_call(x->loop, send_on_worker, &w);
  wait_ready(x->t, 1);
  pass_time(x->t, 2);
  wait_done(x, 3);
  assert_all(x, 0, 3, GH_ETIMEOUT);
}

static const gh_outbound_peer *find(void *ctx, gh_str entity)
{
  out_test *x = ctx;
  x->asked++;
  return gh_str_eq(entity, x->later.entity) ? &x->later : NULL;
}

static void peers_that_are_found_later(void **state)
{
  out_test *x = *state;
  x->later = (gh_outbound_peer){.entity = GH_STR("//sp.example.com/mn7"),
                                .host_header = GH_STR("mn7.in-cse.sp.example.com"),
                                .tls = x->tls,
                                .endpoint = endpoint,
                                .ctx = x};
  gh_pool_outbound_find_with(x->outbound, find, x);
  wish w = {.x = x,
            .entity = "//sp.example.com/mn7",
            .to = "a",
            .op = GH_OP_RETRIEVE,
            .count = 5,
            .time_us = 100 * GH_US_PER_S};
  gh_loop_call(x->loop, send_on_worker, &w);
  wait_done(x, 5);
  assert_all(x, 0, 5, GH_OK);
  assert_int_equal(x->asked, 1);
  w.entity = "//sp.example.com/mn8";
  gh_loop_call(x->loop, send_on_worker, &w);
  wait_done(x, 10);
  assert_all(x, 5, 10, GH_ENOTFOUND);
  w.entity = "//sp.example.com/MN7"; /* another CSE: what is meant for it goes to nobody else */
  gh_loop_call(x->loop, send_on_worker, &w);
  wait_done(x, 15);
  assert_all(x, 10, 15, GH_ENOTFOUND);
  w = (wish){.x = x,
             .entity = "//sp.example.com/mn7",
             .to = "never",
             .op = GH_OP_RETRIEVE,
             .count = 1,
             .time_us = GH_US_PER_S};
  gh_loop_call(x->loop, send_on_worker, &w); /* its deadlines are kept, too */
  pass_time(x->t, 2);
  wait_done(x, 16);
  assert_all(x, 15, 16, GH_ETIMEOUT);
}

static gh_tls_client *no_credential(void *ctx, const gh_outbound_peer *peer, const gh_outbound_binding *binding)
{
  (void)ctx;
  (void)binding;
  (void)peer;
  return NULL;
}

/* Without a credential nothing is sent, in clear text least of all. */
static void without_a_credential(void **state)
{
  out_test *x = *state;
  x->peers[0].choose_tls = no_credential;
  send_calls(x, "maf/AA", 5);
  wait_done(x, 5);
  assert_all(x, 0, 5, GH_ECONN);
  assert_int_equal(counts_now(x->t).requests, 0);
  assert_int_equal(counts_now(x->t).ready, 0);
}

static void a_key_that_the_peer_refuses(void **state)
{
  out_test *x = *state;
  send_calls(x, "maf/AA", 12);
  wait_done(x, 12);
  assert_all(x, 0, 12, GH_EAUTH);
}

/* Letter case of names does not matter, peers do not mix. */
static void each_peer_has_its_own_connections(void **state)
{
  out_test *x = *state;
  wish w = {.x = x,
            .entity = "MEF.sp.example.com",
            .to = "mef/AA",
            .op = GH_OP_RETRIEVE,
            .count = 3,
            .time_us = 600 * GH_US_PER_S};
  send_calls(x, "never", 4);
  wait_count(x->t, &x->t->counts.requests, 4);
  gh_loop_call(x->loop, send_on_worker, &w);
  wait_done(x, 3);
  assert_all(x, 4, 7, GH_OK);
}

/* The end: everybody who waits is told, once. */
static void the_end_comes_while_calls_wait(void **state)
{
  out_test *x = *state;
  send_calls(x, "never", 50);
  wait_count(x->t, &x->t->counts.requests, 4);
  gh_pool_outbound_stop(x->outbound);
  send_calls(x, "maf/AA", 1); /* too late */
  gh_loop_call(x->loop, close_worker, &x->worker);
  wait_done(x, 51);
  gh_loop_stop(x->loop);
  gh_worker_free(&x->worker);
  gh_pool_outbound_free(x->outbound);
  gh_tls_client_free(x->tls);
  x->loop = NULL;
  for (int i = 0; i < 51; i++) {
    assert_int_equal(x->calls[i].done, 1);
    assert_int_not_equal(x->calls[i].out.err, GH_OK);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(many_calls_over_few_connections, setup, teardown),
      cmocka_unit_test_setup_teardown(nobody_waits_beyond_its_deadline, setup, teardown),
      cmocka_unit_test_setup_teardown(answers_that_are_none, setup, teardown),
      cmocka_unit_test_setup_teardown(a_kept_connection_that_was_closed, setup, teardown),
      cmocka_unit_test_setup_teardown(only_questions_are_repeated, setup, teardown),
      cmocka_unit_test_setup_teardown(peers_that_are_not_there, setup, teardown),
      cmocka_unit_test_setup_teardown(exported_keys, setup, teardown),
      cmocka_unit_test_setup_teardown(the_next_address_is_tried, setup, teardown),
      cmocka_unit_test_setup_teardown(names_that_take_their_time, setup, teardown),
      cmocka_unit_test_setup_teardown(a_connection_that_breaks_when_it_is_ready, setup, teardown),
      cmocka_unit_test_setup_teardown(peers_that_are_found_later, setup, teardown),
      cmocka_unit_test_setup_teardown(without_a_credential, setup, teardown),
      cmocka_unit_test_setup_teardown(a_key_that_the_peer_refuses, setup_wrong_key, teardown),
      cmocka_unit_test_setup_teardown(each_peer_has_its_own_connections, setup, teardown),
      cmocka_unit_test_setup_teardown(the_end_comes_while_calls_wait, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
