/* From a delivered message to the gate and back. Whom the topic names is believed only where the broker enforces our
 * access control list; the From parameter must agree with it in any case. */
#include "bind/mqtt_call_server.h"

#include <stdlib.h>

#include "m2m/constants.h"
#include "m2m/primitive_tree.h"

/* ---- duplicates */

typedef struct mark {
  uint64_t hash;
  gh_str text; /* owned */
} mark;

struct gh_mqtt_seen {
  pthread_mutex_t lock;
  mark *marks; /* a ring */
  size_t count, next;
};

gh_mqtt_seen *gh_mqtt_seen_new(size_t count)
{
  gh_mqtt_seen *seen = gh_calloc(1, sizeof *seen);
  seen->marks = gh_calloc(count, sizeof *seen->marks);
  seen->count = count;
  pthread_mutex_init(&seen->lock, NULL);
  return seen;
}

void gh_mqtt_seen_free(gh_mqtt_seen *seen)
{
  if (!seen) return;
  for (size_t i = 0; i < seen->count; i++) gh_str_release(&seen->marks[i].text);
  pthread_mutex_destroy(&seen->lock);
  free(seen->marks);
  free(seen);
}

static uint64_t hash_of(gh_str text)
{
  uint64_t h = UINT64_C(14695981039346656037);
  for (size_t i = 0; i < text.len; i++) h = (h ^ (uint8_t)text.ptr[i]) * UINT64_C(1099511628211);
  return h;
}

/* The hash only saves comparisons: whoever makes two texts collide must not silence another. */
static bool is_known(const gh_mqtt_seen *seen, uint64_t hash, gh_str text)
{
  for (size_t i = 0; i < seen->count; i++)
    if (seen->marks[i].hash == hash && gh_str_eq(seen->marks[i].text, text)) return true;
  return false;
}

static bool look_up(gh_mqtt_seen *seen, const gh_mqtt_topic *topic, gh_str rqi, bool add)
{
  gh_arena arena;
  gh_arena_init(&arena);
  /* a level has no slash, so that two pairs never give one text */
  gh_str kind = gh_mqtt_topic_kind_name(topic->kind);
  gh_str text =
      gh_arena_fmt(&arena, "%.*s/%.*s/%.*s", GH_STR_ARG(kind), GH_STR_ARG(topic->originator), GH_STR_ARG(rqi));
  uint64_t hash = hash_of(text);
  pthread_mutex_lock(&seen->lock);
  bool is_new = !is_known(seen, hash, text);
  if (is_new && add) {
    mark *m = &seen->marks[seen->next];
    gh_str_release(&m->text);
    *m = (mark){hash, gh_str_clone(text)};
    seen->next = (seen->next + 1) % seen->count;
  }
  pthread_mutex_unlock(&seen->lock);
  gh_arena_free(&arena);
  return is_new;
}

bool gh_mqtt_seen_add(gh_mqtt_seen *seen, const gh_mqtt_topic *topic, gh_str rqi)
{
  return look_up(seen, topic, rqi, true);
}

bool gh_mqtt_seen_is_new(gh_mqtt_seen *seen, const gh_mqtt_topic *topic, gh_str rqi)
{
  return look_up(seen, topic, rqi, false);
}

/* ---- who asks */

static bool asks_for_any(const gh_request *r)
{
  return gh_str_empty(r->from) || gh_str_eq(r->from, GH_STR("S")) || gh_str_eq(r->from, GH_STR("C"));
}

static bool is_ae_registration(const gh_request *r)
{
  return r->op == GH_OP_CREATE && r->ty == GH_TY_AE;
}

/*= TS-0010 7.2 the topic's originator is whom the broker authenticated; the originator of the request must be the
 * same, but a CSE also forwards requests of others: what it may say in whose name, the gate decides */
