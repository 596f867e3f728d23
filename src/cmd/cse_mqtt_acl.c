/* gatehouse cse mqtt-acl: what the broker of a CSE must know: who may use which topic, and the provisioned keys. */
#include "client/secret_file.h"
#include "cmd/config.h"
#include "cmd/mqtt_acl.h"
#include "cmd/verbs.h"
#include "cse/cse.h"

typedef struct sources {
  gh_realm realm;
  const gh_realm_function *function;
  gh_random random;
  gh_se *se;
  gh_host *host;
} sources;

/* The store as it is on disk, without asking the running CSE; the keys only where they are wanted. */
static gh_err open_host(sources *s, bool keys, gh_diag *diag)
{
  const gh_realm_function *f = s->function;
  gh_host_options o = {.function = &gh_cse_function,
                       .store_path = f->store.ptr,
                       .clock = gh_clock_system(),
                       .random = s->random,
                       .log = {.level = GH_LOG_OFF},
                       .readonly = true};
  o.config.self =
      (gh_self){.sp_fqdn = s->realm.sp_fqdn, .cse_id = f->cse_id, .cse_rn = f->cse_rn, .in_cse = s->realm.in_cse};
  o.config.fqdn = f->fqdn;
  o.config.cse_type = 1;
  if (keys) GH_TRY(gh_realm_open_se(&s->realm, f, &s->random, &s->se, diag));
  o.se = s->se;
  GH_TRY(gh_host_open(&o, &s->host, diag));
  return keys ? gh_keyring_load(s->host->keyring, s->host->store, diag) : GH_OK;
}

static gh_err open_sources(gh_call *call, sources *s, gh_diag *diag)
{
  gh_str name = gh_call_text(call, "function", GH_STR_NONE);
  GH_TRY(gh_realm_read(call->operands[0].ptr, &s->realm, diag));
  s->function = name.len ? gh_realm_function_named(&s->realm, name) : gh_realm_first(&s->realm, GH_REALM_CSE);
  if (!s->function || s->function->kind != GH_REALM_CSE)
    return gh_fail(diag, GH_ENOTFOUND, "the realm has no such CSE");
  if (s->function->fqdn.len > GH_MQTT_ACL_NAME_MAX)
    return gh_fail(diag, GH_EUNSUPPORTED, "the certificate of %.*s has no common name to make a user of",
                   GH_STR_ARG(s->function->fqdn));
  s->random = gh_random_system();
  return open_host(s, gh_call_has(call, "psk"), diag);
}

static gh_err write_acl(gh_call *call, sources *s, gh_val *result, gh_diag *diag)
{
  gh_buf text = GH_BUF_INIT;
  gh_arena *a = &call->arena;
  gh_mqtt_acl acl = {.host = s->host, .prefix = s->function->mqtt.prefix, .user = s->function->fqdn};
  gh_str file = gh_call_text(call, "acl", GH_STR_NONE), registrar = s->function->registrar;
  if (registrar.len)
    acl.registrar = gh_arena_fmt(a, "//%.*s/%.*s", GH_STR_ARG(s->realm.sp_fqdn), GH_STR_ARG(registrar));
  gh_err err = gh_mqtt_acl_write(&acl, &text, diag);
  if (err == GH_OK && file.len) {
    err = gh_private_file_replace(file.ptr, gh_buf_str(&text), diag);
    gh_val_set(a, result, GH_STR("acl"), gh_val_str(a, file));
  } else if (err == GH_OK) {
    gh_val_set(a, result, GH_STR("list"), gh_val_str(a, gh_arena_dup(a, gh_buf_str(&text))));
  }
  gh_val_set(a, result, GH_STR("users"), gh_val_int(a, (int64_t)acl.user_count));
  gh_buf_free(&text);
  return err;
}

/* To a file that only its owner may read; never to standard output. */
static gh_err write_psk(gh_call *call, sources *s, gh_val *result, gh_diag *diag)
{
  gh_buf text = GH_BUF_INIT;
  gh_arena *a = &call->arena;
  gh_str file = gh_call_text(call, "psk", GH_STR_NONE);
  size_t count = 0;
  if (gh_str_empty(file)) return GH_OK;
  gh_err err = gh_mqtt_psk_write(s->host, &text, &count, diag);
  if (err == GH_OK) err = gh_private_file_replace(file.ptr, gh_buf_str(&text), diag);
  gh_buf_wipe_free(&text);
  gh_val_set(a, result, GH_STR("psk"), gh_val_str(a, file));
  gh_val_set(a, result, GH_STR("keys"), gh_val_int(a, (int64_t)count));
  return err;
}

static gh_exit show(gh_call *call, gh_val *result)
{
  gh_str list = GH_STR_NONE;
  if (call->json || !gh_val_get_str(result, GH_STR("list"), &list)) return gh_call_done(call, result);
  fprintf(call->out, "%.*s", GH_STR_ARG(list));
  return GH_EXIT_DONE;
}

static gh_exit run(gh_call *call)
{
  sources s = {.se = NULL};
  gh_diag diag = {""};
  gh_val *result = gh_val_object(&call->arena);
  if (gh_str_eq(gh_call_text(call, "psk", GH_STR_NONE), GH_STR("-")))
    return gh_call_misused(call, "--psk must be a file: keys never go to standard output");
  gh_err err = open_sources(call, &s, &diag);
  if (err == GH_OK) err = write_acl(call, &s, result, &diag);
  if (err == GH_OK) err = write_psk(call, &s, result, &diag);
  gh_exit code = err == GH_OK ? show(call, result) : gh_call_failed(call, err, &diag);
  gh_host_close(s.host);
  gh_se_close(s.se);
  gh_realm_free(&s.realm);
  return code;
}

static const gh_opt options[] = {
    {"function", 'f', GH_OPT_TEXT, "CSE", "which CSE of the realm (the first)"},
    {"acl", 0, GH_OPT_TEXT, "FILE", "write the list there (standard output)"},
    {"psk", 0, GH_OPT_TEXT, "FILE", "write the provisioned keys there, mode 0600"},
    {.name = NULL},
};

const gh_verb gh_verb_cse_mqtt_acl = {
    .words = "cse mqtt-acl",
    .operands = "REALM",
    .min_operands = 1,
    .max_operands = 1,
    .help = "access control list and keys for the MQTT broker of a CSE, as mosquitto reads them",
    .details = "Users are PSK identities and common names of certificates. Make the files again, and send the broker "
               "SIGHUP, whenever\n"
               "an AE or CSE was registered or a key was added or deleted: until then a new AE can only register.",
    .options = options,
    .run = run,
};
