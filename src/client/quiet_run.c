/* SIGPIPE, held back for the calling thread. */
#include "client/quiet_run.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

/* A peer that is gone must not end the process by a signal: it is held back while we write, and taken away if it
 * came. */
void gh_quiet_run(uv_loop_t *loop, uv_run_mode mode)
{
  sigset_t pipe, before, pending;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  sigpending(&pending);
  bool was_pending = sigismember(&pending, SIGPIPE) == 1;
  pthread_sigmask(SIG_BLOCK, &pipe, &before);
  uv_run(loop, mode);
  if (!was_pending) sigtimedwait(&pipe, NULL, &(struct timespec){0, 0});
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}
