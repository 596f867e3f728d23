/* The device's certificate: key, chain and anchors are one record of the sealed file, so that they come and go
 * together, and nobody who can write the folder names another CSE. Read again for each handshake. */
#include "client/device_private.h"
#include "crypto/certs.h"
#include "m2m/key_id.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>

#define CHAIN_BEGINS "-----BEGIN CERTIFICATE-----"
#define ANCHORS_BEGIN "-----ANCHORS-----\n" /* between chain and anchors; no PEM is called so */

enum { CERTIFICATES_MAX = 16 };

/* Writes every certificate of `pem`, and nothing else of it. *first (may be NULL) is freed by the caller. */
static gh_err copy_certificates(gh_str pem, gh_buf *out, X509 **first)
{
  int count = 0;
  X509 *cert = NULL;
  gh_err err = GH_OK;
  BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
  while (bio && err == GH_OK && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
    err = ++count <= CERTIFICATES_MAX ? gh_cert_to_pem(cert, out) : GH_ELIMIT;
    if (count == 1 && first && X509_up_ref(cert)) *first = cert;
    X509_free(cert);
  }
  ERR_clear_error(); /* the end of the text is one, too */
  BIO_free(bio);
  return err == GH_OK && !count ? GH_ESYNTAX : err;
}

/* Whom it stands for: an AE, or a node or device whose AE is found when it registers. */
/*= TS-0003 8.1.2.1; TS-0003 10.1.3 */
static gh_err name_of(gh_device *device, X509 *cert, gh_str *credential_id, gh_diag *diag)
{
  gh_cert_flavour flavour;
  gh_str name;
  gh_cred_type type = GH_CRED_AE_CERT;
  GH_TRY(gh_cert_check_profile(cert, diag));
  GH_TRY(gh_cert_identity(&device->scratch, cert, &flavour, &name, diag));
  if (flavour == GH_CERT_NODE_ID) type = GH_CRED_NODE_CERT;
  if (flavour == GH_CERT_DEVICE) type = GH_CRED_DEVICE_CERT;
  if (flavour != GH_CERT_AE_ID && type == GH_CRED_AE_CERT)
    return gh_fail(diag, GH_EINVAL, "the certificate names %.*s, which is neither an AE nor a node or device",
                   GH_STR_ARG(name));
  *credential_id = gh_credential_id(&device->scratch, type, name);
  return GH_OK;
}

static gh_err judge(gh_device *device, X509 *cert, EVP_PKEY *key, gh_str *credential_id, gh_diag *diag)
{
  bool fits = X509_check_private_key(cert, key) == 1;
  ERR_clear_error();
  if (!fits) return gh_fail(diag, GH_EINVAL, "the private key is not that of the certificate");
  GH_TRY(name_of(device, cert, credential_id, diag));
  bool over = gh_cert_not_after_us(cert) <= gh_clock_wall_us(&device->clock);
  return over ? gh_fail(diag, GH_EEXPIRED, "the certificate is past its end") : GH_OK;
}

/* The record, and what is known of it. */
static gh_err make_record(gh_device *device, const gh_device_certificate *given, gh_buf *record,
                          gh_str *credential_id, int64_t *until_us, gh_diag *diag)
{
  EVP_PKEY *key = NULL;
  X509 *cert = NULL;
  gh_err err = gh_key_from_pem(given->key_pem, &key);
  if (err == GH_OK) err = gh_key_to_pem(key, record);
  if (err != GH_OK) err = gh_fail(diag, GH_EINVAL, "the private key cannot be read");
  if (err == GH_OK && copy_certificates(given->chain_pem, record, &cert) != GH_OK)
    err = gh_fail(diag, GH_EINVAL, "the certificate cannot be read");
  if (err == GH_OK) err = judge(device, cert, key, credential_id, diag);
  if (err == GH_OK) *until_us = gh_cert_not_after_us(cert);
  gh_buf_add(record, GH_STR(ANCHORS_BEGIN));
  if (err == GH_OK && copy_certificates(given->anchors_pem, record, NULL) != GH_OK)
    err = gh_fail(diag, GH_EINVAL, "the trust anchors cannot be read");
  if (err == GH_OK) err = gh_device_revocation_write(&given->revocation, record, diag);
  X509_free(cert);
  EVP_PKEY_free(key);
  return err;
}

