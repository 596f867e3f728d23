/* bench_create_null: an HTTP server that does with a CREATE what cannot be left out and nothing else: reads it from
 * its connection, has a row written in one commit with everybody's who waits, answers when that is durable. The
 * request is not looked at beyond its length, every row and every answer is the same. Prints one line of JSON with
 * its port, serves until its standard input ends. bench_create_null --path FILE --body FILE --container FILE --answer
 * FILE [--workers N] */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rows.h"

enum { WORKERS_MAX = 16, CONNS_MAX = 4096, REQUEST_MAX = 4096, EVENTS = 256, BACKLOG = 1024 };

typedef struct conn {
  struct worker *worker;
  struct conn *next; /* of those who wait for the disk, or for their answer */
  int fd;
  bool waits, gone; /* for the disk; the peer has, meanwhile */
  size_t len;
  char request[REQUEST_MAX];
} conn;

typedef struct worker {
  int epoll, listener, wake;
  pthread_mutex_t lock;
  conn *durable;
} worker;

static struct {
  rows rows;
  char answer[ROWS_TEXT_MAX];
  size_t answer_len;
  worker workers[WORKERS_MAX];
  int worker_count;
  pthread_mutex_t lock;
  pthread_cond_t some;
  conn *waiting;
} all = {.lock = PTHREAD_MUTEX_INITIALIZER, .some = PTHREAD_COND_INITIALIZER};

static void need(bool ok, const char *what)
{
  if (ok) return;
  perror(what);
  exit(3);
}

/* ---- the writer */

static conn *take(void)
{
  pthread_mutex_lock(&all.lock);
  while (!all.waiting) pthread_cond_wait(&all.some, &all.lock);
  conn *taken = all.waiting;
  all.waiting = NULL;
  pthread_mutex_unlock(&all.lock);
  return taken;
}

static void hand_back(conn *taken)
{
  conn *of[WORKERS_MAX] = {NULL};
  for (conn *c = taken, *next; c; c = next) {
    next = c->next;
    long at = c->worker - all.workers;
    c->next = of[at];
    of[at] = c;
  }
  for (int i = 0; i < all.worker_count; i++) {
    worker *w = &all.workers[i];
    conn *last = of[i];
    if (!last) continue;
    while (last->next) last = last->next;
    pthread_mutex_lock(&w->lock);
    last->next = w->durable;
    w->durable = of[i];
    pthread_mutex_unlock(&w->lock);
    need(eventfd_write(w->wake, 1) == 0, "eventfd");
  }
}

static void *write_rows(void *arg)
{
  (void)arg;
  for (;;) {
    conn *taken = take();
    int count = 0;
    for (conn *c = taken; c; c = c->next) count++;
    rows_commit(&all.rows, count);
    hand_back(taken);
  }
  return NULL;
}

/* ---- the workers */

static bool whole(const conn *c)
{
  const char *end = memmem(c->request, c->len, "\r\n\r\n", 4);
  const char *length = memmem(c->request, c->len, "Content-Length: ", 16);
  return end && length && c->len >= (size_t)(end + 4 - c->request) + (size_t)atoi(length + 16);
}

static void end(conn *c)
{
  close(c->fd);
  free(c);
}

static void on_readable(conn *c)
{
  ssize_t got = recv(c->fd, c->request + c->len, sizeof c->request - 1 - c->len, MSG_DONTWAIT);
  if (got <= 0) {
    epoll_ctl(c->worker->epoll, EPOLL_CTL_DEL, c->fd, NULL);
    c->gone = true;
    if (!c->waits) end(c);
    return;
  }
  c->len += (size_t)got;
  c->request[c->len] = 0;
  if (!whole(c)) return;
  c->waits = true;
  pthread_mutex_lock(&all.lock);
  c->next = all.waiting;
  all.waiting = c;
  pthread_cond_signal(&all.some);
  pthread_mutex_unlock(&all.lock);
}

static void answer_durable(worker *w)
{
  eventfd_t count;
  eventfd_read(w->wake, &count);
  pthread_mutex_lock(&w->lock);
  conn *c = w->durable;
  w->durable = NULL;
  pthread_mutex_unlock(&w->lock);
  for (conn *next; c; c = next) {
    next = c->next;
    c->len = 0;
    c->waits = false;
    bool sent = !c->gone && send(c->fd, all.answer, all.answer_len, MSG_NOSIGNAL) == (ssize_t)all.answer_len;
    if (!sent) end(c);
  }
}

static void watch(const worker *w, int fd, void *what)
{
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = what};
  need(epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
}

static void accept_all(worker *w)
{
  int one = 1;
  for (int fd; (fd = accept4(w->listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
    conn *c = calloc(1, sizeof *c);
    need(c != NULL, "memory");
    c->worker = w;
    c->fd = fd;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    watch(w, fd, c);
  }
}

static void *serve(void *arg)
{
  worker *w = arg;
  struct epoll_event events[EVENTS];
  for (;;) {
    int count = epoll_wait(w->epoll, events, EVENTS, -1);
    for (int i = 0; i < count; i++) {
      if (events[i].data.ptr == &w->wake)
        answer_durable(w);
      else if (events[i].data.ptr == w)
        accept_all(w);
      else
        on_readable(events[i].data.ptr);
    }
  }
  return NULL;
}

static void start_worker(worker *w, struct sockaddr_in *address)
{
  int one = 1;
  socklen_t len = sizeof *address;
  pthread_t thread;
  pthread_mutex_init(&w->lock, NULL);
  w->epoll = epoll_create1(0);
  w->wake = eventfd(0, EFD_NONBLOCK);
  w->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  setsockopt(w->listener, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
  need(bind(w->listener, (struct sockaddr *)address, len) == 0 && listen(w->listener, BACKLOG) == 0 &&
           getsockname(w->listener, (struct sockaddr *)address, &len) == 0,
       "listen");
  watch(w, w->listener, w);
  watch(w, w->wake, &w->wake);
  need(pthread_create(&thread, NULL, serve, w) == 0, "pthread_create");
}

static const char *option(int argc, char **argv, const char *name, const char *otherwise)
{
  for (int i = 1; i + 1 < argc; i++)
    if (strcmp(argv[i], name) == 0) return argv[i + 1];
  return otherwise;
}

int main(int argc, char **argv)
{
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  pthread_t writer;
  const char *path = option(argc, argv, "--path", NULL);
  all.worker_count = atoi(option(argc, argv, "--workers", "2"));
  if (!path || all.worker_count < 1 || all.worker_count > WORKERS_MAX) return 2;
  rows_open(&all.rows, path, option(argc, argv, "--body", NULL), option(argc, argv, "--container", NULL));
  all.answer_len = (size_t)rows_read_file(option(argc, argv, "--answer", NULL), all.answer);
  need(pthread_create(&writer, NULL, write_rows, NULL) == 0, "pthread_create");
  for (int i = 0; i < all.worker_count; i++) start_worker(&all.workers[i], &address);
  printf("{\"port\":%d}\n", ntohs(address.sin_port));
  fflush(stdout);
  while (getchar() != EOF) continue;
  _exit(0); /* nobody is joined: the database is thrown away */
}
