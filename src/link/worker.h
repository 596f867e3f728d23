/* One thread's share of the connections: its loop, its sweep for deadlines, its counters. Everything here is touched
 * on the loop's thread only, except the counters (relaxed atomics) and gh_worker_post. */
#ifndef GH_LINK_WORKER_H
#define GH_LINK_WORKER_H

#include <stdatomic.h>
#include <uv.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/random.h"
#include "link/admission.h"
#include "link/watch.h"

typedef struct gh_conn gh_conn;

typedef struct gh_link_limits {
  uint32_t max_connections; /* per worker; default 100000 */
  uint32_t max_handshakes;  /* in flight per worker; default 4096 */
  /* of one address, per worker; 0: no bound of its own */
  uint32_t max_connections_per_address; /* default 10000 */
  uint32_t max_handshakes_per_address;  /* default 512 */
  uint32_t handshake_ms;                /* default 10000 */
  uint32_t idle_ms;                     /* no octet for so long: closed; default 300000; 0: never */
  uint32_t request_ms;                  /* a request must be complete within; default 30000 */
  size_t max_out_bytes;                 /* unsent octets of one connection; over it reading stops; default 1 MiB */
  int64_t max_association_us;           /* life of an association (TS-0003 5.7 [D]: 24 h) */
} gh_link_limits;
extern const gh_link_limits gh_link_default_limits;

typedef struct gh_link_counters {
  atomic_uint_fast64_t accepted, handshakes_ok, handshakes_resumed, handshakes_failed, closed, refused_limit,
      refused_address, revoked, bytes_in, bytes_out;
} gh_link_counters;

struct gh_worker {
  uv_loop_t *uv;
  gh_loop *loop; /* NULL for a loop that somebody runs inline (client library) */
  gh_clock clock;
  const gh_log *log;
  gh_link_limits limits;
  gh_link_counters counters;
  gh_conn *first; /* all connections */
  uint32_t connections;
  uint32_t handshaking;
  gh_admission admission;
  uv_timer_t sweep;
  gh_watcher watcher; /* of the sockets of its connections */
  bool closing;
  char *read_buffer; /* shared by all connections: idle ones own none */
  void *user;        /* of the layer below */
  uint32_t index;
};
typedef struct gh_worker gh_worker;

enum { GH_WORKER_READ_BYTES = 65536, GH_WORKER_SWEEP_MS = 250 };

/* On the loop's thread (or before it runs). */
void gh_worker_init(gh_worker *worker, uv_loop_t *uv, gh_loop *loop, const gh_clock *clock, const gh_log *log,
                    const gh_link_limits *limits);
/* Closes all connections and the timer; run the loop until it is idle, then gh_worker_free. */
void gh_worker_close(gh_worker *worker);
void gh_worker_free(gh_worker *worker);
/* Closes every association that matches; returns how many. On the worker's thread. */
size_t gh_worker_revoke(gh_worker *worker, bool (*match)(void *ctx, gh_conn *conn), void *ctx);

#endif
