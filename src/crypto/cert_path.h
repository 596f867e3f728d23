/* Path validation of TS-0003 8.1.2.2: what OpenSSL judges (RFC 5280 section 6.1), and what it does not: otherName
 * constraints over M2M Device IDs, the profile of every certificate, the depth, the purpose. Pure functions over
 * certificates; nothing is fetched. */
#ifndef GH_CRYPTO_CERT_PATH_H
#define GH_CRYPTO_CERT_PATH_H

#include <openssl/x509.h>

#include "crypto/certs.h"

/* Certificates below the anchor: the end entity and at most three intermediates. */
enum { GH_CERT_PATH_MAX = 4 };

typedef enum gh_cert_role { GH_CERT_OF_CLIENT, GH_CERT_OF_SERVER } gh_cert_role;

/* The whole validation. `ctx` holds the certificate, what the peer sent and the anchors. False: *diag says why, and
 * the error of `ctx` is one that OpenSSL turns into the right alert. */
bool gh_cert_path_verify(X509_STORE_CTX *ctx, gh_cert_role role, gh_diag *diag);

/* The parts, over a chain with the end entity first and the anchor last. GH_EAUTH with the reason. */
GH_MUST_USE gh_err gh_cert_path_profile(STACK_OF(X509) * chain, gh_diag *diag);
GH_MUST_USE gh_err gh_cert_path_device_names(STACK_OF(X509) * chain, gh_diag *diag);
/* extendedKeyUsage may be absent; where it is present it must hold what the role needs. */
GH_MUST_USE gh_err gh_cert_purpose(X509 *cert, gh_cert_role role, gh_diag *diag);

#endif
