/* The value tree, and the primitives' small helpers. */
#include "cmocka_all.h"

#include "m2m/json.h"
#include "m2m/primitive.h"

static int set_up(void **state)
{
  static gh_arena arena;
  gh_arena_init(&arena);
  *state = &arena;
  return 0;
}

static int tear_down(void **state)
{
  gh_arena_free(*state);
  return 0;
}

static gh_val *json(gh_arena *arena, const char *text)
{
  gh_val *out = NULL;
  assert_int_equal(gh_json_parse(arena, gh_str_of(text), NULL, &out, NULL), GH_OK);
  return out;
}

static void assert_json(const gh_val *value, const char *want)
{
  gh_buf buf = GH_BUF_INIT;
  gh_json_write(&buf, value);
  assert_str(gh_buf_str(&buf), want);
  gh_buf_free(&buf);
}

static void members_are_set_and_removed(void **state)
{
  gh_arena *arena = *state;
  gh_val *object = gh_val_object(arena);
  gh_val_set(arena, object, GH_STR("a"), gh_val_int(arena, 1));
  gh_val_set(arena, object, GH_STR("b"), gh_val_bool(arena, true));
  gh_val_set(arena, object, GH_STR("a"), gh_val_real(arena, 0.5));
  gh_val_set(arena, object, GH_STR("c"), gh_val_null(arena));
  assert_json(object, "{\"a\":0.5,\"b\":true,\"c\":null}");
  assert_true(gh_val_remove(object, GH_STR("c")));
  assert_false(gh_val_remove(object, GH_STR("c")));
  gh_val_set(arena, object, GH_STR("d"), gh_val_str(arena, GH_STR("x"))); /* the end was moved by the removal */
  assert_true(gh_val_remove(object, GH_STR("a")));
  assert_json(object, "{\"b\":true,\"d\":\"x\"}");
  assert_true(gh_val_remove(object, GH_STR("b")) && gh_val_remove(object, GH_STR("d")));
  assert_int_equal(object->u.object.count, 0);
  gh_val_set(arena, object, GH_STR("e"), gh_val_array(arena));
  assert_json(object, "{\"e\":[]}");
  assert_false(gh_val_remove(gh_val_int(arena, 1), GH_STR("e")));
  assert_false(gh_val_remove(NULL, GH_STR("e")));
}

static void typed_reads(void **state)
{
  gh_arena *arena = *state;
  gh_val *object = json(arena, "{\"s\":\"x\",\"i\":7,\"b\":true,\"r\":7.0}");
  gh_str s = GH_STR("untouched");
  int64_t i = -1;
  bool b = false;
  assert_true(gh_val_get_str(object, GH_STR("s"), &s) && gh_str_eq(s, GH_STR("x")));
  assert_true(gh_val_get_int(object, GH_STR("i"), &i) && i == 7);
  assert_true(gh_val_get_bool(object, GH_STR("b"), &b) && b);
  assert_false(gh_val_get_str(object, GH_STR("i"), &s) || gh_val_get_int(object, GH_STR("r"), &i));
  assert_false(gh_val_get_int(object, GH_STR("none"), &i) || gh_val_get_bool(object, GH_STR("s"), &b));
  assert_true(gh_str_eq(s, GH_STR("x")) && i == 7);
  assert_null(gh_val_get(gh_val_get(object, GH_STR("s")), GH_STR("s")));
  assert_null(gh_val_get(NULL, GH_STR("s")));
}

static void equality(void **state)
{
  gh_arena *arena = *state;
  const char *const all[] = {"null",
                             "true",
                             "false",
                             "1",
                             "1.0",
                             "2",
                             "\"1\"",
                             "[]",
                             "[1]",
                             "[1,2]",
                             "[2,1]",
                             "{}",
                             "{\"a\":1}",
                             "{\"a\":2}",
                             "{\"b\":1}",
                             "{\"a\":1,\"b\":2}",
                             "{\"a\":1,\"c\":2}"};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    for (size_t k = 0; k < sizeof all / sizeof *all; k++)
      assert_int_equal(gh_val_equal(json(arena, all[i]), json(arena, all[k])), i == k);
  assert_true(gh_val_equal(json(arena, "{\"a\":1,\"b\":{\"c\":2,\"d\":3}}"),
                           json(arena, "{\"b\":{\"d\":3,\"c\":2},\"a\":1}")));
}

