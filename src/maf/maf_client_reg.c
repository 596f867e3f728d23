/* <mafClientReg>: a client that comes with a key from the MEF is given a KmID for all later associations
 * (TS-0003 8.8.2.3, 8.8.2.5). */
#include "maf/maf.h"

#include "host/fetch.h"
#include "m2m/constants.h"
#include "m2m/key_id.h"

/* The key of this association, still held from the handshake, becomes Km under a new KmID. */
static int store_km(gh_exchange *x, gh_str km_id)
{
  gh_key_record r = {.kind = GH_KEY_KM, .id = km_id, .suid = 21, .owner = x->peer.id, .key = {.len = 0}};
  if (x->peer.kind == GH_PEER_CREDENTIAL) r.credential_id = x->peer.credential_id;
  if (gh_fetch_key(x->host->fetcher, x->peer.key_id, &r.key, &r.not_after_us) != GH_OK)
    return gh_refuse(x, GH_RSC_ORIGINATOR_HAS_NO_PRIVILEGE, "the key of this association is not held any more");
  gh_err err = gh_keyring_put(x->host, x->txn, &r);
  gh_secret_wipe(&r.key);
  return err == GH_OK ? GH_RSC_OK : gh_refuse(x, GH_RSC_INTERNAL_SERVER_ERROR, "the key could not be stored");
}

static int drop_km(gh_exchange *x, const gh_val *attrs)
{
  gh_str km_id;
  if (!gh_val_get_str(attrs, GH_STR("aski"), &km_id)) return GH_RSC_OK;
  gh_key_id parsed;
  if (gh_key_id_parse(km_id, false, &parsed) != GH_OK) return GH_RSC_OK;
  gh_err err = gh_keyring_remove(x->host, x->txn, GH_KEY_KM, gh_key_id_canonical(&x->arena, &parsed), false);
  return err == GH_OK ? GH_RSC_OK : gh_refuse(x, GH_RSC_INTERNAL_SERVER_ERROR, "the key could not be removed");
}

/*= TS-0003 10.6 KmID = MAF_RELATIVE_KmID@MAF-FQDN */
static int take_key(gh_exchange *x, gh_val *attrs)
{
  gh_str relative;
  if (!x->peer.provisional) return GH_RSC_OK;
  if (gh_random_id(&x->host->random, &x->arena, GH_STR_NONE, 12, &relative) != GH_OK)
    return gh_refuse(x, GH_RSC_INTERNAL_SERVER_ERROR, "no randomness");
  gh_str km_id = gh_own_key_id(x->host, &x->arena, relative);
  int rsc = drop_km(x, attrs);
  if (rsc == GH_RSC_OK) rsc = store_km(x, km_id);
  if (rsc == GH_RSC_OK) gh_val_set(&x->arena, attrs, GH_STR("aski"), gh_val_str(&x->arena, km_id));
  return rsc;
}

static int drop_key(gh_exchange *x, const gh_node *registration)
{
  gh_val *attrs;
  if (gh_node_attrs(&x->arena, registration, &attrs) != GH_OK)
    return gh_refuse(x, GH_RSC_INTERNAL_SERVER_ERROR, "the registration is damaged");
  return drop_km(x, attrs);
}

static const gh_client_reg_rules rules = {{"macr-", 5}, take_key, drop_key};

static int create(gh_exchange *x, const gh_node *parent, gh_val *attrs)
{
  (void)parent;
  return gh_client_reg_create(x, attrs, &rules);
}

static int created(gh_exchange *x, const gh_node *parent, const gh_node *node)
{
  (void)parent;
  return gh_client_reg_created(x, node);
}

static int update(gh_exchange *x, const gh_node *target, gh_val *merged, const gh_val *changes)
{
  return gh_client_reg_update(x, target, merged, changes, &rules);
}

static int deregister(gh_exchange *x, const gh_node *target)
{
  return gh_client_reg_remove(x, target, &rules);
}

const gh_type_ops gh_maf_client_reg_ops = {.ty = GH_TY_MAF_CLIENT_REG,
                                           .decide = gh_own_decide,
                                           .create = create,
                                           .created = created,
                                           .update = update,
                                           .remove = deregister,
                                           .loaded = gh_client_reg_loaded};
