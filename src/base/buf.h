/* Growable octet buffer with a read cursor. */
#ifndef GH_BASE_BUF_H
#define GH_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

#include "gatehouse/error.h"
#include "gatehouse/str.h"

typedef struct gh_buf {
  char *ptr;
  size_t len; /* octets written */
  size_t cap;
  size_t pos; /* octets consumed from the front, <= len */
} gh_buf;

#define GH_BUF_INIT ((gh_buf){NULL, 0, 0, 0})

void gh_buf_free(gh_buf *buf);
void gh_buf_wipe_free(gh_buf *buf); /* for buffers that held key material */
void gh_buf_clear(gh_buf *buf);     /* empties, keeps the memory */

/* Room for `more` further octets; returns where they go. Then gh_buf_added. */
char *gh_buf_reserve(gh_buf *buf, size_t more);
static inline void gh_buf_added(gh_buf *buf, size_t count)
{
  buf->len += count;
}

static inline void gh_buf_add_bytes(gh_buf *buf, const void *bytes, size_t len)
{
  if (len == 0) return;
  char *at = buf->cap - buf->len >= len ? buf->ptr + buf->len : gh_buf_reserve(buf, len);
  memcpy(at, bytes, len);
  buf->len += len;
}

static inline void gh_buf_add(gh_buf *buf, gh_str s)
{
  gh_buf_add_bytes(buf, s.ptr, s.len);
}

static inline void gh_buf_add_char(gh_buf *buf, char c)
{
  *(buf->cap > buf->len ? buf->ptr + buf->len : gh_buf_reserve(buf, 1)) = c;
  buf->len++;
}

void gh_buf_add_u64(gh_buf *buf, uint64_t value); /* decimal */
void gh_buf_fmt(gh_buf *buf, const char *fmt, ...) GH_PRINTF(2, 3);

/* What has not been consumed yet; consuming everything resets the buffer to its start. */
gh_str gh_buf_rest(const gh_buf *buf);
void gh_buf_consume(gh_buf *buf, size_t count);

static inline gh_str gh_buf_str(const gh_buf *buf)
{
  return (gh_str){buf->ptr, buf->len};
}

#endif
