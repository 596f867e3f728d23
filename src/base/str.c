/* Slices: comparing, cutting, reading numbers. */
#include "gatehouse/str.h"

static char lower(char c)
{
  return (c >= 'A' && c <= 'Z') ? (char)(c - 'A' + 'a') : c;
}

bool gh_str_eq_nocase(gh_str a, gh_str b)
{
  if (a.len != b.len) return false;
  for (size_t i = 0; i < a.len; i++)
    if (lower(a.ptr[i]) != lower(b.ptr[i])) return false;
  return true;
}

bool gh_str_starts(gh_str s, gh_str prefix)
{
  return s.len >= prefix.len && gh_str_eq((gh_str){s.ptr, prefix.len}, prefix);
}

bool gh_str_ends(gh_str s, gh_str suffix)
{
  return s.len >= suffix.len && gh_str_eq(gh_str_sub(s, s.len - suffix.len, suffix.len), suffix);
}

gh_str gh_str_sub(gh_str s, size_t from, size_t len)
{
  if (from > s.len) from = s.len;
  if (len > s.len - from) len = s.len - from;
  return (gh_str){s.ptr ? s.ptr + from : NULL, len};
}

size_t gh_str_find(gh_str s, char c)
{
  const char *hit = s.len ? memchr(s.ptr, c, s.len) : NULL;
  return hit ? (size_t)(hit - s.ptr) : SIZE_MAX;
}

size_t gh_str_rfind(gh_str s, char c)
{
  const char *hit = s.len ? memrchr(s.ptr, c, s.len) : NULL;
  return hit ? (size_t)(hit - s.ptr) : SIZE_MAX;
}

bool gh_str_split(gh_str *rest, char sep, gh_str *part)
{
  if (!rest->ptr) return false;
  size_t at = gh_str_find(*rest, sep);
  if (at == SIZE_MAX) {
    *part = *rest;
    *rest = GH_STR_NONE;
    return true;
  }
  *part = (gh_str){rest->ptr, at};
  *rest = (gh_str){rest->ptr + at + 1, rest->len - at - 1};
  return true;
}

bool gh_str_to_u64(gh_str s, uint64_t *out)
{
  if (s.len == 0 || s.len > 20) return false;
  uint64_t value = 0;
  for (size_t i = 0; i < s.len; i++) {
    if (s.ptr[i] < '0' || s.ptr[i] > '9') return false;
    uint64_t digit = (uint64_t)(s.ptr[i] - '0');
    if (value > (UINT64_MAX - digit) / 10) return false;
    value = value * 10 + digit;
  }
  *out = value;
  return true;
}

bool gh_str_to_cstr(gh_str s, char *out, size_t size)
{
  if (size == 0) return false;
  out[0] = '\0';
  if (s.len >= size || gh_str_find(s, '\0') != SIZE_MAX) return false;
  if (s.len) memcpy(out, s.ptr, s.len);
  out[s.len] = '\0';
  return true;
}
