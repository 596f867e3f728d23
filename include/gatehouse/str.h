/* Slices: text and bytes travel as {pointer, length}, never as NUL-terminated strings across files.
 * A slice borrows; whoever made the bytes owns them. */
#ifndef GATEHOUSE_STR_H
#define GATEHOUSE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct gh_str {
  const char *ptr;
  size_t len;
} gh_str;

#define GH_STR(literal) ((gh_str){(literal), sizeof(literal) - 1})
#define GH_STR_NONE ((gh_str){NULL, 0})
/* For printf: "%.*s", GH_STR_ARG(s) */
#define GH_STR_ARG(s) ((int)(s).len), ((s).len ? (s).ptr : "")

/* A slice of a NUL-terminated string; NULL gives the empty slice. */
static inline gh_str gh_str_of(const char *cstr)
{
  return (gh_str){cstr, cstr ? strlen(cstr) : 0};
}

static inline bool gh_str_empty(gh_str s)
{
  return s.len == 0;
}

/* Octet equality. Not constant time: never for secrets (see gh_secret_equal). */
static inline bool gh_str_eq(gh_str a, gh_str b)
{
  if (a.len != b.len) return false;
  if (a.len == 0) return true;
  return a.ptr && b.ptr && a.ptr[0] == b.ptr[0] && memcmp(a.ptr, b.ptr, a.len) == 0; /* most differ at once */
}

bool gh_str_eq_nocase(gh_str a, gh_str b); /* ASCII letters only */
bool gh_str_starts(gh_str s, gh_str prefix);
bool gh_str_ends(gh_str s, gh_str suffix);

/* Part of s from octet `from` (clamped) of at most `len` octets. */
gh_str gh_str_sub(gh_str s, size_t from, size_t len);

/* Index of the first / last `c`, or SIZE_MAX. */
size_t gh_str_find(gh_str s, char c);
size_t gh_str_rfind(gh_str s, char c);

/* Takes the part of *rest before the first `sep` and moves *rest behind it; false when *rest is
 * used up (ptr NULL). "a//b" gives "a", "", "b". */
bool gh_str_split(gh_str *rest, char sep, gh_str *part);

/* Decimal digits only, no sign, no blanks; false on anything else or overflow. */
bool gh_str_to_u64(gh_str s, uint64_t *out);

/* Copies into a NUL-terminated array of `size` octets; false (and "") when it does not fit or s
 * contains a NUL. */
bool gh_str_to_cstr(gh_str s, char *out, size_t size);

#endif
