/* What a program may call within the call-back of a notification that came over the device's own association, which
 * is in the middle of its work then: over a WebSocket with our server, and over MQTT with mosquitto. */
#include "../bind/ws_fixture.h"
#include "mosquitto_program.h"
#include "temp_dir.h"

#include "client/device_private.h"
#include "gatehouse/gatehouse.h"

typedef struct scene scene;
typedef void act(scene *t);

struct scene {
  ws_served *w; /* NULL: a broker */
  temp_dir *dir;
  gh_device *device;
  gh_device_server *server;
  act *act; /* what the call-back does */
  int count;
  bool closes_device;
};

static int on_notify(void *ctx, const gh_device_notification *n)
{
  scene *t = ctx;
  assert_true(n->from.len > 0);
  t->count++;
  if (t->act) t->act(t);
  return 2000;
}

/* A device with the key of the AE Cmeter. */
static void make_device(scene *t, const char *binding, uint16_t port, const char *broker)
{
  char endpoint[32];
  uint8_t octets[64];
  gh_device_config c;
  gh_diag diag = {""};
  gh_secret key = {.len = 0};
  void *dir = NULL;
  assert_int_equal(temp_dir_make(&dir), 0);
  t->dir = dir;
  assert_int_equal(gh_secret_set(&key, octets, octets_of(GOOD_KEY, octets)), GH_OK);
  snprintf(endpoint, sizeof endpoint, "127.0.0.1:%u", port);
  gh_device_config_defaults(&c);
  c.sp_id = GH_STR("sp.example.com");
  c.cse = (gh_device_peer){.fqdn = GH_STR("in-cse.sp.example.com"), .endpoint = gh_str_of(endpoint)};
  c.mef = (gh_device_peer){.fqdn = GH_STR("mef.sp.example.com"), .endpoint = GH_STR("127.0.0.1:1")};
  c.maf = (gh_device_peer){.fqdn = GH_STR("maf.sp.example.com"), .endpoint = GH_STR("127.0.0.1:1")};
  c.kpm_id = GH_STR("dev1@mef.sp.example.com");
  c.binding = gh_str_of(binding);
  c.mqtt_broker = gh_str_of(broker);
  c.mqtt_name = GH_STR("broker.sp.example.com");
  const char *folder = temp_path(t->dir, "dev");
  if (gh_device_create(folder, &c, &key, NULL, &diag) != GH_OK) fail_msg("%s", diag.text);
  assert_int_equal(gh_device_open(folder, NULL, &t->device, &diag), GH_OK);
  assert_int_equal(gh_device_set_psk(t->device, gh_str_of(as_meter.identity), &key, &diag), GH_OK);
  gh_device_state_set(t->device, &t->device->state.ae_id, GH_STR("Cmeter"));
  gh_secret_wipe(&key);
}

static void listens(scene *t)
{
  gh_diag diag = {""};
  gh_reply reply;
  if (gh_device_listen(t->device, GH_STR_NONE, on_notify, t, &t->server, &diag) != GH_OK ||
      gh_device_associate(t->device, GH_DEVICE_KEY_PSK, &reply, &diag) != GH_OK)
    fail_msg("%s", diag.text);
}

static void drop_device(scene *t)
{
  void *dir = t->dir;
  gh_device_server_close(t->server);
  gh_device_close(t->device);
  temp_dir_drop(&dir);
}

static int setup(void **state)
{
  scene *t = calloc(1, sizeof *t);
  void *w = NULL;
  setup_ws(&w);
  t->w = w;
  make_device(t, "ws", t->w->s->port, "");
  listens(t);
  *state = t;
  return 0;
}

static int teardown(void **state)
{
  scene *t = *state;
  void *w = t->w;
  drop_device(t);
  wait_connections(t->w->s, 0);
  free(t);
  return teardown_ws(&w);
}

/* ---- the CSE notifies */

typedef struct push {
  gh_outbound_call out;
  scene *t;
  _Atomic int done;
} push;

static void on_done(gh_outbound_call *out)
{
  ((push *)out->ctx)->done = 1;
}

