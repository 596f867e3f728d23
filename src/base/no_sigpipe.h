/* A peer that is gone must not end a program by a signal that it did not ask for: SIGPIPE is held back while a
 * library writes, and taken away if it came. */
#ifndef GH_BASE_NO_SIGPIPE_H
#define GH_BASE_NO_SIGPIPE_H

#include <signal.h>
#include <stdbool.h>

typedef struct gh_no_sigpipe {
  sigset_t before;
  bool was_pending;
} gh_no_sigpipe;

/* Of the calling thread; in pairs. */
void gh_no_sigpipe_begin(gh_no_sigpipe *held);
void gh_no_sigpipe_end(const gh_no_sigpipe *held);

#endif