static gh_val *numbered(gh_arena *arena, int count, int step)
{
  gh_val *object = gh_val_object(arena);
  for (int i = 0; i < count; i++) {
    int number = i * step % count;
    gh_val_set(arena, object, gh_arena_fmt(arena, "n%d", number), gh_val_int(arena, number));
  }
  return object;
}

static void equality_of_large_objects(void **state)
{
  gh_arena *arena = *state;
  gh_val *forward = numbered(arena, 101, 1), *mixed = numbered(arena, 101, 37);
  assert_int_equal(mixed->u.object.count, 101);
  assert_true(gh_val_equal(forward, mixed));
  gh_val_set(arena, mixed, GH_STR("n50"), gh_val_int(arena, 51));
  assert_false(gh_val_equal(forward, mixed));
  gh_val_remove(mixed, GH_STR("n50"));
  gh_val_set(arena, mixed, GH_STR("n101"), gh_val_int(arena, 50));
  assert_false(gh_val_equal(forward, mixed));
}

static void copies_are_deep(void **state)
{
  gh_arena *arena = *state, other;
  char text[] = "{\"a\":[1,\"two\",{\"b\":null}],\"c\":false,\"d\":1.5}";
  gh_val *value = json(arena, text);
  gh_arena_init(&other);
  gh_val *copy = gh_val_copy(&other, value);
  memset(text, 'x', sizeof text - 1); /* the copy borrows nothing */
  assert_json(copy, "{\"a\":[1,\"two\",{\"b\":null}],\"c\":false,\"d\":1.5}");
  assert_int_equal(gh_val_get(copy, GH_STR("a"))->offset, 5);
  gh_val_set(&other, copy, GH_STR("e"), gh_val_int(&other, 9));
  assert_int_equal(copy->u.object.count, 4);
  gh_arena_free(&other);
}

/*= TS-0004 8.4; exactly one root member */
static void content_has_one_root(void **state)
{
  gh_arena *arena = *state;
  gh_str root = GH_STR("untouched");
  gh_val *inner = NULL;
  gh_val *wrapped = gh_val_wrap(arena, GH_STR("m2m:cnt"), gh_val_object(arena));
  assert_json(wrapped, "{\"m2m:cnt\":{}}");
  assert_true(gh_val_unwrap(wrapped, &root, &inner));
  assert_str(root, "m2m:cnt");
  assert_int_equal(inner->type, GH_VAL_OBJECT);
  assert_false(gh_val_unwrap(json(arena, "{}"), &root, &inner));
  assert_false(gh_val_unwrap(json(arena, "{\"a\":1,\"b\":2}"), &root, &inner));
  assert_false(gh_val_unwrap(json(arena, "[1]"), &root, &inner));
  assert_false(gh_val_unwrap(NULL, &root, &inner));
  assert_str(root, "m2m:cnt");
}

static void error_responses(void **state)
{
  gh_arena *arena = *state;
  gh_response response = {.rqi = GH_STR("r1"), .body = GH_STR("{\"m2m:cnt\":{}}")};
  gh_response_error(arena, &response, 4000, "%s (%s): missing", "et", "expirationTime");
  assert_int_equal(response.rsc, 4000);
  assert_true(gh_str_empty(response.body));
  assert_json(response.pc, "{\"m2m:dbg\":\"et (expirationTime): missing\"}");
  assert_str(response.rqi, "r1");
}

static void operation_names(void **state)
{
  (void)state;
  assert_string_equal(gh_op_name(GH_OP_CREATE), "CREATE");
  assert_string_equal(gh_op_name(GH_OP_NOTIFY), "NOTIFY");
  assert_string_equal(gh_op_name(0), "?");
  assert_string_equal(gh_op_name(6), "?");
  assert_string_equal(gh_op_name(-1), "?");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(members_are_set_and_removed, set_up, tear_down),
      cmocka_unit_test_setup_teardown(typed_reads, set_up, tear_down),
      cmocka_unit_test_setup_teardown(equality, set_up, tear_down),
      cmocka_unit_test_setup_teardown(equality_of_large_objects, set_up, tear_down),
      cmocka_unit_test_setup_teardown(copies_are_deep, set_up, tear_down),
      cmocka_unit_test_setup_teardown(content_has_one_root, set_up, tear_down),
      cmocka_unit_test_setup_teardown(error_responses, set_up, tear_down),
      cmocka_unit_test(operation_names),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
