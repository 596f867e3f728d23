/* Datagrams <-> OpenSSL: a read gives the datagram that has arrived, once; a write sends one. A datagram that the
 * socket does not take is lost, as any may be. */
#include "link/dtls_private.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>

enum { UDP_AND_IP_BYTES = 48 };

static BIO_METHOD *method;
static pthread_once_t method_once = PTHREAD_ONCE_INIT;

socklen_t gh_address_len(const struct sockaddr_storage *address)
{
  return address->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

static int bio_write(BIO *bio, const char *octets, int len)
{
  gh_dtls_path *path = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  if (len <= 0) return 0;
  gh_dtls_port_send(path->port, &path->peer, (gh_str){octets, (size_t)len});
  return len;
}

static int bio_read(BIO *bio, char *out, int cap)
{
  gh_dtls_path *path = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  if (!path->arrived.len || cap <= 0) {
    BIO_set_retry_read(bio);
    return -1;
  }
  size_t len = path->arrived.len < (size_t)cap ? path->arrived.len : (size_t)cap;
  memcpy(out, path->arrived.ptr, len);
  path->arrived = GH_STR_NONE;
  return (int)len;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
  (void)number, (void)pointer;
  const gh_dtls_path *path = BIO_get_data(bio);
  switch (command) {
  case BIO_CTRL_FLUSH: return 1;
  case BIO_CTRL_DGRAM_QUERY_MTU:
  case BIO_CTRL_DGRAM_GET_FALLBACK_MTU: return path->port->mtu - UDP_AND_IP_BYTES;
  case BIO_CTRL_DGRAM_GET_MTU_OVERHEAD: return UDP_AND_IP_BYTES;
  default: return 0;
  }
}

static void make_method(void)
{
  method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "gatehouse datagrams");
  if (!method) return;
  BIO_meth_set_write(method, bio_write);
  BIO_meth_set_read(method, bio_read);
  BIO_meth_set_ctrl(method, bio_ctrl);
}

BIO *gh_dtls_bio_new(gh_dtls_path *path)
{
  pthread_once(&method_once, make_method);
  BIO *bio = method ? BIO_new(method) : NULL;
  if (!bio) return NULL;
  BIO_set_data(bio, path);
  BIO_set_init(bio, 1);
  return bio;
}

gh_dtls_path *gh_dtls_path_new(gh_dtls_port *port, SSL *ssl, const struct sockaddr_storage *peer)
{
  gh_dtls_path *path = gh_calloc(1, sizeof *path);
  path->port = port;
  path->peer = *peer;
  BIO *bio = gh_dtls_bio_new(path);
  if (!bio) {
    free(path);
    return NULL;
  }
  SSL_set_bio(ssl, bio, bio);
  SSL_set_options(ssl, SSL_OP_NO_QUERY_MTU);
  SSL_set_mtu(ssl, port->mtu - UDP_AND_IP_BYTES);                                      /*= RFC 6347 4.1.1.1 */
  if (port->mtu < SSL3_RT_MAX_PLAIN_LENGTH) SSL_set_max_send_fragment(ssl, port->mtu); /* its buffer: not 16 kB */
  return path;
}

void gh_dtls_path_free(gh_dtls_path *path)
{
  if (!path) return;
  gh_buf_free(&path->held);
  free(path);
}
