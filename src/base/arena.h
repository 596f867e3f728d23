/* Arena: many small allocations, one release. A request owns one; all that it parses lives there.
 * Running out of system memory aborts the process: inputs are bounded before they reach an arena,
 * and nothing that was acknowledged is lost (the store commits before it answers). */
#ifndef GH_BASE_ARENA_H
#define GH_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

#include "gatehouse/error.h"
#include "gatehouse/str.h"

typedef struct gh_arena_chunk gh_arena_chunk;

typedef struct gh_arena {
  gh_arena_chunk *head; /* newest chunk */
  size_t used;          /* octets used in head */
  size_t total;         /* octets handed out since init or reset */
} gh_arena;

void gh_arena_init(gh_arena *arena);
/* Keeps one chunk for the next use. All pointers from the arena are dead afterwards. */
void gh_arena_reset(gh_arena *arena);
void gh_arena_free(gh_arena *arena);

/* Never NULL. Memory is not zeroed (alloc) or zeroed (zalloc); aligned for any type. */
void *gh_arena_alloc(gh_arena *arena, size_t size) __attribute__((malloc, returns_nonnull));
void *gh_arena_zalloc(gh_arena *arena, size_t size) __attribute__((malloc, returns_nonnull));
#define GH_NEW(arena, type) ((type *)gh_arena_zalloc((arena), sizeof(type)))
#define GH_NEW_ARRAY(arena, type, n) ((type *)gh_arena_zalloc((arena), sizeof(type) * (n)))

/* Copies; the copy is NUL-terminated behind its length, for C libraries. */
gh_str gh_arena_dup(gh_arena *arena, gh_str s);
gh_str gh_arena_fmt(gh_arena *arena, const char *fmt, ...) GH_PRINTF(2, 3);
gh_str gh_arena_vfmt(gh_arena *arena, const char *fmt, va_list args) GH_PRINTF(2, 0);

/* malloc family that aborts instead of returning NULL, for long-lived state with one owner. */
void *gh_malloc(size_t size) __attribute__((malloc, returns_nonnull));
void *gh_calloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *gh_realloc(void *ptr, size_t size) __attribute__((returns_nonnull));
gh_str gh_str_clone(gh_str s); /* release with gh_str_release */
void gh_str_release(gh_str *s);

#endif
