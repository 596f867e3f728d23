/* Certificates that gh_cert_issue would not make: any name, key, digest and extension. Keys are made at run time. */
#ifndef GH_TEST_CRYPTO_CERT_MAKER_H
#define GH_TEST_CRYPTO_CERT_MAKER_H

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "../m2m/cmocka_all.h"
#include "base/clock.h"
#include "crypto/cert_names.h"
#include "crypto/certs.h"

#define DAY_US (INT64_C(86400) * GH_US_PER_S)

/* Extensions as the library's configuration text; NULL: left out. */
typedef struct odd_cert {
  EVP_PKEY *key;
  X509 *issuer;
  EVP_PKEY *signer;     /* NULL: self-signed */
  const EVP_MD *digest; /* NULL: SHA-256 */
  long version;         /* 0: version 3 */
  const char *basic, *usage, *names, *constraints, *ext_usage;
  GENERAL_NAME *raw_name;            /* taken over: the one subjectAltName */
  NAME_CONSTRAINTS *raw_constraints; /* taken over */
  bool constraints_critical;         /* of the raw ones */
} odd_cert;

static inline int64_t now_us(void)
{
  gh_clock clock = gh_clock_system();
  return gh_clock_wall_us(&clock);
}

static inline EVP_PKEY *new_key(void)
{
  EVP_PKEY *key = NULL;
  assert_int_equal(gh_cert_new_key(&key), GH_OK);
  return key;
}

static inline void odd_ext(X509 *cert, X509 *issuer, int nid, const char *text)
{
  X509V3_CTX ctx;
  if (!text) return;
  X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
  X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, text);
  assert_non_null(ext);
  assert_int_equal(X509_add_ext(cert, ext, -1), 1);
  X509_EXTENSION_free(ext);
}

static inline X509 *odd_make(const odd_cert *o)
{
  static long serial = 1;
  X509 *cert = X509_new(), *issuer = o->issuer ? o->issuer : cert;
  char cn[32];
  snprintf(cn, sizeof(cn), "odd %ld", serial);
  X509_set_version(cert, o->version ? o->version - 1 : X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(cert), serial++);
  X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
  X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1, 0);
  X509_set_issuer_name(cert, X509_get_subject_name(issuer));
  X509_set_pubkey(cert, o->key);
  odd_ext(cert, issuer, NID_basic_constraints, o->basic);
  odd_ext(cert, issuer, NID_key_usage, o->usage);
  odd_ext(cert, issuer, NID_subject_alt_name, o->names);
  odd_ext(cert, issuer, NID_name_constraints, o->constraints);
  odd_ext(cert, issuer, NID_ext_key_usage, o->ext_usage);
  if (o->raw_name) {
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    sk_GENERAL_NAME_push(names, o->raw_name);
    assert_int_equal(X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, 0), 1);
    GENERAL_NAMES_free(names);
  }
  if (o->raw_constraints) {
    assert_int_equal(X509_add1_ext_i2d(cert, NID_name_constraints, o->raw_constraints, o->constraints_critical, 0),
                     1);
    NAME_CONSTRAINTS_free(o->raw_constraints);
  }
  assert_true(X509_sign(cert, o->signer ? o->signer : o->key, o->digest ? o->digest : EVP_sha256()) > 0);
  return cert;
}

/* An otherName whose value is these octets of DER. */
static inline GENERAL_NAME *other_name(const char *oid, const void *der, int len)
{
  GENERAL_NAME *name = GENERAL_NAME_new();
  ASN1_TYPE *value = ASN1_TYPE_new();
  ASN1_STRING *octets = ASN1_STRING_type_new(V_ASN1_OTHER);
  ASN1_STRING_set(octets, der, len);
  ASN1_TYPE_set(value, V_ASN1_OTHER, octets);
  GENERAL_NAME_set0_othername(name, OBJ_txt2obj(oid, 1), value);
  return name;
}

/* A device name: type-id and the remaining arcs, both dotted. */
static inline GENERAL_NAME *device_name_of(const char *indication, const char *arcs)
{
  gh_buf content = GH_BUF_INIT, der = GH_BUF_INIT;
  assert_int_equal(gh_cert_arcs_encode(gh_str_of(arcs), &content), GH_OK);
  gh_buf_add_char(&der, 0x0d);
  gh_buf_add_char(&der, (char)content.len);
  gh_buf_add(&der, gh_buf_str(&content));
  GENERAL_NAME *name = other_name(indication, der.ptr, (int)der.len);
  gh_buf_free(&content);
  gh_buf_free(&der);
  return name;
}

/* Adds a subtree over `base`, which is taken over. */
static inline NAME_CONSTRAINTS *constrain(NAME_CONSTRAINTS *nc, bool excluded, GENERAL_NAME *base)
{
  if (!nc) nc = NAME_CONSTRAINTS_new();
  STACK_OF(GENERAL_SUBTREE) **trees = excluded ? &nc->excludedSubtrees : &nc->permittedSubtrees;
  if (!*trees) *trees = sk_GENERAL_SUBTREE_new_null();
  GENERAL_SUBTREE *tree = GENERAL_SUBTREE_new();
  GENERAL_NAME_free(tree->base);
  tree->base = base;
  sk_GENERAL_SUBTREE_push(*trees, tree);
  return nc;
}

/* A self-signed end-entity certificate with these names. */
static inline X509 *odd_named(EVP_PKEY *key, const char *names)
{
  return odd_make(&(odd_cert){.key = key, .usage = "critical,digitalSignature", .names = names});
}

static inline X509 *issue(gh_cert_flavour flavour, const char *name, const char *constraint, EVP_PKEY *key,
                          X509 *issuer, EVP_PKEY *signer)
{
  X509 *cert = NULL;
  gh_diag diag = {""};
  const gh_cert_request request = {.flavour = flavour,
                                   .name = gh_str_of(name),
                                   .constraint = gh_str_of(constraint),
                                   .not_before_us = now_us() - DAY_US,
                                   .not_after_us = now_us() + 30 * DAY_US};
  if (gh_cert_issue(&request, key, issuer, signer, &cert, &diag) != GH_OK) fail_msg("%s: %s", name, diag.text);
  return cert;
}

#endif
