/* What lists and responders say of a certificate, and above all what they cannot say. */
#include "status_maker.h"

#include "crypto/cert_status.h"

#define CA_BASIC "critical,CA:TRUE"
#define CA_USAGE "critical,digitalSignature,keyCertSign,cRLSign"
#define SIGNS "critical,digitalSignature"

static EVP_PKEY *ca_key, *other_key, *leaf_key;
static X509 *ca, *other_ca, *mute_ca, *leaf, *sibling;

static X509 *new_ca(EVP_PKEY *key, const char *usage)
{
  return odd_make(&(odd_cert){.key = key, .basic = CA_BASIC, .usage = usage});
}

static X509 *new_leaf(const char *ext_usage)
{
  return odd_make(&(odd_cert){.key = leaf_key,
                              .issuer = ca,
                              .signer = ca_key,
                              .usage = SIGNS,
                              .names = "DNS:in-cse.sp.example.com",
                              .ext_usage = ext_usage});
}

static int make(void **state)
{
  (void)state;
  ca_key = new_key();
  other_key = new_key();
  leaf_key = new_key();
  ca = new_ca(ca_key, CA_USAGE);
  other_ca = new_ca(other_key, CA_USAGE);
  leaf = new_leaf(NULL);
  sibling = new_leaf(NULL);
  mute_ca = X509_dup(ca); /* the same, but it may not sign lists */
  X509_EXTENSION_free(X509_delete_ext(mute_ca, X509_get_ext_by_NID(mute_ca, NID_key_usage, -1)));
  odd_ext(mute_ca, mute_ca, NID_key_usage, "critical,digitalSignature,keyCertSign");
  assert_true(X509_sign(mute_ca, ca_key, EVP_sha256()) > 0);
  return 0;
}

static int drop(void **state)
{
  (void)state;
  X509 *const certs[] = {ca, other_ca, mute_ca, leaf, sibling};
  for (size_t i = 0; i < 5; i++) X509_free(certs[i]);
  EVP_PKEY_free(ca_key);
  EVP_PKEY_free(other_key);
  EVP_PKEY_free(leaf_key);
  return 0;
}

/* ---- lists */

static gh_crl_set *read_lists(const list_of *lists, size_t count)
{
  gh_buf pem = GH_BUF_INIT;
  gh_crl_set *set = NULL;
  gh_diag diag;
  for (size_t i = 0; i < count; i++) add_list_pem(&pem, &lists[i]);
  assert_int_equal(gh_crl_set_read(gh_buf_str(&pem), &set, &diag), GH_OK);
  gh_buf_free(&pem);
  return set;
}

static gh_cert_state of_lists(const list_of *lists, size_t count, X509 *issuer)
{
  gh_crl_set *set = read_lists(lists, count);
  gh_cert_state state = gh_crl_set_check(set, leaf, issuer, now_us());
  gh_crl_set_free(set);
  return state;
}

static gh_cert_state of_list(list_of list)
{
  return of_lists(&list, 1, ca);
}

/*= RFC 5280 6.3; whose list counts, and when */
static void lists(void **state)
{
  (void)state;
  const list_of good = {.issuer = ca, .signer = ca_key, .begin_h = -1, .end_h = 24};
  list_of o = good;
  assert_int_equal(of_list(o), GH_CERT_GOOD);
  o.revoked = sibling;
  assert_int_equal(of_list(o), GH_CERT_GOOD);
  o.revoked = leaf;
  assert_int_equal(of_list(o), GH_CERT_REVOKED);
  o.begin_h = -48, o.end_h = -24; /* nobody is unrevoked by waiting */
  assert_int_equal(of_list(o), GH_CERT_REVOKED);
  o.signer = other_key; /* forged: neither good nor revoked */
  assert_int_equal(of_list(o), GH_CERT_UNKNOWN);
  o = good;
  o.begin_h = -48, o.end_h = -24;
  assert_int_equal(of_list(o), GH_CERT_UNKNOWN);
  o.begin_h = 24, o.end_h = 48;
  assert_int_equal(of_list(o), GH_CERT_UNKNOWN);
  o = good;
  o.endless = true;
  assert_int_equal(of_list(o), GH_CERT_UNKNOWN);
  o = good;
  o.issuer = other_ca, o.signer = other_key;
  assert_int_equal(of_list(o), GH_CERT_UNKNOWN);
  o = good;
  o.digest = EVP_sha1();
  assert_int_equal(of_list(o), GH_CERT_UNKNOWN);
  o = good;
  o.critical_nid = NID_delta_crl;
  assert_int_equal(of_list(o), GH_CERT_UNKNOWN);
  assert_int_equal(of_lists(&good, 1, mute_ca), GH_CERT_UNKNOWN);
}

