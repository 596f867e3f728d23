/* The store: rows survive, `done` means committed, failures stay where they belong, bounds hold. */
#include "store_fixture.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>

/* ---- rows ---- */

static const char nasty[] = "a\0b\xff\xc3\n\"'; DROP TABLE resource;--";
enum { LARGE = 1 << 20 };
static char large[LARGE];

static gh_err put_everything(job *j, gh_store_txn *txn)
{
  (void)j;
  int64_t id;
  char text[32];
  gh_store_row rows[] = {
      row_of(1, text),
      {.ri = GH_STR("odd"),
       .pi = GH_STR_NONE,
       .rn = {nasty, sizeof nasty - 1},
       .ty = 99999,
       .creator = GH_STR_NONE,
       .extra = {nasty, sizeof nasty - 1},
       .body = {large, LARGE},
       .seq = INT64_MAX},
      {.ri = GH_STR("gone"), .pi = GH_STR("base"), .rn = GH_STR("gone"), .ty = 3, .seq = 7, .body = GH_STR("{}")}};
  for (size_t i = 0; i < 3; i++) GH_TRY(gh_txn_put_resource(txn, &rows[i]));
  GH_TRY(gh_txn_update_resource(txn, rows[0].ri, GH_STR("{\"new\":1}"), GH_STR("y")));
  GH_TRY(gh_txn_delete_resource(txn, GH_STR("gone")));
  gh_store_key key = {.id = GH_STR("K1@maf.example.com"),
                      .kind = GH_STR("reg"),
                      .sealed = {nasty, sizeof nasty - 1},
                      .info = GH_STR("{}"),
                      .not_after_us = INT64_MAX},
               same = {.id = key.id, .kind = GH_STR("gone"), .info = GH_STR("{}")},
               removed = {.id = key.id, .kind = GH_STR("ke"), .info = GH_STR("{}")};
  GH_TRY(gh_txn_put_key(txn, &removed));
  GH_TRY(gh_txn_put_key(txn, &same));
  GH_TRY(gh_txn_put_key(txn, &same)); /* replaced */
  GH_TRY(gh_txn_put_key(txn, &key));
  GH_TRY(gh_txn_delete_key(txn, GH_STR("ke"), key.id));
  GH_TRY(gh_txn_put_meta(txn, GH_STR("realm"), GH_STR("old")));
  GH_TRY(gh_txn_put_meta(txn, GH_STR("realm"), (gh_str){nasty, sizeof nasty - 1}));
  GH_TRY(gh_txn_put_outbox(txn, GH_STR("target"), GH_STR("body"), &id));
  GH_TRY(gh_txn_put_outbox(txn, GH_STR("target"), GH_STR("body"), &id));
  GH_TRY(gh_txn_delete_outbox(txn, id));
  gh_store_audit record = {.time_us = 5,
                           .rqi = GH_STR("r1"),
                           .event = GH_STR("change"),
                           .originator = {nasty, sizeof nasty - 1},
                           .rsc = 2001};
  return gh_txn_put_audit(txn, &record);
}

static gh_err check_row(void *ctx, const gh_store_row *row)
{
  int *seen = ctx;
  if (row->seq == 1) {
    assert_str(row->ri, "cnt-1");
    assert_str(row->body, "{\"new\":1}");
    assert_str(row->extra, "y");
    assert_str(row->creator, "//sp/cse/C1");
  } else {
    assert_str(row->ri, "odd");
    assert_int_equal(row->ty, 99999);
    assert_true(gh_str_eq(row->rn, (gh_str){nasty, sizeof nasty - 1}));
    assert_true(gh_str_eq(row->extra, row->rn));
    assert_true(gh_str_empty(row->pi) && gh_str_empty(row->creator));
    assert_int_equal(row->body.len, LARGE);
    assert_memory_equal(row->body.ptr, large, LARGE);
  }
  ++*seen;
  return GH_OK;
}

static gh_err check_key(void *ctx, const gh_store_key *key)
{
  int *seen = ctx;
  assert_str(key->id, "K1@maf.example.com");
  if (gh_str_eq(key->kind, GH_STR("gone"))) {
    assert_int_equal(key->sealed.len, 0);
  } else {
    assert_str(key->kind, "reg");
    assert_true(gh_str_eq(key->sealed, (gh_str){nasty, sizeof nasty - 1}));
    assert_true(key->not_after_us == INT64_MAX);
  }
  ++*seen;
  return GH_OK;
}

