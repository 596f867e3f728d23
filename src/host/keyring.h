/* Keys of a host by identifier, in memory for handshakes, sealed in the store. The secret leaves only to
 * the handshake or to a permitted retrieval. */
#ifndef GH_HOST_KEYRING_H
#define GH_HOST_KEYRING_H

#include "base/clock.h"
#include "gatehouse/secret.h"
#include "se/se.h"
#include "store/store.h"

typedef struct gh_keyring gh_keyring;

typedef enum gh_key_kind {
  GH_KEY_KPM,  /* pre-provisioned, towards a MEF */
  GH_KEY_KM,   /* towards a MAF */
  GH_KEY_KPSA, /* provisioned, for an association */
  GH_KEY_KE,   /* enrolment key, never used in a handshake itself */
  GH_KEY_REG,  /* registered by a client (symmKeyReg) */
  GH_KEY_RPK,  /* a raw public key: its identifier, and no key */
  GH_KEY_GONE, /* identifier that must never come back */
  GH_KEY_KC    /* registered by this host at a MAF: `owner` is the other end, `targets` the client registration */
} gh_key_kind;

typedef struct gh_key_record {
  gh_key_kind kind;
  gh_str id; /* canonical */
  int suid;
  gh_str owner; /* absolute identity it stands for, or empty */
  gh_str credential_id;
  gh_str targets; /* blank-separated absolute IDs or FQDNs that may obtain it */
  gh_str suids;   /* blank-separated SUIDs that may be derived (Ke) */
  int64_t not_after_us;
  gh_secret key;
} gh_key_record;

gh_keyring *gh_keyring_new(gh_se *se, const gh_clock *clock);
void gh_keyring_free(gh_keyring *keyring);
/* Reads every key of the store. */
GH_MUST_USE gh_err gh_keyring_load(gh_keyring *keyring, gh_store *store, gh_diag *diag);

/* Any thread. Text in the arena; wipe out->key. GH_ENOTFOUND, GH_EEXPIRED. */
GH_MUST_USE gh_err gh_keyring_find(gh_keyring *keyring, gh_arena *arena, gh_key_kind kind, gh_str id,
                                   gh_key_record *out);
/* The usable key of a kind that stands for this identity and ends last. GH_ENOTFOUND. */
GH_MUST_USE gh_err gh_keyring_find_owned(gh_keyring *keyring, gh_arena *arena, gh_key_kind kind, gh_str owner,
                                         gh_key_record *out);
bool gh_keyring_has(gh_keyring *keyring, gh_key_kind kind, gh_str id); /* expired ones too */

/* Writer thread: row now, memory after the commit. */
typedef struct gh_host gh_host;
GH_MUST_USE gh_err gh_keyring_put(gh_host *host, gh_store_txn *txn, const gh_key_record *record);
/* Removes the key, leaves GH_KEY_GONE when `tombstone`, and (after the commit) revokes what was built on it. */
GH_MUST_USE gh_err gh_keyring_remove(gh_host *host, gh_store_txn *txn, gh_key_kind kind, gh_str id, bool tombstone);

#endif
