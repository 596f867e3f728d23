/* Is this the short name of an attribute of any resource type? (Filter conditions name attributes without saying of
 * which type: TS-0004 7.3.3.17.9.) */
#ifndef GH_M2M_ATTR_NAMES_H
#define GH_M2M_ATTR_NAMES_H

#include <stdbool.h>

#include "gatehouse/str.h"

bool gh_attr_name_known(gh_str short_name);

#endif
