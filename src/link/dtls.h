/* DTLS 1.2 associations over UDP (TS-0003 10.2.3), seen through the same gh_conn as streams: `data` is called once
 * for each datagram, gh_conn_write sends one. A worker has one socket for all its peers; who has not shown that it
 * receives at its address (cookie exchange) costs no state. */
#ifndef GH_LINK_DTLS_H
#define GH_LINK_DTLS_H

#include "link/listener.h"

enum { GH_DTLS_MTU = 1280 };

typedef struct gh_dtls_listener gh_dtls_listener;

/* One socket per worker (SO_REUSEPORT: the kernel keeps a peer at its socket). `tls` must have been made with
 * `datagram`, and outlive the listener. *port is the port in use. */
GH_MUST_USE gh_err gh_dtls_listener_open(const gh_listener_options *options, gh_worker *const *workers, size_t count,
                                         const gh_random *random, uint16_t *port, gh_dtls_listener **out,
                                         gh_diag *diag);
/* No new associations; those that are go on until the worker closes them. Waits for that on every worker's loop. */
void gh_dtls_listener_close(gh_dtls_listener *listener);
/* After the loops have ended. */
void gh_dtls_listener_free(gh_dtls_listener *listener);

/* Starts an association with `address`, over a socket of its own. `tls` (made with `datagram`) must outlive it.
 * Deadline in microseconds of the monotonic clock, for the handshake. mtu 0: 1280. */
GH_MUST_USE gh_err gh_dtls_connect(gh_worker *worker, const struct sockaddr *address, socklen_t address_len,
                                   gh_tls_client *tls, uint16_t mtu, int64_t deadline_us,
                                   const gh_conn_handler *handler, void *ctx, gh_conn **out);

#endif
