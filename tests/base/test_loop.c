/* Loop: tasks of many threads, their order, calls that wait, and what happens to tasks when the loop ends. */
#include "../m2m/cmocka_all.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/loop.h"

enum { THREADS = 8, TASKS = 5000 };

typedef struct numbered {
  gh_task task;
  int thread, number;
} numbered;

/* Touched on the loop's thread only. */
static int last_of[THREADS], ran, out_of_order;

static void run_numbered(gh_task *task)
{
  const numbered *n = (numbered *)task;
  if (last_of[n->thread] != n->number - 1) out_of_order++;
  last_of[n->thread] = n->number;
  ran++;
  free(task);
}

typedef struct poster {
  gh_loop *loop;
  int thread;
} poster;

static void *post_many(void *arg)
{
  const poster *p = arg;
  for (int i = 0; i < TASKS; i++) {
    numbered *n = gh_calloc(1, sizeof *n);
    *n = (numbered){{.run = run_numbered}, p->thread, i};
    gh_loop_post(p->loop, &n->task);
  }
  return NULL;
}

static void take_counts(void *arg)
{
  int *out = arg;
  out[0] = ran;
  out[1] = out_of_order;
}

static void many_threads_post_in_order(void **state)
{
  (void)state;
  gh_loop *loop;
  pthread_t threads[THREADS];
  poster posters[THREADS];
  ran = out_of_order = 0;
  assert_int_equal(gh_loop_start("a name that is too long", &loop), GH_OK);
  for (int t = 0; t < THREADS; t++) {
    last_of[t] = -1;
    posters[t] = (poster){loop, t};
    assert_int_equal(pthread_create(&threads[t], NULL, post_many, &posters[t]), 0);
  }
  for (int t = 0; t < THREADS; t++) pthread_join(threads[t], NULL);
  int counts[2] = {0, 0};
  gh_loop_call(loop, take_counts, counts); /* behind everything that was posted before */
  assert_int_equal(counts[0], THREADS * TASKS);
  assert_int_equal(counts[1], 0);
  gh_loop_stop(loop);
}

static void count_call(void *arg)
{
  ++*(int *)arg;
}

static void *call_many(void *arg)
{
  poster *p = arg;
  for (int i = 0; i < 500; i++) gh_loop_call(p->loop, count_call, &ran);
  return NULL;
}

static void calls_wait_for_their_end(void **state)
{
  (void)state;
  gh_loop *loop;
  pthread_t threads[THREADS];
  ran = 0;
  assert_int_equal(gh_loop_start("calls", &loop), GH_OK);
  poster p = {loop, 0};
  for (int t = 0; t < THREADS; t++) assert_int_equal(pthread_create(&threads[t], NULL, call_many, &p), 0);
  for (int t = 0; t < THREADS; t++) pthread_join(threads[t], NULL);
  assert_int_equal(ran, THREADS * 500);
  gh_loop_stop(loop);
}

typedef struct chain {
  gh_task task;
  gh_loop *loop;
  uv_sem_t *may_run;
  int left;
} chain;

static void run_chain(gh_task *task)
{
  chain *c = (chain *)task;
  if (c->may_run) uv_sem_wait(c->may_run);
  c->may_run = NULL;
  ran++;
  if (c->left-- > 0) gh_loop_post(c->loop, task);
}

typedef struct stopper {
  gh_loop *loop;
  uv_sem_t *may_run;
} stopper;

static void *let_run_while_stopping(void *arg)
{
  uv_sem_post(((stopper *)arg)->may_run);
  return NULL;
}

/* A task that was posted before the end runs, and so does what it posts itself: nothing waits for ever or leaks. */
static void what_waits_at_the_end_still_runs(void **state)
{
  (void)state;
  for (int round = 0; round < 50; round++) {
    gh_loop *loop;
    uv_sem_t may_run;
    pthread_t thread;
    uv_sem_init(&may_run, 0);
    assert_int_equal(gh_loop_start("end", &loop), GH_OK);
    chain c = {.task = {.run = run_chain}, .loop = loop, .may_run = &may_run, .left = 5};
    ran = 0;
    gh_loop_post(loop, &c.task);
    stopper s = {loop, &may_run};
    assert_int_equal(pthread_create(&thread, NULL, let_run_while_stopping, &s), 0);
    gh_loop_stop(loop);
    pthread_join(thread, NULL);
    assert_int_equal(ran, 6);
    uv_sem_destroy(&may_run);
  }
}

static uv_timer_t timer;
static gh_loop *timer_loop;

static void on_timer_closed(uv_handle_t *handle)
{
  gh_loop_post(timer_loop, handle->data);
}

static void close_timer(gh_task *task)
{
  (void)task;
  uv_close((uv_handle_t *)&timer, on_timer_closed);
}

static void start_timer(void *arg)
{
  (void)arg;
  uv_timer_init(gh_loop_uv(timer_loop), &timer);
}

/* A close call-back posts a task while the loop ends: it runs too. */
static void tasks_of_close_callbacks_run(void **state)
{
  (void)state;
  assert_int_equal(gh_loop_start("close", &timer_loop), GH_OK);
  chain last = {.task = {.run = run_chain}, .loop = timer_loop};
  gh_task closing = {.run = close_timer};
  ran = 0;
  gh_loop_call(timer_loop, start_timer, NULL);
  timer.data = &last.task;
  gh_loop_post(timer_loop, &closing);
  gh_loop_stop(timer_loop);
  assert_int_equal(ran, 1);
}

/* Many are put, one wake is enough; who posts between the two is not forgotten. */
static void one_wake_for_many(void **state)
{
  (void)state;
  gh_loop *loop;
  int counts[2];
  ran = out_of_order = 0;
  last_of[0] = -1;
  assert_int_equal(gh_loop_start("woken", &loop), GH_OK);
  for (int i = 0; i < 10; i++) {
    numbered *n = gh_calloc(1, sizeof *n);
    *n = (numbered){{.run = run_numbered}, 0, i};
    if (i == 5)
      gh_loop_post(loop, &n->task);
    else
      gh_loop_put(loop, &n->task);
  }
  gh_loop_wake(loop);
  while (counts[0] = 0, gh_loop_call(loop, take_counts, counts), counts[0] < 10) continue;
  assert_int_equal(counts[1], 0);
  gh_loop_wake(loop); /* nothing waits */
  gh_loop_stop(loop);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(many_threads_post_in_order),   cmocka_unit_test(one_wake_for_many),
      cmocka_unit_test(calls_wait_for_their_end),     cmocka_unit_test(what_waits_at_the_end_still_runs),
      cmocka_unit_test(tasks_of_close_callbacks_run),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
