/* Owns the reading of CRLs and OCSP answers. Must never take an answer that the issuer did not sign, or an old one.
 */
#include "crypto/cert_status.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"

enum { SKEW_S = 300, FRESH_S = 300 }; /* clocks apart; an answer that does not say how long it holds */

static bool time_us(const ASN1_TIME *t, int64_t *out)
{
  struct tm tm;
  if (!t || ASN1_TIME_to_tm(t, &tm) != 1) return false;
  *out = (int64_t)timegm(&tm) * GH_US_PER_S;
  return true;
}

/* Does it hold now? *until_us: to when. Without `next` it holds for as long as it is fresh. */
static bool holds(const ASN1_TIME *this_update, const ASN1_TIME *next, int64_t now_us, int64_t *until_us)
{
  int64_t begin;
  if (!time_us(this_update, &begin) || begin > now_us + SKEW_S * GH_US_PER_S) return false;
  if (!next)
    *until_us = begin + FRESH_S * GH_US_PER_S;
  else if (!time_us(next, until_us))
    return false;
  return *until_us + SKEW_S * GH_US_PER_S > now_us;
}

/* ---- CRLs */

enum { FINGERPRINT_BYTES = 32 };

/* Whose signature was looked for last on this list, and whether it is there: a list is asked about thousands of
 * certificates, and signed once. */
typedef struct signature {
  bool known, good;
  uint8_t issuer[FINGERPRINT_BYTES];
} signature;

struct gh_crl_set {
  STACK_OF(X509_CRL) * crls;
  signature *signatures; /* one for each list, under the lock */
  pthread_mutex_t lock;
};

static gh_crl_set *empty_set(void)
{
  gh_crl_set *set = gh_calloc(1, sizeof *set);
  set->crls = sk_X509_CRL_new_null();
  pthread_mutex_init(&set->lock, NULL);
  return set;
}

static bool take(gh_crl_set *set, X509_CRL *crl)
{
  if (crl && sk_X509_CRL_push(set->crls, crl) > 0) return true;
  X509_CRL_free(crl);
  return false;
}

static gh_err read_pem(gh_crl_set *set, BIO *bio)
{
  X509_CRL *crl;
  while ((crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL))) GH_REQUIRE(take(set, crl), GH_ECRYPTO);
  bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  return at_end && sk_X509_CRL_num(set->crls) > 0 ? GH_OK : GH_ESYNTAX;
}

gh_err gh_crl_set_read(gh_str octets, gh_crl_set **out, gh_diag *diag)
{
  gh_crl_set *set = empty_set();
  BIO *bio = octets.len && octets.len <= INT32_MAX ? BIO_new_mem_buf(octets.ptr, (int)octets.len) : NULL;
  gh_err err = GH_ESYNTAX;
  if (bio && octets.ptr[0] == 0x30)
    err = take(set, d2i_X509_CRL_bio(bio, NULL)) ? GH_OK : GH_ESYNTAX;
  else if (bio)
    err = read_pem(set, bio);
  BIO_free(bio);
  ERR_clear_error();
  if (err != GH_OK) {
    gh_crl_set_free(set);
    return gh_fail(diag, err, "no certificate revocation list can be read");
  }
  set->signatures = gh_calloc((size_t)sk_X509_CRL_num(set->crls), sizeof *set->signatures);
  *out = set;
  return GH_OK;
}

void gh_crl_set_free(gh_crl_set *set)
{
  if (!set) return;
  sk_X509_CRL_pop_free(set->crls, X509_CRL_free);
  free(set->signatures);
  pthread_mutex_destroy(&set->lock);
  free(set);
}

static bool has_unread_extension(const X509_CRL *crl)
{
  for (int i = 0; i < X509_CRL_get_ext_count(crl); i++)
    if (X509_EXTENSION_get_critical(X509_CRL_get_ext(crl, i))) return true; /* delta, indirect, partial or unknown */
  return X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) >= 0;
}

