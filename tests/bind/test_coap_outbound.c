/* Requests of a function to another over CoAP: over DTLS and TLS, in blocks, over a bad path, to peers that are
 * silent, that forget, or that hold another key. Each call is answered exactly once. */
#include "coap_server_fixture.h"

#include "../link/dtls_peer.h"
#include "bind/pool_outbound.h"
#include "host/id_map.h"

#define ENTITY "//sp.example.com/in-cse"

enum { CALLS_MAX = 64 };

typedef struct call {
  gh_outbound_call out;
  struct out_test *x;
  int done;
} call;

typedef struct out_test {
  served *s; /* the peer */
  gh_coap_server coap;
  gh_tls_server *dtls, *tls;
  gh_dtls_listener *udp;
  gh_listener *tcp;
  uint16_t udp_port, tcp_port, port; /* port: where the calls go */
  bool stream;
  gh_loop *loop;
  gh_worker worker;
  gh_worker *workers[1];
  gh_link_limits limits;
  gh_clock clock;
  gh_tls_client *client;
  gh_outbound_peer peer;
  gh_pool_outbound *outbound;
  call calls[CALLS_MAX];
  int count;
  int done;             /* under s->keys->lock */
  uint32_t handshaking; /* when it was last looked at */
} out_test;

static gh_err endpoint(void *ctx, gh_str fqdn, struct sockaddr_storage *address, socklen_t *len)
{
  const out_test *x = ctx;
  (void)fqdn;
  struct sockaddr_in *in = (struct sockaddr_in *)address;
  *in = (struct sockaddr_in){
      .sin_family = AF_INET, .sin_port = htons(x->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  *len = sizeof *in;
  return GH_OK;
}

static void init_worker(void *arg)
{
  out_test *x = arg;
  gh_worker_init(&x->worker, gh_loop_uv(x->loop), x->loop, &x->clock, NULL, &x->limits);
}

static void open_peer(out_test *x)
{
  gh_diag diag = {""};
  gh_random random = gh_random_system();
  x->coap = (gh_coap_server){.host = x->s->h.host, .max_body_bytes = 256 * 1024};
  gh_tls_options tls = x->s->keys->tls;
  tls.alpn = "coap";
  assert_int_equal(gh_tls_server_new(&tls, &x->s->keys->source, &random, &x->tls, &diag), GH_OK);
  tls.datagram = true;
  assert_int_equal(gh_tls_server_new(&tls, &x->s->keys->source, &random, &x->dtls, &diag), GH_OK);
  gh_listener_options udp = {.host = "127.0.0.1", .tls = x->dtls}, tcp = {.host = "127.0.0.1", .tls = x->tls};
  gh_coap_udp_listen_options(&x->coap, &udp);
  gh_coap_tcp_listen_options(&x->coap, &tcp);
  assert_int_equal(gh_dtls_listener_open(&udp, x->s->h.workers, 1, &random, &x->udp_port, &x->udp, &diag), GH_OK);
  assert_int_equal(gh_listener_open(&tcp, x->s->h.workers, 1, &x->tcp_port, &x->tcp, &diag), GH_OK);
  x->port = x->stream ? x->tcp_port : x->udp_port;
}

static void open_outbound(out_test *x, const char *key_hex)
{
  uint8_t octets[64];
  gh_secret key = {.len = 0};
  gh_diag diag = {""};
  assert_int_equal(gh_secret_set(&key, octets, octets_of(key_hex, octets)), GH_OK);
  const gh_tls_client_options options = {
      .tls = {.tls13 = true, .require_ems = true, .datagram = !x->stream, .alpn = x->stream ? "coap" : NULL},
      .server_name = GH_STR("in-cse.sp.example.com"),
      .psk_identity = GH_STR("meter@maf.sp.example.com"),
      .psk = &key};
  x->clock = (gh_clock){harness_wall, harness_mono, &x->s->h};
  x->limits = gh_link_default_limits;
  x->limits.idle_ms = 0;
  assert_int_equal(gh_loop_start("outgoing", &x->loop), GH_OK);
  gh_loop_call(x->loop, init_worker, x);
  assert_int_equal(gh_tls_client_new(&options, &x->client, &diag), GH_OK);
  x->workers[0] = &x->worker;
  x->peer = (gh_outbound_peer){.entity = GH_STR(ENTITY),
                               .host_header = GH_STR("in-cse.sp.example.com"),
                               .binding = x->stream ? &gh_coap_tcp_outbound : &gh_coap_outbound,
                               .tls = x->client,
                               .endpoint = endpoint,
                               .ctx = x};
  x->outbound = gh_pool_outbound_new(&x->peer, 1, x->workers, 1, NULL);
}

static int begin(void **state, bool stream, const char *key_hex)
{
  out_test *x = calloc(1, sizeof *x);
  void *inner = NULL;
  signal(SIGPIPE, SIG_IGN);
  setup_served(&inner);
  x->s = inner;
  x->stream = stream;
  open_peer(x);
  open_outbound(x, key_hex);
  *state = x;
  return 0;
}

static int over_udp(void **state)
{
  return begin(state, false, GOOD_KEY);
}

static int over_tcp(void **state)
{
  return begin(state, true, GOOD_KEY);
}

static int over_udp_wrong_key(void **state)
{
  return begin(state, false, "ff23456789abcdef0123456789abcdef");
}

static int over_tcp_wrong_key(void **state)
{
  return begin(state, true, "ff23456789abcdef0123456789abcdef");
}

static void close_worker(void *arg)
{
  gh_worker_close(arg);
}

static void end_outbound(out_test *x)
{
  if (!x->loop) return;
  gh_pool_outbound_stop(x->outbound);
  gh_loop_call(x->loop, close_worker, &x->worker);
  gh_loop_stop(x->loop);
  gh_worker_free(&x->worker);
  gh_pool_outbound_free(x->outbound);
  gh_tls_client_free(x->client);
  x->loop = NULL;
}

static int teardown(void **state)
{
  out_test *x = *state;
  void *inner = x->s;
  end_outbound(x);
  for (int i = 0; i < x->count; i++) gh_arena_free(&x->calls[i].out.arena);
  gh_dtls_listener_close(x->udp);
  gh_listener_close(x->tcp);
  teardown_served(&inner);
  gh_dtls_listener_free(x->udp);
  gh_listener_free(x->tcp);
  gh_tls_server_free(x->dtls);
  gh_tls_server_free(x->tls);
  free(x);
  return 0;
}

/* ---- calls */

typedef struct wish {
  out_test *x;
  gh_op op;
  const char *to;
  size_t content; /* octets of a <contentInstance> */
  int count;
  int64_t time_us;
} wish;

static void call_done(gh_outbound_call *out)
{
  call *c = out->ctx;
  c->done++;
  count_up(c->x->s->keys, &c->x->done);
}

static gh_val *instance_of(gh_arena *a, size_t octets)
{
  char *text = gh_arena_alloc(a, octets);
  memset(text, 'x', octets);
  gh_val *o = gh_val_object(a);
  gh_val_set(a, o, GH_STR("con"), gh_val_str(a, (gh_str){text, octets}));
  return gh_val_wrap(a, GH_STR("m2m:cin"), o);
}

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
    c->out.entity = GH_STR(ENTITY);
    c->out.request = (gh_request){.op = w->op,
                                  .to = gh_str_of(w->to),
                                  .from = GH_STR("Cmeter"),
                                  .has_from = true,
                                  .rqi = gh_arena_fmt(&c->out.arena, "r%d", x->count),
                                  .rvi = GH_STR("3"),
                                  .rcn = GH_RCN_ABSENT,
                                  .rt = 3,
                                  .ty = 4,
                                  .has_ty = w->op == GH_OP_CREATE};
    if (w->op == GH_OP_CREATE) c->out.request.pc = instance_of(&c->out.arena, w->content);
    c->out.deadline_us = gh_clock_mono_us(&x->worker.clock) + w->time_us;
    c->out.done = call_done;
    c->out.ctx = c;
    x->count++;
    port.send(port.ctx, &x->worker, &c->out);
  }
}

