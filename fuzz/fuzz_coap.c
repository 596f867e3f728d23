/* Fuzz target of the CoAP codec: octets -> message -> options -> primitive, over both transports and in both
 * directions. Besides not crashing it must hold that
 *  - what was parsed is written to octets that parse to the same message,
 *  - what was decoded can be written, and writing is stable: decode(write(x)) writes the same octets.
 * Octet 0 of an input: bit 0 chooses the framing of TCP. */
#include <stdlib.h>

#include "bind/coap_codec.h"
#include "m2m/constants.h"

static void must(bool holds)
{
  if (!holds) abort();
}

static void must_be_same(const gh_coap_message *a, const gh_coap_message *b)
{
  must(a->type == b->type && a->mid == b->mid && a->code == b->code);
  must(a->token_len == b->token_len && memcmp(a->token, b->token, a->token_len) == 0);
  must(a->option_count == b->option_count && gh_str_eq(a->payload, b->payload));
  for (size_t i = 0; i < a->option_count; i++)
    must(a->options[i].number == b->options[i].number && gh_str_eq(a->options[i].value, b->options[i].value));
}

static void check_octets(bool tcp, const gh_coap_message *message)
{
  gh_buf out = GH_BUF_INIT;
  gh_coap_message back;
  size_t len = 0;
  if (tcp) {
    gh_coap_write_tcp(&out, message);
    must(gh_coap_frame_len(gh_buf_str(&out), out.len, &len) == GH_OK && len == out.len);
    must(gh_coap_parse_tcp(gh_buf_str(&out), &back) == GH_OK);
  } else {
    gh_coap_write_udp(&out, message);
    must(gh_coap_parse_udp(gh_buf_str(&out), &back) == GH_OK);
  }
  must_be_same(message, &back);
  gh_buf_free(&out);
}

/* Decodes a message and makes it again; false when it is refused, or has a value that only a reader takes. */
static bool remake(gh_arena *arena, gh_coap_message *message, gh_coap_message *out)
{
  gh_diag diag;
  if (gh_coap_is_response(message)) {
    gh_response response;
    gh_coap_context context = {.text_format = 50};
    if (gh_coap_to_response(arena, message, &response, &diag) != GH_OK) return false;
    gh_coap_from_response(arena, NULL, &response, &context, out);
    return true;
  }
  gh_request request;
  gh_coap_context context;
  int rsc = gh_coap_to_request(arena, message, &request, &context, &diag);
  must(rsc == GH_RSC_OK || rsc == GH_RSC_BAD_REQUEST || rsc == GH_RSC_OPERATION_NOT_ALLOWED ||
       rsc == GH_RSC_UNSUPPORTED_MEDIA_TYPE || rsc == GH_RSC_NOT_ACCEPTABLE || rsc == GH_RSC_NOT_IMPLEMENTED);
  return rsc == GH_RSC_OK && gh_coap_from_request(arena, &request, 0, out) == GH_OK;
}

static void check_mapping(gh_coap_message *message)
{
  gh_arena arena;
  gh_coap_message first = {.code = 0}, second = {.code = 0};
  gh_arena_init(&arena);
  if (remake(&arena, message, &first)) {
    gh_coap_message copy = first;
    must(remake(&arena, &copy, &second));
    must_be_same(&first, &second);
  }
  gh_arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  if (size < 1) return 0;
  bool tcp = data[0] & 1;
  gh_str octets = {(const char *)data + 1, size - 1};
  gh_coap_message message;
  size_t len = 0;
  if (tcp && gh_coap_frame_len(octets, octets.len, &len) != GH_OK) return 0;
  if (tcp) octets.len = len;
  gh_err err = tcp ? gh_coap_parse_tcp(octets, &message) : gh_coap_parse_udp(octets, &message);
  if (err != GH_OK) return 0;
  check_octets(tcp, &message);
  if (gh_coap_is_request(&message) || gh_coap_is_response(&message)) check_mapping(&message);
  return 0;
}
