/* A key of the own keyring as the answer to a handshake. */
#ifndef GH_HOST_LOCAL_KEY_H
#define GH_HOST_LOCAL_KEY_H

#include "host/host.h"
#include "m2m/key_id.h"

/* Fills query->key and query->peer, and query->why on refusal. `id` canonical; `type` makes the Credential-ID.
 * GH_ENOTFOUND, GH_EEXPIRED. */
GH_MUST_USE gh_err gh_local_key(gh_host *host, gh_arena *arena, gh_key_kind kind, gh_str id, gh_cred_type type,
                                gh_psk_query *query);
/* Kind of entity that an absolute ID names; GH_PEER_CREDENTIAL for anything else. */
gh_peer_kind gh_peer_kind_of(gh_str id);

#endif
