/* What the baselines of handshakes have in common: OpenSSL's client and server of a profile, and nothing of ours. */
#ifndef BENCH_OPENSSL_ENDS_H
#define BENCH_OPENSSL_ENDS_H

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdbool.h>

typedef enum ends_over { OVER_MEMORY, OVER_TCP, OVER_UDP } ends_over;

typedef struct ends_profile {
  ends_over kind;
  int version;
  const char *ciphers, *suites13; /* of 1.2 and of 1.3; NULL: OpenSSL's */
  const char *certificates;       /* folder; NULL: pre-shared key */
} ends_profile;

/* Says what is wrong, and ends the program. */
_Noreturn void ends_fail(const char *what);

/* The value behind `name` in the command line. */
const char *ends_option(int argc, char **argv, const char *name, const char *otherwise);

/* --over memory|tcp|udp, --tls 1.2|1.3, --ciphers LIST, --suites13 LIST, --certificate DIR. */
ends_profile ends_profile_of(int argc, char **argv);

/* The caller frees it. DTLS has the cookie exchange, with a cookie that proves nothing. */
SSL_CTX *ends_context(const ends_profile *p, bool server);

/* One end of an association, which takes the BIO; the caller frees it. */
SSL *ends_new(SSL_CTX *ctx, BIO *bio, bool server);

/* Datagrams on `fd` with `peer` alone; `close`: BIO_CLOSE or BIO_NOCLOSE. */
BIO *ends_datagram_bio(int fd, const struct sockaddr_in *peer, int close);

#endif
