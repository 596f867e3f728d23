/* An association remembers what it received (for duplicates) and what it sent (until it is acknowledged). */
#include "bind/coap_layer_codec.h"

#include <stdlib.h>

/*= RFC 7252 4.8; RFC 7252 4.8.2 */
const gh_coap_timing gh_coap_default_timing = {.ack_timeout_us = 2 * GH_US_PER_S,
                                               .ack_delay_us = GH_US_PER_S / 2,
                                               .lifetime_us = 247 * GH_US_PER_S,
                                               .max_retransmit = 4};

enum { MID_SLOTS = 64 }; /* peers count their Message IDs up: they spread */

struct gh_coap_recent { /* a message that was received */
  gh_coap_recent *next; /* the one before it in time */
  gh_coap_recent *newer;
  gh_coap_recent *same_slot; /* of by_mid */
  int64_t received_us;
  uint32_t id;
  uint16_t mid;
  bool confirmable;
  bool acknowledged; /* with an empty message: the answer is a separate one */
  bool answered;
  gh_buf reply; /* piggybacked answer, for duplicates */
};

struct gh_coap_outgoing { /* a confirmable message of our own */
  gh_coap_outgoing *next;
  uint16_t mid;
  gh_buf octets;
  bool sent;
  int tries;
  int64_t due_us, wait_us;
};

void gh_coap_layer_init(gh_coap_layer *layer, const gh_coap_timing *timing, const gh_random *random,
                        void (*emit)(void *ctx, gh_str datagram), void *ctx)
{
  *layer = (gh_coap_layer){
      .timing = timing ? *timing : gh_coap_default_timing, .random = random, .emit = emit, .ctx = ctx, .next_id = 1};
}

/*= RFC 7252 4.4 where they begin is drawn; most associations of clients never send a message of their own accord */
static uint16_t draw_mid(gh_coap_layer *layer)
{
  if (!layer->numbers_begun && gh_random_fill(layer->random, &layer->next_mid, sizeof layer->next_mid) != GH_OK)
    layer->next_mid = 1;
  layer->numbers_begun = true;
  return layer->next_mid++;
}

/* ---- what was received */

static void free_recent(gh_coap_recent *recent)
{
  gh_buf_wipe_free(&recent->reply); /* keys travel in Content */
  free(recent);
}

static gh_coap_recent **slot_of(const gh_coap_layer *layer, uint16_t mid)
{
  return &layer->by_mid[mid % MID_SLOTS];
}

static void link_recent(gh_coap_layer *layer, gh_coap_recent *r)
{
  if (!layer->by_mid) layer->by_mid = gh_calloc(MID_SLOTS, sizeof(gh_coap_recent *));
  gh_coap_recent **slot = slot_of(layer, r->mid);
  r->same_slot = *slot;
  *slot = r;
  r->next = layer->recent;
  *(r->next ? &r->next->newer : &layer->oldest) = r;
  layer->recent = r;
  layer->recent_count++;
  layer->under_way++;
}

static void drop_recent(gh_coap_layer *layer, gh_coap_recent *r)
{
  gh_coap_recent **at = slot_of(layer, r->mid);
  while (*at != r) at = &(*at)->same_slot;
  *at = r->same_slot;
  *(r->newer ? &r->newer->next : &layer->recent) = r->next;
  *(r->next ? &r->next->newer : &layer->oldest) = r->newer;
  layer->recent_count--;
  if (!r->answered) layer->under_way--;
  free_recent(r);
}

/* Forgets what is older than a Message ID lives, and the oldest of too many; never what is under way. */
/*= RFC 7252 4.5; RFC 7252 4.8.2 */
static void age(gh_coap_layer *layer, int64_t now_us)
{
  for (gh_coap_recent *r = layer->oldest, *newer; r; r = newer) {
    newer = r->newer;
    bool expired = r->received_us + layer->timing.lifetime_us <= now_us;
    if (!expired && layer->recent_count <= GH_COAP_RECENT_MAX) return;
    if (r->answered) drop_recent(layer, r);
  }
}

/* Is it one of the newest, whose answers are kept? */
static bool keeps_reply(const gh_coap_layer *layer, const gh_coap_recent *recent)
{
  const gh_coap_recent *r = layer->recent;
  for (int i = 0; r && i < GH_COAP_REPLIES_MAX; i++, r = r->next)
    if (r == recent) return true;
  return false;
}

/* One more has come: what was the last of the newest loses its answer. */
static void drop_old_reply(gh_coap_layer *layer)
{
  gh_coap_recent *r = layer->recent;
  for (int i = 0; r && i < GH_COAP_REPLIES_MAX; i++) r = r->next;
  if (r) gh_buf_wipe_free(&r->reply);
}

static gh_coap_recent *find_mid(const gh_coap_layer *layer, uint16_t mid)
{
  gh_coap_recent *r = layer->by_mid ? *slot_of(layer, mid) : NULL;
  while (r && r->mid != mid) r = r->same_slot;
  return r;
}

