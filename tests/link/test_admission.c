/* What one address may have of a worker: connections and handshakes, over TCP, and over UDP once the cookie has come
 * back; another address is not concerned. TP-18. */
#include "dtls_peer.h"

#include "link/address.h"

#include <arpa/inet.h>

static const link_key keys[] = {
    {.identity = "now@maf.sp.example.com", .key_hex = GOOD_KEY, .peer_id = "//sp.example.com/in-cse/Cnow"},
    {.identity = "later@maf.sp.example.com",
     .key_hex = GOOD_KEY,
     .peer_id = "//sp.example.com/in-cse/Clater",
     .later = true},
};
static const tls_peer_options now12 = {.identity = "now@maf.sp.example.com", .key_hex = GOOD_KEY},
                              later12 = {.identity = "later@maf.sp.example.com", .key_hex = GOOD_KEY};

/* The whole of 127/8 is this machine: here they are neighbours. */
static const char *const neighbours[] = {"127.0.0.1", "127.0.0.2"};

static int setup(void **state)
{
  *state = link_new(keys, 2);
  return 0;
}

static int teardown(void **state)
{
  link_end(*state);
  return 0;
}

static int connect_from(const char *own, int type, uint16_t port)
{
  struct sockaddr_in at = {.sin_family = AF_INET};
  struct timeval limit = {.tv_sec = PEER_WAIT_S};
  int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
  assert_int_equal(inet_pton(AF_INET, own, &at.sin_addr), 1);
  assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  at.sin_port = htons(port);
  assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
  return fd;
}