static void ask_for(out_test *x, wish w)
{
  w.x = x;
  if (!w.time_us) w.time_us = 100 * GH_US_PER_S;
  gh_loop_call(x->loop, send_on_worker, &w);
}

static void wait_done(out_test *x, int count)
{
  wait_count(x->s->keys, &x->done, count);
}

static void read_box(out_test *x, int count)
{
  ask_for(x, (wish){.op = GH_OP_RETRIEVE, .to = "cse-in/meter/box", .count = count});
  wait_done(x, x->count);
}

static void assert_all(const out_test *x, int from, int to, gh_err err, int rsc)
{
  for (int i = from; i < to; i++) {
    assert_int_equal(x->calls[i].done, 1);
    if (x->calls[i].out.err != err)
      fail_msg("call %d: %s, expected %s", i, gh_err_name(x->calls[i].out.err), gh_err_name(err));
    if (err == GH_OK) assert_int_equal(x->calls[i].out.response.rsc, rsc);
  }
}

/* ---- */

/* Questions and changes, over a few associations that are kept; what is refused comes back with its code. */
static void calls_are_answered(void **state)
{
  out_test *x = *state;
  read_box(x, 20);
  assert_all(x, 0, 20, GH_OK, 2000);
  assert_true(look_inside(x->s).connections <= 4);
  ask_for(x, (wish){.op = GH_OP_CREATE, .to = "cse-in/meter/box", .content = 10, .count = 3});
  wait_done(x, 23);
  assert_all(x, 20, 23, GH_OK, 2001);
  ask_for(x, (wish){.op = GH_OP_RETRIEVE, .to = "cse-in/other", .count = 1});
  wait_done(x, 24);
  assert_all(x, 23, 24, GH_OK, 4103);
  ask_for(x, (wish){.op = GH_OP_RETRIEVE, .to = "cse-in/meter/none", .count = 1});
  wait_done(x, 25);
  assert_all(x, 24, 25, GH_OK, 4004);
}

