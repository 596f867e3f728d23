/* This CSE at its registrar, and the IN-CSE at those of other providers where that is agreed (TS-0001 6.5.4):
 * registers when it begins to serve, tells what lies below it, renews, and tries again when the other side cannot be
 * reached (TS-0001 10.2.2.7, TS-0004 7.4.4). It takes a registration back when the agreement has ended, never because
 * the process does. */
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

/* Resource ID of the <remoteCSE> of a CSE that registers here, of this provider or another. */
gh_str gh_remote_cse_id(gh_arena *arena, const gh_self *self, gh_str absolute);
/* Of our own picture of the IN-CSE of another provider where this one is registered. */
gh_str gh_provider_picture_id(gh_arena *arena, gh_str absolute);
/* Every CSE that this one registers at: is it registered there now? Any thread, between start and free. */
void gh_registration_each(gh_host *host, void (*each)(void *ctx, gh_str registrar, bool registered), void *ctx);

#endif
