/* Our own client side, many connections on a loop of its own. */
#ifndef GH_TEST_CLIENT_SIDE_H
#define GH_TEST_CLIENT_SIDE_H

#include "link_fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>

enum { CLIENTS_MAX = 256 };

typedef struct client_side {
  link_test *t; /* its clock; its lock and condition count here too */
  gh_loop *loop;
  gh_worker worker;
  gh_tls_client *tls;
  int ready, closed, answers; /* under t->lock */
  gh_err last_why;
  int last_alert;
  char last_refusal[200];      /* why we did not take the server's certificates */
  gh_conn *conns[CLIENTS_MAX]; /* on the loop; NULL: gone */
  size_t count;
  size_t wanted;
} client_side;

static inline void client_ready(gh_conn *conn, void *ctx)
{
  (void)conn;
  client_side *c = ctx;
  count_up(c->t, &c->ready);
}

static inline void client_data(gh_conn *conn, void *ctx, gh_str octets)
{
  (void)conn;
  (void)octets;
  client_side *c = ctx;
  count_up(c->t, &c->answers);
}

static inline void client_closed(gh_conn *conn, void *ctx, gh_err why, const char *reason)
{
  (void)reason;
  client_side *c = ctx;
  for (size_t i = 0; i < c->count; i++)
    if (c->conns[i] == conn) c->conns[i] = NULL;
  c->last_why = why;
  c->last_alert = gh_conn_alert(conn, NULL);
  gh_str_to_cstr(gh_conn_refusal(conn), c->last_refusal, sizeof c->last_refusal);
  count_up(c->t, &c->closed);
}

static inline void init_client_worker(void *arg)
{
  client_side *c = arg;
  gh_worker_init(&c->worker, gh_loop_uv(c->loop), c->loop, &c->t->clock, NULL, NULL);
}

static inline void client_begin(client_side *c, link_test *t, const gh_tls_client_options *options)
{
  gh_diag diag = {""};
  *c = (client_side){.t = t};
  assert_int_equal(gh_loop_start("clients", &c->loop), GH_OK);
  gh_loop_call(c->loop, init_client_worker, c);
  if (gh_tls_client_new(options, &c->tls, &diag) != GH_OK) fail_msg("%s", diag.text);
}

static inline void connect_on_loop(void *arg)
{
  static const gh_conn_handler handler = {.ready = client_ready, .data = client_data, .closed = client_closed};
  client_side *c = arg;
  struct sockaddr_in in = {
      .sin_family = AF_INET, .sin_port = htons(c->t->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  for (; c->wanted; c->wanted--) {
    MUST(c->count < CLIENTS_MAX);
    gh_conn **conn = &c->conns[c->count++];
    MUST(gh_conn_connect(&c->worker, (struct sockaddr *)&in, sizeof in, c->tls,
                         gh_clock_mono_us(&c->t->clock) + 600 * GH_US_PER_S, &handler, c, conn) == GH_OK);
  }
}

static inline void client_connect(client_side *c, size_t count)
{
  c->wanted = count;
  gh_loop_call(c->loop, connect_on_loop, c);
}

static inline void ask_on_loop(void *arg)
{
  client_side *c = arg;
  for (size_t i = 0; i < c->count; i++)
    if (c->conns[i]) gh_conn_write(c->conns[i], GH_STR("GET / HTTP/1.1\r\n\r\n"));
}

static inline void close_on_loop(void *arg)
{
  client_side *c = arg;
  for (size_t i = 0; i < c->count; i++)
    if (c->conns[i]) gh_conn_close(c->conns[i], GH_OK, "test");
}

static inline void client_close_all(client_side *c)
{
  gh_loop_call(c->loop, close_on_loop, c);
}

static inline void end_clients_on_loop(void *arg)
{
  client_side *c = arg;
  gh_worker_close(&c->worker);
}

static inline void client_end(client_side *c)
{
  gh_loop_call(c->loop, end_clients_on_loop, c);
  gh_loop_stop(c->loop);
  gh_worker_free(&c->worker);
  gh_tls_client_free(c->tls);
}

static inline gh_tls_client_options psk_client(const char *identity, const gh_secret *key, bool tls13)
{
  return (gh_tls_client_options){.tls = {.tls13 = tls13, .require_ems = true},
                                 .server_name = GH_STR("in-cse.sp.example.com"),
                                 .psk_identity = gh_str_of(identity),
                                 .psk = key};
}

static inline gh_secret secret_of(const char *hex)
{
  uint8_t octets[GH_SECRET_MAX_BYTES];
  gh_secret secret = {.len = 0};
  size_t len = octets_of(hex, octets);
  assert_int_equal(gh_secret_set(&secret, octets, len), GH_OK);
  return secret;
}

#endif
