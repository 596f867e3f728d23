/* Growable octet buffer. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "gatehouse/secret.h"

void gh_buf_free(gh_buf *buf)
{
  free(buf->ptr);
  *buf = GH_BUF_INIT;
}

void gh_buf_wipe_free(gh_buf *buf)
{
  gh_wipe(buf->ptr, buf->cap);
  gh_buf_free(buf);
}

void gh_buf_clear(gh_buf *buf)
{
  buf->len = 0;
  buf->pos = 0;
}

/* What was consumed makes room, once it is at least what is left: a buffer that never becomes empty stays small all
 * the same. */
static void close_gap(gh_buf *buf)
{
  size_t left = buf->len - buf->pos;
  if (buf->pos == 0 || buf->pos < left) return;
  memcpy(buf->ptr, buf->ptr + buf->pos, left);
  buf->len = left;
  buf->pos = 0;
}

char *gh_buf_reserve(gh_buf *buf, size_t more)
{
  if (buf->cap - buf->len < more) close_gap(buf);
  if (buf->cap - buf->len < more) {
    size_t need = buf->len + more;
    size_t cap = buf->cap < 128 ? 256 : buf->cap * 2; /* doubled, so that many small appends stay cheap */
    if (cap < need) cap = need;
    buf->ptr = gh_realloc(buf->ptr, cap);
    buf->cap = cap;
  }
  return buf->ptr + buf->len;
}

void gh_buf_add_u64(gh_buf *buf, uint64_t value)
{
  char digits[20];
  size_t at = sizeof digits;
  do {
    digits[--at] = (char)('0' + value % 10);
    value /= 10;
  } while (value);
  gh_buf_add_bytes(buf, digits + at, sizeof digits - at);
}

void gh_buf_fmt(gh_buf *buf, const char *fmt, ...)
{
  va_list args, again;
  va_start(args, fmt);
  va_copy(again, args);
  int len = vsnprintf(NULL, 0, fmt, args);
  if (len > 0) {
    vsnprintf(gh_buf_reserve(buf, (size_t)len + 1), (size_t)len + 1, fmt, again);
    buf->len += (size_t)len;
  }
  va_end(again);
  va_end(args);
}

gh_str gh_buf_rest(const gh_buf *buf)
{
  return (gh_str){buf->ptr ? buf->ptr + buf->pos : NULL, buf->len - buf->pos};
}

void gh_buf_consume(gh_buf *buf, size_t count)
{
  buf->pos += count;
  if (buf->pos >= buf->len) gh_buf_clear(buf);
}
