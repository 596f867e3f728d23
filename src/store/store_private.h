/* Inside of the SQLite back end, for its three files. */
#ifndef GH_STORE_PRIVATE_H
#define GH_STORE_PRIVATE_H

#include <pthread.h>
#include <sqlite3.h>

#include "base/arena.h"
#include "store/store.h"

enum { GH_STORE_TRIM_EVERY = 4096 }; /* audit records between two looks at max_audit */

typedef enum gh_sql {
  SQL_PUT_RESOURCE,
  SQL_UPDATE_RESOURCE,
  SQL_DELETE_RESOURCE,
  SQL_PUT_KEY,
  SQL_DELETE_KEY,
  SQL_PUT_META,
  SQL_PUT_OUTBOX,
  SQL_DELETE_OUTBOX,
  SQL_PUT_AUDIT,
  SQL_TRIM_AUDIT,
  SQL_BEGIN,
  SQL_COMMIT,
  SQL_ROLLBACK,
  SQL_COUNT
} gh_sql;

struct gh_store_txn {
  gh_store *store;
  bool failed; /* a row could not be written: nothing of this batch may be kept */
};

typedef struct gh_audit_entry {
  struct gh_audit_entry *next;
  gh_store_audit record;
} gh_audit_entry;

struct gh_store {
  sqlite3 *db;
  sqlite3_stmt *statements[SQL_COUNT];
  gh_store_options options;
  const gh_log *log;
  bool readonly;
  int lock_fd; /* of PATH.lock, held while the writer may write; -1: none */
  pthread_t thread;
  bool thread_running;
  pthread_mutex_t lock;
  pthread_cond_t wake;
  gh_store_job *first, *last;
  size_t waiting;
  size_t wanted;           /* the writer sleeps until so many wait */
  size_t expected;         /* may be waiting soon: those whom the last commit answered, and who waited meanwhile */
  int64_t gather_until_ns; /* monotonic: how long the next commit waits for them */
  gh_audit_entry *audit_first, *audit_last;
  size_t audit_waiting;
  uint64_t audits_since_trim;
  bool stopping;
  gh_store_counters counters;
};

gh_err gh_store_run(gh_store *store, gh_sql which);      /* a statement without parameters */
gh_err gh_store_step(gh_store *store, sqlite3_stmt *st); /* step to done, reset, clear */
void gh_store_bind(sqlite3_stmt *st, int at, gh_str text);
void *gh_store_writer_main(void *arg);
gh_err gh_store_write_audit(gh_store *store, const gh_store_audit *record);

#endif
