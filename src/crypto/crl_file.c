/* Owns the look at a file of revocation lists. Must never read and parse a file that has not changed: it is looked at
 * several times a second, and a bad one may be large. */
#include "crypto/crl_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { CRL_MAX_BYTES = 64 << 20 };

static bool same_file(const struct stat *a, const struct stat *b)
{
  return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
         a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
         a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static gh_err read_all(FILE *file, gh_buf *out, gh_diag *diag)
{
  char part[16384];
  for (size_t got; (got = fread(part, 1, sizeof part, file)) > 0;) {
    if (out->len + got > CRL_MAX_BYTES) return gh_fail(diag, GH_ELIMIT, "too long");
    gh_buf_add_bytes(out, part, got);
  }
  return ferror(file) ? gh_fail(diag, GH_EIO, "cannot be read") : GH_OK;
}

static gh_err read_lists(FILE *file, const char *path, gh_crl_set **out, gh_diag *diag)
{
  gh_buf octets = GH_BUF_INIT;
  gh_diag why = {""};
  gh_err err = read_all(file, &octets, &why);
  if (err == GH_OK) err = gh_crl_set_read(gh_buf_str(&octets), out, &why);
  gh_buf_free(&octets);
  return err == GH_OK ? GH_OK : gh_fail(diag, err, "%s: %s", path, why.text);
}

gh_err gh_crl_file_look(gh_crl_file *file, const char *path, gh_crl_set **out, bool *fresh, gh_diag *diag)
{
  struct stat now = {.st_ino = 0};
  bool ignored, was_unreadable = file->err == GH_EIO;
  *out = NULL;
  if (!fresh) fresh = &ignored;
  FILE *opened = fopen(path, "re");
  if (!opened || fstat(fileno(opened), &now) != 0) {
    file->seen = (struct stat){.st_ino = 0};
    file->err = gh_fail(&file->why, GH_EIO, "%s: %s", path, strerror(errno));
    *fresh = !was_unreadable;
  } else if (!same_file(&now, &file->seen)) {
    file->seen = now; /* as it was before it is read: what is written meanwhile is another file */
    file->err = read_lists(opened, path, out, &file->why);
    *fresh = !was_unreadable || file->err != GH_EIO;
    if (file->err == GH_EIO) file->seen = (struct stat){.st_ino = 0}; /* of the disk, not of the file */
  } else {
    *fresh = false;
  }
  if (opened) fclose(opened);
  return file->err == GH_OK ? GH_OK : gh_fail(diag, file->err, "%s", file->why.text);
}

gh_err gh_crl_file_read(const char *path, gh_crl_set **out, gh_diag *diag)
{
  gh_crl_file file = {.err = GH_OK};
  return gh_crl_file_look(&file, path, out, NULL, diag);
}
