/* Real handshakes: two hundred strangers with invented identities wait at a slow MAF, and devices come in between.
 * TP-18. */
#include "../link/tls_peer.h"
#include "harness.h"

#include "m2m/m2m_time.h"

#include <arpa/inet.h>
#include <fcntl.h>

enum { STRANGERS = 200, ROUND_MS = 5, MOST_BEFORE = 10, TURNS = 100 };
#define KNOWN "DE01@maf.sp.example.com"
#define FRESH "DE02@maf.sp.example.com"

typedef struct strangers_test {
  harness h;
  gh_tls_server *tls;
  gh_listener *listener;
  uint16_t port;
  uv_timer_t round; /* of the slow MAF */
  gh_outbound_call *waiting[2 * STRANGERS];
  int count;         /* on the worker */
  _Atomic int spare; /* strangers whom the MAF still answers before it stalls */
  _Atomic int asked, answered;
} strangers_test;

static void answer_call(strangers_test *t, gh_outbound_call *call)
{
  gh_arena *a = &call->arena;
  call->err = GH_OK;
  call->response = (gh_response){.rsc = GH_RSC_NOT_FOUND};
  if (gh_str_starts(call->request.to, GH_STR("maf/DE"))) {
    gh_val *key = gh_val_object(a);
    gh_val_set(a, key, GH_STR("suid"), gh_val_int(a, 32));
    gh_val_set(a, key, GH_STR("kv"), gh_val_str(a, GH_STR("MDEyMzQ1Njc4OWFiY2RlZg==")));
    gh_val_set(a, key, GH_STR("cr"), gh_val_str(a, GH_STR("//sp.example.com/in-cse/Cmeter")));
    gh_val_set(a, key, GH_STR("et"), gh_val_str(a, gh_timestamp(a, gh_host_now_us(t->h.host) + 3600 * GH_US_PER_S)));
    call->response = (gh_response){.rsc = GH_RSC_OK, .pc = gh_val_wrap(a, GH_STR("sec:skr"), key)};
  }
  atomic_fetch_add(&t->answered, 1);
  call->done(call);
}

static void answer_waiting(strangers_test *t, bool everybody)
{
  for (int i = 0; i < t->count; i++) { /* answers bring further questions */
    gh_outbound_call *call = t->waiting[i];
    if (!call) continue;
    bool device = gh_str_starts(call->request.to, GH_STR("maf/DE"));
    if (!everybody && !device && atomic_load(&t->spare) == 0) continue;
    if (!everybody && !device) atomic_fetch_sub(&t->spare, 1);
    t->waiting[i] = NULL;
    answer_call(t, call);
  }
}

/* The slowest MAF that there can be: it answers devices, and no more strangers than it must. Where these stand in the
 * way, a device never comes in. */
static void on_round(uv_timer_t *timer)
{
  answer_waiting(timer->data, false);
}

static void ask_issuer(void *ctx, gh_worker *worker, gh_outbound_call *call)
{
  strangers_test *t = ctx;
  (void)worker;
  MUST(t->count < 2 * STRANGERS);
  t->waiting[t->count++] = call;
  atomic_fetch_add(&t->asked, 1);
}

static void start_rounds(void *arg)
{
  strangers_test *t = arg;
  uv_timer_init(t->h.worker.uv, &t->round);
  t->round.data = t;
  uv_timer_start(&t->round, on_round, ROUND_MS, ROUND_MS);
}

static void end_rounds(void *arg)
{
  strangers_test *t = arg;
  uv_close((uv_handle_t *)&t->round, NULL);
  answer_waiting(t, true);
}

static void nothing(gh_conn *conn, void *ctx)
{
  (void)conn, (void)ctx;
}

static void no_data(gh_conn *conn, void *ctx, gh_str octets)
{
  (void)conn, (void)ctx, (void)octets;
}

static void no_end(gh_conn *conn, void *ctx, gh_err why, const char *reason)
{
  (void)conn, (void)ctx, (void)why, (void)reason;
}

static void *same_ctx(void *owner, gh_worker *worker)
{
  (void)worker;
  return owner;
}

