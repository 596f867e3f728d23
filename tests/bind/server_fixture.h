/* A CSE host behind its HTTP server on a real socket, TLS with a pre-shared key. For each registered client of the
 * script the key source knows an AE. */
#ifndef GH_TEST_SERVER_FIXTURE_H
#define GH_TEST_SERVER_FIXTURE_H

#include "../host/harness.h"
#include "../link/tls_peer.h"

#include "bind/http_server.h"
#include "link/conn_private.h"

#define METER "//sp.example.com/in-cse/Cmeter"

static const link_key server_keys[] = {
    {.identity = "meter@maf.sp.example.com", .key_hex = GOOD_KEY, .peer_id = METER},
    {.identity = "other@maf.sp.example.com", .key_hex = GOOD_KEY, .peer_id = "//sp.example.com/in-cse/Cother"},
    {.identity = "new@maf.sp.example.com", .key_hex = GOOD_KEY, .credential_id = "12-new"}, /* registers first */
    {.identity = "in2@keys.example.com", .key_hex = GOOD_KEY, .peer_id = "//sp2.example.net/in2", .is_cse = true},
    {.identity = "mn1@keys.example.com", .key_hex = GOOD_KEY, .peer_id = "//sp.example.com/mn1", .is_cse = true},
};

static const tls_peer_options as_meter = {.identity = "meter@maf.sp.example.com", .key_hex = GOOD_KEY},
                              as_other = {.identity = "other@maf.sp.example.com", .key_hex = GOOD_KEY};

typedef struct served {
  harness h;
  link_test *keys; /* only its key script */
  gh_http_server http;
  gh_tls_server *tls;
  gh_listener *listener;
  uint16_t port;
} served;

/* Reads exactly one answer, whatever follows it in the same record. */
typedef struct talk {
  tls_peer *p;
  gh_buf in;
} talk;

static const who meter_ae = {GH_PEER_AE, GH_METHOD_PSK, METER, "12-x", "meter@maf.sp.example.com", false};
static const who other_ae = {
    GH_PEER_AE, GH_METHOD_PSK, "//sp.example.com/in-cse/Cother", "12-y", "other@maf.sp.example.com", false};

static inline int setup_served(void **state)
{
  served *s = calloc(1, sizeof *s);
  gh_random random = gh_random_system();
  gh_diag diag = {""};
  harness_start(&s->h, &gh_cse_function);
  s->keys = link_new(server_keys, sizeof server_keys / sizeof *server_keys);
  s->keys->tls.alpn = GH_HTTP_ALPN;
  assert_int_equal(gh_tls_server_new(&s->keys->tls, &s->keys->source, &random, &s->tls, &diag), GH_OK);
  s->http = (gh_http_server){.host = s->h.host, .limits = gh_http_default_limits};
  gh_listener_options options = {.host = "127.0.0.1", .tls = s->tls};
  gh_http_server_listen_options(&s->http, &options);
  if (gh_listener_open(&options, s->h.workers, 1, &s->port, &s->listener, &diag) != GH_OK) fail_msg("%s", diag.text);
  assert_rsc(ask(&s->h, &meter_ae, GH_OP_CREATE, "cse-in", "C", 2,
                 "{\"m2m:ae\":{\"rn\":\"meter\",\"api\":\"N.d\",\"rr\":false,\"srv\":[\"3\"]}}"),
             2001);
  assert_rsc(ask(&s->h, &other_ae, GH_OP_CREATE, "cse-in", "C", 2,
                 "{\"m2m:ae\":{\"rn\":\"other\",\"api\":\"N.d\",\"rr\":false,\"srv\":[\"3\"]}}"),
             2001);
  assert_rsc(ask(&s->h, &meter_ae, GH_OP_CREATE, "cse-in/meter", "Cmeter", 3, "{\"m2m:cnt\":{\"rn\":\"box\"}}"),
             2001);
  *state = s;
  return 0;
}

static inline int teardown_served(void **state)
{
  served *s = *state;
  gh_listener_close(s->listener);
  harness_stop(&s->h);
  gh_listener_free(s->listener);
  gh_tls_server_free(s->tls);
  pthread_cond_destroy(&s->keys->changed);
  pthread_mutex_destroy(&s->keys->lock);
  free(s->keys);
  free(s);
  return 0;
}

static inline void join(tls_peer *p, const served *s, const tls_peer_options *options)
{
  if (!peer_connect(p, s->port, options)) fail_msg("alert %d", p->alert);
}

static inline void send_text(tls_peer *p, const char *text, size_t len)
{
  assert_int_equal(SSL_write(p->ssl, text, (int)len), len);
}

/* ---- answers */

typedef struct http_answer {
  int status, rsc;
  char ri[64];
  bool closes; /* Connection: close */
  gh_str body; /* until the next answer is read */
} http_answer;

