/* A device's state folder: making it, opening it. Must never leave a key outside the sealed file. */
#include "client/device_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "client/folder.h"
#include "client/secret_file.h"
#include "m2m/key_id.h"

static const char SECRET[] = "secret", SEALED[] = "keys.sealed";

gh_err gh_device_path(const char *dir, const char *name, char out[static GH_DEVICE_PATH_BYTES], gh_diag *diag)
{
  int len = snprintf(out, GH_DEVICE_PATH_BYTES, "%s/%s", dir, name);
  return len < GH_DEVICE_PATH_BYTES ? GH_OK : gh_fail(diag, GH_ELIMIT, "the path of the folder is too long");
}

static gh_err passphrase_path(const char *dir, const char *given, char out[static GH_DEVICE_PATH_BYTES],
                              gh_diag *diag)
{
  if (!given) return gh_device_path(dir, SECRET, out, diag);
  int len = snprintf(out, GH_DEVICE_PATH_BYTES, "%s", given);
  return len < GH_DEVICE_PATH_BYTES ? GH_OK : gh_fail(diag, GH_ELIMIT, "the path of the passphrase is too long");
}

/* ---- making */

static gh_err put_kpm(gh_se *se, const gh_device_config *config, const gh_secret *kpm, gh_diag *diag)
{
  gh_arena arena;
  gh_arena_init(&arena);
  gh_key_id id;
  gh_err err = gh_key_id_parse(config->kpm_id, false, &id);
  if (err == GH_OK) {
    gh_se_info info = {
        .kind = GH_SE_KPM, .id = gh_key_id_canonical(&arena, &id), .suid = 10, .peer = config->mef.fqdn};
    err = gh_se_put(se, &info, kpm);
  }
  gh_arena_free(&arena);
  return err == GH_OK ? GH_OK : gh_fail(diag, err, "Kpm cannot be stored: it needs 16 to 64 octets");
}

static gh_err seal_kpm(const char *dir, const char *passphrase_file, const gh_device_config *config,
                       const gh_secret *kpm, gh_diag *diag)
{
  char path[GH_DEVICE_PATH_BYTES], sealed[GH_DEVICE_PATH_BYTES];
  GH_TRY(passphrase_path(dir, passphrase_file, path, diag));
  GH_TRY(gh_device_path(dir, SEALED, sealed, diag));
  gh_random random = gh_random_system();
  if (!passphrase_file) GH_TRY(gh_passphrase_new(path, &random, diag));
  gh_buf passphrase = GH_BUF_INIT;
  gh_se *se = NULL;
  gh_err err = gh_passphrase_read(path, &passphrase, diag);
  if (err == GH_OK) err = gh_se_file_create(sealed, gh_buf_str(&passphrase), &random, &se, diag);
  if (err == GH_OK) err = put_kpm(se, config, kpm, diag);
  gh_se_close(se);
  gh_buf_wipe_free(&passphrase);
  return err;
}

/* Only what this call has made: the folder was empty. */
static void undo(const char *dir, bool made)
{
  static const char *const names[] = {SECRET, SEALED, "device.conf"};
  char path[GH_DEVICE_PATH_BYTES];
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (gh_device_path(dir, names[i], path, NULL) == GH_OK) unlink(path);
  if (made) rmdir(dir);
}

gh_err gh_device_create(const char *dir, const gh_device_config *config, const gh_secret *kpm,
                        const char *passphrase_file, gh_diag *diag)
{
  bool made;
  GH_TRY(gh_device_conf_check(config, diag));
  GH_TRY(gh_folder_new(dir, &made, diag));
  gh_err err = seal_kpm(dir, passphrase_file, config, kpm, diag);
  if (err == GH_OK) err = gh_device_conf_write(dir, config, diag);
  if (err != GH_OK) undo(dir, made);
  return err;
}

/* ---- opening */

static gh_err open_keys(gh_device *device, const char *passphrase_file, gh_diag *diag)
{
  char path[GH_DEVICE_PATH_BYTES], sealed[GH_DEVICE_PATH_BYTES];
  GH_TRY(passphrase_path(device->dir, passphrase_file, path, diag));
  GH_TRY(gh_device_path(device->dir, SEALED, sealed, diag));
  gh_buf passphrase = GH_BUF_INIT;
  gh_err err = gh_passphrase_read(path, &passphrase, diag);
  if (err == GH_OK) err = gh_se_file_open(sealed, gh_buf_str(&passphrase), &device->random, &device->se, diag);
  gh_buf_wipe_free(&passphrase);
  return err;
}

static gh_err fill(gh_device *device, const char *dir, const char *passphrase_file, gh_diag *diag)
{
  if (!gh_str_to_cstr(gh_str_of(dir), device->dir, sizeof device->dir))
    return gh_fail(diag, GH_ELIMIT, "the path of the folder is too long");
  GH_TRY(gh_folder_check(dir, diag));
  GH_TRY(gh_device_conf_read(device, diag));
  GH_TRY(gh_device_state_read(device, diag));
  return open_keys(device, passphrase_file, diag);
}

gh_err gh_device_open(const char *dir, const char *passphrase_file, gh_device **out, gh_diag *diag)
{
  gh_device *device = gh_calloc(1, sizeof *device);
  gh_arena_init(&device->arena);
  gh_arena_init(&device->scratch);
  device->clock = gh_clock_system();
  device->random = gh_random_system();
  gh_device_status_init(&device->status, &device->clock);
  gh_err err = fill(device, dir, passphrase_file, diag);
  if (err != GH_OK) {
    gh_device_close(device);
    return err;
  }
  *out = device;
  return GH_OK;
}

void gh_device_close(gh_device *device)
{
  if (!device) return;
  if (device->in_notify) { /* a mistake of the program: what has called us is still to be gone on with */
    gh_device_dissociate(device);
    return;
  }
  gh_client_close(device->cse);
  gh_device_status_free(&device->status);
  gh_se_close(device->se);
  gh_arena_free(&device->scratch);
  gh_arena_free(&device->arena);
  free(device);
}

gh_err gh_device_use_binding(gh_device *device, gh_str binding, gh_diag *diag)
{
  if (!gh_device_binding_valid(binding))
    return gh_fail(diag, GH_EINVAL, "binding: '%.*s' is not http, coap, coaps_tcp, ws or mqtt", GH_STR_ARG(binding));
  GH_TRY(gh_device_begin(device, NULL, diag));
  gh_device_dissociate(device);
  device->config.binding = gh_arena_dup(&device->arena, binding);
  return GH_OK;
}

gh_err gh_device_use_serialization(gh_device *device, gh_str serialization, gh_diag *diag)
{
  if (!gh_device_serialization_valid(serialization))
    return gh_fail(diag, GH_EINVAL, "serialization: '%.*s' is not json or cbor", GH_STR_ARG(serialization));
  GH_TRY(gh_device_begin(device, NULL, diag));
  gh_device_dissociate(device);
  device->config.serialization = gh_arena_dup(&device->arena, serialization);
  return GH_OK;
}

const gh_device_config *gh_device_config_get(const gh_device *device)
{
  return &device->config;
}

const gh_device_state *gh_device_state_get(const gh_device *device)
{
  return &device->state;
}
