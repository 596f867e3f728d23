/* gatehouse explain: why a request would be permitted or refused, rule by rule; or why one was. */
#include <unistd.h>

#include <stdlib.h>

#include "cmd/runtime.h"
#include "cmd/verbs.h"
#include "cse/cse.h"
#include "cse/identify.h"
#include "host/gate.h"
#include "m2m/constants.h"

typedef struct operation {
  const char *name;
  gh_op op;
  uint8_t bit;
} operation;

static const operation operations[] = {
    {"create", GH_OP_CREATE, GH_ACOP_CREATE}, {"retrieve", GH_OP_RETRIEVE, GH_ACOP_RETRIEVE},
    {"update", GH_OP_UPDATE, GH_ACOP_UPDATE}, {"delete", GH_OP_DELETE, GH_ACOP_DELETE},
    {"notify", GH_OP_NOTIFY, GH_ACOP_NOTIFY}, {"discovery", GH_OP_RETRIEVE, GH_ACOP_DISCOVERY}};

static const operation *operation_of(gh_str name)
{
  for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
    if (gh_str_eq_nocase(name, gh_str_of(operations[i].name))) return &operations[i];
  return NULL;
}

static gh_err open_host(const gh_realm *realm, const gh_realm_function *f, gh_provider *providers, gh_host **out,
                        gh_diag *diag)
{
  gh_host_options o = {.function = &gh_cse_function,
                       .store_path = f->store.ptr,
                       .clock = gh_clock_system(),
                       .random = gh_random_system(),
                       .log = {.level = GH_LOG_OFF},
                       .readonly = true};
  o.config.self =
      (gh_self){.sp_fqdn = realm->sp_fqdn, .cse_id = f->cse_id, .cse_rn = f->cse_rn, .in_cse = realm->in_cse};
  o.config.fqdn = f->fqdn;
  o.config.cse_type = 1;
  if (gh_realm_is_in_cse(f)) gh_runtime_tell_providers(realm, providers, &o.config);
  return gh_host_open(&o, out, diag);
}

/* The trace is a line for each policy and rule: shown as lines, or as an array. */
static gh_val *lines_of(gh_arena *arena, gh_str text)
{
  gh_val *lines = gh_val_array(arena);
  for (gh_str line; text.ptr && gh_str_split(&text, '\n', &line);)
    if (line.len) gh_val_push(lines, gh_val_str(arena, line));
  return lines;
}

static gh_exit show(gh_call *call, gh_val *result, gh_str trace, bool permitted)
{
  gh_arena *a = &call->arena;
  if (call->json) gh_val_set(a, result, GH_STR("trace"), lines_of(a, trace));
  gh_exit code = permitted ? gh_call_done(call, result) : gh_call_refused(call, result);
  for (gh_str line; !call->json && trace.ptr && gh_str_split(&trace, '\n', &line);)
    if (line.len) fprintf(call->out, "  %.*s\n", GH_STR_ARG(line));
  return code;
}

static gh_val *describe(gh_call *call, const gh_decision *decision, const gh_question *q, gh_str target)
{
  gh_arena *a = &call->arena;
  gh_val *result = gh_val_object(a);
  bool permitted = decision->outcome == GH_PERMIT;
  gh_val_set(a, result, GH_STR("decision"), gh_val_str(a, permitted ? GH_STR("permit") : GH_STR("refuse")));
  gh_val_set(a, result, GH_STR("reason"), gh_val_str(a, gh_str_of(decision->reason)));
  gh_val_set(a, result, GH_STR("originator"), gh_val_str(a, q->from));
  gh_val_set(a, result, GH_STR("target"), gh_val_str(a, target));
  if (permitted && decision->policy_index < q->policy_count) {
    gh_val_set(a, result, GH_STR("policy"), gh_val_str(a, gh_arena_dup(a, q->policies[decision->policy_index].id)));
    gh_val_set(a, result, GH_STR("rule"), gh_val_int(a, (int64_t)decision->rule_index));
  }
  if (q->default_subject.len)
    gh_val_set(a, result, GH_STR("creator"), gh_val_str(a, gh_arena_dup(a, q->default_subject)));
  return result;
}

