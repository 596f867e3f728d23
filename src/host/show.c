/* Showing a resource in any response: whole, in part, with children or references to them. */
#include "host/gate.h"
#include "m2m/constants.h"
#include "m2m/json.h"

enum { CHILDREN_MAX = 1000 };

static gh_str root_of(const gh_node *node)
{
  size_t end = gh_str_find(gh_str_sub(node->body, 2, SIZE_MAX), '"');
  return gh_str_sub(node->body, 2, end);
}

/* The stored body is what is shown: no copy, no parsing. */
static int show_stored(gh_exchange *x, gh_node *node)
{
  if (x->shown != node) {
    gh_node_unref(x->shown);
    x->shown = gh_node_ref(node);
  }
  x->response.body = node->body;
  return GH_RSC_OK;
}

static bool is_the_ae(const gh_exchange *x, const gh_node *node)
{
  return gh_str_eq(x->originator, node->creator);
}

/* Attributes as this originator may see them. */
static int visible_attrs(gh_exchange *x, const gh_node *node, gh_val **out)
{
  if (gh_node_attrs(&x->arena, node, out) != GH_OK)
    return gh_refuse(x, GH_RSC_INTERNAL_SERVER_ERROR, "stored resource is damaged");
  /*= TS-0001 9.6.5 pointOfAccess is for the AE itself and the hosting CSE */
  if (node->has_poa && !is_the_ae(x, node)) gh_val_remove(*out, GH_STR("poa"));
  const gh_type_ops *ops = gh_host_type(x->host, node->ty);
  return ops && ops->retrieve ? ops->retrieve(x, node, *out) : GH_RSC_OK;
}

static bool may_show_stored(const gh_exchange *x, const gh_node *node)
{
  const gh_type_ops *ops = gh_host_type(x->host, node->ty);
  return !(ops && ops->retrieve) && !(node->has_poa && !is_the_ae(x, node)) &&
         !(node->counted && x->view == GH_VIEW_WRITER); /* counters reach the body at the commit */
}

static int wrap(gh_exchange *x, const gh_node *node, gh_val *attrs)
{
  x->response.pc = gh_val_wrap(&x->arena, root_of(node), attrs);
  return GH_RSC_OK;
}

/*= TS-0004 7.3.3.6 partial retrieve: unknown attribute 4000, none present 4004 */
static int show_part(gh_exchange *x, const gh_node *node, gh_val *attrs)
{
  const gh_type_def *type = gh_type_by_number(node->ty);
  gh_val *part = gh_val_object(&x->arena);
  const gh_val *names = x->request.atrl;
  gh_val single = {.type = GH_VAL_STR, .u.str = x->attribute};
  for (const gh_val *n = names ? names->u.array.first : &single; n; n = names ? n->next : NULL) {
    if (n->type != GH_VAL_STR || !gh_type_attr(type, n->u.str))
      return gh_refuse(x, GH_RSC_BAD_REQUEST, "atrl names an attribute that %s does not have", type->name);
    gh_val *value = gh_val_get(attrs, n->u.str);
    if (value) gh_val_set(&x->arena, part, n->u.str, value);
  }
  if (!part->u.object.count) return gh_refuse(x, GH_RSC_NOT_FOUND, "none of the attributes is present");
  return wrap(x, node, part);
}

static gh_str address_of(gh_exchange *x, const gh_node *node)
{
  return x->request.drt == 2 ? gh_arena_dup(&x->arena, node->ri)
                             : gh_tree_path(x->host->tree, x->view, &x->arena, node);
}

static gh_val *child_reference(gh_exchange *x, const gh_node *child)
{
  gh_arena *a = &x->arena;
  gh_val *ref = gh_val_object(a);
  gh_val_set(a, ref, GH_STR("nm"), gh_val_str(a, gh_arena_dup(a, child->rn)));
  gh_val_set(a, ref, GH_STR("typ"), gh_val_int(a, child->ty));
  gh_val_set(a, ref, GH_STR("val"), gh_val_str(a, address_of(x, child)));
  return ref;
}

