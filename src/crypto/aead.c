/* Owns AES-256-GCM. Must never hand out octets whose tag was not verified. */
#include "crypto/aead.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <pthread.h>

#include "gatehouse/secret.h"

static EVP_CIPHER *cipher; /* looked up once: it takes longer than a small message */
static pthread_once_t cipher_once = PTHREAD_ONCE_INIT;

static void fetch_cipher(void)
{
  cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
}

static bool feed_aad(EVP_CIPHER_CTX *ctx, gh_str aad)
{
  int len;
  return aad.len == 0 || EVP_CipherUpdate(ctx, NULL, &len, (const unsigned char *)aad.ptr, (int)aad.len);
}

static bool run(EVP_CIPHER_CTX *ctx, gh_str in, uint8_t *out)
{
  int len = 0, last = 0;
  if (in.len > 0 && !EVP_CipherUpdate(ctx, out, &len, (const unsigned char *)in.ptr, (int)in.len)) return false;
  return EVP_CipherFinal_ex(ctx, out + len, &last) && (size_t)len + (size_t)last == in.len;
}

static gh_err begin(const uint8_t *key, const uint8_t *nonce, bool sealing, EVP_CIPHER_CTX **out)
{
  pthread_once(&cipher_once, fetch_cipher);
  EVP_CIPHER_CTX *ctx = cipher ? EVP_CIPHER_CTX_new() : NULL;
  if (!ctx || !EVP_CipherInit_ex2(ctx, cipher, key, nonce, sealing, NULL)) {
    EVP_CIPHER_CTX_free(ctx);
    ERR_clear_error();
    return GH_ECRYPTO;
  }
  *out = ctx;
  return GH_OK;
}

gh_err gh_aead_seal(const uint8_t key[static GH_AEAD_KEY_BYTES], const uint8_t nonce[static GH_AEAD_NONCE_BYTES],
                    gh_str aad, gh_str plain, uint8_t *out)
{
  EVP_CIPHER_CTX *ctx;
  GH_REQUIRE(plain.len <= INT_MAX && aad.len <= INT_MAX, GH_ELIMIT);
  GH_TRY(begin(key, nonce, true, &ctx));
  bool ok = feed_aad(ctx, aad) && run(ctx, plain, out) &&
            EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, GH_AEAD_TAG_BYTES, out + plain.len);
  EVP_CIPHER_CTX_free(ctx);
  if (!ok) ERR_clear_error();
  return ok ? GH_OK : GH_ECRYPTO;
}

gh_err gh_aead_open(const uint8_t key[static GH_AEAD_KEY_BYTES], const uint8_t nonce[static GH_AEAD_NONCE_BYTES],
                    gh_str aad, gh_str sealed, uint8_t *out)
{
  EVP_CIPHER_CTX *ctx;
  GH_REQUIRE(sealed.len <= INT_MAX && aad.len <= INT_MAX, GH_ELIMIT);
  GH_REQUIRE(sealed.len >= GH_AEAD_TAG_BYTES, GH_ETAMPER);
  uint8_t tag[GH_AEAD_TAG_BYTES];
  gh_str body = gh_str_sub(sealed, 0, sealed.len - sizeof(tag));
  memcpy(tag, sealed.ptr + body.len, sizeof(tag));
  GH_TRY(begin(key, nonce, false, &ctx));
  bool ok =
      EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, sizeof(tag), tag) && feed_aad(ctx, aad) && run(ctx, body, out);
  EVP_CIPHER_CTX_free(ctx);
  if (ok) return GH_OK;
  gh_wipe(out, body.len);
  ERR_clear_error();
  return GH_ETAMPER;
}
