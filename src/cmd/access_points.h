/* What a CSE says in its <CSEBase> of where it is reached. */
#ifndef GH_CMD_ACCESS_POINTS_H
#define GH_CMD_ACCESS_POINTS_H

#include "cmd/config.h"

enum { GH_ACCESS_POINTS_MAX = 5 };

/* One for each listener, then the broker; without a port where the system chooses it. Returns how many. */
size_t gh_access_points(gh_arena *arena, const gh_realm_function *function, gh_str out[static GH_ACCESS_POINTS_MAX]);

#endif
