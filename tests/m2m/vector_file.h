/* Reads the line-based vector files of tests/vectors/m2m/: '#' begins a comment line, columns are separated by
 * tabs, \xNN in a column is an octet. */
#ifndef GH_TEST_VECTOR_FILE_H
#define GH_TEST_VECTOR_FILE_H

#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"

enum { VECTOR_COLUMNS = 5, VECTOR_LINE = 8192 };

typedef struct vector {
  gh_str column[VECTOR_COLUMNS];
  size_t count;
  int line;
} vector;

static inline int vector_hex(char c)
{
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static inline gh_str vector_octets(gh_arena *arena, gh_str text)
{
  char *out = gh_arena_alloc(arena, text.len + 1);
  size_t len = 0;
  for (size_t i = 0; i < text.len; i++) {
    char c = text.ptr[i];
    bool escape = c == '\\' && i + 1 < text.len;
    if (escape && text.ptr[i + 1] == 'x' && i + 3 < text.len && vector_hex(text.ptr[i + 2]) >= 0) {
      c = (char)(vector_hex(text.ptr[i + 2]) * 16 + vector_hex(text.ptr[i + 3]));
      i += 3;
    } else if (escape && text.ptr[i + 1] == '\\') {
      i++;
    }
    out[len++] = c;
  }
  return (gh_str){out, len};
}

/* Calls `each` for every vector; returns how many there were. */
static inline size_t vector_each(const char *path, void (*each)(gh_arena *arena, const vector *v))
{
  static char line[VECTOR_LINE];
  FILE *file = fopen(path, "r");
  size_t count = 0;
  int number = 0;
  if (!file) return 0;
  while (fgets(line, sizeof line, file)) {
    vector v = {.line = ++number};
    gh_str rest = {line, strcspn(line, "\n")};
    if (line[0] == '#') continue;
    while (v.count < VECTOR_COLUMNS && gh_str_split(&rest, '\t', &v.column[v.count])) v.count++;
    gh_arena arena;
    gh_arena_init(&arena);
    each(&arena, &v);
    gh_arena_free(&arena);
    count++;
  }
  fclose(file);
  return count;
}

#endif
