/* The value tree: making, reading, changing, comparing, copying. It knows no serialization. */
#include "m2m/value.h"

#include <stdlib.h>

enum { SMALL_OBJECT = 24 }; /* up to here a linear search is cheapest */

static gh_val *val_new(gh_arena *arena, gh_val_type type)
{
  gh_val *val = GH_NEW(arena, gh_val);
  val->type = type;
  return val;
}

gh_val *gh_val_null(gh_arena *arena)
{
  return val_new(arena, GH_VAL_NULL);
}

gh_val *gh_val_bool(gh_arena *arena, bool v)
{
  gh_val *val = val_new(arena, GH_VAL_BOOL);
  val->u.boolean = v;
  return val;
}

gh_val *gh_val_int(gh_arena *arena, int64_t v)
{
  gh_val *val = val_new(arena, GH_VAL_INT);
  val->u.integer = v;
  return val;
}

gh_val *gh_val_real(gh_arena *arena, double v)
{
  gh_val *val = val_new(arena, GH_VAL_REAL);
  val->u.real = v;
  return val;
}

gh_val *gh_val_str(gh_arena *arena, gh_str borrowed)
{
  gh_val *val = val_new(arena, GH_VAL_STR);
  val->u.str = borrowed;
  return val;
}

gh_val *gh_val_array(gh_arena *arena)
{
  return val_new(arena, GH_VAL_ARRAY);
}

gh_val *gh_val_object(gh_arena *arena)
{
  return val_new(arena, GH_VAL_OBJECT);
}

void gh_val_push(gh_val *array, gh_val *element)
{
  element->next = NULL;
  if (array->u.array.last)
    array->u.array.last->next = element;
  else
    array->u.array.first = element;
  array->u.array.last = element;
  array->u.array.count++;
}

static gh_member *member_find(const gh_val *object, gh_str name)
{
  if (!object || object->type != GH_VAL_OBJECT) return NULL;
  for (gh_member *member = object->u.object.first; member; member = member->next)
    if (gh_str_eq(member->name, name)) return member;
  return NULL;
}

void gh_val_set(gh_arena *arena, gh_val *object, gh_str name, gh_val *value)
{
  gh_member *member = member_find(object, name);
  if (member) {
    member->value = value;
    return;
  }
  member = GH_NEW(arena, gh_member);
  member->name = name;
  member->value = value;
  if (object->u.object.last)
    object->u.object.last->next = member;
  else
    object->u.object.first = member;
  object->u.object.last = member;
  object->u.object.count++;
}

gh_val *gh_val_get(const gh_val *object, gh_str name)
{
  gh_member *member = member_find(object, name);
  return member ? member->value : NULL;
}

bool gh_val_remove(gh_val *object, gh_str name)
{
  if (!object || object->type != GH_VAL_OBJECT) return false;
  gh_member *before = NULL;
  for (gh_member *member = object->u.object.first; member; before = member, member = member->next) {
    if (!gh_str_eq(member->name, name)) continue;
    if (before)
      before->next = member->next;
    else
      object->u.object.first = member->next;
    if (object->u.object.last == member) object->u.object.last = before;
    object->u.object.count--;
    return true;
  }
  return false;
}

static bool arrays_equal(const gh_val *a, const gh_val *b)
{
  if (a->u.array.count != b->u.array.count) return false;
  const gh_val *other = b->u.array.first;
  for (const gh_val *element = a->u.array.first; element; element = element->next, other = other->next)
    if (!gh_val_equal(element, other)) return false;
  return true;
}

static bool same_order_equal(const gh_member *a, const gh_member *b, const gh_member **at)
{
  for (; a && gh_str_eq(a->name, b->name); a = a->next, b = b->next)
    if (!gh_val_equal(a->value, b->value)) return false;
  *at = a;
  return true;
}

static int by_name(const void *left, const void *right)
{
  const gh_member *a = *(gh_member *const *)left, *b = *(gh_member *const *)right;
  if (a->name.len != b->name.len) return a->name.len < b->name.len ? -1 : 1;
  return a->name.len ? memcmp(a->name.ptr, b->name.ptr, a->name.len) : 0;
}

static gh_member **sorted_members(const gh_val *object)
{
  gh_member **members = gh_calloc(object->u.object.count, sizeof(gh_member *));
  size_t count = 0;
  for (gh_member *member = object->u.object.first; member; member = member->next) members[count++] = member;
  qsort(members, count, sizeof(gh_member *), by_name);
  return members;
}

