/* <container>: counters and limits of its instances; latest and oldest. */
#include "cse/cse.h"
#include "m2m/constants.h"

static int create(gh_exchange *x, const gh_node *parent, gh_val *attrs)
{
  (void)parent;
  gh_val_set(&x->arena, attrs, GH_STR("st"), gh_val_int(&x->arena, 0));
  gh_val_set(&x->arena, attrs, GH_STR("cni"), gh_val_int(&x->arena, 0));
  gh_val_set(&x->arena, attrs, GH_STR("cbs"), gh_val_int(&x->arena, 0));
  return GH_RSC_OK;
}

/*= TS-0001 9.6.27; TS-0001 9.6.28 latest and oldest */
static gh_node *virtual_child(gh_exchange *x, const gh_node *parent, gh_str name)
{
  bool newest = gh_str_eq(name, GH_STR("la"));
  if (!newest && !gh_str_eq(name, GH_STR("ol"))) {
    x->through_virtual = false;
    return NULL;
  }
  return gh_tree_instance(x->host->tree, x->view, parent->ri, newest);
}

const gh_type_ops gh_container_ops = {.ty = GH_TY_CONTAINER,
                                      .create = create,
                                      .update = gh_type_update_freely,
                                      .remove = gh_type_remove_freely,
                                      .virtual_child = virtual_child,
                                      .is_virtual_name_reserved = true};
