/* May they? Finds the rules that govern the target and asks the pure decision, fulfilling its needs from the tree. */
#include "host/gate.h"
#include "m2m/constants.h"

static uint8_t operation_bit(gh_op op)
{
  switch (op) {
  case GH_OP_CREATE: return GH_ACOP_CREATE;
  case GH_OP_RETRIEVE: return GH_ACOP_RETRIEVE;
  case GH_OP_UPDATE: return GH_ACOP_UPDATE;
  case GH_OP_DELETE: return GH_ACOP_DELETE;
  case GH_OP_NOTIFY: return GH_ACOP_NOTIFY;
  }
  return 0;
}

/* The resource whose policy governs `node`: itself, or the nearest ancestor of a type with acpi. Reference. */
static gh_node *governing(gh_host *host, gh_view view, gh_node *node)
{
  gh_node *at = gh_node_ref(node); /* the version that will be shown, not one that came since */
  while (at) {
    const gh_type_ops *ops = gh_host_type(host, at->ty);
    if (!ops || !ops->follows_parent) return at;
    gh_node *parent = gh_tree_parent(host->tree, view, at);
    gh_node_unref(at);
    at = parent;
  }
  return NULL;
}

/*= TS-0001 9.6.1.3.2; TS-0003 7.1.1 which policy governs */
void gh_policies_of(gh_host *host, gh_view view, gh_arena *arena, gh_node *node, bool own_rules_only,
                    gh_policy_set *out)
{
  *out = (gh_policy_set){0};
  gh_node *holder = governing(host, view, node);
  if (!holder) return; /* no policy: refused */
  bool is_acp = holder->ty == GH_TY_ACCESS_CONTROL_POLICY;
  size_t count = is_acp ? 1 : holder->acpi_count;
  out->refs = GH_NEW_ARRAY(arena, gh_policy_ref, count + 1);
  out->nodes = GH_NEW_ARRAY(arena, gh_node *, count + 2);
  out->nodes[count] = holder; /* released with the others */
  out->question.policies = out->refs;
  out->question.policy_count = count;
  for (size_t i = 0; i < holder->acpi_count; i++) out->refs[i].id = holder->acpi[i];
  if (is_acp)
    out->refs[0] = (gh_policy_ref){.id = holder->ri, .policy = holder->pvs, .state = GH_REF_PRESENT};
  else if (count == 0)
    out->question.default_subject = holder->creator;
  if (gh_str_empty(holder->pi)) { /* the base belongs to whoever runs this host */
    out->question.admins = host->config.admins;
    out->question.admin_count = host->config.admin_count;
  }
  out->self_rules = own_rules_only;
}

static void fulfil(gh_host *host, gh_view view, gh_policy_set *set, size_t index)
{
  if (!set->refs) return;
  gh_policy_ref *ref = &set->refs[index];
  gh_node *acp = gh_tree_by_address(host->tree, view, ref->id);
  if (acp && acp->ty == GH_TY_ACCESS_CONTROL_POLICY) {
    set->nodes[index] = acp;
    ref->policy = set->self_rules ? acp->pvs : acp->pv;
    ref->state = GH_REF_PRESENT;
    return;
  }
  gh_node_unref(acp);
  ref->state = GH_REF_ABSENT; /*= TS-0001 9.6.1.3.2 a reference that leads nowhere grants nothing */
}

gh_decision gh_policies_decide(gh_host *host, gh_view view, gh_policy_set *set, gh_buf *trace)
{
  gh_decision decision = gh_decide(&set->question, NULL);
  for (size_t rounds = 0; decision.outcome == GH_NEEDS && rounds <= set->question.policy_count; rounds++) {
    fulfil(host, view, set, decision.policy_index);
    decision = gh_decide(&set->question, NULL);
  }
  if (decision.outcome == GH_NEEDS) decision = (gh_decision){.outcome = GH_REFUSE, .reason = "needs-unfulfilled"};
  if (trace) decision = gh_decide(&set->question, trace);
  return decision;
}

void gh_policies_release(gh_policy_set *set)
{
  for (size_t i = 0; set->nodes && i <= set->question.policy_count; i++) gh_node_unref(set->nodes[i]);
}

static void complete_question(gh_exchange *x, gh_question *q)
{
  q->from = x->originator;
  q->authenticated = x->authenticated;
  q->operation = operation_bit(x->request.op);
  q->child_ty = x->request.op == GH_OP_CREATE ? x->request.ty : 0;
  q->target_ty = x->target->ty;
  q->time_us = x->received_us;
  q->peer.family = x->address_family;
  memcpy(q->peer.octets, x->address, sizeof q->peer.octets);
}

/*= TS-0001 9.6.1.3.2 a change of acpi is judged by the selfPrivileges of the policies linked now */
static bool changes_acpi(const gh_exchange *x)
{
  gh_str root;
  gh_val *attrs;
  return x->request.op == GH_OP_UPDATE && x->request.pc && gh_val_unwrap(x->request.pc, &root, &attrs) &&
         gh_val_get(attrs, GH_STR("acpi"));
}

static void decide_by_policies(gh_exchange *x)
{
  gh_policy_set set;
  gh_buf trace = GH_BUF_INIT;
  gh_policies_of(x->host, x->view, &x->arena, x->target, changes_acpi(x), &set);
  if (!gh_host_is_admin(x->host, &x->peer)) set.question.admin_count = 0; /* it takes the certificate */
  complete_question(x, &set.question);
  x->decision = gh_policies_decide(x->host, x->view, &set, NULL);
  if (x->decision.outcome != GH_PERMIT) {
    gh_decision again = gh_policies_decide(x->host, x->view, &set, &trace);
    if (again.outcome == GH_PERMIT) x->decision.reason = "indeterminate";
    x->trace = gh_arena_dup(&x->arena, gh_buf_str(&trace));
  }
  gh_policies_release(&set);
  gh_buf_free(&trace);
}

int gh_gate_decide(gh_exchange *x)
{
  const gh_type_ops *ops = gh_host_type(x->host, x->target->ty);
  const gh_function *function = x->host->function;
  if (x->request.op == GH_OP_CREATE && function->skips_policies && function->skips_policies(x)) {
    x->decision = (gh_decision){.outcome = GH_PERMIT, .reason = "registration"};
    return GH_RSC_OK;
  }
  const char *forbidden = ops && ops->forbids ? ops->forbids(x->host, x->request.op, x->target) : NULL;
  if (forbidden) {
    x->decision = (gh_decision){.outcome = GH_REFUSE, .reason = forbidden};
    return gh_refuse(x, GH_RSC_ORIGINATOR_HAS_NO_PRIVILEGE, "not permitted");
  }
  if (ops && ops->also_permits && ops->also_permits(x, x->target)) {
    x->decision = (gh_decision){.outcome = GH_PERMIT, .reason = "registree"};
    return GH_RSC_OK;
  }
  if (ops && ops->decide)
    x->decision = ops->decide(x, x->target);
  else if (ops)
    decide_by_policies(x);
  else
    x->decision = (gh_decision){.outcome = GH_REFUSE, .reason = "unknown-type"};
  if (x->decision.outcome == GH_PERMIT) return GH_RSC_OK;
  /*= TS-0003 7.1.4 everything but a permit is a refusal */
  return gh_refuse(x, GH_RSC_ORIGINATOR_HAS_NO_PRIVILEGE, "not permitted");
}
