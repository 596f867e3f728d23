/* A connection's socket <-> OpenSSL. The first octet that a server reads tells TLS from clear text: whoever speaks
 * that is not for OpenSSL. (Its own BIO would have to be preceded by a look at the socket, and it raises SIGPIPE.) */
#include "link/conn_private.h"

#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>

enum { TLS_HANDSHAKE = 22 };

static BIO_METHOD *method;
static pthread_once_t method_once = PTHREAD_ONCE_INIT;

static bool may_try_again(ssize_t result)
{
  return result < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
}

static int bio_write(BIO *bio, const char *octets, int len)
{
  const gh_conn *conn = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  if (len <= 0) return 0;
  ssize_t sent = send(conn->socket.fd, octets, (size_t)len, MSG_NOSIGNAL);
  if (may_try_again(sent)) BIO_set_retry_write(bio);
  return (int)sent;
}

static int bio_read(BIO *bio, char *out, int cap)
{
  gh_conn *conn = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  if (cap <= 0) return 0;
  ssize_t got = recv(conn->socket.fd, out, (size_t)cap, 0);
  if (may_try_again(got)) BIO_set_retry_read(bio);
  if (got == 0) conn->peer_ended = true;
  if (got > 0 && !conn->heard) {
    conn->heard = true;
    conn->clear_text = conn->server && (unsigned char)out[0] != TLS_HANDSHAKE;
  }
  return conn->clear_text ? -1 : (int)got;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
  (void)number, (void)pointer;
  const gh_conn *conn = BIO_get_data(bio);
  switch (command) {
  case BIO_CTRL_FLUSH: return 1;
  case BIO_CTRL_EOF: return conn->peer_ended;
  default: return 0;
  }
}

static void make_method(void)
{
  method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "gatehouse stream");
  if (!method) return;
  BIO_meth_set_write(method, bio_write);
  BIO_meth_set_read(method, bio_read);
  BIO_meth_set_ctrl(method, bio_ctrl);
}

BIO *gh_stream_bio_new(gh_conn *conn)
{
  pthread_once(&method_once, make_method);
  BIO *bio = method ? BIO_new(method) : NULL;
  if (!bio) return NULL;
  BIO_set_data(bio, conn);
  BIO_set_init(bio, 1);
  return bio;
}