static gh_err check_audit(void *ctx, const gh_store_audit *record)
{
  int *seen = ctx;
  assert_str(record->rqi, "r1");
  assert_int_equal(record->time_us, 5);
  assert_int_equal(record->rsc, 2001);
  assert_true(gh_str_eq(record->originator, (gh_str){nasty, sizeof nasty - 1}));
  ++*seen;
  return GH_OK;
}

static void every_kind_of_row_survives(void **state)
{
  store_test *t = *state;
  memset(large, 'z', LARGE);
  assert_int_equal(do_job(t, put_everything, 0), GH_OK);
  for (int round = 0; round < 2; round++) {
    int rows = 0, keys = 0, audits = 0;
    char value[64];
    size_t len = 0;
    reopen_store(t);
    assert_int_equal(gh_store_each_resource(t->store, check_row, &rows), GH_OK);
    assert_int_equal(gh_store_each_key(t->store, check_key, &keys), GH_OK);
    assert_int_equal(gh_store_each_audit(t->store, GH_STR(""), 10, check_audit, &audits), GH_OK);
    assert_int_equal(rows, 2);
    assert_int_equal(keys, 2);
    assert_int_equal(audits, 1);
    assert_int_equal(gh_store_get_meta(t->store, GH_STR("realm"), value, sizeof value, &len), GH_OK);
    assert_true(gh_str_eq((gh_str){value, len}, (gh_str){nasty, sizeof nasty - 1}));
    assert_int_equal(gh_store_get_meta(t->store, GH_STR("realm"), value, 3, &len), GH_ELIMIT);
    assert_int_equal(gh_store_get_meta(t->store, GH_STR("none"), value, sizeof value, &len), GH_ENOTFOUND);
    assert_int_equal(gh_store_check(t->store, NULL), GH_OK);
  }
}

static gh_err stop_at_second(void *ctx, const gh_store_row *row)
{
  (void)row;
  return ++*(int *)ctx == 2 ? GH_EINVAL : GH_OK;
}

static void rows_come_in_order_of_creation(void **state)
{
  store_test *t = *state;
  for (int64_t seq = 5; seq > 0; seq--) assert_int_equal(do_job(t, put_row, seq), GH_OK);
  reopen_store(t);
  int seen = 0;
  assert_int_equal(gh_store_each_resource(t->store, stop_at_second, &seen), GH_EINVAL); /* its own error comes back */
  assert_int_equal(seen, 2);
}

static void only_the_owner_reads_the_files(void **state)
{
  store_test *t = *state;
  assert_int_equal(do_job(t, put_row, 1), GH_OK);
  static const char *const suffixes[] = {"", "-wal", "-shm"};
  for (size_t i = 0; i < 3; i++) {
    char path[128];
    struct stat st;
    snprintf(path, sizeof path, "%s%s", t->path, suffixes[i]);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
  }
}

/* ---- commits ---- */

static gh_err put_and_look(job *j, gh_store_txn *txn)
{
  gh_err err = put_row(j, txn);
  MUST(committed_rows(j->t) == j->seq - 1);
  return err;
}

static void look(job *j, gh_err err)
{
  MUST(err == GH_OK);
  MUST(committed_rows(j->t) == j->seq);
}

/*= TS-0001 10.1.1; success is answered after the commit */
static void done_comes_after_the_commit(void **state)
{
  store_test *t = *state;
  for (int64_t seq = 1; seq <= 3; seq++) {
    job j;
    begin_job(t, &j, put_and_look, seq);
    j.on_done = look;
    assert_int_equal(gh_store_submit(t->store, &j.job), GH_OK);
    assert_int_equal(wait_for(&j), GH_OK);
  }
}

static gh_err decide_against(job *j, gh_store_txn *txn)
{
  (void)j;
  (void)txn;
  return GH_ENOTFOUND;
}

