/* Owns the lists of a device. Must never let a certificate through that no list speaks of. */
#include "client/device_status.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CRL_MAX_BYTES = 16 << 20 };

static bool same_file(const struct stat *a, const struct stat *b)
{
  return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
         a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static gh_err read_lists(FILE *file, gh_crl_set **out, gh_diag *diag)
{
  gh_buf octets = GH_BUF_INIT;
  char part[16384];
  gh_err err = GH_OK;
  for (size_t got; err == GH_OK && (got = fread(part, 1, sizeof part, file)) > 0;) {
    err = octets.len + got <= CRL_MAX_BYTES ? GH_OK : gh_fail(diag, GH_ELIMIT, "too long");
    if (err == GH_OK) gh_buf_add_bytes(&octets, part, got);
  }
  if (err == GH_OK && ferror(file)) err = gh_fail(diag, GH_EIO, "cannot be read");
  if (err == GH_OK) err = gh_crl_set_read(gh_buf_str(&octets), out, diag);
  gh_buf_free(&octets);
  return err;
}

gh_err gh_device_status_look(gh_device_status *status, gh_diag *diag)
{
  struct stat now;
  gh_crl_set *lists = NULL;
  gh_diag why = {""};
  if (!status->path) return GH_OK;
  FILE *file = fopen(status->path, "re");
  gh_err err = GH_OK;
  if (!file || fstat(fileno(file), &now) != 0) {
    err = gh_fail(diag, GH_EIO, "%s: %s", status->path, strerror(errno));
    status->seen = (struct stat){.st_ino = 0};
  } else if (!same_file(&now, &status->seen)) {
    err = read_lists(file, &lists, &why);
    if (err != GH_OK) gh_fail(diag, err, "%s: %s", status->path, why.text);
    if (err == GH_OK) status->seen = now; /* a bad one is told of each time */
  }
  if (file) fclose(file);
  if (!lists) return err;
  gh_crl_set_free(status->lists);
  status->lists = lists;
  status->generation++;
  return GH_OK;
}

/*= TS-0003 8.1.2.5 the device looks at the certificate of the CSE, as that at the device's */
static gh_cert_state state_of(const gh_device_status *status, const gh_status_query *query)
{
  int64_t now_us = gh_clock_wall_us(status->clock);
  if (!status->lists) return GH_CERT_UNKNOWN;
  for (size_t i = 0; query->above && i + 1 < query->above_count; i++)
    if (gh_crl_set_check(status->lists, query->above[i], query->above[i + 1], now_us) == GH_CERT_REVOKED)
      return GH_CERT_REVOKED;
  return gh_crl_set_check(status->lists, query->cert, query->issuer, now_us);
}

static gh_err find_status(void *ctx, gh_status_query *query)
{
  gh_device_status *status = ctx;
  (void)gh_device_status_look(status, NULL); /* what cannot be read says nothing, and that is judged below */
  gh_cert_state state = state_of(status, query);
  if (state == GH_CERT_GOOD) return GH_OK;
  query->revoked = state == GH_CERT_REVOKED;
  query->why = query->revoked ? "the certificate is revoked" : "no list says whether the certificate is revoked";
  return GH_EAUTH;
}

void gh_device_status_init(gh_device_status *status, const gh_clock *clock)
{
  *status = (gh_device_status){.source = {.ctx = status, .find_status = find_status}, .clock = clock};
}

void gh_device_status_free(gh_device_status *status)
{
  gh_crl_set_free(status->lists);
  free(status->path);
  status->lists = NULL;
  status->path = NULL;
}

void gh_device_status_use(gh_device_status *status, gh_str path)
{
  if (gh_str_eq(path, gh_str_of(status->path))) return;
  gh_device_status_free(status);
  status->seen = (struct stat){.st_ino = 0};
  status->generation++;
  if (path.len) status->path = strndup(path.ptr, path.len);
}

const gh_status_source *gh_device_status_source(const gh_device_status *status)
{
  return status->path ? &status->source : NULL;
}
