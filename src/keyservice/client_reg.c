/* <mafClientReg> and <mefClientReg>: one for each client and administrating stakeholder (TS-0003 8.8.2.3
 * to 8.8.2.6, 8.3.5.2.3 to 8.3.5.2.6). */
#include "keyservice/keyservice.h"

#include "host/id_map.h"
#include "m2m/constants.h"
#include "m2m/m2m_time.h"

static gh_str pair_key(gh_arena *arena, gh_str creator, gh_str admin_fqdn)
{
  return gh_arena_fmt(arena, "%.*s %.*s", GH_STR_ARG(creator), GH_STR_ARG(admin_fqdn));
}

/* The live registration of (client, stakeholder), as the writer sees it. Reference or NULL. */
static gh_node *find(gh_exchange *x, gh_str creator, gh_str admin_fqdn)
{
  gh_str ri;
  if (!gh_id_map_get(x->host->credentials, &x->arena, pair_key(&x->arena, creator, admin_fqdn), &ri)) return NULL;
  return gh_tree_by_id(x->host->tree, x->view, ri);
}

gh_err gh_client_reg_find(gh_exchange *x, gh_str creator, gh_str admin_fqdn, int64_t *expires_us)
{
  gh_node *node = find(x, creator, admin_fqdn);
  GH_REQUIRE(node, GH_ENOTFOUND);
  *expires_us = node->expires_us;
  gh_node_unref(node);
  return GH_OK;
}

/* The proposal of the client, cut to what policy and credential allow: the answer is authoritative. */
static void cap_expiry(gh_exchange *x, gh_val *attrs)
{
  int64_t et = 0, cap = gh_host_now_us(x->host) + x->host->config.max_registration_us;
  gh_str text;
  if (gh_val_get_str(attrs, GH_STR("et"), &text) && gh_timestamp_parse(text, &et) != GH_OK) et = cap;
  if (x->peer.not_after_us && x->peer.not_after_us < cap) cap = x->peer.not_after_us;
  if (et == 0 || et > cap)
    gh_val_set(&x->arena, attrs, GH_STR("et"), gh_val_str(&x->arena, gh_timestamp(&x->arena, cap)));
}

/*= TS-0003 8.8.2.3; TS-0003 8.3.5.2.3 */
int gh_client_reg_create(gh_exchange *x, gh_val *attrs, const gh_client_reg_rules *rules)
{
  gh_str admin_fqdn = GH_STR_NONE;
  gh_val_get_str(attrs, GH_STR("adfq"), &admin_fqdn);
  if (!gh_str_eq_nocase(admin_fqdn, x->host->config.self.sp_fqdn))
    return gh_refuse(x, GH_RSC_RECEIVER_HAS_NO_PRIVILEGE, "adfq is no stakeholder of this function");
  admin_fqdn = x->host->config.self.sp_fqdn;
  gh_node *same = find(x, x->originator, admin_fqdn);
  gh_node_unref(same);
  if (same) return gh_refuse(x, GH_RSC_ORIGINATOR_HAS_ALREADY_REGISTERED, "registered already for this adfq");
  if (gh_random_id(&x->host->random, &x->arena, rules->id_prefix, 16, &x->new_id) != GH_OK)
    return gh_refuse(x, GH_RSC_INTERNAL_SERVER_ERROR, "no randomness");
  gh_val_set(&x->arena, attrs, GH_STR("adfq"), gh_val_str(&x->arena, admin_fqdn));
  gh_val_set(&x->arena, attrs, GH_STR("cr"), gh_val_str(&x->arena, x->originator));
  cap_expiry(x, attrs);
  x->change_audited = true;
  return rules->take_key(x, attrs);
}

int gh_client_reg_created(gh_exchange *x, const gh_node *node)
{
  gh_id_map_set(x->host->credentials, pair_key(&x->arena, node->creator, x->host->config.self.sp_fqdn), node->ri);
  return GH_RSC_OK;
}

void gh_client_reg_loaded(gh_host *host, const gh_node *node)
{
  gh_arena arena;
  gh_arena_init(&arena);
  gh_id_map_set(host->credentials, pair_key(&arena, node->creator, host->config.self.sp_fqdn), node->ri);
  gh_arena_free(&arena);
}

gh_val *gh_pick(gh_arena *arena, const gh_val *from, const gh_str *names, size_t count, const gh_val *only_if_in)
{
  gh_val *picked = gh_val_object(arena);
  for (size_t i = 0; i < count; i++) {
    gh_val *value = gh_val_get(from, names[i]);
    if (value && (!only_if_in || gh_val_get(only_if_in, names[i]))) gh_val_set(arena, picked, names[i], value);
  }
  return picked;
}

/*= TS-0003 8.8.2.5; TS-0003 8.3.5.2.5 the response holds what the request held, and a new KmID */
int gh_client_reg_update(gh_exchange *x, const gh_node *target, gh_val *merged, const gh_val *changes,
                         const gh_client_reg_rules *rules)
{
  (void)target;
  static const gh_str names[] = {{"et", 2}, {"lbl", 3}};
  if (changes->u.object.count == 0) return gh_refuse(x, GH_RSC_BAD_REQUEST, "et or lbl is needed");
  cap_expiry(x, merged);
  gh_str before = GH_STR_NONE, after = GH_STR_NONE;
  gh_val_get_str(merged, GH_STR("aski"), &before);
  int rsc = rules->take_key(x, merged);
  if (rsc != GH_RSC_OK) return rsc;
  gh_val_get_str(merged, GH_STR("aski"), &after);
  gh_val *shown = gh_pick(&x->arena, merged, names, 2, changes);
  if (after.len && !gh_str_eq(before, after))
    gh_val_set(&x->arena, shown, GH_STR("aski"), gh_val_str(&x->arena, after));
  x->response.pc = gh_val_wrap(&x->arena, gh_str_of(gh_type_by_number(x->target->ty)->root), shown);
  x->change_audited = true;
  return GH_RSC_OK;
}

/* Every key that this client registered for the stakeholder goes with the registration. */
static void remove_keys(gh_exchange *x, gh_str creator)
{
  gh_node *base = gh_tree_base(x->host->tree, x->view);
  size_t limit = gh_tree_count(x->host->tree);
  gh_node **all = GH_NEW_ARRAY(&x->arena, gh_node *, limit + 1);
  size_t count = base ? gh_tree_children(x->host->tree, x->view, base->ri, false, all, limit) : 0;
  for (size_t i = 0; i < count; i++) {
    bool own = all[i]->ty == GH_TY_SYMM_KEY_REG && gh_str_eq(all[i]->creator, creator);
    if (own && gh_symm_key_reg_ops.remove(x, all[i]) == GH_RSC_OK)
      gh_tree_remove(x->host->tree, all[i]->ri, NULL, NULL);
    gh_node_unref(all[i]);
  }
  gh_node_unref(base);
}

/*= TS-0003 8.8.2.6; TS-0003 8.3.5.2.6 */
int gh_client_reg_remove(gh_exchange *x, const gh_node *target, const gh_client_reg_rules *rules)
{
  int rsc = rules->drop_key(x, target);
  if (rsc != GH_RSC_OK) return rsc;
  remove_keys(x, target->creator);
  gh_id_map_set(x->host->credentials, pair_key(&x->arena, target->creator, x->host->config.self.sp_fqdn),
                GH_STR_NONE);
  x->change_audited = true;
  return GH_RSC_OK;
}
