/* One question at a time to whom this CSE registers with: CREATE <remoteCSE>, or UPDATE of it once it is there. */
#include "cse/registration_private.h"

#include <stdlib.h>

#include "m2m/constants.h"
#include "m2m/m2m_time.h"

enum { TICK_MS = 250, RETRY_FIRST_S = 1, RETRY_MAX_S = 60, RENEW_MAX_S = 86400 };

typedef struct registrations {
  gh_host *host;
  uv_timer_t timer;
  gh_str poa;
  gh_registrar_key *key; /* NULL: no MAF between this CSE and its registrar */
  bool stopping;
  size_t count;
  gh_registration each[];
} registrations;

typedef struct question {
  gh_outbound_call call;
  gh_registration *r;
} question;

static registrations *of(const gh_host *host)
{
  return host->own;
}

/* ---- what is answered */

static int64_t now_us(const gh_registration *r)
{
  return gh_clock_mono_us(&r->host->clock);
}

static const char *event_of(const gh_registration *r, const char *registrar, const char *provider)
{
  return r->foreign ? provider : registrar;
}

static void try_later(gh_registration *r, int rsc, gh_err err)
{
  r->due_us = now_us(r) + r->retry_s * GH_US_PER_S;
  const char *event = event_of(r, "not-registered-at-registrar", "not-registered-at-provider");
  GH_LOG(&r->host->log, GH_LOG_WARN, r->leaving ? "still-registered-at-provider" : event,
         GH_F("registrar", r->registrar), GH_F("rsc", rsc), GH_F("error", gh_err_name(err)),
         GH_F("again_s", r->retry_s));
  atomic_store(&r->changed, true);
  r->retry_s = r->retry_s * 2 < RETRY_MAX_S ? r->retry_s * 2 : RETRY_MAX_S;
}

/* Renewed at half of its life. */
static void registered(gh_registration *r, const gh_response *response)
{
  gh_str root, text;
  gh_val *attrs;
  int64_t until, half = RENEW_MAX_S * GH_US_PER_S;
  if (response->pc && gh_val_unwrap(response->pc, &root, &attrs) && gh_val_get_str(attrs, GH_STR("et"), &text) &&
      gh_timestamp_parse(text, &until) == GH_OK && (until - gh_host_now_us(r->host)) / 2 < half)
    half = (until - gh_host_now_us(r->host)) / 2;
  if (half < GH_US_PER_S) half = GH_US_PER_S;
  r->due_us = now_us(r) + half;
  r->retry_s = RETRY_FIRST_S;
  if (!r->known || !r->pictured)
    GH_LOG(&r->host->log, GH_LOG_INFO, event_of(r, "registered-at-registrar", "registered-at-provider"),
           GH_F("registrar", r->registrar));
  r->known = true;
  r->assumed = false;
  atomic_store(&r->there, true);
  gh_registrar_picture_put(r);
}

/* Not known there: registered anew, at once, unless the other side contradicts itself. */
static void forgotten(gh_registration *r, int rsc)
{
  bool again = !r->assumed;
  r->known = r->assumed = false;
  atomic_store(&r->changed, true);
  if (again)
    r->due_us = 0;
  else
    try_later(r, rsc, GH_OK);
}

static void take_answer(gh_registration *r, const question *q)
{
  const gh_outbound_call *call = &q->call;
  int rsc = call->err == GH_OK ? call->response.rsc : 0;
  atomic_store(&r->there, false);
  if (rsc == GH_RSC_CREATED || rsc == GH_RSC_UPDATED) {
    registered(r, &call->response);
  } else if (rsc == GH_RSC_ORIGINATOR_HAS_ALREADY_REGISTERED && !r->known) { /* before a restart */
    r->known = r->assumed = true;
    atomic_store(&r->changed, true);
    r->due_us = 0;
  } else if (rsc == GH_RSC_NOT_FOUND && r->known) { /* the registrar has forgotten us */
    forgotten(r, rsc);
  } else {
    try_later(r, rsc, call->err);
  }
}

/*= TS-0001 10.2.2.10 deregistration, by the registree */
static void take_farewell(gh_registration *r, const question *q)
{
  const gh_outbound_call *call = &q->call;
  int rsc = call->err == GH_OK ? call->response.rsc : 0;
  if (rsc != GH_RSC_DELETED && rsc != GH_RSC_NOT_FOUND) {
    try_later(r, rsc, call->err);
    return;
  }
  r->over = true;
  GH_LOG(&r->host->log, GH_LOG_INFO, "deregistered-at-provider", GH_F("registrar", r->registrar), GH_F("rsc", rsc));
  gh_registrar_picture_remove(r);
}

