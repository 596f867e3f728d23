/* TLS reads ahead: octets that lie in its buffer wake no loop. Whatever a client sends in one segment is served
 * without a further one. */
#include "tls_peer.h"

#define METER "//sp.example.com/in-cse/Cmeter"

enum { MANY = 100 };

static const link_key keys[] = {{.identity = "meter@maf.sp.example.com", .key_hex = GOOD_KEY, .peer_id = METER}};

static int setup(void **state)
{
  *state = link_new(keys, 1);
  link_open(*state);
  return 0;
}

static int teardown(void **state)
{
  link_end(*state);
  return 0;
}

static void prepare(tls_peer *p, link_test *t, int version)
{
  const tls_peer_options options = {.identity = "meter@maf.sp.example.com",
                                    .key_hex = GOOD_KEY,
                                    .min_version = version,
                                    .max_version = version,
                                    .groups = "P-256"};
  peer_prepare(p, t->port, &options);
  SSL_set_bio(p->ssl, BIO_new_socket(p->fd, BIO_NOCLOSE), BIO_new(BIO_s_mem())); /* what it writes is kept */
  SSL_set_connect_state(p->ssl);
}

/* The octets `from` to `to` of what the client has written; SIZE_MAX: to the end. */
static void send_kept(tls_peer *p, size_t from, size_t to)
{
  char *octets;
  size_t len = (size_t)BIO_get_mem_data(SSL_get_wbio(p->ssl), &octets);
  if (to > len) to = len;
  assert_int_equal(send(p->fd, octets + from, to - from, MSG_NOSIGNAL), (ssize_t)(to - from));
  if (to == len) (void)BIO_reset(SSL_get_wbio(p->ssl));
}

/* One flight of ours, then theirs is waited for. */
static void shake_hands(tls_peer *p, int flights)
{
  for (int i = 0; i < flights; i++) {
    assert_int_equal(SSL_do_handshake(p->ssl), -1);
    assert_int_equal(SSL_get_error(p->ssl, -1), SSL_ERROR_WANT_READ);
    send_kept(p, 0, SIZE_MAX);
  }
}

static void write_request(tls_peer *p, const char *request)
{
  assert_int_equal(SSL_write(p->ssl, request, (int)strlen(request)), (int)strlen(request));
}

/* A memory BIO says "try again" where a socket would wait: the first flight is written by hand. */
static void begin(tls_peer *p, link_test *t, int version)
{
  struct timeval soon = {.tv_usec = 1000}, late = {.tv_sec = PEER_WAIT_S};
  prepare(p, t, version);
  setsockopt(p->fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon);
  shake_hands(p, 1);
  setsockopt(p->fd, SOL_SOCKET, SO_RCVTIMEO, &late, sizeof late);
}

static void request_behind_the_last_flight(void **state)
{
  tls_peer p;
  begin(&p, *state, TLS1_3_VERSION);
  assert_int_equal(SSL_do_handshake(p.ssl), 1); /* Finished is kept */
  write_request(&p, ASK);
  send_kept(&p, 0, SIZE_MAX);
  assert_true(peer_ask(&p, NULL));
  assert_non_null(strstr(p.answer, METER));
  peer_end(&p);
}

/* More records than one turn of the loop takes. */
static void many_records_in_one_segment(void **state)
{
  link_test *t = *state;
  tls_peer p;
  begin(&p, t, TLS1_3_VERSION);
  assert_int_equal(SSL_do_handshake(p.ssl), 1);
  for (int i = 0; i < MANY; i++) write_request(&p, ASK);
  send_kept(&p, 0, SIZE_MAX);
  wait_count(t, &t->counts.requests, MANY);
  peer_end(&p);
}

/* Half a record is no reason to be called; the rest is. */
static void a_record_in_two_segments(void **state)
{
  link_test *t = *state;
  tls_peer p;
  begin(&p, t, TLS1_3_VERSION);
  assert_int_equal(SSL_do_handshake(p.ssl), 1);
  send_kept(&p, 0, SIZE_MAX);
  write_request(&p, ASK);
  write_request(&p, ASK);
  char *octets;
  size_t half = (size_t)BIO_get_mem_data(SSL_get_wbio(p.ssl), &octets) * 3 / 4;
  send_kept(&p, 0, half);
  wait_count(t, &t->counts.requests, 1);
  send_kept(&p, half, SIZE_MAX);
  wait_count(t, &t->counts.requests, 2);
  peer_end(&p);
}

/* The end of the association lies behind a request in the same segment. */
static void close_notify_behind_a_request(void **state)
{
  link_test *t = *state;
  tls_peer p;
  begin(&p, t, TLS1_3_VERSION);
  assert_int_equal(SSL_do_handshake(p.ssl), 1);
  write_request(&p, ASK);
  SSL_shutdown(p.ssl);
  send_kept(&p, 0, SIZE_MAX);
  wait_count(t, &t->counts.requests, 1);
  wait_closed(t, 1);
  peer_end(&p);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(request_behind_the_last_flight, setup, teardown),
      cmocka_unit_test_setup_teardown(many_records_in_one_segment, setup, teardown),
      cmocka_unit_test_setup_teardown(a_record_in_two_segments, setup, teardown),
      cmocka_unit_test_setup_teardown(close_notify_behind_a_request, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
