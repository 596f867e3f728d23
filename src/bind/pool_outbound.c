/* The way of calls to their peers, whatever they are written in. Calls to one peer wait in order until one of its
 * connections is free. A kept connection that the peer closed meanwhile costs a question one silent retry on a new
 * one. Everything of a pool happens on its worker. */
#include "bind/pool_outbound.h"

#include <stdlib.h>

#include "crypto/kdf.h"
#include "link/dtls.h"

enum { CONNECTIONS_PER_PEER = 4, WAITING_MAX = 4096, TICK_MS = 50 };
/* Over datagrams nobody says that a peer was killed: what was not heard of for so long is pinged before it is used,
 * and while it owes an answer to a question. */
#define GH_TRUST_US (2 * GH_US_PER_S)
#define GH_PING_US (GH_US_PER_S / 2)
enum { PINGS_MAX = 3 };

typedef struct pending { /* a call on its way */
  struct pending *next;
  gh_outbound_call *call;
  const gh_outbound_binding *binding; /* that it was sent over; NULL: it was not */
  bool retried;
} pending;

typedef struct lane { /* one connection to a peer */
  struct lane *next;
  struct peer_pool *pool;
  const gh_outbound_binding *binding;
  gh_conn *conn;
  void *state;      /* of the binding */
  bool ready, used; /* used: answered at least one call */
  size_t choice;    /* of the peer's addresses */
  bool leaving;     /* closing: takes no further call */
  bool checking;    /* pinged: `current` is not sent yet */
  bool doubted;     /* pinged: `current` is a question without an answer */
  int pings;
  int64_t sent_us;           /* mono: `current` */
  int64_t heard_us, ping_us; /* mono: of the peer last; next ping, or the end of waiting */
  pending *current;
} lane;

typedef struct peer_pool {
  const gh_outbound_peer *peer;
  struct worker_pool *worker_pool;
  lane *lanes;
  size_t lane_count;
  pending *first, *last;
  size_t waiting;
  size_t choice;          /* of the peer's addresses: the one that is tried, or was good */
  struct peer_pool *next; /* of those that were found later */
} peer_pool;

typedef struct worker_pool {
  gh_pool_outbound *outbound;
  gh_worker *worker;
  peer_pool *peers;
  peer_pool *found; /* not among the peers that were there at the start */
  uv_timer_t tick;
  bool stopping;
} worker_pool;

struct gh_pool_outbound {
  const gh_outbound_peer *peers;
  size_t peer_count, worker_count;
  worker_pool *pools; /* by index of the worker */
  const gh_log *log;
  const gh_outbound_peer *(*find)(void *ctx, gh_str entity);
  void *find_ctx;
};

/* Every pool of a worker, one after the other: NULL begins and ends. */
static peer_pool *next_pool(const worker_pool *wp, const peer_pool *pool)
{
  size_t count = wp->outbound->peer_count;
  if (!pool) return count ? wp->peers : wp->found;
  if (pool >= wp->peers && pool < wp->peers + count)
    return pool + 1 < wp->peers + count ? wp->peers + (pool - wp->peers) + 1 : wp->found;
  return pool->next;
}

static void pump(peer_pool *pool);

static const gh_outbound_binding *binding_of(const peer_pool *pool)
{
  return pool->peer->binding ? pool->peer->binding : &gh_http_outbound;
}

static void finish(peer_pool *pool, pending *p, gh_err err)
{
  gh_outbound_call *call = p->call;
  call->err = err;
  GH_LOG(pool->worker_pool->outbound->log, err == GH_OK ? GH_LOG_INFO : GH_LOG_WARN, "outgoing-request",
         GH_F("entity", call->entity), GH_F("binding", (p->binding ? p->binding : binding_of(pool))->name),
         GH_F("op", gh_op_name((int)call->request.op)), GH_F("to", call->request.to), GH_F("rqi", call->request.rqi),
         GH_F("serialization", gh_representation_name(gh_media_representation(call->request.content_type))),
         GH_F("result", gh_err_name(err)), GH_F("rsc", err == GH_OK ? call->response.rsc : 0));
  free(p);
  call->done(call);
}

static void enqueue(peer_pool *pool, pending *p, bool front)
{
  p->next = front ? pool->first : NULL;
  if (front) {
    pool->first = p;
    if (!pool->last) pool->last = p;
  } else {
    if (pool->last)
      pool->last->next = p;
    else
      pool->first = p;
    pool->last = p;
  }
  pool->waiting++;
}

