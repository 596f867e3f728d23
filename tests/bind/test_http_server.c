/* The HTTP server over a CSE on a real socket: order, cut, limits, ends. TP-13, TP-18, TP-20. */
#include "server_fixture.h"

#include "../store/store_fixture.h"

/* ---- order and cut */

/* Reads and writes mixed in one breath: one answer each, in the order of the requests. */
static void pipelined_requests_are_answered_in_order(void **state)
{
  enum { COUNT = 60 };
  served *s = *state;
  tls_peer p;
  talk r = {&p, GH_BUF_INIT};
  gh_arena arena;
  gh_buf all = GH_BUF_INIT;
  gh_arena_init(&arena);
  join(&p, s, &as_meter);
  for (int i = 0; i < COUNT; i++) {
    gh_str ri = gh_arena_fmt(&arena, "r%d", i);
    if (i % 3 == 0)
      gh_buf_add(&all, post(&arena, "/cse-in/meter/box", 4, ri.ptr, "{\"m2m:cin\":{\"con\":\"x\"}}"));
    else
      gh_buf_fmt(&all, "GET /cse-in/meter/%s HTTP/1.1\r\n" FROM_METER "X-M2M-RI: %s\r\n\r\n",
                 i % 3 == 1 ? "box" : "none", ri.ptr);
  }
  send_text(&p, all.ptr, all.len);
  for (int i = 0; i < COUNT; i++) {
    http_answer a;
    char ri[16];
    snprintf(ri, sizeof ri, "r%d", i);
    assert_true(read_answer(&r, &a));
    assert_string_equal(a.ri, ri);
    assert_int_equal(a.rsc, i % 3 == 0 ? 2001 : i % 3 == 1 ? 2000 : 4004);
  }
  gh_buf_free(&all);
  gh_arena_free(&arena);
  part(&r);
}

static void requests_in_pieces(void **state)
{
  served *s = *state;
  tls_peer p;
  talk r = {&p, GH_BUF_INIT};
  http_answer a;
  gh_arena arena;
  gh_arena_init(&arena);
  join(&p, s, &as_meter);
  gh_str text = post(&arena, "/cse-in/meter/box", 4, "slow", "{\"m2m:cin\":{\"con\":\"x\"}}");
  for (size_t i = 0; i < text.len; i++) send_text(&p, text.ptr + i, 1); /* a record each */
  assert_true(read_answer(&r, &a));
  assert_int_equal(a.rsc, 2001);
  static const char get[] = GET_BOX("cut");
  for (size_t cut = 1; cut < sizeof get - 1; cut += 3) {
    send_text(&p, get, cut);
    send_text(&p, get + cut, sizeof get - 1 - cut);
    assert_true(read_answer(&r, &a));
    assert_int_equal(a.rsc, 2000);
    assert_string_equal(a.ri, "cut");
  }
  gh_arena_free(&arena);
  part(&r);
}

static void waits_for_permission_to_send_the_body(void **state)
{
  served *s = *state;
  tls_peer p;
  talk r = {&p, GH_BUF_INIT};
  http_answer a;
  join(&p, s, &as_meter);
  static const char body[] = "{\"m2m:cin\":{\"con\":\"x\"}}";
  char head[400];
  int len = snprintf(head, sizeof head,
                     "POST /cse-in/meter/box HTTP/1.1\r\n" FROM_METER "X-M2M-RI: c\r\nExpect: 100-continue\r\n"
                     "Content-Type: application/json;ty=4\r\nContent-Length: %zu\r\n\r\n",
                     sizeof body - 1);
  send_text(&p, head, (size_t)len);
  assert_true(read_answer(&r, &a));
  assert_int_equal(a.status, 100);
  send_text(&p, body, sizeof body - 1);
  assert_true(read_answer(&r, &a));
  assert_int_equal(a.rsc, 2001);
  part(&r);
}

/* ---- time */

