/* Randomness, injected. The system source is the operating system's. */
#ifndef GH_BASE_RANDOM_H
#define GH_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "gatehouse/error.h"

typedef struct gh_random {
  gh_err (*fill)(void *ctx, void *out, size_t len);
  void *ctx;
} gh_random;

gh_random gh_random_system(void);

static inline GH_MUST_USE gh_err gh_random_fill(const gh_random *random, void *out, size_t len)
{
  return random->fill(random->ctx, out, len);
}

/* `prefix` followed by `octets` random octets in upper-case hexadecimal. */
GH_MUST_USE gh_err gh_random_id(const gh_random *random, gh_arena *arena, gh_str prefix, size_t octets, gh_str *out);

/* For tests: octets of a counter-based stream that depends on *seed only. */
gh_random gh_random_of_seed(uint64_t *seed);

#endif