static gh_coap_recent *find_id(const gh_coap_layer *layer, uint32_t id)
{
  for (gh_coap_recent *r = layer->recent; r; r = r->next)
    if (r->id == id) return r;
  return NULL;
}

static gh_coap_recent *remember(gh_coap_layer *layer, int64_t now_us, const gh_coap_message *m)
{
  gh_coap_recent *r = gh_calloc(1, sizeof *r);
  *r = (gh_coap_recent){
      .received_us = now_us, .id = layer->next_id++, .mid = m->mid, .confirmable = m->type == GH_COAP_CON};
  link_recent(layer, r);
  drop_old_reply(layer);
  age(layer, now_us);
  return r;
}

void gh_coap_layer_forget(gh_coap_layer *layer, uint32_t request_id)
{
  gh_coap_recent *r = find_id(layer, request_id);
  if (r) drop_recent(layer, r);
}

/* It is not under way any more. */
static void mark_answered(gh_coap_layer *layer, gh_coap_recent *r)
{
  if (!r->answered) layer->under_way--;
  r->answered = true;
}

/* ---- what is sent */

static void emit_empty(gh_coap_layer *layer, gh_coap_type type, uint16_t mid)
{
  const gh_coap_message m = {.type = type, .mid = mid};
  gh_buf out = GH_BUF_INIT;
  gh_coap_write_udp(&out, &m);
  layer->emit(layer->ctx, gh_buf_str(&out));
  gh_buf_free(&out);
}

/* Between once and one and a half times the time-out, so that peers do not fall into step. */ /*= RFC 7252 4.2 */
static int64_t first_wait(const gh_coap_layer *layer)
{
  uint16_t drawn = 0;
  if (gh_random_fill(layer->random, &drawn, sizeof drawn) != GH_OK) drawn = 0;
  return layer->timing.ack_timeout_us + layer->timing.ack_timeout_us / 2 * drawn / UINT16_MAX;
}

/* One at a time (NSTART). */ /*= RFC 7252 4.7 */
static void send_first(gh_coap_layer *layer, int64_t now_us)
{
  gh_coap_outgoing *o = layer->first;
  if (!o || o->sent) return;
  o->sent = true;
  o->wait_us = first_wait(layer);
  o->due_us = now_us + o->wait_us;
  layer->emit(layer->ctx, gh_buf_str(&o->octets));
}

static void drop_first(gh_coap_layer *layer, int64_t now_us)
{
  gh_coap_outgoing *o = layer->first;
  layer->first = o->next;
  if (!layer->first) layer->last = NULL;
  layer->queued--;
  gh_buf_wipe_free(&o->octets);
  free(o);
  send_first(layer, now_us);
}

gh_err gh_coap_layer_send(gh_coap_layer *layer, int64_t now_us, gh_coap_message *message, uint16_t *mid)
{
  GH_REQUIRE(layer->queued < GH_COAP_QUEUE_MAX, GH_ELIMIT);
  gh_coap_outgoing *o = gh_calloc(1, sizeof *o);
  message->type = GH_COAP_CON;
  message->mid = o->mid = *mid = draw_mid(layer);
  gh_coap_write_udp(&o->octets, message);
  if (layer->last)
    layer->last->next = o;
  else
    layer->first = o;
  layer->last = o;
  layer->queued++;
  send_first(layer, now_us);
  return GH_OK;
}

/*= RFC 7252 4.3 a CoAP ping */
void gh_coap_layer_ping(gh_coap_layer *layer)
{
  emit_empty(layer, GH_COAP_CON, draw_mid(layer));
}

/*= TS-0008 6.3.1; RFC 7252 5.2.1; RFC 7252 5.2.2; RFC 7252 5.2.3 */
void gh_coap_layer_answer(gh_coap_layer *layer, int64_t now_us, uint32_t request_id, gh_coap_message *answer)
{
  gh_coap_recent *r = find_id(layer, request_id);
  uint16_t mid;
  if (!r) return;
  mark_answered(layer, r);
  if (r->confirmable && r->acknowledged) {
    if (gh_coap_layer_send(layer, now_us, answer, &mid) != GH_OK)
      return; /* too many unacknowledged: the peer is gone */
    return;
  }
  answer->type = r->confirmable ? GH_COAP_ACK : GH_COAP_NON;
  answer->mid = r->confirmable ? r->mid : draw_mid(layer);
  gh_coap_write_udp(&r->reply, answer);
  layer->emit(layer->ctx, gh_buf_str(&r->reply));
  if (!r->confirmable || !keeps_reply(layer, r)) gh_buf_wipe_free(&r->reply); /* of the former no duplicate counts */
}

/* ---- taking datagrams */

static gh_coap_event reject(gh_coap_layer *layer, gh_coap_type type, uint16_t mid) /*= RFC 7252 4.2; RFC 7252 4.3 */
{
  if (type == GH_COAP_CON) emit_empty(layer, GH_COAP_RST, mid);
  return GH_COAP_NOTHING;
}

