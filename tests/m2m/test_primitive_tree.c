/* Primitives as trees: vectors in JSON and CBOR, both directions; what is refused and by which name. */
#include "cmocka_all.h"

#include "cbor_file.h"
#include "m2m/constants.h"
#include "m2m/primitive_tree.h"

#define FILE_OK "tests/vectors/m2m/primitives.txt"
#define FILE_BAD "tests/vectors/m2m/primitives_refuse.txt"

static gh_val *tree_of(gh_arena *arena, gh_representation representation, gh_str octets)
{
  gh_val *tree = NULL;
  gh_diag diag = {""};
  if (gh_representation_decode(representation, arena, octets, &tree, &diag) != GH_OK) fail_msg("%s", diag.text);
  return tree;
}

static gh_str octets_of(gh_arena *arena, gh_representation representation, const gh_val *tree)
{
  gh_buf buf = GH_BUF_INIT;
  gh_representation_encode(representation, &buf, tree);
  gh_str copy = gh_arena_dup(arena, gh_buf_str(&buf));
  gh_buf_free(&buf);
  return copy;
}

static void same_request(gh_arena *arena, const vector *v, gh_representation representation, gh_str octets)
{
  gh_request r;
  gh_diag diag = {""};
  gh_val *tree = tree_of(arena, representation, octets);
  assert_int_equal(gh_primitive_kind_of(tree), GH_PRIMITIVE_REQUEST);
  if (gh_request_from_tree(arena, tree, &r, &diag) != GH_RSC_OK) fail_msg("line %d: %s", v->line, diag.text);
  bool supported = gh_str_eq(v->column[4], GH_STR("-"));
  assert_true(supported ? gh_str_empty(r.unsupported) : gh_str_eq(r.unsupported, v->column[4]));
  gh_str written = octets_of(arena, representation, gh_request_to_tree(arena, &r));
  if (!gh_val_equal(tree_of(arena, representation, written), tree)) fail_msg("line %d: written otherwise", v->line);
}

static void same_response(gh_arena *arena, const vector *v, gh_representation representation, gh_str octets)
{
  gh_response r;
  gh_diag diag = {""};
  gh_buf buf = GH_BUF_INIT;
  gh_val *tree = tree_of(arena, representation, octets);
  assert_int_equal(gh_primitive_kind_of(tree), GH_PRIMITIVE_RESPONSE);
  if (gh_response_from_tree(tree, &r, &diag) != GH_OK) fail_msg("line %d: %s", v->line, diag.text);
  assert_int_equal(gh_response_write(representation, &buf, NULL, &r), GH_OK);
  if (!gh_str_eq(gh_buf_str(&buf), octets)) fail_msg("line %d: written otherwise", v->line);
  gh_buf_free(&buf);
}

static void vector_one(gh_arena *arena, const vector *v)
{
  bool request = gh_str_eq(v->column[1], GH_STR("request"));
  void (*check)(gh_arena *, const vector *, gh_representation, gh_str) = request ? same_request : same_response;
  check(arena, v, GH_REP_JSON, vector_octets(arena, v->column[2]));
  check(arena, v, GH_REP_CBOR, octets_of_hex(arena, v->column[3]));
}

/*= TS-0004 6.4.1; 6.4.2; 8.2.2; 8.4; 8.5.1; TS-0020 6.1 */
static void vectors(void **state)
{
  (void)state;
  assert_int_equal(vector_each(FILE_OK, vector_one), 13);
}

static void refuse_one(gh_arena *arena, const vector *v)
{
  gh_diag diag = {""};
  gh_val *tree = tree_of(arena, GH_REP_JSON, vector_octets(arena, v->column[1]));
  if (gh_str_eq(v->column[0], GH_STR("response"))) {
    gh_response response;
    assert_int_equal(gh_response_from_tree(tree, &response, &diag), GH_ESYNTAX);
  } else {
    gh_request request;
    gh_str rqi = gh_str_eq(v->column[3], GH_STR("-")) ? GH_STR_NONE : v->column[3];
    assert_int_equal(gh_request_from_tree(arena, tree, &request, &diag), GH_RSC_BAD_REQUEST);
    if (!gh_str_eq(request.rqi, rqi)) fail_msg("line %d: rqi %.*s", v->line, GH_STR_ARG(request.rqi));
  }
  if (!gh_str_starts(gh_str_of(diag.text), v->column[2])) fail_msg("line %d: %s", v->line, diag.text);
}

/*= TS-0004 7.3.2.1; 7.2.1.1 (TP-13) */
static void refusals(void **state)
{
  (void)state;
  assert_int_equal(vector_each(FILE_BAD, refuse_one), 53);
}

