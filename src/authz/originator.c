/* Owns the comparison of an originator with an entry of a policy. Must never treat anything that came with a request
 * as a pattern, nor anything but '*' in a policy as special. */
#include "authz/originator.h"

enum { ENTRY_MAX_BYTES = 1024 };

/* ---- compiling */

static bool has_star(gh_str s)
{
  return gh_str_find(s, '*') != SIZE_MAX;
}

/* Absolute form; '*' may stand anywhere in it. */
static gh_str absolute(const gh_compile *c, gh_str entry)
{
  const gh_self *self = c->self;
  if (gh_str_starts(entry, GH_STR("//"))) return gh_arena_dup(c->arena, entry);
  if (gh_str_starts(entry, GH_STR("/")))
    return gh_arena_fmt(c->arena, "//%.*s%.*s", GH_STR_ARG(self->sp_fqdn), GH_STR_ARG(entry));
  if (entry.ptr[0] == 'S') return gh_arena_fmt(c->arena, "//%.*s/%.*s", GH_STR_ARG(self->sp_fqdn), GH_STR_ARG(entry));
  return gh_arena_fmt(c->arena, "//%.*s/%.*s/%.*s", GH_STR_ARG(self->sp_fqdn), GH_STR_ARG(self->cse_id),
                      GH_STR_ARG(entry));
}

/* Of "//fqdn.." the part behind the slashes up to the next one. */
static gh_str fqdn_of(gh_str absolute_id)
{
  gh_str rest = gh_str_sub(absolute_id, 2, absolute_id.len);
  return gh_str_sub(rest, 0, gh_str_find(rest, '/'));
}

static gh_str lower_fqdn(gh_arena *arena, gh_str absolute_id)
{
  char *copy = gh_arena_alloc(arena, absolute_id.len + 1);
  size_t end = 2 + fqdn_of(absolute_id).len;
  for (size_t i = 0; i < absolute_id.len; i++) {
    char ch = absolute_id.ptr[i];
    copy[i] = (i < end && ch >= 'A' && ch <= 'Z') ? (char)(ch - 'A' + 'a') : ch;
  }
  copy[absolute_id.len] = '\0';
  return (gh_str){copy, absolute_id.len};
}

/* "//fqdn" and nothing behind. TS-0003 gives a domain no wildcard; TS-0004 does; the stricter one counts. */
static gh_acor domain(gh_str canonical)
{
  gh_str fqdn = fqdn_of(canonical);
  return (gh_acor){gh_fqdn_valid(fqdn) ? GH_ACOR_DOMAIN : GH_ACOR_NOBODY, fqdn};
}

/*= TS-0003 7.1.3; kinds of accessControlOriginators; the keyword is case-sensitive */
static gh_acor classify(const gh_compile *c, gh_str entry)
{
  if (gh_str_eq(entry, GH_STR("all"))) return (gh_acor){GH_ACOR_ALL, entry};
  if (gh_str_find(entry, '@') != SIZE_MAX) {
    bool role = gh_role_or_token_id_valid(entry);
    return (gh_acor){role ? GH_ACOR_ROLE : GH_ACOR_NOBODY, gh_arena_dup(c->arena, entry)};
  }
  gh_str canonical = lower_fqdn(c->arena, absolute(c, entry));
  if (fqdn_of(canonical).len + 2 == canonical.len) return domain(canonical);
  /* An entry may also be the resource ID of a <group>. Groups are not resolved yet: the entry is then an identifier
   * that no originator has. */
  return (gh_acor){has_star(canonical) ? GH_ACOR_PATTERN : GH_ACOR_ID, canonical};
}

gh_err gh_acor_compile(gh_compile *c, const gh_val *value, void *acor)
{
  gh_str entry;
  GH_TRY(gh_compile_text(c, value, ENTRY_MAX_BYTES, &entry));
  if (gh_str_find(entry, ' ') != SIZE_MAX) return gh_compile_fail(c, GH_ESYNTAX, "an originator has no blanks");
  *(gh_acor *)acor = classify(c, entry);
  return GH_OK;
}

/* ---- matching */

/* A star cannot cross '/', so that it is enough to go back to the last one. */
bool gh_wildcard_match(gh_str pattern, gh_str text)
{
  size_t p = 0, t = 0, star = SIZE_MAX, tried = 0;
  while (t < text.len || p < pattern.len) {
    if (p < pattern.len && pattern.ptr[p] == '*') {
      star = p++;
      tried = t;
    } else if (p < pattern.len && t < text.len && pattern.ptr[p] == text.ptr[t]) {
      p++;
      t++;
    } else if (star != SIZE_MAX && tried < text.len && text.ptr[tried] != '/') {
      p = star + 1;
      t = ++tried;
    } else {
      return false;
    }
  }
  return true;
}

static bool has_role(gh_str role, const gh_str *roles, size_t count)
{
  for (size_t i = 0; i < count; i++) {
    if (gh_str_eq(role, roles[i])) return true;
  }
  return false;
}

static bool in_domain(gh_str fqdn, gh_str from)
{
  if (!gh_str_starts(from, GH_STR("//"))) return false;
  gh_str of_from = fqdn_of(from);
  return 2 + of_from.len + 1 < from.len && gh_str_eq_nocase(of_from, fqdn);
}

/*= TS-0003 7.1.5; res_origs */
bool gh_acor_match(const gh_acor *acor, gh_str from, const gh_str *roles, size_t role_count)
{
  switch (acor->kind) {
  case GH_ACOR_ALL: return true;
  case GH_ACOR_ROLE: return has_role(acor->text, roles, role_count);
  case GH_ACOR_DOMAIN: return in_domain(acor->text, from);
  case GH_ACOR_ID: return gh_str_eq(acor->text, from);
  case GH_ACOR_PATTERN: return gh_wildcard_match(acor->text, from);
  case GH_ACOR_NOBODY: return false;
  }
  return false;
}
