/* gatehouse mef enrolee add, list, delete: what the operator tells the MEF of its devices. */
#include "base/encoding.h"
#include "cmd/provision.h"
#include "cmd/verbs.h"
#include "m2m/constants.h"
#include "m2m/key_id.h"

enum { DEFAULT_SUIDS = 2 };

/* Whom the keys of the enrolee may be fetched by, when nothing is said: the realm's MAFs and CSEs. */
static void default_targets(gh_call *call, const gh_realm *realm, gh_val *list)
{
  gh_arena *a = &call->arena;
  for (size_t i = 0; i < realm->function_count; i++) {
    const gh_realm_function *f = &realm->functions[i];
    if (f->kind == GH_REALM_MAF) gh_val_push(list, gh_val_str(a, gh_arena_dup(a, f->fqdn)));
    if (f->kind == GH_REALM_CSE)
      gh_val_push(list,
                  gh_val_str(a, gh_arena_fmt(a, "//%.*s/%.*s", GH_STR_ARG(realm->sp_fqdn), GH_STR_ARG(f->cse_id))));
  }
}

static gh_val *targets(gh_call *call, const gh_realm *realm)
{
  gh_val *list = gh_val_array(&call->arena);
  gh_str target;
  for (size_t i = 0; (target = gh_call_nth(call, "target", i)).ptr; i++)
    gh_val_push(list, gh_val_str(&call->arena, target));
  if (!list->u.array.count) default_targets(call, realm, list);
  return list;
}

static bool suids(gh_call *call, gh_val **out)
{
  static const int usual[DEFAULT_SUIDS] = {21, 22};
  gh_val *list = *out = gh_val_array(&call->arena);
  gh_str text;
  for (size_t i = 0; (text = gh_call_nth(call, "suid", i)).ptr; i++) {
    uint64_t suid;
    if (!gh_str_to_u64(text, &suid) || suid > 99 || !gh_suid_valid((int64_t)suid)) {
      gh_call_misused(call, "--suid: '%.*s' is not a security usage identifier", GH_STR_ARG(text));
      return false;
    }
    gh_val_push(list, gh_val_int(&call->arena, (int64_t)suid));
  }
  if (list->u.array.count) return true;
  for (int i = 0; i < DEFAULT_SUIDS; i++) gh_val_push(list, gh_val_int(&call->arena, usual[i]));
  return true;
}

static gh_exit send_enrolee(gh_call *call, gh_val *attrs, gh_str id, const gh_secret *key)
{
  gh_provision what = {GH_REALM_MEF, GH_STR("mef"), GH_TY_ENROLEE, GH_STR("gh:enr"), "kpmID"};
  return gh_provision_send(call, &what, attrs, id, key);
}

/* "name" stands for name@MEF-FQDN. */
static gh_str key_id_of(gh_call *call, const gh_realm *realm, gh_str text)
{
  const gh_realm_function *mef = gh_realm_first(realm, GH_REALM_MEF);
  if (gh_str_find(text, '@') == SIZE_MAX && mef)
    text = gh_arena_fmt(&call->arena, "%.*s@%.*s", GH_STR_ARG(text), GH_STR_ARG(mef->fqdn));
  gh_key_id id;
  if (gh_key_id_parse(text, false, &id) == GH_OK) return gh_key_id_canonical(&call->arena, &id);
  gh_call_misused(call, "'%.*s' is not a key identifier name@MEF-FQDN", GH_STR_ARG(text));
  return GH_STR_NONE;
}

static gh_exit add_in(gh_call *call, const gh_realm *realm)
{
  gh_arena *a = &call->arena;
  gh_secret key = {.len = 0};
  gh_diag diag = {""};
  gh_val *attrs = gh_val_object(a), *uses;
  gh_str id = key_id_of(call, realm, gh_call_text(call, "id", GH_STR_NONE)),
         enrolee = gh_call_text(call, "enrolee-id", GH_STR_NONE);
  if (gh_str_empty(id) || !suids(call, &uses)) return GH_EXIT_USAGE;
  gh_err err = gh_provision_take_key(call, &key, &diag);
  if (err != GH_OK) return gh_call_failed(call, err, &diag);
  if (enrolee.ptr) gh_val_set(a, attrs, GH_STR("enid"), gh_val_str(a, enrolee));
  gh_val_set(a, attrs, GH_STR("tgis"), targets(call, realm));
  gh_val_set(a, attrs, GH_STR("suids"), uses);
  gh_exit code = send_enrolee(call, attrs, id, &key);
  gh_secret_wipe(&key);
  return code;
}

