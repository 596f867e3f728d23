/* The one writer: takes what waits, runs it in one transaction, commits, tells everybody. */
#include "store/store_private.h"

#include <stdlib.h>
#include <time.h>

enum {
  AUDIT_QUEUE_MAX = 65536,
  GATHER_PART = 4,
  GATHER_MAX_NS = 2000000,
  QUICK_DISK_NS = 1000000,
  NS_PER_S = 1000000000
};

gh_err gh_store_submit(gh_store *store, gh_store_job *job)
{
  job->next = NULL;
  job->err = GH_OK;
  GH_REQUIRE(!store->readonly, GH_EUNSUPPORTED);
  pthread_mutex_lock(&store->lock);
  bool full = store->stopping || store->waiting >= store->options.max_waiting;
  if (!full) {
    if (store->last)
      store->last->next = job;
    else
      store->first = job;
    store->last = job;
    store->waiting++;
    if (store->waiting >= store->wanted) pthread_cond_signal(&store->wake);
  }
  pthread_mutex_unlock(&store->lock);
  return full ? GH_ELIMIT : GH_OK;
}

static gh_str put_text(char **at, gh_str s)
{
  char *start = *at;
  if (s.len) memcpy(start, s.ptr, s.len);
  *at += s.len;
  return (gh_str){start, s.len};
}

static gh_audit_entry *copy_audit(const gh_store_audit *r)
{
  const gh_str *fields[] = {&r->rqi, &r->event,  &r->originator, &r->credential, &r->peer,
                            &r->op,  &r->target, &r->outcome,    &r->reason,     &r->detail};
  size_t total = 0;
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) total += fields[i]->len;
  gh_audit_entry *entry = gh_malloc(sizeof *entry + total);
  char *at = (char *)(entry + 1);
  entry->next = NULL;
  entry->record = (gh_store_audit){
      .time_us = r->time_us,
      .rqi = put_text(&at, r->rqi),
      .event = put_text(&at, r->event),
      .originator = put_text(&at, r->originator),
      .credential = put_text(&at, r->credential),
      .peer = put_text(&at, r->peer),
      .op = put_text(&at, r->op),
      .target = put_text(&at, r->target),
      .outcome = put_text(&at, r->outcome),
      .reason = put_text(&at, r->reason),
      .detail = put_text(&at, r->detail),
      .rsc = r->rsc,
  };
  return entry;
}

void gh_store_audit_later(gh_store *store, const gh_store_audit *record)
{
  if (store->readonly) return; /* who only looks leaves no trace */
  gh_audit_entry *entry = copy_audit(record);
  pthread_mutex_lock(&store->lock);
  bool full = store->audit_waiting >= AUDIT_QUEUE_MAX;
  if (full) {
    store->counters.audits_dropped++;
  } else {
    if (store->audit_last)
      store->audit_last->next = entry;
    else
      store->audit_first = entry;
    store->audit_last = entry;
    store->audit_waiting++;
    pthread_cond_signal(&store->wake);
  }
  pthread_mutex_unlock(&store->lock);
  if (full) free(entry);
}

gh_err gh_store_write_audit(gh_store *store, const gh_store_audit *r)
{
  sqlite3_stmt *st = store->statements[SQL_PUT_AUDIT];
  const gh_str fields[] = {r->rqi, r->event,  r->originator, r->credential, r->peer,
                           r->op,  r->target, r->outcome,    r->reason,     r->detail};
  sqlite3_bind_int64(st, 1, r->time_us);
  for (int i = 0; i < 10; i++) gh_store_bind(st, i + 2, fields[i]);
  sqlite3_bind_int(st, 12, r->rsc);
  store->audits_since_trim++;
  return gh_store_step(store, st);
}

static gh_err write_audits(gh_store *store, const gh_audit_entry *entries)
{
  for (; entries; entries = entries->next) GH_TRY(gh_store_write_audit(store, &entries->record));
  if (store->audits_since_trim < GH_STORE_TRIM_EVERY) return GH_OK;
  store->audits_since_trim = 0;
  sqlite3_bind_int64(store->statements[SQL_TRIM_AUDIT], 1, store->options.max_audit);
  return gh_store_run(store, SQL_TRIM_AUDIT);
}

static void roll_back(gh_store *store)
{
  if (sqlite3_get_autocommit(store->db)) return;
  gh_err err = gh_store_run(store, SQL_ROLLBACK);
  if (err != GH_OK) GH_LOG(store->log, GH_LOG_ERROR, "store-rollback-failed", GH_F("error", gh_err_name(err)));
}

