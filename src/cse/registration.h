/* This CSE at its registrar: registers when it begins to serve, tells what lies below it, renews, and tries again
 * when the registrar cannot be reached (TS-0001 10.2.2.7, TS-0004 7.4.4). */
#ifndef GH_CSE_REGISTRATION_H
#define GH_CSE_REGISTRATION_H

#include "host/host.h"

void gh_registration_start(gh_host *host, gh_str poa);
/* While the workers run. */
void gh_registration_stop(gh_host *host);
/* After they have ended. */
void gh_registration_free(gh_host *host);
/* Any thread: dcse at the registrar is to be brought up to date. */
void gh_registration_routes_changed(gh_host *host);

/* Resource ID of the <remoteCSE> of a CSE. */
gh_str gh_remote_cse_id(gh_arena *arena, gh_str absolute);

#endif
