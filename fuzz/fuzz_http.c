/* Fuzz target of the HTTP codec, both directions. Besides not crashing it must hold that
 *  - the cut of the octets into pieces does not matter,
 *  - what was decoded can be written, and writing is stable: decode(write(x)) writes the same octets.
 * Octet 0 of an input: bit 0 chooses responses, the rest is the size of the pieces. */
#include <stdlib.h>

#include "bind/http_codec.h"
#include "m2m/constants.h"

static const gh_http_limits roomy = {
    .max_head_bytes = 1 << 20, .max_target_bytes = 1 << 20, .max_headers = 64, .max_body_bytes = 1 << 22};

static void must(bool holds)
{
  if (!holds) abort();
}

static gh_http_state feed(gh_http_reader *reader, gh_str octets, size_t piece, size_t *used)
{
  gh_http_state state = GH_HTTP_NEED_MORE;
  *used = 0;
  while (*used < octets.len && state == GH_HTTP_NEED_MORE) {
    size_t taken = 0;
    gh_str part = gh_str_sub(octets, *used, piece);
    state = gh_http_feed(reader, part, &taken);
    *used += taken;
    must(taken == part.len || state != GH_HTTP_NEED_MORE);
  }
  return state;
}

static void must_be_same(const gh_http_message *a, const gh_http_message *b)
{
  must(a->method == b->method && a->status == b->status && a->keep_alive == b->keep_alive);
  must(a->seen == b->seen && a->repeated == b->repeated);
  must(gh_str_eq(a->target, b->target) && gh_str_eq(a->body, b->body));
  for (size_t i = 0; i < GH_HTTP_HEADER_COUNT; i++) must(gh_str_eq(a->header[i], b->header[i]));
}

/* Decodes a message and writes it again; false when it is refused. */
static bool rewrite(gh_http_mode mode, const gh_http_message *message, gh_buf *out)
{
  gh_arena arena;
  gh_diag diag;
  bool good;
  gh_arena_init(&arena);
  if (mode == GH_HTTP_REQUESTS) {
    gh_request request;
    int rsc = gh_http_to_request(&arena, message, &request, &diag);
    good = rsc == GH_RSC_OK;
    must(good || rsc == GH_RSC_BAD_REQUEST || rsc == GH_RSC_OPERATION_NOT_ALLOWED ||
         rsc == GH_RSC_UNSUPPORTED_MEDIA_TYPE || rsc == GH_RSC_NOT_ACCEPTABLE);
    if (good) must(gh_http_write_request(out, &request, GH_STR("h")) == GH_OK);
  } else {
    gh_response response;
    good = gh_http_to_response(&arena, message, &response, &diag) == GH_OK;
    if (good) gh_http_write_response(out, NULL, &response, message->keep_alive);
  }
  gh_arena_free(&arena);
  return good;
}

static void check_stable(gh_http_mode mode, const gh_http_message *message)
{
  gh_buf first = GH_BUF_INIT, second = GH_BUF_INIT;
  if (rewrite(mode, message, &first)) {
    gh_http_reader reader;
    size_t used;
    gh_http_reader_init(&reader, mode, &roomy);
    must(feed(&reader, gh_buf_str(&first), SIZE_MAX, &used) == GH_HTTP_MESSAGE);
    must(used == first.len); /* nobody can put a second message into the first */
    must(rewrite(mode, &reader.message, &second));
    must(gh_str_eq(gh_buf_str(&first), gh_buf_str(&second)));
    gh_http_reader_free(&reader);
  }
  gh_buf_free(&first);
  gh_buf_free(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  if (size < 1) return 0;
  gh_http_mode mode = data[0] & 1 ? GH_HTTP_RESPONSES : GH_HTTP_REQUESTS;
  gh_str rest = {(const char *)data + 1, size - 1};
  gh_http_reader whole, pieces;
  gh_http_reader_init(&whole, mode, NULL);
  gh_http_reader_init(&pieces, mode, NULL);
  for (int count = 0; count < 8; count++) { /* messages of one connection */
    size_t used_whole, used_pieces;
    gh_http_state state = feed(&whole, rest, SIZE_MAX, &used_whole);
    must(state == feed(&pieces, rest, 1u + data[0] / 2u, &used_pieces));
    if (state == GH_HTTP_NEED_MORE) {
      state = gh_http_feed_end(&whole);
      must(state == gh_http_feed_end(&pieces));
    }
    must(used_whole == used_pieces);
    if (state != GH_HTTP_MESSAGE) break;
    must_be_same(&whole.message, &pieces.message);
    check_stable(mode, &whole.message);
    gh_http_next(&whole);
    gh_http_next(&pieces);
    rest = gh_str_sub(rest, used_whole, rest.len);
  }
  gh_http_reader_free(&whole);
  gh_http_reader_free(&pieces);
  return 0;
}
