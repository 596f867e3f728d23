/* What the verbs of a device have in common. */
#ifndef GH_CMD_DEVICE_CALL_H
#define GH_CMD_DEVICE_CALL_H

#include "cmd/call.h"
#include "gatehouse/client.h"

/* The option that every verb of a device has. */
#define GH_OPT_PASSPHRASE                                                                                            \
  {                                                                                                                  \
    "passphrase-file", 0, GH_OPT_TEXT, "FILE", "passphrase of keys.sealed, when it is not DIR/secret"                \
  }

#define GH_OPT_BINDING                                                                                               \
  {                                                                                                                  \
    "binding", 0, GH_OPT_CHOICE, "http|coap|coaps_tcp|ws|mqtt",                                                      \
        "instead of device.conf's; coap is over DTLS, coaps_tcp over TLS"                                            \
  }

#define GH_OPT_CBOR                                                                                                  \
  {                                                                                                                  \
    "cbor", 0, GH_OPT_FLAG, NULL, "send and ask for CBOR, whatever device.conf says"                                 \
  }

/* NULL when the option is absent. */
const char *gh_call_passphrase(const gh_call *call);
/* The device whose folder is the first operand. */
GH_MUST_USE gh_err gh_call_device(gh_call *call, gh_device **out, gh_diag *diag);
/* Adds identifiers and end times that the device has. */
void gh_put_state(gh_call *call, gh_val *o, const gh_device *device);
/* Adds rsc, name, rqi, location and content. */
void gh_put_reply(gh_call *call, gh_val *o, const gh_reply *reply);
/* Exit code of a finished step: done, refused (by response or alert), or failure; shows `o` with the reply in it. */
gh_exit gh_call_reply(gh_call *call, gh_err err, const gh_reply *reply, gh_val *o, const gh_diag *diag);

#endif
