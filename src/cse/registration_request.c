/* What a CSE tells of itself where it registers. To another provider everything goes in absolute identifiers: it
 * knows no others of ours. */
#include "cse/registration_private.h"

#include "host/id_map.h"
#include "host/serialization.h"
#include "m2m/constants.h"
#include "m2m/m2m_time.h"

typedef struct collector {
  gh_arena *arena;
  gh_val *list;
  const gh_registration *registration;
} collector;

static gh_str in_their_form(const gh_registration *r, gh_str absolute)
{
  return r->foreign ? absolute : gh_id_sp_relative(&r->host->config.self, absolute);
}

static void collect(void *ctx, gh_str cse, gh_str next)
{
  collector *c = ctx;
  if (gh_str_eq(next, c->registration->registrar)) return;
  gh_str text = gh_arena_dup(c->arena, cse);
  gh_val_push(c->list, gh_val_str(c->arena, in_their_form(c->registration, text)));
}

/*= TS-0001 9.6.4 the registree tells which CSEs are below it, and when that changes */
static gh_val *descendants(const gh_registration *r, gh_arena *arena)
{
  collector c = {arena, gh_val_array(arena), r};
  gh_id_map_each(r->host->routes, collect, &c);
  return c.list;
}

static gh_val *texts(gh_arena *a, const char *const *items)
{
  gh_val *list = gh_val_array(a);
  for (; *items; items++) gh_val_push(list, gh_val_str(a, gh_str_of(*items)));
  return list;
}

/* Its name there. The IN-CSEs of several providers may have the same CSE-ID. */
static gh_str name_there(const gh_registration *r, gh_arena *a)
{
  const gh_self *self = &r->host->config.self;
  return r->foreign ? gh_arena_fmt(a, "%.*s.%.*s", GH_STR_ARG(self->cse_id), GH_STR_ARG(self->sp_fqdn))
                    : self->cse_id;
}

static void fill_create(const gh_registration *r, gh_arena *a, gh_request *request, gh_val *o)
{
  const gh_host_config *c = &r->host->config;
  request->op = GH_OP_CREATE;
  request->to = in_their_form(r, r->registrar);
  request->ty = GH_TY_REMOTE_CSE;
  request->has_ty = true;
  gh_val_set(a, o, GH_STR("rn"), gh_val_str(a, name_there(r, a)));
  gh_val_set(a, o, GH_STR("csi"), gh_val_str(a, request->from));
  gh_val_set(a, o, GH_STR("cb"),
             gh_val_str(a, gh_arena_fmt(a, "%.*s/%.*s", GH_STR_ARG(request->from), GH_STR_ARG(c->self.cse_rn))));
  gh_val_set(a, o, GH_STR("cst"), gh_val_int(a, c->cse_type));
  gh_val_set(a, o, GH_STR("srv"), texts(a, (const char *const[]){"2a", "3", NULL}));
}

static void address_own(const gh_registration *r, gh_arena *a, gh_request *request, gh_op op)
{
  request->op = op;
  request->to =
      gh_arena_fmt(a, "%.*s/-/%.*s", GH_STR_ARG(in_their_form(r, r->registrar)), GH_STR_ARG(name_there(r, a)));
}

static void fill_poa(const gh_registration *r, gh_arena *a, gh_val *o)
{
  gh_val *poa = gh_val_array(a);
  if (r->poa.len) gh_val_push(poa, gh_val_str(a, r->poa));
  if (gh_str_starts(r->poa, GH_STR("https")) && !r->foreign) /*= TS-0020 6.2.1 the same port */
    gh_val_push(poa, gh_val_str(a, gh_arena_fmt(a, "wss%.*s", GH_STR_ARG(gh_str_sub(r->poa, 5, r->poa.len)))));
  if (poa->u.array.count)
    gh_val_set(a, o, GH_STR("poa"), poa);
  else if (r->known) /* it may have had one before */
    gh_val_set(a, o, GH_STR("poa"), gh_val_null(a));
}

/* Prolonged each time: whoever is registered with another provider is there as long as both agree. */
static void fill_end(const gh_registration *r, gh_arena *a, gh_val *o)
{
  int64_t until = gh_host_now_us(r->host) + r->host->config.max_registration_us;
  if (r->foreign) gh_val_set(a, o, GH_STR("et"), gh_val_str(a, gh_timestamp(a, until)));
}

/* To another provider JSON goes: what it reads it may not have said here. */
static gh_representation serialization_of(const gh_registration *r)
{
  return r->foreign ? GH_REP_JSON : r->host->config.serialization;
}

gh_err gh_registration_fill(const gh_registration *r, gh_arena *a, gh_request *request)
{
  gh_val *o = gh_val_object(a), *dcse = descendants(r, a);
  *request = (gh_request){.rcn = GH_RCN_ABSENT, .rt = 3, .drt = 1, .rvi = GH_STR("3"), .has_from = true};
  GH_TRY(gh_random_id(&r->host->random, a, GH_STR("reg-"), 8, &request->rqi));
  request->from = in_their_form(r, gh_self_cse_absolute(a, &r->host->config.self));
  gh_serialization_use(request, serialization_of(r));
  if (r->leaving) {
    address_own(r, a, request, GH_OP_DELETE);
    return GH_OK;
  }
  if (r->known)
    address_own(r, a, request, GH_OP_UPDATE);
  else
    fill_create(r, a, request, o);
  fill_poa(r, a, o);
  fill_end(r, a, o);
  gh_val_set(a, o, GH_STR("rr"), gh_val_bool(a, true));
  gh_val_set(a, o, GH_STR("csz"), gh_serialization_list(a, serialization_of(r))); /*= TS-0001 9.6.4 */
  if (dcse->u.array.count)
    gh_val_set(a, o, GH_STR("dcse"), dcse);
  else if (r->known)
    gh_val_set(a, o, GH_STR("dcse"), gh_val_null(a));
  request->pc = gh_val_wrap(a, GH_STR("m2m:csr"), o);
  return GH_OK;
}
