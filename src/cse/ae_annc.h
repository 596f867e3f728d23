/* <AEAnnc> of an AE whose AE-ID-Stem the provider gave (S-type): where on the way to the IN-CSE it is registered. */
#ifndef GH_CSE_AE_ANNC_H
#define GH_CSE_AE_ANNC_H

#include "host/host.h"

#define GH_ANNC_INACTIVE "INACTIVE"
#define GH_ANNC_CREDENTIAL "Credential-ID:"

/* The CSE (absolute) where the AE is registered now; false: nowhere. */
bool gh_ae_annc_holder(gh_arena *arena, const gh_self *self, const gh_node *announced, gh_str *cse);

#endif
