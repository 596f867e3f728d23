/* Checks of the agreements with other service providers. */
#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/clock.h"
#include "client/secret_file.h"
#include "cmd/doctor.h"
#include "cmd/reach.h"
#include "crypto/certs.h"
#include "m2m/m2m_time.h"

enum { WARN_DAYS = 30 };
#define DAY_US (INT64_C(86400) * GH_US_PER_S)

/* How many there are, and when the first of them ends. */
static int anchors_in(gh_str pem, int64_t *first_end_us)
{
  int count = 0;
  BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
  *first_end_us = INT64_MAX;
  for (X509 *anchor; bio && (anchor = PEM_read_bio_X509(bio, NULL, NULL, NULL)); X509_free(anchor)) {
    int64_t end = gh_cert_not_after_us(anchor);
    if (end < *first_end_us) *first_end_us = end;
    count++;
  }
  BIO_free(bio);
  ERR_clear_error();
  return count;
}

static void check_anchors(gh_report *report, const gh_realm_provider *p, gh_str what)
{
  gh_buf pem = GH_BUF_INIT;
  gh_diag diag = {""};
  int64_t end;
  if (gh_private_file_read(p->anchors.ptr, &pem, &diag) != GH_OK) {
    gh_report_add(report, what, GH_ILL, "%s", diag.text);
    return;
  }
  int count = anchors_in(gh_buf_str(&pem), &end);
  gh_buf_free(&pem);
  if (!count) {
    gh_report_add(report, what, GH_ILL, "%s holds no certificate", p->anchors.ptr);
    return;
  }
  gh_clock clock = gh_clock_system();
  bool soon = end - gh_clock_wall_us(&clock) < WARN_DAYS * DAY_US;
  gh_report_add(report, what, soon ? GH_ILL : GH_HEALTHY, "%d for %.*s, until %.*s%s", count, GH_STR_ARG(p->fqdn),
                GH_STR_ARG(gh_timestamp(&report->call->arena, end)), soon ? ": ask for the next ones" : "");
}

void gh_check_provider(gh_report *report, const gh_realm_provider *p)
{
  gh_arena *a = &report->call->arena;
  gh_str anchors = gh_arena_fmt(a, "provider %.*s anchors", GH_STR_ARG(p->name));
  bool called = gh_reach_named(p->reach) != GH_REACH_NONE;
  gh_report_add(report, gh_arena_fmt(a, "provider %.*s", GH_STR_ARG(p->name)), GH_HEALTHY, "%.*s, %s%.*s",
                GH_STR_ARG(p->cse), called ? "called at " : "never called: reach is ", GH_STR_ARG(p->reach));
  if (p->anchors.len)
    check_anchors(report, p, anchors);
  else
    gh_report_add(report, anchors, GH_UNKNOWN_HEALTH, "none: %.*s proves itself with a provisioned key alone",
                  GH_STR_ARG(p->cse));
}
