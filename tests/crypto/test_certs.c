/* Certificates of TS-0003 10.1: what is made is read back as the same name; everything outside the profile is
 * refused. */
#include "cert_maker.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/encoding.h"

typedef struct realm {
  gh_arena arena;
  EVP_PKEY *ca_key, *key;
  EVP_PKEY *rsa; /* for what is refused */
  X509 *ca;      /* bound to sp.example.com */
} realm;

static int set_up(void **state)
{
  realm *r = gh_calloc(1, sizeof(*r));
  gh_arena_init(&r->arena);
  r->ca_key = new_key();
  r->key = new_key();
  r->rsa = EVP_RSA_gen(1024);
  r->ca = issue(GH_CERT_CA, "Gatehouse test CA", "SP.example.com", r->ca_key, NULL, NULL);
  *state = r;
  return 0;
}

static int tear_down(void **state)
{
  realm *r = *state;
  X509_free(r->ca);
  EVP_PKEY_free(r->ca_key);
  EVP_PKEY_free(r->key);
  EVP_PKEY_free(r->rsa);
  gh_arena_free(&r->arena);
  free(r);
  return 0;
}

static void assert_identity(realm *r, X509 *cert, gh_cert_flavour want_flavour, const char *want)
{
  gh_cert_flavour flavour;
  gh_str name;
  gh_diag diag = {""};
  if (gh_cert_identity(&r->arena, cert, &flavour, &name, &diag) != GH_OK) fail_msg("%s: %s", want, diag.text);
  assert_int_equal(flavour, want_flavour);
  assert_str(name, want);
}

static void assert_no_identity(realm *r, X509 *cert, const char *why)
{
  gh_cert_flavour flavour = GH_CERT_CA;
  gh_str name = GH_STR("untouched");
  gh_diag diag = {""};
  assert_int_equal(gh_cert_identity(&r->arena, cert, &flavour, &name, &diag), GH_EAUTH);
  assert_str(name, "untouched");
  if (!strstr(diag.text, why)) fail_msg("expected '%s' in '%s'", why, diag.text);
  assert_int_equal(ERR_peek_error(), 0);
}

/* ---- what we make */

/*= TS-0003 10.1.1.4.1; 10.1.1.5; 10.1.1.6; 10.1.1.7 */
static void test_each_flavour_reads_back(void **state)
{
  realm *r = *state;
  static const struct {
    gh_cert_flavour made, read;
    const char *name, *want;
  } cases[] = {
      {GH_CERT_CSE_ID, GH_CERT_CSE_ID, "mn-cse1.in-cse.sp.example.com", "mn-cse1.in-cse.sp.example.com"},
      {GH_CERT_FQDN, GH_CERT_CSE_ID, "MEF.sp.Example.com", "mef.sp.example.com"},
      {GH_CERT_AE_ID, GH_CERT_AE_ID, "//sp.example.com/in-cse/Cae1", "//sp.example.com/in-cse/Cae1"},
      {GH_CERT_AE_ID, GH_CERT_AE_ID, "//SP.example.com/in-cse/CaE1", "//sp.example.com/in-cse/CaE1"},
      {GH_CERT_AE_ID, GH_CERT_AE_ID, "//sp.example.com/S98821", "//sp.example.com/S98821"},
      {GH_CERT_DEVICE, GH_CERT_DEVICE, "0.2.481.1.100.3030.10011", "0.2.481.1.100.3030.10011"},
      {GH_CERT_DEVICE, GH_CERT_DEVICE, "1.3.6.1.4.1/18446744073709551615.0.128",
       "1.3.6.1.4.1.18446744073709551615.0.128"},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    X509 *cert = issue(cases[i].made, cases[i].name, NULL, r->key, r->ca, r->ca_key);
    gh_diag diag = {""};
    assert_identity(r, cert, cases[i].read, cases[i].want);
    assert_int_equal(gh_cert_check_profile(cert, &diag), GH_OK);
    assert_int_equal(X509_verify(cert, r->ca_key), 1);
    X509_free(cert);
  }
}

