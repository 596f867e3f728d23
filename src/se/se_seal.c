/* Owns the octets of a sealed file. Must never spend memory or time on numbers from the file before they are
 * bounded. */
#include "se/se_seal.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "crypto/aead.h"
#include "crypto/hmac.h"
#include "gatehouse/secret.h"
#include "se/se_table.h"

#define MAGIC "GHSEAL1\n"

enum {
  MAGIC_BYTES = 8,
  FORMAT = 1,
  AT_FORMAT = 8,
  AT_COST = 12,
  AT_SALT = 24,
  AT_CHECK = 56,
  AT_COUNTER = 72,
  AT_NONCE = 80,
  AT_BODY_LEN = 92,
  LOG2_N_MIN = 4,
  LOG2_N_MAX = 20,
  R_MAX = 16,
  P_MAX = 4
};

#define SCRYPT_MAX_BYTES (UINT64_C(256) << 20)

const gh_seal_cost gh_seal_default_cost = {15, 8, 1};

static void put_be(uint8_t *at, uint64_t value, size_t bytes)
{
  for (size_t i = 0; i < bytes; i++) at[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
}

static uint64_t get_be(const uint8_t *at, size_t bytes)
{
  uint64_t value = 0;
  for (size_t i = 0; i < bytes; i++) value = value << 8 | at[i];
  return value;
}

static uint64_t scrypt_bytes(const gh_seal_cost *cost)
{
  return (UINT64_C(128) * cost->r) << cost->log2_n;
}

static gh_err check_cost(const gh_seal_cost *cost)
{
  GH_REQUIRE(cost->log2_n >= LOG2_N_MIN && cost->log2_n <= LOG2_N_MAX, GH_ELIMIT);
  GH_REQUIRE(cost->r >= 1 && cost->r <= R_MAX && cost->p >= 1 && cost->p <= P_MAX, GH_ELIMIT);
  GH_REQUIRE(scrypt_bytes(cost) <= SCRYPT_MAX_BYTES, GH_ELIMIT);
  return GH_OK;
}

/* ---- header */

static void header_encode(const gh_seal_header *h, uint8_t out[static GH_SEAL_HEADER_BYTES])
{
  memcpy(out, MAGIC, MAGIC_BYTES);
  put_be(out + AT_FORMAT, FORMAT, 4);
  put_be(out + AT_COST, h->cost.log2_n, 4);
  put_be(out + AT_COST + 4, h->cost.r, 4);
  put_be(out + AT_COST + 8, h->cost.p, 4);
  memcpy(out + AT_SALT, h->salt, sizeof(h->salt));
  memcpy(out + AT_CHECK, h->check, sizeof(h->check));
  put_be(out + AT_COUNTER, h->counter, 8);
  memcpy(out + AT_NONCE, h->nonce, sizeof(h->nonce));
  put_be(out + AT_BODY_LEN, h->body_len, 4);
}

static void header_decode(const uint8_t in[static GH_SEAL_HEADER_BYTES], gh_seal_header *h)
{
  h->cost.log2_n = (uint32_t)get_be(in + AT_COST, 4);
  h->cost.r = (uint32_t)get_be(in + AT_COST + 4, 4);
  h->cost.p = (uint32_t)get_be(in + AT_COST + 8, 4);
  memcpy(h->salt, in + AT_SALT, sizeof(h->salt));
  memcpy(h->check, in + AT_CHECK, sizeof(h->check));
  h->counter = get_be(in + AT_COUNTER, 8);
  memcpy(h->nonce, in + AT_NONCE, sizeof(h->nonce));
  h->body_len = (uint32_t)get_be(in + AT_BODY_LEN, 4);
}

gh_err gh_seal_header_read(gh_str file, gh_seal_header *header)
{
  const uint8_t *octets = (const uint8_t *)file.ptr;
  GH_REQUIRE(file.len >= GH_SEAL_HEADER_BYTES && memcmp(octets, MAGIC, MAGIC_BYTES) == 0, GH_ESYNTAX);
  GH_REQUIRE(get_be(octets + AT_FORMAT, 4) == FORMAT, GH_ESYNTAX);
  header_decode(octets, header);
  GH_TRY(check_cost(&header->cost));
  GH_REQUIRE(header->body_len <= GH_SE_MAX_IMAGE_BYTES, GH_ELIMIT);
  GH_REQUIRE(file.len == GH_SEAL_HEADER_BYTES + (size_t)header->body_len + GH_SEAL_TAG_BYTES, GH_ESYNTAX);
  return GH_OK;
}

/* ---- key */

static bool scrypt(EVP_KDF_CTX *ctx, const gh_seal_header *h, gh_str passphrase, gh_seal_key *key)
{
  uint64_t n = UINT64_C(1) << h->cost.log2_n, max = 2 * SCRYPT_MAX_BYTES;
  gh_seal_header copy = *h; /* the library wants pointers to what it may change */
  union {
    const char *in;
    char *arg;
  } pass = {.in = passphrase.ptr};
  OSSL_PARAM params[] = {OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PASSWORD, pass.arg, passphrase.len),
                         OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, copy.salt, sizeof(copy.salt)),
                         OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &n),
                         OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_R, &copy.cost.r),
                         OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_P, &copy.cost.p),
                         OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &max),
                         OSSL_PARAM_END};
  return EVP_KDF_derive(ctx, (unsigned char *)key, sizeof(*key), params) == 1;
}

