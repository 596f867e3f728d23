/* Handshakes that wait for a key which is fetched elsewhere: nobody else is held up, and nothing is lost, leaked or
 * answered twice, whoever gives up first. */
#include "client_side.h"
#include "tls_peer.h"

#include <fcntl.h>
#include <sys/resource.h>

enum { MANY = 200 };

static link_key keys[] = {
    {.identity = "now@maf.sp.example.com", .key_hex = GOOD_KEY, .peer_id = "//sp.example.com/in-cse/Cnow"},
    {.identity = "later@maf.sp.example.com",
     .key_hex = GOOD_KEY,
     .peer_id = "//sp.example.com/in-cse/Clater",
     .later = true},
};

static int setup(void **state)
{
  keys[1].result = GH_OK;
  *state = link_new(keys, 2);
  link_open(*state);
  return 0;
}

static int teardown(void **state)
{
  link_end(*state);
  return 0;
}

static const tls_peer_options now12 = {.identity = "now@maf.sp.example.com", .key_hex = GOOD_KEY};

static void assert_prompt(link_test *t, tls_peer *established)
{
  for (int i = 0; i < 50; i++) assert_true(peer_ask(established, ASK));
  tls_peer fresh; /* and who needs no fetching is let in */
  assert_true(peer_connect(&fresh, t->port, &now12));
  assert_true(peer_ask(&fresh, ASK_LAST));
  peer_end(&fresh);
}

typedef struct load {
  link_test *t;
  uint32_t connections, handshaking;
} load;

static void look(void *arg)
{
  load *l = arg;
  l->connections = l->t->worker.connections;
  l->handshaking = l->t->worker.handshaking;
}

static load load_of(link_test *t)
{
  load l = {.t = t};
  gh_loop_call(t->loop, look, &l);
  return l;
}

/* design.md 5; a handshake that fetches a key never stalls its loop */
static void two_hundred_wait_and_nobody_else(void **state)
{
  link_test *t = *state;
  gh_secret key = secret_of(GOOD_KEY);
  for (int v = 0; v < 2; v++) {
    client_side clients;
    tls_peer established;
    int asked = counts_now(t).asked, ready = counts_now(t).ready;
    gh_tls_client_options options = psk_client("later@maf.sp.example.com", &key, v == 1);
    assert_true(peer_connect(&established, t->port, &now12));
    client_begin(&clients, t, &options);
    client_connect(&clients, MANY);
    wait_asked(t, asked + MANY + 1);
    assert_prompt(t, &established);
    assert_int_equal(counts_now(t).ready, ready + 2); /* none of those who wait */
    answer_kept(t);
    wait_count(t, &clients.ready, MANY);
    wait_ready(t, ready + 2 + MANY);
    gh_loop_call(clients.loop, ask_on_loop, &clients);
    wait_count(t, &clients.answers, MANY);
    assert_true(peer_ask(&established, ASK));
    client_end(&clients);
    peer_end(&established);
    wait_closed(t, counts_now(t).ready);
  }
}

static void a_late_refusal_is_a_refusal(void **state)
{
  link_test *t = *state;
  gh_secret key = secret_of(GOOD_KEY);
  for (int v = 0; v < 2; v++) {
    client_side clients;
    gh_tls_client_options options = psk_client("later@maf.sp.example.com", &key, v == 1);
    client_begin(&clients, t, &options);
    client_connect(&clients, 20);
    wait_asked(t, 20 * (v + 1));
    keys[1].result = GH_EAUTH;
    answer_kept(t);
    wait_closed(t, 20 * (v + 1));
    wait_count(t, &clients.closed, 20);
    assert_int_equal(clients.ready, v == 1 ? clients.ready : 0);
    assert_int_equal(clients.last_alert,
                     v == 1 ? bad_binder_alert() : SSL_AD_BAD_RECORD_MAC); /* as for an unknown one */
    assert_int_equal(counts_now(t).ready, 0);
    client_end(&clients);
  }
}

/* The client leaves while its key is fetched. Its question is answered into the void. */
static void clients_leave_while_they_wait(void **state)
{
  link_test *t = *state;
  gh_secret key = secret_of(GOOD_KEY);
  client_side clients;
  gh_tls_client_options options = psk_client("later@maf.sp.example.com", &key, false);
  client_begin(&clients, t, &options);
  client_connect(&clients, 50);
  wait_asked(t, 50);
  client_close_all(&clients);
  wait_count(t, &clients.closed, 50);
  answer_kept(t);
  wait_closed(t, 50); /* at the latest when it writes its last flight to nobody */
  client_end(&clients);
  assert_int_equal(load_of(t).connections, 0);
}

/* The server gives up first: the handshake's time is over, the answer comes behind it. */
static void time_is_over_while_they_wait(void **state)
{
  link_test *t = *state;
  gh_secret key = secret_of(GOOD_KEY);
  for (int v = 0; v < 2; v++) {
    client_side clients;
    tls_peer established;
    gh_tls_client_options options = psk_client("later@maf.sp.example.com", &key, v == 1);
    int asked = counts_now(t).asked, closed = counts_now(t).closed;
    assert_true(peer_connect(&established, t->port, &now12));
    client_begin(&clients, t, &options);
    client_connect(&clients, 50);
    wait_asked(t, asked + 51);
    pass_time(t, 11);
    wait_closed(t, closed + 50);
    assert_int_equal(counts_now(t).last_why, GH_ETIMEOUT);
    wait_count(t, &clients.closed, 50);
    assert_true(peer_ask(&established, ASK));
    answer_kept(t);
    assert_true(peer_ask(&established, ASK));
    client_end(&clients);
    peer_end(&established);
    wait_closed(t, closed + 51);
    assert_int_equal(load_of(t).handshaking, 0);
  }
}

