/* Walking a value tree into a compiled policy: members by table, elements by function, and a path for the
 * message when something is refused. */
#ifndef GH_AUTHZ_COMPILE_H
#define GH_AUTHZ_COMPILE_H

#include "authz/authz.h"

typedef struct gh_compile {
  gh_arena *arena;
  const gh_self *self;
  gh_diag *diag;
  char path[160]; /* "acr[2].acco[0].actw" */
  size_t path_len;
} gh_compile;

typedef gh_err (*gh_compile_fn)(gh_compile *c, const gh_val *value, void *out);

typedef struct gh_compile_member {
  const char *name;
  gh_compile_fn fn; /* NULL: a member of Release 4, known but not built */
  bool required;
} gh_compile_member;

/* Writes "<path>: <text>" into the diag. Returns err. */
gh_err gh_compile_fail(gh_compile *c, gh_err err, const char *fmt, ...) GH_PRINTF(3, 4);

/* Every member of the object goes to the function of its name with the same `out`. Unknown members and missing
 * required ones are GH_ESYNTAX; members of Release 4 GH_EUNSUPPORTED. */
GH_MUST_USE gh_err gh_compile_object(gh_compile *c, const gh_val *value, const gh_compile_member *members,
                                     size_t count, void *out);

enum { GH_LIST_MAX = 4096 };

/* A list of at least `min` elements, each compiled into one slot of `size` octets of a new zeroed array. */
GH_MUST_USE gh_err gh_compile_list(gh_compile *c, const gh_val *value, size_t min, size_t size, gh_compile_fn fn,
                                   void **items, size_t *count);

GH_MUST_USE gh_err gh_compile_int(gh_compile *c, const gh_val *value, int64_t low, int64_t high, int64_t *out);
/* Text of 1..max octets without control characters; borrowed from the value. */
GH_MUST_USE gh_err gh_compile_text(gh_compile *c, const gh_val *value, size_t max, gh_str *out);

#endif
