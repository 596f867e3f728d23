/* Port: is a peer's certificate revoked? link/ asks in mid-handshake, a layer below answers, maybe later (a responder
 * is asked over the network). Policy and sources are the answerer's; link/ refuses when it says so. */
#ifndef GH_LINK_STATUS_SOURCE_H
#define GH_LINK_STATUS_SOURCE_H

#include <openssl/x509.h>

#include "base/buf.h"
#include "link/peer.h"

typedef struct gh_worker gh_worker;

/* One question. Owned by the handshake; once its connection has gone, by the source until `done`. */
typedef struct gh_status_query {
  X509 *cert, *issuer;
  X509 *const *above; /* intermediates with their issuers behind them: above[0] issued `cert`; during the call only */
  size_t above_count;
  gh_str stapled;    /* answer of a responder that came with the handshake; empty: none; during the call only */
  bool of_server;    /* the peer is a server: only servers staple */
  bool early;        /* a stapled answer may follow: answer at once, and refuse only what is known to be revoked */
  gh_worker *worker; /* NULL: the answer is needed at once */
  void (*done)(struct gh_status_query *query); /* once after GH_EAGAIN, on the worker's thread */
  gh_err result;                               /* GH_OK: go on; otherwise refuse */
  bool revoked;                                /* refused because it is revoked, not for want of an answer */
  const char *why;                             /* stable reason of a refusal, for log and audit */
  void *owner;
} gh_status_query;

typedef struct gh_status_source {
  void *ctx;
  /* GH_OK or a refusal: answered at once. GH_EAGAIN: `query->done` will be called. */
  gh_err (*find_status)(void *ctx, gh_status_query *query);
  /* The answer of a responder about our own certificate, for who asks for it; false: there is none. Any thread. */
  bool (*own_staple)(void *ctx, gh_buf *der);
  bool ask_stapled; /* clients ask servers for a stapled answer */
  /* Any thread: another number with each new list, which may revoke who was let in. NULL: nobody tells. */
  unsigned (*generation)(void *ctx);
} gh_status_source;

#endif
