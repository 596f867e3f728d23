/* gatehouse enrol: from a pre-provisioned key to a key for the association with the CSE. */
#include "cmd/device_call.h"
#include "cmd/verbs.h"

typedef struct step {
  const char *name;
  gh_err (*run)(gh_call *call, gh_device *device, gh_reply *reply, gh_diag *diag);
} step;

static gh_err at_mef(gh_call *call, gh_device *device, gh_reply *reply, gh_diag *diag)
{
  gh_key_wish wish = {(int)gh_call_number(call, "register-key", 0), gh_call_text(call, "target", GH_STR_NONE)};
  if (!wish.suid) return gh_device_enrol(device, NULL, reply, diag);
  const gh_device_config *config = gh_device_config_get(device);
  if (!wish.target.len)
    wish.target = wish.suid == 21 ? config->maf.fqdn
                                  : gh_arena_fmt(&call->arena, "//%.*s/%.*s", GH_STR_ARG(config->sp_id),
                                                 GH_STR_ARG(config->cse_id));
  return gh_device_enrol(device, &wish, reply, diag);
}

static gh_err at_maf(gh_call *call, gh_device *device, gh_reply *reply, gh_diag *diag)
{
  (void)call;
  return gh_device_join_maf(device, reply, diag);
}

static gh_err key_at_maf(gh_call *call, gh_device *device, gh_reply *reply, gh_diag *diag)
{
  (void)call;
  return gh_device_register_key(device, reply, diag);
}

static const step steps[] = {{"mef", at_mef}, {"maf", at_maf}, {"key", key_at_maf}};
enum { STEPS = sizeof steps / sizeof *steps };

static size_t step_index(gh_str name)
{
  for (size_t i = 0; i < STEPS; i++)
    if (gh_str_eq(name, gh_str_of(steps[i].name))) return i;
  return STEPS;
}

static gh_exit run_steps(gh_call *call, gh_device *device, size_t first, size_t last)
{
  gh_reply reply = {.alert = -1};
  gh_diag diag = {""};
  gh_err err = GH_OK;
  const char *at = "";
  for (size_t i = first; i <= last && err == GH_OK && reply.rsc < 4000; i++) {
    at = steps[i].name;
    err = steps[i].run(call, device, &reply, &diag);
  }
  gh_val *o = gh_val_object(&call->arena);
  gh_val_set(&call->arena, o, GH_STR("step"), gh_val_str(&call->arena, gh_str_of(at)));
  if (err != GH_OK || reply.rsc >= 4000) return gh_call_reply(call, err, &reply, o, &diag);
  gh_put_state(call, o, device);
  return gh_call_done(call, o);
}

static gh_exit run(gh_call *call)
{
  size_t last = step_index(gh_call_text(call, "until", GH_STR("key"))),
         first = step_index(gh_call_text(call, "from", GH_STR("mef")));
  if (last == STEPS || first > last)
    return gh_call_misused(call, "--from and --until are mef, maf or key, in this order");
  if (gh_call_has(call, "target") && !gh_call_has(call, "register-key"))
    return gh_call_misused(call, "--target goes with --register-key");
  gh_device *device;
  gh_diag diag = {""};
  gh_err err = gh_call_device(call, &device, &diag);
  if (err != GH_OK) return gh_call_failed(call, err, &diag);
  bool no_maf = !gh_device_config_get(device)->maf.fqdn.len;
  gh_exit code = run_steps(call, device, first, no_maf ? 0 : last);
  gh_device_close(device);
  return code;
}

static const gh_opt options[] = {
    {"psk", 0, GH_OPT_FLAG, NULL, "with the pre-provisioned key (the only framework so far)"},
    {"from", 0, GH_OPT_TEXT, "STEP", "begin with mef, maf or key (mef)"},
    {"until", 0, GH_OPT_TEXT, "STEP", "end with mef, maf or key (key)"},
    {"register-key", 0, GH_OPT_NUMBER, "SUID", "register a key at the MEF, e.g. 22: an association without a MAF"},
    {"target", 0, GH_OPT_TEXT, "ID", "with whom that key is shared (the device's CSE, or its MAF with 21)"},
    GH_OPT_BINDING,
    GH_OPT_PASSPHRASE,
    {.name = NULL},
};

const gh_verb gh_verb_enrol = {
    .words = "enrol",
    .operands = "DIR",
    .min_operands = 1,
    .max_operands = 1,
    .help = "enrol a device at its MEF, make it a client of its MAF, get a key for its CSE",
    .details = "Steps: mef  pre-shared-key RSPF (TS-0003 8.3.2.1): Ke and KeID, client registration, commands\n"
               "       maf  MAF client registration (8.8.2.3): KmID\n"
               "       key  MAF key registration (8.8.2.7) for the CSE: KcID\n"
               "Run again, it renews what is there.",
    .options = options,
    .run = run,
};
