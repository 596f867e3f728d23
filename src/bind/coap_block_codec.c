/* Uploads are contiguous: a block that does not follow the one before ends the transfer. */
#include "bind/coap_block_codec.h"

#include <stdlib.h>

struct gh_coap_transfer {
  gh_coap_transfer *next;
  gh_buf key;  /* method and options of the request */
  gh_buf data; /* upload: octets so far; answer: the whole message in UDP's form */
  int64_t touched_us;
};

/*= RFC 7959 2.2 */
bool gh_coap_find_block(const gh_coap_message *message, uint16_t number, gh_coap_block *out)
{
  uint32_t value;
  const gh_coap_option *option = gh_coap_find(message, number);
  if (!option || option->value.len > 3 || !gh_coap_find_uint(message, number, &value)) return false;
  *out = (gh_coap_block){.num = value >> 4, .more = value >> 3 & 1, .szx = value & 7};
  return true;
}

/*= RFC 7252 4.6 no IP fragments; 1024 octets in packets of 1280 */
uint8_t gh_coap_szx_for(uint16_t mtu)
{
  enum { USUAL_MTU = 1280, IP_AND_UDP = 48, DTLS = 77, HEAD_AND_OPTIONS = 128 };
  uint8_t szx = GH_COAP_SZX_1024;
  while (szx && gh_coap_block_bytes(szx) + IP_AND_UDP + DTLS + HEAD_AND_OPTIONS > (mtu ? mtu : USUAL_MTU)) szx--;
  return szx;
}

static void free_transfer(gh_coap_transfer *transfer)
{
  gh_buf_wipe_free(&transfer->key);
  gh_buf_wipe_free(&transfer->data); /* keys travel in Content */
  free(transfer);
}

static void drop(gh_coap_transfer **list, const gh_coap_transfer *which)
{
  for (gh_coap_transfer **at = list; *at; at = &(*at)->next)
    if (*at == which) {
      gh_coap_transfer *gone = *at;
      *at = gone->next;
      free_transfer(gone);
      return;
    }
}

static void sweep_list(gh_coap_transfer **at, int64_t before_us)
{
  while (*at) {
    gh_coap_transfer *transfer = *at;
    if (transfer->touched_us > before_us) {
      at = &transfer->next;
      continue;
    }
    *at = transfer->next;
    free_transfer(transfer);
  }
}

void gh_coap_transfers_sweep(gh_coap_transfers *transfers, int64_t now_us)
{
  sweep_list(&transfers->uploads, now_us - transfers->life_us);
  sweep_list(&transfers->answers, now_us - transfers->life_us);
}

void gh_coap_transfers_free(gh_coap_transfers *transfers)
{
  sweep_list(&transfers->uploads, INT64_MAX);
  sweep_list(&transfers->answers, INT64_MAX);
}

static bool of_transfer(uint16_t number)
{
  return number == GH_COAP_BLOCK1 || number == GH_COAP_BLOCK2 || number == GH_COAP_SIZE1 || number == GH_COAP_SIZE2;
}

/* Method and options without those of the transfer itself. */ /*= RFC 7959 2.5 */
static void make_key(const gh_coap_message *request, gh_buf *key)
{
  gh_coap_message plain = {.code = request->code};
  for (size_t i = 0; i < request->option_count; i++)
    if (!of_transfer(request->options[i].number)) plain.options[plain.option_count++] = request->options[i];
  gh_coap_write_udp(key, &plain);
}

static gh_coap_transfer *find(gh_coap_transfer *list, gh_str key)
{
  for (; list; list = list->next)
    if (gh_str_eq(gh_buf_str(&list->key), key)) return list;
  return NULL;
}

/* Takes over the key. The oldest goes when there are too many. */
static gh_coap_transfer *begin(gh_coap_transfer **list, gh_buf *key, int64_t now_us)
{
  size_t count = 0;
  gh_coap_transfer *transfer = gh_calloc(1, sizeof *transfer), *oldest = NULL;
  drop(list, find(*list, gh_buf_str(key)));
  for (gh_coap_transfer *t = *list; t; t = t->next, count++)
    if (!oldest || t->touched_us < oldest->touched_us) oldest = t;
  if (count >= GH_COAP_TRANSFERS_MAX) drop(list, oldest);
  *transfer = (gh_coap_transfer){.next = *list, .key = *key, .touched_us = now_us};
  *key = GH_BUF_INIT;
  *list = transfer;
  return transfer;
}