/* A Node-ID has no host, so that it can only come from a CA without URI constraints. */
/*= TS-0003 10.1.1.8 */
static void test_node_id(void **state)
{
  realm *r = *state;
  EVP_PKEY *ca_key = new_key();
  X509 *ca = issue(GH_CERT_CA, "Node CA", NULL, ca_key, NULL, NULL);
  X509 *cert = issue(GH_CERT_NODE_ID, "urn:gsma:imei:90420156-025763-0", NULL, r->key, ca, ca_key);
  assert_identity(r, cert, GH_CERT_NODE_ID, "urn:gsma:imei:90420156-025763-0");
  X509_free(cert);
  X509_free(ca);
  EVP_PKEY_free(ca_key);
}

/* The octets of the whole extension value, computed by hand from the rules of ASN.1. */
static void test_device_name_octets(void **state)
{
  realm *r = *state;
  X509 *cert = issue(GH_CERT_DEVICE, "0.2.481.1.100.3030.10011", NULL, r->key, r->ca, r->ca_key);
  X509_EXTENSION *ext = X509_get_ext(cert, X509_get_ext_by_NID(cert, NID_subject_alt_name, -1));
  const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(ext);
  gh_str hex = gh_hex_upper(&r->arena, ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value));
  assert_str(hex, "3011A00F060402836101A0070D05649756CE1B");
  X509_free(cert);
}

static void test_body_of_a_leaf(void **state)
{
  realm *r = *state;
  X509 *one = issue(GH_CERT_CSE_ID, "in-cse.sp.example.com", NULL, r->key, r->ca, r->ca_key);
  X509 *two = issue(GH_CERT_CSE_ID, "in-cse.sp.example.com", NULL, r->key, r->ca, r->ca_key);
  assert_int_equal(X509_get_version(one), X509_VERSION_3);
  assert_int_equal(ASN1_STRING_length((const ASN1_STRING *)X509_get0_serialNumber(one)), 16);
  assert_int_not_equal(ASN1_INTEGER_cmp(X509_get0_serialNumber(one), X509_get0_serialNumber(two)), 0);
  assert_int_equal(X509_get_key_usage(one), KU_DIGITAL_SIGNATURE);
  assert_int_equal(X509_get_extended_key_usage(one), XKU_SSL_SERVER | XKU_SSL_CLIENT);
  assert_int_equal(X509_check_ca(one), 0);
  assert_non_null(X509_get0_subject_key_id(one));
  assert_int_equal(ASN1_OCTET_STRING_cmp(X509_get0_authority_key_id(one), X509_get0_subject_key_id(r->ca)), 0);
  assert_true(gh_cert_not_after_us(one) > now_us() + 29 * DAY_US);
  assert_true(gh_cert_not_after_us(one) <= now_us() + 30 * DAY_US);
  X509_free(one);
  X509_free(two);
}

/*= TS-0003 8.1.2.2; CA certificates carry name constraints */
static void test_body_of_a_ca(void **state)
{
  realm *r = *state;
  int critical = 0;
  assert_int_equal(X509_check_ca(r->ca), 1);
  assert_int_equal(X509_get_key_usage(r->ca), KU_DIGITAL_SIGNATURE | KU_KEY_CERT_SIGN | KU_CRL_SIGN);
  assert_int_equal(gh_cert_check_profile(r->ca, NULL), GH_OK);
  BASIC_CONSTRAINTS_free(X509_get_ext_d2i(r->ca, NID_basic_constraints, &critical, NULL));
  assert_int_equal(critical, 1);
  NAME_CONSTRAINTS *nc = X509_get_ext_d2i(r->ca, NID_name_constraints, &critical, NULL);
  assert_non_null(nc);
  assert_int_equal(critical, 1);
  assert_int_equal(sk_GENERAL_SUBTREE_num(nc->permittedSubtrees), 2);
  assert_null(nc->excludedSubtrees);
  NAME_CONSTRAINTS_free(nc);
}

