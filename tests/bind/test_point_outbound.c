/* Requests to points of access: in their order, over an association that proves the entity, each sent at most once
 * and answered exactly once, whatever is there. */
#include "../link/link_fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "bind/point_outbound.h"
#include "link/listener.h"
#include "m2m/constants.h"

static const link_key keys[] = {
    {.identity = "meter@keys.example.com", .key_hex = GOOD_KEY, .peer_id = "//sp.example.com/in-cse"}};

enum { CALLS_MAX = 64 };

typedef struct call {
  gh_outbound_call out;
  struct out_test *x;
  int done;
} call;

typedef struct out_test {
  link_test *t; /* the AE */
  gh_loop *loop;
  gh_worker worker;
  gh_worker *workers[1];
  gh_point_outbound *outbound;
  int silent; /* a socket where nobody accepts */
  uint16_t silent_port;
  const char *key_hex;  /* of the clients that are made */
  gh_err no_client;     /* instead of one */
  int clients, to_next; /* under t->lock */
  int done;
  call calls[CALLS_MAX];
  int count;
} out_test;

static int not_yet; /* times that "later" is still being looked up; on the worker, or before the call */

static gh_outbound_binding gone_when_ready, gone_when_asked, cannot_carry;

/* The peer goes while its association is being made ready, or while the request is written. */
static void ready_and_gone(void *state, gh_conn *conn)
{
  (void)state;
  gh_conn_close(conn, GH_ECONN, "gone");
}

static gh_err asked_and_gone(void *state, gh_conn *conn, gh_outbound_call *out)
{
  gh_err err = gh_http_outbound.ask(state, conn, out);
  gh_conn_close(conn, GH_ECONN, "gone");
  return err;
}

static gh_err ask_nothing(void *state, gh_conn *conn, gh_outbound_call *out)
{
  (void)state;
  (void)conn;
  (void)out;
  return GH_EINVAL;
}

static void make_bindings(void)
{
  gone_when_ready = gone_when_asked = cannot_carry = gh_http_outbound;
  gone_when_ready.ready = ready_and_gone;
  gone_when_asked.ask = asked_and_gone;
  cannot_carry.ask = ask_nothing;
}

static const gh_outbound_binding *binding_at(gh_str point)
{
  if (gh_str_starts(point, GH_STR("ready-gone:"))) return &gone_when_ready;
  if (gh_str_starts(point, GH_STR("asked-gone:"))) return &gone_when_asked;
  if (gh_str_starts(point, GH_STR("unfit:"))) return &cannot_carry;
  if (gh_str_starts(point, GH_STR("coaps://"))) return &gh_coap_outbound;
  if (gh_str_starts(point, GH_STR("coaps+tcp://"))) return &gh_coap_tcp_outbound;
  return &gh_http_outbound;
}

static void send_through(void *ctx, gh_worker *worker, gh_outbound_call *out);

