/* The administrator's credential: used for a handshake, never shown. */
#include "cmd/admin.h"

#include "client/endpoint.h"
#include "client/secret_file.h"
#include "cmd/admin_status.h"
#include "cmd/realm_pki.h"
#include "m2m/constants.h"
#include "m2m/tables.h"

static gh_str in_admin(gh_admin *admin, const char *name)
{
  return gh_arena_fmt(&admin->realm.arena, "%.*s/admin/%s", GH_STR_ARG(admin->realm.dir), name);
}

static gh_err read_text(gh_admin *admin, gh_str path, gh_str *out, gh_diag *diag)
{
  gh_buf text = GH_BUF_INIT;
  gh_err err = gh_private_file_read(path.ptr, &text, diag);
  if (err == GH_OK) *out = gh_arena_dup(&admin->realm.arena, gh_buf_str(&text));
  gh_buf_free(&text);
  return err;
}

static gh_err read_key(gh_admin *admin, gh_arena *arena, gh_str *key_pem, gh_diag *diag)
{
  gh_buf passphrase = GH_BUF_INIT;
  gh_random random = gh_random_system();
  gh_diag why = {""};
  gh_se *se = NULL;
  gh_err err = gh_passphrase_read(in_admin(admin, "secret").ptr, &passphrase, &why);
  if (err == GH_OK)
    err = gh_se_file_open(in_admin(admin, "keys.sealed").ptr, gh_buf_str(&passphrase), &random, &se, &why);
  if (err == GH_OK) err = gh_se_use_blob(se, arena, GH_SE_PRIVATE_KEY, GH_STR(GH_ADMIN_KEY_ID), key_pem);
  gh_se_close(se);
  gh_buf_wipe_free(&passphrase);
  if (err == GH_OK) return GH_OK;
  /* Not GH_EAUTH: no peer has refused anything. */
  return gh_fail(diag, GH_EACCES, "the administrator's key cannot be used: %s",
                 why.text[0] ? why.text : gh_err_name(err));
}

static gh_err associate(gh_admin *admin, gh_str key_pem, int *alert, gh_diag *diag)
{
  char host[GH_ENDPOINT_HOST_BYTES];
  gh_client_options options = {.server_name = admin->function->fqdn, .key_pem = key_pem, .tls13 = true};
  GH_TRY(gh_realm_endpoint(&admin->realm, admin->function->fqdn, host, &options.port, diag));
  GH_TRY(read_text(admin, in_admin(admin, "cert.pem"), &options.chain_pem, diag));
  GH_TRY(read_text(admin, admin->realm.anchors, &options.anchors_pem, diag));
  GH_TRY(gh_admin_status_open(admin->function, &admin->status, diag));
  options.status = gh_admin_status_source(admin->status);
  options.host = gh_str_of(host);
  return gh_client_open(&options, &admin->client, alert, diag);
}

gh_err gh_admin_open(const char *realm, gh_str name, gh_realm_kind kind, gh_admin *out, int *alert, gh_diag *diag)
{
  *out = (gh_admin){.client = NULL};
  *alert = -1;
  GH_TRY(gh_realm_read(realm, &out->realm, diag));
  out->function = name.len ? gh_realm_function_named(&out->realm, name) : gh_realm_first(&out->realm, kind);
  if (!out->function) return gh_realm_lacks(&out->realm, name, diag);
  gh_arena secret;
  gh_arena_init(&secret);
  gh_str key_pem = GH_STR_NONE;
  gh_err err = read_key(out, &secret, &key_pem, diag);
  if (err == GH_OK) err = associate(out, key_pem, alert, diag);
  gh_wipe((void *)(uintptr_t)key_pem.ptr, key_pem.len);
  gh_arena_free(&secret);
  return err;
}

void gh_admin_close(gh_admin *admin)
{
  gh_client_close(admin->client);
  gh_admin_status_close(admin->status);
  gh_realm_free(&admin->realm);
}

void gh_put_response(gh_call *call, gh_val *o, const gh_request *request, const gh_response *response)
{
  gh_arena *a = &call->arena;
  gh_val_set(a, o, GH_STR("rsc"), gh_val_int(a, response->rsc));
  gh_val_set(a, o, GH_STR("name"), gh_val_str(a, gh_str_of(gh_rsc_find(response->rsc)->name)));
  gh_val_set(a, o, GH_STR("rqi"), gh_val_str(a, request->rqi));
  if (response->location.len) gh_val_set(a, o, GH_STR("location"), gh_val_str(a, response->location));
  if (response->pc) gh_val_set(a, o, GH_STR("content"), response->pc);
}

gh_exit gh_association_failed(gh_call *call, gh_err err, int alert, const gh_diag *diag)
{
  if (err != GH_EAUTH) return gh_call_failed(call, err, diag);
  gh_arena *a = &call->arena;
  gh_val *o = gh_val_object(a);
  gh_val_set(a, o, GH_STR("refused"), gh_val_str(a, gh_arena_dup(a, gh_str_of(diag->text))));
  if (alert >= 0) {
    gh_val_set(a, o, GH_STR("alert"), gh_val_int(a, alert));
    gh_val_set(a, o, GH_STR("alertName"), gh_val_str(a, gh_str_of(gh_alert_name(alert))));
  }
  return gh_call_refused(call, o);
}

gh_exit gh_admin_ask(gh_call *call, gh_realm_kind kind, gh_request *request, gh_response *response)
{
  gh_admin admin;
  gh_diag diag = {""};
  int alert;
  gh_str name = gh_call_text(call, "function", GH_STR_NONE);
  gh_err err = gh_admin_open(call->operands[0].ptr, name, kind, &admin, &alert, &diag);
  if (err == GH_OK && admin.function->kind == GH_REALM_CSE && gh_str_empty(request->from)) {
    gh_str id = admin.realm.admins.count ? admin.realm.admins.items[0] : GH_STR_NONE;
    size_t slash = gh_str_rfind(id, '/'); /* an AE sends its stem to a CSE */
    request->from = gh_arena_dup(&call->arena, slash == SIZE_MAX ? id : gh_str_sub(id, slash + 1, SIZE_MAX));
    request->has_from = true;
  }
  if (err == GH_OK) err = gh_client_request(admin.client, &call->arena, request, response, &diag);
  if (err != GH_OK && admin.client) alert = gh_client_alert(admin.client);
  gh_admin_close(&admin);
  if (err != GH_OK) return gh_association_failed(call, err, alert, &diag);
  if (response->rsc < 4000) return GH_EXIT_DONE;
  gh_val *o = gh_val_object(&call->arena);
  gh_put_response(call, o, request, response);
  return gh_call_refused(call, o);
}
