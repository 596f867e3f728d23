/* One version of one resource: immutable once published, shared between threads by reference count. */
#ifndef GH_HOST_NODE_H
#define GH_HOST_NODE_H

#include <stdatomic.h>

#include "authz/authz.h"
#include "m2m/tables.h"
#include "m2m/value.h"

typedef struct gh_node {
  atomic_uint refs;
  uint32_t ty;
  int64_t seq;        /* order of creation */
  int64_t expires_us; /* wall clock; 0: never */
  gh_str ri, pi, rn;
  gh_str creator; /* absolute ID of the internal creator (default policy) */
  gh_str extra;   /* type-private text, kept in the store, never shown */
  gh_str body;    /* {"root":{attributes}} */
  gh_str inner;   /* the attributes object inside body */
  gh_str *acpi;
  size_t acpi_count;
  bool has_poa;  /* AE: poa is for the AE alone (TS-0001 9.6.5) */
  gh_policy *pv; /* accessControlPolicy only */
  gh_policy *pvs;
  /* Counters that change with every child (container): authoritative on a pending node; the body is made from them
   * once a commit. */
  bool counted;
  int64_t cni, cbs, st, lt_us;
  /* What a container says about its instances, and an instance about itself: asked at every CREATE, so parsed once.
   */
  int64_t mni, mbs, mia; /* INT64_MAX: no limit */
  bool disr;
  int64_t cs; /* contentSize */
  char text[];
} gh_node;

typedef struct gh_node_draft {
  const gh_type_def *type;
  int64_t seq;
  gh_str ri, pi, rn, creator, extra;
  const gh_val *attrs; /* complete attributes */
} gh_node_draft;

/* Serializes and takes apart what the engine needs often (et, acpi, policies). GH_ESYNTAX when a policy does not
 * compile. */
GH_MUST_USE gh_err gh_node_make(const gh_node_draft *draft, const gh_self *self, gh_node **out, gh_diag *diag);
/* From the store's row. */
GH_MUST_USE gh_err gh_node_load(const gh_type_def *type, int64_t seq, gh_str ri, gh_str pi, gh_str rn, gh_str creator,
                                gh_str extra, gh_str body, const gh_self *self, gh_node **out, gh_diag *diag);
gh_node *gh_node_ref(gh_node *node);
void gh_node_unref(gh_node *node);
/* Parses the attributes into an arena. */
GH_MUST_USE gh_err gh_node_attrs(gh_arena *arena, const gh_node *node, gh_val **out);

#endif
