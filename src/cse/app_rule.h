/* Service subscription: may this App-ID and AE-ID-Stem register with this credential? (TS-0001 9.6.29, 10.2.2.2) */
#ifndef GH_CSE_APP_RULE_H
#define GH_CSE_APP_RULE_H

#include "host/host.h"

typedef struct gh_app_claim {
  gh_str credential_id; /* empty: no security association */
  gh_str app_id;
  gh_str stem; /* complete AE-ID-Stem */
  bool named;  /* answer: the rule that allows it names credential and stem, without wildcards */
} gh_app_claim;

/* `pattern` with '*' for any run of characters. */
bool gh_wildcard_matches(gh_str pattern, gh_str text);
/* Attributes of a <serviceSubscribedAppRule>: do all three lists allow the claim? A rule without applicableCredIDs is
 * for registrations without an association; a missing list of App-IDs or AEs allows none. */
bool gh_app_rule_allows(const gh_val *rule, const gh_app_claim *claim);
/* Does the rule name the credential and the stem themselves? */
bool gh_app_rule_names(const gh_val *rule, const gh_app_claim *claim);
/* The one stem that the rule hands out to this credential and App-ID, when it names exactly one without wildcard. */
bool gh_app_rule_assigns(const gh_val *rule, gh_str credential_id, gh_str app_id, gh_str *stem);

typedef enum gh_subscription_answer {
  GH_SUBSCRIPTION_NONE, /* no <serviceSubscribedNode> is for this CSE */
  GH_SUBSCRIPTION_REFUSES,
  GH_SUBSCRIPTION_ALLOWS
} gh_subscription_answer;
/* Asks the rules linked to the <serviceSubscribedNode> of a CSE (absolute): this one, or, on the IN-CSE, a registrar
 * below it. A CSE that is no IN-CSE asks the rules that it fetched for this request (cse/ahead.h). claim->stem may
 * come empty, or as "C" or "S": it is then filled in with a stem that the rules allow. Writer only; text in the
 * exchange's arena. */
gh_subscription_answer gh_subscription_check(gh_exchange *x, gh_str cse, gh_app_claim *claim);

#endif
