/* A connection on a worker's loop: TLS with a proven peer, or (only where configured) plain; or DTLS, see dtls.h. */
#ifndef GH_LINK_CONN_H
#define GH_LINK_CONN_H

#include <sys/socket.h>

#include "base/buf.h"
#include "link/tls.h"
#include "link/worker.h"

/* What the owner of a connection wants to hear. All on the worker's thread. */
typedef struct gh_conn_handler {
  void (*ready)(gh_conn *conn, void *ctx); /* association established */
  void (*data)(gh_conn *conn, void *ctx,
               gh_str bytes); /* octets arrived (or none, see gh_conn_is_full); may write and close */
  /* Last call: the connection is gone after it returns. `why` GH_OK: orderly close. */
  void (*closed)(gh_conn *conn, void *ctx, gh_err why, const char *reason);
} gh_conn_handler;

/* Takes over a connected non-blocking socket. tls NULL: plain. plain_refusal: octets sent to a client that speaks
 * clear text on a TLS port, may be empty. */
gh_conn *gh_conn_accept(gh_worker *worker, int fd, gh_tls_server *tls, gh_str plain_refusal,
                        const gh_conn_handler *handler, void *ctx);
/* Starts a connection to `address`. `tls` must outlive it. Deadline in microseconds of the monotonic clock, for
 * connect and handshake. */
GH_MUST_USE gh_err gh_conn_connect(gh_worker *worker, const struct sockaddr *address, socklen_t address_len,
                                   gh_tls_client *tls, int64_t deadline_us, const gh_conn_handler *handler, void *ctx,
                                   gh_conn **out);

void gh_conn_set_ctx(gh_conn *conn, void *ctx);
/* Another owner from now on; within a call-back of the present one. */
void gh_conn_set_handler(gh_conn *conn, const gh_conn_handler *handler, void *ctx);
/* The protocol that was agreed upon by ALPN; empty: none. */
gh_str gh_conn_alpn(const gh_conn *conn);
void *gh_conn_ctx(const gh_conn *conn);
gh_worker *gh_conn_worker(const gh_conn *conn);
/* The proven peer; kind GH_PEER_NONE on plain connections. While a handshake runs: whom its key would prove. */
const gh_peer *gh_conn_peer(const gh_conn *conn);
/* The credential of this association was assigned an AE-ID at registration (TS-0003 8.2.1): it stands for it as long
 * as that registration. No effect on a peer whose credential proves an identity. One of a node is not bound: the
 * caller knows. */
void gh_conn_bind_ae(gh_conn *conn, gh_str ae_id);
/* We have opened this association with the entity whose server name it proved: a CSE of this CSE-ID. No effect on
 * associations that others opened. */
void gh_conn_bind_cse(gh_conn *conn, gh_str cse_id);
/* Number of the association, for logs and audit; unique in this process. */
uint64_t gh_conn_id(const gh_conn *conn);
/* Source address of the packets: family 4, 6 or 0 (unknown), 16 octets. */
void gh_conn_address(const gh_conn *conn, uint8_t *family, uint8_t octets[static 16]);
/* Text of the address with port. */
const char *gh_conn_address_text(const gh_conn *conn);
/* "TLSv1.3 TLS_AES_128_GCM_SHA256", or "plain" */
gh_str gh_conn_protocol(gh_arena *arena, const gh_conn *conn);
/* Inside `closed`: why we refused the peer's certificates, or empty. For the operator, never for the peer. */
gh_str gh_conn_refusal(const gh_conn *conn);
/* Is the peer's certificate revoked by now, as far as the source knows that was asked at the handshake? */
bool gh_conn_is_revoked(const gh_conn *conn, const gh_status_source *source);
/* Did the peer prove its credential in an earlier association that this one goes on with? It was asked about again.
 */
bool gh_conn_is_resumed(const gh_conn *conn);
/* Whom the client asked for in the handshake (SNI, as it was sent), or empty. */
gh_str gh_conn_server_name(const gh_conn *conn);

/* Sends, or keeps and sends later. Nothing is sent on a closing connection. Over DTLS: one datagram, sent now or
 * lost. */
void gh_conn_write(gh_conn *conn, gh_str bytes);
/* Buffer to append to directly; follow with gh_conn_flush. Streams only. */
gh_buf *gh_conn_out(gh_conn *conn);
void gh_conn_flush(gh_conn *conn);
/* Orderly end: sends what is kept, then close_notify. `closed` is called from the loop. */
void gh_conn_close(gh_conn *conn, gh_err why, const char *reason);
/* False once it is closing: what arrived before must not be performed any more. */
bool gh_conn_is_open(const gh_conn *conn);
/* Is more kept unsent than max_out_bytes? Whoever stops answering because of it is called again, with no octets, when
 * there is room. Nothing is read meanwhile. */
bool gh_conn_is_full(gh_conn *conn);
/* A request has begun or goes on (its time runs from the first such call), or is complete. */
void gh_conn_expect(gh_conn *conn, bool more_of_a_request);
/* 48 exported octets (TS-0003 10.3.1). */
GH_MUST_USE gh_err gh_conn_export(gh_conn *conn, const char *label, uint8_t out[static 48]);
/* Last TLS alert (-1: none) and whether we sent it. */
int gh_conn_alert(const gh_conn *conn, bool *sent);

#endif
