/* Key derivation against vectors that were computed by other code (tests/vectors/crypto/recompute.py). */
#include "hex.h"

#include "crypto/hmac.h"
#include "crypto/kdf.h"

static const gh_secret ke = {.bytes = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                       16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31},
                             .len = 32};

static gh_err derive(const vector *v, gh_secret *out)
{
  gh_secret key = hex_secret(v->column[1]);
  uint64_t suid = 0;
  if (gh_str_eq(v->column[0], GH_STR("km"))) return gh_kdf_km(&key, v->column[2], out);
  if (gh_str_eq(v->column[0], GH_STR("kpsa"))) return gh_kdf_kpsa(&key, v->column[2], out);
  if (gh_str_eq(v->column[0], GH_STR("session"))) return gh_kdf_session_esprim(&key, v->column[2], v->column[3], out);
  assert_true(gh_str_eq(v->column[0], GH_STR("usage")) && gh_str_to_u64(v->column[2], &suid));
  return gh_kdf_usage(&key, (int)suid, v->column[3], out);
}

static void each_kdf(gh_arena *arena, const vector *v)
{
  gh_secret out = {.len = 0};
  assert_int_equal(v->count, 5);
  assert_int_equal(derive(v, &out), GH_OK);
  assert_slice(hex_of(arena, &out), v->column[4]);
}

/*= TS-0003 10.3.2 */
/*= TS-0003 10.3.3 */
/*= TS-0003 10.3.7 */
/*= TS-0003 10.3.8 */
/*= TS-0003 10.3; identifiers are NFKC-normalised before they are encoded in UTF-8 */
static void test_vectors(void **state)
{
  (void)state;
  assert_int_equal(vector_each("tests/vectors/crypto/kdf.txt", each_kdf), 27);
}

static void each_e2e(gh_arena *arena, const vector *v)
{
  uint8_t salt[64];
  gh_e2e_keys keys;
  gh_secret kpsa = hex_secret(v->column[0]);
  bool salted = !gh_str_eq(v->column[1], GH_STR("-"));
  size_t salt_len = salted ? hex_octets(v->column[1], salt, sizeof(salt)) : 0;
  assert_int_equal(v->count, 5);
  assert_int_equal(gh_kdf_e2e(&kpsa, (gh_str){(const char *)salt, salt_len}, &keys), GH_OK);
  assert_slice(hex_of(arena, &keys.master), v->column[2]);
  assert_slice(hex_of(arena, &keys.msg_auth), gh_str_sub(v->column[3], 0, 64));
  assert_slice(hex_of(arena, &keys.msg_conf), gh_str_sub(v->column[3], 64, 64));
  assert_slice(hex_of(arena, &keys.att_auth), gh_str_sub(v->column[4], 0, 64));
  assert_slice(hex_of(arena, &keys.att_conf), gh_str_sub(v->column[4], 64, 64));
}

/*= TS-0003 10.3.6 */
static void test_e2e_vectors(void **state)
{
  (void)state;
  assert_int_equal(vector_each("tests/vectors/crypto/e2e.txt", each_e2e), 2);
}

/*= TS-0003 10.3.8; the other order gives another key */
static void test_session_key_depends_on_order(void **state)
{
  (void)state;
  gh_secret one, two;
  assert_int_equal(gh_kdf_session_esprim(&ke, GH_STR("{r}"), GH_STR("{o}"), &one), GH_OK);
  assert_int_equal(gh_kdf_session_esprim(&ke, GH_STR("{o}"), GH_STR("{r}"), &two), GH_OK);
  assert_false(gh_secret_equal(&one, &two));
}

/* `out` must be untouched by every refusal. */
#define assert_refused(call, want)                                                                                   \
  do {                                                                                                               \
    gh_secret out = {.bytes = "untouched", .len = 9};                                                                \
    assert_int_equal((call), (want));                                                                                \
    assert_int_equal(out.len, 9);                                                                                    \
    assert_memory_equal(out.bytes, "untouched", 10);                                                                 \
  } while (0)

static void test_refused_identifiers(void **state)
{
  (void)state;
  char huge[2000];
  memset(huge, 'a', sizeof(huge));
  assert_refused(gh_kdf_km(&ke, GH_STR("ma\xff.example.com"), &out), GH_ESYNTAX);
  assert_refused(gh_kdf_km(&ke, GH_STR("ma\xc0\xaf.example.com"), &out), GH_ESYNTAX);     /* over-long form of '/' */
  assert_refused(gh_kdf_km(&ke, GH_STR("ma\xed\xa0\x80.example.com"), &out), GH_ESYNTAX); /* surrogate */
  assert_refused(gh_kdf_kpsa(&ke, GH_STR("//sp.example.com/\xc3"), &out), GH_ESYNTAX);    /* cut */
  assert_refused(gh_kdf_usage(&ke, 21, GH_STR("maf\xf4\x90\x80\x80"), &out), GH_ESYNTAX); /* above U+10FFFF */
  assert_refused(gh_kdf_km(&ke, GH_STR("maf\0.example.com"), &out), GH_ESYNTAX);
  assert_refused(gh_kdf_km(&ke, GH_STR_NONE, &out), GH_EINVAL);
  assert_refused(gh_kdf_km(&ke, ((gh_str){huge, sizeof(huge)}), &out), GH_ELIMIT);
}

