/* One exchange with a web service on a thread of its own, so that nobody waits longer than he wants: neither a
 * handshake of a device that listens, nor a program behind a resolver that is silent. Who began it may leave at any
 * time; the thread then ends by itself. */
#ifndef GH_CLIENT_WEB_THREAD_H
#define GH_CLIENT_WEB_THREAD_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/web.h"

typedef struct gh_web_fetch gh_web_fetch;

/* What makes the exchanges: NULL for the network; tests have their own, which is copied. The request is copied.
 * NULL: no thread can be had. */
gh_web_fetch *gh_web_fetch_begin(const gh_web *web, const gh_web_request *request);
/* Has it ended? Waits so long for it; 0: does not wait. */
bool gh_web_fetch_done(gh_web_fetch *fetch, uint32_t wait_ms);
/* Once it is done: takes the answer, whose octets are added to `out`, and leaves. */
GH_MUST_USE gh_err gh_web_fetch_take(gh_web_fetch *fetch, gh_buf *out, gh_diag *diag);
/* Leaves; what comes is thrown away. NULL is allowed. */
void gh_web_fetch_leave(gh_web_fetch *fetch);

#endif
