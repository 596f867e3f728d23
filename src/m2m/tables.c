/* Lookups over the generated tables: binary searches, no state. */
#include "m2m/tables.h"

#include "m2m/tables_private.h"

int gh_name_compare(gh_str name, const char *entry)
{
  size_t entry_len = strlen(entry);
  size_t common = name.len < entry_len ? name.len : entry_len;
  int order = common ? memcmp(name.ptr, entry, common) : 0;
  if (order != 0) return order;
  return (name.len > entry_len) - (name.len < entry_len);
}

const gh_type_def *gh_type_by_number(uint32_t ty)
{
  size_t low = 0, high = gh_tab_types_count;
  while (low < high) { /* the first of equal numbers is the abstract type */
    size_t mid = low + (high - low) / 2;
    if (gh_tab_types[mid].ty < ty)
      low = mid + 1;
    else
      high = mid;
  }
  return low < gh_tab_types_count && gh_tab_types[low].ty == ty ? &gh_tab_types[low] : NULL;
}

const gh_type_def *gh_type_by_root(gh_str root)
{
  size_t low = 0, high = gh_tab_roots_count;
  while (low < high) {
    size_t mid = low + (high - low) / 2;
    int order = gh_name_compare(root, gh_tab_roots[mid].root);
    if (order == 0) return &gh_tab_types[gh_tab_roots[mid].type];
    if (order > 0)
      low = mid + 1;
    else
      high = mid;
  }
  return NULL;
}

static const gh_attr_def *attr_find(const gh_type_def *type, gh_str short_name)
{
  size_t low = 0, high = type->attr_count;
  while (low < high) {
    size_t mid = low + (high - low) / 2;
    int order = gh_name_compare(short_name, type->attrs[mid].short_name);
    if (order == 0) return &type->attrs[mid];
    if (order > 0)
      low = mid + 1;
    else
      high = mid;
  }
  return NULL;
}

const gh_attr_def *gh_type_open_attr(const gh_type_def *type)
{
  return attr_find(type, GH_STR("*"));
}

const gh_attr_def *gh_type_attr(const gh_type_def *type, gh_str short_name)
{
  const gh_attr_def *attr = attr_find(type, short_name);
  return attr && attr->short_name[0] == '*' ? NULL : attr;
}

bool gh_type_allows_child(const gh_type_def *type, uint32_t child_ty)
{
  size_t low = 0, high = type->child_count;
  while (low < high) {
    size_t mid = low + (high - low) / 2;
    if (type->children[mid] == child_ty) return true;
    if (type->children[mid] < child_ty)
      low = mid + 1;
    else
      high = mid;
  }
  return false;
}

static const gh_rsc_def *rsc_find_exact(int rsc)
{
  size_t low = 0, high = gh_tab_rscs_count;
  while (low < high) {
    size_t mid = low + (high - low) / 2;
    if (gh_tab_rscs[mid].rsc == rsc) return &gh_tab_rscs[mid];
    if (gh_tab_rscs[mid].rsc < rsc)
      low = mid + 1;
    else
      high = mid;
  }
  return NULL;
}

/*= TS-0009 6.3.2; TS-0008 6.2.4; the transport codes stand in the table */
/*= TS-0004 6.6.3; an unlisted code means what its class means; what has no class is a failure */
const gh_rsc_def *gh_rsc_find(int rsc)
{
  const gh_rsc_def *def = rsc_find_exact(rsc);
  if (!def && rsc >= 1000 && rsc < 5000 && rsc / 1000 != 3) def = rsc_find_exact(rsc / 1000 * 1000);
  if (!def) def = rsc_find_exact(5000);
  return def ? def : &gh_tab_rscs[0];
}

bool gh_enum_def_has(const gh_enum_def *def, int64_t value)
{
  if (def->mask) return value > 0 && (value & ~(int64_t)def->mask) == 0;
  for (size_t i = 0; i < def->range_count; i++) {
    const gh_enum_range *range = &gh_tab_enum_ranges[def->first_range + i];
    if (value >= range->low && value <= range->high) return true;
  }
  return false;
}

bool gh_enum_has(const char *enum_name, int64_t value)
{
  gh_str name = gh_str_of(enum_name);
  size_t low = 0, high = gh_tab_enums_count;
  while (low < high) {
    size_t mid = low + (high - low) / 2;
    int order = gh_name_compare(name, gh_tab_enums[mid].name);
    if (order == 0) return gh_enum_def_has(&gh_tab_enums[mid], value);
    if (order > 0)
      low = mid + 1;
    else
      high = mid;
  }
  return false;
}
