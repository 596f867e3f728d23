/* Keys that another function holds: fetched in mid-handshake over an association of our own, remembered until they
 * end, refused keys remembered shortly, questions for one key merged. */
#ifndef GH_HOST_FETCH_H
#define GH_HOST_FETCH_H

#include "host/host.h"

typedef struct gh_fetcher gh_fetcher;

gh_fetcher *gh_fetcher_new(gh_host *host);
void gh_fetcher_free(gh_fetcher *fetcher);

typedef struct gh_fetch_options {
  gh_str entity;    /* FQDN of the MAF or MEF */
  bool is_mef;      /* registered key first, then /fetchCredentials for a KeID */
  int want_suid;    /* only a key of this SUID is accepted (MAF: 32 for a CSE; MEF: 22 for a CSE, 21 for a MAF) */
  bool provisional; /* the peer may register and nothing else */
} gh_fetch_options;

/* As gh_key_source.find_psk. */
GH_MUST_USE gh_err gh_fetch_psk(gh_fetcher *fetcher, const gh_fetch_options *options, gh_psk_query *query);
/* Any thread: the key of a live association (wipe it); GH_ENOTFOUND when it is not held any more. */
GH_MUST_USE gh_err gh_fetch_key(gh_fetcher *fetcher, gh_str key_id, gh_secret *out, int64_t *not_after_us);
/* Any thread: of the held keys that stand for this identity the one that ends last; its identifier in the arena.
 * Looks at all of them. */
GH_MUST_USE gh_err gh_fetch_key_of(gh_fetcher *fetcher, gh_arena *arena, gh_str entity, gh_str *key_id,
                                   gh_secret *out);
/* On a worker, now and then: asks the issuers whether the keys that associations live on are still good; those that
 * are not end their associations (design: within recheck_us across machines). */
void gh_fetch_confirm(gh_fetcher *fetcher, gh_worker *worker);
/* Any thread: the key is revoked. */
void gh_fetch_forget(gh_fetcher *fetcher, gh_str key_id);

#endif
