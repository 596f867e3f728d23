/* Watched sockets: what was closed says nothing more, even while a copy of its descriptor is open elsewhere. */
#include "../m2m/cmocka_all.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "link/watch.h"

typedef struct socket_of_a_test {
  gh_watch watch; /* first */
  int *events, *closed;
} socket_of_a_test;

static void on_event(gh_watch *watch, int status, int events)
{
  (void)status, (void)events;
  ++*((socket_of_a_test *)watch)->events;
}

static void on_closed(gh_watch *watch)
{
  ++*((socket_of_a_test *)watch)->closed;
  free(watch);
}

/* As a child of the program has it between its fork and its exec. */
static void closed_while_a_copy_is_open(void **state)
{
  (void)state;
  uv_loop_t uv;
  gh_watcher watcher;
  int pair[2], events = 0, closed = 0;
  assert_int_equal(uv_loop_init(&uv), 0);
  gh_watcher_init(&watcher, &uv);
  assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
  int copy = dup(pair[0]);
  assert_true(copy >= 0);
  socket_of_a_test *s = gh_calloc(1, sizeof *s);
  *s = (socket_of_a_test){
      .watch = {.fd = pair[0], .on_event = on_event, .on_closed = on_closed}, .events = &events, .closed = &closed};
  gh_watch_set(&watcher, &s->watch, UV_READABLE);
  assert_int_equal(write(pair[1], "x", 1), 1);
  for (int i = 0; i < 3; i++) uv_run(&uv, UV_RUN_NOWAIT);
  assert_true(events > 0);
  gh_watch_close(&watcher, &s->watch);
  events = 0;
  assert_int_equal(write(pair[1], "x", 1), 1);
  for (int i = 0; i < 3; i++) uv_run(&uv, UV_RUN_NOWAIT);
  assert_int_equal(closed, 1);
  assert_int_equal(events, 0);
  close(copy);
  close(pair[1]);
  gh_watcher_close(&watcher);
  uv_run(&uv, UV_RUN_DEFAULT);
  assert_int_equal(uv_loop_close(&uv), 0);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(closed_while_a_copy_is_open)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
