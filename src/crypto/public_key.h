/* Public keys without a certificate: the SubjectPublicKeyInfo in DER, which is what a raw public key certificate is
 * (RFC 7250) and what public key identifiers are made of. */
#ifndef GH_CRYPTO_PUBLIC_KEY_H
#define GH_CRYPTO_PUBLIC_KEY_H

#include "base/arena.h"

typedef struct evp_pkey_st EVP_PKEY;

/* GH_ECRYPTO. */
GH_MUST_USE gh_err gh_public_key_der(gh_arena *arena, EVP_PKEY *key, gh_str *spki);
/* From PEM: a public key, or the key of a certificate. GH_ESYNTAX. */
GH_MUST_USE gh_err gh_public_key_from_pem(gh_arena *arena, gh_str pem, gh_str *spki);
/* Profile of TS-0003 10.1.1.1: named curve P-256, the point uncompressed. GH_EAUTH. Whether the point is on the curve
 * has been seen by whoever decoded it. */
GH_MUST_USE gh_err gh_public_key_check_profile(gh_str spki, gh_diag *diag);

#endif