/* What was refused stays on record also when the changes of the same batch could not be kept. */
static gh_err write_audits_alone(gh_store *store, const gh_audit_entry *entries)
{
  if (!entries) return GH_OK;
  gh_err err = gh_store_run(store, SQL_BEGIN);
  if (err == GH_OK) err = write_audits(store, entries);
  if (err == GH_OK) err = gh_store_run(store, SQL_COMMIT);
  if (err != GH_OK) roll_back(store);
  return err;
}

static void end_audits(gh_store *store, gh_audit_entry *entries, gh_err err)
{
  uint64_t count = 0;
  for (gh_audit_entry *next; entries; entries = next, count++) {
    next = entries->next;
    free(entries);
  }
  pthread_mutex_lock(&store->lock);
  *(err == GH_OK ? &store->counters.audits : &store->counters.audits_dropped) += count;
  pthread_mutex_unlock(&store->lock);
}

typedef struct batch {
  gh_store_job *jobs;
  gh_audit_entry *audits;
  size_t count;
  int64_t disk_ns; /* what COMMIT took */
} batch;

static int64_t mono_ns(void)
{
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

/* Who was answered by a commit comes back soon. Waiting a fraction of what the disk takes makes one group of two that
 * would take turns: half of the disk's work. Who comes later than that never waits. */
static void gather(gh_store *store)
{
  if (store->waiting >= store->expected || store->gather_until_ns <= mono_ns()) return;
  struct timespec deadline = {.tv_sec = store->gather_until_ns / NS_PER_S,
                              .tv_nsec = store->gather_until_ns % NS_PER_S};
  store->wanted = store->expected;
  while (store->waiting < store->wanted && !store->stopping)
    if (pthread_cond_timedwait(&store->wake, &store->lock, &deadline) != 0) break;
  store->wanted = 1;
}

/* With the lock held, when a commit has ended. A disk that answers at once is not waited for. */
static void expect_again(gh_store *store, const batch *b)
{
  int64_t patience = b->disk_ns < QUICK_DISK_NS ? 0 : b->disk_ns / GATHER_PART;
  store->gather_until_ns = mono_ns() + (patience < GATHER_MAX_NS ? patience : GATHER_MAX_NS);
  store->expected = b->count > 1 || store->waiting ? b->count + store->waiting : 0;
  if (store->expected > store->options.max_batch) store->expected = store->options.max_batch;
}

/* Waits for work; false when the store is closing and nothing waits. */
static bool take_batch(gh_store *store, batch *b)
{
  pthread_mutex_lock(&store->lock);
  gather(store);
  while (!store->first && !store->audit_first && !store->stopping) pthread_cond_wait(&store->wake, &store->lock);
  *b = (batch){.jobs = store->first, .audits = store->audit_first};
  store->audit_first = store->audit_last = NULL;
  store->audit_waiting = 0;
  gh_store_job *end = store->first;
  for (b->count = end ? 1 : 0; end && end->next && b->count < store->options.max_batch; b->count++) end = end->next;
  store->first = end ? end->next : NULL;
  if (!store->first) store->last = NULL;
  if (end) end->next = NULL;
  store->waiting -= b->count;
  pthread_mutex_unlock(&store->lock);
  return b->jobs || b->audits;
}

static gh_err run_jobs(gh_store *store, gh_store_txn *txn, const batch *b)
{
  const gh_store_hooks *hooks = &store->options.hooks;
  GH_TRY(gh_store_run(store, SQL_BEGIN));
  for (gh_store_job *job = b->jobs; job && !txn->failed; job = job->next) job->err = job->run(job, txn);
  if (!txn->failed && hooks->before_commit && hooks->before_commit(hooks->ctx, txn) != GH_OK) txn->failed = true;
  return txn->failed ? GH_EIO : GH_OK;
}

/* Acknowledged means durable: everybody is told after the commit, never before. */
static void finish(gh_store *store, const batch *b, gh_err err)
{
  const gh_store_hooks *hooks = &store->options.hooks;
  pthread_mutex_lock(&store->lock);
  store->counters.commits += err == GH_OK;
  store->counters.failed_commits += err != GH_OK;
  store->counters.jobs += b->count;
  expect_again(store, b);
  pthread_mutex_unlock(&store->lock);
  if (hooks->after_commit) hooks->after_commit(hooks->ctx, err);
  for (gh_store_job *job = b->jobs, *next; job; job = next) {
    next = job->next; /* `done` may free the job */
    job->done(job, err != GH_OK ? err : job->err);
  }
  if (hooks->all_told) hooks->all_told(hooks->ctx);
}

static void run_batch(gh_store *store, batch *b)
{
  gh_store_txn txn = {.store = store};
  gh_err err = run_jobs(store, &txn, b);
  if (err == GH_OK) err = write_audits(store, b->audits);
  int64_t before = mono_ns();
  if (err == GH_OK) err = gh_store_run(store, SQL_COMMIT);
  b->disk_ns = mono_ns() - before;
  gh_err audit_err = GH_OK;
  if (err != GH_OK) {
    roll_back(store);
    audit_err = write_audits_alone(store, b->audits);
  }
  end_audits(store, b->audits, audit_err);
  finish(store, b, err);
}

void *gh_store_writer_main(void *arg)
{
  gh_store *store = arg;
  pthread_setname_np(pthread_self(), "gh-writer");
  batch b;
  while (take_batch(store, &b)) run_batch(store, &b);
  return NULL;
}

static gh_err keep(gh_store_txn *txn, gh_err err)
{
  if (err != GH_OK) txn->failed = true;
  return err;
}

gh_err gh_txn_put_resource(gh_store_txn *txn, const gh_store_row *row)
{
  sqlite3_stmt *st = txn->store->statements[SQL_PUT_RESOURCE];
  sqlite3_bind_int64(st, 1, row->seq);
  gh_store_bind(st, 2, row->ri);
  gh_store_bind(st, 3, row->pi);
  gh_store_bind(st, 4, row->rn);
  sqlite3_bind_int64(st, 5, row->ty);
  gh_store_bind(st, 6, row->creator);
  gh_store_bind(st, 7, row->extra);
  gh_store_bind(st, 8, row->body);
  return keep(txn, gh_store_step(txn->store, st));
}

gh_err gh_txn_update_resource(gh_store_txn *txn, gh_str ri, gh_str body, gh_str extra)
{
  sqlite3_stmt *st = txn->store->statements[SQL_UPDATE_RESOURCE];
  gh_store_bind(st, 1, ri);
  gh_store_bind(st, 2, body);
  gh_store_bind(st, 3, extra);
  gh_err err = gh_store_step(txn->store, st);
  if (err == GH_OK && sqlite3_changes(txn->store->db) != 1) err = GH_ENOTFOUND; /* would be acknowledged and lost */
  return keep(txn, err);
}

gh_err gh_txn_delete_resource(gh_store_txn *txn, gh_str ri)
{
  sqlite3_stmt *st = txn->store->statements[SQL_DELETE_RESOURCE];
  gh_store_bind(st, 1, ri);
  return keep(txn, gh_store_step(txn->store, st));
}

gh_err gh_txn_put_key(gh_store_txn *txn, const gh_store_key *key)
{
  sqlite3_stmt *st = txn->store->statements[SQL_PUT_KEY];
  gh_store_bind(st, 1, key->kind);
  gh_store_bind(st, 2, key->id);
  sqlite3_bind_blob64(st, 3, key->sealed.len ? key->sealed.ptr : "", key->sealed.len, SQLITE_STATIC);
  gh_store_bind(st, 4, key->info);
  sqlite3_bind_int64(st, 5, key->not_after_us);
  return keep(txn, gh_store_step(txn->store, st));
}

gh_err gh_txn_delete_key(gh_store_txn *txn, gh_str kind, gh_str id)
{
  sqlite3_stmt *st = txn->store->statements[SQL_DELETE_KEY];
  gh_store_bind(st, 1, kind);
  gh_store_bind(st, 2, id);
  return keep(txn, gh_store_step(txn->store, st));
}

gh_err gh_txn_put_meta(gh_store_txn *txn, gh_str name, gh_str value)
{
  sqlite3_stmt *st = txn->store->statements[SQL_PUT_META];
  gh_store_bind(st, 1, name);
  gh_store_bind(st, 2, value);
  return keep(txn, gh_store_step(txn->store, st));
}

gh_err gh_txn_put_outbox(gh_store_txn *txn, gh_str target, gh_str body, int64_t *id)
{
  sqlite3_stmt *st = txn->store->statements[SQL_PUT_OUTBOX];
  gh_store_bind(st, 1, target);
  gh_store_bind(st, 2, body);
  gh_err err = keep(txn, gh_store_step(txn->store, st));
  if (err == GH_OK) *id = sqlite3_last_insert_rowid(txn->store->db);
  return err;
}

gh_err gh_txn_delete_outbox(gh_store_txn *txn, int64_t id)
{
  sqlite3_stmt *st = txn->store->statements[SQL_DELETE_OUTBOX];
  sqlite3_bind_int64(st, 1, id);
  return keep(txn, gh_store_step(txn->store, st));
}

gh_err gh_txn_put_audit(gh_store_txn *txn, const gh_store_audit *record)
{
  return keep(txn, gh_store_write_audit(txn->store, record));
}