static bool from_agrees(gh_mqtt_call *call, gh_id_kind level)
{
  gh_exchange *x = &call->x;
  if (asks_for_any(&x->request) || (call->enforces && level == GH_ID_CSE)) return true;
  return gh_mqtt_level_names(&x->arena, &x->host->config.self, call->topic.originator, x->request.from);
}

/* A peer that may say nothing: the gate answers 4106, and writes it down. */
static const gh_peer nobody_to_believe = {.kind = GH_PEER_NODE, .method = GH_METHOD_BROKER};

static void take_entity(gh_mqtt_call *call)
{
  gh_exchange *x = &call->x;
  const gh_self *self = &x->host->config.self;
  gh_str id;
  x->peer = nobody_to_believe;
  if (gh_mqtt_id_of_level(&x->arena, self, call->topic.originator, &id) != GH_OK) return;
  gh_id_kind kind = gh_id_parse(id).kind;
  bool is_self = gh_str_eq(id, gh_self_cse_absolute(&x->arena, self));
  if (is_self || !from_agrees(call, kind)) return;
  /*= TS-0004 7.3.2.1 a broker that enforces nothing leaves the request outside any association */
  if (!call->enforces)
    x->peer = (gh_peer){.kind = GH_PEER_NONE};
  else
    x->peer = (gh_peer){.kind = kind == GH_ID_CSE ? GH_PEER_CSE : GH_PEER_AE, .method = GH_METHOD_BROKER, .id = id};
}

/*= TS-0010 7.2 the Credential-ID that the broker verified tells which AE-ID is to be assigned */
static void take_credential(gh_mqtt_call *call)
{
  gh_exchange *x = &call->x;
  gh_peer peer = {.kind = GH_PEER_CREDENTIAL, .method = GH_METHOD_BROKER}, owned;
  x->peer = nobody_to_believe;
  if (gh_mqtt_credential_of_level(&x->arena, call->topic.originator, &peer.credential_id) != GH_OK) return;
  if (!call->enforces) {
    x->peer = (gh_peer){.kind = GH_PEER_NONE};
    return;
  }
  gh_peer_copy(&owned, &peer);
  /* registration alone: whoever is registered has a topic of its own for the rest */
  if (is_ae_registration(&x->request) && x->host->function->settle_peer)
    x->host->function->settle_peer(x->host, &owned);
  x->peer = (gh_peer){.kind = owned.kind,
                      .method = GH_METHOD_BROKER,
                      .id = gh_arena_dup(&x->arena, owned.id),
                      .credential_id = peer.credential_id,
                      .key_id = gh_arena_dup(&x->arena, owned.key_id)};
  gh_peer_clear(&owned);
}

/* ---- the request */

enum { RQI_MAX_BYTES = 256 };

/* Reads the payload; 2000, or the refusal. The rqi is taken as far as it can be read. */
static int read_payload(gh_mqtt_call *call, gh_diag *diag)
{
  gh_exchange *x = &call->x;
  gh_val *tree = NULL;
  if (gh_representation_decode(call->topic.representation, &x->arena, call->payload, &tree, diag) != GH_OK)
    return GH_RSC_BAD_REQUEST;
  if (gh_primitive_kind_of(tree) == GH_PRIMITIVE_RESPONSE) { /* answering it could go on for ever */
    gh_fail(diag, GH_ESYNTAX, "a response on a request topic");
    return GH_RSC_BAD_REQUEST;
  }
  int rsc = gh_request_from_tree(&x->arena, tree, &x->request, diag);
  if (x->request.rqi.len > RQI_MAX_BYTES) {
    gh_fail(diag, GH_ELIMIT, "rqi is longer than %d octets", RQI_MAX_BYTES);
    x->request.rqi = GH_STR_NONE;
    return GH_RSC_BAD_REQUEST;
  }
  x->request.content_type = x->request.accept = gh_media_type_of(call->topic.representation, GH_MEDIA_PLAIN);
  return rsc;
}

static void finish(gh_mqtt_call *call, gh_str payload)
{
  call->answer(call, payload);
  gh_exchange_clear(&call->x);
  free(call);
}

