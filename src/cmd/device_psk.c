/* gatehouse device psk: Kpsa, which the device and its registrar were given beforehand. */
#include "client/secret_file.h"
#include "cmd/device_call.h"
#include "cmd/verbs.h"

static gh_exit run(gh_call *call)
{
  gh_device *device;
  gh_secret key = {.len = 0};
  gh_diag diag = {""};
  gh_str id = gh_call_text(call, "id", GH_STR_NONE);
  if (!id.ptr) return gh_call_misused(call, "--id is missing");
  gh_err err = gh_call_device(call, &device, &diag);
  if (err != GH_OK) return gh_call_failed(call, err, &diag);
  err = gh_key_file_read(gh_call_text(call, "key-file", GH_STR("-")).ptr, &key, &diag);
  if (err == GH_OK) err = gh_device_set_psk(device, id, &key, &diag);
  gh_secret_wipe(&key);
  gh_val *o = gh_val_object(&call->arena);
  if (err == GH_OK) gh_put_state(call, o, device);
  gh_device_close(device);
  return err == GH_OK ? gh_call_done(call, o) : gh_call_failed(call, err, &diag);
}

static const gh_opt options[] = {{"id", 0, GH_OPT_TEXT, "KPSAID", "KpsaID, name@FQDN (required)"},
                                 {"key-file", 0, GH_OPT_TEXT, "FILE",
                                  "Kpsa in hexadecimal or base64, in a file of mode 0600; - is standard input (-)"},
                                 GH_OPT_PASSPHRASE,
                                 {.name = NULL}};

const gh_verb gh_verb_device_psk = {
    .words = "device psk",
    .operands = "DIR",
    .min_operands = 1,
    .max_operands = 1,
    .help = "give a device a provisioned key (Kpsa) for its associations with the CSE",
    .details = "The CSE gets the same key: gatehouse cse key add. From now on the device uses it; it needs neither "
               "MEF nor MAF.",
    .options = options,
    .run = run,
};
