/* CREATE: the generic checks of the hosting CSE, then the type's own part, then the resource is in the tree. */
#include "host/gate.h"
#include "host/sweep.h"
#include "m2m/constants.h"
#include "m2m/m2m_time.h"
#include "m2m/schema.h"

/*= TS-0004 7.3.3.3 the type must be a child of the target's, supported, and match the Content */
static int check_type(gh_exchange *x, const gh_type_def **type, gh_val **attrs)
{
  gh_str root;
  *type = gh_type_by_number(x->request.ty);
  if (!*type) return gh_refuse(x, GH_RSC_BAD_REQUEST, "ty is not a resource type");
  if (x->request.pc && gh_val_unwrap(x->request.pc, &root, attrs)) {
    const gh_type_def *by_root = gh_type_by_root(root);
    if (by_root && by_root->ty == (*type)->ty) *type = by_root;
  } else {
    return gh_refuse(x, GH_RSC_BAD_REQUEST, "pc must have exactly one member");
  }
  const gh_type_def *parent = gh_type_by_number(x->target->ty);
  if (!parent || !gh_type_allows_child(parent, (*type)->ty))
    return gh_refuse(x, GH_RSC_INVALID_CHILD_RESOURCE_TYPE, "%s cannot be created below %s", (*type)->name,
                     parent ? parent->name : "this");
  if (!gh_host_type(x->host, (*type)->ty))
    return gh_refuse(x, GH_RSC_NOT_IMPLEMENTED, "%s is not supported", (*type)->name);
  if (!gh_str_eq(root, gh_str_of((*type)->root)))
    return gh_refuse(x, GH_RSC_BAD_REQUEST, "pc has the root %.*s, ty asks for %s", GH_STR_ARG(root), (*type)->root);
  if ((*attrs)->type != GH_VAL_OBJECT) return gh_refuse(x, GH_RSC_BAD_REQUEST, "%s must be an object", (*type)->root);
  return GH_RSC_OK;
}

static int check_rcn(gh_exchange *x)
{
  int rcn = x->request.rcn;
  bool ok = rcn == GH_RCN_ABSENT || (rcn >= 0 && rcn <= 3) || rcn == 9;
  return ok ? GH_RSC_OK : gh_refuse(x, GH_RSC_BAD_REQUEST, "rcn %d is not allowed in CREATE", rcn);
}

/*= TS-0004 7.3.3.3 expirationTime: not in the past, not beyond the parent's */
static int settle_expiry(gh_exchange *x, const gh_type_def *type, gh_val *attrs)
{
  if (!gh_type_attr(type, GH_STR("et"))) return GH_RSC_OK;
  int64_t limit = x->target->expires_us, wanted = 0;
  gh_str text;
  if (gh_val_get_str(attrs, GH_STR("et"), &text)) {
    if (gh_timestamp_parse(text, &wanted) != GH_OK) return gh_refuse(x, GH_RSC_BAD_REQUEST, "et is not a timestamp");
    if (wanted <= gh_host_now_us(x->host))
      return gh_refuse(x, x->host->function->past_expiry_rsc, "et is in the past");
  }
  enum { DEFAULT_LIFE_DAYS = 3650 };
  if (!wanted) wanted = gh_host_now_us(x->host) + (int64_t)DEFAULT_LIFE_DAYS * 86400 * GH_US_PER_S;
  if (limit && wanted > limit) wanted = limit;
  gh_val_set(&x->arena, attrs, GH_STR("et"), gh_val_str(&x->arena, gh_timestamp(&x->arena, wanted)));
  return GH_RSC_OK;
}

/* "cin-2f" */
static gh_str numbered_id(gh_arena *arena, const char *short_name, uint64_t seq)
{
  enum { HEX_DIGITS_MAX = 16 };
  size_t head = strlen(short_name) + 1, digits = 1;
  while (digits < HEX_DIGITS_MAX && seq >> (4 * digits)) digits++;
  char *text = gh_arena_alloc(arena, head + digits + 1);
  memcpy(text, short_name, head - 1);
  text[head - 1] = '-';
  for (size_t i = 0; i < digits; i++) text[head + i] = "0123456789abcdef"[seq >> (4 * (digits - 1 - i)) & 15];
  text[head + digits] = '\0';
  return (gh_str){text, head + digits};
}

static int settle_name(gh_exchange *x, const gh_type_def *type, const gh_val *attrs)
{
  gh_val_get_str(attrs, GH_STR("rn"), &x->new_name);
  if (!x->new_id.len) x->new_id = numbered_id(&x->arena, type->short_name, (uint64_t)gh_tree_next_seq(x->host->tree));
  bool given = x->new_name.len != 0;
  if (!given) x->new_name = x->new_id;
  if (!gh_resource_name_valid(x->new_name)) return gh_refuse(x, GH_RSC_BAD_REQUEST, "rn is not a resource name");
  const gh_type_ops *parent = gh_host_type(x->host, x->target->ty);
  bool reserved = gh_str_eq(x->new_name, GH_STR("la")) || gh_str_eq(x->new_name, GH_STR("ol")) ||
                  gh_str_eq(x->new_name, GH_STR("fopt"));
  if (parent && parent->is_virtual_name_reserved && reserved)
    return gh_refuse(x, GH_RSC_BAD_REQUEST, "rn is the name of a virtual resource");
  gh_node *same = given ? gh_tree_child_named(x->host->tree, x->view, x->target->ri, x->new_name) : NULL;
  gh_node_unref(same);
  /*= TS-0004 7.3.3.3 names are unique below a parent */
  return same ? gh_refuse(x, GH_RSC_CONFLICT, "rn is in use") : GH_RSC_OK;
}

