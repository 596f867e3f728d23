/* One question at a time to the MAF: client registration, key registration with the exporter, and whether the key is
 * still there. The key never travels, and is in no log. */
#include "cse/registrar_key.h"

#include <stdlib.h>

#include "crypto/kdf.h"
#include "m2m/constants.h"
#include "m2m/key_id.h"
#include "m2m/m2m_time.h"

enum { RETRY_FIRST_S = 1, RETRY_MAX_S = 60, SUID_SAEF = 32, TEXT_BYTES = 320 };

typedef struct place { /* text that changes */
  char bytes[TEXT_BYTES];
  size_t len;
} place;

struct gh_registrar_key {
  gh_host *host;
  place key_id, client_id; /* KcID@MAF-FQDN and MAFClientRegID; empty: none */
  place before;            /* the key before: associations may live on it until the next one comes */
  int64_t until_us;        /* end of the key, wall clock */
  int64_t renew_us;        /* wall clock */
  int64_t confirm_us;      /* monotonic */
  int64_t due_us;          /* monotonic: nothing is asked before */
  int64_t retry_s;
  bool busy, stopping;
};

typedef void (*on_answer)(gh_registrar_key *k, gh_outbound_call *call, int rsc, const gh_val *attrs);

typedef struct question {
  gh_outbound_call call;
  gh_registrar_key *k;
  on_answer answer;
} question;

static gh_str text_of(const place *p)
{
  return (gh_str){p->bytes, p->len};
}

static bool keep(place *p, gh_str text)
{
  if (text.len > sizeof p->bytes) return false;
  if (text.len) memcpy(p->bytes, text.ptr, text.len);
  p->len = text.len;
  return true;
}

static int64_t mono(const gh_registrar_key *k)
{
  return gh_clock_mono_us(&k->host->clock);
}

/* ---- asking */

static void done(gh_outbound_call *call)
{
  question *q = (question *)call;
  gh_registrar_key *k = q->k;
  gh_str root;
  gh_val *attrs = NULL;
  k->busy = false;
  if (call->err == GH_OK && call->response.pc && !gh_val_unwrap(call->response.pc, &root, &attrs)) attrs = NULL;
  if (attrs && attrs->type != GH_VAL_OBJECT) attrs = NULL;
  if (!k->stopping) q->answer(k, call, call->err == GH_OK ? call->response.rsc : 0, attrs);
  gh_wipe(call->exported, sizeof call->exported);
  gh_arena_free(&call->arena);
  free(q);
}

static question *new_question(gh_registrar_key *k, gh_op op, on_answer answer)
{
  question *q = gh_calloc(1, sizeof *q);
  gh_arena *a = &q->call.arena;
  gh_arena_init(a);
  q->k = k;
  q->answer = answer;
  q->call.entity = k->host->config.registrar_maf;
  q->call.done = done;
  q->call.request =
      (gh_request){.op = op, .rcn = GH_RCN_ABSENT, .rt = 3, .drt = 1, .rvi = GH_STR("3"), .has_from = true};
  q->call.request.from = gh_self_cse_absolute(a, &k->host->config.self);
  return q;
}

static void ask_maf(question *q)
{
  gh_registrar_key *k = q->k;
  gh_host *host = k->host;
  if (gh_random_id(&host->random, &q->call.arena, GH_STR("kc-"), 8, &q->call.request.rqi) != GH_OK)
    q->call.request.rqi = GH_STR("kc");
  q->call.deadline_us = mono(k) + host->config.fetch_timeout_us;
  k->busy = true;
  host->outbound.send(host->outbound.ctx, host->workers[0], &q->call);
}

static void try_later(gh_registrar_key *k, const char *step, int rsc, gh_err err)
{
  k->due_us = mono(k) + k->retry_s * GH_US_PER_S;
  GH_LOG(&k->host->log, GH_LOG_WARN, "no-key-for-registrar", GH_F("maf", k->host->config.registrar_maf),
         GH_F("step", step), GH_F("rsc", rsc), GH_F("error", gh_err_name(err)), GH_F("again_s", k->retry_s));
  k->retry_s = k->retry_s * 2 < RETRY_MAX_S ? k->retry_s * 2 : RETRY_MAX_S;
}

