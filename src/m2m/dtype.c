/* Values against their data types: numbers, enumerations, lists, complex types. Text is in dtype_text.c. */
#include "m2m/dtype.h"

#include "m2m/constants.h"

enum { OPEN_DEPTH = 16, OPEN_VALUES = 10000 }; /* bounds of values that nothing describes */

static bool fault(gh_flaw *flaw, int rsc, const char *what)
{
  flaw->rsc = rsc;
  flaw->what = what;
  return false;
}

static bool bad(gh_flaw *flaw, const char *what)
{
  return fault(flaw, GH_RSC_BAD_REQUEST, what);
}

static bool within(const gh_val *value, int depth, int *left)
{
  if (depth == 0 || --*left < 0) return false;
  if (value->type == GH_VAL_ARRAY) {
    for (const gh_val *element = value->u.array.first; element; element = element->next)
      if (!within(element, depth - 1, left)) return false;
  } else if (value->type == GH_VAL_OBJECT) {
    for (const gh_member *member = value->u.object.first; member; member = member->next)
      if (!within(member->value, depth - 1, left)) return false;
  }
  return true;
}

static bool check_open(const gh_val *value, gh_flaw *flaw)
{
  int left = OPEN_VALUES;
  return within(value, OPEN_DEPTH, &left) || bad(flaw, "nested too deep or too large");
}

static bool check_open_object(const gh_val *value, gh_flaw *flaw)
{
  if (value->type != GH_VAL_OBJECT) return bad(flaw, "not an object");
  return check_open(value, flaw);
}

static bool check_integer(const gh_dtype_def *def, const gh_val *value, gh_flaw *flaw)
{
  if (value->type != GH_VAL_INT) return bad(flaw, "not an integer");
  if (value->u.integer < def->min || value->u.integer > def->max) return bad(flaw, "integer out of range");
  return true;
}

static bool check_enum(const gh_dtype_def *def, const gh_val *value, gh_flaw *flaw)
{
  if (value->type != GH_VAL_INT) return bad(flaw, "not a number of its enumeration");
  return gh_enum_def_has(&gh_tab_enums[def->item], value->u.integer) || bad(flaw, "not a member of its enumeration");
}

static bool check_elements(const gh_dtype_def *def, gh_val *value, bool long_names, gh_flaw *flaw)
{
  for (gh_val *element = value->u.array.first; element; element = element->next)
    if (!gh_dtype_check(def->item, element, long_names, flaw)) return false;
  return true;
}

/*= TS-0004 8.4; a list is an array even with one element */
static bool check_list(const gh_dtype_def *def, gh_val *value, bool long_names, gh_flaw *flaw)
{
  if (value->type != GH_VAL_ARRAY) {
    if (def->flags & GH_DF_ONE_OR_LIST) return gh_dtype_check(def->item, value, long_names, flaw);
    return bad(flaw, "not an array");
  }
  if ((int64_t)value->u.array.count < def->min) return bad(flaw, "too few elements");
  if ((int64_t)value->u.array.count > def->max) return bad(flaw, "too many elements");
  return check_elements(def, value, long_names, flaw);
}

/* The rules inside are the business of authz/. */
static bool check_acrs(const gh_val *value, gh_flaw *flaw)
{
  if (value->type != GH_VAL_OBJECT) return bad(flaw, "not a set of access control rules");
  for (const gh_member *member = value->u.object.first; member; member = member->next) {
    flaw->member = member->name;
    if (!gh_str_eq(member->name, GH_STR("acr"))) return bad(flaw, "unknown member");
    if (member->value->type != GH_VAL_ARRAY) return bad(flaw, "not an array");
    for (const gh_val *rule = member->value->u.array.first; rule; rule = rule->next)
      if (rule->type != GH_VAL_OBJECT) return bad(flaw, "not an access control rule");
  }
  flaw->member = GH_STR_NONE;
  return check_open(value, flaw);
}

static const gh_member_def *member_of(const gh_dtype_def *def, gh_str name, bool long_names)
{
  const gh_member_def *first = gh_tab_members + def->first_member;
  for (const gh_member_def *m = first; m < first + def->member_count; m++)
    if (gh_name_compare(name, m->short_name) == 0) return m;
  for (const gh_member_def *m = first; long_names && m < first + def->member_count; m++)
    if (gh_name_compare(name, m->long_name) == 0) return m;
  return NULL;
}

bool gh_member_rename(gh_val *object, gh_member *member, const char *short_name)
{
  gh_str name = gh_str_of(short_name);
  if (gh_val_get(object, name)) return false;
  member->name = name;
  return true;
}