/*= RFC 7252 4.5 the same answer again, or silence */
static gh_coap_event take_duplicate(gh_coap_layer *layer, gh_coap_recent *r)
{
  if (!r->confirmable) return GH_COAP_NOTHING;
  if (r->reply.len) {
    layer->emit(layer->ctx, gh_buf_str(&r->reply));
  } else {
    emit_empty(layer, GH_COAP_ACK, r->mid); /* it is being performed, or was answered separately */
    r->acknowledged = true;
  }
  return GH_COAP_NOTHING;
}

/* An acknowledgement or reset counts only for the message that is under way. */ /*= TS-0008 7; RFC 7252 4.2 */
static gh_coap_event take_reply(gh_coap_layer *layer, int64_t now_us, const gh_coap_message *m)
{
  gh_coap_outgoing *o = layer->first;
  if (!o || !o->sent || o->mid != m->mid) return GH_COAP_NOTHING;
  if (m->type == GH_COAP_RST && m->code != GH_COAP_EMPTY) return GH_COAP_NOTHING;
  bool response = m->type == GH_COAP_ACK && gh_coap_is_response(m);
  if (m->type == GH_COAP_ACK && m->code != GH_COAP_EMPTY && !response) return GH_COAP_NOTHING;
  uint16_t mid = o->mid;
  drop_first(layer, now_us);
  if (m->type == GH_COAP_RST && layer->lost) layer->lost(layer->ctx, mid);
  return response && layer->client ? GH_COAP_NEW_RESPONSE : GH_COAP_NOTHING;
}

static gh_coap_event take_response(gh_coap_layer *layer, int64_t now_us, const gh_coap_message *m)
{
  if (!layer->client) return reject(layer, m->type, m->mid);
  gh_coap_recent *r = remember(layer, now_us, m);
  mark_answered(layer, r);
  r->acknowledged = true;
  if (m->type == GH_COAP_CON) emit_empty(layer, GH_COAP_ACK, m->mid);
  return GH_COAP_NEW_RESPONSE;
}

gh_coap_event gh_coap_layer_take(gh_coap_layer *layer, int64_t now_us, gh_str datagram, gh_coap_message *message,
                                 uint32_t *request_id)
{
  bool ours = datagram.len >= 4 && (uint8_t)datagram.ptr[0] >> 6 == 1;
  if (!ours) return GH_COAP_NOTHING; /*= RFC 7252 3 another version is ignored */
  gh_err err = gh_coap_parse_udp(datagram, message);
  if (err != GH_OK) return reject(layer, message->type, message->mid);
  age(layer, now_us);
  if (message->type == GH_COAP_ACK || message->type == GH_COAP_RST) return take_reply(layer, now_us, message);
  gh_coap_recent *before = find_mid(layer, message->mid);
  if (before && message->code != GH_COAP_EMPTY) return take_duplicate(layer, before);
  if (gh_coap_is_response(message)) return take_response(layer, now_us, message);
  if (!gh_coap_is_request(message)) return reject(layer, message->type, message->mid); /* a ping, or of no class */
  *request_id = remember(layer, now_us, message)->id;
  return GH_COAP_NEW_REQUEST;
}

/* ---- time */

static int64_t earlier(int64_t a, int64_t b)
{
  return a < b ? a : b;
}

/*= RFC 7252 4.2 exponential back-off; RFC 7252 5.2.2 an empty acknowledgement when the answer takes longer */
int64_t gh_coap_layer_tick(gh_coap_layer *layer, int64_t now_us)
{
  int64_t next = INT64_MAX;
  size_t left = layer->under_way;
  age(layer, now_us);
  for (gh_coap_recent *r = layer->recent; r && left; r = r->next) {
    if (r->answered) continue;
    left--;
    if (r->acknowledged || !r->confirmable) continue;
    if (r->received_us + layer->timing.ack_delay_us <= now_us) {
      r->acknowledged = true;
      emit_empty(layer, GH_COAP_ACK, r->mid);
    } else {
      next = earlier(next, r->received_us + layer->timing.ack_delay_us);
    }
  }
  gh_coap_outgoing *o = layer->first;
  if (o && o->sent && o->due_us <= now_us) {
    if (o->tries < layer->timing.max_retransmit) {
      o->tries++;
      o->wait_us *= 2;
      o->due_us = now_us + o->wait_us;
      layer->emit(layer->ctx, gh_buf_str(&o->octets));
    } else {
      uint16_t mid = o->mid;
      drop_first(layer, now_us);
      if (layer->lost) layer->lost(layer->ctx, mid);
    }
  }
  if (layer->first) next = earlier(next, layer->first->due_us);
  return next;
}

void gh_coap_layer_free(gh_coap_layer *layer)
{
  for (gh_coap_recent *r = layer->recent, *next; r; r = next) {
    next = r->next;
    free_recent(r);
  }
  for (gh_coap_outgoing *o = layer->first, *next; o; o = next) {
    next = o->next;
    gh_buf_wipe_free(&o->octets);
    free(o);
  }
  free(layer->by_mid);
  layer->by_mid = NULL;
  layer->recent = layer->oldest = NULL;
  layer->recent_count = layer->under_way = 0;
  layer->first = layer->last = NULL;
}
