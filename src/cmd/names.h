/* Host names of other functions, looked up beside the workers: a resolver that does not answer must hold up nobody.
 */
#ifndef GH_CMD_NAMES_H
#define GH_CMD_NAMES_H

#include <stdint.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "gatehouse/error.h"

typedef struct gh_names gh_names;
/* May block; on a thread of its own. */
typedef gh_err gh_names_lookup(const char *host, struct sockaddr_storage *address, socklen_t *len);

/* `lookup` NULL: that of the system. */
gh_names *gh_names_new(gh_names_lookup *lookup, const gh_clock *clock);
/* Waits for nobody: a look-up under way ends by itself. */
void gh_names_free(gh_names *names);
/* Any thread, at once. A numeric address is what it says; of a name, what was found less than half a minute ago, or
 * before, while it is looked for again. GH_EAGAIN: it is being looked up, ask again soon. GH_ECONN: there is none. */
GH_MUST_USE gh_err gh_names_find(gh_names *names, const char *host, uint16_t port, struct sockaddr_storage *address,
                                 socklen_t *len);

#endif
