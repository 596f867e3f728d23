/* What server and client contexts have in common: protocol versions, suites, own credential, anchors. */
#include "link/tls_common.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <pthread.h>

static int slot = -1;
static pthread_once_t slot_once = PTHREAD_ONCE_INIT;

static void make_slot(void)
{
  slot = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

void gh_tls_set_handshake(SSL *ssl, gh_handshake *handshake)
{
  SSL_set_ex_data(ssl, slot, handshake);
}

gh_handshake *gh_tls_handshake(const SSL *ssl)
{
  return SSL_get_ex_data(ssl, slot);
}

const char *gh_tls_error(char *text, size_t size)
{
  unsigned long code = ERR_peek_last_error();
  const char *reason = ERR_reason_error_string(code);
  snprintf(text, size, "%s", reason ? reason : "no detail");
  ERR_clear_error();
  return text;
}

static void on_info(const SSL *ssl, int where, int value)
{
  gh_handshake *handshake = gh_tls_handshake(ssl);
  if (!handshake || !(where & SSL_CB_ALERT) || (value & 0xff) == SSL_AD_CLOSE_NOTIFY) return;
  handshake->alert = value & 0xff;
  handshake->alert_sent = (where & SSL_CB_WRITE) != 0;
}

static gh_err set_versions(SSL_CTX *ctx, const gh_tls_options *options, const char *suites)
{
  int lowest = options->datagram ? DTLS1_2_VERSION : TLS1_2_VERSION;
  int highest = options->tls13 && !options->datagram ? TLS1_3_VERSION : lowest;
  GH_REQUIRE(SSL_CTX_set_min_proto_version(ctx, lowest) == 1, GH_ECRYPTO);
  GH_REQUIRE(SSL_CTX_set_max_proto_version(ctx, highest) == 1, GH_ECRYPTO);
  GH_REQUIRE(SSL_CTX_set_cipher_list(ctx, suites) == 1, GH_ECRYPTO);
  GH_REQUIRE(SSL_CTX_set_ciphersuites(ctx, GH_TLS13_SUITES) == 1, GH_ECRYPTO);
  GH_REQUIRE(SSL_CTX_set1_groups_list(ctx, "P-256") == 1, GH_ECRYPTO);
  GH_REQUIRE(SSL_CTX_set1_sigalgs_list(ctx, "ECDSA+SHA256") == 1, GH_ECRYPTO);
  SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET |
                               SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(ctx,
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(ctx, 0);
  SSL_CTX_set_read_ahead(ctx, 1); /* a record, or a whole flight of a handshake, in one system call */
  return GH_OK;
}

static gh_err set_credential(SSL_CTX *ctx, const gh_tls_options *options)
{
  if (gh_str_empty(options->chain_pem)) return GH_OK;
  gh_err err = GH_ECRYPTO;
  BIO *bio = BIO_new_mem_buf(options->chain_pem.ptr, (int)options->chain_pem.len);
  X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
  EVP_PKEY *key = NULL;
  if (!cert || SSL_CTX_use_certificate(ctx, cert) != 1) goto out;
  for (X509 *next; (next = PEM_read_bio_X509(bio, NULL, NULL, NULL));)
    if (SSL_CTX_add0_chain_cert(ctx, next) != 1) {
      X509_free(next);
      goto out;
    }
  GH_TRY_GOTO(err, gh_key_from_pem(options->key_pem, &key), out);
  err = SSL_CTX_use_PrivateKey(ctx, key) == 1 && SSL_CTX_check_private_key(ctx) == 1 ? GH_OK : GH_ECRYPTO;
out:
  ERR_clear_error();
  EVP_PKEY_free(key);
  X509_free(cert);
  BIO_free(bio);
  return err;
}

/*= TS-0003 8.1.2.2 only the configured anchors count, never the system's */
static gh_err set_anchors(SSL_CTX *ctx, gh_str pem)
{
  if (gh_str_empty(pem)) return GH_OK;
  BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
  GH_REQUIRE(bio, GH_ECRYPTO);
  X509_STORE *store = SSL_CTX_get_cert_store(ctx);
  int count = 0;
  for (X509 *anchor; (anchor = PEM_read_bio_X509(bio, NULL, NULL, NULL)); X509_free(anchor))
    count += X509_check_purpose(anchor, -1, 0) == 1 && /* decodes its extensions now, before threads share it */
             X509_STORE_add_cert(store, anchor) == 1;
  BIO_free(bio);
  ERR_clear_error();
  return count ? GH_OK : GH_ESYNTAX;
}

/* Who names protocols but not ours means another service. */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
                   unsigned in_len, void *arg)
{
  (void)ssl;
  const char *ours = arg;
  size_t len = strlen(ours);
  for (unsigned at = 0; at < in_len; at += 1u + in[at])
    if (in[at] == len && at + 1 + len <= in_len && memcmp(in + at + 1, ours, len) == 0) {
      *out = in + at + 1;
      *out_len = (unsigned char)len;
      return SSL_TLSEXT_ERR_OK;
    }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/*= RFC 8323 8.2 "coap" */
static gh_err set_alpn(SSL_CTX *ctx, const char *name)
{
  unsigned char list[33];
  union {
    const char *borrowed;
    void *arg;
  } text = {.borrowed = name};
  if (!name) return GH_OK;
  size_t len = strlen(name);
  GH_REQUIRE(len && len < sizeof list, GH_EINVAL);
  list[0] = (unsigned char)len;
  memcpy(list + 1, name, len);
  SSL_CTX_set_alpn_select_cb(ctx, on_alpn, text.arg);
  return SSL_CTX_set_alpn_protos(ctx, list, (unsigned)len + 1) == 0 ? GH_OK : GH_ECRYPTO;
}

gh_err gh_tls_ctx_new(const SSL_METHOD *method, const gh_tls_options *options, const char *suites, SSL_CTX **out,
                      gh_diag *diag)
{
  pthread_once(&slot_once, make_slot);
  SSL_CTX *ctx = SSL_CTX_new(method);
  if (!ctx) return gh_fail(diag, GH_ECRYPTO, "cannot make a TLS context");
  char text[120];
  gh_err err = set_versions(ctx, options, suites);
  if (err != GH_OK) {
    gh_fail(diag, err, "TLS profile is not available in this OpenSSL: %s", gh_tls_error(text, sizeof text));
  } else if ((err = set_credential(ctx, options)) != GH_OK) {
    gh_fail(diag, err, "own certificate or private key is not usable: %s", gh_err_name(err));
  } else if ((err = set_anchors(ctx, options->anchors_pem)) != GH_OK) {
    gh_fail(diag, err, "no trust anchor could be read");
  } else if ((err = set_alpn(ctx, options->alpn)) != GH_OK) {
    gh_fail(diag, err, "ALPN cannot be set");
  }
  if (err != GH_OK) {
    SSL_CTX_free(ctx);
    return err;
  }
  SSL_CTX_set_info_callback(ctx, on_info);
  *out = ctx;
  return GH_OK;
}

gh_err gh_tls_export(SSL *ssl, const char *label, uint8_t out[static 48])
{
  /*= TS-0003 10.3.1 exporter without context; under TLS 1.2 only with extended master secret */
  GH_REQUIRE(SSL_is_init_finished(ssl), GH_EINTERNAL);
  GH_REQUIRE(SSL_version(ssl) == TLS1_3_VERSION || SSL_get_extms_support(ssl) == 1, GH_EPROTO);
  GH_REQUIRE(SSL_export_keying_material(ssl, out, 48, label, strlen(label), NULL, 0, 0) == 1, GH_ECRYPTO);
  return GH_OK;
}