/* A name that does not fit the common name still gets a certificate: empty subject, critical subjectAltName. */
static void test_long_name(void **state)
{
  realm *r = *state;
  const char *name =
      "//sp.example.com/in-cse/C0123456789012345678901234567890123456789012345678901234567890123456789";
  X509 *cert = issue(GH_CERT_AE_ID, name, NULL, r->key, r->ca, r->ca_key);
  int critical = 0;
  GENERAL_NAMES_free(X509_get_ext_d2i(cert, NID_subject_alt_name, &critical, NULL));
  assert_int_equal(critical, 1);
  assert_int_equal(X509_NAME_entry_count(X509_get_subject_name(cert)), 0);
  assert_identity(r, cert, GH_CERT_AE_ID, name);
  X509_free(cert);
}

/* ---- what we do not make */

static void assert_not_issued(const gh_cert_request *request, EVP_PKEY *key, X509 *issuer, EVP_PKEY *signer)
{
  X509 *cert = NULL;
  gh_diag diag = {""};
  gh_err err = gh_cert_issue(request, key, issuer, signer, &cert, &diag);
  if (err != GH_EINVAL) fail_msg("'%.*s' gave %s", GH_STR_ARG(request->name), gh_err_name(err));
  assert_null(cert);
  assert_true(diag.text[0] != '\0');
  assert_int_equal(ERR_peek_error(), 0);
}

/*= TS-0003 10.1.1.5; 10.1.1.6; 10.1.1.7; 10.1.1.8; no wildcards */
static void test_names_not_issued(void **state)
{
  realm *r = *state;
  static const struct {
    gh_cert_flavour flavour;
    const char *name;
  } cases[] = {
      {GH_CERT_CSE_ID, ""},
      {GH_CERT_CSE_ID, "*.sp.example.com"},
      {GH_CERT_CSE_ID, "mn_cse.sp.example.com"},
      {GH_CERT_CSE_ID, "a..sp.example.com"},
      {GH_CERT_CSE_ID, "-a.sp.example.com"},
      {GH_CERT_CSE_ID, "sp.example.com."},
      {GH_CERT_FQDN, "mef sp.example.com"},
      {GH_CERT_FQDN, "mef.example.org"}, /* outside the constraint of the CA */
      {GH_CERT_AE_ID, "Cae1"},
      {GH_CERT_AE_ID, "/in-cse/Cae1"},
      {GH_CERT_AE_ID, "//sp.example.com"},
      {GH_CERT_AE_ID, "//sp.example.com/in-cse"},
      {GH_CERT_AE_ID, "//sp.example.com/in-cse/C*"},
      {GH_CERT_AE_ID, "//sp.example.com/in-cse/C"}, /* asks for a stem, is none */
      {GH_CERT_AE_ID, "//sp.example.com/S"},
      {GH_CERT_AE_ID, "//sp.example.com/in-cse/Xae1"},
      {GH_CERT_AE_ID, "//sp.example.com/in-cse/Cae1/x"},
      {GH_CERT_AE_ID, "//sp.example.com/Cae1"},
      {GH_CERT_AE_ID, "m2m://sp.example.com/in-cse/Cae1"},
      {GH_CERT_AE_ID, "//other.example.com/in-cse/Cae1"},   /* outside the constraint */
      {GH_CERT_NODE_ID, "urn:gsma:imei:90420156-025763-0"}, /* no host: the URI constraint refuses it */
      {GH_CERT_NODE_ID, "no-uri"},
      {GH_CERT_NODE_ID, "m2m:node"},
      {GH_CERT_DEVICE, "0.2.481.1"},
      {GH_CERT_DEVICE, ""},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    const gh_cert_request request = {.flavour = cases[i].flavour,
                                     .name = gh_str_of(cases[i].name),
                                     .not_before_us = now_us(),
                                     .not_after_us = now_us() + DAY_US};
    assert_not_issued(&request, r->key, r->ca, r->ca_key);
  }
}

