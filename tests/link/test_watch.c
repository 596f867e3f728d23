/* Sockets on a worker's epoll: who is told what, when what is watched changes, and what a closed one never hears. */
#include "../m2m/cmocka_all.h"

#include <limits.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "link/watch.h"

typedef struct end {
  gh_watch watch; /* first */
  gh_watcher *watcher;
  struct end *other;  /* is closed by its first event */
  struct end *hushed; /* is not watched any more from its first event on */
  int events, calls, failures, closed;
} end;

typedef struct fixture {
  uv_loop_t loop;
  gh_watcher watcher;
} fixture;

static void on_event(gh_watch *watch, int status, int events)
{
  end *e = (end *)watch;
  e->calls++;
  e->failures += status < 0;
  e->events = events;
  if (e->other && e->other->watch.fd >= 0) gh_watch_close(e->watcher, &e->other->watch);
  if (e->hushed) gh_watch_set(e->watcher, &e->hushed->watch, 0);
}

static void on_closed(gh_watch *watch)
{
  ((end *)watch)->closed++;
  watch->fd = INT_MAX; /* its memory is another's from now on, whose events would be told to the wrong one */
  watch->events = UV_READABLE | UV_WRITABLE;
}

static void open_end(fixture *f, end *e, int fd)
{
  *e = (end){.watch = {.fd = fd, .on_event = on_event, .on_closed = on_closed}, .watcher = &f->watcher};
}

/* As long as anything is to be told. */
static void turn(fixture *f)
{
  for (int i = 0; i < 4; i++) uv_run(&f->loop, UV_RUN_NOWAIT);
}

static int setup(void **state)
{
  static fixture f;
  assert_int_equal(uv_loop_init(&f.loop), 0);
  gh_watcher_init(&f.watcher, &f.loop);
  *state = &f;
  return 0;
}

static int teardown(void **state)
{
  fixture *f = *state;
  gh_watcher_close(&f->watcher);
  uv_run(&f->loop, UV_RUN_DEFAULT);
  assert_int_equal(uv_loop_close(&f->loop), 0);
  return 0;
}

static void two_ends(fixture *f, end *e, int *far)
{
  int pair[2];
  assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
  open_end(f, e, pair[0]);
  *far = pair[1];
}

static void what_is_watched_is_told(void **state)
{
  fixture *f = *state;
  end e;
  int far;
  two_ends(f, &e, &far);
  gh_watch_set(&f->watcher, &e.watch, UV_READABLE);
  turn(f);
  assert_int_equal(e.calls, 0);
  assert_int_equal(write(far, "x", 1), 1);
  turn(f);
  assert_int_equal(e.events, UV_READABLE);
  gh_watch_set(&f->watcher, &e.watch, UV_READABLE | UV_WRITABLE);
  turn(f);
  assert_int_equal(e.events, UV_READABLE | UV_WRITABLE);
  gh_watch_set(&f->watcher, &e.watch, 0);
  e.calls = 0;
  turn(f);
  assert_int_equal(e.calls, 0);
  gh_watch_set(&f->watcher, &e.watch, UV_WRITABLE);
  turn(f);
  assert_int_equal(e.events, UV_WRITABLE);
  gh_watch_close(&f->watcher, &e.watch);
  assert_int_equal(e.closed, 0); /* somebody up the stack may be using it */
  turn(f);
  assert_int_equal(e.closed, 1);
  close(far);
}

static void who_hangs_up_is_told_by_reading(void **state)
{
  fixture *f = *state;
  end e;
  int far;
  two_ends(f, &e, &far);
  gh_watch_set(&f->watcher, &e.watch, UV_READABLE);
  close(far);
  turn(f);
  assert_int_equal(e.events, UV_READABLE);
  assert_int_equal(e.failures, 0);
  gh_watch_set(&f->watcher, &e.watch, 0); /* the loop does not turn for nothing */
  e.calls = 0;
  turn(f);
  assert_int_equal(e.calls, 0);
  gh_watch_close(&f->watcher, &e.watch);
  turn(f);
}

/* As a child does between fork and exec. */
static void a_closed_one_hears_nothing_though_others_hold_its_socket(void **state)
{
  fixture *f = *state;
  end e;
  int far;
  two_ends(f, &e, &far);
  int held = dup(e.watch.fd);
  gh_watch_set(&f->watcher, &e.watch, UV_READABLE);
  gh_watch_close(&f->watcher, &e.watch);
  assert_int_equal(write(far, "x", 1), 1);
  turn(f);
  assert_int_equal(e.calls, 0);
  assert_int_equal(e.closed, 1);
  close(held);
  close(far);
}

static void one_closes_another_of_the_same_turn(void **state)
{
  fixture *f = *state;
  end a, b;
  int far_a, far_b;
  two_ends(f, &a, &far_a);
  two_ends(f, &b, &far_b);
  a.other = &b;
  b.other = &a;
  gh_watch_set(&f->watcher, &a.watch, UV_READABLE);
  gh_watch_set(&f->watcher, &b.watch, UV_READABLE);
  assert_int_equal(write(far_a, "x", 1) + write(far_b, "x", 1), 2);
  uv_run(&f->loop, UV_RUN_NOWAIT);
  assert_int_equal((a.calls > 0) + (b.calls > 0), 1);
  a.other = b.other = NULL;
  turn(f);
  assert_int_equal(a.closed + b.closed, 1);
  gh_watch_close(&f->watcher, a.closed ? &b.watch : &a.watch);
  turn(f);
  assert_int_equal(a.closed + b.closed, 2);
  close(far_a);
  close(far_b);
}

