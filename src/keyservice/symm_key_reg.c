/* <symmKeyReg>: a key that a source client registers and its targets retrieve (TS-0003 8.8.2.7 to 8.8.2.10, 8.3.5.2.7
 * to 8.3.5.2.10). The resource holds the targets in its private text; the key itself is in the keyring. */
#include "keyservice/keyservice.h"

#include "base/encoding.h"
#include "crypto/kdf.h"
#include "m2m/constants.h"
#include "m2m/key_id.h"
#include "m2m/m2m_time.h"

enum { TARGETS_MAX = 16 };

gh_str gh_own_key_id(gh_host *host, gh_arena *arena, gh_str relative)
{
  gh_key_id id = {relative, host->config.fqdn};
  return gh_key_id_canonical(arena, &id);
}

/* A MAF serves 32 to 35, a MEF 21 to 25. */
static bool serves(const gh_host *host, int64_t suid)
{
  return gh_suid_valid(suid) && suid / 10 == (host->function->base_ty == GH_TY_MAFBASE ? 3 : 2);
}

static bool target_form_ok(const gh_exchange *x, int64_t suid, gh_str target)
{
  if (suid == 21) return gh_host_lists(x->host->config.mafs, x->host->config.maf_count, target);
  gh_id id = gh_id_parse(target);
  return id.scope == GH_SCOPE_ABSOLUTE && (id.kind == GH_ID_AE_C || id.kind == GH_ID_AE_S || id.kind == GH_ID_CSE);
}

/*= TS-0003 8.8.1 exactly one target for SAEF, ESPrim and MAF; one or more for ESData */
static int take_targets(gh_exchange *x, int64_t suid, const gh_val *list, gh_str *words)
{
  size_t count = list ? list->u.array.count : 0;
  bool many = gh_suid_use_of((int)suid) == GH_USE_ESDATA_ENC || gh_suid_use_of((int)suid) == GH_USE_ESDATA_SIG;
  if (count == 0 || (!many && count != 1))
    return gh_refuse(x, GH_RSC_BAD_REQUEST, "tgis has the wrong number of targets for this suid");
  if (count > TARGETS_MAX)
    return gh_refuse(x, GH_RSC_CONTENTS_UNACCEPTABLE, "tgis has more than %d targets", TARGETS_MAX);
  gh_buf all = GH_BUF_INIT;
  int rsc = GH_RSC_OK;
  for (const gh_val *t = list->u.array.first; t && rsc == GH_RSC_OK; t = t->next) {
    gh_str id = t->type == GH_VAL_STR ? t->u.str : GH_STR_NONE;
    if (!target_form_ok(x, suid, id)) {
      rsc = gh_refuse(x, GH_RSC_CONTENTS_UNACCEPTABLE, "tgis holds a target that is not an absolute ID");
    } else {
      gh_str absolute = id;
      if (suid != 21 && gh_id_absolute(&x->arena, &x->host->config.self, id, &absolute) != GH_OK) absolute = id;
      if (all.len) gh_buf_add_char(&all, ' ');
      gh_buf_add(&all, absolute);
    }
  }
  *words = gh_arena_dup(&x->arena, gh_buf_str(&all));
  gh_buf_free(&all);
  return rsc;
}

/*= TS-0003 8.8.2.7 the key is the client's own, or both sides export it */
static int take_key(gh_exchange *x, gh_val *attrs, gh_str *relative, gh_secret *key)
{
  gh_str text;
  uint8_t octets[GH_SECRET_MAX_BYTES], id[GH_EXPORT_ID_BYTES];
  size_t len = 0;
  if (!gh_val_get_str(attrs, GH_STR("kv"), &text)) {
    if (!x->has_export) return gh_refuse(x, GH_RSC_BAD_REQUEST, "kv is missing and this association exports no key");
    gh_export_split(x->export_connection, id, key);
    *relative = gh_hex_upper(&x->arena, id, sizeof id);
    return GH_RSC_OK;
  }
  gh_err err = gh_base64_decode(text, octets, sizeof octets, &len);
  int rsc = GH_RSC_OK;
  if (err == GH_ELIMIT || (err == GH_OK && len < 16))
    rsc = gh_refuse(x, GH_RSC_CONTENTS_UNACCEPTABLE, "kv must have 16 to 64 octets");
  else if (err != GH_OK)
    rsc = gh_refuse(x, GH_RSC_BAD_REQUEST, "kv is not base64");
  else if (gh_secret_set(key, octets, len) != GH_OK ||
           gh_random_id(&x->host->random, &x->arena, GH_STR_NONE, 16, relative) != GH_OK)
    rsc = gh_refuse(x, GH_RSC_INTERNAL_SERVER_ERROR, "no randomness");
  gh_wipe(octets, sizeof octets);
  gh_val_remove(attrs, GH_STR("kv")); /* the resource never holds it */
  return rsc;
}

