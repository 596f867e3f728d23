/* bench_handshake: handshakes of OpenSSL with itself, client and server in one thread, nothing else: over memory the
 * most that this machine's OpenSSL can do; over a TCP connection each, or over UDP with DTLS 1.2, the most that
 * anybody could do with sockets. With a pre-shared key, or with the certificates that bench_server left in DIR.
 * Prints one line of JSON. bench_handshake [--over memory|tcp|udp] [--tls 1.2|1.3] [--ciphers LIST] [--suites13 LIST]
 * [--certificate DIR] [--threads N] [--in-flight N] [--seconds S]
 * --in-flight: so many handshakes of each thread are under way at a time, each a turn of both sides on; alone (1), a
 * handshake finds everything in the processor's caches.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "latency.h"
#include "openssl_ends.h"

enum { THREADS_MAX = 64, BIO_BYTES = 8192, TURNS_MAX = 12, IN_FLIGHT_MAX = 512 };

/* One handshake after the other. */
typedef struct lane {
  int listener; /* UDP: the server's socket, one for all its peers in turn */
  struct sockaddr_in address;
  SSL *client, *server;
  int turns;
} lane;

typedef struct loop {
  pthread_t thread;
  ends_over kind;
  SSL_CTX *client, *server;
  lane *lanes;
  unsigned in_flight;
  const atomic_bool *stop;
  uint64_t count;
} loop;

static void listen_on_loopback(lane *l, ends_over kind)
{
  socklen_t len = sizeof l->address;
  l->address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  l->listener = socket(AF_INET, kind == OVER_UDP ? SOCK_DGRAM | SOCK_NONBLOCK : SOCK_STREAM, 0);
  if (bind(l->listener, (const struct sockaddr *)&l->address, len) != 0 ||
      (kind == OVER_TCP && listen(l->listener, 16) != 0) ||
      getsockname(l->listener, (struct sockaddr *)&l->address, &len) != 0)
    ends_fail("cannot listen");
}

static void connect_pair(const lane *l, BIO *bios[2])
{
  int client = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(client, (const struct sockaddr *)&l->address, sizeof l->address) != 0) ends_fail("cannot connect");
  int server = accept4(l->listener, NULL, NULL, SOCK_NONBLOCK);
  fcntl(client, F_SETFL, O_NONBLOCK);
  bios[0] = BIO_new_socket(client, BIO_CLOSE);
  bios[1] = BIO_new_socket(server, BIO_CLOSE);
}

/* A socket for each client, as over TCP; the server's socket turns to the new peer. */
static void meet_over_udp(const lane *l, BIO *bios[2])
{
  struct sockaddr_in own;
  socklen_t len = sizeof own;
  int client = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  if (connect(client, (const struct sockaddr *)&l->address, sizeof l->address) != 0 ||
      getsockname(client, (struct sockaddr *)&own, &len) != 0 ||
      connect(l->listener, (struct sockaddr *)&own, len) != 0)
    ends_fail("cannot connect");
  bios[0] = ends_datagram_bio(client, &l->address, BIO_CLOSE);
  bios[1] = ends_datagram_bio(l->listener, &own, BIO_NOCLOSE);
}

static void meet(const lane *l, ends_over kind, BIO *bios[2])
{
  switch (kind) {
  case OVER_TCP: connect_pair(l, bios); return;
  case OVER_UDP: meet_over_udp(l, bios); return;
  case OVER_MEMORY:
    if (BIO_new_bio_pair(&bios[0], BIO_BYTES, &bios[1], BIO_BYTES) != 1) ends_fail("no memory");
  }
}

/* Over UDP nothing but the client's close_notify tells the server of the end. */
static void part(SSL *client, SSL *server)
{
  char octet;
  SSL_shutdown(client);
  if (SSL_read(server, &octet, 1) > 0) ends_fail("more than an end");
}

static void begin(const loop *l, lane *n)
{
  BIO *bios[2];
  meet(n, l->kind, bios);
  n->client = ends_new(l->client, bios[0], false);
  n->server = ends_new(l->server, bios[1], true);
  n->turns = 0;
}

static void end(const loop *l, lane *n)
{
  if (l->kind == OVER_UDP) part(n->client, n->server);
  SSL_free(n->client);
  SSL_free(n->server);
}

/* True: it is done. */
static bool take_turn(lane *n)
{
  if (n->turns++ == TURNS_MAX) ends_fail("no handshake");
  return (SSL_do_handshake(n->client) == 1) + (SSL_do_handshake(n->server) == 1) == 2;
}

static void *run(void *arg)
{
  loop *l = arg;
  for (unsigned i = 0; i < l->in_flight; i++) begin(l, &l->lanes[i]);
  for (unsigned i = 0; !atomic_load_explicit(l->stop, memory_order_relaxed); i = (i + 1) % l->in_flight) {
    lane *n = &l->lanes[i];
    if (!take_turn(n)) continue;
    end(l, n);
    begin(l, n);
    l->count++;
  }
  return NULL;
}

static void start_loop(loop *l, const ends_profile *p, unsigned in_flight, const atomic_bool *stop)
{
  *l = (loop){.kind = p->kind,
              .client = ends_context(p, false),
              .server = ends_context(p, true),
              .lanes = calloc(in_flight, sizeof(lane)),
              .in_flight = in_flight,
              .stop = stop};
  if (!l->lanes) ends_fail("no memory");
  for (unsigned i = 0; i < in_flight && p->kind != OVER_MEMORY; i++) listen_on_loopback(&l->lanes[i], p->kind);
  pthread_create(&l->thread, NULL, run, l);
}

static uint64_t end_loop(loop *l)
{
  pthread_join(l->thread, NULL);
  SSL_CTX_free(l->client);
  SSL_CTX_free(l->server);
  return l->count;
}

int main(int argc, char **argv)
{
  ends_profile p = ends_profile_of(argc, argv);
  unsigned threads = (unsigned)atoi(ends_option(argc, argv, "--threads", "2"));
  unsigned in_flight = (unsigned)atoi(ends_option(argc, argv, "--in-flight", "1"));
  double seconds = atof(ends_option(argc, argv, "--seconds", "2"));
  atomic_bool stop = false;
  loop loops[THREADS_MAX];
  if (threads < 1 || threads > THREADS_MAX || in_flight < 1 || in_flight > IN_FLIGHT_MAX) return 2;
  uint64_t begun = now_ns(), count = 0;
  for (unsigned i = 0; i < threads; i++) start_loop(&loops[i], &p, in_flight, &stop);
  usleep((useconds_t)(seconds * 1e6));
  atomic_store(&stop, true);
  for (unsigned i = 0; i < threads; i++) count += end_loop(&loops[i]);
  seconds = (double)(now_ns() - begun) / 1e9;
  printf("{\"count\":%llu,\"seconds\":%.3f,\"rate\":%.1f}\n", (unsigned long long)count, seconds,
         (double)count / seconds);
  return 0;
}
