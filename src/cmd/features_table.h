/* The catalogue of testable security features, for product profiles. A row says "yes" only when its named test exists
 * and passes. */
#ifndef GH_CMD_FEATURES_TABLE_H
#define GH_CMD_FEATURES_TABLE_H

#include <stddef.h>

typedef enum gh_feature_state {
  GH_FEATURE_YES,
  GH_FEATURE_PARTLY,
  GH_FEATURE_NO,
  GH_FEATURE_UNAVAILABLE
} gh_feature_state;

typedef struct gh_feature {
  const char *id;     /* stable */
  const char *clause; /* "TS-0003 8.2.2.1" */
  const char *title;
  gh_feature_state state;
  const char *why;  /* what is missing, or ""; */
  const char *test; /* name of the test that proves it, or "" */
} gh_feature;

extern const gh_feature gh_features[];
extern const size_t gh_features_count;

/* The state on this machine: "unavailable" where its TLS library lacks what the feature needs. */
gh_feature_state gh_feature_state_of(const gh_feature *feature);
/* "yes", "partly", "no", "unavailable" */
const char *gh_feature_state_name(gh_feature_state state);

#endif