static pending *dequeue(peer_pool *pool)
{
  pending *p = pool->first;
  if (!p) return NULL;
  pool->first = p->next;
  if (!pool->first) pool->last = NULL;
  pool->waiting--;
  return p;
}

static int64_t now_of(const peer_pool *pool)
{
  return gh_clock_mono_us(&pool->worker_pool->worker->clock);
}

static void send_on(lane *l, pending *p)
{
  l->current = p;
  l->sent_us = now_of(l->pool);
  p->binding = l->binding;
  gh_err err = l->binding->ask(l->state, l->conn, p->call);
  if (err == GH_OK) return;
  l->current = NULL;
  finish(l->pool, p, err);
}

static void ping(lane *l)
{
  l->pings++;
  l->ping_us = now_of(l->pool) + GH_PING_US;
  l->binding->ping(l->state);
}

/* A peer that lost its associations does not answer what is sent over them, and nobody could tell whether it was
 * performed: so the call waits until the peer has shown that it is there. */
static void use(lane *l, pending *p)
{
  bool trusted = !l->binding->ping || now_of(l->pool) < l->heard_us + GH_TRUST_US;
  if (trusted) {
    send_on(l, p);
    return;
  }
  l->current = p;
  l->checking = true;
  l->pings = 0;
  ping(l);
}

static void on_ready(gh_conn *conn, void *ctx)
{
  lane *l = ctx;
  peer_pool *pool = l->pool;
  l->conn = conn;
  l->ready = true;
  l->heard_us = now_of(pool);
  if (l->binding->ready) l->binding->ready(l->state, conn); /* may write, and find that the peer has gone */
  pump(pool);
}

static void complete(lane *l, bool keep)
{
  pending *p = l->current;
  gh_outbound_call *call = p->call;
  gh_err err = call->err;
  l->current = NULL;
  l->used = true;
  if (err == GH_OK && call->export_key) err = gh_conn_export(l->conn, GH_EXPORT_CONNECTION, call->exported);
  if (call->export_key) keep = false;
  if (!keep) l->leaving = true;
  if (!keep) gh_conn_close(l->conn, GH_OK, "done");
  finish(l->pool, p, err);
}

static void on_data(gh_conn *conn, void *ctx, gh_str octets)
{
  lane *l = ctx;
  peer_pool *pool = l->pool;
  pending *unsent = l->checking ? l->current : NULL;
  l->heard_us = now_of(pool);
  l->checking = l->doubted = false;
  if (unsent) l->current = NULL;
  while (octets.len) {
    gh_outbound_answer answer = l->binding->take(l->state, l->current ? l->current->call : NULL, &octets);
    if (answer == GH_ANSWER_NONE) break;
    if (answer == GH_ANSWER_BROKEN || !l->current) { /* nobody asked */
      l->leaving = true;
      if (unsent) enqueue(pool, unsent, true);
      gh_conn_close(conn, GH_EPROTO, "malformed answer");
      return;
    }
    complete(l, answer == GH_ANSWER_WHOLE);
  }
  if (unsent) send_on(l, unsent);
  pump(pool);
}

static void unlink_lane(lane *l)
{
  lane **at = &l->pool->lanes;
  while (*at && *at != l) at = &(*at)->next;
  if (*at) *at = l->next;
  l->pool->lane_count--;
}

static gh_err address_of(const peer_pool *pool, size_t choice, struct sockaddr_storage *address, socklen_t *len,
                         const gh_outbound_binding **binding)
{
  const gh_outbound_peer *peer = pool->peer;
  *binding = binding_of(pool);
  if (peer->endpoint_at) return peer->endpoint_at(peer->ctx, peer->host_header, choice, address, len, binding);
  return peer->endpoint(peer->ctx, peer->host_header, address, len);
}

static bool has_further_address(const peer_pool *pool)
{
  const gh_outbound_binding *ignored;
  return pool->peer->endpoint_at && address_of(pool, pool->choice + 1, NULL, NULL, &ignored) == GH_OK;
}

/* Not there: is there another address? After the last one it begins with the first, another time. */
static bool try_next_address(peer_pool *pool, size_t tried)
{
  if (tried < pool->choice) return true; /* another connection has found out before */
  bool further = has_further_address(pool);
  pool->choice = further ? pool->choice + 1 : 0;
  return further;
}

