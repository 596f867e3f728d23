/* Whom a security association proved: the credential, and the identity it stands for. Filled in once, at the end of
 * the handshake, never from anything the client says later (TS-0003 7.2). */
#ifndef GH_LINK_PEER_H
#define GH_LINK_PEER_H

#include "base/arena.h"

typedef enum gh_peer_kind {
  GH_PEER_NONE,       /* no security association */
  GH_PEER_CREDENTIAL, /* a verified credential without identity mapping yet */
  GH_PEER_AE,
  GH_PEER_CSE,
  GH_PEER_FUNCTION, /* a MAF or MEF, named by its FQDN */
  GH_PEER_NODE
} gh_peer_kind;

typedef enum gh_peer_method {
  GH_METHOD_NONE,
  GH_METHOD_PSK,
  GH_METHOD_CERTIFICATE,
  GH_METHOD_PUBLIC_KEY, /* a raw public key; no administrator */
  GH_METHOD_BROKER      /* an MQTT broker authenticated the peer and says so (TS-0010 7.2); no administrator */
} gh_peer_method;

typedef struct gh_peer {
  gh_peer_kind kind;
  gh_peer_method method;
  gh_str id;            /* absolute AE-ID or CSE-ID, or FQDN; empty for CREDENTIAL */
  gh_str credential_id; /* Credential-ID of TS-0003 10.4 */
  gh_str key_id;        /* canonical identifier of the pre-shared or public key; empty for certificates */
  int suid;             /* what the key may be used for; 0 for certificates */
  int64_t not_after_us; /* end of the credential, wall clock; 0: none */
  bool assigned;        /* the AE-ID came by registration, no credential proves it: it holds as long as that stands */
  bool provisional;     /* known only through a key another function handed out: may register, nothing else */
} gh_peer;

/* Copies all text; release with gh_peer_clear. */
void gh_peer_copy(gh_peer *to, const gh_peer *from);
void gh_peer_clear(gh_peer *peer);
/* "AE //sp/cse/Cae1", for logs. */
gh_str gh_peer_text(gh_arena *arena, const gh_peer *peer);

#endif
