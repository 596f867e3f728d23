/* SQLite back end: opening, schema, statements. The writer thread is in store_writer.c, reading in store_read.c. */
#include "store/store_private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS resource(seq INTEGER PRIMARY KEY, ri TEXT NOT NULL UNIQUE, pi TEXT NOT NULL,"
    " rn TEXT NOT NULL, ty INTEGER NOT NULL, creator TEXT NOT NULL, extra TEXT NOT NULL, body BLOB NOT NULL);"
    "CREATE TABLE IF NOT EXISTS key(kind TEXT NOT NULL, id TEXT NOT NULL, sealed BLOB NOT NULL, info TEXT NOT NULL,"
    " not_after_us INTEGER NOT NULL, PRIMARY KEY(kind, id)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS meta(name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS outbox(id INTEGER PRIMARY KEY AUTOINCREMENT, target TEXT NOT NULL, body BLOB NOT "
    "NULL);"
    "CREATE TABLE IF NOT EXISTS audit(id INTEGER PRIMARY KEY AUTOINCREMENT, time_us INTEGER NOT NULL, rqi TEXT NOT "
    "NULL,"
    " event TEXT NOT NULL, originator TEXT NOT NULL, credential TEXT NOT NULL, peer TEXT NOT NULL, op TEXT NOT NULL,"
    " target TEXT NOT NULL, outcome TEXT NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL, rsc INTEGER NOT NULL);"
    "CREATE INDEX IF NOT EXISTS audit_rqi ON audit(rqi);";

enum { SCHEMA_VERSION = 1 };

static const char *const sql[SQL_COUNT] = {
    [SQL_PUT_RESOURCE] = "INSERT INTO resource(seq,ri,pi,rn,ty,creator,extra,body) VALUES(?1,?2,?3,?4,?5,?6,?7,?8)",
    [SQL_UPDATE_RESOURCE] = "UPDATE resource SET body=?2, extra=?3 WHERE ri=?1",
    [SQL_DELETE_RESOURCE] = "DELETE FROM resource WHERE ri=?1",
    [SQL_PUT_KEY] = "INSERT OR REPLACE INTO key(kind,id,sealed,info,not_after_us) VALUES(?1,?2,?3,?4,?5)",
    [SQL_DELETE_KEY] = "DELETE FROM key WHERE kind=?1 AND id=?2",
    [SQL_PUT_META] = "INSERT OR REPLACE INTO meta(name,value) VALUES(?1,?2)",
    [SQL_PUT_OUTBOX] = "INSERT INTO outbox(target,body) VALUES(?1,?2)",
    [SQL_DELETE_OUTBOX] = "DELETE FROM outbox WHERE id=?1",
    [SQL_PUT_AUDIT] =
        ("INSERT INTO audit(time_us,rqi,event,originator,credential,peer,op,target,outcome,reason,detail,rsc)"
         " VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)"),
    [SQL_TRIM_AUDIT] = "DELETE FROM audit WHERE id <= (SELECT max(id) FROM audit) - ?1",
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
};

void gh_store_bind(sqlite3_stmt *st, int at, gh_str text)
{
  sqlite3_bind_text64(st, at, text.len ? text.ptr : "", text.len, SQLITE_STATIC, SQLITE_UTF8);
}

gh_err gh_store_step(gh_store *store, sqlite3_stmt *st)
{
  int rc = sqlite3_step(st);
  sqlite3_reset(st);
  sqlite3_clear_bindings(st);
  if (rc == SQLITE_DONE || rc == SQLITE_ROW) return GH_OK;
  GH_LOG(store->log, GH_LOG_ERROR, "store-write-failed", GH_F("sqlite", sqlite3_errmsg(store->db)), GH_F("code", rc));
  return rc == SQLITE_CONSTRAINT ? GH_EEXIST : GH_EIO;
}

gh_err gh_store_run(gh_store *store, gh_sql which)
{
  return gh_store_step(store, store->statements[which]);
}

static gh_err check_version(gh_store *store, gh_diag *diag)
{
  const char *path = sqlite3_db_filename(store->db, NULL);
  sqlite3_stmt *st;
  GH_REQUIRE(sqlite3_prepare_v2(store->db, "PRAGMA user_version", -1, &st, NULL) == SQLITE_OK, GH_EIO);
  bool readable = sqlite3_step(st) == SQLITE_ROW;
  int version = readable ? sqlite3_column_int(st, 0) : 0;
  sqlite3_finalize(st);
  if (!readable) return gh_fail(diag, GH_EIO, "%s: cannot read the database: %s", path, sqlite3_errmsg(store->db));
  if (version != 0 && version != SCHEMA_VERSION)
    return gh_fail(diag, GH_EUNSUPPORTED, "%s: the database has schema version %d, this program knows %d", path,
                   version, SCHEMA_VERSION);
  return GH_OK;
}

static gh_err prepare_database(gh_store *store, gh_diag *diag)
{
  char text[256];
  GH_TRY(check_version(store, diag));
  snprintf(text, sizeof text, "PRAGMA user_version=%d", SCHEMA_VERSION);
  const char *steps[] = {"PRAGMA journal_mode=WAL",
                         "PRAGMA synchronous=FULL",
                         "PRAGMA temp_store=MEMORY",
                         "PRAGMA cache_size=-16000",
                         schema,
                         text};
  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
    if (sqlite3_exec(store->db, steps[i], NULL, NULL, NULL) != SQLITE_OK)
      return gh_fail(diag, GH_EIO, "%s: cannot prepare the database: %s", sqlite3_db_filename(store->db, NULL),
                     sqlite3_errmsg(store->db));
  for (size_t i = 0; i < SQL_COUNT; i++)
    if (sqlite3_prepare_v3(store->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &store->statements[i], NULL) !=
        SQLITE_OK)
      return gh_fail(diag, GH_EIO, "cannot prepare a statement: %s", sqlite3_errmsg(store->db));
  return GH_OK;
}

