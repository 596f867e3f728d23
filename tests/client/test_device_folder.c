/* A device's state folder: what is in it, who may read it, that it comes back as it was, and what is refused. */
#include "temp_dir.h"

#include "client/device_private.h"
#include "gatehouse/gatehouse.h"

static gh_device_config config_of(void)
{
  gh_device_config c;
  gh_device_config_defaults(&c);
  c.sp_id = GH_STR("sp.example.com");
  c.cse = (gh_device_peer){.fqdn = GH_STR("in-cse.sp.example.com"), .endpoint = GH_STR("127.0.0.1:1")};
  c.mef = (gh_device_peer){.fqdn = GH_STR("mef.sp.example.com"), .endpoint = GH_STR("127.0.0.1:1")};
  c.maf = (gh_device_peer){.fqdn = GH_STR("maf.sp.example.com"), .endpoint = GH_STR("127.0.0.1:1")};
  c.kpm_id = GH_STR("dev1@mef.sp.example.com");
  return c;
}

static gh_secret kpm_of(void)
{
  gh_secret key = {.len = 32};
  memset(key.bytes, 0x5a, 32);
  return key;
}

static const char *make(temp_dir *t)
{
  gh_device_config config = config_of();
  gh_secret kpm = kpm_of();
  gh_diag diag = {""};
  const char *dir = temp_path(t, "dev");
  if (gh_device_create(dir, &config, &kpm, NULL, &diag) != GH_OK) fail_msg("%s", diag.text);
  return dir;
}

static void everything_is_private(void **state)
{
  const char *dir = make(*state);
  assert_int_equal(mode_of(dir), 0700);
  const char *const names[] = {"dev/device.conf", "dev/secret", "dev/keys.sealed"};
  for (size_t i = 0; i < 3; i++) assert_int_equal(mode_of(temp_path(*state, names[i])), 0600);
}

/* TP-19: the key stands nowhere in the clear, in no form. */
static void kpm_is_sealed(void **state)
{
  make(*state);
  const char *const names[] = {"dev/device.conf", "dev/secret", "dev/keys.sealed"};
  for (size_t i = 0; i < 3; i++) {
    char *text = temp_read(temp_path(*state, names[i]));
    assert_null(strstr(text, "5a5a5a5a5a5a5a5a"));
    assert_null(strstr(text, "ZZZZZZZZZZ")); /* octets, and near to base64 */
    assert_null(strstr(text, "WlpaWlpa"));
    free(text);
  }
}

static void state_comes_back(void **state)
{
  const char *dir = make(*state);
  gh_device *device;
  gh_diag diag = {""};
  assert_int_equal(gh_device_open(dir, NULL, &device, &diag), GH_OK);
  assert_str(gh_device_state_get(device)->kpm_id, "dev1@mef.sp.example.com");
  assert_int_equal(gh_device_state_get(device)->ae_id.len, 0);
  gh_device_state_set(device, &device->state.ke_id, GH_STR("00@mef.sp.example.com"));
  device->state.ke_until_us = INT64_C(1893456000) * GH_US_PER_S;
  gh_device_state_set(device, &device->state.ae_id, GH_STR("Cdev1"));
  gh_device_state_set(device, &device->cse_key_name, GH_STR("mef"));
  assert_int_equal(gh_device_state_write(device, &diag), GH_OK);
  gh_device_close(device);
  assert_int_equal(mode_of(temp_path(*state, "dev/state.json")), 0600);

  assert_int_equal(gh_device_open(dir, NULL, &device, &diag), GH_OK);
  const gh_device_state *s = gh_device_state_get(device);
  assert_str(s->ke_id, "00@mef.sp.example.com");
  assert_int_equal(s->ke_until_us, INT64_C(1893456000) * GH_US_PER_S);
  assert_int_equal(s->km_until_us, 0);
  assert_str(s->ae_id, "Cdev1");
  assert_str(device->cse_key_name, "mef");
  assert_str(gh_device_config_get(device)->cse_rn, "cse-in");
  assert_int_equal(gh_device_config_get(device)->timeout_ms, 10000);
  gh_device_close(device);
}

