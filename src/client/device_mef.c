/* Enrolment at the MEF with a pre-provisioned key. */
#include "client/device_private.h"

#include "crypto/kdf.h"
#include "m2m/constants.h"
#include "m2m/key_id.h"

static gh_str canonical(gh_device *device, gh_str text)
{
  gh_key_id id;
  return gh_key_id_parse(text, false, &id) == GH_OK ? gh_key_id_canonical(&device->scratch, &id) : text;
}

static gh_val *registration(gh_device *device, bool create)
{
  gh_arena *a = &device->scratch;
  gh_val *attrs = gh_val_object(a);
  gh_val_set(a, attrs, GH_STR("et"), gh_val_str(a, gh_device_after(device, device->config.registration_s)));
  if (create) gh_val_set(a, attrs, GH_STR("adfq"), gh_val_str(a, device->config.sp_id));
  return gh_val_wrap(a, GH_STR("sec:mecr"), attrs);
}

static gh_err create_registration(gh_device *device, gh_client *client, gh_val **attrs, gh_reply *reply,
                                  gh_diag *diag)
{
  gh_request request = {.op = GH_OP_CREATE,
                        .to = GH_STR("mef"),
                        .ty = GH_TY_MEF_CLIENT_REG,
                        .has_ty = true,
                        .rcn = GH_RCN_ABSENT,
                        .rt = 3};
  request.pc = registration(device, true);
  GH_TRY(gh_device_ask(device, client, &request, GH_STR("sec:mecr"), attrs, reply, diag));
  if (gh_reply_refused(reply)) return GH_OK;
  gh_str id;
  if (!gh_val_get_str(*attrs, GH_STR("ri"), &id))
    return gh_fail(diag, GH_EPROTO, "the response lacks MEFClientRegID");
  gh_device_state_set(device, &device->state.mef_reg_id, id);
  return GH_OK;
}

/*= TS-0003 8.3.5.2.3; TS-0003 8.3.5.2.5 a known registration is updated: the MEF then takes the Ke of this session */
static gh_err register_client(gh_device *device, gh_client *client, gh_val **attrs, gh_reply *reply, gh_diag *diag)
{
  if (!gh_str_empty(device->state.mef_reg_id)) {
    gh_request request = {.op = GH_OP_UPDATE, .rcn = GH_RCN_ABSENT, .rt = 3};
    request.to = gh_arena_fmt(&device->scratch, "mef/%.*s", GH_STR_ARG(device->state.mef_reg_id));
    request.pc = registration(device, false);
    GH_TRY(gh_device_ask(device, client, &request, GH_STR("sec:mecr"), attrs, reply, diag));
    if (reply->rsc != GH_RSC_NOT_FOUND) return GH_OK; /* else: the MEF has lost or ended it */
  }
  return create_registration(device, client, attrs, reply, diag);
}

/*= TS-0003 8.8.2.3; TS-0003 10.3.7 Km is what the MAF will get from the MEF for KeID, SUID 21 and its own FQDN */
static gh_err derive_km(gh_device *device, gh_str ke_id, int64_t until_us)
{
  if (gh_str_empty(device->config.maf.fqdn)) return GH_OK;
  gh_se_info info = {
      .kind = GH_SE_KM, .id = ke_id, .suid = 21, .peer = device->config.maf.fqdn, .not_after_us = until_us};
  return gh_se_derive_usage(device->se, ke_id, device->config.maf.fqdn, &info);
}

static void forget_ke(gh_device *device, gh_str ke_id)
{
  static const gh_se_kind kinds[] = {GH_SE_KE, GH_SE_KM};
  for (size_t i = 0; ke_id.len && i < sizeof kinds / sizeof *kinds; i++) {
    gh_err err = gh_se_remove(device->se, kinds[i], ke_id);
    (void)err; /* it may be gone already */
  }
}

static gh_err keep_ke(gh_device *device, gh_str ke_id, const gh_secret *ke, int64_t until_us, gh_diag *diag)
{
  gh_str before = device->state.ke_id;
  gh_se_info info = {.kind = GH_SE_KE, .id = ke_id, .peer = device->config.mef.fqdn, .not_after_us = until_us};
  gh_err err = gh_se_put(device->se, &info, ke);
  if (err == GH_OK) err = derive_km(device, ke_id, until_us);
  if (err != GH_OK) return gh_fail(diag, err, "Ke cannot be kept: %s", gh_err_name(err));
  gh_device_state_set(device, &device->state.ke_id, ke_id);
  device->state.ke_until_us = until_us;
  GH_TRY(gh_device_state_write(device, diag));
  if (!gh_str_eq(before, ke_id)) forget_ke(device, before);
  return GH_OK;
}