static gh_err open_database(gh_store *store, const char *path, int flags, gh_diag *diag)
{
  mode_t before = umask(077); /* databases hold sealed keys and personal data */
  int rc = sqlite3_open_v2(path, &store->db, flags | SQLITE_OPEN_NOMUTEX, NULL);
  umask(before);
  if (rc != SQLITE_OK) return gh_fail(diag, GH_EIO, "cannot open %s: %s", path, sqlite3_errmsg(store->db));
  sqlite3_busy_timeout(store->db, 5000);
  sqlite3_extended_result_codes(store->db, 0);
  return GH_OK;
}

/* Whoever writes keeps the whole tree in memory, so there may be one. The lock is on a file beside the database:
 * closing a second descriptor of the database itself would drop the locks that SQLite has on it. It ends with the
 * process. */
static gh_err lock_database(gh_store *store, const char *path, gh_diag *diag)
{
  char name[PATH_MAX];
  if ((size_t)snprintf(name, sizeof name, "%s.lock", path) >= sizeof name)
    return gh_fail(diag, GH_ELIMIT, "%s.lock is too long a path", path);
  store->lock_fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
  if (store->lock_fd < 0) return gh_fail(diag, GH_EIO, "cannot open %s: %s", name, strerror(errno));
  if (flock(store->lock_fd, LOCK_EX | LOCK_NB) == 0) return GH_OK;
  if (errno != EWOULDBLOCK) return gh_fail(diag, GH_EIO, "cannot lock %s: %s", name, strerror(errno));
  return gh_fail(diag, GH_EEXIST, "%s is being served already: end that first (%s is locked)", path, name);
}

/* What a back-up or a copy left open to others is not taken over in silence. */
static gh_err check_mode(const char *path, gh_diag *diag)
{
  struct stat st;
  if (stat(path, &st) != 0 || !(st.st_mode & (S_IRWXG | S_IRWXO))) return GH_OK;
  return gh_fail(diag, GH_EACCES, "%s: mode 0%o lets others in; it must be 0600", path, (unsigned)st.st_mode & 0777);
}

static void set_defaults(gh_store_options *options)
{
  if (!options->max_waiting) options->max_waiting = 65536;
  if (!options->max_batch) options->max_batch = 1024;
  if (!options->max_audit) options->max_audit = 1000000;
}

gh_err gh_store_open(const gh_store_options *options, gh_store **out, gh_diag *diag)
{
  gh_store *store = gh_calloc(1, sizeof *store);
  store->options = *options;
  set_defaults(&store->options);
  store->log = options->log;
  store->lock_fd = -1;
  store->audits_since_trim = GH_STORE_TRIM_EVERY; /* the bound holds across restarts */
  pthread_mutex_init(&store->lock, NULL);
  pthread_condattr_t attr;
  pthread_condattr_init(&attr);
  pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
  pthread_cond_init(&store->wake, &attr);
  pthread_condattr_destroy(&attr);
  gh_err err = check_mode(options->path, diag);
  if (err == GH_OK) err = lock_database(store, options->path, diag);
  if (err == GH_OK) err = open_database(store, options->path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, diag);
  if (err == GH_OK) err = prepare_database(store, diag);
  if (err == GH_OK && pthread_create(&store->thread, NULL, gh_store_writer_main, store) != 0) err = GH_EIO;
  if (err != GH_OK) {
    gh_store_close(store);
    return err;
  }
  store->thread_running = true;
  *out = store;
  return GH_OK;
}

gh_err gh_store_open_readonly(const char *path, gh_store **out, gh_diag *diag)
{
  gh_store *store = gh_calloc(1, sizeof *store);
  store->readonly = true;
  store->lock_fd = -1;
  pthread_mutex_init(&store->lock, NULL);
  pthread_cond_init(&store->wake, NULL);
  gh_err err = open_database(store, path, SQLITE_OPEN_READONLY, diag);
  if (err == GH_OK) err = check_version(store, diag);
  if (err != GH_OK) {
    gh_store_close(store);
    return err;
  }
  *out = store;
  return GH_OK;
}

void gh_store_close(gh_store *store)
{
  if (!store) return;
  if (store->thread_running) {
    pthread_mutex_lock(&store->lock);
    store->stopping = true;
    pthread_cond_signal(&store->wake);
    pthread_mutex_unlock(&store->lock);
    pthread_join(store->thread, NULL);
  }
  for (size_t i = 0; i < SQL_COUNT; i++) sqlite3_finalize(store->statements[i]);
  sqlite3_close(store->db);
  if (store->lock_fd >= 0) close(store->lock_fd);
  pthread_cond_destroy(&store->wake);
  pthread_mutex_destroy(&store->lock);
  free(store);
}

void gh_store_counters_get(gh_store *store, gh_store_counters *out)
{
  pthread_mutex_lock(&store->lock);
  *out = store->counters;
  out->waiting = store->waiting;
  pthread_mutex_unlock(&store->lock);
}
