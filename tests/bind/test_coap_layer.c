/* The message layer of CoAP and its block-wise transfers, with a clock of the test's own. TP-16, TP-18. */
#include "coap_fixture.h"

#include "bind/coap_block_codec.h"
#include "bind/coap_layer_codec.h"

typedef struct wire { /* what was sent */
  int count, lost;
  gh_buf last;
  gh_coap_message m;
} wire;

static void on_emit(void *ctx, gh_str datagram)
{
  wire *w = ctx;
  w->count++;
  gh_buf_clear(&w->last);
  gh_buf_add(&w->last, datagram);
  assert_int_equal(gh_coap_parse_udp(gh_buf_str(&w->last), &w->m), GH_OK);
}

static void on_lost(void *ctx, uint16_t mid)
{
  (void)mid;
  ((wire *)ctx)->lost++;
}

static uint64_t seed = 1;
static gh_random test_random;

static void begin(gh_coap_layer *layer, wire *w, bool client)
{
  *w = (wire){.last = GH_BUF_INIT};
  test_random = gh_random_of_seed(&seed);
  gh_coap_layer_init(layer, NULL, &test_random, on_emit, w);
  layer->client = client;
  layer->lost = on_lost;
}

static void end(gh_coap_layer *layer, wire *w)
{
  gh_coap_layer_free(layer);
  gh_buf_free(&w->last);
}

static gh_coap_event take(gh_coap_layer *layer, int64_t now_us, gh_coap_type type, uint8_t code, uint16_t mid,
                          uint32_t *id)
{
  const gh_coap_message m = {.type = type, .code = code, .mid = mid};
  gh_coap_message taken;
  gh_buf out = GH_BUF_INIT;
  gh_coap_write_udp(&out, &m);
  gh_coap_event event = gh_coap_layer_take(layer, now_us, gh_buf_str(&out), &taken, id);
  gh_buf_free(&out);
  return event;
}

/*= RFC 7252 5.2.1; RFC 7252 4.5; TS-0008 6.3.1 */
static void a_duplicate_gets_the_same_answer(void **state)
{
  (void)state;
  gh_coap_layer layer;
  wire w;
  uint32_t id;
  begin(&layer, &w, false);
  assert_int_equal(take(&layer, 0, GH_COAP_CON, GH_COAP_POST, 7, &id), GH_COAP_NEW_REQUEST);
  gh_coap_message created = {.code = GH_COAP_CREATED, .payload = GH_STR("x")};
  gh_coap_layer_answer(&layer, 1, id, &created);
  assert_int_equal(w.count, 1);
  assert_int_equal(w.m.type, GH_COAP_ACK);
  assert_int_equal(w.m.mid, 7);
  for (int64_t at = 1; at < 200; at += 50) {
    assert_int_equal(take(&layer, at * GH_US_PER_S, GH_COAP_CON, GH_COAP_POST, 7, &id), GH_COAP_NOTHING);
    assert_int_equal(w.m.code, GH_COAP_CREATED);
  }
  assert_int_equal(w.count, 5);
  /* after EXCHANGE_LIFETIME the Message ID may be another message's */
  assert_int_equal(take(&layer, 248 * GH_US_PER_S, GH_COAP_CON, GH_COAP_POST, 7, &id), GH_COAP_NEW_REQUEST);
  end(&layer, &w);
}