static void test_requests_not_issued(void **state)
{
  realm *r = *state;
  const gh_cert_request good = {.flavour = GH_CERT_CSE_ID,
                                .name = GH_STR("in-cse.sp.example.com"),
                                .not_before_us = now_us(),
                                .not_after_us = now_us() + DAY_US};
  gh_cert_request backwards = good, odd_ca = good;
  backwards.not_after_us = backwards.not_before_us;
  odd_ca.flavour = GH_CERT_CA;
  odd_ca.constraint = GH_STR("sp.example.com,permitted;DNS:example.org");
  EVP_PKEY *p384 = EVP_EC_gen("P-384");
  X509 *leaf = issue(GH_CERT_CSE_ID, "in-cse.sp.example.com", NULL, r->key, r->ca, r->ca_key);
  assert_not_issued(&backwards, r->key, r->ca, r->ca_key);
  assert_not_issued(&odd_ca, r->key, NULL, NULL);
  assert_not_issued(&good, p384, r->ca, r->ca_key);
  assert_not_issued(&good, r->rsa, r->ca, r->ca_key);
  assert_not_issued(&good, r->key, r->ca, r->key); /* not the key of that CA */
  assert_not_issued(&good, r->key, leaf, r->key);  /* not a CA */
  assert_not_issued(&good, r->key, r->ca, NULL);
  assert_not_issued(&good, r->key, NULL, r->ca_key);
  X509_free(leaf);
  EVP_PKEY_free(p384);
}

/* ---- who a certificate of others names */

static void test_identity_of_others(void **state)
{
  realm *r = *state;
  static const struct {
    const char *names;
    gh_cert_flavour flavour;
    const char *want;
  } cases[] = {
      {"URI:m2m://SP.example.com/in-cse/Cae1", GH_CERT_AE_ID, "//sp.example.com/in-cse/Cae1"},
      {"URI:onem2m+v1://sp.example.com/in-cse/Cae1", GH_CERT_AE_ID, "//sp.example.com/in-cse/Cae1"},
      {"URI://sp.example.com/in-cse/Cae1", GH_CERT_AE_ID, "//sp.example.com/in-cse/Cae1"},
      {"URI:urn:gsma:imei:90420156-025763-0;svn=42", GH_CERT_NODE_ID, "urn:gsma:imei:90420156-025763-0;svn=42"},
      {"RID:0.2.481.1.100.3030.10011", GH_CERT_DEVICE, "0.2.481.1.100.3030.10011"},
      {"DNS:In-CSE.sp.example.com,IP:10.0.0.1,email:a@example.com", GH_CERT_CSE_ID, "in-cse.sp.example.com"},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    X509 *cert = odd_named(r->key, cases[i].names);
    assert_identity(r, cert, cases[i].flavour, cases[i].want);
    X509_free(cert);
  }
}

/*= TS-0003 8.1.2.5; exactly one name authenticates */
/*= TS-0003 10.1.1.5; 10.1.1.6; 10.1.1.7; 10.1.1.8; no wildcards */
static void test_no_identity(void **state)
{
  realm *r = *state;
  static const struct {
    const char *names, *why;
  } cases[] = {
      {NULL, "no usable name"},
      {"IP:10.0.0.1", "no usable name"},
      {"email:cse@sp.example.com", "no usable name"},
      {"otherName:1.2.3.4;UTF8:in-cse", "no usable name"},
      {"DNS:a.sp.example.com,DNS:b.sp.example.com", "more than one"},
      {"DNS:a.sp.example.com,DNS:a.sp.example.com", "more than one"},
      {"DNS:a.sp.example.com,URI:m2m://sp.example.com/in-cse/Cae1", "more than one"},
      {"URI:urn:x:1,URI:urn:x:2", "more than one"},
      {"DNS:*.sp.example.com", "plain domain name"},
      {"DNS:*", "plain domain name"},
      {"DNS:a_b.sp.example.com", "plain domain name"},
      {"DNS:a.sp.example.com.", "plain domain name"},
      {"URI:m2m://sp.example.com/in-cse/C*", "wildcard"},
      {"URI:m2m://*/in-cse/Cae1", "wildcard"},
      {"URI:m2m://sp.example.com/in-cse", "neither"},
      {"URI:m2m://sp.example.com/in-cse/C", "neither"}, /* asks for a stem, is none */
      {"URI:M2M:something", "neither"},
      {"URI:in-cse", "neither"},
      {"URI:/in-cse/Cae1", "neither"},
      {"URI:urn:", "neither"},
      {"URI:urn:a b", "wildcard or odd"},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    X509 *cert = odd_named(r->key, cases[i].names);
    assert_no_identity(r, cert, cases[i].why);
    X509_free(cert);
  }
}

