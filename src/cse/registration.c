/* One question at a time to the registrar: CREATE <remoteCSE>, or UPDATE of it once it is there. */
#include "cse/registration.h"

#include <stdlib.h>

#include "cse/registrar_key.h"
#include "host/id_map.h"
#include "m2m/constants.h"
#include "m2m/m2m_time.h"

enum { TICK_MS = 250, RETRY_FIRST_S = 1, RETRY_MAX_S = 60, RENEW_MAX_S = 86400 };

typedef struct registration {
  gh_host *host;
  uv_timer_t timer;
  gh_str poa;
  gh_registrar_key *key; /* NULL: no MAF between this CSE and its registrar */
  atomic_bool changed;   /* the routes */
  bool known;            /* the registrar has our <remoteCSE>: UPDATE it */
  bool busy, stopping, local;
  int64_t due_us; /* monotonic */
  int64_t retry_s;
} registration;

typedef struct question {
  gh_outbound_call call;
  registration *r;
} question;

/* ---- what is sent */

typedef struct collector {
  gh_arena *arena;
  gh_val *list;
  const gh_host *host;
} collector;

static void collect(void *ctx, gh_str cse, gh_str next)
{
  collector *c = ctx;
  if (gh_str_eq(next, c->host->config.registrar)) return;
  gh_str text = gh_arena_dup(c->arena, cse);
  gh_val_push(c->list, gh_val_str(c->arena, gh_id_sp_relative(&c->host->config.self, text)));
}

static gh_val *descendants(gh_host *host, gh_arena *arena)
{
  collector c = {arena, gh_val_array(arena), host};
  gh_id_map_each(host->routes, collect, &c);
  return c.list;
}

static gh_val *texts(gh_arena *a, const char *const *items)
{
  gh_val *list = gh_val_array(a);
  for (; *items; items++) gh_val_push(list, gh_val_str(a, gh_str_of(*items)));
  return list;
}

static void fill_create(const registration *r, gh_arena *a, gh_request *request, gh_val *o)
{
  const gh_host_config *c = &r->host->config;
  request->op = GH_OP_CREATE;
  request->to = gh_id_sp_relative(&c->self, c->registrar);
  request->ty = GH_TY_REMOTE_CSE;
  request->has_ty = true;
  gh_val_set(a, o, GH_STR("rn"), gh_val_str(a, c->self.cse_id));
  gh_val_set(a, o, GH_STR("csi"), gh_val_str(a, request->from));
  gh_val_set(a, o, GH_STR("cb"),
             gh_val_str(a, gh_arena_fmt(a, "%.*s/%.*s", GH_STR_ARG(request->from), GH_STR_ARG(c->self.cse_rn))));
  gh_val_set(a, o, GH_STR("cst"), gh_val_int(a, c->cse_type));
  gh_val_set(a, o, GH_STR("srv"), texts(a, (const char *const[]){"2a", "3", NULL}));
}

static void fill_update(const registration *r, gh_arena *a, gh_request *request)
{
  const gh_host_config *c = &r->host->config;
  gh_str registrar = gh_id_sp_relative(&c->self, c->registrar);
  request->op = GH_OP_UPDATE;
  request->to = gh_arena_fmt(a, "%.*s/-/%.*s", GH_STR_ARG(registrar), GH_STR_ARG(c->self.cse_id));
}

static gh_err fill(const registration *r, question *q)
{
  gh_arena *a = &q->call.arena;
  gh_request *request = &q->call.request;
  gh_val *o = gh_val_object(a), *dcse = descendants(r->host, a), *poa = gh_val_array(a);
  *request = (gh_request){.rcn = GH_RCN_ABSENT, .rt = 3, .drt = 1, .rvi = GH_STR("3"), .has_from = true};
  GH_TRY(gh_random_id(&r->host->random, a, GH_STR("reg-"), 8, &request->rqi));
  request->from = gh_id_sp_relative(&r->host->config.self, gh_self_cse_absolute(a, &r->host->config.self));
  if (r->known)
    fill_update(r, a, request);
  else
    fill_create(r, a, request, o);
  if (r->poa.len) gh_val_push(poa, gh_val_str(a, r->poa));
  if (gh_str_starts(r->poa, GH_STR("https"))) /*= TS-0020 6.2.1 the same port */
    gh_val_push(poa, gh_val_str(a, gh_arena_fmt(a, "wss%.*s", GH_STR_ARG(gh_str_sub(r->poa, 5, r->poa.len)))));
  if (poa->u.array.count)
    gh_val_set(a, o, GH_STR("poa"), poa);
  else if (r->known) /* it may have had one before */
    gh_val_set(a, o, GH_STR("poa"), gh_val_null(a));
  gh_val_set(a, o, GH_STR("rr"), gh_val_bool(a, true));
  if (dcse->u.array.count)
    gh_val_set(a, o, GH_STR("dcse"), dcse);
  else if (r->known)
    gh_val_set(a, o, GH_STR("dcse"), gh_val_null(a));
  request->pc = gh_val_wrap(a, GH_STR("m2m:csr"), o);
  return GH_OK;
}

