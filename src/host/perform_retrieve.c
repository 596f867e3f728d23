/* RETRIEVE. */
#include "host/gate.h"
#include "m2m/constants.h"

/*= TS-0004 7.3.3.6 */
int gh_perform_retrieve(gh_exchange *x)
{
  int rcn = x->request.rcn == GH_RCN_ABSENT ? 1 : x->request.rcn;
  bool allowed = rcn == 1 || rcn == 4 || rcn == 5 || rcn == 6 || rcn == 8;
  if (!allowed) return gh_refuse(x, GH_RSC_BAD_REQUEST, "rcn %d is not allowed in RETRIEVE", rcn);
  const gh_type_ops *ops = gh_host_type(x->host, x->target->ty);
  int rsc = ops && ops->check_retrieve ? ops->check_retrieve(x, x->target) : GH_RSC_OK;
  return rsc == GH_RSC_OK ? gh_show(x, x->target, rcn) : rsc;
}
