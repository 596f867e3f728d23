/* A TLS client of the test's own: OpenSSL on a blocking socket, with any options, also those that our own side would
 * never use. */
#ifndef GH_TEST_TLS_PEER_H
#define GH_TEST_TLS_PEER_H

#include "link_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { NO_ALERT = -1, PEER_WAIT_S = 30 };

typedef struct tls_peer_options {
  const char *identity, *key_hex; /* NULL: no pre-shared key */
  int min_version, max_version;   /* 0: TLS 1.2 */
  const char *suites;             /* of TLS 1.2 and before; NULL: every PSK suite of the profile */
  const char *suites13, *groups, *sigalgs;
  const char *server_name; /* NULL: in-cse.sp.example.com; "": none is sent */
  uint64_t ssl_options;
  const char *alpn;              /* names, each behind its length */
  X509 *cert, *issuer, *further; /* issuer, further: sent behind it */
  EVP_PKEY *key;
  const unsigned char *cert_types, *server_types; /* RFC 7250, ended by NO_TYPE; NULL: certificates only */
  int connected;                                  /* a socket that is connected already; 0: none */
} tls_peer_options;

/* Of a TLS 1.3 server to whom a pre-shared key was not proven. RFC 8446 4.2.11 has decrypt_error, which OpenSSL sends
 * since 3.5. */
static inline int bad_binder_alert(void)
{
  bool newer = OPENSSL_version_major() > 3 || OPENSSL_version_minor() >= 5;
  return newer ? SSL_AD_DECRYPT_ERROR : SSL_AD_ILLEGAL_PARAMETER;
}

enum { X509_TYPE = 0, RAW_TYPE = 2, NO_TYPE = 0xff };

typedef struct tls_peer {
  tls_peer_options options;
  SSL_CTX *ctx;
  SSL *ssl;
  int fd;
  int alert; /* that ended the handshake or the reading */
  char answer[4096];
} tls_peer;

/* Connects; every wait of the socket is bounded, so that a defect ends as a failure. */
static inline int tcp_connect(uint16_t port)
{
  struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct timeval limit = {.tv_sec = PEER_WAIT_S};
  int one = 1;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_true(fd >= 0);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (connect(fd, (struct sockaddr *)&in, sizeof in) != 0) fail_msg("connect: %s", strerror(errno));
  return fd;
}

static inline unsigned peer_psk(SSL *ssl, const char *hint, char *identity, unsigned identity_cap, unsigned char *out,
                                unsigned cap)
{
  (void)hint;
  const tls_peer *p = SSL_get_app_data(ssl);
  assert_true(strlen(p->options.identity) < identity_cap && strlen(p->options.key_hex) / 2 <= cap);
  memcpy(identity, p->options.identity, strlen(p->options.identity) + 1);
  return (unsigned)octets_of(p->options.key_hex, out);
}

/* The alert in the error queue, or NO_ALERT. */
static inline int take_alert(void)
{
  int alert = NO_ALERT;
  for (unsigned long code; (code = ERR_get_error()) != 0;) {
    int reason = ERR_GET_REASON(code);
    if (ERR_GET_LIB(code) == ERR_LIB_SSL && reason >= SSL_AD_REASON_OFFSET && reason < SSL_AD_REASON_OFFSET + 256)
      alert = reason - SSL_AD_REASON_OFFSET;
  }
  return alert;
}

static inline size_t types_in(const unsigned char *types)
{
  size_t count = 0;
  while (types[count] != NO_TYPE) count++;
  return count;
}

/* Types of certificate; they name what this OpenSSL may lack. */
static inline void peer_set_types(tls_peer *p)
{
  const unsigned char *own = p->options.cert_types, *theirs = p->options.server_types;
#ifdef TLSEXT_cert_type_rpk
  if (own) assert_int_equal(SSL_set1_client_cert_type(p->ssl, own, types_in(own)), 1);
  if (theirs) assert_int_equal(SSL_set1_server_cert_type(p->ssl, theirs, types_in(theirs)), 1);
#else
  assert_true(!own && !theirs);
#endif
}