/* ---- the own picture of the registrar */

typedef struct mirror {
  gh_store_job job;
  gh_host *host;
} mirror;

static gh_err put_registrar(gh_host *host, gh_arena *a)
{
  const gh_host_config *c = &host->config;
  gh_str ri = gh_remote_cse_id(a, c->registrar), csi = gh_id_sp_relative(&c->self, c->registrar);
  gh_node *there = gh_tree_by_id(host->tree, GH_VIEW_WRITER, ri), *node;
  gh_node_unref(there);
  if (there) return GH_OK;
  gh_val *o = gh_val_object(a), *now = gh_val_str(a, gh_timestamp(a, gh_host_now_us(host)));
  const struct {
    const char *name;
    gh_val *value;
  } members[] = {{"rn", gh_val_str(a, ri)},
                 {"ty", gh_val_int(a, GH_TY_REMOTE_CSE)},
                 {"ri", gh_val_str(a, ri)},
                 {"pi", gh_val_str(a, c->self.cse_id)},
                 {"ct", now},
                 {"lt", now},
                 {"csi", gh_val_str(a, csi)},
                 {"cb", gh_val_str(a, gh_arena_fmt(a, "%.*s/-", GH_STR_ARG(csi)))},
                 {"rr", gh_val_bool(a, true)},
                 {"srv", texts(a, (const char *const[]){"2a", "3", NULL})}};
  for (size_t i = 0; i < sizeof members / sizeof *members; i++)
    gh_val_set(a, o, gh_str_of(members[i].name), members[i].value);
  gh_node_draft draft = {.type = gh_type_by_number(GH_TY_REMOTE_CSE),
                         .seq = gh_tree_next_seq(host->tree),
                         .ri = ri,
                         .pi = c->self.cse_id,
                         .rn = ri,
                         .creator = c->registrar,
                         .attrs = o};
  GH_TRY(gh_node_make(&draft, &c->self, &node, NULL));
  GH_TRY(gh_tree_insert(host->tree, node));
  return GH_OK;
}

static gh_err run_mirror(gh_store_job *job, gh_store_txn *txn)
{
  (void)txn;
  mirror *m = (mirror *)job;
  gh_arena arena;
  gh_arena_init(&arena);
  gh_err err = put_registrar(m->host, &arena);
  gh_arena_free(&arena);
  return err;
}

static void mirror_done(gh_store_job *job, gh_err err)
{
  mirror *m = (mirror *)job;
  if (err == GH_OK)
    gh_id_map_set(m->host->routes, m->host->config.registrar, m->host->config.registrar);
  else
    GH_LOG(&m->host->log, GH_LOG_ERROR, "registrar-not-recorded", GH_F("error", gh_err_name(err)));
  free(m);
}

/*= TS-0004 7.4.4.2.1 the registree keeps a <remoteCSE> of its registrar */
static void mirror_registrar(registration *r)
{
  if (r->local) return;
  mirror *m = gh_calloc(1, sizeof *m);
  *m = (mirror){.job = {.run = run_mirror, .done = mirror_done}, .host = r->host};
  r->local = gh_store_submit(r->host->store, &m->job) == GH_OK;
  if (!r->local) free(m);
}

/* ---- what is answered */

static int64_t now_us(const registration *r)
{
  return gh_clock_mono_us(&r->host->clock);
}

static void try_later(registration *r, int rsc, gh_err err)
{
  r->due_us = now_us(r) + r->retry_s * GH_US_PER_S;
  GH_LOG(&r->host->log, GH_LOG_WARN, "not-registered-at-registrar", GH_F("registrar", r->host->config.registrar),
         GH_F("rsc", rsc), GH_F("error", gh_err_name(err)), GH_F("again_s", r->retry_s));
  atomic_store(&r->changed, true);
  r->retry_s = r->retry_s * 2 < RETRY_MAX_S ? r->retry_s * 2 : RETRY_MAX_S;
}

