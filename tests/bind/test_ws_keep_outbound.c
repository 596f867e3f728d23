/* The WebSocket that a CSE keeps open to its registrar, which is played by the test: requests of both sides, calls
 * that wait for the connection, refusals of every kind, and coming back. */
#include "ws_fixture.h"

#include <arpa/inet.h>
#include <fcntl.h>

#include "bind/ws_keep_outbound.h"

#define IN_CSE "//sp.example.com/registrar"
#define NAME "registrar.sp.example.com"

static const link_key registrar_keys[] = {
    {.identity = "mcc@keys.example.com", .key_hex = GOOD_KEY, .peer_id = METER}};

typedef enum manner { /* of the registrar, from the next handshake on */
                      GRANTS,
                      GRANTS_AND_ASKS, /* its first request comes with the grant */
                      GRANTS_AND_LEAVES,
                      HOLDS, /* says nothing */
                      REFUSES,
                      NOT_UPGRADED,
                      WRONG_ACCEPT,
                      NO_PROTOCOL,
                      OTHER_PROTOCOL,
                      EXTENDS,
                      NOISE,
                      CUTS
} manner;

typedef struct kept {
  ws_served *w; /* the CSE that keeps the connection: its host, two workers */
  link_test *registrar;
  gh_ws_keeper *keeper;
  gh_outbound_peer peer;
  gh_tls_client *tls;
  bool no_credential, stopped;
  _Atomic bool no_address;
  _Atomic int manner, looked_up;
  int offers, responses, ended, passed_on; /* under registrar->lock */
  char text[200];                          /* of the last response; the same */
  gh_log log;
  FILE *lines;
} kept;

/* ---- the registrar, on its loop */

typedef struct session {
  kept *k;
  gh_conn *conn;
  gh_http_reader reader;
  gh_ws_stream *stream;
} session;

static void *new_session(void *owner, gh_worker *worker)
{
  (void)worker;
  session *s = calloc(1, sizeof *s);
  s->k = owner;
  gh_http_reader_init(&s->reader, GH_HTTP_REQUESTS, NULL);
  s->reader.websocket = true;
  return s;
}

static void on_ready(gh_conn *conn, void *ctx)
{
  ((session *)ctx)->conn = conn;
}

static void tell(session *s, const char *text)
{
  MUST(gh_ws_send(s->stream, GH_REP_JSON, gh_str_of(text)));
  gh_conn_flush(s->conn);
}

/* Requests are answered with 2000, except for one that is to cut the connection, and one that is left unanswered. */
static void on_message(void *ctx, bool binary, gh_str octets)
{
  session *s = ctx;
  char text[2000], rqi[64] = "";
  MUST(!binary && octets.len < sizeof text);
  memcpy(text, octets.ptr, octets.len);
  text[octets.len] = '\0';
  const char *at = strstr(text, "\"rqi\":\"");
  if (at) sscanf(at + 7, "%63[^\"]", rqi);
  if (strstr(text, "\"rsc\":")) {
    pthread_mutex_lock(&s->k->registrar->lock);
    snprintf(s->k->text, sizeof s->k->text, "%.190s", text);
    pthread_mutex_unlock(&s->k->registrar->lock);
    count_up(s->k->registrar, &s->k->responses);
  } else if (strstr(text, "\"to\":\"cut\"")) {
    gh_conn_close(s->conn, GH_OK, "asked to");
  } else if (!strstr(text, "\"to\":\"never\"")) {
    char reply[120];
    snprintf(reply, sizeof reply, "{\"rsc\":2000,\"rqi\":\"%s\"}", rqi);
    tell(s, reply);
  }
}

static void open_stream(session *s)
{
  s->stream = gh_ws_stream_new(&(gh_ws_options){.role = GH_WS_SERVER,
                                                .max_message_bytes = 1 << 16,
                                                .random = gh_random_system(),
                                                .out = gh_conn_out(s->conn),
                                                .message = on_message,
                                                .ctx = s});
}