/* What no policy is asked about: the agreement with the originator's provider, on the IN-CSE, where it comes in. */
static bool decided_before(const gh_host *host, const gh_question *q, gh_op op, const gh_node *target,
                           gh_decision *out)
{
  const gh_host_config *c = &host->config;
  const gh_type_ops *ops = gh_host_type(host, target->ty);
  const char *why = NULL;
  bool comes_in = gh_id_is_foreign(&c->self, q->from) && gh_str_eq(c->self.cse_id, c->self.in_cse);
  if (comes_in) why = gh_cse_provider_refuses(gh_provider_of_sp(c, gh_id_parse(q->from).sp), op, q->child_ty);
  if (!why && ops && ops->forbids) why = ops->forbids(host, op, target);
  bool registers = comes_in && !why && op == GH_OP_CREATE && q->child_ty == GH_TY_REMOTE_CSE;
  if (registers && !gh_provider_of_cse(c, q->from)) why = "registers-another";
  if (registers && !why) *out = (gh_decision){.outcome = GH_PERMIT, .reason = "registration"};
  if (why) *out = (gh_decision){.outcome = GH_REFUSE, .reason = why};
  return registers || why;
}

static gh_exit evaluate(gh_call *call, gh_host *host)
{
  gh_str target = gh_call_text(call, "target", GH_STR_NONE), originator;
  const operation *asked = operation_of(gh_call_text(call, "operation", GH_STR("retrieve")));
  if (!asked)
    return gh_call_misused(call, "--operation must be create, retrieve, update, delete, notify or discovery");
  if (gh_id_absolute(&call->arena, &host->config.self, gh_call_text(call, "originator", GH_STR_NONE), &originator) !=
      GH_OK)
    return gh_call_misused(call, "--originator is not an AE-ID or CSE-ID");
  gh_node *node = gh_tree_by_address(host->tree, GH_VIEW_COMMITTED, target);
  if (!node) {
    gh_diag diag;
    return gh_call_failed(call, gh_fail(&diag, GH_ENOTFOUND, "there is no resource %.*s", GH_STR_ARG(target)), &diag);
  }
  gh_policy_set set;
  gh_buf trace = GH_BUF_INIT;
  gh_policies_of(host, GH_VIEW_COMMITTED, &call->arena, node, gh_call_has(call, "acpi-change"), &set);
  set.question.from = originator;
  set.question.authenticated = true;
  set.question.operation = asked->bit;
  set.question.child_ty = (uint32_t)gh_call_number(call, "child-type", 0);
  set.question.target_ty = node->ty;
  set.question.time_us = gh_host_now_us(host);
  gh_decision decision;
  bool before = decided_before(host, &set.question, asked->op, node, &decision);
  if (!before) decision = gh_policies_decide(host, GH_VIEW_COMMITTED, &set, &trace);
  gh_question shown = set.question;
  if (before) shown.policy_count = 0; /* none was asked */
  if (before) shown.default_subject = GH_STR_NONE;
  gh_val *result = describe(call, &decision, &shown, target);
  gh_exit code = show(call, result, gh_buf_str(&trace), decision.outcome == GH_PERMIT);
  gh_policies_release(&set);
  gh_buf_free(&trace);
  gh_node_unref(node);
  return code;
}

typedef struct found {
  gh_call *call;
  gh_val *result;
  gh_str trace;
} found;

static gh_err take_record(void *ctx, const gh_store_audit *r)
{
  found *f = ctx;
  gh_arena *a = &f->call->arena;
  if (f->result) return GH_OK;
  f->result = gh_val_object(a);
  const struct {
    const char *name;
    gh_str value;
  } fields[] = {{"decision", r->outcome},
                {"reason", r->reason},
                {"originator", r->originator},
                {"credential", r->credential},
                {"operation", r->op},
                {"target", r->target},
                {"request", r->rqi}};
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
    gh_val_set(a, f->result, gh_str_of(fields[i].name), gh_val_str(a, gh_arena_dup(a, fields[i].value)));
  gh_val_set(a, f->result, GH_STR("rsc"), gh_val_int(a, r->rsc));
  gh_val_set(a, f->result, GH_STR("rscName"), gh_val_str(a, gh_str_of(gh_rsc_find(r->rsc)->name)));
  f->trace = gh_arena_dup(a, r->detail);
  return GH_OK;
}

static gh_err look_for(found *what, const gh_realm_function *f, gh_str rqi, gh_diag *diag)
{
  gh_store *store;
  GH_TRY(gh_store_open_readonly(f->store.ptr, &store, diag));
  gh_err err = gh_store_each_audit(store, rqi, 1, take_record, what);
  gh_store_close(store);
  return err;
}

