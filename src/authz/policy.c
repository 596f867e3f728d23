/* Owns the compilation of a set of access control rules at write time. Must never store a rule of which it did not
 * understand every member. */
#include "authz/policy.h"

#include <stdlib.h>

#define COUNT_OF(table) (sizeof(table) / sizeof((table)[0]))

enum { TY_MGMT_OBJ = 13, TY_FLEX_CONTAINER = 28, CND_MAX_BYTES = 1024 };

/* ---- accessControlObjectDetails */

static gh_err compile_type(gh_compile *c, const gh_val *value, void *out)
{
  int64_t ty;
  GH_TRY(gh_compile_int(c, value, 1, UINT32_MAX, &ty));
  *(uint32_t *)out = (uint32_t)ty;
  return GH_OK;
}

static gh_err compile_acod_ty(gh_compile *c, const gh_val *value, void *out)
{
  gh_acod *detail = out;
  return compile_type(c, value, &detail->target_ty);
}

static gh_err compile_chty(gh_compile *c, const gh_val *value, void *out)
{
  gh_acod *detail = out;
  void *items;
  GH_TRY(gh_compile_list(c, value, 1, sizeof(uint32_t), compile_type, &items, &detail->child_ty_count));
  detail->child_tys = items;
  return GH_OK;
}

static gh_err compile_cnd(gh_compile *c, const gh_val *value, void *out)
{
  gh_acod *detail = out;
  gh_str text;
  GH_TRY(gh_compile_text(c, value, CND_MAX_BYTES, &text));
  detail->cnd = gh_arena_dup(c->arena, text);
  return GH_OK;
}

static gh_err compile_mgd(gh_compile *c, const gh_val *value, void *out)
{
  gh_acod *detail = out;
  return gh_compile_int(c, value, 1, INT32_MAX, &detail->mgd);
}

static const gh_compile_member spty_members[] = {{"cnd", compile_cnd, false}, {"mgd", compile_mgd, false}};

static gh_err compile_spty(gh_compile *c, const gh_val *value, void *out)
{
  gh_acod *detail = out;
  GH_TRY(gh_compile_object(c, value, spty_members, COUNT_OF(spty_members), out));
  if ((detail->cnd.len > 0) == (detail->mgd > 0)) return gh_compile_fail(c, GH_ESYNTAX, "either cnd or mgd");
  return GH_OK;
}

/*= TS-0004 6.3.5.27; members of accessControlObjectDetails; childResourceType is compulsory */
static const gh_compile_member acod_members[] = {
    {"ty", compile_acod_ty, false}, {"spty", compile_spty, false}, {"chty", compile_chty, true}};

static gh_err compile_detail(gh_compile *c, const gh_val *value, void *out)
{
  gh_acod *detail = out;
  GH_TRY(gh_compile_object(c, value, acod_members, COUNT_OF(acod_members), out));
  /*= TS-0003 7.1.5; specializationType is due for mgmtObj and flexContainer */
  bool due = detail->target_ty == TY_MGMT_OBJ || detail->target_ty == TY_FLEX_CONTAINER;
  if (due && detail->cnd.len == 0 && detail->mgd == 0)
    return gh_compile_fail(c, GH_ESYNTAX, "type %u needs spty", (unsigned)detail->target_ty);
  return GH_OK;
}

/* ---- accessControlRule */

static gh_err compile_acor(gh_compile *c, const gh_val *value, void *out)
{
  gh_rule *rule = out;
  void *items;
  GH_TRY(gh_compile_list(c, value, 0, sizeof(gh_acor), gh_acor_compile, &items, &rule->originator_count));
  rule->originators = items;
  return GH_OK;
}

/*= TS-0004 6.3.4.2.29; accessControlOperations is a sum of bits */
static gh_err compile_acop(gh_compile *c, const gh_val *value, void *out)
{
  gh_rule *rule = out;
  int64_t mask;
  GH_TRY(gh_compile_int(c, value, 1, GH_ACOP_ALL, &mask));
  rule->operations = (uint8_t)mask;
  return GH_OK;
}

static gh_err compile_acco(gh_compile *c, const gh_val *value, void *out)
{
  gh_rule *rule = out;
  void *items;
  GH_TRY(gh_compile_list(c, value, 1, sizeof(gh_context), gh_context_compile, &items, &rule->context_count));
  rule->contexts = items;
  return GH_OK;
}

static gh_err compile_acaf(gh_compile *c, const gh_val *value, void *out)
{
  gh_rule *rule = out;
  if (value->type != GH_VAL_BOOL) return gh_compile_fail(c, GH_ESYNTAX, "must be true or false");
  rule->authenticated = value->u.boolean;
  return GH_OK;
}

static gh_err compile_acod(gh_compile *c, const gh_val *value, void *out)
{
  gh_rule *rule = out;
  void *items;
  GH_TRY(gh_compile_list(c, value, 1, sizeof(gh_acod), compile_detail, &items, &rule->detail_count));
  rule->details = items;
  return GH_OK;
}

/*= TS-0004 6.3.5.26; members of accessControlRule; aca is of Release 4 */
static const gh_compile_member rule_members[] = {{"acor", compile_acor, true},  {"acop", compile_acop, true},
                                                 {"acco", compile_acco, false}, {"acaf", compile_acaf, false},
                                                 {"acod", compile_acod, false}, {"aca", NULL, false}};

static gh_err compile_rule(gh_compile *c, const gh_val *value, void *out)
{
  return gh_compile_object(c, value, rule_members, COUNT_OF(rule_members), out);
}

/* ---- setOfAcrs */

static gh_err compile_acr(gh_compile *c, const gh_val *value, void *out)
{
  gh_policy *policy = out;
  void *items;
  if (value->type == GH_VAL_ARRAY && value->u.array.count > GH_RULES_MAX)
    return gh_compile_fail(c, GH_ELIMIT, "has over %d rules", GH_RULES_MAX);
  GH_TRY(gh_compile_list(c, value, 0, sizeof(gh_rule), compile_rule, &items, &policy->rule_count));
  policy->rules = items;
  return GH_OK;
}

static const gh_compile_member set_members[] = {{"acr", compile_acr, false}};

gh_err gh_policy_compile(const gh_val *set_of_acrs, const gh_self *self, gh_policy **out, gh_diag *diag)
{
  GH_REQUIRE(set_of_acrs, GH_EINVAL);
  gh_policy *policy = gh_calloc(1, sizeof(*policy));
  gh_arena_init(&policy->arena);
  gh_compile c = {.arena = &policy->arena, .self = self, .diag = diag};
  gh_err err = gh_compile_object(&c, set_of_acrs, set_members, COUNT_OF(set_members), policy);
  if (err != GH_OK) {
    gh_policy_free(policy);
    return err;
  }
  *out = policy;
  return GH_OK;
}

void gh_policy_free(gh_policy *policy)
{
  if (!policy) return;
  gh_arena_free(&policy->arena);
  free(policy);
}

size_t gh_policy_rule_count(const gh_policy *policy)
{
  return policy->rule_count;
}

static bool somebody(const gh_rule *rule)
{
  for (size_t i = 0; i < rule->originator_count; i++) {
    if (rule->originators[i].kind != GH_ACOR_NOBODY) return true;
  }
  return false;
}

bool gh_policy_is_changeable(const gh_policy *policy)
{
  for (size_t i = 0; i < policy->rule_count; i++) {
    if ((policy->rules[i].operations & GH_ACOP_UPDATE) && somebody(&policy->rules[i])) return true;
  }
  return false;
}