/* "good", "closed" (nobody listens), "silent", "later" (good, once its name is found), or none for us. */
static gh_err find(void *ctx, const gh_outbound_call *out_call, gh_str point, gh_point_place *place)
{
  out_test *x = ctx;
  uint16_t port = 1;
  struct sockaddr_storage *out = &place->address;
  socklen_t *len = &place->address_len;
  (void)out_call;
  place->binding = binding_at(point);
  if (gh_str_ends(point, GH_STR("://good"))) port = x->t->port;
  if (gh_str_eq(point, GH_STR("mqtts://trusted"))) *place = (gh_point_place){.port = {x, send_through}};
  if (gh_str_eq(point, GH_STR("https://good/"))) port = x->t->port;
  if (gh_str_eq(point, GH_STR("https://later"))) {
    if (not_yet && not_yet--) return GH_EAGAIN;
    port = x->t->port;
  }
  if (gh_str_eq(point, GH_STR("https://silent"))) port = x->silent_port;
  if (gh_str_eq(point, GH_STR("http://good"))) return GH_EUNSUPPORTED;
  if (gh_str_eq(point, GH_STR("https://unknown"))) return GH_ECONN;
  struct sockaddr_in *in = (struct sockaddr_in *)out;
  *in =
      (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  *len = sizeof *in;
  return GH_OK;
}

static gh_err client(void *ctx, const gh_outbound_call *out, const gh_outbound_binding *binding, gh_tls_client **made)
{
  out_test *x = ctx;
  uint8_t octets[64];
  gh_secret key = {.len = 0};
  gh_diag diag;
  (void)out;
  count_up(x->t, &x->clients);
  GH_REQUIRE(x->no_client == GH_OK, x->no_client);
  GH_TRY(gh_secret_set(&key, octets, octets_of(x->key_hex, octets)));
  const gh_tls_client_options options = {.tls = {.tls13 = true, .require_ems = true, .datagram = binding->datagrams},
                                         .psk_identity = gh_str_of(keys[0].identity),
                                         .psk = &key};
  return gh_tls_client_new(&options, made, &diag);
}

/* A port that takes a point of access: answers 2002. */
static void send_through(void *ctx, gh_worker *worker, gh_outbound_call *out)
{
  (void)ctx;
  (void)worker;
  out->err = GH_OK;
  out->response = (gh_response){.rsc = GH_RSC_DELETED};
  out->done(out);
}

/* The port behind ours: answers 2004. */
static void send_next(void *ctx, gh_worker *worker, gh_outbound_call *out)
{
  out_test *x = ctx;
  (void)worker;
  count_up(x->t, &x->to_next);
  out->err = GH_OK;
  out->response = (gh_response){.rsc = GH_RSC_UPDATED};
  out->done(out);
}

static void init_worker(void *arg)
{
  out_test *x = arg;
  gh_worker_init(&x->worker, gh_loop_uv(x->loop), x->loop, &x->t->clock, NULL, NULL);
}

static int setup(void **state)
{
  make_bindings();
  out_test *x = calloc(1, sizeof *x);
  x->key_hex = GOOD_KEY;
  x->t = link_new(keys, 1);
  x->t->limits.idle_ms = 0; /* time that passes here is for the calls */
  link_open(x->t);
  assert_int_equal(gh_socket_bind("127.0.0.1", &x->silent_port, SOCK_STREAM, GH_PORT_NEW, &x->silent), GH_OK);
  assert_int_equal(gh_loop_start("outgoing", &x->loop), GH_OK);
  gh_loop_call(x->loop, init_worker, x);
  x->workers[0] = &x->worker;
  const gh_point_source source = {.ctx = x, .find = find, .client = client};
  x->outbound = gh_point_outbound_new(source, (gh_outbound){x, send_next}, x->workers, 1, NULL);
  *state = x;
  return 0;
}

static void close_worker(void *arg)
{
  gh_worker_close(arg);
}

static void end(out_test *x)
{
  gh_point_outbound_stop(x->outbound);
  gh_loop_call(x->loop, close_worker, &x->worker);
  gh_loop_stop(x->loop);
  gh_worker_free(&x->worker);
  gh_point_outbound_free(x->outbound);
  x->loop = NULL;
}

static int teardown(void **state)
{
  out_test *x = *state;
  if (x->loop) end(x);
  close(x->silent);
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
  const char *to, *points; /* blank between them; NULL: no points */
} wish;

static void send_on_worker(void *arg)
{
  const wish *w = arg;
  out_test *x = w->x;
  MUST(x->count < CALLS_MAX);
  call *c = &x->calls[x->count++];
  *c = (call){.x = x};
  gh_arena *a = &c->out.arena;
  gh_arena_init(a);
  gh_val *points = gh_val_array(a);
  gh_str rest = gh_str_of(w->points), one;
  while (gh_str_split(&rest, ' ', &one)) gh_val_push(points, gh_val_str(a, gh_arena_dup(a, one)));
  c->out.points = w->points ? points : NULL;
  c->out.entity = GH_STR("//sp.example.com/in-cse/Cmeter");
  c->out.request = (gh_request){.op = GH_OP_NOTIFY,
                                .to = gh_str_of(w->to),
                                .from = GH_STR("/in-cse/Capp"),
                                .has_from = true,
                                .rqi = gh_arena_fmt(a, "r%d", x->count),
                                .rvi = GH_STR("3"),
                                .rcn = GH_RCN_ABSENT,
                                .rt = 3};
  c->out.deadline_us = gh_clock_mono_us(&x->t->clock) + 100 * GH_US_PER_S;
  c->out.done = call_done;
  c->out.ctx = c;
  gh_outbound port = gh_point_outbound_port(x->outbound);
  port.send(port.ctx, &x->worker, &c->out);
}

static void begin(out_test *x, const char *to, const char *points)
{
  wish w = {.x = x, .to = to, .points = points};
  gh_loop_call(x->loop, send_on_worker, &w);
}

/* The call that was begun last. */
static const gh_outbound_call *await(out_test *x)
{
  wait_count(x->t, &x->done, x->count);
  assert_int_equal(x->calls[x->count - 1].done, 1);
  return &x->calls[x->count - 1].out;
}

static void assert_answered(out_test *x, const char *to, const char *points, int rsc)
{
  begin(x, to, points);
  const gh_outbound_call *out = await(x);
  if (out->err != GH_OK || out->response.rsc != rsc)
    fail_msg("%s at %s: %s %d, expected %d", to, points ? points : "-", gh_err_name(out->err), out->response.rsc,
             rsc);
}

/*= TS-0004 7.3.3.9.1; TS-0001 10.2.5.23 the first that is there; then whoever has a connection */
static void in_their_order(void **state)
{
  out_test *x = *state;
  assert_answered(x, "ae", "https://good/", 2000);
  assert_answered(x, "ae", "http://good https://unknown https://closed https://good/ https://closed", 2000);
  assert_int_equal(x->to_next, 0);
  assert_int_equal(counts_now(x->t).requests, 2);
  wait_closed(x->t, 2); /* no association outlives its request */
  static const char *const nowhere[] = {"", "http://good", "https://closed", "https://unknown https://closed", NULL};
  for (int i = 0; i < 5; i++) {
    assert_answered(x, "ae", nowhere[i], 2004);
    assert_int_equal(x->to_next, i + 1);
  }
  assert_answered(x, "ae",
                  "https://closed https://closed https://closed https://closed https://closed https://closed "
                  "https://closed https://closed https://good/",
                  2004); /* the ninth is not looked for */
  assert_int_equal(counts_now(x->t).requests, 2);
}

/* A name that is being looked up is waited for, and no longer than the call. */
static void names_that_take_their_time(void **state)
{
  out_test *x = *state;
  not_yet = 3;
  assert_answered(x, "ae", "https://closed https://later https://closed", 2000);
  assert_int_equal(not_yet, 0);
  assert_int_equal(x->to_next, 0);
  not_yet = INT32_MAX;
  begin(x, "ae", "https://later https://good/");
  pass_time(x->t, 101);
  assert_int_equal(await(x)->err, GH_ETIMEOUT);
  assert_int_equal(counts_now(x->t).requests, 1);
  begin(x, "ae", "https://later"); /* and the end comes first */
  end(x);
  assert_int_equal(await(x)->err, GH_ECONN);
}

/*= TS-0003 8.2.1 whoever cannot prove itself gets no request, and without a credential nobody is visited */
static void proof_comes_first(void **state)
{
  out_test *x = *state;
  x->key_hex = "ff23456789abcdef0123456789abcdef";
  assert_answered(x, "ae", "https://good/", 2004);
  x->key_hex = GOOD_KEY;
  x->no_client = GH_EAUTH;
  assert_answered(x, "ae", "https://good/", 2004);
  assert_int_equal(x->to_next, 2);
  assert_int_equal(counts_now(x->t).requests, 0);
  assert_int_equal(counts_now(x->t).ready, 0);
  x->no_client = GH_OK;
  assert_answered(x, "ae", "https://good/", 2000);
}

/* What may have arrived is not sent again, neither to the next point nor another way. */
static void sent_once(void **state)
{
  out_test *x = *state;
  static const char *const paths[] = {"cut", "half", "noise"};
  for (int i = 0; i < 3; i++) {
    begin(x, paths[i], "https://good/ https://good/");
    gh_err err = await(x)->err;
    assert_true(err == GH_ECONN || err == GH_EPROTO);
    assert_int_equal(counts_now(x->t).requests, i + 1);
  }
  begin(x, "never", "https://good/ https://good/");
  wait_count(x->t, &x->t->counts.requests, 4);
  pass_time(x->t, 101);
  assert_int_equal(await(x)->err, GH_ETIMEOUT);
  assert_int_equal(x->to_next, 0);
}

/* Whoever is silent leaves time for the next. */
static void silence(void **state)
{
  out_test *x = *state;
  begin(x, "ae", "https://silent https://good/");
  pass_time(x->t, 51);
  assert_int_equal(await(x)->err, GH_OK);
  begin(x, "ae", "https://silent");
  pass_time(x->t, 101);
  assert_int_equal(await(x)->err, GH_ETIMEOUT);
  assert_int_equal(x->to_next, 0);
}

/* A connection that ends in its ready call-back has carried nothing, and the next point is tried; one that ends in
 * the middle of writing may have. */
static void gone_while_we_write(void **state)
{
  out_test *x = *state;
  assert_answered(x, "ae", "ready-gone://good https://good/", 2000);
  assert_answered(x, "ae", "ready-gone://good", 2004);
  assert_int_equal(x->to_next, 1);
  assert_int_equal(counts_now(x->t).requests, 1);
  begin(x, "ae", "asked-gone://good https://good/");
  assert_int_equal(await(x)->err, GH_ECONN);
  assert_int_equal(x->to_next, 1);
}

/* Each binding has a client of its own, and what one cannot carry another may. */
static void over_several_bindings(void **state)
{
  out_test *x = *state;
  assert_answered(x, "ae", "unfit://good https://good/", 2000);
  assert_int_equal(x->clients, 2);
  begin(x, "ae", "coaps://closed coaps+tcp://closed https://closed https://good/");
  pass_time(x->t, 51); /* nobody says that a datagram has reached nobody */
  assert_int_equal(await(x)->err, GH_OK);
  assert_int_equal(x->clients, 5);
  begin(x, "ae", "coaps+tcp://good https://good/"); /* who is there does not speak CoAP, and may have understood */
  pass_time(x->t, 101);
  gh_err err = await(x)->err;
  assert_true(err == GH_ETIMEOUT || err == GH_EPROTO || err == GH_ECONN);
  assert_int_equal(counts_now(x->t).requests, 2);
  assert_int_equal(x->to_next, 0);
}

/* Whoever is behind a port proves the entity itself: no association of ours, and no client. */
static void through_a_port(void **state)
{
  out_test *x = *state;
  x->no_client = GH_EAUTH;
  assert_answered(x, "ae", "http://good mqtts://trusted https://good/", 2002);
  assert_int_equal(x->clients, 0);
  x->no_client = GH_OK;
  assert_answered(x, "ae", "https://good/ mqtts://trusted", 2000);
  assert_answered(x, "ae", "https://closed mqtts://trusted", 2002);
  assert_int_equal(x->to_next, 0);
}

static void the_end(void **state)
{
  out_test *x = *state;
  begin(x, "never", "https://good/");
  begin(x, "ae", "https://silent https://good/");
  wait_count(x->t, &x->t->counts.requests, 1);
  end(x);
  for (int i = 0; i < 2; i++) {
    assert_int_equal(x->calls[i].done, 1);
    assert_int_equal(x->calls[i].out.err, GH_ECONN);
  }
  assert_int_equal(x->to_next, 0);
}

int main(void)
{
  signal(SIGPIPE, SIG_IGN);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(in_their_order, setup, teardown),
      cmocka_unit_test_setup_teardown(proof_comes_first, setup, teardown),
      cmocka_unit_test_setup_teardown(sent_once, setup, teardown),
      cmocka_unit_test_setup_teardown(silence, setup, teardown),
      cmocka_unit_test_setup_teardown(gone_while_we_write, setup, teardown),
      cmocka_unit_test_setup_teardown(over_several_bindings, setup, teardown),
      cmocka_unit_test_setup_teardown(through_a_port, setup, teardown),
      cmocka_unit_test_setup_teardown(the_end, setup, teardown),
      cmocka_unit_test_setup_teardown(names_that_take_their_time, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
