/* Who is connected, by entity, over all workers; the calls of each connection; pings. A call from another worker
 * travels to the one of the connection and back. The lock guards the lists of peers and their names, nothing else. */
#include "bind/ws_outbound.h"

#include <pthread.h>
#include <stdlib.h>

#include "m2m/primitive_tree.h"

enum { TICK_MS = 50, CALLS_PER_PEER = 256 };

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
  gh_ws_peer *peers; /* the newest name first */
  uv_timer_t tick;
  bool stopping;
} shard;

struct gh_ws_outbound {
  gh_outbound next;
  shard *shards; /* by index of the worker */
  size_t shard_count;
  const gh_log *log;
  pthread_mutex_t lock;
};

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

static gh_ws_call *take_call(gh_ws_peer *peer, gh_str rqi)
{
  for (gh_ws_call **at = &peer->calls; *at; at = &(*at)->next) {
    gh_ws_call *c = *at;
    if (!gh_str_eq(c->rqi, rqi)) continue;
    *at = c->next;
    peer->call_count--;
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
  peer->call_count++;
  gh_err err = peer->send(peer, &request);
  if (err == GH_OK) return; /* the peer, and the call with it, may have gone */
  take_call(peer, c->rqi);
  finish(c, worker, err);
}

/* The lock is held. What is found stays until its worker lets it go. */
static gh_ws_peer *peer_of(const shard *s, gh_str entity)
{
  gh_ws_peer *peer = s->peers;
  while (peer && !(peer->entity.len && gh_str_eq(peer->entity, entity))) peer = peer->next;
  return peer;
}

static void on_arrival(gh_task *task)
{
  gh_ws_call *c = (gh_ws_call *)(void *)((char *)task - offsetof(gh_ws_call, task));
  pthread_mutex_lock(&c->outbound->lock);
  gh_ws_peer *peer = c->there->stopping ? NULL : peer_of(c->there, c->call->entity);
  pthread_mutex_unlock(&c->outbound->lock);
  if (peer)
    send_to(peer, c);
  else
    finish(c, c->there->worker, GH_ECONN);
}

/* Where the entity is connected: here, if also here. */
static shard *find_shard(gh_ws_outbound *outbound, const gh_worker *worker, gh_str entity)
{
  shard *found = NULL;
  pthread_mutex_lock(&outbound->lock);
  for (size_t i = 0; i < outbound->shard_count; i++) {
    shard *s = &outbound->shards[(worker->index + i) % outbound->shard_count];
    if (!s->peers || !peer_of(s, entity)) continue;
    found = s;
    break;
  }
  pthread_mutex_unlock(&outbound->lock);
  return found;
}

static void send_call(void *ctx, gh_worker *worker, gh_outbound_call *call)
{
  gh_ws_outbound *outbound = ctx;
  shard *there = find_shard(outbound, worker, call->entity);
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

static shard *shard_of(gh_ws_outbound *outbound, const gh_ws_peer *peer)
{
  return &outbound->shards[peer->worker->index];
}

static void link_out(shard *s, const gh_ws_peer *peer)
{
  gh_ws_peer **at = &s->peers;
  while (*at && *at != peer) at = &(*at)->next;
  if (*at) *at = peer->next;
}

static void link_in(shard *s, gh_ws_peer *peer)
{
  peer->next = s->peers;
  s->peers = peer;
}

/* Half of the time after which a silent connection ends; 0: it never does. */
static int64_t ping_every_us(const gh_worker *worker)
{
  return (int64_t)worker->limits.idle_ms * 1000 / 2;
}

void gh_ws_outbound_enter(gh_ws_outbound *outbound, gh_ws_peer *peer)
{
  peer->ping_at_us = gh_clock_mono_us(&peer->worker->clock) + ping_every_us(peer->worker);
  pthread_mutex_lock(&outbound->lock);
  link_in(shard_of(outbound, peer), peer);
  pthread_mutex_unlock(&outbound->lock);
}

/* A newer connection of the same entity: the older one may be half open. */
static void forget_name(gh_ws_outbound *outbound, gh_str entity)
{
  for (size_t i = 0; i < outbound->shard_count; i++) {
    gh_ws_peer *older = peer_of(&outbound->shards[i], entity);
    if (older) gh_str_release(&older->entity);
  }
}

/*= TS-0020 5.2 one connection between two nodes: the last */
void gh_ws_outbound_name(gh_ws_outbound *outbound, gh_ws_peer *peer, gh_str entity)
{
  if (peer->named) return;
  peer->named = true;
  pthread_mutex_lock(&outbound->lock);
  forget_name(outbound, entity);
  peer->entity = gh_str_clone(entity);
  pthread_mutex_unlock(&outbound->lock);
}

bool gh_ws_outbound_answer(gh_ws_outbound *outbound, gh_ws_peer *peer, gh_val *tree)
{
  (void)outbound;
  gh_str rqi = GH_STR_NONE;
  gh_diag diag = {""};
  gh_ws_call *c = gh_val_get_str(tree, GH_STR("rqi"), &rqi) ? take_call(peer, rqi) : NULL;
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
  peer->call_count = 0;
  pthread_mutex_lock(&outbound->lock);
  link_out(shard_of(outbound, peer), peer);
  gh_str_release(&peer->entity);
  pthread_mutex_unlock(&outbound->lock);
  finish_all(calls, peer->worker, GH_ECONN);
}

/* ---- time */

static void collect_late(gh_ws_peer *peer, int64_t now, gh_ws_call **late)
{
  gh_ws_call **at = &peer->calls;
  while (*at) {
    gh_ws_call *c = *at;
    if (c->call->deadline_us > now) {
      at = &c->next;
      continue;
    }
    *at = c->next;
    peer->call_count--;
    c->next = *late;
    *late = c;
  }
}

/* A peer that is gone without a word answers no ping, and the idle limit ends its connection. */ /*= RFC 6455 5.5.2
                                                                                                   */
static void ping_one(const shard *s, int64_t now)
{
  int64_t every = ping_every_us(s->worker);
  if (!every) return;
  for (gh_ws_peer *peer = s->peers; peer; peer = peer->next) {
    if (peer->ping_at_us > now) continue;
    peer->ping_at_us = now + every;
    peer->ping(peer); /* may end the connection: the list has changed, the rest is seen at the next tick */
    return;
  }
}

static void on_tick(uv_timer_t *timer)
{
  const shard *s = timer->data;
  int64_t now = gh_clock_mono_us(&s->worker->clock);
  gh_ws_call *late = NULL;
  for (gh_ws_peer *peer = s->peers; peer; peer = peer->next) collect_late(peer, now, &late);
  finish_all(late, s->worker, GH_ETIMEOUT);
  ping_one(s, now);
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
  for (gh_ws_peer *peer = s->peers, *next; peer; peer = next) {
    next = peer->next;
    peer->leave(peer);
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