static int cap_expiry(gh_exchange *x, gh_val *attrs, int64_t registration_ends, int64_t *not_after)
{
  gh_str text = GH_STR_NONE;
  int64_t cap = gh_host_now_us(x->host) + x->host->config.max_key_us;
  gh_val_get_str(attrs, GH_STR("et"), &text);
  if (gh_timestamp_parse(text, not_after) != GH_OK) return gh_refuse(x, GH_RSC_BAD_REQUEST, "et is not a timestamp");
  if (registration_ends && registration_ends < cap) cap = registration_ends;
  if (x->peer.not_after_us && x->peer.not_after_us < cap) cap = x->peer.not_after_us;
  if (*not_after > cap) {
    *not_after = cap;
    gh_val_set(&x->arena, attrs, GH_STR("et"), gh_val_str(&x->arena, gh_timestamp(&x->arena, cap)));
  }
  return GH_RSC_OK;
}

static int store_key(gh_exchange *x, gh_str relative, int64_t suid, gh_str targets, int64_t not_after, gh_secret *key)
{
  gh_key_record r = {.kind = GH_KEY_REG,
                     .id = gh_own_key_id(x->host, &x->arena, relative),
                     .suid = (int)suid,
                     .owner = x->originator,
                     .credential_id = x->peer.credential_id,
                     .targets = targets,
                     .not_after_us = not_after,
                     .key = *key};
  gh_err err = gh_keyring_put(x->host, x->txn, &r);
  gh_secret_wipe(&r.key);
  return err == GH_OK ? GH_RSC_OK : gh_refuse(x, GH_RSC_INTERNAL_SERVER_ERROR, "the key could not be stored");
}

/* Only one exporter-based registration a session: the second would get the same identifier. */
static int check_unused(gh_exchange *x, gh_str relative)
{
  gh_str id = gh_own_key_id(x->host, &x->arena, relative);
  gh_node *same = gh_tree_by_id(x->host->tree, x->view, relative);
  bool used =
      same || gh_keyring_has(x->host->keyring, GH_KEY_REG, id) || gh_keyring_has(x->host->keyring, GH_KEY_GONE, id);
  gh_node_unref(same);
  if (!used) return GH_RSC_OK;
  x->decision = (gh_decision){.outcome = GH_REFUSE, .reason = "relative-key-id-used"};
  return gh_refuse(x, GH_RSC_CONFLICT, "this association has registered its exported key already");
}

static int create_reg(gh_exchange *x, const gh_node *parent, gh_val *attrs)
{
  (void)parent;
  int64_t suid = 0, registration_ends, not_after;
  gh_str admin_fqdn = GH_STR_NONE, targets = GH_STR_NONE, relative = GH_STR_NONE;
  gh_secret key = {.len = 0};
  gh_val_get_int(attrs, GH_STR("suid"), &suid);
  gh_val_get_str(attrs, GH_STR("adfq"), &admin_fqdn);
  if (!serves(x->host, suid)) return gh_refuse(x, GH_RSC_BAD_REQUEST, "suid is not served here");
  /*= TS-0003 8.8.2.7 a registered client of this stakeholder */
  if (!gh_str_eq_nocase(admin_fqdn, x->host->config.self.sp_fqdn) ||
      gh_client_reg_find(x, x->originator, x->host->config.self.sp_fqdn, &registration_ends) != GH_OK)
    return gh_refuse(x, GH_RSC_ORIGINATOR_HAS_NO_PRIVILEGE, "no client registration for this adfq");
  int rsc = take_targets(x, suid, gh_val_get(attrs, GH_STR("tgis")), &targets);
  if (rsc == GH_RSC_OK) rsc = cap_expiry(x, attrs, registration_ends, &not_after);
  if (rsc == GH_RSC_OK) rsc = take_key(x, attrs, &relative, &key);
  if (rsc == GH_RSC_OK) rsc = check_unused(x, relative);
  if (rsc == GH_RSC_OK) {
    gh_val_set(&x->arena, attrs, GH_STR("cr"), gh_val_str(&x->arena, x->originator));
    x->new_id = x->new_name = relative;
    x->new_extra = targets;
    x->change_audited = true;
    rsc = store_key(x, relative, suid, targets, not_after, &key);
  }
  gh_secret_wipe(&key);
  return rsc;
}

/* A target sees the key and not the other targets; the source and an administrator see the targets and not the key.
 */