/* What was closed last is let go of when the watcher itself closes. */
static void closing_forgets_nobody(void **state)
{
  fixture *f = *state;
  static end e;
  int far;
  two_ends(f, &e, &far);
  gh_watch_set(&f->watcher, &e.watch, UV_READABLE);
  gh_watch_close(&f->watcher, &e.watch);
  close(far);
  teardown(state);
  assert_int_equal(e.closed, 1);
  setup(state);
}

static void resets(fixture *f, end *e)
{
  int far;
  two_ends(f, e, &far);
  gh_watch_set(&f->watcher, &e->watch, UV_READABLE);
  assert_int_equal(write(e->watch.fd, "x", 1), 1); /* unread at the far end when that closes: a failure of ours */
  close(far);
}

/* Nothing, not even a failure; also when another of the same turn has said so. */
static void what_is_not_watched_does_not_fail(void **state)
{
  fixture *f = *state;
  end a, b;
  resets(f, &a);
  resets(f, &b);
  a.hushed = &b;
  b.hushed = &a;
  uv_run(&f->loop, UV_RUN_NOWAIT);
  assert_int_equal(a.failures + b.failures, 1);
  gh_watch_close(&f->watcher, &a.watch);
  gh_watch_close(&f->watcher, &b.watch);
  turn(f);
  assert_int_equal(a.closed + b.closed, 2);
}

/* Nothing is reported, nothing crashes, and what is closed is let go of. */
static void without_descriptors(void **state)
{
  (void)state;
  fixture f;
  static end e;
  int far, lowest;
  struct rlimit was, none;
  assert_int_equal(uv_loop_init(&f.loop), 0);
  two_ends(&f, &e, &far);
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
  lowest = dup(far);
  assert_true(lowest >= 0);
  close(lowest);
  none = (struct rlimit){.rlim_cur = (rlim_t)lowest, .rlim_max = was.rlim_max};
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
  gh_watcher_init(&f.watcher, &f.loop);
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
  gh_watch_set(&f.watcher, &e.watch, UV_READABLE);
  assert_int_equal(write(far, "x", 1), 1);
  turn(&f);
  assert_int_equal(e.calls, 0);
  gh_watch_close(&f.watcher, &e.watch);
  void *place = &f;
  teardown(&place);
  assert_int_equal(e.closed, 1);
  close(far);
}

/* Our last words are read by who was still sending; then it closes, or its time is over. */
static void who_lingers_throws_away_what_comes(void **state)
{
  fixture *f = *state;
  for (int in_time = 0; in_time < 2; in_time++) {
    end e;
    int far;
    char words[8];
    two_ends(f, &e, &far);
    gh_watch_set(&f->watcher, &e.watch, UV_READABLE | UV_WRITABLE);
    assert_int_equal(send(e.watch.fd, "bye", 3, 0), 3);
    gh_watch_linger(&f->watcher, &e.watch, 5);
    for (int i = 0; i < 3; i++) {
      assert_int_equal(send(far, "more", 4, MSG_NOSIGNAL), 4);
      turn(f);
    }
    assert_int_equal(e.calls, 0);
    assert_int_equal(recv(far, words, sizeof words, 0), 3);
    assert_int_equal(recv(far, words, sizeof words, 0), 0); /* nothing follows */
    gh_watcher_sweep(&f->watcher, 5 + GH_WATCH_LINGER_MS * 1000 - 1);
    turn(f);
    assert_int_equal(e.closed, 0);
    if (in_time)
      close(far);
    else
      gh_watcher_sweep(&f->watcher, 5 + GH_WATCH_LINGER_MS * 1000);
    turn(f);
    assert_int_equal(e.closed, 1);
    assert_int_equal(f->watcher.linger_count, 0);
    if (!in_time) close(far);
  }
}

static void too_many_do_not_linger(void **state)
{
  fixture *f = *state;
  end e;
  int far;
  two_ends(f, &e, &far);
  f->watcher.linger_count = GH_WATCH_LINGER_MAX;
  gh_watch_linger(&f->watcher, &e.watch, 0);
  turn(f);
  assert_int_equal(e.closed, 1);
  f->watcher.linger_count = 0;
  close(far);
}

static void closing_ends_who_lingers(void **state)
{
  fixture *f = *state;
  static end e;
  int far;
  two_ends(f, &e, &far);
  gh_watch_linger(&f->watcher, &e.watch, 0);
  teardown(state);
  assert_int_equal(e.closed, 1);
  close(far);
  setup(state);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
  const struct CMUnitTest tests[] = {
      WITH(what_is_watched_is_told),
      WITH(who_hangs_up_is_told_by_reading),
      WITH(a_closed_one_hears_nothing_though_others_hold_its_socket),
      WITH(one_closes_another_of_the_same_turn),
      WITH(closing_forgets_nobody),
      WITH(who_lingers_throws_away_what_comes),
      WITH(too_many_do_not_linger),
      WITH(closing_ends_who_lingers),
      WITH(what_is_not_watched_does_not_fail),
      cmocka_unit_test(without_descriptors),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
