/* The table of the MEF's resource types, and which keys it takes in a handshake: those of the enrolees. */
#include "mef/mef.h"

#include "host/local_key.h"
#include "m2m/constants.h"
#include "m2m/key_id.h"

static const gh_type_ops *const types[] = {&gh_mef_base_ops, &gh_mef_client_reg_ops, &gh_symm_key_reg_ops,
                                           &gh_mef_client_cmd_ops, &gh_enrolee_ops};

/*= TS-0003 8.3.2.1; TS-0003 8.3.5.2.2 psk_identity = KpmID, psk = Kpm */
static gh_err find_psk(gh_host *host, gh_psk_query *query)
{
  gh_key_id parsed;
  query->why = "identity-malformed";
  GH_TRY(gh_key_id_parse(query->identity, false, &parsed));
  gh_arena arena;
  gh_arena_init(&arena);
  gh_err err = gh_local_key(host, &arena, GH_KEY_KPM, gh_key_id_canonical(&arena, &parsed), GH_CRED_MEF_KEY, query);
  gh_arena_free(&arena);
  return err;
}

static gh_val *base(gh_host *host, gh_arena *arena)
{
  return gh_keyservice_base(host, arena, GH_TY_MEFBASE);
}

const gh_function gh_mef_function = {
    .name = "mef",
    .base_ty = GH_TY_MEFBASE,
    .past_expiry_rsc = GH_RSC_CONTENTS_UNACCEPTABLE,
    .types = types,
    .type_count = sizeof types / sizeof *types,
    .identify = gh_keyservice_identify,
    .prepare = gh_keyservice_prepare,
    .special = gh_fetch_credentials,
    .base = base,
    .name_peer = gh_host_name_peer,
    .find_psk = find_psk,
};

const gh_type_ops gh_mef_base_ops = {.ty = GH_TY_MEFBASE, .decide = gh_base_decide};
