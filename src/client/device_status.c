/* Owns the lists of a device. Must never let a certificate through that no list speaks of. */
#include "client/device_status.h"

#include <stdlib.h>
#include <string.h>

gh_err gh_device_status_look(gh_device_status *status, gh_diag *diag)
{
  gh_crl_set *lists = NULL;
  if (!status->path) return GH_OK;
  gh_err err = gh_crl_file_look(&status->file, status->path, &lists, NULL, diag);
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
  status->file = (gh_crl_file){.err = GH_OK};
  status->generation++;
  if (path.len) status->path = strndup(path.ptr, path.len);
}

const gh_status_source *gh_device_status_source(const gh_device_status *status)
{
  return status->path ? &status->source : NULL;
}
