/* The M2M Authentication Function (TS-0003 8.8): keys for associations and end-to-end security. */
#ifndef GH_MAF_MAF_H
#define GH_MAF_MAF_H

#include "keyservice/keyservice.h"

extern const gh_function gh_maf_function;
extern const gh_type_ops gh_maf_base_ops;
extern const gh_type_ops gh_maf_client_reg_ops;

#endif