#define ASKS "{\"op\":2,\"to\":\"cse-in\",\"fr\":\"/registrar\",\"rqi\":\"r1\",\"rvi\":\"3\"}"

static void grant(session *s, manner how, gh_ws_grant *granted)
{
  gh_buf *out = gh_conn_out(s->conn);
  if (how == WRONG_ACCEPT) granted->accept[0] = granted->accept[0] == 'A' ? 'B' : 'A';
  if (how == OTHER_PROTOCOL) granted->protocol = GH_STR("oneM2M.cbor");
  if (how == NO_PROTOCOL || how == EXTENDS) {
    gh_buf_fmt(out, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n");
    gh_buf_fmt(out, "Sec-WebSocket-Accept: %s\r\n", granted->accept);
    if (how == EXTENDS)
      gh_buf_add(out, GH_STR("Sec-WebSocket-Protocol: oneM2M.json\r\nSec-WebSocket-Extensions: x\r\n"));
    gh_buf_add(out, GH_STR("\r\n"));
  } else {
    gh_ws_write_grant(out, granted);
  }
  if (how > GRANTS_AND_LEAVES) return;
  open_stream(s);
  if (how == GRANTS_AND_ASKS) tell(s, ASKS);
  if (how == GRANTS_AND_LEAVES) gh_ws_close(s->stream, GH_WS_GOING_AWAY, "");
}

static void take_offer(session *s)
{
  manner how = (manner)atomic_load(&s->k->manner);
  gh_ws_grant granted;
  const char *why = "";
  gh_buf *out = gh_conn_out(s->conn);
  MUST(gh_ws_judge_offer(&s->reader.message, &granted, &why) == 101);
  if (how == REFUSES)
    gh_ws_write_refusal(out, 403, "not you");
  else if (how == NOT_UPGRADED)
    gh_buf_add(out, GH_STR("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
  else if (how == NOISE)
    gh_buf_add(out, GH_STR("220 this is another protocol\r\n\r\n"));
  else if (how == CUTS)
    gh_conn_close(s->conn, GH_OK, "cut");
  else if (how != HOLDS)
    grant(s, how, &granted);
  if (how != CUTS) gh_conn_flush(s->conn);
  count_up(s->k->registrar, &s->k->offers);
}

static void on_data(gh_conn *conn, void *ctx, gh_str octets)
{
  session *s = ctx;
  size_t used = 0;
  (void)conn;
  if (s->stream) {
    gh_ws_feed(s->stream, octets, &used);
    if (gh_conn_is_open(s->conn)) gh_conn_flush(s->conn);
    return;
  }
  gh_http_state state = gh_http_feed(&s->reader, octets, &used);
  MUST(state != GH_HTTP_ERROR);
  if (state == GH_HTTP_MESSAGE) take_offer(s);
}

static void on_closed(gh_conn *conn, void *ctx, gh_err why, const char *reason)
{
  session *s = ctx;
  kept *k = s->k;
  (void)conn, (void)why, (void)reason;
  gh_ws_stream_free(s->stream);
  gh_http_reader_free(&s->reader);
  free(s);
  count_up(k->registrar, &k->ended);
}

/* ---- begin and end */

static gh_err endpoint(void *ctx, gh_str fqdn, struct sockaddr_storage *address, socklen_t *len)
{
  kept *k = ctx;
  (void)fqdn;
  k->looked_up++;
  if (k->no_address) return GH_ENOTFOUND;
  *(struct sockaddr_in *)address = (struct sockaddr_in){
      .sin_family = AF_INET, .sin_port = htons(k->registrar->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  *len = sizeof(struct sockaddr_in);
  return GH_OK;
}

static gh_tls_client *choose_tls(void *ctx, const gh_outbound_peer *peer, const gh_outbound_binding *binding)
{
  (void)binding;
  const kept *k = ctx;
  return k->no_credential ? NULL : gh_tls_client_ref(peer->tls);
}

static void send_next(void *ctx, gh_worker *worker, gh_outbound_call *call)
{
  kept *k = ctx;
  (void)worker;
  count_up(k->registrar, &k->passed_on);
  call->err = GH_EUNSUPPORTED;
  call->done(call);
}

static void open_registrar(kept *k)
{
  static const gh_conn_handler handler = {on_ready, on_data, on_closed};
  k->registrar = link_new(registrar_keys, 1);
  k->registrar->limits.idle_ms = 0; /* time that passes here is for the calls */
  k->registrar->limits.request_ms = 0;
  k->registrar->listen.handler = &handler;
  k->registrar->listen.new_ctx = new_session;
  k->registrar->listen.owner = k;
  link_open(k->registrar);
}

static kept *prepare(const char *key_hex)
{
  kept *k = calloc(1, sizeof *k);
  uint8_t octets[64];
  gh_secret key = {.len = 0};
  gh_diag diag = {""};
  void *inner = NULL;
  open_registrar(k);
  assert_int_equal(gh_secret_set(&key, octets, octets_of(key_hex, octets)), GH_OK);
  const gh_tls_client_options options = {.tls = {.tls13 = true, .require_ems = true},
                                         .server_name = GH_STR(NAME),
                                         .psk_identity = gh_str_of(registrar_keys[0].identity),
                                         .psk = &key};
  assert_int_equal(gh_tls_client_new(&options, &k->tls, &diag), GH_OK);
  k->peer = (gh_outbound_peer){.entity = GH_STR(IN_CSE),
                               .host_header = GH_STR(NAME),
                               .tls = k->tls,
                               .choose_tls = choose_tls,
                               .endpoint = endpoint,
                               .ctx = k};
  k->lines = tmpfile();
  assert_non_null(k->lines);
  k->log = (gh_log){.level = GH_LOG_INFO, .fd = fileno(k->lines), .clock = gh_clock_system()};
  k->keeper = gh_ws_keeper_new(&k->peer, GH_REP_JSON, (gh_outbound){k, send_next}, &k->log);
  setup_ws_before(&inner, gh_ws_keeper_port(k->keeper));
  k->w = inner;
  return k;
}

static int setup(void **state)
{
  *state = prepare(GOOD_KEY);
  return 0;
}

static int setup_wrong_key(void **state)
{
  *state = prepare("ff23456789abcdef0123456789abcdef");
  return 0;
}

static void start(kept *k)
{
  gh_ws_keeper_start(k->keeper, &k->w->server, k->w->workers[0]);
}

static void stop(kept *k)
{
  if (!k->stopped) gh_ws_keeper_stop(k->keeper);
  k->stopped = true;
}

static int teardown(void **state)
{
  kept *k = *state;
  void *inner = k->w;
  stop(k);
  teardown_ws(&inner);
  gh_ws_keeper_free(k->keeper);
  gh_tls_client_free(k->tls);
  link_end(k->registrar);
  fclose(k->lines);
  free(k);
  return 0;
}

static void wait_for(kept *k, const int *count, int wanted)
{
  wait_count(k->registrar, count, wanted);
}

/* Lines of the log that hold this. */
static int lines_with(kept *k, const char *what)
{
  static char text[65536];
  ssize_t len = pread(fileno(k->lines), text, sizeof text - 1, 0);
  int count = 0;
  text[len > 0 ? len : 0] = '\0';
  for (const char *at = strstr(text, what); at; at = strstr(at + 1, what)) count++;
  return count;
}

static void wait_lines(kept *k, const char *what, int wanted)
{
  for (time_t begun = time(NULL); lines_with(k, what) < wanted && time(NULL) < begun + LINK_WAIT_S;) usleep(5000);
  if (lines_with(k, what) < wanted) fail_msg("waited for %d times %s", wanted, what);
}

/* ---- calls of the CSE */

typedef struct asked {
  gh_outbound_call out;
  kept *k;
  gh_worker *worker;
  int done; /* under registrar->lock */
} asked;

static void on_done(gh_outbound_call *out)
{
  asked *a = out->ctx;
  count_up(a->k->registrar, &a->done);
}

static void submit(void *arg)
{
  asked *a = arg;
  gh_outbound port = gh_ws_outbound_port(a->k->w->server.outbound);
  port.send(port.ctx, a->worker, &a->out);
}

static void begin(kept *k, asked *a, int worker, const char *entity, const char *to, int64_t life_us)
{
  *a = (asked){.k = k, .worker = k->w->workers[worker]};
  gh_arena_init(&a->out.arena);
  a->out.entity = gh_str_of(entity);
  a->out.deadline_us = harness_mono(&k->w->s->h) + life_us;
  a->out.done = on_done;
  a->out.ctx = a;
  a->out.request = (gh_request){.op = GH_OP_RETRIEVE,
                                .to = gh_str_of(to),
                                .from = GH_STR("/in-cse"),
                                .has_from = true,
                                .rqi = GH_STR("n1"),
                                .rvi = GH_STR("3"),
                                .rcn = GH_RCN_ABSENT};
  gh_loop_call(a->worker->loop, submit, a);
}

static int done_now(asked *a)
{
  pthread_mutex_lock(&a->k->registrar->lock);
  int done = a->done;
  pthread_mutex_unlock(&a->k->registrar->lock);
  return done;
}

static gh_err end(asked *a)
{
  wait_for(a->k, &a->done, 1);
  gh_loop_call(a->worker->loop, harness_nothing, NULL);
  assert_int_equal(done_now(a), 1);
  gh_err err = a->out.err;
  gh_arena_free(&a->out.arena);
  return err;
}

/* Asks until it works: after a loss the connection comes back by itself. */
static void reached(kept *k, int worker)
{
  gh_err err = GH_ECONN;
  for (time_t begun = time(NULL); err != GH_OK && time(NULL) < begun + LINK_WAIT_S; usleep(5000)) {
    asked a;
    begin(k, &a, worker, IN_CSE, "x", 5 * GH_US_PER_S);
    err = end(&a);
  }
  assert_int_equal(err, GH_OK);
}

/* ---- tests */

/*= TS-0020 6.4; TS-0003 8.2.1 the association proves the registrar: it asks, and is asked, over one connection */
static void both_directions(void **state)
{
  kept *k = *state;
  asked a[4];
  k->manner = GRANTS_AND_ASKS;
  start(k);
  wait_for(k, &k->responses, 1);
  assert_non_null(strstr(k->text, "\"rqi\":\"r1\""));
  assert_null(strstr(k->text, "4106")); /* believed for itself */
  for (int i = 0; i < 4; i++) begin(k, &a[i], i % 2, IN_CSE, "x", 20 * GH_US_PER_S);
  for (int i = 0; i < 4; i++) assert_int_equal(end(&a[i]), GH_OK);
  for (int i = 0; i < 4; i++) assert_int_equal(a[i].out.response.rsc, 2000);
  assert_int_equal(k->offers, 1);
}

static void the_registrar_is_nobody_else(void **state)
{
  kept *k = *state;
  asked a;
  start(k);
  wait_lines(k, "websocket-open", 1);
  begin(k, &a, 0, "//sp.example.com/other", "x", 20 * GH_US_PER_S);
  assert_int_equal(end(&a), GH_EUNSUPPORTED); /* left to the next port */
  begin(k, &a, 1, METER, "x", 20 * GH_US_PER_S);
  assert_int_equal(end(&a), GH_EUNSUPPORTED);
  assert_int_equal(k->passed_on, 2);
}

/*= TS-0020 6.2.3.4; 6.2.3.5; 6.2.3.6 each is no WebSocket: nothing is asked over it, and it is tried again */
static void refused(void **state)
{
  static const manner ways[] = {REFUSES, NOT_UPGRADED, WRONG_ACCEPT, NO_PROTOCOL, OTHER_PROTOCOL, EXTENDS, NOISE};
  kept *k = *state;
  for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
    asked a;
    void *again = NULL;
    k->manner = ways[i];
    start(k);
    wait_lines(k, "websocket-not-open", 1);
    if (lines_with(k, "websocket-refused") != 1) fail_msg("way %zu was not refused", i);
    assert_int_equal(lines_with(k, "websocket-open "), 0);
    begin(k, &a, (int)i % 2, IN_CSE, "x", 20 * GH_US_PER_S);
    assert_int_equal(end(&a), GH_ECONN);
    if (i == 0) { /* and then it is granted */
      k->manner = GRANTS;
      reached(k, 1);
    }
    if (i + 1 == sizeof ways / sizeof *ways) break;
    teardown((void **)&k);
    setup(&again);
    *state = k = again;
  }
}

/* Calls that come while the connection is being made wait for it. */
static void calls_wait(void **state)
{
  kept *k = *state;
  asked a[2], late;
  k->manner = HOLDS;
  start(k);
  wait_for(k, &k->offers, 1);
  for (int i = 0; i < 2; i++) begin(k, &a[i], i, IN_CSE, "x", 3600 * GH_US_PER_S);
  begin(k, &late, 1, IN_CSE, "x", 0);
  assert_int_equal(end(&late), GH_ETIMEOUT);
  for (int i = 0; i < 2; i++) assert_int_equal(done_now(&a[i]), 0);
  k->w->s->h.clock_offset_us += 60 * GH_US_PER_S; /* the time of the handshake is over */
  for (int i = 0; i < 2; i++) assert_int_equal(end(&a[i]), GH_ECONN);
  k->manner = GRANTS;
  reached(k, 0);
}

/* The log blocks between the grant and the open connection: calls of other workers wait until it can be found. */
static void calls_wait_until_it_is_found(void **state)
{
  kept *k = *state;
  int pipe_ends[2];
  char octets[4096] = "";
  asked a;
  assert_int_equal(pipe(pipe_ends), 0);
  fcntl(pipe_ends[1], F_SETFL, O_NONBLOCK);
  while (write(pipe_ends[1], octets, sizeof octets) > 0) continue;
  fcntl(pipe_ends[1], F_SETFL, 0);
  k->log.fd = pipe_ends[1];
  start(k);
  wait_for(k, &k->offers, 1);
  int turns = 0;
  begin(k, &a, 1, IN_CSE, "x", 3600 * GH_US_PER_S);
  for (time_t begun = time(NULL); turns < 50 && time(NULL) < begun + LINK_WAIT_S; turns++) {
    usleep(5000); /* it looks every 20 ms */
    if (done_now(&a)) break;
  }
  int too_early = done_now(&a);
  fcntl(pipe_ends[0], F_SETFL, O_NONBLOCK);
  while (read(pipe_ends[0], octets, sizeof octets) > 0) continue;
  gh_err err = end(&a);
  stop(k);
  gh_loop_call(k->w->s->h.loop, harness_nothing, NULL);
  k->log.fd = fileno(k->lines);
  close(pipe_ends[0]);
  close(pipe_ends[1]);
  assert_int_equal(too_early, 0);
  assert_int_equal(err, GH_OK);
}

static void comes_back(void **state)
{
  kept *k = *state;
  asked lost[2], cut;
  start(k);
  wait_lines(k, "websocket-open", 1);
  for (int i = 0; i < 2; i++) begin(k, &lost[i], i, IN_CSE, "never", 3600 * GH_US_PER_S);
  begin(k, &cut, 0, IN_CSE, "cut", 3600 * GH_US_PER_S);
  for (int i = 0; i < 2; i++) assert_int_equal(end(&lost[i]), GH_ECONN);
  assert_int_equal(end(&cut), GH_ECONN);
  reached(k, 1);
  assert_int_equal(k->offers, 2);
  assert_int_equal(lines_with(k, "websocket-open "), 2);
}

/* What comes with the grant can end the connection at once. */
static void ends_with_the_grant(void **state)
{
  kept *k = *state;
  asked a;
  k->manner = GRANTS_AND_LEAVES;
  start(k);
  wait_lines(k, "websocket-not-open", 1);
  begin(k, &a, 0, IN_CSE, "x", 3600 * GH_US_PER_S);
  assert_int_equal(end(&a), GH_ECONN); /* it is not taken for open */
  k->manner = GRANTS;
  reached(k, 0);
}

static int pause_at(kept *k, int index)
{
  static char text[65536];
  ssize_t len = pread(fileno(k->lines), text, sizeof text - 1, 0);
  text[len > 0 ? len : 0] = '\0';
  const char *at = text;
  for (int i = 0; i <= index && at; i++) at = strstr(at + 1, "again_ms=");
  return at ? atoi(at + 9) : -1;
}

static void pauses_grow_and_are_drawn(void **state)
{
  kept *k = *state;
  k->manner = CUTS;
  start(k);
  wait_lines(k, "websocket-not-open", 3);
  for (int i = 0; i < 3; i++) {
    int least = 500 << i, pause = pause_at(k, i);
    if (pause < least || pause >= least + least / 2) fail_msg("pause %d is %d ms", i, pause);
  }
}

/* No address, no credential, a credential that the registrar does not know: nothing goes out, never in clear. */
static void no_address(void **state)
{
  kept *k = *state;
  asked a;
  k->no_address = true;
  start(k);
  wait_lines(k, "its address is not known", 1);
  begin(k, &a, 0, IN_CSE, "x", 3600 * GH_US_PER_S);
  assert_int_equal(end(&a), GH_ECONN);
  k->no_address = false;
  reached(k, 0);
}

static void no_credential(void **state)
{
  kept *k = *state;
  asked a;
  k->no_credential = true;
  start(k);
  wait_lines(k, "no credential", 2);
  begin(k, &a, 1, IN_CSE, "x", 3600 * GH_US_PER_S);
  assert_int_equal(end(&a), GH_ECONN);
  assert_int_equal(k->registrar->worker.counters.accepted, 0);
  assert_int_equal(k->offers, 0);
}

static void wrong_key(void **state)
{
  kept *k = *state;
  asked a;
  start(k);
  wait_lines(k, "websocket-not-open", 1);
  begin(k, &a, 1, IN_CSE, "x", 3600 * GH_US_PER_S);
  assert_int_equal(end(&a), GH_ECONN);
  assert_int_equal(k->offers, 0);
}

/* Stopped in each state: what waits ends, nothing is tried again. */
static void stopping(void **state)
{
  static const manner ways[] = {GRANTS, HOLDS, CUTS};
  kept *k = *state;
  for (int i = 0; i < 3; i++) {
    asked a;
    void *again = NULL;
    k->manner = ways[i];
    start(k);
    wait_for(k, &k->offers, 1);
    if (ways[i] == GRANTS) wait_lines(k, "websocket-open", 1);
    if (ways[i] == CUTS) wait_lines(k, "websocket-not-open", 1);
    if (ways[i] != GRANTS) begin(k, &a, 1, IN_CSE, "x", 3600 * GH_US_PER_S);
    stop(k);
    if (ways[i] != GRANTS) assert_int_equal(end(&a), GH_ECONN);
    assert_int_equal(k->looked_up, 1);
    if (i == 2) break;
    teardown((void **)&k);
    setup(&again);
    *state = k = again;
  }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      TEST(both_directions),
      TEST(the_registrar_is_nobody_else),
      TEST(refused),
      TEST(calls_wait),
      TEST(calls_wait_until_it_is_found),
      TEST(comes_back),
      TEST(ends_with_the_grant),
      TEST(pauses_grow_and_are_drawn),
      TEST(no_address),
      TEST(no_credential),
      cmocka_unit_test_setup_teardown(wrong_key, setup_wrong_key, teardown),
      TEST(stopping),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
