/* The TLS exporter of TS-0003 10.3.1: vectors of the PRF, and live handshakes in this process whose exports are
 * computed a second time from the secrets of the session. */
#include "hex.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/ssl.h>

#include "crypto/hmac.h"
#include "crypto/kdf.h"

enum { RANDOM_BYTES = 32, MASTER_BYTES = 48 };

/* ---- TLS 1.2: P_SHA256 by the KDF of the library, which the exporter code does not share */

static void prf12(const uint8_t *master, const uint8_t *client, const uint8_t *server, gh_str label,
                  bool zero_context, uint8_t out[GH_EXPORT_BYTES])
{
  uint8_t seed[128];
  size_t len = label.len;
  char digest[] = "SHA256";
  uint8_t secret[MASTER_BYTES];
  memcpy(secret, master, sizeof(secret));
  memcpy(seed, label.ptr, label.len);
  memcpy(seed + len, client, RANDOM_BYTES);
  memcpy(seed + len + RANDOM_BYTES, server, RANDOM_BYTES);
  len += 2 * RANDOM_BYTES;
  if (zero_context) seed[len++] = 0, seed[len++] = 0;
  OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
                         OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, secret, sizeof(secret)),
                         OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, seed, len), OSSL_PARAM_END};
  EVP_KDF *kdf = EVP_KDF_fetch(NULL, "TLS1-PRF", NULL);
  EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
  assert_int_equal(EVP_KDF_derive(ctx, out, GH_EXPORT_BYTES, params), 1);
  EVP_KDF_CTX_free(ctx);
  EVP_KDF_free(kdf);
}

static void each_export(gh_arena *arena, const vector *v)
{
  uint8_t master[MASTER_BYTES], client[RANDOM_BYTES], server[RANDOM_BYTES], out[GH_EXPORT_BYTES];
  assert_int_equal(v->count, 5);
  assert_int_equal(hex_octets(v->column[0], master, sizeof(master)), sizeof(master));
  hex_octets(v->column[1], client, sizeof(client));
  hex_octets(v->column[2], server, sizeof(server));
  prf12(master, client, server, v->column[3], false, out);
  assert_slice(gh_hex_lower(arena, out, sizeof(out)), v->column[4]);
  prf12(master, client, server, v->column[3], true, out);
  assert_false(gh_str_eq(gh_hex_lower(arena, out, sizeof(out)), v->column[4]));
}

/*= TS-0003 10.3.1 */
static void test_prf_vectors(void **state)
{
  (void)state;
  assert_int_equal(vector_each("tests/vectors/crypto/export.txt", each_export), 5);
}

/* A zero-length context is not "no context": these octets must never be a RelativeKeyID. */
static void test_zero_context_is_something_else(void **state)
{
  (void)state;
  uint8_t master[MASTER_BYTES], client[RANDOM_BYTES], server[RANDOM_BYTES], out[GH_EXPORT_BYTES], want[16];
  for (size_t i = 0; i < sizeof(master); i++) master[i] = (uint8_t)i;
  memset(client, 0xaa, sizeof(client));
  memset(server, 0xbb, sizeof(server));
  prf12(master, client, server, GH_STR(GH_EXPORT_BOOTSTRAP), true, out);
  hex_octets(GH_STR("3a80756060867b71dead52ebf61f5aac"), want, sizeof(want));
  assert_memory_equal(out, want, sizeof(want));
}

/* ---- TLS 1.3: HKDF-Expand-Label (RFC 8446 7.1), for at most 64 octets */

static void expand_label(const uint8_t secret[32], gh_str label, const uint8_t context[32], size_t size, uint8_t *out)
{
  const char head[3] = {0, (char)size, (char)(6 + label.len)};
  const char counters[2] = {1, 2}, context_len = 32;
  const gh_str info[] = {{head, 3}, GH_STR("tls13 "), label, {&context_len, 1}, {(const char *)context, 32}};
  uint8_t first[32], second[32];
  const gh_str one[] = {info[0], info[1], info[2], info[3], info[4], {counters, 1}};
  const gh_str two[] = {{(const char *)first, 32}, info[0], info[1], info[2], info[3], info[4], {counters + 1, 1}};
  assert_int_equal(gh_hmac_sha256_parts(secret, 32, one, 6, first), GH_OK);
  assert_int_equal(gh_hmac_sha256_parts(secret, 32, two, 7, second), GH_OK);
  memcpy(out, first, size < 32 ? size : 32);
  if (size > 32) memcpy(out + 32, second, size - 32);
}