static X509 *with_raw_name(EVP_PKEY *key, GENERAL_NAME *name)
{
  X509 *cert = odd_named(key, NULL);
  GENERAL_NAMES *names = GENERAL_NAMES_new();
  sk_GENERAL_NAME_push(names, name);
  assert_int_equal(X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT), 1);
  GENERAL_NAMES_free(names);
  assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
  return cert;
}

/* The name that a C string would end early: "in-cse.sp.example.com\0.evil.org". */
static void test_embedded_nul(void **state)
{
  realm *r = *state;
  static const char octets[] = "in-cse.sp.example.com\0.evil.org";
  GENERAL_NAME *name = GENERAL_NAME_new();
  ASN1_IA5STRING *text = ASN1_IA5STRING_new();
  ASN1_STRING_set(text, octets, sizeof(octets) - 1);
  GENERAL_NAME_set0_value(name, GEN_DNS, text);
  X509 *cert = with_raw_name(r->key, name);
  assert_no_identity(r, cert, "plain domain name");
  X509_free(cert);
}

static X509 *with_other_name(EVP_PKEY *key, const char *oid, const unsigned char *der, int len)
{
  GENERAL_NAME *name = GENERAL_NAME_new();
  ASN1_TYPE *value = ASN1_TYPE_new();
  ASN1_STRING *octets = ASN1_STRING_type_new(V_ASN1_OTHER);
  ASN1_STRING_set(octets, der, len);
  ASN1_TYPE_set(value, V_ASN1_OTHER, octets);
  GENERAL_NAME_set0_othername(name, OBJ_txt2obj(oid, 1), value);
  return with_raw_name(key, name);
}

/*= TS-0003 10.1.1.4.1; hardware identifiers of others */
static void test_hardware_names(void **state)
{
  realm *r = *state;
  /* SEQUENCE { OID 1.2.3.4, OCTET STRING 0A0B } */
  const unsigned char module[] = {0x30, 0x09, 0x06, 0x03, 0x2a, 0x03, 0x04, 0x04, 0x02, 0x0a, 0x0b};
  const unsigned char no_serial[] = {0x30, 0x07, 0x06, 0x03, 0x2a, 0x03, 0x04, 0x04, 0x00};
  const unsigned char cut_arc[] = {0x0d, 0x02, 0x64, 0x97}, padded_arc[] = {0x0d, 0x02, 0x80, 0x01};
  const unsigned char huge_arc[] = {0x0d, 0x0b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f};
  X509 *cert = with_other_name(r->key, "1.3.6.1.5.5.7.8.4", module, sizeof(module));
  assert_identity(r, cert, GH_CERT_DEVICE, "1.2.3.4/0A0B");
  X509_free(cert);
  cert = with_other_name(r->key, "1.3.6.1.5.5.7.8.4", no_serial, sizeof(no_serial));
  assert_no_identity(r, cert, "hardware identifier");
  X509_free(cert);
  cert = with_other_name(r->key, "0.2.481.1", cut_arc, sizeof(cut_arc));
  assert_no_identity(r, cert, "hardware identifier");
  X509_free(cert);
  cert = with_other_name(r->key, "0.2.481.1", padded_arc, sizeof(padded_arc));
  assert_no_identity(r, cert, "hardware identifier");
  X509_free(cert);
  cert = with_other_name(r->key, "0.2.481.1", huge_arc, sizeof(huge_arc));
  assert_no_identity(r, cert, "hardware identifier");
  X509_free(cert);
}

