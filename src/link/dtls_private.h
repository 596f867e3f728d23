/* The inside of DTLS: dtls_bio.c (datagrams <-> OpenSSL), dtls_port.c (a socket and who is behind it),
 * dtls_listener.c (cookies, new peers), dtls_conn.c (an association's handshake, timers, records). */
#ifndef GH_LINK_DTLS_PRIVATE_H
#define GH_LINK_DTLS_PRIVATE_H

#include "link/conn_private.h"
#include "link/dtls.h"

typedef struct gh_dtls_port gh_dtls_port;

/* Where the datagrams of one SSL go and come from. */
struct gh_dtls_path {
  gh_dtls_port *port;
  struct sockaddr_storage peer;
  bool reachable; /* it has returned a cookie that was sent to this address */
  gh_str arrived; /* the datagram that is being read */
  gh_buf held;    /* datagrams that came while the handshake waits for a key: length in two octets, then octets */
};

/* A socket on a worker. */
struct gh_dtls_port {
  uv_poll_t poll;
  int fd;
  gh_worker *worker;
  gh_conn **slots; /* associations by address */
  size_t slot_count, conn_count;
  uint64_t seed;
  uint16_t mtu;
  char *buffer;
  bool closing; /* closes its socket when the last association has gone */
  /* A first datagram of a peer that has no association, or begins anew; NULL: none are taken. */
  void (*on_stranger)(gh_dtls_port *port, const struct sockaddr_storage *from, gh_str datagram);
  void (*on_plain)(gh_dtls_port *port, const struct sockaddr_storage *from, gh_str datagram);
  void (*on_closed)(gh_dtls_port *port); /* the socket is closed */
  void *owner;
};

enum { GH_DTLS_DATAGRAM_MAX = 17 * 1024 };

/* dtls_bio.c. The BIO borrows the path. */
BIO *gh_dtls_bio_new(gh_dtls_path *path);
socklen_t gh_address_len(const struct sockaddr_storage *address);
/* A path of its own for `ssl`, with its MTU. Owned by the caller; NULL: out of memory in OpenSSL. */
gh_dtls_path *gh_dtls_path_new(gh_dtls_port *port, SSL *ssl, const struct sockaddr_storage *peer);
void gh_dtls_path_free(gh_dtls_path *path);

/* dtls_port.c */
GH_MUST_USE gh_err gh_dtls_port_start(gh_dtls_port *port, gh_worker *worker, int fd, uint16_t mtu);
void gh_dtls_port_stop(gh_dtls_port *port); /* now, or when the last association has gone */
void gh_dtls_port_send(gh_dtls_port *port, const struct sockaddr_storage *to, gh_str datagram);
void gh_dtls_port_add(gh_dtls_port *port, gh_conn *conn);
void gh_dtls_port_remove(gh_dtls_port *port, gh_conn *conn);
/* Ends the other associations of the same address: the peer has proved that it began a new one. */
void gh_dtls_port_supersede(gh_dtls_port *port, const gh_conn *conn);

/* dtls_conn.c */
void gh_dtls_take(gh_conn *conn, gh_str datagram);
void gh_dtls_step(gh_conn *conn);   /* one step of the handshake, and what follows from it */
void gh_dtls_resume(gh_conn *conn); /* the key source has answered */
void gh_dtls_send(gh_conn *conn, gh_str datagram);
void gh_dtls_forget(gh_conn *conn); /* from gh_conn_fail: frees it from the loop */

#endif
