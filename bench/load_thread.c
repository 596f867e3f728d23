/* One thread of the load generator: connections on an epoll, each with one request (or handshake) in flight. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "load.h"

enum { HEAD_MAX = 2048, READ_BYTES = 65536, EVENTS = 256 };

typedef enum conn_state { CONN_HANDSHAKE, CONN_UPGRADE, CONN_STANDS, CONN_REQUEST, CONN_DONE } conn_state;

typedef struct conn {
  int fd;
  bool wants_write; /* what the epoll watches */
  conn_state state;
  SSL *ssl;
  uint64_t begun_ns;
  char head[HEAD_MAX]; /* of an answer that came in pieces */
  size_t head_len;
  uint64_t body_left;
  bool in_body, refused;
} conn;

typedef struct run {
  load_thread *t;
  const load_options *o;
  int epoll;
  conn *conns;
  unsigned standing; /* connections whose handshake is done */
  bool measuring;
  char buffer[READ_BYTES];
} run;

static void watch(run *r, conn *c, int op, bool write)
{
  struct epoll_event event = {.events = write ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = c};
  c->wants_write = write;
  if (epoll_ctl(r->epoll, op, c->fd, &event) != 0) {
    perror("epoll_ctl");
    exit(1);
  }
}

static void step_handshake(run *r, conn *c);

static void begin(run *r, conn *c)
{
  int one = 1;
  *c = (conn){.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), .begun_ns = now_ns()};
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  int rc = connect(c->fd, (const struct sockaddr *)&r->o->address, sizeof r->o->address);
  if (c->fd < 0 || (rc != 0 && errno != EINPROGRESS)) {
    perror("connect");
    exit(1);
  }
  if (r->o->tls) {
    c->ssl = SSL_new(r->o->tls);
    if (!c->ssl || SSL_set_fd(c->ssl, c->fd) != 1) exit(1);
    SSL_set_connect_state(c->ssl);
  }
  watch(r, c, EPOLL_CTL_ADD, !c->ssl);
  if (c->ssl) step_handshake(r, c); /* a connection on this machine stands at once */
}

static void end(conn *c)
{
  SSL_free(c->ssl);
  close(c->fd);
  c->ssl = NULL;
}

static void lost(run *r, conn *c, const char *why)
{
  if (atomic_load(r->t->stop)) return;
  if (!r->t->failures++) {
    unsigned long code = ERR_peek_last_error();
    fprintf(stderr, "load: %s %s\n", why, code ? ERR_error_string(code, NULL) : "");
  }
  ERR_clear_error();
  end(c);
  if (r->t->failures > 1000) exit(1);
  begin(r, c);
}

static void send_octets(run *r, conn *c, gh_str octets)
{
  size_t sent = 0;
  c->head_len = 0;
  c->in_body = false;
  c->begun_ns = now_ns();
  bool ok = c->ssl ? SSL_write_ex(c->ssl, octets.ptr, octets.len, &sent) == 1
                   : (sent = (size_t)send(c->fd, octets.ptr, octets.len, MSG_NOSIGNAL)) == octets.len;
  if (!ok || sent != octets.len) lost(r, c, "request not sent");
}

static void send_request(run *r, conn *c)
{
  c->state = CONN_REQUEST;
  send_octets(r, c, (gh_str){r->o->request, r->o->request_len});
}

static void on_standing(run *r, conn *c)
{
  c->state = r->o->mode == LOAD_HANDSHAKES ? CONN_DONE : CONN_STANDS;
  if (c->state == CONN_DONE) return;
  if (c->wants_write) watch(r, c, EPOLL_CTL_MOD, false);
  r->standing++;
  if (r->measuring && r->o->mode == LOAD_REQUESTS) send_request(r, c);
}

static void on_associated(run *r, conn *c)
{
  if (!r->o->websocket) {
    on_standing(r, c);
    return;
  }
  if (c->wants_write) watch(r, c, EPOLL_CTL_MOD, false);
  c->state = CONN_UPGRADE;
  send_octets(r, c, load_ws_upgrade());
}

static void step_handshake(run *r, conn *c)
{
  int rc = c->ssl ? SSL_do_handshake(c->ssl) : 1;
  if (rc == 1) {
    on_associated(r, c);
    return;
  }
  int error = SSL_get_error(c->ssl, rc);
  bool write = error == SSL_ERROR_WANT_WRITE;
  if (!write && error != SSL_ERROR_WANT_READ)
    lost(r, c, "handshake");
  else if (write != c->wants_write)
    watch(r, c, EPOLL_CTL_MOD, write);
}

static void count(run *r, conn *c)
{
  if (c->refused && !r->t->failures++) fprintf(stderr, "load: answered %.400s\n", c->head);
  latency_add(&r->t->latency, now_ns() - c->begun_ns);
}

/* Takes the head of an answer apart once it is complete; returns how many octets of `text` belong to it. */
static size_t take_head(conn *c, const char *text, size_t len)
{
  size_t before = c->head_len, room = sizeof c->head - 1 - before, taken = len < room ? len : room;
  memcpy(c->head + before, text, taken);
  c->head_len += taken;
  c->head[c->head_len] = '\0';
  const char *stop = memmem(c->head, c->head_len, "\r\n\r\n", 4);
  if (!stop) return taken;
  const char *length = memmem(c->head, (size_t)(stop - c->head), "\r\nContent-Length: ", 18);
  c->body_left = length ? strtoull(length + 18, NULL, 10) : 0;
  c->refused = c->head[9] != '2';
  c->in_body = true;
  return (size_t)(stop - c->head) + 4 - before;
}

