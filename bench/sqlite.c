/* bench_sqlite: the rows of contentInstances written to SQLite in group commits and nothing else, with the store's
 * schema. With --clients, N threads each hand over a row and wait until it is durable: group commit at its barest.
 * With --batch, groups of N rows that nobody waits for: the most that the file system and SQLite can do. Prints one
 * line of JSON. bench_sqlite --path FILE --body FILE --container FILE [--batch N | --clients N] [--seconds S] */
#include <pthread.h>
#include <semaphore.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "latency.h"
#include "store/store.h"

enum { TEXT_MAX = 65536, CLIENTS_MAX = 1024 };

typedef struct bench {
  sqlite3 *db;
  sqlite3_stmt *put, *update;
  char body[TEXT_MAX], container[TEXT_MAX];
  int body_len, container_len;
  long long seq;
} bench;

static void check(bench *b, int rc)
{
  if (rc == SQLITE_OK || rc == SQLITE_DONE) return;
  fprintf(stderr, "bench_sqlite: %s\n", sqlite3_errmsg(b->db));
  exit(3);
}

/* The store makes the tables, so that they are the same. */
static void make_tables(const char *path)
{
  gh_store_options options = {.path = path};
  gh_store *store;
  gh_diag diag = {""};
  if (gh_store_open(&options, &store, &diag) != GH_OK) {
    fprintf(stderr, "bench_sqlite: %s\n", diag.text);
    exit(3);
  }
  gh_store_close(store);
}

static void bind_text(sqlite3_stmt *st, int at, const char *text, int len)
{
  sqlite3_bind_text(st, at, text, len, SQLITE_STATIC);
}

static void put(bench *b, const char *ri, int ty, const char *body, int len)
{
  sqlite3_bind_int64(b->put, 1, ++b->seq);
  bind_text(b->put, 2, ri, -1);
  bind_text(b->put, 3, "cnt-3", -1);
  bind_text(b->put, 4, ri, -1);
  sqlite3_bind_int(b->put, 5, ty);
  bind_text(b->put, 6, "//sp.example.com/in-cse/Cbench", -1);
  bind_text(b->put, 7, "", -1);
  bind_text(b->put, 8, body, len);
  check(b, sqlite3_step(b->put));
  sqlite3_reset(b->put);
}

static void open_database(bench *b, const char *path)
{
  make_tables(path);
  check(b, sqlite3_open_v2(path, &b->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL));
  check(b, sqlite3_exec(b->db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-16000", NULL,
                        NULL, NULL));
  const char *insert = "INSERT INTO resource(seq,ri,pi,rn,ty,creator,extra,body) VALUES(?1,?2,?3,?4,?5,?6,?7,?8)";
  check(b, sqlite3_prepare_v2(b->db, insert, -1, &b->put, NULL));
  check(b, sqlite3_prepare_v2(b->db, "UPDATE resource SET body=?2, extra=?3 WHERE ri=?1", -1, &b->update, NULL));
  put(b, "cnt-3", 3, b->container, b->container_len);
}

/* One group commit: the instances, and their container with its counters. */
static void commit(bench *b, int batch)
{
  check(b, sqlite3_exec(b->db, "BEGIN IMMEDIATE", NULL, NULL, NULL));
  for (int i = 0; i < batch; i++) {
    char ri[32];
    snprintf(ri, sizeof ri, "cin-%llx", b->seq);
    put(b, ri, 4, b->body, b->body_len);
  }
  bind_text(b->update, 1, "cnt-3", -1);
  bind_text(b->update, 2, b->container, b->container_len);
  bind_text(b->update, 3, "", -1);
  check(b, sqlite3_step(b->update));
  sqlite3_reset(b->update);
  check(b, sqlite3_exec(b->db, "COMMIT", NULL, NULL, NULL));
}

static const char *option(int argc, char **argv, const char *name, const char *otherwise)
{
  for (int i = 1; i + 1 < argc; i++)
    if (strcmp(argv[i], name) == 0) return argv[i + 1];
  return otherwise;
}

