/* Hexadecimal columns of the vector files. */
#ifndef GH_TEST_CRYPTO_HEX_H
#define GH_TEST_CRYPTO_HEX_H

#include "../m2m/cmocka_all.h"
#include "../m2m/vector_file.h"
#include "base/encoding.h"
#include "gatehouse/secret.h"

static inline size_t hex_octets(gh_str text, uint8_t *out, size_t cap)
{
  size_t len = 0;
  if (gh_hex_decode(text, out, cap, &len) != GH_OK) fail_msg("no hexadecimal: %.*s", GH_STR_ARG(text));
  return len;
}

static inline gh_secret hex_secret(gh_str text)
{
  gh_secret secret = {.len = 0};
  secret.len = hex_octets(text, secret.bytes, sizeof(secret.bytes));
  return secret;
}

static inline gh_str hex_of(gh_arena *arena, const gh_secret *secret)
{
  return gh_hex_lower(arena, secret->bytes, secret->len);
}

static inline void assert_slice(gh_str got, gh_str want)
{
  if (!gh_str_eq(got, want)) fail_msg("got \"%.*s\", want \"%.*s\"", GH_STR_ARG(got), GH_STR_ARG(want));
}

#endif
