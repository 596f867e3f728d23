/* A device that takes requests: from its registrar alone, by the key of its own associations, NOTIFY alone. */
#include "device_place.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "link/raw_public_key.h"

/* An association as the registrar would open it; NULL: refused. */
static gh_client *come(const place *p, const char *identity, uint8_t octet, const char *server_name)
{
  gh_client *client = NULL;
  gh_diag diag = {""};
  gh_secret key = key_of_octet(octet);
  assert_true(gh_str_starts(gh_device_server_point(p->server), GH_STR("https://127.0.0.1:")));
  const gh_client_options options = {.host = GH_STR("127.0.0.1"),
                                     .port = port_of(p),
                                     .server_name = gh_str_of(server_name),
                                     .psk_identity = gh_str_of(identity),
                                     .psk = &key,
                                     .tls13 = true};
  gh_err err = gh_client_open(&options, &client, NULL, &diag);
  if (err != GH_OK) assert_int_equal(err, GH_EAUTH);
  return err == GH_OK ? client : NULL;
}

/*= TS-0003 8.2.1 SA2; TS-0004 7.3.3.9.1 */
static void the_registrar_notifies(void **state)
{
  place *p = *state;
  start(p);
  gh_client *client = come(p, KEY_ID, 0x11, NAME);
  assert_non_null(client);
  assert_int_equal(ask(client, GH_OP_NOTIFY, "/in-cse/Capp", NOTE), 2000);
  assert_string_equal(p->from, "/in-cse/Capp");
  assert_string_equal(p->to, "cse-in/Cmeter");
  assert_string_equal(p->content, NOTE);
  p->rsc = 4105; /* what the application says is what is answered */
  assert_int_equal(ask(client, GH_OP_NOTIFY, "/in-cse/Capp", NOTE), 4105);
  p->rsc = 1234;
  assert_int_equal(ask(client, GH_OP_NOTIFY, "/in-cse/Capp", NULL), 5000);
  assert_string_equal(p->content, "");
  assert_int_equal(p->count, 3);
  static const gh_op others[] = {GH_OP_CREATE, GH_OP_RETRIEVE, GH_OP_UPDATE, GH_OP_DELETE};
  for (size_t i = 0; i < 4; i++)
    assert_int_equal(ask(client, others[i], "/in-cse", i == 0 || i == 2 ? "{\"m2m:cnt\":{}}" : NULL), 4005);
  assert_int_equal(ask(client, GH_OP_NOTIFY, NULL, NOTE), 4000);
  assert_int_equal(p->count, 3);
  gh_client_close(client);
}

static void assert_refused(const place *p, const char *identity, uint8_t octet, const char *server_name)
{
  gh_client *client = come(p, identity, octet, server_name);
  if (client && gh_client_wait_closed(client, 5000) != GH_OK) fail_msg("%s is let in", identity);
  gh_client_close(client);
}

/*= TS-0003 8.2.1 nobody else, by nothing else */
static void nobody_else(void **state)
{
  place *p = *state;
  start(p);
  assert_refused(p, KEY_ID, 0x12, "");
  assert_refused(p, "other@keys.example.com", 0x11, "");
  assert_refused(p, "dev1@mef.sp.example.com", 0x5a, ""); /* Kpm is a key of the device, and not for this */
  assert_refused(p, "no identity", 0x11, "");
  assert_refused(p, KEY_ID, 0x11, CSE);          /* its own call, sent back to it */
  gh_client *client = come(p, KEY_ID, 0x11, ""); /* a registrar that asks for nobody */
  assert_non_null(client);
  gh_client_close(client);
  assert_int_equal(p->count, 0);
}

static void put_key(place *p, gh_se_kind kind, const char *id, uint8_t octet, int64_t until_us)
{
  gh_secret key = key_of_octet(octet);
  const gh_se_info info = {.kind = kind, .id = gh_str_of(id), .not_after_us = until_us};
  assert_int_equal(gh_se_put(p->device->se, &info, &key), GH_OK);
}

/*= TS-0003 8.2.1 the key of the associations that the device has now, while it lasts */
static void which_key(void **state)
{
  place *p = *state;
  int64_t now = gh_clock_system().wall_us(NULL), later = now + 3600 * GH_US_PER_S;
  put_key(p, GH_SE_KC, "AA@maf.sp.example.com", 0x21, later);
  put_key(p, GH_SE_KC, "BB@maf.sp.example.com", 0x22, now - GH_US_PER_S);
  put_key(p, GH_SE_KPSA, "CC@mef.sp.example.com", 0x23, later);
  gh_device_state_set(p->device, &p->device->state.mef_key_id, GH_STR("CC@mef.sp.example.com"));
  static const struct {
    const char *use, *identity;
    uint8_t octet;
    bool good;
  } rows[] = {{"maf", "AA@maf.sp.example.com", 0x21, true},  {"maf", "BB@maf.sp.example.com", 0x22, false},
              {"maf", "CC@mef.sp.example.com", 0x23, false}, {"maf", KEY_ID, 0x11, false},
              {"mef", "CC@mef.sp.example.com", 0x23, true},  {"mef", KEY_ID, 0x11, false},
              {"mef", "AA@maf.sp.example.com", 0x21, false}, {"psk", KEY_ID, 0x11, true},
              {"psk", "CC@mef.sp.example.com", 0x23, false}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    gh_device_state_set(p->device, &p->device->cse_key_name, gh_str_of(rows[i].use));
    start(p);
    if (rows[i].good) {
      gh_client *client = come(p, rows[i].identity, rows[i].octet, NAME);
      if (!client) fail_msg("row %zu is refused", i);
      assert_int_equal(ask(client, GH_OP_NOTIFY, "/in-cse/Capp", NOTE), 2000);
      gh_client_close(client);
    } else {
      assert_refused(p, rows[i].identity, rows[i].octet, NAME);
    }
    stop(p);
  }
}

