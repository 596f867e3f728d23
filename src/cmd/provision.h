/* What the verbs that hand a symmetric key to a function have in common. */
#ifndef GH_CMD_PROVISION_H
#define GH_CMD_PROVISION_H

#include "cmd/admin.h"
#include "gatehouse/secret.h"

/* From --key-file, or made and written to --generate. */
GH_MUST_USE gh_err gh_provision_take_key(gh_call *call, gh_secret *key, gh_diag *diag);

typedef struct gh_provision {
  gh_realm_kind kind;
  gh_str to; /* parent of the new resource */
  uint32_t ty;
  gh_str root;
  const char *id_name; /* of the key identifier in the answer */
} gh_provision;

/* CREATE as the administrator, with syki, kv and et (--days, else a year) added to `attrs`; shows the answer. */
gh_exit gh_provision_send(gh_call *call, const gh_provision *what, gh_val *attrs, gh_str id, const gh_secret *key);
/* The same with rpki alone: the identifier of a raw public key. */
gh_exit gh_provision_send_public(gh_call *call, const gh_provision *what, gh_val *attrs, gh_str id);

#endif
