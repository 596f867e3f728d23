/* Checkers of values against the data types of the generated tables. Private to m2m/. */
#ifndef GH_M2M_DTYPE_H
#define GH_M2M_DTYPE_H

#include "m2m/tables_private.h"
#include "m2m/value.h"

typedef struct gh_flaw {
  int rsc;          /* 4000, or 5001 for a member defined after Release 3 */
  const char *what; /* "not an integer" */
  gh_str member;    /* innermost member of a complex value that is at fault, or empty */
} gh_flaw;

/* True when the value is acceptable; else *flaw says why. With `long_names` the long names of members are taken
 * too and renamed in place. */
bool gh_dtype_check(int16_t dtype, gh_val *value, bool long_names, gh_flaw *flaw);

/* Text kinds (GH_DK_STRING and above): NULL when acceptable, else what is wrong. */
const char *gh_dtype_check_text(gh_dtype_kind kind, gh_str text);

/* Renames a member; false when the object already has one of the new name. */
bool gh_member_rename(gh_val *object, gh_member *member, const char *short_name);

#endif