/*= RFC 7252 5.2.2; RFC 7252 4.2; TS-0008 6.3.1 */
static void a_late_answer_is_separate_and_sent_again(void **state)
{
  (void)state;
  gh_coap_layer layer;
  wire w;
  uint32_t id;
  begin(&layer, &w, false);
  assert_int_equal(take(&layer, 0, GH_COAP_CON, GH_COAP_POST, 7, &id), GH_COAP_NEW_REQUEST);
  assert_int_equal(gh_coap_layer_tick(&layer, 1000), GH_US_PER_S / 2);
  assert_int_equal(w.count, 0);
  assert_int_equal(gh_coap_layer_tick(&layer, GH_US_PER_S / 2), INT64_MAX);
  assert_int_equal(w.count, 1);
  assert_int_equal(w.m.type, GH_COAP_ACK);
  assert_int_equal(w.m.code, GH_COAP_EMPTY);
  uint32_t none;
  assert_int_equal(take(&layer, GH_US_PER_S, GH_COAP_CON, GH_COAP_POST, 7, &none), GH_COAP_NOTHING);
  assert_int_equal(w.m.code, GH_COAP_EMPTY);
  gh_coap_message answer = {.code = GH_COAP_CREATED};
  int64_t now = 2 * GH_US_PER_S;
  gh_coap_layer_answer(&layer, now, id, &answer);
  assert_int_equal(w.m.type, GH_COAP_CON);
  uint16_t mid = w.m.mid;
  int before = w.count;
  int64_t wait = 0;
  for (int i = 0; i < 4; i++) { /* each wait is twice the one before */
    int64_t next = gh_coap_layer_tick(&layer, now);
    if (i == 0) assert_true(next - now >= 2 * GH_US_PER_S && next - now <= 3 * GH_US_PER_S);
    if (i) assert_int_equal(next - now, 2 * wait);
    wait = next - now;
    now = next;
    gh_coap_layer_tick(&layer, now);
    assert_int_equal(w.count, before + i + 1);
    assert_int_equal(w.m.mid, mid);
  }
  now = gh_coap_layer_tick(&layer, now);
  assert_int_equal(gh_coap_layer_tick(&layer, now), INT64_MAX); /* given up */
  assert_int_equal(w.count, before + 4);
  assert_int_equal(w.lost, 1);
  end(&layer, &w);
}

/*= RFC 7252 4.7; RFC 7252 4.2; TS-0008 7 */
static void acknowledgements_match_what_is_under_way(void **state)
{
  (void)state;
  gh_coap_layer layer;
  wire w;
  uint32_t id;
  uint16_t first, second;
  begin(&layer, &w, true);
  gh_coap_message a = {.code = GH_COAP_GET}, b = a;
  assert_int_equal(gh_coap_layer_send(&layer, 0, &a, &first), GH_OK);
  assert_int_equal(gh_coap_layer_send(&layer, 0, &b, &second), GH_OK);
  assert_int_equal(w.count, 1); /* NSTART */
  assert_int_equal(take(&layer, 1, GH_COAP_ACK, 0, second, &id), GH_COAP_NOTHING);
  assert_int_equal(take(&layer, 1, GH_COAP_ACK, 0, (uint16_t)(first + 99), &id), GH_COAP_NOTHING);
  assert_int_equal(take(&layer, 1, GH_COAP_ACK, GH_COAP_GET, first, &id), GH_COAP_NOTHING); /* a request in an ACK */
  assert_int_equal(w.count, 1);
  assert_int_equal(take(&layer, 1, GH_COAP_ACK, GH_COAP_CONTENT, first, &id), GH_COAP_NEW_RESPONSE);
  assert_int_equal(w.count, 2);
  assert_int_equal(w.m.mid, second);
  assert_int_equal(take(&layer, 1, GH_COAP_ACK, GH_COAP_CONTENT, first, &id), GH_COAP_NOTHING); /* replayed */
  assert_int_equal(take(&layer, 2, GH_COAP_RST, 0, second, &id), GH_COAP_NOTHING);
  assert_int_equal(w.lost, 1);
  assert_int_equal(gh_coap_layer_tick(&layer, 100 * GH_US_PER_S), INT64_MAX);
  /* a separate response, twice: acknowledged twice, given once */
  assert_int_equal(take(&layer, 3, GH_COAP_CON, GH_COAP_CONTENT, 500, &id), GH_COAP_NEW_RESPONSE);
  assert_int_equal(take(&layer, 4, GH_COAP_CON, GH_COAP_CONTENT, 500, &id), GH_COAP_NOTHING);
  assert_int_equal(w.m.type, GH_COAP_ACK);
  assert_int_equal(w.m.mid, 500);
  for (int i = 0; i < GH_COAP_QUEUE_MAX; i++) assert_int_equal(gh_coap_layer_send(&layer, 5, &a, &first), GH_OK);
  assert_int_equal(gh_coap_layer_send(&layer, 5, &a, &first), GH_ELIMIT);
  end(&layer, &w);
}

