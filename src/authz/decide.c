/* Owns the decision (TS-0003 7.1.5). Must never fetch, allocate (without a trace), or permit on what it does not
 * know. */
#include "authz/policy.h"

/* What every rule of one question is compared with. */
typedef struct facts {
  const gh_question *q;
  gh_moment moment;
  gh_peer_addr peer;
} facts;

/* Why a rule did or did not match, for the trace. */
typedef struct verdict {
  gh_truth truth;
  const char *why;
} verdict;

/* ---- one rule */

/*= TS-0003 7.1.5; res_origs, originator or validated role is a member of acor */
static bool originator_matches(const gh_rule *rule, const gh_question *q)
{
  for (size_t i = 0; i < rule->originator_count; i++) {
    if (gh_acor_match(&rule->originators[i], q->from, q->roles, q->role_count)) return true;
  }
  return false;
}

static bool child_type_listed(const gh_acod *detail, uint32_t child_ty)
{
  for (size_t i = 0; i < detail->child_ty_count; i++) {
    if (detail->child_tys[i] == child_ty) return true;
  }
  return false;
}

/*= TS-0003 7.1.3; type and specialization are those of the target, not of the content */
static bool detail_matches(const gh_acod *detail, const gh_question *q)
{
  if (detail->target_ty != 0 && detail->target_ty != q->target_ty) return false;
  if (detail->cnd.len > 0 && !gh_str_eq(detail->cnd, q->target_cnd)) return false;
  if (detail->mgd != 0 && detail->mgd != q->target_mgd) return false;
  return child_type_listed(detail, q->child_ty);
}

/*= TS-0003 7.1.5; res_objd, for CREATE only */
static bool details_match(const gh_rule *rule, const gh_question *q)
{
  if (q->operation != GH_ACOP_CREATE || rule->detail_count == 0) return true;
  for (size_t i = 0; i < rule->detail_count; i++) {
    if (detail_matches(&rule->details[i], q)) return true;
  }
  return false;
}

/*= TS-0003 7.1.5; res_ctxts; 7.1.4; what cannot be evaluated is no permit */
static gh_truth contexts_match(const gh_rule *rule, const facts *f)
{
  gh_truth best = rule->context_count ? GH_NO : GH_YES;
  for (size_t i = 0; i < rule->context_count && best != GH_YES; i++) {
    gh_truth one = gh_context_match(&rule->contexts[i], &f->moment, &f->peer, &f->q->place);
    if (one > best) best = one;
  }
  return best;
}

static verdict judge_contexts(const gh_rule *rule, const facts *f)
{
  switch (contexts_match(rule, f)) {
  case GH_YES: return (verdict){GH_YES, "permits"};
  case GH_UNKNOWN: return (verdict){GH_UNKNOWN, "a context cannot be evaluated (time, address or place unknown)"};
  case GH_NO: break;
  }
  return (verdict){GH_NO, "no context (acco) is satisfied"};
}

/*= TS-0003 7.1.5; res_acr = res_authn AND res_origs AND res_ops AND res_ctxts AND res_objd */
static verdict judge_rule(const gh_rule *rule, const facts *f)
{
  const gh_question *q = f->q;
  if (!(rule->operations & q->operation)) return (verdict){GH_NO, "the operation is not in acop"};
  if (rule->authenticated && !q->authenticated) return (verdict){GH_NO, "acaf asks for an authenticated originator"};
  if (!originator_matches(rule, q)) return (verdict){GH_NO, "the originator is not in acor"};
  if (!details_match(rule, q)) return (verdict){GH_NO, "no object detail (acod) fits"};
  return judge_contexts(rule, f);
}

/* ---- trace */

static void trace_rule(gh_buf *trace, gh_str policy_id, size_t rule_index, const verdict *v)
{
  if (trace) gh_buf_fmt(trace, "policy %.*s rule %zu: %s\n", GH_STR_ARG(policy_id), rule_index, v->why);
}

static void trace_policy(gh_buf *trace, gh_str policy_id, const char *what)
{
  if (trace) gh_buf_fmt(trace, "policy %.*s: %s\n", GH_STR_ARG(policy_id), what);
}

