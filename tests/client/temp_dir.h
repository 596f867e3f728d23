/* A folder for one test, removed with all that is in it. */
#ifndef GH_TEST_CLIENT_TEMP_DIR_H
#define GH_TEST_CLIENT_TEMP_DIR_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../m2m/cmocka_all.h"

typedef struct temp_dir {
  char path[256];
} temp_dir;

static inline int temp_remove(const char *path, const struct stat *st, int kind, struct FTW *at)
{
  (void)st;
  (void)kind;
  (void)at;
  return remove(path);
}

static inline int temp_dir_make(void **state)
{
  temp_dir *t = calloc(1, sizeof(*t));
  const char *base = getenv("TMPDIR");
  snprintf(t->path, sizeof(t->path), "%s/gatehouse-test-XXXXXX", base ? base : "/tmp");
  if (!mkdtemp(t->path)) return -1;
  *state = t;
  return 0;
}

static inline int temp_dir_drop(void **state)
{
  temp_dir *t = *state;
  nftw(t->path, temp_remove, 16, FTW_DEPTH | FTW_PHYS);
  free(t);
  return 0;
}

/* "DIR/name", good for the next 31 calls. */
static inline const char *temp_path(const temp_dir *t, const char *name)
{
  static char paths[32][512];
  static unsigned next;
  char *out = paths[next++ % 32];
  snprintf(out, sizeof(paths[0]), "%s/%s", t->path, name);
  return out;
}

static inline void temp_write(const char *path, const char *text, mode_t mode)
{
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fputs(text, file);
  fclose(file);
  assert_int_equal(chmod(path, mode), 0);
}

static inline mode_t mode_of(const char *path)
{
  struct stat st;
  assert_int_equal(lstat(path, &st), 0);
  return st.st_mode & 07777;
}

/* The whole file, to be freed. */
static inline char *temp_read(const char *path)
{
  FILE *file = fopen(path, "r");
  assert_non_null(file);
  char *text = calloc(1, 1 << 18);
  size_t got = fread(text, 1, (1 << 18) - 1, file);
  assert_true(got < (1 << 18) - 1);
  fclose(file);
  return text;
}

#endif
