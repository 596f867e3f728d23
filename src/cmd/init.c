/* gatehouse init: a new realm. Must leave nothing with a default secret, and nothing that others can read. */
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/stat.h>

#include "client/endpoint.h"
#include "client/folder.h"
#include "client/secret_file.h"
#include "cmd/config.h"
#include "cmd/realm_pki.h"
#include "cmd/verbs.h"
#include "m2m/ids.h"

/* The functions of a fresh realm; a row more is a function more. */
typedef struct plan {
  const char *name, *type, *label; /* first label of the FQDN; NULL: the CSE's name */
  gh_cert_flavour flavour;
} plan;
static const plan plans[] = {
    {"mef", "mef", "mef", GH_CERT_FQDN},
    {"maf", "maf", "maf", GH_CERT_FQDN},
    {"cse", "cse", NULL, GH_CERT_CSE_ID},
};
enum { PLANS = sizeof plans / sizeof *plans };

static bool is_numeric(const char *host)
{
  struct in6_addr octets;
  return inet_pton(AF_INET, host, &octets) == 1 || inet_pton(AF_INET6, host, &octets) == 1;
}

static gh_str absolute_dir(gh_arena *arena, const char *dir)
{
  return gh_arena_dup(arena, gh_str_of(dir));
}

/* Ports of several functions: the given one and those behind it; 0 stays 0. */
static gh_str listen_of(gh_arena *arena, const gh_endpoint *first, size_t i)
{
  bool v6 = strchr(first->host, ':') != NULL;
  return gh_arena_fmt(arena, "%s%s%s:%u", v6 ? "[" : "", first->host, v6 ? "]" : "",
                      first->port ? first->port + (unsigned)i : 0);
}

static void plan_function(gh_realm *realm, const plan *p, size_t i, gh_str cse, gh_str cse_rn,
                          const gh_endpoint *listen)
{
  gh_arena *a = &realm->arena;
  gh_realm_function *f = &realm->functions[realm->function_count++];
  gh_conf_defaults(&gh_realm_function_table, f);
  bool is_cse = !p->label;
  f->name = gh_str_of(p->name);
  f->type = gh_str_of(p->type);
  f->fqdn = gh_arena_fmt(a, "%.*s.%.*s", GH_STR_ARG(is_cse ? cse : gh_str_of(p->label)), GH_STR_ARG(realm->sp_fqdn));
  if (is_cse) {
    f->cse_id = cse;
    f->cse_rn = cse_rn;
  }
  f->listen = listen_of(a, listen, i);
  f->certificate = gh_arena_fmt(a, "%s.pem", p->name);
  f->sealed = gh_arena_fmt(a, "%s.sealed", p->name);
  f->store = gh_arena_fmt(a, "%s.db", p->name);
}

/* An MN-CSE that registers at the IN-CSE. */
static gh_err plan_mn_cse(gh_realm *realm, gh_str stem, bool by_maf, const gh_endpoint *listen, gh_diag *diag)
{
  gh_arena *a = &realm->arena;
  bool usable = gh_stem_valid(stem) && gh_fqdn_valid(stem) && gh_str_find(stem, '.') == SIZE_MAX;
  for (size_t i = 0; usable && i < realm->function_count; i++) usable = !gh_str_eq(realm->functions[i].name, stem);
  if (!usable || gh_str_eq(stem, realm->in_cse))
    return gh_fail(diag, GH_EINVAL, "--mn-cse: '%.*s' must be letters, digits and inner hyphens, and used once",
                   GH_STR_ARG(stem));
  if (realm->function_count == GH_REALM_MAX_FUNCTIONS)
    return gh_fail(diag, GH_ELIMIT, "--mn-cse: a realm has at most %d functions", GH_REALM_MAX_FUNCTIONS);
  size_t i = realm->function_count++;
  gh_realm_function *f = &realm->functions[i];
  gh_conf_defaults(&gh_realm_function_table, f);
  f->name = f->cse_id = stem;
  f->type = GH_STR("cse");
  f->registrar = realm->in_cse;
  if (by_maf) f->registrar_maf = gh_realm_function_named(realm, GH_STR("maf"))->fqdn;
  f->cse_rn = GH_STR("cse-mn");
  f->fqdn =
      gh_arena_fmt(a, "%.*s.%.*s.%.*s", GH_STR_ARG(stem), GH_STR_ARG(realm->in_cse), GH_STR_ARG(realm->sp_fqdn));
  f->listen = listen_of(a, listen, i);
  f->certificate = gh_arena_fmt(a, "%.*s.pem", GH_STR_ARG(stem));
  f->sealed = gh_arena_fmt(a, "%.*s.sealed", GH_STR_ARG(stem));
  f->store = gh_arena_fmt(a, "%.*s.db", GH_STR_ARG(stem));
  return GH_OK;
}

