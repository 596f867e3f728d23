/* A DTLS client of the test's own (OpenSSL on a blocking socket), a server that tells who is there, and a relay
 * between them that loses, doubles and swaps datagrams. */
#ifndef GH_TEST_DTLS_PEER_H
#define GH_TEST_DTLS_PEER_H

#include "tls_peer.h"

#include <poll.h>

#include "link/dtls.h"

#define DTLS_PSK_SUITES "PSK-AES128-CCM8:PSK-AES128-GCM-SHA256:ECDHE-PSK-AES128-CBC-SHA256"

/* ---- the server: each datagram is answered with who sent it */

static inline void dtls_data(gh_conn *conn, void *ctx, gh_str datagram)
{
  link_session *s = ctx;
  gh_arena arena;
  gh_arena_init(&arena);
  if (gh_str_eq(datagram, GH_STR("key"))) {
    uint8_t octets[48];
    MUST(gh_conn_export(conn, "EXPORTER-oneM2M-test", octets) == GH_OK);
    gh_conn_write(conn, (gh_str){(char *)octets, sizeof octets});
  } else {
    gh_conn_write(conn, gh_arena_fmt(&arena, "%.*s|%.*s %.*s", GH_STR_ARG(datagram),
                                     GH_STR_ARG(gh_peer_text(&arena, gh_conn_peer(conn))),
                                     GH_STR_ARG(gh_conn_protocol(&arena, conn))));
  }
  gh_arena_free(&arena);
  gh_conn_expect(conn, false);
  count_up(s->t, &s->t->counts.requests);
  if (gh_str_eq(datagram, GH_STR("bye"))) gh_conn_close(conn, GH_OK, "asked to");
}

typedef struct dtls_test {
  link_test *t;
  gh_dtls_listener *listener;
  uint16_t port;
} dtls_test;

static inline void dtls_open(dtls_test *d, link_test *t)
{
  static const gh_conn_handler handler = {.ready = session_ready, .data = dtls_data, .closed = session_closed};
  gh_diag diag = {""};
  gh_random random = gh_random_system();
  *d = (dtls_test){.t = t};
  t->tls.datagram = true;
  t->listen.handler = &handler;
  assert_int_equal(gh_loop_start("dtls-test", &t->loop), GH_OK);
  gh_loop_call(t->loop, init_link_worker, t);
  if (gh_tls_server_new(&t->tls, &t->source, &random, &t->server, &diag) != GH_OK) fail_msg("%s", diag.text);
  t->listen.tls = t->server;
  if (gh_dtls_listener_open(&t->listen, t->workers, 1, &random, &d->port, &d->listener, &diag) != GH_OK)
    fail_msg("%s", diag.text);
}

static inline void dtls_end(dtls_test *d)
{
  gh_dtls_listener_close(d->listener);
  link_end(d->t);
  gh_dtls_listener_free(d->listener);
}

/* ---- the client */

static inline int udp_connect(uint16_t port, uint16_t own_port)
{
  struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct timeval limit = {.tv_sec = PEER_WAIT_S};
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  assert_true(fd >= 0);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  in.sin_port = htons(own_port);
  assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
  in.sin_port = htons(port);
  assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof in), 0);
  return fd;
}

static inline uint16_t own_port_of(int fd)
{
  struct sockaddr_in in;
  socklen_t len = sizeof in;
  assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
  return ntohs(in.sin_port);
}

static inline void dtls_prepare_on(tls_peer *p, int fd, const tls_peer_options *options)
{
  *p = (tls_peer){.options = *options, .alert = NO_ALERT, .fd = fd};
  p->ctx = SSL_CTX_new(DTLS_client_method());
  SSL_CTX_set_security_level(p->ctx, 0);
  if (options->max_version) assert_int_equal(SSL_CTX_set_max_proto_version(p->ctx, options->max_version), 1);
  if (SSL_CTX_set_cipher_list(p->ctx, options->suites ? options->suites : DTLS_PSK_SUITES) != 1)
    fail_msg("this OpenSSL has none of %s", options->suites);
  SSL_CTX_set_options(p->ctx, options->ssl_options | SSL_OP_NO_TICKET);
  if (options->identity) SSL_CTX_set_psk_client_callback(p->ctx, peer_psk);
  if (options->cert) assert_int_equal(SSL_CTX_use_certificate(p->ctx, options->cert), 1);
  if (options->key) assert_int_equal(SSL_CTX_use_PrivateKey(p->ctx, options->key), 1);
  if (options->issuer) assert_int_equal(SSL_CTX_add1_chain_cert(p->ctx, options->issuer), 1);
  p->ssl = SSL_new(p->ctx);
  SSL_set_app_data(p->ssl, p);
  peer_set_types(p);
  SSL_set_tlsext_host_name(p->ssl, "in-cse.sp.example.com");
  struct sockaddr_storage in;
  socklen_t len = sizeof in;
  BIO *bio = BIO_new_dgram(fd, BIO_NOCLOSE);
  if (getpeername(fd, (struct sockaddr *)&in, &len) == 0) BIO_ctrl(bio, BIO_CTRL_DGRAM_SET_CONNECTED, 0, &in);
  struct timeval limit = {.tv_sec = PEER_WAIT_S};
  BIO_ctrl(bio, BIO_CTRL_DGRAM_SET_RECV_TIMEOUT, 0, &limit);
  SSL_set_bio(p->ssl, bio, bio);
  SSL_set_options(p->ssl, SSL_OP_NO_QUERY_MTU);
  SSL_set_mtu(p->ssl, 1200);
}

static inline bool dtls_join(tls_peer *p, uint16_t port, const tls_peer_options *options)
{
  dtls_prepare_on(p, udp_connect(port, 0), options);
  return peer_handshake(p);
}

