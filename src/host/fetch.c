/* One entry for each fetched key: pending with its waiters, known, or refused for a while. */
#include "host/fetch.h"

#include <stdlib.h>

#include "base/encoding.h"
#include "host/fetch_queue.h"
#include "host/local_key.h"
#include "host/revocation.h"
#include "m2m/constants.h"
#include "m2m/key_id.h"
#include "m2m/m2m_time.h"

enum { ENTRIES_MAX = 200000, BUCKETS = 4096, CONFIRM_MAX = 256 };
#define GH_CONFIRM_AGAIN_US (5 * GH_US_PER_S) /* after an issuer could not be reached */

typedef enum entry_state { IDLE, PENDING, KNOWN, REFUSED } entry_state;

typedef struct waiter {
  struct waiter *next;
  gh_task task;
  gh_psk_query *query;
  gh_err result; /* copied from the entry when the answer came */
  const char *why;
  gh_secret key;
  gh_peer peer;
} waiter;

typedef struct entry {
  struct entry *next;
  gh_str id; /* canonical key identifier */
  entry_state state;
  waiter *waiters;
  struct fetch *in_line; /* PENDING, and not asked yet */
  int64_t until_us;      /* mono: KNOWN must be confirmed, REFUSED may be asked again */
  const char *why;
  bool revoked;             /* while PENDING: the answer comes too late */
  bool held;                /* was KNOWN and not lost since: associations may live on it */
  int64_t confirm_us;       /* mono: when a held key is confirmed at its issuer, asked for or not */
  int64_t ends_us;          /* wall: end of a held key */
  gh_fetch_options options; /* how it is asked for; the entity is owned */
  gh_secret key;
  gh_peer peer;
} entry;

typedef struct desk { /* where the questions of one worker to one issuer wait */
  struct desk *next;
  const gh_worker *worker;
  gh_str entity;
  gh_fetch_queue queue;
  bool pumping; /* on the worker only */
} desk;

struct gh_fetcher {
  gh_host *host;
  pthread_mutex_t lock;
  entry *buckets[BUCKETS];
  size_t count;
  size_t evict_from; /* bucket where the search for room goes on */
  desk *desks;
  bool forgot_held; /* an entry that was held had to make room: any refused key may be a lost one */
};

typedef struct fetch { /* one outgoing question */
  gh_outbound_call call;
  gh_fetcher *fetcher;
  gh_fetch_options options;
  gh_str id, relative;
  bool second; /* /fetchCredentials */
  desk *desk;  /* NULL: a key that is held, or was a moment ago: asked at once */
  gh_fetch_ticket ticket;
  int64_t asked_until_us; /* mono: nobody waits longer for its turn */
} fetch;

gh_fetcher *gh_fetcher_new(gh_host *host)
{
  gh_fetcher *fetcher = gh_calloc(1, sizeof *fetcher);
  fetcher->host = host;
  pthread_mutex_init(&fetcher->lock, NULL);
  return fetcher;
}

static void clear_entry(entry *e)
{
  gh_secret_wipe(&e->key);
  gh_peer_clear(&e->peer);
}

static void free_entry(entry *e)
{
  clear_entry(e);
  gh_str_release(&e->id);
  gh_str_release(&e->options.entity);
  free(e);
}

static fetch *fetch_of(gh_fetch_ticket *ticket)
{
  return (fetch *)(void *)((char *)ticket - offsetof(fetch, ticket));
}

static void free_fetch(fetch *f)
{
  gh_arena_free(&f->call.arena);
  free(f);
}

static void free_desks(gh_fetcher *fetcher)
{
  for (desk *d = fetcher->desks, *next; d; d = next) {
    next = d->next;
    for (gh_fetch_ticket *ticket; (ticket = gh_fetch_queue_drain(&d->queue));) free_fetch(fetch_of(ticket));
    gh_str_release(&d->entity);
    free(d);
  }
}

