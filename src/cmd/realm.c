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

static gh_err open_sealed(const gh_realm *realm, gh_str path, const gh_random *random, gh_se **out, gh_diag *diag)
{
  gh_buf passphrase = GH_BUF_INIT;
  gh_diag why = {""};
  gh_err err = gh_passphrase_read(realm->secret.ptr, &passphrase, diag);
  if (err == GH_OK) {
    err = gh_se_file_open(path.ptr, gh_buf_str(&passphrase), random, out, &why);
    if (err != GH_OK) gh_fail(diag, err, "%s: %s", path.ptr, why.text);
  }
  gh_buf_wipe_free(&passphrase);
  return err;
}

gh_err gh_realm_open_se(const gh_realm *realm, const gh_realm_function *function, const gh_random *random,
                        gh_se **out, gh_diag *diag)
{
  return open_sealed(realm, function->sealed, random, out, diag);
}

static gh_err read_text(gh_arena *arena, gh_str path, gh_str *out, gh_diag *diag)
{
  gh_buf text = GH_BUF_INIT;
  gh_err err = gh_private_file_read(path.ptr, &text, diag);
  if (err == GH_OK) *out = gh_arena_dup(arena, gh_buf_str(&text));
  gh_buf_free(&text);
  return err;
}

static gh_err read_key(gh_se *se, gh_arena *arena, gh_str path, gh_str fqdn, gh_str *out, gh_diag *diag)
{
  gh_err err = gh_se_use_blob(se, arena, GH_SE_PRIVATE_KEY, fqdn, out);
  if (err == GH_OK) return GH_OK;
  return gh_fail(diag, err, "%s holds no private key of %.*s", path.ptr, GH_STR_ARG(fqdn));
}

static gh_str beside(gh_arena *arena, gh_str path, gh_str name, const char *suffix)
{
  size_t end = path.len;
  while (end && path.ptr[end - 1] != '/') end--;
  return gh_arena_fmt(arena, "%.*s%.*s%s", (int)end, path.ptr, GH_STR_ARG(name), suffix);
}

gh_str gh_realm_name_certificate(gh_arena *arena, const gh_realm_function *function, gh_str fqdn)
{
  return beside(arena, function->certificate, fqdn, ".pem");
}

gh_str gh_realm_name_sealed(gh_arena *arena, const gh_realm_function *function, gh_str fqdn)
{
  return beside(arena, function->sealed, fqdn, ".sealed");
}

gh_err gh_realm_open_name_se(const gh_realm *realm, const gh_realm_function *function, gh_str fqdn,
                             const gh_random *random, gh_se **out, gh_diag *diag)
{
  gh_arena arena;
  gh_arena_init(&arena);
  gh_err err = open_sealed(realm, gh_realm_name_sealed(&arena, function, fqdn), random, out, diag);
  gh_arena_free(&arena);
  return err;
}

static gh_err read_host(const gh_realm *realm, const gh_realm_function *function, gh_arena *arena, gh_tls_host *out,
                        gh_diag *diag)
{
  gh_random random = gh_random_system();
  gh_str path = gh_realm_name_sealed(arena, function, out->fqdn);
  gh_se *se = NULL;
  GH_TRY(read_text(arena, gh_realm_name_certificate(arena, function, out->fqdn), &out->chain_pem, diag));
  GH_TRY(gh_realm_open_name_se(realm, function, out->fqdn, &random, &se, diag));
  gh_err err = read_key(se, arena, path, out->fqdn, &out->key_pem, diag);
  gh_se_close(se);
  return err;
}

/*= TS-0003 10.2.1 further authorities of one server, chosen by SNI */
static gh_err read_hosts(const gh_realm *realm, const gh_realm_function *function, gh_arena *arena,
                         gh_tls_options *out, gh_diag *diag)
{
  size_t count = function->names.count;
  gh_tls_host *hosts = GH_NEW_ARRAY(arena, gh_tls_host, count + 1);
  out->fqdn = function->fqdn;
  out->hosts = hosts;
  for (size_t i = 0; i < count; i++) {
    hosts[i] = (gh_tls_host){.fqdn = function->names.items[i]};
    out->host_count = i + 1;
    GH_TRY(read_host(realm, function, arena, &hosts[i], diag));
  }
  return GH_OK;
}

/* OpenSSL's own complaint does not name the file. */
static gh_err read_certificates(gh_arena *arena, gh_str path, gh_str *out, gh_diag *diag)
{
  GH_TRY(read_text(arena, path, out, diag));
  if (strstr(out->ptr, "CERTIFICATE-----")) return GH_OK;
  return gh_fail(diag, GH_ESYNTAX, "%.*s holds no certificate (PEM)", GH_STR_ARG(path));
}

/*= TS-0003 8.1.2.4 the flavour of a certificate that each anchor may vouch for */
static gh_err read_anchors(const gh_realm *realm, gh_arena *arena, gh_tls_options *out, gh_diag *diag)
{
  const gh_realm_anchors *f = &realm->anchors_for;
  const gh_str paths[GH_CERT_FLAVOURS] = {
      [GH_CERT_DEVICE] = f->device, [GH_CERT_NODE_ID] = f->node, [GH_CERT_AE_ID] = f->ae, [GH_CERT_CSE_ID] = f->cse};
  for (size_t i = 0; i < GH_CERT_FLAVOURS; i++)
    if (paths[i].len) GH_TRY(read_certificates(arena, paths[i], &out->anchors_for[i], diag));
  return read_certificates(arena, realm->anchors, &out->anchors_pem, diag);
}

gh_err gh_realm_credentials(const gh_realm *realm, const gh_realm_function *function, gh_se *se, gh_arena *arena,
                            gh_tls_options *out, gh_diag *diag)
{
  *out = (gh_tls_options){
      .policy = gh_security_policy_named(function->security_policy), .tls13 = function->tls13, .require_ems = true};
  GH_TRY(read_certificates(arena, function->certificate, &out->chain_pem, diag));
  GH_TRY(read_anchors(realm, arena, out, diag));
  GH_TRY(read_key(se, arena, function->sealed, function->fqdn, &out->key_pem, diag));
  return read_hosts(realm, function, arena, out, diag);
}

void gh_realm_wipe_credentials(const gh_tls_options *tls)
{
  gh_wipe((void *)(uintptr_t)tls->key_pem.ptr, tls->key_pem.len);
  for (size_t i = 0; i < tls->host_count; i++)
    gh_wipe((void *)(uintptr_t)tls->hosts[i].key_pem.ptr, tls->hosts[i].key_pem.len);
}
