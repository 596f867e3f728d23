/* gatehouse device new: a device's own state folder. */
#include <unistd.h>

#include "base/random.h"
#include "client/secret_file.h"
#include "cmd/config.h"
#include "cmd/device_call.h"
#include "cmd/verbs.h"
#include "m2m/key_id.h"

enum { KPM_ID_OCTETS = 8 };

static void take_peer(gh_call *call, gh_device_peer *peer, const char *fqdn, const char *endpoint)
{
  peer->fqdn = gh_call_text(call, fqdn, peer->fqdn);
  peer->endpoint = gh_call_text(call, endpoint, peer->endpoint);
}

/* A realm on this machine: its functions, and the files that say where they listen. */
static void peer_from_realm(gh_call *call, const gh_realm *realm, const gh_realm_function *f, gh_device_peer *peer)
{
  gh_arena *a = &call->arena;
  if (!f) return;
  peer->fqdn = gh_arena_dup(a, f->fqdn);
  if (!gh_str_eq(f->endpoint, GH_STR("auto"))) {
    peer->endpoint = gh_arena_dup(a, f->endpoint);
    return;
  }
  peer->endpoint = gh_arena_fmt(a, "file:%.*s/%.*s.endpoint", GH_STR_ARG(realm->run), GH_STR_ARG(f->name));
  peer->coap = gh_arena_fmt(a, "file:%.*s/%.*s.coap.endpoint", GH_STR_ARG(realm->run), GH_STR_ARG(f->name));
  peer->coaps_tcp = gh_arena_fmt(a, "file:%.*s/%.*s.coaps_tcp.endpoint", GH_STR_ARG(realm->run), GH_STR_ARG(f->name));
}

/* The CSE of the realm with this CSE-ID; the first where none was named. NULL. */
static const gh_realm_function *registrar_of(const gh_realm *realm, gh_str cse_id)
{
  for (size_t i = 0; i < realm->function_count; i++) {
    const gh_realm_function *f = &realm->functions[i];
    if (f->kind == GH_REALM_CSE && gh_str_eq(f->cse_id, cse_id)) return f;
  }
  return cse_id.ptr ? NULL : gh_realm_first(realm, GH_REALM_CSE);
}

static gh_err from_realm(gh_call *call, gh_device_config *config, gh_diag *diag)
{
  gh_str path = gh_call_text(call, "realm", GH_STR_NONE);
  if (!path.ptr) return GH_OK;
  gh_realm realm;
  gh_err err = gh_realm_read(path.ptr, &realm, diag);
  if (err == GH_OK) {
    config->sp_id = gh_arena_dup(&call->arena, realm.sp_fqdn);
    const gh_realm_function *cse = registrar_of(&realm, gh_call_text(call, "cse-id", GH_STR_NONE));
    if (!cse && gh_call_has(call, "cse-id"))
      err = gh_fail(diag, GH_ENOTFOUND, "--cse-id: the realm has no CSE '%.*s'",
                    GH_STR_ARG(gh_call_text(call, "cse-id", GH_STR_NONE)));
    peer_from_realm(call, &realm, gh_realm_first(&realm, GH_REALM_MEF), &config->mef);
    peer_from_realm(call, &realm, gh_realm_first(&realm, GH_REALM_MAF), &config->maf);
    peer_from_realm(call, &realm, cse, &config->cse);
    if (cse) {
      config->cse_id = gh_arena_dup(&call->arena, cse->cse_id);
      config->cse_rn = gh_arena_dup(&call->arena, cse->cse_rn);
      config->mqtt_name = gh_arena_dup(&call->arena, cse->mqtt.name);
      config->mqtt_prefix = gh_arena_dup(&call->arena, cse->mqtt.prefix);
    }
  }
  gh_realm_free(&realm);
  return err;
}

static gh_err take_kpm_id(gh_call *call, gh_device_config *config, gh_diag *diag)
{
  gh_str id = gh_call_text(call, "kpm-id", GH_STR_NONE);
  gh_random random = gh_random_system();
  if (!id.ptr && gh_random_id(&random, &call->arena, GH_STR("dev-"), KPM_ID_OCTETS, &id) != GH_OK)
    return gh_fail(diag, GH_EINTERNAL, "no randomness");
  if (gh_str_find(id, '@') == SIZE_MAX)
    id = gh_arena_fmt(&call->arena, "%.*s@%.*s", GH_STR_ARG(id), GH_STR_ARG(config->mef.fqdn));
  gh_key_id parsed;
  config->kpm_id = id;
  if (gh_key_id_parse(id, false, &parsed) != GH_OK) return GH_OK; /* refused with the other values */
  config->kpm_id = gh_key_id_canonical(&call->arena, &parsed);
  if (config->mef.fqdn.len && !gh_str_eq_nocase(parsed.fqdn, config->mef.fqdn)) /*= TS-0003 8.3.2.1 */
    return gh_fail(diag, GH_EINVAL, "--kpm-id: '%.*s' is not a key of the MEF %.*s", GH_STR_ARG(id),
                   GH_STR_ARG(config->mef.fqdn));
  return GH_OK;
}

