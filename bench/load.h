/* The load generator's inside: what the command line asks for, and one thread's share of the connections. */
#ifndef GH_BENCH_LOAD_H
#define GH_BENCH_LOAD_H

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "latency.h"

typedef enum load_mode {
  LOAD_REQUESTS,   /* the same request again and again over kept connections */
  LOAD_HANDSHAKES, /* connect, handshake, close, again */
  LOAD_IDLE        /* connect, handshake, wait */
} load_mode;

typedef struct load_options {
  load_mode mode;
  struct sockaddr_in address;
  unsigned connections, threads;
  double seconds;
  const char *request; /* octets of one request */
  size_t request_len;
  SSL_CTX *tls; /* NULL: plain */
} load_options;

typedef struct load_tls_options {
  const char *cert, *key; /* PEM files of the client; may be NULL */
  const char *psk_identity;
  const char *psk_hex;
  const char *ciphers; /* TLS 1.2 suites; may be NULL */
  int version;         /* TLS1_2_VERSION or TLS1_3_VERSION */
} load_tls_options;

/* The server's certificate is not checked: what is measured is the server. NULL, with a message, when something is
 * unusable. */
SSL_CTX *load_tls_new(const load_tls_options *options);

typedef struct load_thread {
  const load_options *options;
  unsigned connections;
  pthread_t thread;
  pthread_barrier_t *start; /* all connections of all threads stand */
  const atomic_bool *stop;
  latency latency;
  uint64_t failures; /* connections lost, answers other than 2xx */
  uint64_t octets;   /* of answers */
} load_thread;

void *load_thread_main(void *arg); /* a load_thread */

#endif
