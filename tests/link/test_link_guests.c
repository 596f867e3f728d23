/* Clients of another realm: their anchors speak for their name and for no other, and ours not for theirs. */
#include "link_pki.h"
#include "tls_peer.h"

#define GUEST_FQDN "in2.sp2.example.net"
#define KEY_ONLY_FQDN "in-cse.sp3.example.org"

static pki p;
static holder guest_root, guest_middle, other_root;
static gh_buf guest_pem, namesake_pem;

static int make_pki(void **state)
{
  (void)state;
  pki_make(&p);
  guest_root = issued(GH_CERT_CA, "Root", NULL, NULL); /* the name of ours, another key */
  guest_middle = issued(GH_CERT_CA, "Intermediate", NULL, &guest_root);
  other_root = issued(GH_CERT_CA, "Root", NULL, NULL);
  pem_of(&guest_root, &guest_pem, NULL);
  pem_of(&other_root, &namesake_pem, NULL);
  return 0;
}

static int free_pki(void **state)
{
  (void)state;
  holder_free(&guest_root);
  holder_free(&guest_middle);
  holder_free(&other_root);
  gh_buf_free(&guest_pem);
  gh_buf_free(&namesake_pem);
  pki_free(&p);
  return 0;
}

static link_test *serve(const gh_tls_guest *guests, size_t count)
{
  link_test *t = link_new(NULL, 0);
  t->tls.chain_pem = gh_buf_str(&p.server_chain_pem);
  t->tls.key_pem = gh_buf_str(&p.server_key_pem);
  t->tls.anchors_pem = gh_buf_str(&p.root_pem);
  t->tls.guests = guests;
  t->tls.guest_count = count;
  link_open(t);
  return t;
}

static bool is_served(link_test *t, const holder *who, const holder *issuer, int version, const char *as)
{
  tls_peer_options options = {.suites = "ECDHE-ECDSA-AES128-GCM-SHA256",
                              .min_version = version,
                              .max_version = version,
                              .groups = "P-256",
                              .cert = who->cert,
                              .key = who->key,
                              .issuer = issuer->cert};
  tls_peer peer;
  bool served = peer_connect(&peer, t->port, &options) && peer_ask(&peer, ASK_LAST);
  if (served && !strstr(peer.answer, as)) fail_msg("%s is not %s", peer.answer, as);
  peer_end(&peer);
  return served;
}

/*= TS-0003 8.1.2.2; 8.1.2.4 the anchor that was configured for this entity */
static void anchors_speak_for_their_own(void **state)
{
  (void)state;
  const gh_tls_guest guests[] = {{GH_STR(GUEST_FQDN), gh_buf_str(&guest_pem)}, {GH_STR(KEY_ONLY_FQDN), GH_STR_NONE}};
  static const struct {
    gh_cert_flavour flavour;
    const char *name;
    bool of_guest, of_ours; /* served, when the guest's intermediate or our own root issued it */
  } rows[] = {
      {GH_CERT_CSE_ID, GUEST_FQDN, true, false},
      {GH_CERT_CSE_ID, "IN2.sp2.example.net", true, false},
      {GH_CERT_CSE_ID, "mn7.in2.sp2.example.net", false, true}, /* of ours: a name like any other */
      {GH_CERT_CSE_ID, CSE_FQDN, false, true},
      {GH_CERT_FQDN, "maf.sp.example.com", false, true},
      {GH_CERT_CSE_ID, KEY_ONLY_FQDN, false, false},
      {GH_CERT_AE_ID, "//sp.example.com/Sadmin", false, true},
      {GH_CERT_AE_ID, "//sp2.example.net/in2/Cx", false, true},
      {GH_CERT_AE_ID, "//in2.sp2.example.net/Sx", false, true},
      {GH_CERT_NODE_ID, "urn:example:1", false, true},
  };
  link_test *t = serve(guests, 2);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    for (int by_guest = 0; by_guest < 2; by_guest++)
      for (int tls13 = 0; tls13 < 2; tls13++) {
        const holder *issuer = by_guest ? &guest_middle : &p.root;
        holder who = issued(rows[i].flavour, rows[i].name, NULL, issuer);
        bool served = is_served(t, &who, issuer, tls13 ? TLS1_3_VERSION : TLS1_2_VERSION, "");
        if (served != (by_guest ? rows[i].of_guest : rows[i].of_ours))
          fail_msg("%s, issued %s: %d", rows[i].name, by_guest ? "there" : "here", served);
        holder_free(&who);
      }
  link_end(t);
}

