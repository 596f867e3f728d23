/* A device that takes requests over CoAP, over DTLS and over TLS: from its registrar alone, NOTIFY alone, each once,
 * long ones in blocks; and libcoap's own client. TP-05, TP-13. */
#include "device_place.h"

#include "../link/dtls_peer.h"

#include "bind/coap_codec.h"

#define TEXT_KEY "0123456789abcdef" /* as coap-client takes it */

static void speak(place *p, bool stream)
{
  gh_diag diag = {""};
  assert_int_equal(gh_device_use_binding(p->device, stream ? GH_STR("coaps_tcp") : GH_STR("coap"), &diag), GH_OK);
  start(p);
  assert_true(gh_str_starts(gh_device_server_point(p->server),
                            stream ? GH_STR("coaps+tcp://127.0.0.1:") : GH_STR("coaps://127.0.0.1:")));
}

/* An association as the registrar would open it; NULL: refused. Over DTLS a wrong key is silence. */
static gh_client *come(const place *p, bool stream, const char *identity, uint8_t octet, const char *server_name)
{
  gh_client *client = NULL;
  gh_diag diag = {""};
  gh_secret key = key_of_octet(octet);
  const gh_client_options options = {.host = GH_STR("127.0.0.1"),
                                     .port = port_of(p),
                                     .server_name = gh_str_of(server_name),
                                     .psk_identity = gh_str_of(identity),
                                     .psk = &key,
                                     .tls13 = true,
                                     .binding = stream ? GH_CLIENT_COAP_TCP : GH_CLIENT_COAP,
                                     .timeout_ms = octet == 0x11 && strcmp(server_name, CSE) != 0 ? 20000 : 1000};
  gh_err err = gh_client_open(&options, &client, NULL, &diag);
  if (err != GH_OK) assert_true(err == GH_EAUTH || (!stream && err == GH_ETIMEOUT));
  return err == GH_OK ? client : NULL;
}

/* {"m2m:sgn":{"sur":"xxx.."}} */
static char *long_note(size_t len)
{
  char *text = calloc(1, len + 64);
  size_t at = (size_t)sprintf(text, "{\"m2m:sgn\":{\"sur\":\"");
  memset(text + at, 'x', len);
  sprintf(text + at + len, "\"}}");
  return text;
}

/* Refused, or the association ends; and nobody dies of it. */
static void assert_too_long(gh_client *client, const char *note)
{
  gh_arena arena;
  gh_diag diag = {""};
  gh_response response = {0};
  gh_request request = {.op = GH_OP_NOTIFY,
                        .to = GH_STR("cse-in/Cmeter"),
                        .from = GH_STR("/in-cse/Capp"),
                        .has_from = true,
                        .rcn = -1,
                        .rt = 3};
  gh_arena_init(&arena);
  assert_int_equal(gh_json_parse(&arena, gh_str_of(note), &gh_json_default_limits, &request.pc, &diag), GH_OK);
  gh_err err = gh_client_request(client, &arena, &request, &response, &diag);
  assert_true(err != GH_OK || response.rsc >= 4000);
  gh_arena_free(&arena);
}

/*= TS-0003 8.2.1 SA2; TS-0008 6.5; TS-0004 7.3.3.9.1 */
static void the_registrar_notifies(void **state)
{
  for (int stream = 0; stream < 2; stream++) {
    place *p = *state;
    p->rsc = 2000;
    p->count = 0;
    speak(p, stream);
    gh_client *client = come(p, stream, KEY_ID, 0x11, NAME);
    assert_non_null(client);
    assert_int_equal(ask(client, GH_OP_NOTIFY, "/in-cse/Capp", NOTE), 2000);
    assert_string_equal(p->from, "/in-cse/Capp");
    assert_string_equal(p->to, "cse-in/Cmeter");
    assert_string_equal(p->content, NOTE);
    char *note = long_note(20000); /* in blocks, over DTLS */
    assert_int_equal(ask(client, GH_OP_NOTIFY, "/in-cse/Capp", note), 2000);
    assert_int_equal(p->content_len, strlen(note));
    free(note);
    p->rsc = 4105;
    assert_int_equal(ask(client, GH_OP_NOTIFY, "/in-cse/Capp", NOTE), 4105);
    p->rsc = 1234;
    assert_int_equal(ask(client, GH_OP_NOTIFY, "/in-cse/Capp", NULL), 5000);
    assert_int_equal(p->count, 4);
    static const gh_op others[] = {GH_OP_CREATE, GH_OP_RETRIEVE, GH_OP_UPDATE, GH_OP_DELETE};
    for (size_t i = 0; i < 4; i++)
      assert_int_equal(ask(client, others[i], "/in-cse", i == 0 || i == 2 ? "{\"m2m:cnt\":{}}" : NULL), 4005);
    assert_int_equal(ask(client, GH_OP_NOTIFY, NULL, NOTE), 4000);
    note = long_note(300 * 1024); /* longer than what is taken */
    assert_too_long(client, note);
    free(note);
    assert_int_equal(p->count, 4);
    gh_client_close(client);
    stop(p);
  }
}