/* ECDSA over SHA-256, as TS-0003 10.1.1.3 has it for certificates. */
static bool signed_by(X509_CRL *crl, X509 *issuer)
{
  if (X509_CRL_get_signature_nid(crl) != NID_ecdsa_with_SHA256) return false;
  if (!(X509_get_key_usage(issuer) & KU_CRL_SIGN)) return false; /* all bits are set where it is absent */
  bool ok = X509_CRL_verify(crl, X509_get0_pubkey(issuer)) == 1;
  ERR_clear_error();
  return ok;
}

static bool is_signed_by(gh_crl_set *set, int i, X509 *issuer)
{
  uint8_t fingerprint[FINGERPRINT_BYTES];
  unsigned len = 0;
  signature *last = &set->signatures[i];
  if (X509_digest(issuer, EVP_sha256(), fingerprint, &len) != 1 || len != FINGERPRINT_BYTES) return false;
  pthread_mutex_lock(&set->lock);
  bool known = last->known && memcmp(last->issuer, fingerprint, sizeof fingerprint) == 0, good = last->good;
  pthread_mutex_unlock(&set->lock);
  if (known) return good;
  good = signed_by(sk_X509_CRL_value(set->crls, i), issuer);
  pthread_mutex_lock(&set->lock);
  *last = (signature){.known = true, .good = good};
  memcpy(last->issuer, fingerprint, sizeof fingerprint);
  pthread_mutex_unlock(&set->lock);
  return good;
}

static gh_cert_state check_one(gh_crl_set *set, int i, X509 *cert, X509 *issuer, int64_t now_us)
{
  X509_CRL *crl = sk_X509_CRL_value(set->crls, i);
  int64_t until;
  X509_REVOKED *entry = NULL;
  if (X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_issuer_name(cert)) != 0) return GH_CERT_UNKNOWN;
  if (!X509_CRL_get0_nextUpdate(crl) || has_unread_extension(crl)) return GH_CERT_UNKNOWN;
  if (!is_signed_by(set, i, issuer)) return GH_CERT_UNKNOWN;
  bool now = holds(X509_CRL_get0_lastUpdate(crl), X509_CRL_get0_nextUpdate(crl), now_us, &until);
  int found = X509_CRL_get0_by_cert(crl, &entry, cert);
  if (found == 1) return GH_CERT_REVOKED; /* also by an old list: nobody is unrevoked by waiting */
  return now ? GH_CERT_GOOD : GH_CERT_UNKNOWN;
}

gh_cert_state gh_crl_set_check(gh_crl_set *set, X509 *cert, X509 *issuer, int64_t now_us)
{
  gh_cert_state state = GH_CERT_UNKNOWN;
  for (int i = 0; i < sk_X509_CRL_num(set->crls); i++) {
    gh_cert_state said = check_one(set, i, cert, issuer, now_us);
    if (said == GH_CERT_REVOKED) return said;
    if (said == GH_CERT_GOOD) state = said;
  }
  return state;
}

/*= RFC 5280 5.2.3 numbers of lists grow */
static bool is_later(const X509_CRL *fresh, const X509_CRL *old)
{
  ASN1_INTEGER *a = X509_CRL_get_ext_d2i(fresh, NID_crl_number, NULL, NULL);
  ASN1_INTEGER *b = X509_CRL_get_ext_d2i(old, NID_crl_number, NULL, NULL);
  int by_number = a && b ? ASN1_INTEGER_cmp(a, b) : 0, by_time = 0;
  if (!by_number) by_time = ASN1_TIME_compare(X509_CRL_get0_lastUpdate(fresh), X509_CRL_get0_lastUpdate(old));
  ASN1_INTEGER_free(a);
  ASN1_INTEGER_free(b);
  return by_number > 0 || (by_number == 0 && by_time == 1);
}

