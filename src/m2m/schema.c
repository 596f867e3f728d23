/* Representations of CREATE and UPDATE against the attribute tables. It never looks at stored resources and never
 * changes values; only long names of `sec:` types become short ones. */
#include "m2m/schema.h"

#include "m2m/constants.h"
#include "m2m/dtype.h"
#include "m2m/printable.h"

typedef enum operation { CREATE, UPDATE } operation;

static int refuse(gh_diag *diag, int rsc, const gh_attr_def *attr, const char *what)
{
  (void)gh_fail(diag, GH_EINVAL, "%s (%s): %s", attr->short_name, attr->long_name, what);
  return rsc;
}

static int refuse_name(gh_diag *diag, gh_str name, const char *what)
{
  (void)gh_fail(diag, GH_EINVAL, "%s: %s", gh_printable_of(name).text, what);
  return GH_RSC_BAD_REQUEST;
}

static bool takes_long_names(const gh_type_def *type)
{
  return strncmp(type->root, "sec:", 4) == 0;
}

static const gh_attr_def *attr_by_long_name(const gh_type_def *type, gh_str name)
{
  for (size_t i = 0; i < type->attr_count; i++)
    if (gh_name_compare(name, type->attrs[i].long_name) == 0) return &type->attrs[i];
  return NULL;
}

/* Decoders take the long name as an alias (03 section 4.1); two spellings of one attribute are a duplicate. */
static int rename_long(const gh_type_def *type, gh_val *attrs, gh_diag *diag)
{
  for (gh_member *member = attrs->u.object.first; member; member = member->next) {
    const gh_attr_def *attr = gh_type_attr(type, member->name) ? NULL : attr_by_long_name(type, member->name);
    if (attr && !gh_member_rename(attrs, member, attr->short_name))
      return refuse(diag, GH_RSC_BAD_REQUEST, attr, "given twice");
  }
  return GH_RSC_OK;
}

static int check_value(const gh_type_def *type, const gh_attr_def *attr, gh_val *value, gh_diag *diag)
{
  gh_flaw flaw = {.rsc = GH_RSC_OK};
  if (gh_dtype_check(attr->dtype, value, takes_long_names(type), &flaw)) return GH_RSC_OK;
  if (gh_str_empty(flaw.member)) return refuse(diag, flaw.rsc, attr, flaw.what);
  (void)gh_fail(diag, GH_EINVAL, "%s (%s): member %s: %s", attr->short_name, attr->long_name,
                gh_printable_of(flaw.member).text, flaw.what);
  return flaw.rsc;
}

/*= TS-0004 7.3.3.3; creator may be asked for with null, the Hosting CSE gives its value */
static bool is_creator(const gh_attr_def *attr)
{
  return strcmp(attr->long_name, "creator") == 0;
}

static int check_null(const gh_attr_def *attr, operation op, gh_diag *diag)
{
  if (op == CREATE) return is_creator(attr) ? GH_RSC_OK : refuse(diag, GH_RSC_BAD_REQUEST, attr, "null");
  /*= TS-0004 7.3.3.4; null deletes an attribute; one of multiplicity 1 cannot be deleted */
  return attr->single ? refuse(diag, GH_RSC_BAD_REQUEST, attr, "cannot be deleted") : GH_RSC_OK;
}

static int check_attr(const gh_type_def *type, const gh_member *member, operation op, gh_diag *diag)
{
  const gh_attr_def *attr = gh_type_attr(type, member->name);
  if (!attr && !gh_str_empty(member->name)) attr = gh_type_open_attr(type);
  if (!attr) return refuse_name(diag, member->name, "no attribute of this resource type");
  if (attr->release4) return refuse(diag, GH_RSC_NOT_IMPLEMENTED, attr, "not implemented");
  if ((op == CREATE ? attr->create : attr->update) == GH_NP)
    return refuse(diag, GH_RSC_BAD_REQUEST, attr, "not allowed in this request");
  if (member->value->type == GH_VAL_NULL) return check_null(attr, op, diag);
  if (op == CREATE && is_creator(attr)) return refuse(diag, GH_RSC_BAD_REQUEST, attr, "only null is allowed");
  return check_value(type, attr, member->value, diag);
}

static int check_mandatory(const gh_type_def *type, const gh_val *attrs, operation op, gh_diag *diag)
{
  for (size_t i = 0; i < type->attr_count; i++) {
    const gh_attr_def *attr = &type->attrs[i];
    if ((op == CREATE ? attr->create : attr->update) != GH_MAND || attr->release4) continue;
    if (!gh_val_get(attrs, gh_str_of(attr->short_name))) return refuse(diag, GH_RSC_BAD_REQUEST, attr, "missing");
  }
  return GH_RSC_OK;
}

static int check(const gh_type_def *type, gh_val *attrs, operation op, gh_diag *diag)
{
  int rsc = GH_RSC_OK;
  if (!attrs || attrs->type != GH_VAL_OBJECT) return refuse_name(diag, gh_str_of(type->root), "not an object");
  if (takes_long_names(type)) rsc = rename_long(type, attrs, diag);
  for (const gh_member *member = attrs->u.object.first; member && rsc == GH_RSC_OK; member = member->next)
    rsc = check_attr(type, member, op, diag);
  return rsc == GH_RSC_OK ? check_mandatory(type, attrs, op, diag) : rsc;
}

/*= TS-0004 7.3.3.3; an attribute that is unknown, NP, or M and missing makes the representation unacceptable */
int gh_schema_check_create(const gh_type_def *type, gh_val *attrs, gh_diag *diag)
{
  return check(type, attrs, CREATE, diag);
}

/*= TS-0004 7.3.3.4; an UPDATE holds only attributes that may change */
int gh_schema_check_update(const gh_type_def *type, gh_val *attrs, gh_diag *diag)
{
  return check(type, attrs, UPDATE, diag);
}
