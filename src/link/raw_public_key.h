/* Raw public keys in the handshake (RFC 7250, TS-0003 10.2.3), where this OpenSSL has them. No other file asks for
 * its version because of them. */
#ifndef GH_LINK_RAW_PUBLIC_KEY_H
#define GH_LINK_RAW_PUBLIC_KEY_H

#include <openssl/ssl.h>

#include "base/arena.h"

#define GH_RAW_PUBLIC_KEY_NEEDS "raw public keys need OpenSSL 3.2 or later"

bool gh_raw_public_key_available(void);

/* Who judges the peer's key (its SubjectPublicKeyInfo, which is within the profile) in mid-handshake, for log and
 * audit with a reason. */
typedef struct gh_raw_key_judge {
  bool (*knows)(void *ctx, gh_str spki, gh_diag *diag);
  void *ctx;
  bool only; /* a certificate is refused */
} gh_raw_key_judge;
/* `judge` must outlive the context. Without one no raw public key is taken. */
void gh_raw_public_key_judge(SSL_CTX *ctx, const gh_raw_key_judge *judge);

/* Client: what it has (its private key) and what it expects of servers, instead of certificates. `certified`: it has
 * a certificate of that key, too, which comes first. GH_EUNSUPPORTED. */
GH_MUST_USE gh_err gh_raw_public_key_client(SSL_CTX *ctx, bool own, bool certified, bool of_servers);
/* Server, while it reads the ClientHello: raw public keys beside certificates in both directions, in the order that
 * the client prefers; instead of them where the judge takes nothing else. */
GH_MUST_USE gh_err gh_raw_public_key_server(SSL *ssl);

/* In the verification of the peer's certificate: is it a raw public key? */
bool gh_raw_public_key_is(X509_STORE_CTX *store);
/* The profile, then the judge; sets the error of `store`. */
bool gh_raw_public_key_verify(SSL *ssl, X509_STORE_CTX *store, gh_diag *diag);
/* Must the peer have a raw public key, so that no certificate will do? */
bool gh_raw_public_key_demanded(SSL *ssl);
/* After the handshake: the peer's key in the arena, or empty. */
gh_str gh_raw_public_key_of_peer(gh_arena *arena, SSL *ssl);
/* Does the session hold the key of a peer? */
bool gh_raw_public_key_is_in(SSL_SESSION *session);

#endif