void gh_fetcher_free(gh_fetcher *fetcher)
{
  if (!fetcher) return;
  free_desks(fetcher);
  for (size_t i = 0; i < BUCKETS; i++)
    for (entry *e = fetcher->buckets[i], *next; e; e = next) {
      next = e->next;
      for (waiter *w = e->waiters, *after; w; w = after) {
        after = w->next;
        w->query->result = GH_ECONN;
        w->query->done(w->query);
        free(w);
      }
      free_entry(e);
    }
  pthread_mutex_destroy(&fetcher->lock);
  free(fetcher);
}

static entry **place_of(gh_fetcher *fetcher, gh_str id)
{
  uint32_t h = 2166136261u;
  for (size_t i = 0; i < id.len; i++) h = (h ^ (uint8_t)id.ptr[i]) * 16777619u;
  entry **at = &fetcher->buckets[h % BUCKETS];
  while (*at && !gh_str_eq((*at)->id, id)) at = &(*at)->next;
  return at;
}

static bool may_go(const entry *e, bool held_too, int64_t now)
{
  if (e->held && !held_too) return false;
  return e->state == REFUSED || e->state == IDLE || (e->state == KNOWN && e->until_us <= now);
}

/* Anybody may ask for keys that do not exist: what was refused makes room, and only where there is none of these what
 * must be asked for again. */
static bool make_room_of(gh_fetcher *fetcher, bool held_too, int64_t now)
{
  for (size_t i = 0; i < BUCKETS; i++) {
    size_t bucket = (fetcher->evict_from + i) % BUCKETS;
    for (entry **at = &fetcher->buckets[bucket]; *at; at = &(*at)->next) {
      entry *e = *at;
      if (!may_go(e, held_too, now)) continue;
      *at = e->next;
      fetcher->forgot_held |= e->held;
      free_entry(e);
      fetcher->count--;
      fetcher->evict_from = bucket;
      return true;
    }
  }
  return false;
}

static bool make_room(gh_fetcher *fetcher, int64_t now)
{
  return make_room_of(fetcher, false, now) || make_room_of(fetcher, true, now);
}

static entry *find_or_add(gh_fetcher *fetcher, const gh_fetch_options *options, gh_str id, int64_t now)
{
  entry *known = *place_of(fetcher, id);
  if (known) return known;
  if (fetcher->count >= ENTRIES_MAX && !make_room(fetcher, now)) return NULL;
  entry **at = place_of(fetcher, id);
  entry *e = gh_calloc(1, sizeof *e);
  e->id = gh_str_clone(id);
  e->options = *options;
  e->options.entity = gh_str_clone(options->entity);
  *at = e;
  fetcher->count++;
  return e;
}

static void drop_entry(gh_fetcher *fetcher, entry *e)
{
  *place_of(fetcher, e->id) = e->next;
  fetcher->count--;
  free_entry(e);
}

static void give(const entry *e, gh_err result, gh_secret *key, gh_peer *peer)
{
  if (result != GH_OK) return;
  *key = e->key;
  gh_peer_copy(peer, &e->peer);
}

/* On the waiter's own worker. */
static void wake(gh_task *task)
{
  waiter *w = (waiter *)((char *)task - offsetof(waiter, task));
  w->query->result = w->result;
  w->query->why = w->why;
  w->query->key = w->key;
  w->query->peer = w->peer;
  w->query->done(w->query);
  gh_secret_wipe(&w->key);
  free(w);
}