/*= TS-0008 6.5 */
static void long_contents_both_ways(void **state)
{
  out_test *x = *state;
  ask_for(x, (wish){.op = GH_OP_CREATE, .to = "cse-in/meter/box", .content = 20000, .count = 1});
  wait_done(x, 1);
  assert_all(x, 0, 1, GH_OK, 2001);
  ask_for(x, (wish){.op = GH_OP_RETRIEVE, .to = "cse-in/meter/box/la", .count = 4});
  wait_done(x, 5);
  assert_all(x, 1, 5, GH_OK, 2000);
  gh_str root, con = GH_STR_NONE;
  gh_val *attrs;
  assert_true(gh_val_unwrap(x->calls[1].out.response.pc, &root, &attrs));
  assert_true(gh_val_get_str(attrs, GH_STR("con"), &con));
  assert_int_equal(con.len, 20000);
}

/*= TS-0008 6.3.1 datagrams are lost, doubled and swapped: nothing is performed twice, every call is answered */
static void over_a_bad_path(void **state)
{
  out_test *x = *state;
  static relay r;
  x->port = relay_begin(&r, x->udp_port, 15, 5, 5);
  ask_for(x, (wish){.op = GH_OP_CREATE, .to = "cse-in/meter/box", .content = 1500, .count = 3});
  wait_done(x, 3);
  assert_all(x, 0, 3, GH_OK, 2001);
  end_outbound(x);
  relay_end(&r);
  assert_has(ask(&x->s->h, &meter_ae, GH_OP_RETRIEVE, "cse-in/meter/box", "Cmeter", 0, NULL), "\"cni\":3");
}

static int silent_socket(uint16_t *port)
{
  struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  assert_true(fd >= 0);
  assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
  *port = own_port_of(fd);
  return fd;
}