/*= RFC 7252 4.2; RFC 7252 4.3; RFC 7252 3; TS-0008 6.2.1 */
static void what_is_rejected(void **state)
{
  (void)state;
  gh_coap_layer layer;
  wire w;
  uint32_t id;
  begin(&layer, &w, false);
  assert_int_equal(take(&layer, 0, GH_COAP_CON, 0, 9, &id), GH_COAP_NOTHING); /* ping */
  assert_int_equal(w.m.type, GH_COAP_RST);
  assert_int_equal(w.m.mid, 9);
  assert_int_equal(take(&layer, 0, GH_COAP_CON, GH_COAP_CONTENT, 10, &id), GH_COAP_NOTHING); /* nobody asked */
  assert_int_equal(take(&layer, 0, GH_COAP_CON, GH_COAP_CODE(1, 1), 11, &id), GH_COAP_NOTHING);
  assert_int_equal(w.count, 3);
  gh_coap_message m;
  assert_int_equal(gh_coap_layer_take(&layer, 0, GH_STR("\x40\x01\0\x0c\xff"), &m, &id), GH_COAP_NOTHING);
  assert_int_equal(w.count, 4);
  assert_int_equal(w.m.mid, 12);
  assert_int_equal(gh_coap_layer_take(&layer, 0, GH_STR("\x50\x01\0\x0d\xff"), &m, &id), GH_COAP_NOTHING); /* NON */
  assert_int_equal(gh_coap_layer_take(&layer, 0, GH_STR("\x80\x01\0\x0d"), &m, &id), GH_COAP_NOTHING); /* version */
  assert_int_equal(gh_coap_layer_take(&layer, 0, GH_STR("\x40\x01"), &m, &id), GH_COAP_NOTHING);
  assert_int_equal(take(&layer, 0, GH_COAP_NON, 0, 9, &id), GH_COAP_NOTHING);
  assert_int_equal(take(&layer, 0, GH_COAP_ACK, 0, 9, &id), GH_COAP_NOTHING);
  assert_int_equal(take(&layer, 0, GH_COAP_RST, 0, 9, &id), GH_COAP_NOTHING);
  assert_int_equal(w.count, 4);
  end(&layer, &w);
}

static void serve_at_once(gh_coap_layer *layer, int64_t now_us, uint16_t mid)
{
  uint32_t id = 0;
  gh_coap_message answer = {.code = GH_COAP_CONTENT};
  assert_int_equal(take(layer, now_us, GH_COAP_CON, GH_COAP_GET, mid, &id), GH_COAP_NEW_REQUEST);
  gh_coap_layer_answer(layer, now_us, id, &answer);
}

/* What a second copy is answered: 2.05 again, or an empty acknowledgement. */
static uint8_t repeat(gh_coap_layer *layer, wire *w, uint16_t mid)
{
  uint32_t id = 0;
  int before = w->count;
  assert_int_equal(take(layer, 1, GH_COAP_CON, GH_COAP_GET, mid, &id), GH_COAP_NOTHING);
  assert_int_equal(w->count, before + 1);
  assert_int_equal(w->m.type, GH_COAP_ACK);
  assert_int_equal(w->m.mid, mid);
  return w->m.code;
}

