/* One question after the other to the IN-CSE, in the name of this CSE; the exchange waits with them. What the IN-CSE
 * says about the AE is what the AE hears; that it says nothing, too. */
#include "cse/ahead.h"

#include <stdlib.h>

#include "cse/ae_annc.h"
#include "cse/app_rule.h"
#include "host/gate.h"
#include "host/serialization.h"
#include "m2m/constants.h"

enum { RULES_MAX = 64 };

typedef struct errand errand;
typedef void (*step)(errand *e, int rsc, const gh_val *attrs);

struct errand {
  gh_outbound_call call;
  gh_exchange *x;
  void (*go_on)(gh_exchange *x);
  step answer;
  const gh_val *link; /* the next rule to ask for */
  size_t rules;
  gh_cse_ahead *learned;
};

/* ---- asking */

static void end(errand *e, int rsc, const char *reason, const char *text)
{
  gh_exchange *x = e->x;
  void (*go_on)(gh_exchange *) = e->go_on;
  x->response = (gh_response){.rsc = GH_RSC_OK};
  if (rsc >= 4000) {
    x->decision = (gh_decision){.outcome = GH_REFUSE, .reason = reason};
    x->response.rsc = gh_refuse(x, rsc, "%s", text);
  }
  free(e);
  go_on(x);
}

static void on_done(gh_outbound_call *call)
{
  errand *e = (errand *)call;
  gh_str root;
  gh_val *attrs = NULL;
  e->x->arena = call->arena; /* the answer lives in it, too */
  if (call->err == GH_OK && call->response.pc && !gh_val_unwrap(call->response.pc, &root, &attrs)) attrs = NULL;
  if (attrs && attrs->type != GH_VAL_OBJECT) attrs = NULL;
  e->answer(e, call->err == GH_OK ? call->response.rsc : 0, attrs);
}

static gh_request *begin(errand *e, gh_op op, gh_str to, step answer)
{
  gh_exchange *x = e->x;
  gh_request *r = &e->call.request;
  *r =
      (gh_request){.op = op, .to = to, .rcn = GH_RCN_ABSENT, .rt = 3, .drt = 1, .rvi = GH_STR("3"), .has_from = true};
  r->from = gh_id_sp_relative(&x->host->config.self, gh_self_cse_absolute(&x->arena, &x->host->config.self));
  if (gh_random_id(&x->host->random, &x->arena, GH_STR("ah-"), 8, &r->rqi) != GH_OK) r->rqi = x->request.rqi;
  e->answer = answer;
  return r;
}

static void ask(errand *e)
{
  gh_exchange *x = e->x;
  gh_host *host = x->host;
  e->call.entity = host->config.registrar;
  gh_serialization_use(&e->call.request, host->config.serialization);
  e->call.deadline_us = gh_clock_mono_us(&host->clock) + host->config.transit_us;
  e->call.done = on_done;
  e->call.arena = x->arena; /* taken back when the call is done */
  host->outbound.send(host->outbound.ctx, x->worker, &e->call);
}

static gh_str at_in_cse(gh_exchange *x, gh_str address)
{
  if (address.len && address.ptr[0] == '/') return address;
  return gh_arena_fmt(&x->arena, "/%.*s/%.*s", GH_STR_ARG(x->host->config.self.in_cse), GH_STR_ARG(address));
}

/* ---- a stem of the provider's */

typedef struct announcement {
  gh_str credential_id, app_id, stem; /* stem: "S", or complete */
  gh_str until;
} announcement;

static announcement announcement_of(errand *e)
{
  gh_exchange *x = e->x;
  gh_str root;
  gh_val *attrs;
  announcement a = {.credential_id = x->peer.credential_id, .stem = e->learned->stem};
  if (x->request.pc && gh_val_unwrap(x->request.pc, &root, &attrs) && attrs->type == GH_VAL_OBJECT) {
    gh_val_get_str(attrs, GH_STR("api"), &a.app_id);
    gh_val_get_str(attrs, GH_STR("et"), &a.until);
  }
  return a;
}

static void name_stem(gh_exchange *x, gh_request *r, gh_str stem)
{
  r->from = gh_arena_fmt(&x->arena, "%.*s/%.*s", GH_STR_ARG(r->from), GH_STR_ARG(stem));
}

