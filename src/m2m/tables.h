/* The vocabulary as tables, generated from data/ by tools/gen_tables.py: resource types, attributes, response
 * codes, enumerations, complex types. Read-only; lookups are logarithmic or better. */
#ifndef GH_M2M_TABLES_H
#define GH_M2M_TABLES_H

#include "base/arena.h"

typedef enum gh_presence { GH_NP, GH_OPT, GH_MAND } gh_presence; /* NP, O, M in a request */

typedef struct gh_attr_def {
  const char *short_name;
  const char *long_name;
  const char *data_type; /* the standard's name, e.g. "m2m:timestamp" */
  int16_t dtype;         /* index of the checker: see gh_dtype in schema.c */
  bool list;             /* JSON array */
  bool single;           /* cardinality 1: may not be deleted */
  bool read_only;
  uint8_t create; /* gh_presence */
  uint8_t update; /* gh_presence */
  bool release4;  /* defined after Release 3 only */
} gh_attr_def;

typedef struct gh_type_def {
  uint32_t ty;
  const char *name;         /* "container" */
  const char *short_name;   /* "cnt" */
  const char *root;         /* "m2m:cnt" */
  const gh_attr_def *attrs; /* sorted by short name */
  size_t attr_count;
  const uint32_t *children; /* type numbers that may be created below */
  size_t child_count;
  bool in_cse_only;
} gh_type_def;

typedef struct gh_rsc_def {
  int rsc;
  const char *name; /* "ORIGINATOR_HAS_NO_PRIVILEGE" */
  int http_status;
  int coap_code; /* (c<<5)|dd, or -1 */
} gh_rsc_def;

const gh_type_def *gh_type_by_number(uint32_t ty);
const gh_type_def *gh_type_by_root(gh_str root);
const gh_attr_def *gh_type_attr(const gh_type_def *type, gh_str short_name);
bool gh_type_allows_child(const gh_type_def *type, uint32_t child_ty);
/* Never NULL: an unknown code maps by its class. */
const gh_rsc_def *gh_rsc_find(int rsc);
/* Constants GH_RSC_<name> and GH_TY_<name> are in the generated "m2m/constants.h". */

/* Is `value` a member of the enumeration (or a sum of members of a bit mask)? */
bool gh_enum_has(const char *enum_name, int64_t value);

#endif