/* ---- profile */

static void assert_outside(X509 *cert, const char *why)
{
  gh_diag diag = {""};
  assert_int_equal(gh_cert_check_profile(cert, &diag), GH_EAUTH);
  if (!strstr(diag.text, why)) fail_msg("expected '%s' in '%s'", why, diag.text);
  assert_int_equal(ERR_peek_error(), 0);
  X509_free(cert);
}

static X509 *signed_by_p256(realm *r, EVP_PKEY *subject)
{
  return odd_make(&(odd_cert){.key = subject,
                              .issuer = r->ca,
                              .signer = r->ca_key,
                              .usage = "digitalSignature",
                              .names = "DNS:in-cse.sp.example.com"});
}

/*= TS-0003 10.1.1.1; P-256, uncompressed */
static void test_profile_of_the_key(void **state)
{
  realm *r = *state;
  EVP_PKEY *p384 = EVP_EC_gen("P-384"), *k1 = EVP_EC_gen("secp256k1");
  EVP_PKEY *ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), *squeezed = new_key(), *spelled = new_key(),
           *mixed = new_key();
  EVP_PKEY_set_utf8_string_param(mixed, "point-format", "hybrid");
  EVP_PKEY_set_utf8_string_param(squeezed, "point-format", "compressed");
  EVP_PKEY_set_utf8_string_param(spelled, "encoding", "explicit");
  EVP_PKEY *const keys[] = {p384, k1, ed, squeezed, mixed, spelled};
  for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
    assert_outside(signed_by_p256(r, keys[i]), "P-256");
    EVP_PKEY_free(keys[i]);
  }
  assert_outside(signed_by_p256(r, r->rsa), "P-256");
}

/*= TS-0003 10.1.1.1; 10.1.1.3; ecdsa-with-SHA256 */
static void test_profile_of_the_signature(void **state)
{
  realm *r = *state;
  odd_cert odd = {.key = r->key, .usage = "digitalSignature", .names = "DNS:in-cse.sp.example.com"};
  odd.digest = EVP_sha384();
  assert_outside(odd_make(&odd), "ecdsa-with-SHA256");
  odd.digest = EVP_sha1();
  assert_outside(odd_make(&odd), "ecdsa-with-SHA256");
  odd.digest = EVP_sha256();
  odd.issuer = r->ca;
  odd.signer = r->rsa;
  assert_outside(odd_make(&odd), "ecdsa-with-SHA256");
}

/* The signed body says another algorithm than the signature itself. */
static void test_profile_of_both_algorithms(void **state)
{
  realm *r = *state;
  static const unsigned char ecdsa_sha256[] = {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02};
  unsigned char *der = NULL;
  int len = i2d_X509(r->ca, &der);
  unsigned char *inner = memmem(der, (size_t)len, ecdsa_sha256, sizeof(ecdsa_sha256));
  assert_non_null(inner);
  inner[7] = 0x03; /* ecdsa-with-SHA384 */
  const unsigned char *at = der;
  X509 *cert = d2i_X509(NULL, &at, len);
  assert_non_null(cert);
  assert_int_equal(X509_get_signature_nid(cert), NID_ecdsa_with_SHA256);
  assert_outside(cert, "ecdsa-with-SHA256");
  OPENSSL_free(der);
}

