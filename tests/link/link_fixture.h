/* A listener on a port that the system chooses, with keys that the test scripts. It answers each request (octets up
 * to an empty line) with who the association proved: "AE //sp.example.com/in-cse/C1 TLSv1.2 PSK-AES128-GCM-SHA256".
 * Everything that happens on its loop is counted; a test waits for counts, never for time. */
#ifndef GH_TEST_LINK_FIXTURE_H
#define GH_TEST_LINK_FIXTURE_H

#include "../base/must.h"
#include "../m2m/cmocka_all.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "link/listener.h"

#define GOOD_KEY "0123456789abcdef0123456789abcdef"
#define REFUSAL "HTTP/1.1 403 \r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

enum { KEPT_QUERIES = 512, LINK_WAIT_S = 30 };

/* What the key source knows of an identity. */
typedef struct link_key {
  const char *identity, *key_hex;
  const char *peer_id; /* NULL: a credential without identity */
  int64_t not_after_us;
  bool later; /* answered when the test says so */
  gh_err result;
  const char *credential_id; /* NULL: "12-x" */
  bool is_cse;               /* whose peer_id it is */
} link_key;

typedef struct link_counts { /* under the lock */
  int ready, closed, requests, asked;
  gh_err last_why;
  char last_reason[80];
  int last_alert;
  bool last_alert_sent;
} link_counts;

typedef struct link_test {
  gh_loop *loop;
  gh_worker worker;
  gh_worker *workers[1];
  gh_clock clock;
  _Atomic int64_t clock_offset_us;
  gh_link_limits limits;
  gh_tls_options tls;
  gh_key_source source;
  const link_key *keys;
  size_t key_count;
  gh_err (*name_peer)(void *ctx, gh_cert_flavour flavour, gh_str name, int64_t not_after_us, gh_peer *peer);
  gh_tls_server *server;
  gh_listener_options listen;
  gh_listener *listener;
  uint16_t port;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  link_counts counts;
  gh_psk_query *kept[KEPT_QUERIES]; /* on the worker only */
  size_t kept_count;
} link_test;

/* ---- clock ---- */

static inline int64_t link_wall(void *ctx)
{
  return gh_clock_system().wall_us(NULL) + atomic_load(&((link_test *)ctx)->clock_offset_us);
}

static inline int64_t link_mono(void *ctx)
{
  return gh_clock_system().mono_us(NULL) + atomic_load(&((link_test *)ctx)->clock_offset_us);
}

static inline void pass_time(link_test *t, int64_t seconds)
{
  atomic_fetch_add(&t->clock_offset_us, seconds * GH_US_PER_S);
}

/* ---- waiting ---- */

static inline link_counts counts_now(link_test *t)
{
  pthread_mutex_lock(&t->lock);
  link_counts now = t->counts;
  pthread_mutex_unlock(&t->lock);
  return now;
}

static inline void wait_count(link_test *t, const int *count, int wanted)
{
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += LINK_WAIT_S;
  int late = 0;
  pthread_mutex_lock(&t->lock);
  while (*count < wanted && !late) late = pthread_cond_timedwait(&t->changed, &t->lock, &until);
  int reached = *count;
  pthread_mutex_unlock(&t->lock);
  if (reached < wanted) fail_msg("waited for %d, there are %d", wanted, reached);
}

static inline void wait_ready(link_test *t, int wanted)
{
  wait_count(t, &t->counts.ready, wanted);
}

static inline void wait_closed(link_test *t, int wanted)
{
  wait_count(t, &t->counts.closed, wanted);
}

static inline void wait_asked(link_test *t, int wanted)
{
  wait_count(t, &t->counts.asked, wanted);
}

static inline void count_up(link_test *t, int *count)
{
  pthread_mutex_lock(&t->lock);
  ++*count;
  pthread_cond_broadcast(&t->changed);
  pthread_mutex_unlock(&t->lock);
}

/* ---- keys ---- */

static inline int hex_value(char c)
{
  return c <= '9' ? c - '0' : c - 'a' + 10;
}

static inline size_t octets_of(const char *hex, uint8_t *out)
{
  size_t len = strlen(hex) / 2;
  for (size_t i = 0; i < len; i++) out[i] = (uint8_t)(hex_value(hex[2 * i]) << 4 | hex_value(hex[2 * i + 1]));
  return len;
}

