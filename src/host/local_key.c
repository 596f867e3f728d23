/* From a key record to the peer that it proves. */
#include "host/local_key.h"

gh_peer_kind gh_peer_kind_of(gh_str id)
{
  switch (gh_id_parse(id).kind) {
  case GH_ID_AE_C:
  case GH_ID_AE_S: return GH_PEER_AE;
  case GH_ID_CSE: return GH_PEER_CSE;
  case GH_ID_INVALID:
  case GH_ID_SP:
  case GH_ID_OTHER: break;
  }
  return GH_PEER_CREDENTIAL;
}

gh_err gh_local_key(gh_host *host, gh_arena *arena, gh_key_kind kind, gh_str id, gh_cred_type type,
                    gh_psk_query *query)
{
  gh_key_record r = {.key = {.len = 0}};
  gh_err err = gh_keyring_find(host->keyring, arena, kind, id, &r);
  if (err == GH_OK) {
    gh_peer_kind peer_kind = gh_peer_kind_of(r.owner);
    bool handed_on =
        peer_kind == GH_PEER_CREDENTIAL && r.credential_id.len; /* whom the MEF knew by a credential alone */
    gh_peer peer = {.kind = peer_kind,
                    .method = GH_METHOD_PSK,
                    .id = peer_kind == GH_PEER_CREDENTIAL ? GH_STR_NONE : r.owner,
                    .credential_id = handed_on ? r.credential_id : gh_credential_id(arena, type, id),
                    .key_id = id,
                    .suid = r.suid,
                    .not_after_us = r.not_after_us};
    gh_peer_copy(&query->peer, &peer);
    query->key = r.key;
  }
  gh_secret_wipe(&r.key);
  query->why = err == GH_OK ? "held" : err == GH_EEXPIRED ? "expired" : "unknown-identity";
  return err;
}
