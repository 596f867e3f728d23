/* Moving octets: handshake steps, reading, writing, orderly close. Never blocks. */
#include "link/dtls_private.h"
#include "link/tls_common.h"

#include <errno.h>
#include <openssl/err.h>
#include <unistd.h>

enum { READS_PER_EVENT = 4 }; /* then others get their turn; the loop calls again */

/* What says most: since OpenSSL 3.2 the last word on a record is only that its layer has failed. May empty the queue.
 */
static unsigned long telling_error(void)
{
  unsigned long code = ERR_peek_last_error();
#ifdef SSL_R_RECORD_LAYER_FAILURE
  for (unsigned long next; (next = ERR_get_error()) != 0;)
    if (ERR_GET_LIB(next) != ERR_LIB_SSL || ERR_GET_REASON(next) != SSL_R_RECORD_LAYER_FAILURE) code = next;
#endif
  return code;
}

void gh_conn_log_failure(gh_conn *conn, const char *reason)
{
  unsigned long code = telling_error();
  if (!reason && code) reason = ERR_reason_error_string(code);
  gh_psk_query *query = conn->handshake.query;
  gh_str identity = query ? query->identity : GH_STR_NONE;
  bool refused = query && !conn->handshake.waiting && query->result != GH_OK;
  const char *key = refused ? (query->why ? query->why : gh_err_name(query->result)) : "";
  if (!reason) reason = "connection closed";
  if (conn->handshake.why.len) reason = conn->handshake.why.ptr;
  GH_LOG(conn->worker->log, GH_LOG_WARN, "handshake-failed", GH_F("association", conn->id),
         GH_F("peer", conn->address_text), GH_F("reason", reason), GH_F("alert", conn->handshake.alert),
         GH_F("psk_identity", identity), GH_F("key", key));
  const gh_key_source *source = conn->server ? gh_tls_server_source(conn->server) : NULL;
  if (source && source->handshake_failed)
    source->handshake_failed(source->ctx, identity, conn->address_text, refused ? key : reason);
  gh_tls_forget_errors();
}

/* Whoever speaks clear text here gets one answer and is closed. */
/*= TS-0003 6.1.2.2.1 no association, no service */
static void refuse_clear_text(gh_conn *conn)
{
  GH_LOG(conn->worker->log, GH_LOG_WARN, "clear-text-refused", GH_F("peer", conn->address_text));
  ssize_t sent = send(conn->socket.fd, conn->plain_refusal.ptr, conn->plain_refusal.len, MSG_NOSIGNAL);
  (void)sent;
  gh_conn_fail(conn, GH_EPROTO, "clear text on a protected port");
}

static void end_failed_handshake(gh_conn *conn)
{
  if (conn->clear_text) {
    refuse_clear_text(conn);
  } else if (conn->server && !conn->path && !conn->heard) {
    gh_conn_fail(conn, GH_ECONN, "closed before the handshake");
  } else {
    gh_conn_log_failure(conn, NULL);
    gh_conn_fail(conn, GH_EAUTH, "handshake failed");
  }
}

void gh_conn_step_handshake(gh_conn *conn)
{
  if (conn->state != GH_CONN_HANDSHAKE) return;
  gh_tls_forget_errors();
  int rc = SSL_do_handshake(conn->ssl);
  if (rc == 1) {
    conn->unread = SSL_has_pending(conn->ssl) == 1; /* the first request came with the end of the handshake */
    gh_conn_established(conn);
    return;
  }
  switch (SSL_get_error(conn->ssl, rc)) {
  case SSL_ERROR_WANT_READ: gh_conn_watch(conn, UV_READABLE); return;
  case SSL_ERROR_WANT_WRITE: gh_conn_watch(conn, UV_WRITABLE); return;
  case SSL_ERROR_WANT_ASYNC:
    gh_conn_watch(conn, 0); /* the key source will wake us */
    return;
  default: break;
  }
  end_failed_handshake(conn);
}

