/* Certificates that gh_cert_issue would not make: any name, key, digest and extension. Keys are made at run time. */
#ifndef GH_TEST_CRYPTO_CERT_MAKER_H
#define GH_TEST_CRYPTO_CERT_MAKER_H

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "../m2m/cmocka_all.h"
#include "base/clock.h"
#include "crypto/certs.h"

#define DAY_US (INT64_C(86400) * GH_US_PER_S)

/* Extensions as the library's configuration text; NULL: left out. */
typedef struct odd_cert {
  EVP_PKEY *key;
  X509 *issuer;
  EVP_PKEY *signer;     /* NULL: self-signed */
  const EVP_MD *digest; /* NULL: SHA-256 */
  long version;         /* 0: version 3 */
  const char *basic, *usage, *names, *constraints;
} odd_cert;

static inline int64_t now_us(void)
{
  gh_clock clock = gh_clock_system();
  return gh_clock_wall_us(&clock);
}

static inline EVP_PKEY *new_key(void)
{
  EVP_PKEY *key = NULL;
  assert_int_equal(gh_cert_new_key(&key), GH_OK);
  return key;
}

static inline void odd_ext(X509 *cert, X509 *issuer, int nid, const char *text)
{
  X509V3_CTX ctx;
  if (!text) return;
  X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
  X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, text);
  assert_non_null(ext);
  assert_int_equal(X509_add_ext(cert, ext, -1), 1);
  X509_EXTENSION_free(ext);
}

static inline X509 *odd_make(const odd_cert *o)
{
  static long serial = 1;
  X509 *cert = X509_new(), *issuer = o->issuer ? o->issuer : cert;
  char cn[32];
  snprintf(cn, sizeof(cn), "odd %ld", serial);
  X509_set_version(cert, o->version ? o->version - 1 : X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(cert), serial++);
  X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
  X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1, 0);
  X509_set_issuer_name(cert, X509_get_subject_name(issuer));
  X509_set_pubkey(cert, o->key);
  odd_ext(cert, issuer, NID_basic_constraints, o->basic);
  odd_ext(cert, issuer, NID_key_usage, o->usage);
  odd_ext(cert, issuer, NID_subject_alt_name, o->names);
  odd_ext(cert, issuer, NID_name_constraints, o->constraints);
  assert_true(X509_sign(cert, o->signer ? o->signer : o->key, o->digest ? o->digest : EVP_sha256()) > 0);
  return cert;
}

/* A self-signed end-entity certificate with these names. */
static inline X509 *odd_named(EVP_PKEY *key, const char *names)
{
  return odd_make(&(odd_cert){.key = key, .usage = "critical,digitalSignature", .names = names});
}

static inline X509 *issue(gh_cert_flavour flavour, const char *name, const char *constraint, EVP_PKEY *key,
                          X509 *issuer, EVP_PKEY *signer)
{
  X509 *cert = NULL;
  gh_diag diag = {""};
  const gh_cert_request request = {.flavour = flavour,
                                   .name = gh_str_of(name),
                                   .constraint = gh_str_of(constraint),
                                   .not_before_us = now_us() - DAY_US,
                                   .not_after_us = now_us() + 30 * DAY_US};
  if (gh_cert_issue(&request, key, issuer, signer, &cert, &diag) != GH_OK) fail_msg("%s: %s", name, diag.text);
  return cert;
}

#endif
