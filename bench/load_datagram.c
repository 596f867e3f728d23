/* One thread of the load generator over DTLS: a socket for each association, each with one request (or handshake) in
 * flight. What is lost is sent again. */
#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "load.h"

enum { READ_BYTES = 4096, REQUEST_BYTES = 1024, EVENTS = 256, MTU = 1232, AT_ONCE = 64, LOOK_MS = 50 };
#define ACK_TIMEOUT_NS UINT64_C(2000000000) /* RFC 7252 4.8 */
#define LOOK_NS (LOOK_MS * UINT64_C(1000000))

typedef struct conn {
  int fd;
  SSL *ssl;
  bool stands;
  uint16_t mid;
  uint64_t begun_ns, sent_ns;
} conn;

typedef struct run {
  load_thread *t;
  const load_options *o;
  int epoll;
  conn *conns;
  unsigned standing;
  bool measuring;
  uint64_t looked_ns; /* for what was lost */
  char request[REQUEST_BYTES], buffer[READ_BYTES];
} run;

static void give_up(const char *what)
{
  perror(what);
  ERR_print_errors_fp(stderr);
  exit(1);
}

static int open_socket(const struct sockaddr_in *server)
{
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, (const struct sockaddr *)server, sizeof *server) != 0) give_up("connect");
  return fd;
}

static SSL *new_ssl(const load_options *o, int fd)
{
  SSL *ssl = SSL_new(o->tls);
  BIO *bio = load_bio_new(fd);
  if (!ssl || !bio) give_up("SSL_new");
  SSL_set_bio(ssl, bio, bio);
  SSL_set_options(ssl, SSL_OP_NO_QUERY_MTU);
  SSL_set_mtu(ssl, MTU);
  SSL_set_connect_state(ssl);
  return ssl;
}

static void step_handshake(run *r, conn *c);

static void begin(run *r, conn *c)
{
  *c = (conn){.fd = open_socket(&r->o->address), .begun_ns = now_ns()};
  c->ssl = new_ssl(r->o, c->fd);
  /* a step of a handshake reads all there is: the socket need not be asked again */
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
  if (r->o->mode == LOAD_HANDSHAKES) event.events |= EPOLLET;
  if (epoll_ctl(r->epoll, EPOLL_CTL_ADD, c->fd, &event) != 0) give_up("epoll_ctl");
  step_handshake(r, c);
}

/* Nothing but close_notify tells the server that the association has gone. */
static void end(conn *c)
{
  if (c->stands) SSL_shutdown(c->ssl);
  SSL_free(c->ssl);
  close(c->fd);
  c->ssl = NULL;
}

static void lost(run *r, conn *c, const char *why)
{
  if (!r->t->failures++) {
    unsigned long code = ERR_peek_last_error();
    fprintf(stderr, "load: %s %s\n", why, code ? ERR_error_string(code, NULL) : "");
  }
  if (r->t->failures > 1000) exit(1);
  if (c->stands) r->standing--;
  end(c);
  ERR_clear_error();
  begin(r, c);
}

static void send_request(run *r, conn *c)
{
  load_coap_number(r->request, c->mid);
  c->sent_ns = now_ns();
  if (SSL_write(c->ssl, r->request, (int)r->o->request_len) <= 0) lost(r, c, "request not sent");
}

static void ask(run *r, conn *c)
{
  c->mid++;
  c->begun_ns = now_ns();
  send_request(r, c);
}

static void step_handshake(run *r, conn *c)
{
  int rc = SSL_do_handshake(c->ssl);
  if (rc == 1) {
    c->stands = true;
    r->standing++;
    if (r->measuring && r->o->mode == LOAD_REQUESTS) ask(r, c);
  } else if (SSL_get_error(c->ssl, rc) != SSL_ERROR_WANT_READ) {
    lost(r, c, "handshake");
  }
}

