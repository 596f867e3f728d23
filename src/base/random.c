/* Randomness from the operating system, or a reproducible stream for tests. */
#include "base/random.h"

#include <errno.h>
#include <sys/random.h>

#include "base/encoding.h"

static gh_err system_fill(void *ctx, void *out, size_t len)
{
  (void)ctx;
  char *at = out;
  while (len) {
    ssize_t got = getrandom(at, len, 0);
    if (got < 0 && errno == EINTR) continue;
    GH_REQUIRE(got > 0, GH_EIO);
    at += got;
    len -= (size_t)got;
  }
  return GH_OK;
}

gh_random gh_random_system(void)
{
  return (gh_random){system_fill, NULL};
}

/* splitmix64: not for keys, only to make tests repeatable. */
static uint64_t next(uint64_t *state)
{
  uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));
  z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
  return z ^ (z >> 31);
}

static gh_err seed_fill(void *ctx, void *out, size_t len)
{
  uint8_t *at = out;
  for (size_t i = 0; i < len; i++) at[i] = (uint8_t)next(ctx);
  return GH_OK;
}

gh_random gh_random_of_seed(uint64_t *seed)
{
  return (gh_random){seed_fill, seed};
}

gh_err gh_random_id(const gh_random *random, gh_arena *arena, gh_str prefix, size_t octets, gh_str *out)
{
  uint8_t raw[64];
  GH_REQUIRE(octets <= sizeof raw, GH_ELIMIT);
  GH_TRY(gh_random_fill(random, raw, octets));
  gh_str digits = gh_hex_upper(arena, raw, octets);
  *out = gh_arena_fmt(arena, "%.*s%.*s", GH_STR_ARG(prefix), GH_STR_ARG(digits));
  return GH_OK;
}
