/* Life of a connection: begin, association established, end. The octets move in conn_io.c. */
#include "link/dtls_private.h"
#include "link/tls_common.h"
#include "link/address.h"
#include "link/tls_status.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <unistd.h>

static atomic_uint_fast64_t next_id = 1;

static void link_in(gh_conn *conn)
{
  gh_worker *worker = conn->worker;
  conn->next = worker->first;
  if (worker->first) worker->first->prev = conn;
  worker->first = conn;
  worker->connections++;
}

static void link_out(gh_conn *conn)
{
  gh_worker *worker = conn->worker;
  if (conn->prev)
    conn->prev->next = conn->next;
  else
    worker->first = conn->next;
  if (conn->next) conn->next->prev = conn->prev;
  worker->connections--;
  gh_admission_leave(worker, conn->neighbour);
  conn->neighbour = NULL;
}

static void name_address(gh_conn *conn)
{
  gh_address_text(&conn->address, conn->address_text);
  conn->handshake.network = gh_address_network_key(&conn->address);
}

static void on_answer(gh_handshake *handshake)
{
  gh_conn *conn = handshake->owner;
  if (conn->path)
    gh_dtls_resume(conn);
  else
    gh_conn_step_handshake(conn);
}

static gh_conn *make_conn(gh_worker *worker, const gh_conn_handler *handler, void *ctx)
{
  gh_conn *conn = gh_calloc(1, sizeof *conn);
  conn->worker = worker;
  conn->handler = handler;
  conn->ctx = ctx;
  conn->id = atomic_fetch_add_explicit(&next_id, 1, memory_order_relaxed);
  conn->handshake =
      (gh_handshake){.worker = worker, .on_answer = on_answer, .owner = conn, .alert = -1, .association = conn->id};
  conn->close_reason = "";
  link_in(conn);
  return conn;
}

static void on_socket_closed(gh_watch *socket)
{
  gh_conn *conn = (gh_conn *)socket; /* its first member */
  gh_buf_wipe_free(&conn->out);
  free(conn);
}

static gh_conn *new_conn(gh_worker *worker, int fd, const gh_conn_handler *handler, void *ctx)
{
  gh_conn *conn = make_conn(worker, handler, ctx);
  conn->socket = (gh_watch){.fd = fd, .on_event = gh_conn_on_event, .on_closed = on_socket_closed};
  return conn;
}

static void begin_handshake(gh_conn *conn)
{
  conn->worker->handshaking++;
  gh_admission_begin_handshake(conn->neighbour);
  conn->counted_handshake = true;
}

gh_conn *gh_conn_new_datagram(gh_worker *worker, gh_dtls_path *path, const struct sockaddr_storage *address,
                              gh_neighbour *neighbour, const gh_conn_handler *handler, void *ctx)
{
  gh_conn *conn = make_conn(worker, handler, ctx);
  conn->neighbour = neighbour;
  conn->address = *address;
  name_address(conn);
  conn->path = path;
  uv_timer_init(worker->uv, &conn->timer);
  conn->timer.data = conn;
  conn->state = GH_CONN_HANDSHAKE;
  begin_handshake(conn);
  return conn;
}

