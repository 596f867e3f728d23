/* Random trees go from JSON to CBOR and back without loss, and every permitted way to write an item in CBOR is read
 * as the same tree. */
#include "cmocka_all.h"

#include "tree_maker.h"

#include "m2m/cbor.h"
#include "m2m/json.h"

enum { TREES = 1500 };

static gh_val *parse_cbor(gh_arena *arena, const gh_buf *octets)
{
  gh_val *out = NULL;
  gh_diag diag = {""};
  if (gh_cbor_parse(arena, gh_buf_str(octets), NULL, &out, &diag) != GH_OK) fail_msg("%s", diag.text);
  return out;
}

static void one_tree(gh_arena *arena, const gh_val *tree)
{
  gh_buf json = GH_BUF_INIT, cbor = GH_BUF_INIT, json_again = GH_BUF_INIT, cbor_again = GH_BUF_INIT;
  gh_val *from_json = NULL;
  gh_json_write(&json, tree);
  assert_int_equal(gh_json_parse(arena, gh_buf_str(&json), NULL, &from_json, NULL), GH_OK);
  gh_cbor_write(&cbor, from_json);
  gh_val *from_cbor = parse_cbor(arena, &cbor);
  assert_true(gh_val_equal(tree, from_cbor));
  gh_json_write(&json_again, from_cbor);
  assert_true(gh_str_eq(gh_buf_str(&json), gh_buf_str(&json_again))); /* the order of members, too */
  gh_cbor_write(&cbor_again, from_cbor);
  assert_true(gh_str_eq(gh_buf_str(&cbor), gh_buf_str(&cbor_again)));
  gh_buf_free(&json);
  gh_buf_free(&cbor);
  gh_buf_free(&json_again);
  gh_buf_free(&cbor_again);
}

/*= TS-0004 8.5.1 */
static void trees_make_the_round_trip(void **state)
{
  (void)state;
  uint64_t seed = 20270101;
  for (int i = 0; i < TREES; i++) {
    gh_arena arena;
    gh_arena_init(&arena);
    tree_maker m = {.random = gh_random_of_seed(&seed), .arena = &arena};
    one_tree(&arena, make_tree(&m, 6));
    gh_arena_free(&arena);
  }
}

/* ---- the same tree, written by somebody else */

static void put_octets(gh_buf *out, unsigned first, uint64_t number, size_t count)
{
  gh_buf_add_char(out, (char)first);
  while (count-- > 0) gh_buf_add_char(out, (char)(number >> (8 * count)));
}

/* A head that may be longer than needed. */
static void put_head(tree_maker *m, gh_buf *out, unsigned major, uint64_t argument)
{
  unsigned width = argument < 24 ? 0 : argument < 256 ? 1 : argument < 65536 ? 2 : argument <= UINT32_MAX ? 3 : 4;
  width += maker_pick(m, 5 - width);
  if (width == 0)
    put_octets(out, major << 5 | (unsigned)argument, 0, 0);
  else
    put_octets(out, major << 5 | (23 + width), argument, (size_t)1 << (width - 1));
}

/* Text in one piece, or in chunks that cut no character; sometimes as a byte string, whose chunks may cut anywhere.
 */
static void put_text(tree_maker *m, gh_buf *out, gh_str text)
{
  unsigned major = maker_pick(m, 4) ? 3 : 2;
  if (maker_pick(m, 3)) {
    put_head(m, out, major, text.len);
    gh_buf_add(out, text);
    return;
  }
  put_octets(out, major << 5 | 31, 0, 0);
  while (text.len) {
    size_t len = 1 + maker_pick(m, (uint32_t)text.len);
    while (major == 3 && len < text.len && (text.ptr[len] & 0xc0) == 0x80) len++;
    put_head(m, out, major, len);
    gh_buf_add(out, gh_str_sub(text, 0, len));
    text = gh_str_sub(text, len, text.len);
  }
  put_octets(out, 0xff, 0, 0);
}

static void put_real(tree_maker *m, gh_buf *out, double value)
{
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  bool half = value >= 0 && value < 2048 && (double)(uint32_t)value >= value; /* whole numbers that a half can hold */
  if (!half || maker_pick(m, 2)) {
    put_octets(out, 0xfb, bits, 8);
    return;
  }
  unsigned number = (unsigned)value, exponent = 25;
  while (number && number < 1024) {
    number *= 2;
    exponent--;
  }
  put_octets(out, 0xf9, number ? exponent << 10 | (number - 1024) : 0, 2);
}

static void put_tree(tree_maker *m, gh_buf *out, const gh_val *tree);

static void put_list(tree_maker *m, gh_buf *out, const gh_val *list)
{
  bool object = list->type == GH_VAL_OBJECT, open = maker_pick(m, 2) == 1;
  unsigned major = object ? 5 : 4;
  if (open)
    put_octets(out, major << 5 | 31, 0, 0);
  else
    put_head(m, out, major, object ? list->u.object.count : list->u.array.count);
  for (const gh_val *element = object ? NULL : list->u.array.first; element; element = element->next)
    put_tree(m, out, element);
  for (const gh_member *member = object ? list->u.object.first : NULL; member; member = member->next) {
    put_text(m, out, member->name);
    put_tree(m, out, member->value);
  }
  if (open) put_octets(out, 0xff, 0, 0);
}

static void put_tree(tree_maker *m, gh_buf *out, const gh_val *tree)
{
  switch (tree->type) {
  case GH_VAL_NULL: put_octets(out, 0xf6, 0, 0); break;
  case GH_VAL_BOOL: put_octets(out, tree->u.boolean ? 0xf5 : 0xf4, 0, 0); break;
  case GH_VAL_INT:
    if (tree->u.integer < 0)
      put_head(m, out, 1, (uint64_t)(-1 - tree->u.integer));
    else
      put_head(m, out, 0, (uint64_t)tree->u.integer);
    break;
  case GH_VAL_REAL: put_real(m, out, tree->u.real); break;
  case GH_VAL_STR: put_text(m, out, tree->u.str); break;
  case GH_VAL_ARRAY:
  case GH_VAL_OBJECT: put_list(m, out, tree); break;
  }
}

/*= TS-0004 8.5.2 whatever options an encoder takes, the same JSON comes out */
static void other_encodings_are_read_alike(void **state)
{
  (void)state;
  uint64_t seed = 5;
  for (int i = 0; i < TREES; i++) {
    gh_arena arena;
    gh_arena_init(&arena);
    tree_maker m = {.random = gh_random_of_seed(&seed), .arena = &arena};
    gh_buf theirs = GH_BUF_INIT, ours = GH_BUF_INIT, again = GH_BUF_INIT;
    gh_val *tree = make_tree(&m, 6);
    put_tree(&m, &theirs, tree);
    gh_val *read = parse_cbor(&arena, &theirs);
    assert_true(gh_val_equal(tree, read));
    gh_cbor_write(&ours, tree);
    gh_cbor_write(&again, read);
    assert_true(gh_str_eq(gh_buf_str(&ours), gh_buf_str(&again)));
    gh_buf_free(&theirs);
    gh_buf_free(&ours);
    gh_buf_free(&again);
    gh_arena_free(&arena);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(trees_make_the_round_trip),
      cmocka_unit_test(other_encodings_are_read_alike),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
