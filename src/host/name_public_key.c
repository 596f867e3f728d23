/* From a raw public key to the entity that it was configured for. */
#include "crypto/public_key_id.h"
#include "host/host.h"
#include "host/local_key.h"

/* The configured identifier says how much of the digest counts; the longest that is there decides. */
static gh_err find(gh_host *host, gh_arena *arena, gh_str spki, gh_key_record *out)
{
  static const gh_digest_suite suites[] = {GH_SHA_256, GH_SHA_256_128, GH_SHA_256_120};
  gh_public_key_id id;
  for (size_t i = 0; i < sizeof suites / sizeof *suites; i++) {
    GH_TRY(gh_public_key_id_of(spki, suites[i], &id));
    gh_err err = gh_keyring_find(host->keyring, arena, GH_KEY_RPK, gh_public_key_id_value(arena, &id), out);
    if (err != GH_ENOTFOUND) return err;
  }
  return GH_ENOTFOUND;
}

/*= TS-0003 8.2.2.2; 8.1.2.1; 10.1.2; the Credential-ID of the key, and by it the entity */
gh_err gh_host_name_public_key(gh_host *host, gh_str spki, gh_peer *peer)
{
  gh_arena arena;
  gh_key_record r = {.key = {.len = 0}};
  gh_arena_init(&arena);
  gh_err err = find(host, &arena, spki, &r);
  if (err == GH_OK) {
    gh_peer_kind kind = gh_peer_kind_of(r.owner);
    gh_peer found = {.kind = kind,
                     .method = GH_METHOD_PUBLIC_KEY,
                     .id = kind == GH_PEER_CREDENTIAL ? GH_STR_NONE : r.owner,
                     .credential_id = gh_credential_id(&arena, GH_CRED_RPK, r.id),
                     .key_id = r.id,
                     .not_after_us = r.not_after_us};
    gh_peer_copy(peer, &found);
  }
  gh_arena_free(&arena);
  return err;
}
