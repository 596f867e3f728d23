/* Keys of a host: in memory only after the commit, sealed in the store, gone for good where they must be; and how
 * other hosts of the machine learn of it. TP-17, TP-19, TP-20. */
#include "harness.h"

#include <sqlite3.h>

#include "host/revocation.h"

static const char secret_text[] = "0123456789abcdef0123456789abcdef";

static int setup(void **state)
{
  harness *h = calloc(1, sizeof *h);
  harness_prepare(h, &gh_maf_function);
  char path[96];
  snprintf(path, sizeof path, "%s/revoked", h->dir);
  h->options.config.revocation_path = strdup(path);
  harness_open(h);
  *state = h;
  return 0;
}

static int teardown(void **state)
{
  harness *h = *state;
  char *path;
  memcpy(&path, &h->options.config.revocation_path, sizeof path);
  harness_stop(h);
  free(path);
  free(h);
  return 0;
}

/* A change of keys, in a transaction that may be made to fail at its end. */
typedef struct change {
  gh_store_job job;
  harness *h;
  gh_key_record record;
  bool remove, tombstone, fail;
  gh_err result;
  bool seen_inside; /* was it in memory before the commit? */
  uv_sem_t done;
} change;

static gh_err run_change(gh_store_job *job, gh_store_txn *txn)
{
  change *c = (change *)job;
  gh_host *host = c->h->host;
  gh_err err = c->remove ? gh_keyring_remove(host, txn, c->record.kind, c->record.id, c->tombstone)
                         : gh_keyring_put(host, txn, &c->record);
  c->seen_inside = gh_keyring_has(host->keyring, c->record.kind, c->record.id);
  if (c->fail) err = gh_txn_update_resource(txn, GH_STR("nobody"), GH_STR("{}"), GH_STR(""));
  return err;
}

static void change_done(gh_store_job *job, gh_err err)
{
  change *c = (change *)job;
  c->result = err;
  uv_sem_post(&c->done);
}

static gh_err do_change(harness *h, change *c)
{
  c->h = h;
  c->job = (gh_store_job){.run = run_change, .done = change_done};
  uv_sem_init(&c->done, 0);
  assert_int_equal(gh_store_submit(h->host->store, &c->job), GH_OK);
  uv_sem_wait(&c->done);
  uv_sem_destroy(&c->done);
  return c->result;
}

static gh_key_record record_of(const char *id, gh_key_kind kind, int64_t not_after_us)
{
  gh_key_record r = {.kind = kind,
                     .id = gh_str_of(id),
                     .suid = 32,
                     .owner = GH_STR("//sp.example.com/in-cse/Cmeter"),
                     .credential_id = GH_STR("11-x"),
                     .targets = GH_STR("//sp.example.com/in-cse //sp.example.com/cse7"),
                     .suids = GH_STR("21 22"),
                     .not_after_us = not_after_us};
  assert_int_equal(gh_secret_set(&r.key, secret_text, 32), GH_OK);
  return r;
}

static gh_err find(harness *h, gh_key_kind kind, const char *id)
{
  gh_arena arena;
  gh_key_record r = {.key = {.len = 0}};
  gh_arena_init(&arena);
  gh_err err = gh_keyring_find(h->host->keyring, &arena, kind, gh_str_of(id), &r);
  if (err == GH_OK) {
    assert_int_equal(r.key.len, 32);
    assert_memory_equal(r.key.bytes, secret_text, 32);
    assert_int_equal(r.suid, 32);
    assert_true(gh_str_eq(r.owner, GH_STR("//sp.example.com/in-cse/Cmeter")));
    assert_true(gh_str_eq(r.targets, GH_STR("//sp.example.com/in-cse //sp.example.com/cse7")));
    assert_true(gh_str_eq(r.suids, GH_STR("21 22")));
  }
  gh_secret_wipe(&r.key);
  gh_arena_free(&arena);
  return err;
}

static void kept_across_a_restart(void **state)
{
  harness *h = *state;
  change put = {.record = record_of("K1@maf.sp.example.com", GH_KEY_KM, 0)};
  assert_int_equal(find(h, GH_KEY_KM, "K1@maf.sp.example.com"), GH_ENOTFOUND);
  assert_int_equal(do_change(h, &put), GH_OK);
  assert_false(put.seen_inside); /* nobody uses a key that may still be undone */
  for (int i = 0; i < 2; i++) {
    assert_int_equal(find(h, GH_KEY_KM, "K1@maf.sp.example.com"), GH_OK);
    assert_int_equal(find(h, GH_KEY_KPSA, "K1@maf.sp.example.com"), GH_ENOTFOUND); /* a kind is not another */
    assert_int_equal(find(h, GH_KEY_KM, "k1@maf.sp.example.com"), GH_ENOTFOUND);
    harness_reopen(h);
  }
}

