/* The sockets of a worker's connections, on one epoll that the worker's loop watches in its turn: two epoll_ctl for a
 * connection, where libuv makes five (and one for a change, where it makes two). */
#ifndef GH_LINK_WATCH_H
#define GH_LINK_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "gatehouse/error.h"

typedef struct gh_watch {
  int fd; /* owned; -1: closed */
  int events;
  /* status < 0: the socket has failed. events: UV_READABLE, UV_WRITABLE, as far as they are watched. */
  void (*on_event)(struct gh_watch *watch, int status, int events);
  /* From the loop, when nobody up the stack can be using it any more: frees it. */
  void (*on_closed)(struct gh_watch *watch);
  struct gh_watch *next; /* of the closed */
} gh_watch;

typedef struct gh_watcher {
  uv_poll_t poll;
  uv_prepare_t reap;
  int epoll;
  gh_watch *closed;
} gh_watcher;

/* On the loop's thread. Without an epoll nothing is ever reported: connections end at their deadlines. */
void gh_watcher_init(gh_watcher *watcher, uv_loop_t *uv);
void gh_watcher_close(gh_watcher *watcher);

void gh_watch_set(gh_watcher *watcher, gh_watch *watch, int events); /* 0: nothing, not even a failure */
void gh_watch_close(gh_watcher *watcher, gh_watch *watch);           /* closes the socket now, on_closed follows */

#endif