static void on_done(gh_outbound_call *call)
{
  question *q = (question *)call;
  gh_registration *r = q->r;
  r->busy = false;
  if (!of(r->host)->stopping && r->leaving) take_farewell(r, q);
  if (!of(r->host)->stopping && !r->leaving) take_answer(r, q);
  gh_arena_free(&call->arena);
  free(q);
}

static void ask(gh_registration *r)
{
  gh_host *host = r->host;
  question *q = gh_calloc(1, sizeof *q);
  gh_arena_init(&q->call.arena);
  q->r = r;
  atomic_store(&r->changed, false);
  r->due_us = INT64_MAX;
  if (gh_registration_fill(r, &q->call.arena, &q->call.request) != GH_OK) {
    gh_arena_free(&q->call.arena);
    free(q);
    try_later(r, 0, GH_ECRYPTO);
    return;
  }
  r->busy = true;
  q->call.entity = r->registrar;
  q->call.deadline_us = now_us(r) + host->config.transit_us;
  q->call.done = on_done;
  host->outbound.send(host->outbound.ctx, host->workers[0], &q->call);
}

static void look_after(gh_registration *r)
{
  bool waiting = r->retry_s > RETRY_FIRST_S; /* the last attempt failed: not before its time */
  if (r->busy || r->over) return;
  if (now_us(r) >= r->due_us || (atomic_load(&r->changed) && !waiting)) ask(r);
}

static void on_tick(uv_timer_t *timer)
{
  registrations *all = timer->data;
  if (all->stopping) return;
  gh_registrar_key_tick(all->key);
  bool key_is_there = gh_registrar_key_is_there(all->key);
  for (size_t i = 0; i < all->count; i++)
    if (all->each[i].foreign || key_is_there) look_after(&all->each[i]);
}

/* ---- life */

static void begin(void *arg)
{
  registrations *all = arg;
  uv_timer_init(all->host->workers[0]->uv, &all->timer);
  all->timer.data = all;
  uv_timer_start(&all->timer, on_tick, 0, TICK_MS);
}

static gh_registration *add(registrations *all, gh_str registrar)
{
  gh_registration *r = &all->each[all->count++];
  *r = (gh_registration){.host = all->host, .registrar = registrar, .poa = all->poa, .retry_s = RETRY_FIRST_S};
  return r;
}

/*= TS-0001 6.5.4 an IN-CSE may be registered at several others; 10.2.2.10 where that is not agreed any more it takes
 * it back */
static void add_provider(registrations *all, const gh_provider *p)
{
  bool before = gh_registrar_picture_is_there(all->host, p->cse);
  if (!p->registers && !before) return;
  gh_registration *r = add(all, p->cse);
  r->foreign = true;
  r->leaving = !p->registers;
  if (!r->leaving || p->called) return;
  GH_LOG(&all->host->log, GH_LOG_WARN, "still-registered-at-provider", GH_F("registrar", p->cse),
         GH_F("reason", "it is not called any more, and cannot be told"));
  r->over = true;
}

static void drop(registrations *all)
{
  gh_registrar_key_free(all->key);
  gh_str_release(&all->poa);
  free(all);
}

void gh_registration_start(gh_host *host, gh_str poa)
{
  const gh_host_config *c = &host->config;
  if (!host->outbound.send || !host->worker_count) return;
  registrations *all = gh_calloc(1, sizeof *all + (1 + c->provider_count) * sizeof *all->each);
  all->host = host;
  all->poa = gh_str_clone(poa);
  if (c->registrar.len) {
    all->key = gh_registrar_key_new(host);
    add(all, c->registrar);
  }
  for (size_t i = 0; i < c->provider_count; i++) add_provider(all, &c->providers[i]);
  if (!all->count) {
    drop(all);
    return;
  }
  host->own = all;
  gh_loop_call(host->workers[0]->loop, begin, all);
}

static void on_closed(uv_handle_t *handle)
{
  (void)handle;
}

static void stop(void *arg)
{
  registrations *all = arg;
  all->stopping = true;
  gh_registrar_key_stop(all->key);
  uv_timer_stop(&all->timer);
  uv_close((uv_handle_t *)&all->timer, on_closed);
}

void gh_registration_stop(gh_host *host)
{
  if (host->own) gh_loop_call(host->workers[0]->loop, stop, host->own);
}

void gh_registration_free(gh_host *host)
{
  registrations *all = of(host);
  if (all) drop(all);
  host->own = NULL;
}

void gh_registration_routes_changed(gh_host *host)
{
  registrations *all = of(host);
  for (size_t i = 0; all && i < all->count; i++) atomic_store(&all->each[i].changed, true);
}

void gh_registration_each(gh_host *host, void (*each)(void *ctx, gh_str registrar, bool registered), void *ctx)
{
  registrations *all = of(host);
  for (size_t i = 0; all && i < all->count; i++)
    if (!all->each[i].leaving) each(ctx, all->each[i].registrar, atomic_load(&all->each[i].there));
}
