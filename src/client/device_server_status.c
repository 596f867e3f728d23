/* Is the certificate of who comes to a listening device revoked? The loop serves others while a source is asked, and
 * the handshake goes on when it has spoken, or its time is over. */
#include <stdlib.h>

#include "client/device_server_private.h"
#include "client/quiet_run.h"

enum { ABOVE_MAX = 8, LOOK_MS = 500, TURN_MS = 20 };

struct gh_device_waiting { /* a handshake */
  struct gh_device_waiting *next;
  gh_status_query *query;
  X509 *above[ABOVE_MAX]; /* owned: those of the query were the handshake's */
  size_t above_count;
  int64_t until_us;
};

typedef struct gh_device_waiting waiting;

static bool is_revoked(void *ctx, gh_conn *conn)
{
  return gh_conn_is_revoked(conn, ctx);
}

static void answer(waiting *w, gh_err result)
{
  w->query->result = result;
  w->query->above = NULL;
  for (size_t i = 0; i < w->above_count; i++) X509_free(w->above[i]);
  w->query->done(w->query);
  free(w);
}

/* Decided, or silent for good. */
static bool is_settled(gh_device_status *status, waiting *w, int64_t now_us, gh_err *result)
{
  w->query->above = w->above;
  w->query->above_count = w->above_count;
  if (gh_device_status_known(status, w->query, result)) return true;
  if (now_us < w->until_us && gh_device_status_ask(status, w->query)) return false;
  *result = gh_device_status_silence(status, w->query);
  return true;
}

static void settle(gh_device_server *server)
{
  int64_t now_us = gh_clock_mono_us(&server->worker.clock);
  for (waiting **at = &server->waiting; *at;) {
    waiting *w = *at;
    gh_err result;
    if (is_settled(&server->device->status, w, now_us, &result)) {
      *at = w->next;
      answer(w, result);
    } else {
      at = &w->next;
    }
  }
}

static void on_look(uv_timer_t *looking);

static void look_every(gh_device_server *server, unsigned ms)
{
  if (server->look_ms == ms) return;
  server->look_ms = ms;
  uv_timer_start(&server->looking, on_look, ms, ms);
}

/*= TS-0003 8.2.1 an association does not outlive its credential */
static void on_look(uv_timer_t *looking)
{
  gh_device_server *server = looking->data;
  gh_device_status *status = &server->device->status;
  (void)gh_device_status_look(status, NULL);
  settle(server);
  if (!server->waiting) look_every(server, LOOK_MS);
  if (server->lists == status->generation) return;
  server->lists = status->generation;
  (void)gh_worker_revoke(&server->worker, is_revoked, &server->status);
}

static gh_err find_status(void *ctx, gh_status_query *query)
{
  gh_device_server *server = ctx;
  gh_device_status *status = &server->device->status;
  gh_err result;
  if (gh_device_status_known(status, query, &result)) return result;
  bool asked = query->above_count <= ABOVE_MAX && gh_device_status_ask(status, query);
  if (!asked || !query->worker) return gh_device_status_silence(status, query);
  waiting *w = gh_calloc(1, sizeof *w);
  w->query = query;
  w->next = server->waiting;
  w->until_us = gh_clock_mono_us(&server->worker.clock) + (int64_t)status->timeout_ms * 1000;
  for (; w->above_count < query->above_count; w->above_count++) {
    w->above[w->above_count] = query->above[w->above_count];
    X509_up_ref(w->above[w->above_count]);
  }
  server->waiting = w;
  look_every(server, TURN_MS);
  return GH_EAGAIN;
}

void gh_device_server_status_begin(gh_device_server *server)
{
  uv_timer_init(&server->uv, &server->looking);
  server->looking.data = server;
  look_every(server, LOOK_MS);
}

void gh_device_server_status_end(gh_device_server *server)
{
  uv_close((uv_handle_t *)&server->looking, NULL);
}

void gh_device_server_status_settle(gh_device_server *server)
{
  const gh_device_status *status = &server->device->status;
  int64_t until_us = gh_clock_mono_us(&server->worker.clock) + (int64_t)status->timeout_ms * 1000;
  while (server->waiting && !server->stopped && gh_clock_mono_us(&server->worker.clock) < until_us)
    gh_quiet_run(&server->uv, UV_RUN_ONCE);
  for (waiting *w; (w = server->waiting);) {
    server->waiting = w->next;
    answer(w, gh_device_status_silence(status, w->query));
  }
}

const gh_status_source *gh_device_server_status(gh_device_server *server)
{
  if (!gh_device_status_source(&server->device->status)) return NULL;
  server->status = (gh_status_source){.ctx = server, .find_status = find_status};
  return &server->status;
}
