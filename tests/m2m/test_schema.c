/* Representations against the attribute tables: every rule with what it permits and what it refuses. */
#include "cmocka_all.h"

#include "m2m/constants.h"
#include "m2m/dtype.h"
#include "m2m/json.h"
#include "m2m/schema.h"
#include "vector_file.h"

static int check(const gh_type_def *type, bool create, gh_val *attrs, gh_diag *diag)
{
  return create ? gh_schema_check_create(type, attrs, diag) : gh_schema_check_update(type, attrs, diag);
}

static void schema_one(gh_arena *arena, const vector *v)
{
  gh_val *attrs = NULL;
  gh_diag diag = {{0}};
  uint64_t want = 0;
  const gh_type_def *type = gh_type_by_root(v->column[1]);
  if (!type || !gh_str_to_u64(v->column[2], &want)) fail_msg("schema.txt:%d: bad vector", v->line);
  if (gh_json_parse(arena, v->column[4], NULL, &attrs, &diag) != GH_OK)
    fail_msg("schema.txt:%d: %s", v->line, diag.text);
  int rsc = check(type, gh_str_eq(v->column[0], GH_STR("create")), attrs, &diag);
  if (rsc != (int)want) fail_msg("schema.txt:%d: %d %s", v->line, rsc, diag.text);
  bool named = strncmp(diag.text, v->column[3].ptr, v->column[3].len) == 0;
  if (rsc != GH_RSC_OK && !named) fail_msg("schema.txt:%d: %s", v->line, diag.text);
  /* the message is optional */
  assert_int_equal(check(type, gh_str_eq(v->column[0], GH_STR("create")), attrs, NULL), rsc);
}

/*= TS-0004 7.3.3.3; M missing, NP present, unknown, bad value: 4000; creator only as null */
/*= TS-0004 7.3.3.4; null deletes only what may be absent */
/*= TS-0004 8.4; lists are arrays, even with one element */
static void representations(void **state)
{
  (void)state;
  assert_true(vector_each("tests/vectors/m2m/schema.txt", schema_one) > 150);
}

static void body_one(gh_arena *arena, const vector *v)
{
  gh_val *body, *attrs;
  gh_str root, op = v->column[2];
  gh_diag diag = {{0}};
  uint64_t ty;
  assert_int_equal(gh_json_parse(arena, v->column[4], NULL, &body, NULL), GH_OK);
  if (gh_str_eq(op, GH_STR("-"))) return;
  assert_true(gh_val_unwrap(body, &root, &attrs));
  const gh_type_def *type = gh_type_by_root(root);
  assert_non_null(type);
  bool create = gh_str_starts(op, GH_STR("create:"));
  if (create) {
    assert_true(gh_str_to_u64(gh_str_sub(op, 7, SIZE_MAX), &ty));
    assert_int_equal(type->ty, ty);
  }
  /* 12.21 is the example of a body that must be refused */
  int want = gh_str_eq(v->column[0], GH_STR("12.21")) ? GH_RSC_BAD_REQUEST : GH_RSC_OK;
  if (check(type, create, attrs, &diag) != want) fail_msg("bodies.txt:%d: %s", v->line, diag.text);
}

/* Every request of the message examples is acceptable. */
static void published_requests(void **state)
{
  (void)state;
  assert_true(vector_each("tests/vectors/m2m/bodies.txt", body_one) > 50);
}

static void long_names_become_short(void **state)
{
  (void)state;
  gh_arena arena;
  gh_arena_init(&arena);
  gh_val *attrs;
  gh_str text = GH_STR("{\"adminFQDN\":\"sp.example.com\",\"SUID\":32,\"et\":\"20270701T000000\"}");
  assert_int_equal(gh_json_parse(&arena, text, NULL, &attrs, NULL), GH_OK);
  assert_int_equal(gh_schema_check_create(gh_type_by_root(GH_STR("sec:skr")), attrs, NULL), GH_RSC_OK);
  gh_buf buf = GH_BUF_INIT;
  gh_json_write(&buf, attrs);
  assert_str(gh_buf_str(&buf), "{\"adfq\":\"sp.example.com\",\"suid\":32,\"et\":\"20270701T000000\"}");
  gh_buf_free(&buf);
  gh_arena_free(&arena);
}