/* TP-18: half a request and then silence. */
static void half_a_request_is_not_waited_for(void **state)
{
  served *s = *state;
  tls_peer half, whole, idle;
  s->h.worker.limits.request_ms = 5000;
  join(&half, s, &as_meter);
  join(&whole, s, &as_meter);
  join(&idle, s, &as_meter);
  talk r = {&whole, GH_BUF_INIT};
  assert_int_equal(say(&r, GET_BOX("a")).rsc, 2000);
  send_and_wait(s, &half, GH_STR("GET /cse-in/meter/box HTTP/1.1\r\nHost"));
  assert_int_equal(say(&r, GET_BOX("b")).rsc, 2000);
  s->h.clock_offset_us += 6 * GH_US_PER_S;
  assert_true(peer_is_closed(&half));
  assert_int_equal(say(&r, GET_BOX("c")).rsc, 2000); /* who is idle between requests has more time */
  peer_end(&half);
  peer_end(&idle);
  part(&r);
}

/* TP-18: an octet now and then is no progress: the request must be complete in time. */
static void a_request_in_drops_is_not_waited_for(void **state)
{
  served *s = *state;
  tls_peer drip;
  s->h.worker.limits.request_ms = 5000;
  join(&drip, s, &as_meter);
  static const char get[] = GET_BOX("drip");
  bool closed = false;
  for (size_t i = 0; i < sizeof get - 1 && !closed; i++) {
    ERR_clear_error();
    closed = SSL_write(drip.ssl, get + i, 1) != 1;
    s->h.clock_offset_us += 2 * GH_US_PER_S;
    usleep(i < 12 ? 50000 : 0); /* lets a sweep come in between */
  }
  http_answer a;
  talk r = {&drip, GH_BUF_INIT};
  assert_false(read_answer(&r, &a));
  part(&r);
}

/* The limit is for the request, not for its execution. */
static void an_answer_may_take_longer_than_a_request(void **state)
{
  served *s = *state;
  tls_peer p;
  talk r = {&p, GH_BUF_INIT};
  http_answer a;
  gh_arena arena;
  store_test t = {.store = s->h.host->store};
  blocker b;
  gh_arena_init(&arena);
  s->h.worker.limits.request_ms = 5000;
  join(&p, s, &as_meter);
  block_writer(&t, &b);
  gh_str text = post(&arena, "/cse-in/meter/box", 4, "w", "{\"m2m:cin\":{\"con\":\"x\"}}");
  send_and_wait(s, &p, gh_str_sub(text, 0, 20));
  send_and_wait(s, &p, gh_str_sub(text, 20, SIZE_MAX));
  s->h.clock_offset_us += 20 * GH_US_PER_S;
  for (int i = 0; i < 3; i++) usleep(GH_WORKER_SWEEP_MS * 1000 / 2); /* a sweep has come by */
  unblock_writer(&b);
  assert_true(read_answer(&r, &a));
  assert_int_equal(a.rsc, 2001);
  gh_arena_free(&arena);
  part(&r);
}

/* The rest of a request that came with the one before is under the same limit. */
static void half_a_request_behind_a_write(void **state)
{
  served *s = *state;
  tls_peer p;
  talk r = {&p, GH_BUF_INIT};
  http_answer a;
  gh_arena arena;
  gh_arena_init(&arena);
  s->h.worker.limits.request_ms = 5000;
  join(&p, s, &as_meter);
  gh_buf buf = GH_BUF_INIT;
  gh_buf_add(&buf, post(&arena, "/cse-in/meter/box", 4, "w", "{\"m2m:cin\":{\"con\":\"x\"}}"));
  gh_buf_add(&buf, GH_STR("GET /cse-in"));
  send_text(&p, buf.ptr, buf.len);
  assert_true(read_answer(&r, &a));
  assert_int_equal(a.rsc, 2001);
  look_inside(s);
  s->h.clock_offset_us += 6 * GH_US_PER_S;
  wait_connections(s, 0);
  gh_buf_free(&buf);
  gh_arena_free(&arena);
  part(&r);
}

/* ---- limits */

static void send_until_answered(tls_peer *p, const char *text, size_t len, size_t limit)
{
  for (size_t written = 0; written < limit; written += len)
    if (SSL_write(p->ssl, text, (int)len) <= 0) return;
}

