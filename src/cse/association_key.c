/* <associationKey>: Kpsa, a symmetric key that the operator gave to a CSE and to one of its registrees before they
 * meet (TS-0003 8.2.2.1). Our own type: how Kpsa comes to the CSE is left open (TS-0003 9.1.1). */
#include "cse/cse.h"
#include "host/provisioned_key.h"
#include "m2m/constants.h"

enum { SUID_SAEF = 12 };

/*= TS-0003 9.1.1.1; 8.1.1; 8.2.2.1; Kpsa and KpsaID are configured at Entity B */
static int create(gh_exchange *x, const gh_node *parent, gh_val *attrs)
{
  (void)parent;
  gh_key_record record = {.kind = GH_KEY_KPSA, .suid = SUID_SAEF};
  return gh_provisioned_key_create(x, attrs, "ask-", &record);
}

static int removed(gh_exchange *x, const gh_node *target)
{
  return gh_provisioned_key_remove(x, target, GH_KEY_KPSA);
}

const gh_type_ops gh_association_key_ops = {
    .ty = GH_TY_ASSOCIATION_KEY, .decide = gh_provisioned_key_decide, .create = create, .remove = removed};
