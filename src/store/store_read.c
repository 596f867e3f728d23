/* Reading everything of a kind: before serving starts, or from a read-only store. */
#include "store/store_private.h"

static gh_str column(sqlite3_stmt *st, int at)
{
  const void *bytes = sqlite3_column_blob(st, at);
  return (gh_str){bytes, (size_t)sqlite3_column_bytes(st, at)};
}

static gh_err prepare(gh_store *store, const char *text, sqlite3_stmt **out)
{
  return sqlite3_prepare_v2(store->db, text, -1, out, NULL) == SQLITE_OK ? GH_OK : GH_EIO;
}

gh_err gh_store_each_resource(gh_store *store, gh_err (*fn)(void *ctx, const gh_store_row *row), void *ctx)
{
  sqlite3_stmt *st;
  GH_TRY(prepare(store, "SELECT seq,ri,pi,rn,ty,creator,extra,body FROM resource ORDER BY seq", &st));
  gh_err err = GH_OK;
  int rc = SQLITE_DONE;
  while (err == GH_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
    gh_store_row row = {.seq = sqlite3_column_int64(st, 0),
                        .ri = column(st, 1),
                        .pi = column(st, 2),
                        .rn = column(st, 3),
                        .ty = (uint32_t)sqlite3_column_int64(st, 4),
                        .creator = column(st, 5),
                        .extra = column(st, 6),
                        .body = column(st, 7)};
    err = fn(ctx, &row);
  }
  sqlite3_finalize(st);
  return err != GH_OK ? err : rc == SQLITE_DONE ? GH_OK : GH_EIO;
}

gh_err gh_store_each_key(gh_store *store, gh_err (*fn)(void *ctx, const gh_store_key *key), void *ctx)
{
  sqlite3_stmt *st;
  GH_TRY(prepare(store, "SELECT kind,id,sealed,info,not_after_us FROM key", &st));
  gh_err err = GH_OK;
  int rc = SQLITE_DONE;
  while (err == GH_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
    gh_store_key key = {.kind = column(st, 0),
                        .id = column(st, 1),
                        .sealed = column(st, 2),
                        .info = column(st, 3),
                        .not_after_us = sqlite3_column_int64(st, 4)};
    err = fn(ctx, &key);
  }
  sqlite3_finalize(st);
  return err != GH_OK ? err : rc == SQLITE_DONE ? GH_OK : GH_EIO;
}

gh_err gh_store_each_audit(gh_store *store, gh_str rqi, size_t limit,
                           gh_err (*fn)(void *ctx, const gh_store_audit *record), void *ctx)
{
  sqlite3_stmt *st;
  GH_TRY(prepare(store,
                 "SELECT time_us,rqi,event,originator,credential,peer,op,target,outcome,reason,detail,rsc FROM audit"
                 " WHERE ?1='' OR rqi=?1 ORDER BY id DESC LIMIT ?2",
                 &st));
  gh_store_bind(st, 1, rqi);
  sqlite3_bind_int64(st, 2, (sqlite3_int64)limit);
  gh_err err = GH_OK;
  int rc = SQLITE_DONE;
  while (err == GH_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
    gh_store_audit record = {.time_us = sqlite3_column_int64(st, 0),
                             .rqi = column(st, 1),
                             .event = column(st, 2),
                             .originator = column(st, 3),
                             .credential = column(st, 4),
                             .peer = column(st, 5),
                             .op = column(st, 6),
                             .target = column(st, 7),
                             .outcome = column(st, 8),
                             .reason = column(st, 9),
                             .detail = column(st, 10),
                             .rsc = sqlite3_column_int(st, 11)};
    err = fn(ctx, &record);
  }
  sqlite3_finalize(st);
  return err != GH_OK ? err : rc == SQLITE_DONE || rc == SQLITE_ROW ? GH_OK : GH_EIO;
}

gh_err gh_store_get_meta(gh_store *store, gh_str name, char *out, size_t size, size_t *len)
{
  sqlite3_stmt *st;
  GH_TRY(prepare(store, "SELECT value FROM meta WHERE name=?1", &st));
  gh_store_bind(st, 1, name);
  gh_err err = GH_ENOTFOUND;
  if (sqlite3_step(st) == SQLITE_ROW) {
    gh_str value = column(st, 0);
    err = value.len <= size ? GH_OK : GH_ELIMIT;
    if (err == GH_OK && value.len) memcpy(out, value.ptr, value.len);
    *len = value.len;
  }
  sqlite3_finalize(st);
  return err;
}

gh_err gh_store_check(gh_store *store, gh_diag *diag)
{
  sqlite3_stmt *st;
  GH_TRY(prepare(store, "PRAGMA quick_check", &st));
  gh_err err = GH_EIO;
  if (sqlite3_step(st) == SQLITE_ROW) {
    gh_str answer = column(st, 0);
    err = gh_str_eq(answer, GH_STR("ok")) ? GH_OK : GH_ETAMPER;
    if (err != GH_OK) gh_fail(diag, err, "database: %.*s", GH_STR_ARG(answer));
  }
  sqlite3_finalize(st);
  return err;
}