static void a_head_without_end(void **state)
{
  served *s = *state;
  tls_peer p;
  talk r = {&p, GH_BUF_INIT};
  http_answer a;
  join(&p, s, &as_meter);
  send_text(&p, "GET / HTTP/1.1\r\n", 16);
  send_until_answered(&p, "X-Long-Header: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n", 67, 17000);
  assert_true(read_answer(&r, &a));
  assert_int_equal(a.status, 431);
  assert_true(a.closes);
  assert_true(peer_is_closed(&p));
  part(&r);
}

static void bodies_that_are_too_large(void **state)
{
  served *s = *state;
  static const char *const heads[] = {"Content-Length: 100000000\r\n\r\n", "Content-Length: 262145\r\n\r\n",
                                      "Content-Length: 18446744073709551616\r\n\r\n",
                                      "Transfer-Encoding: chunked\r\n\r\nFFFFFFF\r\n"};
  static const int statuses[] = {413, 413, 400, 413};
  for (size_t i = 0; i < 4; i++) {
    tls_peer p;
    talk r = {&p, GH_BUF_INIT};
    char text[400];
    join(&p, s, &as_meter);
    snprintf(text, sizeof text,
             "POST /cse-in/meter/box HTTP/1.1\r\n" FROM_METER
             "X-M2M-RI: b\r\nContent-Type: application/json;ty=4\r\n%s",
             heads[i]);
    http_answer a = say(&r, text);
    if (a.status != statuses[i] && a.status != 413) fail_msg("%s: %d", heads[i], a.status);
    assert_true(peer_is_closed(&p)); /* nobody waits for a hundred megabytes */
    part(&r);
  }
}

static void a_body_of_the_largest_size(void **state)
{
  served *s = *state;
  tls_peer p;
  talk r = {&p, GH_BUF_INIT};
  http_answer a;
  gh_arena arena;
  gh_arena_init(&arena);
  join(&p, s, &as_meter);
  size_t fixed = strlen("{\"m2m:cin\":{\"con\":\"\"}}");
  char *body = gh_arena_zalloc(&arena, 262144 + 1), *at = body + strlen("{\"m2m:cin\":{\"con\":\"");
  memset(body, 'x', 262144);
  memcpy(body, "{\"m2m:cin\":{\"con\":\"", (size_t)(at - body));
  memcpy(body + 262144 - 3, "\"}}", 3);
  assert_int_equal(strlen(body), 262144);
  gh_str text = post(&arena, "/cse-in/meter/box", 4, "big", body);
  send_text(&p, text.ptr, text.len);
  assert_true(read_answer(&r, &a));
  assert_int_equal(a.rsc, 2001);
  a = say(&r, "GET /cse-in/meter/box/la HTTP/1.1\r\n" FROM_METER "X-M2M-RI: g\r\n\r\n");
  assert_true(a.body.len > 262144 - fixed);
  gh_arena_free(&arena);
  part(&r);
}

/* TP-18; refused with 4000, and the connection lives on */
static void deep_and_odd_bodies(void **state)
{
  served *s = *state;
  tls_peer p;
  talk r = {&p, GH_BUF_INIT};
  http_answer a;
  gh_arena arena;
  gh_arena_init(&arena);
  join(&p, s, &as_meter);
  char *deep = gh_arena_zalloc(&arena, 100001), *numbers = gh_arena_zalloc(&arena, 100001);
  memset(deep, '[', 100000);
  memset(numbers, '9', 100000);
  const char *const bodies[] = {
      deep,       numbers, "", "{", "{\"m2m:cin\":{\"con\":\"x\"}}}", "{\"m2m:cin\":{\"con\":\"x\"},\"m2m:cin\":{}}",
      "\xff\xfe", "null"};
  for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
    gh_str text = post(&arena, "/cse-in/meter/box", 4, "odd", bodies[i]);
    send_text(&p, text.ptr, text.len);
    assert_true(read_answer(&r, &a));
    assert_int_equal(a.status, 400);
    assert_int_equal(a.rsc, 4000);
    assert_false(a.closes);
    assert_int_equal(say(&r, GET_BOX("again")).rsc, 2000);
  }
  gh_arena_free(&arena);
  part(&r);
}