static void several_lists(void **state)
{
  (void)state;
  list_of many[] = {{.issuer = other_ca, .signer = other_key, .begin_h = -1, .end_h = 2},
                    {.issuer = ca, .signer = ca_key, .begin_h = -1, .end_h = 24},
                    {.issuer = ca, .signer = ca_key, .begin_h = -2, .end_h = 48, .revoked = leaf}};
  assert_int_equal(of_lists(many, 2, ca), GH_CERT_GOOD);
  assert_int_equal(of_lists(many, 3, ca), GH_CERT_REVOKED);
  gh_crl_set *set = read_lists(many, 3);
  int64_t next = gh_crl_set_next_update_us(set) - now_us();
  assert_true(next > INT64_C(6000) * GH_US_PER_S && next <= INT64_C(7200) * GH_US_PER_S);
  gh_crl_set_free(set);
}

static void forms_of_lists(void **state)
{
  (void)state;
  const list_of o = {.issuer = ca, .signer = ca_key, .begin_h = -1, .end_h = 24, .revoked = leaf};
  gh_diag diag;
  gh_crl_set *set;
  X509_CRL *crl = make_list(&o);
  unsigned char *der = NULL;
  int len = i2d_X509_CRL(crl, &der);
  assert_int_equal(gh_crl_set_read((gh_str){(const char *)der, (size_t)len}, &set, &diag), GH_OK);
  assert_int_equal(gh_crl_set_check(set, leaf, ca, now_us()), GH_CERT_REVOKED);
  gh_crl_set_free(set);
  assert_int_equal(gh_crl_set_read((gh_str){(const char *)der, (size_t)len - 1}, &set, &diag), GH_ESYNTAX);
  OPENSSL_free(der);
  X509_CRL_free(crl);
  gh_buf pem = GH_BUF_INIT;
  add_list_pem(&pem, &o);
  gh_buf_add(&pem,
             GH_STR("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n")); /* a bad one behind a good one */
  assert_int_equal(gh_crl_set_read(gh_buf_str(&pem), &set, &diag), GH_ESYNTAX);
  gh_buf_free(&pem);
  static const char *const bad[] = {"", "no list", "-----BEGIN X509 CRL-----\n", "0"};
  for (size_t i = 0; i < 4; i++) assert_int_equal(gh_crl_set_read(gh_str_of(bad[i]), &set, &diag), GH_ESYNTAX);
}

/* ---- answers of a responder */

static gh_cert_state of_answer(answer_of answer)
{
  gh_buf der = GH_BUF_INIT;
  int64_t until;
  add_answer(&der, &answer);
  gh_cert_state state = gh_ocsp_check(gh_buf_str(&der), leaf, ca, now_us(), &until);
  if (state != GH_CERT_UNKNOWN) assert_true(until > now_us() - 300 * GH_US_PER_S);
  gh_buf_free(&der);
  return state;
}

