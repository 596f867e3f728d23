/* Shared by tls_server.c and tls_client.c: what the policy says, ex_data slot. */
#ifndef GH_LINK_TLS_COMMON_H
#define GH_LINK_TLS_COMMON_H

#include "link/tls.h"

/* May the association use a pre-shared key, a certificate, or either? */
typedef enum gh_tls_use { GH_TLS_PSK = 1, GH_TLS_CERTIFICATE = 2 } gh_tls_use;

/* `use`: a set of gh_tls_use. */
GH_MUST_USE gh_err gh_tls_ctx_new(const SSL_METHOD *method, const gh_tls_options *options, int use, SSL_CTX **out,
                                  gh_diag *diag);
/* TLS 1.2 or DTLS 1.2 without extended master secret (RFC 7627)? */
bool gh_tls_lacks_ems(SSL *ssl);
/* A record, or a whole flight of a handshake, in one system call. */
void gh_tls_read_ahead(SSL *ssl);
void gh_tls_set_handshake(SSL *ssl, gh_handshake *handshake);
gh_handshake *gh_tls_handshake(const SSL *ssl);
/* Where the handshakes of a library, which have no gh_handshake, leave the reason of a refusal; outlives `ctx`. */
void gh_tls_tell_refusals(SSL_CTX *ctx, gh_diag *why);
/* Why the peer's certificate is refused: for log and audit. */
void gh_tls_keep_why(SSL *ssl, const gh_diag *why);
/* Path, status and flavour of the peer's certificates. Sets the error of `path`. */
bool gh_tls_path_stands(SSL *ssl, X509_STORE_CTX *path, gh_diag *diag);
/* Empties the queue of errors, as each call that SSL_get_error is asked about wants it. It is empty as a rule, and
 * looking costs a fiftieth of clearing. */
void gh_tls_forget_errors(void);
/* Text of the newest OpenSSL error; empties the queue. */
const char *gh_tls_error(char *text, size_t size);

#endif
