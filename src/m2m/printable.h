/* Names from outside in messages to operators: short, and free of control characters and non-ASCII octets. */
#ifndef GH_M2M_PRINTABLE_H
#define GH_M2M_PRINTABLE_H

#include "gatehouse/str.h"

typedef struct gh_printable {
  char text[44]; /* at most 40 octets of the name, then "..." when it was longer */
} gh_printable;

gh_printable gh_printable_of(gh_str name);

#endif