/* Answers everybody who waits. True when a key that was held before is lost. */
static bool settle(gh_fetcher *fetcher, gh_str id, gh_err result, const char *why, const gh_secret *key,
                   const gh_peer *peer)
{
  gh_host *host = fetcher->host;
  int64_t now = gh_clock_mono_us(&host->clock);
  pthread_mutex_lock(&fetcher->lock);
  entry *e = *place_of(fetcher, id);
  bool lost = false;
  if (e) {
    if (e->revoked) { /* what the issuer said before it revoked the key does not count any more */
      result = GH_EAUTH;
      why = "revoked";
    }
    lost = result == GH_EAUTH && (e->held || fetcher->forgot_held);
    clear_entry(e);
    e->held = result == GH_OK || (e->held && !lost);
    e->revoked = false;
    e->state = result == GH_OK ? KNOWN : REFUSED;
    e->why = why;
    /* an unreachable issuer is asked again soon; "no such key" is remembered longer */
    int64_t refused_for = result == GH_EAUTH ? host->config.negative_us : GH_US_PER_S;
    e->until_us = now + (result == GH_OK ? host->config.recheck_us : refused_for);
    e->confirm_us = now + (result == GH_OK ? host->config.recheck_us : GH_CONFIRM_AGAIN_US);
    if (result == GH_OK) {
      e->ends_us = peer->not_after_us;
      e->key = *key;
      gh_peer_copy(&e->peer, peer);
    }
    for (waiter *w = e->waiters, *next; w; w = next) {
      next = w->next;
      w->task.run = wake;
      w->result = result;
      w->why = why;
      give(e, result, &w->key, &w->peer);
      /* later, also on this worker: the asker may still be asking. Under the lock: a revocation that comes behind
       * this answer reaches each worker behind it too. */
      gh_loop_post(w->query->worker->loop, &w->task);
    }
    e->waiters = NULL;
  }
  pthread_mutex_unlock(&fetcher->lock);
  return lost;
}

static void pump(gh_fetcher *fetcher, desk *d);

static void end_fetch(fetch *f, gh_err result, const char *why, const gh_secret *key, const gh_peer *peer)
{
  gh_fetcher *fetcher = f->fetcher;
  gh_host *host = fetcher->host;
  desk *d = f->desk;
  atomic_fetch_add_explicit(result == GH_OK ? &host->counters.keys_fetched : &host->counters.keys_refused, 1,
                            memory_order_relaxed);
  GH_LOG(&host->log, result == GH_OK ? GH_LOG_INFO : GH_LOG_WARN, "key-fetch", GH_F("key", f->id),
         GH_F("from", f->options.entity), GH_F("result", why));
  bool lost = settle(fetcher, f->id, result, why, key, peer);
  if (lost) gh_revocation_apply_associations(host, f->id); /* whatever still lives on it ends */
  if (d) {
    pthread_mutex_lock(&fetcher->lock);
    gh_fetch_queue_leave(&d->queue, &f->ticket);
    pthread_mutex_unlock(&fetcher->lock);
  }
  free_fetch(f);
  if (d) pump(fetcher, d);
}

static void end_unanswered(fetch *f, gh_err result, const char *why)
{
  gh_secret no_key = {.len = 0};
  gh_peer nobody = {.kind = GH_PEER_NONE};
  end_fetch(f, result, why, &no_key, &nobody);
}

/*= TS-0003 8.8.2.8 what the MAF answers: the key, its SUID, its source */
static gh_err read_registered(const fetch *f, gh_str *owner, gh_str *key_text, gh_str *until, const char **why)
{
  gh_str root;
  gh_val *attrs;
  int64_t suid = 0;
  *why = "answer-malformed";
  GH_REQUIRE(f->call.response.pc && gh_val_unwrap(f->call.response.pc, &root, &attrs), GH_EPROTO);
  GH_REQUIRE(gh_val_get_int(attrs, GH_STR("suid"), &suid) && gh_val_get_str(attrs, GH_STR("kv"), key_text) &&
                 gh_val_get_str(attrs, GH_STR("cr"), owner) && gh_val_get_str(attrs, GH_STR("et"), until),
             GH_EPROTO);
  /*= TS-0003 8.2.2.3 a key is used for nothing but what its SUID says */
  *why = "suid-violation";
  return suid == f->options.want_suid ? GH_OK : GH_EAUTH;
}

