/* Is the certificate of a function revoked, asks an administrator's command: by the list that the realm has in a
 * file, and by the answer that the function staples. No responder is asked: a command is short. */
#include "cmd/admin_status.h"

#include <stdlib.h>

#include "base/clock.h"
#include "crypto/crl_file.h"

struct gh_admin_status {
  gh_status_source source;
  gh_crl_set *lists; /* NULL: none */
  bool list_decides, staple_decides;
};

static gh_err refuse(gh_status_query *q, bool revoked, const char *why)
{
  q->revoked = revoked;
  q->why = why;
  return GH_EAUTH;
}

static gh_cert_state by_list(const gh_admin_status *s, const gh_status_query *q, int64_t now_us)
{
  if (!s->lists) return GH_CERT_UNKNOWN;
  for (size_t i = 0; q->above && i + 1 < q->above_count; i++)
    if (gh_crl_set_check(s->lists, q->above[i], q->above[i + 1], now_us) == GH_CERT_REVOKED) return GH_CERT_REVOKED;
  return gh_crl_set_check(s->lists, q->cert, q->issuer, now_us);
}

/*= TS-0003 8.1.2.5 the administrator looks at the certificate of the function, as that at his */
static gh_err find_status(void *ctx, gh_status_query *q)
{
  const gh_admin_status *s = ctx;
  gh_clock clock = gh_clock_system();
  int64_t now_us = gh_clock_wall_us(&clock), until_us;
  gh_cert_state list = by_list(s, q, now_us), staple = GH_CERT_UNKNOWN;
  if (q->stapled.len && s->source.ask_stapled)
    staple = gh_ocsp_check(q->stapled, q->cert, q->issuer, now_us, &until_us);
  if (list == GH_CERT_REVOKED || staple == GH_CERT_REVOKED) return refuse(q, true, "the certificate is revoked");
  bool silent = (s->list_decides && list == GH_CERT_UNKNOWN && staple == GH_CERT_UNKNOWN) ||
                (s->staple_decides && staple == GH_CERT_UNKNOWN);
  if (silent && !q->early) return refuse(q, false, "no source says whether the certificate is revoked");
  return GH_OK;
}

gh_err gh_admin_status_open(const gh_realm_function *function, gh_admin_status **out, gh_diag *diag)
{
  gh_status_policy lists = GH_STATUS_REQUIRE, staples = GH_STATUS_REQUIRE; /* the names were checked when read */
  (void)gh_status_policy_named(function->crl_policy, &lists);
  (void)gh_status_policy_named(function->stapling_policy, &staples);
  gh_admin_status *s = gh_calloc(1, sizeof *s);
  bool wanted = function->crl.len && lists != GH_STATUS_OFF;
  s->source = (gh_status_source){.ctx = s, .find_status = find_status, .ask_stapled = staples != GH_STATUS_OFF};
  s->list_decides = wanted && lists == GH_STATUS_REQUIRE;
  s->staple_decides = staples == GH_STATUS_REQUIRE;
  gh_err err = wanted ? gh_crl_file_read(function->crl.ptr, &s->lists, diag) : GH_OK;
  if (err != GH_OK && s->list_decides) {
    gh_admin_status_close(s);
    return err;
  }
  *out = s;
  return GH_OK;
}

const gh_status_source *gh_admin_status_source(const gh_admin_status *status)
{
  return &status->source;
}

void gh_admin_status_close(gh_admin_status *status)
{
  if (!status) return;
  gh_crl_set_free(status->lists);
  free(status);
}
