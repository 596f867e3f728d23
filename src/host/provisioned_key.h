/* Keys that the administrator hands to a host beforehand: Kpm of an enrolee at a MEF, Kpsa of an
 * association at a CSE. What both resource types have in common: syki (key identifier), kv (the key, taken and never
 * kept in the resource), enid (whom the key will stand for), et. */
#ifndef GH_HOST_PROVISIONED_KEY_H
#define GH_HOST_PROVISIONED_KEY_H

#include "host/host.h"

/* CREATE hook's work: checks the attributes, takes the key out of them and stores it. `record` has kind and suid, and
 * what else the type wants; `prefix` begins the resource ID: prefix, then the identifier in hexadecimal. */
int gh_provisioned_key_create(gh_exchange *x, gh_val *attrs, const char *prefix, gh_key_record *record);
/* The same for a raw public key, of which only the identifier is known: rpki (RFC 6920) instead of syki and kv. */
int gh_provisioned_public_key_create(gh_exchange *x, gh_val *attrs, const char *prefix, gh_key_record *record);
/* DELETE hook's work: the key goes, and every association built on it. */
int gh_provisioned_key_remove(gh_exchange *x, const gh_node *target, gh_key_kind kind);
/* Is this the Credential-ID of a provisioned key that the host does not hold (any more)? Of a key that a MAF or MEF
 * gave nobody here can tell before it is used: false. Any thread. */
bool gh_provisioned_key_is_gone(gh_host *host, gh_str credential_id);
/* Only the administrator reads and deletes. */
gh_decision gh_provisioned_key_decide(const gh_exchange *x, const gh_node *target);

#endif
