/* bench_handshake: PSK handshakes of OpenSSL with itself, client and server in one thread, nothing else: over memory
 * the most that this machine's OpenSSL can do; over a TCP connection each, the most that anybody could do with
 * sockets. Prints one line of JSON. bench_handshake [--over memory|tcp] [--tls 1.2|1.3]
 * [--ciphers LIST] [--threads N] [--seconds S]
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

enum { KEY_BYTES = 32, THREADS_MAX = 64, BIO_BYTES = 8192 };

typedef struct loop {
  pthread_t thread;
  SSL_CTX *client, *server;
  int listener; /* -1: over memory */
  struct sockaddr_in address;
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

static SSL_CTX *new_context(const SSL_METHOD *method, int version, const char *ciphers)
{
  SSL_CTX *ctx = SSL_CTX_new(method);
  bool ok = ctx && SSL_CTX_set_min_proto_version(ctx, version) == 1 &&
            SSL_CTX_set_max_proto_version(ctx, version) == 1 && SSL_CTX_set1_groups_list(ctx, "P-256") == 1 &&
            SSL_CTX_set_cipher_list(ctx, ciphers) == 1;
  if (!ok) {
    ERR_print_errors_fp(stderr);
    exit(3);
  }
  SSL_CTX_set_psk_client_callback(ctx, client_key);
  SSL_CTX_set_psk_server_callback(ctx, server_key);
  SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(ctx, 0);
  SSL_CTX_set_read_ahead(ctx, 1);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  return ctx;
}

static void fail(const char *what)
{
  fprintf(stderr, "bench_handshake: %s\n", what);
  ERR_print_errors_fp(stderr);
  exit(3);
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
  return ssl;
}

static void listen_on_loopback(loop *l)
{
  socklen_t len = sizeof l->address;
  l->address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  l->listener = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(l->listener, (struct sockaddr *)&l->address, len) != 0 || listen(l->listener, 16) != 0 ||
      getsockname(l->listener, (struct sockaddr *)&l->address, &len) != 0)
    fail("cannot listen");
}

static void connect_pair(loop *l, BIO *bios[2])
{
  int client = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(client, (struct sockaddr *)&l->address, sizeof l->address) != 0) fail("cannot connect");
  int server = accept4(l->listener, NULL, NULL, SOCK_NONBLOCK);
  fcntl(client, F_SETFL, O_NONBLOCK);
  bios[0] = BIO_new_socket(client, BIO_CLOSE);
  bios[1] = BIO_new_socket(server, BIO_CLOSE);
}

static void shake_hands(loop *l)
{
  BIO *bios[2];
  if (l->listener >= 0)
    connect_pair(l, bios);
  else if (BIO_new_bio_pair(&bios[0], BIO_BYTES, &bios[1], BIO_BYTES) != 1)
    fail("no memory");
  SSL *client = new_end(l->client, bios[0], false), *server = new_end(l->server, bios[1], true);
  int done = 0;
  for (int rounds = 0; rounds < 10 && done != 2; rounds++)
    done = (SSL_do_handshake(client) == 1) + (SSL_do_handshake(server) == 1);
  if (done != 2) fail("no handshake");
  SSL_free(client);
  SSL_free(server);
}

static void *run(void *arg)
{
  loop *l = arg;
  for (; !atomic_load_explicit(l->stop, memory_order_relaxed); l->count++) shake_hands(l);
  return NULL;
}

static const char *option(int argc, char **argv, const char *name, const char *otherwise)
{
  for (int i = 1; i + 1 < argc; i++)
    if (strcmp(argv[i], name) == 0) return argv[i + 1];
  return otherwise;
}

int main(int argc, char **argv)
{
  int version = strcmp(option(argc, argv, "--tls", "1.2"), "1.3") == 0 ? TLS1_3_VERSION : TLS1_2_VERSION;
  const char *ciphers = option(argc, argv, "--ciphers", "PSK-AES128-CBC-SHA256");
  bool over_tcp = strcmp(option(argc, argv, "--over", "memory"), "tcp") == 0;
  unsigned threads = (unsigned)atoi(option(argc, argv, "--threads", "2"));
  double seconds = atof(option(argc, argv, "--seconds", "2"));
  atomic_bool stop = false;
  loop loops[THREADS_MAX] = {0};
  if (threads < 1 || threads > THREADS_MAX) return 2;
  uint64_t begun = now_ns(), count = 0;
  for (unsigned i = 0; i < threads; i++) {
    loops[i] = (loop){.client = new_context(TLS_client_method(), version, ciphers),
                      .server = new_context(TLS_server_method(), version, ciphers),
                      .listener = -1,
                      .stop = &stop};
    if (over_tcp) listen_on_loopback(&loops[i]);
    pthread_create(&loops[i].thread, NULL, run, &loops[i]);
  }
  usleep((useconds_t)(seconds * 1e6));
  atomic_store(&stop, true);
  for (unsigned i = 0; i < threads; i++) {
    pthread_join(loops[i].thread, NULL);
    count += loops[i].count;
    SSL_CTX_free(loops[i].client);
    SSL_CTX_free(loops[i].server);
  }
  seconds = (double)(now_ns() - begun) / 1e9;
  printf("{\"count\":%llu,\"seconds\":%.3f,\"rate\":%.1f}\n", (unsigned long long)count, seconds,
         (double)count / seconds);
  return 0;
}
