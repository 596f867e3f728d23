/* A device that takes requests: from its registrar alone, by the key of its own associations, NOTIFY alone. */
#include "temp_dir.h"

#include <pthread.h>

#include "client/device_private.h"
#include "gatehouse/gatehouse.h"
#include "link/raw_public_key.h"
#include "m2m/constants.h"
#include "m2m/json.h"

#define CSE "in-cse.sp.example.com"
#define NAME "meter.example.com"
#define KEY_ID "meter@keys.example.com"

typedef struct place {
  void *dir;
  gh_device *device;
  gh_device_server *server;
  pthread_t thread;
  bool running;
  int rsc; /* the call-back's answer */
  int count;
  char from[64], to[64], content[128];
} place;

static gh_secret key_of(uint8_t octet)
{
  gh_secret key = {.len = 32};
  memset(key.bytes, octet, 32);
  return key;
}

static void copy(char *out, size_t size, gh_str text)
{
  snprintf(out, size, "%.*s", GH_STR_ARG(text));
}

static int on_notify(void *ctx, const gh_device_notification *n)
{
  place *p = ctx;
  p->count++;
  copy(p->from, sizeof p->from, n->from);
  copy(p->to, sizeof p->to, n->to);
  copy(p->content, sizeof p->content, n->content);
  return p->rsc;
}

static int setup(void **state)
{
  place *p = calloc(1, sizeof *p);
  gh_device_config c;
  gh_diag diag = {""};
  gh_secret kpm = key_of(0x5a), kpsa = key_of(0x11);
  if (temp_dir_make(&p->dir) != 0) return -1;
  gh_device_config_defaults(&c);
  c.sp_id = GH_STR("sp.example.com");
  c.cse = (gh_device_peer){.fqdn = GH_STR(CSE), .endpoint = GH_STR("127.0.0.1:1")};
  c.mef = (gh_device_peer){.fqdn = GH_STR("mef.sp.example.com"), .endpoint = GH_STR("127.0.0.1:1")};
  c.maf = (gh_device_peer){.fqdn = GH_STR("maf.sp.example.com"), .endpoint = GH_STR("127.0.0.1:1")};
  c.kpm_id = GH_STR("dev1@mef.sp.example.com");
  p->rsc = 2000;
  const char *dir = temp_path(p->dir, "dev");
  assert_int_equal(gh_device_create(dir, &c, &kpm, NULL, &diag), GH_OK);
  assert_int_equal(gh_device_open(dir, NULL, &p->device, &diag), GH_OK);
  assert_int_equal(gh_device_set_psk(p->device, GH_STR(KEY_ID), &kpsa, &diag), GH_OK);
  *state = p;
  return 0;
}

static void *serve(void *ctx)
{
  place *p = ctx;
  while (gh_device_serve(p->server, 60000) == GH_ETIMEOUT) continue;
  return NULL;
}

static void start(place *p)
{
  gh_diag diag = {""};
  if (gh_device_listen(p->device, GH_STR("127.0.0.1:0"), on_notify, p, &p->server, &diag) != GH_OK)
    fail_msg("%s", diag.text);
  assert_int_equal(pthread_create(&p->thread, NULL, serve, p), 0);
  p->running = true;
}

static void stop(place *p)
{
  if (p->running) {
    gh_device_server_stop(p->server);
    pthread_join(p->thread, NULL);
  }
  p->running = false;
  gh_device_server_close(p->server);
  p->server = NULL;
}

static int teardown(void **state)
{
  place *p = *state;
  stop(p);
  gh_device_close(p->device);
  void *dir = p->dir;
  free(p);
  return temp_dir_drop(&dir);
}

/* An association as the registrar would open it; NULL: refused. */
static gh_client *come(const place *p, const char *identity, uint8_t octet, const char *server_name)
{
  gh_str point = gh_device_server_point(p->server), port = gh_str_sub(point, gh_str_rfind(point, ':') + 1, SIZE_MAX);
  uint64_t number = 0;
  gh_client *client = NULL;
  gh_diag diag = {""};
  gh_secret key = key_of(octet);
  assert_true(gh_str_starts(point, GH_STR("https://127.0.0.1:")) && gh_str_to_u64(port, &number));
  const gh_client_options options = {.host = GH_STR("127.0.0.1"),
                                     .port = (uint16_t)number,
                                     .server_name = gh_str_of(server_name),
                                     .psk_identity = gh_str_of(identity),
                                     .psk = &key,
                                     .tls13 = true};
  gh_err err = gh_client_open(&options, &client, NULL, &diag);
  if (err != GH_OK) assert_int_equal(err, GH_EAUTH);
  return err == GH_OK ? client : NULL;
}

static int ask(gh_client *client, gh_op op, const char *from, const char *content)
{
  gh_arena arena;
  gh_diag diag = {""};
  gh_response response = {0};
  gh_arena_init(&arena);
  gh_request request = {
      .op = op, .to = GH_STR("cse-in/Cmeter"), .from = gh_str_of(from), .has_from = from != NULL, .rcn = -1, .rt = 3};
  if (op == GH_OP_CREATE) request.ty = 3, request.has_ty = true;
  if (content)
    assert_int_equal(gh_json_parse(&arena, gh_str_of(content), &gh_json_default_limits, &request.pc, &diag), GH_OK);
  gh_err err = gh_client_request(client, &arena, &request, &response, &diag);
  if (err != GH_OK) fail_msg("%s", diag.text);
  gh_arena_free(&arena);
  return response.rsc;
}

#define NOTE "{\"m2m:sgn\":{\"sur\":\"x\"}}"

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
  gh_secret key = key_of(octet);
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

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(the_registrar_notifies, setup, teardown),
      cmocka_unit_test_setup_teardown(nobody_else, setup, teardown),
      cmocka_unit_test_setup_teardown(which_key, setup, teardown),
      cmocka_unit_test_setup_teardown(what_cannot_be, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
