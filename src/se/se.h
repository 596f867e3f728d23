/* A secure environment: where long-term keys live and are used (TS-0003 6.3, Annex O). One interface, a back end per
 * file. A record leaves only as a TLS pre-shared key for a handshake, or wrapped. */
#ifndef GH_SE_SE_H
#define GH_SE_SE_H

#include "base/arena.h"
#include "base/clock.h"
#include "base/random.h"
#include "gatehouse/secret.h"

typedef struct gh_se gh_se;

typedef enum gh_se_kind {
  GH_SE_KPM = 1,
  GH_SE_KPSA,
  GH_SE_KM,
  GH_SE_KE,
  GH_SE_KC,
  GH_SE_PRIVATE_KEY,
  GH_SE_WRAPPING
} gh_se_kind;

/* What is said of a key, without the key. All text lives in the arena given to the call, or is borrowed by `put`. */
typedef struct gh_se_info {
  gh_se_kind kind;
  gh_str id;            /* canonical key identifier; unique with kind */
  int suid;             /* 0 when none */
  gh_str owner;         /* identity it stands for, absolute; empty: unknown */
  gh_str peer;          /* with whom it is shared (FQDN or absolute ID); may be empty */
  int64_t not_after_us; /* 0: no end */
} gh_se_info;

/* Durable when it returns GH_OK. Replaces a record of the same kind and id. `key` 16..64 octets (PRIVATE_KEY: use
 * put_blob). */
GH_MUST_USE gh_err gh_se_put(gh_se *se, const gh_se_info *info, const gh_secret *key);
GH_MUST_USE gh_err gh_se_put_blob(gh_se *se, const gh_se_info *info,
                                  gh_str blob); /* up to 16 KiB, e.g. a PEM private key */
GH_MUST_USE gh_err gh_se_remove(gh_se *se, gh_se_kind kind, gh_str id);
GH_MUST_USE gh_err gh_se_info_get(gh_se *se, gh_arena *arena, gh_se_kind kind, gh_str id, gh_se_info *out);
/* Calls fn for every record; stops when it returns false. */
GH_MUST_USE gh_err gh_se_each(gh_se *se, bool (*fn)(void *ctx, const gh_se_info *info), void *ctx);

/* Use. `use_psk` hands the key to a handshake; GH_EEXPIRED past its end, GH_ENOTFOUND. */
GH_MUST_USE gh_err gh_se_use_psk(gh_se *se, const gh_clock *clock, gh_se_kind kind, gh_str id, gh_secret *out);
GH_MUST_USE gh_err gh_se_use_blob(gh_se *se, gh_arena *arena, gh_se_kind kind, gh_str id, gh_str *out);
/* New record `info` := KDF 10.3.7 (SUID of info, target FQDN) of the Ke named `ke_id`. */
GH_MUST_USE gh_err gh_se_derive_usage(gh_se *se, gh_str ke_id, gh_str target_fqdn, const gh_se_info *info);

/* Seals octets under the environment's own wrapping key (AES-256-GCM; made at first use), bound to `aad`. For key
 * tables too large to live inside: the store holds what this returns. Thread-safe, as all of gh_se is. */
GH_MUST_USE gh_err gh_se_wrap(gh_se *se, gh_arena *arena, gh_str aad, gh_str plain, gh_str *sealed);
/* GH_ETAMPER when it does not verify. */
GH_MUST_USE gh_err gh_se_unwrap(gh_se *se, gh_arena *arena, gh_str aad, gh_str sealed, gh_str *plain);

void gh_se_close(gh_se *se);

/* Back end: a sealed file. Keys at rest under a key derived with scrypt from a passphrase or realm secret; whole-file
 * atomic replace; mode 0600 demanded; a changed octet is GH_ETAMPER; a wrong secret is GH_EAUTH. */
GH_MUST_USE gh_err gh_se_file_create(const char *path, gh_str passphrase, const gh_random *random, gh_se **out,
                                     gh_diag *diag);
GH_MUST_USE gh_err gh_se_file_open(const char *path, gh_str passphrase, const gh_random *random, gh_se **out,
                                   gh_diag *diag);

#endif