/* May this originator retrieve the child? Children it may not see are left out silently. */
static bool may_see(gh_exchange *x, gh_node *child)
{
  const gh_type_ops *ops = gh_host_type(x->host, child->ty);
  if (ops && ops->decide) return ops->decide(x, child).outcome == GH_PERMIT;
  gh_policy_set set;
  gh_policies_of(x->host, x->view, &x->arena, child, false, &set);
  set.question.from = x->originator;
  set.question.authenticated = x->authenticated;
  set.question.operation = GH_ACOP_RETRIEVE;
  set.question.target_ty = child->ty;
  set.question.time_us = x->received_us;
  set.question.peer.family = x->address_family;
  memcpy(set.question.peer.octets, x->address, sizeof x->address);
  gh_decision decision = gh_policies_decide(x->host, x->view, &set, NULL);
  gh_policies_release(&set);
  return decision.outcome == GH_PERMIT;
}

static int add_child(gh_exchange *x, gh_val *into, gh_node *child, bool references)
{
  if (!may_see(x, child)) return GH_RSC_OK;
  const gh_type_ops *ops = gh_host_type(x->host, child->ty);
  if (ops && ops->check_retrieve && ops->check_retrieve(x, child) != GH_RSC_OK) return GH_RSC_OK;
  if (references) {
    gh_val *list = gh_val_get(into, GH_STR("ch"));
    if (!list) gh_val_set(&x->arena, into, GH_STR("ch"), list = gh_val_array(&x->arena));
    gh_val_push(list, child_reference(x, child));
    return GH_RSC_OK;
  }
  gh_val *attrs;
  int rsc = visible_attrs(x, child, &attrs);
  if (rsc != GH_RSC_OK) return rsc;
  gh_str root = gh_arena_dup(&x->arena, root_of(child));
  gh_val *list = gh_val_get(into, root);
  if (!list) gh_val_set(&x->arena, into, root, list = gh_val_array(&x->arena));
  gh_val_push(list, gh_val_copy(&x->arena, attrs));
  return GH_RSC_OK;
}

static int show_with_children(gh_exchange *x, const gh_node *node, gh_val *attrs, bool references)
{
  gh_node **children = GH_NEW_ARRAY(&x->arena, gh_node *, CHILDREN_MAX);
  size_t count = gh_tree_children(x->host->tree, x->view, node->ri, true, children, CHILDREN_MAX);
  int rsc = GH_RSC_OK;
  for (size_t i = 0; i < count; i++) {
    if (rsc == GH_RSC_OK) rsc = add_child(x, attrs, children[i], references);
    gh_node_unref(children[i]);
  }
  return rsc == GH_RSC_OK ? wrap(x, node, attrs) : rsc;
}

static int show_address(gh_exchange *x, gh_node *node, bool with_attributes)
{
  gh_arena *a = &x->arena;
  gh_str address = address_of(x, node);
  x->response.location = address;
  if (!with_attributes) {
    x->response.pc = gh_val_wrap(a, GH_STR("m2m:uri"), gh_val_str(a, address));
    return GH_RSC_OK;
  }
  gh_val *attrs;
  int rsc = visible_attrs(x, node, &attrs);
  if (rsc != GH_RSC_OK) return rsc;
  gh_val *both = gh_val_object(a);
  gh_val_set(a, both, root_of(node), attrs);
  gh_val_set(a, both, GH_STR("uri"), gh_val_str(a, address));
  x->response.pc = gh_val_wrap(a, GH_STR("m2m:rce"), both);
  return GH_RSC_OK;
}

int gh_show(gh_exchange *x, gh_node *node, int rcn)
{
  gh_val *attrs;
  if (rcn == 0) return GH_RSC_OK;
  if (rcn == 2 || rcn == 3) return show_address(x, node, rcn == 3);
  bool part = x->request.op == GH_OP_RETRIEVE && (x->request.atrl || x->attribute.len);
  if ((rcn == 1 || rcn == 9) && !part && may_show_stored(x, node)) return show_stored(x, node);
  int rsc = visible_attrs(x, node, &attrs);
  if (rsc != GH_RSC_OK) return rsc;
  if (x->shown != node) {
    gh_node_unref(x->shown);
    x->shown = gh_node_ref(node); /* attrs borrow from it */
  }
  if (part) return show_part(x, node, attrs);
  if (rcn == 8 || rcn == 6) attrs = gh_val_object(&x->arena);
  if (rcn == 4 || rcn == 8) return show_with_children(x, node, attrs, false);
  if (rcn == 5 || rcn == 6) return show_with_children(x, node, attrs, true);
  return wrap(x, node, attrs);
}
