/* DELETE: the resource and everything below. */
#include "host/gate.h"
#include "m2m/constants.h"

/*= TS-0004 7.3.3.8 */
int gh_perform_delete(gh_exchange *x)
{
  const gh_type_ops *ops = gh_host_type(x->host, x->target->ty);
  int rcn = x->request.rcn;
  if (rcn != GH_RCN_ABSENT && rcn != 0 && rcn != 1)
    return gh_refuse(x, GH_RSC_BAD_REQUEST, "rcn %d is not allowed in DELETE", rcn);
  if (x->request.pc) return gh_refuse(x, GH_RSC_BAD_REQUEST, "DELETE carries no pc");
  if (!ops->remove) return gh_refuse(x, GH_RSC_OPERATION_NOT_ALLOWED, "this resource cannot be deleted");
  int rsc = ops->remove(x, x->target);
  if (rsc != GH_RSC_OK) return rsc;
  if (rcn == 1) rsc = gh_show(x, x->target, 1);
  if (rsc != GH_RSC_OK) return rsc;
  gh_tree_remove(x->host->tree, x->target->ri, NULL, NULL);
  return GH_RSC_DELETED;
}
