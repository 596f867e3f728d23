/* The blocking association against a server of our own link layer that answers with what the test tells it. */
#include "../m2m/cmocka_all.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/client.h"
#include "crypto/kdf.h"
#include "link/listener.h"

typedef struct server {
  gh_loop *loop;
  gh_worker worker;
  gh_worker *workers[1];
  gh_clock clock;
  gh_random random;
  gh_key_source source;
  gh_tls_server *tls;
  gh_listener *listener;
  uint16_t port;
  const char *answer; /* octets sent for each burst of request octets; NULL: none */
  bool close_after;
  uint8_t exported[48];
} server;

static const gh_secret right = {.bytes = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, .len = 16};
static const gh_secret wrong = {.bytes = {9, 9, 9}, .len = 16};

static gh_err find_psk(void *ctx, gh_psk_query *query)
{
  (void)ctx;
  if (!gh_str_eq(query->identity, GH_STR("dev@maf.example"))) return GH_ENOTFOUND;
  query->key = right;
  gh_peer peer = {.kind = GH_PEER_CREDENTIAL, .method = GH_METHOD_PSK, .key_id = query->identity};
  gh_peer_copy(&query->peer, &peer);
  return GH_OK;
}

static void on_ready(gh_conn *conn, void *ctx)
{
  server *s = ctx;
  assert_int_equal(gh_conn_export(conn, GH_EXPORT_CONNECTION, s->exported), GH_OK);
}

static void on_data(gh_conn *conn, void *ctx, gh_str bytes)
{
  (void)bytes;
  server *s = ctx;
  if (s->answer) gh_conn_write(conn, gh_str_of(s->answer));
  if (s->close_after) gh_conn_close(conn, GH_OK, "told to");
}

static void on_closed(gh_conn *conn, void *ctx, gh_err why, const char *reason)
{
  (void)conn;
  (void)ctx;
  (void)why;
  (void)reason;
}

static const gh_conn_handler handler = {on_ready, on_data, on_closed};

static void *new_ctx(void *owner, gh_worker *worker)
{
  (void)worker;
  return owner;
}

static void init_worker(void *arg)
{
  server *s = arg;
  gh_worker_init(&s->worker, gh_loop_uv(s->loop), s->loop, &s->clock, NULL, NULL);
}

static void close_worker(void *arg)
{
  gh_worker_close(&((server *)arg)->worker);
}

static int start(void **state)
{
  server *s = calloc(1, sizeof(*s));
  s->clock = gh_clock_system();
  s->random = gh_random_system();
  s->source = (gh_key_source){.ctx = s, .find_psk = find_psk};
  s->workers[0] = &s->worker;
  if (gh_loop_start("test", &s->loop) != GH_OK) return -1;
  gh_loop_call(s->loop, init_worker, s);
  gh_tls_options tls = {.tls13 = true, .require_ems = true};
  gh_diag diag;
  if (gh_tls_server_new(&tls, &s->source, &s->random, &s->tls, &diag) != GH_OK) return -1;
  gh_listener_options options = {
      .host = "127.0.0.1", .tls = s->tls, .handler = &handler, .new_ctx = new_ctx, .owner = s};
  if (gh_listener_open(&options, s->workers, 1, &s->port, &s->listener, &diag) != GH_OK) return -1;
  *state = s;
  return 0;
}

static int stop(void **state)
{
  server *s = *state;
  gh_listener_close(s->listener);
  gh_loop_call(s->loop, close_worker, s);
  gh_loop_stop(s->loop);
  gh_worker_free(&s->worker);
  gh_listener_free(s->listener);
  gh_tls_server_free(s->tls);
  free(s);
  return 0;
}

static gh_client_options options_of(const server *s, const gh_secret *key, bool tls13)
{
  return (gh_client_options){.host = GH_STR("127.0.0.1"),
                             .port = s->port,
                             .server_name = GH_STR("cse.example"),
                             .psk_identity = GH_STR("dev@maf.example"),
                             .psk = key,
                             .tls13 = tls13,
                             .timeout_ms = 3000};
}