static int retrieve_reg(gh_exchange *x, const gh_node *target, gh_val *attrs)
{
  bool as_target = x->request.op == GH_OP_RETRIEVE && gh_words_have(target->extra, x->originator);
  if (!as_target) return GH_RSC_OK;
  gh_key_record r = {.key = {.len = 0}};
  if (gh_keyring_find(x->host->keyring, &x->arena, GH_KEY_REG, gh_own_key_id(x->host, &x->arena, target->ri), &r) !=
      GH_OK)
    return gh_refuse(x, GH_RSC_NOT_FOUND, "no such resource");
  /*= TS-0003 8.8.2.8 */
  gh_val_set(&x->arena, attrs, GH_STR("kv"), gh_val_str(&x->arena, gh_base64(&x->arena, r.key.bytes, r.key.len)));
  gh_val_remove(attrs, GH_STR("tgis"));
  gh_secret_wipe(&r.key);
  return GH_RSC_OK;
}

/*= TS-0003 8.8.2.9 */
static int update_reg(gh_exchange *x, const gh_node *target, gh_val *merged, const gh_val *changes)
{
  static const gh_str names[] = {{"et", 2}, {"lbl", 3}, {"tgis", 4}};
  int64_t suid = 0, registration_ends = 0, not_after;
  gh_str targets, id = gh_own_key_id(x->host, &x->arena, target->ri);
  gh_key_record r = {.key = {.len = 0}};
  if (changes->u.object.count == 0) return gh_refuse(x, GH_RSC_BAD_REQUEST, "et, lbl or tgis is needed");
  if (gh_client_reg_find(x, target->creator, x->host->config.self.sp_fqdn, &registration_ends) != GH_OK)
    return gh_refuse(x, GH_RSC_ORIGINATOR_HAS_NO_PRIVILEGE, "no client registration for this adfq");
  gh_val_get_int(merged, GH_STR("suid"), &suid);
  int rsc = take_targets(x, suid, gh_val_get(merged, GH_STR("tgis")), &targets);
  if (rsc == GH_RSC_OK) rsc = cap_expiry(x, merged, registration_ends, &not_after);
  if (rsc != GH_RSC_OK) return rsc;
  if (gh_keyring_find(x->host->keyring, &x->arena, GH_KEY_REG, id, &r) != GH_OK)
    return gh_refuse(x, GH_RSC_NOT_FOUND, "no such resource");
  rsc = store_key(x, target->ri, suid, targets, not_after, &r.key);
  gh_secret_wipe(&r.key);
  x->new_extra = targets;
  x->change_audited = true;
  x->response.pc = gh_val_wrap(&x->arena, GH_STR("sec:skr"), gh_pick(&x->arena, merged, names, 3, changes));
  return rsc;
}

/*= TS-0003 8.8.2.10 the identifier never comes back; associations built on the key end */
static int remove_reg(gh_exchange *x, const gh_node *target)
{
  gh_err err = gh_keyring_remove(x->host, x->txn, GH_KEY_REG, gh_own_key_id(x->host, &x->arena, target->ri), true);
  x->change_audited = true;
  return err == GH_OK ? GH_RSC_OK : gh_refuse(x, GH_RSC_INTERNAL_SERVER_ERROR, "the key could not be removed");
}

/*= TS-0003 8.3.5.2.7; TS-0003 8.3.5.2.8 the same procedures as at a MAF, with SUIDs 21 to 25 */
const gh_type_ops gh_symm_key_reg_ops = {.ty = GH_TY_SYMM_KEY_REG,
                                         .decide = gh_symm_key_reg_decide,
                                         .create = create_reg,
                                         .update = update_reg,
                                         .retrieve = retrieve_reg,
                                         .remove = remove_reg};

gh_val *gh_keyservice_base(gh_host *host, gh_arena *a, uint32_t ty)
{
  gh_val *o = gh_val_object(a), *srt = gh_val_array(a), *srv = gh_val_array(a);
  for (size_t i = 0; i < host->function->type_count; i++)
    if (host->function->types[i]->ty != GH_TY_ENROLEE) gh_val_push(srt, gh_val_int(a, host->function->types[i]->ty));
  gh_val_push(srv, gh_val_str(a, GH_STR("2a")));
  gh_val_push(srv, gh_val_str(a, GH_STR("3")));
  gh_val_set(a, o, GH_STR("rn"), gh_val_str(a, host->config.self.cse_rn));
  gh_val_set(a, o, GH_STR("ty"), gh_val_int(a, ty));
  gh_val_set(a, o, GH_STR("ri"), gh_val_str(a, host->config.self.cse_rn));
  gh_val_set(a, o, GH_STR("fqdn"), gh_val_str(a, host->config.fqdn));
  gh_val_set(a, o, GH_STR("srt"), srt);
  gh_val_set(a, o, GH_STR("srv"), srv);
  return o;
}