static inline void fill_answer(const link_key *key, gh_psk_query *query)
{
  uint8_t octets[GH_SECRET_MAX_BYTES];
  query->result = key->result;
  query->why = "scripted";
  if (key->result != GH_OK) return;
  MUST(gh_secret_set(&query->key, octets, octets_of(key->key_hex, octets)) == GH_OK);
  gh_peer peer = {.kind = !key->peer_id ? GH_PEER_CREDENTIAL
                          : key->is_cse ? GH_PEER_CSE
                                        : GH_PEER_AE,
                  .method = GH_METHOD_PSK,
                  .id = gh_str_of(key->peer_id),
                  .credential_id = gh_str_of(key->credential_id ? key->credential_id : "12-x"),
                  .key_id = gh_str_of(key->identity),
                  .not_after_us = key->not_after_us};
  gh_peer_copy(&query->peer, &peer);
}

static inline const link_key *key_of(const link_test *t, gh_str identity)
{
  for (size_t i = 0; i < t->key_count; i++)
    if (gh_str_eq(identity, gh_str_of(t->keys[i].identity))) return &t->keys[i];
  return NULL;
}

static inline gh_err scripted_psk(void *ctx, gh_psk_query *query)
{
  link_test *t = ctx;
  const link_key *key = key_of(t, query->identity);
  if (!key) {
    query->why = "unknown-identity";
    count_up(t, &t->counts.asked);
    return GH_ENOTFOUND;
  }
  if (key->later) {
    MUST(t->kept_count < KEPT_QUERIES);
    t->kept[t->kept_count++] = query;
    count_up(t, &t->counts.asked);
    return GH_EAGAIN;
  }
  fill_answer(key, query);
  count_up(t, &t->counts.asked);
  return query->result;
}

static inline void answer_kept_on_worker(void *arg)
{
  link_test *t = arg;
  size_t count = t->kept_count;
  t->kept_count = 0;
  for (size_t i = 0; i < count; i++) {
    const link_key *key = key_of(t, t->kept[i]->identity);
    if (key) fill_answer(key, t->kept[i]);
    t->kept[i]->done(t->kept[i]);
  }
}

/* Every question that waits is answered with what the script says. */
static inline void answer_kept(link_test *t)
{
  gh_loop_call(t->loop, answer_kept_on_worker, t);
}

static inline gh_err scripted_peer(void *ctx, gh_cert_flavour flavour, gh_str name, int64_t not_after_us,
                                   gh_peer *peer)
{
  link_test *t = ctx;
  if (t->name_peer) return t->name_peer(ctx, flavour, name, not_after_us, peer);
  gh_peer found = {.kind = GH_PEER_CSE, .method = GH_METHOD_CERTIFICATE, .id = name, .not_after_us = not_after_us};
  if (flavour == GH_CERT_AE_ID) found.kind = GH_PEER_AE;
  gh_peer_copy(peer, &found);
  return GH_OK;
}

/* ---- connections ---- */

typedef struct link_session {
  link_test *t;
  gh_buf in;
} link_session;

static inline void session_ready(gh_conn *conn, void *ctx)
{
  (void)conn;
  link_session *s = ctx;
  count_up(s->t, &s->t->counts.ready);
}

