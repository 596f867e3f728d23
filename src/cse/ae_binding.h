/* Which credential was which AE, beyond the registration (TS-0003 8.2.1, TS-0001 10.2.2.2 step 002 i): an AE that
 * comes back gets its AE-ID-Stem again, and nobody else does, because policies elsewhere may still name it. Kept in
 * the store; on the writer thread only. */
#ifndef GH_CSE_AE_BINDING_H
#define GH_CSE_AE_BINDING_H

#include "host/host.h"

/* With the registration, in its transaction. Without a credential nothing is kept. */
GH_MUST_USE gh_err gh_ae_binding_keep(gh_exchange *x, gh_str credential_id, gh_str stem);
/* The stem that this credential had last. */
bool gh_ae_binding_recall(gh_exchange *x, gh_str credential_id, gh_str *stem);
/* Did another credential have this stem last? */
bool gh_ae_binding_is_of_another(gh_exchange *x, gh_str credential_id, gh_str stem);

#endif
