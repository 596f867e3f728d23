/* Names of large objects: sorting keeps the check at n log n whatever names a peer chooses. */
#include "m2m/members.h"

#include <stdlib.h>

static int by_name(const void *left, const void *right)
{
  const gh_member *a = *(gh_member *const *)left, *b = *(gh_member *const *)right;
  if (a->name.len != b->name.len) return a->name.len < b->name.len ? -1 : 1;
  return a->name.len ? memcmp(a->name.ptr, b->name.ptr, a->name.len) : 0;
}

const gh_member *gh_members_duplicate(const gh_val *object)
{
  size_t count = 0;
  const gh_member *found = NULL;
  if (object->u.object.count <= GH_MEMBERS_SMALL) return NULL;
  gh_member **members = gh_calloc(object->u.object.count, sizeof(gh_member *));
  for (gh_member *member = object->u.object.first; member; member = member->next) members[count++] = member;
  qsort(members, count, sizeof(gh_member *), by_name);
  for (size_t i = 1; i < count && !found; i++) {
    if (by_name(&members[i - 1], &members[i]) != 0) continue;
    found = members[i]->value->offset < members[i - 1]->value->offset ? members[i - 1] : members[i];
  }
  free(members);
  return found;
}