static void send_push(void *arg)
{
  push *p = arg;
  gh_outbound port = gh_ws_outbound_port(p->t->w->server.outbound);
  port.send(port.ctx, p->t->w->workers[0], &p->out);
}

static void notify(scene *t, push *p)
{
  gh_val *content = NULL;
  *p = (push){.t = t};
  gh_arena_init(&p->out.arena);
  assert_int_equal(gh_json_parse(&p->out.arena, GH_STR("{\"m2m:sgn\":{\"vrq\":true}}"), NULL, &content, NULL), GH_OK);
  p->out.entity = GH_STR(METER);
  p->out.deadline_us = harness_mono(&t->w->s->h) + 10 * GH_US_PER_S;
  p->out.done = on_done;
  p->out.ctx = p;
  p->out.request = (gh_request){.op = GH_OP_NOTIFY,
                                .to = GH_STR("Cmeter"),
                                .from = GH_STR("/in-cse"),
                                .rqi = GH_STR("n"),
                                .rvi = GH_STR("3"),
                                .rcn = GH_RCN_ABSENT,
                                .pc = content};
  gh_loop_call(t->w->s->h.loop, send_push, p);
}

static void expect_answer(push *p, int rsc)
{
  for (int i = 0; !p->done; i++) {
    if (i == 2000) fail_msg("the CSE has no answer");
    usleep(10000);
  }
  assert_int_equal(p->out.err, GH_OK);
  assert_int_equal(p->out.response.rsc, rsc);
  gh_arena_free(&p->out.arena);
}

static int read_box(scene *t)
{
  gh_reply reply;
  gh_diag diag = {""};
  const gh_device_request request = {.op = GH_DEVICE_RETRIEVE, .to = GH_STR("cse-in/meter/box"), .rcn = -1};
  if (gh_device_request_send(t->device, &request, &reply, &diag) != GH_OK) fail_msg("%s", diag.text);
  assert_true(reply.rsc != 2000 || strstr(reply.content.ptr, "m2m:cnt"));
  return reply.rsc;
}

/* ---- what the call-back does */

static void dissociates(scene *t)
{
  gh_device_dissociate(t->device);
  gh_device_dissociate(t->device);
}

static void closes(scene *t)
{
  if (t->closes_device) gh_device_close(t->device);
  gh_device_server_close(t->server);
}

static void calls_all_the_others(scene *t)
{
  gh_device *d = t->device;
  gh_reply reply;
  gh_diag diag = {""};
  uint8_t octets[32] = {7};
  gh_secret key = {.len = 0};
  gh_device_server *other = NULL;
  const gh_device_certificate certificate = {.chain_pem = GH_STR("x")};
  const gh_device_request request = {
      .op = GH_DEVICE_RETRIEVE, .to = GH_STR("cse-in/a/long/name/that/takes/room"), .rcn = -1};
  assert_int_equal(gh_secret_set(&key, octets, sizeof octets), GH_OK);
  assert_int_equal(gh_device_request_send(d, &request, &reply, &diag), GH_EINVAL);
  assert_non_null(strstr(diag.text, "busy"));
  assert_int_equal(gh_device_associate(d, GH_DEVICE_KEY_PSK, &reply, &diag), GH_EINVAL);
  assert_int_equal(gh_device_register(d, GH_STR("N.x"), GH_STR_NONE, &reply, &diag), GH_EINVAL);
  assert_int_equal(gh_device_announce(d, GH_STR_NONE, &reply, &diag), GH_EINVAL);
  assert_int_equal(gh_device_enrol(d, NULL, &reply, &diag), GH_EINVAL);
  assert_int_equal(gh_device_join_maf(d, &reply, &diag), GH_EINVAL);
  assert_int_equal(gh_device_register_key(d, &reply, &diag), GH_EINVAL);
  assert_int_equal(gh_device_set_psk(d, GH_STR("new@keys.example.com"), &key, &diag), GH_EINVAL);
  assert_int_equal(gh_device_set_public_key(d, GH_STR("ni:///sha-256;x"), &diag), GH_EINVAL);
  assert_int_equal(gh_device_set_certificate(d, &certificate, &diag), GH_EINVAL);
  assert_int_equal(gh_device_use_binding(d, GH_STR("http"), &diag), GH_EINVAL);
  assert_int_equal(gh_device_use_serialization(d, GH_STR("cbor"), &diag), GH_EINVAL);
  assert_int_equal(gh_device_listen(d, GH_STR("127.0.0.1:0"), on_notify, t, &other, &diag), GH_EINVAL);
  assert_int_equal(gh_device_wait_closed(d, 1), GH_EINVAL);
  assert_int_equal(gh_device_serve(t->server, 1), GH_EINVAL);
  assert_true(gh_str_eq(gh_device_state_get(d)->ae_id, GH_STR("Cmeter"))); /* what only shows */
  assert_true(gh_str_eq(gh_device_state_get(d)->kpsa_id, gh_str_of(as_meter.identity)));
  assert_true(gh_str_eq(gh_device_server_point(t->server), GH_STR(GH_DEVICE_OPEN_WEBSOCKET)));
}

