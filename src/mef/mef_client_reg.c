/* <mefClientReg>: the enrolment key of the association that registered (or updated) is recorded here
 * (TS-0003 8.3.2.1, 8.3.5.2.3). */
#include "mef/mef.h"

#include "crypto/kdf.h"
#include "m2m/constants.h"
#include "m2m/key_id.h"
#include "m2m/m2m_time.h"

/* What the operator allowed for this enrolee goes with its Ke; without a word: the realm's MAFs and CSE, SUIDs 21
 * and 22. */
static void inherit(gh_exchange *x, gh_key_record *ke)
{
  gh_key_record kpm = {.key = {.len = 0}};
  if (gh_keyring_find(x->host->keyring, &x->arena, GH_KEY_KPM, x->peer.key_id, &kpm) == GH_OK) {
    ke->targets = kpm.targets;
    ke->suids = kpm.suids;
  }
  gh_secret_wipe(&kpm.key);
  if (gh_str_empty(ke->suids)) ke->suids = GH_STR("21 22");
  if (!gh_str_empty(ke->targets)) return;
  const gh_host_config *c = &x->host->config;
  ke->targets = gh_arena_fmt(&x->arena, "//%.*s/%.*s", GH_STR_ARG(c->self.sp_fqdn), GH_STR_ARG(c->self.in_cse));
  for (size_t i = 0; i < c->maf_count; i++)
    ke->targets = gh_arena_fmt(&x->arena, "%.*s %.*s", GH_STR_ARG(ke->targets), GH_STR_ARG(c->mafs[i]));
}

/*= TS-0003 8.3.2.1; TS-0003 10.3.4 both sides derive Ke and KeID from the association */
static int take_key(gh_exchange *x, gh_val *attrs)
{
  uint8_t id[GH_EXPORT_ID_BYTES];
  gh_str et = GH_STR_NONE;
  if (x->peer.method != GH_METHOD_PSK || !x->has_export)
    return GH_RSC_OK; /* certificates: no symmetric enrolment key is asked for */
  gh_key_record ke = {
      .kind = GH_KEY_KE, .owner = x->peer.id, .credential_id = x->peer.credential_id, .key = {.len = 0}};
  gh_export_split(x->export_bootstrap, id, &ke.key);
  ke.id = gh_key_id_of_octets(&x->arena, id, x->host->config.fqdn);
  gh_key_id parsed;
  gh_err err = gh_key_id_parse(ke.id, false, &parsed);
  ke.id = gh_key_id_canonical(&x->arena, &parsed);
  gh_val_get_str(attrs, GH_STR("et"), &et);
  if (err == GH_OK) err = gh_timestamp_parse(et, &ke.not_after_us);
  inherit(x, &ke);
  if (err == GH_OK) err = gh_keyring_put(x->host, x->txn, &ke);
  gh_secret_wipe(&ke.key);
  x->new_extra = ke.id;
  x->trace = gh_arena_fmt(&x->arena, "KeID %.*s", GH_STR_ARG(ke.id)); /* an identifier, for the audit trail */
  return err == GH_OK ? GH_RSC_OK
                      : gh_refuse(x, GH_RSC_INTERNAL_SERVER_ERROR, "the enrolment key could not be stored");
}

static int drop_key(gh_exchange *x, const gh_node *registration)
{
  if (gh_str_empty(registration->extra)) return GH_RSC_OK;
  if (gh_keyring_remove(x->host, x->txn, GH_KEY_KE, registration->extra, false) == GH_OK) return GH_RSC_OK;
  return gh_refuse(x, GH_RSC_INTERNAL_SERVER_ERROR, "the enrolment key could not be removed");
}

static const gh_client_reg_rules rules = {{"mecr-", 5}, take_key, drop_key};

static int create(gh_exchange *x, const gh_node *parent, gh_val *attrs)
{
  (void)parent;
  return gh_client_reg_create(x, attrs, &rules);
}

/* Every registration has its command resource; with nothing to do it says NO_MORE_COMMANDS. */
static int add_command(gh_exchange *x, const gh_node *registration)
{
  gh_arena *a = &x->arena;
  gh_val *all = gh_val_object(a), *args = gh_val_object(a), *description = gh_val_object(a), *more = gh_val_object(a);
  gh_val *now = gh_val_str(a, gh_timestamp(a, gh_host_now_us(x->host)));
  gh_str ri = gh_arena_fmt(a, "mecm-%.*s", GH_STR_ARG(gh_str_sub(registration->ri, 5, SIZE_MAX)));
  gh_val_set(a, more, GH_STR("rtd"), gh_val_str(a, GH_STR("PT1H")));
  gh_val_set(a, args, GH_STR("nmca"), more);
  gh_val_set(a, description, GH_STR("ccid"), gh_val_int(a, 0));
  gh_val_set(a, description, GH_STR("cmar"), args);
  gh_val_set(a, all, GH_STR("rn"), gh_val_str(a, GH_STR("cmd")));
  gh_val_set(a, all, GH_STR("ty"), gh_val_int(a, GH_TY_MEF_CLIENT_CMD));
  gh_val_set(a, all, GH_STR("ri"), gh_val_str(a, ri));
  gh_val_set(a, all, GH_STR("pi"), gh_val_str(a, registration->ri));
  gh_val_set(a, all, GH_STR("ct"), now);
  gh_val_set(a, all, GH_STR("lt"), now);
  gh_val_set(a, all, GH_STR("cmid"), gh_val_int(a, 1));
  gh_val_set(a, all, GH_STR("cmde"), description);
  gh_val_set(a, all, GH_STR("cmst"), gh_val_int(a, 10));
  gh_node_draft draft = {.type = gh_type_by_number(GH_TY_MEF_CLIENT_CMD),
                         .seq = gh_tree_next_seq(x->host->tree),
                         .ri = ri,
                         .pi = registration->ri,
                         .rn = GH_STR("cmd"),
                         .creator = registration->creator,
                         .attrs = all};
  gh_node *node;
  if (gh_node_make(&draft, &x->host->config.self, &node, NULL) != GH_OK ||
      gh_tree_insert(x->host->tree, node) != GH_OK)
    return gh_refuse(x, GH_RSC_INTERNAL_SERVER_ERROR, "the command resource could not be made");
  return GH_RSC_OK;
}

static int created(gh_exchange *x, const gh_node *parent, const gh_node *node)
{
  (void)parent;
  int rsc = gh_client_reg_created(x, node);
  return rsc == GH_RSC_OK ? add_command(x, node) : rsc;
}

static int update(gh_exchange *x, const gh_node *target, gh_val *merged, const gh_val *changes)
{
  int rsc = drop_key(x, target); /* an enrolment key lives until the next one */
  return rsc == GH_RSC_OK ? gh_client_reg_update(x, target, merged, changes, &rules) : rsc;
}

static int deregister(gh_exchange *x, const gh_node *target)
{
  return gh_client_reg_remove(x, target, &rules);
}

const gh_type_ops gh_mef_client_reg_ops = {.ty = GH_TY_MEF_CLIENT_REG,
                                           .decide = gh_own_decide,
                                           .create = create,
                                           .created = created,
                                           .update = update,
                                           .remove = deregister,
                                           .loaded = gh_client_reg_loaded};
/*= TS-0003 8.3.9 a client reads commands; it neither creates nor deletes them */
const gh_type_ops gh_mef_client_cmd_ops = {.ty = GH_TY_MEF_CLIENT_CMD, .decide = gh_own_decide};
