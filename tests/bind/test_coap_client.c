/* The device library's client over CoAP, against our own servers: both transports, long bodies both ways, a bad path.
 */
#include "coap_server_fixture.h"

#include "../link/dtls_peer.h"
#include "client/client.h"

typedef struct both {
  served *s;
  gh_coap_server coap;
  gh_tls_server *dtls, *tls;
  gh_dtls_listener *udp;
  gh_listener *tcp;
  uint16_t udp_port, tcp_port;
} both;

static int setup_both(void **state)
{
  both *b = calloc(1, sizeof *b);
  void *inner = NULL;
  gh_diag diag = {""};
  gh_random random = gh_random_system();
  setup_served(&inner);
  b->s = inner;
  b->coap = (gh_coap_server){.host = b->s->h.host, .max_body_bytes = 256 * 1024};
  gh_tls_options tls = b->s->keys->tls;
  tls.alpn = "coap";
  assert_int_equal(gh_tls_server_new(&tls, &b->s->keys->source, &random, &b->tls, &diag), GH_OK);
  tls.datagram = true;
  assert_int_equal(gh_tls_server_new(&tls, &b->s->keys->source, &random, &b->dtls, &diag), GH_OK);
  gh_listener_options udp = {.host = "127.0.0.1", .tls = b->dtls}, tcp = {.host = "127.0.0.1", .tls = b->tls};
  gh_coap_udp_listen_options(&b->coap, &udp);
  gh_coap_tcp_listen_options(&b->coap, &tcp);
  assert_int_equal(gh_dtls_listener_open(&udp, b->s->h.workers, 1, &random, &b->udp_port, &b->udp, &diag), GH_OK);
  assert_int_equal(gh_listener_open(&tcp, b->s->h.workers, 1, &b->tcp_port, &b->tcp, &diag), GH_OK);
  *state = b;
  return 0;
}

static int teardown_both(void **state)
{
  both *b = *state;
  void *inner = b->s;
  gh_dtls_listener_close(b->udp);
  gh_listener_close(b->tcp);
  teardown_served(&inner);
  gh_dtls_listener_free(b->udp);
  gh_listener_free(b->tcp);
  gh_tls_server_free(b->dtls);
  gh_tls_server_free(b->tls);
  free(b);
  return 0;
}

static gh_err open_client(gh_client_binding binding, uint16_t port, const char *key_hex, gh_client **out)
{
  gh_diag diag = {""};
  gh_secret psk;
  uint8_t octets[GH_SECRET_MAX_BYTES];
  int alert;
  assert_int_equal(gh_secret_set(&psk, octets, octets_of(key_hex, octets)), GH_OK);
  gh_client_options options = {.host = GH_STR("127.0.0.1"),
                               .port = port,
                               .server_name = GH_STR("in-cse.sp.example.com"),
                               .psk_identity = GH_STR("meter@maf.sp.example.com"),
                               .psk = &psk,
                               .binding = binding,
                               .timeout_ms = 20000};
  gh_err err = gh_client_open(&options, out, &alert, &diag);
  if (err != GH_OK) print_message("%s (alert %d)\n", diag.text, alert);
  return err;
}

static int ask_client(gh_client *client, gh_arena *arena, gh_op op, const char *to, uint32_t ty, const char *content,
                      gh_response *response)
{
  gh_diag diag = {""};
  gh_request request = {.op = op,
                        .to = gh_str_of(to),
                        .from = GH_STR("Cmeter"),
                        .has_from = true,
                        .ty = ty,
                        .has_ty = ty != 0,
                        .rcn = GH_RCN_ABSENT,
                        .rt = 3,
                        .drt = 1};
  if (content)
    assert_int_equal(gh_json_parse(arena, gh_str_of(content), &gh_json_default_limits, &request.pc, &diag), GH_OK);
  if (gh_client_request(client, arena, &request, response, &diag) != GH_OK) fail_msg("%s", diag.text);
  return response->rsc;
}