/*= TS-0004 7.2.1.1 known, not supported: left to the gate, which answers 5001 */
static void unsupported_is_named(void **state)
{
  (void)state;
  static const char *const cases[][2] = {
      {"\"aus\":[1]", "aus"},
      {"\"ec\":1", "ec"},
      {"\"grtm\":[\"a\"]", "grtm"},
      {"\"oet\":\"+5\"", "oet"},
      {"\"rids\":[\"r\"]", "rids"},
      {"\"rp\":5000", "rp"},
      {"\"tids\":[\"t\"]", "tids"},
      {"\"tkns\":[]", "tkns"},
      {"\"ltids\":[]", "ltids"},
      {"\"tqi\":true", "tqi"},
      {"\"auri\":true", "auri"},
      {"\"da\":true", "da"},
      {"\"sqi\":true", "sqi"},
      {"\"gid\":\"g\"", "gid"},
      {"\"rt\":{\"rtv\":2,\"nu\":[\"x\"]}", "nu"},
      {"\"fc\":{\"cfs\":1}", "cfs"},
      {"\"tqi\":false", ""},
      {"\"asi\":true", ""},
      {"\"fc\":{\"smf\":\"x\"}", "smf"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    gh_arena arena;
    gh_request r;
    gh_arena_init(&arena);
    gh_str text = gh_arena_fmt(&arena, "{\"op\":2,\"to\":\"a\",\"rqi\":\"r\",%s}", cases[i][0]);
    assert_int_equal(gh_request_from_tree(&arena, tree_of(&arena, GH_REP_JSON, text), &r, NULL), GH_RSC_OK);
    if (!gh_str_eq(r.unsupported, gh_str_of(cases[i][1]))) fail_msg("%s: %.*s", text.ptr, GH_STR_ARG(r.unsupported));
    gh_arena_free(&arena);
  }
}

static void what_is_read(void **state)
{
  (void)state;
  gh_arena arena;
  gh_request r;
  gh_arena_init(&arena);
  gh_str text =
      GH_STR("{\"op\":2,\"to\":\"a#rn\",\"rqi\":\"r\",\"rqet\":-5,\"rset\":\"+7\",\"fr\":\"\",\"rt\":{\"rtv\":4},"
             "\"fc\":{\"fu\":2,\"cra\":\"20260101T000000\"},\"pc\":{\"m2m:atrl\":[\"rn\"]}}");
  assert_int_equal(gh_request_from_tree(&arena, tree_of(&arena, GH_REP_JSON, text), &r, NULL), GH_RSC_OK);
  assert_true(gh_str_eq(r.rqet, GH_STR("-5")) && gh_str_eq(r.rset, GH_STR("+7")));
  assert_true(!r.has_from && !r.pc && r.atrl && r.atrl->u.array.count == 1);
  assert_true(r.rt == 4 && r.fu == 2 && r.has_fc && r.fc->u.object.count == 1);
  assert_int_equal(
      gh_request_from_tree(&arena, tree_of(&arena, GH_REP_JSON, GH_STR("{\"op\":1,\"fc\":{}}")), &r, NULL),
      GH_RSC_BAD_REQUEST);
  assert_true(r.has_fc && !r.fc && r.op == GH_OP_CREATE);
  gh_arena_free(&arena);
}

/* A stored resource goes out as the text that it is, in CBOR as its tree; rqi and rvi come from the request. */
static void stored_bodies(void **state)
{
  (void)state;
  gh_buf out = GH_BUF_INIT;
  gh_request request = {.rqi = GH_STR("q"), .rvi = GH_STR("3")};
  gh_response response = {.rsc = 2000, .body = GH_STR("{\"m2m:cnt\":{\"rn\":\"x\"}}")};
  assert_int_equal(gh_response_write(GH_REP_JSON, &out, &request, &response), GH_OK);
  gh_str want = GH_STR("{\"rsc\":2000,\"rqi\":\"q\",\"rvi\":\"3\",\"pc\":{\"m2m:cnt\":{\"rn\":\"x\"}}}");
  assert_true(gh_str_eq(gh_buf_str(&out), want));
  gh_arena arena;
  gh_arena_init(&arena);
  gh_buf_clear(&out);
  assert_int_equal(gh_response_write(GH_REP_CBOR, &out, &request, &response), GH_OK);
  assert_true(gh_val_equal(tree_of(&arena, GH_REP_CBOR, gh_buf_str(&out)), tree_of(&arena, GH_REP_JSON, want)));
  gh_buf_clear(&out);
  response.body = GH_STR("{\"m2m:");
  assert_int_equal(gh_response_write(GH_REP_CBOR, &out, &request, &response), GH_ESYNTAX);
  assert_int_equal(out.len, 0);
  gh_arena_free(&arena);
  gh_buf_free(&out);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(vectors),      cmocka_unit_test(refusals),      cmocka_unit_test(unsupported_is_named),
      cmocka_unit_test(what_is_read), cmocka_unit_test(stored_bodies),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
