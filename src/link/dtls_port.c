/* A UDP socket on a worker's loop and the associations behind it, by the peer's address and port. */
#include "link/dtls_private.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <unistd.h>

enum { READS_PER_EVENT = 64, FIRST_SLOTS = 16, RECORD_HEAD = 13, RECORD_HANDSHAKE = 22, CLIENT_HELLO = 1 };

static bool same_address(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
  if (a->ss_family != b->ss_family) return false;
  if (a->ss_family == AF_INET) {
    const struct sockaddr_in *x = (const struct sockaddr_in *)a, *y = (const struct sockaddr_in *)b;
    return x->sin_port == y->sin_port && x->sin_addr.s_addr == y->sin_addr.s_addr;
  }
  const struct sockaddr_in6 *x = (const struct sockaddr_in6 *)a, *y = (const struct sockaddr_in6 *)b;
  return x->sin6_port == y->sin6_port && x->sin6_scope_id == y->sin6_scope_id &&
         memcmp(&x->sin6_addr, &y->sin6_addr, sizeof x->sin6_addr) == 0;
}

static uint64_t mix(uint64_t hash, const void *octets, size_t len)
{
  const uint8_t *o = octets;
  for (size_t i = 0; i < len; i++) hash = (hash ^ o[i]) * UINT64_C(0x100000001b3);
  return hash;
}

static size_t slot_of(const gh_dtls_port *port, const struct sockaddr_storage *address)
{
  uint64_t hash = port->seed;
  if (address->ss_family == AF_INET) {
    const struct sockaddr_in *in = (const struct sockaddr_in *)address;
    hash = mix(mix(hash, &in->sin_addr, sizeof in->sin_addr), &in->sin_port, sizeof in->sin_port);
  } else {
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
    hash = mix(mix(hash, &in6->sin6_addr, sizeof in6->sin6_addr), &in6->sin6_port, sizeof in6->sin6_port);
  }
  return (hash ^ hash >> 32) & (port->slot_count - 1);
}

static void put(gh_dtls_port *port, gh_conn *conn)
{
  gh_conn **slot = &port->slots[slot_of(port, &conn->address)];
  conn->same_slot = *slot;
  *slot = conn;
}

static void grow(gh_dtls_port *port)
{
  gh_conn **old = port->slots;
  size_t count = port->slot_count;
  port->slot_count = count * 2;
  port->slots = gh_calloc(port->slot_count, sizeof *port->slots);
  for (size_t i = 0; i < count; i++)
    for (gh_conn *conn = old[i], *next; conn; conn = next) {
      next = conn->same_slot;
      put(port, conn);
    }
  free(old);
}

void gh_dtls_port_add(gh_dtls_port *port, gh_conn *conn)
{
  if (port->conn_count >= port->slot_count) grow(port);
  put(port, conn);
  port->conn_count++;
}

static void on_poll_closed(uv_handle_t *handle)
{
  gh_dtls_port *port = handle->data;
  close(port->fd);
  port->fd = -1;
  free(port->slots);
  free(port->buffer);
  port->slots = NULL;
  port->buffer = NULL;
  port->on_closed(port);
}

static void close_if_unused(gh_dtls_port *port)
{
  if (!port->closing || port->conn_count || uv_is_closing((uv_handle_t *)&port->poll)) return;
  uv_poll_stop(&port->poll);
  uv_close((uv_handle_t *)&port->poll, on_poll_closed);
}

void gh_dtls_port_remove(gh_dtls_port *port, gh_conn *conn)
{
  gh_conn **at = &port->slots[slot_of(port, &conn->address)];
  while (*at && *at != conn) at = &(*at)->same_slot;
  if (!*at) return;
  *at = conn->same_slot;
  port->conn_count--;
  close_if_unused(port);
}

void gh_dtls_port_stop(gh_dtls_port *port)
{
  port->closing = true;
  close_if_unused(port);
}

void gh_dtls_port_send(gh_dtls_port *port, const struct sockaddr_storage *to, gh_str datagram)
{
  if (port->fd < 0) return;
  ssize_t sent = sendto(port->fd, datagram.ptr, datagram.len, MSG_DONTWAIT | MSG_NOSIGNAL,
                        (const struct sockaddr *)to, gh_address_len(to));
  if (sent > 0) atomic_fetch_add_explicit(&port->worker->counters.bytes_out, (size_t)sent, memory_order_relaxed);
}