/*= TS-0003 8.3.2.1 the older form of the MEF */
static gh_err read_credential(const fetch *f, gh_str *owner, gh_str *key_text, gh_str *until, const char **why)
{
  const gh_val *pc = f->call.response.pc;
  bool status = false;
  *why = "answer-malformed";
  GH_REQUIRE(pc && gh_val_get_bool(pc, GH_STR("status"), &status), GH_EPROTO);
  *why = "refused-by-issuer";
  GH_REQUIRE(status, GH_EAUTH);
  *why = "answer-malformed";
  bool complete = gh_val_get_str(pc, GH_STR("credential"), key_text) && gh_val_get_str(pc, GH_STR("lifetime"), until);
  gh_val_get_str(pc, GH_STR("enroleeID"), owner);
  return complete ? GH_OK : GH_EPROTO;
}

static gh_err make_answer(fetch *f, gh_str owner, gh_str key_text, gh_str until, gh_secret *key, gh_peer *peer,
                          const char **why)
{
  uint8_t octets[GH_SECRET_MAX_BYTES];
  size_t len = 0;
  int64_t not_after;
  *why = "answer-malformed";
  gh_err err = gh_base64_decode(key_text, octets, sizeof octets, &len);
  if (err == GH_OK) err = len >= 16 ? gh_secret_set(key, octets, len) : GH_EPROTO;
  gh_wipe(octets, sizeof octets);
  if (err != GH_OK) return err;
  GH_TRY(gh_timestamp_parse(until, &not_after));
  *why = "expired";
  GH_REQUIRE(not_after > gh_host_now_us(f->fetcher->host), GH_EEXPIRED);
  gh_peer_kind kind = gh_peer_kind_of(owner);
  *why = "answer-malformed";
  if (kind != GH_PEER_CREDENTIAL) { /* identities are compared in their absolute form, and in no other */
    GH_REQUIRE(gh_id_parse(owner).scope == GH_SCOPE_ABSOLUTE, GH_EPROTO);
    GH_TRY(gh_id_absolute(&f->call.arena, &f->fetcher->host->config.self, owner, &owner));
  }
  unsigned type = f->options.provisional ? GH_CRED_MAF_KEY : GH_CRED_SAEF_KEY;
  *peer = (gh_peer){.kind = kind,
                    .method = GH_METHOD_PSK,
                    .id = kind == GH_PEER_CREDENTIAL ? GH_STR_NONE : owner,
                    .credential_id = gh_credential_id(&f->call.arena, type, f->id),
                    .key_id = f->id,
                    .suid = f->options.want_suid,
                    .not_after_us = not_after,
                    .provisional = f->options.provisional};
  if (kind == GH_PEER_CREDENTIAL && owner.len)
    peer->credential_id = owner; /* the issuer knows it by its credential */
  *why = "fetched";
  return GH_OK;
}

/* A fault of the issuer's own: it has not said that there is no such key, and nobody is to lose one by it. */
static bool is_fault(int rsc)
{
  return rsc >= GH_RSC_INTERNAL_SERVER_ERROR || rsc == GH_RSC_REQUEST_TIMEOUT;
}

static void send_fetch(fetch *f, gh_worker *worker);
static void on_response(gh_outbound_call *call);

static void ask_older_form(fetch *f, gh_worker *worker)
{
  f->second = true;
  f->call.request.to =
      gh_arena_fmt(&f->call.arena, "fetchCredentials/%.*s/%d", GH_STR_ARG(f->id), f->options.want_suid);
  send_fetch(f, worker);
}

