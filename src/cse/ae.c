/* <AE>: registration binds the AE-ID to the identity of the association. */
#include "cse/ae_annc.h"
#include "cse/ae_binding.h"
#include "cse/ahead.h"
#include "cse/app_rule.h"
#include "cse/cse.h"

#include <stdlib.h>

#include "host/id_map.h"
#include "m2m/constants.h"
#include "m2m/key_id.h"

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
 * with a stem of its own or of our choice. */
static int assign_stem(gh_exchange *x, gh_str *stem)
{
  if (!x->host->config.open_registration || x->peer.kind == GH_PEER_NONE)
    return refuse(x, GH_RSC_SERVICE_SUBSCRIPTION_NOT_ESTABLISHED, "no-service-subscription",
                  "no service subscription lets this credential register");
  if (stem->len && stem->ptr[0] == 'S')
    return refuse(x, GH_RSC_APP_RULE_VALIDATION_FAILED, "s-type-not-assigned",
                  "S-type AE-IDs are assigned by the service provider");
  if (!asks_for_any(*stem)) return GH_RSC_OK;
  if (gh_random_id(&x->host->random, &x->arena, GH_STR("C"), 8, stem) != GH_OK)
    return gh_refuse(x, GH_RSC_INTERNAL_SERVER_ERROR, "no randomness");
  return GH_RSC_OK;
}

/* May this credential register as whom it says? Fills in the stem that it gets. */
static int check_claim(gh_exchange *x, gh_app_claim *claim)
{
  switch (gh_subscription_check(x, gh_self_cse_absolute(&x->arena, &x->host->config.self), claim)) {
  case GH_SUBSCRIPTION_NONE: return assign_stem(x, &claim->stem);
  case GH_SUBSCRIPTION_ALLOWS: return GH_RSC_OK;
  case GH_SUBSCRIPTION_REFUSES: break;
  }
  return refuse(x, GH_RSC_APP_RULE_VALIDATION_FAILED, "no-rule-for-credential",
                "no rule lets this credential register this App-ID and AE-ID");
}

static bool is_registered_with(gh_exchange *x, gh_str stem, gh_str credential_id)
{
  gh_node *ae = gh_tree_by_id(x->host->tree, x->view, stem);
  bool registered = ae && ae->ty == GH_TY_AE && gh_str_eq(ae->extra, credential_id);
  gh_node_unref(ae);
  return registered;
}

/* The stem that this credential had before, when it asks for none, or for one of that kind.
 * Two associations that were opened before either registered: the second learns here that the first did. */
static int recall_stem(gh_exchange *x, gh_str *before)
{
  gh_str from = x->request.from, credential_id = x->peer.credential_id;
  *before = GH_STR_NONE;
  if (gh_credential_is_of_node(credential_id) || !gh_ae_binding_recall(x, credential_id, before)) return GH_RSC_OK;
  if (is_registered_with(x, *before, credential_id)) {
    /*= TS-0003 8.2.1 a list of AE-IDs is for the certificates of nodes and devices alone */
    if (!asks_for_any(from) && !gh_str_eq(from, *before))
      return refuse(x, GH_RSC_ORIGINATOR_NOT_AUTHENTICATED, "from-is-another",
                    "this credential stands for another AE-ID");
    return refuse(x, GH_RSC_ORIGINATOR_HAS_ALREADY_REGISTERED, "already-registered",
                  "this AE-ID is registered already");
  }
  bool wanted = asks_for_any(from) && (gh_str_empty(from) || from.ptr[0] == before->ptr[0]);
  if (!wanted) *before = GH_STR_NONE;
  return GH_RSC_OK;
}

/* The stem that the IN-CSE gave, below it; it has judged credential, App-ID and stem together. */
static bool given_by_in_cse(const gh_exchange *x, gh_str *stem)
{
  const gh_cse_ahead *ahead = x->ahead;
  if (!ahead || gh_str_empty(ahead->stem)) return false;
  *stem = ahead->stem;
  return true;
}

/*= TS-0003 7.2.1; TS-0004 7.4.5.2.1 which AE-ID does this association get? *named: the credential itself, or a rule
 * that names both, says so. */
static int choose_stem(gh_exchange *x, gh_str app_id, gh_str *stem, bool *named)
{
  if (given_by_in_cse(x, stem)) {
    *named = true;
    return GH_RSC_OK;
  }
  *named = x->peer.kind == GH_PEER_AE;
  if (*named) return own_stem(x, x->peer.id, stem);
  gh_str before;
  int rsc = recall_stem(x, &before);
  if (rsc != GH_RSC_OK) return rsc;
  gh_app_claim claim = {.credential_id = x->peer.credential_id, .app_id = app_id, .stem = before};
  rsc = before.len ? check_claim(x, &claim) : GH_RSC_NOT_FOUND;
  if (rsc != GH_RSC_OK) {
    claim.stem = x->request.from;
    rsc = check_claim(x, &claim);
  }
  if (rsc != GH_RSC_OK) return rsc;
  *stem = claim.stem;
  *named = claim.named;
  return GH_RSC_OK;
}