static gh_err make_plan(gh_call *call, gh_realm *realm, gh_diag *diag)
{
  gh_str cse = gh_call_text(call, "cse-name", GH_STR("in-cse")),
         cse_rn = gh_call_text(call, "cse-rn", GH_STR("cse-in"));
  gh_str listen = gh_call_text(call, "listen", GH_STR("127.0.0.1:0"));
  gh_endpoint first;
  realm->sp_fqdn = gh_call_text(call, "sp-id", GH_STR_NONE);
  if (!realm->sp_fqdn.ptr) return gh_fail(diag, GH_EINVAL, "--sp-id is missing");
  if (!gh_fqdn_valid(realm->sp_fqdn))
    return gh_fail(diag, GH_EINVAL, "--sp-id: '%.*s' is not an FQDN", GH_STR_ARG(realm->sp_fqdn));
  /* It is a label of the CSE's public domain name as well. */
  if (!gh_stem_valid(cse) || !gh_fqdn_valid(cse) || gh_str_find(cse, '.') != SIZE_MAX)
    return gh_fail(diag, GH_EINVAL, "--cse-name: '%.*s' must be letters, digits and inner hyphens", GH_STR_ARG(cse));
  if (!gh_resource_name_valid(cse_rn))
    return gh_fail(diag, GH_EINVAL, "--cse-rn: '%.*s' is not a resource name", GH_STR_ARG(cse_rn));
  if (gh_endpoint_parse(listen, &first) != GH_OK || first.port > 65535 - GH_REALM_MAX_FUNCTIONS)
    return gh_fail(diag, GH_EINVAL, "--listen: '%.*s' is not address:port", GH_STR_ARG(listen));
  if (!is_numeric(first.host)) return gh_fail(diag, GH_EINVAL, "--listen: '%s' is not a numeric address", first.host);
  gh_conf_defaults(&gh_realm_table, realm);
  realm->in_cse = cse;
  realm->admins = (gh_conf_list){GH_NEW_ARRAY(&realm->arena, gh_str, 1), 1};
  realm->admins.items[0] = gh_arena_fmt(&realm->arena, "//%.*s/Sadmin", GH_STR_ARG(realm->sp_fqdn));
  for (size_t i = 0; i < PLANS; i++) plan_function(realm, &plans[i], i, cse, cse_rn, &first);
  gh_str stem;
  bool by_maf = gh_call_has(call, "mn-by-maf");
  if (by_maf && !gh_call_has(call, "mn-cse")) return gh_fail(diag, GH_EINVAL, "--mn-by-maf: there is no --mn-cse");
  for (size_t i = 0; (stem = gh_call_nth(call, "mn-cse", i)).ptr; i++)
    GH_TRY(plan_mn_cse(realm, stem, by_maf, &first, diag));
  return GH_OK;
}

static gh_err write_conf(const gh_realm *realm, gh_diag *diag)
{
  gh_buf text = GH_BUF_INIT;
  gh_buf_add(&text,
             GH_STR("# A realm: the functions of one M2M service provider. An unknown setting is an error.\n"));
  gh_conf_write(&text, &gh_realm_table, realm, 0, true);
  gh_buf_add(&text,
             GH_STR("# one group for each function; its name is what `gatehouse serve` calls it\nfunctions = {\n"));
  for (size_t i = 0; i < realm->function_count; i++) {
    gh_buf_fmt(&text, "  %.*s = {\n", GH_STR_ARG(realm->functions[i].name));
    gh_conf_write(&text, &gh_realm_function_table, &realm->functions[i], 4, i == 0);
    gh_buf_add(&text, GH_STR("  };\n"));
  }
  gh_buf_add(&text, GH_STR("};\n"));
  gh_arena arena;
  gh_arena_init(&arena);
  gh_err err = gh_private_file_create(gh_arena_fmt(&arena, "%.*s/gatehouse.conf", GH_STR_ARG(realm->dir)).ptr,
                                      gh_buf_str(&text), diag);
  gh_arena_free(&arena);
  gh_buf_free(&text);
  return err;
}

