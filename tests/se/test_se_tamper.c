/* What somebody else did to the file: changed octets, cut ends, wrong modes, wrong passphrases. */
#include "se_fixture.h"

#include <openssl/err.h>

static const char key_text[] = "0123456789abcdefghijklmnopqrstuv"; /* 32 octets that would be found */

static gh_se *with_known_key(fixture *f)
{
  gh_se *se = create(f);
  gh_secret key;
  assert_int_equal(gh_secret_set(&key, key_text, 32), GH_OK);
  assert_int_equal(gh_se_put(se, &(gh_se_info){.kind = GH_SE_KM, .id = GH_STR("visible-id@maf.example.com")}, &key),
                   GH_OK);
  return se;
}

static void assert_refused(fixture *f, size_t where)
{
  gh_se *se;
  gh_err err = open_with(f, "correct horse", &se);
  bool known = err == GH_ETAMPER || err == GH_EAUTH || err == GH_ESYNTAX || err == GH_ELIMIT;
  if (!known) fail_msg("octet %zu: %s", where, gh_err_name(err));
  assert_int_equal(ERR_peek_error(), 0);
}

/*= TS-0003 6.3; sealed data that was changed is refused */
static void test_every_changed_octet(void **state)
{
  fixture *f = *state;
  gh_se_close(with_known_key(f));
  gh_buf file = read_file(f->path);
  for (size_t i = 0; i < file.len; i++) {
    for (int bit = 0; bit < 8; bit++) {
      file.ptr[i] = (char)(file.ptr[i] ^ (1 << bit));
      write_file(f->path, gh_buf_str(&file));
      assert_refused(f, i);
      file.ptr[i] = (char)(file.ptr[i] ^ (1 << bit));
    }
  }
  write_file(f->path, gh_buf_str(&file));
  gh_se *se;
  assert_int_equal(open_with(f, "correct horse", &se), GH_OK);
  gh_se_close(se);
  gh_buf_free(&file);
}

static void test_every_length(void **state)
{
  fixture *f = *state;
  gh_se_close(with_known_key(f));
  gh_buf file = read_file(f->path);
  for (size_t len = 0; len < file.len; len++) {
    write_file(f->path, gh_str_sub(gh_buf_str(&file), 0, len));
    assert_refused(f, len);
  }
  gh_buf_add_char(&file, '\0');
  write_file(f->path, gh_buf_str(&file));
  assert_refused(f, file.len);
  gh_buf_free(&file);
}

/* A body beyond the bound is refused before memory is spent on it. */
static void test_costs_beyond_the_bounds(void **state)
{
  fixture *f = *state;
  gh_se_close(create(f));
  gh_buf file = read_file(f->path);
  static const uint8_t costs[][12] = {
      {0, 0, 0, 20, 0, 0, 0, 16, 0, 0, 0, 1}, /* 2 GiB */
      {0, 0, 0, 63, 0, 0, 0, 8, 0, 0, 0, 1},  {0xff, 0xff, 0xff, 0xff, 0, 0, 0, 8, 0, 0, 0, 1},
      {0, 0, 0, 15, 0, 0, 0, 0, 0, 0, 0, 1},  {0, 0, 0, 15, 0, 0, 0, 17, 0, 0, 0, 1},
      {0, 0, 0, 15, 0, 0, 0, 8, 0, 0, 0, 0},  {0, 0, 0, 15, 0, 0, 0, 8, 0, 0, 0, 5},
      {0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0, 1},
  };
  for (size_t i = 0; i < sizeof(costs) / sizeof(costs[0]); i++) {
    gh_se *se;
    memcpy(file.ptr + 12, costs[i], sizeof(costs[i]));
    write_file(f->path, gh_buf_str(&file));
    assert_int_equal(open_with(f, "correct horse", &se), GH_ELIMIT);
  }
  gh_buf_free(&file);
}

static void test_wrong_passphrase(void **state)
{
  fixture *f = *state;
  gh_se *se = with_known_key(f);
  gh_se_close(se);
  assert_int_equal(open_with(f, "correct horsf", &se), GH_EAUTH);
  assert_int_equal(open_with(f, "correct horse ", &se), GH_EAUTH);
  assert_int_equal(open_with(f, "correct hors", &se), GH_EAUTH);
  assert_int_equal(open_with(f, "", &se), GH_EINVAL);
}

/* TP-19 at rest: neither key nor identifier can be read in the file. */
static void test_nothing_in_clear(void **state)
{
  fixture *f = *state;
  gh_se *se = with_known_key(f);
  gh_str pem = GH_STR("-----BEGIN PRIVATE KEY-----");
  assert_int_equal(gh_se_put_blob(se, &(gh_se_info){.kind = GH_SE_PRIVATE_KEY, .id = GH_STR("cse")}, pem), GH_OK);
  gh_se_close(se);
  gh_buf file = read_file(f->path);
  for (size_t i = 0; i + 8 <= 32; i++) assert_null(memmem(file.ptr, file.len, key_text + i, 8));
  assert_null(memmem(file.ptr, file.len, "PRIVATE", 7));
  assert_null(memmem(file.ptr, file.len, "visible-id", 10));
  assert_null(memmem(file.ptr, file.len, "correct horse", 13));
  gh_buf_free(&file);
}

