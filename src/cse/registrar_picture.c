/* The <remoteCSE> that a registree keeps of where it is registered. That of the registrar belongs to it, and leads to
 * it; that of another provider's IN-CSE is ours: it gives that IN-CSE nothing, and nothing goes by it. */
#include <stdlib.h>

#include "cse/registration_private.h"
#include "host/id_map.h"
#include "m2m/constants.h"
#include "m2m/m2m_time.h"

typedef struct job {
  gh_store_job job;
  gh_host *host;
  gh_str registrar;
  bool foreign, remove;
} job;

static gh_str id_of(gh_host *host, gh_arena *a, gh_str registrar, bool foreign)
{
  return foreign ? gh_provider_picture_id(a, registrar) : gh_remote_cse_id(a, &host->config.self, registrar);
}

static gh_err put(const job *j, gh_arena *a, gh_str ri)
{
  enum { IN_CSE = 1 };
  const gh_host_config *c = &j->host->config;
  gh_str csi = gh_id_sp_relative(&c->self, j->registrar);
  gh_node *node;
  gh_val *o = gh_val_object(a), *srv = gh_val_array(a);
  gh_val *now = gh_val_str(a, gh_timestamp(a, gh_host_now_us(j->host)));
  gh_val_push(srv, gh_val_str(a, GH_STR("2a")));
  gh_val_push(srv, gh_val_str(a, GH_STR("3")));
  const struct {
    const char *name;
    gh_val *value;
  } members[] = {{"rn", gh_val_str(a, ri)},
                 {"ty", gh_val_int(a, GH_TY_REMOTE_CSE)},
                 {"ri", gh_val_str(a, ri)},
                 {"pi", gh_val_str(a, c->self.cse_id)},
                 {"ct", now},
                 {"lt", now},
                 {"csi", gh_val_str(a, csi)},
                 {"cb", gh_val_str(a, gh_arena_fmt(a, "%.*s/-", GH_STR_ARG(csi)))},
                 {"rr", gh_val_bool(a, true)},
                 {"srv", srv}};
  for (size_t i = 0; i < sizeof members / sizeof *members; i++)
    gh_val_set(a, o, gh_str_of(members[i].name), members[i].value);
  if (j->foreign) gh_val_set(a, o, GH_STR("cst"), gh_val_int(a, IN_CSE));
  gh_node_draft draft = {.type = gh_type_by_number(GH_TY_REMOTE_CSE),
                         .seq = gh_tree_next_seq(j->host->tree),
                         .ri = ri,
                         .pi = c->self.cse_id,
                         .rn = ri,
                         .creator = j->foreign ? gh_self_cse_absolute(a, &c->self) : j->registrar,
                         .attrs = o};
  GH_TRY(gh_node_make(&draft, &c->self, &node, NULL));
  GH_TRY(gh_tree_insert(j->host->tree, node));
  return GH_OK;
}

static gh_err run(gh_store_job *base, gh_store_txn *txn)
{
  (void)txn;
  const job *j = (job *)base;
  gh_arena arena;
  gh_arena_init(&arena);
  gh_str ri = id_of(j->host, &arena, j->registrar, j->foreign);
  gh_node *there = gh_tree_by_id(j->host->tree, GH_VIEW_WRITER, ri);
  gh_err err = GH_OK;
  if (there && j->remove) gh_tree_remove(j->host->tree, ri, NULL, NULL);
  if (!there && !j->remove) err = put(j, &arena, ri);
  gh_node_unref(there);
  gh_arena_free(&arena);
  return err;
}

static void done(gh_store_job *base, gh_err err)
{
  job *j = (job *)base;
  if (err != GH_OK)
    GH_LOG(&j->host->log, GH_LOG_ERROR, "registrar-not-recorded", GH_F("error", gh_err_name(err)));
  else if (!j->foreign)
    gh_id_map_set(j->host->routes, j->registrar, j->registrar);
  free(j);
}

static bool submit(gh_registration *r, bool remove)
{
  job *j = gh_calloc(1, sizeof *j);
  *j = (job){.job = {.run = run, .done = done},
             .host = r->host,
             .registrar = r->registrar,
             .foreign = r->foreign,
             .remove = remove};
  if (gh_store_submit(r->host->store, &j->job) == GH_OK) return true;
  free(j);
  return false;
}

/*= TS-0004 7.4.4.2.1; TS-0001 9.6.4 the registree keeps a <remoteCSE> of its registrar */
void gh_registrar_picture_put(gh_registration *r)
{
  if (!r->pictured) r->pictured = submit(r, false);
}

/*= TS-0004 7.4.4.2.4 and takes it away when it has taken its registration back */
void gh_registrar_picture_remove(gh_registration *r)
{
  r->pictured = !submit(r, true);
}

bool gh_registrar_picture_is_there(gh_host *host, gh_str provider)
{
  gh_arena arena;
  gh_arena_init(&arena);
  gh_node *node = gh_tree_by_id(host->tree, GH_VIEW_COMMITTED, gh_provider_picture_id(&arena, provider));
  bool there = node != NULL;
  gh_node_unref(node);
  gh_arena_free(&arena);
  return there;
}
