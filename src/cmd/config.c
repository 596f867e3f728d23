/* gatehouse.conf -> gh_realm. */
#include "cmd/config.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "client/endpoint.h"
#include "cmd/reach.h"
#include "m2m/ids.h"

static gh_str absolute_path(gh_arena *arena, gh_str dir, gh_str path)
{
  if (path.len && path.ptr[0] == '/') return gh_arena_dup(arena, path);
  return gh_arena_fmt(arena, "%.*s/%.*s", GH_STR_ARG(dir), GH_STR_ARG(path));
}

static gh_str lower(gh_arena *arena, gh_str text)
{
  char *copy = gh_arena_alloc(arena, text.len + 1);
  for (size_t i = 0; i < text.len; i++)
    copy[i] = text.ptr[i] >= 'A' && text.ptr[i] <= 'Z' ? (char)(text.ptr[i] + ('a' - 'A')) : text.ptr[i];
  copy[text.len] = '\0';
  return (gh_str){copy, text.len};
}

static gh_realm_kind kind_of(gh_str type)
{
  return gh_str_eq(type, GH_STR("mef")) ? GH_REALM_MEF : gh_str_eq(type, GH_STR("maf")) ? GH_REALM_MAF : GH_REALM_CSE;
}

static gh_err complete_function(const gh_conf *conf, config_setting_t *at, gh_realm *realm, gh_realm_function *f,
                                gh_diag *diag)
{
  gh_arena *a = &realm->arena;
  f->kind = kind_of(f->type);
  f->fqdn = lower(a, f->fqdn);
  for (size_t i = 0; i < f->names.count; i++) f->names.items[i] = lower(a, f->names.items[i]);
  if (f->kind == GH_REALM_CSE && (gh_str_empty(f->cse_id) || gh_str_empty(f->cse_rn)))
    return gh_conf_fail(conf, at, diag, "is a CSE and lacks 'cse_id' or 'cse_rn'");
  if (f->kind != GH_REALM_CSE && (!gh_str_empty(f->cse_id) || !gh_str_empty(f->cse_rn)))
    return gh_conf_fail(conf, at, diag, "has 'cse_id' or 'cse_rn', which only a CSE has");
  if (f->kind != GH_REALM_CSE) {
    f->cse_id = gh_arena_dup(a, gh_str_sub(f->fqdn, 0, gh_str_find(f->fqdn, '.')));
    f->cse_rn = f->type;
  }
  if (f->mqtt.broker.len && (f->kind != GH_REALM_CSE || gh_str_empty(f->mqtt.name)))
    return gh_conf_fail(conf, at, diag, "has 'mqtt.broker' and is no CSE, or lacks 'mqtt.name'");
  if (!gh_reach_listens(f))
    return gh_conf_fail(conf, at, diag, "has a 'reach' where it does not listen: see coap_listen, coaps_tcp_listen");
  if (f->kind != GH_REALM_CSE &&
      (gh_reach_of(f) == GH_REACH_WSS || gh_reach_of(f) == GH_REACH_NONE || gh_reach_of(f) == GH_REACH_MQTT))
    return gh_conf_fail(conf, at, diag, "has a 'reach' that only a CSE may have");
  f->registrar_maf = lower(a, f->registrar_maf);
  (void)gh_representation_by_name(f->serialization_name,
                                  &f->serialization); /* its table row has seen that it is one */
  if (f->registrar_maf.len && gh_str_empty(f->registrar))
    return gh_conf_fail(conf, at, diag, "has 'registrar_maf' and no 'registrar'");
  gh_endpoint listen;
  if (gh_endpoint_parse(f->listen, &listen) != GH_OK)
    return gh_conf_fail(conf, at, diag, "has an impossible 'listen'");
  gh_str_to_cstr(gh_str_of(listen.host), f->listen_host, sizeof f->listen_host);
  f->listen_port = listen.port;
  f->certificate = absolute_path(a, realm->dir, f->certificate);
  f->sealed = absolute_path(a, realm->dir, f->sealed);
  f->store = absolute_path(a, realm->dir, f->store);
  if (f->crl.len) f->crl = absolute_path(a, realm->dir, f->crl);
  return GH_OK;
}

