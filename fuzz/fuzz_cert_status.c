/* Revocation lists and answers of responders as foreign octets: nothing that the issuer did not sign may say good. */
#include <stdlib.h>

#include "base/clock.h"
#include "crypto/cert_status.h"
#include "crypto/certs.h"

#define MUST(cond)                                                                                                   \
  do {                                                                                                               \
    if (!(cond)) abort();                                                                                            \
  } while (0)

/* A new issuer in every run: no octets that come in can bear its signature. */
static X509 *made(gh_cert_flavour flavour, const char *name, EVP_PKEY *key, X509 *issuer, EVP_PKEY *signer)
{
  X509 *cert = NULL;
  gh_diag diag;
  const gh_cert_request request = {.flavour = flavour,
                                   .name = gh_str_of(name),
                                   .not_before_us = 1,
                                   .not_after_us = INT64_C(4000000000) * GH_US_PER_S};
  MUST(gh_cert_issue(&request, key, issuer, signer, &cert, &diag) == GH_OK);
  return cert;
}

static X509 *issuer, *cert;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
  EVP_PKEY *key;
  (void)argc;
  (void)argv;
  MUST(gh_cert_new_key(&key) == GH_OK);
  issuer = made(GH_CERT_CA, "CA", key, NULL, NULL);
  cert = made(GH_CERT_FQDN, "mef.sp.example.com", key, issuer, key);
  EVP_PKEY_free(key);
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  const int64_t now_us = INT64_C(1700000000) * GH_US_PER_S;
  gh_str octets = {(const char *)data, size};
  gh_crl_set *set;
  gh_diag diag;
  int64_t until_us;
  MUST(gh_ocsp_check(octets, cert, issuer, now_us, &until_us) == GH_CERT_UNKNOWN);
  if (gh_crl_set_read(octets, &set, &diag) != GH_OK) return 0;
  MUST(gh_crl_set_check(set, cert, issuer, now_us) == GH_CERT_UNKNOWN);
  (void)gh_crl_set_next_update_us(set);
  gh_crl_set *kept = NULL;
  MUST(gh_crl_set_take_later(&kept, set, &issuer, 1, now_us, NULL) == 0 && !kept); /* uses it up */
  return 0;
}
