/* The group `providers` of gatehouse.conf: other service providers, whose IN-CSEs ours talks with. Whatever could
 * make one of them look like this realm, or like another of them, is an error. */
#include <stddef.h>

#include "client/secret_file.h"
#include "cmd/config.h"
#include "cmd/reach.h"
#include "m2m/ids.h"

static bool cse_valid(gh_str text)
{
  gh_id id = gh_id_parse(text);
  return id.scope == GH_SCOPE_ABSOLUTE && id.kind == GH_ID_CSE;
}

static bool fqdn_or_none(gh_str text)
{
  return text.len == 0 || gh_fqdn_valid(text);
}

static bool path_or_none(gh_str text)
{
  return text.len < 1024;
}

#define AT(field) offsetof(gh_realm_provider, field)
static const gh_conf_key provider_keys[] = {
    {"cse", GH_CONF_TEXT, AT(cse), NULL, 0, 0, cse_valid, "an absolute CSE-ID, \"//sp2.example.net/in-cse\"", NULL,
     "absolute CSE-ID of its IN-CSE"},
    {"fqdn", GH_CONF_TEXT, AT(fqdn), "", 0, 0, fqdn_or_none, "an FQDN, or empty", NULL,
     "public domain name that the certificate of its IN-CSE bears; empty: CSE-ID.provider"},
    {"anchors", GH_CONF_TEXT, AT(anchors), "", 0, 0, path_or_none, "a path, or empty", NULL,
     "its trust anchors, PEM: they prove that name and nothing else; empty: a provisioned key (gatehouse cse key "
     "add) "
     "alone"},
    {"reach", GH_CONF_TEXT, AT(reach), "none", 0, 0, gh_reach_direct,
     "\"https://host:port\", \"coaps://host:port\", \"coaps+tcp://host:port\" or \"none\"", NULL,
     "where its IN-CSE is called; none: it is let in and never called"},
    {"may_register", GH_CONF_SWITCH, AT(may_register), "false", 0, 0, NULL, NULL, NULL,
     "may its IN-CSE register at ours?"},
    {"register", GH_CONF_SWITCH, AT(registers), "false", 0, 0, NULL, NULL, NULL,
     "does our IN-CSE register there? It is called at its 'reach'"},
};
const gh_conf_table gh_realm_provider_table = {provider_keys, sizeof provider_keys / sizeof *provider_keys};

bool gh_realm_is_in_cse(const gh_realm_function *function)
{
  return function->kind == GH_REALM_CSE && gh_str_empty(function->registrar);
}

static gh_str lower(gh_arena *arena, gh_str text)
{
  char *copy = gh_arena_alloc(arena, text.len + 1);
  for (size_t i = 0; i < text.len; i++)
    copy[i] = text.ptr[i] >= 'A' && text.ptr[i] <= 'Z' ? (char)(text.ptr[i] + ('a' - 'A')) : text.ptr[i];
  copy[text.len] = '\0';
  return (gh_str){copy, text.len};
}

static bool is_below(gh_arena *arena, gh_str name, gh_str domain)
{
  return gh_str_ends(name, gh_arena_fmt(arena, ".%.*s", GH_STR_ARG(domain)));
}

