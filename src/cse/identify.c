/* The From parameter is data: it must agree with the peer of the association, or the request goes no further. */
#include "cse/identify.h"

#include "cse/registration.h"
#include "host/id_map.h"
#include "host/provisioned_key.h"
#include "m2m/constants.h"
#include "m2m/key_id.h"

static bool is_ae_registration(const gh_exchange *x)
{
  return x->request.op == GH_OP_CREATE && x->request.ty == GH_TY_AE;
}

static bool claims_no_identity(gh_str from)
{
  return from.len == 0 || gh_str_eq(from, GH_STR("S")) || gh_str_eq(from, GH_STR("C"));
}

static int impersonation(gh_exchange *x, const char *reason)
{
  x->decision = (gh_decision){.outcome = GH_REFUSE, .reason = reason};
  return gh_refuse(x, GH_RSC_ORIGINATOR_NOT_AUTHENTICATED, "fr is not an identity of this association");
}

/*= TS-0004 7.3.2.1 a registree AE sends its stem and nothing else */
static int check_stem(gh_exchange *x)
{
  gh_id id = gh_id_parse(x->request.from);
  bool stem = id.scope == GH_SCOPE_STEM && (id.kind == GH_ID_AE_C || id.kind == GH_ID_AE_S);
  if (stem) return GH_RSC_OK;
  x->decision = (gh_decision){.outcome = GH_REFUSE, .reason = "from-not-a-stem"};
  return gh_refuse(x, GH_RSC_BAD_REQUEST, "fr of an AE must be its AE-ID-Stem");
}

/*= TS-0003 7.2.1; TS-0004 7.3.2.1 inside an association of an AE */
static int identify_ae(gh_exchange *x)
{
  if (claims_no_identity(x->request.from) && is_ae_registration(x)) {
    x->originator = x->peer.id;
    x->authenticated = true;
    return GH_RSC_OK;
  }
  int rsc = check_stem(x);
  if (rsc != GH_RSC_OK) return rsc;
  gh_str from;
  if (gh_id_absolute(&x->arena, &x->host->config.self, x->request.from, &from) != GH_OK ||
      !gh_str_eq(from, x->peer.id))
    return impersonation(x, "from-is-another");
  x->originator = from;
  x->authenticated = true;
  return GH_RSC_OK;
}

/*= TS-0003 8.2.1; TS-0003 7.2.1 a list of AE-IDs: those that registered with this credential. From is one of them */
static int identify_of_node(gh_exchange *x)
{
  gh_str count;
  bool is_registree = gh_id_map_get(x->host->credentials, &x->arena, x->peer.credential_id, &count);
  int rsc = is_registree ? check_stem(x) : GH_RSC_OK;
  if (rsc != GH_RSC_OK) return rsc;
  gh_node *ae = gh_tree_by_id(x->host->tree, GH_VIEW_COMMITTED, x->request.from);
  bool listed = ae && ae->ty == GH_TY_AE && gh_str_eq(ae->extra, x->peer.credential_id);
  if (listed) x->originator = gh_arena_dup(&x->arena, ae->creator);
  gh_node_unref(ae);
  if (!listed) return impersonation(x, "from-is-not-of-this-node");
  x->authenticated = true;
  return GH_RSC_OK;
}

/* A verified credential that stands for nobody yet, or a node's: it may register; a node's AEs may do the rest. */
static int identify_credential(gh_exchange *x)
{
  bool of_node = gh_credential_is_of_node(x->peer.credential_id);
  if (!is_ae_registration(x)) return of_node ? identify_of_node(x) : impersonation(x, "not-registered");
  if (!claims_no_identity(x->request.from)) {
    int rsc = check_stem(x);
    if (rsc != GH_RSC_OK) return rsc;
  }
  x->originator = GH_STR_NONE;
  x->authenticated = true;
  return GH_RSC_OK;
}