static void on_response(gh_outbound_call *call)
{
  fetch *f = (fetch *)call;
  gh_worker *worker = call->ctx;
  gh_str owner = GH_STR_NONE, key_text, until;
  gh_secret key = {.len = 0};
  gh_peer peer = {.kind = GH_PEER_NONE};
  const char *why = "issuer-unreachable";
  gh_err err = call->err;
  if (err == GH_OK && call->response.rsc == GH_RSC_NOT_FOUND && f->options.is_mef && !f->second) {
    ask_older_form(f, worker);
    return;
  }
  if (err == GH_OK && call->response.rsc != GH_RSC_OK) {
    bool fault = is_fault(call->response.rsc);
    why = fault ? "issuer-failed" : "refused-by-issuer";
    err = fault ? GH_ECONN : GH_EAUTH;
  }
  if (err == GH_OK)
    err = f->second ? read_credential(f, &owner, &key_text, &until, &why)
                    : read_registered(f, &owner, &key_text, &until, &why);
  if (err == GH_OK) err = make_answer(f, owner, key_text, until, &key, &peer, &why);
  end_fetch(f, err, why, &key, &peer);
  gh_secret_wipe(&key);
}

static void send_fetch(fetch *f, gh_worker *worker)
{
  gh_host *host = f->fetcher->host;
  gh_request *r = &f->call.request;
  gh_str rqi;
  if (gh_random_id(&host->random, &f->call.arena, GH_STR("k"), 8, &rqi) != GH_OK) rqi = f->relative;
  r->op = GH_OP_RETRIEVE;
  r->from = host->config.fqdn;
  if (host->config.cse_type) r->from = gh_self_cse_absolute(&f->call.arena, &host->config.self);
  r->has_from = true;
  r->rqi = rqi;
  r->rvi = GH_STR("3");
  r->rcn = GH_RCN_ABSENT;
  r->rt = 3;
  f->call.entity = f->options.entity;
  f->call.deadline_us = gh_clock_mono_us(&host->clock) + host->config.fetch_timeout_us;
  f->call.done = on_response;
  f->call.ctx = worker;
  host->outbound.send(host->outbound.ctx, worker, &f->call);
}

/*= TS-0003 8.2.2.3 Entity B obtains Kc from the MAF that the identity names */
static fetch *new_fetch(gh_fetcher *fetcher, const gh_fetch_options *options, gh_str id, gh_worker *worker)
{
  fetch *f = gh_calloc(1, sizeof *f);
  gh_arena_init(&f->call.arena);
  f->fetcher = fetcher;
  f->options = *options;
  f->options.entity = gh_arena_dup(&f->call.arena, options->entity);
  f->id = gh_arena_dup(&f->call.arena, id);
  f->relative = gh_str_sub(f->id, 0, gh_str_rfind(f->id, '@'));
  f->call.request.to =
      gh_arena_fmt(&f->call.arena, "%s/%.*s", options->is_mef ? "mef" : "maf", GH_STR_ARG(f->relative));
  f->call.ctx = worker;
  return f;
}

/* ---- turns */

/* The lock is held. Letter case means nothing in an FQDN, and must not make another line. */
static desk *desk_of(gh_fetcher *fetcher, const gh_worker *worker, gh_str entity)
{
  for (desk *d = fetcher->desks; d; d = d->next)
    if (d->worker == worker && gh_str_eq_nocase(d->entity, entity)) return d;
  desk *d = gh_calloc(1, sizeof *d);
  *d = (desk){.next = fetcher->desks, .worker = worker, .entity = gh_str_clone(entity)};
  fetcher->desks = d;
  return d;
}

static fetch *next_in_line(gh_fetcher *fetcher, desk *d)
{
  pthread_mutex_lock(&fetcher->lock);
  gh_fetch_ticket *ticket = gh_fetch_queue_next(&d->queue);
  entry *e = ticket ? *place_of(fetcher, fetch_of(ticket)->id) : NULL;
  if (e) e->in_line = NULL;
  pthread_mutex_unlock(&fetcher->lock);
  return ticket ? fetch_of(ticket) : NULL;
}

/* On the desk's worker. An answer may come inside send_fetch: it does not begin another round. */
static void pump(gh_fetcher *fetcher, desk *d)
{
  if (d->pumping) return;
  d->pumping = true;
  for (fetch *f; (f = next_in_line(fetcher, d)) != NULL;) {
    if (gh_clock_mono_us(&fetcher->host->clock) < f->asked_until_us)
      send_fetch(f, f->call.ctx);
    else
      end_unanswered(f, GH_ETIMEOUT, "issuer-too-slow");
  }
  d->pumping = false;
}

