/* A store in a folder of its own, and jobs that write what a test says. */
#ifndef GH_TEST_STORE_FIXTURE_H
#define GH_TEST_STORE_FIXTURE_H

#include "../base/must.h"
#include "../m2m/cmocka_all.h"

#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "store/store.h"

typedef struct store_test {
  char dir[64], path[96];
  gh_store_options options;
  gh_store *store;
} store_test;

static inline void open_store(store_test *t)
{
  gh_diag diag = {""};
  if (gh_store_open(&t->options, &t->store, &diag) != GH_OK) fail_msg("%s", diag.text);
}

static inline void reopen_store(store_test *t)
{
  gh_store_close(t->store);
  open_store(t);
}

static inline int new_folder(void **state)
{
  store_test *t = calloc(1, sizeof *t);
  snprintf(t->dir, sizeof t->dir, "/tmp/gatehouse-test-XXXXXX");
  assert_non_null(mkdtemp(t->dir));
  snprintf(t->path, sizeof t->path, "%s/store.db", t->dir);
  t->options = (gh_store_options){.path = t->path};
  *state = t;
  return 0;
}

static inline int setup_store(void **state)
{
  new_folder(state);
  open_store(*state);
  return 0;
}

static inline int teardown_store(void **state)
{
  store_test *t = *state;
  gh_store_close(t->store);
  char command[128];
  snprintf(command, sizeof command, "rm -rf '%s'", t->dir);
  assert_int_equal(system(command), 0);
  free(t);
  return 0;
}

/* Bounded, so that a failed test ends as one. */
static inline bool wait_sem(sem_t *sem)
{
  struct timespec limit;
  clock_gettime(CLOCK_REALTIME, &limit);
  limit.tv_sec += 60;
  while (sem_timedwait(sem, &limit) != 0)
    if (errno != EINTR) return false;
  return true;
}

typedef struct job job;
struct job {
  gh_store_job job;
  gh_err (*body)(job *j, gh_store_txn *txn);
  void (*on_done)(job *j, gh_err err);
  int64_t seq;
  int runs;
  gh_err result;
  sem_t done;
  store_test *t;
};

static inline gh_err run_job(gh_store_job *base, gh_store_txn *txn)
{
  job *j = (job *)base;
  j->runs++;
  return j->body(j, txn);
}

static inline void job_done(gh_store_job *base, gh_err err)
{
  job *j = (job *)base;
  j->result = err;
  if (j->on_done) j->on_done(j, err);
  sem_post(&j->done);
}

static inline gh_store_row row_of(int64_t seq, char text[static 32])
{
  snprintf(text, 32, "cnt-%lld", (long long)seq);
  return (gh_store_row){.ri = gh_str_of(text),
                        .pi = GH_STR("base"),
                        .rn = gh_str_of(text),
                        .ty = 3,
                        .creator = GH_STR("//sp/cse/C1"),
                        .extra = GH_STR("x"),
                        .body = GH_STR("{}"),
                        .seq = seq};
}

static inline gh_err put_row(job *j, gh_store_txn *txn)
{
  char text[32];
  gh_store_row row = row_of(j->seq, text);
  return gh_txn_put_resource(txn, &row);
}

static inline void begin_job(store_test *t, job *j, gh_err (*body)(job *, gh_store_txn *), int64_t seq)
{
  *j = (job){.job = {.run = run_job, .done = job_done}, .body = body, .seq = seq, .t = t};
  sem_init(&j->done, 0, 0);
}

static inline void submit(store_test *t, job *j, gh_err (*body)(job *, gh_store_txn *), int64_t seq)
{
  begin_job(t, j, body, seq);
  assert_int_equal(gh_store_submit(t->store, &j->job), GH_OK);
}

static inline gh_err wait_for(job *j)
{
  assert_true(wait_sem(&j->done));
  sem_destroy(&j->done);
  return j->result;
}

static inline gh_err do_job(store_test *t, gh_err (*body)(job *, gh_store_txn *), int64_t seq)
{
  job j;
  submit(t, &j, body, seq);
  return wait_for(&j);
}

/* Keeps the writer busy, so that what is submitted meanwhile is one batch. */
typedef struct blocker {
  job j;
  sem_t running, go_on;
} blocker;

static inline gh_err block(job *j, gh_store_txn *txn)
{
  (void)txn;
  blocker *b = (blocker *)j;
  sem_post(&b->running);
  return wait_sem(&b->go_on) ? GH_OK : GH_EIO;
}

static inline void block_writer(store_test *t, blocker *b)
{
  sem_init(&b->running, 0, 0);
  sem_init(&b->go_on, 0, 0);
  submit(t, &b->j, block, 0);
  assert_true(wait_sem(&b->running));
}

static inline void unblock_writer(blocker *b)
{
  sem_post(&b->go_on);
  assert_int_equal(wait_for(&b->j), GH_OK);
}

static inline gh_err count_row(void *ctx, const gh_store_row *row)
{
  (void)row;
  ++*(int *)ctx;
  return GH_OK;
}

static inline int count_rows(gh_store *store)
{
  int count = 0;
  assert_int_equal(gh_store_each_resource(store, count_row, &count), GH_OK);
  return count;
}

/* As another process sees it: what is committed, and nothing else. */
static inline int committed_rows(const store_test *t)
{
  gh_store *reader;
  assert_int_equal(gh_store_open_readonly(t->path, &reader, NULL), GH_OK);
  int count = count_rows(reader);
  gh_store_close(reader);
  return count;
}

#endif
