/* Messages of a WebSocket over wslay. Fragments are gathered here, not there: one allocation that grows, where wslay
 * would make one for each fragment. */
#include "bind/ws_codec.h"

#include <stdlib.h>
#include <wslay/wslay.h>

#include "gatehouse/secret.h"

struct gh_ws_stream {
  wslay_event_context_ptr wslay;
  gh_ws_options options;
  gh_str input; /* of the feed that runs */
  gh_buf message;
  bool control;    /* the frame that is being read */
  bool too_big;    /* the message that is being read: it was refused */
  bool in_message; /* a data frame has begun, its message is not complete */
  bool failed;     /* nothing can be read or sent any more */
  bool fault;      /* because the peer broke the framing: it was told */
};

static ssize_t take(wslay_event_context_ptr wslay, uint8_t *buf, size_t len, int flags, void *user)
{
  (void)flags;
  gh_ws_stream *s = user;
  if (!s->input.len || (s->options.ready && !s->options.ready(s->options.ctx))) {
    wslay_event_set_error(wslay, WSLAY_ERR_WOULDBLOCK);
    return -1;
  }
  size_t count = s->input.len < len ? s->input.len : len;
  memcpy(buf, s->input.ptr, count);
  s->input = gh_str_sub(s->input, count, s->input.len);
  return (ssize_t)count;
}

static ssize_t give(wslay_event_context_ptr wslay, const uint8_t *data, size_t len, int flags, void *user)
{
  (void)wslay;
  (void)flags;
  gh_ws_stream *s = user;
  gh_buf_add_bytes(s->options.out, data, len);
  return (ssize_t)len;
}

/*= RFC 6455 5.3; 10.3 masks of the client are unpredictable */
static int make_mask(wslay_event_context_ptr wslay, uint8_t *buf, size_t len, void *user)
{
  (void)wslay;
  const gh_ws_stream *s = user;
  return gh_random_fill(&s->options.random, buf, len) == GH_OK ? 0 : -1;
}

static void frame_begins(wslay_event_context_ptr wslay, const struct wslay_event_on_frame_recv_start_arg *frame,
                         void *user)
{
  gh_ws_stream *s = user;
  s->control = wslay_is_ctrl_frame(frame->opcode) != 0;
  if (s->control) return;
  s->in_message = true;
  /* here, because wslay bounds of a message in fragments only what it gathers itself */
  if (frame->payload_length <= s->options.max_message_bytes - s->message.len) return;
  s->too_big = true;
  wslay_event_queue_close(wslay, GH_WS_TOO_BIG, NULL, 0);
  wslay_event_shutdown_read(wslay);
}

static void frame_goes_on(wslay_event_context_ptr wslay, const struct wslay_event_on_frame_recv_chunk_arg *chunk,
                          void *user)
{
  (void)wslay;
  gh_ws_stream *s = user;
  if (!s->control && !s->too_big) gh_buf_add_bytes(&s->message, chunk->data, chunk->data_length);
}

/* Keys travel in messages. */
static void forget_message(gh_ws_stream *s)
{
  gh_buf_wipe_free(&s->message);
  s->in_message = false;
}

static void message_ends(wslay_event_context_ptr wslay, const struct wslay_event_on_msg_recv_arg *arg, void *user)
{
  (void)wslay;
  gh_ws_stream *s = user;
  if (wslay_is_ctrl_frame(arg->opcode) || s->too_big) return;
  gh_buf whole = s->message;
  s->message = GH_BUF_INIT;
  s->in_message = false;
  s->options.message(s->options.ctx, arg->opcode == WSLAY_BINARY_FRAME, gh_buf_str(&whole));
  gh_buf_wipe_free(&whole);
}

static const struct wslay_event_callbacks callbacks = {
    .recv_callback = take,
    .send_callback = give,
    .genmask_callback = make_mask,
    .on_frame_recv_start_callback = frame_begins,
    .on_frame_recv_chunk_callback = frame_goes_on,
    .on_msg_recv_callback = message_ends,
};

gh_ws_stream *gh_ws_stream_new(const gh_ws_options *options)
{
  gh_ws_stream *s = gh_calloc(1, sizeof *s);
  s->options = *options;
  int rc = options->role == GH_WS_SERVER ? wslay_event_context_server_init(&s->wslay, &callbacks, s)
                                         : wslay_event_context_client_init(&s->wslay, &callbacks, s);
  if (rc != 0) abort(); /* no memory, as in gh_malloc */
  wslay_event_config_set_no_buffering(s->wslay, 1);
  return s;
}

void gh_ws_stream_free(gh_ws_stream *stream)
{
  if (!stream) return;
  wslay_event_context_free(stream->wslay);
  forget_message(stream);
  free(stream);
}

static void send_queued(gh_ws_stream *s)
{
  if (wslay_event_send(s->wslay) != 0) s->failed = true;
}

/* For a malformed frame wslay would close without a code. */ /*= RFC 6455 7.4.1 */
static void refuse_frame(gh_ws_stream *s)
{
  s->failed = s->fault = true;
  if (s->options.role == GH_WS_SERVER && !wslay_event_get_close_sent(s->wslay))
    gh_buf_add(s->options.out, GH_STR("\x88\x02\x03\xea"));
}

void gh_ws_feed(gh_ws_stream *stream, gh_str octets, size_t *consumed)
{
  stream->input = octets;
  bool broken = !stream->failed && wslay_event_recv(stream->wslay) != 0;
  *consumed = octets.len - stream->input.len;
  stream->input = GH_STR_NONE;
  if (broken)
    refuse_frame(stream);
  else if (!stream->failed)
    send_queued(stream); /* pongs, and the answer to a close or to a fault */
}

/*= TS-0020 6.2.2.9 the opcode follows from the serialization */
bool gh_ws_send(gh_ws_stream *stream, gh_representation representation, gh_str octets)
{
  struct wslay_event_msg message = {.opcode = representation == GH_REP_JSON ? WSLAY_TEXT_FRAME : WSLAY_BINARY_FRAME,
                                    .msg = (const uint8_t *)octets.ptr,
                                    .msg_length = octets.len};
  if (stream->failed || wslay_event_queue_msg(stream->wslay, &message) != 0) return false;
  send_queued(stream);
  return !stream->failed;
}

void gh_ws_ping(gh_ws_stream *stream)
{
  struct wslay_event_msg ping = {.opcode = WSLAY_PING};
  if (!stream->failed && wslay_event_queue_msg(stream->wslay, &ping) == 0) send_queued(stream);
}

/*= TS-0020 6.3 */
void gh_ws_close(gh_ws_stream *stream, unsigned code, const char *reason)
{
  if (stream->failed) return;
  if (wslay_event_queue_close(stream->wslay, (uint16_t)code, (const uint8_t *)reason, strlen(reason)) == 0)
    send_queued(stream);
}

bool gh_ws_in_message(const gh_ws_stream *stream)
{
  return stream->in_message;
}

bool gh_ws_is_over(const gh_ws_stream *stream)
{
  if (stream->failed) return true;
  return !wslay_event_want_read(stream->wslay) && !wslay_event_want_write(stream->wslay);
}

unsigned gh_ws_close_code(const gh_ws_stream *stream)
{
  if (stream->fault) return GH_WS_PROTOCOL_ERROR;
  if (wslay_event_get_close_sent(stream->wslay)) return wslay_event_get_status_code_sent(stream->wslay);
  return wslay_event_get_close_received(stream->wslay) ? wslay_event_get_status_code_received(stream->wslay) : 0;
}
