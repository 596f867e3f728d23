/* The table of media types, and the codecs behind it. */
#include "cmocka_all.h"

#include "m2m/primitive.h"

/*= TS-0004 6.7; TS-0008 6.2.2.2 */
static void names_and_numbers(void **state)
{
  (void)state;
  static const struct {
    const char *name;
    unsigned number;
    gh_representation representation;
    gh_media_kind kind;
  } cases[] = {
      {"application/json", 50, GH_REP_JSON, GH_MEDIA_PLAIN},
      {"application/cbor", 60, GH_REP_CBOR, GH_MEDIA_PLAIN},
      {"application/vnd.onem2m-res+json", 10001, GH_REP_JSON, GH_MEDIA_RESOURCE},
      {"application/vnd.onem2m-res+cbor", 10010, GH_REP_CBOR, GH_MEDIA_RESOURCE},
      {"application/vnd.onem2m-ntfy+json", 10003, GH_REP_JSON, GH_MEDIA_NOTIFICATION},
      {"application/vnd.onem2m-ntfy+cbor", 10011, GH_REP_CBOR, GH_MEDIA_NOTIFICATION},
      {"application/vnd.onem2m-preq+json", 10007, GH_REP_JSON, GH_MEDIA_REQUEST},
      {"application/vnd.onem2m-preq+cbor", 10012, GH_REP_CBOR, GH_MEDIA_REQUEST},
      {"application/vnd.onem2m-prsp+json", 10009, GH_REP_JSON, GH_MEDIA_RESPONSE},
      {"application/vnd.onem2m-prsp+cbor", 10013, GH_REP_CBOR, GH_MEDIA_RESPONSE},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const gh_media_type *type = gh_media_type_by_name(gh_str_of(cases[i].name));
    assert_non_null(type);
    assert_str(type->name, cases[i].name);
    assert_int_equal(type->representation, cases[i].representation);
    assert_int_equal(type->kind, cases[i].kind);
    assert_ptr_equal(gh_media_type_by_format(cases[i].number), type);
    assert_ptr_equal(gh_media_type_of(cases[i].representation, cases[i].kind), type);
  }
  assert_ptr_equal(gh_media_type_by_name(GH_STR("Application/CBOR")), gh_media_type_by_format(60));
}

static void what_is_not_read(void **state)
{
  (void)state;
  static const char *const names[] = {"",
                                      "json",
                                      "application/xml",
                                      "application/vnd.onem2m-res+xml",
                                      "text/plain",
                                      "application/jsonx",
                                      "application/cbor;ty=3",
                                      "application/*"};
  static const unsigned numbers[] = {0, 40, 41, 42, 10000, 10002, 10006, 10008, 10014, 65586};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) assert_null(gh_media_type_by_name(gh_str_of(names[i])));
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) assert_null(gh_media_type_by_format(numbers[i]));
}

/*= TS-0004 6.3.3 m2m:serializations */
static void words(void **state)
{
  (void)state;
  gh_representation found = GH_REP_CBOR;
  assert_str(gh_representation_name(GH_REP_JSON), "json");
  assert_str(gh_representation_name(GH_REP_CBOR), "cbor");
  assert_true(gh_representation_by_name(GH_STR("json"), &found));
  assert_int_equal(found, GH_REP_JSON);
  assert_true(gh_representation_by_name(GH_STR("cbor"), &found));
  assert_int_equal(found, GH_REP_CBOR);
  assert_false(gh_representation_by_name(GH_STR("xml"), &found));
  assert_false(gh_representation_by_name(GH_STR("CBOR"), &found));
  assert_int_equal(found, GH_REP_CBOR);
}

/* The octets of one are not those of the other. */
static void codecs(void **state)
{
  (void)state;
  gh_arena arena;
  gh_arena_init(&arena);
  gh_val *tree, *again;
  gh_diag diag = {""};
  gh_buf buf = GH_BUF_INIT;
  assert_int_equal(gh_representation_decode(GH_REP_JSON, &arena, GH_STR("{\"a\":1}"), &tree, &diag), GH_OK);
  gh_representation_encode(GH_REP_CBOR, &buf, tree);
  assert_str(gh_buf_str(&buf), "\xa1\x61\x61\x01");
  assert_int_equal(gh_representation_decode(GH_REP_CBOR, &arena, gh_buf_str(&buf), &again, &diag), GH_OK);
  assert_true(gh_val_equal(tree, again));
  assert_int_equal(gh_representation_decode(GH_REP_JSON, &arena, gh_buf_str(&buf), &again, &diag), GH_ESYNTAX);
  assert_memory_equal(diag.text, "offset 0: ", 10);
  assert_int_equal(gh_representation_decode(GH_REP_CBOR, &arena, GH_STR("{\"a\":1}"), &again, &diag), GH_ESYNTAX);
  gh_buf_free(&buf);
  gh_arena_free(&arena);
}

static void content_of_a_response(void **state)
{
  (void)state;
  gh_arena arena;
  gh_arena_init(&arena);
  gh_val *content, *tree = gh_val_object(&arena);
  gh_response none = {.rsc = 2000}, as_tree = {.rsc = 2000, .pc = tree},
              as_text = {.rsc = 2000, .body = GH_STR("{\"a\":1}")},
              damaged = {.rsc = 2000, .body = GH_STR("{\"a\":")};
  assert_int_equal(gh_response_content(&arena, &none, &content), GH_OK);
  assert_null(content);
  assert_int_equal(gh_response_content(&arena, &as_tree, &content), GH_OK);
  assert_ptr_equal(content, tree);
  assert_int_equal(gh_response_content(&arena, &as_text, &content), GH_OK);
  assert_int_equal(content->u.object.count, 1);
  assert_int_equal(gh_response_content(&arena, &damaged, &content), GH_ESYNTAX);
  gh_arena_free(&arena);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(names_and_numbers),
      cmocka_unit_test(what_is_not_read),
      cmocka_unit_test(words),
      cmocka_unit_test(codecs),
      cmocka_unit_test(content_of_a_response),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
