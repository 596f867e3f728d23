/* A timer on the first worker hands a job to the writer when the one before is done. */
#include "host/sweep.h"

#include <stdlib.h>

enum { SWEEP_MS = 5000, SWEEP_MAX = 256 };

typedef struct gh_sweeper {
  gh_exchange x; /* the type's hooks want an exchange */
  uv_timer_t timer;
  gh_host *host;
  atomic_bool busy;
  bool more; /* writer only: there was more than one job may remove */
} gh_sweeper;

static gh_sweeper *of_job(gh_store_job *job)
{
  return (gh_sweeper *)((char *)job - offsetof(gh_exchange, job));
}

void gh_sweep_one(gh_exchange *x, const gh_node *node)
{
  const gh_type_ops *ops = gh_host_type(x->host, node->ty);
  if (ops && ops->remove) ops->remove(x, node);
  gh_tree_remove(x->host->tree, node->ri, NULL, NULL);
}

static void remove_one(gh_sweeper *s, gh_str ri)
{
  gh_node *node = gh_tree_expired_node(s->host->tree, ri);
  if (node) gh_sweep_one(&s->x, node);
  gh_node_unref(node);
}

static gh_err run(gh_store_job *job, gh_store_txn *txn)
{
  gh_sweeper *s = of_job(job);
  gh_str ids[SWEEP_MAX];
  s->x.txn = txn;
  size_t count = gh_tree_expired(s->host->tree, gh_host_now_us(s->host), ids, SWEEP_MAX, &s->x.arena);
  for (size_t i = 0; i < count; i++) remove_one(s, ids[i]);
  s->more = count == SWEEP_MAX;
  return GH_OK;
}

static void done(gh_store_job *job, gh_err err)
{
  gh_sweeper *s = of_job(job);
  if (err != GH_OK) GH_LOG(&s->host->log, GH_LOG_ERROR, "sweep-failed", GH_F("error", gh_err_name(err)));
  gh_arena_reset(&s->x.arena);
  bool again = s->more && err == GH_OK;
  s->more = false;
  if (!again || gh_store_submit(s->host->store, job) != GH_OK) atomic_store(&s->busy, false);
}

static void on_timer(uv_timer_t *timer)
{
  gh_sweeper *s = timer->data;
  if (atomic_exchange(&s->busy, true)) return;
  s->x.job = (gh_store_job){.run = run, .done = done};
  if (gh_store_submit(s->host->store, &s->x.job) != GH_OK) atomic_store(&s->busy, false);
}

static void start(void *arg)
{
  gh_sweeper *s = arg;
  uv_timer_init(s->host->workers[0]->uv, &s->timer);
  s->timer.data = s;
  uv_timer_start(&s->timer, on_timer, SWEEP_MS, SWEEP_MS);
}

void gh_sweeper_start(gh_host *host)
{
  if (!host->worker_count) return;
  gh_sweeper *s = gh_calloc(1, sizeof *s);
  s->host = host;
  s->x.host = host;
  s->x.view = GH_VIEW_WRITER;
  s->x.request.op = GH_OP_DELETE;
  gh_arena_init(&s->x.arena);
  host->sweeper = s;
  gh_loop_call(host->workers[0]->loop, start, s);
}

static void on_closed(uv_handle_t *handle)
{
  (void)handle;
}

static void stop(void *arg)
{
  gh_sweeper *s = arg;
  uv_timer_stop(&s->timer);
  uv_close((uv_handle_t *)&s->timer, on_closed);
}

void gh_sweeper_stop(gh_host *host)
{
  gh_sweeper *s = host->sweeper;
  if (!s) return;
  gh_loop_call(host->workers[0]->loop, stop, s);
}

void gh_sweeper_free(gh_host *host)
{
  gh_sweeper *s = host->sweeper;
  if (!s) return;
  gh_arena_free(&s->x.arena);
  free(s);
}
