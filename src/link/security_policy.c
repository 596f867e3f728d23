/* The table of security policies, and what this OpenSSL has of it. */
#include "link/security_policy.h"

#include <openssl/err.h>

#define P256 "P-256"
#define ECDSA_SHA256 "ECDSA+SHA256"
#define HYBRIDS "X25519MLKEM768:SecP256r1MLKEM768"

/* No CBC over DTLS: with encrypt-then-MAC OpenSSL ends the association at the first datagram whose MAC is wrong, and
 * anybody can send one. */
static const gh_security_policy policies[] = {
    /*= TS-0003 10.2.2; TS-0003 10.2.3; exactly what the clauses list, for TLS and for DTLS, and version 1.2 alone */
    {.name = "ts0003-r3",
     .tls12 = {"PSK-AES128-CBC-SHA256", "ECDHE-ECDSA-AES128-SHA256"},
     .dtls12 = {"PSK-AES128-CCM8", "ECDHE-ECDSA-AES128-CCM8"},
     .groups = P256,
     .signatures = ECDSA_SHA256,
     .tls_min = TLS1_2_VERSION,
     .tls_max = TLS1_2_VERSION,
     .dtls_min = DTLS1_2_VERSION,
     .dtls_max = DTLS1_2_VERSION},
    /*= TS-0003 10.2.2; with forward secrecy (RFC 4279 section 7.1) and AEAD before what the clauses demand */
    {.name = "modern",
     .tls12 = {"ECDHE-PSK-CHACHA20-POLY1305:ECDHE-PSK-AES128-CBC-SHA256:PSK-AES128-GCM-SHA256:PSK-AES128-CBC-SHA256:"
               "PSK-AES128-CCM8",
               "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-SHA256:"
               "ECDHE-ECDSA-AES128-CCM8"},
     .dtls12 = {"ECDHE-PSK-CHACHA20-POLY1305:PSK-AES128-GCM-SHA256:PSK-AES128-CCM8",
                "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-CCM8"},
     .tls13 = "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_CCM_SHA256",
     .hybrid_groups = HYBRIDS,
     .groups = P256,
     .signatures = ECDSA_SHA256,
     .tls_min = TLS1_2_VERSION,
     .tls_max = TLS1_3_VERSION,
     .dtls_min = DTLS1_2_VERSION,
     .dtls_max = DTLS1_2_VERSION},
    /* small records and one AES core: CCM_8 first, over TCP as well */
    {.name = "constrained",
     .tls12 = {"PSK-AES128-CCM8:PSK-AES128-CBC-SHA256", "ECDHE-ECDSA-AES128-CCM8:ECDHE-ECDSA-AES128-SHA256"},
     .dtls12 = {"PSK-AES128-CCM8", "ECDHE-ECDSA-AES128-CCM8"},
     .tls13 = "TLS_AES_128_CCM_8_SHA256:TLS_AES_128_CCM_SHA256:TLS_AES_128_GCM_SHA256",
     .groups = P256,
     .signatures = ECDSA_SHA256,
     .tls_min = TLS1_2_VERSION,
     .tls_max = TLS1_3_VERSION,
     .dtls_min = DTLS1_2_VERSION,
     .dtls_max = DTLS1_2_VERSION},
};

const gh_security_policy *const gh_security_policy_default = &policies[1];

const gh_security_policy *gh_security_policy_at(size_t index)
{
  return index < sizeof policies / sizeof *policies ? &policies[index] : NULL;
}

const gh_security_policy *gh_security_policy_named(gh_str name)
{
  const gh_security_policy *policy;
  for (size_t i = 0; (policy = gh_security_policy_at(i)); i++)
    if (gh_str_eq(name, gh_str_of(policy->name))) return policy;
  return NULL;
}

static bool has_group(SSL_CTX *ctx, const char *group)
{
  bool has = SSL_CTX_set1_groups_list(ctx, group) == 1;
  ERR_clear_error();
  return has;
}

bool gh_tls_group_available(const char *group)
{
  SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
  bool has = ctx && has_group(ctx, group);
  SSL_CTX_free(ctx);
  return has;
}

gh_str gh_security_policy_groups(gh_arena *arena, SSL_CTX *ctx, const gh_security_policy *policy)
{
  gh_str hybrids = gh_str_of(policy->hybrid_groups), one, list = GH_STR("");
  while (gh_str_split(&hybrids, ':', &one)) {
    gh_str name = gh_arena_fmt(arena, "%.*s", GH_STR_ARG(one));
    if (has_group(ctx, name.ptr)) list = gh_arena_fmt(arena, "%s%s:", list.ptr, name.ptr);
  }
  return gh_arena_fmt(arena, "%s%s", list.ptr, policy->groups);
}
