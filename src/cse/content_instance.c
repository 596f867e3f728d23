/* <contentInstance>: immutable; makes room for itself within the limits of its container. */
#include "cse/cse.h"
#include "m2m/constants.h"
#include "m2m/json.h"
#include "m2m/m2m_time.h"

/* Octets of con: UTF-8 length of a string, compact serialization of anything else. */
static int64_t size_of(const gh_val *con)
{
  if (con->type == GH_VAL_STR) return (int64_t)con->u.str.len;
  gh_buf text = GH_BUF_INIT;
  gh_json_write(&text, con);
  int64_t size = (int64_t)text.len;
  gh_buf_free(&text);
  return size;
}

/*= TS-0004 7.4.7.2.1 maxInstanceAge caps the life of an instance */
static void cap_age(gh_exchange *x, const gh_node *container, gh_val *attrs)
{
  int64_t et;
  gh_str text;
  if (container->mia <= 0 || container->mia > 4000000000) return;
  int64_t latest = gh_host_now_us(x->host) + container->mia * GH_US_PER_S;
  if (gh_val_get_str(attrs, GH_STR("et"), &text) && gh_timestamp_parse(text, &et) == GH_OK && et <= latest) return;
  gh_val_set(&x->arena, attrs, GH_STR("et"), gh_val_str(&x->arena, gh_timestamp(&x->arena, latest)));
}

static int create(gh_exchange *x, const gh_node *parent, gh_val *attrs)
{
  int64_t size = size_of(gh_val_get(attrs, GH_STR("con")));
  /*= TS-0004 7.4.7.2.1 larger than the container may ever hold */
  if (size > parent->mbs) return gh_refuse(x, GH_RSC_NOT_ACCEPTABLE, "con is larger than mbs of the container");
  if (parent->mni == 0) return gh_refuse(x, GH_RSC_NOT_ACCEPTABLE, "mni of the container is 0");
  gh_node *edit = gh_tree_edit(x->host->tree, parent->ri);
  if (!edit) return gh_refuse(x, GH_RSC_INTERNAL_SERVER_ERROR, "the container is damaged");
  cap_age(x, parent, attrs);
  gh_val_set(&x->arena, attrs, GH_STR("st"), gh_val_int(&x->arena, edit->st + 1));
  gh_val_set(&x->arena, attrs, GH_STR("cs"), gh_val_int(&x->arena, size));
  return GH_RSC_OK;
}

static void take_out(gh_exchange *x, gh_node *container, gh_node *instance)
{
  container->cni -= 1;
  container->cbs -= instance->cs;
  gh_tree_remove(x->host->tree, instance->ri, NULL, NULL);
}

/*= TS-0004 7.4.7.2.1 the oldest go until maxNrOfInstances and maxByteSize hold; their deletion notifies nobody */
static void make_room(gh_exchange *x, gh_node *container, const gh_node *newest)
{
  while (container->cni > container->mni || container->cbs > container->mbs) {
    gh_node *oldest = gh_tree_instance(x->host->tree, x->view, container->ri, false);
    bool possible = oldest && oldest != newest;
    if (possible) take_out(x, container, oldest);
    gh_node_unref(oldest);
    if (!possible) return;
  }
}

static int created(gh_exchange *x, const gh_node *parent, const gh_node *node)
{
  gh_node *container = gh_tree_edit(x->host->tree, parent->ri);
  if (!container) return gh_refuse(x, GH_RSC_INTERNAL_SERVER_ERROR, "the container is damaged");
  container->cni += 1;
  container->cbs += node->cs;
  container->st += 1;
  container->lt_us = gh_host_now_us(x->host);
  make_room(x, container, node);
  return GH_RSC_OK;
}

/*= TS-0004 7.4.7.2.2 disableRetrieval */
static int check_retrieve(gh_exchange *x, const gh_node *target)
{
  gh_node *parent = gh_tree_parent(x->host->tree, x->view, target);
  bool disabled = parent && parent->disr;
  gh_node_unref(parent);
  return disabled ? gh_refuse(x, GH_RSC_OPERATION_NOT_ALLOWED, "retrieval is disabled by the container") : GH_RSC_OK;
}

static int removed(gh_exchange *x, const gh_node *target)
{
  gh_node *container = gh_tree_edit(x->host->tree, target->pi);
  if (!container) return GH_RSC_OK;
  container->cni -= 1;
  container->cbs -= target->cs;
  container->st += 1;
  container->lt_us = gh_host_now_us(x->host);
  return GH_RSC_OK;
}

const gh_type_ops gh_content_instance_ops = {.ty = GH_TY_CONTENT_INSTANCE,
                                             .follows_parent = true,
                                             .create = create,
                                             .created = created,
                                             .check_retrieve = check_retrieve,
                                             .remove = removed};
