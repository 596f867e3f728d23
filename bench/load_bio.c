/* Datagrams of a connected socket for OpenSSL: a system call for each. Its own BIO sets and asks the socket's
 * time-out and mark around every read, nine more calls in a handshake, which the server's cores then miss. */
#include <errno.h>
#include <stdint.h>
#include <sys/socket.h>

#include "load.h"

enum { IP_AND_UDP_BYTES = 28 };

static BIO_METHOD *method;

static int fd_of(BIO *bio)
{
  return (int)(intptr_t)BIO_get_data(bio);
}

static int bio_write(BIO *bio, const char *octets, int len)
{
  BIO_clear_retry_flags(bio);
  (void)send(fd_of(bio), octets, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL); /* what is not taken is lost */
  return len;
}

static int bio_read(BIO *bio, char *out, int cap)
{
  BIO_clear_retry_flags(bio);
  ssize_t got = recv(fd_of(bio), out, (size_t)cap, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(bio);
  return (int)got;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
  (void)bio, (void)number, (void)pointer;
  if (command == BIO_CTRL_DGRAM_GET_MTU_OVERHEAD) return IP_AND_UDP_BYTES;
  return command == BIO_CTRL_FLUSH;
}

void load_bio_init(void)
{
  method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "datagrams");
  if (!method) return;
  BIO_meth_set_write(method, bio_write);
  BIO_meth_set_read(method, bio_read);
  BIO_meth_set_ctrl(method, bio_ctrl);
}

BIO *load_bio_new(int fd)
{
  BIO *bio = method ? BIO_new(method) : NULL;
  if (!bio) return NULL;
  BIO_set_data(bio, (void *)(intptr_t)fd);
  BIO_set_init(bio, 1);
  return bio;
}
