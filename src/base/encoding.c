/* Hexadecimal and base64 (RFC 4648). Small enough to own: strictness and slices are the point. */
#include "base/encoding.h"

static gh_str hex(gh_arena *arena, const void *bytes, size_t len, const char *digits)
{
  const uint8_t *in = bytes;
  char *out = gh_arena_alloc(arena, 2 * len + 1);
  for (size_t i = 0; i < len; i++) {
    out[2 * i] = digits[in[i] >> 4];
    out[2 * i + 1] = digits[in[i] & 15];
  }
  out[2 * len] = '\0';
  return (gh_str){out, 2 * len};
}

gh_str gh_hex_upper(gh_arena *arena, const void *bytes, size_t len)
{
  return hex(arena, bytes, len, "0123456789ABCDEF");
}

gh_str gh_hex_lower(gh_arena *arena, const void *bytes, size_t len)
{
  return hex(arena, bytes, len, "0123456789abcdef");
}

static int hex_digit(char c)
{
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

gh_err gh_hex_decode(gh_str text, uint8_t *out, size_t cap, size_t *len)
{
  GH_REQUIRE(text.len % 2 == 0, GH_ESYNTAX);
  GH_REQUIRE(text.len / 2 <= cap, GH_ELIMIT);
  for (size_t i = 0; i < text.len; i++) GH_REQUIRE(hex_digit(text.ptr[i]) >= 0, GH_ESYNTAX);
  for (size_t i = 0; i < text.len / 2; i++)
    out[i] = (uint8_t)(hex_digit(text.ptr[2 * i]) * 16 + hex_digit(text.ptr[2 * i + 1]));
  *len = text.len / 2;
  return GH_OK;
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char alphabet_url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static gh_str base64(gh_arena *arena, const uint8_t *in, size_t len, const char *letters, bool pad)
{
  char *out = gh_arena_alloc(arena, (len + 2) / 3 * 4 + 1);
  size_t n = 0;
  for (size_t i = 0; i < len; i += 3) {
    size_t have = len - i < 3 ? len - i : 3;
    uint32_t group = (uint32_t)in[i] << 16;
    if (have > 1) group |= (uint32_t)in[i + 1] << 8;
    if (have > 2) group |= in[i + 2];
    for (size_t k = 0; k < 4; k++) {
      if (k <= have)
        out[n++] = letters[group >> (18 - 6 * k) & 63];
      else if (pad)
        out[n++] = '=';
    }
  }
  out[n] = '\0';
  return (gh_str){out, n};
}

gh_str gh_base64(gh_arena *arena, const void *bytes, size_t len)
{
  return base64(arena, bytes, len, alphabet, true);
}

gh_str gh_base64url(gh_arena *arena, const void *bytes, size_t len)
{
  return base64(arena, bytes, len, alphabet_url, false);
}

static int base64_digit(char c)
{
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  if (c == '/') return 63;
  return -1;
}

gh_err gh_base64_decode(gh_str text, uint8_t *out, size_t cap, size_t *len)
{
  GH_REQUIRE(text.len % 4 == 0, GH_ESYNTAX);
  size_t padding = 0;
  while (padding < 2 && padding < text.len && text.ptr[text.len - 1 - padding] == '=') padding++;
  size_t total = text.len / 4 * 3 - padding;
  GH_REQUIRE(total <= cap, GH_ELIMIT);
  uint32_t group = 0;
  size_t n = 0;
  for (size_t i = 0; i < text.len; i++) {
    int digit = i < text.len - padding ? base64_digit(text.ptr[i]) : 0;
    GH_REQUIRE(digit >= 0, GH_ESYNTAX);
    group = group << 6 | (uint32_t)digit;
    if (i % 4 != 3) continue;
    for (size_t k = 0; k < 3; k++) {
      uint8_t octet = (uint8_t)(group >> (16 - 8 * k));
      if (n < total)
        out[n++] = octet;
      else
        GH_REQUIRE(octet == 0, GH_ESYNTAX); /* bits behind the end must be zero */
    }
    group = 0;
  }
  *len = total;
  return GH_OK;
}