/* Takes one from *left for each signature that is looked at. */
static X509 *signer_of(gh_crl_set *set, int i, X509 *const *issuers, size_t count, size_t *left)
{
  const X509_CRL *crl = sk_X509_CRL_value(set->crls, i);
  for (size_t k = 0; k < count && *left; k++) {
    if (X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_subject_name(issuers[k])) != 0) continue;
    --*left;
    if (is_signed_by(set, i, issuers[k])) return issuers[k];
  }
  return NULL;
}

static bool is_whole_and_begun(const X509_CRL *crl, int64_t now_us)
{
  int64_t begin;
  return X509_CRL_get0_nextUpdate(crl) && !has_unread_extension(crl) &&
         time_us(X509_CRL_get0_lastUpdate(crl), &begin) && begin <= now_us + SKEW_S * GH_US_PER_S;
}

/* Puts the list into `kept`, if there is no later one of this issuer. */
static bool keep_later(gh_crl_set *kept, X509_CRL *crl, X509 *issuer)
{
  int count = sk_X509_CRL_num(kept->crls), at = 0;
  while (at < count &&
         !(X509_NAME_cmp(X509_CRL_get_issuer(sk_X509_CRL_value(kept->crls, at)), X509_CRL_get_issuer(crl)) == 0 &&
           is_signed_by(kept, at, issuer)))
    at++;
  if (at < count && !is_later(crl, sk_X509_CRL_value(kept->crls, at))) return false;
  X509_CRL_up_ref(crl);
  if (at < count) {
    X509_CRL_free(sk_X509_CRL_value(kept->crls, at));
    sk_X509_CRL_set(kept->crls, at, crl);
  } else if (!take(kept, crl)) {
    return false;
  } else {
    kept->signatures = gh_realloc(kept->signatures, (size_t)(count + 1) * sizeof *kept->signatures);
  }
  kept->signatures[at] = (signature){.known = false};
  return true;
}

size_t gh_crl_set_take_later(gh_crl_set **kept, gh_crl_set *fresh, X509 *const *issuers, size_t issuer_count,
                             int64_t now_us, size_t *signed_count)
{
  size_t taken = 0, found = 0, left = GH_CRL_SIGNATURES_MAX;
  for (int i = 0; left && i < sk_X509_CRL_num(fresh->crls); i++) {
    X509_CRL *crl = sk_X509_CRL_value(fresh->crls, i);
    X509 *issuer = is_whole_and_begun(crl, now_us) ? signer_of(fresh, i, issuers, issuer_count, &left) : NULL;
    if (!issuer) continue;
    found++;
    if (!*kept) *kept = empty_set();
    taken += keep_later(*kept, crl, issuer);
  }
  gh_crl_set_free(fresh);
  if (signed_count) *signed_count = found;
  return taken;
}

int64_t gh_crl_set_next_update_us(const gh_crl_set *set)
{
  int64_t earliest = INT64_MAX, next;
  for (int i = 0; i < sk_X509_CRL_num(set->crls); i++)
    if (time_us(X509_CRL_get0_nextUpdate(sk_X509_CRL_value(set->crls, i)), &next) && next < earliest) earliest = next;
  return earliest;
}

/* ---- OCSP */

gh_err gh_ocsp_request(X509 *cert, X509 *issuer, gh_buf *out)
{
  OCSP_REQUEST *request = OCSP_REQUEST_new();
  /* SHA-1 names the certificate here and protects nothing; every responder knows it (RFC 5019 2.1.1) */
  OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), cert, issuer);
  unsigned char *der = NULL;
  int len = 0;
  if (request && id && OCSP_request_add0_id(request, id))
    len = i2d_OCSP_REQUEST(request, &der);
  else
    OCSP_CERTID_free(id);
  if (len > 0) gh_buf_add_bytes(out, der, (size_t)len);
  OPENSSL_free(der);
  OCSP_REQUEST_free(request);
  ERR_clear_error();
  return len > 0 ? GH_OK : GH_ECRYPTO;
}

