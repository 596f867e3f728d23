/* Transactions over resources, keys, audit and outbox, without knowing what a resource means. One writer thread per
 * store groups the jobs that wait into one commit; a job's `done` runs after that commit is on disk. */
#ifndef GH_STORE_STORE_H
#define GH_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "gatehouse/error.h"
#include "gatehouse/str.h"

typedef struct gh_store gh_store;
typedef struct gh_store_txn gh_store_txn;

typedef struct gh_store_row { /* a resource */
  gh_str ri, pi, rn;
  uint32_t ty;
  gh_str creator; /* internal creator, absolute (default policy) */
  gh_str extra;   /* type-private text, never shown */
  gh_str body;    /* serialized attributes */
  int64_t seq;    /* order of creation */
} gh_store_row;

typedef struct gh_store_key { /* a key record; `sealed` is what se/ wrapped */
  gh_str id;                  /* canonical */
  gh_str kind;
  gh_str sealed;
  gh_str info; /* JSON without secrets */
  int64_t not_after_us;
} gh_store_key;

typedef struct gh_store_audit {
  int64_t time_us;
  gh_str rqi, event, originator, credential, peer, op, target, outcome, reason, detail;
  int rsc;
} gh_store_audit;

typedef struct gh_store_job {
  /* On the writer thread, inside the open transaction. Decides first and writes rows last: an error returned before
   * any row was written fails this job alone; a row that could not be written fails the whole batch. */
  gh_err (*run)(struct gh_store_job *job, gh_store_txn *txn);
  /* On the writer thread after the commit (GH_OK), or when nothing of the job was kept. */
  void (*done)(struct gh_store_job *job, gh_err err);
  struct gh_store_job *next;
  gh_err err;
} gh_store_job;

typedef struct gh_store_hooks { /* around each group commit, on the writer thread; any may be NULL */
  gh_err (*before_commit)(void *ctx, gh_store_txn *txn);
  void (*after_commit)(void *ctx, gh_err err);
  void (*all_told)(void *ctx); /* `done` of every job of the commit has run */
  void *ctx;
} gh_store_hooks;

typedef struct gh_store_options {
  const char *path;
  gh_store_hooks hooks;
  size_t max_waiting; /* jobs; over it submit is GH_ELIMIT. Default 65536 */
  size_t max_batch;   /* jobs in one commit. Default 1024 */
  int64_t max_audit;  /* audit records kept; the oldest go first. Default 1000000 */
  const gh_log *log;
} gh_store_options;

GH_MUST_USE gh_err gh_store_open(const gh_store_options *options, gh_store **out, gh_diag *diag);
/* Opens an existing database for reading only (explain, audit, doctor); no writer thread. */
GH_MUST_USE gh_err gh_store_open_readonly(const char *path, gh_store **out, gh_diag *diag);
void gh_store_close(gh_store *store); /* finishes what waits */

/* Any thread. The job must live until its `done`. */
GH_MUST_USE gh_err gh_store_submit(gh_store *store, gh_store_job *job);
/* Any thread; copies; audit records are written with the next commit, never waited for. */
void gh_store_audit_later(gh_store *store, const gh_store_audit *record);

/* Inside a transaction. */
GH_MUST_USE gh_err gh_txn_put_resource(gh_store_txn *txn, const gh_store_row *row);
GH_MUST_USE gh_err gh_txn_update_resource(gh_store_txn *txn, gh_str ri, gh_str body, gh_str extra);
GH_MUST_USE gh_err gh_txn_delete_resource(gh_store_txn *txn, gh_str ri);
GH_MUST_USE gh_err gh_txn_put_key(gh_store_txn *txn, const gh_store_key *key);
GH_MUST_USE gh_err gh_txn_delete_key(gh_store_txn *txn, gh_str kind, gh_str id);
GH_MUST_USE gh_err gh_txn_put_meta(gh_store_txn *txn, gh_str name, gh_str value);
GH_MUST_USE gh_err gh_txn_put_outbox(gh_store_txn *txn, gh_str target, gh_str body, int64_t *id);
GH_MUST_USE gh_err gh_txn_delete_outbox(gh_store_txn *txn, int64_t id);
/* Audit of a change: in the same transaction as the change. */
GH_MUST_USE gh_err gh_txn_put_audit(gh_store_txn *txn, const gh_store_audit *record);

/* Reading, before serving starts or on a read-only store. Text is valid during the call-back only. */
GH_MUST_USE gh_err gh_store_each_resource(gh_store *store, gh_err (*fn)(void *ctx, const gh_store_row *row),
                                          void *ctx);
GH_MUST_USE gh_err gh_store_each_key(gh_store *store, gh_err (*fn)(void *ctx, const gh_store_key *key), void *ctx);
GH_MUST_USE gh_err gh_store_each_audit(gh_store *store, gh_str rqi, size_t limit,
                                       gh_err (*fn)(void *ctx, const gh_store_audit *record), void *ctx);
GH_MUST_USE gh_err gh_store_get_meta(gh_store *store, gh_str name, char *out, size_t size, size_t *len);
typedef struct gh_store_counters {
  uint64_t commits, jobs, failed_commits, audits, audits_dropped, waiting;
} gh_store_counters;
void gh_store_counters_get(gh_store *store, gh_store_counters *out);
GH_MUST_USE gh_err gh_store_check(gh_store *store, gh_diag *diag); /* integrity, for doctor */

#endif
