/* Public key identifiers: vectors in every suite and form, round trips, and what must be refused. */
#include "cert_maker.h"

#include "../m2m/vector_file.h"
#include "base/encoding.h"
#include "crypto/public_key_id.h"

static bool same(gh_str a, const char *b)
{
  return gh_str_eq(a, gh_str_of(b));
}

static void check_vector(gh_arena *arena, const vector *v)
{
  uint8_t octets[512];
  size_t len;
  gh_public_key_id id, again, other;
  assert_int_equal(gh_hex_decode(v->column[0], octets, sizeof octets, &len), GH_OK);
  gh_str spki = {(const char *)octets, len};
  gh_str uri = gh_arena_fmt(arena, "ni:///%.*s;%.*s", GH_STR_ARG(v->column[1]), GH_STR_ARG(v->column[2]));
  gh_str value = gh_arena_fmt(arena, "%.*s.%.*s", GH_STR_ARG(v->column[1]), GH_STR_ARG(v->column[2]));
  assert_int_equal(gh_public_key_id_parse(uri, &id), GH_OK);
  assert_true(gh_public_key_id_matches(&id, spki));
  assert_int_equal(gh_public_key_id_of(spki, id.suite, &again), GH_OK);
  assert_true(gh_public_key_id_equal(&id, &again));
  assert_true(gh_str_eq(gh_public_key_id_uri(arena, &again), uri));
  assert_true(gh_str_eq(gh_public_key_id_value(arena, &again), value));
  assert_int_equal(gh_public_key_id_parse(value, &again), GH_OK);
  assert_true(gh_public_key_id_equal(&id, &again));
  octets[len - 1] ^= 1; /* another key */
  assert_false(gh_public_key_id_matches(&id, spki));
  for (int suite = GH_SHA_256; suite <= GH_SHA_256_120; suite++) {
    octets[len - 1] ^= 1;
    assert_int_equal(gh_public_key_id_of(spki, (gh_digest_suite)suite, &other), GH_OK);
    octets[len - 1] ^= 1;
    assert_int_equal(gh_public_key_id_equal(&id, &other), (int)id.suite == suite);
  }
}

/*= TS-0003 10.1.2; sha-256, sha-256-128, sha-256-120 */
static void vectors(void **state)
{
  (void)state;
  assert_int_equal(vector_each("tests/vectors/crypto/public_key_id.txt", check_vector), 4);
}

static void of_a_key(void **state)
{
  (void)state;
  gh_arena arena;
  gh_arena_init(&arena);
  EVP_PKEY *key = new_key();
  unsigned char *der = NULL;
  int len = i2d_PUBKEY(key, &der);
  gh_public_key_id id, again;
  for (int suite = GH_SHA_256; suite <= GH_SHA_256_120; suite++) {
    assert_int_equal(gh_public_key_id_of_key(key, (gh_digest_suite)suite, &id), GH_OK);
    assert_true(gh_public_key_id_matches(&id, (gh_str){(const char *)der, (size_t)len}));
    assert_int_equal(gh_public_key_id_parse(gh_public_key_id_uri(&arena, &id), &again), GH_OK);
    assert_true(gh_public_key_id_equal(&id, &again));
    assert_false(gh_public_key_id_matches(&id, GH_STR_NONE));
  }
  OPENSSL_free(der);
  EVP_PKEY_free(key);
  gh_arena_free(&arena);
}

