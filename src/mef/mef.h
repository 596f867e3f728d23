/* The M2M Enrolment Function (TS-0003 8.3): devices with nothing but a pre-provisioned key become known. */
#ifndef GH_MEF_MEF_H
#define GH_MEF_MEF_H

#include "keyservice/keyservice.h"

extern const gh_function gh_mef_function;
extern const gh_type_ops gh_mef_base_ops;
extern const gh_type_ops gh_mef_client_reg_ops;
extern const gh_type_ops gh_mef_client_cmd_ops;
extern const gh_type_ops gh_enrolee_ops;

/* RETRIEVE /fetchCredentials/<KeID>/<SUID> (TS-0003 8.3.2.1); on the worker. */
int gh_fetch_credentials(gh_exchange *x, bool *handled);

#endif
