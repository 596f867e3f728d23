/* What a CSE may say in whose name. A transit CSE forwards requests of others, so From may differ from it; but it
 * speaks only for what lies on its side: a registree for itself and what is registered below it, the registrar for
 * everything that is not below this CSE. Who is not known to be there is refused. */
#include "cse/identify.h"

#include "host/id_map.h"
#include "m2m/constants.h"

static int impersonation(gh_exchange *x, const char *reason)
{
  x->decision = (gh_decision){.outcome = GH_REFUSE, .reason = reason};
  return gh_refuse(x, GH_RSC_ORIGINATOR_NOT_AUTHENTICATED, "fr is not an identity of this association");
}

/* Which registree leads to this CSE? Empty: none, so it must be beyond the registrar. */
static gh_str side_of(gh_exchange *x, gh_str cse)
{
  gh_str next = GH_STR_NONE;
  gh_id_map_get(x->host->routes, &x->arena, cse, &next);
  return next;
}

/* Is this the registrar, or registered here? Whoever is neither speaks for itself alone. */
static bool is_partner(gh_exchange *x)
{
  return gh_str_eq(x->peer.id, x->host->config.registrar) || side_of(x, x->peer.id).len;
}

/*= TS-0004 7.3.2.1 another registree's CSE-ID or AE-ID is refused, and so is what is registered here */
static bool speaks_for_cse(gh_exchange *x, gh_str cse)
{
  const gh_host_config *c = &x->host->config;
  if (gh_str_eq(cse, x->peer.id)) return true;
  if (gh_str_eq(cse, gh_self_cse_absolute(&x->arena, &c->self))) return false;
  gh_str side = side_of(x, cse);
  bool is_registrar = c->registrar.len && gh_str_eq(x->peer.id, c->registrar);
  return is_registrar ? gh_str_empty(side) : gh_str_eq(side, x->peer.id);
}

/* An S-type AE-ID names no CSE: it is refused when that AE is registered here. */
static bool speaks_for_s_type(gh_exchange *x, const gh_id *id)
{
  const gh_self *self = &x->host->config.self;
  if (id->sp.len && !gh_str_eq_nocase(id->sp, self->sp_fqdn)) return false;
  gh_node *here = gh_tree_by_id(x->host->tree, GH_VIEW_COMMITTED, id->stem);
  bool registered = here && here->ty == GH_TY_AE;
  gh_node_unref(here);
  return !registered;
}

static bool speaks_for(gh_exchange *x, const gh_id *id)
{
  const gh_self *self = &x->host->config.self;
  if (id->kind != GH_ID_CSE && !is_partner(x)) return false;
  if (id->kind == GH_ID_AE_S) return speaks_for_s_type(x, id);
  gh_str sp = id->sp.len ? id->sp : self->sp_fqdn;
  return speaks_for_cse(x, gh_arena_fmt(&x->arena, "//%.*s/%.*s", GH_STR_ARG(sp), GH_STR_ARG(id->cse)));
}

/*= TS-0003 7.2.1; TS-0004 7.3.2.1 inside an association of a CSE */
int gh_cse_identify_cse(gh_exchange *x)
{
  gh_id id = gh_id_parse(x->request.from);
  if (id.kind == GH_ID_INVALID ||
      gh_id_absolute(&x->arena, &x->host->config.self, x->request.from, &x->originator) != GH_OK)
    return gh_refuse(x, GH_RSC_BAD_REQUEST, "fr is not an identifier");
  bool named = id.scope != GH_SCOPE_STEM && (id.kind == GH_ID_CSE || id.kind == GH_ID_AE_C || id.kind == GH_ID_AE_S);
  if (!named || !speaks_for(x, &id)) return impersonation(x, named ? "from-is-elsewhere" : "from-is-a-bare-stem");
  /*= TS-0003 7.1.2 a CSE proves itself; whom it forwards for is not proven here */
  x->authenticated = gh_str_eq(x->originator, x->peer.id);
  return GH_RSC_OK;
}