static gh_exit with_realm(gh_call *call, gh_exit (*step)(gh_call *call, const gh_realm *realm))
{
  gh_realm realm;
  gh_diag diag = {""};
  gh_err err = gh_realm_read(call->operands[0].ptr, &realm, &diag);
  gh_exit code = err == GH_OK ? step(call, &realm) : gh_call_failed(call, err, &diag);
  gh_realm_free(&realm);
  return code;
}

static gh_exit run_add(gh_call *call)
{
  if (!gh_call_has(call, "id")) return gh_call_misused(call, "--id is missing");
  if (gh_call_has(call, "key-file") == gh_call_has(call, "generate"))
    return gh_call_misused(call, "one of --key-file and --generate is needed");
  return with_realm(call, add_in);
}

static gh_exit run_list(gh_call *call)
{
  gh_request request = {.op = GH_OP_RETRIEVE, .to = GH_STR("mef"), .rcn = 8, .rt = 3};
  gh_response response;
  gh_exit code = gh_admin_ask(call, GH_REALM_MEF, &request, &response);
  if (code != GH_EXIT_DONE) return code;
  gh_str root;
  gh_val *base = NULL, *list = NULL;
  if (response.pc && gh_val_unwrap(response.pc, &root, &base)) list = gh_val_get(base, GH_STR("gh:enr"));
  if (list) return gh_call_done(call, list);
  gh_call_note(call, "no enrolee");
  return gh_call_done(call, gh_val_array(&call->arena));
}

/* The MEF names the resource after the key: "enr-" and its identifier in hexadecimal. */
static gh_exit delete_in(gh_call *call, const gh_realm *realm)
{
  gh_str id = key_id_of(call, realm, call->operands[1]);
  if (gh_str_empty(id)) return GH_EXIT_USAGE;
  gh_request request = {.op = GH_OP_DELETE, .rcn = GH_RCN_ABSENT, .rt = 3};
  request.to = gh_arena_fmt(&call->arena, "enr-%.*s", GH_STR_ARG(gh_hex_upper(&call->arena, id.ptr, id.len)));
  gh_response response;
  gh_exit code = gh_admin_ask(call, GH_REALM_MEF, &request, &response);
  if (code != GH_EXIT_DONE) return code;
  gh_val *o = gh_val_object(&call->arena);
  gh_put_response(call, o, &request, &response);
  return gh_call_done(call, o);
}

static gh_exit run_delete(gh_call *call)
{
  return with_realm(call, delete_in);
}

static const gh_opt add_options[] = {
    {"id", 0, GH_OPT_TEXT, "KPMID", "KpmID, name@MEF-FQDN; a bare name gets the realm's MEF-FQDN (required)"},
    {"enrolee-id", 0, GH_OPT_TEXT, "ID",
     "absolute AE-ID or CSE-ID that the enrolee will stand for, e.g. //sp/in-cse/Cdev1"},
    {"key-file", 0, GH_OPT_TEXT, "FILE", "Kpm in hexadecimal or base64, in a file of mode 0600; - is standard input"},
    {"generate", 0, GH_OPT_TEXT, "FILE", "make a Kpm and write it to a new file of mode 0600"},
    {"target", 0, GH_OPT_MANY, "ID", "who may fetch keys of this enrolee (the realm's MAFs and CSEs)"},
    {"suid", 0, GH_OPT_MANY, "N", "what its keys may be used for (21 22)"},
    {"days", 0, GH_OPT_DAYS, "N", "life of Kpm (365)"},
    {.name = NULL},
};

const gh_verb gh_verb_mef_enrolee_add = {
    .words = "mef enrolee add",
    .operands = "REALM",
    .min_operands = 1,
    .max_operands = 1,
    .help = "tell the MEF of a device: KpmID, Kpm, whom it stands for, who may share keys with it",
    .options = add_options,
    .run = run_add,
};

const gh_verb gh_verb_mef_enrolee_list = {
    .words = "mef enrolee list",
    .operands = "REALM",
    .min_operands = 1,
    .max_operands = 1,
    .help = "devices that the MEF knows; never their keys",
    .run = run_list,
};

const gh_verb gh_verb_mef_enrolee_delete = {
    .words = "mef enrolee delete",
    .operands = "REALM KPMID",
    .min_operands = 2,
    .max_operands = 2,
    .help = "the MEF forgets a device; associations under its Kpm end",
    .run = run_delete,
};
