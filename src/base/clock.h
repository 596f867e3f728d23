/* Time, injected everywhere it matters: expiry, windows and vectors must be testable. */
#ifndef GH_BASE_CLOCK_H
#define GH_BASE_CLOCK_H

#include <stdint.h>

typedef struct gh_clock {
  int64_t (*wall_us)(void *ctx); /* microseconds since 1970-01-01T00:00:00Z */
  int64_t (*mono_us)(void *ctx); /* microseconds, never goes back */
  void *ctx;
} gh_clock;

#define GH_US_PER_S INT64_C(1000000)

gh_clock gh_clock_system(void);

static inline int64_t gh_clock_wall_us(const gh_clock *clock)
{
  return clock->wall_us(clock->ctx);
}
static inline int64_t gh_clock_mono_us(const gh_clock *clock)
{
  return clock->mono_us(clock->ctx);
}

/* A clock that a test sets; both times read `now_us`. */
typedef struct gh_clock_fixed {
  int64_t now_us;
} gh_clock_fixed;
gh_clock gh_clock_of_fixed(gh_clock_fixed *fixed);

#endif
