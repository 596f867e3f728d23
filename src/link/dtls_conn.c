/* An association over datagrams: steps of its handshake with OpenSSL's retransmission timer, records in, records out;
 * and the client's beginning. */
#include "link/dtls_private.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

#include "link/tls_common.h"

enum { HELD_BYTES_MAX = 16 * 1024 };

static void on_timer(uv_timer_t *timer);

/* OpenSSL waits one second for the peer's flight, then twice as long each time. */ /*= RFC 6347 4.2.4.1 */
static void arm(gh_conn *conn)
{
  struct timeval left;
  if (conn->state != GH_CONN_HANDSHAKE || conn->handshake.waiting || DTLSv1_get_timeout(conn->ssl, &left) != 1) {
    if (conn->state != GH_CONN_CLOSED) uv_timer_stop(&conn->timer);
    return;
  }
  uint64_t ms = (uint64_t)left.tv_sec * 1000 + (uint64_t)left.tv_usec / 1000;
  uv_timer_start(&conn->timer, on_timer, ms + 1, 0);
}

static void on_timer(uv_timer_t *timer)
{
  gh_conn *conn = timer->data;
  if (conn->state != GH_CONN_HANDSHAKE || conn->handshake.waiting) return;
  gh_tls_forget_errors();
  if (DTLSv1_handle_timeout(conn->ssl) < 0) {
    gh_conn_fail(conn, GH_ETIMEOUT, "handshake was not answered");
    return;
  }
  arm(conn);
}

/* One `data` call for each record. */
static void read_records(gh_conn *conn)
{
  while (conn->state == GH_CONN_READY) {
    size_t got = 0;
    gh_tls_forget_errors();
    int rc = SSL_read_ex(conn->ssl, conn->worker->read_buffer, GH_WORKER_READ_BYTES, &got);
    if (rc != 1) {
      int error = SSL_get_error(conn->ssl, rc);
      if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return;
      bool end = error == SSL_ERROR_ZERO_RETURN;
      gh_conn_fail(conn, end ? GH_OK : GH_EPROTO, end ? "closed by peer" : "bad record");
      return;
    }
    atomic_fetch_add_explicit(&conn->worker->counters.bytes_in, got, memory_order_relaxed);
    conn->in_data = true;
    conn->handler->data(conn, conn->ctx, (gh_str){conn->worker->read_buffer, got});
    conn->in_data = false;
    gh_conn_flush(conn); /* an orderly close that was asked for meanwhile */
  }
}

void gh_dtls_step(gh_conn *conn)
{
  gh_conn_step_handshake(conn);
  arm(conn);
  if (conn->state != GH_CONN_READY) return;
  gh_dtls_port_supersede(conn->path->port, conn);
  read_records(conn);
}

/* What comes while the key source is busy is kept: the rest of the peer's flight. */
static void hold(gh_dtls_path *path, gh_str datagram)
{
  if (path->held.len + datagram.len + 2 > HELD_BYTES_MAX) return; /* lost; the peer will send it again */
  gh_buf_add_char(&path->held, (char)(datagram.len >> 8));
  gh_buf_add_char(&path->held, (char)(datagram.len & 0xff));
  gh_buf_add(&path->held, datagram);
}

void gh_dtls_take(gh_conn *conn, gh_str datagram)
{
  if (conn->state == GH_CONN_HANDSHAKE && conn->handshake.waiting) {
    hold(conn->path, datagram);
    return;
  }
  conn->path->arrived = datagram;
  if (conn->state == GH_CONN_HANDSHAKE)
    gh_dtls_step(conn);
  else
    read_records(conn);
  if (conn->path) conn->path->arrived = GH_STR_NONE;
}

void gh_dtls_resume(gh_conn *conn)
{
  gh_buf held = conn->path->held;
  conn->path->held = GH_BUF_INIT;
  gh_dtls_step(conn);
  for (gh_str rest = gh_buf_str(&held); rest.len > 2 && conn->state != GH_CONN_CLOSED;) {
    size_t len = (size_t)((uint8_t)rest.ptr[0] << 8 | (uint8_t)rest.ptr[1]);
    gh_dtls_take(conn, gh_str_sub(rest, 2, len));
    rest = gh_str_sub(rest, 2 + len, SIZE_MAX);
  }
  gh_buf_free(&held);
}

/*= TS-0008 7 all CoAP messages are DTLS application data */
void gh_dtls_send(gh_conn *conn, gh_str datagram)
{
  size_t sent = 0;
  gh_tls_forget_errors();
  if (SSL_write_ex(conn->ssl, datagram.ptr, datagram.len, &sent) != 1)
    GH_LOG(conn->worker->log, GH_LOG_WARN, "datagram-not-sent", GH_F("association", conn->id),
           GH_F("octets", datagram.len));
  gh_tls_forget_errors();
}

static void on_timer_closed(uv_handle_t *handle)
{
  gh_conn *conn = handle->data;
  gh_dtls_path_free(conn->path);
  gh_buf_wipe_free(&conn->out);
  free(conn);
}

void gh_dtls_forget(gh_conn *conn)
{
  gh_dtls_port_remove(conn->path->port, conn);
  uv_close((uv_handle_t *)&conn->timer, on_timer_closed);
}

/* ---- the client's side: a socket for each association */

static void free_port(gh_dtls_port *port)
{
  free(port);
}

static void begin(uv_timer_t *timer)
{
  gh_dtls_step(timer->data);
}

static gh_err open_socket(const struct sockaddr *address, socklen_t address_len, int *out)
{
  int fd = socket(address->sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  GH_REQUIRE(fd >= 0, GH_EIO);
  if (connect(fd, address, address_len) != 0) { /* the kernel drops what others send */
    close(fd);
    return GH_ECONN;
  }
  *out = fd;
  return GH_OK;
}

gh_err gh_dtls_connect(gh_worker *worker, const struct sockaddr *address, socklen_t address_len, gh_tls_client *tls,
                       uint16_t mtu, int64_t deadline_us, const gh_conn_handler *handler, void *ctx, gh_conn **out)
{
  struct sockaddr_storage peer;
  int fd = -1;
  GH_REQUIRE(address_len <= sizeof peer, GH_EINVAL);
  memset(&peer, 0, sizeof peer);
  memcpy(&peer, address, address_len);
  GH_TRY(open_socket(address, address_len, &fd));
  SSL *ssl = gh_tls_client_ssl(tls, NULL);
  gh_dtls_port *port = gh_calloc(1, sizeof *port);
  port->on_closed = free_port;
  if (!ssl || gh_dtls_port_start(port, worker, fd, mtu) != GH_OK) {
    SSL_free(ssl);
    close(fd);
    free(port);
    return GH_ECRYPTO;
  }
  gh_dtls_path *path = gh_dtls_path_new(port, ssl, &peer);
  if (!path) {
    SSL_free(ssl);
    gh_dtls_port_stop(port);
    return GH_ECRYPTO;
  }
  gh_conn *conn = gh_conn_new_datagram(worker, path, &peer, NULL, handler, ctx);
  conn->ssl = ssl;
  conn->client = gh_tls_client_ref(tls);
  conn->deadline_us = deadline_us;
  gh_tls_set_handshake(ssl, &conn->handshake);
  gh_dtls_port_add(port, conn);
  port->closing = true; /* goes with its association */
  uv_timer_start(&conn->timer, begin, 0, 0);
  *out = conn;
  return GH_OK;
}
