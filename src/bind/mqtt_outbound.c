/* Calls on their way, over all workers, under one lock; a call ends on the worker where its caller waits. The thread
 * of the broker's connection only finds the call of a response. */
#include "bind/mqtt_outbound.h"

#include <pthread.h>
#include <stdlib.h>

#include "bind/mqtt_topic_codec.h"
#include "gatehouse/secret.h"
#include "m2m/m2m_time.h"
#include "m2m/primitive_tree.h"

enum { TICK_MS = 50, CALLS_MAX = 4096 };

typedef struct call { /* a call on its way */
  gh_task task;
  struct call *next;
  gh_mqtt_outbound *outbound;
  gh_outbound_call *call;
  gh_worker *home;
  gh_str rqi, level;                       /* as sent; in the arena of the call */
  gh_representation representation;        /* as sent */
  gh_buf payload;                          /* of the response */
  gh_representation answer_representation; /* as its topic says */
} call;

typedef struct shard { /* what belongs to one worker */
  gh_mqtt_outbound *outbound;
  gh_worker *worker;
  uv_timer_t tick;
} shard;

struct gh_mqtt_outbound {
  gh_mqtt_outbound_options options;
  gh_mqtt_server *server;
  gh_arena arena;
  gh_str self; /* level */
  shard *shards;
  pthread_mutex_t lock; /* of what follows */
  call *calls;
  size_t call_count;
  bool stopping;
};

static void finish(call *c, gh_err err)
{
  gh_outbound_call *out = c->call;
  out->err = err;
  GH_LOG(c->outbound->options.log, err == GH_OK ? GH_LOG_INFO : GH_LOG_WARN, "outgoing-request",
         GH_F("entity", out->entity), GH_F("binding", "mqtt"), GH_F("op", gh_op_name((int)out->request.op)),
         GH_F("to", out->request.to), GH_F("rqi", out->request.rqi),
         GH_F("serialization", gh_representation_name(gh_media_representation(out->request.content_type))),
         GH_F("result", gh_err_name(err)), GH_F("rsc", err == GH_OK ? out->response.rsc : 0));
  gh_buf_wipe_free(&c->payload); /* keys may travel in Content */
  free(c);
  out->done(out);
}

/* ---- a response */

/*= TS-0010 6.5.2; TS-0010 6.5.3 in the serialization that its topic names */
static void read_response(gh_task *task)
{
  call *c = (call *)(void *)((char *)task - offsetof(call, task));
  gh_outbound_call *out = c->call;
  gh_val *tree = NULL;
  gh_diag diag = {""};
  gh_str octets = gh_arena_dup(&out->arena, gh_buf_str(&c->payload));
  gh_err err = gh_representation_decode(c->answer_representation, &out->arena, octets, &tree, &diag);
  if (err == GH_OK) err = gh_response_from_tree(tree, &out->response, &diag);
  out->response.rqi = out->request.rqi;
  finish(c, err == GH_OK ? GH_OK : GH_EPROTO);
}

static bool rqi_of(gh_representation representation, gh_str payload, gh_arena *arena, gh_str *rqi)
{
  gh_val *tree = NULL;
  gh_diag diag;
  return gh_representation_decode(representation, arena, payload, &tree, &diag) == GH_OK &&
         gh_primitive_kind_of(tree) == GH_PRIMITIVE_RESPONSE && gh_val_get_str(tree, GH_STR("rqi"), rqi);
}

/* Only the entity that was asked can answer: its level stands in the topic. */
static call *take_call(gh_mqtt_outbound *o, gh_str level, gh_str rqi)
{
  call *found = NULL;
  pthread_mutex_lock(&o->lock);
  for (call **at = &o->calls; *at && !found; at = &(*at)->next) {
    if (!gh_str_eq((*at)->rqi, rqi) || !gh_str_eq((*at)->level, level)) continue;
    found = *at;
    *at = found->next;
    o->call_count--;
    break;
  }
  pthread_mutex_unlock(&o->lock);
  return found;
}

