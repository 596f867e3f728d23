/* Whether certificates of peers are revoked (TS-0003 8.1.2.5): a CRL from a file or a web server, an answer stapled
 * to the handshake, an answer fetched from a configured OCSP responder, in this order. The first that says good or
 * revoked decides; if none does, the handshake is refused where a source that is `require` was to answer. Answers the
 * port status_source of link/; files and sockets are touched on a thread of its own. */
#ifndef GH_HOST_CERTIFICATE_STATUS_H
#define GH_HOST_CERTIFICATE_STATUS_H

#include "base/clock.h"
#include "base/log.h"
#include "crypto/certs.h"
#include "base/web.h"
#include "link/status_source.h"
#include "link/worker.h"

typedef enum gh_status_policy {
  GH_STATUS_OFF,    /* never looked at */
  GH_STATUS_SOFT,   /* what it says counts; silence does not (fail open) */
  GH_STATUS_REQUIRE /* silence is a refusal (fail closed) */
} gh_status_policy;

/* All text must outlive the object. */
typedef struct gh_certificate_status_options {
  const char *crl_path; /* NULL: none; read again when it changes */
  const char *crl_url;  /* NULL: none; fetched again before it ends */
  gh_status_policy crl;
  gh_status_policy stapling; /* of servers; off: clients do not ask for it */
  const char *ocsp_url;      /* NULL: nobody is asked */
  gh_status_policy ocsp;
  bool staple; /* staple an answer about our own certificate, from the same responder */
  /* For that, during the call: our certificate, and where its issuer is found. */
  gh_str chain_pem, anchors_pem;
  const gh_str *anchors_for; /* GH_CERT_FLAVOURS; may be NULL */
  gh_worker *const *workers; /* a new list ends associations on these; may be none */
  size_t worker_count;
  uint32_t timeout_ms;
  gh_web web;
  gh_clock clock;
  const gh_log *log;
} gh_certificate_status_options;

typedef struct gh_certificate_status gh_certificate_status;

/* "off", "soft", "require" */
bool gh_status_policy_named(gh_str name, gh_status_policy *out);
/* A CRL file that cannot be read is an error here; later it is logged, and the list that was read last counts until
 * its nextUpdate. */
GH_MUST_USE gh_err gh_certificate_status_open(const gh_certificate_status_options *options,
                                              gh_certificate_status **out, gh_diag *diag);
/* What still waits is refused; the workers' loops must still run. */
void gh_certificate_status_close(gh_certificate_status *status);
const gh_status_source *gh_certificate_status_source(gh_certificate_status *status);
/* The same sources and policies for a thread that may wait: what has no worker is answered when the answer is there,
 * after timeout_ms for each source at the latest. Never for a worker's thread. */
const gh_status_source *gh_certificate_status_waiting_source(gh_certificate_status *status);

#endif
