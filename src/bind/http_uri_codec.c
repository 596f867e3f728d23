/* Percent-coding, and the path component of the request target. A path is decoded exactly once and may then hold
 * nothing that could be decoded or cut again. */
#include "bind/http_uri_codec.h"

#include "bind/http_codec.h"
#include "m2m/utf8.h"

static int hex_digit(char c)
{
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

static bool unreserved(char c) /*= RFC 3986 2.3 */
{
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) return true;
  return c == '-' || c == '.' || c == '_' || c == '~';
}

/* Octets of a resource identifier: pchar of RFC 3986 without percent-coding. */
static bool identifier_octet(char c)
{
  return unreserved(c) || (c && strchr("!$&'()*+,;=:@", c));
}

bool gh_uri_printable(gh_str s)
{
  for (size_t i = 0; i < s.len;) {
    unsigned char c = (unsigned char)s.ptr[i];
    size_t used = c < 0x80 ? 1 : gh_utf8_sequence(s.ptr + i, s.len - i);
    if (!used || c < 0x20 || c == 0x7f) return false;
    i += used;
  }
  return true;
}

/* Decodes into `to`, which has room for text.len octets; returns the count, or -1. */
static ptrdiff_t decode_into(char *to, gh_str text, bool plus_is_blank)
{
  char *begin = to;
  for (size_t i = 0; i < text.len; i++) {
    char c = text.ptr[i];
    if (c == '%') {
      int high = i + 2 < text.len ? hex_digit(text.ptr[i + 1]) : -1;
      int low = i + 2 < text.len ? hex_digit(text.ptr[i + 2]) : -1;
      if (high < 0 || low < 0) return -1;
      c = (char)(high << 4 | low);
      i += 2;
    } else if (c == '+' && plus_is_blank) {
      c = ' ';
    }
    *to++ = c;
  }
  return to - begin;
}

gh_err gh_uri_decode(gh_arena *arena, gh_str text, bool plus_is_blank, gh_str *out)
{
  bool coded = gh_str_find(text, '%') != SIZE_MAX || (plus_is_blank && gh_str_find(text, '+') != SIZE_MAX);
  gh_str plain = text;
  if (coded) {
    char *to = gh_arena_alloc(arena, text.len + 1);
    ptrdiff_t len = decode_into(to, text, plus_is_blank);
    GH_REQUIRE(len >= 0, GH_ESYNTAX);
    to[len] = '\0';
    plain = (gh_str){to, (size_t)len};
  }
  GH_REQUIRE(gh_uri_printable(plain), GH_ESYNTAX);
  *out = plain;
  return GH_OK;
}

void gh_uri_encode(gh_buf *out, gh_str text, const char *kept)
{
  static const char digits[] = "0123456789ABCDEF";
  char *to = gh_buf_reserve(out, text.len * 3);
  char *begin = to;
  for (size_t i = 0; i < text.len; i++) {
    unsigned char c = (unsigned char)text.ptr[i];
    if (unreserved((char)c) || (c && strchr(kept, c))) {
      *to++ = (char)c;
    } else {
      *to++ = '%';
      *to++ = digits[c >> 4];
      *to++ = digits[c & 15];
    }
  }
  gh_buf_added(out, (size_t)(to - begin));
}

gh_err gh_uri_check_segment(gh_str segment, gh_diag *diag)
{
  if (gh_str_empty(segment)) return gh_fail(diag, GH_ESYNTAX, "to: empty path segment");
  if (gh_str_eq(segment, GH_STR(".")) || gh_str_eq(segment, GH_STR("..")))
    return gh_fail(diag, GH_ESYNTAX, "to: relative path segment");
  for (size_t i = 0; i < segment.len; i++)
    if (!identifier_octet(segment.ptr[i]))
      return gh_fail(diag, GH_ESYNTAX, "to: octet %02X in path", (unsigned char)segment.ptr[i]);
  return GH_OK;
}

/* Decodes each segment of `path` into `to` and checks it; returns the octets written in *len. */
static gh_err decode_segments(char *to, gh_str path, size_t *len, gh_diag *diag)
{
  gh_str part;
  size_t at = 0;
  for (gh_str rest = path; gh_str_split(&rest, '/', &part);) {
    if (at) to[at++] = '/';
    ptrdiff_t count = decode_into(to + at, part, false);
    if (count < 0) return gh_fail(diag, GH_ESYNTAX, "to: malformed percent-coding");
    GH_TRY(gh_uri_check_segment((gh_str){to + at, (size_t)count}, diag)); /* refuses %2F, %00, %25, %3F, %23 */
    at += (size_t)count;
  }
  *len = at;
  return GH_OK;
}

/*= TS-0009 6.2.2.1 */
gh_err gh_http_path_to_id(gh_arena *arena, gh_str path, gh_str *id, gh_diag *diag)
{
  if (!gh_str_starts(path, GH_STR("/"))) return gh_fail(diag, GH_ESYNTAX, "to: path does not begin with a slash");
  path = gh_str_sub(path, 1, path.len);
  if (gh_str_ends(path, GH_STR("/"))) path.len--;
  if (!path.len) return gh_fail(diag, GH_ESYNTAX, "to: path names no resource");
  char *text = gh_arena_alloc(arena, path.len + 1);
  gh_str plain = {text, 0};
  GH_TRY(decode_segments(text, path, &plain.len, diag));
  if (gh_str_eq(plain, GH_STR("~")) || gh_str_eq(plain, GH_STR("_")))
    return gh_fail(diag, GH_ESYNTAX, "to: path names no resource");
  if (gh_str_starts(plain, GH_STR("~/"))) { /* SP-relative: keeps the slash behind '~' */
    plain = gh_str_sub(plain, 1, plain.len);
  } else if (gh_str_starts(plain, GH_STR("_/"))) { /* absolute: '_' becomes the first of two slashes */
    text[0] = '/';
  }
  *id = plain;
  return GH_OK;
}

/*= TS-0009 6.2.2.1 */
void gh_http_write_path(gh_buf *out, gh_str id)
{
  static const char kept[] = "/!$'()*,;=:@";
  size_t hash = gh_str_find(id, '#');
  if (hash != SIZE_MAX) id.len = hash;
  if (gh_str_starts(id, GH_STR("//"))) {
    gh_buf_add(out, GH_STR("/_"));
    id = gh_str_sub(id, 1, id.len);
  } else if (gh_str_starts(id, GH_STR("/"))) {
    gh_buf_add(out, GH_STR("/~"));
  } else {
    gh_buf_add_char(out, '/');
  }
  gh_uri_encode(out, id, kept);
}
