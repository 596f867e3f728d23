/* Trust anchors of a TLS context, and which flavours of certificates each may vouch for (TS-0003 8.1.2.4). */
#ifndef GH_LINK_ANCHORS_H
#define GH_LINK_ANCHORS_H

#include "link/tls.h"

/* What `options` says becomes the certificate store of `ctx`. GH_ESYNTAX when one of the texts holds no certificate.
 */
GH_MUST_USE gh_err gh_anchors_set(SSL_CTX *ctx, const gh_tls_options *options);
/* After the path was verified: does its anchor vouch for what the peer's certificate is? With the reason, when not.
 */
bool gh_anchors_vouch(X509_STORE_CTX *path, gh_diag *diag);

#endif
