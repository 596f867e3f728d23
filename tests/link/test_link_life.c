/* How associations end: revoked, expired, idle, never finished; what they export while they live. */
#include "client_side.h"
#include "tls_peer.h"

#include "link/conn_private.h"

#define A "a@maf.sp.example.com"
#define B "b@maf.sp.example.com"

static link_key keys[] = {
    {.identity = A, .key_hex = GOOD_KEY, .peer_id = "//sp.example.com/in-cse/Ca"},
    {.identity = B, .key_hex = GOOD_KEY, .peer_id = "//sp.example.com/in-cse/Cb"},
    {.identity = "short@maf.sp.example.com", .key_hex = GOOD_KEY, .peer_id = "//sp.example.com/in-cse/Cs"},
};

static int setup(void **state)
{
  keys[2].not_after_us = gh_clock_system().wall_us(NULL) + 100 * GH_US_PER_S;
  *state = link_new(keys, 3);
  link_open(*state);
  return 0;
}

static int teardown(void **state)
{
  link_end(*state);
  return 0;
}

static const tls_peer_options with_a = {.identity = A, .key_hex = GOOD_KEY},
                              with_b = {.identity = B, .key_hex = GOOD_KEY},
                              with_short = {.identity = "short@maf.sp.example.com", .key_hex = GOOD_KEY},
                              with_a13 = {.identity = A,
                                          .key_hex = GOOD_KEY,
                                          .min_version = TLS1_3_VERSION,
                                          .max_version = TLS1_3_VERSION,
                                          .groups = "P-256"};

static void established(tls_peer *p, link_test *t, const tls_peer_options *options)
{
  if (!peer_connect(p, t->port, options)) fail_msg("alert %d", p->alert);
  assert_true(peer_ask(p, ASK));
}

typedef struct revocation {
  link_test *t;
  gh_str key_id;
  size_t count;
} revocation;

static bool built_on(void *ctx, gh_conn *conn)
{
  const gh_str *key_id = ctx;
  return gh_str_eq(gh_conn_peer(conn)->key_id, *key_id);
}

static void revoke_on_worker(void *arg)
{
  revocation *r = arg;
  r->count = gh_worker_revoke(&r->t->worker, built_on, &r->key_id);
}

static size_t revoke_key(link_test *t, const char *key_id)
{
  revocation r = {.t = t, .key_id = gh_str_of(key_id)};
  gh_loop_call(t->loop, revoke_on_worker, &r);
  return r.count;
}

/*= TS-0003 8.2.1; TP-20: an association does not outlive its credential */
static void revocation_ends_what_was_built_on_the_key(void **state)
{
  link_test *t = *state;
  tls_peer a[3], b;
  for (int i = 0; i < 3; i++) established(&a[i], t, i == 1 ? &with_a13 : &with_a);
  established(&b, t, &with_b);
  assert_int_equal(revoke_key(t, A), 3);
  wait_closed(t, 3);
  assert_int_equal(counts_now(t).last_why, GH_EEXPIRED);
  for (int i = 0; i < 3; i++) {
    assert_true(peer_is_closed(&a[i]));
    assert_false(peer_ask(&a[i], ASK));
    peer_end(&a[i]);
  }
  assert_true(peer_ask(&b, ASK));
  assert_int_equal(revoke_key(t, A), 0);
  assert_int_equal(revoke_key(t, "none"), 0);
  assert_int_equal(atomic_load(&t->worker.counters.revoked), 3);
  peer_end(&b);
}

/* The key goes while its handshake runs: the association never comes to life. */
static void a_key_is_revoked_in_mid_handshake(void **state)
{
  link_test *t = *state;
  tls_peer p;
  peer_prepare(&p, t->port, &with_a13);
  SSL_set0_rbio(p.ssl, BIO_new(BIO_s_mem()));                                      /* deaf: nothing arrives */
  assert_int_equal(SSL_get_error(p.ssl, SSL_connect(p.ssl)), SSL_ERROR_WANT_READ); /* the first flight is out */
  wait_asked(t, 1);
  assert_int_equal(revoke_key(t, A), 1);
  SSL_set_rfd(p.ssl, p.fd);
  assert_false(peer_handshake(&p) && peer_ask(&p, ASK));
  wait_closed(t, 1);
  assert_int_equal(counts_now(t).ready, 0);
  peer_end(&p);
}

static void look_for_draining(void *arg)
{
  revocation *r = arg;
  for (const gh_conn *conn = r->t->worker.first; conn; conn = conn->next) r->count += conn->state == GH_CONN_DRAINING;
}

static void wait_draining(link_test *t)
{
  revocation r = {.t = t};
  time_t begin = time(NULL);
  while (!r.count && time(NULL) < begin + LINK_WAIT_S) gh_loop_call(t->loop, look_for_draining, &r);
  assert_int_equal(r.count, 1);
}

/* A peer that stops reading cannot keep a revoked or expired association: it is cut after two seconds. */
static void a_peer_that_does_not_read_is_cut(void **state)
{
  link_test *t = *state;
  for (int how = 0; how < 2; how++) {
    tls_peer p;
    established(&p, t, how == 0 ? &with_a : &with_short);
    int closed = counts_now(t).closed, requests = counts_now(t).requests;
    assert_true(SSL_write(p.ssl, "GET /big HTTP/1.1\r\n\r\n", 21) > 0);
    wait_count(t, &t->counts.requests, requests + 1);
    if (how == 0)
      assert_int_equal(revoke_key(t, A), 1);
    else
      pass_time(t, 101); /* behind the end of the key */
    wait_draining(t);
    pass_time(t, 3);
    wait_closed(t, closed + 1);
    peer_end(&p);
  }
}