/* TP-18: a hundred connections in every state of incompleteness cost nobody else anything. */
static void a_hundred_half_open_connections(void **state)
{
  enum { HALVES = 100 };
  served *s = *state;
  static tls_peer halves[HALVES];
  static const char *const parts[] = {"", "G", "GET /cse-in/meter/box HTTP/1.1\r\n",
                                      "POST /cse-in/meter/box HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{",
                                      GET_BOX("never read")};
  int raw[HALVES / 4];
  for (int i = 0; i < HALVES; i++) {
    if (i % 4 == 0) {
      raw[i / 4] = tcp_connect(s->port); /* not even a handshake */
      if (i % 8 == 0) assert_int_equal(send(raw[i / 4], "\x16\x03\x01", 3, MSG_NOSIGNAL), 3);
    } else {
      join(&halves[i], s, &as_other);
      if (parts[i % 5][0]) send_text(&halves[i], parts[i % 5], strlen(parts[i % 5]));
    }
  }
  tls_peer p;
  talk r = {&p, GH_BUF_INIT};
  gh_arena arena;
  gh_arena_init(&arena);
  join(&p, s, &as_meter);
  for (int i = 0; i < 50; i++) {
    assert_int_equal(say(&r, GET_BOX("a")).rsc, 2000);
    http_answer a;
    gh_str text = post(&arena, "/cse-in/meter/box", 4, "w", "{\"m2m:cin\":{\"con\":\"x\"}}");
    send_text(&p, text.ptr, text.len);
    assert_true(read_answer(&r, &a));
    assert_int_equal(a.rsc, 2001);
  }
  assert_int_equal(look_inside(s).connections, HALVES + 1);
  s->h.clock_offset_us += 40 * GH_US_PER_S; /* handshakes and half requests have had their time */
  wait_connections(s, HALVES + 1 - HALVES / 4 - HALVES * 3 / 4 * 3 / 5);
  assert_int_equal(say(&r, GET_BOX("b")).rsc, 2000);
  for (int i = 0; i < HALVES; i++) {
    if (i % 4 == 0)
      close(raw[i / 4]);
    else
      peer_end(&halves[i]);
  }
  gh_arena_free(&arena);
  part(&r);
}

/* TP-18: who asks and asks and never reads has answers kept for him up to the limit of the connection, not more; when
 * he reads at last he gets every one of them. */
static void answers_that_nobody_reads_are_bounded(void **state)
{
  enum { COUNT = 400, LARGE = 100000 };
  served *s = *state;
  tls_peer p, q;
  talk r = {&p, GH_BUF_INIT}, other = {&q, GH_BUF_INIT};
  gh_arena arena;
  http_answer a;
  gh_arena_init(&arena);
  join(&p, s, &as_meter);
  join(&q, s, &as_meter);
  char *body = gh_arena_zalloc(&arena, LARGE + 64);
  int head = snprintf(body, 64, "{\"m2m:cin\":{\"con\":\"");
  memset(body + head, 'x', LARGE);
  memcpy(body + head + LARGE, "\"}}", 4);
  gh_str text = post(&arena, "/cse-in/meter/box", 4, "big", body);
  send_text(&p, text.ptr, text.len);
  assert_true(read_answer(&r, &a));
  assert_int_equal(a.rsc, 2001);
  gh_buf all = GH_BUF_INIT;
  for (int i = 0; i < COUNT; i++)
    gh_buf_fmt(&all, "GET /cse-in/meter/box/la HTTP/1.1\r\n" FROM_METER "X-M2M-RI: g%d\r\n\r\n", i);
  send_text(&p, all.ptr, all.len); /* forty megabytes of answers */
  for (int i = 0; i < 20; i++) {
    assert_int_equal(say(&other, GET_BOX("o")).rsc, 2000);
    size_t kept = look_inside(s).largest_out;
    if (kept > 4 * s->h.worker.limits.max_out_bytes) fail_msg("%zu octets are kept", kept);
  }
  for (int i = 0; i < COUNT; i++) {
    char ri[16];
    snprintf(ri, sizeof ri, "g%d", i);
    assert_true(read_answer(&r, &a));
    assert_string_equal(a.ri, ri);
    assert_true(a.body.len > LARGE);
  }
  gh_buf_free(&all);
  gh_arena_free(&arena);
  part(&r);
  part(&other);
}

