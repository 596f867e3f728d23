/* <enrolee>: what the operator tells the MEF of a device before it comes: KpmID, Kpm, whom it will stand for, with
 * whom its keys may be shared. Our own type: the standard leaves the coordination with the administrating stakeholder
 * open (TS-0003 8.3.1.2 phase 3). */
#include "mef/mef.h"

#include "base/encoding.h"
#include "m2m/constants.h"
#include "m2m/key_id.h"

enum { KPM_MIN_BYTES = 16 };

static int take_kpm(gh_exchange *x, gh_val *attrs, gh_secret *key)
{
  gh_str text;
  uint8_t octets[GH_SECRET_MAX_BYTES];
  size_t len = 0;
  if (!gh_val_get_str(attrs, GH_STR("kv"), &text)) return gh_refuse(x, GH_RSC_BAD_REQUEST, "kv is missing");
  gh_err err = gh_base64_decode(text, octets, sizeof octets, &len);
  bool ok = err == GH_OK && len >= KPM_MIN_BYTES && gh_secret_set(key, octets, len) == GH_OK;
  gh_wipe(octets, sizeof octets);
  gh_val_remove(attrs, GH_STR("kv")); /* the resource never holds it */
  return ok ? GH_RSC_OK : gh_refuse(x, GH_RSC_CONTENTS_UNACCEPTABLE, "kv must be base64 of 16 to 64 octets");
}

/* "//sp/.." of this SP, or empty. */
static int take_owner(gh_exchange *x, gh_val *attrs, gh_str *owner)
{
  gh_str text = GH_STR_NONE;
  *owner = GH_STR_NONE;
  if (!gh_val_get_str(attrs, GH_STR("enid"), &text)) return GH_RSC_OK;
  gh_id id = gh_id_parse(text);
  bool named = id.kind == GH_ID_AE_C || id.kind == GH_ID_AE_S || id.kind == GH_ID_CSE;
  bool ok = named && id.scope == GH_SCOPE_ABSOLUTE &&
            gh_id_absolute(&x->arena, &x->host->config.self, text, owner) == GH_OK;
  if (ok) gh_val_set(&x->arena, attrs, GH_STR("enid"), gh_val_str(&x->arena, *owner));
  return ok ? GH_RSC_OK : gh_refuse(x, GH_RSC_CONTENTS_UNACCEPTABLE, "enid must be an absolute AE-ID or CSE-ID");
}

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

static int store_kpm(gh_exchange *x, const gh_val *attrs, gh_str id, gh_str owner, const gh_secret *key)
{
  gh_key_record r = {.kind = GH_KEY_KPM,
                     .id = id,
                     .suid = 10,
                     .owner = owner,
                     .key = *key,
                     .targets = words_of(x, gh_val_get(attrs, GH_STR("tgis"))),
                     .suids = words_of(x, gh_val_get(attrs, GH_STR("suids")))};
  gh_err err = gh_keyring_put(x->host, x->txn, &r);
  gh_secret_wipe(&r.key);
  return err == GH_OK ? GH_RSC_OK : gh_refuse(x, GH_RSC_INTERNAL_SERVER_ERROR, "the key could not be stored");
}

static int create(gh_exchange *x, const gh_node *parent, gh_val *attrs)
{
  (void)parent;
  gh_str text = GH_STR_NONE, owner;
  gh_key_id parsed;
  gh_secret key = {.len = 0};
  gh_val_get_str(attrs, GH_STR("syki"), &text);
  if (gh_key_id_parse(text, false, &parsed) != GH_OK)
    return gh_refuse(x, GH_RSC_BAD_REQUEST, "syki must be relative@FQDN");
  gh_str id = gh_key_id_canonical(&x->arena, &parsed);
  x->new_id = gh_arena_fmt(&x->arena, "enr-%.*s", GH_STR_ARG(gh_hex_upper(&x->arena, id.ptr, id.len)));
  gh_node *same = gh_tree_by_id(x->host->tree, x->view, x->new_id);
  gh_node_unref(same);
  if (same || gh_keyring_has(x->host->keyring, GH_KEY_KPM, id))
    return gh_refuse(x, GH_RSC_CONFLICT, "syki is in use");
  int rsc = take_owner(x, attrs, &owner);
  if (rsc == GH_RSC_OK) rsc = take_kpm(x, attrs, &key);
  if (rsc == GH_RSC_OK) rsc = store_kpm(x, attrs, id, owner, &key);
  gh_secret_wipe(&key);
  gh_val_set(&x->arena, attrs, GH_STR("syki"), gh_val_str(&x->arena, id));
  x->new_extra = id;
  x->change_audited = true;
  return rsc;
}

static int removed(gh_exchange *x, const gh_node *target)
{
  x->change_audited = true;
  if (gh_keyring_remove(x->host, x->txn, GH_KEY_KPM, target->extra, false) == GH_OK) return GH_RSC_OK;
  return gh_refuse(x, GH_RSC_INTERNAL_SERVER_ERROR, "the key could not be removed");
}

static gh_decision decide(const gh_exchange *x, const gh_node *target)
{
  (void)target;
  bool admin = gh_host_is_admin(x->host, &x->peer);
  return (gh_decision){.outcome = admin ? GH_PERMIT : GH_REFUSE,
                       .reason = admin ? "administrator" : "not-administrator"};
}

const gh_type_ops gh_enrolee_ops = {.ty = GH_TY_ENROLEE, .decide = decide, .create = create, .remove = removed};
