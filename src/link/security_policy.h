/* Named security policies: which versions, suites, groups and signature algorithms an association may use, in order
 * of preference. A table; nothing else in the house names a suite. No policy holds RC4 (RFC 7465), DHE (RFC 7919 then
 * has nothing to bound), NULL, export or anonymous suites. Extended master secret (RFC 7627) is offered by all and
 * demanded where gh_tls_options says so. */
#ifndef GH_LINK_SECURITY_POLICY_H
#define GH_LINK_SECURITY_POLICY_H

#include <openssl/ssl.h>

#include "base/arena.h"

/* Suites of (D)TLS 1.2, in OpenSSL's names, joined by ':'. */
typedef struct gh_policy_suites {
  const char *psk, *certificate;
} gh_policy_suites;

typedef struct gh_security_policy {
  const char *name;
  gh_policy_suites tls12, dtls12;
  const char *tls13;         /* suites of TLS 1.3; NULL: TLS 1.3 is not offered */
  const char *hybrid_groups; /* preferred, each only where this OpenSSL has it; NULL: none */
  const char *groups;
  const char *signatures;
  int tls_min, tls_max, dtls_min, dtls_max; /* TLS1_2_VERSION ..; tls_max without the switch `tls13`: 1.2 */
} gh_security_policy;

/* "modern": where nothing is configured. */
extern const gh_security_policy *const gh_security_policy_default;
/* NULL when there is none of that name. */
const gh_security_policy *gh_security_policy_named(gh_str name);
/* By position; NULL behind the last. */
const gh_security_policy *gh_security_policy_at(size_t index);

/* The group list for a context: hybrid groups that this OpenSSL has at run time, then the others. */
gh_str gh_security_policy_groups(gh_arena *arena, SSL_CTX *ctx, const gh_security_policy *policy);
/* Does this OpenSSL have the group? For the catalogue of features. */
bool gh_tls_group_available(const char *group);

#endif
