/* Items in vector files are hexadecimal digits. */
#ifndef GH_TEST_CBOR_FILE_H
#define GH_TEST_CBOR_FILE_H

#include "vector_file.h"

static inline gh_str octets_of_hex(gh_arena *arena, gh_str hex)
{
  char *out = gh_arena_alloc(arena, hex.len / 2 + 1);
  for (size_t i = 0; i + 1 < hex.len; i += 2)
    out[i / 2] = (char)(vector_hex(hex.ptr[i]) * 16 + vector_hex(hex.ptr[i + 1]));
  return (gh_str){out, hex.len / 2};
}

#endif
