/* Makes keys and certificates of a realm. Private keys go from memory into sealed files, nowhere else. */
#include "cmd/realm_pki.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "base/clock.h"
#include "client/secret_file.h"

#define DAY_US (INT64_C(86400) * GH_US_PER_S)
enum { CA_DAYS = 3653, CERT_DAYS = 825, SKEW_S = 3600 };

struct gh_ca {
  X509 *cert;
  EVP_PKEY *key;
};

static gh_str path_in(gh_arena *arena, const gh_realm *realm, gh_str name)
{
  return gh_arena_fmt(arena, "%.*s/%.*s", GH_STR_ARG(realm->dir), GH_STR_ARG(name));
}

static gh_err write_cert(const char *path, X509 *cert, gh_diag *diag)
{
  gh_buf pem = GH_BUF_INIT;
  gh_err err = gh_cert_to_pem(cert, &pem);
  if (err == GH_OK) err = gh_private_file_create(path, gh_buf_str(&pem), diag);
  gh_buf_free(&pem);
  return err;
}

static gh_err put_key(gh_se *se, gh_str id, EVP_PKEY *key)
{
  gh_buf pem = GH_BUF_INIT;
  gh_se_info info = {.kind = GH_SE_PRIVATE_KEY, .id = id};
  gh_err err = gh_key_to_pem(key, &pem);
  if (err == GH_OK) err = gh_se_put_blob(se, &info, gh_buf_str(&pem));
  gh_buf_wipe_free(&pem);
  return err;
}

/* A new sealed file with one private key, under the passphrase that stands in the file `secret`. */
static gh_err seal_key(const char *path, const char *secret, gh_str id, EVP_PKEY *key, const gh_random *random,
                       gh_diag *diag)
{
  gh_buf passphrase = GH_BUF_INIT;
  gh_se *se = NULL;
  gh_err err = gh_passphrase_read(secret, &passphrase, diag);
  if (err == GH_OK) err = gh_se_file_create(path, gh_buf_str(&passphrase), random, &se, diag);
  if (err == GH_OK) err = put_key(se, id, key);
  gh_se_close(se);
  gh_buf_wipe_free(&passphrase);
  return err;
}

static gh_cert_request request_for(gh_cert_flavour flavour, gh_str name, int days)
{
  gh_clock clock = gh_clock_system();
  int64_t now = gh_clock_wall_us(&clock);
  return (gh_cert_request){.flavour = flavour,
                           .name = name,
                           .not_before_us = now - SKEW_S * GH_US_PER_S,
                           .not_after_us = now + days * DAY_US};
}

static gh_err make_ca(const gh_realm *realm, gh_ca *ca, gh_diag *diag)
{
  gh_cert_request request = request_for(GH_CERT_CA, GH_STR("Gatehouse realm CA"), CA_DAYS);
  /*= TS-0003 8.1.2.2 the CA can name nothing outside its service provider */
  request.constraint = realm->sp_fqdn;
  GH_TRY(gh_cert_new_key(&ca->key));
  return gh_cert_issue(&request, ca->key, NULL, NULL, &ca->cert, diag);
}

gh_err gh_ca_create(const gh_realm *realm, const gh_random *random, gh_ca **out, gh_diag *diag)
{
  gh_ca *ca = gh_calloc(1, sizeof *ca);
  gh_arena arena;
  gh_arena_init(&arena);
  gh_str secret = path_in(&arena, realm, GH_STR("secret")), sealed = path_in(&arena, realm, GH_STR("ca.sealed"));
  gh_err err = make_ca(realm, ca, diag);
  if (err == GH_OK) err = write_cert(path_in(&arena, realm, GH_STR("ca.pem")).ptr, ca->cert, diag);
  if (err == GH_OK) err = seal_key(sealed.ptr, secret.ptr, GH_STR(GH_CA_KEY_ID), ca->key, random, diag);
  gh_arena_free(&arena);
  if (err != GH_OK) {
    gh_ca_free(ca);
    return err;
  }
  *out = ca;
  return GH_OK;
}

