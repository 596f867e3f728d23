/* On the IN-CSE only. Created and updated by the registrar of the AE, never by the AE; who may is decided by the same
 * rules as a registration here, because it is one (TS-0001 10.2.2.2 steps 006a to 007e). */
#include "cse/ae_annc.h"

#include "cse/ae_binding.h"
#include "cse/app_rule.h"
#include "cse/cse.h"
#include "m2m/constants.h"
#include "m2m/key_id.h"

static int refuse(gh_exchange *x, int rsc, const char *reason, const char *text)
{
  x->decision = (gh_decision){.outcome = GH_REFUSE, .reason = reason};
  return gh_refuse(x, rsc, "%s", text);
}

static bool cse_of_link(gh_arena *arena, const gh_self *self, gh_str link, gh_str *cse)
{
  size_t slash = gh_str_rfind(link, '/');
  return slash != SIZE_MAX && slash > 0 && gh_id_absolute(arena, self, gh_str_sub(link, 0, slash), cse) == GH_OK;
}

bool gh_ae_annc_holder(gh_arena *arena, const gh_self *self, const gh_node *announced, gh_str *cse)
{
  gh_val *attrs;
  gh_str link;
  return gh_node_attrs(arena, announced, &attrs) == GH_OK && gh_val_get_str(attrs, GH_STR("lnk"), &link) &&
         cse_of_link(arena, self, link, cse);
}

static gh_str link_of(gh_exchange *x, gh_str stem)
{
  gh_str cse = gh_id_sp_relative(&x->host->config.self, x->originator);
  return gh_arena_fmt(&x->arena, "%.*s/%.*s", GH_STR_ARG(cse), GH_STR_ARG(stem));
}

/* Exactly one label says which credential the AE came with; nothing behind the colon: none. */
static bool read_credential(const gh_val *attrs, gh_str *credential_id)
{
  static const gh_str prefix = {GH_ANNC_CREDENTIAL, sizeof GH_ANNC_CREDENTIAL - 1};
  const gh_val *labels = gh_val_get(attrs, GH_STR("lbl"));
  unsigned type, found = 0;
  gh_str value;
  for (const gh_val *v = labels && labels->type == GH_VAL_ARRAY ? labels->u.array.first : NULL; v; v = v->next) {
    if (v->type != GH_VAL_STR || !gh_str_starts(v->u.str, prefix)) continue;
    *credential_id = gh_str_sub(v->u.str, prefix.len, SIZE_MAX);
    found++;
  }
  return found == 1 && (credential_id->len == 0 || gh_credential_id_parse(*credential_id, &type, &value) == GH_OK);
}

/* A certificate that bears this very AE-ID needs no rule. */
static bool is_named_by_certificate(gh_exchange *x, const gh_app_claim *claim)
{
  unsigned type;
  gh_str value, absolute;
  return gh_credential_id_parse(claim->credential_id, &type, &value) == GH_OK && type == GH_CRED_AE_CERT &&
         gh_stem_valid(claim->stem) && claim->stem.len > 1 &&
         gh_id_absolute(&x->arena, &x->host->config.self, claim->stem, &absolute) == GH_OK &&
         gh_str_eq(absolute, value);
}

/*= TS-0001 10.2.2.2 step 006a; TS-0004 7.3.2.7 credential, registrar, App-ID and stem must be allowed together */
static int check_claim(gh_exchange *x, gh_app_claim *claim)
{
  if (is_named_by_certificate(x, claim)) {
    claim->named = true;
    return GH_RSC_OK;
  }
  switch (gh_subscription_check(x, x->originator, claim)) {
  case GH_SUBSCRIPTION_NONE:
    return refuse(x, GH_RSC_SERVICE_SUBSCRIPTION_NOT_ESTABLISHED, "no-service-subscription",
                  "no service subscription is for this registrar");
  case GH_SUBSCRIPTION_REFUSES:
    return refuse(x, GH_RSC_APP_RULE_VALIDATION_FAILED, "no-rule-for-credential",
                  "no rule lets this credential register this App-ID and AE-ID");
  case GH_SUBSCRIPTION_ALLOWS: break;
  }
  return GH_RSC_OK;
}