/* ---- WebSocket */

static void serve_until(scene *t, push *p)
{
  for (int i = 0; !p->done; i++) {
    if (i == 500) fail_msg("the CSE has no answer");
    assert_int_equal(gh_device_serve(t->server, 20), GH_ETIMEOUT);
  }
}

static void dissociated_while_it_serves(void **state)
{
  scene *t = *state;
  push p, again;
  t->act = dissociates;
  notify(t, &p);
  serve_until(t, &p);
  expect_answer(&p, 2000); /* the call-back's answer goes out before */
  wait_connections(t->w->s, 0);
  t->act = NULL;
  assert_int_equal(read_box(t), 2000); /* over a new association, which is listened to as well */
  notify(t, &again);
  serve_until(t, &again);
  expect_answer(&again, 2000);
  assert_int_equal(t->count, 2);
}

static void dissociated_while_a_request_waits(void **state)
{
  scene *t = *state;
  push p;
  t->act = dissociates;
  for (int i = 0; i < 3; i++) {
    notify(t, &p); /* is there before the answer */
    assert_int_equal(read_box(t), 2000);
    expect_answer(&p, 2000);
    assert_int_equal(t->count, i + 1);
    assert_null(t->device->cse);
    wait_connections(t->w->s, 0);
    t->act = NULL;
    assert_int_equal(read_box(t), 2000);
    t->act = dissociates;
  }
}

static void dissociated_while_it_waits_for_the_end(void **state)
{
  scene *t = *state;
  push p;
  assert_int_equal(gh_device_wait_closed(t->device, 50), GH_ETIMEOUT);
  t->act = dissociates;
  notify(t, &p);
  assert_int_equal(gh_device_wait_closed(t->device, 60000), GH_OK);
  expect_answer(&p, 2000);
  assert_int_equal(gh_device_wait_closed(t->device, 50), GH_ECONN);
  wait_connections(t->w->s, 0);
}

/* What comes behind the one that left is not performed. */
static void nothing_more_is_taken(void **state)
{
  scene *t = *state;
  push p[3];
  t->act = dissociates;
  for (int i = 0; i < 3; i++) notify(t, &p[i]);
  for (int i = 0; i < 3; i++) serve_until(t, &p[i]);
  expect_answer(&p[0], 2000);
  for (int i = 1; i < 3; i++) {
    bool told = p[i].out.err == GH_OK;
    if (told) assert_int_equal(p[i].out.response.rsc, 5103);
    gh_arena_free(&p[i].out.arena);
  }
  assert_int_equal(t->count, 1);
}

static void everything_else_is_refused(void **state)
{
  scene *t = *state;
  push p;
  t->act = calls_all_the_others;
  notify(t, &p);
  assert_int_equal(read_box(t), 2000); /* the request around it has its answer all the same */
  expect_answer(&p, 2000);
  notify(t, &p);
  serve_until(t, &p);
  expect_answer(&p, 2000);
  assert_int_equal(t->count, 2);
  assert_non_null(t->device->cse);
}