static gh_conn *next_of(gh_conn *conn, const struct sockaddr_storage *from)
{
  while (conn && !same_address(&conn->address, from)) conn = conn->same_slot;
  return conn;
}

static gh_conn *first_of(const gh_dtls_port *port, const struct sockaddr_storage *from)
{
  return next_of(port->slots[slot_of(port, from)], from);
}

void gh_dtls_port_supersede(gh_dtls_port *port, const gh_conn *conn)
{
  for (gh_conn *c = first_of(port, &conn->address), *next; c; c = next) {
    next = next_of(c->same_slot, &conn->address);
    if (c != conn) gh_conn_fail(c, GH_OK, "peer began a new association");
  }
}

static void give_to_all(gh_conn *conn, const struct sockaddr_storage *from, gh_str datagram)
{
  for (gh_conn *next; conn; conn = next) { /* who cannot verify it drops it */
    next = next_of(conn->same_slot, from);
    gh_dtls_take(conn, datagram);
  }
}

/* An address has at most one association, and one handshake that would replace it. An established one also takes what
 * is not protected: a peer that lost our last flight sends its own again, which begins so. */
static void deliver(gh_dtls_port *port, const struct sockaddr_storage *from, gh_str datagram)
{
  const uint8_t *o = (const uint8_t *)datagram.ptr;
  gh_conn *conn = first_of(port, from), *in_handshake = conn;
  bool plain = !o[3] && !o[4]; /* its epoch is 0 */
  bool hello = o[0] == RECORD_HANDSHAKE && datagram.len > RECORD_HEAD && o[RECORD_HEAD] == CLIENT_HELLO;
  while (in_handshake && in_handshake->state != GH_CONN_HANDSHAKE)
    in_handshake = next_of(in_handshake->same_slot, from);
  if (plain && in_handshake)
    gh_dtls_take(in_handshake, datagram);
  else if (!plain || !hello)
    give_to_all(conn, from, datagram);
  else if (port->on_stranger && !port->closing) /*= RFC 6347 4.2.8 */
    port->on_stranger(port, from, datagram);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
  (void)events, (void)status;
  gh_dtls_port *port = poll->data;
  for (int i = 0; i < READS_PER_EVENT && !uv_is_closing((uv_handle_t *)poll); i++) {
    struct sockaddr_storage from;
    socklen_t from_len = sizeof from;
    memset(&from, 0, sizeof from);
    ssize_t got =
        recvfrom(port->fd, port->buffer, GH_DTLS_DATAGRAM_MAX, MSG_DONTWAIT, (struct sockaddr *)&from, &from_len);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (got < RECORD_HEAD) { /* also an error that ICMP reported: it may be forged */
      if (got > 0 && port->on_plain) port->on_plain(port, &from, (gh_str){port->buffer, (size_t)got});
      continue;
    }
    gh_str datagram = {port->buffer, (size_t)got};
    bool record = datagram.ptr[0] >= 20 && datagram.ptr[0] <= 23 && (uint8_t)datagram.ptr[1] == 0xfe;
    if (record)
      deliver(port, &from, datagram);
    else if (port->on_plain)
      port->on_plain(port, &from, datagram);
  }
}

gh_err gh_dtls_port_start(gh_dtls_port *port, gh_worker *worker, int fd, uint16_t mtu)
{
  gh_random random = gh_random_system();
  port->worker = worker;
  port->fd = fd;
  port->mtu = mtu ? mtu : GH_DTLS_MTU;
  GH_TRY(gh_random_fill(&random, &port->seed, sizeof port->seed));
  port->slot_count = FIRST_SLOTS;
  port->slots = gh_calloc(port->slot_count, sizeof *port->slots);
  port->buffer = gh_malloc(GH_DTLS_DATAGRAM_MAX);
  uv_poll_init(worker->uv, &port->poll, fd);
  port->poll.data = port;
  uv_poll_start(&port->poll, UV_READABLE, on_readable);
  return GH_OK;
}