static gh_err read_ca_key(const gh_realm *realm, gh_arena *arena, gh_ca *ca, gh_diag *diag)
{
  gh_buf passphrase = GH_BUF_INIT;
  gh_random random = gh_random_system();
  gh_se *se = NULL;
  gh_str pem = GH_STR_NONE;
  gh_err err = gh_passphrase_read(path_in(arena, realm, GH_STR("secret")).ptr, &passphrase, diag);
  if (err == GH_OK)
    err =
        gh_se_file_open(path_in(arena, realm, GH_STR("ca.sealed")).ptr, gh_buf_str(&passphrase), &random, &se, diag);
  if (err == GH_OK) err = gh_se_use_blob(se, arena, GH_SE_PRIVATE_KEY, GH_STR(GH_CA_KEY_ID), &pem);
  if (err == GH_OK) err = gh_key_from_pem(pem, &ca->key);
  gh_wipe((void *)(uintptr_t)pem.ptr, pem.len);
  gh_se_close(se);
  gh_buf_wipe_free(&passphrase);
  return err == GH_OK || diag->text[0] ? err : gh_fail(diag, err, "the key of the CA cannot be used");
}

gh_err gh_ca_open(const gh_realm *realm, gh_ca **out, gh_diag *diag)
{
  gh_ca *ca = gh_calloc(1, sizeof *ca);
  gh_arena arena;
  gh_buf pem = GH_BUF_INIT;
  gh_arena_init(&arena);
  gh_err err = gh_private_file_read(path_in(&arena, realm, GH_STR("ca.pem")).ptr, &pem, diag);
  if (err == GH_OK && gh_cert_from_pem(gh_buf_str(&pem), &ca->cert) != GH_OK)
    err = gh_fail(diag, GH_ESYNTAX, "ca.pem holds no certificate");
  if (err == GH_OK) err = read_ca_key(realm, &arena, ca, diag);
  gh_buf_free(&pem);
  gh_arena_free(&arena);
  if (err == GH_OK)
    *out = ca;
  else
    gh_ca_free(ca);
  return err;
}

gh_err gh_ca_issue_to_files(gh_ca *ca, const gh_ca_order *order, gh_diag *diag)
{
  EVP_PKEY *key = NULL;
  X509 *cert = NULL;
  gh_buf pem = GH_BUF_INIT;
  gh_cert_request request = request_for(order->flavour, order->name, order->days);
  gh_err err = gh_cert_new_key(&key);
  if (err == GH_OK) err = gh_cert_issue(&request, key, ca->cert, ca->key, &cert, diag);
  if (err == GH_OK) err = gh_key_to_pem(key, &pem);
  if (err == GH_OK) err = gh_private_file_create(order->key_path, gh_buf_str(&pem), diag);
  if (err == GH_OK) err = write_cert(order->cert_path, cert, diag);
  gh_buf_wipe_free(&pem);
  X509_free(cert);
  EVP_PKEY_free(key);
  return err;
}

static gh_err renew_one(gh_ca *ca, const gh_cert_request *request, gh_str key_pem, gh_str cert_path, gh_diag *diag)
{
  EVP_PKEY *key = NULL;
  X509 *cert = NULL;
  gh_buf pem = GH_BUF_INIT;
  gh_err err = gh_key_from_pem(key_pem, &key);
  if (err == GH_OK) err = gh_cert_issue(request, key, ca->cert, ca->key, &cert, diag);
  if (err == GH_OK) err = gh_cert_to_pem(cert, &pem);
  if (err == GH_OK) err = gh_private_file_replace(cert_path.ptr, gh_buf_str(&pem), diag);
  gh_buf_free(&pem);
  X509_free(cert);
  EVP_PKEY_free(key);
  return err;
}

static gh_cert_flavour flavour_of(const gh_realm_function *function)
{
  return function->kind == GH_REALM_CSE ? GH_CERT_CSE_ID : GH_CERT_FQDN;
}