/* Nobody answers the handshake: time-out, as with HTTP; and when somebody does again, the calls go there. */
static void nobody_answers_the_handshake(void **state)
{
  out_test *x = *state;
  int fd = silent_socket(&x->port);
  ask_for(x, (wish){.op = GH_OP_RETRIEVE, .to = "cse-in/meter/box", .count = 6, .time_us = 300000});
  wait_done(x, 6);
  assert_all(x, 0, 6, GH_ETIMEOUT, 0);
  close(fd);
  x->port = x->udp_port;
  read_box(x, 6);
  assert_all(x, 6, 12, GH_OK, 2000);
}

/* The path breaks after the association stands: the calls under way end in time, the next ones find a new way. */
static void the_peer_falls_silent(void **state)
{
  out_test *x = *state;
  static relay r;
  x->port = relay_begin(&r, x->udp_port, 0, 0, 0);
  read_box(x, 4);
  assert_all(x, 0, 4, GH_OK, 2000);
  relay_end(&r);
  ask_for(x, (wish){.op = GH_OP_RETRIEVE, .to = "cse-in/meter/box", .count = 1, .time_us = 300000});
  wait_done(x, 5);
  assert_all(x, 4, 5, GH_ETIMEOUT, 0);
  x->port = x->udp_port;
  read_box(x, 4); /* over new associations: those that were idle are not believed in any more */
  assert_all(x, 5, 9, GH_OK, 2000);
}

static void count_handshakes(void *arg)
{
  out_test *x = arg;
  x->handshaking = x->worker.handshaking;
}

/* Until each association that was begun has come to stand: one that comes later would rightly be trusted. */
static void wait_handshakes(out_test *x)
{
  for (int i = 0; i < 30000; i++) {
    gh_loop_call(x->loop, count_handshakes, x);
    if (!x->handshaking) return;
    usleep(1000);
  }
  fail_msg("%u handshakes go on", x->handshaking);
}

/* The peer has forgotten its associations and could not say so, as one that was killed. Nothing was heard for some
 * time: the call, a change too, goes over a new association, in time and once. */ /*= RFC 7252 4.3 */
static void the_peer_has_forgotten(void **state)
{
  out_test *x = *state;
  static relay r;
  x->port = relay_begin(&r, x->udp_port, 0, 0, 0);
  read_box(x, 4);
  assert_all(x, 0, 4, GH_OK, 2000);
  wait_handshakes(x);
  atomic_store(&r.lose, 1); /* all of them */
  x->s->h.clock_offset_us += 400 * GH_US_PER_S;
  wait_connections(x->s, 0);
  atomic_store(&r.lose, 0);
  ask_for(x, (wish){.op = GH_OP_CREATE, .to = "cse-in/meter/box", .content = 10, .count = 1, .time_us = 20000000});
  ask_for(x, (wish){.op = GH_OP_RETRIEVE, .to = "cse-in/meter/box", .count = 1, .time_us = 20000000});
  wait_done(x, 6);
  assert_all(x, 4, 5, GH_OK, 2001);
  assert_all(x, 5, 6, GH_OK, 2000);
  end_outbound(x);
  relay_end(&r);
  assert_has(ask(&x->s->h, &meter_ae, GH_OP_RETRIEVE, "cse-in/meter/box", "Cmeter", 0, NULL), "\"cni\":1");
}

static uint64_t accepted_by(const out_test *x)
{
  return atomic_load(&x->s->h.worker.counters.accepted);
}

/* It forgets while a question is under way: the question is asked once more, long before its time is over. A change
 * is not: it may have been made. */
static void the_peer_forgets_while_it_is_asked(void **state)
{
  out_test *x = *state;
  static relay r;
  x->port = relay_begin(&r, x->udp_port, 0, 0, 0);
  read_box(x, 1);
  atomic_store(&r.lose, 1); /* all of them, from now on */
  x->port = x->udp_port;
  ask_for(x, (wish){.op = GH_OP_RETRIEVE, .to = "cse-in/meter/box", .count = 1, .time_us = 40 * GH_US_PER_S});
  wait_done(x, 2);
  assert_all(x, 0, 2, GH_OK, 2000);
  end_outbound(x);
  relay_end(&r);
}