static void a_failing_job_fails_alone(void **state)
{
  store_test *t = *state;
  blocker b;
  job before, failing, behind;
  block_writer(t, &b);
  submit(t, &before, put_row, 1);
  submit(t, &failing, decide_against, 2);
  submit(t, &behind, put_row, 3);
  unblock_writer(&b);
  assert_int_equal(wait_for(&before), GH_OK);
  assert_int_equal(wait_for(&failing), GH_ENOTFOUND);
  assert_int_equal(wait_for(&behind), GH_OK);
  assert_int_equal(committed_rows(t), 2);
  gh_store_counters c;
  gh_store_counters_get(t->store, &c);
  assert_int_equal(c.commits, 2);
  assert_int_equal(c.failed_commits, 0);
}

static gh_err update_nothing(job *j, gh_store_txn *txn)
{
  (void)j;
  return gh_txn_update_resource(txn, GH_STR("nobody"), GH_STR("{}"), GH_STR(""));
}

/* Whatever row cannot be written: nothing of the batch is kept, everybody hears of it, and the store goes on. */
static void a_failing_row_fails_the_batch(void **state)
{
  store_test *t = *state;
  gh_err (*const failing_bodies[])(job *, gh_store_txn *) = {put_row, update_nothing};
  assert_int_equal(do_job(t, put_row, 1), GH_OK);
  for (size_t i = 0; i < 2; i++) {
    blocker b;
    job before, failing, behind;
    block_writer(t, &b);
    submit(t, &before, put_row, 2);
    submit(t, &failing, failing_bodies[i], 1); /* exists already, or does not */
    submit(t, &behind, put_row, 3);
    gh_store_audit record = {.rqi = GH_STR("refused"), .rsc = 4103};
    gh_store_audit_later(t->store, &record);
    unblock_writer(&b);
    assert_int_not_equal(wait_for(&before), GH_OK);
    assert_int_not_equal(wait_for(&failing), GH_OK);
    assert_int_not_equal(wait_for(&behind), GH_OK);
    assert_int_equal(behind.runs, 0);
    assert_int_equal(committed_rows(t), 1);
  }
  gh_store_counters c;
  gh_store_counters_get(t->store, &c);
  assert_int_equal(c.failed_commits, 2);
  assert_int_equal(c.audits, 2); /* what was refused stays on record */
  assert_int_equal(c.audits_dropped, 0);
  assert_int_equal(do_job(t, put_row, 2), GH_OK);
  assert_int_equal(committed_rows(t), 2);
}

static gh_err ignore_the_failure(job *j, gh_store_txn *txn)
{
  char text[32];
  gh_store_row row = row_of(j->seq, text);
  gh_err first = gh_txn_put_resource(txn, &row), second = gh_txn_put_resource(txn, &row);
  MUST(first == GH_OK && second == GH_EEXIST);
  return GH_OK; /* as if nothing had happened */
}

static void a_failure_cannot_be_overlooked(void **state)
{
  store_test *t = *state;
  assert_int_not_equal(do_job(t, ignore_the_failure, 1), GH_OK);
  assert_int_equal(committed_rows(t), 0);
}

typedef struct hooked {
  gh_err before;
  int befores, afters;
  gh_err last;
} hooked;

static gh_err hook_before(void *ctx, gh_store_txn *txn)
{
  (void)txn;
  hooked *h = ctx;
  h->befores++;
  return h->before;
}

static void hook_after(void *ctx, gh_err err)
{
  hooked *h = ctx;
  h->afters++;
  h->last = err;
}

static void after_hook(job *j, gh_err err)
{
  (void)err;
  hooked *h = j->t->options.hooks.ctx;
  MUST(h->afters == h->befores);
}

/* The tree is written in before_commit and published in after_commit: both before anybody is answered. */
static void hooks_surround_the_commit(void **state)
{
  store_test *t = *state;
  hooked h = {.before = GH_OK};
  t->options.hooks = (gh_store_hooks){.before_commit = hook_before, .after_commit = hook_after, .ctx = &h};
  reopen_store(t);
  job j;
  begin_job(t, &j, put_row, 1);
  j.on_done = after_hook;
  assert_int_equal(gh_store_submit(t->store, &j.job), GH_OK);
  assert_int_equal(wait_for(&j), GH_OK);
  assert_int_equal(h.last, GH_OK);
  h.before = GH_ERANGE;
  assert_int_not_equal(do_job(t, put_row, 2), GH_OK);
  assert_int_not_equal(h.last, GH_OK);
  assert_int_equal(h.afters, 2);
  assert_int_equal(committed_rows(t), 1);
}