static gh_client *open_client(const server *s, bool tls13)
{
  gh_client_options options = options_of(s, &right, tls13);
  gh_client *client = NULL;
  gh_diag diag = {""};
  int alert = 0;
  if (gh_client_open(&options, &client, &alert, &diag) != GH_OK) fail_msg("%s", diag.text);
  assert_int_equal(alert, -1);
  return client;
}

static gh_request get(const char *rqi)
{
  return (gh_request){
      .op = GH_OP_RETRIEVE, .to = GH_STR("cse-in"), .rqi = gh_str_of(rqi), .rcn = GH_RCN_ABSENT, .rt = 3};
}

static void asks_over_both_versions(void **state)
{
  server *s = *state;
  s->answer = "HTTP/1.1 200 \r\n"
              "X-M2M-RSC: 2000\r\n"
              "X-M2M-RI: r1\r\n"
              "Content-Type: application/json\r\n"
              "Content-Length: 22\r\n\r\n"
              "{\"m2m:cb\":{\"ri\":\"cb\"}}";
  for (int tls13 = 0; tls13 < 2; tls13++) {
    gh_arena arena;
    gh_arena_init(&arena);
    gh_client *client = open_client(s, tls13);
    for (int i = 0; i < 3; i++) {
      gh_request request = get("r1");
      gh_response response;
      gh_diag diag = {""};
      if (gh_client_request(client, &arena, &request, &response, &diag) != GH_OK) fail_msg("%s", diag.text);
      assert_int_equal(response.rsc, 2000);
      assert_non_null(response.pc);
    }
    assert_true(gh_str_starts(gh_client_protocol(client, &arena), tls13 ? GH_STR("TLSv1.3") : GH_STR("TLSv1.2")));
    /*= TS-0003 10.3.1 both ends get the same octets */
    uint8_t exported[48];
    assert_int_equal(gh_client_export(client, GH_EXPORT_CONNECTION, exported), GH_OK);
    assert_memory_equal(exported, s->exported, 48);
    gh_client_close(client);
    gh_arena_free(&arena);
  }
}

static void wrong_key_is_an_alert(void **state)
{
  for (int tls13 = 0; tls13 < 2; tls13++) {
    gh_client_options options = options_of(*state, &wrong, tls13);
    gh_client *client = NULL;
    gh_diag diag = {""};
    int alert = -1;
    assert_int_equal(gh_client_open(&options, &client, &alert, &diag), GH_EAUTH);
    assert_true(alert > 0);
    assert_non_null(strstr(diag.text, "handshake failed: alert "));
    assert_non_null(strstr(diag.text, gh_alert_name(alert)));
  }
}

/* Nobody can tell an unknown identity from a wrong key. */
static void unknown_identity_looks_the_same(void **state)
{
  for (int tls13 = 0; tls13 < 2; tls13++) {
    gh_client_options options = options_of(*state, &wrong, tls13);
    gh_client *client = NULL;
    int known = -1, unknown = -1;
    gh_diag diag;
    assert_int_equal(gh_client_open(&options, &client, &known, &diag), GH_EAUTH);
    options.psk_identity = GH_STR("nobody@maf.example");
    assert_int_equal(gh_client_open(&options, &client, &unknown, &diag), GH_EAUTH);
    assert_int_equal(known, unknown);
  }
}

static void refuse_answer(server *s, const char *answer, gh_err want)
{
  gh_arena arena;
  gh_arena_init(&arena);
  s->answer = answer;
  gh_client *client = open_client(s, true);
  gh_request request = get("r1");
  gh_response response;
  gh_diag diag = {""};
  assert_int_equal(gh_client_request(client, &arena, &request, &response, &diag), want);
  assert_int_not_equal(gh_client_request(client, &arena, &request, &response, &diag), GH_OK); /* it stays closed */
  gh_client_close(client);
  gh_arena_free(&arena);
}

static void odd_answers(void **state)
{
  refuse_answer(*state, "HTTP/1.1 200 \r\nX-M2M-RSC: 2000\r\nX-M2M-RI: another\r\nContent-Length: 0\r\n\r\n",
                GH_EPROTO);
  refuse_answer(*state, "SSH-2.0-OpenSSH\r\n\r\n", GH_EPROTO);
  refuse_answer(*state, "HTTP/1.1 200 \r\nX-M2M-RSC: 20x0\r\nX-M2M-RI: r1\r\nContent-Length: 0\r\n\r\n", GH_EPROTO);
}