/* On the thread of the broker's connection. */
static void on_response(void *ctx, const gh_mqtt_topic *topic, gh_str payload)
{
  gh_mqtt_outbound *o = ctx;
  gh_arena arena;
  gh_str rqi = GH_STR_NONE;
  gh_arena_init(&arena);
  bool readable = gh_str_eq(topic->originator, o->self) &&
                  rqi_of(topic->representation, gh_arena_dup(&arena, payload), &arena, &rqi);
  call *c = readable ? take_call(o, topic->receiver, rqi) : NULL;
  if (!c)
    GH_LOG(o->options.log, GH_LOG_INFO, "unexpected-response", GH_F("peer", "mqtt"),
           GH_F("receiver", topic->receiver));
  gh_arena_free(&arena);
  if (!c) return;
  gh_buf_add(&c->payload, payload);
  c->answer_representation = topic->representation;
  c->task.run = read_response;
  gh_loop_post(c->home->loop, &c->task);
}

/* ---- sending */

/* The broker may keep a request for long: it bears its end. An rqi of our own, because the receiver takes two
 * requests of the same rqi for one, and callers choose alike. */ /*= TS-0010 6.4.1; TS-0010 6.4.3 */
static gh_err prepare(gh_mqtt_outbound *o, call *c, gh_buf *payload)
{
  gh_outbound_call *out = c->call;
  gh_request request = out->request;
  GH_TRY(gh_random_id(&o->options.random, &out->arena, GH_STR("q"), 10, &c->rqi));
  request.rqi = c->rqi;
  if (gh_str_empty(request.rqet)) {
    int64_t left_us = out->deadline_us - gh_clock_mono_us(&c->home->clock);
    request.rqet = gh_timestamp(&out->arena, gh_clock_wall_us(&c->home->clock) + left_us + GH_US_PER_S);
  }
  c->representation = gh_media_representation(request.content_type);
  gh_representation_encode(c->representation, payload, gh_request_to_tree(&out->arena, &request));
  return GH_OK;
}

static bool enter(gh_mqtt_outbound *o, call *c)
{
  pthread_mutex_lock(&o->lock);
  bool enters = !o->stopping && o->call_count < CALLS_MAX;
  if (enters) {
    c->next = o->calls;
    o->calls = c;
    o->call_count++;
  }
  pthread_mutex_unlock(&o->lock);
  return enters;
}

/*= TS-0010 6.4.2 */
static void publish(gh_mqtt_outbound *o, call *c)
{
  gh_buf payload = GH_BUF_INIT;
  gh_err err = prepare(o, c, &payload);
  const gh_mqtt_topic topic = {
      .kind = GH_MQTT_REQ, .originator = o->self, .receiver = c->level, .representation = c->representation};
  gh_str text = gh_mqtt_topic_write(&c->call->arena, o->options.prefix, &topic), rqi = c->rqi, level = c->level;
  if (err == GH_OK && !enter(o, c)) err = GH_ELIMIT;
  if (err != GH_OK) {
    finish(c, err);
  } else if (!gh_mqtt_server_publish(o->server, text, gh_buf_str(&payload))) {
    c = take_call(o, level, rqi);
    if (c) finish(c, GH_ECONN);
  }
  gh_buf_wipe_free(&payload);
}

static bool is_ours(const gh_mqtt_outbound *o, gh_str entity)
{
  for (size_t i = 0; i < o->options.entity_count; i++)
    if (gh_str_eq(o->options.entities[i], entity)) return true;
  return o->options.reaches && o->options.reaches(o->options.ctx, entity);
}

/* `id`: as its level names it. */
static void send_to(gh_mqtt_outbound *o, gh_worker *worker, gh_outbound_call *out, gh_str id)
{
  call *c = gh_calloc(1, sizeof *c);
  *c = (call){.outbound = o, .call = out, .home = worker};
  if (gh_mqtt_level_of_id(&out->arena, id, &c->level) != GH_OK)
    finish(c, GH_EINVAL);
  else
    publish(o, c);
}

static void send_call(void *ctx, gh_worker *worker, gh_outbound_call *out)
{
  gh_mqtt_outbound *o = ctx;
  if (!is_ours(o, out->entity)) {
    o->options.next.send(o->options.next.ctx, worker, out);
    return;
  }
  send_to(o, worker, out, gh_id_sp_relative(&o->options.self, out->entity));
}

/*= TS-0010 6.4.2; TS-0010 7.4 an AE of this host is named by its stem, as in the list of the broker */
static void send_to_ae(void *ctx, gh_worker *worker, gh_outbound_call *out)
{
  gh_mqtt_outbound *o = ctx;
  send_to(o, worker, out, gh_id_relative(&out->arena, &o->options.self, out->entity));
}

