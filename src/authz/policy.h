/* A compiled policy: what the decision reads. Immutable after compilation; everything lives in its arena. */
#ifndef GH_AUTHZ_POLICY_H
#define GH_AUTHZ_POLICY_H

#include "authz/context.h"
#include "authz/originator.h"

enum { GH_ACOP_ALL = 63, GH_RULES_MAX = 1024 };

/* One element of accessControlObjectDetails. */
typedef struct gh_acod {
  uint32_t target_ty; /* 0: any */
  gh_str cnd;         /* containerDefinition of the target, or empty */
  int64_t mgd;        /* mgmtDefinition of the target, or 0 */
  uint32_t *child_tys;
  size_t child_ty_count;
} gh_acod;

typedef struct gh_rule {
  uint8_t operations; /* sum of GH_ACOP_ bits */
  bool authenticated; /* accessControlAuthenticationFlag */
  gh_acor *originators;
  size_t originator_count;
  gh_acod *details; /* none: every child type */
  size_t detail_count;
  gh_context *contexts; /* none: any context */
  size_t context_count;
} gh_rule;

struct gh_policy {
  gh_arena arena;
  gh_rule *rules;
  size_t rule_count;
};

#endif