/*= TS-0001 6.5.1.1 <IN-CSE>.<provider>, and whatever other name below the provider's it is known by */
static gh_err complete(const gh_conf *conf, config_setting_t *at, gh_realm *realm, gh_realm_provider *p,
                       gh_diag *diag)
{
  gh_arena *a = &realm->arena;
  gh_id id = gh_id_parse(p->cse);
  p->sp = lower(a, id.sp);
  p->cse = gh_arena_fmt(a, "//%.*s/%.*s", GH_STR_ARG(p->sp), GH_STR_ARG(id.cse));
  p->fqdn =
      p->fqdn.len ? lower(a, p->fqdn) : lower(a, gh_arena_fmt(a, "%.*s.%.*s", GH_STR_ARG(id.cse), GH_STR_ARG(p->sp)));
  if (gh_str_eq(p->sp, realm->sp_fqdn)) return gh_conf_fail(conf, at, diag, "has a 'cse' of this service provider");
  if (is_below(a, p->sp, realm->sp_fqdn) || is_below(a, realm->sp_fqdn, p->sp))
    return gh_conf_fail(conf, at, diag,
                        "has a 'cse' whose provider is above or below this one: names would not tell");
  if (!gh_fqdn_valid(p->fqdn) || !is_below(a, p->fqdn, p->sp))
    return gh_conf_fail(conf, at, diag, "needs an 'fqdn' below its service provider's");
  if (p->registers && gh_reach_named(p->reach) == GH_REACH_NONE)
    return gh_conf_fail(conf, at, diag, "has 'register', and no 'reach' where its IN-CSE is called");
  if (p->anchors.len && p->anchors.ptr[0] != '/')
    p->anchors = gh_arena_fmt(a, "%.*s/%.*s", GH_STR_ARG(realm->dir), GH_STR_ARG(p->anchors));
  return GH_OK;
}

static gh_err check_others(const gh_conf *conf, config_setting_t *at, const gh_realm *realm,
                           const gh_realm_provider *p, gh_diag *diag)
{
  for (size_t i = 0; i < realm->provider_count; i++) {
    if (gh_str_eq(realm->providers[i].sp, p->sp))
      return gh_conf_fail(conf, at, diag, "has a 'cse' of a service provider that is there already");
    if (gh_str_eq(realm->providers[i].fqdn, p->fqdn))
      return gh_conf_fail(conf, at, diag, "has an 'fqdn' that is there already");
  }
  if (gh_realm_function_of(realm, p->fqdn)) return gh_conf_fail(conf, at, diag, "has the 'fqdn' of a function");
  return GH_OK;
}

static bool has_in_cse(const gh_realm *realm)
{
  for (size_t i = 0; i < realm->function_count; i++)
    if (gh_realm_is_in_cse(&realm->functions[i])) return true;
  return false;
}

gh_err gh_realm_read_providers(const gh_conf *conf, gh_realm *realm, gh_diag *diag)
{
  config_setting_t *group = gh_conf_group(gh_conf_root(conf), "providers"), *at;
  gh_str name;
  for (unsigned i = 0; group && (at = gh_conf_nth(group, i, &name)); i++) {
    if (realm->provider_count == GH_REALM_MAX_PROVIDERS)
      return gh_conf_fail(conf, at, diag, "is one provider too many");
    gh_realm_provider *p = &realm->providers[realm->provider_count];
    if (!gh_conf_group(group, name.ptr)) return gh_conf_fail(conf, at, diag, "must be a group: { ... }");
    GH_TRY(gh_conf_read(conf, at, &gh_realm_provider_table, &realm->arena, p, diag));
    p->name = gh_arena_dup(&realm->arena, name);
    GH_TRY(complete(conf, at, realm, p, diag));
    GH_TRY(check_others(conf, at, realm, p, diag));
    realm->provider_count++;
  }
  if (realm->provider_count && !has_in_cse(realm))
    return gh_conf_fail(conf, group, diag, "needs an IN-CSE among the functions: a CSE without 'registrar'");
  return GH_OK;
}

gh_err gh_realm_guests(const gh_realm *realm, gh_arena *arena, gh_tls_options *out, gh_diag *diag)
{
  gh_tls_guest *guests = GH_NEW_ARRAY(arena, gh_tls_guest, realm->provider_count + 1);
  out->guests = guests;
  out->guest_count = realm->provider_count;
  for (size_t i = 0; i < realm->provider_count; i++) {
    const gh_realm_provider *p = &realm->providers[i];
    gh_buf pem = GH_BUF_INIT;
    guests[i] = (gh_tls_guest){.fqdn = p->fqdn};
    gh_err err = p->anchors.len ? gh_private_file_read(p->anchors.ptr, &pem, diag) : GH_OK;
    guests[i].anchors_pem = gh_arena_dup(arena, gh_buf_str(&pem));
    gh_buf_free(&pem);
    GH_TRY(err);
  }
  return GH_OK;
}
