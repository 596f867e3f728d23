/* Lists of revoked certificates that a device fetches over HTTP. Touched by the device's thread alone; only the
 * fetching runs elsewhere. */
#ifndef GH_CLIENT_DEVICE_LISTS_H
#define GH_CLIENT_DEVICE_LISTS_H

#include "base/clock.h"
#include "client/web_thread.h"
#include "crypto/cert_status.h"

typedef struct gh_device_lists gh_device_lists;

/* `clock` and `web` (NULL: the network) outlive it, the URL is copied. */
gh_device_lists *gh_device_lists_new(gh_str url, uint32_t timeout_ms, const gh_clock *clock, const gh_web *web);
void gh_device_lists_free(gh_device_lists *lists); /* NULL is allowed */
/* Lists of these count from now on: they are on a path that has been verified. */
void gh_device_lists_know(gh_device_lists *lists, X509 *const *issuers, size_t count);
/* Fetches if it is time to. True: a fetch is under way. Nothing is fetched before an issuer is known. */
bool gh_device_lists_ask(gh_device_lists *lists);
/* Takes what has come; true: there is another list than before. */
bool gh_device_lists_collect(gh_device_lists *lists);
gh_cert_state gh_device_lists_check(gh_device_lists *lists, X509 *cert, X509 *issuer, int64_t now_us);

#endif
