/* Cuts the octets of one connection into HTTP messages. Knows framing and bounds; nothing of what a message means. */
#include "bind/http_chunk_codec.h"
#include "bind/http_head_codec.h"

#include "gatehouse/secret.h"

enum { KEPT_BYTES = 4096 }; /* memory that a buffer may keep from one message to the next */

typedef enum phase { PHASE_HEAD, PHASE_LENGTH, PHASE_CHUNKED, PHASE_UNTIL_CLOSE, PHASE_DONE, PHASE_FAILED } phase;

const gh_http_limits gh_http_default_limits = {
    .max_head_bytes = 16 * 1024,
    .max_target_bytes = 2 * 1024,
    .max_headers = 64,
    .max_body_bytes = 256 * 1024,
};

void gh_http_reader_init(gh_http_reader *reader, gh_http_mode mode, const gh_http_limits *limits)
{
  *reader = (gh_http_reader){.mode = mode, .limits = limits ? limits : &gh_http_default_limits};
}

void gh_http_reader_free(gh_http_reader *reader)
{
  gh_buf_wipe_free(&reader->head);
  gh_buf_wipe_free(&reader->body); /* keys travel in bodies */
  gh_buf_free(&reader->accept);
  gh_buf_free(&reader->protocols);
}

static void set_phase(gh_http_reader *reader, phase next)
{
  reader->phase = (uint8_t)next;
}

static void fail(gh_http_reader *reader, int status, const char *text)
{
  gh_http_refuse(reader, status, text);
  set_phase(reader, PHASE_FAILED);
}

static void finish(gh_http_reader *reader)
{
  reader->message.body = gh_buf_str(&reader->body);
  set_phase(reader, PHASE_DONE);
}

static void begin_body(gh_http_reader *reader, gh_http_framing framing)
{
  switch (framing) {
  case GH_HTTP_NO_BODY:
    reader->continue_wanted = false;
    if (reader->mode == GH_HTTP_RESPONSES && reader->message.status < 200 && !reader->message.upgrade)
      gh_http_next(reader);
    else
      finish(reader);
    return;
  case GH_HTTP_LENGTH: set_phase(reader, PHASE_LENGTH); return;
  case GH_HTTP_CHUNKED: set_phase(reader, PHASE_CHUNKED); return;
  case GH_HTTP_UNTIL_CLOSE: set_phase(reader, PHASE_UNTIL_CLOSE); return;
  }
}

static size_t feed_head(gh_http_reader *reader, gh_str octets)
{
  size_t taken = 0;
  gh_http_framing framing = GH_HTTP_NO_BODY;
  switch (gh_http_head_scan(reader, octets, &taken)) {
  case GH_HTTP_SCAN_MORE: break;
  case GH_HTTP_SCAN_BAD: set_phase(reader, PHASE_FAILED); break;
  case GH_HTTP_SCAN_END:
    if (gh_http_head_parse(reader, &framing))
      begin_body(reader, framing);
    else
      set_phase(reader, PHASE_FAILED);
    break;
  }
  return taken;
}

static size_t feed_length(gh_http_reader *reader, gh_str octets)
{
  size_t taken = octets.len < reader->body_left ? octets.len : (size_t)reader->body_left;
  gh_buf_add_bytes(&reader->body, octets.ptr, taken);
  reader->body_left -= taken;
  if (!reader->body_left) finish(reader);
  return taken;
}

static size_t feed_chunks(gh_http_reader *reader, gh_str octets)
{
  size_t taken = 0;
  switch (gh_http_chunks_feed(&reader->chunks, &reader->body, reader->limits->max_body_bytes, octets, &taken)) {
  case GH_HTTP_CHUNKS_MORE: break;
  case GH_HTTP_CHUNKS_END: finish(reader); break;
  case GH_HTTP_CHUNKS_BAD: fail(reader, 400, "malformed chunk"); break;
  case GH_HTTP_CHUNKS_LARGE: fail(reader, 413, "body too large"); break;
  }
  return taken;
}

static size_t feed_until_close(gh_http_reader *reader, gh_str octets)
{
  size_t room = reader->limits->max_body_bytes - reader->body.len;
  size_t taken = octets.len < room ? octets.len : room;
  gh_buf_add_bytes(&reader->body, octets.ptr, taken);
  if (taken < octets.len) fail(reader, 413, "body too large");
  return taken;
}

static gh_http_state state_of(const gh_http_reader *reader)
{
  if (reader->phase == PHASE_DONE) return GH_HTTP_MESSAGE;
  return reader->phase == PHASE_FAILED ? GH_HTTP_ERROR : GH_HTTP_NEED_MORE;
}

gh_http_state gh_http_feed(gh_http_reader *reader, gh_str octets, size_t *consumed)
{
  size_t at = 0;
  while (at < octets.len && state_of(reader) == GH_HTTP_NEED_MORE) {
    gh_str rest = gh_str_sub(octets, at, octets.len);
    switch ((phase)reader->phase) {
    case PHASE_HEAD: at += feed_head(reader, rest); break;
    case PHASE_LENGTH: at += feed_length(reader, rest); break;
    case PHASE_CHUNKED: at += feed_chunks(reader, rest); break;
    case PHASE_UNTIL_CLOSE: at += feed_until_close(reader, rest); break;
    case PHASE_DONE:
    case PHASE_FAILED: break;
    }
  }
  *consumed = at;
  return state_of(reader);
}

gh_http_state gh_http_feed_end(gh_http_reader *reader)
{
  if (reader->phase == PHASE_UNTIL_CLOSE) finish(reader);
  if (gh_http_reader_in_message(reader)) fail(reader, 400, "connection closed within a message");
  return state_of(reader);
}

bool gh_http_reader_wants_continue(gh_http_reader *reader)
{
  bool body_awaited = (reader->phase == PHASE_LENGTH || reader->phase == PHASE_CHUNKED) && !reader->body.len;
  bool wanted = reader->continue_wanted && body_awaited && !reader->chunks.coded_bytes;
  if (wanted) reader->continue_wanted = false;
  return wanted;
}

bool gh_http_reader_in_message(const gh_http_reader *reader)
{
  if (state_of(reader) != GH_HTTP_NEED_MORE) return false;
  return reader->phase != PHASE_HEAD || reader->head.len > 0;
}

/* Keys pass through these buffers: what is kept is wiped. */
static void recycle(gh_buf *buf)
{
  if (buf->cap > KEPT_BYTES)
    gh_buf_wipe_free(buf);
  else
    gh_wipe(buf->ptr, buf->len);
  gh_buf_clear(buf);
}

void gh_http_next(gh_http_reader *reader)
{
  gh_http_reader fresh = {.websocket = reader->websocket,
                          .mode = reader->mode,
                          .limits = reader->limits,
                          .head = reader->head,
                          .body = reader->body};
  recycle(&fresh.head);
  recycle(&fresh.body);
  gh_buf_free(&reader->accept);
  gh_buf_free(&reader->protocols);
  *reader = fresh;
}

void gh_http_reader_trim(gh_http_reader *reader)
{
  if (reader->phase != PHASE_HEAD || reader->head.len) return;
  gh_buf_free(&reader->head);
  gh_buf_free(&reader->body);
}
