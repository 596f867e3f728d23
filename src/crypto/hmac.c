/* Owns HMAC-SHA-256 (RFC 2104). Must never leave a message in the error queue of the library: a
 * later TLS call of the same thread would take it for its own. */
#include "crypto/hmac.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "base/arena.h"
#include "crypto/kdf.h"

struct gh_hmac {
  EVP_MAC_CTX *ctx;
};

static EVP_MAC_CTX *with_key(const void *key, size_t key_len)
{
  char digest[] = "SHA256";
  OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_END};
  EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
  EVP_MAC_CTX *ctx = hmac ? EVP_MAC_CTX_new(hmac) : NULL;
  EVP_MAC_free(hmac);
  if (ctx && EVP_MAC_init(ctx, key_len ? key : "", key_len, params)) return ctx;
  EVP_MAC_CTX_free(ctx);
  return NULL;
}

static gh_err mac_over_parts(EVP_MAC_CTX *ctx, const gh_str *parts, size_t count, uint8_t out[static 32])
{
  uint8_t mac[32];
  size_t len = 0;
  bool ok = ctx;
  for (size_t i = 0; ok && i < count; i++)
    ok = EVP_MAC_update(ctx, (const unsigned char *)parts[i].ptr, parts[i].len);
  ok = ok && EVP_MAC_final(ctx, mac, &len, sizeof mac) && len == sizeof mac;
  if (ok) memcpy(out, mac, sizeof mac);
  gh_wipe(mac, sizeof mac);
  if (!ok) ERR_clear_error();
  return ok ? GH_OK : GH_ECRYPTO;
}

gh_err gh_hmac_sha256_parts(const void *key, size_t key_len, const gh_str *parts, size_t count,
                            uint8_t out[static 32])
{
  EVP_MAC_CTX *ctx = with_key(key, key_len);
  gh_err err = mac_over_parts(ctx, parts, count, out);
  EVP_MAC_CTX_free(ctx);
  return err;
}

gh_hmac *gh_hmac_new(const void *key, size_t key_len)
{
  EVP_MAC_CTX *ctx = with_key(key, key_len);
  if (!ctx) {
    ERR_clear_error();
    return NULL;
  }
  gh_hmac *hmac = gh_calloc(1, sizeof *hmac);
  hmac->ctx = ctx;
  return hmac;
}

void gh_hmac_free(gh_hmac *hmac)
{
  if (!hmac) return;
  EVP_MAC_CTX_free(hmac->ctx); /* wipes the key */
  free(hmac);
}

gh_err gh_hmac_run(gh_hmac *hmac, const gh_str *parts, size_t count, uint8_t out[static 32])
{
  bool ready = EVP_MAC_init(hmac->ctx, NULL, 0, NULL); /* the key that it has, from the beginning */
  return mac_over_parts(ready ? hmac->ctx : NULL, parts, count, out);
}

gh_err gh_hmac_sha256(const void *key, size_t key_len, gh_str data, uint8_t out[static 32])
{
  return gh_hmac_sha256_parts(key, key_len, &data, 1, out);
}
