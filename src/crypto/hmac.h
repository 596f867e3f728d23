/* HMAC-SHA-256 over several pieces, so that no caller has to glue labels and keys into a buffer. */
#ifndef GH_CRYPTO_HMAC_H
#define GH_CRYPTO_HMAC_H

#include <stddef.h>
#include <stdint.h>

#include "gatehouse/error.h"
#include "gatehouse/str.h"

/* GH_ECRYPTO when the library fails; `out` is untouched then. */
GH_MUST_USE gh_err gh_hmac_sha256_parts(const void *key, size_t key_len, const gh_str *parts, size_t count,
                                        uint8_t out[static 32]);

/* A key that is used again and again, prepared once. Of one thread; owned by the caller. */
typedef struct gh_hmac gh_hmac;
gh_hmac *gh_hmac_new(const void *key, size_t key_len); /* NULL when the library fails */
void gh_hmac_free(gh_hmac *hmac);
/* As gh_hmac_sha256_parts. */
GH_MUST_USE gh_err gh_hmac_run(gh_hmac *hmac, const gh_str *parts, size_t count, uint8_t out[static 32]);

#endif
