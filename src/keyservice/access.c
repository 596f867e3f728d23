/* Who may do what: pure functions of the exchange and the target (TS-0003 8.8.2, access matrix of the key services).
 */
#include "keyservice/keyservice.h"

#include "m2m/constants.h"
#include "m2m/json.h"

static gh_decision answer(bool permitted, const char *reason)
{
  return (gh_decision){.outcome = permitted ? GH_PERMIT : GH_REFUSE, .reason = reason};
}

bool gh_words_have(gh_str words, gh_str word)
{
  gh_str part;
  while (words.ptr && gh_str_split(&words, ' ', &part))
    if (part.len && gh_str_eq(part, word)) return true;
  return false;
}

static bool is_registration(uint32_t ty)
{
  return ty == GH_TY_MAF_CLIENT_REG || ty == GH_TY_MEF_CLIENT_REG;
}

gh_decision gh_base_decide(const gh_exchange *x, const gh_node *target)
{
  (void)target;
  bool admin = gh_host_is_admin(x->host, &x->peer);
  if (x->request.op != GH_OP_CREATE) return answer(true, "anybody-authenticated"); /* update and delete end as 4005 */
  if (x->request.ty == GH_TY_ENROLEE) return answer(admin, admin ? "administrator" : "not-administrator");
  if (is_registration(x->request.ty)) return answer(true, "anybody-authenticated");
  /*= TS-0003 8.8.2.3 a key obtained from the MEF serves for registration and nothing else */
  return answer(!x->peer.provisional, x->peer.provisional ? "registration-only" : "client");
}

gh_decision gh_own_decide(const gh_exchange *x, const gh_node *target)
{
  if (x->request.op == GH_OP_CREATE) return answer(true, "child-type-decides"); /* ends as 4108 */
  /*= TS-0003 8.8.2.5; TS-0003 8.8.2.6 own registrations only */
  bool own = gh_str_eq(target->creator, x->originator);
  if (own) return answer(true, "own");
  bool admin = gh_host_is_admin(x->host, &x->peer) && x->request.op != GH_OP_UPDATE;
  return answer(admin, admin ? "administrator" : "not-own");
}

static bool is_target(const gh_exchange *x, const gh_node *node)
{
  return gh_words_have(node->extra, x->originator);
}

/*= TS-0003 8.8.2.8; TS-0003 8.8.2.9; TS-0003 8.8.2.10 */
gh_decision gh_symm_key_reg_decide(const gh_exchange *x, const gh_node *target)
{
  if (x->request.op == GH_OP_CREATE) return answer(true, "child-type-decides");
  if (x->peer.provisional) return answer(false, "registration-only");
  if (gh_str_eq(target->creator, x->originator)) return answer(true, "source");
  if (x->request.op == GH_OP_RETRIEVE && is_target(x, target)) return answer(true, "target");
  bool admin = gh_host_is_admin(x->host, &x->peer) && x->request.op != GH_OP_UPDATE;
  return answer(admin, admin ? "administrator" : "neither-source-nor-target");
}
