/* Strict CBOR codec of the value tree (TS-0004 clause 8.5; RFC 8949, which succeeds RFC 7049). It holds exactly what
 * JSON can hold, so that a tree read from either serialization can be written in the other. Refused with position:
 * duplicate member names, member names that are not text, bad UTF-8, over-deep nesting, numbers out of range, NaN and
 * infinities, tags, undefined and all other simple values, anything behind the value. */
#ifndef GH_M2M_CBOR_H
#define GH_M2M_CBOR_H

#include "base/buf.h"
#include "m2m/value.h"

typedef struct gh_cbor_limits {
  uint32_t max_depth;  /* nesting of arrays and maps; default 32 */
  uint32_t max_values; /* values in the whole item; default 100000 */
} gh_cbor_limits;

extern const gh_cbor_limits gh_cbor_default_limits;

/* Strings of definite length borrow from `octets`, so they must outlive the tree. Byte strings are read as text when
 * they are UTF-8. On failure *diag reads like "offset 17: duplicate member \"rn\"". GH_ESYNTAX, GH_ERANGE or
 * GH_ELIMIT. */
GH_MUST_USE gh_err gh_cbor_parse(gh_arena *arena, gh_str octets, const gh_cbor_limits *limits, gh_val **out,
                                 gh_diag *diag);

/* Shortest heads, definite lengths, members in the order of the tree. What it writes, gh_cbor_parse accepts, but for
 * U+0000: octets that are not UTF-8 become U+FFFD, numbers that are not finite become null. */
void gh_cbor_write(gh_buf *out, const gh_val *value);

#endif
