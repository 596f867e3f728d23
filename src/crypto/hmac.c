/* Owns HMAC-SHA-256 (RFC 2104). Must never leave a message in the error queue of the library: a
 * later TLS call of the same thread would take it for its own. */
#include "crypto/hmac.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "crypto/kdf.h"

static bool mac_over_parts(EVP_MAC_CTX *ctx, const void *key, size_t key_len, const gh_str *parts, size_t count,
                           uint8_t out[static 32])
{
  char digest[] = "SHA256";
  OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_END};
  if (!EVP_MAC_init(ctx, key_len ? key : "", key_len, params)) return false;
  for (size_t i = 0; i < count; i++) {
    if (!EVP_MAC_update(ctx, (const unsigned char *)parts[i].ptr, parts[i].len)) return false;
  }
  size_t len = 0;
  return EVP_MAC_final(ctx, out, &len, 32) && len == 32;
}

gh_err gh_hmac_sha256_parts(const void *key, size_t key_len, const gh_str *parts, size_t count,
                            uint8_t out[static 32])
{
  uint8_t mac[32];
  EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
  EVP_MAC_CTX *ctx = hmac ? EVP_MAC_CTX_new(hmac) : NULL;
  bool ok = ctx && mac_over_parts(ctx, key, key_len, parts, count, mac);
  if (ok) memcpy(out, mac, sizeof(mac));
  gh_wipe(mac, sizeof(mac));
  EVP_MAC_CTX_free(ctx);
  EVP_MAC_free(hmac);
  if (!ok) ERR_clear_error();
  return ok ? GH_OK : GH_ECRYPTO;
}

gh_err gh_hmac_sha256(const void *key, size_t key_len, gh_str data, uint8_t out[static 32])
{
  return gh_hmac_sha256_parts(key, key_len, &data, 1, out);
}