static int check_owner(gh_exchange *x, const gh_app_claim *claim)
{
  gh_str id;
  /* a registrar says who associated with it; for an administrator that is not enough */
  if (gh_id_absolute(&x->arena, &x->host->config.self, claim->stem, &id) != GH_OK || gh_host_names_admin(x->host, id))
    return refuse(x, GH_RSC_APP_RULE_VALIDATION_FAILED, "ae-id-of-administrator",
                  "this AE-ID belongs to another credential");
  if (!claim->named && gh_ae_binding_is_of_another(x, claim->credential_id, claim->stem))
    return refuse(x, GH_RSC_APP_RULE_VALIDATION_FAILED, "stem-of-another-credential",
                  "this AE-ID belongs to another credential");
  return GH_RSC_OK;
}

/* Who may ask at all. */
static int check_originator(gh_exchange *x)
{
  enum { IN_CSE = 1 };
  if (x->host->config.cse_type != IN_CSE)
    return refuse(x, GH_RSC_OPERATION_NOT_ALLOWED, "not-the-in-cse", "AEs are announced at the IN-CSE");
  if (x->peer.kind != GH_PEER_CSE)
    return refuse(x, GH_RSC_OPERATION_NOT_ALLOWED, "ae-announces", "a registrar announces its AEs");
  if (gh_str_empty(x->claimed_stem))
    return refuse(x, GH_RSC_BAD_REQUEST, "no-stem", "fr must be the registrar's CSE-ID with '/S' or an AE-ID-Stem");
  return GH_RSC_OK;
}

static int read_claim(gh_exchange *x, const gh_val *attrs, gh_app_claim *claim)
{
  gh_str link;
  *claim = (gh_app_claim){.stem = x->claimed_stem};
  if (!gh_val_get_str(attrs, GH_STR("api"), &claim->app_id) || !gh_app_id_valid(claim->app_id))
    return refuse(x, GH_RSC_BAD_REQUEST, "app-id", "api must begin with N, R or r");
  if (!read_credential(attrs, &claim->credential_id))
    return refuse(x, GH_RSC_BAD_REQUEST, "credential-label", "lbl must hold one '" GH_ANNC_CREDENTIAL "' label");
  if (!gh_val_get_str(attrs, GH_STR("lnk"), &link) || !gh_str_eq(link, link_of(x, x->claimed_stem)))
    return refuse(x, GH_RSC_BAD_REQUEST, "link", "lnk must be the AE at the registrar that fr names");
  return GH_RSC_OK;
}

static int create(gh_exchange *x, const gh_node *parent, gh_val *attrs)
{
  gh_app_claim claim;
  int rsc = check_originator(x);
  if (rsc == GH_RSC_OK && parent->ty != GH_TY_CSEBASE)
    rsc = refuse(x, GH_RSC_OPERATION_NOT_ALLOWED, "not-the-base", "AEs are announced below the CSEBase");
  if (rsc == GH_RSC_OK) rsc = read_claim(x, attrs, &claim);
  if (rsc == GH_RSC_OK) rsc = check_claim(x, &claim);
  if (rsc != GH_RSC_OK) return rsc;
  gh_node *same = gh_tree_by_id(x->host->tree, x->view, claim.stem);
  gh_node_unref(same);
  /*= TS-0001 10.2.2.2 step 004 registered here, or announced by a registrar before */
  if (same)
    return refuse(x, GH_RSC_ORIGINATOR_HAS_ALREADY_REGISTERED, "already-registered",
                  "this AE-ID is registered already");
  rsc = check_owner(x, &claim);
  if (rsc != GH_RSC_OK) return rsc;
  /*= TS-0001 10.2.2.2 step 007a the stem is the identifier, and stands in the link */
  x->new_id = claim.stem;
  x->new_creator = x->originator;
  x->new_extra = claim.credential_id;
  x->change_audited = true;
  gh_val_set(&x->arena, attrs, GH_STR("lnk"), gh_val_str(&x->arena, link_of(x, claim.stem)));
  return GH_RSC_OK;
}