static void refuses_damage(void **state)
{
  const char *dir = make(*state);
  gh_device *device;
  gh_diag diag = {""};
  const char *json = temp_path(*state, "dev/state.json"), *conf = temp_path(*state, "dev/device.conf");
  temp_write(json, "{\"keID\":7}", 0600);
  assert_int_equal(gh_device_open(dir, NULL, &device, &diag), GH_ESYNTAX);
  temp_write(json, "{\"unheard\":\"of\"}", 0600);
  assert_int_equal(gh_device_open(dir, NULL, &device, &diag), GH_ESYNTAX);
  assert_non_null(strstr(diag.text, "unheard"));
  unlink(json);
  char *text = temp_read(conf);
  strcat(text, "extra = 1;\n");
  temp_write(conf, text, 0600);
  free(text);
  assert_int_equal(gh_device_open(dir, NULL, &device, &diag), GH_ESYNTAX);
  assert_non_null(strstr(diag.text, "'extra' is unknown"));
}

static void refuses_open_folders_and_secrets(void **state)
{
  const char *dir = make(*state), *secret = temp_path(*state, "dev/secret");
  gh_device *device;
  gh_diag diag = {""};
  chmod(dir, 0750);
  assert_int_equal(gh_device_open(dir, NULL, &device, &diag), GH_EACCES);
  chmod(dir, 0700);
  chmod(secret, 0644);
  assert_int_equal(gh_device_open(dir, NULL, &device, &diag), GH_EACCES);
  temp_write(secret, "0000000000000000000000000000000000000000000000000000000000000000\n", 0600);
  assert_int_equal(gh_device_open(dir, NULL, &device, &diag), GH_EAUTH);
}

static void passphrase_elsewhere(void **state)
{
  gh_device_config config = config_of();
  gh_secret kpm = kpm_of();
  gh_device *device;
  gh_diag diag = {""};
  const char *dir = temp_path(*state, "dev"), *file = temp_path(*state, "phrase");
  temp_write(file, "correct horse battery staple\n", 0600);
  assert_int_equal(gh_device_create(dir, &config, &kpm, file, &diag), GH_OK);
  assert_int_not_equal(access(temp_path(*state, "dev/secret"), F_OK), 0);
  assert_int_equal(gh_device_open(dir, NULL, &device, &diag), GH_ENOTFOUND);
  assert_int_equal(gh_device_open(dir, file, &device, &diag), GH_OK);
  gh_device_close(device);
}

static void refuse_config(temp_dir *t, gh_device_config config, const char *part)
{
  gh_secret kpm = kpm_of();
  gh_diag diag = {""};
  const char *dir = temp_path(t, "never");
  assert_int_equal(gh_device_create(dir, &config, &kpm, NULL, &diag), GH_EINVAL);
  if (!strstr(diag.text, part)) fail_msg("\"%s\" lacks \"%s\"", diag.text, part);
  assert_int_not_equal(access(dir, F_OK), 0);
}

static void refuses_bad_parameters(void **state)
{
  gh_device_config c = config_of();
  c.sp_id = GH_STR("-bad-");
  refuse_config(*state, c, "sp_id");
  c = config_of();
  c.kpm_id = GH_STR("no-fqdn");
  refuse_config(*state, c, "kpm_id");
  c = config_of();
  c.mef.endpoint = GH_STR("nowhere");
  refuse_config(*state, c, "mef.endpoint");
  c = config_of();
  c.cse_id = GH_STR("a/b");
  refuse_config(*state, c, "cse.id");
  static const char *const no_serialization[] = {"xml", "", "CBOR", "application/json"};
  for (size_t i = 0; i < 4; i++) {
    c = config_of();
    c.serialization = gh_str_of(no_serialization[i]);
    refuse_config(*state, c, "serialization");
  }
  c = config_of();
  gh_secret kpm = {.len = 8};
  gh_diag diag = {""};
  assert_int_equal(gh_device_create(temp_path(*state, "never"), &c, &kpm, NULL, &diag), GH_EINVAL);
  assert_int_not_equal(access(temp_path(*state, "never"), F_OK), 0); /* nothing half made is left */
}

static void assert_speaks(const char *dir, const char *expected)
{
  gh_device *device;
  gh_diag diag = {""};
  if (gh_device_open(dir, NULL, &device, &diag) != GH_OK) fail_msg("%s", diag.text);
  assert_true(gh_str_eq(gh_device_config_get(device)->serialization, gh_str_of(expected)));
  gh_device_close(device);
}