/* ---- ends */

static void the_connection_ends_while_a_write_is_under_way(void **state)
{
  served *s = *state;
  store_test t = {.store = s->h.host->store};
  for (int round = 0; round < 2; round++) {
    tls_peer p[10];
    blocker b;
    gh_arena arena;
    gh_arena_init(&arena);
    block_writer(&t, &b);
    for (int i = 0; i < 10; i++) {
      gh_str text = post(&arena, "/cse-in/meter/box", 4, "w", "{\"m2m:cin\":{\"con\":\"x\"}}");
      join(&p[i], s, &as_meter);
      send_and_wait(s, &p[i], text);
      if (i % 2) send_and_wait(s, &p[i], text); /* and one that waits behind it */
    }
    for (int i = 0; i < 10; i++) {
      struct linger hard = {.l_onoff = i % 3 == 0};
      setsockopt(p[i].fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard); /* some with a reset */
      peer_end(&p[i]);
    }
    if (round == 0) wait_connections(s, 0);
    unblock_writer(&b);
    wait_connections(s, 0);
    gh_arena_free(&arena);
  }
  answer a = ask(&s->h, &meter_ae, GH_OP_RETRIEVE, "cse-in/meter/box", "Cmeter", 0, NULL);
  assert_rsc(a, 2000); /* what was accepted was done, heard or not */
}