/*= RFC 7252 4.5; RFC 7252 4.8.2 what is remembered is bounded, in number and in time, but for what is under way */
static void old_messages_are_forgotten(void **state)
{
  (void)state;
  enum { SLOW = 9999, COUNT = 200, KEPT = GH_COAP_RECENT_MAX - 1 /* beside the slow one */ };
  gh_coap_layer layer;
  wire w;
  uint32_t slow = 0, id = 0;
  begin(&layer, &w, false);
  assert_int_equal(take(&layer, 0, GH_COAP_CON, GH_COAP_GET, SLOW, &slow), GH_COAP_NEW_REQUEST);
  for (uint16_t mid = 0; mid < COUNT; mid++) serve_at_once(&layer, 0, mid);
  for (uint16_t mid = COUNT - KEPT; mid < COUNT; mid++)
    assert_int_equal(repeat(&layer, &w, mid), mid < COUNT - GH_COAP_REPLIES_MAX ? GH_COAP_EMPTY : GH_COAP_CONTENT);
  assert_int_equal(repeat(&layer, &w, SLOW), GH_COAP_EMPTY);
  serve_at_once(&layer, 1, COUNT - KEPT - 1); /* forgotten: performed again */
  assert_int_equal(gh_coap_layer_tick(&layer, 1), INT64_MAX);

  int64_t later = gh_coap_default_timing.lifetime_us + 1;
  serve_at_once(&layer, later, COUNT - 1);
  assert_int_equal(take(&layer, later, GH_COAP_CON, GH_COAP_GET, SLOW, &id), GH_COAP_NOTHING);
  gh_coap_message answer = {.code = GH_COAP_CHANGED};
  gh_coap_layer_answer(&layer, later, slow, &answer);
  assert_int_equal(w.m.code, GH_COAP_CHANGED);
  assert_int_equal(w.m.type, GH_COAP_CON); /* it was acknowledged before */
  end(&layer, &w);
}

/* Message IDs that fall into one slot, and the middle one taken out. */
static void a_request_that_was_not_performed_is_new(void **state)
{
  (void)state;
  gh_coap_layer layer;
  wire w;
  uint32_t ids[3], again = 0;
  begin(&layer, &w, false);
  for (uint16_t i = 0; i < 3; i++)
    assert_int_equal(take(&layer, 0, GH_COAP_CON, GH_COAP_GET, (uint16_t)(i * 1024), &ids[i]), GH_COAP_NEW_REQUEST);
  gh_coap_layer_forget(&layer, ids[1]);
  assert_int_equal(take(&layer, 0, GH_COAP_CON, GH_COAP_GET, 0, &again), GH_COAP_NOTHING);
  assert_int_equal(take(&layer, 0, GH_COAP_CON, GH_COAP_GET, 2048, &again), GH_COAP_NOTHING);
  assert_int_equal(take(&layer, 0, GH_COAP_CON, GH_COAP_GET, 1024, &again), GH_COAP_NEW_REQUEST);
  assert_true(again != ids[1]);
  end(&layer, &w);
}

static void non_confirmable_requests(void **state)
{
  (void)state;
  gh_coap_layer layer;
  wire w;
  uint32_t id;
  begin(&layer, &w, false);
  assert_int_equal(take(&layer, 0, GH_COAP_NON, GH_COAP_GET, 7, &id), GH_COAP_NEW_REQUEST);
  assert_int_equal(gh_coap_layer_tick(&layer, 5 * GH_US_PER_S), INT64_MAX); /* nothing to acknowledge */
  gh_coap_message answer = {.code = GH_COAP_CONTENT};
  gh_coap_layer_answer(&layer, 1, id, &answer);
  assert_int_equal(w.m.type, GH_COAP_NON);
  assert_int_equal(take(&layer, 2, GH_COAP_NON, GH_COAP_GET, 7, &id), GH_COAP_NOTHING);
  assert_int_equal(w.count, 1);
  /* what was not performed is performed when it comes again */
  assert_int_equal(take(&layer, 3, GH_COAP_CON, GH_COAP_GET, 8, &id), GH_COAP_NEW_REQUEST);
  gh_coap_layer_forget(&layer, id);
  assert_int_equal(take(&layer, 4, GH_COAP_CON, GH_COAP_GET, 8, &id), GH_COAP_NEW_REQUEST);
  end(&layer, &w);
}

