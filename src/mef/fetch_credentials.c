/* RETRIEVE /fetchCredentials/<KeID>/<SUID>: an enrolment target obtains the key that this MEF derives for it from Ke
 * (TS-0003 8.3.2.1). */
#include "mef/mef.h"

#include "base/encoding.h"
#include "crypto/kdf.h"
#include "m2m/constants.h"
#include "m2m/json.h"
#include "m2m/key_id.h"
#include "m2m/m2m_time.h"

static int answer(gh_exchange *x, int rsc, gh_val *content)
{
  gh_buf text = GH_BUF_INIT;
  gh_json_write(&text, content);
  x->response.rsc = rsc;
  x->response.body = gh_arena_dup(&x->arena, gh_buf_str(&text));
  gh_buf_wipe_free(&text);
  return rsc;
}

static int refuse(gh_exchange *x, int rsc, const char *reason)
{
  gh_arena *a = &x->arena;
  gh_val *o = gh_val_object(a);
  gh_val_set(a, o, GH_STR("status"), gh_val_bool(a, false));
  gh_val_set(a, o, GH_STR("errorString"),
             gh_val_str(a, rsc == GH_RSC_NOT_FOUND ? GH_STR("unknown") : GH_STR("not permitted")));
  x->decision = (gh_decision){.outcome = GH_REFUSE, .reason = reason};
  gh_fail(&x->diag, GH_EAUTH, "%s", reason);
  return answer(x, rsc, o);
}

/* A MAF gets what serves towards a MAF (21), a CSE or AE what serves towards it (22 to 25). */
static bool fits(const gh_exchange *x, int suid)
{
  bool maf = gh_host_lists(x->host->config.mafs, x->host->config.maf_count, x->peer.id);
  return maf ? suid == 21 : suid >= 22 && suid <= 25 && (x->peer.kind == GH_PEER_CSE || x->peer.kind == GH_PEER_AE);
}

static int derive(gh_exchange *x, const gh_key_record *ke, int suid)
{
  gh_arena *a = &x->arena;
  gh_str target;
  gh_secret key = {.len = 0};
  /*= TS-0003 10.3.7 Ke itself never leaves */
  gh_err err = gh_id_fqdn_form(a, &x->host->config.self, x->peer.id, &target);
  if (err == GH_OK) err = gh_kdf_usage(&ke->key, suid, target, &key);
  if (err != GH_OK) return refuse(x, GH_RSC_INTERNAL_SERVER_ERROR, "derivation-failed");
  gh_val *o = gh_val_object(a);
  gh_val_set(a, o, GH_STR("status"), gh_val_bool(a, true));
  gh_val_set(a, o, GH_STR("credential"), gh_val_str(a, gh_base64(a, key.bytes, key.len)));
  gh_val_set(a, o, GH_STR("enroleeID"), gh_val_str(a, ke->owner.len ? ke->owner : ke->credential_id));
  gh_val_set(a, o, GH_STR("lifetime"), gh_val_str(a, gh_timestamp(a, ke->not_after_us)));
  gh_secret_wipe(&key);
  x->decision = (gh_decision){.outcome = GH_PERMIT, .reason = "enrolment-target"};
  return answer(x, GH_RSC_OK, o);
}

static int serve(gh_exchange *x, gh_str rest)
{
  gh_str id_text = GH_STR_NONE, suid_text = GH_STR_NONE;
  uint64_t suid;
  gh_key_id parsed;
  gh_key_record ke = {.key = {.len = 0}};
  bool shaped = gh_str_split(&rest, '/', &id_text) && rest.ptr && gh_str_split(&rest, '/', &suid_text) && !rest.ptr;
  if (!shaped || !gh_str_to_u64(suid_text, &suid) || !gh_suid_valid((int64_t)(suid % 100)) || suid > 99 ||
      gh_key_id_parse(id_text, false, &parsed) != GH_OK)
    return refuse(x, GH_RSC_BAD_REQUEST, "malformed");
  gh_err err = gh_keyring_find(x->host->keyring, &x->arena, GH_KEY_KE, gh_key_id_canonical(&x->arena, &parsed), &ke);
  int rsc;
  if (err != GH_OK)
    rsc = refuse(x, GH_RSC_NOT_FOUND, "unknown-or-expired");
  else if (!gh_words_have(ke.targets, x->originator))
    rsc = refuse(x, GH_RSC_ORIGINATOR_HAS_NO_PRIVILEGE, "not-a-target");
  else if (!gh_words_have(ke.suids, suid_text) || !fits(x, (int)suid))
    rsc = refuse(x, GH_RSC_ORIGINATOR_HAS_NO_PRIVILEGE, "suid-not-allowed");
  else
    rsc = derive(x, &ke, (int)suid);
  gh_secret_wipe(&ke.key);
  return rsc;
}

int gh_fetch_credentials(gh_exchange *x, bool *handled)
{
  gh_addr addr;
  gh_str prefix = GH_STR("fetchCredentials/");
  if (gh_addr_parse(x->request.to, &addr) != GH_OK || !gh_str_starts(addr.path, prefix)) return GH_RSC_OK;
  *handled = true;
  if (x->request.op != GH_OP_RETRIEVE)
    return gh_refuse(x, GH_RSC_OPERATION_NOT_ALLOWED, "only RETRIEVE is offered here");
  return serve(x, gh_str_sub(addr.path, prefix.len, SIZE_MAX));
}
