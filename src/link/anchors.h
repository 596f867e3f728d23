/* Trust anchors of a TLS context, and which flavours of certificates each may vouch for (TS-0003 8.1.2.4). */
#ifndef GH_LINK_ANCHORS_H
#define GH_LINK_ANCHORS_H

#include "crypto/cert_path.h"
#include "link/tls.h"

/* What `options` says becomes the certificate store of `ctx`. GH_ESYNTAX when one of the texts holds no certificate.
 */
GH_MUST_USE gh_err gh_anchors_set(SSL_CTX *ctx, const gh_tls_options *options);
/* gh_cert_path_verify with the anchors that vouch for what the peer's certificate is, and with none of the others. */
bool gh_anchors_verify(X509_STORE_CTX *path, gh_cert_role role, gh_diag *diag);

#endif