/* The same for an answer in a WebSocket frame. Whether it is a refusal is seen in what came with its head. */
static size_t take_frame_head(conn *c, const char *text, size_t len)
{
  size_t before = c->head_len, room = sizeof c->head - 1 - before, taken = len < room ? len : room;
  memcpy(c->head + before, text, taken);
  c->head_len += taken;
  c->head[c->head_len] = '\0';
  size_t head = load_ws_head(c->head, c->head_len, &c->body_left);
  if (head == 0) return taken;
  c->refused = head == SIZE_MAX || !memmem(c->head, c->head_len, "\"rsc\":2", 7);
  c->in_body = true;
  if (head == SIZE_MAX) c->body_left = head = 0;
  return head - before;
}

/* True when the answer is complete. */
static bool take_answer(run *r, conn *c, size_t len)
{
  size_t at = 0;
  bool frame = c->state == CONN_REQUEST && r->o->websocket;
  r->t->octets += len;
  if (!c->in_body) at = frame ? take_frame_head(c, r->buffer, len) : take_head(c, r->buffer, len);
  if (!c->in_body) return false;
  size_t body = len - at < c->body_left ? len - at : (size_t)c->body_left;
  c->body_left -= body;
  return c->body_left == 0;
}

typedef enum got { GOT_SOME, GOT_NOTHING, GOT_END } got;

static got receive(run *r, conn *c, size_t *len)
{
  if (c->ssl) {
    if (SSL_read_ex(c->ssl, r->buffer, sizeof r->buffer, len) == 1) return GOT_SOME;
    int error = SSL_get_error(c->ssl, 0);
    ERR_clear_error();
    return error == SSL_ERROR_WANT_READ ? GOT_NOTHING : GOT_END;
  }
  ssize_t n = recv(c->fd, r->buffer, sizeof r->buffer, 0);
  *len = n > 0 ? (size_t)n : 0;
  if (n > 0) return GOT_SOME;
  return n < 0 && (errno == EAGAIN || errno == EINTR) ? GOT_NOTHING : GOT_END;
}

/* Reads on while an answer is incomplete: what TLS has read ahead wakes nobody. */
static void on_readable(run *r, conn *c)
{
  size_t len = 0;
  bool complete = false;
  while (!complete) {
    switch (receive(r, c, &len)) {
    case GOT_NOTHING: return;
    case GOT_END: lost(r, c, "connection closed"); return;
    case GOT_SOME: complete = take_answer(r, c, len);
    }
  }
  if (c->state == CONN_UPGRADE) {
    if (memcmp(c->head + 9, "101", 3) != 0)
      lost(r, c, "WebSocket was refused");
    else
      on_standing(r, c);
    return;
  }
  if (r->measuring) count(r, c);
  send_request(r, c);
}

/* The next handshakes, as long as they complete at once. Not a shutdown but an end: what is measured is the
 * handshake. */
static void shake_again(run *r, conn *c)
{
  while (c->state == CONN_DONE && !atomic_load_explicit(r->t->stop, memory_order_relaxed)) {
    latency_add(&r->t->latency, now_ns() - c->begun_ns);
    end(c);
    begin(r, c);
  }
}

static void on_event(run *r, conn *c)
{
  if (c->state == CONN_HANDSHAKE) {
    step_handshake(r, c);
    shake_again(r, c);
  } else {
    on_readable(r, c);
  }
}

static void turn(run *r, int wait_ms)
{
  struct epoll_event events[EVENTS];
  int n = epoll_wait(r->epoll, events, EVENTS, wait_ms);
  for (int i = 0; i < n; i++) on_event(r, events[i].data.ptr);
}

/* Connections are begun a few at a time, so that no backlog overflows. */
static void stand_up(run *r)
{
  if (r->o->mode == LOAD_HANDSHAKES) return;
  for (unsigned i = 0; i < r->t->connections; i++) {
    begin(r, &r->conns[i]);
    while (r->standing + 64 < i) turn(r, 100);
  }
  while (r->standing < r->t->connections) turn(r, 100);
}

static void begin_all(run *r)
{
  r->measuring = true;
  for (unsigned i = 0; i < r->t->connections; i++) {
    if (r->o->mode == LOAD_HANDSHAKES) {
      begin(r, &r->conns[i]);
      shake_again(r, &r->conns[i]);
    }
    if (r->o->mode == LOAD_REQUESTS) send_request(r, &r->conns[i]);
  }
}

void *load_thread_main(void *arg)
{
  load_thread *t = arg;
  run *r = calloc(1, sizeof *r);
  *r = (run){
      .t = t, .o = t->options, .epoll = epoll_create1(EPOLL_CLOEXEC), .conns = calloc(t->connections, sizeof(conn))};
  stand_up(r);
  pthread_barrier_wait(t->start);
  begin_all(r);
  while (!atomic_load_explicit(t->stop, memory_order_relaxed)) turn(r, 50);
  for (unsigned i = 0; i < t->connections; i++) end(&r->conns[i]);
  close(r->epoll);
  free(r->conns);
  free(r);
  return NULL;
}
