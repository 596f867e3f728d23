/* The audit trail: every refusal, and every change of keys, policies and registrations. */
#include "host/gate.h"
#include "m2m/constants.h"

static gh_store_audit describe(gh_exchange *x, const char *event, const char *outcome)
{
  gh_str peer = gh_peer_text(&x->arena, &x->peer);
  gh_str from = x->originator.len ? x->originator : x->request.from;
  return (gh_store_audit){
      .time_us = gh_host_now_us(x->host),
      .rqi = x->request.rqi,
      .event = gh_str_of(event),
      .originator = from,
      .credential = gh_arena_fmt(&x->arena, "%.*s (%.*s)", GH_STR_ARG(x->peer.credential_id), GH_STR_ARG(peer)),
      .peer = x->address_text,
      .op = gh_str_of(gh_op_name((int)x->request.op)),
      .target = x->request.to,
      .outcome = gh_str_of(outcome),
      .reason = gh_str_of(x->decision.reason ? x->decision.reason : x->diag.text),
      .detail = x->trace.len ? x->trace : gh_str_of(x->diag.text),
      .rsc = x->response.rsc,
  };
}

void gh_audit_refusal(gh_exchange *x)
{
  /* What does not exist, and what is malformed, is no security event. */
  if (x->response.rsc == GH_RSC_NOT_FOUND) return;
  gh_store_audit record = describe(x, "request", "refused");
  gh_store_audit_later(x->host->store, &record);
  GH_LOG(&x->host->log, GH_LOG_INFO, "refused", GH_F("rqi", record.rqi), GH_F("association", x->association),
         GH_F("originator", record.originator), GH_F("op", record.op), GH_F("to", record.target),
         GH_F("rsc", x->response.rsc), GH_F("reason", record.reason));
}

gh_err gh_audit_change(gh_exchange *x, gh_store_txn *txn)
{
  x->diag.text[0] = '\0';
  gh_store_audit record = describe(x, "change", "done");
  return gh_txn_put_audit(txn, &record);
}
