/* The system clock, and one that a test sets. */
#include "base/clock.h"

#include <stddef.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
  struct timespec ts;
  clock_gettime(id, &ts);
  return (int64_t)ts.tv_sec * GH_US_PER_S + ts.tv_nsec / 1000;
}

static int64_t system_wall(void *ctx)
{
  (void)ctx;
  return read_clock(CLOCK_REALTIME);
}

static int64_t system_mono(void *ctx)
{
  (void)ctx;
  return read_clock(CLOCK_MONOTONIC);
}

gh_clock gh_clock_system(void)
{
  return (gh_clock){system_wall, system_mono, NULL};
}

static int64_t fixed_now(void *ctx)
{
  return ((const gh_clock_fixed *)ctx)->now_us;
}

gh_clock gh_clock_of_fixed(gh_clock_fixed *fixed)
{
  return (gh_clock){fixed_now, fixed_now, fixed};
}
