/* Revocation of the peer's certificate, asked inside the handshake. */
#ifndef GH_LINK_TLS_STATUS_H
#define GH_LINK_TLS_STATUS_H

#include "link/tls_common.h"

/* Asks and answers stapled; before that only contexts with options->status do anything. */
void gh_tls_status_prepare(SSL_CTX *ctx, const gh_status_source *source, bool staples);
/* For each SSL of a client; or for all those that a library will make of a context. */
void gh_tls_status_begin(SSL *ssl);
void gh_tls_status_begin_all(SSL_CTX *ctx);
/* The path stands: is anything on it revoked? False: *revoked, *diag. */
bool gh_tls_status_of_path(SSL *ssl, STACK_OF(X509) * chain, bool *revoked, gh_diag *diag);
/* An association that stands: does `source`, if it is the one that was asked at the handshake, know the peer's chain
 * to be revoked by now? Never waits. */
bool gh_tls_status_revoked(SSL *ssl, const gh_status_source *source);
/* The same of the source that was asked, now. */
bool gh_tls_status_is_revoked_now(SSL *ssl);
/* No certificate came in this handshake: this is the path of that which was judged instead (NULL: none was). False:
 * no memory. */
bool gh_tls_status_keep_chain(SSL *ssl, STACK_OF(X509) * chain);
/* The same of the source that was asked, where there is another list than at *seen. */
bool gh_tls_status_revoked_since(SSL *ssl, unsigned *seen);
/* The handshake ends: what was asked is left to the source, which frees it through `done`. */
void gh_tls_status_forget(gh_handshake *handshake);

#endif