static inline void peer_prepare(tls_peer *p, uint16_t port, const tls_peer_options *options)
{
  *p = (tls_peer){.options = *options, .alert = NO_ALERT};
  p->ctx = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_security_level(p->ctx, 0); /* a client may be as weak as it likes */
  SSL_CTX_set_min_proto_version(p->ctx, options->min_version ? options->min_version : TLS1_2_VERSION);
  SSL_CTX_set_max_proto_version(p->ctx, options->max_version ? options->max_version : TLS1_2_VERSION);
  const char *suites =
      options->suites ? options->suites
                      : "ECDHE-PSK-AES128-CBC-SHA256:PSK-AES128-GCM-SHA256:PSK-AES128-CBC-SHA256:PSK-AES128-CCM8";
  if (SSL_CTX_set_cipher_list(p->ctx, suites) != 1) fail_msg("this OpenSSL has none of %s", suites);
  if (options->suites13) assert_int_equal(SSL_CTX_set_ciphersuites(p->ctx, options->suites13), 1);
  if (options->groups) assert_int_equal(SSL_CTX_set1_groups_list(p->ctx, options->groups), 1);
  if (options->sigalgs) assert_int_equal(SSL_CTX_set1_sigalgs_list(p->ctx, options->sigalgs), 1);
  SSL_CTX_set_options(p->ctx, options->ssl_options | SSL_OP_NO_TICKET);
  if (options->identity) SSL_CTX_set_psk_client_callback(p->ctx, peer_psk);
  if (options->cert) assert_int_equal(SSL_CTX_use_certificate(p->ctx, options->cert), 1);
  if (options->key) assert_int_equal(SSL_CTX_use_PrivateKey(p->ctx, options->key), 1);
  if (options->issuer) assert_int_equal(SSL_CTX_add1_chain_cert(p->ctx, options->issuer), 1);
  if (options->further) assert_int_equal(SSL_CTX_add1_chain_cert(p->ctx, options->further), 1);
  p->fd = options->connected ? options->connected : tcp_connect(port);
  p->ssl = SSL_new(p->ctx);
  SSL_set_app_data(p->ssl, p);
  peer_set_types(p);
  const char *name = options->server_name ? options->server_name : "in-cse.sp.example.com";
  if (name[0]) SSL_set_tlsext_host_name(p->ssl, name);
  SSL_set_fd(p->ssl, p->fd);
  if (options->alpn)
    SSL_set_alpn_protos(p->ssl, (const unsigned char *)options->alpn, (unsigned)strlen(options->alpn));
}

static inline bool peer_handshake(tls_peer *p)
{
  ERR_clear_error();
  bool done = SSL_connect(p->ssl) == 1;
  if (!done) p->alert = take_alert();
  return done;
}

static inline bool peer_connect(tls_peer *p, uint16_t port, const tls_peer_options *options)
{
  peer_prepare(p, port, options);
  return peer_handshake(p);
}

/* Sends octets and reads one answer with Content-Length; false when the association ended before. */
static inline bool peer_ask(tls_peer *p, const char *request)
{
  size_t len = 0, got = 0;
  p->answer[0] = '\0';
  ERR_clear_error();
  if (request && SSL_write(p->ssl, request, (int)strlen(request)) <= 0) {
    p->alert = take_alert();
    return false;
  }
  for (;;) {
    const char *head = strstr(p->answer, "\r\n\r\n"), *field = strstr(p->answer, "Content-Length: ");
    if (head && field && len >= (size_t)(head - p->answer) + 4 + strtoul(field + 16, NULL, 10)) return true;
    if (SSL_read_ex(p->ssl, p->answer + len, sizeof p->answer - 1 - len, &got) != 1) {
      p->alert = take_alert();
      return false;
    }
    len += got;
    p->answer[len] = '\0';
  }
}

/* True once the server has ended the association. */
static inline bool peer_is_closed(tls_peer *p)
{
  char octet;
  size_t got;
  return SSL_read_ex(p->ssl, &octet, 1, &got) != 1;
}

static inline void peer_end(tls_peer *p)
{
  SSL_free(p->ssl);
  SSL_CTX_free(p->ctx);
  if (p->fd >= 0) close(p->fd);
  ERR_clear_error();
  *p = (tls_peer){.fd = -1};
}

#define ASK "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
#define ASK_LAST "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

#endif
