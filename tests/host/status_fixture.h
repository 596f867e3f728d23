/* A certificate status object with a scripted web, and certificates to ask about. */
#ifndef GH_TEST_STATUS_FIXTURE_H
#define GH_TEST_STATUS_FIXTURE_H

#include "../crypto/status_maker.h"
#include "../link/client_side.h"
#include "../link/link_pki.h"
#include "../link/tls_peer.h"

#include <semaphore.h>

#include "host/certificate_status.h"

typedef struct scripted_web { /* under the lock */
  pthread_mutex_t lock;
  int asked;
  bool down, held; /* held: an exchange waits for `go` */
  sem_t go;
  gh_buf ocsp, crl; /* what is answered */
} scripted_web;

static inline gh_err scripted_exchange(void *ctx, const gh_web_request *request, gh_buf *out, gh_diag *diag)
{
  scripted_web *w = ctx;
  pthread_mutex_lock(&w->lock);
  w->asked++;
  bool held = w->held;
  pthread_mutex_unlock(&w->lock);
  if (held) sem_wait(&w->go);
  pthread_mutex_lock(&w->lock);
  bool down = w->down;
  gh_buf_clear(out);
  if (!down) gh_buf_add(out, gh_buf_str(request->body.len ? &w->ocsp : &w->crl));
  pthread_mutex_unlock(&w->lock);
  return down ? gh_fail(diag, GH_ECONN, "scripted") : GH_OK;
}

static inline void web_begin(scripted_web *w)
{
  *w = (scripted_web){.asked = 0};
  pthread_mutex_init(&w->lock, NULL);
  sem_init(&w->go, 0, 0);
}

static inline void web_end(scripted_web *w)
{
  gh_buf_free(&w->ocsp);
  gh_buf_free(&w->crl);
  sem_destroy(&w->go);
  pthread_mutex_destroy(&w->lock);
}

static inline int web_asked(scripted_web *w)
{
  pthread_mutex_lock(&w->lock);
  int asked = w->asked;
  pthread_mutex_unlock(&w->lock);
  return asked;
}

static inline void web_wait(scripted_web *w, int asked)
{
  for (int i = 0; web_asked(w) < asked; i++) {
    if (i == 3000) fail_msg("the web was asked %d times", web_asked(w));
    usleep(10000);
  }
}

static inline void web_says(scripted_web *w, const answer_of *answer)
{
  pthread_mutex_lock(&w->lock);
  gh_buf_clear(&w->ocsp);
  add_answer(&w->ocsp, answer);
  pthread_mutex_unlock(&w->lock);
}

static inline gh_certificate_status_options status_options(scripted_web *w)
{
  return (gh_certificate_status_options){.crl = GH_STATUS_REQUIRE,
                                         .stapling = GH_STATUS_SOFT,
                                         .ocsp = GH_STATUS_REQUIRE,
                                         .timeout_ms = 3000,
                                         .web = {w, scripted_exchange},
                                         .clock = gh_clock_system()};
}

static inline gh_certificate_status *status_open(const gh_certificate_status_options *options)
{
  gh_certificate_status *status = NULL;
  gh_diag diag = {""};
  if (gh_certificate_status_open(options, &status, &diag) != GH_OK) fail_msg("%s", diag.text);
  return status;
}

#endif
