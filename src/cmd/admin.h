/* Administration: the administrator's association with a function of the realm, over the same gate as everybody's. */
#ifndef GH_CMD_ADMIN_H
#define GH_CMD_ADMIN_H

#include "client/client.h"
#include "cmd/call.h"
#include "cmd/config.h"

typedef struct gh_admin {
  gh_realm realm;
  const gh_realm_function *function;
  struct gh_admin_status *status;
  gh_client *client;
} gh_admin;

/* Reads the realm and associates with its function `name`, or with the first of `kind` when it is empty, under the
 * certificate in REALM/admin. Release with gh_admin_close, also after an error. *alert: as gh_client_open. */
GH_MUST_USE gh_err gh_admin_open(const char *realm, gh_str name, gh_realm_kind kind, gh_admin *out, int *alert,
                                 gh_diag *diag);
void gh_admin_close(gh_admin *admin);

/* Adds rsc, name, rqi, location and content of a response to `o`. */
void gh_put_response(gh_call *call, gh_val *o, const gh_request *request, const gh_response *response);
/* A refused association: exit code 1 with the alert; anything else: failure. */
gh_exit gh_association_failed(gh_call *call, gh_err err, int alert, const gh_diag *diag);
/* One request by the administrator, to the function that the option --function names, else to the first of `kind`,
 * from beginning to end; on success *response lives in the call's arena and the exit
 * code is GH_EXIT_DONE without anything shown yet. */
gh_exit gh_admin_ask(gh_call *call, gh_realm_kind kind, gh_request *request, gh_response *response);

#endif
