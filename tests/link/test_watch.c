/* Sockets on a worker's own epoll: what is closed is never heard again, whoever else holds the socket; and a process
 * that has no descriptors left. */
#include "../m2m/cmocka_all.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <stdlib.h>
#include <unistd.h>

#include "link/watch.h"

typedef struct line {
  gh_watch watch; /* first */
  int far;
  int *events, *closed;
} line;

typedef struct place {
  uv_loop_t uv;
  gh_watcher watcher;
  int events, closed;
} place;

static void on_event(gh_watch *watch, int status, int events)
{
  line *l = (line *)watch;
  char octet;
  (void)status, (void)events;
  ++*l->events;
  (void)!read(watch->fd, &octet, 1);
}

static void on_closed(gh_watch *watch)
{
  line *l = (line *)watch;
  ++*l->closed;
  if (l->far >= 0) close(l->far);
  free(l);
}

static line *open_line(place *p)
{
  int pair[2];
  line *l = calloc(1, sizeof *l);
  assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
  *l = (line){.watch = {.fd = pair[0], .on_event = on_event, .on_closed = on_closed},
              .far = pair[1],
              .events = &p->events,
              .closed = &p->closed};
  return l;
}

static void begin(place *p)
{
  *p = (place){.events = 0};
  assert_int_equal(uv_loop_init(&p->uv), 0);
  gh_watcher_init(&p->watcher, &p->uv);
}

static void end(place *p)
{
  gh_watcher_close(&p->watcher);
  uv_run(&p->uv, UV_RUN_DEFAULT);
  assert_int_equal(uv_loop_close(&p->uv), 0);
}

static void turn(place *p)
{
  for (int i = 0; i < 3; i++) uv_run(&p->uv, UV_RUN_NOWAIT);
}

/* The application that links the library has a child, which holds every socket of the moment. */
static void a_child_holds_the_socket(void **state)
{
  (void)state;
  place p;
  begin(&p);
  line *l = open_line(&p);
  int far = dup(l->far);
  gh_watch_set(&p.watcher, &l->watch, UV_READABLE);
  assert_int_equal(write(far, "x", 1), 1);
  turn(&p);
  assert_int_equal(p.events, 1);
  pid_t parent = getpid(), child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* and a failure here leaves nobody behind */
    if (getppid() == parent) pause();
    _exit(0);
  }
  assert_true(child > 0);
  gh_watch_close(&p.watcher, &l->watch);
  turn(&p);
  assert_int_equal(p.closed, 1);
  assert_int_equal(write(far, "y", 1), 1); /* the child has it open still */
  turn(&p);
  assert_int_equal(p.events, 1);
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  close(far);
  end(&p);
}

/* 0: nothing, not even a failure; also when another's turn in the same batch has said so. */
static void on_event_silence_other(gh_watch *watch, int status, int events);

typedef struct rivals {
  place *p;
  line *lines[2];
} rivals;

static rivals both;

static void on_event_silence_other(gh_watch *watch, int status, int events)
{
  line *other = both.lines[watch == &both.lines[0]->watch];
  gh_watch_set(&both.p->watcher, &other->watch, 0);
  on_event(watch, status, events);
}

static void reset_by_peer(line *l)
{
  (void)!write(l->watch.fd, "z", 1); /* unread at the far end when that closes: a failure of ours */
  close(l->far);
  l->far = -1;
}

static void what_is_not_watched_does_not_fail(void **state)
{
  (void)state;
  place p;
  begin(&p);
  both = (rivals){.p = &p, .lines = {open_line(&p), open_line(&p)}};
  for (int i = 0; i < 2; i++) {
    both.lines[i]->watch.on_event = on_event_silence_other;
    gh_watch_set(&p.watcher, &both.lines[i]->watch, UV_READABLE);
    reset_by_peer(both.lines[i]);
  }
  turn(&p);
  int silenced = both.lines[0]->watch.events == 0 ? 0 : 1;
  assert_int_equal(both.lines[silenced]->watch.events, 0);
  assert_true(p.events > 0);
  assert_int_not_equal(both.lines[!silenced]->watch.events, 0); /* it was not told, so it silenced nobody */
  for (int i = 0; i < 2; i++) gh_watch_close(&p.watcher, &both.lines[i]->watch);
  turn(&p);
  assert_int_equal(p.closed, 2);
  end(&p);
}

/* Nothing is reported, nothing crashes, and what is closed is freed. */
static void without_descriptors(void **state)
{
  (void)state;
  place p = {.events = 0};
  struct rlimit was, none;
  assert_int_equal(uv_loop_init(&p.uv), 0);
  line *l = open_line(&p);
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
  int lowest = dup(0);
  assert_true(lowest >= 0);
  close(lowest);
  none = (struct rlimit){.rlim_cur = (rlim_t)lowest, .rlim_max = was.rlim_max};
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
  gh_watcher_init(&p.watcher, &p.uv);
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
  gh_watch_set(&p.watcher, &l->watch, UV_READABLE);
  assert_int_equal(write(l->far, "x", 1), 1);
  turn(&p);
  assert_int_equal(p.events, 0);
  gh_watch_close(&p.watcher, &l->watch);
  end(&p);
  assert_int_equal(p.closed, 1);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_child_holds_the_socket),
      cmocka_unit_test(what_is_not_watched_does_not_fail),
      cmocka_unit_test(without_descriptors),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