static void many_jobs_make_few_commits(void **state)
{
  enum { COUNT = 3000 };
  store_test *t = *state;
  static job jobs[COUNT];
  blocker b;
  gh_store_counters before, behind;
  block_writer(t, &b);
  gh_store_counters_get(t->store, &before);
  for (int i = 0; i < COUNT; i++) submit(t, &jobs[i], put_row, i + 1);
  unblock_writer(&b);
  for (int i = 0; i < COUNT; i++) assert_int_equal(wait_for(&jobs[i]), GH_OK);
  gh_store_counters_get(t->store, &behind);
  assert_int_equal(behind.jobs - before.jobs, COUNT + 1);
  assert_int_equal(behind.commits - before.commits,
                   1 + (COUNT + 1023) / 1024); /* the blocker's, then batches of 1024 */
  assert_int_equal(committed_rows(t), COUNT);
}

/* ---- bounds ---- */

static void jobs_beyond_the_limit_are_refused(void **state)
{
  store_test *t = *state;
  t->options.max_waiting = 3;
  t->options.max_batch = 2;
  reopen_store(t);
  for (int round = 0; round < 3; round++) {
    blocker b;
    job jobs[3], refused;
    gh_store_counters c;
    block_writer(t, &b);
    for (int i = 0; i < 3; i++) submit(t, &jobs[i], put_row, 3 * round + i + 1);
    begin_job(t, &refused, put_row, 100);
    assert_int_equal(gh_store_submit(t->store, &refused.job), GH_ELIMIT);
    gh_store_counters_get(t->store, &c);
    assert_int_equal(c.waiting, 3);
    unblock_writer(&b);
    for (int i = 0; i < 3; i++) assert_int_equal(wait_for(&jobs[i]), GH_OK);
    assert_int_equal(refused.runs, 0);
  }
  assert_int_equal(committed_rows(t), 9);
}

static void closing_finishes_what_waits(void **state)
{
  enum { COUNT = 200 };
  store_test *t = *state;
  t->options.max_batch = 16;
  reopen_store(t);
  static job jobs[COUNT];
  blocker b;
  block_writer(t, &b);
  for (int i = 0; i < COUNT; i++) submit(t, &jobs[i], put_row, i + 1);
  gh_store_audit record = {.rqi = GH_STR("last"), .rsc = 4103};
  gh_store_audit_later(t->store, &record);
  sem_post(&b.go_on);
  reopen_store(t);
  assert_int_equal(wait_for(&b.j), GH_OK);
  for (int i = 0; i < COUNT; i++) assert_int_equal(wait_for(&jobs[i]), GH_OK);
  assert_int_equal(count_rows(t->store), COUNT);
}

/* ---- audit ---- */

typedef struct found {
  int count;
  int64_t newest, oldest;
} found;

static gh_err take_audit(void *ctx, const gh_store_audit *record)
{
  found *f = ctx;
  if (f->count++ == 0) f->newest = record->time_us;
  f->oldest = record->time_us;
  return GH_OK;
}

static found audits_of(const store_test *t, const char *rqi, size_t limit)
{
  gh_store *reader;
  found f = {0};
  assert_int_equal(gh_store_open_readonly(t->path, &reader, NULL), GH_OK);
  assert_int_equal(gh_store_each_audit(reader, gh_str_of(rqi), limit, take_audit, &f), GH_OK);
  gh_store_close(reader);
  return f;
}

static void audit_in_a_batch(store_test *t, int from, int count)
{
  blocker b;
  block_writer(t, &b);
  for (int i = from; i < from + count; i++) {
    char rqi[16];
    snprintf(rqi, sizeof rqi, "r%d", i % 10);
    gh_store_audit record = {.time_us = i, .rqi = gh_str_of(rqi), .event = GH_STR("request"), .rsc = 4103};
    gh_store_audit_later(t->store, &record); /* copies */
  }
  unblock_writer(&b);
  job flush; /* audit records are written at the latest with the next job */
  submit(t, &flush, decide_against, 0);
  wait_for(&flush);
}