/* What the audit trail keeps of a request that was refused (or of a change that was made). A refusal is answered
 * before its record is on disk: whoever asks at once waits a little for it. */
static gh_exit recall(gh_call *call, const gh_realm_function *f)
{
  enum { TRIES = 20, PAUSE_US = 100000 };
  gh_diag diag = {""};
  found what = {.call = call};
  gh_str rqi = gh_call_text(call, "request", GH_STR_NONE);
  gh_err err = look_for(&what, f, rqi, &diag);
  for (int i = 1; i < TRIES && err == GH_OK && !what.result; i++) {
    usleep(PAUSE_US);
    err = look_for(&what, f, rqi, &diag);
  }
  if (err == GH_OK && !what.result)
    err = gh_fail(&diag, GH_ENOTFOUND, "the audit trail has no such request (what was permitted is not kept)");
  if (err != GH_OK) return gh_call_failed(call, err, &diag);
  gh_str outcome = GH_STR_NONE;
  gh_val_get_str(what.result, GH_STR("decision"), &outcome);
  return show(call, what.result, what.trace, !gh_str_eq(outcome, GH_STR("refused")));
}

static const gh_realm_function *choose(gh_call *call, const gh_realm *realm)
{
  gh_str name = gh_call_text(call, "function", GH_STR_NONE);
  return name.len ? gh_realm_function_named(realm, name) : gh_realm_first(realm, GH_REALM_CSE);
}

static gh_exit run(gh_call *call)
{
  gh_realm realm;
  gh_diag diag = {""};
  gh_host *host = NULL;
  bool recalled = gh_call_has(call, "request");
  if (!recalled && (!gh_call_has(call, "originator") || !gh_call_has(call, "target")))
    return gh_call_misused(call, "give --request, or --originator and --target");
  gh_err err = gh_realm_read(call->operands[0].ptr, &realm, &diag);
  const gh_realm_function *f = err == GH_OK ? choose(call, &realm) : NULL;
  if (err == GH_OK && !f) err = gh_realm_lacks(&realm, gh_call_text(call, "function", GH_STR_NONE), &diag);
  gh_exit code = GH_EXIT_FAILED;
  if (err == GH_OK && f && recalled) {
    code = recall(call, f);
  } else if (err == GH_OK && f && f->kind != GH_REALM_CSE) {
    code = gh_call_misused(call, "--function: only a CSE has access control policies");
  } else if (err == GH_OK && f) {
    gh_provider providers[GH_REALM_MAX_PROVIDERS];
    err = open_host(&realm, f, providers, &host, &diag);
    if (err == GH_OK) code = evaluate(call, host);
    gh_host_close(host);
  }
  if (err != GH_OK) code = gh_call_failed(call, err, &diag);
  gh_realm_free(&realm);
  return code;
}

static const gh_opt options[] = {
    {"request", 'r', GH_OPT_TEXT, "RQI", "request identifier: what the audit trail says of it"},
    {"originator", 'o', GH_OPT_TEXT, "ID", "AE-ID or CSE-ID, in any form"},
    {"operation", 'p', GH_OPT_TEXT, "NAME", "create, retrieve (default), update, delete, notify, discovery"},
    {"target", 't', GH_OPT_TEXT, "ADDRESS", "resource, e.g. cse-in/meter/data"},
    {"child-type", 0, GH_OPT_NUMBER, "TY", "with create: the resource type to be created"},
    {"acpi-change", 0, GH_OPT_FLAG, NULL, "with update: the change of accessControlPolicyIDs"},
    {"function", 'f', GH_OPT_TEXT, "NAME", "function of the realm (default: its CSE)"},
    {.name = NULL}};

const gh_verb gh_verb_explain = {
    .words = "explain",
    .operands = "REALM",
    .min_operands = 1,
    .max_operands = 1,
    .help = "why a request is, or was, permitted or refused",
    .details = "Evaluates the stored policies with the same code that decides requests, without asking the running "
               "CSE, and shows each policy\n"
               "and rule with the reason why it did or did not match. With --request it shows what the audit trail "
               "recorded.\n"
               "Exit code 0: permitted, 1: refused.",
    .options = options,
    .run = run,
};