static void close_and_keep_alive(void **state)
{
  served *s = *state;
  static const struct {
    const char *text;
    bool closes;
  } cases[] = {
      {"GET /cse-in/meter/box HTTP/1.1\r\n" FROM_METER "X-M2M-RI: a\r\nConnection: close\r\n\r\n", true},
      {"GET /cse-in/meter/none HTTP/1.1\r\n" FROM_METER "X-M2M-RI: a\r\nConnection: close\r\n\r\n", true},
      {"GET /cse-in/meter/none HTTP/1.1\r\n" FROM_METER "X-M2M-RI: a\r\n\r\n", false},
      {"GET /cse-in/meter/box HTTP/1.1\r\n" HEADS "X-M2M-Origin: Cother\r\nX-M2M-RI: a\r\n\r\n", false},
      {"PUT /cse-in/meter/box HTTP/1.1\r\n" FROM_METER "X-M2M-RI: a\r\nContent-Length: 0\r\n\r\n", false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    tls_peer p;
    talk r = {&p, GH_BUF_INIT};
    join(&p, s, &as_meter);
    http_answer a = say(&r, cases[i].text);
    if (strcmp(a.ri, "a") != 0) fail_msg("%s: %d %.*s", cases[i].text, a.status, GH_STR_ARG(a.body));
    assert_int_equal(a.closes, cases[i].closes);
    if (cases[i].closes)
      assert_true(peer_is_closed(&p));
    else
      assert_int_equal(say(&r, GET_BOX("b")).rsc, 2000);
    part(&r);
  }
}

static void methods_that_are_none_of_ours(void **state)
{
  served *s = *state;
  static const char *const methods[] = {"HEAD", "OPTIONS", "PATCH", "TRACE", "CONNECT"};
  for (size_t i = 0; i < 5; i++) {
    tls_peer p;
    talk r = {&p, GH_BUF_INIT};
    char text[300];
    join(&p, s, &as_meter);
    snprintf(text, sizeof text, "%s /cse-in/meter/box HTTP/1.1\r\n" FROM_METER "X-M2M-RI: m\r\n\r\n", methods[i]);
    http_answer a = say(&r, text);
    if (a.status != 405 || a.rsc != 4005) fail_msg("%s: %d %d", methods[i], a.status, a.rsc);
    assert_true(peer_is_closed(&p));
    part(&r);
  }
}

static void octets_that_are_no_http(void **state)
{
  served *s = *state;
  static const char *const texts[] = {
      "\r\n\r\n\r\nnonsense\r\n\r\n",
      "GET\r\n\r\n",
      "GET / HTTP/9.9\r\n\r\n",
      "GET / HTTP/1.0\r\n\r\n",
      "\x16\x03\x01\r\n\r\n",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    tls_peer p;
    talk r = {&p, GH_BUF_INIT};
    join(&p, s, &as_meter);
    http_answer a = say(&r, texts[i]);
    if (a.status < 400 || a.status > 505 || a.rsc < 4000) fail_msg("%s: %d %d", texts[i], a.status, a.rsc);
    assert_true(peer_is_closed(&p));
    part(&r);
  }
}

/*= TS-0003 6.1.2.2.1; clear text on the protected port */
static void clear_text_is_told_so(void **state)
{
  served *s = *state;
  char text[1024];
  size_t len = 0;
  int fd = tcp_connect(s->port);
  static const char get[] = GET_BOX("clear");
  assert_int_equal(send(fd, get, sizeof get - 1, MSG_NOSIGNAL), sizeof get - 1);
  for (ssize_t got; (got = recv(fd, text + len, sizeof text - 1 - len, 0)) > 0;) len += (size_t)got;
  text[len] = '\0';
  const char *body = strstr(text, "\r\n\r\n");
  assert_non_null(body);
  assert_int_equal(number_behind(text, "HTTP/1.1 "), 403);
  assert_int_equal(number_behind(text, "X-M2M-RSC: "), 4107);
  assert_int_equal(number_behind(text, "Content-Length: "), strlen(body + 4)); /* once, and nothing behind it */
  close(fd);
}

static gh_err put_nothing(job *j, gh_store_txn *txn)
{
  (void)j;
  (void)txn;
  return GH_OK;
}

typedef struct revocation {
  served *s;
  size_t count;
} revocation;

static bool everybody(void *ctx, gh_conn *conn)
{
  (void)ctx;
  return gh_str_eq(gh_conn_peer(conn)->id, GH_STR(METER));
}

static void revoke_on_worker(void *arg)
{
  revocation *r = arg;
  r->count = gh_worker_revoke(&r->s->h.worker, everybody, NULL);
}

/* TP-20: what a revoked association had sent ahead is not performed any more, also when it does not read its answers.
 */
static void nothing_is_performed_for_a_revoked_association(void **state)
{
  enum { LARGE = 100000 };
  served *s = *state;
  tls_peer p;
  talk r = {&p, GH_BUF_INIT};
  gh_arena arena;
  http_answer a;
  store_test t = {.store = s->h.host->store};
  blocker b;
  gh_arena_init(&arena);
  join(&p, s, &as_meter);
  char *body = gh_arena_zalloc(&arena, LARGE + 64);
  int head = snprintf(body, 64, "{\"m2m:cin\":{\"con\":\"");
  memset(body + head, 'x', LARGE);
  memcpy(body + head + LARGE, "\"}}", 4);
  gh_str text = post(&arena, "/cse-in/meter/box", 4, "big", body);
  send_text(&p, text.ptr, text.len);
  assert_true(read_answer(&r, &a));
  static const char get[] = "GET /cse-in/meter/box/la HTTP/1.1\r\n" FROM_METER "X-M2M-RI: g\r\n\r\n";
  for (int full = 0; full < 3;) { /* until the kernel takes no more, and has not thought again */
    send_and_wait(s, &p, (gh_str){get, sizeof get - 1});
    full = look_inside(s).unsent < (size_t)(full + 1) * LARGE ? 0 : full + 1;
  }
  block_writer(&t, &b);
  gh_buf all = GH_BUF_INIT;
  gh_buf_add(&all, post(&arena, "/cse-in/meter", 3, "w1", "{\"m2m:cnt\":{\"rn\":\"before\"}}"));
  gh_buf_add(&all, post(&arena, "/cse-in/meter", 3, "w2", "{\"m2m:cnt\":{\"rn\":\"after\"}}"));
  send_and_wait(s, &p, gh_buf_str(&all));
  revocation rev = {.s = s};
  gh_loop_call(s->h.loop, revoke_on_worker, &rev);
  assert_int_equal(rev.count, 1);
  assert_int_equal(look_inside(s).draining, 1);
  unblock_writer(&b);
  assert_int_equal(do_job(&t, put_nothing, 0),
                   GH_OK); /* the first is answered, the second would wait for the writer now */
  look_inside(s);
  assert_int_equal(do_job(&t, put_nothing, 0), GH_OK);
  assert_rsc(ask(&s->h, &meter_ae, GH_OP_RETRIEVE, "cse-in/meter/before", "Cmeter", 0, NULL), 2000);
  assert_rsc(ask(&s->h, &meter_ae, GH_OP_RETRIEVE, "cse-in/meter/after", "Cmeter", 0, NULL), 4004);
  s->h.clock_offset_us += 3 * GH_US_PER_S; /* it has two seconds to read what was kept for it */
  wait_connections(s, 0);
  gh_buf_free(&all);
  gh_arena_free(&arena);
  part(&r);
}

/* ---- codes */

/*= TS-0009 6.3.2; TP-13: each refusal bears its code and the HTTP status that goes with it */
static void refusals_and_their_status(void **state)
{
  served *s = *state;
  static const struct {
    const char *line, *head, *body;
    int status, rsc;
  } cases[] = {
      {"GET /cse-in/none", FROM_METER, NULL, 404, 4004},
      {"GET /cse-in/other", FROM_METER, NULL, 403, 4103},
      {"GET /cse-in/meter", HEADS "X-M2M-Origin: Cother\r\n", NULL, 403, 4106},
      {"GET /cse-in/meter", HEADS, NULL, 400, 4000},
      {"GET /cse-in/meter", "Host: x\r\nX-M2M-RVI: 99\r\nX-M2M-Origin: Cmeter\r\n", NULL, 501, 4001},
      {"GET /cse-in/meter/box/la", FROM_METER "Accept: text/html\r\n", NULL, 406, 5207},
      {"GET /cse-in/meter?fu=1", FROM_METER, NULL, 501, 5001},
      {"POST /cse-in", FROM_METER "Content-Type: application/json;ty=2\r\n",
       "{\"m2m:ae\":{\"api\":\"N.d\",\"rr\":false,\"srv\":[\"3\"],\"rn\":\"q\"}}", 403, 4117},
      {"POST /cse-in/meter", FROM_METER "Content-Type: application/json;ty=3\r\n", "{\"m2m:cnt\":{\"rn\":\"box\"}}",
       409, 4105},
      {"POST /cse-in/meter", FROM_METER "Content-Type: text/plain;ty=3\r\n", "{}", 415, 4015},
      {"POST /cse-in/meter", FROM_METER "Content-Type: application/json;ty=5\r\n", "{\"m2m:cb\":{}}", 403, 4108},
      {"DELETE /cse-in", FROM_METER, NULL, 403, 4103},
  };
  tls_peer p;
  talk r = {&p, GH_BUF_INIT};
  join(&p, s, &as_meter);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[600];
    int len = snprintf(text, sizeof text, "%s HTTP/1.1\r\n%sX-M2M-RI: a\r\n", cases[i].line, cases[i].head);
    if (cases[i].body)
      len += snprintf(text + len, sizeof text - (size_t)len, "Content-Length: %zu\r\n", strlen(cases[i].body));
    snprintf(text + len, sizeof text - (size_t)len, "\r\n%s", cases[i].body ? cases[i].body : "");
    http_answer a = say(&r, text);
    if (a.status != cases[i].status || a.rsc != cases[i].rsc)
      fail_msg("%s: %d %d, expected %d %d: %.*s", text, a.status, a.rsc, cases[i].status, cases[i].rsc,
               GH_STR_ARG(a.body));
    assert_string_equal(a.ri, "a");
    assert_false(a.closes);
  }
  part(&r);
}