/* JSON where nothing is said, in a folder of an older release, too. */
static void which_serialization(void **state)
{
  const char *dir = make(*state), *conf = temp_path(*state, "dev/device.conf");
  gh_device *device;
  gh_diag diag = {""};
  char command[600];
  assert_speaks(dir, "json");
  snprintf(command, sizeof command, "sed -i '/^serialization/s/json/cbor/' '%s'", conf);
  assert_int_equal(system(command), 0);
  assert_speaks(dir, "cbor");
  snprintf(command, sizeof command, "sed -i '/^serialization/d' '%s'", conf);
  assert_int_equal(system(command), 0);
  assert_speaks(dir, "json");
  assert_int_equal(gh_device_open(dir, NULL, &device, &diag), GH_OK);
  assert_int_equal(gh_device_use_serialization(device, GH_STR("cbor"), &diag), GH_OK);
  assert_int_equal(gh_device_use_serialization(device, GH_STR("xml"), &diag), GH_EINVAL);
  assert_non_null(strstr(diag.text, "serialization"));
  assert_true(gh_str_eq(gh_device_config_get(device)->serialization, GH_STR("cbor")));
  gh_device_close(device);
  assert_speaks(dir, "json"); /* it was for that device alone */
}

static void steps_out_of_order(void **state)
{
  const char *dir = make(*state);
  gh_device *device;
  gh_reply reply;
  gh_diag diag = {""};
  assert_int_equal(gh_device_open(dir, NULL, &device, &diag), GH_OK);
  assert_int_equal(gh_device_join_maf(device, &reply, &diag), GH_ENOTFOUND);
  assert_non_null(strstr(diag.text, "enrol"));
  assert_int_equal(gh_device_register_key(device, &reply, &diag), GH_ENOTFOUND);
  assert_int_equal(gh_device_register(device, GH_STR("N.x"), GH_STR_NONE, &reply, &diag), GH_ENOTFOUND);
  assert_int_equal(gh_device_register(device, GH_STR("x"), GH_STR_NONE, &reply, &diag), GH_EINVAL);
  gh_device_request request = {.op = GH_DEVICE_RETRIEVE, .to = GH_STR("cse-in"), .rcn = -1};
  assert_int_equal(gh_device_request_send(device, &request, &reply, &diag), GH_ENOTFOUND);
  assert_non_null(strstr(diag.text, "register"));
  request.from = GH_STR("Cx");
  request.content = GH_STR("{\"a\":1,\"a\":2}");
  assert_int_equal(gh_device_request_send(device, &request, &reply, &diag), GH_ESYNTAX);
  assert_int_equal(gh_device_wait_closed(device, 1), GH_ECONN);
  device->in_request = true; /* within the call-back of an association of its own: nothing may end that */
  assert_int_equal(gh_device_wait_closed(device, 1), GH_EINVAL);
  gh_arena_reset(&device->scratch);
  gh_str kept = gh_arena_dup(&device->scratch, GH_STR("r-of-the-call-around")); /* which waits for its answer */
  request.content = GH_STR("{\"m2m:cnt\":{\"rn\":\"something that takes room\"}}");
  assert_int_equal(gh_device_request_send(device, &request, &reply, &diag), GH_EINVAL);
  assert_true(gh_str_eq(kept, GH_STR("r-of-the-call-around")));
  device->in_request = false;
  assert_int_equal(reply.rsc, 0);
  assert_int_equal(reply.alert, -1);
  gh_device_close(device);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(everything_is_private, temp_dir_make, temp_dir_drop),
      cmocka_unit_test_setup_teardown(kpm_is_sealed, temp_dir_make, temp_dir_drop),
      cmocka_unit_test_setup_teardown(state_comes_back, temp_dir_make, temp_dir_drop),
      cmocka_unit_test_setup_teardown(refuses_damage, temp_dir_make, temp_dir_drop),
      cmocka_unit_test_setup_teardown(refuses_open_folders_and_secrets, temp_dir_make, temp_dir_drop),
      cmocka_unit_test_setup_teardown(passphrase_elsewhere, temp_dir_make, temp_dir_drop),
      cmocka_unit_test_setup_teardown(refuses_bad_parameters, temp_dir_make, temp_dir_drop),
      cmocka_unit_test_setup_teardown(which_serialization, temp_dir_make, temp_dir_drop),
      cmocka_unit_test_setup_teardown(steps_out_of_order, temp_dir_make, temp_dir_drop),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
