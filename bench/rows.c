#include "rows.h"

#include <stdio.h>
#include <stdlib.h>

#include "store/store.h"

static void check(rows *r, int rc)
{
  if (rc == SQLITE_OK || rc == SQLITE_DONE) return;
  fprintf(stderr, "bench: %s\n", sqlite3_errmsg(r->db));
  exit(3);
}

/* The store makes the tables, so that they are the same. */
static void make_tables(const char *path)
{
  gh_store_options options = {.path = path};
  gh_store *store;
  gh_diag diag = {""};
  if (gh_store_open(&options, &store, &diag) != GH_OK) {
    fprintf(stderr, "bench: %s\n", diag.text);
    exit(3);
  }
  gh_store_close(store);
}

static void bind_text(sqlite3_stmt *st, int at, const char *text, int len)
{
  sqlite3_bind_text(st, at, text, len, SQLITE_STATIC);
}

static void put(rows *r, const char *ri, int ty, const char *body, int len)
{
  sqlite3_bind_int64(r->put, 1, ++r->seq);
  bind_text(r->put, 2, ri, -1);
  bind_text(r->put, 3, "cnt-3", -1);
  bind_text(r->put, 4, ri, -1);
  sqlite3_bind_int(r->put, 5, ty);
  bind_text(r->put, 6, "//sp.example.com/in-cse/Cbench", -1);
  bind_text(r->put, 7, "", -1);
  bind_text(r->put, 8, body, len);
  check(r, sqlite3_step(r->put));
  sqlite3_reset(r->put);
}

void rows_open(rows *r, const char *path, const char *body, const char *container)
{
  r->body_len = rows_read_file(body, r->body);
  r->container_len = rows_read_file(container, r->container);
  make_tables(path);
  check(r, sqlite3_open_v2(path, &r->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL));
  check(r, sqlite3_exec(r->db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-16000", NULL,
                        NULL, NULL));
  const char *insert = "INSERT INTO resource(seq,ri,pi,rn,ty,creator,extra,body) VALUES(?1,?2,?3,?4,?5,?6,?7,?8)";
  check(r, sqlite3_prepare_v2(r->db, insert, -1, &r->put, NULL));
  check(r, sqlite3_prepare_v2(r->db, "UPDATE resource SET body=?2, extra=?3 WHERE ri=?1", -1, &r->update, NULL));
  put(r, "cnt-3", 3, r->container, r->container_len);
}

void rows_commit(rows *r, int count)
{
  check(r, sqlite3_exec(r->db, "BEGIN IMMEDIATE", NULL, NULL, NULL));
  for (int i = 0; i < count; i++) {
    char ri[32];
    snprintf(ri, sizeof ri, "cin-%llx", r->seq);
    put(r, ri, 4, r->body, r->body_len);
  }
  bind_text(r->update, 1, "cnt-3", -1);
  bind_text(r->update, 2, r->container, r->container_len);
  bind_text(r->update, 3, "", -1);
  check(r, sqlite3_step(r->update));
  sqlite3_reset(r->update);
  check(r, sqlite3_exec(r->db, "COMMIT", NULL, NULL, NULL));
}

void rows_close(rows *r)
{
  sqlite3_finalize(r->put);
  sqlite3_finalize(r->update);
  sqlite3_close(r->db);
}

int rows_read_file(const char *path, char *out)
{
  FILE *file = path ? fopen(path, "rb") : NULL;
  if (!file) {
    fprintf(stderr, "bench: cannot read %s\n", path ? path : "(no file given)");
    exit(2);
  }
  size_t len = fread(out, 1, ROWS_TEXT_MAX, file);
  fclose(file);
  return (int)len;
}