static gh_val *until(const gh_registrar_key *k, gh_arena *a, int64_t longest_us)
{
  return gh_val_str(a, gh_timestamp(a, gh_host_now_us(k->host) + longest_us));
}

/* ---- the key is stored, or goes */

typedef struct change {
  gh_store_job job;
  gh_task task;
  gh_registrar_key *k;
  gh_arena arena;
  gh_key_record record;
  gh_str stale;
  bool removes;
  gh_err err;
} change;

static gh_err run_change(gh_store_job *job, gh_store_txn *txn)
{
  change *c = (change *)job;
  gh_host *host = c->k->host;
  if (c->removes) return gh_keyring_remove(host, txn, GH_KEY_KC, c->record.id, false);
  if (c->stale.len) GH_TRY(gh_keyring_remove(host, txn, GH_KEY_KC, c->stale, false));
  return gh_keyring_put(host, txn, &c->record);
}

static void changed(gh_task *task)
{
  change *c = (change *)((char *)task - offsetof(change, task));
  gh_registrar_key *k = c->k;
  k->busy = false;
  if (c->err != GH_OK) {
    try_later(k, "store", 0, c->err);
  } else if (c->removes) {
    k->key_id.len = 0;
    k->until_us = k->due_us = 0;
  } else {
    int64_t now = gh_host_now_us(k->host);
    k->before = k->key_id;
    keep(&k->key_id, c->record.id);
    k->until_us = c->record.not_after_us;
    k->renew_us = now + (k->until_us - now) / 2;
    k->confirm_us = mono(k) + k->host->config.recheck_us;
    k->due_us = 0;
    k->retry_s = RETRY_FIRST_S;
    GH_LOG(&k->host->log, GH_LOG_INFO, "key-for-registrar", GH_F("key", c->record.id),
           GH_F("registrar", k->host->config.registrar));
  }
  gh_arena_free(&c->arena);
  free(c);
}

static void change_done(gh_store_job *job, gh_err err)
{
  change *c = (change *)job;
  gh_secret_wipe(&c->record.key);
  c->err = err;
  c->task.run = changed;
  gh_loop_post(c->k->host->workers[0]->loop, &c->task);
}

static change *new_change(gh_registrar_key *k, gh_str id)
{
  change *c = gh_calloc(1, sizeof *c);
  gh_arena_init(&c->arena);
  c->job = (gh_store_job){.run = run_change, .done = change_done};
  c->k = k;
  c->record = (gh_key_record){.kind = GH_KEY_KC,
                              .id = gh_arena_dup(&c->arena, id),
                              .suid = SUID_SAEF,
                              .owner = k->host->config.registrar,
                              .targets = gh_arena_dup(&c->arena, text_of(&k->client_id))};
  return c;
}

static void submit(change *c)
{
  gh_registrar_key *k = c->k;
  k->busy = true;
  if (gh_store_submit(k->host->store, &c->job) == GH_OK) return;
  k->busy = false;
  try_later(k, "store", 0, GH_ELIMIT);
  gh_secret_wipe(&c->record.key);
  gh_arena_free(&c->arena);
  free(c);
}

/* ---- key registration */