/* Without the guest in the list nothing of it is served; a namesake of its root is another root. */
static void whoever_is_not_in_the_list(void **state)
{
  (void)state;
  holder who = issued(GH_CERT_CSE_ID, GUEST_FQDN, NULL, &guest_middle);
  const gh_tls_guest namesake[] = {{GH_STR(GUEST_FQDN), gh_buf_str(&namesake_pem)}};
  link_test *t = serve(NULL, 0);
  assert_false(is_served(t, &who, &guest_middle, TLS1_3_VERSION, ""));
  link_end(t);
  t = serve(namesake, 1);
  assert_false(is_served(t, &who, &guest_middle, TLS1_3_VERSION, ""));
  link_end(t);
  holder_free(&who);
}

/*= TS-0003 8.1.2.4 anchors for one flavour are of our own realm, too: none of them vouches for a guest */
static void anchors_of_a_flavour_are_ours(void **state)
{
  (void)state;
  const gh_tls_guest guests[] = {{GH_STR(GUEST_FQDN), gh_buf_str(&guest_pem)}};
  holder as_guest = issued(GH_CERT_CSE_ID, GUEST_FQDN, NULL, &other_root);
  holder as_another = issued(GH_CERT_CSE_ID, "mn1.in-cse.sp.example.com", NULL, &other_root);
  holder the_guest = issued(GH_CERT_CSE_ID, GUEST_FQDN, NULL, &guest_root);
  gh_diag diag = {""};
  link_test *t = serve(guests, 1);
  gh_tls_options options = t->tls;
  options.anchors_for[GH_CERT_CSE_ID] = gh_buf_str(&namesake_pem);
  assert_int_equal(gh_tls_server_renew(t->server, &options, &diag), GH_OK);
  assert_true(is_served(t, &as_another, &other_root, TLS1_3_VERSION, "CSE "));
  assert_false(is_served(t, &as_guest, &other_root, TLS1_3_VERSION, ""));
  assert_true(is_served(t, &the_guest, &guest_root, TLS1_3_VERSION, "CSE " GUEST_FQDN));
  options.anchors_for[GH_CERT_CSE_ID] = GH_STR_NONE;
  options.anchors_for[GH_CERT_DEVICE] = gh_buf_str(&guest_pem); /* the guest's stand for it whatever else they do */
  assert_int_equal(gh_tls_server_renew(t->server, &options, &diag), GH_OK);
  assert_true(is_served(t, &the_guest, &guest_root, TLS1_3_VERSION, "CSE " GUEST_FQDN));
  link_end(t);
  holder_free(&as_guest);
  holder_free(&as_another);
  holder_free(&the_guest);
}

/* Credentials that are read again bring their guests with them; anchors that cannot be read change nothing. */
static void guests_are_renewed(void **state)
{
  (void)state;
  holder who = issued(GH_CERT_CSE_ID, GUEST_FQDN, NULL, &guest_middle);
  const gh_tls_guest guests[] = {{GH_STR(GUEST_FQDN), gh_buf_str(&guest_pem)}};
  const gh_tls_guest broken[] = {{GH_STR(GUEST_FQDN), GH_STR("no certificate")}};
  gh_diag diag = {""};
  link_test *t = serve(NULL, 0);
  assert_false(is_served(t, &who, &guest_middle, TLS1_2_VERSION, ""));
  gh_tls_options options = t->tls;
  options.guests = guests;
  options.guest_count = 1;
  assert_int_equal(gh_tls_server_renew(t->server, &options, &diag), GH_OK);
  assert_true(is_served(t, &who, &guest_middle, TLS1_2_VERSION, "CSE " GUEST_FQDN));
  options.guests = broken;
  assert_int_equal(gh_tls_server_renew(t->server, &options, &diag), GH_ESYNTAX);
  assert_non_null(strstr(diag.text, "no trust anchor of " GUEST_FQDN));
  assert_true(is_served(t, &who, &guest_middle, TLS1_2_VERSION, "CSE " GUEST_FQDN));
  link_end(t);
  holder_free(&who);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(anchors_speak_for_their_own),
      cmocka_unit_test(whoever_is_not_in_the_list),
      cmocka_unit_test(anchors_of_a_flavour_are_ours),
      cmocka_unit_test(guests_are_renewed),
  };
  return cmocka_run_group_tests(tests, make_pki, free_pki);
}
