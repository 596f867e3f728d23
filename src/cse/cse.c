/* The table of the CSE's resource types; who its peers are; where its keys come from. */
#include "cse/cse.h"

#include "cse/ahead.h"
#include "cse/identify.h"
#include "cse/registration.h"
#include "host/id_map.h"
#include "host/fetch.h"
#include "host/local_key.h"
#include "host/serialization.h"
#include "m2m/constants.h"
#include "m2m/key_id.h"

/* A new resource type: a file with its gh_type_ops, and a row here. */
static const gh_type_ops *const types[] = {
    &gh_cse_base_ops,
    &gh_ae_ops,
    &gh_ae_annc_ops,
    &gh_container_ops,
    &gh_content_instance_ops,
    &gh_access_control_policy_ops,
    &gh_remote_cse_ops,
    &gh_association_key_ops,
    &gh_node_ops,
    &gh_service_subscription_profile_ops,
    &gh_service_subscribed_node_ops,
    &gh_service_subscribed_app_rule_ops,
};

/* Whom the administrator gave a key to, when another than the handshake proved it: a broker. */
static bool owner_of_kpsa(gh_host *host, gh_arena *arena, gh_str credential_id, gh_str *id)
{
  unsigned type;
  gh_str value;
  gh_key_id parsed;
  gh_key_record record = {.key = {.len = 0}};
  if (gh_credential_id_parse(credential_id, &type, &value) != GH_OK || type != GH_CRED_SAEF_KEY) return false;
  if (gh_key_id_parse(value, false, &parsed) != GH_OK) return false;
  gh_str key_id = gh_key_id_canonical(arena, &parsed);
  gh_err err = gh_keyring_find(host->keyring, arena, GH_KEY_KPSA, key_id, &record);
  gh_secret_wipe(&record.key);
  *id = record.owner;
  return err == GH_OK && gh_peer_kind_of(record.owner) == GH_PEER_AE;
}

/*= TS-0003 8.2.1 the same credential gets the AE-ID that was assigned to it before */
/*= TS-0010 7.2 the Credential-ID determines the AE-ID */
/*= TS-0003 8.2.1; 8.2.2.2 the certificate of a node or device that the provider configured for a CSE */
static bool cse_of_node(const gh_host *host, gh_str credential_id, gh_str *cse)
{
  for (size_t i = 0; i < host->config.node_cse_count; i++) {
    gh_str row = host->config.node_cses[i];
    size_t blank = gh_str_rfind(row, ' ');
    *cse = gh_str_sub(row, blank + 1, SIZE_MAX);
    if (gh_str_eq(gh_str_sub(row, 0, blank), credential_id)) return true;
  }
  return false;
}

static void become(gh_peer *peer, gh_peer_kind kind, gh_str id)
{
  peer->kind = kind;
  gh_str_release(&peer->id);
  peer->id = gh_str_clone(id);
}

static void settle_peer(gh_host *host, gh_peer *peer)
{
  gh_arena arena;
  gh_str ae_id, cse;
  gh_arena_init(&arena);
  bool of_node = peer->kind == GH_PEER_CREDENTIAL && gh_credential_is_of_node(peer->credential_id);
  if (of_node && cse_of_node(host, peer->credential_id, &cse)) become(peer, GH_PEER_CSE, cse);
  /* that of a node stands for all the AEs that registered with it: From says which */
  if (peer->kind == GH_PEER_CREDENTIAL && !of_node &&
      (gh_id_map_get(host->credentials, &arena, peer->credential_id, &ae_id) ||
       owner_of_kpsa(host, &arena, peer->credential_id, &ae_id))) {
    become(peer, GH_PEER_AE, ae_id);
    peer->assigned = true;
  }
  gh_arena_free(&arena);
}

/*= TS-0003 8.2.2.1; TS-0003 8.2.2.3 own keys first, then the MAF or MEF that the identity names, never anybody else
 */
