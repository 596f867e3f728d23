/* <accessControlPolicy>: an UPDATE is checked as strictly as its creation, and may not lock everybody out. */
#include "cse/cse.h"
#include "m2m/constants.h"

/*= TS-0003 7.1.1; TS-0001 9.6.2.0 rules must compile; pv beside adri or apri is contradictory */
static int check(gh_exchange *x, const gh_val *attrs, bool changed)
{
  gh_policy *pv = NULL, *pvs = NULL;
  gh_diag diag = {""};
  const gh_val *privileges = gh_val_get(attrs, GH_STR("pv")), *self = gh_val_get(attrs, GH_STR("pvs"));
  if (!privileges || !self) return gh_refuse(x, GH_RSC_BAD_REQUEST, "pv and pvs are mandatory");
  gh_err err = gh_policy_compile(privileges, &x->host->config.self, &pv, &diag);
  if (err == GH_OK) err = gh_policy_compile(self, &x->host->config.self, &pvs, &diag);
  bool bad = err != GH_OK;
  bool empty = !bad && gh_policy_rule_count(pvs) == 0;
  /*= TS-0003 7.1.1 somebody must be able to change the policy again */
  bool locked = !bad && changed && !gh_policy_is_changeable(pvs);
  gh_policy_free(pv);
  gh_policy_free(pvs);
  if (bad) return gh_refuse(x, err == GH_EUNSUPPORTED ? GH_RSC_NOT_IMPLEMENTED : GH_RSC_BAD_REQUEST, "%s", diag.text);
  if (empty) return gh_refuse(x, GH_RSC_BAD_REQUEST, "pvs needs at least one rule");
  if (locked) return gh_refuse(x, GH_RSC_BAD_REQUEST, "pvs would let nobody change this policy again");
  bool distributed =
      gh_val_get(attrs, GH_STR("adri")) || gh_val_get(attrs, GH_STR("apri")) || gh_val_get(attrs, GH_STR("airi"));
  if (distributed) return gh_refuse(x, GH_RSC_NOT_IMPLEMENTED, "adri, apri and airi are not supported");
  x->change_audited = true;
  return GH_RSC_OK;
}

static int create(gh_exchange *x, const gh_node *parent, gh_val *attrs)
{
  (void)parent;
  return check(x, attrs, false);
}

static int update(gh_exchange *x, const gh_node *target, gh_val *merged, const gh_val *changes)
{
  (void)target;
  return check(x, merged, gh_val_get(changes, GH_STR("pvs")) != NULL);
}

static int removed(gh_exchange *x, const gh_node *target)
{
  (void)target;
  x->change_audited = true;
  return GH_RSC_OK;
}

const gh_type_ops gh_access_control_policy_ops = {
    .ty = GH_TY_ACCESS_CONTROL_POLICY, .create = create, .update = update, .remove = removed};
