/* Hexadecimal and base64: vectors of RFC 4648 clause 10, and what a strict decoder must refuse. */
#include "../m2m/cmocka_all.h"

#include "base/encoding.h"
#include "base/random.h"

static const struct {
  const char *octets, *base64, *base64url, *hex;
} vectors[] = {
    {"", "", "", ""},
    {"f", "Zg==", "Zg", "66"},
    {"fo", "Zm8=", "Zm8", "666F"},
    {"foo", "Zm9v", "Zm9v", "666F6F"},
    {"foob", "Zm9vYg==", "Zm9vYg", "666F6F62"},
    {"fooba", "Zm9vYmE=", "Zm9vYmE", "666F6F6261"},
    {"foobar", "Zm9vYmFy", "Zm9vYmFy", "666F6F626172"},
    {"\xfb\xff\xfe", "+//+", "-__-", "FBFFFE"},
};

static void vectors_of_rfc_4648(void **state)
{
  (void)state;
  gh_arena arena;
  gh_arena_init(&arena);
  for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
    uint8_t out[16];
    size_t len = 99, octets = strlen(vectors[i].octets);
    assert_str(gh_base64(&arena, vectors[i].octets, octets), vectors[i].base64);
    assert_str(gh_base64url(&arena, vectors[i].octets, octets), vectors[i].base64url);
    assert_str(gh_hex_upper(&arena, vectors[i].octets, octets), vectors[i].hex);
    assert_true(gh_str_eq_nocase(gh_hex_lower(&arena, vectors[i].octets, octets), gh_str_of(vectors[i].hex)));
    assert_int_equal(gh_base64_decode(gh_str_of(vectors[i].base64), out, sizeof out, &len), GH_OK);
    assert_int_equal(len, octets);
    assert_memory_equal(out, vectors[i].octets, octets);
    assert_int_equal(gh_hex_decode(gh_str_of(vectors[i].hex), out, sizeof out, &len), GH_OK);
    assert_int_equal(len, octets);
    assert_memory_equal(out, vectors[i].octets, octets);
  }
  gh_arena_free(&arena);
}

/* RFC 4648 3.3 and 3.5: one text for each value, so that a key cannot be smuggled in twice */
static void base64_is_strict(void **state)
{
  (void)state;
  static const char *const bad[] = {"Z",    "Zg",   "Zg=",     "Zg===", "=",        "==",      "====",   "Z===",
                                    "=Zg=", "Zh==", "Zm9=",    "Zg=A",  "Zg==Zg==", " Zg=",    "Zm9v\n", "Zm9v\r\n",
                                    "Zm 9", "Zm-_", "Zm9\x80", "Zm9v=", "Zm9v====", "Zm9v===", "A=BC"};
  uint8_t out[16];
  size_t len = 99;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    if (gh_base64_decode(gh_str_of(bad[i]), out, sizeof out, &len) != GH_ESYNTAX) fail_msg("\"%s\"", bad[i]);
  assert_int_equal(gh_base64_decode(GH_STR("Zm9\0"), out, sizeof out, &len), GH_ESYNTAX);
  assert_int_equal(len, 99);
  assert_int_equal(gh_base64_decode(GH_STR("Zm9vYg=="), out, 4, &len), GH_OK);
  assert_int_equal(gh_base64_decode(GH_STR("Zm9vYg=="), out, 3, &len), GH_ELIMIT);
  assert_int_equal(gh_base64_decode(GH_STR(""), out, 0, &len), GH_OK);
  assert_int_equal(len, 0);
}

/* Every octet value at every place, and every text that differs in one character from a good one decodes to something
 * else. */
static void base64_of_everything(void **state)
{
  (void)state;
  gh_arena arena;
  gh_arena_init(&arena);
  uint64_t seed = 1;
  gh_random random = gh_random_of_seed(&seed);
  for (size_t len = 1; len <= 64; len++) {
    uint8_t octets[64], out[64];
    size_t got = 0;
    assert_int_equal(gh_random_fill(&random, octets, len), GH_OK);
    gh_str text = gh_base64(&arena, octets, len);
    assert_int_equal(gh_base64_decode(text, out, sizeof out, &got), GH_OK);
    assert_int_equal(got, len);
    assert_memory_equal(out, octets, len);
    char changed[96];
    memcpy(changed, text.ptr, text.len);
    for (int c = 0; c < 256; c++) {
      changed[text.len / 2] = (char)c;
      if (c == (uint8_t)text.ptr[text.len / 2]) continue;
      bool same = gh_base64_decode((gh_str){changed, text.len}, out, sizeof out, &got) == GH_OK && got == len &&
                  memcmp(out, octets, len) == 0;
      assert_false(same);
    }
  }
  gh_arena_free(&arena);
}

static void hex_is_strict(void **state)
{
  (void)state;
  static const char *const bad[] = {"0", "0g", "0x", " 00", "00 ", "0:", "@0", "`0", "G0", "\xc3\xa9"};
  uint8_t out[4] = {1, 2, 3, 4};
  size_t len = 99;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    if (gh_hex_decode(gh_str_of(bad[i]), out, sizeof out, &len) != GH_ESYNTAX) fail_msg("\"%s\"", bad[i]);
  assert_int_equal(gh_hex_decode(GH_STR("0011223344"), out, sizeof out, &len), GH_ELIMIT);
  assert_memory_equal(out, "\1\2\3\4", 4); /* untouched */
  assert_int_equal(len, 99);
  assert_int_equal(gh_hex_decode(GH_STR("aBcD"), out, sizeof out, &len), GH_OK);
  assert_memory_equal(out, "\xab\xcd", 2);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(vectors_of_rfc_4648),
      cmocka_unit_test(base64_is_strict),
      cmocka_unit_test(base64_of_everything),
      cmocka_unit_test(hex_is_strict),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
