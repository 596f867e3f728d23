/* TLS side of the load generator: a certificate, a pre-shared key, or neither. */
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

#include "load.h"

enum { PSK_MAX = 64 };

typedef struct psk {
  const char *identity;
  unsigned char key[PSK_MAX];
  unsigned len;
} psk;

static psk the_psk; /* of the one context of this program */

static unsigned on_psk(SSL *ssl, const char *hint, char *identity, unsigned cap, unsigned char *out, unsigned out_cap)
{
  (void)ssl;
  (void)hint;
  if (strlen(the_psk.identity) >= cap || the_psk.len > out_cap) return 0;
  memcpy(identity, the_psk.identity, strlen(the_psk.identity) + 1);
  memcpy(out, the_psk.key, the_psk.len);
  return the_psk.len;
}

static bool read_hex(const char *hex)
{
  size_t len = strlen(hex);
  if (len % 2 || len / 2 > PSK_MAX) return false;
  for (size_t i = 0; i < len / 2; i++) {
    unsigned octet;
    if (sscanf(hex + 2 * i, "%2x", &octet) != 1) return false;
    the_psk.key[i] = (unsigned char)octet;
  }
  the_psk.len = (unsigned)(len / 2);
  return true;
}

static bool set_credential(SSL_CTX *ctx, const load_tls_options *o)
{
  if (o->psk_identity) {
    the_psk.identity = o->psk_identity;
    SSL_CTX_set_psk_client_callback(ctx, on_psk);
    return o->psk_hex && read_hex(o->psk_hex);
  }
  if (!o->cert) return true;
  return SSL_CTX_use_certificate_chain_file(ctx, o->cert) == 1 &&
         SSL_CTX_use_PrivateKey_file(ctx, o->key, SSL_FILETYPE_PEM) == 1;
}

SSL_CTX *load_tls_new(const load_tls_options *o)
{
  bool datagram = o->version == DTLS1_2_VERSION;
  SSL_CTX *ctx = SSL_CTX_new(datagram ? DTLS_client_method() : TLS_client_method());
  if (ctx && datagram) SSL_CTX_set_security_level(ctx, 0); /* CCM_8 counts as 64 bits in OpenSSL 3.2 */
  bool ok = ctx && SSL_CTX_set_min_proto_version(ctx, o->version) == 1 &&
            SSL_CTX_set_max_proto_version(ctx, o->version) == 1 && SSL_CTX_set1_groups_list(ctx, "P-256") == 1 &&
            SSL_CTX_set1_sigalgs_list(ctx, "ECDSA+SHA256") == 1 &&
            (!o->ciphers || SSL_CTX_set_cipher_list(ctx, o->ciphers) == 1) &&
            (!o->suites13 || SSL_CTX_set_ciphersuites(ctx, o->suites13) == 1) && set_credential(ctx, o);
  if (!ok) {
    ERR_print_errors_fp(stderr);
    SSL_CTX_free(ctx);
    return NULL;
  }
  SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(ctx, 1); /* one system call an answer */
  return ctx;
}