static gh_err take_config(gh_call *call, gh_device_config *config, gh_diag *diag)
{
  gh_device_config_defaults(config);
  GH_TRY(from_realm(call, config, diag));
  config->sp_id = gh_call_text(call, "sp-id", config->sp_id);
  config->cse_id = gh_call_text(call, "cse-id", config->cse_id);
  config->cse_rn = gh_call_text(call, "cse-rn", config->cse_rn);
  take_peer(call, &config->cse, "cse-fqdn", "cse-endpoint");
  take_peer(call, &config->mef, "mef-fqdn", "mef-endpoint");
  take_peer(call, &config->maf, "maf-fqdn", "maf-endpoint");
  config->mqtt_broker = gh_call_text(call, "mqtt-broker", config->mqtt_broker);
  config->mqtt_name = gh_call_text(call, "mqtt-name", config->mqtt_name);
  config->timeout_ms = gh_call_number(call, "timeout-ms", config->timeout_ms);
  config->binding = gh_call_text(call, "binding", config->binding);
  if (gh_call_has(call, "cbor")) config->serialization = gh_representation_name(GH_REP_CBOR);
  if (gh_call_has(call, "tls12-only")) config->tls13 = false;
  return take_kpm_id(call, config, diag);
}

static gh_err take_key(gh_call *call, gh_secret *key, gh_diag *diag)
{
  gh_random random = gh_random_system();
  gh_str generate = gh_call_text(call, "generate", GH_STR_NONE);
  if (generate.ptr) return gh_key_file_generate(generate.ptr, &random, key, diag);
  return gh_key_file_read(gh_call_text(call, "key-file", GH_STR("-")).ptr, key, diag);
}

static gh_exit report(gh_call *call, const gh_device_config *config)
{
  gh_arena *a = &call->arena;
  gh_val *o = gh_val_object(a);
  gh_str generate = gh_call_text(call, "generate", GH_STR_NONE);
  gh_val_set(a, o, GH_STR("device"), gh_val_str(a, call->operands[0]));
  gh_val_set(a, o, GH_STR("kpmID"), gh_val_str(a, config->kpm_id));
  if (generate.ptr) gh_val_set(a, o, GH_STR("kpmFile"), gh_val_str(a, generate));
  return gh_call_done(call, o);
}

static gh_exit run(gh_call *call)
{
  gh_device_config config;
  gh_secret key = {.len = 0};
  gh_diag diag = {""};
  if (gh_call_has(call, "key-file") == gh_call_has(call, "generate"))
    return gh_call_misused(call, "one of --key-file and --generate is needed");
  if (!gh_call_has(call, "realm") && !gh_call_has(call, "sp-id"))
    return gh_call_misused(call, "one of --realm and --sp-id is needed");
  if (!gh_call_has(call, "realm") && !gh_call_has(call, "mef-fqdn"))
    return gh_call_misused(call, "one of --realm and --mef-fqdn is needed: whoever issues KpmID");
  gh_err err = take_config(call, &config, &diag);
  if (err == GH_OK) err = take_key(call, &key, &diag);
  if (err == GH_OK) {
    err = gh_device_create(call->operands[0].ptr, &config, &key, gh_call_passphrase(call), &diag);
    gh_str made = gh_call_text(call, "generate", GH_STR_NONE);
    if (err != GH_OK && made.ptr) unlink(made.ptr); /* the next attempt makes another */
  }
  gh_secret_wipe(&key);
  return err == GH_OK ? report(call, &config) : gh_call_failed(call, err, &diag);
}

static const gh_opt options[] = {
    {"realm", 0, GH_OPT_TEXT, "DIR", "take names and end points from a realm on this machine"},
    {"kpm-id", 0, GH_OPT_TEXT, "ID", "KpmID, name@MEF-FQDN; a bare name gets the MEF-FQDN (a random name)"},
    {"key-file", 0, GH_OPT_TEXT, "FILE", "Kpm in hexadecimal or base64, in a file of mode 0600; - is standard input"},
    {"generate", 0, GH_OPT_TEXT, "FILE",
     "make a Kpm and write it, for the operator of the MEF, to a new file of mode 0600"},
    {"sp-id", 0, GH_OPT_TEXT, "FQDN", "M2M service provider"},
    {"cse-id", 0, GH_OPT_TEXT, "STEM", "CSE-ID without the slash (in-cse); with --realm: which CSE of the realm"},
    {"cse-rn", 0, GH_OPT_TEXT, "NAME", "name of the <CSEBase> (cse-in)"},
    {"cse-fqdn", 0, GH_OPT_TEXT, "FQDN", "public domain name of the CSE"},
    {"cse-endpoint", 0, GH_OPT_TEXT, "WHERE", "host:port, or file:PATH of a file with it"},
    {"mef-fqdn", 0, GH_OPT_TEXT, "FQDN", "MEF-FQDN"},
    {"mef-endpoint", 0, GH_OPT_TEXT, "WHERE", "the same for the MEF"},
    {"maf-fqdn", 0, GH_OPT_TEXT, "FQDN", "MAF-FQDN"},
    {"maf-endpoint", 0, GH_OPT_TEXT, "WHERE", "the same for the MAF"},
    {"mqtt-broker", 0, GH_OPT_TEXT, "WHERE", "the broker's listener for pre-shared keys, for --binding mqtt"},
    {"mqtt-name", 0, GH_OPT_TEXT, "FQDN", "the broker's name"},
    {"tls12-only", 0, GH_OPT_FLAG, NULL, "do not offer TLS 1.3"},
    {"timeout-ms", 0, GH_OPT_NUMBER, "N", "of a handshake and of a request (10000)"},
    GH_OPT_BINDING,
    {"cbor", 0, GH_OPT_FLAG, NULL, "speak CBOR with the CSE (serialization in device.conf)"},
    GH_OPT_PASSPHRASE,
    {.name = NULL},
};

const gh_verb gh_verb_device_new = {
    .words = "device new",
    .operands = "DIR",
    .min_operands = 1,
    .max_operands = 1,
    .help = "make a device's state folder with its pre-provisioned key",
    .details =
        "DIR must not exist, or be empty. Kpm is read from a file or made; it is never taken from the command line.\n"
        "The operator tells the MEF of it with gatehouse mef enrolee add.",
    .options = options,
    .run = run,
};
