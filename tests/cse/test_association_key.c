/* <associationKey>: who may give a CSE a Kpsa, what it must look like, whom it proves, and its end. TP-07, TP-19. */
#include "../host/harness.h"

static const who admin = {
    GH_PEER_AE, GH_METHOD_CERTIFICATE, "//sp.example.com/Sadmin", "33-//sp.example.com/Sadmin", "", false};
static const who typed_admin = {GH_PEER_AE,          GH_METHOD_PSK, "//sp.example.com/Sadmin", "12-K1@sp.example.com",
                                "K1@sp.example.com", false};

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

int main(void)
{
#define WITH(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
  const struct CMUnitTest tests[] = {WITH(whom_a_key_proves), WITH(keys_that_are_none),
                                     WITH(only_an_administrator_adds_them), WITH(keys_end)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
