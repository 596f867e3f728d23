/* Identifiers of public keys (TS-0003 10.1.2, RFC 6920): a digest of the SubjectPublicKeyInfo, whole or cut, and the
 * name of its suite. The suite of a configured identifier decides how a received key is digested. */
#ifndef GH_CRYPTO_PUBLIC_KEY_ID_H
#define GH_CRYPTO_PUBLIC_KEY_ID_H

#include "base/arena.h"

typedef struct evp_pkey_st EVP_PKEY;

typedef enum gh_digest_suite { GH_SHA_256, GH_SHA_256_128, GH_SHA_256_120 } gh_digest_suite;

enum { GH_PUBLIC_KEY_ID_MAX_BYTES = 32 };

typedef struct gh_public_key_id {
  gh_digest_suite suite;
  uint8_t digest[GH_PUBLIC_KEY_ID_MAX_BYTES]; /* the leftmost octets; zero behind them */
} gh_public_key_id;

/* `spki`: DER of the SubjectPublicKeyInfo. GH_ECRYPTO. */
GH_MUST_USE gh_err gh_public_key_id_of(gh_str spki, gh_digest_suite suite, gh_public_key_id *out);
GH_MUST_USE gh_err gh_public_key_id_of_key(EVP_PKEY *key, gh_digest_suite suite, gh_public_key_id *out);
/* "ni:///sha-256;Wnp4..", with an authority and a query too, which do not count; or the value of a Credential-ID,
 * "sha-256.Wnp4..". GH_ESYNTAX, and `out` is untouched: other suites, a digest of the wrong length, padding, bits
 * behind the end. */
GH_MUST_USE gh_err gh_public_key_id_parse(gh_str text, gh_public_key_id *out);
/* "ni:///sha-256;Wnp4.." */
gh_str gh_public_key_id_uri(gh_arena *arena, const gh_public_key_id *id);
/* "sha-256.Wnp4..", the value part of a Credential-ID of type 30, 41 or 51 */
gh_str gh_public_key_id_value(gh_arena *arena, const gh_public_key_id *id);
/* Same suite, same digest; in constant time. */
bool gh_public_key_id_equal(const gh_public_key_id *a, const gh_public_key_id *b);
/* Is this the key that the identifier names? False too where the key cannot be digested. */
bool gh_public_key_id_matches(const gh_public_key_id *id, gh_str spki);

#endif
