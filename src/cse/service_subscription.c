/* <m2mServiceSubscriptionProfile>, <serviceSubscribedNode>, <serviceSubscribedAppRule>: who may register what where,
 * as the service provider wrote it down. On an IN-CSE only. */
#include <stdlib.h>

#include "cse/ahead.h"
#include "cse/cse.h"
#include "host/id_map.h"
#include "m2m/constants.h"

/*= TS-0001 9.6.19; TS-0001 9.6.20; TS-0001 9.6.29 only stored on the IN-CSE */
static int create_on_in_cse(gh_exchange *x, const gh_node *parent, gh_val *attrs)
{
  enum { IN_CSE = 1 };
  (void)parent;
  (void)attrs;
  x->change_audited = true;
  if (x->host->config.cse_type == IN_CSE) return GH_RSC_OK;
  return gh_refuse(x, GH_RSC_OPERATION_NOT_ALLOWED, "service subscriptions are kept by the IN-CSE");
}

static int update_audited(gh_exchange *x, const gh_node *target, gh_val *merged, const gh_val *changes)
{
  (void)target;
  (void)merged;
  (void)changes;
  x->change_audited = true;
  return GH_RSC_OK;
}

static int remove_audited(gh_exchange *x, const gh_node *target)
{
  (void)target;
  x->change_audited = true;
  return GH_RSC_OK;
}

/* ---- who reads them: the CSE that they are for */

/* The node of the originator, or NULL. Reference. */
static gh_node *node_of(const gh_exchange *x, gh_arena *arena)
{
  gh_str ri;
  if (x->peer.kind != GH_PEER_CSE || x->request.op != GH_OP_RETRIEVE) return NULL;
  if (!gh_id_map_get(x->host->subscribed_nodes, arena, x->originator, &ri)) return NULL;
  return gh_tree_by_id(x->host->tree, x->view, ri);
}

/*= TS-0001 10.2.2.2 step 003 the registrar retrieves what it needs for the check */
static bool node_is_read(const gh_exchange *x, const gh_node *target)
{
  gh_arena arena;
  gh_arena_init(&arena);
  gh_node *node = node_of(x, &arena);
  bool own = node && gh_str_eq(node->ri, target->ri);
  gh_node_unref(node);
  gh_arena_free(&arena);
  return own;
}

static bool links_to(const gh_exchange *x, const gh_val *attrs, const gh_node *rule)
{
  const gh_val *links = gh_val_get(attrs, GH_STR("rlk"));
  for (const gh_val *v = links && links->type == GH_VAL_ARRAY ? links->u.array.first : NULL; v; v = v->next) {
    gh_node *found = v->type == GH_VAL_STR ? gh_tree_by_address(x->host->tree, x->view, v->u.str) : NULL;
    bool linked = found && gh_str_eq(found->ri, rule->ri);
    gh_node_unref(found);
    if (linked) return true;
  }
  return false;
}

static bool rule_is_read(const gh_exchange *x, const gh_node *target)
{
  gh_arena arena;
  gh_val *attrs;
  gh_arena_init(&arena);
  gh_node *node = node_of(x, &arena);
  bool linked = node && gh_node_attrs(&arena, node, &attrs) == GH_OK && links_to(x, attrs, target);
  gh_node_unref(node);
  gh_arena_free(&arena);
  return linked;
}

const gh_type_ops gh_service_subscription_profile_ops = {.ty = GH_TY_M2M_SERVICE_SUBSCRIPTION_PROFILE,
                                                         .create = create_on_in_cse,
                                                         .update = update_audited,
                                                         .remove = remove_audited};
const gh_type_ops gh_service_subscribed_app_rule_ops = {.ty = GH_TY_SERVICE_SUBSCRIBED_APP_RULE,
                                                        .also_permits = rule_is_read,
                                                        .create = create_on_in_cse,
                                                        .update = update_audited,
                                                        .remove = remove_audited};

/* ---- <serviceSubscribedNode>: found by the CSE-ID it is for */