static void not_an_object(void **state)
{
  (void)state;
  gh_arena arena;
  gh_arena_init(&arena);
  gh_diag diag = {{0}};
  const gh_type_def *type = gh_type_by_root(GH_STR("m2m:cnt"));
  assert_int_equal(gh_schema_check_create(type, gh_val_array(&arena), &diag), GH_RSC_BAD_REQUEST);
  assert_int_equal(gh_schema_check_create(type, NULL, &diag), GH_RSC_BAD_REQUEST);
  assert_int_equal(gh_schema_check_update(type, gh_val_null(&arena), &diag), GH_RSC_BAD_REQUEST);
  assert_string_equal(diag.text, "m2m:cnt: not an object");
  gh_arena_free(&arena);
}

typedef struct complex_sample {
  const char *root, *attribute, *text,
      *member; /* the member at fault, "" for the value itself, NULL when acceptable */
} complex_sample;

/* Values that only servers write are checked by the same code when they come from elsewhere. */
static void complex_values(void **state)
{
  (void)state;
  static const complex_sample samples[] = {
      {"sec:mecm", "cmde", "{\"ccid\":0,\"cmar\":{\"nmca\":{\"rtd\":\"PT1H\"}}}", NULL},
      {"sec:mecm", "cmde", "{\"ccid\":2,\"cmar\":{\"dcca\":{\"dcu\":\"3:coaps://m\"}},\"tgid\":\"/a\"}", NULL},
      {"sec:mecm", "cmde",
       "{\"cmdClassID\":3,\"cmdArgs\":{\"MONodeCmdArgs\":{\"objectPath\":\"/o\",\"objectTypeID\":1,"
       "\"objectTypeSpecificArgs\":{\"SUID\":22}}}}",
       NULL},
      {"sec:mecm", "cmde", "{\"ccid\":3,\"cmar\":{\"mnca\":{\"obp\":\"/o\",\"obti\":1,\"otsa\":{\"suid\":31}}}}",
       "suid"},
      {"sec:mecm", "cmde", "{\"ccid\":4,\"cmar\":{}}", "ccid"},
      {"sec:mecm", "cmde", "{\"ccid\":0}", "cmar"},
      {"sec:mecm", "cmde", "{\"ccid\":0,\"cmdClassID\":0,\"cmar\":{}}", "cmdClassID"},
      {"sec:mecm", "cmde", "{\"ccid\":0,\"cmar\":{\"nmca\":{\"rtd\":\"PT1H\"},\"dcca\":{\"dcu\":\"3:x\"}}}", ""},
      {"sec:macr", "macf", "{\"krc\":[{\"adfq\":\"sp.example.com\",\"suid\":32}]}", NULL},
      {"sec:macr", "macf", "{\"krc\":{\"adfq\":\"sp.example.com\",\"suid\":32}}", "krc"},
      {"m2m:pdr", "dr", "{\"lr\":[{\"accr\":[1.5,2,3]}]}", NULL},
      {"m2m:pdr", "dr", "{\"lr\":[{\"accr\":[1.5,2]}]}", "accr"},
      {"m2m:pdr", "dr", "{\"lr\":[{\"accr\":[1.5,2,3,4]}]}", "accr"},
      {"m2m:pdr", "dr", "{\"lr\":[{\"accr\":[\"1\",2,3]}]}", "accr"},
      {"m2m:pdr", "dr", "{\"lr\":[{\"accc\":[\"FR\",\"BEL\"]}]}", "accc"},
      {"m2m:pdr", "dr", "[]", ""},
  };
  for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
    const complex_sample *s = &samples[i];
    gh_arena arena;
    gh_arena_init(&arena);
    gh_val *value;
    gh_flaw flaw = {.rsc = 0};
    assert_int_equal(gh_json_parse(&arena, gh_str_of(s->text), NULL, &value, NULL), GH_OK);
    const gh_attr_def *attr = gh_type_attr(gh_type_by_root(gh_str_of(s->root)), gh_str_of(s->attribute));
    bool good = gh_dtype_check(attr->dtype, value, strncmp(s->root, "sec:", 4) == 0, &flaw);
    if (good != (s->member == NULL)) fail_msg("%s: %s", s->text, flaw.what);
    if (s->member) assert_str(flaw.member, s->member);
    gh_arena_free(&arena);
  }
}

/* For every attribute of every type: null is refused in CREATE (but for the creator), what is NP is refused in both,
 * and no value of a wrong JSON type brings the checkers down. */
