/* Owns the OCSP answers that are kept. Must never keep one past its end, nor one that was not checked. */
#include "host/status_answers.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "crypto/certs.h"

enum { PLACES = 4096, ANSWER_MAX_BYTES = 65536, DOWN_S = 5, RENEW_S = 10, FINGERPRINT_BYTES = 32 };

typedef struct place { /* of a certificate: the newest of those that fall on it */
  uint8_t fingerprint[FINGERPRINT_BYTES];
  gh_cert_state state;
  int64_t until_us;
} place;

struct gh_status_answers {
  const gh_certificate_status_options *options;
  pthread_mutex_t lock;
  place places[PLACES];
  gh_buf own; /* DER, checked */
  int64_t own_until_us;
  _Atomic int64_t down_until_us;
  X509 *cert, *issuer; /* our own; status thread only, like what follows */
  int64_t own_due_us;
};

static gh_err read_own(gh_status_answers *a, const gh_certificate_status_options *o, gh_diag *diag)
{
  if (gh_cert_from_pem(o->chain_pem, &a->cert) == GH_OK) {
    a->issuer = gh_cert_issuer_in(o->chain_pem, a->cert);
    if (!a->issuer) a->issuer = gh_cert_issuer_in(o->anchors_pem, a->cert);
    for (int i = 0; !a->issuer && o->anchors_for && i < GH_CERT_FLAVOURS; i++)
      a->issuer = gh_cert_issuer_in(o->anchors_for[i], a->cert);
  }
  if (a->issuer) return GH_OK;
  return gh_fail(diag, GH_ESYNTAX, "to staple, our certificate and its issuer must be known");
}

gh_err gh_status_answers_new(const gh_certificate_status_options *options, gh_status_answers **out, gh_diag *diag)
{
  gh_status_answers *a = gh_calloc(1, sizeof *a);
  a->options = options;
  pthread_mutex_init(&a->lock, NULL);
  gh_err err = options->staple && options->ocsp_url ? read_own(a, options, diag) : GH_OK;
  if (err != GH_OK) {
    gh_status_answers_free(a);
    return err;
  }
  *out = a;
  return GH_OK;
}

void gh_status_answers_free(gh_status_answers *a)
{
  if (!a) return;
  X509_free(a->cert);
  X509_free(a->issuer);
  gh_buf_free(&a->own);
  pthread_mutex_destroy(&a->lock);
  free(a);
}

static place *place_of(gh_status_answers *a, X509 *cert, uint8_t fingerprint[static FINGERPRINT_BYTES])
{
  unsigned len = 0;
  if (X509_digest(cert, EVP_sha256(), fingerprint, &len) != 1 || len != FINGERPRINT_BYTES) return NULL;
  return &a->places[(fingerprint[0] << 8 | fingerprint[1]) % PLACES];
}

gh_cert_state gh_status_answers_kept(gh_status_answers *a, X509 *cert, int64_t now_us)
{
  uint8_t fingerprint[FINGERPRINT_BYTES];
  gh_cert_state state = GH_CERT_UNKNOWN;
  place *p = place_of(a, cert, fingerprint);
  if (!p) return state;
  pthread_mutex_lock(&a->lock);
  if (p->until_us > now_us && memcmp(p->fingerprint, fingerprint, sizeof fingerprint) == 0) state = p->state;
  pthread_mutex_unlock(&a->lock);
  return state;
}

bool gh_status_answers_down(gh_status_answers *a)
{
  return gh_clock_mono_us(&a->options->clock) < atomic_load(&a->down_until_us);
}

static void keep(gh_status_answers *a, X509 *cert, gh_cert_state state, int64_t until_us)
{
  uint8_t fingerprint[FINGERPRINT_BYTES];
  place *p = place_of(a, cert, fingerprint);
  if (!p) return;
  pthread_mutex_lock(&a->lock);
  memcpy(p->fingerprint, fingerprint, sizeof fingerprint);
  p->state = state;
  p->until_us = until_us;
  pthread_mutex_unlock(&a->lock);
}

static gh_cert_state exchange(gh_status_answers *a, X509 *cert, X509 *issuer, gh_buf *answer, int64_t *until_us)
{
  const gh_certificate_status_options *o = a->options;
  gh_buf question = GH_BUF_INIT;
  gh_diag diag = {""};
  gh_cert_state state = GH_CERT_UNKNOWN;
  gh_err err = gh_ocsp_request(cert, issuer, &question);
  const gh_web_request request = {.url = o->ocsp_url,
                                  .body = gh_buf_str(&question),
                                  .content_type = "application/ocsp-request",
                                  .timeout_ms = o->timeout_ms,
                                  .max_bytes = ANSWER_MAX_BYTES};
  if (err == GH_OK) err = o->web.exchange(o->web.ctx, &request, answer, &diag);
  if (err == GH_OK) state = gh_ocsp_check(gh_buf_str(answer), cert, issuer, gh_clock_wall_us(&o->clock), until_us);
  gh_buf_free(&question);
  if (err != GH_OK) {
    atomic_store(&a->down_until_us, gh_clock_mono_us(&o->clock) + DOWN_S * GH_US_PER_S);
    GH_LOG(o->log, GH_LOG_WARN, "ocsp-no-answer", GH_F("reason", diag.text));
  } else if (state == GH_CERT_UNKNOWN) {
    GH_LOG(o->log, GH_LOG_WARN, "ocsp-answer-does-not-count", GH_F("responder", o->ocsp_url));
  }
  return state;
}

gh_cert_state gh_status_answers_fetch(gh_status_answers *a, X509 *cert, X509 *issuer)
{
  gh_buf answer = GH_BUF_INIT;
  int64_t until_us;
  gh_cert_state state = exchange(a, cert, issuer, &answer, &until_us);
  if (state != GH_CERT_UNKNOWN) keep(a, cert, state, until_us);
  gh_buf_free(&answer);
  return state;
}

void gh_status_answers_renew_own(gh_status_answers *a)
{
  int64_t mono = gh_clock_mono_us(&a->options->clock), wall = gh_clock_wall_us(&a->options->clock), until_us = 0;
  if (!a->issuer || mono < a->own_due_us) return;
  gh_buf answer = GH_BUF_INIT;
  gh_cert_state state = exchange(a, a->cert, a->issuer, &answer, &until_us);
  int64_t half = (until_us - wall) / 2, least = RENEW_S * GH_US_PER_S;
  a->own_due_us = mono + (state != GH_CERT_UNKNOWN && half > least ? half : least);
  pthread_mutex_lock(&a->lock);
  if (state != GH_CERT_UNKNOWN) { /* "revoked" is told too: it is for the client to judge */
    gh_buf_clear(&a->own);
    gh_buf_add(&a->own, gh_buf_str(&answer));
    a->own_until_us = until_us;
  }
  pthread_mutex_unlock(&a->lock);
  gh_buf_free(&answer);
}

bool gh_status_answers_own(gh_status_answers *a, gh_buf *der)
{
  pthread_mutex_lock(&a->lock);
  bool has = a->own.len && a->own_until_us > gh_clock_wall_us(&a->options->clock);
  if (has) gh_buf_add(der, gh_buf_str(&a->own));
  pthread_mutex_unlock(&a->lock);
  return has;
}