typedef struct node_entry {
  gh_str cse, ri; /* ri empty: removed */
} node_entry;

static void apply(gh_host *host, void *ctx)
{
  const node_entry *e = ctx;
  gh_id_map_set(host->subscribed_nodes, e->cse, e->ri);
}

static void drop(void *ctx)
{
  node_entry *e = ctx;
  gh_str_release(&e->cse);
  gh_str_release(&e->ri);
  free(e);
}

gh_str gh_subscribed_node_id(gh_arena *arena, gh_str cse)
{
  size_t slash = gh_str_rfind(cse, '/');
  return gh_arena_fmt(arena, "svsn-%.*s", GH_STR_ARG(gh_str_sub(cse, slash + 1, SIZE_MAX)));
}

static bool cse_of(gh_host *host, gh_arena *arena, const gh_val *attrs, gh_str *cse)
{
  gh_str text;
  return gh_val_get_str(attrs, GH_STR("csi"), &text) && gh_id_absolute(arena, &host->config.self, text, cse) == GH_OK;
}

static void after_commit(gh_exchange *x, gh_str cse, gh_str ri)
{
  node_entry *e = gh_calloc(1, sizeof *e);
  *e = (node_entry){gh_str_clone(cse), ri.len ? gh_str_clone(ri) : GH_STR_NONE};
  gh_host_after_commit(x->host, apply, drop, e);
}

static int create_node(gh_exchange *x, const gh_node *parent, gh_val *attrs)
{
  gh_str cse, known, text;
  int rsc = create_on_in_cse(x, parent, attrs);
  if (rsc != GH_RSC_OK) return rsc;
  bool given = gh_val_get_str(attrs, GH_STR("csi"), &text);
  if (!given && gh_val_get(attrs, GH_STR("rlk"))) return gh_refuse(x, GH_RSC_BAD_REQUEST, "rlk needs csi");
  if (!given) return GH_RSC_OK;
  if (!cse_of(x->host, &x->arena, attrs, &cse) || gh_id_parse(text).kind != GH_ID_CSE)
    return gh_refuse(x, GH_RSC_BAD_REQUEST, "csi is not a CSE-ID");
  if (gh_id_map_get(x->host->subscribed_nodes, &x->arena, cse, &known))
    return gh_refuse(x, GH_RSC_CONFLICT, "csi has a serviceSubscribedNode already");
  x->new_id = gh_subscribed_node_id(&x->arena, cse);
  return GH_RSC_OK;
}

static int node_created(gh_exchange *x, const gh_node *parent, const gh_node *node)
{
  (void)parent;
  gh_val *attrs;
  gh_str cse;
  if (gh_node_attrs(&x->arena, node, &attrs) == GH_OK && cse_of(x->host, &x->arena, attrs, &cse))
    after_commit(x, cse, node->ri);
  return GH_RSC_OK;
}

static int remove_node(gh_exchange *x, const gh_node *target)
{
  gh_val *attrs;
  gh_str cse;
  x->change_audited = true;
  if (gh_node_attrs(&x->arena, target, &attrs) == GH_OK && cse_of(x->host, &x->arena, attrs, &cse))
    after_commit(x, cse, GH_STR_NONE);
  return GH_RSC_OK;
}

static void node_loaded(gh_host *host, const gh_node *node)
{
  gh_arena arena;
  gh_val *attrs;
  gh_str cse;
  gh_arena_init(&arena);
  if (gh_node_attrs(&arena, node, &attrs) == GH_OK && cse_of(host, &arena, attrs, &cse))
    gh_id_map_set(host->subscribed_nodes, cse, node->ri);
  gh_arena_free(&arena);
}

const gh_type_ops gh_service_subscribed_node_ops = {.ty = GH_TY_SERVICE_SUBSCRIBED_NODE,
                                                    .also_permits = node_is_read,
                                                    .create = create_node,
                                                    .created = node_created,
                                                    .update = update_audited,
                                                    .remove = remove_node,
                                                    .loaded = node_loaded};
