/* Public keys on the command line: a file with the key or a certificate, or the identifier itself. */
#ifndef GH_CMD_PUBLIC_KEY_H
#define GH_CMD_PUBLIC_KEY_H

#include "cmd/call.h"

/* "ni:///sha-256;.." of what an option was given: that text, or a PEM file. Refuses keys outside the profile.
 * GH_EINVAL, GH_ENOTFOUND. */
GH_MUST_USE gh_err gh_call_public_key(gh_call *call, gh_str given, gh_str *id, gh_diag *diag);

#endif
