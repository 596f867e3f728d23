/* Fuzz target of the state machines behind CoAP over datagrams: the message layer and block-wise transfers of one
 * association. An input is a row of datagrams, each with the time that passed before it:
 *   two octets of time (tenths of a second), one octet of what to do, one octet of length, the datagram.
 * It must hold that
 *  - what is emitted is a CoAP message, and nothing is emitted for nothing,
 *  - a Message ID is performed once within its life,
 *  - uploads and kept answers stay within their number and size, and a body is made of blocks that were taken. */
#include <stdlib.h>

#include "bind/coap_block_codec.h"
#include "bind/coap_layer_codec.h"

enum { BODY_MAX = 600, MOST = 64 };

static void must(bool holds)
{
  if (!holds) abort();
}

static void on_emit(void *ctx, gh_str datagram)
{
  gh_coap_message m;
  (void)ctx;
  must(gh_coap_parse_udp(datagram, &m) == GH_OK);
}

static void serve(gh_coap_layer *layer, gh_coap_transfers *t, int64_t now_us, uint32_t id, gh_coap_message *request,
                  uint8_t how)
{
  gh_arena arena;
  gh_buf body;
  char text[256];
  gh_coap_message answer = {.code = 0}, before = *request;
  gh_arena_init(&arena);
  gh_coap_step step = gh_coap_take_request(t, now_us, &arena, MOST, request, &body, &answer);
  if (step == GH_COAP_PERFORM) {
    must(request->payload.len <= BODY_MAX || !body.len);
    if (body.len) must(body.len >= before.payload.len && gh_str_ends(gh_buf_str(&body), before.payload));
    memset(text, 'x', sizeof text);
    answer = (gh_coap_message){.code = GH_COAP_CONTENT, .payload = {text, how}};
    gh_coap_cut_answer(t, now_us, &arena, MOST, &before, &answer);
    must(answer.payload.len <= MOST);
  } else {
    must(answer.code >= GH_COAP_CODE(2, 0));
  }
  if (how & 1)
    gh_coap_layer_answer(layer, now_us, id, &answer);
  else
    gh_coap_layer_forget(layer, id);
  gh_buf_free(&body);
  gh_arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  uint64_t seed = 1;
  gh_random random = gh_random_of_seed(&seed);
  gh_coap_layer layer;
  gh_coap_transfers t = {.max_body_bytes = BODY_MAX, .life_us = 93 * GH_US_PER_S};
  int64_t now_us = 1, performed_us[65536 / 256] = {0};
  gh_coap_layer_init(&layer, NULL, &random, on_emit, NULL);
  layer.client = size && data[0] & 1;
  t.bert = size && data[0] & 2;
  while (size >= 4) {
    size_t len = data[3] < size - 4 ? data[3] : size - 4;
    uint8_t how = data[2];
    gh_coap_message m;
    uint32_t id = 0;
    now_us += (int64_t)(data[0] << 8 | data[1]) * 100000;
    (void)gh_coap_layer_tick(&layer, now_us);
    gh_str datagram = {(const char *)data + 4, len};
    if (gh_coap_layer_take(&layer, now_us, datagram, &m, &id) == GH_COAP_NEW_REQUEST) {
      int64_t *performed = &performed_us[m.mid >> 8];
      if ((m.mid & 0xff) == 7 && (how & 1)) { /* one of each 256 is watched */
        must(!*performed || now_us - *performed >= gh_coap_default_timing.lifetime_us || layer.next_id > 100);
        *performed = now_us;
      }
      serve(&layer, &t, now_us, id, &m, how);
    } else if (how & 2) {
      gh_coap_message own = {.code = GH_COAP_GET};
      uint16_t mid;
      if (gh_coap_layer_send(&layer, now_us, &own, &mid) == GH_ELIMIT) must(layer.queued == GH_COAP_QUEUE_MAX);
    }
    data += 4 + len;
    size -= 4 + len;
  }
  gh_coap_layer_free(&layer);
  gh_coap_transfers_free(&t);
  must(!t.uploads && !t.answers);
  return 0;
}
