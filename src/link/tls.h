/* TLS contexts made from credentials: the profile of TS-0003 10.2 on OpenSSL. Resumption, renegotiation and
 * compression are off. */
#ifndef GH_LINK_TLS_H
#define GH_LINK_TLS_H

#include <openssl/ssl.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "link/key_source.h"
#include "link/security_policy.h"
#include "link/status_source.h"

enum { GH_PSK_IDENTITY_MAX = 255 };

/* One more name of a server that hosts several authorities, with a certificate of its own. */
typedef struct gh_tls_host {
  gh_str fqdn;
  gh_str chain_pem, key_pem;
} gh_tls_host;

/* A client of another realm. Whoever bears this name must lead to these anchors and to no others, and what leads to
 * them bears no other name. */
typedef struct gh_tls_guest {
  gh_str fqdn;
  gh_str anchors_pem; /* empty: nobody proves this name by certificate */
} gh_tls_guest;

typedef struct gh_tls_options {
  gh_str chain_pem;                     /* own certificate, then intermediates; empty: none */
  gh_str key_pem;                       /* its private key */
  gh_str anchors_pem;                   /* explicit trust anchors; the system store is never used */
  gh_str anchors_for[GH_CERT_FLAVOURS]; /* further ones, each for certificates of that flavour alone: DEVICE, NODE_ID,
                                           AE_ID, CSE_ID (any dNSName). Without anchors_pem they do not count */
  const gh_security_policy *policy;     /* NULL: gh_security_policy_default */
  bool datagram;    /* DTLS instead of TLS: DTLS_*_method and the policy's suites; cookies are the caller's */
  bool tls13;       /* offer TLS 1.3 beside 1.2, where the policy has it */
  const char *alpn; /* static text; protocols in order of preference, "h2,http/1.1" (RFC 7301); NULL: none */
  const gh_status_source *status; /* NULL: nobody asks whether certificates are revoked; outlives the context */
  gh_str fqdn;                    /* server: its first name */
  const gh_tls_host *hosts; /* server: its other names. With any, a client that asks for none of them is refused */
  size_t host_count;
  const gh_tls_guest *guests; /* server: whose certificates come from elsewhere */
  size_t guest_count;
  bool other_certificate; /* set by tls_server.c: what `status` staples is not about this certificate */
  bool require_ems;       /* refuse TLS 1.2 without extended master secret */
} gh_tls_options;

typedef struct gh_tls_server gh_tls_server;
typedef struct gh_tls_client gh_tls_client;

/* Server side: PSK answered by the key source, or mutual certificates; with a key without chain, mutual raw public
 * keys. `source` must outlive the server. */
GH_MUST_USE gh_err gh_tls_server_new(const gh_tls_options *options, const gh_key_source *source,
                                     const gh_random *random, gh_tls_server **out, gh_diag *diag);
/* Any thread: associations that begin from now on use these credentials and names; those that stand are untouched. On
 * an error everything stays as it was. */
GH_MUST_USE gh_err gh_tls_server_renew(gh_tls_server *server, const gh_tls_options *options, gh_diag *diag);
void gh_tls_server_free(gh_tls_server *server);

/* Client side with a certificate (chain and key set), with a raw public key (key without chain) or with a pre-shared
 * key. With a pre-shared key no certificate of the peer is ever accepted; with a certificate the peer's must lead to
 * an anchor and bear `server_name`, or be a raw public key of `server_keys`. GH_EUNSUPPORTED where this OpenSSL has
 * no raw public keys. */
