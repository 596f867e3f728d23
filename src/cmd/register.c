/* gatehouse register: the device becomes a registered AE. */
#include "cmd/device_call.h"
#include "cmd/verbs.h"

static const char *const keys[] = {"maf", "mef", "psk", "public-key", "certificate", NULL}; /* by gh_device_key */

/* Which key the option names; -1: none of them. */
static int key_of(gh_str name)
{
  for (int i = 0; keys[i]; i++)
    if (gh_str_eq(name, gh_str_of(keys[i]))) return i;
  return -1;
}

static gh_exit run(gh_call *call)
{
  bool chosen = gh_call_has(call, "with");
  int key = key_of(gh_call_text(call, "with", GH_STR("maf")));
  if (key < 0) return gh_call_misused(call, "--with is maf, mef, psk, public-key or certificate");
  gh_device *device;
  gh_reply reply = {.alert = -1};
  gh_diag diag = {""};
  gh_err err = gh_call_device(call, &device, &diag);
  if (err != GH_OK) return gh_call_failed(call, err, &diag);
  if (chosen) err = gh_device_associate(device, (gh_device_key)key, &reply, &diag); /* else the usual one */
  if (err == GH_OK && reply.rsc < 4000)
    err = gh_device_register(device, gh_call_text(call, "app-id", GH_STR("N.gatehouse")),
                             gh_call_text(call, "rn", GH_STR_NONE), &reply, &diag);
  gh_val *o = gh_val_object(&call->arena);
  gh_str ae_id = gh_device_state_get(device)->ae_id;
  if (err == GH_OK && reply.rsc < 4000)
    gh_val_set(&call->arena, o, GH_STR("aeID"), gh_val_str(&call->arena, gh_arena_dup(&call->arena, ae_id)));
  gh_exit code = gh_call_reply(call, err, &reply, o, &diag);
  gh_device_close(device);
  return code;
}

static const gh_opt options[] = {
    {"app-id", 0, GH_OPT_TEXT, "ID", "App-ID, begins with N or R (N.gatehouse)"},
    {"rn", 0, GH_OPT_TEXT, "NAME", "resource name of the <AE>"},
    {"with", 0, GH_OPT_TEXT, "WHAT",
     "maf: Kc; mef: the key registered at the MEF with SUID 22; psk: Kpsa; public-key: raw public keys; certificate; "
     "later "
     "requests use the same"},
    GH_OPT_BINDING,
    GH_OPT_CBOR,
    GH_OPT_PASSPHRASE,
    {.name = NULL},
};

const gh_verb gh_verb_register = {
    .words = "register",
    .operands = "DIR",
    .min_operands = 1,
    .max_operands = 1,
    .help = "associate with the CSE and register as an AE",
    .details = "With CBOR, by --cbor or device.conf, the <AE> says that it likes CBOR best (contentSerialization).",
    .options = options,
    .run = run,
};