static gh_err stretch(const gh_seal_header *h, gh_str passphrase, gh_seal_key *key)
{
  GH_REQUIRE(passphrase.len > 0, GH_EINVAL);
  EVP_KDF *kdf = EVP_KDF_fetch(NULL, "SCRYPT", NULL);
  EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
  bool ok = ctx && scrypt(ctx, h, passphrase, key);
  EVP_KDF_CTX_free(ctx);
  EVP_KDF_free(kdf);
  ERR_clear_error();
  return ok ? GH_OK : GH_ECRYPTO;
}

static gh_err make_check(const gh_seal_header *h, const gh_seal_key *key, uint8_t check[static GH_SEAL_CHECK_BYTES])
{
  uint8_t octets[GH_SEAL_HEADER_BYTES], mac[32];
  header_encode(h, octets);
  GH_TRY(gh_hmac_sha256_parts(key->check, sizeof(key->check), &(gh_str){(const char *)octets, AT_CHECK}, 1, mac));
  memcpy(check, mac, GH_SEAL_CHECK_BYTES);
  return GH_OK;
}

gh_err gh_seal_start(const gh_seal_cost *cost, gh_str passphrase, const gh_random *random, gh_seal_header *header,
                     gh_seal_key *key)
{
  GH_TRY(check_cost(cost));
  *header = (gh_seal_header){.cost = *cost};
  GH_TRY(gh_random_fill(random, header->salt, sizeof(header->salt)));
  GH_TRY(stretch(header, passphrase, key));
  return make_check(header, key, header->check);
}

gh_err gh_seal_key_derive(const gh_seal_header *header, gh_str passphrase, gh_seal_key *key)
{
  uint8_t check[GH_SEAL_CHECK_BYTES];
  GH_TRY(check_cost(&header->cost));
  GH_TRY(stretch(header, passphrase, key));
  GH_TRY(make_check(header, key, check));
  GH_REQUIRE(gh_bytes_equal_ct(check, header->check, sizeof(check)), GH_EAUTH);
  return GH_OK;
}

/* ---- body */

gh_err gh_seal_write(gh_seal_header *header, const gh_seal_key *key, const gh_random *random, gh_str plain,
                     uint8_t *out)
{
  GH_REQUIRE(plain.len <= GH_SE_MAX_IMAGE_BYTES, GH_ELIMIT);
  gh_seal_header next = *header;
  next.counter++;
  next.body_len = (uint32_t)plain.len;
  GH_TRY(gh_random_fill(random, next.nonce, sizeof(next.nonce)));
  header_encode(&next, out);
  GH_TRY(gh_aead_seal(key->seal, next.nonce, (gh_str){(const char *)out, GH_SEAL_HEADER_BYTES}, plain,
                      out + GH_SEAL_HEADER_BYTES));
  *header = next;
  return GH_OK;
}

gh_err gh_seal_open(const gh_seal_header *header, const gh_seal_key *key, gh_str file, uint8_t *plain)
{
  return gh_aead_open(key->seal, header->nonce, gh_str_sub(file, 0, GH_SEAL_HEADER_BYTES),
                      gh_str_sub(file, GH_SEAL_HEADER_BYTES, file.len), plain);
}