static void export13(const uint8_t exporter_secret[32], gh_str label, uint8_t out[GH_EXPORT_BYTES])
{
  uint8_t nothing[32], derived[32];
  size_t len;
  assert_int_equal(EVP_Q_digest(NULL, "SHA256", NULL, "", 0, nothing, &len), 1);
  expand_label(exporter_secret, label, nothing, 32, derived);
  expand_label(derived, GH_STR("exporter"), nothing, GH_EXPORT_BYTES, out);
}

/*= TS-0003 10.3.1; TLS 1.3 */
static void test_tls13_vectors(void **state)
{
  (void)state;
  static const struct {
    const char *label, *want;
  } cases[] = {{GH_EXPORT_BOOTSTRAP,
                "5fe50d28fa6fd69469aa6d8b5be55380271d6a74599bde6321cdfa9ec811ca02567c162c6a45d491b895d9634a55cc47"},
               {GH_EXPORT_CONNECTION,
                "0a322cc94862853d5006e487d832a2822ac42e205cdf45261fdf6c14cce5c1dd9ceb28155c34a430052ea876f42ddda0"},
               {GH_EXPORT_ESCERTKE,
                "5d46263af83ae5715084cd36bfc7413d7070ba337d25f5f4dcd8124697296ecfdd00828f07b2a577a8231814837313e4"}};
  uint8_t secret[32], out[GH_EXPORT_BYTES], want[GH_EXPORT_BYTES];
  for (size_t i = 0; i < sizeof(secret); i++) secret[i] = (uint8_t)i;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    export13(secret, gh_str_of(cases[i].label), out);
    hex_octets(gh_str_of(cases[i].want), want, sizeof(want));
    assert_memory_equal(out, want, sizeof(want));
  }
}

/* ---- live handshakes over a pair of memory BIOs */

typedef struct pair {
  SSL_CTX *client_ctx, *server_ctx;
  SSL *client, *server;
} pair;

static char exporter_line[256]; /* what the key log said of this handshake */

static void on_keylog(const SSL *ssl, const char *line)
{
  (void)ssl;
  if (strncmp(line, "EXPORTER_SECRET ", 16) == 0) snprintf(exporter_line, sizeof(exporter_line), "%s", line);
}

static const unsigned char psk_octets[32] = {1, 2, 3, 4, 5, 6, 7, 8, 9};

static unsigned int give_psk(SSL *ssl, const char *hint, char *identity, unsigned int max_identity,
                             unsigned char *psk, unsigned int max_psk)
{
  (void)ssl, (void)hint;
  snprintf(identity, max_identity, "thiskey@mymef.com");
  assert_true(max_psk >= sizeof(psk_octets));
  memcpy(psk, psk_octets, sizeof(psk_octets));
  return sizeof(psk_octets);
}

static unsigned int find_psk(SSL *ssl, const char *identity, unsigned char *psk, unsigned int max_psk)
{
  (void)ssl;
  if (strcmp(identity, "thiskey@mymef.com") != 0 || max_psk < sizeof(psk_octets)) return 0;
  memcpy(psk, psk_octets, sizeof(psk_octets));
  return sizeof(psk_octets);
}