static void on_closed(gh_conn *conn, void *ctx, gh_err why, const char *reason)
{
  lane *l = ctx;
  peer_pool *pool = l->pool;
  pending *p = l->current;
  bool was_ready = l->ready;
  size_t tried = l->choice;
  GH_LOG(pool->worker_pool->outbound->log, why == GH_OK ? GH_LOG_DEBUG : GH_LOG_WARN, "outgoing-association-closed",
         GH_F("entity", pool->peer->entity), GH_F("address", gh_conn_address_text(conn)), GH_F("reason", reason));
  unlink_lane(l);
  bool harmless = p && p->call->request.op == GH_OP_RETRIEVE; /* a change may have been made before the end */
  bool unsent = p && l->checking;
  bool retry = (unsent || (harmless && l->used && !p->retried)) && !pool->worker_pool->stopping;
  l->binding->end(l->state);
  free(l);
  if (retry) {
    p->retried |= !unsent;
    enqueue(pool, p, true);
  } else if (p) {
    finish(pool, p, why == GH_OK ? GH_ECONN : why);
  } else if (!was_ready && !try_next_address(pool, tried) && why != GH_ETIMEOUT) {
    /* the peer cannot be reached: do not let the others wait for nothing. (Time that ran out was that of the call
     * which the connection was opened for: it has been told.) */
    pending *waiting = dequeue(pool);
    if (waiting) finish(pool, waiting, why == GH_OK ? GH_ECONN : why);
  }
  if (!pool->worker_pool->stopping) pump(pool);
}

static const gh_conn_handler handler = {on_ready, on_data, on_closed};

static gh_err connect_lane(lane *l, gh_worker *worker, const struct sockaddr *address, socklen_t len,
                           int64_t deadline_us)
{
  const gh_outbound_peer *peer = l->pool->peer;
  gh_tls_client *tls =
      peer->choose_tls ? peer->choose_tls(peer->ctx, peer, l->binding) : gh_tls_client_ref(peer->tls);
  if (peer->choose_tls && !tls) return GH_EAUTH; /* no credential: never in clear text instead */
  gh_err err = l->binding->datagrams
                   ? gh_dtls_connect(worker, address, len, tls, peer->mtu, deadline_us, &handler, l, &l->conn)
                   : gh_conn_connect(worker, address, len, tls, deadline_us, &handler, l, &l->conn);
  gh_tls_client_free(tls); /* the connection holds its own */
  return err;
}

static gh_err open_lane(peer_pool *pool, int64_t deadline_us)
{
  struct sockaddr_storage address;
  socklen_t len = 0;
  const gh_outbound_peer *peer = pool->peer;
  const gh_outbound_binding *binding;
  gh_worker *worker = pool->worker_pool->worker;
  GH_REQUIRE(!worker->closing, GH_ECONN);
  GH_TRY(address_of(pool, pool->choice, &address, &len, &binding));
  if (has_further_address(pool)) { /* which needs time, too */
    int64_t now = gh_clock_mono_us(&worker->clock);
    deadline_us = now + (deadline_us - now) / 2;
  }
  lane *l = gh_calloc(1, sizeof *l);
  l->pool = pool;
  l->choice = pool->choice;
  l->binding = binding;
  l->state = binding->begin(peer, worker);
  gh_err err = connect_lane(l, worker, (struct sockaddr *)&address, len, deadline_us);
  if (err != GH_OK) {
    binding->end(l->state);
    free(l);
    return err;
  }
  l->next = pool->lanes;
  pool->lanes = l;
  pool->lane_count++;
  return GH_OK;
}

static bool is_idle(const lane *l)
{
  return l->ready && !l->current && gh_conn_is_open(l->conn);
}

static lane *idle_lane(peer_pool *pool)
{
  for (lane *l = pool->lanes; l; l = l->next)
    if (is_idle(l) && !l->leaving) return l;
  return NULL;
}

static size_t connecting(const peer_pool *pool)
{
  size_t count = 0;
  for (const lane *l = pool->lanes; l; l = l->next) count += !l->ready;
  return count;
}

/* Gives waiting calls to idle connections, and opens further ones as needed. */
static void pump(peer_pool *pool)
{
  lane *l;
  while (pool->first && (l = idle_lane(pool))) use(l, dequeue(pool));
  while (pool->first && pool->waiting > connecting(pool) && pool->lane_count < CONNECTIONS_PER_PEER) {
    gh_err err = open_lane(pool, pool->first->call->deadline_us);
    if (err == GH_OK) continue;
    if (err == GH_EAGAIN || pool->lane_count) return; /* looked at again with the next tick */
    if (try_next_address(pool, pool->choice)) continue;
    pending *p = dequeue(pool);
    finish(pool, p, GH_ECONN);
  }
}

