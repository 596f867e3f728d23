/* An object as a reader builds it: member by member, in the order in which they come, each name once. */
#ifndef GH_M2M_MEMBERS_H
#define GH_M2M_MEMBERS_H

#include "m2m/value.h"

enum { GH_MEMBERS_SMALL = 24 }; /* up to here names are compared as they come, beyond they are sorted at the end */

typedef struct gh_member_slot { /* a member and its value, allocated in one go */
  gh_member member;
  gh_val value;
} gh_member_slot;

static inline void gh_members_append(gh_val *object, gh_member *member)
{
  if (object->u.object.last)
    object->u.object.last->next = member;
  else
    object->u.object.first = member;
  object->u.object.last = member;
  object->u.object.count++;
}

/* Is the name there already? Always false for an object that is large: gh_members_duplicate finds those. */
static inline bool gh_members_known(const gh_val *object, gh_str name)
{
  if (object->u.object.count >= GH_MEMBERS_SMALL) return false;
  for (const gh_member *member = object->u.object.first; member; member = member->next)
    if (gh_str_eq(member->name, name)) return true;
  return false;
}

/* When the object is complete: the later one of two members of the same name, NULL when there is none or the object
 * is small. */
const gh_member *gh_members_duplicate(const gh_val *object);

#endif
