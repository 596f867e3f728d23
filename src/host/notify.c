/* NOTIFY to an <AE>: the hosting CSE decides, then passes the request on to the AE and its answer back. The resource
 * itself does not change, and neither reads nor writes of the tree wait for the AE. */
#include <stdlib.h>

#include "host/gate.h"
#include "host/serialization.h"
#include "m2m/constants.h"

typedef struct retarget {
  gh_outbound_call call;
  gh_exchange *x;
  void (*finish)(gh_exchange *x);
} retarget;

static int refuse(gh_exchange *x, int rsc, const char *reason, const char *text)
{
  x->decision = (gh_decision){.outcome = GH_REFUSE, .reason = reason};
  return gh_refuse(x, rsc, "%s", text);
}

static void on_done(gh_outbound_call *call)
{
  retarget *t = (retarget *)call;
  gh_exchange *x = t->x;
  x->arena = call->arena; /* the answer lives in it, too */
  if (call->err == GH_OK)
    x->response = call->response;
  else if (call->err == GH_ETIMEOUT)
    refuse(x, GH_RSC_REQUEST_TIMEOUT, "ae-silent", "the AE has not answered in time");
  else
    refuse(x, GH_RSC_TARGET_NOT_REACHABLE, "ae-not-reachable", "the AE cannot be reached");
  void (*finish)(gh_exchange *) = t->finish;
  free(t);
  finish(x);
}

/* What says where the AE is, by which credential it must prove itself there, and what it reads. */
static int read_target(gh_exchange *x, gh_outbound_call *call)
{
  gh_val *attrs = NULL;
  gh_representation representation;
  bool reachable = false;
  if (gh_node_attrs(&x->arena, x->target, &attrs) != GH_OK)
    return gh_refuse(x, GH_RSC_INTERNAL_SERVER_ERROR, "the resource cannot be read");
  /*= TS-0001 9.6.5 requestReachability */
  if (!gh_val_get_bool(attrs, GH_STR("rr"), &reachable) || !reachable)
    return refuse(x, GH_RSC_TARGET_NOT_REACHABLE, "ae-takes-no-requests", "the AE cannot be reached");
  /*= TS-0004 7.5.1.1 one of the serializations in contentSerialization */
  if (!gh_serialization_of(attrs, &representation))
    return refuse(x, GH_RSC_TARGET_NOT_REACHABLE, "ae-serialization", "the AE reads neither JSON nor CBOR");
  gh_serialization_use(&call->request, representation);
  const gh_val *points = gh_val_get(attrs, GH_STR("poa"));
  call->points = points && points->type == GH_VAL_ARRAY ? points : NULL;
  call->entity = gh_arena_dup(&x->arena, x->target->creator);
  call->credential_id = gh_arena_dup(&x->arena, x->target->extra);
  return GH_RSC_OK;
}

/*= TS-0001 10.2.5.23; TS-0004 7.3.3.9.1 the primitive goes on to the AE */
static int send_on(gh_exchange *x, void (*finish)(gh_exchange *x))
{
  retarget *t = gh_calloc(1, sizeof *t);
  t->x = x;
  t->finish = finish;
  t->call.request = x->request;
  int rsc = read_target(x, &t->call);
  if (rsc == GH_RSC_OK && !x->host->outbound.send)
    rsc = refuse(x, GH_RSC_TARGET_NOT_REACHABLE, "ae-not-reachable", "the AE cannot be reached");
  if (rsc != GH_RSC_OK) {
    free(t);
    return rsc;
  }
  t->call.request.from = gh_id_sp_relative(&x->host->config.self, x->originator);
  t->call.request.has_from = true;
  t->call.deadline_us = gh_gate_deadline(x);
  t->call.done = on_done;
  t->call.arena = x->arena; /* taken back when the call is done */
  x->host->outbound.send(x->host->outbound.ctx, x->worker, &t->call);
  return GH_RSC_OK;
}

int gh_gate_notify(gh_exchange *x, void (*finish)(gh_exchange *x), bool *taken)
{
  int rsc = gh_gate_route(x);
  if (rsc != GH_RSC_OK) return rsc;
  rsc = gh_gate_decide(x);
  if (rsc != GH_RSC_OK) return rsc;
  if (x->target->ty != GH_TY_AE)
    return gh_refuse(x, GH_RSC_OPERATION_NOT_ALLOWED, "NOTIFY is not supported by this resource");
  if (!gh_str_empty(x->attribute)) return gh_refuse(x, GH_RSC_BAD_REQUEST, "an attribute cannot be notified");
  rsc = send_on(x, finish);
  *taken = rsc == GH_RSC_OK;
  return rsc;
}
