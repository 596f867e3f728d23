/* Owns one exchange over a socket of its own. Must never follow where an answer points to, wait past its time, or
 * keep more than was allowed. */
#include "bind/web_client.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "bind/http_codec.h"

enum { URL_MAX = 2000, HOST_MAX = 256, SLICE_MS = 50, READ_BYTES = 16384, PORT_MAX = 65535, HTTP_OK = 200 };

typedef struct target {
  char host[HOST_MAX], port[8];
  gh_str authority, path; /* of the URL; the path may be empty, or begin with ? */
} target;

typedef struct exchange {
  const gh_web_request *request;
  const atomic_bool *stop;
  gh_clock clock;
  int64_t until_us; /* mono */
  int fd;
  gh_diag *diag;
} exchange;

/* ---- the URL */

static bool printable(gh_str text)
{
  for (size_t i = 0; i < text.len; i++)
    if (text.ptr[i] <= ' ' || text.ptr[i] > '~' || text.ptr[i] == '#') return false;
  return true;
}

static bool take_port(gh_str text, char out[static 8])
{
  uint64_t number = 80;
  if (text.len && !gh_str_to_u64(text, &number)) return false;
  snprintf(out, 8, "%u", (unsigned)(number <= PORT_MAX ? number : 0));
  return number > 0 && number <= PORT_MAX;
}

static bool take_authority(gh_str text, target *out)
{
  bool bracket = text.len && text.ptr[0] == '[';
  size_t end = gh_str_find(text, bracket ? ']' : ':');
  if (bracket && end == SIZE_MAX) return false;
  gh_str host = bracket ? gh_str_sub(text, 1, end - 1) : gh_str_sub(text, 0, end);
  gh_str rest = gh_str_sub(text, bracket ? end + 1 : end, SIZE_MAX);
  gh_str port = gh_str_sub(rest, 1, SIZE_MAX);
  if (rest.len && (rest.ptr[0] != ':' || !port.len)) return false;
  out->authority = text;
  return host.len && gh_str_to_cstr(host, out->host, sizeof out->host) && take_port(port, out->port);
}

static bool parse(gh_str url, target *out)
{
  const gh_str scheme = GH_STR("http://");
  if (url.len > URL_MAX || !printable(url) || !gh_str_starts(url, scheme)) return false;
  gh_str rest = gh_str_sub(url, scheme.len, SIZE_MAX);
  size_t end = 0;
  while (end < rest.len && rest.ptr[end] != '/' && rest.ptr[end] != '?') end++;
  gh_str authority = gh_str_sub(rest, 0, end);
  if (gh_str_find(authority, '@') != SIZE_MAX) return false;
  out->path = gh_str_sub(rest, end, SIZE_MAX);
  return take_authority(authority, out);
}

bool gh_web_url_valid(gh_str url)
{
  target ignored;
  return parse(url, &ignored);
}

/* ---- the socket */

/* GH_OK when it is ready, or has failed: the call that follows tells. */
static gh_err wait_for(const exchange *x, short events)
{
  for (;;) {
    int64_t left_ms = (x->until_us - gh_clock_mono_us(&x->clock)) / 1000;
    struct pollfd at = {.fd = x->fd, .events = events};
    if (x->stop && atomic_load(x->stop)) return gh_fail(x->diag, GH_ECONN, "%s: given up", x->request->url);
    if (left_ms <= 0) return gh_fail(x->diag, GH_ETIMEOUT, "%s: no answer in time", x->request->url);
    int ready = poll(&at, 1, left_ms < SLICE_MS ? (int)left_ms : SLICE_MS);
    if (ready > 0) return GH_OK;
    if (ready < 0 && errno != EINTR) return gh_fail(x->diag, GH_EIO, "%s: %s", x->request->url, strerror(errno));
  }
}

static gh_err connect_to(exchange *x, const struct addrinfo *at)
{
  int fault = 0;
  socklen_t len = sizeof fault;
  x->fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (x->fd < 0) return gh_fail(x->diag, GH_EIO, "%s: %s", x->request->url, strerror(errno));
  if (connect(x->fd, at->ai_addr, at->ai_addrlen) == 0) return GH_OK;
  fault = errno;
  if (fault == EINPROGRESS) {
    GH_TRY(wait_for(x, POLLOUT));
    if (getsockopt(x->fd, SOL_SOCKET, SO_ERROR, &fault, &len) != 0) fault = errno;
  }
  return fault == 0 ? GH_OK : gh_fail(x->diag, GH_ECONN, "%s: %s", x->request->url, strerror(fault));
}

static gh_err connect_any(exchange *x, const target *t)
{
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *found = NULL;
  int rc = getaddrinfo(t->host, t->port, &hints, &found);
  if (rc != 0) return gh_fail(x->diag, GH_ECONN, "%s: %s", x->request->url, gai_strerror(rc));
  gh_err err = GH_ECONN;
  for (const struct addrinfo *at = found; at && err == GH_ECONN; at = at->ai_next) {
    if (x->fd >= 0) close(x->fd);
    err = connect_to(x, at);
  }
  freeaddrinfo(found);
  return err;
}