static void every_attribute(void **state)
{
  (void)state;
  static const char *const values[] = {"null",    "true", "-1",     "1e300", "\"\"",
                                       "\"x y\"", "[]",   "[null]", "{}",    "{\"acr\":[{}]}"};
  for (size_t t = 0; t < gh_tab_types_count; t++) {
    const gh_type_def *type = &gh_tab_types[t];
    for (size_t a = 0; a < type->attr_count; a++) {
      const gh_attr_def *attr = &type->attrs[a];
      for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        gh_arena arena;
        gh_arena_init(&arena);
        gh_val *value, *attrs = gh_val_object(&arena);
        assert_int_equal(gh_json_parse(&arena, gh_str_of(values[i]), NULL, &value, NULL), GH_OK);
        gh_val_set(&arena, attrs, gh_str_of(attr->short_name), value);
        int create = gh_schema_check_create(type, attrs, NULL), update = gh_schema_check_update(type, attrs, NULL);
        bool creator = strcmp(attr->long_name, "creator") == 0;
        if (i == 0 && !creator) assert_int_not_equal(create, GH_RSC_OK);
        if (attr->create == GH_NP) assert_int_not_equal(create, GH_RSC_OK);
        if (attr->update == GH_NP) assert_int_not_equal(update, GH_RSC_OK);
        if (attr->release4) assert_int_equal(create, GH_RSC_NOT_IMPLEMENTED);
        gh_arena_free(&arena);
      }
    }
  }
}

typedef struct sample {
  gh_dtype_kind kind;
  const char *text;
  bool valid;
} sample;