static void start_tls(gh_conn *conn)
{
  conn->ssl = conn->server ? gh_tls_server_ssl(conn->server, &conn->handshake)
                           : gh_tls_client_ssl(conn->client, &conn->handshake);
  BIO *bio = conn->ssl ? gh_stream_bio_new(conn) : NULL;
  if (!bio) {
    gh_conn_fail(conn, GH_ECRYPTO, "no TLS state");
    return;
  }
  SSL_set_bio(conn->ssl, bio, bio);
  conn->state = GH_CONN_HANDSHAKE;
  gh_conn_step_handshake(conn);
}

static void finish_connect(gh_conn *conn)
{
  int error = 0;
  socklen_t len = sizeof error;
  getsockopt(conn->socket.fd, SOL_SOCKET, SO_ERROR, &error, &len);
  if (error) {
    gh_conn_fail(conn, GH_ECONN, "cannot connect");
    return;
  }
  if (conn->client)
    start_tls(conn);
  else
    gh_conn_established(conn);
}

typedef enum io_result { IO_DONE, IO_AGAIN, IO_END, IO_FAILED } io_result;

static io_result tls_result(gh_conn *conn, int rc)
{
  switch (SSL_get_error(conn->ssl, rc)) {
  case SSL_ERROR_WANT_READ: return IO_AGAIN;
  case SSL_ERROR_WANT_WRITE: conn->want_write = true; return IO_AGAIN;
  case SSL_ERROR_ZERO_RETURN:
  case SSL_ERROR_SYSCALL: return IO_END;
  default: return IO_FAILED;
  }
}

static io_result read_some(gh_conn *conn, size_t *got)
{
  char *buffer = conn->worker->read_buffer;
  if (conn->ssl) {
    gh_tls_forget_errors();
    int rc = SSL_read_ex(conn->ssl, buffer, GH_WORKER_READ_BYTES, got);
    return rc == 1 ? IO_DONE : tls_result(conn, rc);
  }
  ssize_t n = recv(conn->socket.fd, buffer, GH_WORKER_READ_BYTES, 0);
  if (n > 0) {
    *got = (size_t)n;
    return IO_DONE;
  }
  if (n == 0) return IO_END;
  return errno == EAGAIN || errno == EINTR ? IO_AGAIN : IO_END;
}

