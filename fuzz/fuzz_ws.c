/* Fuzz target of the WebSocket codec. Octet 0 of an input: bit 0 chooses the handshake, bit 1 the client's role, the
 * rest is the size of the pieces. It must hold that the cut of the octets does not matter, and that what the stream
 * answers is understood by the other role. */
#include <stdlib.h>

#include "bind/ws_codec.h"
#include "m2m/primitive_tree.h"

enum { MOST = 1 << 16 };

static void must(bool holds)
{
  if (!holds) abort();
}

typedef struct side {
  gh_ws_stream *stream;
  gh_buf out, got;
  uint64_t seed;
} side;

static void on_message(void *ctx, bool binary, gh_str octets)
{
  side *s = ctx;
  gh_arena arena;
  gh_val *tree = NULL;
  gh_request request;
  gh_diag diag;
  must(octets.len <= MOST);
  gh_buf_add_char(&s->got, binary ? 'B' : 'T');
  gh_buf_add(&s->got, octets);
  gh_arena_init(&arena);
  gh_representation representation = binary ? GH_REP_CBOR : GH_REP_JSON;
  if (gh_representation_decode(representation, &arena, octets, &tree, &diag) == GH_OK)
    (void)gh_request_from_tree(&arena, tree, &request, &diag);
  gh_arena_free(&arena);
}

static void side_init(side *s, gh_ws_role role)
{
  *s = (side){.seed = 1};
  s->stream = gh_ws_stream_new(&(gh_ws_options){.role = role,
                                                .max_message_bytes = MOST,
                                                .random = gh_random_of_seed(&s->seed),
                                                .out = &s->out,
                                                .message = on_message,
                                                .ctx = s});
}

static void side_free(side *s)
{
  gh_ws_stream_free(s->stream);
  gh_buf_free(&s->out);
  gh_buf_free(&s->got);
}

static void feed(side *s, gh_str octets, size_t piece)
{
  for (size_t at = 0, used; at < octets.len; at += used) {
    gh_ws_feed(s->stream, gh_str_sub(octets, at, piece), &used);
    if (!used) return;
  }
}

/* A close with two faults is refused with the code of the one that is seen first. */
static unsigned kind_of_end(const side *s)
{
  unsigned code = gh_ws_close_code(s->stream);
  return code == GH_WS_INVALID ? GH_WS_PROTOCOL_ERROR : code;
}

/* wslay takes the second octet of a close code for the reason when it comes alone, and ends at once if it is no text:
 * the association ends either way. */
static bool ended_in_a_close_code(const side *s)
{
  return gh_ws_is_over(s->stream) && gh_ws_close_code(s->stream) == GH_WS_INVALID;
}

static void stream(gh_ws_role role, gh_str octets, size_t piece)
{
  side whole, pieces, other;
  side_init(&whole, role);
  side_init(&pieces, role);
  side_init(&other, role == GH_WS_SERVER ? GH_WS_CLIENT : GH_WS_SERVER);
  feed(&whole, octets, SIZE_MAX);
  feed(&pieces, octets, piece);
  must(gh_str_eq(gh_buf_str(&whole.got), gh_buf_str(&pieces.got)));
  bool over = gh_ws_is_over(whole.stream);
  bool same = over == gh_ws_is_over(pieces.stream) && kind_of_end(&whole) == kind_of_end(&pieces);
  must(same || ended_in_a_close_code(&whole) || ended_in_a_close_code(&pieces));
  if (!over && same) must(gh_str_eq(gh_buf_str(&whole.out), gh_buf_str(&pieces.out))); /* a close overtakes pongs */
  feed(&other, gh_buf_str(&whole.out), SIZE_MAX);
  must(other.got.len == 0); /* pongs and closes only */
  must(gh_ws_close_code(other.stream) != GH_WS_PROTOCOL_ERROR ||
       gh_ws_close_code(whole.stream) == GH_WS_PROTOCOL_ERROR);
  side_free(&whole);
  side_free(&pieces);
  side_free(&other);
}

static void handshake(gh_ws_role role, gh_str octets)
{
  gh_http_reader reader;
  gh_ws_grant grant;
  gh_diag diag;
  size_t used;
  const char *why = NULL;
  gh_http_reader_init(&reader, role == GH_WS_SERVER ? GH_HTTP_REQUESTS : GH_HTTP_RESPONSES, NULL);
  reader.websocket = true;
  if (gh_http_feed(&reader, octets, &used) == GH_HTTP_MESSAGE && reader.message.upgrade) {
    if (role == GH_WS_CLIENT)
      (void)(gh_ws_check_grant(&reader.message, "ud63env87LQLd4uIV20/oQ==", GH_REP_JSON, &diag) == GH_OK);
    else if (gh_ws_judge_offer(&reader.message, &grant, &why) == 101)
      must(grant.protocol.len && strlen(grant.accept) == GH_WS_ACCEPT_CHARS);
    else
      must(why && *why);
  }
  gh_http_reader_free(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  if (size < 1) return 0;
  gh_ws_role role = data[0] & 2 ? GH_WS_CLIENT : GH_WS_SERVER;
  gh_str octets = {(const char *)data + 1, size - 1};
  if (data[0] & 1)
    handshake(role, octets);
  else
    stream(role, octets, 1u + data[0] / 4u);
  return 0;
}
