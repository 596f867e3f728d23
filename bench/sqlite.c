/* bench_sqlite: the rows of contentInstances written to SQLite in group commits and nothing else, with the store's
 * schema. With --clients, N threads each hand over a row and wait until it is durable: group commit at its barest.
 * With --batch, groups of N rows that nobody waits for: the most that the file system and SQLite can do. Prints one
 * line of JSON. bench_sqlite --path FILE --body FILE --container FILE [--batch N | --clients N] [--seconds S] */
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "latency.h"
#include "rows.h"

enum { CLIENTS_MAX = 1024 };

static const char *option(int argc, char **argv, const char *name, const char *otherwise)
{
  for (int i = 1; i + 1 < argc; i++)
    if (strcmp(argv[i], name) == 0) return argv[i + 1];
  return otherwise;
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

static void run_clients(rows *r, int clients, double wanted, double *written, uint64_t *commits)
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
    rows_commit(r, count);
    *written += count;
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
  static rows r;
  const char *path = option(argc, argv, "--path", NULL);
  int batch = atoi(option(argc, argv, "--batch", "32"));
  int clients = atoi(option(argc, argv, "--clients", "0"));
  double wanted = atof(option(argc, argv, "--seconds", "2"));
  if (!path || batch < 1 || clients < 0 || clients > CLIENTS_MAX) return 2;
  rows_open(&r, path, option(argc, argv, "--body", NULL), option(argc, argv, "--container", NULL));
  uint64_t begun = now_ns(), commits = 0;
  double seconds = 0, count = 0;
  if (clients) run_clients(&r, clients, wanted, &count, &commits);
  for (; !clients && seconds < wanted; commits++, count += batch, seconds = (double)(now_ns() - begun) / 1e9)
    rows_commit(&r, batch);
  seconds = (double)(now_ns() - begun) / 1e9;
  printf("{\"count\":%.0f,\"seconds\":%.3f,\"rate\":%.1f,\"commits\":%llu}\n", count, seconds, count / seconds,
         (unsigned long long)commits);
  rows_close(&r);
  return 0;
}
