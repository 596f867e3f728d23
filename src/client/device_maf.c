/* The device as a client of the MAF: registration with the remotely provisioned Km, key registration for the CSE. */
#include "client/device_private.h"

#include "m2m/constants.h"
#include "m2m/key_id.h"

static gh_val *registration(gh_device *device, bool create)
{
  gh_arena *a = &device->scratch;
  gh_val *attrs = gh_val_object(a);
  gh_val_set(a, attrs, GH_STR("et"), gh_val_str(a, gh_device_after(device, device->config.registration_s)));
  if (create) gh_val_set(a, attrs, GH_STR("adfq"), gh_val_str(a, device->config.sp_id));
  return gh_val_wrap(a, GH_STR("sec:macr"), attrs);
}

static gh_err create_registration(gh_device *device, gh_client *client, gh_val **attrs, gh_reply *reply,
                                  gh_diag *diag)
{
  gh_request request = {.op = GH_OP_CREATE,
                        .to = GH_STR("maf"),
                        .ty = GH_TY_MAF_CLIENT_REG,
                        .has_ty = true,
                        .rcn = GH_RCN_ABSENT,
                        .rt = 3};
  request.pc = registration(device, true);
  GH_TRY(gh_device_ask(device, client, &request, GH_STR("sec:macr"), attrs, reply, diag));
  if (gh_reply_refused(reply)) return GH_OK;
  gh_str id;
  if (!gh_val_get_str(*attrs, GH_STR("ri"), &id))
    return gh_fail(diag, GH_EPROTO, "the response lacks MAFClientRegID");
  gh_device_state_set(device, &device->state.maf_reg_id, id);
  return GH_OK;
}

/*= TS-0003 8.8.2.3; TS-0003 8.8.2.5 with a new Ke the known registration is updated, which renews Km and KmID */
static gh_err register_client(gh_device *device, gh_client *client, gh_val **attrs, gh_reply *reply, gh_diag *diag)
{
  if (!gh_str_empty(device->state.maf_reg_id)) {
    gh_request request = {.op = GH_OP_UPDATE, .rcn = GH_RCN_ABSENT, .rt = 3};
    request.to = gh_arena_fmt(&device->scratch, "maf/%.*s", GH_STR_ARG(device->state.maf_reg_id));
    request.pc = registration(device, false);
    GH_TRY(gh_device_ask(device, client, &request, GH_STR("sec:macr"), attrs, reply, diag));
    if (reply->rsc != GH_RSC_NOT_FOUND) return GH_OK;
  }
  return create_registration(device, client, attrs, reply, diag);
}

static gh_err read_km_id(gh_device *device, const gh_val *attrs, gh_str *km_id, gh_diag *diag)
{
  gh_str text;
  gh_key_id id;
  if (!gh_val_get_str(attrs, GH_STR("aski"), &text)) return gh_fail(diag, GH_EPROTO, "the MAF assigned no KmID");
  if (gh_key_id_parse(text, false, &id) != GH_OK || !gh_str_eq_nocase(id.fqdn, device->config.maf.fqdn))
    return gh_fail(diag, GH_EPROTO, "the KmID that the MAF assigned is malformed");
  *km_id = gh_key_id_canonical(&device->scratch, &id);
  return GH_OK;
}

/*= TS-0003 8.8.2.3 Km gets the name that the MAF assigned; it is derived again, so it need not leave the secure
 * environment */
static gh_err keep_km(gh_device *device, gh_str km_id, int64_t until_us, gh_diag *diag)
{
  gh_device_state *s = &device->state;
  /*= TS-0003 10.7 Km ends no later than Ke */
  if (s->ke_until_us && s->ke_until_us < until_us) until_us = s->ke_until_us;
  gh_se_info info = {
      .kind = GH_SE_KM, .id = km_id, .suid = 21, .peer = device->config.maf.fqdn, .not_after_us = until_us};
  gh_err err = gh_se_derive_usage(device->se, s->ke_id, device->config.maf.fqdn, &info);
  if (err != GH_OK) return gh_fail(diag, err, "Km cannot be kept: %s", gh_err_name(err));
  gh_str before = s->km_id;
  gh_device_state_set(device, &s->km_id, km_id);
  gh_device_state_set(device, &device->km_ke_id, s->ke_id);
  s->km_until_us = until_us;
  GH_TRY(gh_device_state_write(device, diag));
  if (!gh_str_empty(before) && !gh_str_eq(before, km_id)) err = gh_se_remove(device->se, GH_SE_KM, before);
  (void)err; /* it may be gone already */
  return GH_OK;
}

