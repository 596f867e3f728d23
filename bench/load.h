/* The load generator's inside: what the command line asks for, and one thread's share of the connections. */
#ifndef GH_BENCH_LOAD_H
#define GH_BENCH_LOAD_H

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "gatehouse/str.h"
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
  SSL_CTX *tls;   /* NULL: plain */
  bool websocket; /* `request` is a frame of load_ws_request */
  bool datagram;  /* CoAP over DTLS: `request` is a message of load_coap_request */
} load_options;

typedef struct load_tls_options {
  const char *cert, *key; /* PEM files of the client; may be NULL */
  const char *psk_identity;
  const char *psk_hex;
  const char *ciphers;  /* (D)TLS 1.2 suites; may be NULL */
  const char *suites13; /* TLS 1.3 suites; may be NULL */
  int version;          /* TLS1_2_VERSION, TLS1_3_VERSION or DTLS1_2_VERSION */
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

/* load_bio.c: once, before the threads; the socket is borrowed. NULL: no memory. */
void load_bio_init(void);
BIO *load_bio_new(int fd);

void *load_thread_main(void *arg);   /* a load_thread: streams */
void *load_datagram_main(void *arg); /* a load_thread: datagrams */

/* A confirmable GET of `path` ("a/b/c") as an AE sends it, in static memory. `elective`: each oneM2M option has the
 * next number, which is elective, so that a server that knows none of them reads and skips as many octets. */
gh_str load_coap_request(const char *path, bool elective);
/* Message ID and token of this request. */
void load_coap_number(char *request, uint16_t mid);
/* A piggybacked success to that request? */
bool load_coap_is_answer(gh_str datagram, uint16_t mid);

gh_str load_ws_upgrade(void);
/* A message in one frame, in static memory; nothing when it is too long. */
gh_str load_ws_request(const char *text, size_t len);
/* Octets of the head of a frame, and of what follows it; 0: more are needed, SIZE_MAX: not a whole message. */
size_t load_ws_head(const char *octets, size_t len, uint64_t *body);

#endif
