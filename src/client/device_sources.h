/* Do the sources answer, of which a device asks whether a certificate is revoked? For people who set one up: each
 * call asks once, and waits for at most half of timeout_ms.
 */
#ifndef GH_CLIENT_DEVICE_SOURCES_H
#define GH_CLIENT_DEVICE_SOURCES_H

#include "crypto/cert_status.h"
#include "gatehouse/client.h"

/* The lists in the file, or behind the URL: *until_us is the earliest nextUpdate; INT64_MAX: none. */
GH_MUST_USE gh_err gh_device_try_file(gh_str path, int64_t *until_us, gh_diag *diag);
GH_MUST_USE gh_err gh_device_try_lists(gh_device *device, gh_str url, int64_t *until_us, gh_diag *diag);
/* Asks the responder about the device's own certificate, or, where the issuer of that is not at hand, about the first
 * anchor, for there is none of the CSE: GH_OK with what it says of it. GH_EAUTH: it answers, but not so that it
 * counts (another authority's, or an old one). *own: which it was. */
GH_MUST_USE gh_err gh_device_try_responder(gh_device *device, gh_str url, gh_cert_state *said, bool *own,
                                           gh_diag *diag);

#endif