/* ---- time, and the end */

static void end_calls(gh_mqtt_outbound *o, const gh_worker *home, int64_t now, gh_err err)
{
  call *late = NULL;
  pthread_mutex_lock(&o->lock);
  for (call **at = &o->calls; *at;) {
    call *c = *at;
    if (c->home != home || c->call->deadline_us > now) {
      at = &c->next;
      continue;
    }
    *at = c->next;
    o->call_count--;
    c->next = late;
    late = c;
  }
  pthread_mutex_unlock(&o->lock);
  for (call *next; late; late = next) {
    next = late->next;
    finish(late, err);
  }
}

static void on_tick(uv_timer_t *timer)
{
  const shard *s = timer->data;
  end_calls(s->outbound, s->worker, gh_clock_mono_us(&s->worker->clock), GH_ETIMEOUT);
}

static void start_shard(void *arg)
{
  shard *s = arg;
  uv_timer_init(s->worker->uv, &s->tick);
  s->tick.data = s;
  uv_timer_start(&s->tick, on_tick, TICK_MS, TICK_MS);
}

static void stop_shard(void *arg)
{
  shard *s = arg;
  uv_close((uv_handle_t *)&s->tick, NULL);
  end_calls(s->outbound, s->worker, INT64_MAX, GH_ECONN);
}

/* ---- life */

gh_err gh_mqtt_outbound_new(const gh_mqtt_outbound_options *options, gh_mqtt_outbound **out)
{
  gh_mqtt_outbound *o = gh_calloc(1, sizeof *o);
  o->options = *options;
  gh_arena_init(&o->arena);
  pthread_mutex_init(&o->lock, NULL);
  gh_str id = gh_arena_fmt(&o->arena, "/%.*s", GH_STR_ARG(options->self.cse_id));
  gh_err err = gh_mqtt_level_of_id(&o->arena, id, &o->self);
  if (err != GH_OK) {
    gh_mqtt_outbound_free(o);
    return err;
  }
  o->shards = gh_calloc(options->worker_count, sizeof *o->shards);
  for (size_t i = 0; i < options->worker_count; i++) {
    o->shards[i] = (shard){.outbound = o, .worker = options->workers[i]};
    gh_loop_call(options->workers[i]->loop, start_shard, &o->shards[i]);
  }
  *out = o;
  return GH_OK;
}

gh_outbound gh_mqtt_outbound_port(gh_mqtt_outbound *outbound)
{
  return (gh_outbound){outbound, send_call};
}

gh_outbound gh_mqtt_outbound_ae_port(gh_mqtt_outbound *outbound)
{
  return (gh_outbound){outbound, send_to_ae};
}

bool gh_mqtt_outbound_is_open(gh_mqtt_outbound *outbound)
{
  return outbound && outbound->server && gh_mqtt_server_is_connected(outbound->server);
}

static uint32_t waiting(void *ctx)
{
  gh_mqtt_outbound *o = ctx;
  pthread_mutex_lock(&o->lock);
  uint32_t count = (uint32_t)o->call_count;
  pthread_mutex_unlock(&o->lock);
  return count;
}

gh_mqtt_responses gh_mqtt_outbound_responses(gh_mqtt_outbound *outbound)
{
  return outbound ? (gh_mqtt_responses){outbound, on_response, waiting} : (gh_mqtt_responses){.take = NULL};
}

void gh_mqtt_outbound_use(gh_mqtt_outbound *outbound, gh_mqtt_server *server)
{
  if (outbound) outbound->server = server;
}

void gh_mqtt_outbound_stop(gh_mqtt_outbound *o)
{
  if (!o) return;
  pthread_mutex_lock(&o->lock);
  o->stopping = true;
  pthread_mutex_unlock(&o->lock);
  for (size_t i = 0; i < o->options.worker_count; i++)
    gh_loop_call(o->shards[i].worker->loop, stop_shard, &o->shards[i]);
}

void gh_mqtt_outbound_free(gh_mqtt_outbound *o)
{
  if (!o) return;
  pthread_mutex_destroy(&o->lock);
  gh_arena_free(&o->arena);
  free(o->shards);
  free(o);
}