static SSL_CTX *context(const SSL_METHOD *method, int version)
{
  SSL_CTX *ctx = SSL_CTX_new(method);
  assert_non_null(ctx);
  SSL_CTX_set_min_proto_version(ctx, version);
  SSL_CTX_set_max_proto_version(ctx, version);
  assert_int_equal(SSL_CTX_set_cipher_list(ctx, "PSK-AES128-CBC-SHA256"), 1);
  assert_int_equal(SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256"), 1);
  SSL_CTX_set_psk_client_callback(ctx, give_psk);
  SSL_CTX_set_psk_server_callback(ctx, find_psk);
  SSL_CTX_set_keylog_callback(ctx, on_keylog);
  return ctx;
}

static void shake(pair *p, int version)
{
  BIO *near, *far;
  exporter_line[0] = '\0';
  p->client_ctx = context(TLS_client_method(), version);
  p->server_ctx = context(TLS_server_method(), version);
  p->client = SSL_new(p->client_ctx);
  p->server = SSL_new(p->server_ctx);
  assert_int_equal(BIO_new_bio_pair(&near, 0, &far, 0), 1);
  SSL_set_bio(p->client, near, near);
  SSL_set_bio(p->server, far, far);
  SSL_set_connect_state(p->client);
  SSL_set_accept_state(p->server);
  int client_done = 0, server_done = 0;
  for (int turn = 0; turn < 20 && !(client_done == 1 && server_done == 1); turn++) {
    client_done = SSL_do_handshake(p->client);
    server_done = SSL_do_handshake(p->server);
  }
  assert_int_equal(client_done, 1);
  assert_int_equal(server_done, 1);
}

static void drop(pair *p)
{
  SSL_free(p->client);
  SSL_free(p->server);
  SSL_CTX_free(p->client_ctx);
  SSL_CTX_free(p->server_ctx);
}

static void export(SSL *ssl, gh_str label, bool use_context, uint8_t out[GH_EXPORT_BYTES])
{
  const unsigned char nothing = 0;
  assert_int_equal(SSL_export_keying_material(ssl, out, GH_EXPORT_BYTES, label.ptr, label.len,
                                              use_context ? &nothing : NULL, 0, use_context),
                   1);
}

static gh_str label_at(size_t i)
{
  const gh_str labels[] = {GH_STR(GH_EXPORT_BOOTSTRAP), GH_STR(GH_EXPORT_CONNECTION), GH_STR(GH_EXPORT_ESCERTKE)};
  return i < 3 ? labels[i] : GH_STR_NONE;
}

static void prf12_of_session(SSL *ssl, gh_str label, bool zero_context, uint8_t out[GH_EXPORT_BYTES])
{
  uint8_t master[MASTER_BYTES], client[RANDOM_BYTES], server[RANDOM_BYTES];
  assert_int_equal(SSL_SESSION_get_master_key(SSL_get_session(ssl), master, sizeof(master)), sizeof(master));
  assert_int_equal(SSL_get_client_random(ssl, client, sizeof(client)), sizeof(client));
  assert_int_equal(SSL_get_server_random(ssl, server, sizeof(server)), sizeof(server));
  prf12(master, client, server, label, zero_context, out);
}

/*= TS-0003 10.3.1; no context means that nothing follows the randoms */
static void test_live_tls12(void **state)
{
  (void)state;
  pair p;
  uint8_t ours[GH_EXPORT_BYTES], theirs[GH_EXPORT_BYTES], again[GH_EXPORT_BYTES];
  shake(&p, TLS1_2_VERSION);
  assert_string_equal(SSL_get_cipher_name(p.client), "PSK-AES128-CBC-SHA256");
  for (size_t i = 0; i < 3; i++) {
    export(p.client, label_at(i), false, ours);
    export(p.server, label_at(i), false, theirs);
    assert_memory_equal(ours, theirs, sizeof(ours));
    prf12_of_session(p.server, label_at(i), false, again);
    assert_memory_equal(ours, again, sizeof(ours));
    export(p.client, label_at(i), true, theirs);
    assert_memory_not_equal(ours, theirs, sizeof(ours));
    prf12_of_session(p.client, label_at(i), true, again);
    assert_memory_equal(theirs, again, sizeof(theirs));
  }
  drop(&p);
}

/*= TS-0003 10.3.1; TLS 1.3 knows no difference between no context and an empty one */
static void test_live_tls13(void **state)
{
  (void)state;
  pair p;
  uint8_t ours[GH_EXPORT_BYTES], theirs[GH_EXPORT_BYTES], again[GH_EXPORT_BYTES], secret[32];
  shake(&p, TLS1_3_VERSION);
  const char *hex = strrchr(exporter_line, ' ');
  assert_non_null(hex);
  assert_int_equal(hex_octets(gh_str_of(hex + 1), secret, sizeof(secret)), sizeof(secret));
  for (size_t i = 0; i < 3; i++) {
    export(p.client, label_at(i), false, ours);
    export(p.server, label_at(i), false, theirs);
    assert_memory_equal(ours, theirs, sizeof(ours));
    export(p.server, label_at(i), true, theirs);
    assert_memory_equal(ours, theirs, sizeof(ours));
    export13(secret, label_at(i), again);
    assert_memory_equal(ours, again, sizeof(ours));
  }
  drop(&p);
}

/* Two sessions with one pre-shared key never export the same. */
static void test_each_session_has_its_own(void **state)
{
  (void)state;
  pair one, two;
  uint8_t first[GH_EXPORT_BYTES], second[GH_EXPORT_BYTES];
  shake(&one, TLS1_2_VERSION);
  shake(&two, TLS1_2_VERSION);
  export(one.client, label_at(0), false, first);
  export(two.client, label_at(0), false, second);
  assert_memory_not_equal(first, second, sizeof(first));
  drop(&one);
  drop(&two);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_prf_vectors),   cmocka_unit_test(test_zero_context_is_something_else),
      cmocka_unit_test(test_tls13_vectors), cmocka_unit_test(test_live_tls12),
      cmocka_unit_test(test_live_tls13),    cmocka_unit_test(test_each_session_has_its_own),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
