/* The file of revocation lists: read when it is another than before, and otherwise only looked at. */
#include "../link/link_pki.h"
#include "status_maker.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/crl_file.h"

static holder root;
static char dir[64], path[96];

static int make_all(void **state)
{
  (void)state;
  root = issued(GH_CERT_CA, "Root", NULL, NULL);
  snprintf(dir, sizeof dir, "/tmp/gatehouse-test-XXXXXX");
  assert_non_null(mkdtemp(dir));
  snprintf(path, sizeof path, "%s/crl.pem", dir);
  return 0;
}

static int free_all(void **state)
{
  (void)state;
  unlink(path);
  rmdir(dir);
  holder_free(&root);
  return 0;
}

static void write_text(gh_str text)
{
  char next[128];
  snprintf(next, sizeof next, "%s.next", path);
  FILE *file = fopen(next, "w");
  assert_non_null(file);
  assert_int_equal(fwrite(text.ptr, 1, text.len, file), text.len);
  fclose(file);
  assert_int_equal(rename(next, path), 0);
}

static void write_list(void)
{
  gh_buf pem = GH_BUF_INIT;
  list_of list = {.issuer = root.cert, .signer = root.key, .begin_h = -1, .end_h = 24};
  add_list_pem(&pem, &list);
  write_text(gh_buf_str(&pem));
  gh_buf_free(&pem);
}

/* Octets that this process has read so far. */
static unsigned long octets_read(void)
{
  unsigned long count = 0;
  FILE *io = fopen("/proc/self/io", "r");
  if (!io) skip();
  assert_int_equal(fscanf(io, "rchar: %lu", &count), 1);
  fclose(io);
  return count;
}

static void expect_look(gh_crl_file *file, bool lists, bool fresh, gh_err wanted)
{
  gh_crl_set *set = NULL;
  bool is_fresh = !fresh;
  gh_diag diag = {""};
  gh_err err = gh_crl_file_look(file, path, &set, &is_fresh, &diag);
  if (err != wanted) fail_msg("%s, expected %s: %s", gh_err_name(err), gh_err_name(wanted), diag.text);
  assert_int_equal(set != NULL, lists);
  assert_int_equal(is_fresh, fresh);
  if (err != GH_OK) assert_non_null(strstr(diag.text, path)); /* each time */
  gh_crl_set_free(set);
}

static void it_is_read_when_it_changed(void **state)
{
  (void)state;
  gh_crl_file file = {.err = GH_OK};
  unlink(path);
  expect_look(&file, false, true, GH_EIO);
  expect_look(&file, false, false, GH_EIO);
  write_list();
  expect_look(&file, true, true, GH_OK);
  for (int i = 0; i < 3; i++) expect_look(&file, false, false, GH_OK);
  write_list();
  expect_look(&file, true, true, GH_OK);
  unlink(path);
  expect_look(&file, false, true, GH_EIO);
  expect_look(&file, false, false, GH_EIO);
  write_list();
  expect_look(&file, true, true, GH_OK);
}

/* A bad file costs nothing more until it is another one. */
static void a_bad_file_is_read_once(void **state)
{
  (void)state;
  enum { LARGE = 4 << 20 };
  gh_crl_file file = {.err = GH_OK};
  char *large = malloc(LARGE);
  memset(large, 'x', LARGE);
  write_text((gh_str){large, LARGE});
  free(large);
  unsigned long before = octets_read();
  expect_look(&file, false, true, GH_ESYNTAX);
  assert_true(octets_read() - before >= LARGE);
  before = octets_read();
  for (int i = 0; i < 100; i++) expect_look(&file, false, false, GH_ESYNTAX);
  assert_true(octets_read() - before < LARGE);
  write_list();
  expect_look(&file, true, true, GH_OK);
}

/* Written into, to the same length, and dated back: it is another file all the same. */
static void a_date_is_not_believed(void **state)
{
  (void)state;
  struct stat was;
  gh_crl_file file = {.err = GH_OK};
  write_list();
  expect_look(&file, true, true, GH_OK);
  assert_int_equal(stat(path, &was), 0);
  usleep(20000); /* the clock of the file system ticks */
  int fd = open(path, O_WRONLY);
  assert_int_equal(pwrite(fd, "x", 1, 0), 1);
  const struct timespec dates[] = {was.st_atim, was.st_mtim};
  assert_int_equal(futimens(fd, dates), 0);
  close(fd);
  expect_look(&file, false, true, GH_ESYNTAX);
}

static void what_cannot_be_read_is_tried_again(void **state)
{
  (void)state;
  gh_crl_file file = {.err = GH_OK};
  unlink(path);
  assert_int_equal(mkdir(path, 0700), 0);
  expect_look(&file, false, true, GH_EIO);
  expect_look(&file, false, false, GH_EIO);
  assert_int_equal(rmdir(path), 0);
  write_list();
  expect_look(&file, true, true, GH_OK);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(it_is_read_when_it_changed),
      cmocka_unit_test(a_bad_file_is_read_once),
      cmocka_unit_test(a_date_is_not_believed),
      cmocka_unit_test(what_cannot_be_read_is_tried_again),
  };
  return cmocka_run_group_tests(tests, make_all, free_all);
}
