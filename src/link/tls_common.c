/* What server and client contexts have in common: protocol versions, suites, own credential, anchors. */
#include "link/tls_common.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <pthread.h>

#include "crypto/cert_path.h"
#include "link/anchors.h"
#include "link/raw_public_key.h"
#include "link/tls_guests.h"
#include "link/tls_status.h"

static int slot = -1, refusals_slot = -1;
static pthread_once_t slot_once = PTHREAD_ONCE_INIT;

static void make_slot(void)
{
  slot = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
  refusals_slot = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

/* Octets that nobody has read when we close turn into a reset, which may overtake our alert. */
void gh_tls_read_ahead(SSL *ssl)
{
  SSL_set_read_ahead(ssl, 1); /* OpenSSL 3.5 does not take it from the context for the first records */
}

void gh_tls_set_handshake(SSL *ssl, gh_handshake *handshake)
{
  SSL_set_ex_data(ssl, slot, handshake);
}

gh_handshake *gh_tls_handshake(const SSL *ssl)
{
  return SSL_get_ex_data(ssl, slot);
}

void gh_tls_tell_refusals(SSL_CTX *ctx, gh_diag *why)
{
  SSL_CTX_set_ex_data(ctx, refusals_slot, why);
}

void gh_tls_keep_why(SSL *ssl, const gh_diag *why)
{
  gh_handshake *handshake = gh_tls_handshake(ssl);
  gh_diag *elsewhere = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), refusals_slot);
  if (handshake) {
    gh_str_release(&handshake->why);
    handshake->why = gh_str_clone(gh_str_of(why->text));
  } else if (elsewhere) {
    *elsewhere = *why;
  }
}