/* ---- blocks */

typedef struct transfer_test {
  gh_arena arena;
  gh_coap_transfers t;
} transfer_test;

static int begin_transfers(void **state)
{
  transfer_test *x = calloc(1, sizeof *x);
  gh_arena_init(&x->arena);
  x->t = (gh_coap_transfers){.max_body_bytes = 1000, .life_us = 93 * GH_US_PER_S};
  *state = x;
  return 0;
}

static int end_transfers(void **state)
{
  transfer_test *x = *state;
  gh_coap_transfers_free(&x->t);
  gh_arena_free(&x->arena);
  free(x);
  return 0;
}

static char pattern[4096];

/* Sends a block of the pattern; the code of the answer, or 0 when the request is complete. */
static uint8_t put_block(transfer_test *x, int64_t now_us, const char *rqi, uint32_t num, bool more, uint8_t szx,
                         size_t len, gh_buf *body)
{
  for (size_t i = 0; i < sizeof pattern; i++) pattern[i] = (char)('a' + i % 23);
  gh_coap_message m = {.code = GH_COAP_POST}, answer = {.code = 0};
  gh_coap_add(&m, GH_COAP_RQI, gh_str_of(rqi));
  gh_coap_add_uint(&x->arena, &m, GH_COAP_BLOCK1, gh_coap_block_value((gh_coap_block){num, more, szx}));
  m.payload = (gh_str){pattern + (size_t)num * gh_coap_block_bytes(szx), len};
  gh_coap_step step = gh_coap_take_request(&x->t, now_us, &x->arena, 1024, &m, body, &answer);
  if (step == GH_COAP_ANSWER) return answer.code;
  assert_int_equal(m.payload.len, body->len);
  return 0;
}

static gh_coap_step get_block(transfer_test *x, uint8_t code, gh_coap_block *wanted, gh_coap_message *request,
                              gh_coap_message *answer)
{
  gh_buf body;
  *request = (gh_coap_message){.code = code};
  *answer = (gh_coap_message){.code = 0};
  gh_coap_add(request, GH_COAP_RQI, GH_STR("r1"));
  if (wanted) gh_coap_add_uint(&x->arena, request, GH_COAP_BLOCK2, gh_coap_block_value(*wanted));
  return gh_coap_take_request(&x->t, 0, &x->arena, 1024, request, &body, answer);
}

/*= RFC 7959 2.5; RFC 7959 2.9.1; RFC 7959 2.9.2; RFC 7959 2.9.3; TS-0008 6.5 */
static void uploads(void **state)
{
  transfer_test *x = *state;
  gh_buf body;
  assert_int_equal(put_block(x, 0, "r1", 0, true, 2, 64, &body), GH_COAP_CONTINUE);
  assert_int_equal(put_block(x, 0, "r2", 0, true, 2, 64, &body), GH_COAP_CONTINUE); /* another one beside it */
  assert_int_equal(put_block(x, 0, "r1", 1, true, 2, 64, &body), GH_COAP_CONTINUE);
  assert_int_equal(put_block(x, 0, "r1", 4, true, 1, 32, &body), GH_COAP_CONTINUE); /* smaller ones from here */
  assert_int_equal(put_block(x, 0, "r1", 5, false, 1, 10, &body), 0);
  assert_int_equal(body.len, 64 + 64 + 32 + 10);
  assert_memory_equal(body.ptr, pattern, body.len);
  gh_buf_free(&body);
  assert_int_equal(put_block(x, 0, "r1", 6, false, 1, 10, &body), GH_COAP_INCOMPLETE); /* it is over */
  assert_int_equal(put_block(x, 0, "r2", 2, false, 2, 10, &body), GH_COAP_INCOMPLETE); /* a gap */
  assert_int_equal(put_block(x, 0, "r2", 1, false, 2, 10, &body), GH_COAP_INCOMPLETE); /* that ended it */
  assert_int_equal(put_block(x, 0, "r3", 0, true, 2, 63, &body), GH_COAP_BAD_REQUEST);
  assert_int_equal(put_block(x, 0, "r3", 0, false, 2, 65, &body), GH_COAP_BAD_REQUEST);
  assert_int_equal(put_block(x, 0, "r3", 0, false, 6, 5, &body), 0);
  gh_buf_free(&body);
}

