/* Numbers of JSON text: exact integers where they fit 64 bits, else the nearest finite double. Independent of the
 * process's locale. */
#ifndef GH_M2M_JSON_NUMBER_H
#define GH_M2M_JSON_NUMBER_H

#include "m2m/value.h"

/* Reads the number at *cur, moves *cur behind it, fills type and value. GH_ESYNTAX, or GH_ERANGE when it is
 * beyond the doubles or its text has more than 400 significant octets. */
GH_MUST_USE gh_err gh_json_number(const char **cur, const char *end, gh_val *val);

enum { GH_JSON_REAL_BYTES = 40 };
/* Shortest text that reads back as the same double; it always has a fraction or an exponent. "null" for what
 * JSON cannot hold. Returns the octets written. */
size_t gh_json_real_text(double value, char out[static GH_JSON_REAL_BYTES]);

#endif
