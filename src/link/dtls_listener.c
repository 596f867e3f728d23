/* Strangers: a ClientHello is answered with a cookie and forgotten; who returns the cookie receives at that address,
 * and gets an association. */
#include "link/dtls_private.h"

#include <errno.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <unistd.h>

#include "crypto/hmac.h"
#include "crypto/kdf.h"
#include "link/dtls_hello.h"
#include "link/tls_common.h"

enum { COOKIE_LIFE_S = 60, SECRET_BYTES = 32 };

typedef struct port_of_worker {
  gh_dtls_port port; /* first */
  gh_dtls_listener *listener;
  SSL *listening; /* takes the next stranger */
  gh_hmac *cookies;
  gh_dtls_path *path;
} port_of_worker;

struct gh_dtls_listener {
  gh_listener_options options;
  size_t count;
  port_of_worker *ports;
};

/* Bound to address, port and time: of this minute, or of the one before. */ /*= RFC 6347 4.2.1 */
static bool make_cookie(const port_of_worker *port, const struct sockaddr_storage *from, int64_t minutes_ago,
                        uint8_t out[static GH_DTLS_COOKIE_BYTES])
{
  int64_t minute = gh_clock_mono_us(&port->port.worker->clock) / (COOKIE_LIFE_S * GH_US_PER_S) - minutes_ago;
  const gh_str parts[] = {{(const char *)&minute, sizeof minute}, {(const char *)from, gh_address_len(from)}};
  return gh_hmac_run(port->cookies, parts, 2, out) == GH_OK;
}

static bool is_our_cookie(const port_of_worker *port, const struct sockaddr_storage *from, gh_str cookie)
{
  uint8_t good[GH_DTLS_COOKIE_BYTES];
  if (cookie.len != sizeof good) return false;
  for (int64_t ago = 0; ago < 2; ago++)
    if (make_cookie(port, from, ago, good) && gh_bytes_equal_ct(cookie.ptr, good, sizeof good)) return true;
  return false;
}

static void ask_for_cookie(port_of_worker *port, const struct sockaddr_storage *from, gh_str hello)
{
  uint8_t cookie[GH_DTLS_COOKIE_BYTES], request[GH_DTLS_VERIFY_BYTES];
  if (!make_cookie(port, from, 0, cookie)) return;
  gh_dtls_verify_request(hello, cookie, request);
  gh_dtls_port_send(&port->port, from, (gh_str){(const char *)request, sizeof request});
}

/* OpenSSL sees hellos with good cookies only; it asks all the same, twice. */
static int on_cookie(SSL *ssl, const unsigned char *cookie, unsigned len)
{
  (void)cookie;
  const gh_dtls_path *path = BIO_get_data(SSL_get_rbio(ssl));
  return path->reachable && len == GH_DTLS_COOKIE_BYTES;
}

static int on_cookie_wanted(SSL *ssl, unsigned char *out, unsigned *len)
{
  (void)ssl, (void)out, (void)len;
  return 0; /* none is asked for without one */
}

static void drop_listening(port_of_worker *port)
{
  SSL_free(port->listening);
  gh_dtls_path_free(port->path);
  port->listening = NULL;
  port->path = NULL;
}

static bool prepare(port_of_worker *port, const struct sockaddr_storage *from)
{
  if (port->listening && !gh_tls_server_is_present(port->listener->options.tls, port->listening))
    drop_listening(port); /* made before the credentials were renewed */
  if (port->listening) {
    port->path->peer = *from;
    return true;
  }
  SSL *ssl = gh_tls_server_ssl(port->listener->options.tls, NULL);
  if (!ssl) return false;
  SSL_set_options(ssl, SSL_OP_COOKIE_EXCHANGE);
  port->path = gh_dtls_path_new(&port->port, ssl, from);
  if (!port->path) {
    SSL_free(ssl);
    return false;
  }
  port->path->reachable = true;
  port->listening = ssl;
  return true;
}

/* The SSL that saw the cookie becomes the association's. An address counts from here on: before, it may be forged. */
static void adopt(port_of_worker *port, const struct sockaddr_storage *from)
{
  const gh_listener_options *options = &port->listener->options;
  gh_worker *worker = port->port.worker;
  gh_neighbour *neighbour = gh_admission_enter(worker, from);
  void *ctx = neighbour ? options->new_ctx(options->owner, worker) : NULL;
  if (!ctx) {
    gh_admission_leave(worker, neighbour);
    return; /* DTLSv1_listen forgets this one when it is called again */
  }
  gh_conn *conn = gh_conn_new_datagram(worker, port->path, from, neighbour, options->handler, ctx);
  conn->ssl = port->listening;
  conn->server = options->tls;
  conn->deadline_us = gh_clock_mono_us(&worker->clock) + (int64_t)worker->limits.handshake_ms * 1000;
  port->listening = NULL;
  port->path = NULL;
  gh_tls_set_handshake(conn->ssl, &conn->handshake);
  gh_dtls_port_add(&port->port, conn);
  atomic_fetch_add_explicit(&worker->counters.accepted, 1, memory_order_relaxed);
  gh_dtls_step(conn);
}

