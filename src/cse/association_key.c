/* <associationKey>: Kpsa, a symmetric key that the operator gave to a CSE and to one of its registrees before they
 * meet (TS-0003 8.2.2.1); or the identifier of a registree's raw public key (8.2.2.2). Our own type: how they come to
 * the CSE is left open (TS-0003 9.1.1, 9.1.2). */
#include "cse/cse.h"
#include "host/provisioned_key.h"
#include "link/raw_public_key.h"
#include "m2m/constants.h"

enum { SUID_SAEF = 12 };

/*= TS-0003 8.1.2.4; 8.2.2.2; the public key identifier of Entity A is configured at Entity B */
static int create_public_key(gh_exchange *x, gh_val *attrs)
{
  gh_key_record record = {.kind = GH_KEY_RPK};
  if (!gh_raw_public_key_available()) return gh_refuse(x, GH_RSC_NOT_IMPLEMENTED, GH_RAW_PUBLIC_KEY_NEEDS);
  return gh_provisioned_public_key_create(x, attrs, "ask-", &record);
}

/*= TS-0003 9.1.1.1; 8.1.1; 8.2.2.1; Kpsa and KpsaID are configured at Entity B */
static int create(gh_exchange *x, const gh_node *parent, gh_val *attrs)
{
  (void)parent;
  if (gh_val_get(attrs, GH_STR("rpki"))) return create_public_key(x, attrs);
  gh_key_record record = {.kind = GH_KEY_KPSA, .suid = SUID_SAEF};
  return gh_provisioned_key_create(x, attrs, "ask-", &record);
}

static int removed(gh_exchange *x, const gh_node *target)
{
  bool symmetric = gh_str_find(target->extra, '@') != SIZE_MAX; /* as every KpsaID, and no digest */
  return gh_provisioned_key_remove(x, target, symmetric ? GH_KEY_KPSA : GH_KEY_RPK);
}

const gh_type_ops gh_association_key_ops = {
    .ty = GH_TY_ASSOCIATION_KEY, .decide = gh_provisioned_key_decide, .create = create, .remove = removed};
