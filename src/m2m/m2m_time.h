/* m2m:timestamp and m2m:absRelTimestamp (TS-0004 6.3.3): YYYYMMDDThhmmss, optionally ",f" with one to six
 * digits, UTC. */
#ifndef GH_M2M_TIME_H
#define GH_M2M_TIME_H

#include "base/arena.h"

/* Microseconds since the epoch. GH_ESYNTAX; GH_ERANGE for impossible dates. */
GH_MUST_USE gh_err gh_timestamp_parse(gh_str text, int64_t *wall_us);
/* An absolute timestamp, or a signed count of milliseconds relative to now_us. */
GH_MUST_USE gh_err gh_abs_rel_parse(gh_str text, int64_t now_us, int64_t *wall_us);
/* Seconds resolution. */
gh_str gh_timestamp(gh_arena *arena, int64_t wall_us);

#endif