/* Authority and query say where to find the thing, not which it is (RFC 6920 section 3). */
static void what_does_not_count(void **state)
{
  (void)state;
  gh_public_key_id id, other;
  assert_int_equal(gh_public_key_id_parse(GH_STR("ni:///sha-256-120;Wnp4zKSg9CDZvGK7Zpw8"), &id), GH_OK);
  static const char *const equal[] = {
      "NI:///sha-256-120;Wnp4zKSg9CDZvGK7Zpw8", "ni://sp.example.com/sha-256-120;Wnp4zKSg9CDZvGK7Zpw8",
      "ni://sp.example.com:8443/sha-256-120;Wnp4zKSg9CDZvGK7Zpw8?ct=text/plain", "sha-256-120.Wnp4zKSg9CDZvGK7Zpw8"};
  for (size_t i = 0; i < sizeof equal / sizeof *equal; i++) {
    if (gh_public_key_id_parse(gh_str_of(equal[i]), &other) != GH_OK) fail_msg("%s", equal[i]);
    assert_true(gh_public_key_id_equal(&id, &other));
  }
}

static void refused(void **state)
{
  (void)state;
  static const char *const bad[] = {
      "",
      "ni:",
      "ni://",
      "ni:///",
      "ni:///sha-256",
      "ni:///sha-256;",
      "ni:///sha-256;Wnp4zKSg9CDZvGK7Zpw8J1njn3I9OuENy-DwgVoH7N",
      "ni:///sha-256;Wnp4zKSg9CDZvGK7Zpw8J1njn3I9OuENy-DwgVoH7NQA",
      "ni:///sha-256;Wnp4zKSg9CDZvGK7Zpw8J1njn3I9OuENy-DwgVoH7NQ=",
      "ni:///sha-256;Wnp4zKSg9CDZvGK7Zpw8J1njn3I9OuENy+DwgVoH7NQ", /* base64, not base64url */
      "ni:///sha-256;Wnp4zKSg9CDZvGK7Zpw8J1njn3I9OuENy-DwgVoH7NR", /* bits behind the end */
      "ni:///sha-256;Wnp4zKSg9CDZvGK7Zpw8J1njn3I9OuENy-DwgVoH7N=",
      "ni:///sha-256-128;Wnp4zKSg9CDZvGK7Zpw8Jx",
      "ni:///sha-256-120;Wnp4zKSg9CDZvGK7Zpw8J",
      "ni:///sha-256-120;Wnp4zKSg9CDZvGK7Zp 8",
      "ni:///sha-256-32;Wnp4zA", /* too short a suite for trust, and not in the clause */
      "ni:///SHA-256-120;Wnp4zKSg9CDZvGK7Zpw8",
      "ni:///sha-512;Wnp4zKSg9CDZvGK7Zpw8",
      "ni:///sha-256-120.Wnp4zKSg9CDZvGK7Zpw8",
      "sha-256-120;Wnp4zKSg9CDZvGK7Zpw8",
      "ni://a b/sha-256-120;Wnp4zKSg9CDZvGK7Zpw8",
      "nih:sha-256-120;5a7a78cca4a0f420d9bc62bb669c3c",
      "sha-256-120.Wnp4zKSg9CDZvGK7Zpw8?x",
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    gh_public_key_id id = {.digest = {7}}, before = id;
    if (gh_public_key_id_parse(gh_str_of(bad[i]), &id) != GH_ESYNTAX) fail_msg("%s", bad[i]);
    assert_memory_equal(&id, &before, sizeof id);
  }
  gh_public_key_id id;
  assert_int_equal(gh_public_key_id_parse(GH_STR_NONE, &id), GH_ESYNTAX);
}

static void text_of_a_credential_id(void **state)
{
  (void)state;
  gh_arena arena;
  gh_arena_init(&arena);
  gh_public_key_id id;
  assert_int_equal(gh_public_key_id_parse(GH_STR("ni:///sha-256-120;Wnp4zKSg9CDZvGK7Zpw8"), &id), GH_OK);
  assert_true(same(gh_public_key_id_value(&arena, &id), "sha-256-120.Wnp4zKSg9CDZvGK7Zpw8"));
  gh_arena_free(&arena);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(vectors),
      cmocka_unit_test(of_a_key),
      cmocka_unit_test(what_does_not_count),
      cmocka_unit_test(refused),
      cmocka_unit_test(text_of_a_credential_id),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