static gh_err send_all(const exchange *x, gh_str octets)
{
  while (octets.len) {
    ssize_t sent = send(x->fd, octets.ptr, octets.len, MSG_NOSIGNAL);
    if (sent > 0)
      octets = gh_str_sub(octets, (size_t)sent, SIZE_MAX);
    else if (errno == EAGAIN || errno == EINTR)
      GH_TRY(wait_for(x, POLLOUT));
    else
      return gh_fail(x->diag, GH_ECONN, "%s: %s", x->request->url, strerror(errno));
  }
  return GH_OK;
}

/* ---- the messages */

static void write_request(gh_buf *out, const target *t, const gh_web_request *r)
{
  bool post = r->body.len > 0;
  gh_buf_add(out, post ? GH_STR("POST ") : GH_STR("GET "));
  if (!t->path.len || t->path.ptr[0] != '/') gh_buf_add_char(out, '/');
  gh_buf_add(out, t->path);
  gh_buf_add(out, GH_STR(" HTTP/1.1\r\nHost: "));
  gh_buf_add(out, t->authority);
  gh_buf_add(out, GH_STR("\r\nAccept: */*\r\nConnection: close\r\n"));
  if (post) {
    gh_buf_add(out, GH_STR("Content-Type: "));
    gh_buf_add(out, gh_str_of(r->content_type));
    gh_buf_add(out, GH_STR("\r\nContent-Length: "));
    gh_buf_add_u64(out, r->body.len);
    gh_buf_add(out, GH_STR("\r\n"));
  }
  gh_buf_add(out, GH_STR("\r\n"));
  gh_buf_add(out, r->body);
}

static gh_err take(const exchange *x, const gh_http_reader *reader, gh_http_state state, gh_buf *out)
{
  const gh_web_request *r = x->request;
  if (state == GH_HTTP_NEED_MORE) return gh_fail(x->diag, GH_ECONN, "%s: closed without an answer", r->url);
  if (state == GH_HTTP_ERROR && reader->error.status == 413)
    return gh_fail(x->diag, GH_ELIMIT, "%s: the answer is longer than %zu octets", r->url, r->max_bytes);
  if (state == GH_HTTP_ERROR) return gh_fail(x->diag, GH_EPROTO, "%s: %s", r->url, reader->error.text);
  const gh_http_message *m = &reader->message;
  if (m->status != HTTP_OK) return gh_fail(x->diag, GH_EPROTO, "%s: answered %d", r->url, m->status);
  gh_str coding = m->header[GH_HTTP_CONTENT_ENCODING];
  if (coding.len && !gh_str_eq_nocase(coding, GH_STR("identity")))
    return gh_fail(x->diag, GH_EPROTO, "%s: answered in a coding that was not asked for", r->url);
  gh_buf_add(out, m->body);
  return GH_OK;
}

static gh_err read_answer(const exchange *x, gh_http_reader *reader, gh_buf *out)
{
  char octets[READ_BYTES];
  gh_http_state state = GH_HTTP_NEED_MORE;
  while (state == GH_HTTP_NEED_MORE) {
    size_t used = 0;
    ssize_t got = recv(x->fd, octets, sizeof octets, 0);
    if (got > 0) {
      state = gh_http_feed(reader, (gh_str){octets, (size_t)got}, &used);
      if (state == GH_HTTP_NEED_MORE && gh_clock_mono_us(&x->clock) >= x->until_us) GH_TRY(wait_for(x, POLLIN));
    } else if (got == 0) {
      return take(x, reader, gh_http_feed_end(reader), out);
    } else if (errno == EAGAIN || errno == EINTR) {
      GH_TRY(wait_for(x, POLLIN));
    } else {
      return gh_fail(x->diag, GH_ECONN, "%s: %s", x->request->url, strerror(errno));
    }
  }
  return take(x, reader, state, out);
}

static gh_err run(exchange *x, const target *t, gh_buf *out)
{
  gh_buf question = GH_BUF_INIT;
  gh_http_limits limits = gh_http_default_limits;
  gh_http_reader reader;
  limits.max_body_bytes = x->request->max_bytes;
  gh_http_reader_init(&reader, GH_HTTP_RESPONSES, &limits);
  write_request(&question, t, x->request);
  gh_err err = connect_any(x, t);
  if (err == GH_OK) err = send_all(x, gh_buf_str(&question));
  if (err == GH_OK) err = read_answer(x, &reader, out);
  gh_http_reader_free(&reader);
  gh_buf_free(&question);
  if (x->fd >= 0) close(x->fd);
  return err;
}

static gh_err exchange_once(void *ctx, const gh_web_request *request, gh_buf *out, gh_diag *diag)
{
  target t;
  exchange x = {.request = request, .stop = ctx, .clock = gh_clock_system(), .fd = -1, .diag = diag};
  gh_buf_clear(out);
  if (!parse(gh_str_of(request->url), &t))
    return gh_fail(diag, GH_EINVAL, "'%.200s' is not http://HOST[:PORT][/PATH]", request->url);
  x.until_us = gh_clock_mono_us(&x.clock) + (int64_t)request->timeout_ms * 1000;
  return run(&x, &t, out);
}

gh_web gh_web_client(atomic_bool *stop)
{
  return (gh_web){.ctx = stop, .exchange = exchange_once};
}