static void a_change_is_not_made_twice(void **state)
{
  out_test *x = *state;
  static relay r;
  x->port = relay_begin(&r, x->udp_port, 0, 0, 0);
  read_box(x, 1);
  atomic_store(&r.lose, 1);
  x->port = x->udp_port;
  ask_for(
      x, (wish){.op = GH_OP_CREATE, .to = "cse-in/meter/box", .content = 10, .count = 1, .time_us = 6 * GH_US_PER_S});
  wait_done(x, 2);
  assert_all(x, 1, 2, GH_ETIMEOUT, 0);
  end_outbound(x);
  relay_end(&r);
  assert_has(ask(&x->s->h, &meter_ae, GH_OP_RETRIEVE, "cse-in/meter/box", "Cmeter", 0, NULL), "\"cni\":0");
}

typedef struct slow {
  _Atomic(gh_outbound_call *) asked;
  atomic_int count;
} slow;

static void send_slowly(void *ctx, gh_worker *worker, gh_outbound_call *out)
{
  slow *s = ctx;
  (void)worker;
  atomic_fetch_add(&s->count, 1);
  atomic_store(&s->asked, out);
}

static void answer_now(void *arg)
{
  gh_outbound_call *out = arg;
  out->err = GH_ECONN;
  out->done(out);
}

/* A peer that thinks for long answers the pings: it is asked once, over one association. */
static void a_slow_peer_is_not_doubted(void **state)
{
  out_test *x = *state;
  static slow s;
  s = (slow){.asked = NULL};
  read_box(x, 1);
  uint64_t accepted = accepted_by(x);
  x->s->h.host->outbound = (gh_outbound){&s, send_slowly};
  gh_id_map_set(x->s->h.host->routes, GH_STR("//sp.example.com/mn1"), GH_STR("//sp.example.com/mn1"));
  ask_for(x, (wish){.op = GH_OP_RETRIEVE, .to = "/mn1/cse-mn", .count = 1});
  for (int i = 0; i < 30000 && !atomic_load(&s.asked); i++) usleep(1000);
  assert_non_null(atomic_load(&s.asked));
  usleep(5500000); /* pings begin after two seconds and would be given up after a second and a half */
  gh_loop_call(x->s->h.workers[0]->loop, answer_now, atomic_load(&s.asked));
  wait_done(x, 2);
  assert_all(x, 1, 2, GH_OK, 5103);
  assert_int_equal(atomic_load(&s.count), 1);
  assert_int_equal(accepted_by(x), accepted);
}

/* A peer that is there answers the ping, and the association is kept. */
static void idle_associations_are_kept(void **state)
{
  out_test *x = *state;
  read_box(x, 1);
  uint64_t accepted = accepted_by(x);
  for (int i = 1; i <= 5; i++) {
    x->s->h.clock_offset_us += 100 * GH_US_PER_S;
    ask_for(x, (wish){.op = GH_OP_CREATE, .to = "cse-in/meter/box", .content = 10, .count = 1});
    wait_done(x, i + 1);
  }
  assert_all(x, 1, 6, GH_OK, 2001);
  assert_int_equal(accepted_by(x), accepted);
}

/* A ping that is lost is sent again. */
static void one_lost_ping_is_nothing(void **state)
{
  out_test *x = *state;
  static relay r;
  x->port = relay_begin(&r, x->udp_port, 0, 0, 0);
  read_box(x, 1);
  uint64_t accepted = accepted_by(x);
  atomic_store(&r.lose, 1);
  x->s->h.clock_offset_us += 100 * GH_US_PER_S;
  ask_for(x, (wish){.op = GH_OP_CREATE, .to = "cse-in/meter/box", .content = 10, .count = 1});
  for (int i = 0; i < 3000 && !atomic_load(&r.lost); i++) usleep(1000);
  assert_true(atomic_load(&r.lost) > 0);
  atomic_store(&r.lose, 0);
  wait_done(x, 2);
  assert_all(x, 1, 2, GH_OK, 2001);
  assert_int_equal(accepted_by(x), accepted);
  end_outbound(x);
  relay_end(&r);
}

