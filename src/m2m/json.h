/* Strict JSON codec of the value tree (RFC 8259; TS-0004 clause 8.4). Refused with position:
 * duplicate member names, bad UTF-8, lone surrogates, over-deep nesting, numbers out of range, a byte
 * order mark, anything behind the value. */
#ifndef GH_M2M_JSON_H
#define GH_M2M_JSON_H

#include "base/buf.h"
#include "m2m/value.h"

typedef struct gh_json_limits {
  uint32_t max_depth;  /* nesting of arrays and objects; default 32 */
  uint32_t max_values; /* values in the whole text; default 100000 */
} gh_json_limits;

extern const gh_json_limits gh_json_default_limits;

/* Strings without escapes borrow from `text`, so it must outlive the tree. On failure *diag reads like
 * "offset 17: duplicate member \"rn\"". GH_ESYNTAX, GH_ERANGE or GH_ELIMIT. */
GH_MUST_USE gh_err gh_json_parse(gh_arena *arena, gh_str text, const gh_json_limits *limits, gh_val **out,
                                 gh_diag *diag);

void gh_json_write(gh_buf *out, const gh_val *value);        /* compact */
void gh_json_write_pretty(gh_buf *out, const gh_val *value); /* two blanks a level, final newline */
void gh_json_write_string(gh_buf *out, gh_str text);         /* quoted and escaped */

#endif