static inline int number_behind(const char *head, const char *name)
{
  const char *at = strstr(head, name);
  return at ? atoi(at + strlen(name)) : 0;
}

/* False when the connection ended before a whole answer. */
static inline bool read_answer(talk *r, http_answer *a)
{
  char head[4096];
  for (;;) {
    gh_str rest = gh_buf_rest(&r->in);
    const char *end = rest.len ? memmem(rest.ptr, rest.len, "\r\n\r\n", 4) : NULL;
    if (end) {
      size_t head_len = (size_t)(end - rest.ptr) + 4;
      assert_true(head_len < sizeof head);
      memcpy(head, rest.ptr, head_len);
      head[head_len] = '\0';
      size_t body = (size_t)number_behind(head, "Content-Length: ");
      if (rest.len >= head_len + body) {
        *a = (http_answer){.status = number_behind(head, "HTTP/1.1 "),
                           .rsc = number_behind(head, "X-M2M-RSC: "),
                           .closes = strstr(head, "Connection: close") != NULL,
                           .body = {rest.ptr + head_len, body}};
        const char *ri = strstr(head, "X-M2M-RI: ");
        if (ri) sscanf(ri + 10, "%63[^\r]", a->ri);
        r->in.pos += head_len + body; /* consumed, but kept in place for a->body */
        return true;
      }
    }
    if (r->in.pos == r->in.len) gh_buf_clear(&r->in);
    size_t got = 0;
    char *into = gh_buf_reserve(&r->in, 65536);
    if (SSL_read_ex(r->p->ssl, into, 65536, &got) != 1) return false;
    gh_buf_added(&r->in, got);
  }
}

static inline void part(talk *r)
{
  peer_end(r->p);
  gh_buf_free(&r->in);
}

/* Sends a request text and reads its answer. */
static inline http_answer say(talk *r, const char *text)
{
  http_answer a = {0};
  send_text(r->p, text, strlen(text));
  if (!read_answer(r, &a)) fail_msg("no answer to %s", text);
  return a;
}

#define HEADS "Host: in-cse.sp.example.com\r\nX-M2M-RVI: 3\r\n"
#define FROM_METER HEADS "X-M2M-Origin: Cmeter\r\n"
#define GET_BOX(ri) "GET /cse-in/meter/box HTTP/1.1\r\n" FROM_METER "X-M2M-RI: " ri "\r\n\r\n"

/* POST of a contentInstance, or of anything. */
static inline gh_str post(gh_arena *arena, const char *path, int ty, const char *ri, const char *body)
{
  return gh_arena_fmt(arena,
                      "POST %s HTTP/1.1\r\n" FROM_METER
                      "X-M2M-RI: %s\r\nContent-Type: application/json;ty=%d\r\nContent-Length: %zu\r\n\r\n%s",
                      path, ri, ty, strlen(body), body);
}

/* ---- the inside of the server */

static inline void look_at_connections(void *arg)
{
  const gh_worker *worker = *(const gh_worker **)arg;
  size_t *out = ((size_t **)arg)[1];
  out[0] = out[1] = out[2] = out[3] = 0;
  for (const gh_conn *conn = worker->first; conn; conn = conn->next) {
    out[0]++;
    if (conn->out.cap > out[1]) out[1] = conn->out.cap;
    out[2] += conn->state == GH_CONN_DRAINING;
    out[3] += gh_buf_rest(&conn->out).len;
  }
}

typedef struct inside {
  size_t connections, largest_out, draining, unsent;
} inside;

static inline inside look_inside(served *s)
{
  size_t numbers[4];
  void *arg[] = {&s->h.worker, numbers};
  gh_loop_call(s->h.loop, look_at_connections, arg);
  return (inside){numbers[0], numbers[1], numbers[2], numbers[3]};
}

static inline void wait_connections(served *s, size_t wanted)
{
  time_t begin = time(NULL);
  while (look_inside(s).connections != wanted && time(NULL) < begin + LINK_WAIT_S) continue;
  assert_int_equal(look_inside(s).connections, wanted);
}

/* Sends, and comes back when the server has taken all of it and begun what it asks for. */
static inline void send_and_wait(served *s, tls_peer *p, gh_str text)
{
  uint_fast64_t before = atomic_load(&s->h.worker.counters.bytes_in);
  time_t begin = time(NULL);
  send_text(p, text.ptr, text.len);
  while (atomic_load(&s->h.worker.counters.bytes_in) < before + text.len && time(NULL) < begin + LINK_WAIT_S)
    look_inside(s);
  assert_true(atomic_load(&s->h.worker.counters.bytes_in) >= before + text.len);
  look_inside(s);
}

#endif
