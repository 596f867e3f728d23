/* A CSE whose HTTP port offers WebSocket, and a client on a blocking socket that uses our stream in the client's
 * role, or sends frames by hand. */
#ifndef GH_TEST_WS_FIXTURE_H
#define GH_TEST_WS_FIXTURE_H

#include "server_fixture.h"

#include "m2m/primitive_tree.h"

enum { WS_MESSAGE_MAX = 300 * 1024, INBOX_MAX = 128 };

typedef struct ws_served {
  served *s;
  gh_ws_server server;
  gh_loop *far_loop; /* a second worker, without connections */
  gh_worker far;
  gh_worker *workers[2];
} ws_served;

static inline void ws_init_far(void *arg)
{
  ws_served *w = arg;
  gh_worker_init(&w->far, gh_loop_uv(w->far_loop), w->far_loop, &w->s->h.options.clock, NULL, NULL);
  w->far.index = 1;
}

static inline int setup_ws_before(void **state, gh_outbound next)
{
  ws_served *w = calloc(1, sizeof *w);
  void *inner = NULL;
  setup_served(&inner);
  w->s = inner;
  assert_int_equal(gh_loop_start("far", &w->far_loop), GH_OK);
  gh_loop_call(w->far_loop, ws_init_far, w);
  w->workers[0] = &w->s->h.worker;
  w->workers[1] = &w->far;
  w->server = (gh_ws_server){.host = w->s->h.host,
                             .max_message_bytes = WS_MESSAGE_MAX,
                             .outbound = gh_ws_outbound_new(next, w->workers, 2, NULL)};
  w->s->http.websocket = &w->server;
  *state = w;
  return 0;
}

static inline int setup_ws(void **state)
{
  return setup_ws_before(state, (gh_outbound){.send = NULL});
}

static inline int teardown_ws(void **state)
{
  ws_served *w = *state;
  void *inner = w->s;
  gh_ws_outbound_stop(w->server.outbound);
  gh_loop_call(w->far_loop, harness_close_worker, &w->far);
  gh_loop_stop(w->far_loop);
  gh_worker_free(&w->far);
  teardown_served(&inner);
  gh_ws_outbound_free(w->server.outbound);
  free(w);
  return 0;
}

/* ---- client */

typedef struct ws_client {
  tls_peer p;
  gh_representation representation;
  gh_ws_stream *stream;
  gh_buf out;
  gh_arena arena;
  gh_val *inbox[INBOX_MAX];
  size_t received, taken;
  uint64_t seed;
  char key[GH_WS_KEY_CHARS + 1];
} ws_client;

static inline void ws_on_message(void *ctx, bool binary, gh_str octets)
{
  ws_client *c = ctx;
  gh_diag diag = {""};
  assert_int_equal(binary, c->representation == GH_REP_CBOR);
  assert_true(c->received < INBOX_MAX);
  if (gh_representation_decode(c->representation, &c->arena, gh_arena_dup(&c->arena, octets),
                               &c->inbox[c->received++], &diag) != GH_OK)
    fail_msg("%s", diag.text);
}

static inline void ws_flush(ws_client *c)
{
  gh_str rest = gh_buf_rest(&c->out);
  if (rest.len) send_text(&c->p, rest.ptr, rest.len);
  gh_buf_clear(&c->out);
  c->out.pos = 0;
}

/* Reads what comes; false at the end of the association. */
static inline bool ws_pump(ws_client *c)
{
  static char octets[65536];
  size_t got = 0, used = 0;
  if (SSL_read_ex(c->p.ssl, octets, sizeof octets, &got) != 1) return false;
  gh_ws_feed(c->stream, (gh_str){octets, got}, &used);
  ws_flush(c);
  return true;
}

static inline void ws_open(ws_client *c, ws_served *w, const tls_peer_options *options,
                           gh_representation representation)
{
  *c = (ws_client){.representation = representation, .seed = 7};
  gh_arena_init(&c->arena);
  join(&c->p, w->s, options);
  gh_random random = gh_random_of_seed(&c->seed);
  assert_int_equal(gh_ws_make_key(&random, c->key), GH_OK);
  gh_ws_write_offer(&c->out, GH_STR("in-cse.sp.example.com"), c->key, representation);
  ws_flush(c);
  c->stream = gh_ws_stream_new(&(gh_ws_options){.role = GH_WS_CLIENT,
                                                .max_message_bytes = 1 << 24,
                                                .random = random,
                                                .out = &c->out,
                                                .message = ws_on_message,
                                                .ctx = c});
}

/* The handshake is granted. */
static inline void ws_granted(ws_client *c)
{
  gh_http_reader reader;
  gh_diag diag = {""};
  gh_http_reader_init(&reader, GH_HTTP_RESPONSES, NULL);
  reader.websocket = true;
  for (gh_http_state state = GH_HTTP_NEED_MORE; state != GH_HTTP_MESSAGE;) {
    char octet; /* one by one, so that nothing behind the head is taken */
    size_t got = 0, used = 0;
    assert_int_equal(SSL_read_ex(c->p.ssl, &octet, 1, &got), 1);
    state = gh_http_feed(&reader, (gh_str){&octet, 1}, &used);
    assert_int_not_equal(state, GH_HTTP_ERROR);
  }
  if (gh_ws_check_grant(&reader.message, c->key, c->representation, &diag) != GH_OK) fail_msg("%s", diag.text);
  gh_http_reader_free(&reader);
}

static inline void ws_join(ws_client *c, ws_served *w, const tls_peer_options *options,
                           gh_representation representation)
{
  ws_open(c, w, options, representation);
  ws_granted(c);
}

static inline void ws_part(ws_client *c)
{
  gh_ws_stream_free(c->stream);
  gh_buf_free(&c->out);
  gh_arena_free(&c->arena);
  if (c->p.fd >= 0) peer_end(&c->p);
}

/* JSON text, sent in the serialization of the connection. */
static inline void ws_say(ws_client *c, const char *json)
{
  gh_val *tree = NULL;
  gh_buf octets = GH_BUF_INIT;
  assert_int_equal(gh_json_parse(&c->arena, gh_str_of(json), NULL, &tree, NULL), GH_OK);
  gh_representation_encode(c->representation, &octets, tree);
  assert_true(gh_ws_send(c->stream, c->representation, gh_buf_str(&octets)));
  ws_flush(c);
  gh_buf_free(&octets);
}

static inline gh_val *ws_next(ws_client *c)
{
  while (c->taken == c->received)
    if (!ws_pump(c)) fail_msg("the connection ended");
  return c->inbox[c->taken++];
}

static inline int64_t ws_rsc(const gh_val *response)
{
  int64_t rsc = 0;
  return gh_val_get_int(response, GH_STR("rsc"), &rsc) ? rsc : 0;
}

static inline gh_str ws_text(const gh_val *primitive, const char *name)
{
  gh_str text = GH_STR_NONE;
  (void)gh_val_get_str(primitive, gh_str_of(name), &text);
  return text;
}

static inline int64_t ws_ask(ws_client *c, const char *json)
{
  ws_say(c, json);
  return ws_rsc(ws_next(c));
}

#define WS_GET(to, rqi) "{\"op\":2,\"to\":\"" to "\",\"fr\":\"Cmeter\",\"rqi\":\"" rqi "\",\"rvi\":\"3\"}"

#endif
