/* What a function would do with the question whether a certificate is revoked: where it asks, and what happens where
 * nobody answers. */
#include "base/clock.h"
#include "cmd/doctor.h"
#include "crypto/crl_file.h"
#include "m2m/m2m_time.h"

static bool asks(gh_str source, gh_str policy)
{
  return source.len && !gh_str_eq(policy, GH_STR("off"));
}

static bool demands(gh_str policy)
{
  return gh_str_eq(policy, GH_STR("require"));
}

static void report_list(gh_report *report, gh_str what, const gh_realm_function *f)
{
  gh_diag diag = {""};
  gh_crl_set *lists = NULL;
  if (gh_crl_file_read(f->crl.ptr, &lists, &diag) != GH_OK) {
    gh_report_add(report, what, GH_ILL, "%s", diag.text);
    return;
  }
  gh_clock clock = gh_clock_system();
  int64_t end = gh_crl_set_next_update_us(lists);
  gh_crl_set_free(lists);
  bool old = end < gh_clock_wall_us(&clock);
  if (end == INT64_MAX)
    gh_report_add(report, what, GH_HEALTHY, "%s, without an end", f->crl.ptr);
  else
    gh_report_add(report, what, old ? GH_ILL : GH_HEALTHY, "%s, until %.*s%s", f->crl.ptr,
                  GH_STR_ARG(gh_timestamp(&report->call->arena, end)), old ? ": over" : "");
}

/*= TS-0010 7.3 the broker is a peer with a certificate like others; TS-0003 8.1.2.5. Brokers seldom staple. */
static void report_broker(gh_report *report, const gh_realm_function *f)
{
  bool lists = asks(f->crl, f->crl_policy) || asks(f->crl_url, f->crl_policy);
  bool responder = asks(f->ocsp_responder, f->ocsp_policy);
  bool strict =
      (lists && demands(f->crl_policy)) || (responder && demands(f->ocsp_policy)) || demands(f->stapling_policy);
  gh_str what = gh_arena_fmt(&report->call->arena, "%.*s broker", GH_STR_ARG(f->name));
  gh_str where = gh_arena_fmt(&report->call->arena, "%s%s%s", lists ? "lists" : "",
                              lists && responder ? ", then " : "", responder ? f->ocsp_responder.ptr : "");
  if (where.len)
    gh_report_add(report, what, GH_HEALTHY, "its certificate is asked about: %.*s; without an answer it is %s",
                  GH_STR_ARG(where), strict ? "refused" : "believed");
  else if (strict)
    gh_report_add(report, what, GH_UNKNOWN_HEALTH,
                  "refused unless it staples an answer: stapling_policy is require, and there is neither list nor "
                  "responder");
  else
    gh_report_add(report, what, GH_HEALTHY, "nobody is asked whether its certificate is revoked");
}

void gh_check_status_sources(gh_report *report, const gh_realm_function *f)
{
  if (asks(f->crl, f->crl_policy))
    report_list(report, gh_arena_fmt(&report->call->arena, "%.*s revocation list", GH_STR_ARG(f->name)), f);
  if (f->mqtt.broker.len) report_broker(report, f);
}