static void no_answer_in_time(void **state)
{
  server *s = *state;
  gh_client_options options = options_of(s, &right, true);
  options.timeout_ms = 400;
  gh_client *client;
  gh_diag diag = {""};
  gh_arena arena;
  gh_arena_init(&arena);
  assert_int_equal(gh_client_open(&options, &client, NULL, &diag), GH_OK);
  gh_request request = get("r1");
  gh_response response;
  assert_int_equal(gh_client_request(client, &arena, &request, &response, &diag), GH_ETIMEOUT);
  gh_client_close(client);
  gh_arena_free(&arena);
}

static void sees_the_close(void **state)
{
  server *s = *state;
  gh_arena arena;
  gh_arena_init(&arena);
  gh_client *client = open_client(s, true);
  assert_int_equal(gh_client_wait_closed(client, 50), GH_ETIMEOUT);
  assert_int_equal(gh_client_wait_closed(client, 0), GH_ETIMEOUT);
  assert_true(gh_client_is_open(client));
  s->close_after = true;
  gh_request request = get("r1");
  gh_response response;
  gh_diag diag = {""};
  assert_int_equal(gh_client_request(client, &arena, &request, &response, &diag), GH_ECONN);
  assert_false(gh_client_is_open(client));
  assert_int_equal(gh_client_wait_closed(client, 50), GH_OK);
  uint8_t exported[48];
  assert_int_equal(gh_client_export(client, GH_EXPORT_CONNECTION, exported), GH_ECONN);
  gh_client_close(client);
  s->answer = "HTTP/1.1 200 \r\nX-M2M-RSC: 2000\r\nX-M2M-RI: r1\r\nContent-Length: 0\r\n\r\n";
  client = open_client(s, true);
  request = get("r1");
  assert_int_equal(gh_client_request(client, &arena, &request, &response, &diag), GH_OK);
  assert_int_equal(gh_client_wait_closed(client, 2000), GH_OK);
  gh_client_close(client);
  gh_arena_free(&arena);
}

static void unreachable(void **state)
{
  server *s = *state;
  gh_client_options options = options_of(s, &right, true);
  gh_client *client = NULL;
  gh_diag diag = {""};
  int alert = 0;
  options.port = 1;
  assert_int_equal(gh_client_open(&options, &client, &alert, &diag), GH_ECONN);
  assert_int_equal(alert, -1);
  options.host = GH_STR("no.such.host.invalid");
  assert_int_equal(gh_client_open(&options, &client, &alert, &diag), GH_ECONN);
  options = options_of(s, &right, true);
  options.psk_identity = GH_STR_NONE;
  assert_int_equal(gh_client_open(&options, &client, &alert, &diag), GH_EINVAL);
}

/* A listener that accepts and says nothing. */
static void silent_server(void **state)
{
  server *s = *state;
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof(at);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
  assert_int_equal(listen(fd, 4), 0);
  assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
  gh_client_options options = options_of(s, &right, true);
  options.port = ntohs(at.sin_port);
  options.timeout_ms = 300;
  gh_client *client = NULL;
  gh_diag diag = {""};
  assert_int_equal(gh_client_open(&options, &client, NULL, &diag), GH_ETIMEOUT);
  close(fd);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(asks_over_both_versions, start, stop),
      cmocka_unit_test_setup_teardown(wrong_key_is_an_alert, start, stop),
      cmocka_unit_test_setup_teardown(unknown_identity_looks_the_same, start, stop),
      cmocka_unit_test_setup_teardown(odd_answers, start, stop),
      cmocka_unit_test_setup_teardown(no_answer_in_time, start, stop),
      cmocka_unit_test_setup_teardown(sees_the_close, start, stop),
      cmocka_unit_test_setup_teardown(unreachable, start, stop),
      cmocka_unit_test_setup_teardown(silent_server, start, stop),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
