/* UTF-8 as RFC 3629 has it, and eight octets at a time where text is plain. Shared by the JSON reader and
 * writer. */
#ifndef GH_M2M_UTF8_H
#define GH_M2M_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define GH_WORD_ONES UINT64_C(0x0101010101010101)
#define GH_WORD_HIGHS UINT64_C(0x8080808080808080)

static inline uint64_t gh_word_zeros(uint64_t word)
{
  return (word - GH_WORD_ONES) & ~word & GH_WORD_HIGHS;
}

/* True when the eight octets are printable ASCII that a JSON string holds as they are. */
static inline bool gh_word_is_plain(const char *at)
{
  uint64_t word;
  memcpy(&word, at, sizeof word);
  uint64_t control = (word - GH_WORD_ONES * 0x20) & ~word;
  uint64_t quote = gh_word_zeros(word ^ GH_WORD_ONES * '"');
  uint64_t backslash = gh_word_zeros(word ^ GH_WORD_ONES * '\\');
  return ((word | control | quote | backslash) & GH_WORD_HIGHS) == 0;
}

/* Octets of the multi-octet sequence at `at`, 0 when it is not one (overlong, surrogate, above U+10FFFF, cut). */
static inline size_t gh_utf8_sequence(const char *at, size_t left)
{
  const unsigned char *c = (const unsigned char *)at;
  unsigned char low = 0x80, high = 0xbf;
  size_t len;
  if (c[0] >= 0xc2 && c[0] <= 0xdf)
    len = 2;
  else if (c[0] >= 0xe0 && c[0] <= 0xef)
    len = 3;
  else if (c[0] >= 0xf0 && c[0] <= 0xf4)
    len = 4;
  else
    return 0;
  if (c[0] == 0xe0) low = 0xa0;
  if (c[0] == 0xed) high = 0x9f;
  if (c[0] == 0xf0) low = 0x90;
  if (c[0] == 0xf4) high = 0x8f;
  if (left < len || c[1] < low || c[1] > high) return 0;
  for (size_t i = 2; i < len; i++)
    if ((c[i] & 0xc0) != 0x80) return 0;
  return len;
}

#endif