/*= RFC 6960 4.2.2.2; signed by the issuer, or by a certificate that the issuer gave OCSPSigning */
static bool signer_fits(OCSP_BASICRESP *basic, X509 *issuer)
{
  X509_STORE *store = X509_STORE_new();
  STACK_OF(X509) *certs = sk_X509_new_null();
  bool ok = store && certs && X509_STORE_add_cert(store, issuer) == 1 && sk_X509_push(certs, issuer) > 0;
  if (ok) {
    X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
    ok = OCSP_basic_verify(basic, certs, store, 0) == 1;
  }
  sk_X509_free(certs);
  X509_STORE_free(store);
  return ok;
}

static bool is_about(OCSP_SINGLERESP *single, X509 *cert, X509 *issuer)
{
  union { /* the getter wants a writable one and only reads */
    const OCSP_CERTID *borrowed;
    OCSP_CERTID *id;
  } theirs = {.borrowed = OCSP_SINGLERESP_get0_id(single)};
  ASN1_OBJECT *digest;
  if (OCSP_id_get0_info(NULL, &digest, NULL, NULL, theirs.id) != 1) return false;
  const EVP_MD *md = EVP_get_digestbyobj(digest);
  OCSP_CERTID *ours = md ? OCSP_cert_to_id(md, cert, issuer) : NULL;
  bool same = ours && OCSP_id_cmp(ours, theirs.borrowed) == 0;
  OCSP_CERTID_free(ours);
  return same;
}

static gh_cert_state read_single(OCSP_SINGLERESP *single, int64_t now_us, int64_t *since_us, int64_t *until_us)
{
  ASN1_GENERALIZEDTIME *this_update = NULL, *next = NULL;
  int status = OCSP_single_get0_status(single, NULL, NULL, &this_update, &next);
  if (!holds(this_update, next, now_us, until_us) || !time_us(this_update, since_us)) return GH_CERT_UNKNOWN;
  if (status == V_OCSP_CERTSTATUS_GOOD) return GH_CERT_GOOD;
  return status == V_OCSP_CERTSTATUS_REVOKED ? GH_CERT_REVOKED : GH_CERT_UNKNOWN;
}

static gh_cert_state read_basic(OCSP_BASICRESP *basic, X509 *cert, X509 *issuer, int64_t now_us, int64_t *since_us,
                                int64_t *until_us)
{
  if (!signer_fits(basic, issuer)) return GH_CERT_UNKNOWN;
  for (int i = 0; i < OCSP_resp_count(basic); i++) {
    OCSP_SINGLERESP *single = OCSP_resp_get0(basic, i);
    if (is_about(single, cert, issuer)) return read_single(single, now_us, since_us, until_us);
  }
  return GH_CERT_UNKNOWN;
}

gh_cert_state gh_ocsp_check_since(gh_str der, X509 *cert, X509 *issuer, int64_t now_us, int64_t *since_us,
                                  int64_t *until_us)
{
  const unsigned char *at = (const unsigned char *)der.ptr;
  *since_us = *until_us = 0;
  if (!der.len || der.len > INT32_MAX) return GH_CERT_UNKNOWN;
  OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &at, (long)der.len);
  OCSP_BASICRESP *basic = NULL;
  if (response && OCSP_response_status(response) == OCSP_RESPONSE_STATUS_SUCCESSFUL)
    basic = OCSP_response_get1_basic(response);
  gh_cert_state state = basic ? read_basic(basic, cert, issuer, now_us, since_us, until_us) : GH_CERT_UNKNOWN;
  OCSP_BASICRESP_free(basic);
  OCSP_RESPONSE_free(response);
  ERR_clear_error();
  return state;
}

gh_cert_state gh_ocsp_check(gh_str der, X509 *cert, X509 *issuer, int64_t now_us, int64_t *until_us)
{
  int64_t since_us;
  return gh_ocsp_check_since(der, cert, issuer, now_us, &since_us, until_us);
}
