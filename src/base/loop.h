/* Worker threads, one event loop each (libuv). What belongs to a loop is touched only on its thread; other threads
 * hand work over with gh_loop_post. */
#ifndef GH_BASE_LOOP_H
#define GH_BASE_LOOP_H

#include <uv.h>

#include "gatehouse/error.h"

typedef struct gh_loop gh_loop;

/* A piece of work handed to a loop. Embed it in a struct that the work owns. */
typedef struct gh_task {
  void (*run)(struct gh_task *task);
  struct gh_task *next;
} gh_task;

/* Starts a thread that runs the loop until gh_loop_stop. */
GH_MUST_USE gh_err gh_loop_start(const char *name, gh_loop **out);
/* Any thread. Runs `task` on the loop's thread, in order of posting. After stop was asked, tasks still run once. */
void gh_loop_post(gh_loop *loop, gh_task *task);
/* The same in two steps, for who posts many. The second must follow soon: others who post meanwhile rely on it. */
void gh_loop_put(gh_loop *loop, gh_task *task);
void gh_loop_wake(gh_loop *loop); /* if anything waits */
/* Runs fn on the loop's thread and waits for it. Not from the loop's own thread. NULL, for a loop that somebody runs
 * inline: runs it here. */
void gh_loop_call(gh_loop *loop, void (*fn)(void *arg), void *arg);
/* Asks the loop to end and joins its thread; every handle of the loop must have been closed on it before. */
void gh_loop_stop(gh_loop *loop);
/* The libuv loop, for use on its own thread only. */
uv_loop_t *gh_loop_uv(gh_loop *loop);

#endif
