/* Clients of other realms: which anchors count for which name. For tls_server.c and tls_common.c. */
#ifndef GH_LINK_TLS_GUESTS_H
#define GH_LINK_TLS_GUESTS_H

#include "link/tls.h"

/* Reads the anchors of the guests; they live as long as the context. */
GH_MUST_USE gh_err gh_tls_guests_set(SSL_CTX *ctx, const gh_tls_options *options, gh_diag *diag);
/* Before the path is verified: the anchors for the name in the certificate that came. True: it is a guest's, and the
 * anchors of our own realm do not count. */
bool gh_tls_guests_choose(SSL *ssl, X509_STORE_CTX *path);

#endif