/*= RFC 6960 3.2; who may answer, about whom, and when */
static void answers(void **state)
{
  (void)state;
  const answer_of good = {.cert = leaf, .issuer = ca, .signer = ca_key, .begin_h = -1, .end_h = 24};
  answer_of o = good;
  assert_int_equal(of_answer(o), GH_CERT_GOOD);
  o.sha256_id = true;
  assert_int_equal(of_answer(o), GH_CERT_GOOD);
  o = good;
  o.status = V_OCSP_CERTSTATUS_REVOKED;
  assert_int_equal(of_answer(o), GH_CERT_REVOKED);
  o.status = V_OCSP_CERTSTATUS_UNKNOWN;
  assert_int_equal(of_answer(o), GH_CERT_UNKNOWN);
  o = good;
  o.cert = sibling;
  assert_int_equal(of_answer(o), GH_CERT_UNKNOWN);
  o = good;
  o.begin_h = -48, o.end_h = -24;
  assert_int_equal(of_answer(o), GH_CERT_UNKNOWN);
  o.begin_h = 24, o.end_h = 48;
  assert_int_equal(of_answer(o), GH_CERT_UNKNOWN);
  o = good;
  o.endless = true; /* an hour old, and does not say how long it holds */
  assert_int_equal(of_answer(o), GH_CERT_UNKNOWN);
  o.begin_h = 0;
  assert_int_equal(of_answer(o), GH_CERT_GOOD);
  o = good;
  o.response_status = OCSP_RESPONSE_STATUS_TRYLATER;
  assert_int_equal(of_answer(o), GH_CERT_UNKNOWN);
}

/*= RFC 6960 4.2.2.2; the issuer, or who has OCSPSigning from it */
static void who_may_answer(void **state)
{
  (void)state;
  answer_of o = {.cert = leaf, .issuer = ca, .begin_h = -1, .end_h = 24, .signer = leaf_key};
  X509 *responder = new_leaf("OCSPSigning"), *anybody = new_leaf("serverAuth");
  o.responder = responder;
  assert_int_equal(of_answer(o), GH_CERT_GOOD);
  o.responder = anybody;
  assert_int_equal(of_answer(o), GH_CERT_UNKNOWN);
  o.responder = leaf; /* nobody vouches for itself */
  assert_int_equal(of_answer(o), GH_CERT_UNKNOWN);
  o.responder = other_ca;
  o.signer = other_key;
  assert_int_equal(of_answer(o), GH_CERT_UNKNOWN);
  X509_free(responder);
  X509_free(anybody);
}

/* What `fresh` does to lists that are kept. */
static size_t taken(gh_crl_set **kept, list_of fresh, X509 *issuer, size_t *counted)
{
  X509 *const known[] = {other_ca, issuer};
  return gh_crl_set_take_later(kept, read_lists(&fresh, 1), known, issuer ? 2 : 1, now_us(), counted);
}

/*= RFC 5280 5.2.3; what came over HTTP takes the place of an earlier list of the same issuer, and of no other */
static void later_lists(void **state)
{
  (void)state;
  const list_of good = {.issuer = ca, .signer = ca_key, .begin_h = -2, .end_h = 24, .number = 5};
  gh_crl_set *kept = NULL;
  size_t counted;
  list_of o = good;
  o.signer = other_key; /* forged */
  assert_int_equal(taken(&kept, o, ca, &counted), 0);
  assert_int_equal(counted, 0);
  assert_int_equal(taken(&kept, good, NULL, &counted), 0); /* its issuer is nobody here */
  assert_null(kept);
  o = good;
  o.revoked = leaf;
  assert_int_equal(taken(&kept, o, ca, &counted), 1);
  assert_int_equal(counted, 1);
  assert_int_equal(gh_crl_set_check(kept, leaf, ca, now_us()), GH_CERT_REVOKED);
  const list_of lesser[] = {
      {.issuer = ca, .signer = ca_key, .begin_h = -1, .end_h = 48, .number = 4}, /* of another day, and before */
      {.issuer = ca, .signer = ca_key, .begin_h = -2, .end_h = 24, .number = 5}, /* the same */
      {.issuer = ca, .signer = ca_key, .begin_h = -3, .end_h = 24},              /* earlier, without a number */
      {.issuer = ca, .signer = ca_key, .begin_h = 3, .end_h = 24, .number = 9},  /* not begun */
      {.issuer = ca, .signer = ca_key, .begin_h = -1, .endless = true, .number = 9},
      {.issuer = ca, .signer = ca_key, .begin_h = -1, .end_h = 24, .number = 9, .critical_nid = NID_delta_crl},
      {.issuer = ca, .signer = other_key, .begin_h = -1, .end_h = 24, .number = 9},
      {.issuer = other_ca, .signer = ca_key, .begin_h = -1, .end_h = 24, .number = 9}};
  for (size_t i = 0; i < sizeof lesser / sizeof *lesser; i++) {
    list_of one = lesser[i];
    if (one.issuer == other_ca) one.digest = EVP_sha1();
    if (taken(&kept, one, ca, NULL) != 0) fail_msg("row %zu", i);
    assert_int_equal(gh_crl_set_check(kept, leaf, ca, now_us()), GH_CERT_REVOKED);
  }
  o = good;
  o.number = 6;
  assert_int_equal(taken(&kept, o, ca, NULL), 1);
  assert_int_equal(gh_crl_set_check(kept, leaf, ca, now_us()), GH_CERT_GOOD);
  o = (list_of){.issuer = ca, .signer = ca_key, .begin_h = -1, .end_h = 24, .revoked = leaf}; /* later by its time */
  assert_int_equal(taken(&kept, o, ca, NULL), 1);
  assert_int_equal(gh_crl_set_check(kept, leaf, ca, now_us()), GH_CERT_REVOKED);
  gh_crl_set_free(kept);
}