static void a_failed_commit_leaves_nothing(void **state)
{
  harness *h = *state;
  change put = {.record = record_of("K1@maf.sp.example.com", GH_KEY_KM, 0), .fail = true};
  assert_int_not_equal(do_change(h, &put), GH_OK);
  assert_int_equal(find(h, GH_KEY_KM, "K1@maf.sp.example.com"), GH_ENOTFOUND);
  put.fail = false;
  assert_int_equal(do_change(h, &put), GH_OK);
  change remove = {
      .record = record_of("K1@maf.sp.example.com", GH_KEY_KM, 0), .remove = true, .tombstone = true, .fail = true};
  assert_int_not_equal(do_change(h, &remove), GH_OK);
  assert_int_equal(find(h, GH_KEY_KM, "K1@maf.sp.example.com"), GH_OK);
  assert_false(gh_keyring_has(h->host->keyring, GH_KEY_GONE, GH_STR("K1@maf.sp.example.com")));
}

static void removed_keys_leave_their_identifier(void **state)
{
  harness *h = *state;
  change put = {.record = record_of("K1@maf.sp.example.com", GH_KEY_REG, 0)};
  change remove = {.record = record_of("K1@maf.sp.example.com", GH_KEY_REG, 0), .remove = true, .tombstone = true};
  assert_int_equal(do_change(h, &put), GH_OK);
  assert_int_equal(do_change(h, &remove), GH_OK);
  for (int i = 0; i < 2; i++) {
    assert_int_equal(find(h, GH_KEY_REG, "K1@maf.sp.example.com"), GH_ENOTFOUND);
    assert_true(gh_keyring_has(h->host->keyring, GH_KEY_GONE, GH_STR("K1@maf.sp.example.com")));
    harness_reopen(h);
  }
}

static void expired_keys_are_not_found(void **state)
{
  harness *h = *state;
  change put = {.record = record_of("K1@maf.sp.example.com", GH_KEY_KM, gh_host_now_us(h->host) + 60 * GH_US_PER_S)};
  assert_int_equal(do_change(h, &put), GH_OK);
  assert_int_equal(find(h, GH_KEY_KM, "K1@maf.sp.example.com"), GH_OK);
  h->clock_offset_us += 61 * GH_US_PER_S;
  assert_int_equal(find(h, GH_KEY_KM, "K1@maf.sp.example.com"), GH_EEXPIRED);
  assert_true(
      gh_keyring_has(h->host->keyring, GH_KEY_KM, GH_STR("K1@maf.sp.example.com"))); /* its identifier is not free */
  put.record.not_after_us += 120 * GH_US_PER_S;
  assert_int_equal(do_change(h, &put), GH_OK);
  assert_int_equal(find(h, GH_KEY_KM, "K1@maf.sp.example.com"), GH_OK);
}

static void change_rows(harness *h, const char *sql)
{
  sqlite3 *db;
  gh_host_stop(h->host);
  gh_host_close_store(h->host);
  gh_loop_call(h->loop, harness_nothing, NULL);
  gh_host_close(h->host);
  assert_int_equal(sqlite3_open(h->store_path, &db), SQLITE_OK);
  if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) fail_msg("%s", sqlite3_errmsg(db));
  sqlite3_close(db);
  harness_open(h);
}

/* Somebody with access to the database moves a sealed key to another identifier, or changes its octets: it opens no
 * more. */
static void sealed_keys_belong_to_their_row(void **state)
{
  harness *h = *state;
  change first = {.record = record_of("K1@maf.sp.example.com", GH_KEY_KM, 0)},
         second = {.record = record_of("K2@maf.sp.example.com", GH_KEY_KM, 0)};
  assert_int_equal(do_change(h, &first), GH_OK);
  assert_int_equal(do_change(h, &second), GH_OK);
  change_rows(h, "UPDATE key SET id='K3@maf.sp.example.com' WHERE id='K2@maf.sp.example.com'");
  assert_int_equal(find(h, GH_KEY_KM, "K1@maf.sp.example.com"), GH_OK);
  assert_int_equal(find(h, GH_KEY_KM, "K3@maf.sp.example.com"), GH_ETAMPER);
  change_rows(h, "UPDATE key SET kind='kpsa' WHERE id='K1@maf.sp.example.com'");
  assert_int_equal(find(h, GH_KEY_KPSA, "K1@maf.sp.example.com"), GH_ETAMPER);
  change_rows(
      h,
      "UPDATE key SET kind='km', sealed=substr(sealed,1,length(sealed)-1)||x'00' WHERE id='K1@maf.sp.example.com'");
  assert_int_equal(find(h, GH_KEY_KM, "K1@maf.sp.example.com"), GH_ETAMPER);
}