static void take_answer(run *r, conn *c, size_t len)
{
  gh_str datagram = {r->buffer, len};
  r->t->octets += len;
  if (!load_coap_is_answer(datagram, c->mid)) {
    if (!r->t->failures++) fprintf(stderr, "load: answered 0x%02x\n", len > 1 ? (uint8_t)r->buffer[1] : 0U);
    if (r->t->failures > 1000) exit(1);
    return;
  }
  if (!r->measuring) return;
  latency_add(&r->t->latency, now_ns() - c->begun_ns);
  ask(r, c);
}

static void on_readable(run *r, conn *c)
{
  size_t len = 0;
  int rc = SSL_read_ex(c->ssl, r->buffer, sizeof r->buffer, &len);
  if (rc == 1)
    take_answer(r, c, len);
  else if (SSL_get_error(c->ssl, rc) != SSL_ERROR_WANT_READ)
    lost(r, c, "association closed");
}

/* The next handshakes, as long as they complete at once. */
static void shake_again(run *r, conn *c)
{
  while (c->stands && r->o->mode == LOAD_HANDSHAKES && !atomic_load_explicit(r->t->stop, memory_order_relaxed)) {
    latency_add(&r->t->latency, now_ns() - c->begun_ns);
    end(c);
    begin(r, c);
  }
}

static void on_event(run *r, conn *c)
{
  if (c->stands) {
    on_readable(r, c);
    return;
  }
  step_handshake(r, c);
  shake_again(r, c);
}

/* Sends again what was not answered in time: a flight, or a request (which then has waited long in `latency`). */
static void look_for_losses(run *r, uint64_t now)
{
  for (unsigned i = 0; i < r->t->connections; i++) {
    conn *c = &r->conns[i];
    if (!c->ssl) continue;
    if (!c->stands && DTLSv1_handle_timeout(c->ssl) < 0) lost(r, c, "handshake not answered");
    shake_again(r, c); /* one that was begun anew */
    if (c->stands && c->sent_ns && now - c->sent_ns > ACK_TIMEOUT_NS) send_request(r, c);
  }
  ERR_clear_error();
}

static void turn(run *r)
{
  struct epoll_event events[EVENTS];
  int n = epoll_wait(r->epoll, events, EVENTS, LOOK_MS);
  for (int i = 0; i < n; i++) on_event(r, events[i].data.ptr);
  uint64_t now = now_ns();
  if (now - r->looked_ns < LOOK_NS) return;
  r->looked_ns = now;
  look_for_losses(r, now);
}

/* Associations are begun a few at a time, so that no socket overflows. */
static void stand_up(run *r)
{
  if (r->o->mode == LOAD_HANDSHAKES) return;
  for (unsigned i = 0; i < r->t->connections; i++) {
    begin(r, &r->conns[i]);
    while (r->standing + AT_ONCE < i) turn(r);
  }
  while (r->standing < r->t->connections) turn(r);
}

static void begin_all(run *r)
{
  r->measuring = true;
  for (unsigned i = 0; i < r->t->connections; i++) {
    if (r->o->mode == LOAD_HANDSHAKES) {
      begin(r, &r->conns[i]);
      shake_again(r, &r->conns[i]);
    }
    if (r->o->mode == LOAD_REQUESTS) ask(r, &r->conns[i]);
  }
}

void *load_datagram_main(void *arg)
{
  load_thread *t = arg;
  run *r = calloc(1, sizeof *r);
  *r = (run){
      .t = t, .o = t->options, .epoll = epoll_create1(EPOLL_CLOEXEC), .conns = calloc(t->connections, sizeof(conn))};
  if (r->o->request_len > sizeof r->request) give_up("request too long");
  if (r->o->request) memcpy(r->request, r->o->request, r->o->request_len);
  stand_up(r);
  pthread_barrier_wait(t->start);
  begin_all(r);
  while (!atomic_load_explicit(t->stop, memory_order_relaxed)) turn(r);
  for (unsigned i = 0; i < t->connections; i++) end(&r->conns[i]);
  close(r->epoll);
  free(r->conns);
  free(r);
  return NULL;
}
