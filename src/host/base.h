/* The base resource of a host. */
#ifndef GH_HOST_BASE_H
#define GH_HOST_BASE_H

#include "host/host.h"

/* Into the tree, before every other resource; what has changed since the last start is on disk when this returns. */
GH_MUST_USE gh_err gh_base_load(gh_host *host, bool readonly, gh_diag *diag);

#endif
