/* A broker of a few lines, in clear: the test reads and writes its packets one by one. */
#ifndef GH_TEST_BROKER_FIXTURE_H
#define GH_TEST_BROKER_FIXTURE_H

#include "../host/harness.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include "bind/mqtt_server.h"

typedef struct packet {
  int type;
  uint8_t flags;
  uint8_t body[4096];
  size_t len;
} packet;

typedef struct broker_test {
  harness h;
  int listener, fd;
  uint16_t port;
  gh_mqtt_server *server;
  bool has_early;
  packet early; /* an answer that came before the confirmation of its request */
} broker_test;

enum { WAIT_S = 20, CONNECT = 1, CONNACK = 2, PUBLISH = 3, PUBACK = 4, SUBSCRIBE = 8, SUBACK = 9, DISCONNECT = 14 };

static inline int listen_somewhere(uint16_t *port)
{
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof at;
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
  assert_int_equal(listen(fd, 4), 0);
  assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
  *port = ntohs(at.sin_port);
  return fd;
}

static inline void broker_begin(broker_test *t)
{
  harness_start(&t->h, &gh_cse_function);
  t->listener = listen_somewhere(&t->port);
  t->fd = -1;
}

/* After the server was stopped. */
static inline void broker_end(broker_test *t)
{
  harness_stop(&t->h);
  gh_mqtt_server_free(t->server);
  if (t->fd >= 0) close(t->fd);
  close(t->listener);
}

static inline void accept_one(broker_test *t)
{
  const struct timeval limit = {.tv_sec = WAIT_S};
  if (t->fd >= 0) close(t->fd);
  setsockopt(t->listener, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  t->fd = accept(t->listener, NULL, NULL);
  assert_true(t->fd >= 0);
  setsockopt(t->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
}

static inline void read_octets(int fd, uint8_t *out, size_t len)
{
  for (size_t have = 0; have < len;) {
    ssize_t got = recv(fd, out + have, len - have, 0);
    if (got <= 0) fail_msg("the client has gone, or says nothing");
    have += (size_t)got;
  }
}

static inline packet read_packet(broker_test *t)
{
  packet p = {.len = 0};
  uint8_t octet;
  read_octets(t->fd, &octet, 1);
  p.type = octet >> 4;
  p.flags = octet & 15;
  for (unsigned shift = 0;; shift += 7) {
    read_octets(t->fd, &octet, 1);
    p.len |= (size_t)(octet & 127) << shift;
    if (!(octet & 128)) break;
  }
  assert_true(p.len < sizeof p.body);
  read_octets(t->fd, p.body, p.len);
  return p;
}

static inline packet expect(broker_test *t, int type)
{
  packet p = t->has_early ? t->early : read_packet(t);
  t->has_early = false;
  assert_int_equal(p.type, type);
  return p;
}

static inline void send_packet(broker_test *t, uint8_t first, const void *body, size_t len)
{
  uint8_t head[3] = {first, (uint8_t)(len % 128 | (len > 127 ? 128 : 0)), (uint8_t)(len / 128)};
  assert_true(send(t->fd, head, len > 127 ? 3 : 2, 0) > 0);
  assert_int_equal(send(t->fd, body, len, 0), (ssize_t)len);
}

static inline gh_str text_at(const packet *p, size_t at)
{
  assert_true(p->len >= at + 2);
  size_t len = (size_t)(p->body[at] << 8 | p->body[at + 1]);
  assert_true(p->len >= at + 2 + len);
  return (gh_str){(const char *)p->body + at + 2, len};
}

static inline void assert_text(gh_str got, const char *wanted)
{
  if (!gh_str_eq(got, gh_str_of(wanted))) fail_msg("\"%.*s\", expected \"%s\"", GH_STR_ARG(got), wanted);
}

/* CONNECT and the SUBSCRIBEs, each answered. */
static inline void welcome_to(broker_test *t, const char *const *filters, int count)
{
  accept_one(t);
  packet p = expect(t, CONNECT);
  /*= TS-0010 6.3.1 protocol level 4 */
  assert_text(text_at(&p, 0), "MQTT");
  assert_int_equal(p.body[6], 4);
  /*= TS-0010 6.3.3; TS-0010 6.3.2 no Clean Session, no Will, neither user name nor password */
  assert_int_equal(p.body[7], 0);
  assert_text(text_at(&p, 10), "C::/in-cse");
  send_packet(t, CONNACK << 4, "\0\0", 2);
  for (int i = 0; i < count; i++) {
    p = expect(t, SUBSCRIBE);
    assert_text(text_at(&p, 2), filters[i]);
    assert_int_equal(p.body[p.len - 1], 1);
    const uint8_t granted[] = {p.body[0], p.body[1], 1};
    send_packet(t, SUBACK << 4, granted, 3);
  }
}

/* QoS 1. */
static inline void begin_publish(broker_test *t, const char *topic, const char *payload, bool retained)
{
  uint8_t body[2048];
  size_t topic_len = strlen(topic), payload_len = strlen(payload), len = 0;
  body[len++] = (uint8_t)(topic_len >> 8);
  body[len++] = (uint8_t)topic_len;
  memcpy(body + len, topic, topic_len);
  len += topic_len;
  body[len++] = 0;
  body[len++] = 7;
  memcpy(body + len, payload, payload_len);
  send_packet(t, (uint8_t)(PUBLISH << 4 | 2 | retained), body, len + payload_len);
}

static inline void publish(broker_test *t, const char *topic, const char *payload, bool retained)
{
  begin_publish(t, topic, payload, retained);
  packet p = read_packet(t);
  if (p.type == PUBLISH) { /* of a worker, while libmosquitto's thread is about to confirm */
    t->early = p;
    p = read_packet(t);
    t->has_early = true;
  }
  assert_int_equal(p.type, PUBACK);
}

#endif
