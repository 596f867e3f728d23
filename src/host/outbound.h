/* Port: send this request to that entity and give me the response. Nobody above bind/ opens a socket to a peer; every
 * outgoing message has an association, a time limit and a log line. */
#ifndef GH_HOST_OUTBOUND_H
#define GH_HOST_OUTBOUND_H

#include "link/worker.h"
#include "m2m/primitive.h"

typedef struct gh_outbound_call {
  gh_arena arena; /* owns request and response; freed by the caller after done */
  gh_str entity;  /* FQDN of a function, absolute CSE-ID, or absolute AE-ID */
  /* Of an AE: its pointOfAccess (may be NULL) and its Credential-ID, as registered. */
  const gh_val *points;
  gh_str credential_id;
  gh_request request;
  gh_response response;
  bool export_key; /* wanted: the exporter of the association that carried the call (TS-0003 10.3.1). No other call
                      of this kind goes over the same association */
  uint8_t exported[48];                        /* then set with err GH_OK; wiped by the caller */
  gh_err err;                                  /* GH_OK: response is set (whatever its code) */
  int64_t deadline_us;                         /* monotonic */
  void (*done)(struct gh_outbound_call *call); /* exactly once, on the worker */
  void *ctx;
} gh_outbound_call;

typedef struct gh_outbound {
  void *ctx;
  void (*send)(void *ctx, gh_worker *worker, gh_outbound_call *call);
} gh_outbound;

#endif
