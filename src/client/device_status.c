/* Owns the decision over a certificate, from what the sources have said. Must never take the silence of lists, or of
 * a source that must speak, for a good word. */
#include "client/device_status.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum { TURN_MS = 10 };

gh_err gh_device_status_look(gh_device_status *status, gh_diag *diag)
{
  gh_crl_set *lists = NULL;
  gh_err err = status->path ? gh_crl_file_look(&status->file, status->path, &lists, NULL, diag) : GH_OK;
  if (lists) {
    gh_crl_set_free(status->lists);
    status->lists = lists;
    status->generation++;
  }
  if (status->fetched) {
    if (gh_device_lists_collect(status->fetched)) status->generation++;
    (void)gh_device_lists_ask(status->fetched);
  }
  if (status->responder) {
    if (gh_device_responder_collect(status->responder)) status->generation++;
    gh_device_responder_ask_again(status->responder);
  }
  return err;
}

/* ---- the decision */

static gh_cert_state by_lists(const gh_device_status *s, X509 *cert, X509 *issuer, int64_t now_us)
{
  gh_cert_state file = s->lists ? gh_crl_set_check(s->lists, cert, issuer, now_us) : GH_CERT_UNKNOWN;
  if (file == GH_CERT_REVOKED || !s->fetched) return file;
  gh_cert_state fetched = gh_device_lists_check(s->fetched, cert, issuer, now_us);
  return fetched == GH_CERT_UNKNOWN ? file : fetched;
}

static bool issuer_revoked(const gh_device_status *s, const gh_status_query *q, int64_t now_us)
{
  for (size_t i = 0; q->above && i + 1 < q->above_count; i++)
    if (by_lists(s, q->above[i], q->above[i + 1], now_us) == GH_CERT_REVOKED) return true;
  return false;
}

/* Whoever says that it is revoked is believed; else whoever says that it is good. */
static gh_cert_state state_of(const gh_device_status *s, const gh_status_query *q)
{
  int64_t now_us = gh_clock_wall_us(s->clock), until_us;
  gh_cert_state said[3] = {by_lists(s, q->cert, q->issuer, now_us), GH_CERT_UNKNOWN, GH_CERT_UNKNOWN};
  if (issuer_revoked(s, q, now_us)) return GH_CERT_REVOKED;
  if (q->stapled.len && s->use.stapling != GH_DEVICE_STATUS_OFF)
    said[1] = gh_ocsp_check(q->stapled, q->cert, q->issuer, now_us, &until_us);
  if (s->responder) said[2] = gh_device_responder_said(s->responder, q->cert, now_us);
  gh_cert_state state = GH_CERT_UNKNOWN;
  for (size_t i = 0; i < sizeof said / sizeof *said; i++)
    if (said[i] == GH_CERT_REVOKED || state == GH_CERT_UNKNOWN) state = said[i];
  return state;
}

/*= TS-0003 8.1.2.5 the device looks at the certificate of the CSE, as that at the device's */
bool gh_device_status_known(gh_device_status *status, gh_status_query *query, gh_err *result)
{
  (void)gh_device_status_look(status, NULL); /* what cannot be read says nothing, and that is judged */
  gh_cert_state state = state_of(status, query);
  *result = GH_OK;
  if (state == GH_CERT_GOOD) return true;
  if (state == GH_CERT_UNKNOWN) return query->early;
  query->revoked = true;
  query->why = "the certificate is revoked";
  *result = GH_EAUTH;
  return true;
}

bool gh_device_status_ask(gh_device_status *status, gh_status_query *query)
{
  bool asked = false;
  if (status->fetched) {
    gh_device_lists_know(status->fetched, &query->issuer, 1);
    if (query->above) gh_device_lists_know(status->fetched, query->above, query->above_count);
    asked = gh_device_lists_ask(status->fetched);
  }
  if (status->responder && gh_device_responder_ask(status->responder, query->cert, query->issuer)) asked = true;
  return asked;
}

/*= TS-0003 8.1.2.5 */
gh_err gh_device_status_silence(const gh_device_status *status, gh_status_query *query)
{
  bool lists = status->path || status->fetched;
  bool responder = status->responder && status->use.ocsp == GH_DEVICE_STATUS_REQUIRE;
  bool staple = query->of_server && status->use.stapling == GH_DEVICE_STATUS_REQUIRE;
  if (!lists && !responder && !staple) return GH_OK;
  query->why = lists && !status->responder && !staple ? "no list says whether the certificate is revoked"
                                                      : "no source says whether the certificate is revoked";
  return GH_EAUTH;
}

/* The program waits for the handshake, and for this. */
static gh_err find_status(void *ctx, gh_status_query *query)
{
  gh_device_status *status = ctx;
  const gh_clock clock = gh_clock_system();
  int64_t until_us = gh_clock_mono_us(&clock) + (int64_t)status->timeout_ms * 1000;
  gh_err result;
  for (;;) {
    if (gh_device_status_known(status, query, &result)) return result;
    bool asked = gh_device_status_ask(status, query);
    if (!asked || gh_clock_mono_us(&clock) >= until_us) return gh_device_status_silence(status, query);
    poll(NULL, 0, TURN_MS);
  }
}

/* ---- what is used */

void gh_device_status_init(gh_device_status *status, const gh_clock *clock)
{
  *status = (gh_device_status){.source = {.ctx = status, .find_status = find_status},
                               .clock = clock,
                               .use = {.ocsp = GH_DEVICE_STATUS_REQUIRE, .stapling = GH_DEVICE_STATUS_OFF}};
}

void gh_device_status_free(gh_device_status *status)
{
  gh_crl_set_free(status->lists);
  gh_device_lists_free(status->fetched);
  gh_device_responder_free(status->responder);
  gh_str_release(&status->use.crl_url);
  gh_str_release(&status->use.ocsp_url);
  free(status->path);
  status->lists = NULL;
  status->fetched = NULL;
  status->responder = NULL;
  status->path = NULL;
  status->use.crl_file = GH_STR_NONE;
}

static bool same(const gh_device_revocation *a, const gh_device_revocation *b)
{
  return gh_str_eq(a->crl_file, b->crl_file) && gh_str_eq(a->crl_url, b->crl_url) &&
         gh_str_eq(a->ocsp_url, b->ocsp_url) && a->ocsp == b->ocsp && a->stapling == b->stapling;
}

void gh_device_status_use(gh_device_status *status, const gh_device_revocation *use, uint32_t timeout_ms)
{
  status->timeout_ms = timeout_ms;
  if (same(&status->use, use)) return;
  gh_device_status_free(status);
  status->file = (gh_crl_file){.err = GH_OK};
  status->generation++;
  status->use = (gh_device_revocation){.crl_url = gh_str_clone(use->crl_url),
                                       .ocsp_url = gh_str_clone(use->ocsp_url),
                                       .ocsp = use->ocsp,
                                       .stapling = use->stapling};
  if (use->crl_file.len) status->path = strndup(use->crl_file.ptr, use->crl_file.len);
  status->use.crl_file = gh_str_of(status->path);
  if (use->crl_url.len) status->fetched = gh_device_lists_new(use->crl_url, timeout_ms, status->clock, status->web);
  if (use->ocsp_url.len)
    status->responder = gh_device_responder_new(use->ocsp_url, timeout_ms, status->clock, status->web);
  status->source.ask_stapled = use->stapling != GH_DEVICE_STATUS_OFF;
}

const gh_status_source *gh_device_status_source(const gh_device_status *status)
{
  bool any = status->path || status->fetched || status->responder || status->source.ask_stapled;
  return any ? &status->source : NULL;
}
