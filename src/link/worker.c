/* The sweep: deadlines of handshakes and requests, idle ends, expiry of associations; and revocation. */
#include "link/worker.h"

#include <stdlib.h>

#include "link/conn_private.h"

const gh_link_limits gh_link_default_limits = {
    .max_connections = 100000,
    .max_handshakes = 4096,
    .max_connections_per_address = 10000,
    .max_handshakes_per_address = 512,
    .handshake_ms = 10000,
    .idle_ms = 300000,
    .request_ms = 30000,
    .max_out_bytes = 1 << 20,
    .max_association_us = 24 * 3600 * GH_US_PER_S,
};

static void check_deadlines(gh_conn *conn, int64_t mono, int64_t wall)
{
  bool ready = conn->state == GH_CONN_READY; /* or else it is closing already, and only its deadline counts */
  if (ready && conn->expires_us && wall >= conn->expires_us) {
    gh_conn_close(conn, GH_EEXPIRED, "association expired");
  } else if (mono >= conn->deadline_us) {
    if (ready) gh_conn_close(conn, GH_ETIMEOUT, "idle or request incomplete for too long");
    /* over datagrams a wrong key is silence: records that do not verify are dropped */
    if (conn->path && conn->state == GH_CONN_HANDSHAKE) gh_conn_log_failure(conn, "handshake took too long");
    if (!ready) gh_conn_fail(conn, GH_ETIMEOUT, "handshake or close took too long");
  }
}

static void on_sweep(uv_timer_t *timer)
{
  gh_worker *worker = timer->data;
  int64_t mono = gh_clock_mono_us(&worker->clock);
  int64_t wall = gh_clock_wall_us(&worker->clock);
  for (gh_conn *conn = worker->first, *next; conn; conn = next) {
    next = conn->next;
    check_deadlines(conn, mono, wall);
  }
  gh_watcher_sweep(&worker->watcher, mono);
}

void gh_worker_init(gh_worker *worker, uv_loop_t *uv, gh_loop *loop, const gh_clock *clock, const gh_log *log,
                    const gh_link_limits *limits)
{
  *worker = (gh_worker){.uv = uv, .loop = loop, .clock = *clock, .log = log};
  worker->limits = limits ? *limits : gh_link_default_limits;
  gh_admission_init(&worker->admission);
  worker->read_buffer = gh_malloc(GH_WORKER_READ_BYTES);
  gh_watcher_init(&worker->watcher, uv);
  uv_timer_init(uv, &worker->sweep);
  worker->sweep.data = worker;
  uv_timer_start(&worker->sweep, on_sweep, GH_WORKER_SWEEP_MS, GH_WORKER_SWEEP_MS);
}

void gh_worker_close(gh_worker *worker)
{
  if (worker->closing) return;
  worker->closing = true;
  while (worker->first) gh_conn_fail(worker->first, GH_OK, "shutting down");
  uv_close((uv_handle_t *)&worker->sweep, NULL);
  gh_watcher_close(&worker->watcher);
}

void gh_worker_free(gh_worker *worker)
{
  gh_admission_free(&worker->admission);
  free(worker->read_buffer);
  worker->read_buffer = NULL;
}

size_t gh_worker_revoke(gh_worker *worker, bool (*match)(void *ctx, gh_conn *conn), void *ctx)
{
  size_t count = 0;
  for (gh_conn *conn = worker->first, *next; conn; conn = next) {
    next = conn->next;
    bool alive =
        conn->state == GH_CONN_READY || conn->state == GH_CONN_HANDSHAKE; /* a key may go while its handshake runs */
    if (!alive || !match(ctx, conn)) continue;
    /*= TS-0003 8.2.1 an association does not outlive its credential, and its session neither */
    if (conn->server) gh_tls_server_forget(conn->server, gh_conn_peer(conn));
    gh_conn_close(conn, GH_EEXPIRED, "credential revoked");
    count++;
  }
  atomic_fetch_add_explicit(&worker->counters.revoked, count, memory_order_relaxed);
  return count;
}