/* GET /big: eight megabytes. GET /key: the exporter's octets. Any other: who is there. */
static inline void answer_request(gh_conn *conn, gh_str request)
{
  gh_arena arena;
  gh_arena_init(&arena);
  gh_str body = gh_arena_fmt(&arena, "%.*s %.*s", GH_STR_ARG(gh_peer_text(&arena, gh_conn_peer(conn))),
                             GH_STR_ARG(gh_conn_protocol(&arena, conn)));
  if (gh_str_starts(request, GH_STR("GET /big"))) body = (gh_str){gh_arena_zalloc(&arena, 8 << 20), 8 << 20};
  if (gh_str_starts(request, GH_STR("GET /key"))) {
    uint8_t octets[48];
    char *text = gh_arena_zalloc(&arena, 97);
    MUST(gh_conn_export(conn, "EXPORTER-oneM2M-test", octets) == GH_OK);
    for (size_t i = 0; i < 48; i++) snprintf(text + 2 * i, 3, "%02x", octets[i]);
    body = gh_str_of(text);
  }
  gh_buf_fmt(gh_conn_out(conn), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", body.len);
  gh_buf_add(gh_conn_out(conn), body);
  gh_conn_flush(conn);
  gh_arena_free(&arena);
}

/* Servers that a client of ours must bear. True: and then it closes. */
static inline bool misbehave(gh_conn *conn, gh_str request)
{
  gh_str path = gh_str_sub(request, gh_str_find(request, '/'), SIZE_MAX);
  if (gh_str_starts(path, GH_STR("/never"))) return false;
  if (gh_str_starts(path, GH_STR("/cut"))) return true;
  if (gh_str_starts(path, GH_STR("/half"))) {
    gh_conn_write(conn, GH_STR("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"));
    return true;
  }
  if (gh_str_starts(path, GH_STR("/noise"))) {
    gh_conn_write(conn, GH_STR("220 this is another protocol\r\n\r\n"));
    return false;
  }
  answer_request(conn, request);
  return gh_str_starts(path, GH_STR("/last"));
}

static inline void session_data(gh_conn *conn, void *ctx, gh_str octets)
{
  link_session *s = ctx;
  gh_buf_add(&s->in, octets);
  for (;;) {
    gh_str rest = gh_buf_rest(&s->in);
    const char *end = rest.len ? memmem(rest.ptr, rest.len, "\r\n\r\n", 4) : NULL;
    if (!end) return;
    gh_str request = {rest.ptr, (size_t)(end - rest.ptr) + 4};
    bool close = memmem(request.ptr, request.len, "Connection: close", 17) != NULL;
    close |= misbehave(conn, request) || !gh_conn_is_open(conn);
    gh_buf_consume(&s->in, request.len);
    count_up(s->t, &s->t->counts.requests);
    if (close) {
      gh_conn_close(conn, GH_OK, "asked to");
      return;
    }
  }
}

static inline void session_closed(gh_conn *conn, void *ctx, gh_err why, const char *reason)
{
  link_session *s = ctx;
  link_test *t = s->t;
  pthread_mutex_lock(&t->lock);
  t->counts.closed++;
  t->counts.last_why = why;
  snprintf(t->counts.last_reason, sizeof t->counts.last_reason, "%s", reason);
  t->counts.last_alert = gh_conn_alert(conn, &t->counts.last_alert_sent);
  pthread_cond_broadcast(&t->changed);
  pthread_mutex_unlock(&t->lock);
  gh_buf_free(&s->in);
  free(s);
}

static inline void *new_link_session(void *owner, gh_worker *worker)
{
  (void)worker;
  link_session *s = calloc(1, sizeof *s);
  s->t = owner;
  return s;
}

/* ---- begin and end ---- */

static inline void init_link_worker(void *arg)
{
  link_test *t = arg;
  gh_worker_init(&t->worker, gh_loop_uv(t->loop), t->loop, &t->clock, NULL, &t->limits);
}

/* Before link_open the test may change limits, keys and TLS options. */
static inline link_test *link_new(const link_key *keys, size_t count)
{
  static const gh_conn_handler handler = {.ready = session_ready, .data = session_data, .closed = session_closed};
  link_test *t = calloc(1, sizeof *t);
  signal(SIGPIPE, SIG_IGN); /* as gatehouse does */
  t->clock = (gh_clock){link_wall, link_mono, t};
  t->limits = gh_link_default_limits;
  t->tls = (gh_tls_options){.tls13 = true, .require_ems = true};
  t->source = (gh_key_source){.ctx = t, .find_psk = scripted_psk, .name_peer = scripted_peer};
  t->keys = keys;
  t->key_count = count;
  t->workers[0] = &t->worker;
  t->listen = (gh_listener_options){.host = "127.0.0.1",
                                    .plain_refusal = GH_STR(REFUSAL),
                                    .handler = &handler,
                                    .new_ctx = new_link_session,
                                    .owner = t};
  pthread_mutex_init(&t->lock, NULL);
  pthread_cond_init(&t->changed, NULL);
  return t;
}

static inline void link_listen(link_test *t)
{
  gh_diag diag = {""};
  gh_random random = gh_random_system();
  if (gh_tls_server_new(&t->tls, &t->source, &random, &t->server, &diag) != GH_OK) fail_msg("%s", diag.text);
  t->listen.tls = t->server;
  if (gh_listener_open(&t->listen, t->workers, 1, &t->port, &t->listener, &diag) != GH_OK) fail_msg("%s", diag.text);
  assert_int_not_equal(t->port, 0);
}

static inline void link_open(link_test *t)
{
  assert_int_equal(gh_loop_start("link-test", &t->loop), GH_OK);
  gh_loop_call(t->loop, init_link_worker, t);
  link_listen(t);
}

static inline void close_link_worker(void *arg)
{
  gh_worker_close(arg);
}

static inline void link_end(link_test *t)
{
  gh_listener_close(t->listener);
  gh_loop_call(t->loop, close_link_worker, &t->worker);
  answer_kept(t); /* whoever asked has gone: the answers are thrown away */
  gh_loop_stop(t->loop);
  gh_worker_free(&t->worker);
  gh_listener_free(t->listener);
  gh_tls_server_free(t->server);
  pthread_cond_destroy(&t->changed);
  pthread_mutex_destroy(&t->lock);
  free(t);
}

#endif
