/* What a registrar that is not the IN-CSE asks the IN-CSE before an AE registers or leaves: the rules of the service
 * subscription, and an AE-ID-Stem of the provider's (TS-0001 10.2.2.2, TS-0004 7.4.5.2). */
#ifndef GH_CSE_AHEAD_H
#define GH_CSE_AHEAD_H

#include "host/host.h"

typedef struct gh_cse_ahead { /* x->ahead */
  bool subscribed;            /* there is a <serviceSubscribedNode> for this CSE */
  gh_val *rules;              /* then: attributes of the linked rules */
  gh_str stem;                /* S-type: given by the IN-CSE */
} gh_cse_ahead;

/* As gh_function.ahead. */
bool gh_cse_ask_ahead(gh_exchange *x, void (*go_on)(gh_exchange *x));

/* Resource ID of the <serviceSubscribedNode> for a CSE (absolute): where it is asked for. */
gh_str gh_subscribed_node_id(gh_arena *arena, gh_str cse);

#endif