void gh_tls_forget_errors(void)
{
  if (ERR_peek_error()) ERR_clear_error();
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

/*= TS-0003 10.2.1; TLS 1.2 or DTLS 1.2 and nothing older */
static gh_err set_versions(SSL_CTX *ctx, const gh_security_policy *policy, const gh_tls_options *options)
{
  int lowest = options->datagram ? policy->dtls_min : policy->tls_min;
  int highest = options->datagram ? policy->dtls_max : policy->tls_max;
  bool tls13 = options->tls13 && policy->tls13;
  if (!options->datagram && highest == TLS1_3_VERSION && !tls13) highest = TLS1_2_VERSION;
  GH_REQUIRE(SSL_CTX_set_min_proto_version(ctx, lowest) == 1, GH_ECRYPTO);
  GH_REQUIRE(SSL_CTX_set_max_proto_version(ctx, highest) == 1, GH_ECRYPTO);
  if (policy->tls13) GH_REQUIRE(SSL_CTX_set_ciphersuites(ctx, policy->tls13) == 1, GH_ECRYPTO);
  return GH_OK;
}

/*= TS-0003 10.2.2; TS-0003 10.2.3; what the policy says and nothing else. A client that offers a pre-shared key means
 * it: these suites come first */
static gh_err set_suites(SSL_CTX *ctx, const gh_security_policy *policy, bool datagram, int use)
{
  const gh_policy_suites *suites = datagram ? &policy->dtls12 : &policy->tls12;
  char list[512];
  bool psk = (use & GH_TLS_PSK) != 0, certificate = (use & GH_TLS_CERTIFICATE) != 0;
  int len = snprintf(list, sizeof list, "%s%s%s", psk ? suites->psk : "", psk && certificate ? ":" : "",
                     certificate ? suites->certificate : "");
  GH_REQUIRE(len > 0 && len < (int)sizeof list, GH_ELIMIT);
  /* OpenSSL 3.2 and later counts the short tag of CCM_8 as 64 bits of security. What the level would rule out
   * besides, the policy and the profile of certificates rule out by name. */
  if (strstr(list, "CCM8") || (policy->tls13 && strstr(policy->tls13, "CCM_8"))) SSL_CTX_set_security_level(ctx, 0);
  GH_REQUIRE(SSL_CTX_set_cipher_list(ctx, list) == 1, GH_ECRYPTO);
  return GH_OK;
}

static gh_err set_groups(SSL_CTX *ctx, const gh_security_policy *policy)
{
  gh_arena arena;
  gh_arena_init(&arena);
  long ok = SSL_CTX_set1_groups_list(ctx, gh_security_policy_groups(&arena, ctx, policy).ptr);
  gh_arena_free(&arena);
  GH_REQUIRE(ok == 1, GH_ECRYPTO);
  GH_REQUIRE(SSL_CTX_set1_sigalgs_list(ctx, policy->signatures) == 1, GH_ECRYPTO);
  return GH_OK;
}

static gh_err set_policy(SSL_CTX *ctx, const gh_tls_options *options, int use)
{
  const gh_security_policy *policy = options->policy ? options->policy : gh_security_policy_default;
  GH_TRY(set_versions(ctx, policy, options));
  GH_TRY(set_suites(ctx, policy, options->datagram, use));
  return set_groups(ctx, policy);
}

static void set_modes(SSL_CTX *ctx)
{
#ifdef SSL_OP_NO_RX_CERTIFICATE_COMPRESSION /* on in OpenSSL 3.2 and later: chains are short, and inflating is a     \
                                               risk */
  SSL_CTX_set_options(ctx, SSL_OP_NO_RX_CERTIFICATE_COMPRESSION | SSL_OP_NO_TX_CERTIFICATE_COMPRESSION);
#endif
  SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET |
                               SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(ctx,
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(ctx, 0);
  SSL_CTX_set_read_ahead(ctx, 1); /* see gh_tls_read_ahead */
}

/* Without a certificate: what is said of it is the public key alone. */
static gh_err set_bare_key(SSL_CTX *ctx, gh_str key_pem)
{
  EVP_PKEY *key = NULL;
  GH_TRY(gh_key_from_pem(key_pem, &key));
  int ok = SSL_CTX_use_PrivateKey(ctx, key);
  EVP_PKEY_free(key);
  ERR_clear_error();
  return ok == 1 ? GH_OK : GH_ECRYPTO;
}

/*= TS-0003 8.1.2.3; the chain, and the private key that belongs to it */
static gh_err set_credential(SSL_CTX *ctx, const gh_tls_options *options)
{
  if (gh_str_empty(options->chain_pem))
    return gh_str_empty(options->key_pem) ? GH_OK : set_bare_key(ctx, options->key_pem);
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

bool gh_tls_path_stands(SSL *ssl, X509_STORE_CTX *store, gh_diag *diag)
{
  bool revoked = false;
  gh_cert_role role = SSL_is_server(ssl) ? GH_CERT_OF_CLIENT : GH_CERT_OF_SERVER;
  bool stands = gh_tls_guests_choose(ssl, store) ? gh_cert_path_verify(store, role, diag)
                                                 : gh_anchors_verify(store, role, diag);
  if (stands && gh_tls_status_of_path(ssl, X509_STORE_CTX_get0_chain(store), &revoked, diag)) return true;
  if (stands) X509_STORE_CTX_set_error(store, revoked ? X509_V_ERR_CERT_REVOKED : X509_V_ERR_CERT_UNTRUSTED);
  return false;
}

/*= TS-0003 8.1.2.5; another flavour than the configured one ends the handshake */
static bool peer_stands(SSL *ssl, X509_STORE_CTX *store, gh_diag *diag)
{
  if (gh_raw_public_key_is(store)) return gh_raw_public_key_verify(ssl, store, diag);
  if (!gh_raw_public_key_demanded(ssl)) return gh_tls_path_stands(ssl, store, diag);
  X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_UNTRUSTED);
  return gh_fail(diag, GH_EAUTH, "a certificate came where a raw public key is expected") == GH_OK;
}

/* Instead of OpenSSL's own validation: that, and ours; the reason is kept for log and audit. */
static int on_path(X509_STORE_CTX *store, void *arg)
{
  (void)arg;
  gh_diag diag = {""};
  SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
  if (peer_stands(ssl, store, &diag)) return 1;
  gh_tls_keep_why(ssl, &diag);
  return 0;
}

/* RFC 7301 3.1: each name behind its length; what the client offers. The server's choice is in tls_server.c. */
static gh_err set_alpn(SSL_CTX *ctx, const char *names)
{
  unsigned char list[64];
  size_t len = 0;
  if (!names) return GH_OK;
  gh_str rest = gh_str_of(names), name;
  while (gh_str_split(&rest, ',', &name)) {
    GH_REQUIRE(name.len && name.len < 32 && len + name.len + 1 <= sizeof list, GH_EINVAL);
    list[len++] = (unsigned char)name.len;
    memcpy(list + len, name.ptr, name.len);
    len += name.len;
  }
  return SSL_CTX_set_alpn_protos(ctx, list, (unsigned)len) == 0 ? GH_OK : GH_ECRYPTO;
}

gh_err gh_tls_ctx_new(const SSL_METHOD *method, const gh_tls_options *options, int use, SSL_CTX **out, gh_diag *diag)
{
  pthread_once(&slot_once, make_slot);
  SSL_CTX *ctx = SSL_CTX_new(method);
  if (!ctx) return gh_fail(diag, GH_ECRYPTO, "cannot make a TLS context");
  char text[120];
  gh_err err = set_policy(ctx, options, use);
  if (err != GH_OK) {
    gh_fail(diag, err, "TLS profile is not available in this OpenSSL: %s", gh_tls_error(text, sizeof text));
  } else if ((err = set_credential(ctx, options)) != GH_OK) {
    gh_fail(diag, err, "own certificate or private key is not usable: %s", gh_err_name(err));
  } else if ((err = gh_anchors_set(ctx, options)) != GH_OK) {
    gh_fail(diag, err, "a file of trust anchors holds no certificate that can be used");
  } else if ((err = set_alpn(ctx, options->alpn)) != GH_OK) {
    gh_fail(diag, err, "ALPN cannot be set");
  }
  if (err != GH_OK) {
    SSL_CTX_free(ctx);
    return err;
  }
  set_modes(ctx);
  SSL_CTX_set_info_callback(ctx, on_info);
  gh_tls_status_prepare(ctx, options->status, !options->other_certificate);
  SSL_CTX_set_cert_verify_callback(ctx, on_path, NULL);
  SSL_CTX_set_verify_depth(ctx, GH_CERT_PATH_MAX - 1); /* OpenSSL counts the intermediates */
  *out = ctx;
  return GH_OK;
}

bool gh_tls_lacks_ems(SSL *ssl)
{
  return SSL_version(ssl) != TLS1_3_VERSION && SSL_get_extms_support(ssl) != 1;
}

gh_err gh_tls_export(SSL *ssl, const char *label, uint8_t out[static 48])
{
  /*= TS-0003 10.3.1 exporter without context; under TLS 1.2 only with extended master secret */
  GH_REQUIRE(SSL_is_init_finished(ssl), GH_EINTERNAL);
  GH_REQUIRE(!gh_tls_lacks_ems(ssl), GH_EPROTO);
  GH_REQUIRE(SSL_export_keying_material(ssl, out, 48, label, strlen(label), NULL, 0, 0) == 1, GH_ECRYPTO);
  return GH_OK;
}
