/* Random value trees: every type, edges of the number ranges, text of every UTF-8 length, unique member names. */
#ifndef GH_TEST_TREE_MAKER_H
#define GH_TEST_TREE_MAKER_H

#include "base/random.h"
#include "m2m/value.h"

typedef struct tree_maker {
  gh_random random;
  gh_arena *arena;
  int names;
} tree_maker;

static inline uint64_t maker_bits(tree_maker *m)
{
  uint64_t value = 0;
  assert_int_equal(gh_random_fill(&m->random, &value, sizeof value), GH_OK);
  return value;
}

static inline uint32_t maker_pick(tree_maker *m, uint32_t below)
{
  return (uint32_t)(maker_bits(m) % below);
}

static inline gh_val *make_int(tree_maker *m)
{
  uint64_t magnitude = maker_bits(m) >> 1 >> maker_pick(m, 63);
  if (maker_pick(m, 3) == 0)
    magnitude = (UINT64_C(1) << maker_pick(m, 63)) - maker_pick(m, 2); /* around the widths */
  int64_t value = (int64_t)magnitude;
  return gh_val_int(m->arena, maker_pick(m, 2) ? value : -1 - value);
}

static inline gh_val *make_real(tree_maker *m)
{
  static const double edges[] = {0.0,   1.0,    -1.5, 65504.0, 65536.0, 16777217.0, 3.4028234663852886e+38,
                                 1e300, 5e-324, 0.1};
  uint64_t bits = maker_bits(m);
  double value;
  if (maker_pick(m, 3) == 0) return gh_val_real(m->arena, edges[maker_pick(m, sizeof edges / sizeof *edges)]);
  if (maker_pick(m, 2)) return gh_val_real(m->arena, (double)((float)maker_pick(m, 100000) / 64.0F));
  if ((bits >> 52 & 0x7ff) == 0x7ff) bits ^= UINT64_C(1) << 52; /* finite */
  memcpy(&value, &bits, sizeof value);
  return gh_val_real(m->arena, value);
}

static inline gh_str make_text(tree_maker *m, bool unique)
{
  static const char *const pieces[] = {"a",
                                       "Zz9",
                                       "//sp.example.com/in-cse",
                                       "\n",
                                       "\"",
                                       "\\",
                                       "\xc3\xa9",
                                       "\xe2\x82\xac",
                                       "\x7f\x01",
                                       "\xf0\x9f\x98\x80",
                                       "a longer piece of plain text"};
  gh_str text = GH_STR("");
  for (uint32_t i = maker_pick(m, maker_pick(m, 30) ? 4 : 40); i > 0; i--)
    text = gh_arena_fmt(m->arena, "%.*s%s", GH_STR_ARG(text), pieces[maker_pick(m, sizeof pieces / sizeof *pieces)]);
  return unique ? gh_arena_fmt(m->arena, "%.*s%d", GH_STR_ARG(text), m->names++) : text;
}

static inline gh_val *make_tree(tree_maker *m, int depth)
{
  uint32_t kind = maker_pick(m, depth > 0 ? 8 : 5), count = maker_pick(m, 20) == 0 ? 40 : maker_pick(m, 5);
  if (kind == 0) return make_int(m);
  if (kind == 1) return make_real(m);
  if (kind == 2) return gh_val_str(m->arena, make_text(m, false));
  if (kind == 3) return gh_val_bool(m->arena, maker_pick(m, 2) == 1);
  if (kind == 4) return gh_val_null(m->arena);
  gh_val *list = kind == 5 ? gh_val_array(m->arena) : gh_val_object(m->arena);
  for (uint32_t i = 0; i < count; i++) {
    gh_val *inner = make_tree(m, depth - 1);
    if (kind == 5)
      gh_val_push(list, inner);
    else
      gh_val_set(m->arena, list, make_text(m, true), inner);
  }
  return list;
}

#endif