/* Where datagrams are lost. */
static inline bool dtls_join_patiently(tls_peer *p, uint16_t port, const tls_peer_options *options)
{
  dtls_prepare_on(p, udp_connect(port, 0), options);
  for (int tries = 0; tries < 20; tries++) {
    ERR_clear_error();
    int rc = SSL_connect(p->ssl);
    if (rc == 1) return true;
    if (SSL_get_error(p->ssl, rc) != SSL_ERROR_WANT_READ) break; /* else a flight was lost: OpenSSL sends it again */
  }
  p->alert = take_alert();
  return false;
}

/* One datagram there, one back; the answer's length, or 0. */
static inline size_t dtls_say(tls_peer *p, const char *text)
{
  size_t got = 0;
  ERR_clear_error();
  if (SSL_write(p->ssl, text, (int)strlen(text)) <= 0) return 0;
  if (SSL_read_ex(p->ssl, p->answer, sizeof p->answer - 1, &got) != 1) {
    p->alert = take_alert();
    return 0;
  }
  p->answer[got] = '\0';
  return got;
}

/* ---- the relay */

enum { RELAY_CLIENTS = 16 };

typedef struct relay {
  pthread_t thread;
  int client_side;
  uint16_t server_port;
  struct {
    struct sockaddr_in at;
    int server_side;
  } clients[RELAY_CLIENTS];
  int client_count;
  atomic_bool stop;
  atomic_uint lose;     /* one in so many, drawn; 0: never */
  atomic_uint lost;     /* so far */
  unsigned twice, swap; /* the same */
  unsigned seed;
  char held[2048]; /* a datagram that goes behind the next one */
  ssize_t held_len;
  bool held_to_server;
  int held_client;
} relay;

static inline void relay_send(relay *r, bool to_server, int index, const char *octets, ssize_t len)
{
  if (to_server)
    MUST(send(r->clients[index].server_side, octets, (size_t)len, 0) == len || errno == ECONNREFUSED);
  else
    MUST(sendto(r->client_side, octets, (size_t)len, 0, (struct sockaddr *)&r->clients[index].at,
                sizeof r->clients[index].at) == len ||
         errno == ECONNREFUSED);
}

static inline void relay_release(relay *r)
{
  if (r->held_len) relay_send(r, r->held_to_server, r->held_client, r->held, r->held_len);
  r->held_len = 0;
}

static inline bool relay_draws(relay *r, unsigned one_in)
{
  return one_in && (unsigned)rand_r(&r->seed) % one_in == 0;
}

static inline void relay_pass(relay *r, bool to_server, int index, const char *octets, ssize_t len)
{
  if (relay_draws(r, r->lose)) {
    atomic_fetch_add(&r->lost, 1);
    return;
  }
  if (relay_draws(r, r->swap) && !r->held_len && len <= (ssize_t)sizeof r->held) {
    memcpy(r->held, octets, (size_t)len);
    r->held_len = len;
    r->held_to_server = to_server;
    r->held_client = index;
    return;
  }
  relay_send(r, to_server, index, octets, len);
  if (relay_draws(r, r->twice)) relay_send(r, to_server, index, octets, len);
  relay_release(r);
}

static inline int relay_client(relay *r, const struct sockaddr_in *at)
{
  for (int i = 0; i < r->client_count; i++)
    if (r->clients[i].at.sin_port == at->sin_port) return i;
  MUST(r->client_count < RELAY_CLIENTS);
  r->clients[r->client_count].at = *at;
  r->clients[r->client_count].server_side = udp_connect(r->server_port, 0);
  return r->client_count++;
}

static inline void relay_from_client(relay *r)
{
  char octets[20000];
  struct sockaddr_in at;
  socklen_t len = sizeof at;
  ssize_t got = recvfrom(r->client_side, octets, sizeof octets, MSG_DONTWAIT, (struct sockaddr *)&at, &len);
  if (got > 0) relay_pass(r, true, relay_client(r, &at), octets, got);
}

static inline void relay_from_server(relay *r, int index)
{
  char octets[20000];
  ssize_t got = recv(r->clients[index].server_side, octets, sizeof octets, MSG_DONTWAIT);
  if (got > 0) relay_pass(r, false, index, octets, got);
}

static inline void *relay_run(void *arg)
{
  relay *r = arg;
  while (!atomic_load(&r->stop)) {
    struct pollfd fds[1 + RELAY_CLIENTS] = {{.fd = r->client_side, .events = POLLIN}};
    int count = r->client_count;
    for (int i = 0; i < count; i++) fds[1 + i] = (struct pollfd){.fd = r->clients[i].server_side, .events = POLLIN};
    if (poll(fds, (nfds_t)count + 1, 20) == 0) relay_release(r);
    if (fds[0].revents) relay_from_client(r);
    for (int i = 0; i < count; i++)
      if (fds[1 + i].revents) relay_from_server(r, i);
  }
  return NULL;
}

/* Returns the port to talk to. */
static inline uint16_t relay_begin(relay *r, uint16_t server_port, unsigned lose, unsigned twice, unsigned swap)
{
  struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  *r = (relay){.lose = lose, .twice = twice, .swap = swap, .seed = 7, .server_port = server_port};
  r->client_side = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  assert_int_equal(bind(r->client_side, (struct sockaddr *)&in, sizeof in), 0);
  uint16_t port = own_port_of(r->client_side);
  assert_int_equal(pthread_create(&r->thread, NULL, relay_run, r), 0);
  return port;
}

static inline void relay_end(relay *r)
{
  atomic_store(&r->stop, true);
  pthread_join(r->thread, NULL);
  close(r->client_side);
  for (int i = 0; i < r->client_count; i++) close(r->clients[i].server_side);
}

#endif
