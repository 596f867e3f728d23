/* What a CSE may say in whose name. A transit CSE forwards requests of others, so From may differ from it; but it
 * speaks only for what lies on its side: a registree for itself and what is registered below it, the registrar for
 * everything that is not below this CSE. Who is not known to be there is refused. */
#include "cse/identify.h"

#include "cse/ae_annc.h"
#include "cse/configured_place.h"
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

/* The same, and where nobody has registered yet what the operator has said: until a CSE comes nobody but whoever
 * leads to it speaks in its name. */
static gh_str side_or_place(gh_exchange *x, gh_str cse)
{
  const gh_host_config *c = &x->host->config;
  gh_str side = side_of(x, cse);
  if (gh_str_empty(side)) side = gh_cse_configured_place(c, cse);
  return gh_str_eq(side, c->registrar) ? GH_STR_NONE : side; /* beyond the registrar */
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
  gh_str side = side_or_place(x, cse);
  bool is_registrar = c->registrar.len && gh_str_eq(x->peer.id, c->registrar);
  return is_registrar ? gh_str_empty(side) : gh_str_eq(side, x->peer.id);
}

/* Where is it registered, as far as its <AEAnnc> on the IN-CSE says? */
static bool announced_on_this_side(gh_exchange *x, gh_node *announced)
{
  gh_str holder;
  return gh_ae_annc_holder(&x->arena, &x->host->config.self, announced, &holder) &&
         gh_str_eq(side_of(x, holder), x->peer.id);
}

/* An S-type AE-ID names no CSE. The IN-CSE knows where each is registered; another CSE knows those that are
 * registered with itself, and that they do not come through others. */
static bool speaks_for_s_type(gh_exchange *x, const gh_id *id)
{
  enum { IN_CSE = 1 };
  gh_node *here = gh_tree_by_id(x->host->tree, GH_VIEW_COMMITTED, id->stem);
  bool speaks = x->host->config.cse_type != IN_CSE;
  if (here && here->ty == GH_TY_AE) speaks = false;
  if (here && here->ty == GH_TY_AEANNC) speaks = announced_on_this_side(x, here);
  gh_node_unref(here);
  return speaks;
}

/*= TS-0001 6.5.1.0 whoever is of another provider comes through the IN-CSE, so from above: no registree leads there
 */
static bool speaks_for_foreign(const gh_exchange *x)
{
  gh_str registrar = x->host->config.registrar;
  return registrar.len && gh_str_eq(x->peer.id, registrar);
}

static bool speaks_for(gh_exchange *x, const gh_id *id)
{
  const gh_self *self = &x->host->config.self;
  if (id->sp.len && !gh_str_eq_nocase(id->sp, self->sp_fqdn)) return speaks_for_foreign(x);
  if (id->kind != GH_ID_CSE && !is_partner(x)) return false;
  if (id->kind == GH_ID_AE_S) return speaks_for_s_type(x, id);
  gh_str sp = id->sp.len ? id->sp : self->sp_fqdn;
  return speaks_for_cse(x, gh_arena_fmt(&x->arena, "//%.*s/%.*s", GH_STR_ARG(sp), GH_STR_ARG(id->cse)));
}

/* "/<CSE-ID>/S" or "/<CSE-ID>/Sxx": a registrar that asks for an AE-ID-Stem, or gives one back. */
static bool asks_for_stem(gh_exchange *x, gh_str *cse)
{
  gh_str from = x->request.from;
  size_t slash = gh_str_rfind(from, '/');
  bool concerned = (x->request.op == GH_OP_CREATE && x->request.ty == GH_TY_AEANNC) || x->request.op == GH_OP_UPDATE;
  if (!concerned || slash == SIZE_MAX || slash == 0) return false;
  gh_str stem = gh_str_sub(from, slash + 1, SIZE_MAX);
  *cse = gh_str_sub(from, 0, slash);
  bool asks = gh_stem_valid(stem) && stem.ptr[0] == 'S' && gh_id_parse(*cse).kind == GH_ID_CSE;
  if (asks) x->claimed_stem = stem;
  return asks;
}

/*= TS-0003 7.2.1; TS-0001 10.2.2.2 step 005a it is the registrar who speaks, or the CSE that leads to it */
static int identify_registrar(gh_exchange *x, gh_str cse)
{
  if (gh_id_absolute(&x->arena, &x->host->config.self, cse, &x->originator) != GH_OK)
    return gh_refuse(x, GH_RSC_BAD_REQUEST, "fr is not an identifier");
  if (!is_partner(x) || !speaks_for_cse(x, x->originator)) return impersonation(x, "from-is-elsewhere");
  x->authenticated = gh_str_eq(x->originator, x->peer.id);
  return GH_RSC_OK;
}

/*= TS-0003 7.2.1; TS-0004 7.3.2.1 inside an association of a CSE */
int gh_cse_identify_cse(gh_exchange *x)
{
  gh_str registrar;
  if (gh_id_is_foreign(&x->host->config.self, x->peer.id)) return gh_cse_identify_provider(x);
  if (asks_for_stem(x, &registrar)) return identify_registrar(x, registrar);
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
