/* RFC 7250 on OpenSSL. Must never take a key that nobody has judged: where there is no judge, it is refused. */
#include "link/raw_public_key.h"

#include <openssl/err.h>
#include <pthread.h>

#include "crypto/public_key.h"

static int slot = -1;
static pthread_once_t slot_once = PTHREAD_ONCE_INIT;

static void make_slot(void)
{
  slot = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

void gh_raw_public_key_judge(SSL_CTX *ctx, const gh_raw_key_judge *judge)
{
  union {
    const gh_raw_key_judge *borrowed;
    void *kept;
  } value = {.borrowed = judge};
  pthread_once(&slot_once, make_slot);
  SSL_CTX_set_ex_data(ctx, slot, value.kept);
}

static const gh_raw_key_judge *judge_of(SSL *ssl)
{
  pthread_once(&slot_once, make_slot);
  return SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), slot);
}

bool gh_raw_public_key_demanded(SSL *ssl)
{
  const gh_raw_key_judge *judge = judge_of(ssl);
  return judge && judge->only;
}

#if OPENSSL_VERSION_NUMBER >= 0x30200000L

bool gh_raw_public_key_available(void)
{
  return true;
}

gh_err gh_raw_public_key_client(SSL_CTX *ctx, bool own, bool certified, bool of_servers)
{
  static const unsigned char raw[] = {TLSEXT_cert_type_rpk}, either[] = {TLSEXT_cert_type_x509, TLSEXT_cert_type_rpk};
  if (own && certified) GH_REQUIRE(SSL_CTX_set1_client_cert_type(ctx, either, sizeof either) == 1, GH_ECRYPTO);
  if (own && !certified) GH_REQUIRE(SSL_CTX_set1_client_cert_type(ctx, raw, sizeof raw) == 1, GH_ECRYPTO);
  if (of_servers) GH_REQUIRE(SSL_CTX_set1_server_cert_type(ctx, raw, sizeof raw) == 1, GH_ECRYPTO);
  return GH_OK;
}

/* RFC 7250 4.1: of the types that the client names, in its order, those that we know. */
static size_t types_named(SSL *ssl, unsigned extension, unsigned char out[static 2])
{
  const unsigned char *octets;
  size_t len, count = 0;
  if (SSL_client_hello_get0_ext(ssl, extension, &octets, &len) != 1 || len < 2 || octets[0] != len - 1) return 0;
  for (size_t i = 1; i < len && count < 2; i++) {
    bool known = octets[i] == TLSEXT_cert_type_x509 || octets[i] == TLSEXT_cert_type_rpk;
    if (known && !(count && out[0] == octets[i])) out[count++] = octets[i];
  }
  return count;
}

/*= TS-0003 10.2.3; RFC 7250 */
gh_err gh_raw_public_key_server(SSL *ssl)
{
  static const unsigned char raw[] = {TLSEXT_cert_type_rpk};
  unsigned char types[2];
  if (gh_raw_public_key_demanded(ssl))
    return SSL_set1_client_cert_type(ssl, raw, 1) == 1 && SSL_set1_server_cert_type(ssl, raw, 1) == 1 ? GH_OK
                                                                                                      : GH_ECRYPTO;
  size_t count = types_named(ssl, TLSEXT_TYPE_client_cert_type, types);
  if (count) GH_REQUIRE(SSL_set1_client_cert_type(ssl, types, count) == 1, GH_ECRYPTO);
  count = types_named(ssl, TLSEXT_TYPE_server_cert_type, types);
  if (count) GH_REQUIRE(SSL_set1_server_cert_type(ssl, types, count) == 1, GH_ECRYPTO);
  return GH_OK;
}

bool gh_raw_public_key_is(X509_STORE_CTX *store)
{
  return X509_STORE_CTX_get0_rpk(store) != NULL;
}

static bool judged(SSL *ssl, EVP_PKEY *key, gh_diag *diag)
{
  gh_arena arena;
  gh_str spki;
  const gh_raw_key_judge *judge = judge_of(ssl);
  if (!judge) return gh_fail(diag, GH_EAUTH, "raw public key: none is expected") == GH_OK;
  gh_arena_init(&arena);
  bool good = gh_public_key_der(&arena, key, &spki) == GH_OK && gh_public_key_check_profile(spki, diag) == GH_OK &&
              judge->knows(judge->ctx, spki, diag);
  gh_arena_free(&arena);
  return good;
}

bool gh_raw_public_key_verify(SSL *ssl, X509_STORE_CTX *store, gh_diag *diag)
{
  bool good = judged(ssl, X509_STORE_CTX_get0_rpk(store), diag);
  X509_STORE_CTX_set_error(store, good ? X509_V_OK : X509_V_ERR_RPK_UNTRUSTED);
  return good;
}

gh_str gh_raw_public_key_of_peer(gh_arena *arena, SSL *ssl)
{
  gh_str spki = GH_STR_NONE;
  EVP_PKEY *key = SSL_get0_peer_rpk(ssl);
  if (!key || SSL_get_verify_result(ssl) != X509_V_OK) return GH_STR_NONE;
  return gh_public_key_der(arena, key, &spki) == GH_OK ? spki : GH_STR_NONE;
}

bool gh_raw_public_key_is_in(SSL_SESSION *session)
{
  return SSL_SESSION_get0_peer_rpk(session) != NULL;
}

#else

bool gh_raw_public_key_available(void)
{
  return false;
}

gh_err gh_raw_public_key_client(SSL_CTX *ctx, bool own, bool certified, bool of_servers)
{
  (void)ctx;
  (void)certified;
  return own || of_servers ? GH_EUNSUPPORTED : GH_OK;
}

gh_err gh_raw_public_key_server(SSL *ssl)
{
  (void)ssl;
  return GH_OK;
}

bool gh_raw_public_key_is(X509_STORE_CTX *store)
{
  (void)store;
  return false;
}

bool gh_raw_public_key_verify(SSL *ssl, X509_STORE_CTX *store, gh_diag *diag)
{
  (void)ssl;
  (void)store;
  return gh_fail(diag, GH_EUNSUPPORTED, "%s", GH_RAW_PUBLIC_KEY_NEEDS) == GH_OK;
}

gh_str gh_raw_public_key_of_peer(gh_arena *arena, SSL *ssl)
{
  (void)arena;
  (void)ssl;
  return GH_STR_NONE;
}

bool gh_raw_public_key_is_in(SSL_SESSION *session)
{
  (void)session;
  return false;
}

#endif
