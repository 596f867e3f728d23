/* UPDATE: changes are checked and merged, then the new version takes the place of the old one. */
#include "host/gate.h"
#include "m2m/constants.h"
#include "m2m/m2m_time.h"
#include "m2m/schema.h"

static int check_content(gh_exchange *x, const gh_type_def **type, gh_val **changes)
{
  gh_str root;
  if (!x->request.pc || !gh_val_unwrap(x->request.pc, &root, changes))
    return gh_refuse(x, GH_RSC_BAD_REQUEST, "pc must have exactly one member");
  *type = gh_type_by_root(root);
  if (!*type || (*type)->ty != x->target->ty)
    return gh_refuse(x, GH_RSC_BAD_REQUEST, "pc has the root %.*s, which is not the target's", GH_STR_ARG(root));
  if ((*changes)->type != GH_VAL_OBJECT)
    return gh_refuse(x, GH_RSC_BAD_REQUEST, "%s must be an object", (*type)->root);
  int rcn = x->request.rcn;
  if (rcn != GH_RCN_ABSENT && rcn != 0 && rcn != 1 && rcn != 9)
    return gh_refuse(x, GH_RSC_BAD_REQUEST, "rcn %d is not allowed in UPDATE", rcn);
  return GH_RSC_OK;
}

static int settle_expiry(gh_exchange *x, gh_val *changes)
{
  gh_str text;
  int64_t wanted;
  if (!gh_val_get_str(changes, GH_STR("et"), &text)) return GH_RSC_OK;
  if (gh_timestamp_parse(text, &wanted) != GH_OK) return gh_refuse(x, GH_RSC_BAD_REQUEST, "et is not a timestamp");
  if (wanted <= gh_host_now_us(x->host)) return gh_refuse(x, x->host->function->past_expiry_rsc, "et is in the past");
  gh_node *parent = gh_tree_parent(x->host->tree, x->view, x->target);
  int64_t limit = parent ? parent->expires_us : 0;
  gh_node_unref(parent);
  if (limit && wanted > limit)
    gh_val_set(&x->arena, changes, GH_STR("et"), gh_val_str(&x->arena, gh_timestamp(&x->arena, limit)));
  return GH_RSC_OK;
}

static void merge(gh_exchange *x, gh_val *attrs, const gh_val *changes)
{
  for (const gh_member *m = changes->u.object.first; m; m = m->next) {
    if (m->value->type == GH_VAL_NULL)
      gh_val_remove(attrs, m->name);
    else
      gh_val_set(&x->arena, attrs, m->name, m->value);
  }
  gh_val_set(&x->arena, attrs, GH_STR("lt"), gh_val_str(&x->arena, gh_timestamp(&x->arena, gh_host_now_us(x->host))));
  int64_t st;
  if (gh_val_get_int(attrs, GH_STR("st"), &st))
    gh_val_set(&x->arena, attrs, GH_STR("st"), gh_val_int(&x->arena, st + 1));
}

static int replace(gh_exchange *x, const gh_type_def *type, const gh_val *attrs)
{
  const gh_node *old = x->target;
  gh_node_draft draft = {.type = type,
                         .seq = old->seq,
                         .ri = old->ri,
                         .pi = old->pi,
                         .rn = old->rn,
                         .creator = old->creator,
                         .extra = x->new_extra.len ? x->new_extra : old->extra,
                         .attrs = attrs};
  gh_node *node;
  gh_diag diag;
  if (gh_node_make(&draft, &x->host->config.self, &node, &diag) != GH_OK)
    return gh_refuse(x, GH_RSC_BAD_REQUEST, "%s", diag.text);
  x->shown = gh_node_ref(node);
  if (gh_tree_replace(x->host->tree, node) != GH_OK) return gh_refuse(x, GH_RSC_NOT_FOUND, "no such resource");
  return GH_RSC_OK;
}

/*= TS-0004 7.3.3.7 */
int gh_perform_update(gh_exchange *x)
{
  const gh_type_def *type = NULL;
  gh_val *changes = NULL, *attrs;
  gh_diag diag = {""};
  int rsc = check_content(x, &type, &changes);
  if (rsc != GH_RSC_OK || !type || !changes) return rsc;
  const gh_type_ops *ops = gh_host_type(x->host, x->target->ty);
  if (!ops->update) return gh_refuse(x, GH_RSC_OPERATION_NOT_ALLOWED, "%s cannot be updated", type->name);
  rsc = gh_schema_check_update(type, changes, &diag);
  if (rsc != GH_RSC_OK) return gh_refuse(x, rsc, "%s", diag.text);
  rsc = settle_expiry(x, changes);
  if (rsc != GH_RSC_OK) return rsc;
  if (gh_node_attrs(&x->arena, x->target, &attrs) != GH_OK)
    return gh_refuse(x, GH_RSC_INTERNAL_SERVER_ERROR, "stored resource is damaged");
  merge(x, attrs, changes);
  rsc = ops->update(x, x->target, attrs, changes);
  if (rsc == GH_RSC_OK) rsc = replace(x, type, attrs);
  if (rsc == GH_RSC_OK && !x->response.pc)
    rsc = gh_show(x, x->shown, x->request.rcn == GH_RCN_ABSENT ? 1 : x->request.rcn);
  return rsc == GH_RSC_OK ? GH_RSC_UPDATED : rsc;
}