/*= TS-0004 7.4.5.2.1 link, App-ID and the label with the Credential-ID */
static gh_val *content(errand *e, const gh_request *r, bool create)
{
  gh_arena *a = &e->x->arena;
  announcement what = announcement_of(e);
  gh_val *o = gh_val_object(a), *labels = gh_val_array(a);
  gh_val_push(labels, gh_val_str(a, gh_arena_fmt(a, GH_ANNC_CREDENTIAL "%.*s", GH_STR_ARG(what.credential_id))));
  gh_val_set(a, o, GH_STR("lnk"), gh_val_str(a, r->from));
  gh_val_set(a, o, GH_STR("lbl"), labels);
  if (what.until.len) gh_val_set(a, o, GH_STR("et"), gh_val_str(a, what.until));
  if (create) gh_val_set(a, o, GH_STR("api"), gh_val_str(a, what.app_id));
  if (create && !what.until.len) gh_val_set(a, o, GH_STR("et"), gh_val_str(a, GH_STR("20991231T235959")));
  return gh_val_wrap(a, GH_STR("m2m:aeA"), o);
}

typedef struct farewell {
  gh_outbound_call call;
} farewell;

static void farewell_done(gh_outbound_call *call)
{
  gh_arena_free(&call->arena);
  free(call);
}

static gh_val *inactive(gh_arena *a)
{
  return gh_val_wrap(a, GH_STR("m2m:aeA"), gh_val_wrap(a, GH_STR("lnk"), gh_val_str(a, GH_STR(GH_ANNC_INACTIVE))));
}

/* The AE was announced and then not registered: nobody waits for the answer. */
static void take_back(gh_exchange *x)
{
  const gh_cse_ahead *learned = x->ahead;
  gh_host *host = x->host;
  farewell *f = gh_calloc(1, sizeof *f);
  gh_arena *a = &f->call.arena;
  gh_request *r = &f->call.request;
  gh_arena_init(a);
  *r =
      (gh_request){.op = GH_OP_UPDATE, .rcn = GH_RCN_ABSENT, .rt = 3, .drt = 1, .rvi = GH_STR("3"), .has_from = true};
  gh_str cse = gh_id_sp_relative(&host->config.self, gh_self_cse_absolute(a, &host->config.self));
  r->from = gh_arena_fmt(a, "%.*s/%.*s", GH_STR_ARG(cse), GH_STR_ARG(learned->stem));
  r->to = gh_arena_fmt(a, "/%.*s/%.*s", GH_STR_ARG(host->config.self.in_cse), GH_STR_ARG(learned->stem));
  r->rqi = gh_arena_fmt(a, "%.*s-undo", GH_STR_ARG(x->request.rqi));
  r->pc = inactive(a);
  f->call.entity = host->config.registrar;
  gh_serialization_use(r, host->config.serialization);
  f->call.deadline_us = gh_clock_mono_us(&host->clock) + host->config.transit_us;
  f->call.done = farewell_done;
  host->outbound.send(host->outbound.ctx, x->worker, &f->call);
}

/* What the IN-CSE refuses about the AE is passed on; anything else is not about the AE. */
static void refused(errand *e, int rsc)
{
  switch (rsc) {
  case GH_RSC_ORIGINATOR_HAS_ALREADY_REGISTERED:
  case GH_RSC_APP_RULE_VALIDATION_FAILED:
  case GH_RSC_SERVICE_SUBSCRIPTION_NOT_ESTABLISHED:
    end(e, rsc, "refused-by-in-cse", "the IN-CSE does not let this AE-ID register here");
    break;
  default: end(e, GH_RSC_TARGET_NOT_REACHABLE, "in-cse-unreachable", "the IN-CSE gives no AE-ID now");
  }
}

static void on_announced(errand *e, int rsc, const gh_val *attrs)
{
  gh_exchange *x = e->x;
  gh_str given = GH_STR_NONE;
  if (rsc == GH_RSC_UPDATED) given = e->learned->stem;
  if (rsc == GH_RSC_CREATED && attrs) gh_val_get_str(attrs, GH_STR("ri"), &given);
  bool asked_for = e->learned->stem.len == 1 || gh_str_eq(given, e->learned->stem);
  if (!gh_stem_valid(given) || given.len < 2 || given.ptr[0] != 'S' || !asked_for) {
    refused(e, rsc);
    return;
  }
  e->learned->stem = given;
  x->undo = take_back;
  end(e, GH_RSC_OK, "", "");
}

