/* A request for another CSE: who leads there, and the way there and back. No policy of this host is asked: the
 * hosting CSE decides. What this host vouches for is the originator, which it has identified. */
#include <stdlib.h>

#include "host/gate.h"
#include "host/id_map.h"
#include "host/serialization.h"
#include "m2m/constants.h"
#include "m2m/m2m_time.h"

typedef struct transit {
  gh_outbound_call call;
  gh_exchange *x;
  void (*finish)(gh_exchange *x);
} transit;

static int refuse(gh_exchange *x, int rsc, const char *reason, const char *text)
{
  x->decision = (gh_decision){.outcome = GH_REFUSE, .reason = reason};
  return gh_refuse(x, rsc, "%s", text);
}

static bool is_registration(const gh_request *r)
{
  return r->op == GH_OP_CREATE && (r->ty == GH_TY_AE || r->ty == GH_TY_REMOTE_CSE);
}

/*= TS-0001 8.2.1.2; 6.5.2.2 the IN-CSE sends what is of another provider to the IN-CSE there. What came from another
 * provider stays here: nobody passes through to a third one */
static bool provider_hop(const gh_exchange *x, const gh_addr *addr, gh_str *next)
{
  const gh_host_config *c = &x->host->config;
  const gh_provider *provider = gh_provider_of_sp(c, addr->sp);
  bool stranger = x->peer.kind == GH_PEER_CSE && gh_id_is_foreign(&c->self, x->peer.id);
  if (!provider || stranger) return false;
  *next = provider->cse;
  return true;
}

static bool is_foreign(const gh_exchange *x, const gh_addr *addr)
{
  return addr->scope == GH_SCOPE_ABSOLUTE && !gh_str_eq_nocase(addr->sp, x->host->config.self.sp_fqdn);
}

/*= TS-0001 6.5.2.3; TS-0004 7.3.2.6 the registered CSE that leads to the target; else the own registrar, unless it
 * came from there */
static bool next_hop(gh_exchange *x, const gh_addr *addr, gh_str *next)
{
  enum { IN_CSE = 1 };
  const gh_host_config *c = &x->host->config;
  if (c->cse_type == IN_CSE && is_foreign(x, addr)) return provider_hop(x, addr, next);
  gh_str sp = addr->scope == GH_SCOPE_ABSOLUTE ? addr->sp : c->self.sp_fqdn;
  gh_str cse = gh_arena_fmt(&x->arena, "//%.*s/%.*s", GH_STR_ARG(sp), GH_STR_ARG(addr->cse));
  bool from_registrar = x->peer.kind == GH_PEER_CSE && gh_str_eq(x->peer.id, c->registrar);
  if (!gh_id_map_get(x->host->routes, &x->arena, cse, next)) {
    if (gh_str_empty(c->registrar) || from_registrar) return false;
    *next = c->registrar;
  }
  return x->peer.kind != GH_PEER_CSE || !gh_str_eq(x->peer.id, *next); /* never back where it came from */
}

int64_t gh_gate_deadline(const gh_exchange *x)
{
  int64_t budget = x->host->config.transit_us, until;
  if (x->request.rqet.len && gh_abs_rel_parse(x->request.rqet, x->received_us, &until) == GH_OK) {
    int64_t left = until - gh_host_now_us(x->host);
    if (left < budget) budget = left > 0 ? left : 0;
  }
  return gh_clock_mono_us(&x->host->clock) + budget;
}

static int code_of(gh_err err)
{
  return err == GH_ETIMEOUT ? GH_RSC_REQUEST_TIMEOUT : GH_RSC_TARGET_NOT_REACHABLE;
}

static void on_done(gh_outbound_call *call)
{
  transit *t = (transit *)call;
  gh_exchange *x = t->x;
  x->arena = call->arena; /* the answer lives in it, too */
  if (call->err == GH_OK)
    x->response = call->response;
  else
    refuse(x, code_of(call->err), "next-hop-unreachable", "the CSE that leads to the target cannot be reached");
  void (*finish)(gh_exchange *) = t->finish;
  free(t);
  finish(x);
}

static void forward(gh_exchange *x, gh_str next, gh_representation representation, void (*finish)(gh_exchange *x))
{
  transit *t = gh_calloc(1, sizeof *t);
  t->x = x;
  t->finish = finish;
  t->call = (gh_outbound_call){
      .entity = next, .request = x->request, .deadline_us = gh_gate_deadline(x), .done = on_done, .ctx = t};
  gh_serialization_use(&t->call.request, representation);
  /*= TS-0004 7.3.2.6 From is made SP-relative, and absolute where the IN-CSE sends to another provider */
  bool leaves = gh_id_is_foreign(&x->host->config.self, next);
  t->call.request.from = leaves ? x->originator : gh_id_sp_relative(&x->host->config.self, x->originator);
  if (x->claimed_stem.len)
    t->call.request.from =
        gh_arena_fmt(&x->arena, "%.*s/%.*s", GH_STR_ARG(t->call.request.from), GH_STR_ARG(x->claimed_stem));
  t->call.request.has_from = true;
  t->call.arena = x->arena; /* taken back when the call is done */
  x->host->outbound.send(x->host->outbound.ctx, x->worker, &t->call);
}

int gh_gate_transit(gh_exchange *x, void (*finish)(gh_exchange *x), bool *taken)
{
  gh_addr addr;
  gh_str next;
  gh_representation representation;
  if (!x->host->function->forwards || gh_addr_parse(x->request.to, &addr) != GH_OK ||
      gh_addr_is_local(&addr, &x->host->config.self))
    return GH_RSC_OK;
  /*= TS-0001 10.2.2.2 one registers where one is connected */
  if (is_registration(&x->request))
    return refuse(x, GH_RSC_BAD_REQUEST, "registration-in-transit", "a registration is not forwarded");
  if (gh_str_empty(x->originator) || !next_hop(x, &addr, &next) || !x->host->outbound.send)
    return refuse(x, GH_RSC_NOT_FOUND, "no-route", "to is not hosted here and no registered CSE leads there");
  /*= TS-0001 9.6.4; TS-0004 7.5.1.1 in what the next CSE reads */
  if (!gh_serialization_of_cse(x->host, &x->arena, next, &representation))
    return refuse(x, GH_RSC_TARGET_NOT_REACHABLE, "next-hop-serialization",
                  "the CSE that leads to the target reads neither JSON nor CBOR");
  *taken = true;
  forward(x, next, representation, finish);
  return GH_RSC_OK;
}
