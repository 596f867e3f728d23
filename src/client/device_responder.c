/* Owns the answers. Must never remember one that was not checked, or believe one past its end; but nobody is
 * unrevoked by waiting. */
#include "client/device_responder.h"

#include <stdlib.h>
#include <string.h>

enum { ANSWER_MAX_BYTES = 65536, SUBJECTS_MAX = 8, AGAIN_MIN_S = 10, AGAIN_MAX_S = 3600, SILENT_S = 5 };

typedef struct subject { /* a certificate that was asked about */
  X509 *cert, *issuer;   /* owned; NULL: the place is free */
  gh_cert_state state;
  int64_t since_us, until_us; /* wall: begin and end of what was said */
  int64_t again_us;           /* mono: asked again by itself */
  int64_t quiet_us;           /* mono: not asked before, it was silent */
  int64_t asked_us;           /* mono */
  gh_web_fetch *fetch;
} subject;

struct gh_device_responder {
  char *url;
  uint32_t timeout_ms;
  const gh_clock *clock;
  const gh_web *web;
  subject subjects[SUBJECTS_MAX];
};

gh_device_responder *gh_device_responder_new(gh_str url, uint32_t timeout_ms, const gh_clock *clock,
                                             const gh_web *web)
{
  gh_device_responder *r = gh_calloc(1, sizeof *r);
  *r = (gh_device_responder){.url = strndup(url.ptr, url.len), .timeout_ms = timeout_ms, .clock = clock, .web = web};
  return r;
}

static void clear(subject *s)
{
  gh_web_fetch_leave(s->fetch);
  X509_free(s->cert);
  X509_free(s->issuer);
  *s = (subject){.cert = NULL};
}

void gh_device_responder_free(gh_device_responder *r)
{
  if (!r) return;
  for (size_t i = 0; i < SUBJECTS_MAX; i++) clear(&r->subjects[i]);
  free(r->url);
  free(r);
}

static subject *find(gh_device_responder *r, const X509 *cert)
{
  for (size_t i = 0; i < SUBJECTS_MAX; i++)
    if (r->subjects[i].cert && X509_cmp(r->subjects[i].cert, cert) == 0) return &r->subjects[i];
  return NULL;
}

/* A free place, or that of whom was not asked about for the longest time; NULL: all are being asked about. */
static subject *place_for(gh_device_responder *r, X509 *cert, X509 *issuer)
{
  subject *oldest = NULL;
  for (size_t i = 0; i < SUBJECTS_MAX; i++) {
    subject *s = &r->subjects[i];
    if (s->fetch) continue;
    if (!oldest || (oldest->cert && (!s->cert || s->asked_us < oldest->asked_us))) oldest = s;
  }
  if (!oldest) return NULL;
  clear(oldest);
  X509_up_ref(cert);
  X509_up_ref(issuer);
  *oldest = (subject){.cert = cert, .issuer = issuer, .quiet_us = INT64_MIN, .again_us = INT64_MAX};
  return oldest;
}

gh_cert_state gh_device_responder_said(gh_device_responder *r, X509 *cert, int64_t now_us)
{
  const subject *s = find(r, cert);
  return s && (s->until_us > now_us || s->state == GH_CERT_REVOKED) ? s->state : GH_CERT_UNKNOWN;
}

static void begin(gh_device_responder *r, subject *s)
{
  gh_buf question = GH_BUF_INIT;
  s->asked_us = gh_clock_mono_us(r->clock);
  if (gh_ocsp_request(s->cert, s->issuer, &question) == GH_OK) {
    const gh_web_request request = {.url = r->url,
                                    .body = gh_buf_str(&question),
                                    .content_type = "application/ocsp-request",
                                    .timeout_ms = r->timeout_ms,
                                    .max_bytes = ANSWER_MAX_BYTES};
    s->fetch = gh_web_fetch_begin(r->web, &request);
  }
  gh_buf_free(&question);
}

bool gh_device_responder_ask(gh_device_responder *r, X509 *cert, X509 *issuer)
{
  subject *s = find(r, cert);
  if (!s) s = place_for(r, cert, issuer);
  if (!s || s->fetch) return s != NULL;
  if (gh_clock_mono_us(r->clock) < s->quiet_us) return false;
  begin(r, s);
  return s->fetch != NULL;
}

void gh_device_responder_ask_again(gh_device_responder *r)
{
  int64_t now = gh_clock_mono_us(r->clock);
  for (size_t i = 0; i < SUBJECTS_MAX; i++) {
    subject *s = &r->subjects[i];
    if (s->cert && !s->fetch && now >= s->again_us) begin(r, s);
  }
}

/* Half-way to the end, but neither in a hurry nor too late for a revocation. */
static int64_t wait_s(int64_t left_us)
{
  int64_t half = left_us / 2 / GH_US_PER_S;
  return half < AGAIN_MIN_S ? AGAIN_MIN_S : half > AGAIN_MAX_S ? AGAIN_MAX_S : half;
}

/*= TS-0003 8.1.2.5; RFC 6960 4.2.2.1 an answer counts to its end. Silence takes nothing back. */
static bool take(gh_device_responder *r, subject *s)
{
  gh_buf answer = GH_BUF_INIT;
  gh_cert_state said = GH_CERT_UNKNOWN;
  int64_t since_us = 0, until_us = 0, wall = gh_clock_wall_us(r->clock), mono = gh_clock_mono_us(r->clock);
  gh_err err = gh_web_fetch_take(s->fetch, &answer, NULL);
  s->fetch = NULL;
  if (err == GH_OK) said = gh_ocsp_check_since(gh_buf_str(&answer), s->cert, s->issuer, wall, &since_us, &until_us);
  bool older = since_us <= s->since_us; /* anybody on the line may have kept it: nobody is unrevoked by that */
  if (said == GH_CERT_GOOD && s->state == GH_CERT_REVOKED && older) said = GH_CERT_UNKNOWN;
  gh_buf_free(&answer);
  bool news = said == GH_CERT_REVOKED && s->state != GH_CERT_REVOKED;
  s->again_us = mono + wait_s(until_us - wall) * GH_US_PER_S;
  if (said == GH_CERT_UNKNOWN) {
    s->quiet_us = mono + SILENT_S * GH_US_PER_S;
    s->again_us = s->state == GH_CERT_UNKNOWN ? INT64_MAX : mono + AGAIN_MIN_S * GH_US_PER_S;
  } else {
    int64_t again = wall + AGAIN_MIN_S * GH_US_PER_S; /* it holds now, as far as clocks are apart */
    s->state = said;
    s->since_us = since_us;
    s->until_us = until_us > again ? until_us : again;
  }
  return news;
}

bool gh_device_responder_collect(gh_device_responder *r)
{
  bool news = false;
  for (size_t i = 0; i < SUBJECTS_MAX; i++) {
    subject *s = &r->subjects[i];
    if (s->fetch && gh_web_fetch_done(s->fetch, 0) && take(r, s)) news = true;
  }
  return news;
}