/*= TS-0001 11.3.2; the association ends with its credential */
static void the_association_ends_with_its_key(void **state)
{
  link_test *t = *state;
  tls_peer p, other;
  established(&p, t, &with_short);
  established(&other, t, &with_a);
  pass_time(t, 98);
  assert_true(peer_ask(&p, ASK));
  pass_time(t, 3);
  wait_closed(t, 1);
  assert_int_equal(counts_now(t).last_why, GH_EEXPIRED);
  assert_true(peer_is_closed(&p));
  assert_true(peer_ask(&other, ASK));
  pass_time(t, 24 * 3600); /* and everybody's after a day (idle time is shorter: they end at the latest then) */
  wait_closed(t, 2);
  peer_end(&p);
  peer_end(&other);
}

static void the_longest_life_of_an_association(void **state)
{
  link_test *t = *state;
  t->worker.limits.idle_ms = 0;
  tls_peer p;
  established(&p, t, &with_a);
  pass_time(t, 24 * 3600 - 2);
  assert_true(peer_ask(&p, ASK));
  pass_time(t, 3);
  wait_closed(t, 1);
  assert_string_equal(counts_now(t).last_reason, "association expired");
  peer_end(&p);
}

static void idle_associations_end(void **state)
{
  link_test *t = *state;
  tls_peer p;
  established(&p, t, &with_a);
  pass_time(t, 301);
  wait_closed(t, 1);
  assert_int_equal(counts_now(t).last_why, GH_ETIMEOUT);
  assert_true(peer_is_closed(&p));
  peer_end(&p);
}

/* Connections are accepted in order: one that is served came behind those before it. */
static void wait_accepted(link_test *t, uint_fast64_t count)
{
  tls_peer p;
  established(&p, t, &with_b);
  peer_end(&p);
  assert_true(atomic_load(&t->worker.counters.accepted) > count);
}

/* TP-18: who never finishes its handshake is closed, however little or much it sent. */
static void handshakes_end_in_time(void **state)
{
  link_test *t = *state;
  static const char *const beginnings[] = {"", "\x16", "\x16\x03\x01\x02", "\x16\x03\x01\x00\x80\x01\x00"};
  static const size_t lengths[] = {0, 1, 4, 7};
  int fds[4];
  tls_peer p;
  established(&p, t, &with_a);
  for (int i = 0; i < 4; i++) {
    fds[i] = tcp_connect(t->port);
    if (lengths[i]) assert_int_equal(send(fds[i], beginnings[i], lengths[i], MSG_NOSIGNAL), lengths[i]);
  }
  wait_accepted(t, 5);
  wait_closed(t, 1);
  pass_time(t, 11);
  wait_closed(t, 5);
  for (int i = 0; i < 4; i++) {
    char octet;
    assert_true(recv(fds[i], &octet, 1, 0) <= 0);
    close(fds[i]);
  }
  assert_true(peer_ask(&p, ASK));
  peer_end(&p);
}

/* ---- exporter ---- */

static void own_key(tls_peer *p, char text[static 97])
{
  uint8_t octets[48];
  assert_int_equal(SSL_export_keying_material(p->ssl, octets, sizeof octets, "EXPORTER-oneM2M-test", 20, NULL, 0, 0),
                   1);
  for (size_t i = 0; i < 48; i++) snprintf(text + 2 * i, 3, "%02x", octets[i]);
}

/*= TS-0003 10.3.1; both sides export the same octets, and every session others */
static void both_sides_export_the_same(void **state)
{
  link_test *t = *state;
  char seen[6][97];
  for (int i = 0; i < 6; i++) {
    tls_peer p;
    char own[97];
    established(&p, t, i % 2 ? &with_a13 : &with_a);
    own_key(&p, own);
    assert_true(peer_ask(&p, "GET /key HTTP/1.1\r\n\r\n"));
    snprintf(seen[i], sizeof seen[i], "%s", strstr(p.answer, "\r\n\r\n") + 4);
    assert_string_equal(seen[i], own);
    assert_true(peer_ask(&p, "GET /key HTTP/1.1\r\n\r\n")); /* the same again */
    assert_non_null(strstr(p.answer, own));
    for (int k = 0; k < i; k++) assert_string_not_equal(seen[i], seen[k]);
    peer_end(&p);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(revocation_ends_what_was_built_on_the_key, setup, teardown),
      cmocka_unit_test_setup_teardown(a_key_is_revoked_in_mid_handshake, setup, teardown),
      cmocka_unit_test_setup_teardown(a_peer_that_does_not_read_is_cut, setup, teardown),
      cmocka_unit_test_setup_teardown(the_association_ends_with_its_key, setup, teardown),
      cmocka_unit_test_setup_teardown(the_longest_life_of_an_association, setup, teardown),
      cmocka_unit_test_setup_teardown(idle_associations_end, setup, teardown),
      cmocka_unit_test_setup_teardown(handshakes_end_in_time, setup, teardown),
      cmocka_unit_test_setup_teardown(both_sides_export_the_same, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
