/* Removes resources whose expirationTime has passed, a few at a time, in transactions of their own. They were
 * invisible before. */
#ifndef GH_HOST_SWEEP_H
#define GH_HOST_SWEEP_H

#include "host/host.h"

/* Removes one that has expired, with all that hangs on it. Inside a transaction. */
void gh_sweep_one(gh_exchange *x, const gh_node *node);

void gh_sweeper_start(gh_host *host);
/* Before the loops end. */
void gh_sweeper_stop(gh_host *host);
/* After the store is closed: no sweep is under way. */
void gh_sweeper_free(gh_host *host);

#endif
