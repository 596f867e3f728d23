/* Whom a name in a certificate stands for, flavour by flavour. */
#include "../m2m/cmocka_all.h"

#include "host/host.h"

static gh_str mafs[] = {{"maf.sp.example.com", 18}};

static gh_host new_host(void)
{
  gh_host host = {.config = {.self = {.sp_fqdn = GH_STR("sp.example.com"),
                                      .cse_id = GH_STR("in-cse"),
                                      .cse_rn = GH_STR("base"),
                                      .in_cse = GH_STR("in-cse")},
                             .fqdn = GH_STR("in-cse.sp.example.com"),
                             .mafs = mafs,
                             .maf_count = 1}};
  return host;
}

static const struct {
  gh_cert_flavour flavour;
  const char *name;
  gh_peer_kind kind; /* GH_PEER_NONE: refused */
  const char *id, *credential_id;
} rows[] = {
    {GH_CERT_AE_ID, "//sp.example.com/in-cse/Cae1", GH_PEER_AE, "//sp.example.com/in-cse/Cae1",
     "33-//sp.example.com/in-cse/Cae1"},
    {GH_CERT_CSE_ID, "mn-cse1.in-cse.sp.example.com", GH_PEER_CSE, "//sp.example.com/mn-cse1",
     "32-//sp.example.com/mn-cse1"},
    {GH_CERT_CSE_ID, "in-cse.sp.example.com", GH_PEER_CSE, "//sp.example.com/in-cse", "32-//sp.example.com/in-cse"},
    {GH_CERT_CSE_ID, "maf.sp.example.com", GH_PEER_FUNCTION, "maf.sp.example.com", "32-maf.sp.example.com"},
    {GH_CERT_NODE_ID, "urn:gsma:imei:90420156-025763-0", GH_PEER_CREDENTIAL, "",
     "34-urn:gsma:imei:90420156-025763-0"},
    {GH_CERT_DEVICE, "0.2.481.1.100.3030.10011", GH_PEER_CREDENTIAL, "", "31-0.2.481.1.100.3030.10011"},
    {GH_CERT_CSE_ID, "a.b.in-cse.sp.example.com", GH_PEER_NONE, NULL, NULL},
    {GH_CERT_CSE_ID, "mn-cse1.other.sp.example.com", GH_PEER_NONE, NULL, NULL},
    {GH_CERT_CSE_ID, "in-cse.sp.example.org", GH_PEER_NONE, NULL, NULL},
    {GH_CERT_CSE_ID, "sp.example.com", GH_PEER_NONE, NULL, NULL},
    {GH_CERT_CA, "sp.example.com", GH_PEER_NONE, NULL, NULL},
};

/*= TS-0003 8.2.2.2; TS-0003 8.1.2.1 */
static void each_flavour(void **state)
{
  (void)state;
  gh_host host = new_host();
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    gh_peer peer = {.kind = GH_PEER_NONE};
    gh_err err = gh_host_name_peer(&host, rows[i].flavour, gh_str_of(rows[i].name), 42, &peer);
    if ((err == GH_OK) != (rows[i].kind != GH_PEER_NONE) || peer.kind != rows[i].kind) fail_msg("%s", rows[i].name);
    if (err == GH_OK) {
      assert_true(gh_str_eq(peer.id, gh_str_of(rows[i].id)));
      assert_true(gh_str_eq(peer.credential_id, gh_str_of(rows[i].credential_id)));
      assert_int_equal(peer.not_after_us, 42);
    }
    gh_peer_clear(&peer);
  }
}

static const gh_provider providers[] = {
    {.cse = {"//sp2.example.net/in2", 21}, .fqdn = {"m2m.sp2.example.net", 19}, .certificate = true},
    {.cse = {"//sp3.example.org/in-cse", 24}, .fqdn = {"in-cse.sp3.example.org", 22}, .certificate = false},
};

/*= TS-0003 8.2.2.2 the IN-CSE of another provider, by its public domain name; of whom has a key, no name counts */
static void other_providers(void **state)
{
  (void)state;
  static const struct {
    gh_cert_flavour flavour;
    const char *name, *id; /* NULL: refused */
  } cases[] = {
      {GH_CERT_CSE_ID, "m2m.sp2.example.net", "//sp2.example.net/in2"},
      {GH_CERT_FQDN, "M2M.sp2.example.net", "//sp2.example.net/in2"},
      {GH_CERT_CSE_ID, "in2.sp2.example.net", NULL},
      {GH_CERT_CSE_ID, "mn7.m2m.sp2.example.net", NULL},
      {GH_CERT_CSE_ID, "sp2.example.net", NULL},
      {GH_CERT_CSE_ID, "in-cse.sp3.example.org", NULL},
      {GH_CERT_CSE_ID, "in-cse.sp.example.com", "//sp.example.com/in-cse"},
  };
  gh_host host = new_host();
  host.config.providers = providers;
  host.config.provider_count = 2;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    gh_peer peer = {.kind = GH_PEER_NONE};
    gh_err err = gh_host_name_peer(&host, cases[i].flavour, gh_str_of(cases[i].name), 42, &peer);
    if ((err == GH_OK) != (cases[i].id != NULL)) fail_msg("%s: %s", cases[i].name, gh_err_name(err));
    if (cases[i].id) assert_int_equal(peer.kind, GH_PEER_CSE);
    if (cases[i].id) assert_true(gh_str_eq(peer.id, gh_str_of(cases[i].id)));
    gh_peer_clear(&peer);
  }
}

/*= TS-0003 8.1.2.5 a CSE that was configured with a raw public key is none by certificate */
static void a_cse_with_a_raw_key(void **state)
{
  (void)state;
  gh_str keyed[] = {GH_STR("MN-CSE1.in-cse.sp.example.com")};
  gh_host host = new_host();
  gh_peer peer = {.kind = GH_PEER_NONE};
  gh_str name = GH_STR("mn-cse1.in-cse.sp.example.com");
  assert_int_equal(gh_host_name_peer(&host, GH_CERT_CSE_ID, name, 42, &peer), GH_OK);
  gh_peer_clear(&peer);
  host.config.keyed_cses = keyed;
  host.config.keyed_cse_count = 1;
  assert_int_equal(gh_host_name_peer(&host, GH_CERT_CSE_ID, name, 42, &peer), GH_EAUTH);
  assert_int_equal(gh_host_name_peer(&host, GH_CERT_FQDN, name, 42, &peer), GH_EAUTH);
  assert_int_equal(gh_host_name_peer(&host, GH_CERT_CSE_ID, GH_STR("in-cse.sp.example.com"), 42, &peer), GH_OK);
  gh_peer_clear(&peer);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(a_cse_with_a_raw_key), cmocka_unit_test(each_flavour),
                                     cmocka_unit_test(other_providers)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
