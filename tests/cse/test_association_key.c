/* <associationKey>: who may give a CSE a Kpsa, what it must look like, whom it proves, and its end. TP-07, TP-19. */
#include "../crypto/cert_maker.h"
#include "../host/harness.h"

#include "crypto/public_key.h"
#include "crypto/public_key_id.h"
#include "link/raw_public_key.h"

static const who admin = {
    GH_PEER_AE, GH_METHOD_CERTIFICATE, "//sp.example.com/Sadmin", "33-//sp.example.com/Sadmin", "", false};
static const who typed_admin = {GH_PEER_AE,          GH_METHOD_PSK, "//sp.example.com/Sadmin", "12-K1@sp.example.com",
                                "K1@sp.example.com", false};

/* A raw public key that was configured for the administrator's identity: no certificate, no administrator. */
static const who raw_admin = {GH_PEER_AE,     GH_METHOD_PUBLIC_KEY, "//sp.example.com/Sadmin",
                              "30-sha-256.x", "sha-256.x",          false};

#define KEY(id, more, key) "{\"gh:ask\":{\"syki\":\"" id "\",\"kv\":\"" key "\"" more "}}"
#define SIXTEEN "AAECAwQFBgcICQoLDA0ODw=="
#define OF_AE ",\"enid\":\"//sp.example.com/in-cse/Cmeter\""

static int setup(void **state)
{
  harness *h = calloc(1, sizeof *h);
  harness_start(h, &gh_cse_function);
  *state = h;
  return 0;
}

static int teardown(void **state)
{
  harness_stop(*state);
  free(*state);
  return 0;
}

static answer add(harness *h, const who *by, const char *content)
{
  return ask(h, by, GH_OP_CREATE, "cse-in", "Sadmin", GH_TY_ASSOCIATION_KEY, content);
}

static gh_err find(harness *h, const char *identity, gh_psk_query *query)
{
  *query = (gh_psk_query){.identity = gh_str_of(identity), .worker = &h->worker};
  return h->host->key_source.find_psk(h->host->key_source.ctx, query);
}

static void assert_proves(harness *h, const char *identity, gh_peer_kind kind, const char *id)
{
  gh_psk_query q;
  assert_int_equal(find(h, identity, &q), GH_OK);
  assert_int_equal(q.key.len, 16);
  assert_int_equal(q.peer.kind, kind);
  assert_true(gh_str_eq(q.peer.id, gh_str_of(id)));
  assert_int_equal(q.peer.suid, 12);
  gh_peer_clear(&q.peer);
  gh_secret_wipe(&q.key);
}

/*= TS-0003 8.2.2.1; TS-0003 9.1.1.1 the identity that was configured beside the key, or the Credential-ID alone */
static void whom_a_key_proves(void **state)
{
  harness *h = *state;
  answer a = add(h, &admin, KEY("k1@sp.example.com", OF_AE, SIXTEEN));
  assert_rsc(a, 2001);
  assert_has_not(a, "AAECAwQF");
  assert_rsc(add(h, &admin, KEY("k2@sp.example.com", ",\"enid\":\"//sp.example.com/mn1\"", SIXTEEN)), 2001);
  assert_rsc(add(h, &admin, KEY("k3@sp.example.com", "", SIXTEEN)), 2001);
  for (int i = 0; i < 2; i++) {
    assert_proves(h, "k1@SP.example.com", GH_PEER_AE, "//sp.example.com/in-cse/Cmeter");
    assert_proves(h, "k2@sp.example.com", GH_PEER_CSE, "//sp.example.com/mn1");
    assert_proves(h, "k3@sp.example.com", GH_PEER_CREDENTIAL, "");
    harness_reopen(h);
  }
}

/*= TS-0003 10.3; TS-0003 8.1.1 */
static void keys_that_are_none(void **state)
{
  harness *h = *state;
  static const struct {
    const char *content;
    int rsc;
  } rows[] = {
      {KEY("k1@sp.example.com", OF_AE, ""), 4102},                     /* no octet */
      {KEY("k1@sp.example.com", OF_AE, "AAECAwQFBgcICQoLDA0O"), 4102}, /* 15 octets */
      {KEY("k1@sp.example.com", OF_AE, "not base64"), 4000},
      {KEY("k1", OF_AE, SIXTEEN), 4000},
      {KEY("@sp.example.com", OF_AE, SIXTEEN), 4000},
      {KEY("k1@sp.example.com", ",\"enid\":\"Cmeter\"", SIXTEEN), 4102},
      {KEY("k1@sp.example.com", ",\"enid\":\"//sp.example.com/in-cse/*\"", SIXTEEN), 4102},
      {"{\"gh:ask\":{\"syki\":\"k1@sp.example.com\"}}", 4000},
      {KEY("k1@sp.example.com", OF_AE ",\"et\":\"20200101T000000\"", SIXTEEN), 4000},
  };
  gh_psk_query q;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    answer a = add(h, &admin, rows[i].content);
    if (a.rsc != rows[i].rsc) fail_msg("row %zu: %d %s", i, a.rsc, a.body);
    assert_int_not_equal(find(h, "k1@sp.example.com", &q), GH_OK);
  }
}

