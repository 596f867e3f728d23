/* Block-wise transfers (RFC 7959, and BERT of RFC 8323) of one association, seen from the server: requests that come
 * in blocks are put together, answers that are too long are kept and given out in blocks. Time is injected; a
 * transfer belongs to the association and to the request's method and options, never to another client's. */
#ifndef GH_BIND_COAP_BLOCK_CODEC_H
#define GH_BIND_COAP_BLOCK_CODEC_H

#include "bind/coap_codec.h"

enum { GH_COAP_SZX_1024 = 6, GH_COAP_SZX_BERT = 7, GH_COAP_TRANSFERS_MAX = 4 };

typedef struct gh_coap_block {
  uint32_t num;
  bool more;
  uint8_t szx;
} gh_coap_block;

static inline size_t gh_coap_block_bytes(uint8_t szx)
{
  return (size_t)1 << ((szx < GH_COAP_SZX_BERT ? szx : GH_COAP_SZX_1024) + 4);
}
static inline uint32_t gh_coap_block_value(gh_coap_block block)
{
  return block.num << 4 | (uint32_t)(block.more ? 8 : 0) | block.szx;
}
/* Size of the blocks that fit, with options and DTLS, into IP packets of this length; 0: 1280. */
uint8_t gh_coap_szx_for(uint16_t mtu);
/* False when absent. */
bool gh_coap_find_block(const gh_coap_message *message, uint16_t number, gh_coap_block *out);

typedef struct gh_coap_transfer gh_coap_transfer;

/* State of one association; about 40 octets while nothing is under way. */
typedef struct gh_coap_transfers {
  gh_coap_transfer *uploads, *answers;
  size_t max_body_bytes; /* of a request in blocks */
  int64_t life_us;       /* without a further block */
  bool bert;             /* a stream: SZX 7 is BERT (RFC 8323 6); over datagrams it is reserved */
} gh_coap_transfers;

void gh_coap_transfers_free(gh_coap_transfers *transfers);
/* Drops what nobody went on with. */
void gh_coap_transfers_sweep(gh_coap_transfers *transfers, int64_t now_us);

typedef enum gh_coap_step {
  GH_COAP_PERFORM, /* the request is complete: its payload is the whole body */
  GH_COAP_ANSWER   /* *answer is to be sent: the next block is wanted, or given, or the transfer failed */
} gh_coap_step;

/* Takes a request. `body` receives the assembled payload (free it after use); *answer borrows from `transfers` and
 * `arena` until the next call. `most` is the largest payload an answer may have. */
gh_coap_step gh_coap_take_request(gh_coap_transfers *transfers, int64_t now_us, gh_arena *arena, size_t most,
                                  gh_coap_message *request, gh_buf *body, gh_coap_message *answer);

/* Finishes an answer: Block1 of a request that came in blocks, and, when its payload is longer than `most` or the
 * client asked for small blocks, its first block with the rest kept. `request` must hold the options as they came. */
void gh_coap_cut_answer(gh_coap_transfers *transfers, int64_t now_us, gh_arena *arena, size_t most,
                        const gh_coap_message *request, gh_coap_message *answer);

#endif
