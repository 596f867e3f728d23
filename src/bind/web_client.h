/* Outgoing HTTP to web services for the device library: an answer of a responder, a list of revoked certificates.
 * HTTP/1.1 over TCP, one connection for each exchange; no redirects, no proxy. What comes back is signed or
 * worthless, so that TLS would add nothing. Servers use web_outbound.h. */
#ifndef GH_BIND_WEB_CLIENT_H
#define GH_BIND_WEB_CLIENT_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/web.h"

/* "http://HOST[:PORT][/PATH]", HOST a name, an IPv4 address or [an IPv6 address]; no user, no fragment. */
bool gh_web_url_valid(gh_str url);
/* Each exchange ends (GH_ECONN) soon after *stop is true; NULL: none does. Its time limit does not hold for the
 * look-up of a name, which is the system's: only a thread that nobody waits for may be in it. */
gh_web gh_web_client(atomic_bool *stop);

#endif
