/* Is a certificate revoked? What a CRL (RFC 5280) and an answer of an OCSP responder (RFC 6960) say of it. Pure:
 * files, sockets and the decision what to do without an answer are elsewhere. */
#ifndef GH_CRYPTO_CERT_STATUS_H
#define GH_CRYPTO_CERT_STATUS_H

#include <openssl/x509.h>

#include "base/arena.h"
#include "base/buf.h"

typedef enum gh_cert_state {
  GH_CERT_UNKNOWN, /* nothing that counts was said */
  GH_CERT_GOOD,
  GH_CERT_REVOKED
} gh_cert_state;

/* CRLs of any number of issuers. */
typedef struct gh_crl_set gh_crl_set;

/* PEM (one or several) or DER (one). GH_ESYNTAX when there is none, or one of them cannot be read. */
GH_MUST_USE gh_err gh_crl_set_read(gh_str octets, gh_crl_set **out, gh_diag *diag);
void gh_crl_set_free(gh_crl_set *set);
/* Only a CRL counts that bears the issuer's name and signature (ecdsa-with-SHA256, and the issuer may sign CRLs), is
 * valid now, and is neither delta nor indirect nor for some certificates only. Any thread. */
gh_cert_state gh_crl_set_check(gh_crl_set *set, X509 *cert, X509 *issuer, int64_t now_us);
/* So many signatures are looked at in what came at a time: whoever has the line must not keep us busy. */
enum { GH_CRL_SIGNATURES_MAX = 64 };
/* What came over a line that anybody may have had a hand in. Takes into *kept (NULL: nothing yet) those lists of
 * `fresh` that one of `issuers` signed, that are whole and have begun: each where there is none of that issuer yet,
 * or an earlier one (by CRL number, else by thisUpdate), whose place it takes. Returns how many; *signed_count (may
 * be NULL): how many were signed, taken or not. `fresh` is used up. Only while no other thread looks at *kept. */
size_t gh_crl_set_take_later(gh_crl_set **kept, gh_crl_set *fresh, X509 *const *issuers, size_t issuer_count,
                             int64_t now_us, size_t *signed_count);
/* The earliest nextUpdate of the set, wall clock; INT64_MAX: none. */
int64_t gh_crl_set_next_update_us(const gh_crl_set *set);

/* DER of a request for one certificate, without nonce, so that answers can be kept. */
GH_MUST_USE gh_err gh_ocsp_request(X509 *cert, X509 *issuer, gh_buf *out);
/* What the answer says of the certificate: signed by the issuer or by whom the issuer delegated it to, and valid now.
 * *until_us: the end of its validity. */
gh_cert_state gh_ocsp_check(gh_str der, X509 *cert, X509 *issuer, int64_t now_us, int64_t *until_us);
/* The same. *since_us: its thisUpdate, by which answers are earlier or later. */
gh_cert_state gh_ocsp_check_since(gh_str der, X509 *cert, X509 *issuer, int64_t now_us, int64_t *since_us,
                                  int64_t *until_us);

#endif
