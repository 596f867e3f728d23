/* Histogram of latencies with logarithmic classes. */
#include "latency.h"

#include <time.h>

uint64_t now_ns(void)
{
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static unsigned class_of(uint64_t ns)
{
  if (ns < 32) return (unsigned)ns;
  unsigned octave = 63 - (unsigned)__builtin_clzll(ns);
  return (octave - 4) * 32 + (unsigned)(ns >> (octave - 5) & 31);
}

static double middle_of(unsigned class)
{
  if (class < 32) return class;
  unsigned octave = class / 32 + 4;
  return (32 + class % 32 + 0.5) * (double)(UINT64_C(1) << (octave - 5));
}

void latency_add(latency *l, uint64_t ns)
{
  l->count++;
  l->classes[class_of(ns)]++;
}

void latency_merge(latency *into, const latency *from)
{
  into->count += from->count;
  for (unsigned i = 0; i < LATENCY_CLASSES; i++) into->classes[i] += from->classes[i];
}

double latency_at(const latency *l, double part)
{
  uint64_t wanted = (uint64_t)((double)l->count * part), seen = 0;
  for (unsigned i = 0; i < LATENCY_CLASSES; i++) {
    seen += l->classes[i];
    if (seen > wanted) return middle_of(i);
  }
  return 0;
}
