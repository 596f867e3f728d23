/* Port: one exchange with a web service that is not a oneM2M entity (an OCSP responder, a CRL server). It blocks, so
 * that only a thread of its own may call it, never a worker. */
#ifndef GH_BASE_WEB_H
#define GH_BASE_WEB_H

#include "base/buf.h"

typedef struct gh_web_request {
  const char *url;          /* http */
  gh_str body;              /* empty: GET; else POST */
  const char *content_type; /* of the body */
  uint32_t timeout_ms;
  size_t max_bytes; /* of the answer */
} gh_web_request;

typedef struct gh_web {
  void *ctx;
  /* GH_OK with the body of an answer 200 in `out`; GH_ECONN, GH_ETIMEOUT, GH_ELIMIT, GH_EPROTO (another answer). */
  gh_err (*exchange)(void *ctx, const gh_web_request *request, gh_buf *out, gh_diag *diag);
} gh_web;

#endif
