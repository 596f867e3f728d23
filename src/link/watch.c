#include "link/watch.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 128, DRAIN_BYTES = 4096, DRAINS_PER_EVENT = 16, US_PER_MS = 1000 };

static uint32_t epoll_events(int events)
{
  return ((events & UV_READABLE) ? (uint32_t)EPOLLIN : 0) | ((events & UV_WRITABLE) ? (uint32_t)EPOLLOUT : 0);
}

void gh_watch_set(gh_watcher *watcher, gh_watch *watch, int events)
{
  struct epoll_event event = {.events = epoll_events(events), .data.ptr = watch};
  int op = !events ? EPOLL_CTL_DEL : !watch->events ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  if (watch->fd < 0 || watch->events == events) return;
  watch->events = events;
  epoll_ctl(watcher->epoll, op, watch->fd, &event);
}

/* Closing alone does not take it out of the epoll while a child of this process holds the socket, too: it would be
 * reported after it was freed. */
void gh_watch_close(gh_watcher *watcher, gh_watch *watch)
{
  gh_watch_set(watcher, watch, 0);
  close(watch->fd);
  watch->fd = -1;
  watch->next = watcher->closed;
  watcher->closed = watch;
}

static void end_lingering(gh_watch **at)
{
  gh_watch *watch = *at;
  *at = watch->next;
  watch->watcher->linger_count--;
  gh_watch_close(watch->watcher, watch);
}

static void on_more(gh_watch *watch, int status, int events)
{
  (void)events;
  char octets[DRAIN_BYTES];
  ssize_t got = status < 0 ? 0 : 1;
  for (int i = 0; i < DRAINS_PER_EVENT && got > 0; i++) got = recv(watch->fd, octets, sizeof octets, MSG_DONTWAIT);
  if (got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR))) return;
  gh_watch **at = &watch->watcher->lingering;
  while (*at != watch) at = &(*at)->next;
  end_lingering(at);
}

void gh_watch_linger(gh_watcher *watcher, gh_watch *watch, int64_t now_us)
{
  if (watcher->linger_count >= GH_WATCH_LINGER_MAX || shutdown(watch->fd, SHUT_WR) != 0) {
    gh_watch_close(watcher, watch);
    return;
  }
  watch->watcher = watcher;
  watch->on_event = on_more;
  watch->until_us = now_us + GH_WATCH_LINGER_MS * US_PER_MS;
  watch->next = watcher->lingering;
  watcher->lingering = watch;
  watcher->linger_count++;
  gh_watch_set(watcher, watch, UV_READABLE);
}

void gh_watcher_sweep(gh_watcher *watcher, int64_t now_us)
{
  for (gh_watch **at = &watcher->lingering; *at;)
    if ((*at)->until_us <= now_us)
      end_lingering(at);
    else
      at = &(*at)->next;
}

static void reap(gh_watcher *watcher)
{
  for (gh_watch *watch = watcher->closed, *next; watch; watch = next) {
    next = watch->next;
    watcher->closed = next;
    watch->on_closed(watch);
  }
}

static void on_loop_turn(uv_prepare_t *handle)
{
  reap(handle->data);
}

/* Who hangs up is told by what is read or written next. */
static void tell(gh_watch *watch, uint32_t got)
{
  int events = ((got & (EPOLLIN | EPOLLHUP)) ? UV_READABLE : 0) | ((got & (EPOLLOUT | EPOLLHUP)) ? UV_WRITABLE : 0);
  if (watch->fd < 0 || !watch->events) return; /* closed, or silenced, by one before it */
  if (got & EPOLLERR)
    watch->on_event(watch, UV_EBADF, 0);
  else if (events & watch->events)
    watch->on_event(watch, 0, events & watch->events);
}

static void on_readable(uv_poll_t *handle, int status, int events)
{
  (void)events;
  gh_watcher *watcher = handle->data;
  struct epoll_event got[EVENTS];
  int count = status < 0 ? 0 : epoll_wait(watcher->epoll, got, EVENTS, 0);
  for (int i = 0; i < count; i++) tell(got[i].data.ptr, got[i].events);
}

void gh_watcher_init(gh_watcher *watcher, uv_loop_t *uv)
{
  *watcher = (gh_watcher){.epoll = epoll_create1(EPOLL_CLOEXEC)};
  uv_prepare_init(uv, &watcher->reap);
  watcher->reap.data = watcher;
  uv_prepare_start(&watcher->reap, on_loop_turn);
  if (watcher->epoll < 0) return;
  uv_poll_init(uv, &watcher->poll, watcher->epoll);
  watcher->poll.data = watcher;
  uv_poll_start(&watcher->poll, UV_READABLE, on_readable);
}

static void on_reap_closed(uv_handle_t *handle)
{
  reap(handle->data);
}

static void on_poll_closed(uv_handle_t *handle)
{
  const gh_watcher *watcher = handle->data;
  close(watcher->epoll);
}

void gh_watcher_close(gh_watcher *watcher)
{
  gh_watcher_sweep(watcher, INT64_MAX);
  uv_close((uv_handle_t *)&watcher->reap, on_reap_closed);
  if (watcher->epoll >= 0) uv_close((uv_handle_t *)&watcher->poll, on_poll_closed);
}
