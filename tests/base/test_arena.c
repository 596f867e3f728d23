/* Arena: alignment, chunks, reset, text. */
#include "../m2m/cmocka_all.h"

#include <stdalign.h>
#include <string.h>

#include "base/arena.h"

static void everything_is_aligned(void **state)
{
  (void)state;
  gh_arena arena;
  gh_arena_init(&arena);
  for (size_t size = 0; size < 600; size++) {
    char *ptr = gh_arena_alloc(&arena, size);
    assert_int_equal((uintptr_t)ptr % alignof(max_align_t), 0);
    memset(ptr, 0xa5, size);
  }
  gh_arena_free(&arena);
}

/* Neighbours never overlap, whatever the sizes and wherever a chunk ends. */
static void neighbours_do_not_overlap(void **state)
{
  (void)state;
  static const size_t sizes[] = {1, 4079, 4080, 4081, 15, 16, 17, 70000, 1, 1 << 20, (1 << 20) + 1, 3, 5000000, 8};
  enum { COUNT = sizeof sizes / sizeof *sizes };
  unsigned char *parts[COUNT];
  gh_arena arena;
  gh_arena_init(&arena);
  for (size_t i = 0; i < COUNT; i++) {
    parts[i] = gh_arena_alloc(&arena, sizes[i]);
    memset(parts[i], (int)i + 1, sizes[i]);
  }
  for (size_t i = 0; i < COUNT; i++)
    for (size_t k = 0; k < sizes[i]; k++)
      if (parts[i][k] != i + 1) fail_msg("part %zu octet %zu was overwritten", i, k);
  gh_arena_free(&arena);
  assert_null(arena.head);
}

static void zalloc_is_zero_after_reset(void **state)
{
  (void)state;
  gh_arena arena;
  gh_arena_init(&arena);
  memset(gh_arena_alloc(&arena, 2000), 0xff, 2000);
  gh_arena_reset(&arena);
  const unsigned char *again = gh_arena_zalloc(&arena, 2000);
  for (size_t i = 0; i < 2000; i++) assert_int_equal(again[i], 0);
  gh_arena_free(&arena);
}

/* A connection that once carried a large message gives the memory back. */
static void reset_keeps_one_small_chunk(void **state)
{
  (void)state;
  gh_arena arena;
  gh_arena_init(&arena);
  for (int i = 0; i < 100; i++) gh_arena_alloc(&arena, 3000);
  gh_arena_reset(&arena);
  assert_int_equal(arena.total, 0);
  const void *kept = arena.head;
  assert_non_null(kept);
  assert_ptr_equal(gh_arena_alloc(&arena, 100), (const char *)kept + 16);
  assert_ptr_equal(arena.head, kept);
  gh_arena_free(&arena);
  gh_arena_alloc(&arena, 3 << 20);
  gh_arena_reset(&arena);
  assert_null(arena.head);
  gh_arena_alloc(&arena, 1);
  gh_arena_free(&arena);
  gh_arena_reset(&arena); /* of an empty one */
  gh_arena_free(&arena);
}

static void copies_end_with_a_nul(void **state)
{
  (void)state;
  gh_arena arena;
  gh_arena_init(&arena);
  gh_str copy = gh_arena_dup(&arena, GH_STR("a\0b"));
  assert_int_equal(copy.len, 3);
  assert_memory_equal(copy.ptr, "a\0b", 4);
  gh_str none = gh_arena_dup(&arena, GH_STR_NONE);
  assert_non_null(none.ptr);
  assert_int_equal(none.len, 0);
  assert_int_equal(none.ptr[0], 0);
  char longer[9001];
  memset(longer, 'x', 9000);
  longer[9000] = '\0';
  assert_str(gh_arena_fmt(&arena, "%s%d", longer, 7).ptr ? gh_arena_fmt(&arena, "%d", 7) : GH_STR_NONE, "7");
  assert_int_equal(gh_arena_fmt(&arena, "%s", longer).len, 9000);
  assert_str(gh_arena_fmt(&arena, "%.*s", GH_STR_ARG(GH_STR_NONE)), "");
  gh_arena_free(&arena);
}

static void clones_have_one_owner(void **state)
{
  (void)state;
  gh_str clone = gh_str_clone(GH_STR("text"));
  assert_str(clone, "text");
  assert_int_equal(clone.ptr[4], 0);
  gh_str_release(&clone);
  assert_null(clone.ptr);
  gh_str_release(&clone); /* released twice: nothing happens */
  clone = gh_str_clone(GH_STR_NONE);
  assert_int_equal(clone.len, 0);
  gh_str_release(&clone);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(everything_is_aligned),      cmocka_unit_test(neighbours_do_not_overlap),
      cmocka_unit_test(zalloc_is_zero_after_reset), cmocka_unit_test(reset_keeps_one_small_chunk),
      cmocka_unit_test(copies_end_with_a_nul),      cmocka_unit_test(clones_have_one_owner),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
