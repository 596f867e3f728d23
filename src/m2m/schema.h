/* Checks a resource representation of a CREATE or UPDATE against the generated tables (TS-0004 7.3.3.3, 7.3.3.4 and
 * the generic rules of 02 section 7): which attributes may, must or must not be there, and each value's
 * type. It does not know what is stored. */
#ifndef GH_M2M_SCHEMA_H
#define GH_M2M_SCHEMA_H

#include "m2m/tables.h"
#include "m2m/value.h"

/* Both return a response status code: 2000 when acceptable, else the code of the standard (4000 missing M, present
 * NP, unknown, bad value; 5001 Release 4 attribute not implemented) with *diag naming the attribute. Long names are
 * accepted for `sec:` types and renamed to short ones in place. */
int gh_schema_check_create(const gh_type_def *type, gh_val *attrs, gh_diag *diag);
int gh_schema_check_update(const gh_type_def *type, gh_val *attrs, gh_diag *diag);

#endif
