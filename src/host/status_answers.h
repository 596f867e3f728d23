/* Answers of the OCSP responder of certificate_status.c: fetched on the status thread, kept until their nextUpdate,
 * and the one about our own certificate, for stapling. */
#ifndef GH_HOST_STATUS_ANSWERS_H
#define GH_HOST_STATUS_ANSWERS_H

#include "crypto/cert_status.h"
#include "host/certificate_status.h"

typedef struct gh_status_answers gh_status_answers;

/* GH_ESYNTAX when there is an answer to staple, but no chain to ask about. */
GH_MUST_USE gh_err gh_status_answers_new(const gh_certificate_status_options *options, gh_status_answers **out,
                                         gh_diag *diag);
void gh_status_answers_free(gh_status_answers *answers);
/* Any thread: what is kept. */
gh_cert_state gh_status_answers_kept(gh_status_answers *answers, X509 *cert, int64_t now_us);
/* Any thread: has the responder failed a moment ago? Then nobody waits for it. */
bool gh_status_answers_down(gh_status_answers *answers);
/* Status thread: asks, and keeps. */
gh_cert_state gh_status_answers_fetch(gh_status_answers *answers, X509 *cert, X509 *issuer);
/* Status thread: renews the answer about our own certificate when it is time to. */
void gh_status_answers_renew_own(gh_status_answers *answers);
/* Any thread. */
bool gh_status_answers_own(gh_status_answers *answers, gh_buf *der);

#endif
