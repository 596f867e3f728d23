/* A registrar that comes to a listening device, as OpenSSL. */
#ifndef GH_TEST_REGISTRAR_SIDE_H
#define GH_TEST_REGISTRAR_SIDE_H

#include "device_serving.h"

#include "../link/link_pki.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#define NOTIFY                                                                                                       \
  "POST /cse-in/Cmeter HTTP/1.1\r\nHost: x\r\nX-M2M-Origin: /in-cse/Capp\r\nX-M2M-RI: r1\r\nX-M2M-RVI: 3\r\n"        \
  "Content-Type: application/json\r\nContent-Length: 14\r\nConnection: close\r\n\r\n{\"m2m:sgn\":{}}"

static inline unsigned one_key(SSL *ssl, const char *hint, char *identity, unsigned size, unsigned char *key,
                               unsigned max)
{
  (void)ssl, (void)hint, (void)max;
  snprintf(identity, size, "meter@keys.example.com");
  memset(key, 0x11, 32);
  return 32;
}

static inline int registrar_connect(const gh_device_server *server)
{
  struct sockaddr_in in = {
      .sin_family = AF_INET, .sin_port = htons(port_of_server(server)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  const struct timeval patience = {.tv_sec = 10};
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof in), 0);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  return fd;
}

static inline SSL *registrar_client(const pki *p, const holder *own, int version)
{
  SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_min_proto_version(ctx, version);
  SSL_CTX_set_max_proto_version(ctx, version);
  if (own) {
    assert_int_equal(SSL_CTX_use_certificate(ctx, own->cert), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, own->key), 1);
    assert_int_equal(SSL_CTX_add1_chain_cert(ctx, p->middle.cert), 1);
  } else {
    SSL_CTX_set_psk_client_callback(ctx, one_key);
  }
  SSL *ssl = SSL_new(ctx);
  SSL_CTX_free(ctx);
  return ssl;
}

/* Notifies the device as OpenSSL with a certificate, or with a pre-shared key where `own` is NULL. Is it answered
 * 2000?
 */
static inline bool registrar_comes(const gh_device_server *server, const pki *p, const holder *own, int version)
{
  char text[2000] = "";
  int fd = registrar_connect(server), got = 0, more = 0;
  SSL *ssl = registrar_client(p, own, version);
  SSL_set_fd(ssl, fd);
  if (SSL_connect(ssl) == 1 && SSL_write(ssl, NOTIFY, (int)strlen(NOTIFY)) > 0)
    while ((more = SSL_read(ssl, text + got, (int)sizeof text - 1 - got)) > 0) got += more;
  SSL_free(ssl);
  ERR_clear_error();
  close(fd);
  return strstr(text, "X-M2M-RSC: 2000") != NULL;
}

#endif
