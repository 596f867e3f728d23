/* Owns what the thread and its master share, until both have left. Must never take a signal of the program. */
#include "client/web_thread.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "bind/web_client.h"

enum { OWNERS = 2 };

struct gh_web_fetch {
  pthread_mutex_t lock;
  pthread_cond_t ended;
  int owners; /* under the lock, like `done` */
  bool done;
  atomic_bool stop;
  gh_web web;
  gh_web_request request; /* its text is owned */
  gh_err err;             /* the thread's until it is done, like what follows */
  gh_diag diag;
  gh_buf answer;
};

static void release(gh_web_fetch *f)
{
  pthread_mutex_lock(&f->lock);
  bool last = --f->owners == 0;
  pthread_mutex_unlock(&f->lock);
  if (!last) return;
  gh_str_release(&f->request.body);
  free((void *)(uintptr_t)f->request.url);
  free((void *)(uintptr_t)f->request.content_type);
  gh_buf_free(&f->answer);
  pthread_cond_destroy(&f->ended);
  pthread_mutex_destroy(&f->lock);
  free(f);
}

static void *run(void *arg)
{
  gh_web_fetch *f = arg;
  f->err = f->web.exchange(f->web.ctx, &f->request, &f->answer, &f->diag);
  pthread_mutex_lock(&f->lock);
  f->done = true;
  pthread_cond_signal(&f->ended);
  pthread_mutex_unlock(&f->lock);
  release(f);
  return NULL;
}

/* Detached: nobody can wait for a resolver that is silent. */
static bool start(gh_web_fetch *f)
{
  sigset_t all, before;
  pthread_attr_t attr;
  pthread_t thread;
  pthread_attr_init(&attr);
  pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before); /* it inherits that */
  bool runs = pthread_create(&thread, &attr, run, f) == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attr);
  return runs;
}

gh_web_fetch *gh_web_fetch_begin(const gh_web *web, const gh_web_request *request)
{
  pthread_condattr_t attr;
  gh_web_fetch *f = gh_calloc(1, sizeof *f);
  pthread_mutex_init(&f->lock, NULL);
  pthread_condattr_init(&attr);
  pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
  pthread_cond_init(&f->ended, &attr);
  pthread_condattr_destroy(&attr);
  f->owners = OWNERS;
  f->web = web ? *web : gh_web_client(&f->stop);
  f->request = *request;
  f->request.url = strdup(request->url);
  f->request.body = gh_str_clone(request->body);
  if (request->content_type) f->request.content_type = strdup(request->content_type);
  if (start(f)) return f;
  f->owners = 1;
  release(f);
  return NULL;
}

bool gh_web_fetch_done(gh_web_fetch *f, uint32_t wait_ms)
{
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += wait_ms / 1000;
  until.tv_nsec += (long)(wait_ms % 1000) * 1000000L;
  until.tv_sec += until.tv_nsec / 1000000000L;
  until.tv_nsec %= 1000000000L;
  pthread_mutex_lock(&f->lock);
  int late = wait_ms ? 0 : ETIMEDOUT;
  while (!f->done && late == 0) late = pthread_cond_timedwait(&f->ended, &f->lock, &until);
  bool done = f->done;
  pthread_mutex_unlock(&f->lock);
  return done;
}

gh_err gh_web_fetch_take(gh_web_fetch *f, gh_buf *out, gh_diag *diag)
{
  gh_err err = f->err;
  if (err == GH_OK)
    gh_buf_add(out, gh_buf_str(&f->answer));
  else
    gh_fail(diag, err, "%s", f->diag.text);
  release(f);
  return err;
}

void gh_web_fetch_leave(gh_web_fetch *f)
{
  if (!f) return;
  atomic_store(&f->stop, true);
  release(f);
}