static void only_an_administrator_adds_them(void **state)
{
  harness *h = *state;
  gh_psk_query q;
  assert_rsc(add(h, &typed_admin, KEY("k1@sp.example.com", OF_AE, SIXTEEN)), 4103);
  assert_rsc(add(h, &raw_admin, KEY("k1@sp.example.com", OF_AE, SIXTEEN)), 4103);
  assert_rsc(add(h, NULL, KEY("k1@sp.example.com", OF_AE, SIXTEEN)), 4106);
  assert_int_equal(find(h, "k1@sp.example.com", &q), GH_ENOTFOUND);
  assert_rsc(add(h, &admin, KEY("k1@sp.example.com", OF_AE, SIXTEEN)), 2001);
  assert_rsc(add(h, &admin, KEY("k1@sp.example.com", OF_AE, SIXTEEN)), 4105);
}

/* TP-20 */
static void keys_end(void **state)
{
  harness *h = *state;
  gh_psk_query q;
  answer a = add(h, &admin, KEY("k1@sp.example.com", OF_AE, SIXTEEN));
  assert_rsc(a, 2001);
  assert_rsc(ask(h, &typed_admin, GH_OP_DELETE, member(&a, "ri"), "Sadmin", 0, NULL), 4103);
  a = add(h, &admin, KEY("k2@sp.example.com", OF_AE, SIXTEEN));
  assert_rsc(ask(h, &admin, GH_OP_DELETE, member(&a, "ri"), "Sadmin", 0, NULL), 2002);
  assert_int_equal(find(h, "k2@sp.example.com", &q), GH_ENOTFOUND);
  assert_proves(h, "k1@sp.example.com", GH_PEER_AE, "//sp.example.com/in-cse/Cmeter");
  assert_rsc(add(h, &admin, KEY("k3@sp.example.com", OF_AE ",\"et\":\"20991231T235959\"", SIXTEEN)), 2001);
  h->clock_offset_us = INT64_C(80) * 366 * 86400 * GH_US_PER_S;
  assert_int_equal(find(h, "k3@sp.example.com", &q), GH_EEXPIRED);
}

/* ---- raw public keys */

#define RPK(id, more) "{\"gh:ask\":{\"rpki\":\"%s\"" more "}}", (id).ptr

typedef struct public_key {
  gh_arena arena;
  gh_str spki, whole, cut;
} public_key;

static void make_public_key(public_key *k)
{
  gh_public_key_id id;
  EVP_PKEY *key = new_key();
  gh_arena_init(&k->arena);
  assert_int_equal(gh_public_key_der(&k->arena, key, &k->spki), GH_OK);
  assert_int_equal(gh_public_key_id_of(k->spki, GH_SHA_256, &id), GH_OK);
  k->whole = gh_public_key_id_uri(&k->arena, &id);
  assert_int_equal(gh_public_key_id_of(k->spki, GH_SHA_256_120, &id), GH_OK);
  k->cut = gh_public_key_id_uri(&k->arena, &id);
  EVP_PKEY_free(key);
}

static answer add_text(harness *h, const who *by, const char *format, ...)
{
  char content[512];
  va_list args;
  va_start(args, format);
  vsnprintf(content, sizeof content, format, args);
  va_end(args);
  return add(h, by, content);
}

static gh_err name_key(harness *h, gh_str spki, gh_peer *peer)
{
  *peer = (gh_peer){.kind = GH_PEER_NONE};
  return h->host->key_source.name_public_key(h->host->key_source.ctx, spki, peer);
}

static void assert_stands_for(harness *h, const public_key *k, gh_peer_kind kind, const char *id)
{
  gh_peer peer;
  assert_int_equal(name_key(h, k->spki, &peer), GH_OK);
  assert_int_equal(peer.kind, kind);
  assert_int_equal(peer.method, GH_METHOD_PUBLIC_KEY);
  assert_true(gh_str_eq(peer.id, gh_str_of(id)));
  assert_true(gh_str_starts(peer.credential_id, GH_STR("30-sha-256")));
  assert_true(gh_str_ends(peer.credential_id, peer.key_id));
  gh_peer_clear(&peer);
}

/*= TS-0003 8.2.2.2; 10.1.2 the identity that was configured beside the identifier, whole or cut, or the Credential-ID
 */