static bool check_member(const gh_dtype_def *def, gh_val *object, gh_member *member, bool long_names, gh_flaw *flaw)
{
  const gh_member_def *known = member_of(def, member->name, long_names);
  flaw->member = member->name;
  if (!known) return bad(flaw, "unknown member");
  if (known->release4) return fault(flaw, GH_RSC_NOT_IMPLEMENTED, "member of a later release");
  if (gh_name_compare(member->name, known->short_name) != 0 && !gh_member_rename(object, member, known->short_name))
    return bad(flaw, "given twice");
  return gh_dtype_check(known->dtype, member->value, long_names, flaw);
}

static bool check_required(const gh_dtype_def *def, const gh_val *object, gh_flaw *flaw)
{
  const gh_member_def *first = gh_tab_members + def->first_member;
  for (const gh_member_def *m = first; m < first + def->member_count; m++) {
    flaw->member = gh_str_of(m->short_name);
    if (m->required && !gh_val_get(object, flaw->member)) return bad(flaw, "missing");
  }
  flaw->member = GH_STR_NONE;
  return true;
}

static bool check_complex(const gh_dtype_def *def, gh_val *value, bool long_names, gh_flaw *flaw)
{
  if (value->type == GH_VAL_ARRAY && (def->flags & GH_DF_BARE_LIST))
    return gh_dtype_check(gh_tab_members[def->first_member].dtype, value, long_names, flaw);
  if (value->type != GH_VAL_OBJECT) return bad(flaw, "not an object");
  for (gh_member *member = value->u.object.first; member; member = member->next)
    if (!check_member(def, value, member, long_names, flaw)) return false;
  if ((def->flags & GH_DF_CHOICE) && value->u.object.count > 1) return bad(flaw, "more than one alternative");
  return check_required(def, value, flaw);
}

static bool check_text(const gh_dtype_def *def, const gh_val *value, gh_flaw *flaw)
{
  if (value->type != GH_VAL_STR) return bad(flaw, "not a string");
  const char *what = gh_dtype_check_text(def->kind, value->u.str);
  return !what || bad(flaw, what);
}

/* A relative time may come as a number (02 section 1.1). */
static bool check_abs_rel(const gh_dtype_def *def, const gh_val *value, gh_flaw *flaw)
{
  return value->type == GH_VAL_INT || check_text(def, value, flaw);
}

static bool is_number(const gh_val *value)
{
  return value->type == GH_VAL_INT || value->type == GH_VAL_REAL;
}

static bool is_plain(const gh_val *value)
{
  return value->type != GH_VAL_ARRAY && value->type != GH_VAL_OBJECT;
}

bool gh_dtype_check(int16_t dtype, gh_val *value, bool long_names, gh_flaw *flaw)
{
  const gh_dtype_def *def = &gh_tab_dtypes[dtype];
  if (value->type == GH_VAL_NULL) return bad(flaw, "null");
  switch (def->kind) {
  case GH_DK_ANY: return check_open(value, flaw);
  case GH_DK_OBJECT: return check_open_object(value, flaw);
  case GH_DK_SCALAR: return is_plain(value) || bad(flaw, "not a plain value");
  case GH_DK_BOOLEAN: return value->type == GH_VAL_BOOL || bad(flaw, "not true or false");
  case GH_DK_INTEGER: return check_integer(def, value, flaw);
  case GH_DK_FLOAT: return is_number(value) || bad(flaw, "not a number");
  case GH_DK_ENUM: return check_enum(def, value, flaw);
  case GH_DK_LIST: return check_list(def, value, long_names, flaw);
  case GH_DK_COMPLEX: return check_complex(def, value, long_names, flaw);
  case GH_DK_ACRS: return check_acrs(value, flaw);
  case GH_DK_ABS_REL_TIMESTAMP: return check_abs_rel(def, value, flaw);
  case GH_DK_STRING:
  case GH_DK_NCNAME:
  case GH_DK_TOKEN:
  case GH_DK_ANY_URI:
  case GH_DK_ID:
  case GH_DK_TIMESTAMP:
  case GH_DK_DURATION:
  case GH_DK_BASE64:
  case GH_DK_RESOURCE_NAME:
  case GH_DK_NAME_AT_FQDN:
  case GH_DK_LABEL:
  case GH_DK_CONTENT_INFO:
  case GH_DK_JWT:
  case GH_DK_IPV4:
  case GH_DK_IPV6:
  case GH_DK_SCHEDULE_ENTRY:
  case GH_DK_RELEASE_VERSION:
  case GH_DK_EXTERNAL_ID:
  case GH_DK_COUNTRY_CODE:
  case GH_DK_SERIALIZATION:
  case GH_DK_REL_KEY_ID:
  case GH_DK_CREDENTIAL_ID:
  case GH_DK_DEVICE_CONFIG_URI: return check_text(def, value, flaw);
  }
  return bad(flaw, "of an unknown type");
}
