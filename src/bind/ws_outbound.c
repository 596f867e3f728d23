/* Who is connected, by entity, over all workers; the calls of each connection; pings. A call from another worker
 * travels to the one of the connection and back. The lock guards the table of names; everything else belongs to the
 * worker of its connection. */
#include "bind/ws_outbound.h"

#include <pthread.h>
#include <stdlib.h>

#include "m2m/primitive_tree.h"

enum { TICK_MS = 50, CALLS_PER_PEER = 256, PLACES = 4096 };

typedef enum list_kind { ALL, BUSY } list_kind; /* BUSY: with calls, looked through for deadlines */

typedef struct list {
  gh_ws_peer *first, *last;
} list;

struct gh_ws_call { /* a call on its way */
  gh_task task;
  gh_ws_call *next;
  gh_ws_outbound *outbound;
  gh_outbound_call *call;
  gh_worker *home;     /* where the caller waits */
  struct shard *there; /* where the connection is */
  gh_str rqi;          /* as sent; in the arena of the call */
};

typedef struct shard { /* what belongs to one worker */
  gh_ws_outbound *outbound;
  gh_worker *worker;
  list lists[2]; /* ALL: in the order in which they are to be pinged */
  uv_timer_t tick;
  bool stopping;
} shard;

struct gh_ws_outbound {
  gh_outbound next;
  shard *shards; /* by index of the worker */
  size_t shard_count;
  const gh_log *log;
  pthread_mutex_t lock;
  gh_ws_peer *places[PLACES]; /* by name */
};

/* ---- lists */

static void append(shard *s, list_kind kind, gh_ws_peer *peer)
{
  list *l = &s->lists[kind];
  peer->in[kind].next = NULL;
  peer->in[kind].prev = l->last;
  if (l->last)
    l->last->in[kind].next = peer;
  else
    l->first = peer;
  l->last = peer;
}

static void take_out(shard *s, list_kind kind, gh_ws_peer *peer)
{
  list *l = &s->lists[kind];
  gh_ws_peer *next = peer->in[kind].next, *prev = peer->in[kind].prev;
  if (prev)
    prev->in[kind].next = next;
  else
    l->first = next;
  if (next)
    next->in[kind].prev = prev;
  else
    l->last = prev;
}

static shard *shard_of(gh_ws_outbound *outbound, const gh_ws_peer *peer)
{
  return &outbound->shards[peer->worker->index];
}

/* ---- names; the lock is held */

static gh_ws_peer **place_of(gh_ws_outbound *outbound, gh_str entity)
{
  uint32_t h = 2166136261u; /* FNV-1a; only entities that were authenticated come in here */
  for (size_t i = 0; i < entity.len; i++) h = (h ^ (uint8_t)entity.ptr[i]) * 16777619u;
  gh_ws_peer **at = &outbound->places[h % PLACES];
  while (*at && !gh_str_eq((*at)->entity, entity)) at = &(*at)->same_place;
  return at;
}

static void forget_name(gh_ws_outbound *outbound, gh_ws_peer *peer)
{
  if (!peer->entity.len) return;
  gh_ws_peer **at = place_of(outbound, peer->entity);
  while (*at && *at != peer) at = &(*at)->same_place;
  if (*at) *at = peer->same_place;
  gh_str_release(&peer->entity);
}

/* ---- the end of a call */

static void done_task(gh_task *task)
{
  gh_ws_call *c = (gh_ws_call *)(void *)((char *)task - offsetof(gh_ws_call, task));
  gh_outbound_call *call = c->call;
  free(c);
  call->done(call);
}

static void finish(gh_ws_call *c, const gh_worker *here, gh_err err)
{
  gh_outbound_call *call = c->call;
  call->err = err;
  GH_LOG(c->outbound->log, err == GH_OK ? GH_LOG_INFO : GH_LOG_WARN, "outgoing-request", GH_F("entity", call->entity),
         GH_F("op", gh_op_name((int)call->request.op)), GH_F("to", call->request.to), GH_F("rqi", call->request.rqi),
         GH_F("result", gh_err_name(err)), GH_F("rsc", err == GH_OK ? call->response.rsc : 0));
  c->task.run = done_task;
  if (here == c->home)
    done_task(&c->task);
  else
    gh_loop_post(c->home->loop, &c->task);
}

static void count_calls(gh_ws_outbound *outbound, gh_ws_peer *peer, size_t now)
{
  shard *s = shard_of(outbound, peer);
  if (!peer->call_count && now) append(s, BUSY, peer);
  if (peer->call_count && !now) take_out(s, BUSY, peer);
  peer->call_count = now;
}

static gh_ws_call *take_call(gh_ws_outbound *outbound, gh_ws_peer *peer, gh_str rqi)
{
  for (gh_ws_call **at = &peer->calls; *at; at = &(*at)->next) {
    gh_ws_call *c = *at;
    if (!gh_str_eq(c->rqi, rqi)) continue;
    *at = c->next;
    count_calls(outbound, peer, peer->call_count - 1);
    return c;
  }
  return NULL;
}

