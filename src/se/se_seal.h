/* The octets of a sealed file: a header of 96 octets, then AES-256-GCM over the table with the header as additional
 * data.
 *
 *   0 magic "GHSEAL1\n" | 8 format u32 | 12 log2 N u32 | 16 r u32 | 20 p u32 | 24 salt 32 | 56 check 16 |
 *   72 counter u64 | 80 nonce 12 | 92 body length u32 | 96 body | tag 16          (numbers big endian)
 *
 * `check` tells a wrong passphrase from changed octets; it covers the header in front of it. `counter` grows with
 * every write. */
#ifndef GH_SE_SE_SEAL_H
#define GH_SE_SE_SEAL_H

#include <stdint.h>

#include "base/random.h"
#include "gatehouse/error.h"
#include "gatehouse/str.h"

enum { GH_SEAL_HEADER_BYTES = 96, GH_SEAL_SALT_BYTES = 32, GH_SEAL_CHECK_BYTES = 16, GH_SEAL_TAG_BYTES = 16 };

/* Cost of scrypt (RFC 7914). Bounded when read: at most 256 MiB of memory and p = 4. */
typedef struct gh_seal_cost {
  uint32_t log2_n, r, p;
} gh_seal_cost;

extern const gh_seal_cost gh_seal_default_cost; /* 15, 8, 1 */

typedef struct gh_seal_header {
  gh_seal_cost cost;
  uint8_t salt[GH_SEAL_SALT_BYTES];
  uint8_t check[GH_SEAL_CHECK_BYTES];
  uint64_t counter;
  uint8_t nonce[12];
  uint32_t body_len;
} gh_seal_header;

/* Lives in key pages; made once per open file. */
typedef struct gh_seal_key {
  uint8_t seal[32];
  uint8_t check[32];
} gh_seal_key;

/* New header with a fresh salt, and its key. */
GH_MUST_USE gh_err gh_seal_start(const gh_seal_cost *cost, gh_str passphrase, const gh_random *random,
                                 gh_seal_header *header, gh_seal_key *key);
/* GH_ESYNTAX: not a sealed file, or another length than its header says. GH_ELIMIT: a cost or length beyond the
 * bounds. */
GH_MUST_USE gh_err gh_seal_header_read(gh_str file, gh_seal_header *header);
/* GH_EAUTH: the passphrase does not belong to this header. */
GH_MUST_USE gh_err gh_seal_key_derive(const gh_seal_header *header, gh_str passphrase, gh_seal_key *key);

/* Counts up, takes a fresh nonce, writes header and body: `out` has room for GH_SEAL_HEADER_BYTES + len +
 * GH_SEAL_TAG_BYTES. */
GH_MUST_USE gh_err gh_seal_write(gh_seal_header *header, const gh_seal_key *key, const gh_random *random,
                                 gh_str plain, uint8_t *out);
/* `plain` has room for header->body_len octets. GH_ETAMPER. */
GH_MUST_USE gh_err gh_seal_open(const gh_seal_header *header, const gh_seal_key *key, gh_str file, uint8_t *plain);

#endif