/* Is there a resource with this identifier, an AE or the announcement of one? That of an AE which has left its
 * registrar makes way for the AE itself. */
static bool is_taken(gh_exchange *x, gh_str stem, bool *makes_way)
{
  gh_str holder;
  gh_node *same = gh_tree_by_id(x->host->tree, x->view, stem);
  *makes_way =
      same && same->ty == GH_TY_AEANNC && !gh_ae_annc_holder(&x->arena, &x->host->config.self, same, &holder);
  gh_node_unref(same);
  return same && !*makes_way;
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
  bool named = false, makes_way = false;
  int rsc = choose_stem(x, app_id, &stem, &named);
  if (rsc != GH_RSC_OK) return rsc;
  if (!gh_stem_valid(stem)) return refuse(x, GH_RSC_BAD_REQUEST, "stem", "fr is not an AE-ID-Stem");
  /*= TS-0004 7.4.5.2.1 an AE-ID registers once */
  if (is_taken(x, stem, &makes_way))
    return refuse(x, GH_RSC_ORIGINATOR_HAS_ALREADY_REGISTERED, "already-registered",
                  "this AE-ID is registered already");
  /*= TS-0001 10.2.2.2 step 002 i the AE whose stem this was may come back */
  if (!named && gh_ae_binding_is_of_another(x, x->peer.credential_id, stem))
    return refuse(x, GH_RSC_APP_RULE_VALIDATION_FAILED, "stem-of-another-credential",
                  "this AE-ID belongs to another credential");
  if (gh_id_absolute(&x->arena, &x->host->config.self, stem, &x->new_creator) != GH_OK)
    return gh_refuse(x, GH_RSC_BAD_REQUEST, "fr is not an AE-ID-Stem");
  /* no rule gives it away: its certificate alone bears it */
  if (gh_host_names_admin(x->host, x->new_creator) && !gh_host_is_admin(x->host, &x->peer))
    return refuse(x, GH_RSC_APP_RULE_VALIDATION_FAILED, "ae-id-of-administrator",
                  "this AE-ID belongs to another credential");
  if (makes_way) gh_tree_remove(x->host->tree, stem, NULL, NULL);
  x->new_id = stem;
  x->originator = x->new_creator;
  if (!gh_credential_is_of_node(x->peer.credential_id)) x->assigned_ae_id = x->new_creator;
  x->new_extra = x->peer.credential_id;
  x->change_audited = true;
  gh_val_set(&x->arena, attrs, GH_STR("aei"), gh_val_str(&x->arena, stem));
  return GH_RSC_OK;
}

typedef struct binding {
  gh_str credential_id, ae_id;
} binding;

/* How many AEs use the credential of a node: whom, the tree says. */
static void count(gh_host *host, gh_str credential_id, int more)
{
  gh_arena arena;
  gh_str before;
  gh_arena_init(&arena);
  uint64_t known = 0;
  bool first = !gh_id_map_get(host->credentials, &arena, credential_id, &before) || !gh_str_to_u64(before, &known);
  int64_t now = (first ? 0 : (int64_t)known) + more;
  gh_id_map_set(host->credentials, credential_id,
                now > 0 ? gh_arena_fmt(&arena, "%lld", (long long)now) : GH_STR_NONE);
  gh_arena_free(&arena);
}

static void note(gh_host *host, gh_str credential_id, gh_str ae_id)
{
  if (gh_credential_is_of_node(credential_id))
    count(host, credential_id, ae_id.len ? 1 : -1);
  else
    gh_id_map_set(host->credentials, credential_id, ae_id);
}

static void after_commit(gh_host *host, void *ctx)
{
  const binding *b = ctx;
  note(host, b->credential_id, b->ae_id);
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
  if (gh_ae_binding_keep(x, node->extra, node->ri) != GH_OK)
    return gh_refuse(x, GH_RSC_INTERNAL_SERVER_ERROR, "the AE-ID could not be kept");
  if (node->extra.len) gh_host_after_commit(x->host, after_commit, drop, new_binding(node->extra, node->creator));
  return GH_RSC_OK;
}

static void loaded(gh_host *host, const gh_node *node)
{
  if (node->extra.len) note(host, node->extra, node->creator);
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
  if (target->extra.len) gh_host_after_commit(x->host, after_commit, drop, new_binding(target->extra, GH_STR_NONE));
  return GH_RSC_OK;
}

const gh_type_ops gh_ae_ops = {
    .ty = GH_TY_AE, .create = create, .created = created, .update = update, .remove = deregister, .loaded = loaded};