/* ---- sending, on the worker of the connection */

static bool in_use(const gh_ws_peer *peer, gh_str rqi)
{
  for (const gh_ws_call *c = peer->calls; c; c = c->next)
    if (gh_str_eq(c->rqi, rqi)) return true;
  return false;
}

/* The peer must be able to tell our requests apart, whoever made them. */ /*= TS-0001 8.1.2 */
static void choose_rqi(gh_ws_peer *peer, gh_ws_call *c)
{
  gh_str own = c->call->request.rqi;
  c->rqi = own;
  while (in_use(peer, c->rqi))
    c->rqi = gh_arena_fmt(&c->call->arena, "%.*s-%llu", GH_STR_ARG(own), (unsigned long long)++peer->renamed);
}

static void send_to(gh_ws_peer *peer, gh_ws_call *c)
{
  gh_worker *worker = peer->worker;
  if (peer->call_count >= CALLS_PER_PEER) {
    finish(c, worker, GH_ELIMIT);
    return;
  }
  choose_rqi(peer, c);
  gh_request request = c->call->request;
  request.rqi = c->rqi;
  c->next = peer->calls;
  peer->calls = c;
  count_calls(c->outbound, peer, peer->call_count + 1);
  gh_err err = peer->send(peer, &request);
  if (err == GH_OK) return; /* the peer, and the call with it, may have gone */
  take_call(c->outbound, peer, c->rqi);
  finish(c, worker, err);
}

/*= TS-0003 8.2.1 the connection may be older than the registration: the AE-ID may be another's by now */
static bool stands_for(gh_ws_peer *peer, const gh_outbound_call *call)
{
  return gh_str_empty(call->credential_id) || peer->bears(peer, call->credential_id);
}

static void on_arrival(gh_task *task)
{
  gh_ws_call *c = (gh_ws_call *)(void *)((char *)task - offsetof(gh_ws_call, task));
  pthread_mutex_lock(&c->outbound->lock);
  gh_ws_peer *peer = *place_of(c->outbound, c->call->entity);
  pthread_mutex_unlock(&c->outbound->lock);
  bool ours = peer && peer->worker == c->there->worker && !c->there->stopping; /* it stays while we are here */
  if (ours && stands_for(peer, c->call))
    send_to(peer, c);
  else
    finish(c, c->there->worker, GH_ECONN);
}

static shard *find_shard(gh_ws_outbound *outbound, gh_str entity)
{
  pthread_mutex_lock(&outbound->lock);
  const gh_ws_peer *peer = *place_of(outbound, entity);
  shard *there = peer ? shard_of(outbound, peer) : NULL;
  pthread_mutex_unlock(&outbound->lock);
  return there;
}

static void send_call(void *ctx, gh_worker *worker, gh_outbound_call *call)
{
  gh_ws_outbound *outbound = ctx;
  shard *there = find_shard(outbound, call->entity);
  if (!there && outbound->next.send) {
    outbound->next.send(outbound->next.ctx, worker, call);
    return;
  }
  if (!there) {
    call->err = GH_ENOTFOUND;
    call->done(call);
    return;
  }
  gh_ws_call *c = gh_calloc(1, sizeof *c);
  *c = (gh_ws_call){.outbound = outbound, .call = call, .home = worker, .there = there};
  c->task.run = on_arrival;
  if (there->worker == worker)
    on_arrival(&c->task);
  else
    gh_loop_post(there->worker->loop, &c->task);
}

/* ---- what the session tells */

/* Half of the time after which a silent connection ends; 0: it never does. */
static int64_t ping_every_us(const gh_worker *worker)
{
  return (int64_t)worker->limits.idle_ms * 1000 / 2;
}

void gh_ws_outbound_enter(gh_ws_outbound *outbound, gh_ws_peer *peer)
{
  peer->ping_at_us = gh_clock_mono_us(&peer->worker->clock) + ping_every_us(peer->worker);
  append(shard_of(outbound, peer), ALL, peer);
}

/*= TS-0020 5.2 one connection between two nodes: the last, for an older one may be half open. When the last one goes,
 * one that still stands is found again. */
void gh_ws_outbound_name(gh_ws_outbound *outbound, gh_ws_peer *peer, gh_str entity)
{
  if (peer->named) return;
  peer->named = true;
  pthread_mutex_lock(&outbound->lock);
  gh_ws_peer **at = place_of(outbound, entity);
  peer->entity = gh_str_clone(entity);
  peer->same_place = *at;
  *at = peer;
  pthread_mutex_unlock(&outbound->lock);
}

