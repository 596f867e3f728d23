/* The value tree: what a primitive's Content is made of, independent of its serialization.
 * Values live in an arena and are never freed one by one. Member names are short names. */
#ifndef GH_M2M_VALUE_H
#define GH_M2M_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

typedef enum gh_val_type {
  GH_VAL_NULL,
  GH_VAL_BOOL,
  GH_VAL_INT,  /* a number without fraction or exponent that fits 64 bit signed */
  GH_VAL_REAL, /* any other number; finite */
  GH_VAL_STR,
  GH_VAL_ARRAY,
  GH_VAL_OBJECT
} gh_val_type;

typedef struct gh_val gh_val;

typedef struct gh_member {
  gh_str name;
  gh_val *value;
  struct gh_member *next;
} gh_member;

struct gh_val {
  gh_val_type type;
  uint32_t offset; /* where it began in the parsed text, for messages */
  gh_val *next;    /* next element when inside an array */
  union {
    bool boolean;
    int64_t integer;
    double real;
    gh_str str;
    struct {
      gh_val *first, *last;
      size_t count;
    } array;
    struct {
      gh_member *first, *last;
      size_t count;
    } object;
  } u;
};

gh_val *gh_val_null(gh_arena *arena);
gh_val *gh_val_bool(gh_arena *arena, bool v);
gh_val *gh_val_int(gh_arena *arena, int64_t v);
gh_val *gh_val_real(gh_arena *arena, double v);
gh_val *gh_val_str(gh_arena *arena, gh_str borrowed); /* the octets must outlive the value */
gh_val *gh_val_array(gh_arena *arena);
gh_val *gh_val_object(gh_arena *arena);

void gh_val_push(gh_val *array, gh_val *element);
/* Replaces the member of that name or appends it. The name is borrowed. */
void gh_val_set(gh_arena *arena, gh_val *object, gh_str name, gh_val *value);
gh_val *gh_val_get(const gh_val *object, gh_str name); /* NULL when absent or not an object */
bool gh_val_remove(gh_val *object, gh_str name);
bool gh_val_equal(const gh_val *a, const gh_val *b);       /* member order does not matter */
gh_val *gh_val_copy(gh_arena *arena, const gh_val *value); /* deep, octets included */

/* Typed reads: false when absent or of another type; *out is untouched then. */
bool gh_val_get_str(const gh_val *object, gh_str name, gh_str *out);
bool gh_val_get_int(const gh_val *object, gh_str name, int64_t *out);
bool gh_val_get_bool(const gh_val *object, gh_str name, bool *out);

/* An object with exactly one member (the shape of Content), e.g. {"m2m:cnt":{..}}. */
gh_val *gh_val_wrap(gh_arena *arena, gh_str root, gh_val *inner);
bool gh_val_unwrap(const gh_val *object, gh_str *root, gh_val **inner);

#endif