static void audit_is_found_by_request(void **state)
{
  store_test *t = *state;
  audit_in_a_batch(t, 1, 100);
  found all = audits_of(t, "", 1000), some = audits_of(t, "r3", 1000), few = audits_of(t, "r3", 2);
  assert_int_equal(all.count, 100);
  assert_int_equal(all.newest, 100);
  assert_int_equal(all.oldest, 1);
  assert_int_equal(some.count, 10);
  assert_int_equal(few.count, 2);
  assert_int_equal(few.newest, 93);
  assert_int_equal(audits_of(t, "' OR 1=1 --", 10).count, 0);
}

/* Bound of design.md 4.8: audit size; also for a process that is restarted often. */
static void audit_is_bounded(void **state)
{
  store_test *t = *state;
  t->options.max_audit = 100;
  for (int round = 0; round < 4; round++) {
    reopen_store(t);
    audit_in_a_batch(t, 500 * round, 500);
  }
  assert_true(audits_of(t, "", 100000).count <= 600);
  audit_in_a_batch(t, 2000, 10000);
  found left = audits_of(t, "", 100000);
  assert_true(left.count <= 100 + 4096);
  assert_int_equal(left.newest, 11999);
}

static void audit_queue_drops_at_its_limit(void **state)
{
  store_test *t = *state;
  blocker b;
  block_writer(t, &b);
  gh_store_audit record = {.rqi = GH_STR("flood")};
  for (int i = 0; i < 65536 + 7; i++) gh_store_audit_later(t->store, &record);
  unblock_writer(&b);
  assert_int_equal(do_job(t, put_row, 1), GH_OK);
  gh_store_counters c;
  gh_store_counters_get(t->store, &c);
  assert_int_equal(c.audits_dropped, 7);
  assert_int_equal(c.audits, 65536);
}

/* ---- opening ---- */

static void reader_beside_a_writer(void **state)
{
  store_test *t = *state;
  gh_store *reader;
  gh_store_audit record = {.rqi = GH_STR("from the reader")};
  assert_int_equal(do_job(t, put_row, 1), GH_OK);
  assert_int_equal(gh_store_open_readonly(t->path, &reader, NULL), GH_OK);
  assert_int_equal(count_rows(reader), 1);
  assert_int_equal(do_job(t, put_row, 2), GH_OK); /* a reader does not hold the writer up */
  assert_int_equal(count_rows(reader), 2);
  job j;
  begin_job(t, &j, put_row, 3);
  assert_int_equal(gh_store_submit(reader, &j.job), GH_EUNSUPPORTED);
  gh_store_audit_later(reader, &record); /* is not kept, and does not leak */
  assert_int_equal(gh_store_check(reader, NULL), GH_OK);
  gh_store_close(reader);
  gh_store_close(t->store);
  t->store = NULL;
  assert_int_equal(committed_rows(t), 2); /* and without a writer */
}

static void what_is_not_there_is_not_made(void **state)
{
  store_test *t = *state;
  gh_store *reader;
  gh_diag diag = {""};
  char path[128];
  snprintf(path, sizeof path, "%s/none.db", t->dir);
  assert_int_equal(gh_store_open_readonly(path, &reader, &diag), GH_EIO);
  assert_non_null(strstr(diag.text, "none.db"));
  assert_int_not_equal(access(path, F_OK), 0);
  gh_store_options options = {.path = "/nonexistent/folder/store.db"};
  assert_int_equal(gh_store_open(&options, &reader, &diag), GH_EIO);
}

/* Two writers would each keep a tree of their own in memory. Readers are many, and the end of the first frees it. */
static void there_is_one_writer(void **state)
{
  store_test *t = *state;
  gh_store *second;
  gh_diag diag = {""};
  assert_int_equal(gh_store_open(&t->options, &second, &diag), GH_EEXIST);
  assert_non_null(strstr(diag.text, t->path));
  assert_non_null(strstr(diag.text, "served already"));
  assert_int_equal(committed_rows(t), 0);
  gh_store_close(t->store);
  assert_int_equal(gh_store_open(&t->options, &t->store, &diag), GH_OK);
}

static void write_file(const char *path, const char *text, int times)
{
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  for (int i = 0; i < times; i++) fputs(text, file);
  assert_int_equal(fclose(file), 0);
}

