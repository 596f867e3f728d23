/* TP-17: nothing that was acknowledged is lost when the process is killed at any moment, and no job is half there. */
#include "store_fixture.h"

#include <signal.h>
#include <sys/wait.h>

/* Two rows and a key in one job. */
static gh_err put_pair(job *j, gh_store_txn *txn)
{
  char first[32], second[32];
  gh_store_row rows[] = {row_of(2 * j->seq, first), row_of(2 * j->seq + 1, second)};
  gh_store_key key = {.id = gh_str_of(first), .kind = GH_STR("reg"), .info = GH_STR("{}")};
  GH_TRY(gh_txn_put_resource(txn, &rows[0]));
  GH_TRY(gh_txn_put_key(txn, &key));
  return gh_txn_put_resource(txn, &rows[1]);
}

static int acknowledged_to;

/* On the writer thread, behind the commit: the acknowledgement leaves the process at once. */
static void acknowledge(job *j, gh_err err)
{
  int32_t number = (int32_t)j->seq;
  if (err != GH_OK || write(acknowledged_to, &number, sizeof number) != sizeof number) _exit(2);
}

/* The child writes until it is killed: some sixty jobs under way at any time. */
static void write_for_ever(const store_test *t, int64_t from)
{
  enum { UNDER_WAY = 64 };
  static job jobs[UNDER_WAY];
  store_test own = *t;
  if (gh_store_open(&own.options, &own.store, NULL) != GH_OK) _exit(3);
  for (int64_t i = 0;; i++) {
    job *j = &jobs[i % UNDER_WAY];
    if (i >= UNDER_WAY) wait_for(j);
    begin_job(&own, j, put_pair, from + i);
    j->on_done = acknowledge;
    if (gh_store_submit(own.store, &j->job) != GH_OK) _exit(4);
  }
}

static bool read_number(int fd, int32_t *number)
{
  return read(fd, number, sizeof *number) == sizeof *number;
}

/* Starts a child, kills it after `count` acknowledgements; all that came are set in `acknowledged`. */
static void write_and_kill(const store_test *t, int64_t from, int count, bool *acknowledged)
{
  int ends[2];
  int32_t number;
  assert_int_equal(pipe(ends), 0);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    close(ends[0]);
    acknowledged_to = ends[1];
    write_for_ever(t, from);
  }
  close(ends[1]);
  for (int i = 0; i < count; i++) {
    assert_true(read_number(ends[0], &number));
    acknowledged[number] = true;
  }
  assert_int_equal(kill(child, SIGKILL), 0);
  while (read_number(ends[0], &number)) acknowledged[number] = true;
  close(ends[0]);
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

enum { JOBS_MAX = 100000 };
static bool acknowledged[JOBS_MAX], first_there[JOBS_MAX], second_there[JOBS_MAX], key_there[JOBS_MAX];

static gh_err mark_row(void *ctx, const gh_store_row *row)
{
  int64_t *newest = ctx;
  (row->seq % 2 ? second_there : first_there)[row->seq / 2] = true;
  if (row->seq / 2 > *newest) *newest = row->seq / 2;
  return GH_OK;
}

static gh_err mark_key(void *ctx, const gh_store_key *key)
{
  (void)ctx;
  uint64_t seq;
  assert_true(gh_str_to_u64(gh_str_sub(key->id, 4, SIZE_MAX), &seq));
  key_there[seq / 2] = true;
  return GH_OK;
}

static void killed_in_the_middle_of_writes(void **state)
{
  store_test *t = *state;
  static const int counts[] = {1, 37, 150, 400, 901};
  int64_t next = 1;
  for (size_t round = 0; round < sizeof counts / sizeof *counts; round++) {
    write_and_kill(t, next, counts[round], acknowledged);
    open_store(t);
    assert_int_equal(gh_store_check(t->store, NULL), GH_OK);
    int64_t newest = 0;
    assert_int_equal(gh_store_each_resource(t->store, mark_row, &newest), GH_OK);
    assert_int_equal(gh_store_each_key(t->store, mark_key, NULL), GH_OK);
    gh_store_close(t->store);
    t->store = NULL;
    assert_true(newest < JOBS_MAX - 1000);
    for (int64_t i = 1; i <= newest; i++) {
      if (acknowledged[i] && !first_there[i])
        fail_msg("round %zu: job %lld was acknowledged and is lost", round, (long long)i);
      assert_int_equal(first_there[i], second_there[i]);
      assert_int_equal(first_there[i], key_there[i]);
    }
    for (int64_t i = newest + 1; i < JOBS_MAX; i++) assert_false(acknowledged[i]);
    next = newest + 1;
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(killed_in_the_middle_of_writes, new_folder, teardown_store),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
