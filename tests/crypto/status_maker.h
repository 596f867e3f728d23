/* Revocation lists and answers of responders, made at run time, good and bad. */
#ifndef GH_TEST_CRYPTO_STATUS_MAKER_H
#define GH_TEST_CRYPTO_STATUS_MAKER_H

#include <openssl/ocsp.h>
#include <openssl/pem.h>

#include "cert_maker.h"

typedef struct list_of { /* hours from now */
  X509 *issuer;
  EVP_PKEY *signer;
  X509 *revoked; /* NULL: nobody */
  int begin_h, end_h;
  bool endless; /* no nextUpdate */
  const EVP_MD *digest;
  long number;      /* of the list; 0: none */
  int critical_nid; /* adds an extension that a list may bear, e.g. NID_delta_crl; 0: none */
} list_of;

static inline ASN1_TIME *hours(int h)
{
  return ASN1_TIME_adj(NULL, (time_t)(now_us() / GH_US_PER_S), 0, h * 3600L);
}

static inline X509_CRL *make_list(const list_of *o)
{
  X509_CRL *crl = X509_CRL_new();
  ASN1_TIME *begin = hours(o->begin_h), *end = hours(o->end_h);
  X509_CRL_set_version(crl, 1);
  X509_CRL_set_issuer_name(crl, X509_get_subject_name(o->issuer));
  X509_CRL_set1_lastUpdate(crl, begin);
  if (!o->endless) X509_CRL_set1_nextUpdate(crl, end);
  if (o->revoked) {
    X509_REVOKED *entry = X509_REVOKED_new();
    X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(o->revoked));
    X509_REVOKED_set_revocationDate(entry, begin);
    X509_CRL_add0_revoked(crl, entry);
  }
  if (o->critical_nid) {
    ASN1_INTEGER *number = ASN1_INTEGER_new();
    ASN1_INTEGER_set(number, 1);
    X509_CRL_add1_ext_i2d(crl, o->critical_nid, number, 1, 0);
    ASN1_INTEGER_free(number);
  }
  if (o->number) {
    ASN1_INTEGER *number = ASN1_INTEGER_new();
    ASN1_INTEGER_set(number, o->number);
    X509_CRL_add1_ext_i2d(crl, NID_crl_number, number, 0, 0);
    ASN1_INTEGER_free(number);
  }
  assert_true(X509_CRL_sign(crl, o->signer, o->digest ? o->digest : EVP_sha256()) > 0);
  ASN1_TIME_free(begin);
  ASN1_TIME_free(end);
  return crl;
}

static inline void add_list_pem(gh_buf *out, const list_of *o)
{
  X509_CRL *crl = make_list(o);
  BIO *bio = BIO_new(BIO_s_mem());
  char *text;
  assert_int_equal(PEM_write_bio_X509_CRL(bio, crl), 1);
  long len = BIO_get_mem_data(bio, &text);
  gh_buf_add_bytes(out, text, (size_t)len);
  BIO_free(bio);
  X509_CRL_free(crl);
}

typedef struct answer_of {
  X509 *cert, *issuer;
  X509 *responder; /* NULL: the issuer */
  EVP_PKEY *signer;
  int status; /* V_OCSP_CERTSTATUS_.. */
  int begin_h, end_h;
  bool endless, sha256_id;
  int response_status; /* OCSP_RESPONSE_STATUS_.. */
} answer_of;

static inline void add_answer(gh_buf *out, const answer_of *o)
{
  OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
  OCSP_CERTID *id = OCSP_cert_to_id(o->sha256_id ? EVP_sha256() : EVP_sha1(), o->cert, o->issuer);
  ASN1_TIME *begin = hours(o->begin_h), *end = hours(o->end_h), *revoked = hours(-1);
  bool is_revoked = o->status == V_OCSP_CERTSTATUS_REVOKED;
  OCSP_basic_add1_status(basic, id, o->status, OCSP_REVOKED_STATUS_UNSPECIFIED, is_revoked ? revoked : NULL, begin,
                         o->endless ? NULL : end);
  assert_int_equal(OCSP_basic_sign(basic, o->responder ? o->responder : o->issuer, o->signer, EVP_sha256(), NULL, 0),
                   1);
  OCSP_RESPONSE *response = OCSP_response_create(o->response_status, o->response_status ? NULL : basic);
  unsigned char *der = NULL;
  int len = i2d_OCSP_RESPONSE(response, &der);
  assert_true(len > 0);
  gh_buf_add_bytes(out, der, (size_t)len);
  OPENSSL_free(der);
  OCSP_RESPONSE_free(response);
  OCSP_BASICRESP_free(basic);
  OCSP_CERTID_free(id);
  ASN1_TIME_free(begin);
  ASN1_TIME_free(end);
  ASN1_TIME_free(revoked);
}

#endif
