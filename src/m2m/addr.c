/* Target addresses: the scope and the parts of To. It does not look anything up. */
#include "m2m/ids.h"

enum { ADDR_MAX = 1024, SEGMENTS_MAX = 32, ATTRIBUTE_MAX = 32 };

static bool characters_valid(gh_str to)
{
  for (size_t i = 0; i < to.len; i++) {
    char c = to.ptr[i];
    if (c <= 0x20 || c > 0x7e || c == '%' || c == '?') return false;
  }
  return true;
}

static bool path_valid(gh_str path)
{
  gh_str segment;
  size_t count = 0;
  while (path.len && gh_str_split(&path, '/', &segment)) {
    if (segment.len == 0 || ++count > SEGMENTS_MAX) return false;
    if (gh_str_eq(segment, GH_STR(".")) || gh_str_eq(segment, GH_STR(".."))) return false;
    if (path.ptr && path.len == 0) return false; /* "a/" beyond the tolerated last slash */
  }
  return true;
}

/* "to#short": takes the fragment off. */
static bool take_attribute(gh_str *to, gh_str *attribute)
{
  size_t hash = gh_str_find(*to, '#');
  if (hash == SIZE_MAX) return true;
  *attribute = gh_str_sub(*to, hash + 1, SIZE_MAX);
  *to = gh_str_sub(*to, 0, hash);
  if (attribute->len == 0 || attribute->len > ATTRIBUTE_MAX) return false;
  for (size_t i = 0; i < attribute->len; i++) {
    char c = attribute->ptr[i];
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_')) return false;
  }
  return true;
}

/* The part up to the next slash; *rest is what follows it. */
static gh_str take_segment(gh_str *rest)
{
  size_t slash = gh_str_find(*rest, '/');
  gh_str segment = gh_str_sub(*rest, 0, slash == SIZE_MAX ? rest->len : slash);
  *rest = slash == SIZE_MAX ? GH_STR_NONE : gh_str_sub(*rest, slash + 1, SIZE_MAX);
  return segment;
}

/*= TS-0001 7.2; CSE-relative, SP-relative and absolute resource identifiers */
gh_err gh_addr_parse(gh_str to, gh_addr *out)
{
  gh_addr addr = {.scope = GH_SCOPE_STEM};
  GH_REQUIRE(to.len > 0 && to.len <= ADDR_MAX && characters_valid(to), GH_ESYNTAX);
  GH_REQUIRE(take_attribute(&to, &addr.attribute) && to.len > 0, GH_ESYNTAX);
  if (to.ptr[to.len - 1] == '/') to.len--;
  GH_REQUIRE(to.len > 0, GH_ESYNTAX);
  if (gh_str_starts(to, GH_STR("//"))) {
    addr.scope = GH_SCOPE_ABSOLUTE;
    to = gh_str_sub(to, 2, SIZE_MAX);
    addr.sp = take_segment(&to);
    GH_REQUIRE(gh_fqdn_valid(addr.sp), GH_ESYNTAX);
  } else if (to.ptr[0] == '/') {
    addr.scope = GH_SCOPE_SP;
    to = gh_str_sub(to, 1, SIZE_MAX);
  }
  if (addr.scope != GH_SCOPE_STEM) {
    bool path_follows = gh_str_find(to, '/') != SIZE_MAX;
    addr.cse = take_segment(&to);
    GH_REQUIRE(gh_stem_valid(addr.cse) && (!path_follows || to.len > 0), GH_ESYNTAX);
  }
  addr.path = to;
  GH_REQUIRE(path_valid(addr.path), GH_ESYNTAX);
  *out = addr;
  return GH_OK;
}

/*= TS-0004 7.3.2.6; another SP-ID or CSE-ID makes the request a transit request */
bool gh_addr_is_local(const gh_addr *addr, const gh_self *self)
{
  switch (addr->scope) {
  case GH_SCOPE_STEM: return true;
  case GH_SCOPE_SP: return gh_str_eq(addr->cse, self->cse_id);
  case GH_SCOPE_ABSOLUTE: return gh_str_eq(addr->cse, self->cse_id) && gh_str_eq_nocase(addr->sp, self->sp_fqdn);
  }
  return false;
}
