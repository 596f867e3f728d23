/* Checks of the credentials of a realm. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>

#include "base/clock.h"
#include "client/secret_file.h"
#include "cmd/doctor.h"
#include "cmd/realm_pki.h"
#include "m2m/m2m_time.h"

enum { WARN_DAYS = 30 };
#define DAY_US (INT64_C(86400) * GH_US_PER_S)

typedef struct subject { /* one credential under examination */
  gh_str what;
  gh_str cert_path;
  gh_str name; /* that the certificate must bear */
  X509 *cert;
} subject;

static gh_err load_cert(gh_str path, X509 **out, gh_diag *diag)
{
  gh_buf pem = GH_BUF_INIT;
  gh_err err = gh_private_file_read(path.ptr, &pem, diag);
  if (err == GH_OK && gh_cert_from_pem(gh_buf_str(&pem), out) != GH_OK)
    err = gh_fail(diag, GH_ESYNTAX, "%s is no certificate", path.ptr);
  gh_buf_free(&pem);
  return err;
}

static gh_err verify(X509 *cert, X509 *anchor, gh_diag *diag)
{
  X509_STORE *store = X509_STORE_new();
  X509_STORE_CTX *ctx = X509_STORE_CTX_new();
  gh_err err = GH_ECRYPTO;
  if (store && ctx && X509_STORE_add_cert(store, anchor) == 1 && X509_STORE_CTX_init(ctx, store, cert, NULL) == 1)
    err = X509_verify_cert(ctx) == 1 ? GH_OK
                                     : gh_fail(diag, GH_EAUTH, "does not lead to the anchor: %s",
                                               X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
  X509_STORE_CTX_free(ctx);
  X509_STORE_free(store);
  ERR_clear_error();
  return err;
}

static gh_err check_name(gh_report *report, const subject *s, gh_diag *diag)
{
  gh_cert_flavour flavour;
  gh_str name;
  GH_TRY(gh_cert_identity(&report->call->arena, s->cert, &flavour, &name, diag));
  if (gh_str_eq_nocase(name, s->name)) return GH_OK;
  return gh_fail(diag, GH_EAUTH, "bears %.*s, not %.*s", GH_STR_ARG(name), GH_STR_ARG(s->name));
}

static gh_err check_cert(gh_report *report, const gh_realm *realm, subject *s, gh_diag *diag)
{
  X509 *anchor = NULL;
  GH_TRY(load_cert(s->cert_path, &s->cert, diag));
  GH_TRY(load_cert(realm->anchors, &anchor, diag));
  gh_err err = gh_cert_check_profile(s->cert, diag);
  if (err == GH_OK) err = verify(s->cert, anchor, diag);
  if (err == GH_OK) err = check_name(report, s, diag);
  X509_free(anchor);
  return err;
}

static void report_cert(gh_report *report, const gh_realm *realm, subject *s)
{
  gh_diag diag = {""};
  gh_str what = gh_arena_fmt(&report->call->arena, "%.*s certificate", GH_STR_ARG(s->what));
  gh_err err = check_cert(report, realm, s, &diag);
  if (err != GH_OK) {
    gh_report_add(report, what, GH_ILL, "%s", diag.text);
    return;
  }
  gh_clock clock = gh_clock_system();
  int64_t end = gh_cert_not_after_us(s->cert);
  gh_str until = gh_timestamp(&report->call->arena, end);
  bool soon = end - gh_clock_wall_us(&clock) < WARN_DAYS * DAY_US;
  gh_report_add(report, what, soon ? GH_ILL : GH_HEALTHY, "%.*s until %.*s%s", GH_STR_ARG(s->name), GH_STR_ARG(until),
                soon ? ": renew it" : "");
}

static gh_err matches(gh_se *se, gh_str key_id, X509 *cert, gh_diag *diag)
{
  gh_arena arena;
  gh_arena_init(&arena);
  gh_str pem = GH_STR_NONE;
  EVP_PKEY *key = NULL;
  gh_err err = gh_se_use_blob(se, &arena, GH_SE_PRIVATE_KEY, key_id, &pem);
  if (err == GH_OK) err = gh_key_from_pem(pem, &key);
  if (err != GH_OK)
    gh_fail(diag, err, "holds no usable private key");
  else if (cert && X509_check_private_key(cert, key) != 1)
    err = gh_fail(diag, GH_EAUTH, "holds a private key that does not belong to the certificate");
  EVP_PKEY_free(key);
  ERR_clear_error();
  gh_wipe((void *)(uintptr_t)pem.ptr, pem.len);
  gh_arena_free(&arena);
  return err;
}

static void report_key(gh_report *report, const subject *s, gh_err err, gh_se *se, gh_str key_id, gh_diag *diag)
{
  if (err == GH_OK) err = matches(se, key_id, s->cert, diag);
  gh_report_add(report, gh_arena_fmt(&report->call->arena, "%.*s sealed file", GH_STR_ARG(s->what)),
                err == GH_OK ? GH_HEALTHY : GH_ILL, "%s", err == GH_OK ? "opens, holds the private key" : diag->text);
}

static void check_further_name(gh_report *report, const gh_realm *realm, const gh_realm_function *function,
                               gh_str fqdn)
{
  gh_arena *a = &report->call->arena;
  subject s = {.what = fqdn, .cert_path = gh_realm_name_certificate(a, function, fqdn), .name = fqdn};
  gh_random random = gh_random_system();
  gh_diag diag = {""};
  gh_se *se = NULL;
  report_cert(report, realm, &s);
  gh_err err = gh_realm_open_name_se(realm, function, fqdn, &random, &se, &diag);
  report_key(report, &s, err, se, fqdn, &diag);
  gh_se_close(se);
  X509_free(s.cert);
}

void gh_check_function_credentials(gh_report *report, const gh_realm *realm, const gh_realm_function *function)
{
  subject s = {.what = function->name, .cert_path = function->certificate, .name = function->fqdn};
  gh_random random = gh_random_system();
  gh_diag diag = {""};
  gh_se *se = NULL;
  report_cert(report, realm, &s);
  gh_err err = gh_realm_open_se(realm, function, &random, &se, &diag);
  report_key(report, &s, err, se, function->fqdn, &diag);
  gh_se_close(se);
  X509_free(s.cert);
  for (size_t i = 0; i < function->names.count; i++)
    check_further_name(report, realm, function, function->names.items[i]);
}

void gh_check_admin_credential(gh_report *report, const gh_realm *realm)
{
  gh_arena *a = &report->call->arena;
  if (!realm->admins.count) return;
  subject s = {.what = GH_STR("admin"), .name = realm->admins.items[0]};
  s.cert_path = gh_arena_fmt(a, "%.*s/admin/cert.pem", GH_STR_ARG(realm->dir));
  gh_random random = gh_random_system();
  gh_buf passphrase = GH_BUF_INIT;
  gh_diag diag = {""};
  gh_se *se = NULL;
  report_cert(report, realm, &s);
  gh_err err =
      gh_passphrase_read(gh_arena_fmt(a, "%.*s/admin/secret", GH_STR_ARG(realm->dir)).ptr, &passphrase, &diag);
  if (err == GH_OK)
    err = gh_se_file_open(gh_arena_fmt(a, "%.*s/admin/keys.sealed", GH_STR_ARG(realm->dir)).ptr,
                          gh_buf_str(&passphrase), &random, &se, &diag);
  gh_buf_wipe_free(&passphrase);
  report_key(report, &s, err, se, GH_STR(GH_ADMIN_KEY_ID), &diag);
  gh_se_close(se);
  X509_free(s.cert);
}
