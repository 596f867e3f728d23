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

enum {
  KEY_BYTES = 32,
  THREADS_MAX = 64,
  BIO_BYTES = 8192,
  COOKIE_BYTES = 32,
  MTU = 1232,
  TURNS_MAX = 12,
  IN_FLIGHT_MAX = 512
};

typedef enum over { OVER_MEMORY, OVER_TCP, OVER_UDP } over;

typedef struct profile {
  over kind;
  int version;
  const char *ciphers, *suites13; /* of 1.2 and of 1.3; NULL: OpenSSL's */
  const char *certificates;       /* folder; NULL: pre-shared key */
} profile;

/* One handshake after the other. */
typedef struct lane {
  int listener; /* UDP: the server's socket, one for all its peers in turn */
  struct sockaddr_in address;
  SSL *client, *server;
  int turns;
} lane;

typedef struct loop {
  pthread_t thread;
  over kind;
  SSL_CTX *client, *server;
  lane *lanes;
  unsigned in_flight;
  const atomic_bool *stop;
  uint64_t count;
} loop;

static unsigned put_key(unsigned char *out)
{
  memset(out, 0x5a, KEY_BYTES);
  return KEY_BYTES;
}

static unsigned client_key(SSL *ssl, const char *hint, char *identity, unsigned cap, unsigned char *out,
                           unsigned out_cap)
{
  (void)ssl;
  (void)hint;
  (void)out_cap;
  snprintf(identity, cap, "Kbench@maf.sp.example.com");
  return put_key(out);
}

static unsigned server_key(SSL *ssl, const char *identity, unsigned char *out, unsigned out_cap)
{
  (void)ssl;
  (void)identity;
  (void)out_cap;
  return put_key(out);
}

static void fail(const char *what)
{
  fprintf(stderr, "bench_handshake: %s\n", what);
  ERR_print_errors_fp(stderr);
  exit(3);
}

/* As our server has it: mutual certificates, one anchor. As the load generator has it: the client believes anybody.
 */
static bool use_certificate(SSL_CTX *ctx, const char *folder, bool server)
{
  char cert[512], key[512], anchor[512];
  snprintf(cert, sizeof cert, "%s/%s.pem", folder, server ? "server" : "ae");
  snprintf(key, sizeof key, "%s/%s.key", folder, server ? "server" : "ae");
  snprintf(anchor, sizeof anchor, "%s/ca.pem", folder);
  if (server) SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
  return SSL_CTX_use_certificate_chain_file(ctx, cert) == 1 &&
         SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) == 1 &&
         (!server || SSL_CTX_load_verify_locations(ctx, anchor, NULL) == 1);
}

static void use_key(SSL_CTX *ctx)
{
  SSL_CTX_set_psk_client_callback(ctx, client_key);
  SSL_CTX_set_psk_server_callback(ctx, server_key);
}

static const SSL_METHOD *method_of(const profile *p, bool server)
{
  if (p->kind == OVER_UDP) return server ? DTLS_server_method() : DTLS_client_method();
  return server ? TLS_server_method() : TLS_client_method();
}

static SSL_CTX *new_context(const profile *p, bool server)
{
  SSL_CTX *ctx = SSL_CTX_new(method_of(p, server));
  if (!ctx) fail("no memory");
  if (p->kind == OVER_UDP) SSL_CTX_set_security_level(ctx, 0); /* CCM_8 counts as 64 bits in OpenSSL 3.2 */
  bool ok = SSL_CTX_set_min_proto_version(ctx, p->version) == 1 &&
            SSL_CTX_set_max_proto_version(ctx, p->version) == 1 && SSL_CTX_set1_groups_list(ctx, "P-256") == 1 &&
            SSL_CTX_set1_sigalgs_list(ctx, "ECDSA+SHA256") == 1 &&
            (!p->ciphers || SSL_CTX_set_cipher_list(ctx, p->ciphers) == 1) &&
            (!p->suites13 || SSL_CTX_set_ciphersuites(ctx, p->suites13) == 1) &&
            (!p->certificates || use_certificate(ctx, p->certificates, server));
  if (!ok) fail("this profile cannot be had");
  if (!p->certificates) use_key(ctx);
  SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(ctx, 0);
  SSL_CTX_set_read_ahead(ctx, 1);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  return ctx;
}

/* The cookie exchange that a DTLS server must make, without what makes a cookie worth anything. */
static int put_cookie(SSL *ssl, unsigned char *out, unsigned *len)
{
  (void)ssl;
  memset(out, 0x5a, COOKIE_BYTES);
  *len = COOKIE_BYTES;
  return 1;
}

static int take_cookie(SSL *ssl, const unsigned char *cookie, unsigned len)
{
  (void)ssl;
  return len == COOKIE_BYTES && cookie[0] == 0x5a;
}