/* Closed by mistake: the server stops, and nothing is freed that runs. */
static void closed_within(void **state)
{
  scene *t = *state;
  push p;
  t->act = closes;
  for (int i = 0; i < 2; i++) {
    t->closes_device = i == 1;
    notify(t, &p);
    gh_err err = GH_ETIMEOUT;
    for (int k = 0; k < 500 && err == GH_ETIMEOUT; k++) err = gh_device_serve(t->server, 20);
    assert_int_equal(err, GH_OK);
    expect_answer(&p, 2000);
    assert_int_equal(t->device->cse == NULL, t->closes_device);
    gh_device_server_close(t->server); /* now it is */
    t->server = NULL;
    t->act = NULL;
    listens(t);
    t->act = closes;
  }
}

/* ---- MQTT: the same flag, another library below */

static pid_t broker_start(scene *t, uint16_t port)
{
  char conf[512], psk[200];
  const char *conf_path = temp_path(t->dir, "mosquitto.conf"), *psk_path = temp_path(t->dir, "psk");
  snprintf(psk, sizeof psk, "%s:%s\ncse@keys.example.com:%s\n", as_meter.identity, GOOD_KEY, GOOD_KEY);
  temp_write(psk_path, psk, 0600);
  snprintf(conf, sizeof conf,
           "user root\nlistener %u 127.0.0.1\nallow_anonymous true\npsk_file %s\npsk_hint x\nlog_type none\n", port,
           psk_path);
  temp_write(conf_path, conf, 0600);
  return mosquitto_begin(conf_path, port);
}

static void mosquitto_notifies(uint16_t port, int number)
{
  char port_text[8], message[200];
  snprintf(port_text, sizeof port_text, "%u", port);
  snprintf(
      message, sizeof message,
      "{\"op\":5,\"fr\":\"/in-cse/Capp\",\"to\":\"Cmeter\",\"rqi\":\"n%d\",\"rvi\":\"3\",\"pc\":{\"m2m:sgn\":{}}}",
      number);
  const char *const words[] = {"mosquitto_pub",
                               "-h",
                               "127.0.0.1",
                               "-p",
                               port_text,
                               "-V",
                               "mqttv311",
                               "-q",
                               "1",
                               "--psk-identity",
                               "cse@keys.example.com",
                               "--psk",
                               GOOD_KEY,
                               "-t",
                               "/oneM2M/req/in-cse/Cmeter/json",
                               "-m",
                               message,
                               NULL};
  int status = -1;
  pid_t pid = spawn(words);
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_int_equal(status, 0);
}

static void at_a_broker(void **state)
{
  static act *const acts[] = {NULL, dissociates, closes};
  scene t = {.w = NULL};
  char broker[32];
  uint16_t port = free_port();
  (void)state;
  snprintf(broker, sizeof broker, "127.0.0.1:%u", port);
  make_device(&t, "mqtt", 1, broker);
  pid_t pid = broker_start(&t, port);
  for (size_t i = 0; i < sizeof acts / sizeof *acts; i++) {
    listens(&t);
    t.act = acts[i];
    t.closes_device = true;
    mosquitto_notifies(port, (int)i);
    gh_err err = GH_ETIMEOUT;
    for (int k = 0; k < 500 && err == GH_ETIMEOUT && t.count == (int)i; k++) err = gh_device_serve(t.server, 20);
    assert_int_equal(t.count, (int)i + 1);
    assert_int_equal(gh_device_serve(t.server, 1), acts[i] == closes ? GH_OK : GH_ETIMEOUT);
    assert_int_equal(t.device->cse == NULL, acts[i] != NULL);
    gh_device_server_close(t.server);
    t.server = NULL;
  }
  mosquitto_end(pid);
  drop_device(&t);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(dissociated_while_it_serves),
      TEST(dissociated_while_a_request_waits),
      TEST(dissociated_while_it_waits_for_the_end),
      TEST(nothing_more_is_taken),
      TEST(everything_else_is_refused),
      TEST(closed_within),
      cmocka_unit_test(at_a_broker),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
