/* <AE>: registration binds the AE-ID to the identity of the association. */
#include "cse/app_rule.h"
#include "cse/cse.h"

#include <stdlib.h>

#include "host/id_map.h"
#include "m2m/constants.h"

static int refuse(gh_exchange *x, int rsc, const char *reason, const char *text)
{
  x->decision = (gh_decision){.outcome = GH_REFUSE, .reason = reason};
  return gh_refuse(x, rsc, "%s", text);
}

static bool asks_for_any(gh_str from)
{
  return from.len == 0 || gh_str_eq(from, GH_STR("S")) || gh_str_eq(from, GH_STR("C"));
}

/* The stem of an AE-ID that belongs to this CSE: "Cxx" of our own, or "Sxx" of our SP. */
static int own_stem(gh_exchange *x, gh_str absolute, gh_str *stem)
{
  *stem = gh_id_relative(&x->arena, &x->host->config.self, absolute);
  gh_id id = gh_id_parse(*stem);
  bool ours = id.scope == GH_SCOPE_STEM && (id.kind == GH_ID_AE_C || id.kind == GH_ID_AE_S);
  return ours ? GH_RSC_OK
              : refuse(x, GH_RSC_APP_RULE_VALIDATION_FAILED, "ae-id-of-another-cse",
                       "the AE-ID of this credential belongs to another CSE");
}

/* A credential without identity and no service subscription: only where the operator opened registration, and then
 * with an AE-ID of our choice. */
static int assign_stem(gh_exchange *x, gh_str *stem)
{
  if (!x->host->config.open_registration || x->peer.kind == GH_PEER_NONE)
    return refuse(x, GH_RSC_SERVICE_SUBSCRIPTION_NOT_ESTABLISHED, "no-service-subscription",
                  "no service subscription lets this credential register");
  if (gh_str_eq(x->request.from, GH_STR("S")) || (!asks_for_any(x->request.from) && x->request.from.ptr[0] == 'S'))
    return refuse(x, GH_RSC_APP_RULE_VALIDATION_FAILED, "s-type-not-assigned",
                  "S-type AE-IDs are assigned by the service provider");
  if (!asks_for_any(x->request.from)) {
    *stem = x->request.from;
    return GH_RSC_OK;
  }
  if (gh_random_id(&x->host->random, &x->arena, GH_STR("C"), 8, stem) != GH_OK)
    return gh_refuse(x, GH_RSC_INTERNAL_SERVER_ERROR, "no randomness");
  return GH_RSC_OK;
}

/*= TS-0003 7.2.1; TS-0004 7.4.5.2.1 which AE-ID does this association get? */
static int choose_stem(gh_exchange *x, gh_str app_id, gh_str *stem)
{
  if (x->peer.kind == GH_PEER_AE) return own_stem(x, x->peer.id, stem);
  gh_app_claim claim = {.credential_id = x->peer.credential_id, .app_id = app_id, .stem = x->request.from};
  switch (gh_subscription_check(x, &claim)) {
  case GH_SUBSCRIPTION_NONE: return assign_stem(x, stem);
  case GH_SUBSCRIPTION_ALLOWS: *stem = claim.stem; return GH_RSC_OK;
  case GH_SUBSCRIPTION_REFUSES: break;
  }
  return refuse(x, GH_RSC_APP_RULE_VALIDATION_FAILED, "no-rule-for-credential",
                "no rule lets this credential register this App-ID and AE-ID");
}

static int create(gh_exchange *x, const gh_node *parent, gh_val *attrs)
{
  (void)parent;
  gh_str app_id = GH_STR_NONE, stem = GH_STR_NONE;
  /*= TS-0004 7.4.5.2.1 App-ID begins with R, r or N */
  if (!gh_val_get_str(attrs, GH_STR("api"), &app_id) || !gh_app_id_valid(app_id))
    return refuse(x, GH_RSC_BAD_REQUEST, "app-id", "api must begin with R, r or N");
  if (x->peer.kind == GH_PEER_CSE)
    return refuse(x, GH_RSC_OPERATION_NOT_ALLOWED, "cse-as-ae", "a CSE cannot register an AE");
  int rsc = choose_stem(x, app_id, &stem);
  if (rsc != GH_RSC_OK) return rsc;
  if (!gh_stem_valid(stem)) return refuse(x, GH_RSC_BAD_REQUEST, "stem", "fr is not an AE-ID-Stem");
  gh_node *same = gh_tree_by_id(x->host->tree, x->view, stem);
  gh_node_unref(same);
  /*= TS-0004 7.4.5.2.1 an AE-ID registers once */
  if (same)
    return refuse(x, GH_RSC_ORIGINATOR_HAS_ALREADY_REGISTERED, "already-registered",
                  "this AE-ID is registered already");
  if (gh_id_absolute(&x->arena, &x->host->config.self, stem, &x->new_creator) != GH_OK)
    return gh_refuse(x, GH_RSC_BAD_REQUEST, "fr is not an AE-ID-Stem");
  x->new_id = stem;
  x->originator = x->new_creator;
  x->assigned_ae_id = x->new_creator;
  x->new_extra = x->peer.credential_id;
  x->change_audited = true;
  gh_val_set(&x->arena, attrs, GH_STR("aei"), gh_val_str(&x->arena, stem));
  return GH_RSC_OK;
}

typedef struct binding {
  gh_str credential_id, ae_id;
} binding;

static void remember(gh_host *host, void *ctx)
{
  const binding *b = ctx;
  gh_id_map_set(host->credentials, b->credential_id, b->ae_id);
}

static void forget(gh_host *host, void *ctx)
{
  const binding *b = ctx;
  gh_id_map_set(host->credentials, b->credential_id, GH_STR_NONE);
}

static void drop(void *ctx)
{
  binding *b = ctx;
  gh_str_release(&b->credential_id);
  gh_str_release(&b->ae_id);
  free(b);
}

static binding *new_binding(gh_str credential_id, gh_str ae_id)
{
  binding *b = gh_calloc(1, sizeof *b);
  *b = (binding){gh_str_clone(credential_id), gh_str_clone(ae_id)};
  return b;
}

/*= TS-0003 8.2.1 the credential is bound to the AE-ID it was given */
static int created(gh_exchange *x, const gh_node *parent, const gh_node *node)
{
  (void)parent;
  if (node->extra.len) gh_host_after_commit(x->host, remember, drop, new_binding(node->extra, node->creator));
  return GH_RSC_OK;
}

static void loaded(gh_host *host, const gh_node *node)
{
  if (node->extra.len) gh_id_map_set(host->credentials, node->extra, node->creator);
}

static int update(gh_exchange *x, const gh_node *target, gh_val *merged, const gh_val *changes)
{
  (void)merged;
  /*= TS-0001 9.6.5 pointOfAccess is for the AE itself */
  if (gh_val_get(changes, GH_STR("poa")) && !gh_str_eq(x->originator, target->creator))
    return refuse(x, GH_RSC_ORIGINATOR_HAS_NO_PRIVILEGE, "poa-of-another", "not permitted");
  return GH_RSC_OK;
}

static int deregister(gh_exchange *x, const gh_node *target)
{
  x->change_audited = true;
  if (target->extra.len) gh_host_after_commit(x->host, forget, drop, new_binding(target->extra, GH_STR_NONE));
  return GH_RSC_OK;
}

const gh_type_ops gh_ae_ops = {
    .ty = GH_TY_AE, .create = create, .created = created, .update = update, .remove = deregister, .loaded = loaded};
