/* Opening a device, showing what came back. */
#include "cmd/device_call.h"

#include "cmd/admin.h"
#include "m2m/json.h"
#include "m2m/m2m_time.h"

const char *gh_call_passphrase(const gh_call *call)
{
  return gh_call_text(call, "passphrase-file", GH_STR_NONE).ptr;
}

gh_err gh_call_device(gh_call *call, gh_device **out, gh_diag *diag)
{
  gh_str binding = gh_call_text(call, "binding", GH_STR_NONE);
  GH_TRY(gh_device_open(call->operands[0].ptr, gh_call_passphrase(call), out, diag));
  gh_err err = binding.ptr ? gh_device_use_binding(*out, binding, diag) : GH_OK;
  if (err == GH_OK && gh_call_has(call, "cbor")) err = gh_device_use_serialization(*out, GH_STR("cbor"), diag);
  if (err != GH_OK) {
    gh_device_close(*out);
    *out = NULL;
  }
  return err;
}

static void put_text(gh_call *call, gh_val *o, const char *name, gh_str text)
{
  if (text.len)
    gh_val_set(&call->arena, o, gh_str_of(name), gh_val_str(&call->arena, gh_arena_dup(&call->arena, text)));
}

static void put_time(gh_call *call, gh_val *o, const char *name, int64_t us)
{
  if (us) put_text(call, o, name, gh_timestamp(&call->arena, us));
}

void gh_put_state(gh_call *call, gh_val *o, const gh_device *device)
{
  const gh_device_state *s = gh_device_state_get(device);
  put_text(call, o, "kpmID", s->kpm_id);
  put_text(call, o, "keID", s->ke_id);
  put_time(call, o, "keUntil", s->ke_until_us);
  put_text(call, o, "mefClientReg", s->mef_reg_id);
  put_text(call, o, "mefKeyID", s->mef_key_id);
  put_text(call, o, "kpsaID", s->kpsa_id);
  put_text(call, o, "publicKeyID", s->public_key_id);
  put_text(call, o, "csePublicKeys", s->cse_key_ids);
  put_text(call, o, "certificate", s->certificate_id);
  put_time(call, o, "certificateUntil", s->certificate_until_us);
  put_time(call, o, "mefKeyUntil", s->mef_key_until_us);
  put_text(call, o, "mafClientReg", s->maf_reg_id);
  put_text(call, o, "kmID", s->km_id);
  put_time(call, o, "kmUntil", s->km_until_us);
  put_text(call, o, "kcID", s->kc_id);
  put_time(call, o, "kcUntil", s->kc_until_us);
  put_text(call, o, "aeID", s->ae_id);
}

/* The content as a value again; text that is not JSON stays text. */
static gh_val *content(gh_call *call, gh_str text)
{
  gh_val *value;
  gh_str copy = gh_arena_dup(&call->arena, text);
  return gh_json_parse(&call->arena, copy, &gh_json_default_limits, &value, NULL) == GH_OK
             ? value
             : gh_val_str(&call->arena, copy);
}

void gh_put_reply(gh_call *call, gh_val *o, const gh_reply *reply)
{
  gh_arena *a = &call->arena;
  if (!reply->rsc) return;
  gh_val_set(a, o, GH_STR("rsc"), gh_val_int(a, reply->rsc));
  put_text(call, o, "name", gh_str_of(reply->rsc_name));
  put_text(call, o, "rqi", reply->rqi);
  put_text(call, o, "location", reply->location);
  if (reply->content.len) gh_val_set(a, o, GH_STR("content"), content(call, reply->content));
}

gh_exit gh_call_reply(gh_call *call, gh_err err, const gh_reply *reply, gh_val *o, const gh_diag *diag)
{
  if (err != GH_OK) return gh_association_failed(call, err, reply->alert, diag);
  gh_put_reply(call, o, reply);
  return reply->rsc >= 4000 ? gh_call_refused(call, o) : gh_call_done(call, o);
}
