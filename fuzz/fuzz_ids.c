/* Identifiers and addresses on foreign octets: the canonical form is a fixed point, the shortest form leads back
 * to it, and what is local stays local under its absolute spelling. */
#include <stdlib.h>

#include "m2m/ids.h"

#define MUST(cond)                                                                                                   \
  do {                                                                                                               \
    if (!(cond)) abort();                                                                                            \
  } while (0)

static void identifier(gh_arena *arena, const gh_self *self, gh_str text)
{
  gh_str absolute, again, fqdn;
  gh_err err = gh_id_absolute(arena, self, text, &absolute);
  MUST((err == GH_OK) == (gh_id_parse(text).kind != GH_ID_INVALID));
  if (err != GH_OK) return;
  MUST(gh_id_parse(absolute).scope == GH_SCOPE_ABSOLUTE);
  MUST(gh_id_parse(absolute).kind == gh_id_parse(text).kind);
  MUST(gh_id_absolute(arena, self, absolute, &again) == GH_OK && gh_str_eq(absolute, again));
  MUST(gh_id_absolute(arena, self, gh_id_relative(arena, self, absolute), &again) == GH_OK);
  MUST(gh_str_eq(absolute, again));
  err = gh_id_fqdn_form(arena, self, absolute, &fqdn);
  MUST(err == GH_OK || err == GH_EUNSUPPORTED);
}

static void address(gh_arena *arena, const gh_self *self, gh_str text)
{
  gh_addr addr, twin;
  if (gh_addr_parse(text, &addr) != GH_OK) return;
  MUST(addr.path.len <= 1024 && (addr.scope != GH_SCOPE_STEM || addr.path.len > 0));
  if (addr.scope != GH_SCOPE_SP || addr.path.len == 0 || text.len > 900) return;
  gh_str absolute = gh_arena_fmt(arena, "//%.*s%.*s", GH_STR_ARG(self->sp_fqdn), GH_STR_ARG(text));
  MUST(gh_addr_parse(absolute, &twin) == GH_OK);
  MUST(gh_addr_is_local(&addr, self) == gh_addr_is_local(&twin, self));
  MUST(gh_str_eq(addr.path, twin.path) && gh_str_eq(addr.attribute, twin.attribute));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  gh_self self = {GH_STR("sp.example.com"), GH_STR("mn"), GH_STR("cse-mn"), GH_STR("in")};
  gh_str text = {(const char *)data, size};
  gh_arena arena;
  gh_arena_init(&arena);
  identifier(&arena, &self, text);
  address(&arena, &self, text);
  (void)gh_app_id_valid(text);
  MUST(!gh_role_or_token_id_valid(text) || gh_str_find(text, '@') != SIZE_MAX);
  MUST(!gh_resource_name_valid(text) || gh_stem_valid(text));
  gh_arena_free(&arena);
  return 0;
}