gh_err gh_ca_renew_function(gh_ca *ca, const gh_realm *realm, const gh_realm_function *function, int days,
                            gh_diag *diag)
{
  gh_random random = gh_random_system();
  gh_se *se = NULL;
  gh_arena arena;
  gh_tls_options tls = {.policy = NULL};
  gh_arena_init(&arena);
  gh_cert_request request = request_for(flavour_of(function), function->fqdn, days);
  gh_err err = gh_realm_open_se(realm, function, &random, &se, diag);
  if (err == GH_OK) err = gh_realm_credentials(realm, function, se, &arena, &tls, diag);
  if (err == GH_OK) err = renew_one(ca, &request, tls.key_pem, function->certificate, diag);
  for (size_t i = 0; err == GH_OK && i < tls.host_count; i++) {
    request = request_for(GH_CERT_FQDN, tls.hosts[i].fqdn, days);
    gh_str path = gh_realm_name_certificate(&arena, function, tls.hosts[i].fqdn);
    err = renew_one(ca, &request, tls.hosts[i].key_pem, path, diag);
  }
  gh_realm_wipe_credentials(&tls);
  gh_se_close(se);
  gh_arena_free(&arena);
  return err;
}

void gh_ca_free(gh_ca *ca)
{
  if (!ca) return;
  X509_free(ca->cert);
  EVP_PKEY_free(ca->key);
  free(ca);
}

typedef struct place { /* where a new credential goes */
  gh_str cert, sealed, secret, key_id;
} place;

static gh_err equip(gh_ca *ca, const gh_cert_request *request, const place *to, const gh_random *random,
                    gh_diag *diag)
{
  EVP_PKEY *key = NULL;
  X509 *cert = NULL;
  gh_err err = gh_cert_new_key(&key);
  if (err == GH_OK) err = gh_cert_issue(request, key, ca->cert, ca->key, &cert, diag);
  if (err == GH_OK) err = write_cert(to->cert.ptr, cert, diag);
  if (err == GH_OK) err = seal_key(to->sealed.ptr, to->secret.ptr, to->key_id, key, random, diag);
  X509_free(cert);
  EVP_PKEY_free(key);
  return err;
}

gh_err gh_ca_equip_function(gh_ca *ca, const gh_realm *realm, const gh_realm_function *function,
                            gh_cert_flavour flavour, const gh_random *random, gh_diag *diag)
{
  gh_arena arena;
  gh_arena_init(&arena);
  gh_cert_request request = request_for(flavour, function->fqdn, CERT_DAYS);
  place to = {path_in(&arena, realm, function->certificate), path_in(&arena, realm, function->sealed),
              path_in(&arena, realm, GH_STR("secret")), function->fqdn};
  gh_err err = equip(ca, &request, &to, random, diag);
  gh_arena_free(&arena);
  return err;
}

gh_err gh_ca_equip_name(gh_ca *ca, const gh_realm *realm, const gh_realm_function *function, gh_str fqdn, int days,
                        const gh_random *random, gh_diag *diag)
{
  gh_arena arena;
  gh_arena_init(&arena);
  gh_cert_request request = request_for(GH_CERT_FQDN, fqdn, days);
  place to = {gh_realm_name_certificate(&arena, function, fqdn), gh_realm_name_sealed(&arena, function, fqdn),
              realm->secret, fqdn};
  gh_err err = equip(ca, &request, &to, random, diag);
  gh_arena_free(&arena);
  return err;
}

gh_err gh_ca_equip_admin(gh_ca *ca, const gh_realm *realm, gh_str ae_id, const gh_random *random, gh_diag *diag)
{
  gh_arena arena;
  gh_arena_init(&arena);
  gh_cert_request request = request_for(GH_CERT_AE_ID, ae_id, CERT_DAYS);
  place to = {path_in(&arena, realm, GH_STR("admin/cert.pem")), path_in(&arena, realm, GH_STR("admin/keys.sealed")),
              path_in(&arena, realm, GH_STR("admin/secret")), GH_STR(GH_ADMIN_KEY_ID)};
  gh_err err = gh_passphrase_new(to.secret.ptr, random, diag);
  if (err == GH_OK) err = equip(ca, &request, &to, random, diag);
  gh_arena_free(&arena);
  return err;
}