static gh_se_kind kind_of(int suid)
{
  return suid == 21 ? GH_SE_KM : GH_SE_KPSA;
}

static gh_err register_key(gh_device *device, gh_client *client, const gh_key_wish *wish, gh_reply *reply,
                           gh_diag *diag)
{
  gh_key_reg reg = {.base = GH_STR("mef"),
                    .fqdn = device->config.mef.fqdn,
                    .kind = kind_of(wish->suid),
                    .suid = wish->suid,
                    .target = wish->target};
  gh_str id = GH_STR_NONE;
  int64_t until;
  GH_TRY(gh_device_key_reg(device, client, &reg, &id, &until, reply, diag));
  if (gh_reply_refused(reply)) return GH_OK;
  gh_device_state_set(device, &device->state.mef_key_id, id);
  device->state.mef_key_until_us = until;
  return gh_device_state_write(device, diag);
}

/* `ke` and its identifier are those of this association. */
static gh_err enrolment_exchange(gh_device *device, gh_client *client, gh_str ke_id, const gh_secret *ke,
                                 const gh_key_wish *wish, gh_reply *reply, gh_diag *diag)
{
  gh_val *attrs;
  int64_t until;
  GH_TRY(register_client(device, client, &attrs, reply, diag));
  if (gh_reply_refused(reply)) return GH_OK;
  GH_TRY(gh_device_read_until(device, attrs, &until, diag));
  GH_TRY(keep_ke(device, ke_id, ke, until, diag));
  /*= TS-0003 8.3.4.6 a command retrieve follows every registration and update */
  GH_TRY(gh_device_run_commands(device, client, reply, diag));
  if (gh_reply_refused(reply) || !wish) return GH_OK;
  return register_key(device, client, wish, reply, diag);
}

static gh_err enrol_over(gh_device *device, gh_client *client, const gh_key_wish *wish, gh_reply *reply,
                         gh_diag *diag)
{
  uint8_t exported[GH_EXPORT_BYTES], id[GH_EXPORT_ID_BYTES];
  gh_secret ke = {.len = 0};
  /*= TS-0003 8.3.2.1; TS-0003 10.3.1 Ke and RelativeKeID from the exporter of this handshake */
  gh_err err = gh_client_export(client, GH_EXPORT_BOOTSTRAP, exported);
  if (err == GH_OK) {
    gh_export_split(exported, id, &ke);
    gh_str ke_id = gh_key_id_of_octets(&device->scratch, id, device->config.mef.fqdn);
    err = enrolment_exchange(device, client, ke_id, &ke, wish, reply, diag);
  } else {
    gh_fail(diag, err, "the key of the handshake cannot be exported: %s", gh_err_name(err));
  }
  gh_secret_wipe(&ke);
  gh_wipe(exported, sizeof exported);
  return err;
}

static gh_err check_wish(const gh_key_wish *wish, gh_diag *diag)
{
  if (!wish) return GH_OK;
  if (wish->suid < 21 || wish->suid > 25)
    return gh_fail(diag, GH_EINVAL, "SUID %d is not one of a MEF (21 to 25)", wish->suid);
  return gh_str_empty(wish->target) ? gh_fail(diag, GH_EINVAL, "a key registration needs a target") : GH_OK;
}

gh_err gh_device_enrol(gh_device *device, const gh_key_wish *wish, gh_reply *reply, gh_diag *diag)
{
  GH_TRY(gh_device_begin(device, reply, diag));
  GH_TRY(check_wish(wish, diag));
  gh_device_credential kpm = {GH_SE_KPM, canonical(device, device->config.kpm_id), "Kpm", "make the device anew"};
  gh_client *client;
  GH_TRY(gh_device_connect(device, &device->config.mef, &kpm, &client, reply, diag));
  gh_err err = enrol_over(device, client, wish, reply, diag);
  gh_client_close(client);
  return err;
}