static void test_refused_numbers_and_keys(void **state)
{
  (void)state;
  const gh_secret empty = {.len = 0}, brief = {.len = 15}, bad = {.len = GH_SECRET_MAX_BYTES + 1};
  gh_e2e_keys keys;
  const int suids[] = {-1, 0, 9, 100, 121};
  for (size_t i = 0; i < sizeof(suids) / sizeof(suids[0]); i++)
    assert_refused(gh_kdf_usage(&ke, suids[i], GH_STR("maf.example.com"), &out), GH_EINVAL);
  assert_refused(gh_kdf_km(&empty, GH_STR("maf.example.com"), &out), GH_EINVAL);
  assert_refused(gh_kdf_kpsa(&brief, GH_STR("maf.example.com"), &out), GH_EINVAL);
  assert_refused(gh_kdf_usage(&bad, 21, GH_STR("maf.example.com"), &out), GH_EINVAL);
  assert_refused(gh_kdf_session_esprim(&brief, GH_STR("r"), GH_STR("o"), &out), GH_EINVAL);
  assert_refused(gh_kdf_session_esprim(&ke, GH_STR_NONE, GH_STR("o"), &out), GH_EINVAL);
  assert_refused(gh_kdf_session_esprim(&ke, GH_STR("r"), GH_STR_NONE, &out), GH_EINVAL);
  assert_int_equal(gh_kdf_e2e(&empty, GH_STR_NONE, &keys), GH_EINVAL);
  assert_int_equal(gh_kdf_e2e(&bad, GH_STR_NONE, &keys), GH_EINVAL);
}

/* The key may be an output at the same time: a derivation in place. */
static void test_in_place(void **state)
{
  (void)state;
  gh_secret key = ke, want;
  assert_int_equal(gh_kdf_usage(&ke, 21, GH_STR("maf.example.com"), &want), GH_OK);
  assert_int_equal(gh_kdf_usage(&key, 21, GH_STR("maf.example.com"), &key), GH_OK);
  assert_true(gh_secret_equal(&key, &want));
}

/* RFC 4231 test cases 2 and 6: a short key, a key longer than the block. */
static void test_hmac(void **state)
{
  (void)state;
  gh_arena arena;
  uint8_t out[32], long_key[131];
  gh_arena_init(&arena);
  assert_int_equal(gh_hmac_sha256("Jefe", 4, GH_STR("what do ya want for nothing?"), out), GH_OK);
  assert_slice(gh_hex_lower(&arena, out, 32),
               GH_STR("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"));
  const gh_str parts[] = {GH_STR("what do ya "), GH_STR_NONE, GH_STR("want for nothing?")};
  assert_int_equal(gh_hmac_sha256_parts("Jefe", 4, parts, 3, out), GH_OK);
  assert_slice(gh_hex_lower(&arena, out, 4), GH_STR("5bdcc146"));
  memset(long_key, 0xaa, sizeof(long_key));
  assert_int_equal(gh_hmac_sha256(long_key, sizeof(long_key),
                                  GH_STR("Test Using Larger Than Block-Size Key - Hash Key First"), out),
                   GH_OK);
  assert_slice(gh_hex_lower(&arena, out, 32),
               GH_STR("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"));
  assert_int_equal(gh_hmac_sha256(NULL, 0, GH_STR_NONE, out), GH_OK);
  assert_slice(gh_hex_lower(&arena, out, 4), GH_STR("b613679a"));
  gh_arena_free(&arena);
}

/* A prepared key begins anew with each message, and gives what an unprepared one gives. */
static void test_hmac_again(void **state)
{
  (void)state;
  gh_hmac *hmac = gh_hmac_new("Jefe", 4);
  const gh_str parts[] = {GH_STR("what do ya "), GH_STR("want for nothing?")}, other[] = {GH_STR("nothing")};
  uint8_t whole[32], again[32];
  assert_non_null(hmac);
  for (int i = 0; i < 3; i++) {
    assert_int_equal(gh_hmac_sha256("Jefe", 4, GH_STR("what do ya want for nothing?"), whole), GH_OK);
    assert_int_equal(gh_hmac_run(hmac, parts, 2, again), GH_OK);
    assert_memory_equal(whole, again, sizeof whole);
    assert_int_equal(gh_hmac_run(hmac, other, 1, again), GH_OK);
    assert_memory_not_equal(whole, again, sizeof whole);
  }
  gh_hmac_free(hmac);
  gh_hmac_free(NULL);
}

/*= TS-0003 10.3.1 */
static void test_export_split(void **state)
{
  (void)state;
  uint8_t exported[GH_EXPORT_BYTES], id[GH_EXPORT_ID_BYTES];
  gh_secret key;
  for (size_t i = 0; i < sizeof(exported); i++) exported[i] = (uint8_t)i;
  gh_export_split(exported, id, &key);
  assert_memory_equal(id, exported, 16);
  assert_int_equal(key.len, 32);
  assert_memory_equal(key.bytes, exported + 16, 32);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_vectors),
      cmocka_unit_test(test_e2e_vectors),
      cmocka_unit_test(test_session_key_depends_on_order),
      cmocka_unit_test(test_refused_identifiers),
      cmocka_unit_test(test_refused_numbers_and_keys),
      cmocka_unit_test(test_in_place),
      cmocka_unit_test(test_hmac),
      cmocka_unit_test(test_hmac_again),
      cmocka_unit_test(test_export_split),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