static void whom_a_public_key_proves(void **state)
{
  harness *h = *state;
  public_key ae, cse, nobody, stranger;
  gh_peer peer;
  make_public_key(&ae);
  make_public_key(&cse);
  make_public_key(&nobody);
  make_public_key(&stranger);
  assert_rsc(add_text(h, &admin, RPK(ae.whole, OF_AE)), 2001);
  assert_rsc(add_text(h, &admin, RPK(cse.cut, ",\"enid\":\"//sp.example.com/mn1\"")), 2001);
  assert_rsc(add_text(h, &admin, RPK(nobody.whole, "")), 2001);
  for (int i = 0; i < 2; i++) {
    assert_stands_for(h, &ae, GH_PEER_AE, "//sp.example.com/in-cse/Cmeter");
    assert_stands_for(h, &cse, GH_PEER_CSE, "//sp.example.com/mn1");
    assert_stands_for(h, &nobody, GH_PEER_CREDENTIAL, "");
    assert_int_equal(name_key(h, stranger.spki, &peer), GH_ENOTFOUND);
    harness_reopen(h);
  }
  gh_arena_free(&ae.arena);
  gh_arena_free(&cse.arena);
  gh_arena_free(&nobody.arena);
  gh_arena_free(&stranger.arena);
}

static void public_keys_that_are_none(void **state)
{
  harness *h = *state;
  public_key k;
  gh_peer peer;
  make_public_key(&k);
  assert_rsc(add_text(h, &admin,
                      "{\"gh:ask\":{\"rpki\":\"%s\",\"syki\":\"k@sp.example.com\",\"kv\":\"" SIXTEEN "\"}}",
                      k.whole.ptr),
             4000);
  assert_rsc(add_text(h, &admin, "{\"gh:ask\":{\"rpki\":\"%s\",\"kv\":\"" SIXTEEN "\"}}", k.whole.ptr), 4000);
  assert_rsc(add(h, &admin, "{\"gh:ask\":{\"rpki\":\"ni:///sha-512;AAAA\"}}"), 4102);
  assert_rsc(add(h, &admin, "{\"gh:ask\":{\"rpki\":\"ni:///sha-256;AAAA\"}}"), 4102);
  assert_rsc(add(h, &admin, "{\"gh:ask\":{\"rpki\":\"\"}}"), 4102);
  assert_rsc(add_text(h, &admin, RPK(k.whole, ",\"enid\":\"Cmeter\"")), 4102);
  assert_rsc(add_text(h, &typed_admin, RPK(k.whole, OF_AE)), 4103);
  assert_rsc(add_text(h, &raw_admin, RPK(k.whole, OF_AE)), 4103);
  assert_rsc(add_text(h, NULL, RPK(k.whole, OF_AE)), 4106);
  assert_int_equal(name_key(h, k.spki, &peer), GH_ENOTFOUND);
  gh_arena_free(&k.arena);
}

/* TP-20 */
static void public_keys_end(void **state)
{
  harness *h = *state;
  public_key k, later;
  gh_peer peer;
  make_public_key(&k);
  make_public_key(&later);
  answer a = add_text(h, &admin, RPK(k.whole, OF_AE));
  assert_rsc(a, 2001);
  const char *ri = member(&a, "ri");
  assert_rsc(add_text(h, &admin, RPK(k.whole, "")), 4105);
  assert_rsc(ask(h, &typed_admin, GH_OP_DELETE, ri, "Sadmin", 0, NULL), 4103);
  assert_stands_for(h, &k, GH_PEER_AE, "//sp.example.com/in-cse/Cmeter");
  assert_rsc(ask(h, &admin, GH_OP_DELETE, ri, "Sadmin", 0, NULL), 2002);
  assert_int_equal(name_key(h, k.spki, &peer), GH_ENOTFOUND);
  assert_rsc(add_text(h, &admin, RPK(later.whole, OF_AE ",\"et\":\"20991231T235959\"")), 2001);
  assert_stands_for(h, &later, GH_PEER_AE, "//sp.example.com/in-cse/Cmeter");
  h->clock_offset_us = INT64_C(80) * 366 * 86400 * GH_US_PER_S;
  assert_int_equal(name_key(h, later.spki, &peer), GH_EEXPIRED);
  gh_arena_free(&k.arena);
  gh_arena_free(&later.arena);
}

/* Where OpenSSL has none, nobody is led to believe otherwise. */
static void where_there_are_none(void **state)
{
  harness *h = *state;
  public_key k;
  make_public_key(&k);
  answer a = add_text(h, &admin, RPK(k.whole, OF_AE));
  assert_rsc(a, 5001);
  assert_has(a, "raw public keys need OpenSSL 3.2 or later");
  gh_arena_free(&k.arena);
}

int main(void)
{
#define WITH(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
  const struct CMUnitTest tests[] = {WITH(whom_a_key_proves), WITH(keys_that_are_none),
                                     WITH(only_an_administrator_adds_them), WITH(keys_end)};
  const struct CMUnitTest public_keys[] = {WITH(whom_a_public_key_proves), WITH(public_keys_that_are_none),
                                           WITH(public_keys_end)};
  const struct CMUnitTest none[] = {WITH(where_there_are_none)};
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  if (gh_raw_public_key_available()) return failed + cmocka_run_group_tests(public_keys, NULL, NULL);
  return failed + cmocka_run_group_tests(none, NULL, NULL);
}