/*= TS-0003 10.1.1.1; keyUsage holds digitalSignature */
static void test_profile_of_the_rest(void **state)
{
  realm *r = *state;
  odd_cert odd = {.key = r->key, .usage = "digitalSignature", .names = "DNS:in-cse.sp.example.com"};
  X509 *good = odd_make(&odd);
  assert_int_equal(gh_cert_check_profile(good, NULL), GH_OK);
  X509_free(good);
  odd.usage = NULL;
  assert_outside(odd_make(&odd), "keyUsage");
  odd.usage = "critical,keyAgreement";
  assert_outside(odd_make(&odd), "keyUsage");
  odd.usage = "critical,keyCertSign";
  assert_outside(odd_make(&odd), "keyUsage");
  odd.usage = "critical,digitalSignature";
  odd.basic = "critical,CA:TRUE";
  assert_outside(odd_make(&odd), "keyUsage"); /* a CA that may not sign certificates */
  odd.basic = NULL;
  odd.names = "DNS:*.sp.example.com";
  assert_outside(odd_make(&odd), "wildcard");
  odd.names = "URI:m2m://sp.example.com/in-cse/C*";
  assert_outside(odd_make(&odd), "wildcard");
  odd_cert old = {.key = r->key, .version = 1};
  assert_outside(odd_make(&old), "version 3");
}

/* ---- PEM */

static void test_pem_round_trip(void **state)
{
  realm *r = *state;
  gh_buf pem = GH_BUF_INIT;
  X509 *cert = NULL;
  EVP_PKEY *key = NULL;
  assert_int_equal(gh_cert_to_pem(r->ca, &pem), GH_OK);
  assert_int_equal(gh_cert_from_pem(gh_buf_str(&pem), &cert), GH_OK);
  assert_int_equal(X509_cmp(cert, r->ca), 0);
  gh_buf_clear(&pem);
  assert_int_equal(gh_key_to_pem(r->key, &pem), GH_OK);
  assert_true(gh_str_starts(gh_buf_str(&pem), GH_STR("-----BEGIN PRIVATE KEY-----")));
  assert_int_equal(gh_key_from_pem(gh_buf_str(&pem), &key), GH_OK);
  assert_int_equal(EVP_PKEY_eq(key, r->key), 1);
  gh_buf_wipe_free(&pem);
  X509_free(cert);
  EVP_PKEY_free(key);
}

/* An encrypted key is refused at once: nobody is asked for a passphrase. */
static void test_pem_refused(void **state)
{
  realm *r = *state;
  X509 *cert = NULL;
  EVP_PKEY *key = NULL;
  char *text;
  unsigned char pass[] = "secret";
  BIO *bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PKCS8PrivateKey(bio, r->key, EVP_aes_128_cbc(), (char *)pass, 6, NULL, NULL);
  long len = BIO_get_mem_data(bio, &text);
  const gh_str sealed = {text, (size_t)len};
  assert_int_equal(gh_key_from_pem(sealed, &key), GH_ESYNTAX);
  assert_int_equal(gh_cert_from_pem(sealed, &cert), GH_ESYNTAX);
  assert_int_equal(gh_cert_from_pem(GH_STR_NONE, &cert), GH_ESYNTAX);
  assert_int_equal(gh_key_from_pem(GH_STR("-----BEGIN PRIVATE KEY-----\n"), &key), GH_ESYNTAX);
  assert_int_equal(gh_cert_from_pem((gh_str){text, SIZE_MAX / 2}, &cert), GH_ELIMIT);
  assert_null(cert);
  assert_null(key);
  assert_int_equal(ERR_peek_error(), 0);
  BIO_free(bio);
}

/* ---- public key identifier */

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_each_flavour_reads_back),
      cmocka_unit_test(test_node_id),
      cmocka_unit_test(test_device_name_octets),
      cmocka_unit_test(test_body_of_a_leaf),
      cmocka_unit_test(test_body_of_a_ca),
      cmocka_unit_test(test_long_name),
      cmocka_unit_test(test_names_not_issued),
      cmocka_unit_test(test_requests_not_issued),
      cmocka_unit_test(test_identity_of_others),
      cmocka_unit_test(test_no_identity),
      cmocka_unit_test(test_embedded_nul),
      cmocka_unit_test(test_hardware_names),
      cmocka_unit_test(test_profile_of_the_key),
      cmocka_unit_test(test_profile_of_the_signature),
      cmocka_unit_test(test_profile_of_both_algorithms),
      cmocka_unit_test(test_profile_of_the_rest),
      cmocka_unit_test(test_pem_round_trip),
      cmocka_unit_test(test_pem_refused),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