static void expire_waiting(peer_pool *pool, int64_t now)
{
  pending **at = &pool->first, *late = NULL;
  pool->last = NULL;
  while (*at) {
    pending *p = *at;
    if (p->call->deadline_us > now) {
      pool->last = p;
      at = &p->next;
      continue;
    }
    *at = p->next;
    pool->waiting--;
    p->next = late;
    late = p;
  }
  for (pending *next; late; late = next) {
    next = late->next;
    finish(pool, late, GH_ETIMEOUT);
  }
}

/* A peer that has lost its associations over datagrams, by a restart, says nothing: no call goes to them any more.
 * All are left before the first is closed, so that nothing which that sets off can go to the next. */
static void leave_silent(peer_pool *pool)
{
  for (lane *l = pool->lanes; l; l = l->next) l->leaving |= l->binding->datagrams && is_idle(l);
  for (lane *l = pool->lanes, *next; l; l = next) {
    next = l->next;
    if (l->leaving && is_idle(l)) gh_conn_close(l->conn, GH_ETIMEOUT, "the peer is silent");
  }
}

/* It has said nothing: the call goes another way, and the associations that are idle are not believed in either. */
static void give_up(lane *l)
{
  peer_pool *pool = l->pool;
  pending *p = l->current;
  p->retried |= l->doubted;
  leave_silent(pool);
  l->current = NULL;
  l->checking = l->doubted = false;
  l->leaving = true;
  enqueue(pool, p, true);
  gh_conn_close(l->conn, GH_ETIMEOUT, "the peer is silent");
}

/* A question is out, and nothing was heard: has the peer forgotten the association since? A question may be asked
 * once more. Of a change nobody could tell whether it was made: it waits for its time. */
static bool begins_to_doubt(const lane *l, int64_t now)
{
  const pending *p = l->current;
  int64_t since = l->heard_us > l->sent_us ? l->heard_us : l->sent_us;
  return p && l->binding->ping && !l->checking && !l->doubted && !p->retried &&
         p->call->request.op == GH_OP_RETRIEVE && now >= since + GH_TRUST_US;
}

static void check_lanes(peer_pool *pool, int64_t now)
{
  for (lane *l = pool->lanes, *next; l; l = next) {
    next = l->next;
    if (begins_to_doubt(l, now)) {
      l->doubted = true;
      l->pings = 0;
      l->ping_us = now;
    }
    if ((!l->checking && !l->doubted) || l->ping_us > now) continue;
    if (l->pings < PINGS_MAX) {
      ping(l);
      continue;
    }
    give_up(l);
    return; /* the list has changed; the rest is seen at the next tick */
  }
}

static bool is_late(const lane *l, int64_t now)
{
  const gh_outbound_binding *binding = l->binding;
  return l->current->call->deadline_us <= now || (binding->is_lost && binding->is_lost(l->state));
}

static void expire_current(peer_pool *pool, int64_t now)
{
  for (lane *l = pool->lanes, *next; l; l = next) {
    next = l->next;
    pending *p = l->current;
    if (!p || !is_late(l, now)) continue;
    if (l->binding->datagrams) leave_silent(pool);
    l->current = NULL;
    l->leaving = true;
    gh_conn_close(l->conn, GH_ETIMEOUT, "no answer in time");
    finish(pool, p, GH_ETIMEOUT);
    return; /* the list has changed; the rest is seen at the next tick */
  }
}

static void on_tick(uv_timer_t *timer)
{
  worker_pool *wp = timer->data;
  int64_t now = gh_clock_mono_us(&wp->worker->clock);
  for (peer_pool *pool = NULL; (pool = next_pool(wp, pool)) != NULL;) {
    expire_waiting(pool, now);
    expire_current(pool, now);
    check_lanes(pool, now);
    if (pool->first) pump(pool);
  }
}

/* Letter case means nothing in an FQDN, and tells two CSEs apart in the CSE-ID behind it. */ /*= TS-0001 7.2 */
static bool is_for(const peer_pool *pool, gh_str entity)
{
  gh_str own = pool->peer->entity;
  size_t slash = gh_str_rfind(own, '/'), fqdn = slash == SIZE_MAX ? own.len : slash;
  return gh_str_eq_nocase(gh_str_sub(own, 0, fqdn), gh_str_sub(entity, 0, fqdn)) &&
         gh_str_eq(gh_str_sub(own, fqdn, SIZE_MAX), gh_str_sub(entity, fqdn, SIZE_MAX));
}

