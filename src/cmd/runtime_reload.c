/* SIGHUP: renewed certificates, keys and anchors, without dropping an association. */
#include "cmd/runtime.h"

static gh_err renew(gh_served *s, const gh_realm *realm, gh_diag *diag)
{
  const gh_realm_function *f = gh_realm_function_named(realm, s->function->name);
  gh_se *se = NULL;
  gh_arena arena;
  gh_tls_options tls = {.policy = NULL};
  if (!f) return gh_fail(diag, GH_ENOTFOUND, "the configuration has this function no more");
  gh_arena_init(&arena);
  gh_err err = gh_realm_open_se(realm, f, &s->runtime->random, &se, diag);
  if (err == GH_OK) err = gh_realm_credentials(realm, f, se, &arena, &tls, diag);
  if (err == GH_OK) err = gh_runtime_read_guests(s, &arena, &tls, diag);
  if (err == GH_OK) {
    tls.status = s->status ? gh_certificate_status_source(s->status) : NULL;
    gh_tls_options web = tls;
    web.alpn = GH_HTTP_ALPN;
    err = gh_tls_server_renew(s->tls, &web, diag);
    if (err == GH_OK) err = gh_served_coap_renew(s, &tls, diag);
    if (err == GH_OK) err = gh_runtime_renew_peers(s, &tls, diag);
    if (err == GH_OK) err = gh_served_mqtt_renew(s, &tls, diag);
  }
  gh_realm_wipe_credentials(&tls);
  gh_se_close(se);
  gh_arena_free(&arena);
  return err;
}

void gh_runtime_reload(gh_runtime *runtime)
{
  gh_realm realm;
  gh_diag diag = {""};
  gh_err err = gh_realm_read(runtime->realm->dir.ptr, &realm, &diag);
  if (err != GH_OK) GH_LOG(&runtime->log, GH_LOG_ERROR, "reload-failed", GH_F("reason", (const char *)diag.text));
  for (size_t i = 0; err == GH_OK && i < runtime->served_count; i++) {
    gh_served *s = &runtime->served[i];
    if (renew(s, &realm, &diag) == GH_OK)
      GH_LOG(&runtime->log, GH_LOG_INFO, "credentials-renewed", GH_F("function", s->function->name));
    else
      GH_LOG(&runtime->log, GH_LOG_ERROR, "reload-failed", GH_F("function", s->function->name),
             GH_F("reason", (const char *)diag.text));
  }
  gh_realm_free(&realm);
}
