/* Telling every association of this machine that a key is revoked: own workers at once, other processes through a
 * file they all watch. Hosts on other machines learn of it when they confirm a fetched key (recheck). */
#ifndef GH_HOST_REVOCATION_H
#define GH_HOST_REVOCATION_H

#include "host/host.h"

GH_MUST_USE gh_err gh_revocation_start(gh_host *host, gh_diag *diag);
/* On the first worker's loop, before the loops end. */
void gh_revocation_stop(gh_host *host);
/* After the store is closed and the loops have ended. */
void gh_revocation_free(gh_host *host);
/* Own associations only. */
void gh_revocation_apply_associations(gh_host *host, gh_str key_id);
/* Own associations and caches. */
void gh_revocation_apply(gh_host *host, gh_str key_id);

#endif
