/* TP-17: what was acknowledged is there after a SIGKILL at any moment; and many threads at once. */
#include "se_fixture.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

enum { ROUNDS = 12, THREADS = 4, THREAD_TURNS = 25 };

/* ---- killed writers */

static void id_of(uint32_t n, char id[16])
{
  snprintf(id, 16, "k%u", n);
}

/* Puts k<first>, k<first+1>, .. and acknowledges each on the pipe, until it is killed. */
static void write_until_killed(fixture *f, uint32_t first, int ack)
{
  gh_se *se;
  if (gh_se_file_open(f->path, GH_STR("correct horse"), &f->random, &se, NULL) != GH_OK) _exit(2);
  for (uint32_t n = first;; n++) {
    char id[16];
    id_of(n % 40, id); /* also replaces */
    if (put_key(se, GH_SE_KC, id, (uint8_t)n) != GH_OK) _exit(3);
    if (write(ack, &n, sizeof(n)) != sizeof(n)) _exit(4);
  }
}

/* Last acknowledged number, or `last` when there was none. */
static uint32_t killed_writer(fixture *f, uint32_t last, long delay_us)
{
  int ends[2], status;
  assert_int_equal(pipe(ends), 0);
  pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    write_until_killed(f, last + 1, ends[1]);
  }
  close(ends[1]);
  nanosleep(&(struct timespec){.tv_nsec = delay_us * 1000}, NULL);
  kill(child, SIGKILL);
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFSIGNALED(status)); /* it never failed by itself */
  for (uint32_t n; read(ends[0], &n, sizeof(n)) == sizeof(n);) last = n;
  close(ends[0]);
  return last;
}

/* Of the ids in use, each holds its last acknowledged value, or that of the one put that was under way. */
static void assert_acknowledged(gh_se *se, uint32_t last)
{
  for (uint32_t n = last >= 40 ? last - 39 : 1; n <= last; n++) {
    char id[16];
    gh_secret got;
    id_of(n % 40, id);
    assert_int_equal(use_key(se, GH_SE_KC, id, &got), GH_OK);
    bool under_way = n + 40 == last + 1 && got.bytes[0] == (uint8_t)(last + 1);
    if (got.bytes[0] != (uint8_t)n && !under_way) fail_msg("put %u of %u was lost", n, last);
  }
}

static void test_killed_writers(void **state)
{
  fixture *f = *state;
  gh_se *se = create(f);
  uint32_t last = 0;
  for (int round = 0; round < ROUNDS; round++) {
    last = killed_writer(f, last, 3000 + 7919 * round % 30000);
    se = reopen(f, se);
    assert_acknowledged(se, last);
  }
  assert_true(last > 0);
  gh_se_close(se);
}

/* ---- two processes that write at once */

static void test_two_writing_processes(void **state)
{
  fixture *f = *state;
  gh_se *se = create(f);
  int status;
  pid_t child = fork();
  if (child == 0) {
    gh_se *mine;
    gh_err err = gh_se_file_open(f->path, GH_STR("correct horse"), &f->random, &mine, NULL);
    for (uint32_t n = 0; err == GH_OK && n < 30; n++) {
      char id[16];
      id_of(1000 + n, id);
      err = put_key(mine, GH_SE_KM, id, (uint8_t)n);
    }
    if (err == GH_OK) gh_se_close(mine);
    gh_se_close(se); /* the copy that came with the fork */
    _exit(err == GH_OK ? 0 : 1);
  }
  for (uint32_t n = 0; n < 30; n++) {
    char id[16];
    id_of(n, id);
    assert_int_equal(put_key(se, GH_SE_KM, id, (uint8_t)n), GH_OK);
  }
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  se = reopen(f, se);
  for (uint32_t n = 0; n < 30; n++) {
    char id[16];
    id_of(n, id);
    assert_key(se, GH_SE_KM, id, (uint8_t)n);
    id_of(1000 + n, id);
    assert_key(se, GH_SE_KM, id, (uint8_t)n);
  }
  gh_se_close(se);
}

/* ---- threads */

typedef struct worker {
  gh_se *se;
  uint8_t number;
  bool good;
  pthread_t thread;
} worker;

static bool count_one(void *ctx, const gh_se_info *info)
{
  (void)info;
  ++*(size_t *)ctx;
  return true;
}

static bool one_turn(worker *w, uint32_t turn, gh_arena *arena)
{
  char id[16];
  gh_secret got;
  gh_str sealed, plain;
  size_t count = 0;
  id_of(w->number * 1000u + turn, id);
  if (put_key(w->se, GH_SE_KC, id, w->number) != GH_OK) return false;
  if (use_key(w->se, GH_SE_KC, id, &got) != GH_OK || got.bytes[0] != w->number) return false;
  if (gh_se_wrap(w->se, arena, gh_str_of(id), GH_STR("plain"), &sealed) != GH_OK) return false;
  if (gh_se_unwrap(w->se, arena, gh_str_of(id), sealed, &plain) != GH_OK) return false;
  if (gh_se_each(w->se, count_one, &count) != GH_OK || count == 0) return false;
  return turn % 2 == 0 || gh_se_remove(w->se, GH_SE_KC, gh_str_of(id)) == GH_OK;
}

static void *work(void *ctx)
{
  worker *w = ctx;
  gh_arena arena;
  gh_arena_init(&arena);
  w->good = true;
  for (uint32_t turn = 0; turn < THREAD_TURNS && w->good; turn++) w->good = one_turn(w, turn, &arena);
  gh_arena_free(&arena);
  return NULL;
}

static void test_threads(void **state)
{
  fixture *f = *state;
  gh_se *se = create(f);
  worker workers[THREADS];
  for (uint8_t i = 0; i < THREADS; i++) {
    workers[i] = (worker){.se = se, .number = (uint8_t)(i + 1)};
    assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
  }
  for (size_t i = 0; i < THREADS; i++) {
    pthread_join(workers[i].thread, NULL);
    assert_true(workers[i].good);
  }
  se = reopen(f, se);
  size_t count = 0;
  assert_int_equal(gh_se_each(se, count_one, &count), GH_OK);
  assert_int_equal(count, THREADS * ((THREAD_TURNS + 1) / 2) + 1); /* and the wrapping key */
  gh_se_close(se);
}

int main(void)
{
#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      WITH_FOLDER(test_killed_writers),
      WITH_FOLDER(test_two_writing_processes),
      WITH_FOLDER(test_threads),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
