/* Owns the PEM form of certificates and private keys. Must never ask a terminal for a passphrase, nor leave key
 * octets behind in memory that it gave back. */
#include "crypto/certs.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

enum { PEM_MAX_BYTES = 256 * 1024 };

static gh_err done(bool ok)
{
  ERR_clear_error();
  return ok ? GH_OK : GH_ECRYPTO;
}

static void move_out(BIO *bio, gh_buf *out)
{
  char *text;
  long len = BIO_get_mem_data(bio, &text);
  if (len > 0) gh_buf_add_bytes(out, text, (size_t)len);
}

gh_err gh_cert_to_pem(X509 *cert, gh_buf *out)
{
  BIO *bio = BIO_new(BIO_s_mem());
  bool ok = bio && PEM_write_bio_X509(bio, cert);
  if (ok) move_out(bio, out);
  BIO_free(bio);
  return done(ok);
}

gh_err gh_key_to_pem(EVP_PKEY *key, gh_buf *out)
{
  BIO *bio = BIO_new(BIO_s_secmem()); /* its memory is wiped when freed */
  bool ok = bio && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
  if (ok) move_out(bio, out);
  BIO_free(bio);
  return done(ok);
}

static int no_passphrase(char *buf, int size, int writing, void *ctx)
{
  (void)buf, (void)size, (void)writing, (void)ctx;
  return -1;
}

static gh_err source(gh_str pem, BIO **bio)
{
  GH_REQUIRE(pem.len > 0, GH_ESYNTAX);
  GH_REQUIRE(pem.len <= PEM_MAX_BYTES, GH_ELIMIT);
  *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
  return *bio ? GH_OK : GH_ECRYPTO;
}

gh_err gh_cert_from_pem(gh_str pem, X509 **out)
{
  BIO *bio;
  GH_TRY(source(pem, &bio));
  X509 *cert = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
  BIO_free(bio);
  ERR_clear_error();
  GH_REQUIRE(cert, GH_ESYNTAX);
  *out = cert;
  return GH_OK;
}

static bool has_issued(X509 *issuer, X509 *cert)
{
  return X509_check_issued(issuer, cert) == X509_V_OK && X509_verify(cert, X509_get0_pubkey(issuer)) == 1;
}

X509 *gh_cert_issuer_in(gh_str pem, X509 *cert)
{
  BIO *bio = pem.len ? BIO_new_mem_buf(pem.ptr, (int)pem.len) : NULL;
  X509 *one = NULL;
  while (bio && (one = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) && !has_issued(one, cert)) X509_free(one);
  BIO_free(bio);
  ERR_clear_error();
  return one;
}

gh_err gh_key_from_pem(gh_str pem, EVP_PKEY **out)
{
  BIO *bio;
  GH_TRY(source(pem, &bio));
  EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
  BIO_free(bio);
  ERR_clear_error();
  GH_REQUIRE(key, GH_ESYNTAX);
  *out = key;
  return GH_OK;
}