/*= TS-0003 8.1.2.3; TS-0003 8.1.2.4 private key, certificate with its chain, and the anchors for Entity B's */
/*= TS-0003 8.1.2.5 and where it is said which of those are revoked */
gh_err gh_device_set_certificate(gh_device *device, const gh_device_certificate *certificate, gh_diag *diag)
{
  gh_buf record = GH_BUF_INIT;
  gh_str credential_id = GH_STR_NONE;
  int64_t until_us = 0;
  GH_TRY(gh_device_begin(device, NULL, diag));
  gh_err err = make_record(device, certificate, &record, &credential_id, &until_us, diag);
  gh_se_info info = {.kind = GH_SE_PRIVATE_KEY,
                     .id = GH_STR(GH_DEVICE_OWN_CERTIFICATE),
                     .peer = device->config.cse.fqdn,
                     .not_after_us = until_us};
  if (err == GH_OK) {
    err = gh_se_put_blob(device->se, &info, gh_buf_str(&record));
    if (err != GH_OK) gh_fail(diag, err, "key and certificates cannot be stored: %s", gh_err_name(err));
  }
  gh_buf_wipe_free(&record);
  GH_TRY(err);
  gh_device_dissociate(device);
  device->state.certificate_until_us = until_us;
  gh_device_state_set(device, &device->state.certificate_id, credential_id);
  return gh_device_choose_key(device, GH_DEVICE_KEY_CERTIFICATE, diag);
}

static gh_err read_record(gh_device *device, gh_arena *secret, gh_device_certificate *out)
{
  gh_str record;
  GH_TRY(gh_se_use_blob(device->se, secret, GH_SE_PRIVATE_KEY, GH_STR(GH_DEVICE_OWN_CERTIFICATE), &record));
  const char *chain = record.len ? memmem(record.ptr, record.len, CHAIN_BEGINS, strlen(CHAIN_BEGINS)) : NULL;
  const char *anchors = chain ? memmem(record.ptr, record.len, ANCHORS_BEGIN, strlen(ANCHORS_BEGIN)) : NULL;
  GH_REQUIRE(anchors && chain < anchors, GH_ETAMPER);
  *out = (gh_device_certificate){.key_pem = {record.ptr, (size_t)(chain - record.ptr)},
                                 .chain_pem = {chain, (size_t)(anchors - chain)}};
  out->anchors_pem = gh_str_sub(record, (size_t)(anchors - record.ptr) + strlen(ANCHORS_BEGIN), SIZE_MAX);
  return gh_device_revocation_read(&out->anchors_pem, &out->revocation);
}

gh_err gh_device_use_certificate(gh_device *device, gh_arena *secret, gh_device_certificate *out)
{
  gh_device_certificate own;
  GH_TRY(read_record(device, secret, &own));
  if (device->state.certificate_until_us <= gh_clock_wall_us(&device->clock)) {
    gh_wipe((void *)(uintptr_t)own.key_pem.ptr, own.key_pem.len);
    return GH_EEXPIRED;
  }
  *out = own;
  gh_device_status_use(&device->status, &own.revocation, gh_device_status_ms(device));
  return GH_OK;
}

gh_err gh_device_revocation_get(gh_device *device, gh_device_revocation *out, gh_diag *diag)
{
  gh_device_certificate own = {.key_pem = GH_STR_NONE};
  gh_arena secret;
  gh_arena_init(&secret);
  *out = (gh_device_revocation){.crl_file = GH_STR_NONE};
  gh_err err = read_record(device, &secret, &own);
  if (err == GH_OK) {
    *out = own.revocation;
    out->crl_file = gh_arena_dup(&device->scratch, own.revocation.crl_file);
    out->crl_url = gh_arena_dup(&device->scratch, own.revocation.crl_url);
    out->ocsp_url = gh_arena_dup(&device->scratch, own.revocation.ocsp_url);
  }
  gh_wipe((void *)(uintptr_t)own.key_pem.ptr, own.key_pem.len);
  gh_arena_free(&secret);
  return err == GH_OK ? GH_OK : gh_fail(diag, err, "the device has no certificate that can be read");
}