/* Lists that bear the name of the issuer and not its signature, as many as anybody likes: the work is bounded. */
static void forged_lists_without_end(void **state)
{
  (void)state;
  static list_of lists[GH_CRL_SIGNATURES_MAX + 1];
  const list_of good = {.issuer = ca, .signer = ca_key, .begin_h = -1, .end_h = 24, .number = 1};
  for (int late = 0; late < 2; late++) {
    gh_crl_set *kept = NULL;
    for (size_t i = 0; i <= GH_CRL_SIGNATURES_MAX; i++) {
      lists[i] = good;
      lists[i].signer = other_key;
    }
    lists[GH_CRL_SIGNATURES_MAX - !late] = good; /* the last one that is looked at, or the first one that is not */
    gh_crl_set *fresh = read_lists(lists, GH_CRL_SIGNATURES_MAX + 1);
    assert_int_equal(gh_crl_set_take_later(&kept, fresh, &ca, 1, now_us(), NULL), !late);
    gh_crl_set_free(kept);
  }
}

static void octets_that_are_no_answer(void **state)
{
  (void)state;
  int64_t until;
  gh_buf der = GH_BUF_INIT;
  add_answer(&der, &(answer_of){.cert = leaf, .issuer = ca, .signer = ca_key, .begin_h = -1, .end_h = 24});
  for (size_t len = 0; len < der.len; len += 7)
    assert_int_equal(gh_ocsp_check((gh_str){der.ptr, len}, leaf, ca, now_us(), &until), GH_CERT_UNKNOWN);
  for (size_t at = der.len / 2; at < der.len; at += 5) { /* one bit flipped: never good for it */
    gh_buf copy = GH_BUF_INIT;
    gh_buf_add(&copy, gh_buf_str(&der));
    copy.ptr[at] ^= 1;
    (void)gh_ocsp_check(gh_buf_str(&copy), leaf, ca, now_us(), &until);
    gh_buf_free(&copy);
  }
  gh_buf_free(&der);
  gh_buf question = GH_BUF_INIT;
  assert_int_equal(gh_ocsp_request(leaf, ca, &question), GH_OK);
  assert_int_equal(gh_ocsp_check(gh_buf_str(&question), leaf, ca, now_us(), &until), GH_CERT_UNKNOWN);
  gh_buf_free(&question);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(lists),          cmocka_unit_test(several_lists),
      cmocka_unit_test(forms_of_lists), cmocka_unit_test(answers),
      cmocka_unit_test(who_may_answer), cmocka_unit_test(octets_that_are_no_answer),
      cmocka_unit_test(later_lists),    cmocka_unit_test(forged_lists_without_end),
  };
  return cmocka_run_group_tests(tests, make, drop);
}
