/* The store of sessions: bounded, in order of use, and one lock for all its threads. */
#include "../m2m/cmocka_all.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "link/tls_sessions.h"

enum { MOST = 8, THREADS = 4, ROUNDS = 5000 };

static void id_of(unsigned number, uint8_t id[static GH_TLS_SESSION_ID_BYTES])
{
  memset(id, 0xff, GH_TLS_SESSION_ID_BYTES);
  memcpy(id + GH_TLS_SESSION_ID_BYTES - sizeof number, &number, sizeof number);
}

static gh_tls_session *made(unsigned number, bool once, const char *credential, int64_t until_us)
{
  gh_tls_session *session = gh_tls_session_new();
  id_of(number, session->id);
  session->once = once;
  session->until_us = until_us;
  session->credential = gh_str_clone(gh_str_of(credential));
  session->state = gh_str_clone(GH_STR("state"));
  return session;
}

static bool has(gh_tls_sessions *s, unsigned number, int64_t now_us)
{
  uint8_t id[GH_TLS_SESSION_ID_BYTES];
  id_of(number, id);
  gh_tls_session *found = gh_tls_sessions_take(s, id, now_us);
  bool is = found && memcmp(found->id, id, sizeof id) == 0 && gh_str_eq(found->state, GH_STR("state"));
  gh_tls_session_release(found);
  return is;
}

/*= RFC 8446 C.4 */
static void one_that_serves_once(void **state)
{
  (void)state;
  gh_tls_sessions *s = gh_tls_sessions_new(MOST);
  gh_tls_sessions_put(s, made(1, true, "a", 100), 0);
  gh_tls_sessions_put(s, made(2, false, "a", 100), 0);
  assert_true(has(s, 1, 0));
  assert_false(has(s, 1, 0));
  for (int i = 0; i < 3; i++) assert_true(has(s, 2, 0));
  assert_int_equal(gh_tls_sessions_count(s), 1);
  assert_false(has(s, 3, 0));
  gh_tls_sessions_free(s);
}

static void the_oldest_makes_room(void **state)
{
  (void)state;
  gh_tls_sessions *s = gh_tls_sessions_new(MOST);
  for (unsigned i = 0; i < MOST; i++) gh_tls_sessions_put(s, made(i, false, "a", 100), 0);
  assert_true(has(s, 0, 0)); /* used: 1 is the oldest now */
  gh_tls_sessions_put(s, made(MOST, false, "a", 100), 0);
  assert_int_equal(gh_tls_sessions_count(s), MOST);
  assert_true(has(s, 0, 0));
  assert_false(has(s, 1, 0));
  for (unsigned i = 2; i <= MOST; i++) assert_true(has(s, i, 0));
  gh_tls_sessions_put(s, made(3, false, "b", 100), 0); /* the same again takes its place */
  assert_int_equal(gh_tls_sessions_count(s), MOST);
  gh_tls_sessions_free(s);
  s = gh_tls_sessions_new(0); /* no fewer than one */
  for (unsigned i = 0; i < 3; i++) gh_tls_sessions_put(s, made(i, false, "a", 100), 0);
  assert_true(gh_tls_sessions_count(s) == 1 && has(s, 2, 0));
  gh_tls_sessions_free(s);
}

static void their_time(void **state)
{
  (void)state;
  gh_tls_sessions *s = gh_tls_sessions_new(MOST);
  for (unsigned i = 0; i < MOST; i++) gh_tls_sessions_put(s, made(i, i % 2, "a", 100 + i), 0);
  assert_true(has(s, 0, 99));
  assert_false(has(s, 0, 100));
  assert_int_equal(gh_tls_sessions_count(s), MOST - 1);
  assert_int_equal(gh_tls_sessions_expire(s, 103), 3);
  assert_int_equal(gh_tls_sessions_expire(s, 103), 0);
  assert_int_equal(gh_tls_sessions_count(s), MOST - 4);
  gh_tls_sessions_put(s, made(20, false, "a", 200 * GH_US_PER_S), 100 * GH_US_PER_S); /* sweeps by itself */
  assert_int_equal(gh_tls_sessions_count(s), 1);
  gh_tls_sessions_free(s);
}

static void forgotten(void **state)
{
  (void)state;
  uint8_t id[GH_TLS_SESSION_ID_BYTES];
  gh_tls_sessions *s = gh_tls_sessions_new(MOST);
  for (unsigned i = 0; i < 6; i++) gh_tls_sessions_put(s, made(i, false, i % 2 ? "odd" : "even", 100), 0);
  assert_int_equal(gh_tls_sessions_forget(s, GH_STR("odd")), 3);
  assert_int_equal(gh_tls_sessions_forget(s, GH_STR("odd")), 0);
  assert_int_equal(gh_tls_sessions_forget(s, GH_STR("eve")), 0);
  for (unsigned i = 0; i < 6; i++) assert_int_equal(has(s, i, 0), i % 2 == 0);
  id_of(2, id);
  gh_tls_session *held = gh_tls_sessions_take(s, id, 0);
  gh_tls_sessions_drop(s, id);
  gh_tls_sessions_drop(s, id);
  assert_false(has(s, 2, 0));
  assert_true(gh_str_eq(held->state, GH_STR("state"))); /* whoever has it may go on */
  gh_tls_session_release(held);
  gh_tls_sessions_clear(s);
  assert_int_equal(gh_tls_sessions_count(s), 0);
  gh_tls_sessions_free(s);
  gh_tls_sessions_free(NULL);
  gh_tls_session_release(NULL);
}

typedef struct worker {
  gh_tls_sessions *s;
  unsigned seed, taken;
} worker;

static void *work(void *arg)
{
  worker *w = arg;
  for (unsigned i = 0; i < ROUNDS; i++) {
    unsigned number = (unsigned)rand_r(&w->seed) % 32;
    char credential[16];
    snprintf(credential, sizeof credential, "c%u", number % 5);
    switch ((unsigned)rand_r(&w->seed) % 5) {
    case 0:
    case 1: gh_tls_sessions_put(w->s, made(number, number % 2, credential, (int64_t)number * 100), i); break;
    case 2: gh_tls_sessions_forget(w->s, gh_str_of(credential)); break;
    case 3: gh_tls_sessions_expire(w->s, i); break;
    default: w->taken += has(w->s, number, i); break;
    }
  }
  return NULL;
}

static void many_threads(void **state)
{
  (void)state;
  pthread_t threads[THREADS];
  worker workers[THREADS];
  gh_tls_sessions *s = gh_tls_sessions_new(MOST);
  for (unsigned i = 0; i < THREADS; i++) {
    workers[i] = (worker){.s = s, .seed = i + 1};
    assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
  }
  for (unsigned i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  assert_true(gh_tls_sessions_count(s) <= MOST);
  gh_tls_sessions_free(s);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_that_serves_once), cmocka_unit_test(the_oldest_makes_room),
      cmocka_unit_test(their_time),           cmocka_unit_test(forgotten),
      cmocka_unit_test(many_threads),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
