/* The other service providers that this IN-CSE has an agreement with (TS-0001 6.5, reference point Mcc'): one IN-CSE
 * each, through which everything between the two goes. Whoever is not in the list is a stranger. */
#ifndef GH_HOST_PROVIDER_H
#define GH_HOST_PROVIDER_H

#include "base/arena.h"

typedef struct gh_host_config gh_host_config;

typedef struct gh_provider {
  gh_str cse;       /* absolute CSE-ID of its IN-CSE, FQDN in lower case */
  gh_str fqdn;      /* public domain name of that CSE, lower case */
  bool certificate; /* it proves itself with a certificate of its own anchors; else with a provisioned key alone */
  bool called;      /* the configuration says where */
  /* registration is an agreement of its own, in each direction */
  bool may_register; /* its IN-CSE here */
  bool registers;    /* ours there */
} gh_provider;

/* The provider that the FQDN of a service provider names, whose IN-CSE this is, or whose IN-CSE bears this public
 * domain name; NULL. */
const gh_provider *gh_provider_of_sp(const gh_host_config *config, gh_str sp);
const gh_provider *gh_provider_of_cse(const gh_host_config *config, gh_str cse);
const gh_provider *gh_provider_certified(const gh_host_config *config, gh_str fqdn);
/* Is this the IN-CSE of a provider that may register it here? */
bool gh_provider_may_register(const gh_host_config *config, gh_str cse);

#endif