static bool is_name_of(const gh_realm_function *f, gh_str fqdn)
{
  bool found = gh_str_eq(f->fqdn, fqdn);
  for (size_t i = 0; i < f->names.count; i++) found |= gh_str_eq(f->names.items[i], fqdn);
  return found;
}

/* A name belongs to one function, once. */
static bool names_are_free(const gh_realm *realm, const gh_realm_function *f)
{
  bool free = true;
  for (size_t i = 0; i < realm->function_count; i++) {
    free &= !is_name_of(&realm->functions[i], f->fqdn);
    for (size_t k = 0; k < f->names.count; k++) free &= !is_name_of(&realm->functions[i], f->names.items[k]);
  }
  for (size_t k = 0; k < f->names.count; k++) {
    free &= !gh_str_eq(f->names.items[k], f->fqdn);
    for (size_t j = 0; j < k; j++) free &= !gh_str_eq(f->names.items[k], f->names.items[j]);
  }
  return free;
}

/* One that runs elsewhere stands here, too: with where it is reached. */
static bool registrar_is_known(const gh_realm *realm, const gh_realm_function *f)
{
  bool known = gh_str_empty(f->registrar) || f->kind != GH_REALM_CSE;
  for (size_t i = 0; i < realm->function_count; i++) {
    const gh_realm_function *other = &realm->functions[i];
    known |= other != f && other->kind == GH_REALM_CSE && gh_str_eq(other->cse_id, f->registrar);
  }
  return known;
}

static gh_err read_functions(const gh_conf *conf, gh_realm *realm, gh_diag *diag)
{
  config_setting_t *group = gh_conf_group(gh_conf_root(conf), "functions");
  gh_str name;
  for (unsigned i = 0;; i++) {
    config_setting_t *at = gh_conf_nth(group, i, &name);
    if (!at) break;
    if (realm->function_count == GH_REALM_MAX_FUNCTIONS)
      return gh_conf_fail(conf, at, diag, "is one function too many");
    gh_realm_function *f = &realm->functions[realm->function_count];
    if (!gh_conf_group(group, name.ptr)) return gh_conf_fail(conf, at, diag, "must be a group: { ... }");
    GH_TRY(gh_conf_read(conf, at, &gh_realm_function_table, &realm->arena, f, diag));
    f->name = gh_arena_dup(&realm->arena, name);
    GH_TRY(complete_function(conf, at, realm, f, diag));
    if (!names_are_free(realm, f))
      return gh_conf_fail(conf, at, diag, "has an FQDN that is taken: in 'fqdn' or 'names'");
    realm->function_count++;
  }
  for (size_t i = 0; i < realm->function_count; i++) {
    if (!registrar_is_known(realm, &realm->functions[i]))
      return gh_conf_fail(conf, group, diag, "has a CSE whose 'registrar' is no other CSE of this realm");
    gh_str maf = realm->functions[i].registrar_maf;
    const gh_realm_function *f = gh_realm_function_of(realm, maf);
    if (maf.len && (!f || f->kind != GH_REALM_MAF))
      return gh_conf_fail(conf, group, diag, "has a 'registrar_maf' that is no MAF of this realm");
  }
  return realm->function_count ? GH_OK : gh_conf_fail(conf, group, diag, "names no function");
}

