/* The way of a request: identify, route, decide, audit, perform. Reads finish on the worker that received them;
 * writes are handed to the store's writer and answered after the commit. */
#include "host/gate.h"

#include "m2m/constants.h"
#include "m2m/m2m_time.h"

static void count(gh_exchange *x)
{
  gh_host_counters *c = &x->host->counters;
  int rsc = x->response.rsc;
  atomic_fetch_add_explicit(&c->requests, 1, memory_order_relaxed);
  atomic_fetch_add_explicit(rsc < 4000   ? &c->permitted
                            : rsc < 5000 ? &c->refused
                                         : &c->failed,
                            1, memory_order_relaxed);
  if (rsc == GH_RSC_ORIGINATOR_NOT_AUTHENTICATED)
    atomic_fetch_add_explicit(&c->impersonations, 1, memory_order_relaxed);
}

/* On the worker: the answer is complete. */
static void finish(gh_exchange *x)
{
  x->response.rqi = x->request.rqi;
  x->response.rvi = gh_str_empty(x->request.rvi) ? GH_STR("3") : x->request.rvi;
  count(x);
  GH_LOG(&x->host->log, x->response.rsc >= 5000 ? GH_LOG_ERROR : GH_LOG_DEBUG, "request", GH_F("rqi", x->request.rqi),
         GH_F("association", x->association), GH_F("op", gh_op_name((int)x->request.op)), GH_F("to", x->request.to),
         GH_F("originator", x->originator), GH_F("rsc", x->response.rsc));
  if (x->undo && x->response.rsc >= 4000) x->undo(x);
  if (x->assigned_ae_id.len && x->bind_peer) x->bind_peer(x, x->assigned_ae_id);
  x->done(x);
}

/*= TS-0004 7.3.2.1 release version, expiry, parameters that this host does not support */
static int check_parameters(gh_exchange *x)
{
  const gh_request *r = &x->request;
  static const gh_str versions[] = {{"2", 1}, {"2a", 2}, {"3", 1}, {"4", 1}};
  bool known = gh_str_empty(r->rvi);
  for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) known |= gh_str_eq(r->rvi, versions[i]);
  if (!known) return gh_refuse(x, GH_RSC_RELEASE_VERSION_NOT_SUPPORTED, "rvi is not supported");
  int64_t until;
  if (r->rqet.len) {
    if (gh_abs_rel_parse(r->rqet, x->received_us, &until) != GH_OK)
      return gh_refuse(x, GH_RSC_BAD_REQUEST, "rqet is not a timestamp");
    if (until <= gh_host_now_us(x->host)) return gh_refuse(x, GH_RSC_REQUEST_TIMEOUT, "rqet has passed");
  }
  if (r->unsupported.len)
    return gh_refuse(x, GH_RSC_NOT_IMPLEMENTED, "%.*s is not supported", GH_STR_ARG(r->unsupported));
  if (r->rt == 1) return gh_refuse(x, GH_RSC_NON_BLOCKING_SYNCH_REQUEST_NOT_SUPPORTED, "rt 1 is not supported");
  if (r->rt == 2) return gh_refuse(x, GH_RSC_NOT_IMPLEMENTED, "rt 2 is not supported");
  if (r->op == GH_OP_CREATE && (!r->has_ty || r->has_fc))
    return gh_refuse(x, GH_RSC_BAD_REQUEST, r->has_ty ? "fc is not allowed in CREATE" : "ty is missing");
  if (r->op != GH_OP_CREATE && r->has_ty && r->op != GH_OP_RETRIEVE)
    return gh_refuse(x, GH_RSC_BAD_REQUEST, "ty is allowed in CREATE only");
  if (r->op == GH_OP_RETRIEVE && (r->fu || r->has_fc))
    return gh_refuse(x, GH_RSC_NOT_IMPLEMENTED, "discovery is not supported");
  return GH_RSC_OK;
}

/* Faults of the Content that are answered before authorization. */
static int check_content_early(gh_exchange *x)
{
  gh_str root;
  gh_val *attrs;
  if (!x->request.pc || !gh_val_unwrap(x->request.pc, &root, &attrs) || attrs->type != GH_VAL_OBJECT)
    return GH_RSC_OK;
  /*= TS-0001 9.6.1.3.2 acpi is changed alone */
  if (x->request.op == GH_OP_UPDATE && gh_val_get(attrs, GH_STR("acpi")) && attrs->u.object.count != 1)
    return gh_refuse(x, GH_RSC_BAD_REQUEST, "acpi must be the only attribute of its UPDATE");
  /*= TS-0004 7.4.2.2.1 selfPrivileges has at least one rule */
  const gh_val *pvs = gh_val_get(attrs, GH_STR("pvs"));
  const gh_val *rules = pvs ? gh_val_get(pvs, GH_STR("acr")) : NULL;
  bool none = pvs && (!rules || (rules->type == GH_VAL_ARRAY && rules->u.array.count == 0));
  return none ? gh_refuse(x, GH_RSC_BAD_REQUEST, "pvs needs at least one rule") : GH_RSC_OK;
}

