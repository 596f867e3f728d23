/* What the IN-CSE of another service provider may say in whose name (reference point Mcc'): it speaks for its own
 * provider, in absolute identifiers, and registers nobody here but itself, where the agreement has that. Must never
 * let an originator of ours through. */
#include "cse/identify.h"

#include "m2m/constants.h"

static int refuse(gh_exchange *x, int rsc, const char *reason, const char *text)
{
  x->decision = (gh_decision){.outcome = GH_REFUSE, .reason = reason};
  return gh_refuse(x, rsc, "%s", text);
}

/*= TS-0003 8.2.1 on Mcc' an association of the two IN-CSEs themselves, so that no broker vouches for either */
static bool is_direct(const gh_peer *peer)
{
  switch (peer->method) {
  case GH_METHOD_PSK:
  case GH_METHOD_CERTIFICATE:
  case GH_METHOD_PUBLIC_KEY: return !peer->provisional;
  case GH_METHOD_BROKER:
  case GH_METHOD_NONE: break;
  }
  return false;
}

/*= TS-0001 6.5.4 an IN-CSE registers at an IN-CSE, subject to agreements; AEs and what announces them do not */
const char *gh_cse_provider_refuses(const gh_provider *provider, gh_op op, uint32_t ty)
{
  bool of_others = ty == GH_TY_AE || ty == GH_TY_AEANNC;
  bool of_itself = ty == GH_TY_REMOTE_CSE;
  if (!provider) return "provider-unknown";
  if (op != GH_OP_CREATE || (!of_others && !of_itself)) return NULL;
  return of_itself && provider->may_register ? NULL : "registers-over-mccp";
}

int gh_cse_identify_provider(gh_exchange *x)
{
  const gh_provider *p = gh_provider_of_cse(&x->host->config, x->peer.id);
  if (!p || !is_direct(&x->peer))
    return refuse(x, GH_RSC_ORIGINATOR_NOT_AUTHENTICATED, "provider-unknown",
                  "this service provider is not known here");
  const char *why = gh_cse_provider_refuses(p, x->request.op, x->request.ty);
  if (why)
    return refuse(x, GH_RSC_OPERATION_NOT_ALLOWED, why,
                  "nobody registers from another provider but its IN-CSE, where that is agreed");
  gh_id id = gh_id_parse(x->request.from);
  if (id.kind == GH_ID_INVALID ||
      gh_id_absolute(&x->arena, &x->host->config.self, x->request.from, &x->originator) != GH_OK)
    return gh_refuse(x, GH_RSC_BAD_REQUEST, "fr is not an identifier");
  /*= TS-0004 7.3.2.6 From comes in absolute format; any shorter one would name an originator of ours */
  bool named = id.kind == GH_ID_CSE || id.kind == GH_ID_AE_C || id.kind == GH_ID_AE_S;
  if (!named || id.scope != GH_SCOPE_ABSOLUTE || gh_provider_of_sp(&x->host->config, id.sp) != p)
    return refuse(x, GH_RSC_ORIGINATOR_NOT_AUTHENTICATED, "from-is-not-of-this-provider",
                  "fr is not an identity of this association");
  /*= TS-0003 7.1.2 a CSE proves itself; whom it forwards for is not proven here */
  x->authenticated = gh_str_eq(x->originator, x->peer.id);
  return GH_RSC_OK;
}