static gh_decision conclude(gh_buf *trace, gh_outcome outcome, const char *reason)
{
  static const char *const names[] = {"refuse", "permit", "needs"};
  if (trace) gh_buf_fmt(trace, "decision: %s (%s)\n", names[outcome], reason);
  return (gh_decision){.outcome = outcome, .reason = reason};
}

/* ---- all policies: the first rule that says yes decides */

typedef struct search {
  bool permitted, indeterminate, unknown;
  size_t policy_index, rule_index; /* of the permitting rule */
  size_t unknown_index;            /* of the first policy not fetched yet */
} search;

static void search_policy(const gh_policy_ref *ref, size_t index, const facts *f, search *s, gh_buf *trace)
{
  const gh_policy *policy = ref->policy;
  if (policy->rule_count == 0) trace_policy(trace, ref->id, "has no rule");
  for (size_t i = 0; i < policy->rule_count && !s->permitted; i++) {
    verdict v = judge_rule(&policy->rules[i], f);
    trace_rule(trace, ref->id, i, &v);
    if (v.truth == GH_UNKNOWN) s->indeterminate = true;
    if (v.truth != GH_YES) continue;
    s->permitted = true;
    s->policy_index = index;
    s->rule_index = i;
  }
}

static void search_ref(const gh_policy_ref *ref, size_t index, const facts *f, search *s, gh_buf *trace)
{
  switch (ref->state) {
  case GH_REF_UNKNOWN:
    trace_policy(trace, ref->id, "not fetched yet");
    if (!s->unknown) s->unknown_index = index;
    s->unknown = true;
    return;
  case GH_REF_ABSENT: trace_policy(trace, ref->id, "absent, contributes no rule"); return;
  case GH_REF_PRESENT: break;
  }
  if (ref->policy)
    search_policy(ref, index, f, s, trace);
  else
    trace_policy(trace, ref->id, "said to be there and is not: contributes no rule");
}

/*= TS-0003 7.1.5; res_acrs, permit-overrides over all rules of all linked policies */
static gh_decision decide_by_rules(const facts *f, gh_buf *trace)
{
  search s = {.permitted = false};
  for (size_t i = 0; i < f->q->policy_count && !s.permitted; i++) search_ref(&f->q->policies[i], i, f, &s, trace);
  if (s.permitted) {
    gh_decision permit = conclude(trace, GH_PERMIT, "rule");
    permit.policy_index = s.policy_index;
    permit.rule_index = s.rule_index;
    return permit;
  }
  if (s.unknown) {
    gh_decision needs = conclude(trace, GH_NEEDS, "policy-not-fetched");
    needs.policy_index = s.unknown_index;
    return needs;
  }
  /*= TS-0003 7.1.4; indeterminate is a denial */
  return conclude(trace, GH_REFUSE, s.indeterminate ? "indeterminate" : "no-rule-matches");
}

/*= TS-0001 9.6.1.3.2; without acpi the creator has full access and nobody else has any */
static gh_decision decide_by_default(const gh_question *q, gh_buf *trace)
{
  if (gh_str_eq(q->from, q->default_subject)) return conclude(trace, GH_PERMIT, "default-policy");
  for (size_t i = 0; i < q->admin_count; i++)
    if (gh_str_eq(q->from, q->admins[i])) return conclude(trace, GH_PERMIT, "administrator");
  return conclude(trace, GH_REFUSE, "not-default-subject");
}

static bool is_one_operation(uint8_t operation)
{
  return operation != 0 && operation <= GH_ACOP_DISCOVERY && (operation & (operation - 1)) == 0;
}

gh_decision gh_decide(const gh_question *question, gh_buf *trace)
{
  if (gh_str_empty(question->from)) return conclude(trace, GH_REFUSE, "no-originator");
  if (!is_one_operation(question->operation)) return conclude(trace, GH_REFUSE, "no-operation");
  if (!gh_str_empty(question->default_subject)) return decide_by_default(question, trace);
  if (question->policy_count == 0) return conclude(trace, GH_REFUSE, "no-policy");
  const facts f = {
      .q = question, .moment = gh_moment_of(question->time_us), .peer = gh_peer_addr_plain(&question->peer)};
  return decide_by_rules(&f, trace);
}