/* The worker ends while handshakes wait; the answers come behind that too (link_end gives them). */
static void the_worker_ends_while_they_wait(void **state)
{
  link_test *t = *state;
  gh_secret key = secret_of(GOOD_KEY);
  client_side clients;
  gh_tls_client_options options = psk_client("later@maf.sp.example.com", &key, true);
  client_begin(&clients, t, &options);
  client_connect(&clients, 50);
  wait_asked(t, 50);
  gh_loop_call(t->loop, close_link_worker, &t->worker);
  wait_count(t, &clients.closed, 50);
  client_end(&clients);
}

/* TP-18: handshakes in flight are bounded; who comes too late is closed at once, and let in when there is room. */
static void handshakes_in_flight_are_bounded(void **state)
{
  link_test *t = *state;
  gh_secret key = secret_of(GOOD_KEY);
  client_side clients;
  gh_tls_client_options options = psk_client("later@maf.sp.example.com", &key, false);
  t->worker.limits.max_handshakes = 20;
  client_begin(&clients, t, &options);
  client_connect(&clients, 20);
  wait_asked(t, 20);
  client_connect(&clients, 30);
  wait_count(t, &clients.closed, 30);
  assert_int_equal(counts_now(t).asked, 20);
  assert_int_equal(atomic_load(&t->worker.counters.refused_limit), 30);
  answer_kept(t);
  wait_ready(t, 20);
  client_connect(&clients, 20);
  wait_asked(t, 40);
  answer_kept(t);
  wait_ready(t, 40);
  client_end(&clients);
}

typedef struct logging {
  link_test *t;
  const gh_log *log;
} logging;

static void set_log_on_worker(void *arg)
{
  const logging *l = arg;
  l->t->worker.log = l->log;
}

static void set_log(link_test *t, const gh_log *log)
{
  logging l = {t, log};
  gh_loop_call(t->loop, set_log_on_worker, &l);
}

static int lines_of(int fd)
{
  static char text[1 << 16];
  int lines = 0;
  for (ssize_t got; (got = read(fd, text, sizeof text)) > 0;)
    for (ssize_t i = 0; i < got; i++) lines += text[i] == '\n';
  return lines;
}

/* TP-18: no descriptor is left for a further connection: those who are there are served, the log is not flooded, and
 * who waits is let in when there is room. */
static void no_descriptors_left(void **state)
{
  link_test *t = *state;
  struct rlimit before, few;
  tls_peer p, waiting;
  int log[2];
  if (getenv("GH_UNDER_VALGRIND")) skip(); /* it keeps descriptors for itself */
  assert_int_equal(pipe2(log, O_NONBLOCK), 0);
  gh_log to_pipe = {.level = GH_LOG_ERROR, .fd = log[1], .clock = t->clock};
  set_log(t, &to_pipe);
  assert_true(peer_connect(&p, t->port, &now12));
  int next_free = dup(0), lines = 0;
  close(next_free);
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
  few = (struct rlimit){.rlim_cur = (rlim_t)next_free + 1, .rlim_max = before.rlim_max};
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
  peer_prepare(&waiting, t->port, &now12); /* takes the last one */
  assert_int_equal(waiting.fd, next_free);
  for (int i = 0; i < 500 || !lines; i++) {
    assert_true(peer_ask(&p, ASK));
    lines += lines_of(log[0]);
  }
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
  assert_in_range(lines, 1, 100);
  assert_true(peer_handshake(&waiting));
  assert_true(peer_ask(&waiting, ASK_LAST));
  peer_end(&waiting);
  peer_end(&p);
  wait_closed(t, 2);
  set_log(t, NULL);
  close(log[0]);
  close(log[1]);
}

static void connections_are_bounded(void **state)
{
  link_test *t = *state;
  t->worker.limits.max_connections = 2;
  tls_peer p[3];
  assert_true(peer_connect(&p[0], t->port, &now12));
  assert_true(peer_connect(&p[1], t->port, &now12));
  assert_false(peer_connect(&p[2], t->port, &now12));
  assert_true(peer_ask(&p[0], ASK));
  assert_true(peer_ask(&p[1], ASK_LAST));
  wait_closed(t, 1);
  peer_end(&p[2]);
  assert_true(peer_connect(&p[2], t->port, &now12));
  for (int i = 0; i < 3; i++) peer_end(&p[i]);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(two_hundred_wait_and_nobody_else, setup, teardown),
      cmocka_unit_test_setup_teardown(a_late_refusal_is_a_refusal, setup, teardown),
      cmocka_unit_test_setup_teardown(clients_leave_while_they_wait, setup, teardown),
      cmocka_unit_test_setup_teardown(time_is_over_while_they_wait, setup, teardown),
      cmocka_unit_test_setup_teardown(the_worker_ends_while_they_wait, setup, teardown),
      cmocka_unit_test_setup_teardown(handshakes_in_flight_are_bounded, setup, teardown),
      cmocka_unit_test_setup_teardown(connections_are_bounded, setup, teardown),
      cmocka_unit_test_setup_teardown(no_descriptors_left, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
