/* <remoteCSE>: the registration of a CSE. It takes the association of that CSE, and says which CSEs are reached
 * through it; that of another provider's IN-CSE says nothing of the kind, and counts while it is agreed. */
#include <stdlib.h>

#include "cse/configured_place.h"
#include "cse/cse.h"
#include "cse/registration.h"
#include "host/id_map.h"
#include "m2m/constants.h"
#include "m2m/m2m_time.h"

enum { DESCENDANTS_MAX = 1024 };

static int refuse(gh_exchange *x, int rsc, const char *reason, const char *text)
{
  x->decision = (gh_decision){.outcome = GH_REFUSE, .reason = reason};
  return gh_refuse(x, rsc, "%s", text);
}

/* The FQDN of a provider has no '_', so no two of these are alike. */
static gh_str id_over_mccp(gh_arena *arena, const char *prefix, gh_str absolute)
{
  gh_id id = gh_id_parse(absolute);
  return gh_arena_fmt(arena, "%s-%.*s_%.*s", prefix, GH_STR_ARG(id.sp), GH_STR_ARG(id.cse));
}

gh_str gh_provider_picture_id(gh_arena *arena, gh_str absolute)
{
  return id_over_mccp(arena, "preg", absolute);
}

gh_str gh_remote_cse_id(gh_arena *arena, const gh_self *self, gh_str absolute)
{
  size_t slash = gh_str_rfind(absolute, '/');
  if (gh_id_is_foreign(self, absolute)) return id_over_mccp(arena, "pcse", absolute);
  return gh_arena_fmt(arena, "rcse-%.*s", GH_STR_ARG(gh_str_sub(absolute, slash + 1, SIZE_MAX)));
}

/* ---- routes: what lies behind a registered CSE */

typedef struct route_change {
  gh_arena arena;
  gh_str next; /* the registered CSE */
  gh_str *gone, *come;
  size_t gone_count, come_count;
} route_change;

/* Absolute CSE-IDs of dcse, and the CSE itself. */
static gh_str *behind(gh_arena *arena, const gh_self *self, gh_str next, const gh_val *attrs, size_t *count)
{
  const gh_val *list = attrs ? gh_val_get(attrs, GH_STR("dcse")) : NULL;
  size_t most = list && list->type == GH_VAL_ARRAY ? list->u.array.count : 0;
  gh_str *all = GH_NEW_ARRAY(arena, gh_str, most + 1);
  all[0] = gh_arena_dup(arena, next);
  *count = 1;
  if (!most) return all;
  for (const gh_val *v = list->u.array.first; v; v = v->next)
    if (v->type == GH_VAL_STR && gh_id_absolute(arena, self, v->u.str, &all[*count]) == GH_OK) ++*count;
  return all;
}

/*= TS-0001 6.5.1.0 a CSE of another provider is below nobody here */
static bool may_be_below(const gh_host_config *config, gh_str cse, gh_str next)
{
  gh_str place = gh_cse_configured_place(config, cse);
  return !gh_id_is_foreign(&config->self, cse) && (gh_str_empty(place) || gh_str_eq(place, next));
}

/* Also what was stored when the configuration, or this program, said something else. */
static void apply(gh_host *host, void *ctx)
{
  route_change *c = ctx;
  gh_str now;
  for (size_t i = 0; i < c->gone_count; i++)
    if (gh_id_map_get(host->routes, &c->arena, c->gone[i], &now) && gh_str_eq(now, c->next))
      gh_id_map_set(host->routes, c->gone[i], GH_STR_NONE);
  bool ours = !gh_id_is_foreign(&host->config.self, c->next); /* over Mcc' the agreement says who leads where */
  for (size_t i = 0; ours && i < c->come_count; i++) {
    bool registered_itself = gh_id_map_get(host->routes, &c->arena, c->come[i], &now) && gh_str_eq(now, c->come[i]);
    if (i == 0 || (!registered_itself && may_be_below(&host->config, c->come[i], c->next)))
      gh_id_map_set(host->routes, c->come[i], c->next);
  }
  gh_registration_routes_changed(host);
}

static void drop(void *ctx)
{
  route_change *c = ctx;
  gh_arena_free(&c->arena);
  free(c);
}

static route_change *new_change(const gh_self *self, gh_str next, const gh_val *before, const gh_val *after)
{
  route_change *c = gh_calloc(1, sizeof *c);
  gh_arena_init(&c->arena);
  c->next = gh_arena_dup(&c->arena, next);
  if (before) c->gone = behind(&c->arena, self, next, before, &c->gone_count);
  if (after) c->come = behind(&c->arena, self, next, after, &c->come_count);
  for (size_t i = 1; i < c->gone_count; i++) c->gone[i] = gh_arena_dup(&c->arena, c->gone[i]);
  for (size_t i = 1; i < c->come_count; i++) c->come[i] = gh_arena_dup(&c->arena, c->come[i]);
  return c;
}

/* ---- checks */