/*= TS-0003 6.3; nobody but the owner reaches the keys at rest */
static void test_modes(void **state)
{
  fixture *f = *state;
  gh_se *se = create(f);
  struct stat st;
  assert_int_equal(put_key(se, GH_SE_KC, "k", 1), GH_OK);
  gh_se_close(se);
  assert_int_equal(stat(f->path, &st), 0);
  assert_int_equal(st.st_mode & 07777, 0600);
  const mode_t modes[] = {0644, 0640, 0604, 0660, 0601, 0610, 0602, 0777};
  for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
    chmod(f->path, modes[i]);
    assert_int_equal(open_with(f, "correct horse", &se), GH_EACCES);
  }
  chmod(f->path, 0400);
  assert_int_equal(open_with(f, "correct horse", &se), GH_OK);
  chmod(f->path, 0644);
  assert_int_equal(put_key(se, GH_SE_KC, "k2", 1), GH_EACCES); /* nor is it written to */
  gh_se_close(se);
}

static void test_what_is_no_file(void **state)
{
  fixture *f = *state;
  gh_se *se = NULL;
  char other[100];
  snprintf(other, sizeof(other), "%s/real", f->dir);
  assert_int_equal(open_with(f, "correct horse", &se), GH_ENOTFOUND);
  assert_int_equal(mkdir(f->path, 0700), 0);
  assert_int_equal(open_with(f, "correct horse", &se), GH_EACCES);
  rmdir(f->path);
  assert_int_equal(mkfifo(f->path, 0600), 0);
  assert_int_equal(open_with(f, "correct horse", &se), GH_EACCES);
  unlink(f->path);
  gh_se_close(create(f));
  assert_int_equal(rename(f->path, other), 0);
  assert_int_equal(symlink(other, f->path), 0);
  assert_int_equal(open_with(f, "correct horse", &se), GH_EACCES);
  unlink(other);
}

static void test_create_replaces_nothing(void **state)
{
  fixture *f = *state;
  gh_se *se = with_known_key(f), *second = NULL;
  gh_diag diag = {""};
  assert_int_equal(gh_se_file_create_with_cost(f->path, GH_STR("other"), &f->random, &cheap, &second, &diag),
                   GH_EEXIST);
  assert_null(second);
  assert_int_equal(
      gh_se_file_create_with_cost("/nonexistent-folder/keys", GH_STR("p"), &f->random, &cheap, &second, &diag),
      GH_ENOTFOUND);
  assert_int_equal(gh_se_file_create_with_cost("/tmp/", GH_STR("p"), &f->random, &cheap, &second, &diag), GH_EINVAL);
  assert_int_equal(gh_se_file_create_with_cost(f->path, GH_STR_NONE, &f->random, &cheap, &second, &diag), GH_EINVAL);
  se = reopen(f, se);
  gh_se_close(se);
}

static uint64_t counter_of(const char *path)
{
  gh_buf file = read_file(path);
  uint64_t counter = 0;
  for (size_t i = 72; i < 80; i++) counter = counter << 8 | (uint8_t)file.ptr[i];
  gh_buf_free(&file);
  return counter;
}

/* The counter of writes grows, so that an anchor outside can tell a file that was put back. */
static void test_counter_grows(void **state)
{
  fixture *f = *state;
  gh_se *se = create(f);
  assert_int_equal(counter_of(f->path), 1);
  assert_int_equal(put_key(se, GH_SE_KC, "k", 1), GH_OK);
  assert_int_equal(counter_of(f->path), 2);
  se = reopen(f, se);
  assert_int_equal(gh_se_remove(se, GH_SE_KC, GH_STR("k")), GH_OK);
  assert_int_equal(counter_of(f->path), 3);
  gh_se_close(se);
}

/* A file that was damaged behind our back is not overwritten by the next change. */
static void test_damage_under_an_open_handle(void **state)
{
  fixture *f = *state;
  gh_se *se = with_known_key(f);
  gh_buf file = read_file(f->path);
  file.ptr[75] = (char)(file.ptr[75] ^ 1); /* counter */
  write_file(f->path, gh_buf_str(&file));
  assert_int_equal(put_key(se, GH_SE_KC, "k", 1), GH_ETAMPER);
  gh_se_close(se);
  gh_buf_free(&file);
}

int main(void)
{
#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      WITH_FOLDER(test_every_changed_octet),     WITH_FOLDER(test_every_length),
      WITH_FOLDER(test_costs_beyond_the_bounds), WITH_FOLDER(test_wrong_passphrase),
      WITH_FOLDER(test_nothing_in_clear),        WITH_FOLDER(test_modes),
      WITH_FOLDER(test_what_is_no_file),         WITH_FOLDER(test_create_replaces_nothing),
      WITH_FOLDER(test_counter_grows),           WITH_FOLDER(test_damage_under_an_open_handle),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