/*= TS-0001 10.2.2.2 step 005a */
static void create_announced(errand *e)
{
  gh_request *r = begin(e, GH_OP_CREATE, at_in_cse(e->x, GH_STR("-")), on_announced);
  name_stem(e->x, r, e->learned->stem);
  r->ty = GH_TY_AEANNC;
  r->has_ty = true;
  r->pc = content(e, r, true);
  ask(e);
}

static void on_updated(errand *e, int rsc, const gh_val *attrs)
{
  if (rsc == GH_RSC_NOT_FOUND)
    create_announced(e);
  else
    on_announced(e, rsc, attrs);
}

/*= TS-0001 10.2.2.2 step 005b registered before, or not */
static void announce(errand *e)
{
  if (e->learned->stem.len == 1) {
    create_announced(e);
    return;
  }
  gh_request *r = begin(e, GH_OP_UPDATE, at_in_cse(e->x, e->learned->stem), on_updated);
  name_stem(e->x, r, e->learned->stem);
  r->pc = content(e, r, false);
  ask(e);
}

/* ---- the rules */

/* Which stem is asked for, as far as it is an S-type one: that of the identity, of From, or of a rule. */
static gh_str s_type_stem(errand *e)
{
  gh_exchange *x = e->x;
  gh_str stem = x->request.from, root;
  gh_val *attrs;
  if (x->peer.kind == GH_PEER_AE) stem = gh_id_relative(&x->arena, &x->host->config.self, x->peer.id);
  if (stem.len || !e->learned->subscribed) return stem.len && stem.ptr[0] == 'S' ? stem : GH_STR_NONE;
  if (!x->request.pc || !gh_val_unwrap(x->request.pc, &root, &attrs)) return GH_STR_NONE;
  gh_app_claim claim = {.credential_id = x->peer.credential_id};
  if (attrs->type == GH_VAL_OBJECT) gh_val_get_str(attrs, GH_STR("api"), &claim.app_id);
  bool allowed = gh_subscription_check(x, GH_STR_NONE, &claim) == GH_SUBSCRIPTION_ALLOWS;
  return allowed && claim.stem.ptr[0] == 'S' ? claim.stem : GH_STR_NONE;
}

/* Would the rules refuse it anyway? Then nobody is asked for a stem. */
static bool may_be_allowed(errand *e)
{
  gh_exchange *x = e->x;
  gh_str root;
  gh_val *attrs;
  if (x->peer.kind == GH_PEER_AE) return true;
  if (!x->request.pc || !gh_val_unwrap(x->request.pc, &root, &attrs) || attrs->type != GH_VAL_OBJECT) return false;
  gh_app_claim claim = {.credential_id = x->peer.credential_id, .stem = e->learned->stem};
  gh_val_get_str(attrs, GH_STR("api"), &claim.app_id);
  if (gh_subscription_check(x, GH_STR_NONE, &claim) != GH_SUBSCRIPTION_ALLOWS) return false;
  e->learned->stem = claim.stem;
  return true;
}

static void rules_known(errand *e)
{
  e->learned->stem = s_type_stem(e);
  gh_node *same =
      e->learned->stem.len > 1 ? gh_tree_by_id(e->x->host->tree, GH_VIEW_COMMITTED, e->learned->stem) : NULL;
  gh_node_unref(same);
  bool goes_on = e->learned->stem.len && !same && may_be_allowed(e);
  if (goes_on) {
    announce(e);
    return;
  }
  e->learned->stem = GH_STR_NONE; /* the registration itself says what is wrong */
  end(e, GH_RSC_OK, "", "");
}

static void unavailable(errand *e)
{
  end(e, GH_RSC_SERVICE_SUBSCRIPTION_NOT_ESTABLISHED, "subscription-unavailable",
      "the service subscription cannot be read at the IN-CSE");
}

static void next_rule(errand *e);

static void on_rule(errand *e, int rsc, const gh_val *attrs)
{
  gh_arena *a = &e->x->arena;
  if (rsc == GH_RSC_OK && attrs) {
    gh_val *copy = gh_val_object(a);
    for (const gh_member *m = attrs->u.object.first; m; m = m->next) gh_val_set(a, copy, m->name, m->value);
    gh_val_push(e->learned->rules, copy);
  } else if (rsc != GH_RSC_NOT_FOUND) { /* a link that leads nowhere allows nothing; anything else is no answer */
    unavailable(e);
    return;
  }
  next_rule(e);
}

