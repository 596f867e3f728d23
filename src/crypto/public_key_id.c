/* Owns the text and the digests of public key identifiers. Must never compare digests of different suites. */
#include "crypto/public_key_id.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include "base/encoding.h"

enum { SHA256_BYTES = 32, DIGEST_TEXT_MAX = 44 };

static const struct {
  gh_str name;
  size_t octets;
} suites[] = {
    [GH_SHA_256] = {{"sha-256", 7}, 32},
    [GH_SHA_256_128] = {{"sha-256-128", 11}, 16},
    [GH_SHA_256_120] = {{"sha-256-120", 11}, 15},
};

gh_err gh_public_key_id_of(gh_str spki, gh_digest_suite suite, gh_public_key_id *out)
{
  /*= TS-0003 10.1.2; RFC 6920 section 2: the leftmost bits of SHA-256 over the SubjectPublicKeyInfo */
  unsigned char digest[SHA256_BYTES];
  size_t len = 0;
  GH_REQUIRE(spki.len, GH_ECRYPTO);
  int ok = EVP_Q_digest(NULL, "SHA256", NULL, spki.ptr, spki.len, digest, &len);
  ERR_clear_error();
  GH_REQUIRE(ok == 1 && len == sizeof digest, GH_ECRYPTO);
  *out = (gh_public_key_id){.suite = suite};
  memcpy(out->digest, digest, suites[suite].octets);
  return GH_OK;
}

gh_err gh_public_key_id_of_key(EVP_PKEY *key, gh_digest_suite suite, gh_public_key_id *out)
{
  unsigned char *der = NULL;
  int len = i2d_PUBKEY(key, &der);
  ERR_clear_error();
  gh_err err = len > 0 ? gh_public_key_id_of((gh_str){(const char *)der, (size_t)len}, suite, out) : GH_ECRYPTO;
  OPENSSL_free(der);
  return err;
}

static bool find_suite(gh_str name, gh_digest_suite *suite)
{
  for (size_t i = 0; i < sizeof suites / sizeof *suites; i++)
    if (gh_str_eq(suites[i].name, name)) {
      *suite = (gh_digest_suite)i;
      return true;
    }
  return false;
}

/* base64url without padding, of exactly `octets` octets. */
static gh_err decode_digest(gh_str text, size_t octets, uint8_t *out)
{
  char padded[DIGEST_TEXT_MAX];
  size_t len = (octets + 2) / 3 * 4, used = (octets * 4 + 2) / 3, got = 0;
  GH_REQUIRE(text.len == used && len <= sizeof padded, GH_ESYNTAX);
  for (size_t i = 0; i < len; i++) {
    char c = i < used ? text.ptr[i] : '=';
    GH_REQUIRE(c != '+' && c != '/' && (i >= used || c != '='), GH_ESYNTAX);
    padded[i] = (char)(c == '-' ? '+' : c == '_' ? '/' : c);
  }
  gh_err err = gh_base64_decode((gh_str){padded, len}, out, octets, &got);
  return err == GH_OK && got == octets ? GH_OK : GH_ESYNTAX;
}

/* Takes "ni://authority/" away. The authority is a host name, or nothing. */
static bool skip_ni(gh_str *text)
{
  gh_str rest = gh_str_sub(*text, 5, SIZE_MAX), authority;
  if (!gh_str_eq_nocase(gh_str_sub(*text, 0, 5), GH_STR("ni://"))) return false;
  if (!gh_str_split(&rest, '/', &authority) || !rest.ptr) return false;
  for (size_t i = 0; i < authority.len; i++) {
    char c = authority.ptr[i];
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!letter && !(c >= '-' && c <= ':' && c != '/')) return false;
  }
  *text = rest;
  return true;
}

gh_err gh_public_key_id_parse(gh_str text, gh_public_key_id *out)
{
  gh_public_key_id id = {.suite = GH_SHA_256};
  gh_str name, digest = text;
  bool uri = skip_ni(&digest);
  GH_REQUIRE(gh_str_split(&digest, uri ? ';' : '.', &name) && digest.ptr, GH_ESYNTAX);
  size_t query = uri ? gh_str_find(digest, '?') : SIZE_MAX;
  if (query != SIZE_MAX) digest = gh_str_sub(digest, 0, query);
  GH_REQUIRE(find_suite(name, &id.suite), GH_ESYNTAX);
  GH_TRY(decode_digest(digest, suites[id.suite].octets, id.digest));
  *out = id;
  return GH_OK;
}

static gh_str text_of(gh_arena *arena, const gh_public_key_id *id, const char *before, char between)
{
  gh_str name = suites[id->suite].name;
  gh_str digest = gh_base64url(arena, id->digest, suites[id->suite].octets);
  return gh_arena_fmt(arena, "%s%.*s%c%.*s", before, GH_STR_ARG(name), between, GH_STR_ARG(digest));
}

gh_str gh_public_key_id_uri(gh_arena *arena, const gh_public_key_id *id)
{
  return text_of(arena, id, "ni:///", ';');
}

gh_str gh_public_key_id_value(gh_arena *arena, const gh_public_key_id *id)
{
  return text_of(arena, id, "", '.');
}

bool gh_public_key_id_equal(const gh_public_key_id *a, const gh_public_key_id *b)
{
  return a->suite == b->suite && CRYPTO_memcmp(a->digest, b->digest, sizeof a->digest) == 0;
}

bool gh_public_key_id_matches(const gh_public_key_id *id, gh_str spki)
{
  /*= TS-0003 10.1.2; the check digest is made with the suite of the trusted identifier */
  gh_public_key_id check;
  return gh_public_key_id_of(spki, id->suite, &check) == GH_OK && gh_public_key_id_equal(id, &check);
}