static gh_err join_over(gh_device *device, gh_client *client, gh_reply *reply, gh_diag *diag)
{
  gh_val *attrs;
  gh_str km_id = GH_STR_NONE;
  int64_t until;
  GH_TRY(register_client(device, client, &attrs, reply, diag));
  if (gh_reply_refused(reply)) return GH_OK;
  GH_TRY(gh_device_read_until(device, attrs, &until, diag));
  GH_TRY(read_km_id(device, attrs, &km_id, diag));
  return keep_km(device, km_id, until, diag);
}

gh_err gh_device_join_maf(gh_device *device, gh_reply *reply, gh_diag *diag)
{
  GH_TRY(gh_device_begin(device, reply, diag));
  if (gh_str_empty(device->config.maf.fqdn)) return gh_fail(diag, GH_EINVAL, "maf.fqdn: this device has no MAF");
  /*= TS-0003 8.8.2.2 the first handshake bears KeID; the MAF gets Km from the MEF meanwhile */
  gh_device_credential km = {GH_SE_KM, device->state.ke_id, "Km", "enrol"};
  gh_client *client;
  GH_TRY(gh_device_connect(device, &device->config.maf, &km, &client, reply, diag));
  gh_err err = join_over(device, client, reply, diag);
  gh_client_close(client);
  return err;
}

static gh_err keep_kc_id(gh_device *device, gh_str kc_id, int64_t until_us, gh_diag *diag)
{
  gh_device_state *s = &device->state;
  gh_str before = s->kc_id;
  gh_device_state_set(device, &s->kc_id, kc_id);
  s->kc_until_us = until_us;
  GH_TRY(gh_device_state_write(device, diag));
  gh_err err = GH_OK;
  if (!gh_str_empty(before) && !gh_str_eq(before, kc_id)) err = gh_se_remove(device->se, GH_SE_KC, before);
  /* A handshake with KmID has succeeded: what was derived under KeID for this MAF is not needed any more. */
  if (gh_str_eq(device->km_ke_id, s->ke_id)) err = gh_se_remove(device->se, GH_SE_KM, s->ke_id);
  (void)err;
  return GH_OK;
}

static gh_err register_key_over(gh_device *device, gh_client *client, gh_reply *reply, gh_diag *diag)
{
  /*= TS-0003 8.8.2.7 SUID 32 has exactly one target */
  gh_key_reg reg = {.base = GH_STR("maf"), .fqdn = device->config.maf.fqdn, .kind = GH_SE_KC, .suid = 32};
  reg.target = gh_arena_fmt(&device->scratch, "//%.*s/%.*s", GH_STR_ARG(device->config.sp_id),
                            GH_STR_ARG(device->config.cse_id));
  gh_str kc_id = GH_STR_NONE;
  int64_t until;
  GH_TRY(gh_device_key_reg(device, client, &reg, &kc_id, &until, reply, diag));
  if (gh_reply_refused(reply)) return GH_OK;
  return keep_kc_id(device, kc_id, until, diag);
}

gh_err gh_device_new_kc(gh_device *device, gh_reply *reply, gh_diag *diag)
{
  gh_device_credential km = {GH_SE_KM, device->state.km_id, "Km under a KmID", "register at the MAF"};
  gh_client *client;
  GH_TRY(gh_device_connect(device, &device->config.maf, &km, &client, reply, diag));
  gh_err err = register_key_over(device, client, reply, diag);
  gh_client_close(client);
  return err;
}

gh_err gh_device_register_key(gh_device *device, gh_reply *reply, gh_diag *diag)
{
  GH_TRY(gh_device_begin(device, reply, diag));
  return gh_device_new_kc(device, reply, diag);
}
