/* A point of access, as a registree wrote it down: where, and whether we go there. Pure text. */
#ifndef GH_CMD_POA_H
#define GH_CMD_POA_H

#include "client/endpoint.h"

/* "https://host[:port][/]": the only scheme of ours that is protected and that a CSE listens for. A name is taken
 * only in the provider's domain (a look-up elsewhere could be made to last), an address always. GH_ESYNTAX: no point
 * of access; GH_EUNSUPPORTED: not for us. */
GH_MUST_USE gh_err gh_poa_endpoint(gh_str poa, gh_str sp_fqdn, gh_endpoint *out);

#endif
