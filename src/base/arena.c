/* Arena of chained chunks; each chunk is twice the one before it, up to a bound. */
#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct gh_arena_chunk {
  gh_arena_chunk *older;
  size_t size;
  alignas(max_align_t) char data[];
};

enum { FIRST_CHUNK = 4096 - sizeof(gh_arena_chunk), LARGEST_CHUNK = 1 << 20 };

static void *out_of_memory(void)
{
  fputs("gatehouse: out of memory\n", stderr);
  abort();
}

void *gh_malloc(size_t size)
{
  void *ptr = malloc(size ? size : 1);
  return ptr ? ptr : out_of_memory();
}

void *gh_calloc(size_t count, size_t size)
{
  void *ptr = calloc(count ? count : 1, size ? size : 1);
  return ptr ? ptr : out_of_memory();
}

void *gh_realloc(void *ptr, size_t size)
{
  void *grown = realloc(ptr, size ? size : 1);
  return grown ? grown : out_of_memory();
}

gh_str gh_str_clone(gh_str s)
{
  char *copy = gh_malloc(s.len + 1);
  if (s.len) memcpy(copy, s.ptr, s.len);
  copy[s.len] = '\0';
  return (gh_str){copy, s.len};
}

void gh_str_release(gh_str *s)
{
  union {
    const char *borrowed;
    char *owned;
  } ptr = {.borrowed = s->ptr};
  free(ptr.owned);
  *s = GH_STR_NONE;
}

void gh_arena_init(gh_arena *arena)
{
  *arena = (gh_arena){NULL, 0, 0};
}

void gh_arena_free(gh_arena *arena)
{
  while (arena->head) {
    gh_arena_chunk *older = arena->head->older;
    free(arena->head);
    arena->head = older;
  }
  gh_arena_init(arena);
}

void gh_arena_reset(gh_arena *arena)
{
  while (arena->head && (arena->head->older || arena->head->size > 16 * FIRST_CHUNK)) {
    gh_arena_chunk *older = arena->head->older;
    free(arena->head);
    arena->head = older;
  }
  arena->used = 0;
  arena->total = 0;
}

static void add_chunk(gh_arena *arena, size_t need)
{
  size_t size = arena->head ? arena->head->size * 2 : (size_t)FIRST_CHUNK;
  if (size > LARGEST_CHUNK) size = LARGEST_CHUNK;
  if (size < need) size = need;
  if (size > SIZE_MAX - sizeof(gh_arena_chunk)) out_of_memory();
  gh_arena_chunk *chunk = gh_malloc(sizeof(gh_arena_chunk) + size);
  chunk->older = arena->head;
  chunk->size = size;
  arena->head = chunk;
  arena->used = 0;
}

void *gh_arena_alloc(gh_arena *arena, size_t size)
{
  enum { ALIGN = alignof(max_align_t) };
  if (size > SIZE_MAX - ALIGN) return out_of_memory();
  size = (size + ALIGN - 1) / ALIGN * ALIGN;
  if (!arena->head || arena->head->size - arena->used < size) add_chunk(arena, size);
  void *ptr = arena->head->data + arena->used;
  arena->used += size;
  arena->total += size;
  return ptr;
}

void *gh_arena_zalloc(gh_arena *arena, size_t size)
{
  void *ptr = gh_arena_alloc(arena, size);
  memset(ptr, 0, size);
  return ptr;
}

gh_str gh_arena_dup(gh_arena *arena, gh_str s)
{
  char *copy = gh_arena_alloc(arena, s.len + 1);
  if (s.len) memcpy(copy, s.ptr, s.len);
  copy[s.len] = '\0';
  return (gh_str){copy, s.len};
}

/* Written where it will lie; once more only when the chunk had no room for it. */
gh_str gh_arena_vfmt(gh_arena *arena, const char *fmt, va_list args)
{
  va_list again;
  va_copy(again, args);
  size_t room = arena->head ? arena->head->size - arena->used : 0;
  char *at = room ? arena->head->data + arena->used : NULL;
  int written = vsnprintf(at, room, fmt, args);
  size_t len = written < 0 ? 0 : (size_t)written;
  char *text = gh_arena_alloc(arena, len + 1);
  if (text != at) vsnprintf(text, len + 1, fmt, again);
  va_end(again);
  return (gh_str){text, len};
}

gh_str gh_arena_fmt(gh_arena *arena, const char *fmt, ...)
{
  va_list args;
  va_start(args, fmt);
  gh_str s = gh_arena_vfmt(arena, fmt, args);
  va_end(args);
  return s;
}