static int read_text(const char *path, char *out)
{
  FILE *file = path ? fopen(path, "rb") : NULL;
  if (!file) {
    fprintf(stderr, "bench_sqlite: cannot read %s\n", path ? path : "(no file given)");
    exit(2);
  }
  size_t len = fread(out, 1, TEXT_MAX, file);
  fclose(file);
  return (int)len;
}

/* ---- clients that wait */

typedef struct client {
  pthread_t thread;
  struct group *group;
  sem_t durable;
} client;

typedef struct group {
  pthread_mutex_t lock;
  pthread_cond_t some;
  client *waiting[CLIENTS_MAX];
  int count;
  bool stop;
} group;

static void *hand_over(void *arg)
{
  client *c = arg;
  group *g = c->group;
  for (bool stop = false; !stop;) {
    pthread_mutex_lock(&g->lock);
    stop = g->stop;
    if (!stop) g->waiting[g->count++] = c;
    pthread_cond_signal(&g->some);
    pthread_mutex_unlock(&g->lock);
    while (!stop && sem_wait(&c->durable) != 0) continue;
  }
  return NULL;
}

static int take(group *g, client **taken)
{
  pthread_mutex_lock(&g->lock);
  while (g->count == 0) pthread_cond_wait(&g->some, &g->lock);
  int count = g->count;
  memcpy(taken, g->waiting, (size_t)count * sizeof *taken);
  g->count = 0;
  pthread_mutex_unlock(&g->lock);
  return count;
}

static void run_clients(bench *b, int clients, double wanted, double *rows, uint64_t *commits)
{
  static group g = {.lock = PTHREAD_MUTEX_INITIALIZER, .some = PTHREAD_COND_INITIALIZER};
  static client all[CLIENTS_MAX];
  client *taken[CLIENTS_MAX];
  uint64_t begun = now_ns();
  for (int i = 0; i < clients; i++) {
    all[i].group = &g;
    sem_init(&all[i].durable, 0, 0);
    pthread_create(&all[i].thread, NULL, hand_over, &all[i]);
  }
  for (bool stop = false; !stop; ++*commits) {
    int count = take(&g, taken);
    commit(b, count);
    *rows += count;
    stop = (double)(now_ns() - begun) / 1e9 >= wanted;
    if (stop) {
      pthread_mutex_lock(&g.lock);
      g.stop = true;
      for (int i = 0; i < g.count; i++) sem_post(&g.waiting[i]->durable); /* theirs are not counted */
      pthread_mutex_unlock(&g.lock);
    }
    for (int i = 0; i < count; i++) sem_post(&taken[i]->durable);
  }
  for (int i = 0; i < clients; i++) pthread_join(all[i].thread, NULL);
}

int main(int argc, char **argv)
{
  static bench b;
  const char *path = option(argc, argv, "--path", NULL);
  int batch = atoi(option(argc, argv, "--batch", "32"));
  int clients = atoi(option(argc, argv, "--clients", "0"));
  double wanted = atof(option(argc, argv, "--seconds", "2"));
  if (!path || batch < 1 || clients < 0 || clients > CLIENTS_MAX) return 2;
  b.body_len = read_text(option(argc, argv, "--body", NULL), b.body);
  b.container_len = read_text(option(argc, argv, "--container", NULL), b.container);
  open_database(&b, path);
  uint64_t begun = now_ns(), commits = 0;
  double seconds = 0, count = 0;
  if (clients) run_clients(&b, clients, wanted, &count, &commits);
  for (; !clients && seconds < wanted; commits++, count += batch, seconds = (double)(now_ns() - begun) / 1e9)
    commit(&b, batch);
  seconds = (double)(now_ns() - begun) / 1e9;
  printf("{\"count\":%.0f,\"seconds\":%.3f,\"rate\":%.1f,\"commits\":%llu}\n", count, seconds, count / seconds,
         (unsigned long long)commits);
  sqlite3_finalize(b.put);
  sqlite3_finalize(b.update);
  sqlite3_close(b.db);
  return 0;
}