/*= TS-0001 9.6.4 descendantCSEs; 6.5.4 the IN-CSE of another provider tells of its own; nothing goes by it */
static int check_their_descendants(gh_exchange *x, gh_str next, const gh_val *list)
{
  for (const gh_val *v = list->u.array.first; v; v = v->next) {
    gh_id id = gh_id_parse(v->type == GH_VAL_STR ? v->u.str : GH_STR_NONE);
    if (id.kind != GH_ID_CSE || !gh_str_eq_nocase(id.sp, gh_id_parse(next).sp))
      return refuse(x, GH_RSC_BAD_REQUEST, "dcse", "dcse must list absolute CSE-IDs of the same provider");
  }
  return GH_RSC_OK;
}

/* A CSE may say that others are below it; it may not take over who is known to be elsewhere. */
static int check_descendants(gh_exchange *x, gh_str next, const gh_val *attrs)
{
  const gh_self *self = &x->host->config.self;
  const gh_val *list = gh_val_get(attrs, GH_STR("dcse"));
  if (!list || list->type != GH_VAL_ARRAY) return GH_RSC_OK;
  if (list->u.array.count > DESCENDANTS_MAX)
    return refuse(x, GH_RSC_BAD_REQUEST, "dcse", "dcse has too many elements");
  if (gh_id_is_foreign(self, next)) return check_their_descendants(x, next, list);
  gh_str own = gh_self_cse_absolute(&x->arena, self), cse, known;
  for (const gh_val *v = list->u.array.first; v; v = v->next) {
    if (v->type != GH_VAL_STR || gh_id_parse(v->u.str).kind != GH_ID_CSE ||
        gh_id_absolute(&x->arena, self, v->u.str, &cse) != GH_OK)
      return refuse(x, GH_RSC_BAD_REQUEST, "dcse", "dcse must list CSE-IDs");
    bool elsewhere = gh_str_eq(cse, own) || !may_be_below(&x->host->config, cse, next) ||
                     gh_str_eq(cse, x->host->config.registrar) ||
                     (gh_id_map_get(x->host->routes, &x->arena, cse, &known) && !gh_str_eq(known, next));
    if (elsewhere)
      return refuse(x, GH_RSC_BAD_REQUEST, "dcse-elsewhere", "dcse names a CSE that is not below this one");
  }
  return GH_RSC_OK;
}

/*= TS-0004 7.4.4.2.1 a CSE registers over its own association, never an AE */
static int check_originator(gh_exchange *x)
{
  enum { ASN_CSE = 3 };
  if (x->peer.kind == GH_PEER_AE || x->peer.kind == GH_PEER_CREDENTIAL)
    return refuse(x, GH_RSC_OPERATION_NOT_ALLOWED, "ae-as-cse", "an AE cannot register a CSE");
  if (x->peer.kind != GH_PEER_CSE)
    return refuse(x, GH_RSC_SECURITY_ASSOCIATION_REQUIRED, "no-association", "a CSE needs a security association");
  if (!gh_str_eq(x->originator, x->peer.id))
    return refuse(x, GH_RSC_OPERATION_NOT_ALLOWED, "registers-another", "a CSE registers itself");
  if (x->host->config.cse_type == ASN_CSE)
    return refuse(x, GH_RSC_OPERATION_NOT_ALLOWED, "asn-cse", "an ASN-CSE registers nobody");
  return GH_RSC_OK;
}

/* Whoever registers from another provider lives as long here as registrations do: what was agreed may end. */
static void settle_end(gh_exchange *x, gh_val *attrs)
{
  int64_t limit = gh_host_now_us(x->host) + x->host->config.max_registration_us, wanted;
  gh_str text;
  if (gh_val_get_str(attrs, GH_STR("et"), &text) && gh_timestamp_parse(text, &wanted) == GH_OK && wanted <= limit)
    return;
  gh_val_set(&x->arena, attrs, GH_STR("et"), gh_val_str(&x->arena, gh_timestamp(&x->arena, limit)));
}

/*= TS-0001 9.6.4 cseType is mandatory for an IN-CSE, and nobody else registers over Mcc' (6.5.4) */
static int check_provider(gh_exchange *x, gh_val *attrs)
{
  enum { IN_CSE = 1 };
  int64_t type = IN_CSE;
  if (gh_val_get(attrs, GH_STR("cst")) && (!gh_val_get_int(attrs, GH_STR("cst"), &type) || type != IN_CSE))
    return refuse(x, GH_RSC_BAD_REQUEST, "cst", "cst is not that of an IN-CSE");
  gh_val_set(&x->arena, attrs, GH_STR("cst"), gh_val_int(&x->arena, IN_CSE));
  settle_end(x, attrs);
  return GH_RSC_OK;
}