static int created(gh_exchange *x, const gh_node *parent, const gh_node *node)
{
  (void)parent;
  return gh_ae_binding_keep(x, node->extra, node->ri) == GH_OK
             ? GH_RSC_OK
             : gh_refuse(x, GH_RSC_INTERNAL_SERVER_ERROR, "the AE-ID could not be kept");
}

/* The AE has left: only the registrar where it was says so. */
static int deactivate(gh_exchange *x, bool held, gh_str holder)
{
  x->change_audited = true;
  if (!held || gh_str_eq(holder, x->originator)) return GH_RSC_OK;
  return refuse(x, GH_RSC_ORIGINATOR_HAS_NO_PRIVILEGE, "registered-elsewhere", "not permitted");
}

/*= TS-0001 10.2.2.2 steps 005b to 007b; 10.2.2.5 */
static int update(gh_exchange *x, const gh_node *target, gh_val *merged, const gh_val *changes)
{
  gh_str link = GH_STR_NONE, holder = GH_STR_NONE;
  gh_app_claim claim;
  int rsc = check_originator(x);
  if (rsc != GH_RSC_OK) return rsc;
  if (gh_val_get(changes, GH_STR("api"))) return refuse(x, GH_RSC_BAD_REQUEST, "app-id", "api stays as it is");
  bool held = gh_ae_annc_holder(&x->arena, &x->host->config.self, target, &holder);
  gh_val_get_str(changes, GH_STR("lnk"), &link);
  if (gh_str_eq(link, GH_STR(GH_ANNC_INACTIVE))) return deactivate(x, held, holder);
  /* a stem has one registration point: the AE leaves the one before it comes to another */
  if (held && !gh_str_eq(holder, x->originator))
    return refuse(x, GH_RSC_ORIGINATOR_HAS_ALREADY_REGISTERED, "registered-elsewhere",
                  "this AE-ID is registered already");
  rsc = read_claim(x, merged, &claim);
  if (rsc == GH_RSC_OK) rsc = check_claim(x, &claim);
  if (rsc == GH_RSC_OK) rsc = check_owner(x, &claim);
  if (rsc == GH_RSC_OK && gh_ae_binding_keep(x, claim.credential_id, target->ri) != GH_OK)
    rsc = gh_refuse(x, GH_RSC_INTERNAL_SERVER_ERROR, "the AE-ID could not be kept");
  x->new_extra = claim.credential_id;
  x->change_audited = true;
  return rsc;
}

/* The registrar that speaks for the stem changes it; the AE itself, and the administrator, see and remove it. */
static gh_decision decide(const gh_exchange *x, const gh_node *target)
{
  gh_id id = gh_id_parse(x->originator);
  bool permitted = gh_host_is_admin(x->host, &x->peer) && x->request.op != GH_OP_UPDATE;
  if (x->request.op == GH_OP_UPDATE) permitted = gh_str_eq(x->claimed_stem, target->ri);
  if (x->request.op == GH_OP_RETRIEVE)
    permitted |=
        (id.kind == GH_ID_AE_S && gh_str_eq(id.stem, target->ri)) || gh_str_eq(x->originator, target->creator);
  return (gh_decision){.outcome = permitted ? GH_PERMIT : GH_REFUSE,
                       .reason = permitted ? "registrar" : "not-the-registrar"};
}

static int deregister(gh_exchange *x, const gh_node *target)
{
  (void)target;
  x->change_audited = true;
  return GH_RSC_OK;
}

const gh_type_ops gh_ae_annc_ops = {.ty = GH_TY_AEANNC,
                                    .decide = decide,
                                    .create = create,
                                    .created = created,
                                    .update = update,
                                    .remove = deregister};