/* In clear text nothing is said before the server speaks: what is there is open, what was refused has ended. */
static bool is_open(int fd)
{
  char octet;
  ssize_t got = recv(fd, &octet, 1, MSG_DONTWAIT);
  return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

static bool join_from(tls_peer *p, const char *own, uint16_t port, const tls_peer_options *options)
{
  tls_peer_options from = *options;
  from.connected = connect_from(own, SOCK_STREAM, port);
  return peer_connect(p, port, &from);
}

static uint64_t refused(link_test *t)
{
  return atomic_load(&t->worker.counters.refused_address);
}

typedef struct load {
  link_test *t;
  uint32_t connections, handshaking;
  size_t places;
} load;

static void look(void *arg)
{
  load *l = arg;
  l->connections = l->t->worker.connections;
  l->handshaking = l->t->worker.handshaking;
  l->places = l->t->worker.admission.count;
}

static load load_of(link_test *t)
{
  load l = {.t = t};
  gh_loop_call(t->loop, look, &l);
  return l;
}

static void wait_load(link_test *t, uint32_t connections)
{
  for (int i = 0; i < 3000 && load_of(t).connections != connections; i++) usleep(10000);
  assert_int_equal(load_of(t).connections, connections);
}

static void connections_of_an_address(void **state)
{
  link_test *t = *state;
  tls_peer p[4], other;
  t->limits.max_connections_per_address = 3;
  link_open(t);
  for (int i = 0; i < 3; i++) assert_true(join_from(&p[i], neighbours[0], t->port, &now12));
  assert_false(join_from(&p[3], neighbours[0], t->port, &now12));
  assert_int_equal(refused(t), 1);
  assert_true(join_from(&other, neighbours[1], t->port, &now12));
  assert_true(peer_ask(&other, ASK));
  assert_true(peer_ask(&p[0], ASK_LAST)); /* who leaves makes room */
  wait_closed(t, 1);
  peer_end(&p[3]);
  assert_true(join_from(&p[3], neighbours[0], t->port, &now12));
  assert_true(peer_ask(&p[3], ASK));
  assert_int_equal(load_of(t).places, 2);
  for (int i = 0; i < 4; i++) peer_end(&p[i]);
  peer_end(&other);
  wait_load(t, 0);
  assert_int_equal(load_of(t).places, 0);
}

/* Connections that never say anything are handshakes, too. */
static void handshakes_of_an_address(void **state)
{
  link_test *t = *state;
  enum { MANY = 8 };
  int silent[MANY];
  tls_peer p;
  t->limits.max_handshakes_per_address = MANY;
  link_open(t);
  for (int i = 0; i < MANY; i++) silent[i] = connect_from(neighbours[0], SOCK_STREAM, t->port);
  wait_load(t, MANY);
  assert_false(join_from(&p, neighbours[0], t->port, &now12));
  assert_int_equal(refused(t), 1);
  peer_end(&p);
  assert_true(join_from(&p, neighbours[1], t->port, &now12));
  assert_true(peer_ask(&p, ASK));
  peer_end(&p);
  for (int i = 0; i < MANY; i++) assert_true(is_open(silent[i]));
  close(silent[0]);
  wait_load(t, MANY - 1);
  assert_true(join_from(&p, neighbours[0], t->port, &now12)); /* and its end leaves room for the next */
  assert_true(peer_ask(&p, ASK));
  tls_peer next;
  assert_true(join_from(&next, neighbours[0], t->port, &now12));
  assert_int_equal(refused(t), 1);
  peer_end(&p);
  peer_end(&next);
  pass_time(t, 11); /* what says nothing ends */
  wait_load(t, 0);
  for (int i = 1; i < MANY; i++) close(silent[i]);
}

static void zero_is_no_bound(void **state)
{
  link_test *t = *state;
  enum { MANY = 40 };
  int silent[MANY];
  t->limits.max_connections_per_address = t->limits.max_handshakes_per_address = 0;
  t->limits.max_handshakes = MANY;
  link_open(t);
  for (int i = 0; i < MANY; i++) silent[i] = connect_from(neighbours[0], SOCK_STREAM, t->port);
  wait_load(t, MANY);
  assert_int_equal(refused(t), 0);
  for (int i = 0; i < MANY; i++) close(silent[i]);
  wait_load(t, 0);
}

static int lines_with(int fd, const char *text)
{
  static char all[1 << 16];
  ssize_t got = read(fd, all, sizeof all - 1);
  int lines = 0;
  all[got > 0 ? got : 0] = '\0';
  for (const char *at = all; (at = strstr(at, text)); at++) lines++;
  return lines;
}

static void set_log_on_worker(void *arg)
{
  static gh_log log;
  link_test *t = arg;
  log = (gh_log){.level = GH_LOG_WARN, .fd = t->worker.user ? *(int *)t->worker.user : -1, .clock = t->clock};
  t->worker.log = t->worker.user ? &log : NULL;
}

static void refusals_do_not_flood_the_log(void **state)
{
  link_test *t = *state;
  int ends[2], fd = -1;
  t->limits.max_connections_per_address = 1;
  link_open(t);
  assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
  t->worker.user = &ends[1];
  gh_loop_call(t->loop, set_log_on_worker, t);
  int kept = connect_from(neighbours[0], SOCK_STREAM, t->port);
  for (int round = 1; round <= 2; round++) {
    while (refused(t) < (uint64_t)round * 50) {
      fd = connect_from(neighbours[0], SOCK_STREAM, t->port);
      close(fd);
      (void)load_of(t);
    }
    pass_time(t, 2);
  }
  int lines = lines_with(ends[0], "max_connections_per_address");
  assert_in_range(lines, 2, 8); /* one for each second that has passed */
  t->worker.user = NULL;
  gh_loop_call(t->loop, set_log_on_worker, t);
  close(kept);
  close(ends[0]);
  close(ends[1]);
}

/* A datagram's address may be forged: only who returns the cookie counts. */ /*= RFC 6347 4.2.1 */
static void datagrams_count_behind_the_cookie(void **state)
{
  (void)state;
  enum { MANY = 4 };
  static tls_peer waits[MANY + 1];
  dtls_test d;
  link_test *t = link_new(keys, 2);
  tls_peer p, other;
  struct timeval limit = {.tv_usec = 100000};
  t->limits.max_handshakes_per_address = MANY;
  t->limits.max_connections_per_address = MANY + 1;
  dtls_open(&d, t);
  for (int i = 0; i <= MANY; i++) {
    dtls_prepare_on(&waits[i], connect_from(neighbours[0], SOCK_DGRAM, d.port), &later12);
    BIO_ctrl(SSL_get_rbio(waits[i].ssl), BIO_CTRL_DGRAM_SET_RECV_TIMEOUT, 0, &limit);
    for (int tries = 0; tries < 50 && !(i < MANY ? load_of(t).handshaking > (uint32_t)i : refused(t) > 0); tries++)
      assert_false(peer_handshake(&waits[i]));
  }
  assert_int_equal(load_of(t).handshaking, MANY);
  assert_true(refused(t) > 0);
  dtls_prepare_on(&other, connect_from(neighbours[1], SOCK_DGRAM, d.port), &now12);
  assert_true(peer_handshake(&other));
  assert_true(dtls_say(&other, "x"));
  answer_kept(t); /* four associations, and room for a fifth */
  for (int i = 0; i < MANY; i++) {
    struct timeval long_limit = {.tv_sec = PEER_WAIT_S};
    BIO_ctrl(SSL_get_rbio(waits[i].ssl), BIO_CTRL_DGRAM_SET_RECV_TIMEOUT, 0, &long_limit);
    assert_true(peer_handshake(&waits[i]));
  }
  dtls_prepare_on(&p, connect_from(neighbours[0], SOCK_DGRAM, d.port), &now12);
  assert_true(peer_handshake(&p));
  uint64_t before = refused(t);
  BIO_ctrl(SSL_get_rbio(waits[MANY].ssl), BIO_CTRL_DGRAM_SET_RECV_TIMEOUT, 0, &limit);
  for (int tries = 0; tries < 50 && refused(t) == before; tries++) assert_false(peer_handshake(&waits[MANY]));
  assert_true(refused(t) > before);
  assert_true(dtls_say(&p, "x"));
  for (int i = 0; i <= MANY; i++) peer_end(&waits[i]);
  peer_end(&p);
  peer_end(&other);
  dtls_end(&d);
}

static struct sockaddr_storage address_of(const char *text)
{
  struct sockaddr_storage at = {.ss_family = strchr(text, ':') ? AF_INET6 : AF_INET};
  void *octets = at.ss_family == AF_INET6 ? (void *)&((struct sockaddr_in6 *)&at)->sin6_addr
                                          : (void *)&((struct sockaddr_in *)&at)->sin_addr;
  assert_int_equal(inet_pton(at.ss_family, text, octets), 1);
  return at;
}

/* Who has a /64 has all of it, perhaps a /48 too, and IPv4 in IPv6's clothes is IPv4. */
static void what_counts_as_one_address(void **state)
{
  (void)state;
  static const struct {
    const char *a, *b;
    bool same, same_network;
  } rows[] = {
      {"2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true, true},
      {"2001:db8:1:2::1", "2001:db8:1:3::1", false, true},
      {"2001:db8:1::1", "2001:db8:1:ffff::1", false, true},
      {"2001:db8:1::1", "2001:db8:2::1", false, false},
      {"192.0.2.1", "192.0.2.2", false, false},
      {"192.0.2.1", "::ffff:192.0.2.1", true, true},
      {"::ffff:192.0.2.1", "::ffff:192.0.2.2", false, false},
      {"::1", "::ffff:127.0.0.1", false, false},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct sockaddr_storage a = address_of(rows[i].a), b = address_of(rows[i].b);
    bool same = gh_address_key(&a) == gh_address_key(&b);
    bool same_network = gh_address_network_key(&a) == gh_address_network_key(&b);
    if (same != rows[i].same || same_network != rows[i].same_network) fail_msg("%s and %s", rows[i].a, rows[i].b);
    bool global = strncmp(rows[i].a, "2001:", 5) == 0; /* IPv4 and this machine are in no network */
    assert_int_equal(gh_address_key(&a) != gh_address_network_key(&a), global);
  }
  const struct sockaddr_storage unknown = {.ss_family = AF_UNIX};
  assert_int_equal(gh_address_key(&unknown), 0);
  assert_int_equal(gh_address_network_key(&unknown), 0);
}

/* As many /64s as they like: together they have four times the share of one, and the next /48 is not concerned. */
static void a_network_has_a_share(void **state)
{
  (void)state;
  enum { EACH = 3, ALL = EACH * GH_NETWORK_SHARE };
  gh_neighbour *places[2 * ALL], *other;
  struct sockaddr_storage outside = address_of("2001:db8:2::1");
  char text[64];
  for (int handshakes = 0; handshakes < 2; handshakes++) {
    gh_worker worker = {.clock = gh_clock_system(), .limits = {.max_connections = 1000, .max_handshakes = 1000}};
    *(handshakes ? &worker.limits.max_handshakes_per_address : &worker.limits.max_connections_per_address) = EACH;
    gh_admission_init(&worker.admission);
    int entered = 0;
    for (int i = 0; i < 2 * ALL; i++) {
      snprintf(text, sizeof text, "2001:db8:1:%x::1", (unsigned)(i / 2)); /* two of each /64: below its own bound */
      struct sockaddr_storage at = address_of(text);
      gh_neighbour *place = gh_admission_enter(&worker, &at);
      assert_int_equal(place != NULL, entered < ALL);
      if (place) gh_admission_begin_handshake(places[entered++] = place);
    }
    assert_int_equal(atomic_load(&worker.counters.refused_address), ALL);
    assert_non_null(other = gh_admission_enter(&worker, &outside));
    gh_admission_end_handshake(places[0]);
    gh_admission_leave(&worker, places[0]); /* who leaves makes room, in another /64, too */
    struct sockaddr_storage at = address_of("2001:db8:1:ffff::1");
    assert_non_null(places[0] = gh_admission_enter(&worker, &at));
    gh_admission_begin_handshake(places[0]);
    assert_null(gh_admission_enter(&worker, &at));
    for (int i = 0; i < ALL; i++) {
      gh_admission_end_handshake(places[i]);
      gh_admission_leave(&worker, places[i]);
    }
    gh_admission_leave(&worker, other);
    assert_int_equal(worker.admission.count, 0);
    gh_admission_free(&worker.admission);
  }
}

/* Many addresses at a time: the table grows, and nobody is mistaken for another. */
static void many_addresses(void **state)
{
  (void)state;
  enum { MANY = 20000 };
  static gh_neighbour *places[MANY];
  gh_worker worker = {.clock = gh_clock_system()};
  worker.limits = (gh_link_limits){.max_connections = 100000,
                                   .max_handshakes = 10,
                                   .max_connections_per_address = 2,
                                   .max_handshakes_per_address = 2};
  gh_admission_init(&worker.admission);
  struct sockaddr_storage at = {.ss_family = AF_INET};
  for (int round = 0; round < 3; round++)
    for (uint32_t i = 0; i < MANY; i++) {
      ((struct sockaddr_in *)&at)->sin_addr.s_addr = htonl(0x0a000000 + i * 7);
      gh_neighbour *place = gh_admission_enter(&worker, &at);
      if (round == 2) {
        assert_null(place);
        continue;
      }
      assert_non_null(place);
      if (round) assert_ptr_equal(place, places[i]);
      places[i] = place;
      assert_int_equal(place->connections, round + 1);
    }
  assert_int_equal(worker.admission.count, MANY);
  for (int round = 0; round < 2; round++)
    for (uint32_t i = 0; i < MANY; i++) gh_admission_leave(&worker, places[i]);
  assert_int_equal(worker.admission.count, 0);
  gh_admission_free(&worker.admission);
}

static void addresses_as_text(void **state)
{
  (void)state;
  static const struct {
    const char *host;
    uint16_t port;
    const char *text;
  } rows[] = {
      {"0.0.0.0", 0, "0.0.0.0:0"},
      {"127.0.0.1", 8080, "127.0.0.1:8080"},
      {"255.255.255.255", 65535, "255.255.255.255:65535"},
      {"10.20.30.9", 10, "10.20.30.9:10"},
      {"::1", 443, "[::1]:443"},
      {"2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff", 65535, "[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:65535"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct sockaddr_storage at = {.ss_family = strchr(rows[i].host, '.') ? AF_INET : AF_INET6};
    struct sockaddr_in *in = (struct sockaddr_in *)&at;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&at;
    bool v4 = at.ss_family == AF_INET;
    char text[GH_ADDRESS_TEXT_BYTES];
    assert_int_equal(inet_pton(at.ss_family, rows[i].host, v4 ? (void *)&in->sin_addr : (void *)&in6->sin6_addr), 1);
    *(v4 ? &in->sin_port : &in6->sin6_port) = htons(rows[i].port);
    gh_address_text(&at, text);
    assert_string_equal(text, rows[i].text);
  }
}

int main(void)
{
#define WITH(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
  const struct CMUnitTest tests[] = {
      WITH(connections_of_an_address),
      WITH(handshakes_of_an_address),
      WITH(zero_is_no_bound),
      WITH(refusals_do_not_flood_the_log),
      cmocka_unit_test(datagrams_count_behind_the_cookie),
      cmocka_unit_test(addresses_as_text),
      cmocka_unit_test(what_counts_as_one_address),
      cmocka_unit_test(a_network_has_a_share),
      cmocka_unit_test(many_addresses),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