/* The lock is held. False: its address has too many questions in hand, or all others have few. */
static bool line_up(gh_fetcher *fetcher, fetch *f, entry *e, const gh_psk_query *query, fetch **pushed_out)
{
  const gh_host_config *c = &fetcher->host->config;
  uint32_t most = c->max_fetches_per_address ? c->max_fetches_per_address : UINT32_MAX;
  gh_fetch_ticket *ticket = NULL;
  desk *d = desk_of(fetcher, query->worker, f->options.entity);
  if (!gh_fetch_queue_enter(&d->queue, &f->ticket, query->address, most, &ticket)) return false;
  f->desk = d;
  f->asked_until_us = gh_clock_mono_us(&fetcher->host->clock) + c->fetch_timeout_us;
  e->in_line = f;
  *pushed_out = ticket ? fetch_of(ticket) : NULL;
  entry *out = ticket ? *place_of(fetcher, (*pushed_out)->id) : NULL;
  if (out) out->in_line = NULL;
  return true;
}

static gh_err answer_now(const gh_fetcher *fetcher, const entry *e, gh_psk_query *query)
{
  if (e->state == REFUSED) {
    query->why = e->why;
    return GH_EAUTH;
  }
  query->why = "expired";
  if (e->peer.not_after_us <= gh_host_now_us(fetcher->host)) return GH_EEXPIRED;
  give(e, GH_OK, &query->key, &query->peer);
  return GH_OK;
}

static void add_waiter(entry *e, gh_psk_query *query)
{
  waiter *w = gh_calloc(1, sizeof *w);
  w->query = query;
  w->next = e->waiters;
  e->waiters = w;
}

typedef struct start { /* what is to be done without the lock */
  fetch *asked, *pushed_out;
} start;

/* The lock is held. A key that was held is asked for at once; what may be a stranger's invention waits for its turn.
 * Whoever asks for the same does not wait behind the first one's neighbours. */
static gh_err wait_for(gh_fetcher *fetcher, entry *e, const gh_fetch_options *options, gh_psk_query *query,
                       start *begins)
{
  if (e->state == PENDING) {
    if (e->in_line) gh_fetch_queue_share(&e->in_line->desk->queue, &e->in_line->ticket, query->address);
    add_waiter(e, query);
    return GH_EAGAIN;
  }
  fetch *f = new_fetch(fetcher, options, e->id, query->worker);
  if (!e->held && !line_up(fetcher, f, e, query, &begins->pushed_out)) {
    free_fetch(f);
    if (e->state == IDLE) drop_entry(fetcher, e);
    return GH_ELIMIT;
  }
  e->state = PENDING;
  add_waiter(e, query);
  begins->asked = f;
  return GH_EAGAIN;
}

gh_err gh_fetch_psk(gh_fetcher *fetcher, const gh_fetch_options *options, gh_psk_query *query)
{
  gh_key_id parsed;
  GH_TRY(gh_key_id_parse(query->identity, false, &parsed));
  GH_REQUIRE(fetcher->host->outbound.send, GH_EUNSUPPORTED);
  gh_arena arena;
  gh_arena_init(&arena);
  gh_str id = gh_key_id_canonical(&arena, &parsed);
  int64_t now = gh_clock_mono_us(&fetcher->host->clock);
  gh_err err;
  start begins = {NULL, NULL};
  pthread_mutex_lock(&fetcher->lock);
  entry *e = find_or_add(fetcher, options, id, now);
  query->why = "too-many-keys";
  if (!e)
    err = GH_ELIMIT;
  else if ((e->state == KNOWN || e->state == REFUSED) && e->until_us > now)
    err = answer_now(fetcher, e, query);
  else
    err = wait_for(fetcher, e, options, query, &begins);
  pthread_mutex_unlock(&fetcher->lock);
  desk *d = begins.asked ? begins.asked->desk : NULL;
  if (begins.asked && !d) send_fetch(begins.asked, query->worker);
  if (begins.pushed_out) end_unanswered(begins.pushed_out, GH_ELIMIT, "too-many-keys");
  if (d) pump(fetcher, d);
  gh_arena_free(&arena);
  return err;
}