static io_result write_some(gh_conn *conn, gh_str bytes, size_t *sent)
{
  if (conn->ssl) {
    gh_tls_forget_errors();
    int rc = SSL_write_ex(conn->ssl, bytes.ptr, bytes.len, sent);
    return rc == 1 ? IO_DONE : tls_result(conn, rc);
  }
  ssize_t n = send(conn->socket.fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
  if (n >= 0) {
    *sent = (size_t)n;
    return IO_DONE;
  }
  if (errno != EAGAIN && errno != EINTR) return IO_END;
  conn->want_write = true;
  return IO_AGAIN;
}

static void finish_close(gh_conn *conn)
{
  if (conn->ssl) {
    gh_tls_forget_errors();
    SSL_shutdown(conn->ssl);
    gh_tls_forget_errors();
  }
  gh_conn_fail(conn, conn->close_why, conn->close_reason);
}

static bool is_full(const gh_conn *conn)
{
  return conn->out.len - conn->out.pos > conn->worker->limits.max_out_bytes;
}

bool gh_conn_is_full(gh_conn *conn)
{
  conn->wants_room |= is_full(conn);
  return is_full(conn);
}

static void update_watch(gh_conn *conn)
{
  int events = 0;
  bool full = is_full(conn);
  if (conn->state == GH_CONN_READY && !full && !conn->wants_room) events |= UV_READABLE;
  if (conn->want_write || gh_buf_rest(&conn->out).len) events |= UV_WRITABLE;
  if ((conn->unread || conn->wants_room) && conn->state == GH_CONN_READY && !full)
    events |= UV_WRITABLE; /* true at once: we are called again */
  gh_conn_watch(conn, events);
}

void gh_conn_flush(gh_conn *conn)
{
  if (conn->in_data || (conn->state != GH_CONN_READY && conn->state != GH_CONN_DRAINING)) return;
  conn->want_write = false;
  gh_str rest;
  while ((rest = gh_buf_rest(&conn->out)).len) {
    size_t sent = 0;
    io_result result = write_some(conn, rest, &sent);
    if (result == IO_AGAIN) break;
    if (result != IO_DONE) {
      gh_conn_fail(conn, GH_ECONN, "peer closed while we were sending");
      return;
    }
    atomic_fetch_add_explicit(&conn->worker->counters.bytes_out, sent, memory_order_relaxed);
    gh_buf_consume(&conn->out, sent);
  }
  bool empty = gh_buf_rest(&conn->out).len == 0;
  if (empty && conn->out.cap > 4096) gh_buf_free(&conn->out); /* idle connections own no buffer */
  if (empty && conn->state == GH_CONN_DRAINING) {
    finish_close(conn);
    return;
  }
  update_watch(conn);
}

gh_buf *gh_conn_out(gh_conn *conn)
{
  return &conn->out;
}

void gh_conn_write(gh_conn *conn, gh_str bytes)
{
  if (conn->state != GH_CONN_READY) return;
  if (conn->path) {
    gh_dtls_send(conn, bytes);
    return;
  }
  gh_buf_add(&conn->out, bytes);
  gh_conn_flush(conn);
}

void gh_conn_close(gh_conn *conn, gh_err why, const char *reason)
{
  if (conn->state == GH_CONN_CLOSED || conn->state == GH_CONN_DRAINING) return;
  conn->close_why = why;
  conn->close_reason = reason;
  if (conn->state != GH_CONN_READY) {
    gh_conn_fail(conn, why, reason);
    return;
  }
  conn->state = GH_CONN_DRAINING;
  conn->deadline_us = gh_clock_mono_us(&conn->worker->clock) + 2 * GH_US_PER_S;
  gh_conn_flush(conn);
}

static void tell_of_room(gh_conn *conn)
{
  conn->wants_room = false;
  conn->in_data = true;
  conn->handler->data(conn, conn->ctx, GH_STR_NONE);
  conn->in_data = false;
  gh_conn_flush(conn);
}

static void readable(gh_conn *conn)
{
  for (int i = 0; i < READS_PER_EVENT; i++) {
    size_t got = 0;
    io_result result = read_some(conn, &got);
    conn->unread = false;
    if (result == IO_AGAIN) break;
    if (result != IO_DONE) {
      gh_conn_fail(conn, result == IO_END ? GH_OK : GH_EPROTO, result == IO_END ? "closed by peer" : "bad record");
      return;
    }
    atomic_fetch_add_explicit(&conn->worker->counters.bytes_in, got, memory_order_relaxed);
    conn->in_data = true;
    conn->handler->data(conn, conn->ctx, (gh_str){conn->worker->read_buffer, got});
    conn->in_data = false;
    if (conn->state != GH_CONN_READY || conn->wants_room) break;
    if (!conn->ssl && got < GH_WORKER_READ_BYTES) break;
    if (conn->ssl) conn->unread = SSL_has_pending(conn->ssl) == 1;
    if (conn->ssl && !conn->unread && got < 16384) break;
  }
  gh_conn_flush(conn);
}

/* Any step may close the connection. What is kept goes out before more is read. */
static void move_octets(gh_conn *conn, int events)
{
  if ((events & UV_WRITABLE) && gh_buf_rest(&conn->out).len) gh_conn_flush(conn);
  if (conn->state == GH_CONN_READY && conn->wants_room && !is_full(conn)) tell_of_room(conn);
  if (conn->state == GH_CONN_READY && !conn->wants_room && !is_full(conn)) readable(conn);
}

void gh_conn_on_event(gh_watch *socket, int status, int events)
{
  gh_conn *conn = (gh_conn *)socket; /* its first member */
  if (status < 0) {
    gh_conn_fail(conn, GH_ECONN, "socket error");
    return;
  }
  switch (conn->state) {
  case GH_CONN_CONNECTING: finish_connect(conn); return;
  case GH_CONN_ACCEPTED: start_tls(conn); return;
  case GH_CONN_HANDSHAKE: gh_conn_step_handshake(conn); return;
  case GH_CONN_READY: move_octets(conn, events); return;
  case GH_CONN_DRAINING: gh_conn_flush(conn); return;
  case GH_CONN_CLOSED: return;
  }
}
