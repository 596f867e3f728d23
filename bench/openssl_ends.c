/* Contexts and ends of OpenSSL for the baselines: nothing but what a profile names. */
#include "openssl_ends.h"

#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_BYTES = 32, COOKIE_BYTES = 32, MTU = 1232 };

void ends_fail(const char *what)
{
  fprintf(stderr, "bench: %s\n", what);
  ERR_print_errors_fp(stderr);
  exit(3);
}

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

static const SSL_METHOD *method_of(const ends_profile *p, bool server)
{
  if (p->kind == OVER_UDP) return server ? DTLS_server_method() : DTLS_client_method();
  return server ? TLS_server_method() : TLS_client_method();
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

SSL_CTX *ends_context(const ends_profile *p, bool server)
{
  SSL_CTX *ctx = SSL_CTX_new(method_of(p, server));
  if (!ctx) ends_fail("no memory");
  if (p->kind == OVER_UDP) SSL_CTX_set_security_level(ctx, 0); /* CCM_8 counts as 64 bits in OpenSSL 3.2 */
  bool ok = SSL_CTX_set_min_proto_version(ctx, p->version) == 1 &&
            SSL_CTX_set_max_proto_version(ctx, p->version) == 1 && SSL_CTX_set1_groups_list(ctx, "P-256") == 1 &&
            SSL_CTX_set1_sigalgs_list(ctx, "ECDSA+SHA256") == 1 &&
            (!p->ciphers || SSL_CTX_set_cipher_list(ctx, p->ciphers) == 1) &&
            (!p->suites13 || SSL_CTX_set_ciphersuites(ctx, p->suites13) == 1) &&
            (!p->certificates || use_certificate(ctx, p->certificates, server));
  if (!ok) ends_fail("this profile cannot be had");
  if (!p->certificates) use_key(ctx);
  SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(ctx, 0);
  SSL_CTX_set_read_ahead(ctx, 1);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_cookie_generate_cb(ctx, put_cookie);
  SSL_CTX_set_cookie_verify_cb(ctx, take_cookie);
  return ctx;
}

SSL *ends_new(SSL_CTX *ctx, BIO *bio, bool server)
{
  SSL *ssl = SSL_new(ctx);
  if (!ssl || !bio) ends_fail("no memory");
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

BIO *ends_datagram_bio(int fd, const struct sockaddr_in *peer, int close)
{
  BIO *bio = BIO_new_dgram(fd, close);
  union { /* BIO_ctrl takes no const */
    const struct sockaddr_in *in;
    void *out;
  } address = {.in = peer};
  if (!bio) ends_fail("no memory");
  BIO_ctrl(bio, BIO_CTRL_DGRAM_SET_CONNECTED, 0, address.out);
  return bio;
}

const char *ends_option(int argc, char **argv, const char *name, const char *otherwise)
{
  for (int i = 1; i + 1 < argc; i++)
    if (strcmp(argv[i], name) == 0) return argv[i + 1];
  return otherwise;
}

ends_profile ends_profile_of(int argc, char **argv)
{
  const char *where = ends_option(argc, argv, "--over", "memory");
  bool tls13 = strcmp(ends_option(argc, argv, "--tls", "1.2"), "1.3") == 0;
  ends_profile p = {.kind = OVER_MEMORY,
                    .version = tls13 ? TLS1_3_VERSION : TLS1_2_VERSION,
                    .ciphers = ends_option(argc, argv, "--ciphers", NULL),
                    .suites13 = ends_option(argc, argv, "--suites13", NULL),
                    .certificates = ends_option(argc, argv, "--certificate", NULL)};
  if (strcmp(where, "tcp") == 0) p.kind = OVER_TCP;
  if (strcmp(where, "udp") == 0) {
    p.kind = OVER_UDP;
    p.version = DTLS1_2_VERSION;
  }
  if (!p.ciphers && !p.certificates) p.ciphers = "PSK-AES128-CBC-SHA256";
  return p;
}
