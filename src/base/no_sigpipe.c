/* Holding SIGPIPE back for one thread. Must leave the thread's mask as it was. */
#include "base/no_sigpipe.h"

#include <time.h>

static sigset_t pipe_alone(void)
{
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  return set;
}

void gh_no_sigpipe_begin(gh_no_sigpipe *held)
{
  sigset_t pipe = pipe_alone(), pending;
  sigpending(&pending);
  held->was_pending = sigismember(&pending, SIGPIPE) == 1;
  pthread_sigmask(SIG_BLOCK, &pipe, &held->before);
}

void gh_no_sigpipe_end(const gh_no_sigpipe *held)
{
  sigset_t pipe = pipe_alone();
  if (!held->was_pending) sigtimedwait(&pipe, NULL, &(struct timespec){0, 0});
  pthread_sigmask(SIG_SETMASK, &held->before, NULL);
}