typedef struct gh_tls_client_options {
  gh_tls_options tls;
  gh_str server_name;           /* SNI and expected dNSName */
  gh_str peer_name;             /* what the certificate must name instead of `server_name`; empty: that */
  gh_cert_flavour peer_flavour; /* of peer_name: AE_ID (absolute), NODE_ID (URI) or DEVICE (dotted) */
  gh_str server_keys;  /* public key identifiers (RFC 6920), one of which the server's raw public key must have, blank
                          between them; empty: the server has a certificate */
  gh_str psk_identity; /* empty: certificates, or raw public keys */
  const gh_secret *psk;
  bool tls12_only; /* needed where the peer must be 1.2 */
} gh_tls_client_options;
GH_MUST_USE gh_err gh_tls_client_new(const gh_tls_client_options *options, gh_tls_client **out, gh_diag *diag);
/* One more owner. Any thread; connections hold one each. */
gh_tls_client *gh_tls_client_ref(gh_tls_client *client);
/* One owner less; the last one frees it. */
void gh_tls_client_free(gh_tls_client *client);
/* For a library that makes its own SSL from it, on one thread: the peer's certificate must bear server_name. `status`
 * is asked without a worker. Borrowed. */
SSL_CTX *gh_tls_client_ctx(gh_tls_client *client);
/* On that thread. Why the last handshake refused the peer's certificate, which is forgotten; empty: it did not. */
gh_diag gh_tls_client_refusal(gh_tls_client *client);
/* On that thread: does a list that came since say that the peer is revoked? Never waits. */
bool gh_tls_client_is_revoked(gh_tls_client *client, SSL *ssl);
/* On that thread: when the certificate of either side ends, UTC; INT64_MAX: there is none. */
int64_t gh_tls_client_end_us(const SSL *ssl);

/* The certificate, key and anchors of `from` take the place of those of `client`, for handshakes that begin from now
 * on. While no other thread uses either. */
GH_MUST_USE gh_err gh_tls_client_take(gh_tls_client *client, gh_tls_client *from);

/* For conn.c. The state of one handshake travels in the SSL's ex_data. */
typedef struct gh_handshake {
  gh_worker *worker;
  gh_psk_query *query;     /* owned; set once a PSK identity was seen */
  gh_status_query *status; /* owned; the question after the peer's certificate */
  bool status_asked;       /* it is with the status source */
  bool waiting;            /* a query is with its source */
  void (*on_answer)(struct gh_handshake *handshake);
  void *owner;
  uint64_t network; /* gh_address_network_key of the peer */
  int alert;        /* last alert sent or received, -1: none */
  bool alert_sent;
  gh_str server_name; /* owned; server: whom the client asked for, lower case, or empty */
  gh_str why;         /* owned; reason that the peer's certificates were refused, or empty */
} gh_handshake;

/* Cookies of DTLS (RFC 6347 4.2.1), for every name of the server, and for those that it is renewed with. Before
 * workers share it. */
typedef struct gh_tls_cookie_calls {
  int (*make)(SSL *ssl, unsigned char *cookie, unsigned *len);
  int (*check)(SSL *ssl, const unsigned char *cookie, unsigned len);
} gh_tls_cookie_calls;
void gh_tls_server_use_cookies(gh_tls_server *server, const gh_tls_cookie_calls *calls);

const gh_key_source *gh_tls_server_source(const gh_tls_server *server);
SSL *gh_tls_server_ssl(gh_tls_server *server, gh_handshake *handshake);
/* Was it made of the present credentials? False once the server was renewed. */
bool gh_tls_server_is_present(gh_tls_server *server, const SSL *ssl);
SSL *gh_tls_client_ssl(gh_tls_client *client, gh_handshake *handshake);
/* After the handshake: fills *peer from the key or certificate, checks EMS and the certificate profile. */
GH_MUST_USE gh_err gh_tls_server_peer(gh_tls_server *server, SSL *ssl, gh_handshake *handshake, gh_peer *peer,
                                      gh_diag *diag);
GH_MUST_USE gh_err gh_tls_client_peer(gh_tls_client *client, SSL *ssl, gh_peer *peer, gh_diag *diag);
/* 48 octets of the exporter, no context (TS-0003 10.3.1). GH_EPROTO without EMS under TLS 1.2. */
GH_MUST_USE gh_err gh_tls_export(SSL *ssl, const char *label, uint8_t out[static 48]);
/* Releases what the handshake holds; a waiting query is left to the key source, which frees it through `done`. */
void gh_handshake_clear(gh_handshake *handshake);

#endif