/* TP-19: nowhere in the folder of the host is a key to be read, also not in the write-ahead log. */
static void no_key_lies_in_the_files(void **state)
{
  harness *h = *state;
  char command[300];
  change put = {.record = record_of("K1@maf.sp.example.com", GH_KEY_KM, 0)};
  assert_int_equal(do_change(h, &put), GH_OK);
  for (int i = 0; i < 2; i++) {
    snprintf(command, sizeof command, "grep -rqaF '%s' '%s'", secret_text, h->dir);
    assert_int_not_equal(system(command), 0);
    snprintf(command, sizeof command, "grep -rqaF 'K1@maf.sp.example.com' '%s'",
             h->dir); /* the search does find things */
    assert_int_equal(system(command), 0);
    harness_reopen(h);
  }
}

/* ---- other hosts of the machine */

static void read_file(const char *path, char *text, size_t size)
{
  FILE *file = fopen(path, "r");
  assert_non_null(file);
  size_t len = fread(text, 1, size - 1, file);
  text[len] = '\0';
  fclose(file);
}

/* Every removal is announced, also the last one before the host ends, a line each. */
static void removals_are_announced(void **state)
{
  harness *h = *state;
  char text[1024];
  for (int i = 0; i < 3; i++) {
    char id[64];
    snprintf(id, sizeof id, "K%d@maf.sp.example.com", i);
    change put = {.record = record_of(id, GH_KEY_REG, 0)},
           remove = {.record = record_of(id, GH_KEY_REG, 0), .remove = true, .tombstone = i == 1};
    assert_int_equal(do_change(h, &put), GH_OK);
    if (i == 2) gh_host_stop(h->host); /* it is ending: its writer finishes what waits */
    assert_int_equal(do_change(h, &remove), GH_OK);
  }
  gh_host_close_store(h->host);
  gh_loop_call(h->loop, harness_nothing, NULL);
  gh_host_close(h->host);
  read_file(h->options.config.revocation_path, text, sizeof text);
  assert_string_equal(text, "\nK0@maf.sp.example.com\n\nK1@maf.sp.example.com\n\nK2@maf.sp.example.com\n");
  harness_open(h);
}

/* A writer was killed in the middle of its line, or the disk was full: the next line is not its continuation. */
static void half_a_line_swallows_nothing(void **state)
{
  harness *h = *state;
  char text[1024];
  FILE *other = fopen(h->options.config.revocation_path, "a");
  assert_true(fputs("K7@maf.sp.ex", other) > 0);
  assert_int_equal(fclose(other), 0);
  change put = {.record = record_of("K8@maf.sp.example.com", GH_KEY_REG, 0)},
         remove = {.record = record_of("K8@maf.sp.example.com", GH_KEY_REG, 0), .remove = true};
  assert_int_equal(do_change(h, &put), GH_OK);
  assert_int_equal(do_change(h, &remove), GH_OK);
  read_file(h->options.config.revocation_path, text, sizeof text);
  assert_string_equal(text, "K7@maf.sp.ex\nK8@maf.sp.example.com\n");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(kept_across_a_restart, setup, teardown),
      cmocka_unit_test_setup_teardown(a_failed_commit_leaves_nothing, setup, teardown),
      cmocka_unit_test_setup_teardown(removed_keys_leave_their_identifier, setup, teardown),
      cmocka_unit_test_setup_teardown(expired_keys_are_not_found, setup, teardown),
      cmocka_unit_test_setup_teardown(sealed_keys_belong_to_their_row, setup, teardown),
      cmocka_unit_test_setup_teardown(no_key_lies_in_the_files, setup, teardown),
      cmocka_unit_test_setup_teardown(removals_are_announced, setup, teardown),
      cmocka_unit_test_setup_teardown(half_a_line_swallows_nothing, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