/*= TS-0003 8.8.2.7 what the MAF returns counts; SUID and stakeholder must be those that were asked for */
static bool read_key(gh_registrar_key *k, gh_arena *a, const gh_val *attrs, gh_str *id, int64_t *not_after_us)
{
  int64_t suid = 0;
  gh_str relative, et, admin;
  gh_key_id parsed;
  bool complete = attrs && gh_val_get_int(attrs, GH_STR("suid"), &suid) &&
                  gh_val_get_str(attrs, GH_STR("ri"), &relative) && gh_val_get_str(attrs, GH_STR("et"), &et) &&
                  gh_val_get_str(attrs, GH_STR("adfq"), &admin);
  if (!complete || suid != SUID_SAEF || !gh_str_eq_nocase(admin, k->host->config.self.sp_fqdn)) return false;
  gh_str text = gh_arena_fmt(a, "%.*s@%.*s", GH_STR_ARG(relative), GH_STR_ARG(k->host->config.registrar_maf));
  if (gh_key_id_parse(text, false, &parsed) != GH_OK || gh_timestamp_parse(et, not_after_us) != GH_OK) return false;
  *id = gh_key_id_canonical(a, &parsed);
  return id->len <= TEXT_BYTES && *not_after_us > gh_host_now_us(k->host);
}

static void on_key(gh_registrar_key *k, gh_outbound_call *call, int rsc, const gh_val *attrs)
{
  gh_str id = GH_STR_NONE;
  int64_t not_after = 0;
  uint8_t part[GH_EXPORT_ID_BYTES];
  if (rsc == GH_RSC_ORIGINATOR_HAS_NO_PRIVILEGE) k->client_id.len = 0; /* the client registration has gone */
  if (rsc != GH_RSC_CREATED || !read_key(k, &call->arena, attrs, &id, &not_after)) {
    try_later(k, "key registration", rsc, call->err);
    return;
  }
  change *c = new_change(k, id);
  c->record.not_after_us = not_after;
  c->stale = gh_arena_dup(&c->arena, text_of(&k->before));
  gh_export_split(call->exported, part, &c->record.key);
  gh_wipe(part, sizeof part);
  submit(c);
}

/*= TS-0003 8.8.2.7; 8.2.2.3 a key for the registrar, and for it alone */
static void ask_key(gh_registrar_key *k)
{
  const gh_host_config *c = &k->host->config;
  question *q = new_question(k, GH_OP_CREATE, on_key);
  gh_arena *a = &q->call.arena;
  gh_val *o = gh_val_object(a), *targets = gh_val_array(a);
  gh_val_push(targets, gh_val_str(a, c->registrar));
  gh_val_set(a, o, GH_STR("et"), until(k, a, c->max_key_us));
  gh_val_set(a, o, GH_STR("adfq"), gh_val_str(a, c->self.sp_fqdn));
  gh_val_set(a, o, GH_STR("suid"), gh_val_int(a, SUID_SAEF));
  gh_val_set(a, o, GH_STR("tgis"), targets);
  q->call.export_key = true;
  q->call.request.to = GH_STR("maf");
  q->call.request.ty = GH_TY_SYMM_KEY_REG;
  q->call.request.has_ty = true;
  q->call.request.pc = gh_val_wrap(a, GH_STR("sec:skr"), o);
  ask_maf(q);
}

/* ---- client registration */

static void on_client(gh_registrar_key *k, gh_outbound_call *call, int rsc, const gh_val *attrs)
{
  gh_str id = GH_STR_NONE;
  bool created =
      rsc == GH_RSC_CREATED && attrs && gh_val_get_str(attrs, GH_STR("ri"), &id) && keep(&k->client_id, id);
  /* registered before, and the store has forgotten under which identifier: it serves until it ends */
  if (created || rsc == GH_RSC_ORIGINATOR_HAS_ALREADY_REGISTERED)
    ask_key(k);
  else
    try_later(k, "client registration", rsc, call->err);
}

/*= TS-0003 8.8.2.3 */
static void create_client(gh_registrar_key *k)
{
  question *q = new_question(k, GH_OP_CREATE, on_client);
  gh_arena *a = &q->call.arena;
  gh_val *o = gh_val_object(a);
  gh_val_set(a, o, GH_STR("et"), until(k, a, k->host->config.max_registration_us));
  gh_val_set(a, o, GH_STR("adfq"), gh_val_str(a, k->host->config.self.sp_fqdn));
  q->call.request.to = GH_STR("maf");
  q->call.request.ty = GH_TY_MAF_CLIENT_REG;
  q->call.request.has_ty = true;
  q->call.request.pc = gh_val_wrap(a, GH_STR("sec:macr"), o);
  ask_maf(q);
}

