/* Port: who knows the keys. link/ asks, a layer below answers, maybe later (a MAF or MEF is asked in mid-handshake);
 * link/ never learns where an answer came from. */
#ifndef GH_LINK_KEY_SOURCE_H
#define GH_LINK_KEY_SOURCE_H

#include "crypto/certs.h"
#include "gatehouse/secret.h"
#include "link/peer.h"

typedef struct gh_worker gh_worker;

/* One question: which key has this identity? Owned by the connection until answered. */
typedef struct gh_psk_query {
  gh_str identity;                          /* as received, UTF-8 unchecked */
  gh_str server_name;                       /* whom the client asked for (SNI), lower case; empty: it did not say */
  uint64_t address;                         /* gh_address_network_key of the peer; 0: unknown */
  gh_worker *worker;                        /* asking thread: `done` must run there */
  void (*done)(struct gh_psk_query *query); /* call once after answering a question that was GH_EAGAIN */
  gh_err result;                            /* GH_OK: key and peer are set; otherwise refuse */
  gh_secret key;                            /* wiped by the asker */
  gh_peer peer;                             /* its text copied (gh_peer_copy) */
  const char *why; /* stable reason of a refusal, for log and audit; not sent to the client */
  void *owner;     /* of the asker */
} gh_psk_query;

typedef struct gh_key_source {
  void *ctx;
  /* GH_OK or a refusal: answered at once. GH_EAGAIN: `query->done` will be called later, on the worker's thread. */
  gh_err (*find_psk)(void *ctx, gh_psk_query *query);
  /* Whom does a certificate that verified stand for? GH_EAUTH when nobody known here. Fills *peer (gh_peer_copy). */
  gh_err (*name_peer)(void *ctx, gh_cert_flavour flavour, gh_str name, int64_t not_after_us, gh_peer *peer);
  /* The handshake is done: the last word on whom this credential stands for, e.g. an identity assigned earlier. May
   * be NULL. */
  void (*settle_peer)(void *ctx, gh_peer *peer);
  /* A handshake failed: for the audit trail. The identity is what the client claimed, or empty. May be NULL. */
  void (*handshake_failed)(void *ctx, gh_str psk_identity, const char *address, const char *reason);
  /* Whom does a raw public key (SubjectPublicKeyInfo, of which possession is proven) stand for? GH_ENOTFOUND when it
   * was not configured, GH_EEXPIRED. Asked in mid-handshake and at its end. NULL: no raw public keys here. */
  gh_err (*name_public_key)(void *ctx, gh_str spki, gh_peer *peer);
} gh_key_source;

#endif