/* A long body there and back, through `port`. */
static void exchange(gh_client_binding binding, uint16_t port, int rounds)
{
  enum { LEN = 5000 };
  static char body[LEN + 100], path[60];
  gh_client *client = NULL;
  gh_arena arena;
  gh_response response;
  gh_arena_init(&arena);
  assert_int_equal(open_client(binding, port, GOOD_KEY, &client), GH_OK);
  assert_true(gh_str_starts(gh_client_protocol(client, &arena),
                            binding == GH_CLIENT_COAP ? GH_STR("DTLSv1.2 ") : GH_STR("TLSv1.2 ")));
  for (int i = 0; i < rounds; i++) {
    int len = snprintf(body, sizeof body, "{\"m2m:cin\":{\"rn\":\"long%d\",\"con\":\"", i);
    memset(body + len, 'z', LEN);
    memcpy(body + len + LEN, "\"}}", 4);
    assert_int_equal(ask_client(client, &arena, GH_OP_CREATE, "cse-in/meter/box", 4, body, &response), 2001);
    snprintf(path, sizeof path, "cse-in/meter/box/long%d", i);
    assert_int_equal(ask_client(client, &arena, GH_OP_RETRIEVE, path, 0, NULL, &response), 2000);
    gh_str con;
    assert_true(gh_val_get_str(gh_val_get(response.pc, GH_STR("m2m:cin")), GH_STR("con"), &con));
    assert_int_equal(con.len, LEN);
    assert_int_equal(ask_client(client, &arena, GH_OP_DELETE, path, 0, NULL, &response), 2002);
  }
  assert_int_equal(ask_client(client, &arena, GH_OP_RETRIEVE, "cse-in/other", 0, NULL, &response), 4103);
  gh_client_close(client);
  gh_arena_free(&arena);
}

/*= TS-0008 6.3.1; TS-0008 6.5; TS-0008 7; TS-0003 10.2.3 */
static void over_dtls(void **state)
{
  const both *b = *state;
  exchange(GH_CLIENT_COAP, b->udp_port, 3);
}

static void over_tls(void **state)
{
  const both *b = *state;
  exchange(GH_CLIENT_COAP_TCP, b->tcp_port, 3);
}

static void over_a_bad_path(void **state)
{
  const both *b = *state;
  static relay r;
  uint16_t port = relay_begin(&r, b->udp_port, 12, 4, 4);
  exchange(GH_CLIENT_COAP, port, 1);
  relay_end(&r);
}

/*= TS-0003 10.3.1 */
static void the_exporter_is_there(void **state)
{
  const both *b = *state;
  gh_client *client = NULL;
  uint8_t key[48], none[48] = {0};
  assert_int_equal(open_client(GH_CLIENT_COAP, b->udp_port, GOOD_KEY, &client), GH_OK);
  assert_int_equal(gh_client_export(client, "EXPORTER-oneM2M-Connection", key), GH_OK);
  assert_memory_not_equal(key, none, 48);
  gh_client_close(client);
}

static void a_wrong_key(void **state)
{
  const both *b = *state;
  gh_client *client = NULL;
  assert_int_not_equal(open_client(GH_CLIENT_COAP_TCP, b->tcp_port, "00112233445566778899aabbccddeeff", &client),
                       GH_OK);
}

static void the_server_ends_the_association(void **state)
{
  both *b = *state;
  gh_client *client = NULL;
  assert_int_equal(open_client(GH_CLIENT_COAP, b->udp_port, GOOD_KEY, &client), GH_OK);
  wait_connections(b->s, 1);
  b->s->h.clock_offset_us += 25 * 3600 * GH_US_PER_S;
  assert_int_equal(gh_client_wait_closed(client, 10000), GH_OK);
  gh_client_close(client);
}

int main(void)
{
#define WITH(f) cmocka_unit_test_setup_teardown(f, setup_both, teardown_both)
  const struct CMUnitTest tests[] = {
      WITH(over_dtls),       WITH(over_tls),
      WITH(over_a_bad_path), WITH(the_exporter_is_there),
      WITH(a_wrong_key),     WITH(the_server_ends_the_association),
  };
  signal(SIGPIPE, SIG_IGN);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