static http_answer as_new(talk *r, const char *what, const char *more)
{
  gh_arena arena;
  gh_arena_init(&arena);
  http_answer a =
      say(r, gh_arena_fmt(&arena, "%s HTTP/1.1\r\n" HEADS "X-M2M-Origin: Cnew\r\nX-M2M-RI: r\r\n%s", what, more).ptr);
  gh_arena_free(&arena);
  return a;
}

#define NEW_AE "{\"m2m:ae\":{\"rn\":\"new\",\"api\":\"N.d\",\"rr\":false,\"srv\":[\"3\"]}}"

/*= TS-0003 7.2.1; TS-0003 8.2.1 an AE-ID that came by registering is the association's as long as that stands */
static void an_ae_id_goes_with_its_registration(void **state)
{
  served *s = *state;
  static const tls_peer_options options = {.identity = "new@maf.sp.example.com", .key_hex = GOOD_KEY};
  static const char body[] = "Content-Type: application/json;ty=2\r\nContent-Length: 58\r\n\r\n" NEW_AE;
  static const who heir = {
      GH_PEER_AE, GH_METHOD_PSK, "//sp.example.com/in-cse/Cnew", "12-heir", "heir@maf.sp.example.com", false};
  tls_peer p;
  assert_int_equal(sizeof NEW_AE - 1, 58);
  s->h.host->config.open_registration = true;
  join(&p, s, &options);
  talk r = {&p, GH_BUF_INIT};
  assert_int_equal(as_new(&r, "GET /cse-in/new", "\r\n").rsc, 4106);
  assert_int_equal(as_new(&r, "POST /cse-in", body).rsc, 2001);
  assert_int_equal(as_new(&r, "GET /cse-in/new", "\r\n").rsc, 2000);
  assert_int_equal(as_new(&r, "DELETE /cse-in/new", "\r\n").rsc, 2002);
  assert_int_equal(as_new(&r, "GET /cse-in/meter", "\r\n").rsc, 4106); /* as before it registered */
  assert_int_equal(as_new(&r, "POST /cse-in", body).rsc, 2001);        /* it may come back, and is bound again */
  assert_int_equal(as_new(&r, "GET /cse-in/new", "\r\n").rsc, 2000);
  assert_int_equal(as_new(&r, "DELETE /cse-in/new", "\r\n").rsc, 2002);
  assert_rsc(ask(&s->h, &heir, GH_OP_CREATE, "cse-in", "Cnew", 2, NEW_AE), 2001); /* its credential names it */
  assert_int_equal(as_new(&r, "GET /cse-in/new", "\r\n").rsc, 4106);
  assert_int_equal(as_new(&r, "DELETE /cse-in/new", "\r\n").rsc, 4106);
  part(&r);
}

int main(void)
{
#define SERVED(name) cmocka_unit_test_setup_teardown(name, setup_served, teardown_served)
  const struct CMUnitTest tests[] = {
      SERVED(pipelined_requests_are_answered_in_order),
      SERVED(requests_in_pieces),
      SERVED(waits_for_permission_to_send_the_body),
      SERVED(half_a_request_is_not_waited_for),
      SERVED(a_request_in_drops_is_not_waited_for),
      SERVED(an_answer_may_take_longer_than_a_request),
      SERVED(half_a_request_behind_a_write),
      SERVED(a_head_without_end),
      SERVED(bodies_that_are_too_large),
      SERVED(a_body_of_the_largest_size),
      SERVED(deep_and_odd_bodies),
      SERVED(a_hundred_half_open_connections),
      SERVED(answers_that_nobody_reads_are_bounded),
      SERVED(the_connection_ends_while_a_write_is_under_way),
      SERVED(close_and_keep_alive),
      SERVED(methods_that_are_none_of_ours),
      SERVED(octets_that_are_no_http),
      SERVED(clear_text_is_told_so),
      SERVED(nothing_is_performed_for_a_revoked_association),
      SERVED(refusals_and_their_status),
      SERVED(an_ae_id_goes_with_its_registration),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
