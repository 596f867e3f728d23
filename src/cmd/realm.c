/* What belongs to a realm beside its configuration: end points of what runs, secure environments, credentials. */
#include "cmd/config.h"

#include <stdio.h>

#include "client/endpoint.h"
#include "client/secret_file.h"
#include "crypto/certs.h"

static gh_str endpoint_file(gh_arena *arena, const gh_realm *realm, const gh_realm_function *f)
{
  return gh_arena_fmt(arena, "%.*s/%.*s.endpoint", GH_STR_ARG(realm->run), GH_STR_ARG(f->name));
}

gh_err gh_realm_endpoint(const gh_realm *realm, gh_str fqdn, char host[static GH_ENDPOINT_HOST_BYTES], uint16_t *port,
                         gh_diag *diag)
{
  const gh_realm_function *f = gh_realm_function_of(realm, fqdn);
  if (!f) return gh_fail(diag, GH_ENOTFOUND, "no function of this realm is %.*s", GH_STR_ARG(fqdn));
  gh_arena arena;
  gh_arena_init(&arena);
  gh_endpoint at;
  gh_str where = f->endpoint;
  if (gh_str_eq(where, GH_STR("auto"))) {
    gh_str file = endpoint_file(&arena, realm, f);
    where = gh_arena_fmt(&arena, "file:%.*s", GH_STR_ARG(file));
  }
  gh_err err = gh_endpoint_find(where, &at, diag);
  if (err == GH_OK) {
    gh_str_to_cstr(gh_str_of(at.host), host, GH_ENDPOINT_HOST_BYTES);
    *port = at.port;
  }
  gh_arena_free(&arena);
  return err;
}

/* A function that listens on every address of the machine is reached from here through loopback. */
static const char *reachable(const char *host)
{
  if (strcmp(host, "0.0.0.0") == 0) return "127.0.0.1";
  return strcmp(host, "::") == 0 ? "::1" : host;
}

gh_err gh_realm_announce(const gh_realm *realm, const gh_realm_function *function, uint16_t port, gh_diag *diag)
{
  gh_arena arena;
  gh_arena_init(&arena);
  const char *host = reachable(function->listen_host);
  bool v6 = strchr(host, ':') != NULL;
  gh_str line = gh_arena_fmt(&arena, "%s%s%s:%u\n", v6 ? "[" : "", host, v6 ? "]" : "", port);
  gh_err err = gh_private_file_replace(endpoint_file(&arena, realm, function).ptr, line, diag);
  gh_arena_free(&arena);
  return err;
}

static gh_str binding_file(gh_arena *arena, const gh_realm *realm, const gh_realm_function *function,
                           const char *binding)
{
  return gh_arena_fmt(arena, "%.*s/%.*s.%s.endpoint", GH_STR_ARG(realm->run), GH_STR_ARG(function->name), binding);
}

gh_err gh_realm_announce_binding(const gh_realm *realm, const gh_realm_function *function, const char *binding,
                                 const char *host, uint16_t port, gh_diag *diag)
{
  gh_arena arena;
  gh_arena_init(&arena);
  host = reachable(host);
  bool v6 = strchr(host, ':') != NULL;
  gh_str line = gh_arena_fmt(&arena, "%s%s%s:%u\n", v6 ? "[" : "", host, v6 ? "]" : "", port);
  gh_err err = gh_private_file_replace(binding_file(&arena, realm, function, binding).ptr, line, diag);
  gh_arena_free(&arena);
  return err;
}

gh_err gh_realm_announced(const gh_realm *realm, const gh_realm_function *function, const char *binding,
                          char host[static GH_ENDPOINT_HOST_BYTES], uint16_t *port, gh_diag *diag)
{
  gh_arena arena;
  gh_endpoint at;
  gh_arena_init(&arena);
  gh_str where = gh_arena_fmt(&arena, "file:%s", binding_file(&arena, realm, function, binding).ptr);
  gh_err err = gh_endpoint_find(where, &at, diag);
  if (err == GH_OK) {
    gh_str_to_cstr(gh_str_of(at.host), host, GH_ENDPOINT_HOST_BYTES);
    *port = at.port;
  }
  gh_arena_free(&arena);
  return err;
}

uint16_t gh_realm_announced_port(const gh_realm *realm, const gh_realm_function *function, const char *binding)
{
  char host[GH_ENDPOINT_HOST_BYTES];
  uint16_t port = 0;
  gh_diag ignored;
  return gh_realm_announced(realm, function, binding, host, &port, &ignored) == GH_OK ? port : 0;
}

gh_err gh_realm_open_se(const gh_realm *realm, const gh_realm_function *function, const gh_random *random,
                        gh_se **out, gh_diag *diag)
{
  gh_buf passphrase = GH_BUF_INIT;
  gh_diag why = {""};
  gh_err err = gh_passphrase_read(realm->secret.ptr, &passphrase, diag);
  if (err == GH_OK) {
    err = gh_se_file_open(function->sealed.ptr, gh_buf_str(&passphrase), random, out, &why);
    if (err != GH_OK) gh_fail(diag, err, "%s: %s", function->sealed.ptr, why.text);
  }
  gh_buf_wipe_free(&passphrase);
  return err;
}

static gh_err read_text(gh_arena *arena, gh_str path, gh_str *out, gh_diag *diag)
{
  gh_buf text = GH_BUF_INIT;
  gh_err err = gh_private_file_read(path.ptr, &text, diag);
  if (err == GH_OK) *out = gh_arena_dup(arena, gh_buf_str(&text));
  gh_buf_free(&text);
  return err;
}

gh_err gh_realm_credentials(const gh_realm *realm, const gh_realm_function *function, gh_se *se, gh_arena *arena,
                            gh_tls_options *out, gh_diag *diag)
{
  *out = (gh_tls_options){
      .policy = gh_security_policy_named(function->security_policy), .tls13 = function->tls13, .require_ems = true};
  GH_TRY(read_text(arena, function->certificate, &out->chain_pem, diag));
  GH_TRY(read_text(arena, realm->anchors, &out->anchors_pem, diag));
  gh_err err = gh_se_use_blob(se, arena, GH_SE_PRIVATE_KEY, function->fqdn, &out->key_pem);
  if (err == GH_OK) return GH_OK;
  return gh_fail(diag, err, "%s holds no private key of %.*s", function->sealed.ptr, GH_STR_ARG(function->fqdn));
}