static gh_err find_psk(gh_host *host, gh_psk_query *query)
{
  const gh_host_config *c = &host->config;
  gh_key_id parsed;
  query->why = "identity-malformed";
  GH_TRY(gh_key_id_parse(query->identity, false, &parsed));
  gh_arena arena;
  gh_arena_init(&arena);
  gh_err err = gh_local_key(host, &arena, GH_KEY_KPSA, gh_key_id_canonical(&arena, &parsed), GH_CRED_SAEF_KEY, query);
  /*= TS-0003 8.2.1 SA2: the registrar comes back with the key that this CSE registered for it */
  if (err == GH_ENOTFOUND)
    err = gh_local_key(host, &arena, GH_KEY_KC, gh_key_id_canonical(&arena, &parsed), GH_CRED_SAEF_KEY, query);
  if (err == GH_ENOTFOUND) {
    gh_fetch_options maf = {.entity = parsed.fqdn, .want_suid = 32};
    gh_fetch_options mef = {.entity = parsed.fqdn, .want_suid = 22, .is_mef = true};
    if (gh_host_lists(c->mafs, c->maf_count, parsed.fqdn))
      err = gh_fetch_psk(host->fetcher, &maf, query);
    else if (gh_host_lists(c->mefs, c->mef_count, parsed.fqdn))
      err = gh_fetch_psk(host->fetcher, &mef, query);
  }
  gh_arena_free(&arena);
  return err;
}

static bool skips_policies(const gh_exchange *x)
{
  /*= TS-0001 10.2.2.2; TS-0004 7.4.4.2.1 registration is not judged by access control policies */
  bool registers = x->request.ty == GH_TY_AE || x->request.ty == GH_TY_REMOTE_CSE || x->request.ty == GH_TY_AEANNC;
  return x->request.op == GH_OP_CREATE && registers;
}

static gh_node *registered_cse(gh_host *host, gh_arena *arena, gh_str cse)
{
  gh_node *node = gh_tree_by_id(host->tree, GH_VIEW_COMMITTED, gh_remote_cse_id(arena, &host->config.self, cse));
  bool theirs = node && node->ty == GH_TY_REMOTE_CSE && gh_str_eq(node->creator, cse);
  if (theirs) return node;
  gh_node_unref(node);
  return NULL;
}

static gh_val *base(gh_host *host, gh_arena *a)
{
  const gh_host_config *c = &host->config;
  gh_val *o = gh_val_object(a), *srt = gh_val_array(a), *srv = gh_val_array(a);
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) gh_val_push(srt, gh_val_int(a, types[i]->ty));
  gh_val_push(srv, gh_val_str(a, GH_STR("2a")));
  gh_val_push(srv, gh_val_str(a, GH_STR("3")));
  gh_val *poa = gh_val_array(a);
  for (size_t i = 0; i < c->point_count; i++) gh_val_push(poa, gh_val_str(a, c->points[i]));
  gh_val_set(a, o, GH_STR("rn"), gh_val_str(a, c->self.cse_rn));
  gh_val_set(a, o, GH_STR("ty"), gh_val_int(a, GH_TY_CSEBASE));
  gh_val_set(a, o, GH_STR("ri"), gh_val_str(a, c->self.cse_id));
  gh_val_set(a, o, GH_STR("pi"), gh_val_str(a, GH_STR("")));
  gh_val_set(a, o, GH_STR("csi"), gh_val_str(a, gh_arena_fmt(a, "/%.*s", GH_STR_ARG(c->self.cse_id))));
  gh_val_set(a, o, GH_STR("cst"), gh_val_int(a, c->cse_type));
  if (c->point_count) gh_val_set(a, o, GH_STR("poa"), poa);
  gh_val_set(a, o, GH_STR("srt"), srt);
  gh_val_set(a, o, GH_STR("srv"), srv);
  gh_val_set(a, o, GH_STR("csz"), gh_serialization_list(a, GH_REP_JSON));
  return o;
}

const gh_function gh_cse_function = {
    .name = "cse",
    .base_ty = GH_TY_CSEBASE,
    .forwards = true,
    .past_expiry_rsc = GH_RSC_BAD_REQUEST,
    .types = types,
    .type_count = sizeof types / sizeof *types,
    .identify = gh_cse_identify,
    .skips_policies = skips_policies,
    .ahead = gh_cse_ask_ahead,
    .base = base,
    .name_peer = gh_host_name_peer,
    .name_public_key = gh_host_name_public_key,
    .find_psk = find_psk,
    .registered_cse = registered_cse,
    .settle_peer = settle_peer,
    .serving = gh_registration_start,
    .stopping = gh_registration_stop,
    .closed = gh_registration_free,
};
