/* AES-256-GCM with a 96-bit nonce (NIST SP 800-38D). The caller never uses a nonce twice under one key. */
#ifndef GH_CRYPTO_AEAD_H
#define GH_CRYPTO_AEAD_H

#include <stdint.h>

#include "gatehouse/error.h"
#include "gatehouse/str.h"

enum { GH_AEAD_KEY_BYTES = 32, GH_AEAD_NONCE_BYTES = 12, GH_AEAD_TAG_BYTES = 16 };

/* Writes plain.len + GH_AEAD_TAG_BYTES octets: ciphertext, then tag. */
GH_MUST_USE gh_err gh_aead_seal(const uint8_t key[static GH_AEAD_KEY_BYTES],
                                const uint8_t nonce[static GH_AEAD_NONCE_BYTES], gh_str aad, gh_str plain,
                                uint8_t *out);
/* Writes sealed.len - GH_AEAD_TAG_BYTES octets. GH_ETAMPER when it does not verify: `out` is wiped then. */
GH_MUST_USE gh_err gh_aead_open(const uint8_t key[static GH_AEAD_KEY_BYTES],
                                const uint8_t nonce[static GH_AEAD_NONCE_BYTES], gh_str aad, gh_str sealed,
                                uint8_t *out);

#endif
