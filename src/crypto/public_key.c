/* Owns the octets of public keys. Must never take another algorithm, curve or form of point than the profile's. */
#include "crypto/public_key.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

/* SubjectPublicKeyInfo of every key of the profile, as far as the coordinates: id-ecPublicKey, prime256v1, a bit
 * string of 65 octets that begins with 4. */
static const unsigned char head[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                     0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                     0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04};
enum { P256_COORDINATES_BYTES = 64 };

gh_err gh_public_key_der(gh_arena *arena, EVP_PKEY *key, gh_str *spki)
{
  unsigned char *der = NULL;
  int len = i2d_PUBKEY(key, &der);
  ERR_clear_error();
  GH_REQUIRE(len > 0, GH_ECRYPTO);
  *spki = gh_arena_dup(arena, (gh_str){(const char *)der, (size_t)len});
  OPENSSL_free(der);
  return GH_OK;
}

gh_err gh_public_key_from_pem(gh_arena *arena, gh_str pem, gh_str *spki)
{
  GH_REQUIRE(pem.len > 0 && pem.len <= INT_MAX, GH_ESYNTAX);
  BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
  GH_REQUIRE(bio, GH_ECRYPTO);
  EVP_PKEY *key = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
  if (!key && BIO_reset(bio) == 1) {
    X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    if (cert) key = X509_get_pubkey(cert);
    X509_free(cert);
  }
  BIO_free(bio);
  ERR_clear_error();
  gh_err err = key ? gh_public_key_der(arena, key, spki) : GH_ESYNTAX;
  EVP_PKEY_free(key);
  return err;
}

/*= TS-0003 10.1.1.1; 10.1.1.2; raw public keys too */
gh_err gh_public_key_check_profile(gh_str spki, gh_diag *diag)
{
  if (spki.len == sizeof head + P256_COORDINATES_BYTES && memcmp(spki.ptr, head, sizeof head) == 0) return GH_OK;
  return gh_fail(diag, GH_EAUTH, "the key is not an uncompressed point of P-256");
}