static void another_version_is_refused(void **state)
{
  store_test *t = *state;
  gh_store_close(t->store);
  t->store = NULL;
  sqlite3 *db;
  assert_int_equal(sqlite3_open(t->path, &db), SQLITE_OK);
  assert_int_equal(sqlite3_exec(db, "PRAGMA user_version=2", NULL, NULL, NULL), SQLITE_OK);
  sqlite3_close(db);
  gh_store *store;
  gh_diag diag = {""};
  assert_int_equal(gh_store_open(&t->options, &store, &diag), GH_EUNSUPPORTED);
  assert_non_null(strstr(diag.text, "version 2"));
  assert_int_equal(gh_store_open_readonly(t->path, &store, &diag), GH_EUNSUPPORTED);
  write_file(t->path, "this is no database at all, only text. ", 100);
  assert_int_equal(gh_store_open(&t->options, &store, &diag), GH_EIO);
  assert_non_null(strstr(diag.text, "database"));
  assert_non_null(strstr(diag.text, t->path));
  assert_int_equal(gh_store_open_readonly(t->path, &store, &diag), GH_EIO);
}

static void damage_is_found(void **state)
{
  store_test *t = *state;
  static job jobs[2000];
  for (int i = 0; i < 2000; i++) submit(t, &jobs[i], put_row, i + 1);
  for (int i = 0; i < 2000; i++) assert_int_equal(wait_for(&jobs[i]), GH_OK);
  gh_store_close(t->store);
  t->store = NULL;
  int fd = open(t->path, O_WRONLY);
  char garbage[4096];
  memset(garbage, 0x5a, sizeof garbage);
  off_t size = lseek(fd, 0, SEEK_END);
  for (off_t at = 5 * 4096; at + 4096 <= size; at += 3 * 4096)
    assert_int_equal(pwrite(fd, garbage, sizeof garbage, at), 4096);
  close(fd);
  gh_store *store;
  gh_diag diag = {""};
  assert_int_equal(gh_store_open_readonly(t->path, &store, &diag), GH_OK);
  assert_int_not_equal(gh_store_check(store, &diag), GH_OK);
  assert_string_not_equal(diag.text, "");
  gh_store_close(store);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(every_kind_of_row_survives, setup_store, teardown_store),
      cmocka_unit_test_setup_teardown(rows_come_in_order_of_creation, setup_store, teardown_store),
      cmocka_unit_test_setup_teardown(only_the_owner_reads_the_files, setup_store, teardown_store),
      cmocka_unit_test_setup_teardown(done_comes_after_the_commit, setup_store, teardown_store),
      cmocka_unit_test_setup_teardown(a_failing_job_fails_alone, setup_store, teardown_store),
      cmocka_unit_test_setup_teardown(a_failing_row_fails_the_batch, setup_store, teardown_store),
      cmocka_unit_test_setup_teardown(a_failure_cannot_be_overlooked, setup_store, teardown_store),
      cmocka_unit_test_setup_teardown(hooks_surround_the_commit, setup_store, teardown_store),
      cmocka_unit_test_setup_teardown(many_jobs_make_few_commits, setup_store, teardown_store),
      cmocka_unit_test_setup_teardown(jobs_beyond_the_limit_are_refused, setup_store, teardown_store),
      cmocka_unit_test_setup_teardown(closing_finishes_what_waits, setup_store, teardown_store),
      cmocka_unit_test_setup_teardown(audit_is_found_by_request, setup_store, teardown_store),
      cmocka_unit_test_setup_teardown(audit_is_bounded, setup_store, teardown_store),
      cmocka_unit_test_setup_teardown(audit_queue_drops_at_its_limit, setup_store, teardown_store),
      cmocka_unit_test_setup_teardown(reader_beside_a_writer, setup_store, teardown_store),
      cmocka_unit_test_setup_teardown(what_is_not_there_is_not_made, setup_store, teardown_store),
      cmocka_unit_test_setup_teardown(there_is_one_writer, setup_store, teardown_store),
      cmocka_unit_test_setup_teardown(another_version_is_refused, setup_store, teardown_store),
      cmocka_unit_test_setup_teardown(damage_is_found, setup_store, teardown_store),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
