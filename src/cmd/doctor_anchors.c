/* Checks of trust anchors that are not the realm's own. A file that cannot be used stops a function from starting,
 * and SIGHUP from renewing anything. */
#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/clock.h"
#include "client/secret_file.h"
#include "cmd/doctor.h"
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

void gh_report_anchors(gh_report *report, gh_str what, gh_str path, gh_str whom)
{
  gh_buf pem = GH_BUF_INIT;
  gh_diag diag = {""};
  int64_t end;
  if (gh_private_file_read(path.ptr, &pem, &diag) != GH_OK) {
    gh_report_add(report, what, GH_ILL, "%s", diag.text);
    return;
  }
  int count = anchors_in(gh_buf_str(&pem), &end);
  gh_buf_free(&pem);
  if (!count) {
    gh_report_add(report, what, GH_ILL, "%s holds no certificate", path.ptr);
    return;
  }
  gh_clock clock = gh_clock_system();
  bool soon = end - gh_clock_wall_us(&clock) < WARN_DAYS * DAY_US;
  gh_report_add(report, what, soon ? GH_ILL : GH_HEALTHY, "%d for %.*s, until %.*s%s", count, GH_STR_ARG(whom),
                GH_STR_ARG(gh_timestamp(&report->call->arena, end)), soon ? ": ask for the next ones" : "");
}

void gh_check_anchors(gh_report *report, const gh_realm *realm)
{
  const gh_realm_anchors *f = &realm->anchors_for;
  const struct {
    const char *what;
    gh_str path, whom;
  } rows[] = {{"anchors for devices", f->device, GH_STR("certificates with a hardware identifier")},
              {"anchors for nodes", f->node, GH_STR("certificates with a Node-ID")},
              {"anchors for AEs", f->ae, GH_STR("certificates with an AE-ID")},
              {"anchors for CSEs", f->cse, GH_STR("certificates with a domain name")}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (rows[i].path.len) gh_report_anchors(report, gh_str_of(rows[i].what), rows[i].path, rows[i].whom);
}
