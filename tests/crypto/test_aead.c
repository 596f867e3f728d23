/* AES-256-GCM: a published case, round trips, and every changed bit refused. */
#include "hex.h"

#include "crypto/aead.h"

/* Test case 16 of the GCM submission (McGrew, Viega): 256-bit key, 96-bit nonce, additional data. */
static void test_published_case(void **state)
{
  (void)state;
  gh_arena arena;
  uint8_t key[32], nonce[12], aad[20], plain[60], out[76];
  gh_arena_init(&arena);
  hex_octets(GH_STR("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"), key, sizeof(key));
  hex_octets(GH_STR("cafebabefacedbaddecaf888"), nonce, sizeof(nonce));
  hex_octets(GH_STR("feedfacedeadbeeffeedfacedeadbeefabaddad2"), aad, sizeof(aad));
  hex_octets(GH_STR("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
                    "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"),
             plain, sizeof(plain));
  assert_int_equal(
      gh_aead_seal(key, nonce, (gh_str){(char *)aad, sizeof(aad)}, (gh_str){(char *)plain, sizeof(plain)}, out),
      GH_OK);
  assert_slice(gh_hex_lower(&arena, out, sizeof(out)),
               GH_STR("522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
                      "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b"));
  gh_arena_free(&arena);
}

static void test_changed_bits(void **state)
{
  (void)state;
  const uint8_t key[32] = {7}, nonce[12] = {9};
  uint8_t sealed[5 + GH_AEAD_TAG_BYTES], plain[5];
  assert_int_equal(gh_aead_seal(key, nonce, GH_STR("aad"), GH_STR("plain"), sealed), GH_OK);
  const gh_str whole = {(const char *)sealed, sizeof(sealed)};
  assert_int_equal(gh_aead_open(key, nonce, GH_STR("aad"), whole, plain), GH_OK);
  assert_memory_equal(plain, "plain", 5);
  assert_int_equal(gh_aead_open(key, nonce, GH_STR("aae"), whole, plain), GH_ETAMPER);
  assert_int_equal(gh_aead_open(key, nonce, GH_STR_NONE, whole, plain), GH_ETAMPER);
  for (size_t bit = 0; bit < 8 * sizeof(sealed); bit++) {
    sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
    memset(plain, 0x55, sizeof(plain));
    assert_int_equal(gh_aead_open(key, nonce, GH_STR("aad"), whole, plain), GH_ETAMPER);
    assert_memory_equal(plain, "\0\0\0\0\0", 5); /* nothing unverified is handed out */
    sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
  }
  for (size_t len = 0; len < sizeof(sealed); len++)
    assert_int_equal(gh_aead_open(key, nonce, GH_STR("aad"), gh_str_sub(whole, 0, len), plain), GH_ETAMPER);
}

static void test_empty(void **state)
{
  (void)state;
  const uint8_t key[32] = {7}, nonce[12] = {9};
  uint8_t sealed[GH_AEAD_TAG_BYTES], none[1];
  assert_int_equal(gh_aead_seal(key, nonce, GH_STR_NONE, GH_STR_NONE, sealed), GH_OK);
  assert_int_equal(gh_aead_open(key, nonce, GH_STR_NONE, (gh_str){(const char *)sealed, sizeof(sealed)}, none),
                   GH_OK);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_published_case),
      cmocka_unit_test(test_changed_bits),
      cmocka_unit_test(test_empty),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