/* Members in another order, many of them: n log n, because peers choose the names. */
static bool sorted_equal(const gh_val *a, const gh_val *b)
{
  gh_member **left = sorted_members(a), **right = sorted_members(b);
  bool equal = true;
  for (size_t i = 0; equal && i < a->u.object.count; i++)
    equal = gh_str_eq(left[i]->name, right[i]->name) && gh_val_equal(left[i]->value, right[i]->value);
  free(left);
  free(right);
  return equal;
}

static bool objects_equal(const gh_val *a, const gh_val *b)
{
  if (a->u.object.count != b->u.object.count) return false;
  const gh_member *rest = NULL;
  if (!same_order_equal(a->u.object.first, b->u.object.first, &rest)) return false;
  if (rest && a->u.object.count > SMALL_OBJECT) return sorted_equal(a, b);
  for (; rest; rest = rest->next) {
    const gh_val *other = gh_val_get(b, rest->name);
    if (!other || !gh_val_equal(rest->value, other)) return false;
  }
  return true;
}

bool gh_val_equal(const gh_val *a, const gh_val *b)
{
  if (a->type != b->type) return false;
  switch (a->type) {
  case GH_VAL_NULL: return true;
  case GH_VAL_BOOL: return a->u.boolean == b->u.boolean;
  case GH_VAL_INT: return a->u.integer == b->u.integer;
  case GH_VAL_REAL: return a->u.real <= b->u.real && a->u.real >= b->u.real;
  case GH_VAL_STR: return gh_str_eq(a->u.str, b->u.str);
  case GH_VAL_ARRAY: return arrays_equal(a, b);
  case GH_VAL_OBJECT: return objects_equal(a, b);
  }
  return false;
}

static gh_val *copy_array(gh_arena *arena, const gh_val *value)
{
  gh_val *copy = gh_val_array(arena);
  for (const gh_val *element = value->u.array.first; element; element = element->next)
    gh_val_push(copy, gh_val_copy(arena, element));
  return copy;
}

/* Appends directly: the names of a source object are known to differ. */
static gh_val *copy_object(gh_arena *arena, const gh_val *value)
{
  gh_val *copy = gh_val_object(arena);
  gh_member **link = &copy->u.object.first;
  for (const gh_member *member = value->u.object.first; member; member = member->next) {
    gh_member *twin = GH_NEW(arena, gh_member);
    twin->name = gh_arena_dup(arena, member->name);
    twin->value = gh_val_copy(arena, member->value);
    *link = twin;
    link = &twin->next;
    copy->u.object.last = twin;
  }
  copy->u.object.count = value->u.object.count;
  return copy;
}

gh_val *gh_val_copy(gh_arena *arena, const gh_val *value)
{
  gh_val *copy = NULL;
  switch (value->type) {
  case GH_VAL_NULL:
  case GH_VAL_BOOL:
  case GH_VAL_INT:
  case GH_VAL_REAL:
    copy = val_new(arena, value->type);
    copy->u = value->u;
    break;
  case GH_VAL_STR: copy = gh_val_str(arena, gh_arena_dup(arena, value->u.str)); break;
  case GH_VAL_ARRAY: copy = copy_array(arena, value); break;
  case GH_VAL_OBJECT: copy = copy_object(arena, value); break;
  }
  if (copy) copy->offset = value->offset;
  return copy;
}

bool gh_val_get_str(const gh_val *object, gh_str name, gh_str *out)
{
  const gh_val *value = gh_val_get(object, name);
  if (!value || value->type != GH_VAL_STR) return false;
  *out = value->u.str;
  return true;
}

bool gh_val_get_int(const gh_val *object, gh_str name, int64_t *out)
{
  const gh_val *value = gh_val_get(object, name);
  if (!value || value->type != GH_VAL_INT) return false;
  *out = value->u.integer;
  return true;
}

bool gh_val_get_bool(const gh_val *object, gh_str name, bool *out)
{
  const gh_val *value = gh_val_get(object, name);
  if (!value || value->type != GH_VAL_BOOL) return false;
  *out = value->u.boolean;
  return true;
}

gh_val *gh_val_wrap(gh_arena *arena, gh_str root, gh_val *inner)
{
  gh_val *outer = gh_val_object(arena);
  gh_val_set(arena, outer, root, inner);
  return outer;
}

/*= TS-0004 8.4; Content is an object with exactly one member, its root */
bool gh_val_unwrap(const gh_val *object, gh_str *root, gh_val **inner)
{
  if (!object || object->type != GH_VAL_OBJECT || object->u.object.count != 1) return false;
  *root = object->u.object.first->name;
  *inner = object->u.object.first->value;
  return true;
}
