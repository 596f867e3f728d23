/* gatehouse device public-key: raw public keys for the associations with the CSE. */
#include "cmd/device_call.h"
#include "cmd/public_key.h"
#include "cmd/verbs.h"

static gh_err take_cse_keys(gh_call *call, gh_str *list, gh_diag *diag)
{
  gh_str given, id;
  *list = GH_STR("");
  for (size_t i = 0; (given = gh_call_nth(call, "cse-key", i)).ptr; i++) {
    GH_TRY(gh_call_public_key(call, given, &id, diag));
    *list = gh_arena_fmt(&call->arena, "%.*s%s%.*s", GH_STR_ARG(*list), i ? " " : "", GH_STR_ARG(id));
  }
  return GH_OK;
}

static gh_exit run(gh_call *call)
{
  gh_device *device;
  gh_diag diag = {""};
  gh_str cse_keys;
  if (!gh_call_has(call, "cse-key")) return gh_call_misused(call, "--cse-key is missing");
  gh_err err = take_cse_keys(call, &cse_keys, &diag);
  if (err == GH_OK) err = gh_call_device(call, &device, &diag);
  if (err != GH_OK) return gh_call_failed(call, err, &diag);
  err = gh_device_set_public_key(device, cse_keys, &diag);
  gh_val *o = gh_val_object(&call->arena);
  if (err == GH_OK) gh_put_state(call, o, device);
  gh_device_close(device);
  return err == GH_OK ? gh_call_done(call, o) : gh_call_failed(call, err, &diag);
}

static const gh_opt options[] = {{"cse-key", 0, GH_OPT_MANY, "KEY",
                                  "public key of the CSE: ni:///sha-256;.., or a PEM file with it or with the CSE's "
                                  "certificate (required; may be given again)"},
                                 GH_OPT_PASSPHRASE,
                                 {.name = NULL}};

const gh_verb gh_verb_device_public_key = {
    .words = "device public-key",
    .operands = "DIR",
    .min_operands = 1,
    .max_operands = 1,
    .help = "use raw public keys for a device's associations with the CSE",
    .details = "The device makes its key pair once; publicKeyID is for the CSE: gatehouse cse key add --public-key.\n"
               "Needs OpenSSL 3.2 or later.",
    .options = options,
    .run = run,
};
