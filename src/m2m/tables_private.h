/* The generated arrays behind tables.h and the value checkers of dtype.h. Private to m2m/: the shape follows
 * tools/gen_tables.py, nobody else may lean on it. */
#ifndef GH_M2M_TABLES_PRIVATE_H
#define GH_M2M_TABLES_PRIVATE_H

#include "m2m/tables.h"

typedef enum gh_dtype_kind {
  GH_DK_ANY, /* no description at hand: any bounded JSON */
  GH_DK_OBJECT,
  GH_DK_SCALAR, /* xs:anySimpleType */
  GH_DK_BOOLEAN,
  GH_DK_INTEGER, /* min..max */
  GH_DK_FLOAT,
  GH_DK_ENUM,    /* item: index into gh_tab_enums */
  GH_DK_LIST,    /* item: data type of the elements; min..max elements */
  GH_DK_COMPLEX, /* members */
  GH_DK_ACRS,    /* m2m:setOfAcrs, whose rules authz/ judges */
  GH_DK_STRING,  /* from here on: text */
  GH_DK_NCNAME,
  GH_DK_TOKEN,
  GH_DK_ANY_URI,
  GH_DK_ID,
  GH_DK_TIMESTAMP,
  GH_DK_ABS_REL_TIMESTAMP,
  GH_DK_DURATION,
  GH_DK_BASE64,
  GH_DK_RESOURCE_NAME,
  GH_DK_NAME_AT_FQDN,
  GH_DK_LABEL,
  GH_DK_CONTENT_INFO,
  GH_DK_JWT,
  GH_DK_IPV4,
  GH_DK_IPV6,
  GH_DK_SCHEDULE_ENTRY,
  GH_DK_RELEASE_VERSION,
  GH_DK_EXTERNAL_ID,
  GH_DK_COUNTRY_CODE,
  GH_DK_SERIALIZATION,
  GH_DK_REL_KEY_ID,
  GH_DK_CREDENTIAL_ID,
  GH_DK_DEVICE_CONFIG_URI
} gh_dtype_kind;

enum {
  GH_DF_CHOICE = 1,      /* complex: exactly one of the members */
  GH_DF_ONE_OR_LIST = 2, /* list: one element without its array is accepted */
  GH_DF_BARE_LIST = 4    /* complex with one list member: the list alone is accepted */
};

typedef struct gh_dtype_def {
  const char *name;
  gh_dtype_kind kind;
  int flags;
  int16_t item;
  int64_t min, max;
  uint16_t first_member, member_count; /* in gh_tab_members, sorted by short name */
} gh_dtype_def;

typedef struct gh_member_def {
  const char *short_name;
  const char *long_name;
  int16_t dtype;
  bool required;
  bool release4;
} gh_member_def;

typedef struct gh_enum_range {
  int32_t low, high;
} gh_enum_range;

typedef struct gh_enum_def {
  const char *name;
  uint16_t first_range, range_count;
  int32_t mask; /* 0: values; else the sum of the bits */
} gh_enum_def;

typedef struct gh_root_def {
  const char *root;
  uint16_t type; /* in gh_tab_types */
} gh_root_def;

extern const gh_dtype_def gh_tab_dtypes[];
extern const gh_member_def gh_tab_members[];
extern const gh_enum_range gh_tab_enum_ranges[];
extern const gh_enum_def gh_tab_enums[]; /* sorted by name */
extern const size_t gh_tab_enums_count;
extern const gh_attr_def gh_tab_attrs[];
extern const uint32_t gh_tab_children[];
extern const gh_type_def gh_tab_types[]; /* sorted by number; a specialization stands behind its abstract type */
extern const size_t gh_tab_types_count;
extern const gh_root_def gh_tab_roots[]; /* sorted by root */
extern const size_t gh_tab_roots_count;
extern const gh_rsc_def gh_tab_rscs[]; /* sorted by code */
extern const size_t gh_tab_rscs_count;

/* The attribute that stands for names the tables do not know (flexContainer, self-defined mgmtObj), or NULL. */
const gh_attr_def *gh_type_open_attr(const gh_type_def *type);
/* Compares a name with a table entry: < 0, 0, > 0. */
int gh_name_compare(gh_str name, const char *entry);
bool gh_enum_def_has(const gh_enum_def *def, int64_t value);

#endif
