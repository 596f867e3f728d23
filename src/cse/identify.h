/* Who is the originator really? (TS-0003 7.2.1, TS-0004 7.3.2.1) */
#ifndef GH_CSE_IDENTIFY_H
#define GH_CSE_IDENTIFY_H

#include "host/host.h"

int gh_cse_identify(gh_exchange *x);
int gh_cse_identify_cse(gh_exchange *x);      /* inside an association of a CSE: what it may say in whose name */
int gh_cse_identify_provider(gh_exchange *x); /* the same, of the IN-CSE of another service provider */
/* What the agreement with a provider (NULL: there is none) has not, whoever says it: a reason, or NULL. */
const char *gh_cse_provider_refuses(const gh_provider *provider, gh_op op, uint32_t ty);

#endif