/*= TS-0004 7.3.2.1 outside any association: only where the listener allows clear text */
static int identify_nobody(gh_exchange *x)
{
  if (claims_no_identity(x->request.from) && is_ae_registration(x)) return GH_RSC_OK;
  gh_id id = gh_id_parse(x->request.from);
  if (id.kind == GH_ID_CSE || id.kind == GH_ID_SP) {
    x->decision = (gh_decision){.outcome = GH_REFUSE, .reason = "no-association"};
    return gh_refuse(x, GH_RSC_SECURITY_ASSOCIATION_REQUIRED, "a CSE needs a security association");
  }
  int rsc = check_stem(x);
  if (rsc != GH_RSC_OK || is_ae_registration(x)) return rsc;
  gh_node *ae = gh_tree_by_id(x->host->tree, GH_VIEW_COMMITTED, x->request.from);
  bool registered = ae && ae->ty == GH_TY_AE, has_credential = registered && ae->extra.len;
  gh_node_unref(ae);
  if (!registered) return impersonation(x, "not-registered");
  if (has_credential) { /*= TS-0003 7.2.1 who proved itself once is not believed without proof */
    x->decision = (gh_decision){.outcome = GH_REFUSE, .reason = "no-association"};
    return gh_refuse(x, GH_RSC_SECURITY_ASSOCIATION_REQUIRED, "this AE needs a security association");
  }
  return gh_id_absolute(&x->arena, &x->host->config.self, x->request.from, &x->originator) == GH_OK
             ? GH_RSC_OK
             : gh_refuse(x, GH_RSC_BAD_REQUEST, "fr is not an identifier");
}

/*= TS-0003 8.2.1; TS-0003 7.2.1 an AE-ID that came by registration goes with it: the provider may have given it to
 * another credential since. What is left is the credential, which may register. */
static void settle_again(gh_exchange *x)
{
  gh_str ae_id = GH_STR_NONE;
  if (!x->peer.assigned) return;
  bool holds = gh_id_map_get(x->host->credentials, &x->arena, x->peer.credential_id, &ae_id);
  x->peer.kind = holds ? GH_PEER_AE : GH_PEER_CREDENTIAL;
  x->peer.id = ae_id;
}

/* The Credential-ID that the entity behind a topic has proven, or registered with; empty: unknown. */
static gh_str credential_at_broker(gh_exchange *x)
{
  const gh_self *self = &x->host->config.self;
  if (x->peer.credential_id.len || gh_str_empty(x->peer.id)) return x->peer.credential_id;
  bool is_cse = x->peer.kind == GH_PEER_CSE;
  gh_str id = is_cse ? gh_remote_cse_id(&x->arena, self, x->peer.id) : gh_id_relative(&x->arena, self, x->peer.id);
  gh_node *node = gh_tree_by_id(x->host->tree, GH_VIEW_COMMITTED, id);
  bool own = node && gh_str_eq(node->creator, x->peer.id);
  gh_str credential_id = own ? gh_arena_dup(&x->arena, node->extra) : GH_STR_NONE;
  gh_node_unref(node);
  return credential_id;
}

static bool has_another_key(gh_exchange *x)
{
  gh_key_record key = {.key = {.len = 0}};
  bool has =
      x->peer.id.len && gh_keyring_find_owned(x->host->keyring, &x->arena, GH_KEY_KPSA, x->peer.id, &key) == GH_OK;
  gh_secret_wipe(&key.key);
  return has;
}

/*= TS-0010 7.3 the broker believes a key until its files are made anew; this CSE, which gave it to the broker, no
 * longer than it holds it itself, or another one of the same entity: which of them was proven it is not told */
static bool is_gone_meanwhile(gh_exchange *x)
{
  return x->peer.method == GH_METHOD_BROKER && gh_provisioned_key_is_gone(x->host, credential_at_broker(x)) &&
         !has_another_key(x);
}

int gh_cse_identify(gh_exchange *x)
{
  settle_again(x);
  if (is_gone_meanwhile(x)) return impersonation(x, "key-taken-away");
  if (!x->request.has_from && !is_ae_registration(x)) {
    x->decision = (gh_decision){.outcome = GH_REFUSE, .reason = "from-missing"};
    return gh_refuse(x, GH_RSC_BAD_REQUEST, "fr is missing");
  }
  switch (x->peer.kind) {
  case GH_PEER_NONE: return identify_nobody(x);
  case GH_PEER_CREDENTIAL: return identify_credential(x);
  case GH_PEER_AE: return identify_ae(x);
  case GH_PEER_CSE: return gh_cse_identify_cse(x);
  case GH_PEER_FUNCTION:
  case GH_PEER_NODE: break;
  }
  return impersonation(x, "not-an-entity");
}
