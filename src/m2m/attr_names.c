/* Attribute names over all resource types. */
#include "m2m/attr_names.h"

#include "m2m/tables_private.h"

bool gh_attr_name_known(gh_str short_name)
{
  for (size_t t = 0; t < gh_tab_types_count; t++)
    if (gh_type_attr(&gh_tab_types[t], short_name)) return true;
  return false;
}