static void lexical_rules(void **state)
{
  (void)state;
  static const sample samples[] = {
      {GH_DK_DURATION, "PT1H", true},
      {GH_DK_DURATION, "P90D", true},
      {GH_DK_DURATION, "P1Y2M3DT4H5M6.5S", true},
      {GH_DK_DURATION, "-P1D", true},
      {GH_DK_DURATION, "PT0S", true},
      {GH_DK_DURATION, "P", false},
      {GH_DK_DURATION, "PT", false},
      {GH_DK_DURATION, "P1DT", false},
      {GH_DK_DURATION, "1D", false},
      {GH_DK_DURATION, "P1H", false},
      {GH_DK_DURATION, "P1D1Y", false},
      {GH_DK_DURATION, "P1Y1Y", false},
      {GH_DK_DURATION, "PT1.5H", false},
      {GH_DK_DURATION, "PT1.S", false},
      {GH_DK_DURATION, "PT.5S", false},
      {GH_DK_DURATION, "P-1D", false},
      {GH_DK_DURATION, "P1DT1", false},
      {GH_DK_DURATION, "P1D ", false},
      {GH_DK_DURATION, "", false},
      {GH_DK_JWT, "e30.e30.c2ln", true},
      {GH_DK_JWT, "e30..c2ln", true},
      {GH_DK_JWT, "e30....", false},
      {GH_DK_JWT, "e30...Y3Q.", true},
      {GH_DK_JWT, "e30.a.b.Y3Q.d", true},
      {GH_DK_JWT, ".e30.c2ln", false},
      {GH_DK_JWT, "e30.e30.", false},
      {GH_DK_JWT, "e30.e30", false},
      {GH_DK_JWT, "a.b.c.d", false},
      {GH_DK_JWT, "a.b.c.d.e.f", false},
      {GH_DK_JWT, "a.b=.c", false},
      {GH_DK_JWT, "", false},
      {GH_DK_IPV4, "10.0.0.1", true},
      {GH_DK_IPV4, "10.0.0.256", false},
      {GH_DK_IPV4, "10.0.0.1/8", false},
      {GH_DK_IPV4, "::1", false},
      {GH_DK_IPV6, "2001:db8::1", true},
      {GH_DK_IPV6, "10.0.0.1", false},
      {GH_DK_IPV6, "2001:db8:::1", false},
      {GH_DK_SCHEDULE_ENTRY, "* * 8-17 * * 1-5 *", true},
      {GH_DK_SCHEDULE_ENTRY, "0,30 */5 * * * * 2027-2030", true},
      {GH_DK_SCHEDULE_ENTRY, "* * * * * *", false},
      {GH_DK_SCHEDULE_ENTRY, "* * * * * * * *", false},
      {GH_DK_SCHEDULE_ENTRY, "*  * * * * * *", false},
      {GH_DK_SCHEDULE_ENTRY, "* * * * * * MON", false},
      {GH_DK_SCHEDULE_ENTRY, "", false},
      {GH_DK_NCNAME, "_a-b.c1", true},
      {GH_DK_NCNAME, "\xc3\xa9", true},
      {GH_DK_NCNAME, "1a", false},
      {GH_DK_NCNAME, "a:b", false},
      {GH_DK_NCNAME, "", false},
      {GH_DK_TOKEN, "", true},
      {GH_DK_TOKEN, "a b", true},
      {GH_DK_TOKEN, "a  b", false},
      {GH_DK_TOKEN, "a ", false},
      {GH_DK_TOKEN, "a\tb", false},
      {GH_DK_LABEL, "key:value", true},
      {GH_DK_LABEL, "caf\xc3\xa9", true},
      {GH_DK_LABEL, ":value", false},
      {GH_DK_LABEL, "", false},
      {GH_DK_ID, "//sp.example.com/in-cse/Cae1", true},
      {GH_DK_ID, "12-abc@issuer.example.org", true},
      {GH_DK_ID, "C*", true},
      {GH_DK_ID, "a b", false},
      {GH_DK_ID, "a\"b", false},
      {GH_DK_ID, "\xc3\xa9", false},
      {GH_DK_ANY_URI, "coaps://h:5684/p?q#f", true},
      {GH_DK_ANY_URI, "ni:///sha-256;f4OxZX_x", true},
      {GH_DK_ANY_URI, "", false},
      {GH_DK_ANY_URI, "a\nb", false},
      {GH_DK_ANY_URI, "<a>", false},
      {GH_DK_ANY_URI, "a b", false},
      {GH_DK_ANY_URI, "a\x7f", false},
      {GH_DK_ANY_URI, "~a\xc3\xa9", true},
      {GH_DK_RELEASE_VERSION, "2a", true},
      {GH_DK_RELEASE_VERSION, "3", true},
      {GH_DK_RELEASE_VERSION, "2z", true},
      {GH_DK_RELEASE_VERSION, "2{", false},
      {GH_DK_RELEASE_VERSION, "2A", false},
      {GH_DK_RELEASE_VERSION, "10b", false},
      {GH_DK_RELEASE_VERSION, "", false},
      {GH_DK_COUNTRY_CODE, "FR", true},
      {GH_DK_COUNTRY_CODE, "FRA", false},
      {GH_DK_COUNTRY_CODE, "F1", false},
      {GH_DK_REL_KEY_ID, "k.1_-", true},
      {GH_DK_REL_KEY_ID, "k@m", false},
      {GH_DK_REL_KEY_ID, "", false},
      {GH_DK_CREDENTIAL_ID, "10-thiskey@mymef.com", true},
      {GH_DK_CREDENTIAL_ID, "9-x", false},
      {GH_DK_DEVICE_CONFIG_URI, "3:coaps://mef.example.com:5684", true},
      {GH_DK_DEVICE_CONFIG_URI, "9:coaps://x", false},
      {GH_DK_DEVICE_CONFIG_URI, "3:", false},
      {GH_DK_DEVICE_CONFIG_URI, "coaps://x", false},
      {GH_DK_EXTERNAL_ID, "a@b", true},
      {GH_DK_EXTERNAL_ID, "@b", false},
      {GH_DK_EXTERNAL_ID, "a@", false},
      {GH_DK_BASE64, "", true},
      {GH_DK_BASE64, "AAAA", true},
      {GH_DK_BASE64, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", true},
      {GH_DK_BASE64, "AAA[", false},
      {GH_DK_BASE64, "AAA`", false},
      {GH_DK_BASE64, "AAA:", false},
      {GH_DK_BASE64, "AA==", true},
      {GH_DK_BASE64, "AAA=", true},
      {GH_DK_BASE64, "====", false},
      {GH_DK_BASE64, "A=AA", false},
      {GH_DK_BASE64, "AAAA====", false},
      {GH_DK_NAME_AT_FQDN, "r1@role.example.com", true},
      {GH_DK_NAME_AT_FQDN, "r1@Role.example.com", false},
      {GH_DK_ABS_REL_TIMESTAMP, "-3000", true},
      {GH_DK_ABS_REL_TIMESTAMP, "soon", false},
      {GH_DK_STRING, "", true},
  };
  for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
    const char *what = gh_dtype_check_text(samples[i].kind, gh_str_of(samples[i].text));
    if ((what == NULL) != samples[i].valid)
      fail_msg("kind %d \"%s\": %s", (int)samples[i].kind, samples[i].text, what);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(representations),         cmocka_unit_test(published_requests),
      cmocka_unit_test(long_names_become_short), cmocka_unit_test(not_an_object),
      cmocka_unit_test(every_attribute),         cmocka_unit_test(complex_values),
      cmocka_unit_test(lexical_rules),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
