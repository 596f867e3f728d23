/* The connection's inside, for conn.c, conn_io.c and worker.c. */
#ifndef GH_LINK_CONN_PRIVATE_H
#define GH_LINK_CONN_PRIVATE_H

#include "link/conn.h"

typedef struct gh_dtls_path gh_dtls_path;

typedef enum gh_conn_state {
  GH_CONN_CONNECTING,
  GH_CONN_ACCEPTED, /* server: nothing was heard yet, and no TLS state made */
  GH_CONN_HANDSHAKE,
  GH_CONN_READY,
  GH_CONN_DRAINING, /* closing, unsent octets left */
  GH_CONN_CLOSED
} gh_conn_state;

struct gh_conn {
  gh_watch socket; /* of a stream */
  gh_worker *worker;
  gh_conn *next, *prev;
  gh_conn_state state;
  bool in_data;    /* inside the data call-back: writes are gathered */
  bool want_write; /* TLS cannot go on before the socket is writable */
  bool unread;     /* TLS holds octets that the loop will not report */
  bool wants_room; /* the owner waits until `out` has room */
  bool in_request; /* the deadline is that of a request */
  bool counted_handshake;
  bool heard;      /* by stream_bio.c: an octet has come */
  bool clear_text; /* and the first was none of TLS */
  bool peer_ended; /* and there are no more */
  SSL *ssl;
  gh_tls_server *server;
  gh_tls_client *client;
  gh_handshake handshake;
  gh_peer peer;
  const gh_conn_handler *handler;
  void *ctx;
  gh_buf out;
  gh_str plain_refusal;
  int64_t deadline_us; /* monotonic: handshake, request or idle */
  int64_t expires_us;  /* wall clock end of the association; 0: none */
  uint64_t id;
  gh_err close_why;
  const char *close_reason;
  struct sockaddr_storage address;
  gh_neighbour *neighbour; /* what its address has on this worker; NULL: not counted */
  char address_text[64];
  gh_dtls_path *path; /* datagrams: where they go and come from; NULL: a stream */
  uv_timer_t timer;   /* datagrams: retransmission of a handshake's flight */
  gh_conn *same_slot; /* datagrams: next in the port's table */
};

/* As gh_conn_accept, from an address that gh_admission_enter let in; takes over the neighbour. */
gh_conn *gh_conn_accept_from(gh_worker *worker, int fd, const struct sockaddr_storage *address,
                             gh_neighbour *neighbour, gh_tls_server *tls, gh_str plain_refusal,
                             const gh_conn_handler *handler, void *ctx);
/* A connection of datagrams in state HANDSHAKE; takes over the path and the neighbour (NULL: an outgoing one). */
gh_conn *gh_conn_new_datagram(gh_worker *worker, gh_dtls_path *path, const struct sockaddr_storage *address,
                              gh_neighbour *neighbour, const gh_conn_handler *handler, void *ctx);
/* stream_bio.c. Borrows the connection; NULL: out of memory in OpenSSL. */
BIO *gh_stream_bio_new(gh_conn *conn);
void gh_conn_watch(gh_conn *conn, int events);
void gh_conn_on_event(gh_watch *socket, int status, int events);
/* Called by conn_io.c when the handshake is done. */
void gh_conn_established(gh_conn *conn);
void gh_conn_fail(gh_conn *conn, gh_err why, const char *reason);
void gh_conn_step_handshake(gh_conn *conn);
/* Log and audit of a handshake that failed. reason NULL: what the library says. */
void gh_conn_log_failure(gh_conn *conn, const char *reason);

#endif
