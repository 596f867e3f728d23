/* The steps of the gate, one file each; only gate.c calls them. */
#ifndef GH_HOST_GATE_H
#define GH_HOST_GATE_H

#include "host/host.h"

/* Each returns 2000 to go on, or has made the refusing response. */
/* transit.c: a request for another CSE is forwarded, *taken is set, and finish() is called when its answer is here.
 */
int gh_gate_transit(gh_exchange *x, void (*finish)(gh_exchange *x), bool *taken);
/* notify.c: NOTIFY is decided here and answered by the target itself; as above. Never 2000 without *taken. */
int gh_gate_notify(gh_exchange *x, void (*finish)(gh_exchange *x), bool *taken);
/* transit.c: until when (monotonic) whoever is asked in the originator's name may answer. */
int64_t gh_gate_deadline(const gh_exchange *x);
int gh_gate_route(gh_exchange *x);  /* route.c: x->target */
int gh_gate_decide(gh_exchange *x); /* decide_access.c: x->decision */
int gh_perform_create(gh_exchange *x);
int gh_perform_retrieve(gh_exchange *x);
int gh_perform_update(gh_exchange *x);
int gh_perform_delete(gh_exchange *x);

void gh_audit_refusal(gh_exchange *x);
GH_MUST_USE gh_err gh_audit_change(gh_exchange *x, gh_store_txn *txn);

/* Shows a resource in the response as rcn asks. */
int gh_show(gh_exchange *x, gh_node *node, int rcn);
/* The policies that govern `node` as a question without originator and operation; `refs` are released with
 * gh_question_release. */
typedef struct gh_policy_set {
  gh_question question;
  gh_policy_ref *refs;
  gh_node **nodes; /* one for each policy, then the resource that holds them */
  bool self_rules; /* judged by selfPrivileges */
} gh_policy_set;
void gh_policies_of(gh_host *host, gh_view view, gh_arena *arena, gh_node *node, bool own_rules_only,
                    gh_policy_set *out);
/* Asks the decision, fulfils its needs, asks again. */
gh_decision gh_policies_decide(gh_host *host, gh_view view, gh_policy_set *set, gh_buf *trace);
void gh_policies_release(gh_policy_set *set);

#endif
