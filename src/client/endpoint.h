/* Where an entity is reached: "host:port", "[v6]:port", or "file:PATH" of a file that holds one such line (ports that
 * the system chose). Pure text but for that file. */
#ifndef GH_CLIENT_ENDPOINT_H
#define GH_CLIENT_ENDPOINT_H

#include "base/arena.h"

typedef struct gh_endpoint {
  char host[256];
  uint16_t port; /* 0: the system chooses (listening only) */
} gh_endpoint;

/* "host:port". GH_ESYNTAX. */
GH_MUST_USE gh_err gh_endpoint_parse(gh_str text, gh_endpoint *out);
/* Follows "file:"; a port of 0 is refused. GH_ENOTFOUND when the file is not there: the entity does not run. */
GH_MUST_USE gh_err gh_endpoint_find(gh_str text, gh_endpoint *out, gh_diag *diag);
/* As a check of configuration: either form. */
bool gh_endpoint_valid(gh_str text);

#endif
