/* The device's own key pair, whose public half is what a CSE knows it by. The private one never leaves the sealed
 * file but for a handshake. */
#include "client/device_private.h"
#include "crypto/certs.h"
#include "crypto/public_key_id.h"

#include <openssl/evp.h>

static gh_err id_of(gh_arena *arena, EVP_PKEY *key, gh_str *id)
{
  gh_public_key_id parsed;
  GH_TRY(gh_public_key_id_of_key(key, GH_SHA_256, &parsed));
  *id = gh_public_key_id_uri(arena, &parsed);
  return GH_OK;
}

static gh_err make(gh_device *device, gh_str *key_id)
{
  EVP_PKEY *key = NULL;
  gh_buf pem = GH_BUF_INIT;
  GH_TRY(gh_cert_new_key(&key));
  gh_se_info info = {.kind = GH_SE_PRIVATE_KEY, .id = GH_STR(GH_DEVICE_OWN_KEY), .peer = device->config.cse.fqdn};
  gh_err err = gh_key_to_pem(key, &pem);
  if (err == GH_OK) err = gh_se_put_blob(device->se, &info, gh_buf_str(&pem));
  if (err == GH_OK) err = id_of(&device->scratch, key, key_id);
  gh_buf_wipe_free(&pem);
  EVP_PKEY_free(key);
  return err;
}

gh_err gh_device_own_key(gh_device *device, gh_str *key_id, gh_diag *diag)
{
  gh_str pem = GH_STR_NONE;
  EVP_PKEY *key = NULL;
  gh_arena secret;
  gh_arena_init(&secret);
  gh_err err = gh_se_use_blob(device->se, &secret, GH_SE_PRIVATE_KEY, GH_STR(GH_DEVICE_OWN_KEY), &pem);
  if (err == GH_ENOTFOUND)
    err = make(device, key_id);
  else if (err == GH_OK) {
    err = gh_key_from_pem(pem, &key);
    if (err == GH_OK) err = id_of(&device->scratch, key, key_id);
  }
  EVP_PKEY_free(key);
  gh_wipe((void *)(uintptr_t)pem.ptr, pem.len);
  gh_arena_free(&secret);
  return err == GH_OK ? GH_OK : gh_fail(diag, err, "the private key cannot be used: %s", gh_err_name(err));
}