static void send_at_once(int fd)
{
  int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

gh_conn *gh_conn_accept(gh_worker *worker, int fd, gh_tls_server *tls, gh_str plain_refusal,
                        const gh_conn_handler *handler, void *ctx)
{
  struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
  socklen_t len = sizeof address;
  getpeername(fd, (struct sockaddr *)&address, &len);
  send_at_once(fd);
  return gh_conn_accept_from(worker, fd, &address, NULL, tls, plain_refusal, handler, ctx);
}

gh_conn *gh_conn_accept_from(gh_worker *worker, int fd, const struct sockaddr_storage *address,
                             gh_neighbour *neighbour, gh_tls_server *tls, gh_str plain_refusal,
                             const gh_conn_handler *handler, void *ctx)
{
  gh_conn *conn = new_conn(worker, fd, handler, ctx);
  conn->neighbour = neighbour;
  conn->address = *address;
  name_address(conn);
  conn->server = tls;
  conn->plain_refusal = plain_refusal;
  conn->deadline_us = gh_clock_mono_us(&worker->clock) + (int64_t)worker->limits.handshake_ms * 1000;
  atomic_fetch_add_explicit(&worker->counters.accepted, 1, memory_order_relaxed);
  if (tls) {
    begin_handshake(conn);
    conn->state = GH_CONN_ACCEPTED;
    gh_conn_watch(conn, UV_READABLE);
  } else {
    gh_conn_established(conn);
  }
  return conn;
}

gh_err gh_conn_connect(gh_worker *worker, const struct sockaddr *address, socklen_t address_len, gh_tls_client *tls,
                       int64_t deadline_us, const gh_conn_handler *handler, void *ctx, gh_conn **out)
{
  GH_REQUIRE(address_len <= sizeof(struct sockaddr_storage), GH_EINVAL);
  int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  GH_REQUIRE(fd >= 0, GH_EIO);
  if (connect(fd, address, address_len) != 0 && errno != EINPROGRESS) {
    close(fd);
    return GH_ECONN;
  }
  send_at_once(fd);
  gh_conn *conn = new_conn(worker, fd, handler, ctx);
  memcpy(&conn->address, address, address_len);
  name_address(conn);
  conn->client = gh_tls_client_ref(tls);
  conn->deadline_us = deadline_us;
  conn->state = GH_CONN_CONNECTING;
  begin_handshake(conn);
  gh_conn_watch(conn, UV_WRITABLE);
  *out = conn;
  return GH_OK;
}

void gh_conn_watch(gh_conn *conn, int events)
{
  if (!conn->path && conn->state != GH_CONN_CLOSED) gh_watch_set(&conn->worker->watcher, &conn->socket, events);
}

static void end_handshake(gh_conn *conn)
{
  if (conn->counted_handshake) gh_admission_end_handshake(conn->neighbour);
  if (conn->counted_handshake) conn->worker->handshaking--;
  conn->counted_handshake = false;
}

static void set_expiry(gh_conn *conn)
{
  /*= TS-0001 11.3.2 the association ends before its credential does */
  int64_t longest = gh_clock_wall_us(&conn->worker->clock) + conn->worker->limits.max_association_us;
  conn->expires_us = longest;
  if (conn->peer.not_after_us && conn->peer.not_after_us < longest) conn->expires_us = conn->peer.not_after_us;
  int64_t first = conn->handshake.ends_us; /* a resumed one ends when the one would that proved the credential */
  if (first && first < conn->expires_us) conn->expires_us = first;
}

static void note_association(gh_conn *conn)
{
  gh_link_counters *counters = &conn->worker->counters;
  SSL_clear_mode(conn->ssl, SSL_MODE_ASYNC);
  atomic_fetch_add_explicit(&counters->handshakes_ok, 1, memory_order_relaxed);
  if (conn->handshake.resumed) atomic_fetch_add_explicit(&counters->handshakes_resumed, 1, memory_order_relaxed);
  set_expiry(conn);
  if (conn->server) gh_tls_server_keep(conn->server, conn->ssl, &conn->handshake, &conn->peer, conn->expires_us);
}

void gh_conn_established(gh_conn *conn)
{
  gh_diag diag = {""};
  gh_err err = GH_OK;
  if (conn->ssl && conn->server)
    err = gh_tls_server_peer(conn->server, conn->ssl, &conn->handshake, &conn->peer, &diag);
  else if (conn->ssl)
    err = gh_tls_client_peer(conn->client, conn->ssl, &conn->peer, &diag);
  end_handshake(conn);
  if (err != GH_OK) {
    GH_LOG(conn->worker->log, GH_LOG_WARN, "association-refused", GH_F("association", conn->id),
           GH_F("peer", conn->address_text), GH_F("reason", diag.text));
    const gh_key_source *source = conn->server ? gh_tls_server_source(conn->server) : NULL;
    if (source && source->handshake_failed)
      source->handshake_failed(source->ctx, GH_STR_NONE, conn->address_text, diag.text);
    gh_conn_fail(conn, err, "peer not accepted");
    return;
  }
  if (conn->ssl) note_association(conn);
  gh_handshake_clear(&conn->handshake);
  conn->state = GH_CONN_READY;
  gh_conn_expect(conn, false);
  gh_conn_watch(conn, conn->unread ? UV_READABLE | UV_WRITABLE : UV_READABLE);
  conn->handler->ready(conn, conn->ctx);
}

/* A job that waits for a key must be run to its end before its SSL can be freed. */
static void unwind_waiting_job(gh_conn *conn)
{
  if (!conn->ssl || !conn->handshake.waiting) return;
  conn->handshake.gone = true;
  gh_handshake_clear(&conn->handshake);
  SSL_do_handshake(conn->ssl);
  gh_tls_forget_errors();
}

void gh_conn_fail(gh_conn *conn, gh_err why, const char *reason)
{
  if (conn->state == GH_CONN_CLOSED) return;
  bool has_last_words =
      conn->server && conn->heard && conn->counted_handshake; /* an alert, or what clear text gets */
  if (conn->counted_handshake)
    atomic_fetch_add_explicit(&conn->worker->counters.handshakes_failed, 1, memory_order_relaxed);
  end_handshake(conn);
  conn->state = GH_CONN_CLOSED;
  conn->close_why = why;
  unwind_waiting_job(conn);
  conn->handler->closed(conn, conn->ctx, why, reason);
  gh_handshake_clear(&conn->handshake);
  /* whoever vanishes without a word may come back: only fatal alerts spoil a session */
  if (conn->ssl) SSL_set_shutdown(conn->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  SSL_free(conn->ssl);
  conn->ssl = NULL;
  gh_tls_client_free(conn->client);
  conn->client = NULL;
  gh_peer_clear(&conn->peer);
  link_out(conn);
  atomic_fetch_add_explicit(&conn->worker->counters.closed, 1, memory_order_relaxed);
  if (conn->path)
    gh_dtls_forget(conn);
  else if (has_last_words && !conn->peer_ended && !conn->worker->closing)
    gh_watch_linger(&conn->worker->watcher, &conn->socket, gh_clock_mono_us(&conn->worker->clock));
  else
    gh_watch_close(&conn->worker->watcher, &conn->socket);
}

void gh_conn_set_ctx(gh_conn *conn, void *ctx)
{
  conn->ctx = ctx;
}

void gh_conn_set_handler(gh_conn *conn, const gh_conn_handler *handler, void *ctx)
{
  conn->handler = handler;
  conn->ctx = ctx;
}

gh_str gh_conn_alpn(const gh_conn *conn)
{
  const unsigned char *name = NULL;
  unsigned len = 0;
  if (conn->ssl) SSL_get0_alpn_selected(conn->ssl, &name, &len);
  return (gh_str){(const char *)name, len};
}

void *gh_conn_ctx(const gh_conn *conn)
{
  return conn->ctx;
}

gh_worker *gh_conn_worker(const gh_conn *conn)
{
  return conn->worker;
}

const gh_peer *gh_conn_peer(const gh_conn *conn)
{
  const gh_psk_query *query = conn->handshake.query;
  bool named = conn->state == GH_CONN_HANDSHAKE && query && !conn->handshake.waiting && query->result == GH_OK;
  return named ? &query->peer : &conn->peer;
}

void gh_conn_bind_ae(gh_conn *conn, gh_str ae_id)
{
  if (conn->peer.kind != GH_PEER_CREDENTIAL && !conn->peer.assigned) return;
  conn->peer.kind = GH_PEER_AE;
  conn->peer.assigned = true;
  gh_str_release(&conn->peer.id);
  conn->peer.id = gh_str_clone(ae_id);
}

void gh_conn_bind_cse(gh_conn *conn, gh_str cse_id)
{
  if (!conn->client || conn->peer.kind != GH_PEER_FUNCTION) return;
  conn->peer.kind = GH_PEER_CSE;
  gh_str_release(&conn->peer.id);
  conn->peer.id = gh_str_clone(cse_id);
}

uint64_t gh_conn_id(const gh_conn *conn)
{
  return conn->id;
}

void gh_conn_address(const gh_conn *conn, uint8_t *family, uint8_t octets[static 16])
{
  memset(octets, 0, 16);
  *family = 0;
  if (conn->address.ss_family == AF_INET) {
    *family = 4;
    memcpy(octets, &((const struct sockaddr_in *)&conn->address)->sin_addr, 4);
  } else if (conn->address.ss_family == AF_INET6) {
    *family = 6;
    memcpy(octets, &((const struct sockaddr_in6 *)&conn->address)->sin6_addr, 16);
  }
}

const char *gh_conn_address_text(const gh_conn *conn)
{
  return conn->address_text;
}

gh_str gh_conn_protocol(gh_arena *arena, const gh_conn *conn)
{
  if (!conn->ssl) return GH_STR("plain");
  return gh_arena_fmt(arena, "%s %s", SSL_get_version(conn->ssl), SSL_get_cipher_name(conn->ssl));
}

gh_str gh_conn_refusal(const gh_conn *conn)
{
  return conn->handshake.why;
}

bool gh_conn_is_revoked(const gh_conn *conn, const gh_status_source *source)
{
  return gh_tls_status_revoked(conn->ssl, source);
}

gh_str gh_conn_server_name(const gh_conn *conn)
{
  return conn->ssl ? gh_str_of(SSL_get_servername(conn->ssl, TLSEXT_NAMETYPE_host_name)) : GH_STR_NONE;
}

bool gh_conn_is_resumed(const gh_conn *conn)
{
  return conn->handshake.resumed;
}

bool gh_conn_is_open(const gh_conn *conn)
{
  return conn->state == GH_CONN_READY;
}

void gh_conn_expect(gh_conn *conn, bool more_of_a_request)
{
  const gh_link_limits *limits = &conn->worker->limits;
  if (conn->state != GH_CONN_READY) return; /* what is closing keeps its deadline */
  if (more_of_a_request && conn->in_request) return;
  conn->in_request = more_of_a_request;
  uint32_t ms = more_of_a_request ? limits->request_ms : limits->idle_ms;
  conn->deadline_us = ms ? gh_clock_mono_us(&conn->worker->clock) + (int64_t)ms * 1000 : INT64_MAX;
}

gh_err gh_conn_export(gh_conn *conn, const char *label, uint8_t out[static 48])
{
  GH_REQUIRE(conn->ssl, GH_EPROTO);
  /*= TS-0003 10.3.1 keys come from associations in which the credential was proven */
  GH_REQUIRE(!conn->handshake.resumed, GH_EPROTO);
  return gh_tls_export(conn->ssl, label, out);
}

int gh_conn_alert(const gh_conn *conn, bool *sent)
{
  if (sent) *sent = conn->handshake.alert_sent;
  return conn->handshake.alert;
}
