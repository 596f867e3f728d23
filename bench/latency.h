/* Latencies of many requests in little memory: 32 classes an octave, so that a percentile is right within three per
 * cent. */
#ifndef GH_BENCH_LATENCY_H
#define GH_BENCH_LATENCY_H

#include <stdint.h>

enum { LATENCY_CLASSES = 64 * 32 };

typedef struct latency {
  uint64_t count;
  uint64_t classes[LATENCY_CLASSES];
} latency;

uint64_t now_ns(void); /* monotonic */
void latency_add(latency *l, uint64_t ns);
void latency_merge(latency *into, const latency *from);
/* Nanoseconds that the share `part` (0 to 1) of the requests stayed under. */
double latency_at(const latency *l, double part);

#endif
