/* A point of access, as a registree wrote it down: where, over what, and whether we go there. Pure text. */
#ifndef GH_CMD_POA_H
#define GH_CMD_POA_H

#include "client/endpoint.h"

typedef enum gh_poa_scheme { GH_POA_HTTPS, GH_POA_COAPS, GH_POA_COAPS_TCP, GH_POA_MQTTS } gh_poa_scheme;

typedef struct gh_poa {
  gh_poa_scheme scheme;
  gh_endpoint at;  /* of mqtts: of the broker, which is nothing to connect to, but to compare */
  gh_str prefix;   /* of mqtts: the topic levels in front of /oneM2M; borrowed */
  const char *why; /* set with every error: why it is passed over */
} gh_poa;

/* "https://host[:port][/]", coaps, coaps+tcp, mqtts (its path is the prefix of topics): the schemes that are
 * protected and that a registree may be reached by. A name to look up is taken only in the provider's domain (a
 * look-up elsewhere could be made to last), an address always. GH_ESYNTAX: no point of access; GH_EUNSUPPORTED: not
 * for us. */
GH_MUST_USE gh_err gh_poa_parse(gh_str poa, gh_str sp_fqdn, gh_poa *out);

#endif