/*= TS-0010 6.5.2; TS-0010 6.5.3 in the serialization of the request */
static void on_answer(gh_exchange *x)
{
  gh_mqtt_call *call = x->owner;
  gh_buf out = GH_BUF_INIT;
  gh_representation representation = call->topic.representation;
  if (gh_response_write(representation, &out, &x->request, &x->response) != GH_OK) {
    /* stored text that does not convert: what was done is said, without it */
    gh_response bare = {.rsc = x->response.rsc};
    if (gh_response_write(representation, &out, &x->request, &bare) != GH_OK) gh_buf_clear(&out);
  }
  finish(call, gh_buf_str(&out));
  gh_buf_wipe_free(&out); /* keys may travel in Content */
}

static void refuse(gh_mqtt_call *call, int rsc, const gh_diag *diag)
{
  gh_exchange *x = &call->x;
  gh_refuse(x, rsc, "%s", diag->text);
  GH_LOG(&x->host->log, GH_LOG_INFO, call->is_over_share ? "over-share" : "malformed-request",
         GH_F("peer", x->address_text), GH_F("originator", call->topic.originator), GH_F("rsc", rsc),
         GH_F("reason", diag->text));
  x->response.rqi = x->request.rqi;
  if (gh_str_empty(x->request.rqi)) { /* nobody could tell what it answers */
    call->is_unreadable = true;
    finish(call, GH_STR_NONE);
    return;
  }
  on_answer(x);
}

static void drop_duplicate(gh_mqtt_call *call)
{
  GH_LOG(&call->x.host->log, GH_LOG_INFO, "duplicate-request", GH_F("peer", call->x.address_text),
         GH_F("originator", call->topic.originator), GH_F("rqi", call->x.request.rqi));
  call->is_duplicate = true;
  finish(call, GH_STR_NONE);
}

void gh_mqtt_call_run(gh_mqtt_call *call)
{
  gh_exchange *x = &call->x;
  gh_diag diag = {""};
  x->received_us = gh_host_now_us(x->host);
  int rsc = read_payload(call, &diag);
  if (rsc != GH_RSC_OK) {
    refuse(call, rsc, &diag);
    return;
  }
  if (call->is_over_share && gh_mqtt_seen_is_new(call->seen, &call->topic, x->request.rqi)) {
    gh_fail(&diag, GH_ELIMIT, "too many requests of this originator are under way");
    refuse(call, GH_RSC_INTERNAL_SERVER_ERROR, &diag);
    return;
  }
  /*= TS-0010 6.4.1 a message may be delivered again; it is performed once */
  if (!gh_mqtt_seen_add(call->seen, &call->topic, x->request.rqi)) {
    drop_duplicate(call);
    return;
  }
  if (call->topic.kind == GH_MQTT_REG_REQ)
    take_credential(call);
  else
    take_entity(call);
  /*= TS-0010 6.4.3 the gate checks rqet: the broker may have kept the request for long */
  gh_gate_submit(x);
}

gh_mqtt_call *gh_mqtt_call_new(const gh_mqtt_delivery *d)
{
  gh_mqtt_call *call = gh_calloc(1, sizeof *call);
  gh_exchange *x = &call->x;
  gh_arena_init(&x->arena);
  x->host = d->host;
  x->worker = d->worker;
  x->owner = call;
  x->done = on_answer;
  x->address_text = gh_arena_dup(&x->arena, d->broker);
  call->topic = *d->topic;
  call->topic.originator = gh_arena_dup(&x->arena, d->topic->originator);
  call->topic.receiver = gh_arena_dup(&x->arena, d->topic->receiver);
  call->payload = gh_arena_dup(&x->arena, d->payload);
  call->enforces = d->enforces;
  call->is_over_share = d->is_over_share;
  call->seen = d->seen;
  call->owner = d->owner;
  call->answer = d->answer;
  return call;
}
