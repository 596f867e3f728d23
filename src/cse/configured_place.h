/* Where CSEs belong, as far as the configuration says so: what a registree tells does not overrule it. */
#ifndef GH_CSE_CONFIGURED_PLACE_H
#define GH_CSE_CONFIGURED_PLACE_H

#include "host/host.h"

/* The CSE through which the absolute CSE-ID `cse` is to be reached from here (itself, a registree, the registrar), or
 * empty: the configuration does not say. */
gh_str gh_cse_configured_place(const gh_host_config *config, gh_str cse);

#endif
