/* Sockets on a worker's own epoll: what is closed is never heard again, whoever else holds the socket. */
#include "../m2m/cmocka_all.h"

#include <signal.h>
#include <sys/prctl.h>
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

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_child_holds_the_socket),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
