/* Two devices with raw public keys, one of which listens and takes the other for its registrar: the device library on
 * both ends, over HTTPS, CoAP over DTLS 1.2 and CoAP over TLS. Where OpenSSL has no raw public keys: that it says so.
 */
#include "device_serving.h"

#include "link/raw_public_key.h"

#define NOTE "{\"m2m:sgn\":{\"sur\":\"x\"}}"
#define NOBODY "ni:///sha-256-120;MTIzNDU2Nzg5MDEyMzQ1"

typedef struct meeting {
  void *dir;
  gh_device *listener, *caller;
  gh_device_server *server;
  pthread_t thread;
  int count;
} meeting;

static gh_device *new_device(const meeting *t, const char *name, const char *cse)
{
  const gh_secret kpm = {.len = 32};
  gh_device *device = device_of(t->dir, name, cse, &kpm);
  gh_device_state_set(device, &device->state.ae_id, GH_STR("Capp"));
  return device;
}

static int setup(void **state)
{
  meeting *t = calloc(1, sizeof *t);
  if (temp_dir_make(&t->dir) != 0) return -1;
  t->listener = new_device(t, "listener", "in-cse.sp.example.com");
  t->caller = new_device(t, "caller", "meter.example.com");
  *state = t;
  return 0;
}

static void expects(gh_device *device, const char *key_id)
{
  gh_diag diag = {""};
  if (gh_device_set_public_key(device, gh_str_of(key_id), &diag) != GH_OK) fail_msg("%s", diag.text);
}

static int on_notify(void *ctx, const gh_device_notification *n)
{
  meeting *t = ctx;
  assert_true(gh_str_eq(n->content, GH_STR(NOTE)));
  t->count++;
  return 2000;
}

/* The caller is led to where it listens. */
static void start(meeting *t, const char *binding)
{
  gh_diag diag = {""};
  assert_int_equal(gh_device_use_binding(t->listener, gh_str_of(binding), &diag), GH_OK);
  assert_int_equal(gh_device_use_binding(t->caller, gh_str_of(binding), &diag), GH_OK);
  t->server = serving_begin(t->listener, on_notify, t, &t->thread);
  gh_device_peer *cse = &t->caller->config.cse;
  cse->endpoint = cse->coap = cse->coaps_tcp = gh_arena_dup(&t->caller->arena, address_of(t->server));
}

static void stop(meeting *t)
{
  serving_end(&t->server, t->thread);
}

static int teardown(void **state)
{
  meeting *t = *state;
  stop(t);
  gh_device_close(t->listener);
  gh_device_close(t->caller);
  void *dir = t->dir;
  free(t);
  return temp_dir_drop(&dir);
}

static gh_err notify(meeting *t, int *rsc, gh_diag *diag)
{
  gh_reply reply;
  const gh_device_request request = {
      .op = GH_DEVICE_NOTIFY, .to = GH_STR("cse-in/Cmeter"), .rcn = -1, .content = GH_STR(NOTE)};
  gh_err err = gh_device_request_send(t->caller, &request, &reply, diag);
  *rsc = reply.rsc;
  gh_device_dissociate(t->caller);
  return err;
}

static void assert_let_in(meeting *t)
{
  gh_diag diag = {""};
  int rsc = 0, before = t->count;
  if (notify(t, &rsc, &diag) != GH_OK) fail_msg("%s", diag.text);
  assert_int_equal(rsc, 2000);
  assert_int_equal(t->count, before + 1);
}

static void assert_refused(meeting *t, const char *why)
{
  gh_diag diag = {""};
  int rsc = 0, before = t->count;
  gh_err err = notify(t, &rsc, &diag);
  if (err == GH_OK || rsc != 0) fail_msg("let in: %s", why ? why : "");
  if (why && !strstr(diag.text, why)) fail_msg("refused, but not because \"%s\": %s", why, diag.text);
  assert_int_equal(t->count, before);
}

static const char *key_of(const gh_device *device)
{
  return gh_device_state_get(device)->public_key_id.ptr;
}

/*= TS-0003 8.1.2.1; TS-0003 8.1.2.4; TS-0003 8.2.2.2; RFC 7250; each end knows the other's key, and no other */
static void each_knows_the_other(void **state)
{
  meeting *t = *state;
  static const char *const bindings[] = {"http", "coap", "coaps_tcp"};
  gh_diag diag = {""};
  char listener[128], caller[128];
  if (!gh_raw_public_key_available()) {
    assert_int_equal(gh_device_set_public_key(t->caller, GH_STR(NOBODY), &diag), GH_EUNSUPPORTED);
    return;
  }
  expects(t->caller, NOBODY); /* makes the key pairs */
  expects(t->listener, NOBODY);
  snprintf(caller, sizeof caller, "%s", key_of(t->caller));
  snprintf(listener, sizeof listener, "%s", key_of(t->listener));
  for (size_t i = 0; i < sizeof bindings / sizeof *bindings; i++) {
    expects(t->listener, caller);
    expects(t->caller, listener);
    start(t, bindings[i]);
    assert_let_in(t);
    expects(t->caller, NOBODY); /* the one who listens has another key than expected */
    assert_refused(t, "another raw public key");
    expects(t->caller, listener);
    assert_let_in(t);
    stop(t);
    expects(t->listener, NOBODY); /* the one who comes is not the registrar */
    start(t, bindings[i]);
    assert_refused(t, NULL);
    stop(t);
  }
}

/* A pre-shared key of the one, a public key of the other. */
static void another_kind_of_proof(void **state)
{
  meeting *t = *state;
  static const char *const bindings[] = {"http", "coap", "coaps_tcp"};
  gh_diag diag = {""};
  gh_secret kpsa = {.len = 32};
  if (!gh_raw_public_key_available()) skip();
  char caller[128];
  expects(t->caller, NOBODY);
  snprintf(caller, sizeof caller, "%s", key_of(t->caller));
  expects(t->listener, caller);
  assert_int_equal(gh_device_set_psk(t->caller, GH_STR("k@keys.example.com"), &kpsa, &diag), GH_OK);
  for (size_t i = 0; i < sizeof bindings / sizeof *bindings; i++) {
    start(t, bindings[i]);
    assert_refused(t, NULL);
    stop(t);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(each_knows_the_other, setup, teardown),
      cmocka_unit_test_setup_teardown(another_kind_of_proof, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
