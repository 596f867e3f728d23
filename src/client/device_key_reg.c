/* Key registration with the exporter: both ends compute the key, it never travels. */
#include "client/device_private.h"

#include "crypto/kdf.h"
#include "m2m/constants.h"
#include "m2m/key_id.h"

static gh_val *content(gh_device *device, const gh_key_reg *reg)
{
  gh_arena *a = &device->scratch;
  gh_val *attrs = gh_val_object(a), *targets = gh_val_array(a);
  gh_val_push(targets, gh_val_str(a, reg->target));
  gh_val_set(a, attrs, GH_STR("et"), gh_val_str(a, gh_device_after(device, device->config.key_s)));
  gh_val_set(a, attrs, GH_STR("adfq"), gh_val_str(a, device->config.sp_id));
  gh_val_set(a, attrs, GH_STR("suid"), gh_val_int(a, reg->suid));
  gh_val_set(a, attrs, GH_STR("tgis"), targets);
  return gh_val_wrap(a, GH_STR("sec:skr"), attrs);
}

/*= TS-0003 8.8.2.7 step 10: the returned values count, and SUID and adminFQDN must be those asked for */
static gh_err read_answer(gh_device *device, const gh_key_reg *reg, const gh_val *attrs, gh_str *key_id,
                          int64_t *until_us, gh_diag *diag)
{
  gh_str relative, admin;
  int64_t suid;
  if (!gh_val_get_str(attrs, GH_STR("ri"), &relative))
    return gh_fail(diag, GH_EPROTO, "the response lacks RelativeKeyID");
  if (!gh_val_get_int(attrs, GH_STR("suid"), &suid) || suid != reg->suid)
    return gh_fail(diag, GH_EPROTO, "the key was registered for another use");
  if (!gh_val_get_str(attrs, GH_STR("adfq"), &admin) || !gh_str_eq_nocase(admin, device->config.sp_id))
    return gh_fail(diag, GH_EPROTO, "the key was registered for another stakeholder");
  gh_key_id id;
  gh_str text = gh_arena_fmt(&device->scratch, "%.*s@%.*s", GH_STR_ARG(relative), GH_STR_ARG(reg->fqdn));
  if (gh_key_id_parse(text, false, &id) != GH_OK) return gh_fail(diag, GH_EPROTO, "RelativeKeyID is malformed");
  *key_id = gh_key_id_canonical(&device->scratch, &id);
  return gh_device_read_until(device, attrs, until_us, diag);
}

static gh_err keep_key(gh_device *device, gh_client *client, const gh_key_reg *reg, gh_str key_id, int64_t until_us,
                       gh_diag *diag)
{
  uint8_t exported[GH_EXPORT_BYTES], id[GH_EXPORT_ID_BYTES];
  gh_secret key = {.len = 0};
  gh_err err = gh_client_export(client, GH_EXPORT_CONNECTION, exported);
  if (err == GH_OK) {
    gh_export_split(exported, id, &key);
    gh_se_info info = {
        .kind = reg->kind, .id = key_id, .suid = reg->suid, .peer = reg->target, .not_after_us = until_us};
    err = gh_se_put(device->se, &info, &key);
  }
  gh_secret_wipe(&key);
  gh_wipe(exported, sizeof exported);
  return err == GH_OK ? GH_OK : gh_fail(diag, err, "the registered key cannot be kept: %s", gh_err_name(err));
}

/* What was granted is not what was asked for: nobody shall use it. */
static void give_back(gh_device *device, gh_client *client, const gh_key_reg *reg, const gh_val *attrs)
{
  gh_str relative;
  gh_response ignored;
  if (!gh_val_get_str(attrs, GH_STR("ri"), &relative)) return;
  gh_request request = {.op = GH_OP_DELETE, .rcn = GH_RCN_ABSENT, .rt = 3};
  request.to = gh_arena_fmt(&device->scratch, "%.*s/%.*s", GH_STR_ARG(reg->base), GH_STR_ARG(relative));
  gh_err err = gh_client_request(client, &device->scratch, &request, &ignored, NULL);
  (void)err; /* the registration ends by itself */
}

gh_err gh_device_key_reg(gh_device *device, gh_client *client, const gh_key_reg *reg, gh_str *key_id,
                         int64_t *until_us, gh_reply *reply, gh_diag *diag)
{
  gh_request request = {
      .op = GH_OP_CREATE, .to = reg->base, .ty = GH_TY_SYMM_KEY_REG, .has_ty = true, .rcn = GH_RCN_ABSENT, .rt = 3};
  request.pc = content(device, reg);
  gh_val *attrs;
  GH_TRY(gh_device_ask(device, client, &request, GH_STR("sec:skr"), &attrs, reply, diag));
  if (gh_reply_refused(reply)) return GH_OK;
  gh_err err = read_answer(device, reg, attrs, key_id, until_us, diag);
  if (err == GH_OK) err = keep_key(device, client, reg, *key_id, *until_us, diag);
  if (err != GH_OK) give_back(device, client, reg, attrs);
  return err;
}