bool gh_ws_outbound_answer(gh_ws_outbound *outbound, gh_ws_peer *peer, gh_val *tree)
{
  gh_str rqi = GH_STR_NONE;
  gh_diag diag = {""};
  gh_ws_call *c = gh_val_get_str(tree, GH_STR("rqi"), &rqi) ? take_call(outbound, peer, rqi) : NULL;
  if (!c) return false;
  gh_outbound_call *call = c->call;
  gh_err err = gh_response_from_tree(gh_val_copy(&call->arena, tree), &call->response, &diag);
  call->response.rqi = call->request.rqi;
  finish(c, peer->worker, err == GH_OK ? GH_OK : GH_EPROTO);
  return true;
}

static void finish_all(gh_ws_call *calls, const gh_worker *here, gh_err err)
{
  for (gh_ws_call *next; calls; calls = next) {
    next = calls->next;
    finish(calls, here, err);
  }
}

void gh_ws_outbound_gone(gh_ws_outbound *outbound, gh_ws_peer *peer)
{
  gh_ws_call *calls = peer->calls;
  peer->calls = NULL;
  count_calls(outbound, peer, 0);
  take_out(shard_of(outbound, peer), ALL, peer);
  pthread_mutex_lock(&outbound->lock);
  forget_name(outbound, peer);
  pthread_mutex_unlock(&outbound->lock);
  finish_all(calls, peer->worker, GH_ECONN);
}

/* ---- time */

static void collect_late(gh_ws_outbound *outbound, gh_ws_peer *peer, int64_t now, gh_ws_call **late)
{
  gh_ws_call **at = &peer->calls;
  size_t left = peer->call_count;
  while (*at) {
    gh_ws_call *c = *at;
    if (c->call->deadline_us > now) {
      at = &c->next;
      continue;
    }
    *at = c->next;
    left--;
    c->next = *late;
    *late = c;
  }
  count_calls(outbound, peer, left);
}

/* A peer that is gone without a word answers no ping, and the idle limit ends its connection. */ /*= RFC 6455 5.5.2
                                                                                                   */
static void ping_silent(shard *s, int64_t now)
{
  int64_t every = ping_every_us(s->worker);
  gh_ws_peer *peer;
  while (every && (peer = s->lists[ALL].first) && peer->ping_at_us <= now) {
    peer->ping_at_us = now + every;
    take_out(s, ALL, peer);
    append(s, ALL, peer);
    peer->ping(peer); /* may end the connection */
  }
}

static void on_tick(uv_timer_t *timer)
{
  shard *s = timer->data;
  int64_t now = gh_clock_mono_us(&s->worker->clock);
  gh_ws_call *late = NULL;
  for (gh_ws_peer *peer = s->lists[BUSY].first, *next; peer; peer = next) {
    next = peer->in[BUSY].next;
    collect_late(s->outbound, peer, now, &late);
  }
  finish_all(late, s->worker, GH_ETIMEOUT);
  ping_silent(s, now);
}

/* ---- life */

static void start_shard(void *arg)
{
  shard *s = arg;
  uv_timer_init(s->worker->uv, &s->tick);
  s->tick.data = s;
  uv_timer_start(&s->tick, on_tick, TICK_MS, TICK_MS);
}

gh_ws_outbound *gh_ws_outbound_new(gh_outbound next, gh_worker *const *workers, size_t worker_count,
                                   const gh_log *log)
{
  gh_ws_outbound *outbound = gh_calloc(1, sizeof *outbound);
  outbound->next = next;
  outbound->log = log;
  outbound->shard_count = worker_count;
  outbound->shards = gh_calloc(worker_count, sizeof *outbound->shards);
  pthread_mutex_init(&outbound->lock, NULL);
  for (size_t i = 0; i < worker_count; i++) {
    outbound->shards[i] = (shard){.outbound = outbound, .worker = workers[i]};
    gh_loop_call(workers[i]->loop, start_shard, &outbound->shards[i]);
  }
  return outbound;
}

gh_outbound gh_ws_outbound_port(gh_ws_outbound *outbound)
{
  return (gh_outbound){outbound, send_call};
}

static void stop_shard(void *arg)
{
  shard *s = arg;
  s->stopping = true;
  uv_close((uv_handle_t *)&s->tick, NULL);
  for (gh_ws_peer *peer; (peer = s->lists[ALL].first) && !peer->leaves;) {
    peer->leaves = true;
    take_out(s, ALL, peer);
    append(s, ALL, peer);
    peer->leave(peer); /* may end the connection and its calls, and with an answer that cannot be sent, others */
  }
}

void gh_ws_outbound_stop(gh_ws_outbound *outbound)
{
  if (!outbound) return;
  for (size_t i = 0; i < outbound->shard_count; i++)
    gh_loop_call(outbound->shards[i].worker->loop, stop_shard, &outbound->shards[i]);
}

void gh_ws_outbound_free(gh_ws_outbound *outbound)
{
  if (!outbound) return;
  pthread_mutex_destroy(&outbound->lock);
  free(outbound->shards);
  free(outbound);
}
