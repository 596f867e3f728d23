/* The base resource is made anew at each start: its attributes come from configuration (TS-0004 7.4.3). When it came
 * to be, and when it was last another, is remembered in the store. */
#include "host/base.h"

#include <semaphore.h>
#include <stdlib.h>

#include "m2m/json.h"
#include "m2m/m2m_time.h"

enum { KEPT_MAX = 65536 };

#define KEPT "base" /* name in the store: both times and the attributes, blank between */

typedef struct keep {
  gh_store_job job; /* first */
  gh_str text;
  gh_err err;
  sem_t done;
} keep;

static gh_err put(gh_store_job *job, gh_store_txn *txn)
{
  return gh_txn_put_meta(txn, GH_STR(KEPT), ((keep *)job)->text);
}

static void put_done(gh_store_job *job, gh_err err)
{
  keep *k = (keep *)job;
  k->err = err;
  sem_post(&k->done);
}

/* Before anybody is served. */
static gh_err remember(gh_store *store, gh_str text)
{
  keep k = {.job = {.run = put, .done = put_done}, .text = text};
  sem_init(&k.done, 0, 0);
  gh_err err = gh_store_submit(store, &k.job);
  while (err == GH_OK && sem_wait(&k.done) != 0) continue;
  sem_destroy(&k.done);
  return err == GH_OK ? k.err : err;
}

/* What the last start has left; false: this is the first. */
static bool recall(gh_host *host, gh_arena *arena, gh_str *created, gh_str *modified, gh_str *attrs)
{
  char *kept = gh_arena_alloc(arena, KEPT_MAX);
  size_t len = 0;
  if (gh_store_get_meta(host->store, GH_STR(KEPT), kept, KEPT_MAX, &len) != GH_OK) return false;
  gh_str rest = {kept, len};
  int64_t ignored;
  bool ok = gh_str_split(&rest, ' ', created) && gh_str_split(&rest, ' ', modified) &&
            gh_timestamp_parse(*created, &ignored) == GH_OK && gh_timestamp_parse(*modified, &ignored) == GH_OK;
  *attrs = rest;
  return ok;
}

/*= TS-0001 9.6.1.3.2 creationTime and lastModifiedTime */
static gh_err date(gh_host *host, bool readonly, gh_arena *arena, gh_val *attrs, gh_diag *diag)
{
  gh_buf text = GH_BUF_INIT;
  gh_str created, modified, before, now = gh_timestamp(arena, gh_host_now_us(host));
  gh_json_write(&text, attrs);
  bool known = recall(host, arena, &created, &modified, &before);
  bool same = known && gh_str_eq(before, gh_buf_str(&text));
  if (!known) created = now;
  if (!same) modified = now;
  gh_err err = GH_OK;
  if (!same && !readonly)
    err = remember(host->store, gh_arena_fmt(arena, "%.*s %.*s %.*s", GH_STR_ARG(created), GH_STR_ARG(modified),
                                             GH_STR_ARG(gh_buf_str(&text))));
  gh_buf_free(&text);
  if (err != GH_OK) return gh_fail(diag, err, "the base resource could not be written");
  gh_val_set(arena, attrs, GH_STR("ct"), gh_val_str(arena, created));
  gh_val_set(arena, attrs, GH_STR("lt"), gh_val_str(arena, modified));
  return GH_OK;
}

static gh_err insert(gh_host *host, gh_arena *arena, const gh_val *attrs, gh_diag *diag)
{
  gh_str ri = GH_STR_NONE, rn = GH_STR_NONE;
  gh_val_get_str(attrs, GH_STR("ri"), &ri);
  gh_val_get_str(attrs, GH_STR("rn"), &rn);
  gh_node_draft draft = {.type = gh_type_by_number(host->function->base_ty),
                         .ri = ri,
                         .rn = rn,
                         .creator = gh_self_cse_absolute(arena, &host->config.self),
                         .attrs = attrs};
  gh_node *node;
  GH_TRY(gh_node_make(&draft, &host->config.self, &node, diag));
  return gh_tree_load(host->tree, node);
}

gh_err gh_base_load(gh_host *host, bool readonly, gh_diag *diag)
{
  gh_arena arena;
  gh_arena_init(&arena);
  gh_val *attrs = host->function->base(host, &arena);
  gh_err err = date(host, readonly, &arena, attrs, diag);
  if (err == GH_OK) err = insert(host, &arena, attrs, diag);
  gh_arena_free(&arena);
  return err;
}