/* Renewed at half of its life. */
static void registered(registration *r, const gh_response *response)
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
  if (!r->known || !r->local)
    GH_LOG(&r->host->log, GH_LOG_INFO, "registered-at-registrar", GH_F("registrar", r->host->config.registrar));
  r->known = true;
  mirror_registrar(r);
}

static void take_answer(registration *r, const question *q)
{
  const gh_outbound_call *call = &q->call;
  int rsc = call->err == GH_OK ? call->response.rsc : 0;
  if (rsc == GH_RSC_CREATED || rsc == GH_RSC_UPDATED) {
    registered(r, &call->response);
  } else if (rsc == GH_RSC_ORIGINATOR_HAS_ALREADY_REGISTERED && !r->known) { /* before a restart */
    r->known = true;
    atomic_store(&r->changed, true);
    r->due_us = 0;
  } else if (rsc == GH_RSC_NOT_FOUND && r->known) { /* the registrar has forgotten us */
    r->known = false;
    atomic_store(&r->changed, true);
    r->due_us = 0;
  } else {
    try_later(r, rsc, call->err);
  }
}

static void on_done(gh_outbound_call *call)
{
  question *q = (question *)call;
  registration *r = q->r;
  r->busy = false;
  if (!r->stopping) take_answer(r, q);
  gh_arena_free(&call->arena);
  free(q);
}

static void ask(registration *r)
{
  gh_host *host = r->host;
  question *q = gh_calloc(1, sizeof *q);
  gh_arena_init(&q->call.arena);
  q->r = r;
  atomic_store(&r->changed, false);
  r->due_us = INT64_MAX;
  if (fill(r, q) != GH_OK) {
    gh_arena_free(&q->call.arena);
    free(q);
    try_later(r, 0, GH_ECRYPTO);
    return;
  }
  r->busy = true;
  q->call.entity = host->config.registrar;
  q->call.deadline_us = now_us(r) + host->config.transit_us;
  q->call.done = on_done;
  host->outbound.send(host->outbound.ctx, host->workers[0], &q->call);
}

static void on_tick(uv_timer_t *timer)
{
  registration *r = timer->data;
  if (r->stopping) return;
  gh_registrar_key_tick(r->key);
  if (r->busy || !gh_registrar_key_is_there(r->key)) return;
  bool waiting = r->retry_s > RETRY_FIRST_S; /* the last attempt failed: not before its time */
  if (now_us(r) >= r->due_us || (atomic_load(&r->changed) && !waiting)) ask(r);
}

/* ---- life */

static void start(void *arg)
{
  registration *r = arg;
  uv_timer_init(r->host->workers[0]->uv, &r->timer);
  r->timer.data = r;
  uv_timer_start(&r->timer, on_tick, 0, TICK_MS);
}

void gh_registration_start(gh_host *host, gh_str poa)
{
  if (gh_str_empty(host->config.registrar) || !host->outbound.send || !host->worker_count) return;
  registration *r = gh_calloc(1, sizeof *r);
  r->host = host;
  r->poa = gh_str_clone(poa);
  r->retry_s = RETRY_FIRST_S;
  r->key = gh_registrar_key_new(host);
  host->own = r;
  gh_loop_call(host->workers[0]->loop, start, r);
}

static void on_closed(uv_handle_t *handle)
{
  (void)handle;
}

static void stop(void *arg)
{
  registration *r = arg;
  r->stopping = true;
  gh_registrar_key_stop(r->key);
  uv_timer_stop(&r->timer);
  uv_close((uv_handle_t *)&r->timer, on_closed);
}

void gh_registration_stop(gh_host *host)
{
  if (host->own) gh_loop_call(host->workers[0]->loop, stop, host->own);
}

void gh_registration_free(gh_host *host)
{
  registration *r = host->own;
  if (!r) return;
  gh_registrar_key_free(r->key);
  gh_str_release(&r->poa);
  free(r);
  host->own = NULL;
}

void gh_registration_routes_changed(gh_host *host)
{
  registration *r = host->own;
  if (r) atomic_store(&r->changed, true);
}