static int create(gh_exchange *x, const gh_node *parent, gh_val *attrs)
{
  (void)parent;
  int rsc = check_originator(x);
  bool foreign = gh_id_is_foreign(&x->host->config.self, x->originator);
  if (rsc == GH_RSC_OK && foreign) rsc = check_provider(x, attrs);
  if (rsc != GH_RSC_OK) return rsc;
  gh_str given, said;
  gh_str relative = gh_id_sp_relative(&x->host->config.self, x->originator);
  if (gh_val_get_str(attrs, GH_STR("csi"), &given) &&
      (gh_id_absolute(&x->arena, &x->host->config.self, given, &said) != GH_OK || !gh_str_eq(said, x->originator)))
    return refuse(x, GH_RSC_BAD_REQUEST, "csi", "csi is not the originator's");
  x->new_id = gh_remote_cse_id(&x->arena, &x->host->config.self, x->originator);
  gh_node *same = gh_tree_by_id(x->host->tree, x->view, x->new_id);
  gh_node_unref(same);
  if (same)
    return refuse(x, GH_RSC_ORIGINATOR_HAS_ALREADY_REGISTERED, "already-registered",
                  "this CSE is registered already");
  gh_val_set(&x->arena, attrs, GH_STR("csi"), gh_val_str(&x->arena, relative));
  if (!foreign) x->new_extra = x->peer.credential_id; /* SA1: what SA2 is opened with */
  x->change_audited = true;
  return check_descendants(x, x->originator, attrs);
}

static int created(gh_exchange *x, const gh_node *parent, const gh_node *node)
{
  (void)parent;
  gh_val *attrs;
  if (gh_node_attrs(&x->arena, node, &attrs) != GH_OK)
    return gh_refuse(x, GH_RSC_INTERNAL_SERVER_ERROR, "the registration is damaged");
  gh_host_after_commit(x->host, apply, drop, new_change(&x->host->config.self, node->creator, NULL, attrs));
  return GH_RSC_OK;
}

static int update(gh_exchange *x, const gh_node *target, gh_val *merged, const gh_val *changes)
{
  bool foreign = gh_id_is_foreign(&x->host->config.self, target->creator);
  x->change_audited = true;
  if (foreign) settle_end(x, merged);
  if (!foreign && gh_str_eq(x->peer.id, target->creator)) x->new_extra = x->peer.credential_id;
  if (!gh_val_get(changes, GH_STR("dcse"))) return GH_RSC_OK;
  /*= TS-0004 7.4.4.2.3 what lies below changes with it */
  int rsc = check_descendants(x, target->creator, merged);
  gh_val *before;
  if (rsc != GH_RSC_OK) return rsc;
  if (gh_node_attrs(&x->arena, target, &before) != GH_OK)
    return gh_refuse(x, GH_RSC_INTERNAL_SERVER_ERROR, "the registration is damaged");
  gh_host_after_commit(x->host, apply, drop, new_change(&x->host->config.self, target->creator, before, merged));
  return GH_RSC_OK;
}

static int deregister(gh_exchange *x, const gh_node *target)
{
  gh_val *attrs = NULL;
  x->change_audited = true;
  if (gh_node_attrs(&x->arena, target, &attrs) == GH_OK)
    gh_host_after_commit(x->host, apply, drop, new_change(&x->host->config.self, target->creator, attrs, NULL));
  return GH_RSC_OK;
}

/* Our picture of an IN-CSE that no agreement names any more: nobody is left to tell it. */
static void say_if_left(gh_host *host, const gh_node *node, const gh_val *attrs)
{
  gh_str csi;
  const gh_self *self = &host->config.self;
  bool ours = !gh_id_is_foreign(self, node->creator);
  if (!ours || !gh_val_get_str(attrs, GH_STR("csi"), &csi) || !gh_id_is_foreign(self, csi)) return;
  if (gh_provider_of_cse(&host->config, csi)) return;
  GH_LOG(&host->log, GH_LOG_WARN, "still-registered-at-provider", GH_F("registrar", csi),
         GH_F("reason", "there is no agreement any more, and it cannot be told"));
}

static void loaded(gh_host *host, const gh_node *node)
{
  gh_arena arena;
  gh_val *attrs;
  gh_arena_init(&arena);
  if (gh_node_attrs(&arena, node, &attrs) == GH_OK) {
    route_change *c = new_change(&host->config.self, node->creator, NULL, attrs);
    apply(host, c);
    drop(c);
    say_if_left(host, node, attrs);
  }
  gh_arena_free(&arena);
}

/*= TS-0001 6.5.4 what is stored says nothing of the agreement of today. Without one nothing is created below it, and
 * it is not prolonged; it can be seen, taken back, and ends in its time */
static const char *forbids(const gh_host *host, gh_op op, const gh_node *target)
{
  bool ours = !gh_id_is_foreign(&host->config.self, target->creator);
  bool ends = op == GH_OP_RETRIEVE || op == GH_OP_DELETE;
  return ours || ends || gh_provider_may_register(&host->config, target->creator) ? NULL : "registration-not-agreed";
}

const gh_type_ops gh_remote_cse_ops = {.ty = GH_TY_REMOTE_CSE,
                                       .forbids = forbids,
                                       .create = create,
                                       .created = created,
                                       .update = update,
                                       .remove = deregister,
                                       .loaded = loaded};
