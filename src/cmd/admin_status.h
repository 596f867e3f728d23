/* Revocation as the administrator's commands look at it. */
#ifndef GH_CMD_ADMIN_STATUS_H
#define GH_CMD_ADMIN_STATUS_H

#include "cmd/config.h"
#include "host/certificate_status.h"

typedef struct gh_admin_status gh_admin_status;

/* By crl, crl_policy and stapling_policy of the function. A list that cannot be read is an error where it is
 * required. */
GH_MUST_USE gh_err gh_admin_status_open(const gh_realm_function *function, gh_admin_status **out, gh_diag *diag);
const gh_status_source *gh_admin_status_source(const gh_admin_status *status);
void gh_admin_status_close(gh_admin_status *status);

#endif