static void assert_refused(const place *p, bool stream, const char *identity, uint8_t octet, const char *server_name)
{
  gh_client *client = come(p, stream, identity, octet, server_name);
  if (client && gh_client_wait_closed(client, 5000) != GH_OK) fail_msg("%s is let in", identity);
  gh_client_close(client);
}

/*= TS-0003 8.2.1 nobody else, by nothing else */
static void nobody_else(void **state)
{
  place *p = *state;
  for (int stream = 0; stream < 2; stream++) {
    speak(p, stream);
    assert_refused(p, stream, KEY_ID, 0x12, "");
    assert_refused(p, stream, "other@keys.example.com", 0x12, "");
    assert_refused(p, stream, "dev1@mef.sp.example.com", 0x5a, ""); /* Kpm is a key of the device, and not for this */
    assert_refused(p, stream, "no identity", 0x12, "");
    assert_refused(p, stream, KEY_ID, 0x11, CSE); /* its own call, sent back to it */
    gh_client *client = come(p, stream, KEY_ID, 0x11, "");
    assert_non_null(client);
    gh_client_close(client);
    assert_int_equal(p->count, 0);
    stop(p);
  }
}

/* Over datagrams nobody says that the other end was killed: who waits finds out, and not while it is there. */
static void who_is_silent_is_gone(void **state)
{
  place *p = *state;
  relay path;
  speak(p, false);
  gh_secret key = key_of_octet(0x11);
  gh_client *client = NULL;
  gh_diag diag = {""};
  const gh_client_options options = {.host = GH_STR("127.0.0.1"),
                                     .port = relay_begin(&path, port_of(p), 0, 0, 0),
                                     .psk_identity = GH_STR(KEY_ID),
                                     .psk = &key,
                                     .binding = GH_CLIENT_COAP};
  if (gh_client_open(&options, &client, NULL, &diag) != GH_OK) fail_msg("%s", diag.text);
  assert_int_equal(gh_client_wait_closed(client, 8000), GH_ETIMEOUT);
  assert_int_equal(ask(client, GH_OP_NOTIFY, "/in-cse/Capp", NOTE), 2000);
  atomic_store(&path.lose, 1);
  assert_int_equal(gh_client_wait_closed(client, 60000), GH_OK);
  gh_client_close(client);
  relay_end(&path);
}

/* ---- datagrams by hand */

static void make_note(gh_buf *out, uint16_t mid, const char *rqi)
{
  gh_coap_message m = {.type = GH_COAP_CON, .code = GH_COAP_POST, .mid = mid, .token_len = 1, .token = {7}};
  gh_coap_add(&m, GH_COAP_URI_PATH, GH_STR("cse-in"));
  gh_coap_add(&m, GH_COAP_URI_PATH, GH_STR("Cmeter"));
  gh_coap_add(&m, GH_COAP_CONTENT_FORMAT, GH_STR("2"));
  gh_coap_add(&m, GH_COAP_RVI, GH_STR("3"));
  gh_coap_add(&m, GH_COAP_FR, GH_STR("/in-cse/Capp"));
  gh_coap_add(&m, GH_COAP_RQI, gh_str_of(rqi));
  m.payload = GH_STR(NOTE);
  gh_coap_write_udp(out, &m);
}

static uint32_t say(tls_peer *peer, const gh_buf *datagram)
{
  meet();
  gh_coap_message m;
  size_t got = 0;
  uint32_t rsc = 0;
  assert_int_equal(SSL_write(peer->ssl, datagram->ptr, (int)datagram->len), datagram->len);
  assert_int_equal(SSL_read_ex(peer->ssl, peer->answer, sizeof peer->answer, &got), 1);
  assert_int_equal(gh_coap_parse_udp((gh_str){peer->answer, got}, &m), GH_OK);
  assert_int_equal(m.type, GH_COAP_ACK);
  assert_true(gh_coap_find_uint(&m, GH_COAP_RSC, &rsc));
  meet();
  return rsc;
}

/*= TS-0008 7; RFC 7252 4.5 a datagram that the network doubled, or whose answer was lost */
static void duplicates_count_once(void **state)
{
  place *p = *state;
  speak(p, false);
  const tls_peer_options as = {.identity = KEY_ID,
                               .key_hex = "1111111111111111111111111111111111111111111111111111111111111111",
                               .suites = "PSK-AES128-CCM8"};
  tls_peer peer;
  gh_buf first = GH_BUF_INIT, second = GH_BUF_INIT;
  dtls_prepare_on(&peer, udp_connect(port_of(p), 0), &as);
  SSL_set_tlsext_host_name(peer.ssl, NULL); /* a registrar names nobody */
  if (!peer_handshake(&peer)) fail_msg("alert %d", peer.alert);
  make_note(&first, 1, "r1");
  make_note(&second, 2, "r2");
  for (int i = 0; i < 3; i++) assert_int_equal(say(&peer, &first), 2000);
  assert_int_equal(p->count, 1);
  assert_int_equal(say(&peer, &second), 2000);
  assert_int_equal(p->count, 2);
  peer_end(&peer);
  gh_buf_free(&first);
  gh_buf_free(&second);
}