/*= TS-0003 8.2.1 the association ends at the peer: whoever asks next makes a new one */
static void the_peer_ends_the_association(void **state)
{
  out_test *x = *state;
  read_box(x, 1);
  x->s->h.clock_offset_us += 25 * 3600 * GH_US_PER_S; /* longer than any association lives */
  wait_connections(x->s, 0);
  read_box(x, 1);
  assert_all(x, 0, 2, GH_OK, 2000);
}

/* Over TLS an alert says so; over datagrams records that do not verify are dropped, and that is silence. */
static void a_wrong_key(void **state)
{
  out_test *x = *state;
  ask_for(x, (wish){.op = GH_OP_RETRIEVE,
                    .to = "cse-in/meter/box",
                    .count = 6,
                    .time_us = x->stream ? 100 * GH_US_PER_S : GH_US_PER_S / 2});
  wait_done(x, 6);
  assert_all(x, 0, 6, x->stream ? GH_EAUTH : GH_ETIMEOUT, 0);
}

static void nobody_listens(void **state)
{
  out_test *x = *state;
  x->port = 1;
  ask_for(x, (wish){.op = GH_OP_RETRIEVE, .to = "cse-in/meter/box", .count = 6, .time_us = GH_US_PER_S / 2});
  wait_done(x, 6);
  assert_all(x, 0, 6, x->stream ? GH_ECONN : GH_ETIMEOUT, 0);
}

/* A segment that no option can hold ends its call alone. */
static void what_coap_cannot_carry(void **state)
{
  out_test *x = *state;
  char to[400] = "cse-in/";
  memset(to + 7, 'a', 300);
  ask_for(x, (wish){.op = GH_OP_RETRIEVE, .to = to, .count = 1});
  wait_done(x, 1);
  assert_all(x, 0, 1, GH_EINVAL, 0);
  read_box(x, 1);
  assert_all(x, 1, 2, GH_OK, 2000);
}

static void the_end_comes_while_calls_wait(void **state)
{
  out_test *x = *state;
  int fd = x->stream ? -1 : silent_socket(&x->port);
  ask_for(x, (wish){.op = GH_OP_RETRIEVE, .to = "cse-in/meter/box", .count = 30});
  end_outbound(x);
  wait_done(x, 30);
  for (int i = 0; i < 30; i++) assert_int_equal(x->calls[i].done, 1);
  if (fd >= 0) close(fd);
}

int main(void)
{
#define UDP(f) cmocka_unit_test_setup_teardown(f, over_udp, teardown)
#define TCP(f) cmocka_unit_test_setup_teardown(f, over_tcp, teardown)
  const struct CMUnitTest tests[] = {
      UDP(calls_are_answered),
      TCP(calls_are_answered),
      UDP(long_contents_both_ways),
      TCP(long_contents_both_ways),
      UDP(over_a_bad_path),
      UDP(nobody_answers_the_handshake),
      UDP(the_peer_falls_silent),
      UDP(the_peer_has_forgotten),
      UDP(the_peer_forgets_while_it_is_asked),
      UDP(a_change_is_not_made_twice),
      UDP(a_slow_peer_is_not_doubted),
      UDP(idle_associations_are_kept),
      TCP(idle_associations_are_kept),
      UDP(one_lost_ping_is_nothing),
      UDP(the_peer_ends_the_association),
      TCP(the_peer_ends_the_association),
      cmocka_unit_test_setup_teardown(a_wrong_key, over_udp_wrong_key, teardown),
      cmocka_unit_test_setup_teardown(a_wrong_key, over_tcp_wrong_key, teardown),
      UDP(nobody_listens),
      TCP(nobody_listens),
      UDP(what_coap_cannot_carry),
      TCP(what_coap_cannot_carry),
      UDP(the_end_comes_while_calls_wait),
      TCP(the_end_comes_while_calls_wait),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