static gh_err make_folders(gh_realm *realm, gh_diag *diag)
{
  static const char *const names[] = {"run", "admin"};
  GH_TRY(gh_folder_new(realm->dir.ptr, NULL, diag));
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    GH_TRY(gh_folder_new(gh_arena_fmt(&realm->arena, "%.*s/%s", GH_STR_ARG(realm->dir), names[i]).ptr, NULL, diag));
  return GH_OK;
}

static gh_err make_credentials(gh_realm *realm, gh_diag *diag)
{
  gh_random random = gh_random_system();
  gh_ca *ca = NULL;
  GH_TRY(gh_passphrase_new(gh_arena_fmt(&realm->arena, "%.*s/secret", GH_STR_ARG(realm->dir)).ptr, &random, diag));
  gh_err err = gh_ca_create(realm, &random, &ca, diag);
  for (size_t i = 0; err == GH_OK && i < realm->function_count; i++)
    err = gh_ca_equip_function(ca, realm, &realm->functions[i], i < PLANS ? plans[i].flavour : GH_CERT_CSE_ID,
                               &random, diag);
  if (err == GH_OK) err = gh_ca_equip_admin(ca, realm, realm->admins.items[0], &random, diag);
  gh_ca_free(ca);
  return err;
}

static gh_exit report(gh_call *call, const gh_realm *realm)
{
  gh_arena *a = &call->arena;
  gh_val *o = gh_val_object(a), *functions = gh_val_array(a);
  gh_val_set(a, o, GH_STR("realm"), gh_val_str(a, realm->dir));
  gh_val_set(a, o, GH_STR("sp"), gh_val_str(a, realm->sp_fqdn));
  gh_val_set(a, o, GH_STR("admin"), gh_val_str(a, realm->admins.items[0]));
  for (size_t i = 0; i < realm->function_count; i++) gh_val_push(functions, gh_val_str(a, realm->functions[i].fqdn));
  gh_val_set(a, o, GH_STR("functions"), functions);
  gh_exit code = gh_call_done(call, o);
  gh_call_note(call, "next: gatehouse serve -c %.*s", GH_STR_ARG(realm->dir));
  return code;
}

static gh_exit run(gh_call *call)
{
  gh_diag diag = {""};
  gh_realm realm = {.function_count = 0};
  gh_arena_init(&realm.arena);
  realm.dir = absolute_dir(&realm.arena, call->operands[0].ptr);
  gh_err err = make_plan(call, &realm, &diag);
  gh_exit code;
  if (err != GH_OK) {
    code = gh_call_misused(call, "%s", diag.text);
  } else {
    err = make_folders(&realm, &diag);
    if (err == GH_OK) err = make_credentials(&realm, &diag);
    if (err == GH_OK) err = write_conf(&realm, &diag);
    code = err == GH_OK ? report(call, &realm) : gh_call_failed(call, err, &diag);
  }
  gh_realm_free(&realm);
  return code;
}

static const gh_opt options[] = {
    {"sp-id", 0, GH_OPT_TEXT, "FQDN", "M2M service provider (required)"},
    {"cse-name", 0, GH_OPT_TEXT, "STEM", "CSE-ID of the IN-CSE without the slash (in-cse)"},
    {"cse-rn", 0, GH_OPT_TEXT, "NAME", "name of its <CSEBase> (cse-in)"},
    {"mn-cse", 0, GH_OPT_MANY, "STEM", "an MN-CSE as well, which registers at the IN-CSE"},
    {"mn-by-maf", 0, GH_OPT_FLAG, NULL, "they associate with it by keys that they register at the MAF"},
    {"listen", 0, GH_OPT_TEXT, "ADDRESS:PORT",
     "where the functions listen; they take this port and those behind it (127.0.0.1:0)"},
    {.name = NULL},
};

const gh_verb gh_verb_init = {
    .words = "init",
    .operands = "DIR",
    .min_operands = 1,
    .max_operands = 1,
    .help = "make a realm: configuration, CA, credentials of the functions and of the administrator",
    .details = "DIR must not exist, or be empty. Everything in it is for its owner alone. It holds\n"
               "  gatehouse.conf   every setting with its default and a comment\n"
               "  secret           passphrase of the sealed files, made now, never shown\n"
               "  ca.pem ca.sealed certificate and private key of the realm's CA; take ca.sealed off line when "
               "nothing is to be issued\n"
               "  mef.* maf.* cse.* certificate, sealed keys and store of each function\n"
               "  admin/           credential of the administrator (certificate of //SP/Sadmin)\n"
               "  run/             end points of what runs",
    .options = options,
    .run = run,
};
