/* Chunked transfer coding, strictly by its grammar. Chunk extensions are checked and ignored; trailer fields are
 * refused, because nothing here would know whether to believe them. */
#include "bind/http_chunk_codec.h"

typedef enum chunk_step {
  CHUNK_SIZE_FIRST,
  CHUNK_SIZE,
  CHUNK_EXTENSION,
  CHUNK_SIZE_LF,
  CHUNK_DATA,
  CHUNK_DATA_CR,
  CHUNK_DATA_LF,
  CHUNK_END_CR,
  CHUNK_END_LF,
  CHUNK_END
} chunk_step;

static int hex_digit(unsigned char c)
{
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

static int size_step(gh_http_chunks *chunks, unsigned char c, bool first)
{
  int digit = hex_digit(c);
  if (digit >= 0) {
    if (chunks->left >> 32) return -1; /* no body is that large */
    chunks->left = chunks->left << 4 | (unsigned)digit;
    return CHUNK_SIZE;
  }
  if (first) return -1;
  if (c == ';') return CHUNK_EXTENSION;
  return c == '\r' ? CHUNK_SIZE_LF : -1;
}

/* The step behind one octet of framing, or -1. */ /*= RFC 9112 7.1 */
static int framing_step(gh_http_chunks *chunks, unsigned char c)
{
  switch ((chunk_step)chunks->state) {
  case CHUNK_SIZE_FIRST: return size_step(chunks, c, true);
  case CHUNK_SIZE: return size_step(chunks, c, false);
  case CHUNK_EXTENSION:
    if (c == '\r') return CHUNK_SIZE_LF;
    return c == '\t' || (c >= ' ' && c != 0x7f) ? CHUNK_EXTENSION : -1;
  case CHUNK_SIZE_LF:
    if (c != '\n') return -1;
    return chunks->left ? CHUNK_DATA : CHUNK_END_CR;
  case CHUNK_DATA_CR: return c == '\r' ? CHUNK_DATA_LF : -1;
  case CHUNK_DATA_LF: return c == '\n' ? CHUNK_SIZE_FIRST : -1;
  case CHUNK_END_CR: return c == '\r' ? CHUNK_END_LF : -1;
  case CHUNK_END_LF: return c == '\n' ? CHUNK_END : -1;
  case CHUNK_DATA:
  case CHUNK_END: break;
  }
  return -1;
}

static size_t take_data(gh_http_chunks *chunks, gh_buf *body, gh_str octets)
{
  size_t count = octets.len < chunks->left ? octets.len : (size_t)chunks->left;
  gh_buf_add_bytes(body, octets.ptr, count);
  chunks->left -= count;
  if (!chunks->left) chunks->state = CHUNK_DATA_CR;
  return count;
}

gh_http_chunk_state gh_http_chunks_feed(gh_http_chunks *chunks, gh_buf *body, size_t max_body, gh_str octets,
                                        size_t *consumed)
{
  size_t at = 0;
  gh_http_chunk_state result = GH_HTTP_CHUNKS_MORE;
  while (at < octets.len && result == GH_HTTP_CHUNKS_MORE) {
    size_t taken = 1;
    if (chunks->state == CHUNK_DATA) {
      taken = take_data(chunks, body, gh_str_sub(octets, at, octets.len));
    } else {
      int next = framing_step(chunks, (unsigned char)octets.ptr[at]);
      if (next < 0) result = GH_HTTP_CHUNKS_BAD;
      if (next == CHUNK_END) result = GH_HTTP_CHUNKS_END;
      if (next == CHUNK_DATA && chunks->left > max_body - body->len) result = GH_HTTP_CHUNKS_LARGE;
      if (next >= 0) chunks->state = (uint8_t)next;
    }
    at += taken;
    chunks->coded_bytes += taken;
    if (result == GH_HTTP_CHUNKS_MORE && chunks->coded_bytes > 2 * max_body + 1024) result = GH_HTTP_CHUNKS_LARGE;
  }
  *consumed = at;
  return result;
}