static SSL *new_end(SSL_CTX *ctx, BIO *bio, bool server)
{
  SSL *ssl = SSL_new(ctx);
  if (!ssl || !bio) fail("no memory");
  SSL_set_bio(ssl, bio, bio);
  if (server)
    SSL_set_accept_state(ssl);
  else
    SSL_set_connect_state(ssl);
  if (SSL_is_dtls(ssl)) {
    SSL_set_options(ssl, SSL_OP_NO_QUERY_MTU | (server ? SSL_OP_COOKIE_EXCHANGE : 0));
    SSL_set_mtu(ssl, MTU);
  }
  return ssl;
}

static void listen_on_loopback(lane *l, over kind)
{
  socklen_t len = sizeof l->address;
  l->address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  l->listener = socket(AF_INET, kind == OVER_UDP ? SOCK_DGRAM | SOCK_NONBLOCK : SOCK_STREAM, 0);
  if (bind(l->listener, (const struct sockaddr *)&l->address, len) != 0 ||
      (kind == OVER_TCP && listen(l->listener, 16) != 0) ||
      getsockname(l->listener, (struct sockaddr *)&l->address, &len) != 0)
    fail("cannot listen");
}

static void connect_pair(const lane *l, BIO *bios[2])
{
  int client = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(client, (const struct sockaddr *)&l->address, sizeof l->address) != 0) fail("cannot connect");
  int server = accept4(l->listener, NULL, NULL, SOCK_NONBLOCK);
  fcntl(client, F_SETFL, O_NONBLOCK);
  bios[0] = BIO_new_socket(client, BIO_CLOSE);
  bios[1] = BIO_new_socket(server, BIO_CLOSE);
}

static BIO *datagram_bio(int fd, const struct sockaddr_in *peer, int close)
{
  BIO *bio = BIO_new_dgram(fd, close);
  union { /* BIO_ctrl takes no const */
    const struct sockaddr_in *in;
    void *out;
  } address = {.in = peer};
  if (!bio) fail("no memory");
  BIO_ctrl(bio, BIO_CTRL_DGRAM_SET_CONNECTED, 0, address.out);
  return bio;
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
    fail("cannot connect");
  bios[0] = datagram_bio(client, &l->address, BIO_CLOSE);
  bios[1] = datagram_bio(l->listener, &own, BIO_NOCLOSE);
}

static void meet(const lane *l, over kind, BIO *bios[2])
{
  switch (kind) {
  case OVER_TCP: connect_pair(l, bios); return;
  case OVER_UDP: meet_over_udp(l, bios); return;
  case OVER_MEMORY:
    if (BIO_new_bio_pair(&bios[0], BIO_BYTES, &bios[1], BIO_BYTES) != 1) fail("no memory");
  }
}

/* Over UDP nothing but the client's close_notify tells the server of the end. */
static void part(SSL *client, SSL *server)
{
  char octet;
  SSL_shutdown(client);
  if (SSL_read(server, &octet, 1) > 0) fail("more than an end");
}

static void begin(const loop *l, lane *n)
{
  BIO *bios[2];
  meet(n, l->kind, bios);
  n->client = new_end(l->client, bios[0], false);
  n->server = new_end(l->server, bios[1], true);
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
  if (n->turns++ == TURNS_MAX) fail("no handshake");
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

static const char *option(int argc, char **argv, const char *name, const char *otherwise)
{
  for (int i = 1; i + 1 < argc; i++)
    if (strcmp(argv[i], name) == 0) return argv[i + 1];
  return otherwise;
}

static profile read_profile(int argc, char **argv)
{
  const char *where = option(argc, argv, "--over", "memory");
  bool tls13 = strcmp(option(argc, argv, "--tls", "1.2"), "1.3") == 0;
  profile p = {.kind = OVER_MEMORY,
               .version = tls13 ? TLS1_3_VERSION : TLS1_2_VERSION,
               .ciphers = option(argc, argv, "--ciphers", NULL),
               .suites13 = option(argc, argv, "--suites13", NULL),
               .certificates = option(argc, argv, "--certificate", NULL)};
  if (strcmp(where, "tcp") == 0) p.kind = OVER_TCP;
  if (strcmp(where, "udp") == 0) {
    p.kind = OVER_UDP;
    p.version = DTLS1_2_VERSION;
  }
  if (!p.ciphers && !p.certificates) p.ciphers = "PSK-AES128-CBC-SHA256";
  return p;
}

static void start_loop(loop *l, const profile *p, unsigned in_flight, const atomic_bool *stop)
{
  *l = (loop){.kind = p->kind,
              .client = new_context(p, false),
              .server = new_context(p, true),
              .lanes = calloc(in_flight, sizeof(lane)),
              .in_flight = in_flight,
              .stop = stop};
  if (!l->lanes) fail("no memory");
  SSL_CTX_set_cookie_generate_cb(l->server, put_cookie);
  SSL_CTX_set_cookie_verify_cb(l->server, take_cookie);
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
  profile p = read_profile(argc, argv);
  unsigned threads = (unsigned)atoi(option(argc, argv, "--threads", "2"));
  unsigned in_flight = (unsigned)atoi(option(argc, argv, "--in-flight", "1"));
  double seconds = atof(option(argc, argv, "--seconds", "2"));
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
