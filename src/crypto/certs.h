/* X.509 certificates of TS-0003 clause 10.1: making them (a realm's CA) and reading who they name. P-256, SHA-256,
 * digitalSignature. PEM in and out; private keys never leave through an error text. */
#ifndef GH_CRYPTO_CERTS_H
#define GH_CRYPTO_CERTS_H

#include "base/arena.h"
#include "base/buf.h"

typedef struct evp_pkey_st EVP_PKEY;
typedef struct x509_st X509;

typedef enum gh_cert_flavour {
  GH_CERT_CA,
  GH_CERT_DEVICE,
  GH_CERT_NODE_ID,
  GH_CERT_CSE_ID,
  GH_CERT_AE_ID,
  GH_CERT_FQDN
} gh_cert_flavour;
enum { GH_CERT_FLAVOURS = GH_CERT_FQDN + 1 };

typedef struct gh_cert_request {
  gh_cert_flavour flavour;
  gh_str name; /* CA: common name; CSE_ID/FQDN: dNSName; AE_ID: absolute AE-ID; NODE_ID: URN; DEVICE: dotted OID */
  gh_str constraint;     /* CA only: SP-FQDN of the DNS and URI name constraints; may be empty */
  int64_t not_before_us; /* wall clock */
  int64_t not_after_us;
} gh_cert_request;

GH_MUST_USE gh_err gh_cert_new_key(EVP_PKEY **out);
/* issuer_cert/issuer_key NULL: self-signed. */
GH_MUST_USE gh_err gh_cert_issue(const gh_cert_request *request, EVP_PKEY *subject_key, X509 *issuer_cert,
                                 EVP_PKEY *issuer_key, X509 **out, gh_diag *diag);
GH_MUST_USE gh_err gh_cert_to_pem(X509 *cert, gh_buf *out);
GH_MUST_USE gh_err gh_key_to_pem(EVP_PKEY *key, gh_buf *out); /* unencrypted PKCS#8: wipe the buffer */
GH_MUST_USE gh_err gh_cert_from_pem(gh_str pem, X509 **out);
/* The certificate among those of `pem` that issued this one, by name and by key (two authorities may have one name);
 * NULL when it is not there. */
X509 *gh_cert_issuer_in(gh_str pem, X509 *cert);
GH_MUST_USE gh_err gh_key_from_pem(gh_str pem, EVP_PKEY **out);

/* The one usable name of a peer certificate. AE-ID: a URI whose scheme-less rest is an absolute AE-ID; Node-ID: any
 * other URI; dNSName: CSE_ID (the caller maps it, or knows it as FQDN of a function). GH_EAUTH when there is no or
 * more than one usable name, or a wildcard. *name lives in the arena; for AE_ID it is the absolute AE-ID without
 * scheme. */
GH_MUST_USE gh_err gh_cert_identity(gh_arena *arena, X509 *cert, gh_cert_flavour *flavour, gh_str *name,
                                    gh_diag *diag);
/* Profile of 10.1.1: P-256 uncompressed, ecdsa-with-SHA256, keyUsage digitalSignature. GH_EAUTH with the reason. */
GH_MUST_USE gh_err gh_cert_check_profile(X509 *cert, gh_diag *diag);
int64_t gh_cert_not_after_us(X509 *cert);

#endif
