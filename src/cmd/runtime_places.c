/* Where the CSEs of the realm are, seen from one of them: `registrar` of each of them says who is below whom. */
#include "cmd/runtime.h"

static const gh_realm_function *cse_of(const gh_realm *realm, gh_str stem)
{
  for (size_t i = 0; i < realm->function_count; i++)
    if (realm->functions[i].kind == GH_REALM_CSE && gh_str_eq(realm->functions[i].cse_id, stem))
      return &realm->functions[i];
  return NULL;
}

/* From `from` upwards: the CSE directly below `self`, or its registrar where the way ends elsewhere; empty: a
 * registrar on the way is not of this realm. */
static gh_str next_towards(const gh_realm *realm, const gh_realm_function *self, const gh_realm_function *from)
{
  for (size_t steps = 0; from && steps < realm->function_count; steps++) {
    if (gh_str_empty(from->registrar)) return self->registrar;
    if (gh_str_eq(from->registrar, self->cse_id)) return from->cse_id;
    from = cse_of(realm, from->registrar);
  }
  return GH_STR_NONE;
}

void gh_runtime_places(gh_runtime *runtime, const gh_realm_function *self, gh_host_config *config)
{
  const gh_realm *realm = runtime->realm;
  if (self->kind != GH_REALM_CSE) return;
  gh_cse_place *places = GH_NEW_ARRAY(&runtime->arena, gh_cse_place, realm->function_count);
  config->cse_places = places;
  for (size_t i = 0; i < realm->function_count; i++) {
    const gh_realm_function *f = &realm->functions[i];
    gh_str through = f->kind == GH_REALM_CSE && f != self ? next_towards(realm, self, f) : GH_STR_NONE;
    if (through.len)
      places[config->cse_place_count++] = (gh_cse_place){.cse = gh_runtime_cse_absolute(runtime, f->cse_id),
                                                         .through = gh_runtime_cse_absolute(runtime, through)};
  }
}
