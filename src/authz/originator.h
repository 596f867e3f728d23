/* One entry of accessControlOriginators (TS-0003 7.1.3). The entry is policy text and may be a pattern; the
 * originator that it is compared with is data and never one. */
#ifndef GH_AUTHZ_ORIGINATOR_H
#define GH_AUTHZ_ORIGINATOR_H

#include "authz/compile.h"

typedef enum gh_acor_kind {
  GH_ACOR_ALL,     /* every originator */
  GH_ACOR_ROLE,    /* a validated Role-ID */
  GH_ACOR_DOMAIN,  /* every CSE-ID and AE-ID of one SP */
  GH_ACOR_ID,      /* an absolute identifier */
  GH_ACOR_PATTERN, /* an absolute identifier with wildcards */
  GH_ACOR_NOBODY   /* well-formed text that no originator can match */
} gh_acor_kind;

typedef struct gh_acor {
  gh_acor_kind kind;
  gh_str text; /* canonical: absolute, FQDN in lower case */
} gh_acor;

GH_MUST_USE gh_err gh_acor_compile(gh_compile *c, const gh_val *value, void *acor);
/* `from` absolute. */
bool gh_acor_match(const gh_acor *acor, gh_str from, const gh_str *roles, size_t role_count);
/* '*' in the pattern stands for any run of octets without '/'; everything else for itself. */
bool gh_wildcard_match(gh_str pattern, gh_str text);

#endif
