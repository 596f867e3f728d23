/* A folder of its own for each test, and sealed files that are cheap to open. */
#ifndef GH_TEST_SE_FIXTURE_H
#define GH_TEST_SE_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../m2m/cmocka_all.h"
#include "base/buf.h"
#include "se/se.h"
#include "se/se_file_cost.h"

typedef struct fixture {
  char dir[64];
  char path[80];
  gh_random random;
  gh_arena arena;
} fixture;

static const gh_seal_cost cheap = {4, 8, 1};

static inline int set_up(void **state)
{
  fixture *f = gh_calloc(1, sizeof(*f));
  snprintf(f->dir, sizeof(f->dir), "/tmp/gh-se-XXXXXX");
  if (!mkdtemp(f->dir)) return -1;
  snprintf(f->path, sizeof(f->path), "%s/keys", f->dir);
  f->random = gh_random_system();
  gh_arena_init(&f->arena);
  *state = f;
  return 0;
}

static inline int tear_down(void **state)
{
  fixture *f = *state;
  char temp[100];
  snprintf(temp, sizeof(temp), "%s/.keys.new", f->dir); /* a killed writer may leave it */
  unlink(temp);
  unlink(f->path);
  int left = rmdir(f->dir); /* fails when anything else was left behind */
  gh_arena_free(&f->arena);
  free(f);
  return left;
}

static inline gh_se *create(fixture *f)
{
  gh_se *se = NULL;
  gh_diag diag = {""};
  gh_err err = gh_se_file_create_with_cost(f->path, GH_STR("correct horse"), &f->random, &cheap, &se, &diag);
  if (err != GH_OK) fail_msg("%s", diag.text);
  return se;
}

static inline gh_err open_with(fixture *f, const char *passphrase, gh_se **se)
{
  gh_diag diag = {""};
  *se = NULL;
  gh_err err = gh_se_file_open(f->path, gh_str_of(passphrase), &f->random, se, &diag);
  if (err != GH_OK) assert_true(diag.text[0] != '\0' && *se == NULL);
  return err;
}

static inline gh_se *reopen(fixture *f, gh_se *se)
{
  gh_se_close(se);
  assert_int_equal(open_with(f, "correct horse", &se), GH_OK);
  return se;
}

static inline gh_secret secret_of(uint8_t fill, size_t len)
{
  gh_secret secret = {.len = len};
  memset(secret.bytes, fill, len);
  return secret;
}

static inline gh_err put_key(gh_se *se, gh_se_kind kind, const char *id, uint8_t fill)
{
  const gh_secret key = secret_of(fill, 32);
  return gh_se_put(se, &(gh_se_info){.kind = kind, .id = gh_str_of(id)}, &key);
}

static inline gh_err use_key(gh_se *se, gh_se_kind kind, const char *id, gh_secret *out)
{
  const gh_clock clock = gh_clock_system();
  return gh_se_use_psk(se, &clock, kind, gh_str_of(id), out);
}

static inline void assert_key(gh_se *se, gh_se_kind kind, const char *id, uint8_t fill)
{
  gh_secret got = {.len = 0}, want = secret_of(fill, 32);
  gh_err err = use_key(se, kind, id, &got);
  if (err != GH_OK) fail_msg("%s: %s", id, gh_err_name(err));
  assert_true(gh_secret_equal(&got, &want));
}

static inline gh_buf read_file(const char *path)
{
  gh_buf buf = GH_BUF_INIT;
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  for (int c; (c = fgetc(file)) != EOF;) gh_buf_add_char(&buf, (char)c);
  fclose(file);
  return buf;
}

static inline void write_file(const char *path, gh_str content)
{
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(content.ptr, 1, content.len, file), content.len);
  fclose(file);
  chmod(path, 0600);
}

#endif
