/* Between cert_read.c and cert_path.c: parts of reading a certificate. */
#ifndef GH_CRYPTO_CERT_PRIVATE_H
#define GH_CRYPTO_CERT_PRIVATE_H

#include <openssl/x509v3.h>

#include "crypto/certs.h"

/* An otherName with a RELATIVE-OID, or a registeredID, as one dotted object identifier. GH_EAUTH when it is neither.
 */
GH_MUST_USE gh_err gh_cert_device_oid(gh_arena *arena, const GENERAL_NAME *name, gh_str *oid);
/* Is it meant as a hardware identifier, readable or not? */
bool gh_cert_names_device(const GENERAL_NAME *name);
/* id-ecPublicKey on the named curve P-256, the point uncompressed. */
bool gh_cert_key_fits(X509 *cert);

#endif
