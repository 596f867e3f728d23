/* Accepting: a socket for each worker on the same port. */
#include "link/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "link/conn_private.h"

enum { ACCEPTS_PER_EVENT = 64, BACKLOG = 1024, PAUSE_MS = 100 };

typedef struct port_of_worker {
  uv_poll_t poll;
  uv_timer_t pause; /* runs while there is no descriptor for a further connection */
  int fd;
  gh_worker *worker;
  gh_listener *listener;
} port_of_worker;

struct gh_listener {
  gh_listener_options options;
  size_t count;
  port_of_worker *ports;
};

static void accept_one(port_of_worker *port, int fd, const struct sockaddr_storage *from)
{
  gh_worker *worker = port->worker;
  const gh_listener_options *options = &port->listener->options;
  gh_neighbour *neighbour = gh_admission_enter(worker, from);
  void *ctx = neighbour ? options->new_ctx(options->owner, worker) : NULL;
  if (!ctx) {
    gh_admission_leave(worker, neighbour);
    close(fd);
    return;
  }
  gh_conn_accept_from(worker, fd, from, neighbour, options->tls, options->plain_refusal, options->handler, ctx);
}

static void on_acceptable(uv_poll_t *poll, int status, int events);

static void on_pause_over(uv_timer_t *timer)
{
  port_of_worker *port = timer->data;
  uv_poll_start(&port->poll, UV_READABLE, on_acceptable);
}

/* Whoever waits to be accepted would wake the loop again at once, for nothing. */
static void pause_accepting(port_of_worker *port, int error)
{
  GH_LOG(port->worker->log, GH_LOG_ERROR, "accept-failed", GH_F("errno", error));
  if (error != EMFILE && error != ENFILE && error != ENOBUFS && error != ENOMEM) return;
  uv_poll_stop(&port->poll);
  uv_timer_start(&port->pause, on_pause_over, PAUSE_MS, 0);
}

static void on_acceptable(uv_poll_t *poll, int status, int events)
{
  (void)events;
  port_of_worker *port = poll->data;
  if (status < 0) return;
  for (int i = 0; i < ACCEPTS_PER_EVENT; i++) {
    struct sockaddr_storage from = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof from;
    int fd = accept4(port->fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno != EAGAIN && errno != EINTR) pause_accepting(port, errno);
      return;
    }
    accept_one(port, fd, &from);
  }
}

static gh_err parse_host(const char *host, uint16_t port, struct sockaddr_storage *out, socklen_t *len)
{
  memset(out, 0, sizeof *out);
  struct sockaddr_in *in = (struct sockaddr_in *)out;
  struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
  if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
    in->sin_family = AF_INET;
    in->sin_port = htons(port);
    *len = sizeof *in;
    return GH_OK;
  }
  if (inet_pton(AF_INET6, host, &in6->sin6_addr) == 1) {
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(port);
    *len = sizeof *in6;
    return GH_OK;
  }
  return GH_EINVAL;
}

/* SO_REUSEPORT at the time of bind() takes a part of a port that another process of the same user has, whatever it
 * is. The first socket of a port asks without it, and permits the others of this process beside it afterwards. */
gh_err gh_socket_bind(const char *host, uint16_t *port, int type, gh_port_claim claim, int *out)
{
  struct sockaddr_storage address;
  socklen_t len;
  GH_TRY(parse_host(host, *port, &address, &len));
  int fd = socket(address.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  GH_REQUIRE(fd >= 0, GH_EIO);
  int one = 1;
  if (type == SOCK_STREAM) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (type == SOCK_STREAM)
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* whom it accepts have it too */
  if (claim == GH_PORT_SHARED) setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
  bool bound = bind(fd, (struct sockaddr *)&address, len) == 0;
  if (bound) setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
  if (!bound || (type == SOCK_STREAM && listen(fd, BACKLOG) != 0) ||
      getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
    int error = errno;
    close(fd);
    errno = error; /* the caller says it */
    return GH_EIO;
  }
  *port = ntohs(address.ss_family == AF_INET ? ((struct sockaddr_in *)&address)->sin_port
                                             : ((struct sockaddr_in6 *)&address)->sin6_port);
  *out = fd;
  return GH_OK;
}

static void start_port(void *arg)
{
  port_of_worker *port = arg;
  uv_poll_init(port->worker->uv, &port->poll, port->fd);
  port->poll.data = port;
  uv_timer_init(port->worker->uv, &port->pause);
  port->pause.data = port;
  uv_poll_start(&port->poll, UV_READABLE, on_acceptable);
}

static void on_port_closed(uv_handle_t *handle)
{
  port_of_worker *port = handle->data;
  close(port->fd);
  port->fd = -1;
}

static void stop_port(void *arg)
{
  port_of_worker *port = arg;
  if (uv_is_closing((uv_handle_t *)&port->poll)) return;
  uv_close((uv_handle_t *)&port->pause, NULL);
  uv_poll_stop(&port->poll);
  uv_close((uv_handle_t *)&port->poll, on_port_closed);
}

gh_err gh_listener_open(const gh_listener_options *options, gh_worker *const *workers, size_t count, uint16_t *port,
                        gh_listener **out, gh_diag *diag)
{
  gh_listener *listener = gh_calloc(1, sizeof *listener);
  listener->options = *options;
  listener->ports = gh_calloc(count, sizeof *listener->ports);
  uint16_t chosen = options->port;
  for (size_t i = 0; i < count; i++) {
    port_of_worker *p = &listener->ports[i];
    *p = (port_of_worker){.fd = -1, .worker = workers[i], .listener = listener};
    gh_err err = gh_socket_bind(options->host, &chosen, SOCK_STREAM, i ? GH_PORT_SHARED : GH_PORT_NEW, &p->fd);
    if (err != GH_OK) {
      gh_fail(diag, err, "cannot listen on %s port %u: %s", options->host, chosen,
              err == GH_EINVAL ? "not a numeric address" : strerror(errno));
      for (size_t k = 0; k < i; k++) close(listener->ports[k].fd);
      free(listener->ports);
      free(listener);
      return err;
    }
  }
  listener->count = count;
  for (size_t i = 0; i < count; i++) gh_loop_call(workers[i]->loop, start_port, &listener->ports[i]);
  *port = chosen;
  *out = listener;
  return GH_OK;
}

void gh_listener_close(gh_listener *listener)
{
  if (!listener) return;
  for (size_t i = 0; i < listener->count; i++)
    gh_loop_call(listener->ports[i].worker->loop, stop_port, &listener->ports[i]);
}

void gh_listener_free(gh_listener *listener)
{
  if (!listener) return;
  free(listener->ports);
  free(listener);
}
