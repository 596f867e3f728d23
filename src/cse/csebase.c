/* <CSEBase>: made from configuration, read over the wire, never changed there. */
#include "cse/cse.h"
#include "m2m/constants.h"

/*= TS-0004 7.4.3.2.3; TS-0004 7.4.3.2.4 UPDATE and DELETE are refused: no hooks */
const gh_type_ops gh_cse_base_ops = {.ty = GH_TY_CSEBASE};