/*= RFC 8323 6 several blocks in one message */
static void uploads_with_bert(void **state)
{
  transfer_test *x = *state;
  gh_buf body;
  x->t.max_body_bytes = sizeof pattern;
  x->t.bert = true;
  assert_int_equal(put_block(x, 0, "r1", 0, true, 7, 2048, &body), GH_COAP_CONTINUE);
  assert_int_equal(put_block(x, 0, "r1", 2, false, 7, 1500, &body), 0);
  assert_int_equal(body.len, 3548);
  assert_memory_equal(body.ptr, pattern, body.len);
  gh_buf_free(&body);
  assert_int_equal(put_block(x, 0, "r2", 0, true, 7, 2047, &body), GH_COAP_BAD_REQUEST);
  assert_int_equal(put_block(x, 0, "r2", 0, true, 7, 0, &body), GH_COAP_BAD_REQUEST);
}

/*= RFC 7959 2.2 over datagrams it is reserved: 4.00, and nothing that was under way has changed */
static void a_size_that_is_reserved(void **state)
{
  transfer_test *x = *state;
  gh_buf body;
  gh_coap_message request, answer;
  gh_coap_block wanted = {.szx = 7};
  assert_int_equal(put_block(x, 0, "r1", 0, true, 2, 64, &body), GH_COAP_CONTINUE);
  assert_int_equal(put_block(x, 0, "r1", 0, true, 7, 1024, &body), GH_COAP_BAD_REQUEST);
  assert_int_equal(put_block(x, 0, "r1", 0, false, 7, 5, &body), GH_COAP_BAD_REQUEST);
  assert_int_equal(put_block(x, 0, "r1", 1, false, 2, 9, &body), 0);
  assert_int_equal(body.len, 73);
  gh_buf_free(&body);
  for (wanted.num = 0; wanted.num < 2; wanted.num++) {
    assert_int_equal(get_block(x, GH_COAP_GET, &wanted, &request, &answer), GH_COAP_ANSWER);
    assert_int_equal(answer.code, GH_COAP_BAD_REQUEST);
  }
  x->t.bert = true;
  wanted.num = 0;
  assert_int_equal(get_block(x, GH_COAP_GET, &wanted, &request, &answer), GH_COAP_PERFORM);
}

/* TP-18 */
static void uploads_are_bounded(void **state)
{
  transfer_test *x = *state;
  gh_buf body;
  for (uint32_t i = 0; i < 3; i++) assert_int_equal(put_block(x, 0, "r1", i, true, 4, 256, &body), GH_COAP_CONTINUE);
  assert_int_equal(put_block(x, 0, "r1", 3, true, 4, 256, &body), GH_COAP_TOO_LARGE);
  assert_int_equal(put_block(x, 0, "r1", 3, true, 4, 256, &body), GH_COAP_INCOMPLETE);
  static const char *const names[] = {"a", "b", "c", "d", "e"};
  for (int i = 0; i < 5; i++) assert_int_equal(put_block(x, i, names[i], 0, true, 0, 16, &body), GH_COAP_CONTINUE);
  assert_int_equal(put_block(x, 9, "a", 1, true, 0, 16, &body), GH_COAP_INCOMPLETE); /* the oldest had to go */
  assert_int_equal(put_block(x, 9, "e", 1, true, 0, 16, &body), GH_COAP_CONTINUE);
  assert_int_equal(put_block(x, 94 * GH_US_PER_S, "e", 2, true, 0, 16, &body), GH_COAP_INCOMPLETE); /* too late */
  assert_null(x->t.uploads);
}