static peer_pool *pool_of(worker_pool *wp, gh_str entity)
{
  gh_pool_outbound *outbound = wp->outbound;
  for (peer_pool *pool = NULL; (pool = next_pool(wp, pool)) != NULL;)
    if (is_for(pool, entity)) return pool;
  const gh_outbound_peer *peer = outbound->find && !wp->stopping ? outbound->find(outbound->find_ctx, entity) : NULL;
  if (!peer) return NULL;
  peer_pool *pool = gh_calloc(1, sizeof *pool);
  *pool = (peer_pool){.peer = peer, .worker_pool = wp, .next = wp->found};
  wp->found = pool;
  return pool;
}

static void send_call(void *ctx, gh_worker *worker, gh_outbound_call *call)
{
  gh_pool_outbound *outbound = ctx;
  worker_pool *wp = &outbound->pools[worker->index];
  peer_pool *pool = pool_of(wp, call->entity);
  if (!pool) {
    call->err = GH_ENOTFOUND;
    call->done(call);
    return;
  }
  pending *p = gh_calloc(1, sizeof *p);
  p->call = call;
  if (wp->stopping || pool->waiting >= WAITING_MAX) {
    finish(pool, p, GH_ELIMIT);
    return;
  }
  enqueue(pool, p, false);
  pump(pool);
}

static void start_pool(void *arg)
{
  worker_pool *wp = arg;
  uv_timer_init(wp->worker->uv, &wp->tick);
  wp->tick.data = wp;
  uv_timer_start(&wp->tick, on_tick, TICK_MS, TICK_MS);
}

gh_pool_outbound *gh_pool_outbound_new(const gh_outbound_peer *peers, size_t peer_count, gh_worker *const *workers,
                                       size_t worker_count, const gh_log *log)
{
  gh_pool_outbound *outbound = gh_calloc(1, sizeof *outbound);
  *outbound = (gh_pool_outbound){.peers = peers, .peer_count = peer_count, .worker_count = worker_count, .log = log};
  outbound->pools = gh_calloc(worker_count, sizeof *outbound->pools);
  for (size_t w = 0; w < worker_count; w++) {
    worker_pool *wp = &outbound->pools[w];
    *wp =
        (worker_pool){.outbound = outbound, .worker = workers[w], .peers = gh_calloc(peer_count, sizeof(peer_pool))};
    for (size_t i = 0; i < peer_count; i++) wp->peers[i] = (peer_pool){.peer = &peers[i], .worker_pool = wp};
    gh_loop_call(workers[w]->loop, start_pool, wp);
  }
  return outbound;
}

void gh_pool_outbound_find_with(gh_pool_outbound *outbound, const gh_outbound_peer *(*find)(void *ctx, gh_str entity),
                                void *ctx)
{
  outbound->find = find;
  outbound->find_ctx = ctx;
}

gh_outbound gh_pool_outbound_port(gh_pool_outbound *outbound)
{
  return (gh_outbound){outbound, send_call};
}

static void on_tick_closed(uv_handle_t *handle)
{
  (void)handle;
}

static void stop_pool(void *arg)
{
  worker_pool *wp = arg;
  wp->stopping = true;
  uv_close((uv_handle_t *)&wp->tick, on_tick_closed);
  for (peer_pool *pool = NULL; (pool = next_pool(wp, pool)) != NULL;) {
    for (pending *p; (p = dequeue(pool));) finish(pool, p, GH_ECONN);
    while (pool->lanes) {
      lane *l = pool->lanes;
      gh_conn_close(l->conn, GH_OK, "shutting down");
      if (pool->lanes == l) break; /* still sending: the worker closes it */
    }
  }
}

void gh_pool_outbound_stop(gh_pool_outbound *outbound)
{
  if (!outbound) return;
  for (size_t w = 0; w < outbound->worker_count; w++)
    gh_loop_call(outbound->pools[w].worker->loop, stop_pool, &outbound->pools[w]);
}

void gh_pool_outbound_free(gh_pool_outbound *outbound)
{
  if (!outbound) return;
  for (size_t w = 0; w < outbound->worker_count; w++) {
    for (peer_pool *pool = outbound->pools[w].found, *next; pool; pool = next) {
      next = pool->next;
      free(pool);
    }
    free(outbound->pools[w].peers);
  }
  free(outbound->pools);
  free(outbound);
}
