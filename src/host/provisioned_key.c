/* Must never leave the key in a resource, an error text or a log. */
#include "host/provisioned_key.h"

#include "base/encoding.h"
#include "crypto/public_key_id.h"
#include "m2m/constants.h"
#include "m2m/key_id.h"
#include "m2m/m2m_time.h"

enum { KEY_MIN_BYTES = 16 }; /*= TS-0003 10.3 */

static int take_key(gh_exchange *x, gh_val *attrs, gh_secret *key)
{
  gh_str text;
  uint8_t octets[GH_SECRET_MAX_BYTES];
  size_t len = 0;
  if (!gh_val_get_str(attrs, GH_STR("kv"), &text)) return gh_refuse(x, GH_RSC_BAD_REQUEST, "kv is missing");
  gh_err err = gh_base64_decode(text, octets, sizeof octets, &len);
  bool ok = err == GH_OK && len >= KEY_MIN_BYTES && gh_secret_set(key, octets, len) == GH_OK;
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

/* `name`: of the attribute that holds the identifier. */
static int name_resource(gh_exchange *x, gh_val *attrs, gh_str name, const char *prefix, const gh_key_record *r)
{
  x->new_id = gh_arena_fmt(&x->arena, "%s%.*s", prefix, GH_STR_ARG(gh_hex_upper(&x->arena, r->id.ptr, r->id.len)));
  gh_node *same = gh_tree_by_id(x->host->tree, x->view, x->new_id);
  gh_node_unref(same);
  if (same || gh_keyring_has(x->host->keyring, r->kind, r->id))
    return gh_refuse(x, GH_RSC_CONFLICT, "the key identifier is in use");
  gh_val_set(&x->arena, attrs, name, gh_val_str(&x->arena, r->id));
  return GH_RSC_OK;
}

static int take_id(gh_exchange *x, gh_val *attrs, const char *prefix, gh_key_record *r)
{
  gh_str text = GH_STR_NONE;
  gh_key_id parsed;
  gh_val_get_str(attrs, GH_STR("syki"), &text);
  if (gh_key_id_parse(text, false, &parsed) != GH_OK)
    return gh_refuse(x, GH_RSC_BAD_REQUEST, "syki must be relative@FQDN");
  r->id = gh_key_id_canonical(&x->arena, &parsed);
  return name_resource(x, attrs, GH_STR("syki"), prefix, r);
}

static int take_public_key_id(gh_exchange *x, gh_val *attrs, const char *prefix, gh_key_record *r)
{
  gh_str text = GH_STR_NONE;
  gh_public_key_id parsed;
  gh_val_get_str(attrs, GH_STR("rpki"), &text);
  if (gh_val_get(attrs, GH_STR("syki")) || gh_val_get(attrs, GH_STR("kv")))
    return gh_refuse(x, GH_RSC_BAD_REQUEST, "rpki is instead of syki and kv");
  if (gh_public_key_id_parse(text, &parsed) != GH_OK)
    return gh_refuse(x, GH_RSC_CONTENTS_UNACCEPTABLE, "rpki must be an identifier of RFC 6920 with SHA-256");
  r->id = gh_public_key_id_value(&x->arena, &parsed);
  return name_resource(x, attrs, GH_STR("rpki"), prefix, r);
}

static int store(gh_exchange *x, gh_val *attrs, gh_key_record *r)
{
  gh_str until;
  if (gh_val_get_str(attrs, GH_STR("et"), &until) && gh_timestamp_parse(until, &r->not_after_us) != GH_OK)
    r->not_after_us = 0; /* never: the engine has checked it */
  x->new_extra = r->id;
  x->change_audited = true;
  if (gh_keyring_put(x->host, x->txn, r) == GH_OK) return GH_RSC_OK;
  return gh_refuse(x, GH_RSC_INTERNAL_SERVER_ERROR, "the key could not be stored");
}

int gh_provisioned_key_create(gh_exchange *x, gh_val *attrs, const char *prefix, gh_key_record *r)
{
  x->change_audited = true;
  int rsc = take_id(x, attrs, prefix, r);
  if (rsc == GH_RSC_OK) rsc = take_owner(x, attrs, &r->owner);
  if (rsc == GH_RSC_OK) rsc = take_key(x, attrs, &r->key);
  if (rsc == GH_RSC_OK) rsc = store(x, attrs, r);
  gh_secret_wipe(&r->key);
  gh_val_remove(attrs, GH_STR("kv"));
  return rsc;
}

int gh_provisioned_public_key_create(gh_exchange *x, gh_val *attrs, const char *prefix, gh_key_record *r)
{
  x->change_audited = true;
  int rsc = take_public_key_id(x, attrs, prefix, r);
  if (rsc == GH_RSC_OK) rsc = take_owner(x, attrs, &r->owner);
  return rsc == GH_RSC_OK ? store(x, attrs, r) : rsc;
}

int gh_provisioned_key_remove(gh_exchange *x, const gh_node *target, gh_key_kind kind)
{
  x->change_audited = true;
  if (gh_keyring_remove(x->host, x->txn, kind, target->extra, false) == GH_OK) return GH_RSC_OK;
  return gh_refuse(x, GH_RSC_INTERNAL_SERVER_ERROR, "the key could not be removed");
}

bool gh_provisioned_key_is_gone(gh_host *host, gh_str credential_id)
{
  const gh_host_config *c = &host->config;
  gh_key_record key = {.key = {.len = 0}};
  gh_key_id parsed;
  unsigned type;
  gh_str value;
  if (gh_credential_id_parse(credential_id, &type, &value) != GH_OK || type != GH_CRED_SAEF_KEY) return false;
  if (gh_key_id_parse(value, false, &parsed) != GH_OK) return true;
  if (gh_host_lists(c->mafs, c->maf_count, parsed.fqdn) || gh_host_lists(c->mefs, c->mef_count, parsed.fqdn))
    return false;
  gh_arena arena;
  gh_arena_init(&arena);
  gh_err err = gh_keyring_find(host->keyring, &arena, GH_KEY_KPSA, gh_key_id_canonical(&arena, &parsed), &key);
  gh_secret_wipe(&key.key);
  gh_arena_free(&arena);
  return err != GH_OK;
}

gh_decision gh_provisioned_key_decide(const gh_exchange *x, const gh_node *target)
{
  (void)target;
  bool admin = gh_host_is_admin(x->host, &x->peer);
  return (gh_decision){.outcome = admin ? GH_PERMIT : GH_REFUSE,
                       .reason = admin ? "administrator" : "not-administrator"};
}
