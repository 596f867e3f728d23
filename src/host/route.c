/* Is the request for this host, and for which resource? */
#include "host/gate.h"
#include "m2m/constants.h"

static gh_node *find(gh_exchange *x, gh_str path)
{
  return gh_str_empty(path) ? gh_tree_base(x->host->tree, x->view) : gh_tree_by_path(x->host->tree, x->view, path);
}

/* "<parent>/la": the parent's type knows which resource a virtual name stands for. */
static gh_node *find_virtual(gh_exchange *x, gh_str path, bool *known)
{
  size_t slash = gh_str_rfind(path, '/');
  *known = false;
  if (slash == SIZE_MAX) return NULL;
  gh_node *parent = find(x, gh_str_sub(path, 0, slash));
  if (!parent) return NULL;
  const gh_type_ops *ops = gh_host_type(x->host, parent->ty);
  gh_str name = gh_str_sub(path, slash + 1, SIZE_MAX);
  gh_node *node = NULL;
  if (ops && ops->virtual_child) {
    x->through_virtual = true; /* the hook clears it for a name it does not know */
    node = ops->virtual_child(x, parent, name);
    *known = x->through_virtual;
    x->through_virtual = node != NULL;
  }
  gh_node_unref(parent);
  return node;
}

int gh_gate_route(gh_exchange *x)
{
  gh_addr addr;
  if (gh_addr_parse(x->request.to, &addr) != GH_OK) return gh_refuse(x, GH_RSC_BAD_REQUEST, "to is not an address");
  if (!gh_addr_is_local(&addr, &x->host->config.self)) return gh_refuse(x, GH_RSC_NOT_FOUND, "to is not hosted here");
  x->attribute = addr.attribute;
  bool known_virtual = false;
  x->target = find(x, addr.path);
  if (!x->target) x->target = find_virtual(x, addr.path, &known_virtual);
  if (known_virtual && (x->request.op == GH_OP_CREATE || x->request.op == GH_OP_UPDATE))
    return gh_refuse(x, GH_RSC_OPERATION_NOT_ALLOWED,
                     "only RETRIEVE and DELETE are allowed on this virtual resource");
  /*= TS-0004 7.2.2.2 existence before authority */
  if (!x->target) return gh_refuse(x, GH_RSC_NOT_FOUND, "no such resource");
  return GH_RSC_OK;
}