/* Held keys whose time has come, marked as asked for. */
static size_t due(gh_fetcher *fetcher, gh_fetch_options *options, gh_str *ids, size_t limit)
{
  int64_t now = gh_clock_mono_us(&fetcher->host->clock), wall = gh_host_now_us(fetcher->host);
  size_t count = 0;
  pthread_mutex_lock(&fetcher->lock);
  for (size_t i = 0; i < BUCKETS && count < limit; i++)
    for (entry *e = fetcher->buckets[i]; e && count < limit; e = e->next) {
      bool live = e->held && e->state != PENDING && !e->options.provisional && e->ends_us > wall;
      if (!live || e->confirm_us > now) continue;
      e->state = PENDING;
      options[count] = e->options;
      options[count].entity = gh_str_clone(e->options.entity);
      ids[count++] = gh_str_clone(e->id);
    }
  pthread_mutex_unlock(&fetcher->lock);
  return count;
}

void gh_fetch_confirm(gh_fetcher *fetcher, gh_worker *worker)
{
  gh_fetch_options options[CONFIRM_MAX];
  gh_str ids[CONFIRM_MAX];
  size_t count = fetcher->host->outbound.send ? due(fetcher, options, ids, CONFIRM_MAX) : 0;
  for (size_t i = 0; i < count; i++) {
    send_fetch(new_fetch(fetcher, &options[i], ids[i], worker), worker);
    gh_str_release(&options[i].entity);
    gh_str_release(&ids[i]);
  }
}

void gh_fetch_forget(gh_fetcher *fetcher, gh_str key_id)
{
  pthread_mutex_lock(&fetcher->lock);
  entry *e = *place_of(fetcher, key_id);
  if (e && e->state == PENDING) e->revoked = true;
  if (e) e->held = false; /* its associations are ended by whoever tells us */
  if (e && (e->state == KNOWN || e->state == PENDING)) clear_entry(e);
  if (e && e->state == KNOWN) {
    e->state = REFUSED;
    e->why = "revoked";
    e->until_us = gh_clock_mono_us(&fetcher->host->clock) + fetcher->host->config.negative_us;
  }
  pthread_mutex_unlock(&fetcher->lock);
}

gh_err gh_fetch_key(gh_fetcher *fetcher, gh_str key_id, gh_secret *out, int64_t *not_after_us)
{
  gh_err err = GH_ENOTFOUND;
  pthread_mutex_lock(&fetcher->lock);
  const entry *e = *place_of(fetcher, key_id);
  if (e && e->key.len) {
    *out = e->key;
    *not_after_us = e->peer.not_after_us;
    err = GH_OK;
  }
  pthread_mutex_unlock(&fetcher->lock);
  return err;
}

gh_err gh_fetch_key_of(gh_fetcher *fetcher, gh_arena *arena, gh_str entity, gh_str *key_id, gh_secret *out)
{
  const entry *best = NULL;
  int64_t wall = gh_host_now_us(fetcher->host);
  pthread_mutex_lock(&fetcher->lock);
  for (size_t i = 0; i < BUCKETS; i++)
    for (const entry *e = fetcher->buckets[i]; e; e = e->next) {
      bool fits = e->held && e->key.len && !e->peer.provisional && e->peer.not_after_us > wall &&
                  gh_str_eq(e->peer.id, entity);
      if (fits && (!best || e->peer.not_after_us > best->peer.not_after_us)) best = e;
    }
  if (best) {
    *out = best->key;
    *key_id = gh_arena_dup(arena, best->id);
  }
  pthread_mutex_unlock(&fetcher->lock);
  return best ? GH_OK : GH_ENOTFOUND;
}