/*= TS-0003 6.1.2.2.1 */
static void clear_text_is_refused(void **state)
{
  place *p = *state;
  speak(p, false);
  char octets[200];
  gh_coap_message m;
  gh_buf note = GH_BUF_INIT;
  uint32_t rsc = 0;
  int fd = udp_connect(port_of(p), 0);
  make_note(&note, 1, "r1");
  assert_int_equal(send(fd, note.ptr, note.len, 0), note.len);
  ssize_t got = recv(fd, octets, sizeof octets, 0);
  assert_true(got > 0 && gh_coap_parse_udp((gh_str){octets, (size_t)got}, &m) == GH_OK);
  assert_true(gh_coap_find_uint(&m, GH_COAP_RSC, &rsc));
  assert_int_equal(rsc, 4107);
  assert_int_equal(p->count, 0);
  close(fd);
  gh_buf_free(&note);
}

static void what_cannot_be(void **state)
{
  place *p = *state;
  gh_diag diag = {""};
  for (int stream = 0; stream < 2; stream++) {
    assert_int_equal(gh_device_use_binding(p->device, stream ? GH_STR("coaps_tcp") : GH_STR("coap"), &diag), GH_OK);
    static const char *const bad[] = {"", "127.0.0.1", "localhost:0", "127.0.0.1:99999"};
    for (size_t i = 0; i < 4; i++)
      assert_int_equal(gh_device_listen(p->device, gh_str_of(bad[i]), on_notify, p, &p->server, &diag), GH_EINVAL);
    assert_int_equal(gh_device_listen(p->device, GH_STR("127.0.0.1:0"), on_notify, p, &p->server, &diag), GH_OK);
    assert_int_equal(gh_device_serve(p->server, 1), GH_ETIMEOUT);
    gh_device_server_stop(p->server);
    assert_int_equal(gh_device_serve(p->server, 60000), GH_OK);
    gh_device_server_close(p->server);
    p->server = NULL;
  }
}

/* ---- libcoap */

static bool prints(const char *program, const char *command, const char *expected)
{
  char line[512], output[16384];
  snprintf(line, sizeof line, "command -v %s >/dev/null", program);
  if (system(line) != 0) fail_msg("%s is missing: tools/setup.sh test", program);
  meet();
  FILE *pipe = popen(command, "r");
  assert_non_null(pipe);
  size_t len = fread(output, 1, sizeof output - 1, pipe);
  output[len] = '\0';
  pclose(pipe);
  meet();
  return strstr(output, expected) != NULL;
}

static bool libcoap(const place *p, const char *program, bool stream, const char *key)
{
  char command[1024];
  snprintf(command, sizeof command,
           "timeout 10 %s -v 7 -B 3 -u " KEY_ID " -k %s -O 279,/in-cse/Capp -O 283,r1 -O 271,3 -t 50 -e '" NOTE "' "
           "-m post '%s://127.0.0.1:%u/cse-in/Cmeter' 2>&1",
           program, key, stream ? "coaps+tcp" : "coaps", port_of(p));
  return prints(program, command, "c:2.04");
}

static void third_party_libcoap(void **state)
{
  place *p = *state;
  gh_diag diag = {""};
  gh_secret key = {.len = sizeof TEXT_KEY - 1};
  memcpy(key.bytes, TEXT_KEY, key.len);
  assert_int_equal(gh_device_set_psk(p->device, GH_STR(KEY_ID), &key, &diag), GH_OK);
  for (int stream = 0; stream < 2; stream++) {
    p->count = 0;
    speak(p, stream);
    assert_true(libcoap(p, "coap-client-openssl", stream, TEXT_KEY));
    assert_string_equal(p->from, "/in-cse/Capp");
    assert_string_equal(p->content, NOTE);
    assert_false(libcoap(p, "coap-client-openssl", stream, "another-key-0000"));
    assert_int_equal(p->count, 1);
    if (!stream) assert_true(libcoap(p, "coap-client-gnutls", stream, TEXT_KEY));
    stop(p);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(the_registrar_notifies, setup, teardown),
      cmocka_unit_test_setup_teardown(nobody_else, setup, teardown),
      cmocka_unit_test_setup_teardown(who_is_silent_is_gone, setup, teardown),
      cmocka_unit_test_setup_teardown(duplicates_count_once, setup, teardown),
      cmocka_unit_test_setup_teardown(clear_text_is_refused, setup, teardown),
      cmocka_unit_test_setup_teardown(what_cannot_be, setup, teardown),
      cmocka_unit_test_setup_teardown(third_party_libcoap, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
