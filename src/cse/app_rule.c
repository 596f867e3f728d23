/* The rules themselves: pure functions on their attributes. */
#include "cse/app_rule.h"

/* One star at a time: the last one seen is stretched when what follows does not fit. */
bool gh_wildcard_matches(gh_str pattern, gh_str text)
{
  size_t p = 0, t = 0, star = SIZE_MAX, stretched = 0;
  while (t < text.len) {
    if (p < pattern.len && pattern.ptr[p] == '*') {
      star = p++;
      stretched = t;
    } else if (p < pattern.len && pattern.ptr[p] == text.ptr[t]) {
      p++;
      t++;
    } else if (star != SIZE_MAX) {
      p = star + 1;
      t = ++stretched;
    } else {
      return false;
    }
  }
  while (p < pattern.len && pattern.ptr[p] == '*') p++;
  return p == pattern.len;
}

static const gh_val *list_of(const gh_val *rule, const char *name)
{
  const gh_val *list = gh_val_get(rule, gh_str_of(name));
  return list && list->type == GH_VAL_ARRAY ? list : NULL;
}

static bool any_matches(const gh_val *list, gh_str text)
{
  for (const gh_val *v = list ? list->u.array.first : NULL; v; v = v->next)
    if (v->type == GH_VAL_STR && gh_wildcard_matches(v->u.str, text)) return true;
  return false;
}

/*= TS-0001 9.6.29 without applicableCredIDs the rule is for registrations without an association, and only those */
static bool credential_allowed(const gh_val *rule, gh_str credential_id)
{
  const gh_val *list = list_of(rule, "apci");
  if (gh_str_empty(credential_id)) return list == NULL;
  return any_matches(list, credential_id);
}

bool gh_app_rule_allows(const gh_val *rule, const gh_app_claim *claim)
{
  return credential_allowed(rule, claim->credential_id) && any_matches(list_of(rule, "aai"), claim->app_id) &&
         any_matches(list_of(rule, "aae"), claim->stem);
}

static bool lists(const gh_val *list, gh_str text)
{
  for (const gh_val *v = list && text.len ? list->u.array.first : NULL; v; v = v->next)
    if (v->type == GH_VAL_STR && gh_str_eq(v->u.str, text)) return true;
  return false;
}

bool gh_app_rule_names(const gh_val *rule, const gh_app_claim *claim)
{
  return lists(list_of(rule, "apci"), claim->credential_id) && lists(list_of(rule, "aae"), claim->stem);
}

bool gh_app_rule_assigns(const gh_val *rule, gh_str credential_id, gh_str app_id, gh_str *stem)
{
  const gh_val *stems = list_of(rule, "aae");
  if (!credential_allowed(rule, credential_id) || !any_matches(list_of(rule, "aai"), app_id)) return false;
  if (!stems || stems->u.array.count != 1 || stems->u.array.first->type != GH_VAL_STR) return false;
  *stem = stems->u.array.first->u.str;
  return gh_str_find(*stem, '*') == SIZE_MAX && gh_stem_valid(*stem);
}
