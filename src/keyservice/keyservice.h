/* What MAF and MEF have in common (TS-0032, TS-0003 8.3.5 and 8.8.2): clients that register, and symmetric keys that
 * they register for others to retrieve. The two functions differ in the keys they take in a handshake and in the
 * SUIDs they serve. */
#ifndef GH_KEYSERVICE_KEYSERVICE_H
#define GH_KEYSERVICE_KEYSERVICE_H

#include "host/host.h"

/* How a function's client registrations differ. */
typedef struct gh_client_reg_rules {
  gh_str id_prefix; /* "macr-", "mecr-" */
  /* Key material that a registration or its update brings (TS-0003 8.8.2.3 KmID; 8.3.2.1 Ke). */
  int (*take_key)(gh_exchange *x, gh_val *attrs);
  /* Key material that goes with the registration. */
  int (*drop_key)(gh_exchange *x, const gh_node *registration);
} gh_client_reg_rules;

int gh_keyservice_identify(gh_exchange *x);
/* Exports what a registration may need, on the worker. */
int gh_keyservice_prepare(gh_exchange *x);

/* Pure: who may do what with the base, a client registration, a key registration. */
gh_decision gh_base_decide(const gh_exchange *x, const gh_node *target);
gh_decision gh_own_decide(const gh_exchange *x, const gh_node *target);
gh_decision gh_symm_key_reg_decide(const gh_exchange *x, const gh_node *target);

int gh_client_reg_create(gh_exchange *x, gh_val *attrs, const gh_client_reg_rules *rules);
int gh_client_reg_update(gh_exchange *x, const gh_node *target, gh_val *merged, const gh_val *changes,
                         const gh_client_reg_rules *rules);
int gh_client_reg_created(gh_exchange *x, const gh_node *node);
int gh_client_reg_remove(gh_exchange *x, const gh_node *target, const gh_client_reg_rules *rules);
void gh_client_reg_loaded(gh_host *host, const gh_node *node);
/* End of the live registration of this client for this stakeholder; GH_ENOTFOUND without one. */
GH_MUST_USE gh_err gh_client_reg_find(gh_exchange *x, gh_str creator, gh_str admin_fqdn, int64_t *expires_us);

/* The same procedures at both, with the SUIDs of each (TS-0003 8.3.5.2.7; 8.8.2.7). */
extern const gh_type_ops gh_symm_key_reg_ops;

/* {short: value} of those `names` that `from` has: the response of an update. */
gh_val *gh_pick(gh_arena *arena, const gh_val *from, const gh_str *names, size_t count, const gh_val *only_if_in);
/* Base resource attributes. */
gh_val *gh_keyservice_base(gh_host *host, gh_arena *arena, uint32_t ty);
/* canonical "<relative>@<own FQDN>" */
gh_str gh_own_key_id(gh_host *host, gh_arena *arena, gh_str relative);
/* Is `word` one of the blank-separated words? */
bool gh_words_have(gh_str words, gh_str word);

#endif
