/* On Mmaf and Mmef the association alone says who the client is; From may repeat it. */
#include "keyservice/keyservice.h"

#include "crypto/kdf.h"
#include "m2m/constants.h"

static int refuse(gh_exchange *x, int rsc, const char *reason, const char *text)
{
  x->decision = (gh_decision){.outcome = GH_REFUSE, .reason = reason};
  return gh_refuse(x, rsc, "%s", text);
}

/* From must denote the authenticated identity, in any of its forms. */
static bool denotes(gh_exchange *x, gh_str from)
{
  gh_str absolute;
  if (gh_str_eq(from, x->originator)) return true;
  if (x->peer.kind == GH_PEER_FUNCTION) return gh_str_eq_nocase(from, x->originator);
  return gh_id_absolute(&x->arena, &x->host->config.self, from, &absolute) == GH_OK &&
         gh_str_eq(absolute, x->originator);
}

/*= TS-0003 8.8.2.2; TS-0003 8.3.5.2.2 the identity is that of the handshake */
int gh_keyservice_identify(gh_exchange *x)
{
  if (x->peer.kind == GH_PEER_NONE)
    return refuse(x, GH_RSC_SECURITY_ASSOCIATION_REQUIRED, "no-association", "security association required");
  x->originator = x->peer.id.len ? x->peer.id : x->peer.credential_id;
  x->authenticated = true;
  if (x->request.has_from && x->request.from.len && !denotes(x, x->request.from))
    return refuse(x, GH_RSC_ORIGINATOR_HAS_NO_PRIVILEGE, "from-is-another",
                  "fr is not the identity of this association");
  if (x->request.op == GH_OP_NOTIFY)
    return refuse(x, GH_RSC_OPERATION_NOT_ALLOWED, "notify", "NOTIFY is not offered here");
  return GH_RSC_OK;
}

int gh_keyservice_prepare(gh_exchange *x)
{
  bool changes = x->request.op == GH_OP_CREATE || x->request.op == GH_OP_UPDATE;
  if (!changes || !x->export_key || x->has_export) return GH_RSC_OK;
  /*= TS-0003 10.3.1 one session yields one value for each label */
  x->has_export = x->export_key(x, GH_EXPORT_BOOTSTRAP, x->export_bootstrap) == GH_OK &&
                  x->export_key(x, GH_EXPORT_CONNECTION, x->export_connection) == GH_OK;
  return GH_RSC_OK;
}