/* creator is what the host says; a client may only ask for it with null (checked by the schema). */
static void settle_creator(gh_exchange *x, const gh_type_def *type, gh_val *attrs)
{
  if (!x->new_creator.len) x->new_creator = x->originator;
  const gh_val *asked = gh_val_get(attrs, GH_STR("cr"));
  if (asked && asked->type == GH_VAL_NULL && gh_type_attr(type, GH_STR("cr")))
    gh_val_set(&x->arena, attrs, GH_STR("cr"),
               gh_val_str(&x->arena, gh_id_relative(&x->arena, &x->host->config.self, x->new_creator)));
}

static void put_first(gh_arena *arena, gh_val *object, gh_str name, gh_val *value)
{
  gh_val_set(arena, object, name, value);
}

static gh_val *complete(gh_exchange *x, const gh_type_def *type, const gh_val *attrs)
{
  gh_arena *a = &x->arena;
  gh_val *all = gh_val_object(a);
  gh_val *now = gh_val_str(a, gh_timestamp(a, gh_host_now_us(x->host)));
  put_first(a, all, GH_STR("rn"), gh_val_str(a, x->new_name));
  put_first(a, all, GH_STR("ty"), gh_val_int(a, type->ty));
  put_first(a, all, GH_STR("ri"), gh_val_str(a, x->new_id));
  put_first(a, all, GH_STR("pi"), gh_val_str(a, x->target->ri));
  put_first(a, all, GH_STR("ct"), now);
  put_first(a, all, GH_STR("lt"), now);
  for (const gh_member *m = attrs->u.object.first; m; m = m->next)
    if (!gh_str_eq(m->name, GH_STR("rn"))) gh_val_set(a, all, m->name, m->value);
  return all;
}

/* What has expired but was not swept yet gives its name and its ID back as the sweep would take them. */
static void make_way(gh_exchange *x)
{
  for (gh_node *old; (old = gh_tree_in_the_way(x->host->tree, x->new_id, x->target->ri, x->new_name)) != NULL;
       gh_node_unref(old))
    gh_sweep_one(x, old);
}

static int insert(gh_exchange *x, const gh_type_def *type, const gh_val *all, gh_node **out)
{
  gh_node_draft draft = {.type = type,
                         .seq = gh_tree_next_seq(x->host->tree),
                         .ri = x->new_id,
                         .pi = x->target->ri,
                         .rn = x->new_name,
                         .creator = x->new_creator,
                         .extra = x->new_extra,
                         .attrs = all};
  gh_diag diag;
  if (gh_node_make(&draft, &x->host->config.self, out, &diag) != GH_OK)
    return gh_refuse(x, GH_RSC_BAD_REQUEST, "%s", diag.text);
  x->shown = gh_node_ref(*out);
  gh_err err = gh_tree_insert(x->host->tree, *out);
  if (err == GH_EEXIST) { /* maybe by what has expired */
    make_way(x);
    err = gh_tree_insert(x->host->tree, gh_node_ref(x->shown));
  }
  if (err != GH_OK) return gh_refuse(x, GH_RSC_CONFLICT, "the resource exists already");
  return GH_RSC_OK;
}

/*= TS-0004 7.3.3.5 */
int gh_perform_create(gh_exchange *x)
{
  const gh_type_def *type = NULL;
  gh_val *attrs = NULL;
  gh_diag diag = {""};
  int rsc = check_type(x, &type, &attrs);
  if (rsc == GH_RSC_OK) rsc = check_rcn(x);
  if (rsc != GH_RSC_OK || !type || !attrs) return rsc;
  rsc = gh_schema_check_create(type, attrs, &diag);
  if (rsc != GH_RSC_OK) return gh_refuse(x, rsc, "%s", diag.text);
  const gh_type_ops *ops = gh_host_type(x->host, type->ty);
  rsc = settle_expiry(x, type, attrs);
  if (rsc == GH_RSC_OK && ops->create) rsc = ops->create(x, x->target, attrs);
  if (rsc == GH_RSC_OK) rsc = settle_name(x, type, attrs);
  if (rsc != GH_RSC_OK) return rsc;
  settle_creator(x, type, attrs);
  gh_node *node;
  rsc = insert(x, type, complete(x, type, attrs), &node);
  if (rsc == GH_RSC_OK && ops->created) rsc = ops->created(x, x->target, node);
  if (rsc != GH_RSC_OK) return rsc;
  x->response.rsc = GH_RSC_CREATED;
  rsc = gh_show(x, x->shown, x->request.rcn == GH_RCN_ABSENT ? 1 : x->request.rcn);
  return rsc == GH_RSC_OK ? GH_RSC_CREATED : rsc;
}