static void begin_answer(gh_coap_message *answer, uint8_t code)
{
  answer->code = code;
  answer->option_count = 0;
  answer->payload = GH_STR_NONE;
}

/* ---- requests in blocks */

static gh_coap_step refuse_upload(gh_coap_transfers *t, gh_coap_transfer *upload, uint8_t code, gh_arena *arena,
                                  gh_coap_block block, gh_coap_message *answer)
{
  drop(&t->uploads, upload);
  begin_answer(answer, code);
  (void)gh_coap_add_uint(arena, answer, GH_COAP_BLOCK1, gh_coap_block_value(block));
  if (code == GH_COAP_TOO_LARGE)
    (void)gh_coap_add_uint(arena, answer, GH_COAP_SIZE1,
                           t->max_body_bytes < UINT32_MAX ? (uint32_t)t->max_body_bytes : UINT32_MAX);
  return GH_COAP_ANSWER;
}

/* All but the last are full. */
static bool length_fits(gh_coap_block block, size_t len)
{
  size_t unit = gh_coap_block_bytes(block.szx);
  if (block.szx == GH_COAP_SZX_BERT) return !block.more || (len && len % unit == 0);
  return block.more ? len == unit : len <= unit;
}

/*= RFC 7959 2.5; RFC 7959 2.9.1 2.31; RFC 7959 2.9.2 4.08; RFC 7959 2.9.3 4.13; TS-0008 6.5 */
static gh_coap_step take_block(gh_coap_transfers *t, int64_t now_us, gh_arena *arena, gh_coap_block block,
                               gh_coap_message *request, gh_buf *body, gh_coap_message *answer)
{
  gh_buf key = GH_BUF_INIT;
  make_key(request, &key);
  gh_coap_transfer *upload = find(t->uploads, gh_buf_str(&key));
  uint32_t announced = 0;
  uint8_t refusal = 0;
  if (block.num == 0) upload = begin(&t->uploads, &key, now_us);
  gh_buf_free(&key);
  (void)gh_coap_find_uint(request, GH_COAP_SIZE1, &announced);
  uint64_t at = (uint64_t)block.num * gh_coap_block_bytes(block.szx);
  if (!length_fits(block, request->payload.len))
    refusal = GH_COAP_BAD_REQUEST;
  else if (!upload || upload->data.len != at)
    refusal = GH_COAP_INCOMPLETE;
  else if (at + request->payload.len > t->max_body_bytes || announced > t->max_body_bytes)
    refusal = GH_COAP_TOO_LARGE;
  if (refusal) return refuse_upload(t, upload, refusal, arena, block, answer);
  gh_buf_add(&upload->data, request->payload);
  upload->touched_us = now_us;
  if (block.more) {
    begin_answer(answer, GH_COAP_CONTINUE);
    (void)gh_coap_add_uint(arena, answer, GH_COAP_BLOCK1, gh_coap_block_value(block));
    return GH_COAP_ANSWER;
  }
  *body = upload->data;
  upload->data = GH_BUF_INIT;
  drop(&t->uploads, upload);
  request->payload = gh_buf_str(body);
  return GH_COAP_PERFORM;
}

/* ---- answers in blocks */

/* The part of `payload` that `wanted` names; false when it begins behind the end. */
static bool cut(gh_arena *arena, size_t most, gh_coap_block wanted, gh_coap_message *answer)
{
  size_t unit = gh_coap_block_bytes(wanted.szx), total = answer->payload.len;
  uint64_t at = (uint64_t)wanted.num * unit;
  if (at >= total && wanted.num) return false;
  size_t len = wanted.szx == GH_COAP_SZX_BERT && most > unit ? most / unit * unit : unit;
  answer->payload = gh_str_sub(answer->payload, (size_t)at, len);
  gh_coap_block given = {wanted.num, at + answer->payload.len < total, wanted.szx};
  (void)gh_coap_add_uint(arena, answer, GH_COAP_BLOCK2, gh_coap_block_value(given));
  if (!wanted.num) (void)gh_coap_add_uint(arena, answer, GH_COAP_SIZE2, (uint32_t)total);
  return true;
}

