/* bench_handshake_server: OpenSSL's server in a process of its own, which makes handshakes with whoever comes and
 * nothing else: no keyring, no names, no limits. What a server costs that shares its cores with its clients' process,
 * whoever wrote it. Prints one line of JSON with its port, serves until its standard input ends.
 * bench_handshake_server [--over tcp|udp] [--tls 1.2|1.3] [--ciphers LIST] [--suites13 LIST] [--certificate DIR]
 * [--threads N] */
#include <openssl/err.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "openssl_ends.h"

enum { THREADS_MAX = 64, EVENTS = 256, BACKLOG = 1024, PORTS = 65536, DATAGRAM_MAX = 2048 };

typedef struct server {
  pthread_t thread;
  SSL_CTX *ctx;
  int socket, epoll;
  SSL **peers; /* UDP: by the peer's port, as all are on this machine */
} server;

static int listen_at(struct sockaddr_in *address, ends_over kind)
{
  int one = 1, fd = socket(AF_INET, (kind == OVER_UDP ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK, 0);
  socklen_t len = sizeof *address;
  if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) != 0 ||
      bind(fd, (const struct sockaddr *)address, len) != 0 || (kind == OVER_TCP && listen(fd, BACKLOG) != 0) ||
      getsockname(fd, (struct sockaddr *)address, &len) != 0)
    ends_fail("cannot listen");
  return fd;
}

/* False: the association has ended, well or not. */
static bool step(SSL *ssl)
{
  char octet;
  int rc = SSL_is_init_finished(ssl) ? SSL_read(ssl, &octet, 1) : SSL_do_handshake(ssl);
  if (rc == 1 || SSL_get_error(ssl, rc) == SSL_ERROR_WANT_READ) return true;
  ERR_clear_error();
  return false;
}

/* ---- TCP */

static void accept_all(server *s)
{
  int fd;
  while ((fd = accept4(s->socket, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
    SSL *ssl = ends_new(s->ctx, BIO_new_socket(fd, BIO_CLOSE), true);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = ssl};
    if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &event) != 0) ends_fail("epoll_ctl");
  }
}

static void *serve_streams(void *arg)
{
  server *s = arg;
  struct epoll_event events[EVENTS], listener = {.events = EPOLLIN};
  s->epoll = epoll_create1(0);
  epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->socket, &listener);
  for (;;) {
    int n = epoll_wait(s->epoll, events, EVENTS, -1);
    for (int i = 0; i < n; i++) {
      SSL *ssl = events[i].data.ptr;
      if (!ssl)
        accept_all(s);
      else if (!step(ssl))
        SSL_free(ssl);
    }
  }
  return NULL;
}

/* ---- UDP */

static SSL *new_peer(server *s, const struct sockaddr_in *from)
{
  BIO *in = BIO_new(BIO_s_mem());
  BIO_set_mem_eof_return(in, -1);
  SSL *ssl = ends_new(s->ctx, in, true);
  BIO *out = BIO_new_dgram(s->socket, BIO_NOCLOSE);
  union { /* BIO_ctrl takes no const */
    const struct sockaddr_in *in;
    void *out;
  } address = {.in = from};
  BIO_ctrl(out, BIO_CTRL_DGRAM_SET_PEER, 0, address.out);
  SSL_set0_wbio(ssl, out);
  return ssl;
}

static void take_datagram(server *s, const struct sockaddr_in *from, const char *octets, int len)
{
  SSL **peer = &s->peers[ntohs(from->sin_port)];
  if (!*peer) *peer = new_peer(s, from);
  BIO_write(SSL_get_rbio(*peer), octets, len);
  if (step(*peer)) return;
  SSL_free(*peer);
  *peer = NULL;
}

static void *serve_datagrams(void *arg)
{
  server *s = arg;
  char octets[DATAGRAM_MAX];
  struct epoll_event event = {.events = EPOLLIN};
  s->epoll = epoll_create1(0);
  s->peers = calloc(PORTS, sizeof *s->peers);
  epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->socket, &event);
  for (;;) {
    struct sockaddr_in from;
    socklen_t from_len = sizeof from;
    ssize_t len = recvfrom(s->socket, octets, sizeof octets, 0, (struct sockaddr *)&from, &from_len);
    if (len > 0)
      take_datagram(s, &from, octets, (int)len);
    else
      epoll_wait(s->epoll, &event, 1, -1);
  }
  return NULL;
}

int main(int argc, char **argv)
{
  ends_profile p = ends_profile_of(argc, argv);
  unsigned threads = (unsigned)atoi(ends_option(argc, argv, "--threads", "2"));
  static server servers[THREADS_MAX];
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (threads < 1 || threads > THREADS_MAX || p.kind == OVER_MEMORY) return 2;
  signal(SIGPIPE, SIG_IGN);
  for (unsigned i = 0; i < threads; i++) {
    servers[i] = (server){.ctx = ends_context(&p, true), .socket = listen_at(&address, p.kind)};
    pthread_create(&servers[i].thread, NULL, p.kind == OVER_UDP ? serve_datagrams : serve_streams, &servers[i]);
  }
  printf("{\"port\":%d}\n", ntohs(address.sin_port));
  fflush(stdout);
  while (getchar() != EOF) {
  }
  return 0;
}
