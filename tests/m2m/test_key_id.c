/* Identifiers of keys and credentials, m2m:suid. */
#include "cmocka_all.h"

#include "m2m/key_id.h"
#include "m2m/tables.h"

static gh_err parse(const char *text, bool base64, gh_key_id *out)
{
  return gh_key_id_parse(gh_str_of(text), base64, out);
}

/*= TS-0003 10.5; relative@FQDN */
static void splits_at_the_last_at(void **state)
{
  (void)state;
  gh_key_id id;
  assert_int_equal(parse("this-key_1.0@mymef.com", false, &id), GH_OK);
  assert_str(id.relative, "this-key_1.0");
  assert_str(id.fqdn, "mymef.com");
  const char *const bad[] = {"",      "@",    "a",     "a@",         "@b",         "a@b@c", "a b@c", "a@b c", "a/b@c",
                             "a@b_c", "a@.c", "a\n@c", "\xc3\xa9@c", "a@\xc3\xa9", "a+b@c", "a=@c",  "a@-c",  "a@c."};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    if (parse(bad[i], false, &id) != GH_ESYNTAX) fail_msg("%s", bad[i]);
  assert_int_equal(gh_key_id_parse(GH_STR("a\0b@c"), false, &id), GH_ESYNTAX);
  assert_str(id.relative, "this-key_1.0"); /* untouched by the refusals */
}

/*= TS-0003 8.3.2.3; KpmID := B-TID */
static void base64_where_asked_for(void **state)
{
  (void)state;
  gh_key_id id;
  assert_int_equal(parse("QEFC+/RF==@bsf.operator.com", true, &id), GH_OK);
  assert_str(id.relative, "QEFC+/RF==");
  assert_int_equal(parse("QEFC+/RF==@bsf.operator.com", false, &id), GH_ESYNTAX);
  assert_int_equal(parse("QE FC@bsf.operator.com", true, &id), GH_ESYNTAX);
}

static void length_is_bounded(void **state)
{
  (void)state;
  char text[300];
  gh_key_id id;
  memset(text, 'k', sizeof text);
  memcpy(text + 253, "@m", 2);
  assert_int_equal(gh_key_id_parse((gh_str){text, 255}, false, &id), GH_OK);
  memcpy(text + 254, "@m", 2);
  assert_int_equal(gh_key_id_parse((gh_str){text, 256}, false, &id), GH_ELIMIT);
}

static bool equal(const char *left, const char *right)
{
  gh_key_id a, b;
  gh_arena arena;
  gh_arena_init(&arena);
  assert_int_equal(parse(left, false, &a), GH_OK);
  assert_int_equal(parse(right, false, &b), GH_OK);
  bool same = gh_key_id_equal(&a, &b);
  /* lookups by canonical text agree with the comparison */
  assert_int_equal(same, gh_str_eq(gh_key_id_canonical(&arena, &a), gh_key_id_canonical(&arena, &b)));
  gh_arena_free(&arena);
  return same;
}

/*= TS-0003 10.3.4; hexBinary has no case */
static void equality(void **state)
{
  (void)state;
  assert_true(equal("E314c8@mef.example.com", "e314C8@MEF.example.com"));
  assert_true(equal("key-1@m", "key-1@M"));
  assert_false(equal("Key-1@m", "key-1@m"));
  assert_false(equal("AB@m", "AC@m"));
  assert_false(equal("AB@m", "AB@n"));
  assert_false(equal("AB@m", "ABC@m"));
  assert_false(equal("ABx@m", "abX@m"));
}

/*= TS-0003 10.3.4; KeID */
/*= TS-0003 10.3.5; Key Identifier */
static void from_octets(void **state)
{
  (void)state;
  gh_arena arena;
  gh_arena_init(&arena);
  const uint8_t octets[GH_REL_KEY_ID_BYTES] = {0xe3, 0x14, 0xc8, 0xd5, 0xa5, 0x6c, 0xb4, 0x34,
                                               0x7b, 0x4f, 0xf9, 0x7e, 0x6e, 0x17, 0x68, 0x47};
  assert_str(gh_key_id_of_octets(&arena, octets, GH_STR("mef.Example.com")),
             "E314C8D5A56CB4347B4FF97E6E176847@mef.example.com");
  gh_arena_free(&arena);
}

/*= TS-0004 6.3.4.2.39; the table of usages, nothing else */
static void suids(void **state)
{
  (void)state;
  for (int64_t suid = -10; suid < 300; suid++) assert_int_equal(gh_suid_valid(suid), gh_enum_has("m2m:suid", suid));
  assert_false(gh_suid_valid(20) || gh_suid_valid(30) || gh_suid_valid(31));
  assert_true(gh_suid_valid(21) && gh_suid_valid(32) && gh_suid_valid(40));
  assert_int_equal(gh_suid_use_of(32), GH_USE_SAEF);
}

/*= TS-0003 10.4; type and value */
static void credential_ids(void **state)
{
  (void)state;
  gh_arena arena;
  gh_arena_init(&arena);
  unsigned type;
  gh_str value;
  for (int64_t i = 0; i < 200; i++)
    assert_int_equal(gh_cred_type_known((uint64_t)i), gh_enum_has("sec:credIDTypeID", i));
  gh_str text = gh_credential_id(&arena, GH_CRED_AE_CERT, GH_STR("//sp.example.com/in-cse/Cae1"));
  assert_str(text, "33-//sp.example.com/in-cse/Cae1");
  assert_int_equal(gh_credential_id_parse(text, &type, &value), GH_OK);
  assert_int_equal(type, 33);
  assert_str(value, "//sp.example.com/in-cse/Cae1");
  const char *const good[] = {"10-thiskey@mymef.com", "34-urn:gsma:imei:90420156-025763-0;svn=42", "31-0.2.481.1"};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++)
    assert_int_equal(gh_credential_id_parse(gh_str_of(good[i]), &type, &value), GH_OK);
  const char *const bad[] = {"", "-", "10", "10-", "-x", "010-x", "1x-y", "+10-x", "10-a b", "10-\xc3\xa9", "10-\n"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    if (gh_credential_id_parse(gh_str_of(bad[i]), &type, &value) != GH_ESYNTAX) fail_msg("%s", bad[i]);
  const char *const unknown[] = {"17-x", "1-x", "40-x", "35-x", "99999999999-x"};
  for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
    assert_int_equal(gh_credential_id_parse(gh_str_of(unknown[i]), &type, &value), GH_ERANGE);
  gh_arena_free(&arena);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(splits_at_the_last_at), cmocka_unit_test(base64_where_asked_for),
      cmocka_unit_test(length_is_bounded),     cmocka_unit_test(equality),
      cmocka_unit_test(from_octets),           cmocka_unit_test(suids),
      cmocka_unit_test(credential_ids),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