static gh_log_level level_of(gh_str name)
{
  static const char *const names[] = {"debug", "info", "warn", "error", "off"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (gh_str_eq(name, gh_str_of(names[i]))) return (gh_log_level)i;
  return GH_LOG_INFO;
}

static gh_err fill(const gh_conf *conf, gh_realm *realm, gh_diag *diag)
{
  gh_arena *a = &realm->arena;
  GH_TRY(gh_conf_read(conf, gh_conf_root(conf), &gh_realm_table, a, realm, diag));
  realm->sp_fqdn = lower(a, realm->sp_fqdn);
  realm->anchors = absolute_path(a, realm->dir, realm->anchors);
  gh_realm_anchors *f = &realm->anchors_for;
  gh_str *const further[] = {&f->device, &f->node, &f->ae, &f->cse};
  for (size_t i = 0; i < sizeof further / sizeof *further; i++)
    if (further[i]->len) *further[i] = absolute_path(a, realm->dir, *further[i]);
  realm->secret = absolute_path(a, realm->dir, realm->secret);
  realm->run = absolute_path(a, realm->dir, realm->run);
  realm->log_level = level_of(realm->log_level_name);
  realm->log_format = gh_str_eq(realm->log_format_name, GH_STR("json")) ? GH_LOG_JSON : GH_LOG_TEXT;
  GH_TRY(read_functions(conf, realm, diag));
  return gh_realm_read_providers(conf, realm, diag);
}

/* The complete path of the folder, so that a later chdir does not matter. */
static gh_err locate(const char *path, gh_realm *realm, gh_str *file, gh_diag *diag)
{
  struct stat st;
  bool is_dir = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
  gh_str given =
      is_dir ? gh_arena_fmt(&realm->arena, "%s/gatehouse.conf", path) : gh_arena_dup(&realm->arena, gh_str_of(path));
  char *whole = realpath(given.ptr, NULL);
  if (!whole)
    return gh_fail(diag, GH_ENOTFOUND, "there is no configuration %s: name the folder of a realm, or its file",
                   given.ptr);
  *file = gh_arena_dup(&realm->arena, gh_str_of(whole));
  free(whole);
  realm->dir = gh_arena_dup(&realm->arena, gh_str_sub(*file, 0, gh_str_rfind(*file, '/')));
  return GH_OK;
}

gh_err gh_realm_read(const char *path, gh_realm *out, gh_diag *diag)
{
  gh_str file = GH_STR_NONE;
  gh_conf conf;
  *out = (gh_realm){.function_count = 0};
  gh_arena_init(&out->arena);
  GH_TRY(locate(path, out, &file, diag));
  GH_TRY(gh_conf_open(file.ptr, &conf, diag));
  gh_err err = fill(&conf, out, diag);
  gh_conf_close(&conf);
  return err;
}

void gh_realm_free(gh_realm *realm)
{
  gh_arena_free(&realm->arena);
}

const gh_realm_function *gh_realm_function_named(const gh_realm *realm, gh_str name)
{
  for (size_t i = 0; i < realm->function_count; i++)
    if (gh_str_eq(realm->functions[i].name, name)) return &realm->functions[i];
  return gh_realm_function_of(realm, name);
}

gh_err gh_realm_lacks(const gh_realm *realm, gh_str name, gh_diag *diag)
{
  gh_buf names = GH_BUF_INIT;
  for (size_t i = 0; i < realm->function_count; i++) {
    if (i) gh_buf_add(&names, GH_STR(", "));
    gh_buf_add(&names, realm->functions[i].name);
  }
  gh_err err = gh_fail(diag, GH_ENOTFOUND, "the realm has no function '%.*s'; it has %.*s", GH_STR_ARG(name),
                       GH_STR_ARG(gh_buf_str(&names)));
  gh_buf_free(&names);
  return err;
}

const gh_realm_function *gh_realm_function_of(const gh_realm *realm, gh_str fqdn)
{
  for (size_t i = 0; i < realm->function_count; i++)
    if (gh_str_eq_nocase(realm->functions[i].fqdn, fqdn)) return &realm->functions[i];
  return NULL;
}

const gh_realm_function *gh_realm_first(const gh_realm *realm, gh_realm_kind kind)
{
  for (size_t i = 0; i < realm->function_count; i++)
    if (realm->functions[i].kind == kind) return &realm->functions[i];
  return NULL;
}