/* Steps behind identification, in whichever thread may perform the operation. */
static int route_decide_perform(gh_exchange *x)
{
  int rsc = gh_gate_route(x);
  if (rsc != GH_RSC_OK) return rsc;
  rsc = gh_gate_decide(x);
  if (rsc != GH_RSC_OK) return rsc;
  switch (x->request.op) {
  case GH_OP_CREATE: return gh_perform_create(x);
  case GH_OP_RETRIEVE: return gh_perform_retrieve(x);
  case GH_OP_UPDATE: return gh_perform_update(x);
  case GH_OP_DELETE: return gh_perform_delete(x);
  case GH_OP_NOTIFY: return gh_refuse(x, GH_RSC_OPERATION_NOT_ALLOWED, "NOTIFY is not supported by this resource");
  }
  return gh_refuse(x, GH_RSC_BAD_REQUEST, "op is unknown");
}

static gh_exchange *of_job(gh_store_job *job)
{
  return (gh_exchange *)((char *)job - offsetof(gh_exchange, job));
}

static gh_err run_write(gh_store_job *job, gh_store_txn *txn)
{
  gh_exchange *x = of_job(job);
  x->txn = txn;
  x->response.rsc = route_decide_perform(x);
  x->txn = NULL;
  if (x->response.rsc >= 4000)
    gh_audit_refusal(x);
  else if (x->change_audited)
    return gh_audit_change(x, txn);
  return GH_OK;
}

static void answer_write(gh_task *task)
{
  finish((gh_exchange *)((char *)task - offsetof(gh_exchange, task)));
}

/* Is it one of those that all_told wakes? An answer to any other would lie there until somebody else posted. */
static bool is_worker_of_host(const gh_host *host, const gh_worker *worker)
{
  return worker->index < host->worker_count && host->workers[worker->index] == worker;
}

/* Success is answered after the commit. */
static void write_done(gh_store_job *job, gh_err err)
{
  gh_exchange *x = of_job(job);
  if (err != GH_OK) {
    x->response = (gh_response){0};
    x->assigned_ae_id = GH_STR_NONE;
    gh_refuse(x, GH_RSC_INTERNAL_SERVER_ERROR, "the change could not be stored");
  }
  x->task.run = answer_write;
  if (is_worker_of_host(x->host, x->worker))
    gh_loop_put(x->worker->loop, &x->task); /* all_told wakes it */
  else
    gh_loop_post(x->worker->loop, &x->task);
}

static void submit_write(gh_exchange *x)
{
  x->view = GH_VIEW_WRITER;
  x->job.run = run_write;
  x->job.done = write_done;
  if (gh_store_submit(x->host->store, &x->job) == GH_OK) return;
  gh_refuse(x, GH_RSC_INTERNAL_SERVER_ERROR, "too many changes are waiting");
  finish(x);
}

static void go_on(gh_exchange *x)
{
  if (x->response.rsc < 4000) {
    x->response = (gh_response){0};
    submit_write(x);
    return;
  }
  gh_audit_refusal(x);
  finish(x);
}

/* Another has answered, or could not be reached. */
static void answer_elsewhere(gh_exchange *x)
{
  if (x->response.rsc >= 4000 && x->decision.outcome == GH_REFUSE && x->decision.reason) gh_audit_refusal(x);
  finish(x);
}

void gh_gate_submit(gh_exchange *x)
{
  const gh_function *function = x->host->function;
  bool handled = false;
  x->view = GH_VIEW_COMMITTED;
  int rsc = check_parameters(x);
  if (rsc == GH_RSC_OK) rsc = check_content_early(x);
  if (rsc == GH_RSC_OK) rsc = function->identify(x);
  bool forwarded = false;
  if (rsc == GH_RSC_OK) rsc = gh_gate_transit(x, answer_elsewhere, &forwarded);
  if (forwarded) return;
  if (rsc == GH_RSC_OK && x->request.op == GH_OP_NOTIFY) rsc = gh_gate_notify(x, answer_elsewhere, &forwarded);
  if (forwarded) return;
  if (rsc == GH_RSC_OK && function->special) rsc = function->special(x, &handled);
  if (rsc == GH_RSC_OK && !handled && function->prepare) rsc = function->prepare(x);
  if (rsc == GH_RSC_OK && !handled) {
    if (x->request.op != GH_OP_RETRIEVE) {
      if (!function->ahead || !function->ahead(x, go_on)) submit_write(x);
      return;
    }
    rsc = route_decide_perform(x);
  }
  x->response.rsc = handled && rsc == GH_RSC_OK ? x->response.rsc : rsc;
  if (x->response.rsc >= 4000) gh_audit_refusal(x);
  finish(x);
}