/* The largest block that an answer may have. */
static uint8_t size_for(size_t most)
{
  uint8_t szx = GH_COAP_SZX_1024;
  while (szx && gh_coap_block_bytes(szx) > most) szx--;
  return szx;
}

/*= RFC 7959 2.4 */
static bool give_block(gh_coap_transfers *t, int64_t now_us, gh_arena *arena, size_t most, gh_coap_block wanted,
                       const gh_coap_message *request, gh_coap_message *answer)
{
  gh_buf key = GH_BUF_INIT;
  make_key(request, &key);
  gh_coap_transfer *kept = find(t->answers, gh_buf_str(&key));
  gh_buf_free(&key);
  gh_coap_message whole;
  if (!kept || gh_coap_parse_udp(gh_buf_str(&kept->data), &whole) != GH_OK) return false;
  answer->code = whole.code;
  answer->option_count = whole.option_count;
  memcpy(answer->options, whole.options, sizeof whole.options);
  answer->payload = whole.payload;
  kept->touched_us = now_us;
  if (cut(arena, most, wanted, answer)) return true;
  begin_answer(answer, GH_COAP_BAD_REQUEST);
  return true;
}

/*= RFC 7959 2.2 SZX 7 is reserved, and must lead to 4.00 in a request */
static bool has_reserved_size(const gh_coap_transfers *t, const gh_coap_message *request)
{
  static const uint16_t numbers[] = {GH_COAP_BLOCK1, GH_COAP_BLOCK2};
  gh_coap_block block;
  for (size_t i = 0; i < 2; i++)
    if (!t->bert && gh_coap_find_block(request, numbers[i], &block) && block.szx == GH_COAP_SZX_BERT) return true;
  return false;
}

gh_coap_step gh_coap_take_request(gh_coap_transfers *transfers, int64_t now_us, gh_arena *arena, size_t most,
                                  gh_coap_message *request, gh_buf *body, gh_coap_message *answer)
{
  gh_coap_block block;
  *body = GH_BUF_INIT;
  gh_coap_transfers_sweep(transfers, now_us);
  if (has_reserved_size(transfers, request)) {
    begin_answer(answer, GH_COAP_BAD_REQUEST);
    return GH_COAP_ANSWER;
  }
  if (gh_coap_find_block(request, GH_COAP_BLOCK1, &block))
    return take_block(transfers, now_us, arena, block, request, body, answer);
  if (!gh_coap_find_block(request, GH_COAP_BLOCK2, &block) || !block.num) return GH_COAP_PERFORM;
  if (give_block(transfers, now_us, arena, most, block, request, answer)) return GH_COAP_ANSWER;
  if (request->code == GH_COAP_GET) return GH_COAP_PERFORM; /* safe to ask again */
  begin_answer(answer, GH_COAP_INCOMPLETE);
  return GH_COAP_ANSWER;
}

static void keep(gh_coap_transfers *t, int64_t now_us, const gh_coap_message *request, const gh_coap_message *answer)
{
  gh_buf key = GH_BUF_INIT;
  gh_coap_message whole = *answer;
  whole.token_len = 0;
  make_key(request, &key);
  gh_coap_write_udp(&begin(&t->answers, &key, now_us)->data, &whole);
}

void gh_coap_cut_answer(gh_coap_transfers *transfers, int64_t now_us, gh_arena *arena, size_t most,
                        const gh_coap_message *request, gh_coap_message *answer)
{
  gh_coap_block block1, wanted = {.szx = GH_COAP_SZX_BERT};
  if (gh_coap_find_block(request, GH_COAP_BLOCK1, &block1))
    (void)gh_coap_add_uint(arena, answer, GH_COAP_BLOCK1, gh_coap_block_value(block1));
  bool asked = gh_coap_find_block(request, GH_COAP_BLOCK2, &wanted) && wanted.szx < GH_COAP_SZX_BERT;
  bool long_one = answer->payload.len > most || wanted.num;
  if (!long_one && !(asked && answer->payload.len > gh_coap_block_bytes(wanted.szx))) return;
  if (!asked) wanted.szx = size_for(most);
  for (; asked && wanted.szx > size_for(most); wanted.szx--) wanted.num <<= 1; /* the same place in smaller blocks */
  if (!wanted.num) keep(transfers, now_us, request, answer);
  if (!cut(arena, most, wanted, answer)) begin_answer(answer, GH_COAP_BAD_REQUEST);
}
