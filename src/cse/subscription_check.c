/* From this CSE to its <serviceSubscribedNode>, from there along ruleLinks to the rules. */
#include "cse/ahead.h"
#include "cse/app_rule.h"
#include "host/id_map.h"
#include "m2m/constants.h"

enum { IN_CSE = 1 };

static gh_val *attributes(gh_exchange *x, gh_node *node, uint32_t ty)
{
  gh_val *attrs = NULL;
  if (node && node->ty == ty && gh_node_attrs(&x->arena, node, &attrs) != GH_OK) attrs = NULL;
  gh_node_unref(node);
  return attrs;
}

static bool is_open_claim(gh_str stem, char kind)
{
  return gh_str_empty(stem) || (stem.len == 1 && stem.ptr[0] == kind);
}

/* A stem for who did not bring one: what the rule hands out, or one of the registrar's choice if the rule allows it.
 */
static bool settle_stem(gh_exchange *x, const gh_val *rule, gh_app_claim *claim)
{
  gh_app_claim with = *claim;
  bool open_c = is_open_claim(claim->stem, 'C'), open_s = is_open_claim(claim->stem, 'S');
  if (!open_c && !open_s) return gh_app_rule_allows(rule, claim);
  if (gh_app_rule_assigns(rule, claim->credential_id, claim->app_id, &with.stem)) {
    bool fits = (open_c && with.stem.ptr[0] == 'C') || (open_s && with.stem.ptr[0] == 'S');
    if (fits) claim->stem = with.stem;
    return fits;
  }
  /*= TS-0001 10.2.2.2 step 006a S-type stems are chosen by the IN-CSE */
  if (open_s && !open_c && x->host->config.cse_type != IN_CSE) return gh_app_rule_allows(rule, claim);
  gh_str letter = open_c ? GH_STR("C") : GH_STR("S");
  if (gh_random_id(&x->host->random, &x->arena, letter, 8, &with.stem) != GH_OK) return false;
  if (!gh_app_rule_allows(rule, &with)) return false;
  claim->stem = with.stem;
  return true;
}

static bool allows(gh_exchange *x, const gh_val *rule, gh_app_claim *claim)
{
  if (!settle_stem(x, rule, claim)) return false;
  claim->named = gh_app_rule_names(rule, claim);
  return true;
}

/* What the IN-CSE was asked for before (TS-0001 10.2.2.2 step 003). */
static gh_subscription_answer check_fetched(gh_exchange *x, gh_app_claim *claim)
{
  const gh_cse_ahead *ahead = x->ahead;
  if (!ahead || !ahead->subscribed) return GH_SUBSCRIPTION_NONE;
  for (const gh_val *rule = ahead->rules->u.array.first; rule; rule = rule->next)
    if (allows(x, rule, claim)) return GH_SUBSCRIPTION_ALLOWS;
  return GH_SUBSCRIPTION_REFUSES;
}

/*= TS-0004 7.3.2.7; TS-0001 10.2.2.2 */
gh_subscription_answer gh_subscription_check(gh_exchange *x, gh_str cse, gh_app_claim *claim)
{
  gh_str ri;
  gh_host *host = x->host;
  if (host->config.cse_type != IN_CSE) return check_fetched(x, claim);
  if (!gh_id_map_get(host->subscribed_nodes, &x->arena, cse, &ri)) return GH_SUBSCRIPTION_NONE;
  const gh_val *node = attributes(x, gh_tree_by_id(host->tree, x->view, ri), GH_TY_SERVICE_SUBSCRIBED_NODE);
  if (!node) return GH_SUBSCRIPTION_NONE;
  const gh_val *links = gh_val_get(node, GH_STR("rlk"));
  for (const gh_val *v = links && links->type == GH_VAL_ARRAY ? links->u.array.first : NULL; v; v = v->next) {
    if (v->type != GH_VAL_STR) continue;
    gh_node *found = gh_tree_by_address(host->tree, x->view, v->u.str);
    const gh_val *rule = attributes(x, found, GH_TY_SERVICE_SUBSCRIBED_APP_RULE);
    if (rule && allows(x, rule, claim)) return GH_SUBSCRIPTION_ALLOWS;
  }
  return GH_SUBSCRIPTION_REFUSES;
}
