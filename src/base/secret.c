/* Key material: set, compare in constant time, wipe. */
#include "gatehouse/secret.h"

#include <openssl/crypto.h>
#include <string.h>

void gh_wipe(void *ptr, size_t len)
{
  if (ptr && len) OPENSSL_cleanse(ptr, len);
}

gh_err gh_secret_set(gh_secret *secret, const void *bytes, size_t len)
{
  GH_REQUIRE(len <= GH_SECRET_MAX_BYTES, GH_ELIMIT);
  gh_wipe(secret->bytes, sizeof secret->bytes);
  if (len) memcpy(secret->bytes, bytes, len);
  secret->len = len;
  return GH_OK;
}

void gh_secret_wipe(gh_secret *secret)
{
  gh_wipe(secret, sizeof *secret);
}

bool gh_bytes_equal_ct(const void *a, const void *b, size_t len)
{
  return CRYPTO_memcmp(a, b, len) == 0;
}

bool gh_secret_equal(const gh_secret *a, const gh_secret *b)
{
  return a->len == b->len && gh_bytes_equal_ct(a->bytes, b->bytes, a->len);
}