/*= RFC 7959 2.4; TS-0008 6.5 */
static void answers_in_blocks(void **state)
{
  transfer_test *x = *state;
  gh_coap_message request, answer;
  gh_coap_block block, wanted = {.szx = 5};
  for (size_t i = 0; i < sizeof pattern; i++) pattern[i] = (char)('a' + i % 23);
  assert_int_equal(get_block(x, GH_COAP_POST, &wanted, &request, &answer), GH_COAP_PERFORM);
  answer = (gh_coap_message){.code = GH_COAP_CREATED, .payload = {pattern, 1300}};
  gh_coap_add(&answer, GH_COAP_RQI, GH_STR("r1"));
  gh_coap_cut_answer(&x->t, 0, &x->arena, 1024, &request, &answer);
  gh_buf whole = GH_BUF_INIT;
  for (uint32_t num = 0;; num++) {
    assert_true(gh_coap_find_block(&answer, GH_COAP_BLOCK2, &block));
    assert_int_equal(block.num, num);
    assert_int_equal(block.szx, 5);
    assert_int_equal(answer.code, GH_COAP_CREATED);
    assert_non_null(gh_coap_find(&answer, GH_COAP_RQI));
    gh_buf_add(&whole, answer.payload);
    if (!block.more) break;
    wanted.num = num + 1;
    assert_int_equal(get_block(x, GH_COAP_POST, &wanted, &request, &answer), GH_COAP_ANSWER);
  }
  assert_int_equal(whole.len, 1300);
  assert_memory_equal(whole.ptr, pattern, 1300);
  gh_buf_free(&whole);
  wanted.num = 99;
  assert_int_equal(get_block(x, GH_COAP_POST, &wanted, &request, &answer), GH_COAP_ANSWER);
  assert_int_equal(answer.code, GH_COAP_BAD_REQUEST);
  gh_coap_transfers_sweep(&x->t, 94 * GH_US_PER_S);
  wanted.num = 1;
  assert_int_equal(get_block(x, GH_COAP_POST, &wanted, &request, &answer), GH_COAP_ANSWER);
  assert_int_equal(answer.code, GH_COAP_INCOMPLETE); /* nothing is performed twice for its answer's sake */
  assert_int_equal(get_block(x, GH_COAP_GET, &wanted, &request, &answer), GH_COAP_PERFORM);
  answer = (gh_coap_message){.code = GH_COAP_CONTENT, .payload = {pattern, 1300}};
  gh_coap_cut_answer(&x->t, 0, &x->arena, 1024, &request, &answer);
  assert_int_equal(answer.payload.len, 512);
  assert_memory_equal(answer.payload.ptr, pattern + 512, 512);
}

int main(void)
{
#define WITH(f) cmocka_unit_test_setup_teardown(f, begin_transfers, end_transfers)
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_duplicate_gets_the_same_answer),
      cmocka_unit_test(a_late_answer_is_separate_and_sent_again),
      cmocka_unit_test(acknowledgements_match_what_is_under_way),
      cmocka_unit_test(what_is_rejected),
      cmocka_unit_test(non_confirmable_requests),
      cmocka_unit_test(old_messages_are_forgotten),
      cmocka_unit_test(a_request_that_was_not_performed_is_new),
      WITH(uploads),
      WITH(uploads_with_bert),
      WITH(a_size_that_is_reserved),
      WITH(uploads_are_bounded),
      WITH(answers_in_blocks),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
