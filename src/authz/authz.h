/* The decision (TS-0003 clause 7.1): a pure function of the question and of the policies it was given. It never
 * fetches: when a policy is missing it answers GH_NEEDS and the gate asks again. Default deny; unknown is no. */
#ifndef GH_AUTHZ_AUTHZ_H
#define GH_AUTHZ_AUTHZ_H

#include "base/buf.h"
#include "m2m/ids.h"
#include "m2m/value.h"

enum {
  GH_ACOP_CREATE = 1,
  GH_ACOP_RETRIEVE = 2,
  GH_ACOP_UPDATE = 4,
  GH_ACOP_DELETE = 8,
  GH_ACOP_NOTIFY = 16,
  GH_ACOP_DISCOVERY = 32
};

/* A compiled set of rules (m2m:setOfAcrs): immutable, shareable between threads, free with gh_policy_free. */
typedef struct gh_policy gh_policy;

/* Strict check and compilation at write time; GH_ESYNTAX with the member named (the caller answers 4000). */
GH_MUST_USE gh_err gh_policy_compile(const gh_val *set_of_acrs, const gh_self *self, gh_policy **out, gh_diag *diag);
void gh_policy_free(gh_policy *policy);
size_t gh_policy_rule_count(const gh_policy *policy);
/* TP-14: does some rule give UPDATE to a non-empty originator list? */
bool gh_policy_is_changeable(const gh_policy *policy);

typedef struct gh_peer_addr {
  uint8_t family; /* 4, 6, or 0: unknown */
  uint8_t octets[16];
} gh_peer_addr;

typedef struct gh_place { /* where the originator is; unknown when neither flag is set */
  bool has_point, has_country;
  double latitude, longitude, uncertainty_m;
  char country[2];
} gh_place;

/* One policy that the target links to. */
typedef struct gh_policy_ref {
  gh_str id;               /* resource ID as in acpi */
  const gh_policy *policy; /* NULL with state ABSENT or UNKNOWN */
  enum {
    GH_REF_UNKNOWN,
    GH_REF_PRESENT,
    GH_REF_ABSENT
  } state; /* UNKNOWN: not fetched yet; ABSENT: contributes no rule */
} gh_policy_ref;

typedef struct gh_question {
  gh_str from;        /* originator in absolute form */
  bool authenticated; /* rq_authn of TS-0003 7.1.2 */
  uint8_t operation;  /* one GH_ACOP_ bit */
  uint32_t child_ty;  /* CREATE: type to be created */
  uint32_t target_ty;
  gh_str target_cnd;  /* containerDefinition of the target, or empty */
  int64_t target_mgd; /* mgmtDefinition of the target, or 0 */
  int64_t time_us;    /* arrival, wall clock; <= 0: clock not set, time windows never permit */
  gh_peer_addr peer;  /* address of the originator, known only when the last hop is the originator */
  gh_place place;
  const gh_str *roles; /* validated Role-IDs */
  size_t role_count;
  gh_policy_ref *policies; /* union, permit-overrides; the gate fills states between calls */
  size_t policy_count;
  gh_str default_subject; /* set: no policy applies and only this absolute ID has access (default policy) */
  const gh_str *admins;   /* with default_subject: these have access too (base resource) */
  size_t admin_count;
} gh_question;

typedef enum gh_outcome { GH_REFUSE, GH_PERMIT, GH_NEEDS } gh_outcome;

typedef struct gh_decision {
  gh_outcome outcome;
  const char *
      reason; /* short stable token: "rule", "default-policy", "no-rule-matches", "no-policy", "indeterminate", ... */
  size_t policy_index; /* PERMIT by rule / NEEDS: which of question->policies */
  size_t rule_index;
} gh_decision;

/* With `trace` non-NULL appends one line of text for each policy and rule looked at: why it did or did not match (for
 * the operator, never for the originator). */
gh_decision gh_decide(const gh_question *question, gh_buf *trace);

#endif
