/* Resumption at a server: instead of remembering who a peer was, it asks about the credential again, as in a full
 * handshake. Where there is any doubt, the handshake goes on as a full one. For tls_server.c. */
#ifndef GH_LINK_TLS_RESUME_H
#define GH_LINK_TLS_RESUME_H

#include "link/tls.h"

typedef struct gh_tls_resume gh_tls_resume; /* of one server; NULL: it resumes nothing */

/* What the server that it belongs to answers, as in a full handshake. */
typedef struct gh_tls_resume_calls {
  void *ctx;
  /* Into handshake->query; may wait. */
  void (*ask_key)(void *ctx, gh_handshake *handshake, gh_str identity);
  void (*drop_query)(gh_handshake *handshake);
  gh_err (*name_certificate)(void *ctx, X509 *cert, gh_peer *peer, gh_diag *diag);
  bool (*knows_key)(void *ctx, gh_str spki, gh_diag *diag);
} gh_tls_resume_calls;

/* *out NULL where options->resumption_s is 0. */
GH_MUST_USE gh_err gh_tls_resume_new(const gh_tls_options *options, const gh_random *random,
                                     const gh_tls_resume_calls *calls, gh_tls_resume **out);
void gh_tls_resume_free(gh_tls_resume *resume);
/* Each context of the server; `resume` outlives it. What one context began, no other goes on with. */
GH_MUST_USE gh_err gh_tls_resume_prepare(gh_tls_resume *resume, SSL_CTX *ctx);

/* Is this what we call a session, and no name of a key? Holds for those of earlier processes, too. */
bool gh_tls_resume_is_ticket(gh_str identity);
/* While the ClientHello is read. */
void gh_tls_resume_hello(const gh_tls_resume *resume, SSL *ssl, gh_handshake *handshake);
/* The handshake is done: did it go on with the session that it named, and may that still be? Sets
 * handshake->resumed and what belongs to it. GH_EAUTH: it has been revoked meanwhile. */
GH_MUST_USE gh_err gh_tls_resume_end(SSL *ssl, gh_handshake *handshake, gh_diag *diag);
/* The association stands, as `peer` until `ends_us` (wall clock): its session may be resumed. */
void gh_tls_resume_keep(gh_tls_resume *resume, SSL *ssl, gh_handshake *handshake, const gh_peer *peer,
                        int64_t ends_us);
/* The credential of `peer` is revoked. */
void gh_tls_resume_forget(gh_tls_resume *resume, const gh_peer *peer);
/* Other credentials or another policy: nothing that began before goes on. */
void gh_tls_resume_clear(gh_tls_resume *resume);
size_t gh_tls_resume_count(gh_tls_resume *resume);

#endif