static int setup(void **state)
{
  static const gh_conn_handler handler = {nothing, no_data, no_end};
  strangers_test *t = calloc(1, sizeof *t);
  gh_random random = gh_random_system();
  gh_diag diag = {""};
  const gh_tls_options tls = {.tls13 = true, .require_ems = true};
  signal(SIGPIPE, SIG_IGN);
  harness_prepare(&t->h, &gh_cse_function);
  t->h.options.outbound = (gh_outbound){t, ask_issuer};
  t->h.options.config.fetch_timeout_us = 60 * GH_US_PER_S;
  t->h.options.config.recheck_us = 30 * GH_US_PER_S;
  harness_open(&t->h);
  gh_loop_call(t->h.loop, start_rounds, t);
  assert_int_equal(gh_tls_server_new(&tls, &t->h.host->key_source, &random, &t->tls, &diag), GH_OK);
  const gh_listener_options options = {
      .host = "127.0.0.1", .tls = t->tls, .handler = &handler, .new_ctx = same_ctx, .owner = t};
  assert_int_equal(gh_listener_open(&options, t->h.workers, 1, &t->port, &t->listener, &diag), GH_OK);
  *state = t;
  return 0;
}

static int teardown(void **state)
{
  strangers_test *t = *state;
  gh_listener_close(t->listener);
  gh_loop_call(t->h.loop, end_rounds, t);
  harness_stop(&t->h);
  gh_listener_free(t->listener);
  gh_tls_server_free(t->tls);
  free(t);
  return 0;
}

/* Devices and strangers live at different addresses; the whole of 127/8 is this machine. */
static int connect_from(const char *own, uint16_t port)
{
  struct sockaddr_in at = {.sin_family = AF_INET};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_int_equal(inet_pton(AF_INET, own, &at.sin_addr), 1);
  assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  at.sin_port = htons(port);
  assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
  return fd;
}

static void prepare(strangers_test *t, tls_peer *p, const char *own, const char *identity)
{
  const tls_peer_options options = {.identity = identity,
                                    .key_hex = "30313233343536373839616263646566",
                                    .min_version = TLS1_3_VERSION, /* the identity is in the first message */
                                    .max_version = TLS1_3_VERSION,
                                    .connected = connect_from(own, t->port)};
  peer_prepare(p, t->port, &options);
}

static void device_comes(strangers_test *t, const char *identity)
{
  tls_peer p;
  prepare(t, &p, "127.0.0.2", identity);
  int flags = fcntl(p.fd, F_GETFL);
  assert_int_equal(fcntl(p.fd, F_SETFL, flags | O_NONBLOCK), 0);
  bool done = peer_handshake(&p);                                                 /* its first message */
  for (int i = 0; i < TURNS; i++) gh_loop_call(t->h.loop, harness_nothing, NULL); /* is read, and waits in the line */
  atomic_store(&t->spare, MOST_BEFORE);
  assert_int_equal(fcntl(p.fd, F_SETFL, flags), 0);
  if (!done && !peer_handshake(&p)) fail_msg("%s: alert %d", identity, p.alert);
  atomic_store(&t->spare, 0);
  peer_end(&p);
}

static void wait_asked_issuer(strangers_test *t, int wanted)
{
  for (int i = 0; i < 5000 && atomic_load(&t->asked) < wanted; i++) usleep(1000);
  assert_true(atomic_load(&t->asked) >= wanted);
}

static void two_hundred_strangers(void **state)
{
  strangers_test *t = *state;
  static tls_peer strangers[STRANGERS];
  static char identities[STRANGERS][40];
  device_comes(t, KNOWN);
  t->h.clock_offset_us += 31 * GH_US_PER_S; /* to be confirmed at the MAF */
  for (int i = 0; i < STRANGERS; i++) {
    snprintf(identities[i], sizeof identities[i], "%06X@maf.sp.example.com", i);
    prepare(t, &strangers[i], "127.0.0.1", identities[i]);
    assert_int_equal(fcntl(strangers[i].fd, F_SETFL, O_NONBLOCK), 0);
    assert_false(peer_handshake(&strangers[i])); /* sends its first message, and does not wait */
  }
  wait_asked_issuer(t, 2);
  device_comes(t, KNOWN);
  device_comes(t, FRESH);
  assert_in_range(atomic_load(&t->answered), 3, 3 * (MOST_BEFORE + 1)); /* the strangers still wait */
  for (int i = 0; i < STRANGERS; i++) peer_end(&strangers[i]);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(two_hundred_strangers, setup, teardown)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
