/* Hexadecimal, base64 and base64url text of octets (RFC 4648). */
#ifndef GH_BASE_ENCODING_H
#define GH_BASE_ENCODING_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "gatehouse/error.h"
#include "gatehouse/str.h"

gh_str gh_hex_upper(gh_arena *arena, const void *bytes, size_t len);
gh_str gh_hex_lower(gh_arena *arena, const void *bytes, size_t len);
/* Both letter cases; GH_ESYNTAX on another character or an odd count, GH_ELIMIT when it exceeds
 * `cap`. On failure `out` is untouched. */
GH_MUST_USE gh_err gh_hex_decode(gh_str text, uint8_t *out, size_t cap, size_t *len);

gh_str gh_base64(gh_arena *arena, const void *bytes, size_t len);
gh_str gh_base64url(gh_arena *arena, const void *bytes, size_t len); /* without padding */
/* Strict: canonical padding, no blanks; on failure nothing is promised about `out`. */
GH_MUST_USE gh_err gh_base64_decode(gh_str text, uint8_t *out, size_t cap, size_t *len);

#endif