/* Over HTTP and CoAP the call-back runs outside the device's own association: it may use the device. */
static void uses_the_device(place *p)
{
  gh_diag diag = {""};
  gh_reply reply;
  gh_secret kpsa = key_of_octet(0x11);
  const gh_device_request request = {.op = GH_DEVICE_RETRIEVE, .to = GH_STR("x"), .from = GH_STR("Cx"), .rcn = -1};
  gh_err err = gh_device_request_send(p->device, &request, &reply, &diag);
  p->rsc = err == GH_EINVAL ? 4000 : 2000; /* there is nobody at its CSE's place, which is another error */
  if (gh_device_set_psk(p->device, GH_STR(KEY_ID), &kpsa, &diag) != GH_OK) p->rsc = 4000;
  if (gh_device_serve(p->server, 1) != GH_EINVAL) p->rsc = 4000;
  gh_device_dissociate(p->device);
}

static void closes_all(place *p)
{
  gh_device_close(p->device);
  gh_device_server_close(p->server); /* stops it */
}

static gh_client *come_over(const place *p, gh_client_binding binding)
{
  gh_client *client = NULL;
  gh_diag diag = {""};
  gh_secret key = key_of_octet(0x11);
  const gh_client_options options = {.host = GH_STR("127.0.0.1"),
                                     .port = port_of(p),
                                     .server_name = GH_STR(NAME),
                                     .psk_identity = GH_STR(KEY_ID),
                                     .psk = &key,
                                     .tls13 = true,
                                     .mtu = 1280,
                                     .timeout_ms = 10000,
                                     .binding = binding};
  if (gh_client_open(&options, &client, NULL, &diag) != GH_OK) fail_msg("%s", diag.text);
  return client;
}

static void what_a_callback_may_do(void **state)
{
  place *p = *state;
  static const struct {
    const char *name;
    gh_client_binding binding;
  } rows[] = {{"http", GH_CLIENT_HTTP}, {"coap", GH_CLIENT_COAP}, {"coaps_tcp", GH_CLIENT_COAP_TCP}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    gh_diag diag = {""};
    assert_int_equal(gh_device_use_binding(p->device, gh_str_of(rows[i].name), &diag), GH_OK);
    start(p);
    gh_client *client = come_over(p, rows[i].binding);
    p->act = uses_the_device;
    assert_int_equal(ask(client, GH_OP_NOTIFY, "/in-cse/Capp", NOTE), 2000);
    p->act = closes_all;
    assert_int_equal(ask(client, GH_OP_NOTIFY, "/in-cse/Capp", NOTE), 2000); /* its answer goes out */
    pthread_join(p->thread, NULL);                                           /* gh_device_serve has returned */
    p->act = NULL;
    gh_client_close(client);
    gh_device_server_close(p->server);
    p->server = NULL;
  }
}

static void what_cannot_be(void **state)
{
  place *p = *state;
  gh_diag diag = {""};
  gh_reply reply;
  static const char *const bad[] = {"", "127.0.0.1", "localhost:0", "127.0.0.1:99999"};
  for (size_t i = 0; i < 4; i++)
    assert_int_equal(gh_device_listen(p->device, gh_str_of(bad[i]), on_notify, p, &p->server, &diag), GH_EINVAL);
  assert_int_equal(gh_device_announce(p->device, GH_STR("https://127.0.0.1:1"), &reply, &diag), GH_ENOTFOUND);
  assert_int_equal(gh_device_listen(p->device, GH_STR("127.0.0.1:0"), on_notify, p, &p->server, &diag), GH_OK);
  assert_int_equal(gh_device_serve(p->server, 1), GH_ETIMEOUT);
  gh_device_server_stop(p->server);
  assert_int_equal(gh_device_serve(p->server, 60000), GH_OK);
  gh_device_server_close(p->server);
  gh_device_state_set(p->device, &p->device->cse_key_name, GH_STR("public-key"));
  p->server = NULL;
  assert_int_equal(gh_device_listen(p->device, GH_STR("127.0.0.1:0"), on_notify, p, &p->server, &diag),
                   gh_raw_public_key_available() ? GH_ENOTFOUND : GH_EUNSUPPORTED); /* it has none yet */
}

static int knock(uint16_t port)
{
  struct sockaddr_in at = {.sin_family = AF_INET};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_true(fd >= 0);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1); /* not that of the registrar */
  assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  at.sin_port = htons(port);
  assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
  return fd;
}

/* TP-18: who connects and says nothing does not keep the registrar out. */
static void a_stranger_takes_all_places(void **state)
{
  enum { MANY = 48 };
  place *p = *state;
  int strangers[MANY];
  start(p);
  for (int i = 0; i < MANY; i++) strangers[i] = knock(port_of(p));
  gh_client *client = come(p, KEY_ID, 0x11, NAME);
  assert_non_null(client);
  assert_int_equal(ask(client, GH_OP_NOTIFY, "/in-cse/Capp", NOTE), 2000);
  gh_client_close(client);
  for (int i = 0; i < MANY; i++) close(strangers[i]);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(the_registrar_notifies, setup, teardown),
      cmocka_unit_test_setup_teardown(nobody_else, setup, teardown),
      cmocka_unit_test_setup_teardown(a_stranger_takes_all_places, setup, teardown),
      cmocka_unit_test_setup_teardown(which_key, setup, teardown),
      cmocka_unit_test_setup_teardown(what_cannot_be, setup, teardown),
      cmocka_unit_test_setup_teardown(what_a_callback_may_do, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
