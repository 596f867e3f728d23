/* A CSE host behind its CoAP servers on real sockets; requests are made with the codec, answers read with it. */
#ifndef GH_TEST_COAP_SERVER_FIXTURE_H
#define GH_TEST_COAP_SERVER_FIXTURE_H

#include "server_fixture.h"

#include "bind/coap_server.h"

typedef struct coap_served {
  served *s;
  gh_coap_server coap;
  gh_tls_server *tls;
  gh_listener *listener;
  uint16_t port;
} coap_served;

static inline int setup_coap_tcp(void **state)
{
  coap_served *c = calloc(1, sizeof *c);
  void *inner = NULL;
  gh_diag diag = {""};
  setup_served(&inner);
  c->s = inner;
  c->coap = (gh_coap_server){.host = c->s->h.host, .max_body_bytes = 256 * 1024};
  gh_random random = gh_random_system();
  gh_tls_options tls = c->s->keys->tls;
  tls.alpn = "coap";
  assert_int_equal(gh_tls_server_new(&tls, &c->s->keys->source, &random, &c->tls, &diag), GH_OK);
  gh_listener_options options = {.host = "127.0.0.1", .tls = c->tls};
  gh_coap_tcp_listen_options(&c->coap, &options);
  if (gh_listener_open(&options, c->s->h.workers, 1, &c->port, &c->listener, &diag) != GH_OK)
    fail_msg("%s", diag.text);
  *state = c;
  return 0;
}

static inline int teardown_coap_tcp(void **state)
{
  coap_served *c = *state;
  void *inner = c->s;
  gh_listener_close(c->listener);
  teardown_served(&inner);
  gh_listener_free(c->listener);
  gh_tls_server_free(c->tls);
  free(c);
  return 0;
}

/* A request in the making; `path` is "a/b/c". */
static inline gh_coap_message coap_request(uint8_t code, const char *from, const char *path, const char *rqi)
{
  gh_coap_message m = {.code = code, .token_len = 2, .token = {(uint8_t)rqi[0], (uint8_t)rqi[1]}};
  gh_str rest = gh_str_of(path), segment;
  while (gh_str_split(&rest, '/', &segment)) gh_coap_add(&m, GH_COAP_URI_PATH, segment);
  if (from) gh_coap_add(&m, GH_COAP_FR, gh_str_of(from));
  gh_coap_add(&m, GH_COAP_RQI, gh_str_of(rqi));
  gh_coap_add(&m, GH_COAP_RVI, GH_STR("3"));
  return m;
}

static inline void with_body(gh_coap_message *m, const char *ty, const char *body)
{
  gh_coap_add(m, GH_COAP_CONTENT_FORMAT, GH_STR("2"));
  if (ty) gh_coap_add(m, GH_COAP_TY, gh_str_of(ty));
  m->payload = gh_str_of(body);
}

static inline uint32_t rsc_in(const gh_coap_message *m)
{
  uint32_t rsc = 0;
  return gh_coap_find_uint(m, GH_COAP_RSC, &rsc) ? rsc : 0;
}

#endif
