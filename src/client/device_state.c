/* state.json: identifiers and end times that the device was given. No secret; replaced as a whole. */
#include "client/device_private.h"

#include <stddef.h>

#include "client/secret_file.h"
#include "m2m/json.h"
#include "m2m/m2m_time.h"

typedef struct field {
  const char *name;
  size_t offset;
  bool is_time; /* int64_t as m2m:timestamp; else gh_str */
} field;

#define AT(member) offsetof(gh_device, member)

static const field fields[] = {
    {"keID", AT(state.ke_id), false},
    {"keUntil", AT(state.ke_until_us), true},
    {"mefClientReg", AT(state.mef_reg_id), false},
    {"mefKeyID", AT(state.mef_key_id), false},
    {"mefKeyUntil", AT(state.mef_key_until_us), true},
    {"mafClientReg", AT(state.maf_reg_id), false},
    {"kmID", AT(state.km_id), false},
    {"kmUntil", AT(state.km_until_us), true},
    {"kmFrom", AT(km_ke_id), false},
    {"kcID", AT(state.kc_id), false},
    {"kcUntil", AT(state.kc_until_us), true},
    {"cseKey", AT(cse_key_name), false},
    {"kpsaID", AT(state.kpsa_id), false},
    {"aeID", AT(state.ae_id), false},
    {"aeSerialization", AT(told_serialization), false},
    {"publicKeyID", AT(state.public_key_id), false},
    {"csePublicKeys", AT(state.cse_key_ids), false},
    {"certificate", AT(state.certificate_id), false},
    {"certificateUntil", AT(state.certificate_until_us), true},
};

static const field *field_of(gh_str name)
{
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
    if (gh_str_eq(gh_str_of(fields[i].name), name)) return &fields[i];
  return NULL;
}

void gh_device_state_set(gh_device *device, gh_str *member, gh_str text)
{
  *member = gh_str_empty(text) ? GH_STR_NONE : gh_arena_dup(&device->arena, text);
}

static bool take(gh_device *device, const field *f, const gh_val *value)
{
  void *at = (char *)device + f->offset;
  if (value->type != GH_VAL_STR) return false;
  if (f->is_time) return gh_timestamp_parse(value->u.str, at) == GH_OK;
  gh_device_state_set(device, at, value->u.str);
  return true;
}

static gh_err parse(gh_device *device, gh_str text, gh_diag *diag)
{
  gh_val *root;
  gh_diag why = {""};
  gh_err err = gh_json_parse(&device->scratch, text, &gh_json_default_limits, &root, &why);
  if (err != GH_OK) return gh_fail(diag, err, "state.json: %s", why.text);
  if (root->type != GH_VAL_OBJECT) return gh_fail(diag, GH_ESYNTAX, "state.json: not an object");
  for (const gh_member *m = root->u.object.first; m; m = m->next) {
    const field *f = field_of(m->name);
    if (!f || !take(device, f, m->value))
      return gh_fail(diag, GH_ESYNTAX, "state.json: member '%.*s' is unknown or of a wrong type",
                     GH_STR_ARG(m->name));
  }
  return GH_OK;
}

gh_err gh_device_state_read(gh_device *device, gh_diag *diag)
{
  char path[GH_DEVICE_PATH_BYTES];
  gh_buf text = GH_BUF_INIT;
  GH_TRY(gh_device_path(device->dir, "state.json", path, diag));
  gh_err err = gh_private_file_read(path, &text, diag);
  if (err == GH_OK) err = parse(device, gh_buf_str(&text), diag);
  gh_buf_free(&text);
  device->state.kpm_id = device->config.kpm_id;
  return err == GH_ENOTFOUND ? GH_OK : err; /* nothing was obtained yet */
}

static void put(gh_device *device, const field *f, gh_val *root)
{
  const void *at = (const char *)device + f->offset;
  gh_str text = GH_STR_NONE;
  if (f->is_time && *(const int64_t *)at) text = gh_timestamp(&device->scratch, *(const int64_t *)at);
  if (!f->is_time) text = *(const gh_str *)at;
  if (!gh_str_empty(text)) gh_val_set(&device->scratch, root, gh_str_of(f->name), gh_val_str(&device->scratch, text));
}

gh_err gh_device_state_write(gh_device *device, gh_diag *diag)
{
  char path[GH_DEVICE_PATH_BYTES];
  GH_TRY(gh_device_path(device->dir, "state.json", path, diag));
  gh_val *root = gh_val_object(&device->scratch);
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) put(device, &fields[i], root);
  gh_buf text = GH_BUF_INIT;
  gh_json_write_pretty(&text, root);
  gh_err err = gh_private_file_replace(path, gh_buf_str(&text), diag);
  gh_buf_free(&text);
  return err;
}
