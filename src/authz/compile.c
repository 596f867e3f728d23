/* Owns the walk over a value tree at write time. Must never pass over a member that it does not know. */
#include "authz/compile.h"

#include <stdio.h>

gh_err gh_compile_fail(gh_compile *c, gh_err err, const char *fmt, ...)
{
  char why[200];
  va_list args;
  va_start(args, fmt);
  vsnprintf(why, sizeof(why), fmt, args);
  va_end(args);
  return gh_fail(c->diag, err, "%s: %s", c->path_len ? c->path : "policy", why);
}

static size_t enter(gh_compile *c, const char *fmt, ...) GH_PRINTF(2, 3);

static size_t enter(gh_compile *c, const char *fmt, ...)
{
  size_t mark = c->path_len, room = sizeof(c->path) - mark;
  va_list args;
  va_start(args, fmt);
  int len = vsnprintf(c->path + mark, room, fmt, args);
  va_end(args);
  if (len > 0) c->path_len += (size_t)len < room ? (size_t)len : room - 1;
  return mark;
}

/* Not after a failure: the path then still says where. */
static void leave(gh_compile *c, size_t mark)
{
  c->path_len = mark;
  c->path[mark] = '\0';
}

static const gh_compile_member *find(const gh_compile_member *members, size_t count, gh_str name)
{
  for (size_t i = 0; i < count; i++) {
    if (gh_str_eq(gh_str_of(members[i].name), name)) return &members[i];
  }
  return NULL;
}

static gh_err compile_member(gh_compile *c, const gh_member *m, const gh_compile_member *members, size_t count,
                             void *out)
{
  const gh_compile_member *known = find(members, count, m->name);
  if (!known) return gh_compile_fail(c, GH_ESYNTAX, "unknown member '%.*s'", GH_STR_ARG(gh_str_sub(m->name, 0, 64)));
  if (!known->fn) return gh_compile_fail(c, GH_EUNSUPPORTED, "member '%s' is not implemented", known->name);
  size_t mark = enter(c, "%s%s", c->path_len ? "." : "", known->name);
  GH_TRY(known->fn(c, m->value, out));
  leave(c, mark);
  return GH_OK;
}

gh_err gh_compile_object(gh_compile *c, const gh_val *value, const gh_compile_member *members, size_t count,
                         void *out)
{
  if (value->type != GH_VAL_OBJECT) return gh_compile_fail(c, GH_ESYNTAX, "must be an object");
  for (const gh_member *m = value->u.object.first; m; m = m->next) GH_TRY(compile_member(c, m, members, count, out));
  for (size_t i = 0; i < count; i++) {
    if (members[i].required && !gh_val_get(value, gh_str_of(members[i].name)))
      return gh_compile_fail(c, GH_ESYNTAX, "member '%s' is missing", members[i].name);
  }
  return GH_OK;
}

gh_err gh_compile_list(gh_compile *c, const gh_val *value, size_t min, size_t size, gh_compile_fn fn, void **items,
                       size_t *count)
{
  if (value->type != GH_VAL_ARRAY) return gh_compile_fail(c, GH_ESYNTAX, "must be a list");
  if (value->u.array.count < min) return gh_compile_fail(c, GH_ESYNTAX, "must not be empty");
  if (value->u.array.count > GH_LIST_MAX) return gh_compile_fail(c, GH_ELIMIT, "has over %d elements", GH_LIST_MAX);
  char *slots = gh_arena_zalloc(c->arena, size * (value->u.array.count ? value->u.array.count : 1));
  size_t i = 0;
  for (const gh_val *element = value->u.array.first; element; element = element->next, i++) {
    size_t mark = enter(c, "[%zu]", i);
    GH_TRY(fn(c, element, slots + i * size));
    leave(c, mark);
  }
  *items = slots;
  *count = i;
  return GH_OK;
}

gh_err gh_compile_int(gh_compile *c, const gh_val *value, int64_t low, int64_t high, int64_t *out)
{
  if (value->type != GH_VAL_INT || value->u.integer < low || value->u.integer > high)
    return gh_compile_fail(c, GH_ESYNTAX, "must be an integer from %lld to %lld", (long long)low, (long long)high);
  *out = value->u.integer;
  return GH_OK;
}

gh_err gh_compile_text(gh_compile *c, const gh_val *value, size_t max, gh_str *out)
{
  if (value->type != GH_VAL_STR || value->u.str.len == 0 || value->u.str.len > max)
    return gh_compile_fail(c, GH_ESYNTAX, "must be text of 1 to %zu octets", max);
  gh_str text = value->u.str;
  for (size_t i = 0; i < text.len; i++) {
    if ((unsigned char)text.ptr[i] < ' ' || text.ptr[i] == 0x7f)
      return gh_compile_fail(c, GH_ESYNTAX, "has a control character");
  }
  *out = text;
  return GH_OK;
}
