/* <node>: where CSEs and AEs live. */
#include "cse/cse.h"
#include "m2m/constants.h"

const gh_type_ops gh_node_ops = {.ty = GH_TY_NODE, .update = gh_type_update_freely, .remove = gh_type_remove_freely};