/*= RFC 6347 4.2.1; TS-0003 10.2.3 */
static void on_stranger(gh_dtls_port *p, const struct sockaddr_storage *from, gh_str datagram)
{
  port_of_worker *port = (port_of_worker *)p;
  gh_str cookie;
  if (gh_dtls_hello_read(datagram, &cookie) != GH_OK || !gh_admission_has_room(p->worker, from)) return;
  if (!is_our_cookie(port, from, cookie)) {
    ask_for_cookie(port, from, datagram);
    return;
  }
  if (!prepare(port, from)) return;
  BIO_ADDR *unused = BIO_ADDR_new();
  if (!unused) return;
  port->path->arrived = datagram;
  gh_tls_forget_errors();
  bool returned = DTLSv1_listen(port->listening, unused) == 1;
  port->path->arrived = GH_STR_NONE;
  gh_tls_forget_errors();
  BIO_ADDR_free(unused);
  if (returned) adopt(port, from);
}

/* Never more octets than came: a forged address gains nothing. */
static void on_plain(gh_dtls_port *p, const struct sockaddr_storage *from, gh_str datagram)
{
  const port_of_worker *port = (const port_of_worker *)p;
  gh_buf answer = GH_BUF_INIT;
  if (p->closing || !port->listener->options.refuse_plain) return;
  port->listener->options.refuse_plain(datagram, &answer);
  if (answer.len && answer.len <= datagram.len) gh_dtls_port_send(p, from, gh_buf_str(&answer));
  gh_buf_free(&answer);
}

static void on_closed(gh_dtls_port *port)
{
  (void)port; /* the listener owns it */
}

static void start_port(void *arg)
{
  port_of_worker *port = arg;
  int fd = port->port.fd;
  if (gh_dtls_port_start(&port->port, port->port.worker, fd, port->listener->options.mtu) != GH_OK) {
    close(fd);
    port->port.fd = -1;
  }
}

static void stop_port(void *arg)
{
  port_of_worker *port = arg;
  if (port->port.closing || port->port.fd < 0) return;
  drop_listening(port);
  gh_dtls_port_stop(&port->port);
}

gh_err gh_dtls_listener_open(const gh_listener_options *options, gh_worker *const *workers, size_t count,
                             const gh_random *random, uint16_t *port, gh_dtls_listener **out, gh_diag *diag)
{
  gh_dtls_listener *listener = gh_calloc(1, sizeof *listener);
  listener->options = *options;
  listener->ports = gh_calloc(count, sizeof *listener->ports);
  uint16_t chosen = options->port;
  uint8_t secret[SECRET_BYTES]; /* of the cookies; the same for all workers */
  gh_err err = gh_random_fill(random, secret, sizeof secret);
  gh_tls_server_use_cookies(options->tls, &(gh_tls_cookie_calls){on_cookie_wanted, on_cookie});
  for (size_t i = 0; err == GH_OK && i < count; i++) {
    port_of_worker *p = &listener->ports[i];
    *p = (port_of_worker){.listener = listener,
                          .port = {.fd = -1,
                                   .worker = workers[i],
                                   .on_stranger = on_stranger,
                                   .on_plain = on_plain,
                                   .on_closed = on_closed},
                          .cookies = gh_hmac_new(secret, sizeof secret)};
    listener->count++;
    err = p->cookies
              ? gh_socket_bind(options->host, &chosen, SOCK_DGRAM, i ? GH_PORT_SHARED : GH_PORT_NEW, &p->port.fd)
              : GH_ECRYPTO;
  }
  gh_wipe(secret, sizeof secret);
  if (err != GH_OK) {
    gh_fail(diag, err, "cannot listen on %s UDP port %u: %s", options->host, chosen,
            err == GH_EINVAL ? "not a numeric address" : strerror(errno));
    for (size_t k = 0; k < listener->count; k++)
      if (listener->ports[k].port.fd >= 0) close(listener->ports[k].port.fd);
    gh_dtls_listener_free(listener);
    return err;
  }
  for (size_t i = 0; i < count; i++) gh_loop_call(workers[i]->loop, start_port, &listener->ports[i]);
  *port = chosen;
  *out = listener;
  return GH_OK;
}

void gh_dtls_listener_close(gh_dtls_listener *listener)
{
  if (!listener) return;
  for (size_t i = 0; i < listener->count; i++)
    gh_loop_call(listener->ports[i].port.worker->loop, stop_port, &listener->ports[i]);
}

void gh_dtls_listener_free(gh_dtls_listener *listener)
{
  if (!listener) return;
  for (size_t i = 0; i < listener->count; i++) gh_hmac_free(listener->ports[i].cookies);
  free(listener->ports);
  free(listener);
}
