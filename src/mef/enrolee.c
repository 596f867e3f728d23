/* <enrolee>: what the operator tells the MEF of a device before it comes: KpmID, Kpm, whom it will stand for, with
 * whom its keys may be shared. Our own type: the standard leaves the coordination with the administrating stakeholder
 * open (TS-0003 8.3.1.2 phase 3). */
#include "host/provisioned_key.h"
#include "m2m/constants.h"
#include "mef/mef.h"

static gh_str words_of(gh_exchange *x, const gh_val *list)
{
  gh_buf words = GH_BUF_INIT;
  for (const gh_val *v = list ? list->u.array.first : NULL; v; v = v->next) {
    if (words.len) gh_buf_add_char(&words, ' ');
    if (v->type == GH_VAL_STR) gh_buf_add(&words, v->u.str);
    if (v->type == GH_VAL_INT) gh_buf_fmt(&words, "%d", (int)v->u.integer);
  }
  gh_str text = gh_arena_dup(&x->arena, gh_buf_str(&words));
  gh_buf_free(&words);
  return text;
}

static int create(gh_exchange *x, const gh_node *parent, gh_val *attrs)
{
  (void)parent;
  gh_key_record record = {.kind = GH_KEY_KPM,
                          .suid = 10,
                          .targets = words_of(x, gh_val_get(attrs, GH_STR("tgis"))),
                          .suids = words_of(x, gh_val_get(attrs, GH_STR("suids")))};
  return gh_provisioned_key_create(x, attrs, "enr-", &record);
}

static int removed(gh_exchange *x, const gh_node *target)
{
  return gh_provisioned_key_remove(x, target, GH_KEY_KPM);
}

const gh_type_ops gh_enrolee_ops = {
    .ty = GH_TY_ENROLEE, .decide = gh_provisioned_key_decide, .create = create, .remove = removed};