static void next_rule(errand *e)
{
  while (e->link && e->link->type != GH_VAL_STR) e->link = e->link->next;
  if (!e->link) {
    rules_known(e);
    return;
  }
  if (++e->rules > RULES_MAX) {
    unavailable(e);
    return;
  }
  begin(e, GH_OP_RETRIEVE, at_in_cse(e->x, e->link->u.str), on_rule);
  e->link = e->link->next;
  ask(e);
}

static void on_node(errand *e, int rsc, const gh_val *attrs)
{
  if (rsc == GH_RSC_NOT_FOUND) {
    rules_known(e);
  } else if (rsc == GH_RSC_OK && attrs) {
    const gh_val *links = gh_val_get(attrs, GH_STR("rlk"));
    e->learned->subscribed = true;
    e->link = links && links->type == GH_VAL_ARRAY ? links->u.array.first : NULL;
    next_rule(e);
  } else {
    unavailable(e);
  }
}

/*= TS-0001 10.2.2.2 step 003 what is not known here is retrieved from the IN-CSE */
static void ask_rules(errand *e)
{
  gh_exchange *x = e->x;
  gh_str own = gh_self_cse_absolute(&x->arena, &x->host->config.self);
  begin(e, GH_OP_RETRIEVE, at_in_cse(x, gh_subscribed_node_id(&x->arena, own)), on_node);
  ask(e);
}

/* ---- an AE leaves */

static void on_left(errand *e, int rsc, const gh_val *attrs)
{
  (void)attrs;
  bool told = rsc == GH_RSC_UPDATED || rsc == GH_RSC_NOT_FOUND;
  end(e, told ? GH_RSC_OK : GH_RSC_TARGET_NOT_REACHABLE, "in-cse-unreachable",
      "the IN-CSE cannot be told that this AE leaves");
}

/*= TS-0001 10.2.2.5; TS-0004 7.4.5.2.4 the IN-CSE learns it first */
static void leave(errand *e)
{
  gh_exchange *x = e->x;
  gh_request *r = begin(e, GH_OP_UPDATE, at_in_cse(x, e->learned->stem), on_left);
  name_stem(x, r, e->learned->stem);
  r->pc = inactive(&x->arena);
  ask(e);
}

/* Is it an S-type AE that goes, and may it? Judged again when it is performed. */
static bool leaves(gh_exchange *x, gh_str *stem)
{
  if (x->request.op != GH_OP_DELETE) return false;
  bool permitted = gh_gate_route(x) == GH_RSC_OK && gh_gate_decide(x) == GH_RSC_OK;
  bool s_type = x->target && x->target->ty == GH_TY_AE && x->target->ri.ptr[0] == 'S';
  if (s_type) *stem = gh_arena_dup(&x->arena, x->target->ri);
  gh_node_unref(x->target);
  x->target = NULL;
  x->through_virtual = false;
  x->decision = (gh_decision){.outcome = GH_REFUSE};
  x->response = (gh_response){0};
  return permitted && s_type;
}

/* ---- */

static bool registers(const gh_exchange *x)
{
  return x->request.op == GH_OP_CREATE && x->request.ty == GH_TY_AE && x->peer.kind != GH_PEER_CSE;
}

bool gh_cse_ask_ahead(gh_exchange *x, void (*go_on)(gh_exchange *x))
{
  gh_host *host = x->host;
  gh_str stem = GH_STR_NONE;
  if (gh_str_empty(host->config.registrar) || !host->outbound.send) return false;
  bool registration = registers(x);
  if (!registration && !leaves(x, &stem)) return false;
  errand *e = gh_calloc(1, sizeof *e);
  e->x = x;
  e->go_on = go_on;
  e->learned = GH_NEW(&x->arena, gh_cse_ahead);
  *e->learned = (gh_cse_ahead){.rules = gh_val_array(&x->arena), .stem = stem};
  x->ahead = e->learned;
  if (!registration)
    leave(e);
  else if (x->peer.kind == GH_PEER_AE)
    rules_known(e); /* the credential itself names it */
  else
    ask_rules(e);
  return true;
}