static void on_update(gh_registrar_key *k, gh_outbound_call *call, int rsc, const gh_val *attrs)
{
  (void)attrs;
  if (rsc == GH_RSC_NOT_FOUND) {
    k->client_id.len = 0;
    create_client(k);
  } else if (rsc == GH_RSC_UPDATED) {
    ask_key(k);
  } else {
    try_later(k, "client registration", rsc, call->err);
  }
}

/*= TS-0003 8.8.2.5 the registration lives longer than the key that is asked for next */
static void update_client(gh_registrar_key *k)
{
  question *q = new_question(k, GH_OP_UPDATE, on_update);
  gh_arena *a = &q->call.arena;
  gh_val *o = gh_val_object(a);
  gh_val_set(a, o, GH_STR("et"), until(k, a, k->host->config.max_registration_us));
  q->call.request.to = gh_arena_fmt(a, "maf/%.*s", GH_STR_ARG(text_of(&k->client_id)));
  q->call.request.pc = gh_val_wrap(a, GH_STR("sec:macr"), o);
  ask_maf(q);
}

/* ---- is it still there? */

static void on_confirmed(gh_registrar_key *k, gh_outbound_call *call, int rsc, const gh_val *attrs)
{
  (void)call;
  (void)attrs;
  k->confirm_us = mono(k) + k->host->config.recheck_us;
  if (rsc != GH_RSC_NOT_FOUND) return;
  change *c = new_change(k, text_of(&k->key_id)); /* revoked at the MAF: another one is needed */
  c->removes = true;
  submit(c);
}

static void confirm(gh_registrar_key *k)
{
  question *q = new_question(k, GH_OP_RETRIEVE, on_confirmed);
  gh_str id = text_of(&k->key_id);
  q->call.request.to = gh_arena_fmt(&q->call.arena, "maf/%.*s", GH_STR_ARG(gh_str_sub(id, 0, gh_str_rfind(id, '@'))));
  ask_maf(q);
}

/* ---- life */

bool gh_registrar_key_is_there(const gh_registrar_key *k)
{
  return !k || (k->key_id.len && k->until_us > gh_host_now_us(k->host));
}

void gh_registrar_key_tick(gh_registrar_key *k)
{
  if (!k || k->busy || k->stopping || k->due_us > mono(k)) return;
  if (!gh_registrar_key_is_there(k) || gh_host_now_us(k->host) >= k->renew_us) {
    if (k->client_id.len)
      update_client(k);
    else
      create_client(k);
  } else if (mono(k) >= k->confirm_us) {
    confirm(k);
  }
}

/* The key of an earlier run serves on: half of what is left of it, then the next one is asked for. */
static void recall(gh_registrar_key *k)
{
  gh_arena arena;
  gh_key_record r = {.key = {.len = 0}};
  gh_arena_init(&arena);
  gh_err err = gh_keyring_find_owned(k->host->keyring, &arena, GH_KEY_KC, k->host->config.registrar, &r);
  if (err == GH_OK || err == GH_EEXPIRED) keep(&k->client_id, r.targets);
  if (err == GH_OK && keep(&k->key_id, r.id)) {
    int64_t now = gh_host_now_us(k->host);
    k->until_us = r.not_after_us;
    k->renew_us = now + (r.not_after_us - now) / 2;
  }
  gh_secret_wipe(&r.key);
  gh_arena_free(&arena);
}

gh_registrar_key *gh_registrar_key_new(gh_host *host)
{
  if (gh_str_empty(host->config.registrar_maf)) return NULL;
  gh_registrar_key *k = gh_calloc(1, sizeof *k);
  k->host = host;
  k->retry_s = RETRY_FIRST_S;
  recall(k);
  return k;
}

void gh_registrar_key_stop(gh_registrar_key *k)
{
  if (k) k->stopping = true;
}

void gh_registrar_key_free(gh_registrar_key *k)
{
  free(k);
}
