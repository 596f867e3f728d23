/* One thread, one libuv loop, one queue of tasks from other threads. The loop is made and closed on its own thread:
 * where libuv (1.45 and later) uses io_uring, the kernel interrupts the thread that made a ring once more after its
 * end, and a blocking call of somebody else's would see EINTR. */
#include "base/loop.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"

struct gh_loop {
  uv_loop_t uv;
  uv_async_t wake;
  pthread_t thread;
  pthread_mutex_t lock;
  gh_task *first, *last;
  uv_sem_t begun;
  bool usable; /* before `begun` */
  bool stopping;
  char name[16];
};

static gh_task *take_all(gh_loop *loop, bool *stopping)
{
  pthread_mutex_lock(&loop->lock);
  gh_task *tasks = loop->first;
  loop->first = loop->last = NULL;
  *stopping = loop->stopping;
  pthread_mutex_unlock(&loop->lock);
  return tasks;
}

static bool run_tasks(gh_loop *loop, bool *stopping)
{
  gh_task *task = take_all(loop, stopping);
  bool any = task != NULL;
  while (task) {
    gh_task *next = task->next;
    task->run(task); /* may free itself */
    task = next;
  }
  return any;
}

static void on_wake(uv_async_t *handle)
{
  bool stopping;
  run_tasks(handle->data, &stopping);
  if (stopping && !uv_is_closing((uv_handle_t *)handle)) uv_close((uv_handle_t *)handle, NULL);
}

static bool begin(gh_loop *loop)
{
  loop->usable = uv_loop_init(&loop->uv) == 0;
  if (loop->usable) {
    uv_async_init(&loop->uv, &loop->wake, on_wake);
    loop->wake.data = loop;
  }
  bool usable = loop->usable;
  uv_sem_post(&loop->begun);
  return usable;
}

static void *thread_main(void *arg)
{
  gh_loop *loop = arg;
  bool stopping;
  pthread_setname_np(pthread_self(), loop->name);
  if (!begin(loop)) return NULL;
  do /* the last tasks and close call-backs may have posted further ones */
    uv_run(&loop->uv, UV_RUN_DEFAULT);
  while (run_tasks(loop, &stopping));
  uv_loop_close(&loop->uv);
  return NULL;
}

gh_err gh_loop_start(const char *name, gh_loop **out)
{
  gh_loop *loop = gh_calloc(1, sizeof *loop);
  snprintf(loop->name, sizeof loop->name, "%s", name);
  pthread_mutex_init(&loop->lock, NULL);
  uv_sem_init(&loop->begun, 0);
  bool runs = pthread_create(&loop->thread, NULL, thread_main, loop) == 0;
  if (runs) uv_sem_wait(&loop->begun);
  uv_sem_destroy(&loop->begun);
  if (runs && loop->usable) {
    *out = loop;
    return GH_OK;
  }
  if (runs) pthread_join(loop->thread, NULL);
  pthread_mutex_destroy(&loop->lock);
  free(loop);
  return GH_EIO;
}

static bool put(gh_loop *loop, gh_task *task)
{
  task->next = NULL;
  pthread_mutex_lock(&loop->lock);
  if (loop->last)
    loop->last->next = task;
  else
    loop->first = task;
  loop->last = task;
  bool alone = loop->first == task;
  pthread_mutex_unlock(&loop->lock);
  return alone;
}

void gh_loop_post(gh_loop *loop, gh_task *task)
{
  if (put(loop, task)) uv_async_send(&loop->wake);
}

void gh_loop_put(gh_loop *loop, gh_task *task)
{
  (void)put(loop, task);
}

void gh_loop_wake(gh_loop *loop)
{
  pthread_mutex_lock(&loop->lock);
  bool any = loop->first != NULL;
  pthread_mutex_unlock(&loop->lock);
  if (any) uv_async_send(&loop->wake);
}

typedef struct call {
  gh_task task;
  void (*fn)(void *arg);
  void *arg;
  uv_sem_t done;
} call;

static void run_call(gh_task *task)
{
  call *c = (call *)task;
  c->fn(c->arg);
  uv_sem_post(&c->done);
}

void gh_loop_call(gh_loop *loop, void (*fn)(void *arg), void *arg)
{
  if (!loop) {
    fn(arg);
    return;
  }
  call c = {.task = {.run = run_call}, .fn = fn, .arg = arg};
  uv_sem_init(&c.done, 0);
  gh_loop_post(loop, &c.task);
  uv_sem_wait(&c.done);
  uv_sem_destroy(&c.done);
}

void gh_loop_stop(gh_loop *loop)
{
  pthread_mutex_lock(&loop->lock);
  loop->stopping = true;
  pthread_mutex_unlock(&loop->lock);
  uv_async_send(&loop->wake);
  pthread_join(loop->thread, NULL);
  pthread_mutex_destroy(&loop->lock);
  free(loop);
}

uv_loop_t *gh_loop_uv(gh_loop *loop)
{
  return &loop->uv;
}
