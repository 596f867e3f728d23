/* Outgoing HTTP to web services, on libcurl: no redirects, no proxy, nothing but http. What comes back is signed or
 * worthless, so that TLS would add nothing. */
#ifndef GH_BIND_WEB_OUTBOUND_H
#define GH_BIND_WEB_OUTBOUND_H

#include "base/web.h"

/* Has no state; each exchange is a connection of its own. */
gh_web gh_web_outbound(void);

#endif
