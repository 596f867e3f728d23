/* The table of the MAF's resource types, and which keys it takes in a handshake: its own Km, or a key that the MEF
 * holds. */
#include "maf/maf.h"

#include "host/fetch.h"
#include "host/local_key.h"
#include "m2m/constants.h"
#include "m2m/key_id.h"

static const gh_type_ops *const types[] = {&gh_maf_base_ops, &gh_maf_client_reg_ops, &gh_symm_key_reg_ops};

/*= TS-0003 8.8.2.2 psk_identity = KmID; TS-0003 8.8.2.3 at the first contact it is the KeID, and the key comes from
 * the MEF */
static gh_err find_psk(gh_host *host, gh_psk_query *query)
{
  gh_key_id parsed;
  query->why = "identity-malformed";
  GH_TRY(gh_key_id_parse(query->identity, false, &parsed));
  gh_arena arena;
  gh_arena_init(&arena);
  gh_err err = gh_local_key(host, &arena, GH_KEY_KM, gh_key_id_canonical(&arena, &parsed), GH_CRED_MAF_KEY, query);
  gh_fetch_options mef = {.entity = parsed.fqdn, .want_suid = 21, .is_mef = true, .provisional = true};
  if (err == GH_ENOTFOUND && gh_host_lists(host->config.mefs, host->config.mef_count, parsed.fqdn))
    err = gh_fetch_psk(host->fetcher, &mef, query);
  gh_arena_free(&arena);
  return err;
}

static gh_val *base(gh_host *host, gh_arena *arena)
{
  return gh_keyservice_base(host, arena, GH_TY_MAFBASE);
}

const gh_function gh_maf_function = {
    .name = "maf",
    .base_ty = GH_TY_MAFBASE,
    .past_expiry_rsc = GH_RSC_CONTENTS_UNACCEPTABLE,
    .types = types,
    .type_count = sizeof types / sizeof *types,
    .identify = gh_keyservice_identify,
    .prepare = gh_keyservice_prepare,
    .base = base,
    .name_peer = gh_host_name_peer,
    .find_psk = find_psk,
};

const gh_type_ops gh_maf_base_ops = {.ty = GH_TY_MAFBASE, .decide = gh_base_decide};
