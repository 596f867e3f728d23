/* The whole way of a device through all functions of a realm, in one process: real sockets, real associations, the
 * real command line. */
#include "cli.h"

#include <signal.h>

#include "client/client.h"
#include "client/secret_file.h"
#include "cmd/runtime.h"
#include "crypto/kdf.h"
#include "gatehouse/client.h"
#include "m2m/constants.h"

typedef struct town {
  temp_dir *temp;
  char realm_path[300];
  gh_realm realm;
  gh_runtime runtime;
} town;

static void start_town(town *w)
{
  gh_diag diag = {""};
  const gh_realm_function *functions[GH_REALM_MAX_FUNCTIONS];
  assert_int_equal(gh_realm_read(w->realm_path, &w->realm, &diag), GH_OK);
  w->realm.log_level = GH_LOG_OFF;
  for (size_t i = 0; i < w->realm.function_count; i++) functions[i] = &w->realm.functions[i];
  if (gh_runtime_start(&w->runtime, &w->realm, functions, w->realm.function_count, &diag) != GH_OK)
    fail_msg("%s", diag.text);
}

static void stop_town(town *w)
{
  gh_runtime_stop(&w->runtime, 1000);
  gh_realm_free(&w->realm);
}

/* Every function also listens for CoAP. */
static void listen_for_coap(const town *w)
{
  char path[400], *text = calloc(1, 65536);
  snprintf(path, sizeof(path), "%s/gatehouse.conf", w->realm_path);
  FILE *file = fopen(path, "r+");
  assert_non_null(file);
  size_t len = fread(text, 1, 65535, file);
  rewind(file);
  for (const char *at = text; at < text + len;) {
    const char *found = strstr(at, "_listen = \"\"");
    size_t part = found ? (size_t)(found - at) + 11 : (size_t)(text + len - at);
    fwrite(at, 1, part, file);
    if (found) fputs("127.0.0.1:0", file);
    at += part;
  }
  fclose(file);
  free(text);
}

static int make_town(void **state)
{
  town *w = calloc(1, sizeof(*w));
  signal(SIGPIPE, SIG_IGN);
  void *temp;
  if (temp_dir_make(&temp) != 0) return -1;
  w->temp = temp;
  snprintf(w->realm_path, sizeof(w->realm_path), "%s/realm", w->temp->path);
  cli_expect(0, "init", w->realm_path, "--sp-id", "sp.example.com");
  listen_for_coap(w);
  start_town(w);
  *state = w;
  return 0;
}

static int drop_town(void **state)
{
  town *w = *state;
  stop_town(w);
  void *temp = w->temp;
  temp_dir_drop(&temp);
  free(w);
  return 0;
}

/* A device that the MEF knows, standing for //sp.example.com/in-cse/C<name>. */
static const char *new_device(town *w, const char *name)
{
  static char dirs[4][300];
  static unsigned next;
  char kpm[300], enrolee[80], *dir = dirs[next++ % 4];
  snprintf(dir, sizeof(dirs[0]), "%s/%s", w->temp->path, name);
  snprintf(kpm, sizeof(kpm), "%s/%s.kpm", w->temp->path, name);
  snprintf(enrolee, sizeof(enrolee), "//sp.example.com/in-cse/C%s", name);
  cli_expect(0, "device", "new", dir, "--realm", w->realm_path, "--kpm-id", name, "--generate", kpm);
  cli_expect(0, "mef", "enrolee", "add", w->realm_path, "--id", name, "--enrolee-id", enrolee, "--key-file", kpm);
  return dir;
}

static void state_text(const char *dir, const char *name, char out[200])
{
  said *s = cli("device", "show", dir, "--json");
  assert_int_equal(s->code, 0);
  snprintf(out, 200, "%s", json_text(s->out, name));
}

static void expect_rsc(int want, const said *s)
{
  char text[8];
  snprintf(text, sizeof(text), "%d", want);
  if (strcmp(json_text(s->out, "rsc"), text) != 0) fail_msg("want %d: %s%s", want, s->out, s->err);
  assert_int_equal(s->code, want < 4000 ? 0 : 1);
}

/*= TS-0003 8.3.2.1 */
/*= TS-0003 8.8.2.3 */
/*= TS-0003 8.8.2.7 */
/*= TS-0003 8.2.2.3 */
static void from_kpm_to_data(void **state)
{
  town *w = *state;
  const char *meter = new_device(w, "meter"), *reader = new_device(w, "reader");
  cli_expect(0, "enrol", meter);
  cli_expect(0, "enrol", reader, "--psk");
  expect_rsc(2001, cli("register", meter, "--app-id", "N.meter", "--json"));
  expect_rsc(2001, cli("register", reader, "--json"));
  char ae_id[200];
  state_text(meter, "aeID", ae_id);
  assert_string_equal(ae_id, "Cmeter");
  expect_rsc(2001, cli("create", meter, "cse-in/Cmeter", "--ty", "container", "--rn", "c", "--content", "{\"mni\":3}",
                       "--json"));
  expect_rsc(2001,
             cli("create", meter, "cse-in/Cmeter/c", "--ty", "cin", "--content", "{\"con\":\"21.5\"}", "--json"));
  said *s = cli("get", meter, "cse-in/Cmeter/c/la", "--json");
  expect_rsc(2000, s);
  assert_non_null(strstr(s->out, "\"con\":\"21.5\""));
  expect_rsc(4103, cli("get", reader, "cse-in/Cmeter/c/la", "--json"));
  expect_rsc(4106, cli("get", reader, "cse-in/Cmeter/c/la", "--from", "Cmeter", "--json"));
  expect_rsc(4004, cli("get", meter, "cse-in/nowhere", "--json"));
  expect_rsc(2001, cli("create", meter, "cse-in/Cmeter/c", "--ty", "cin", "--content", "{\"con\":\"22.5\"}", "--cbor",
                       "--json")); /*= TS-0004 8.5.1 */
  s = cli("get", meter, "cse-in/Cmeter/c/la", "--cbor", "--json");
  expect_rsc(2000, s);
  assert_non_null(strstr(s->out, "\"con\":\"22.5\""));
  expect_rsc(4004, cli("get", meter, "cse-in/nowhere", "--cbor", "--json"));
  expect_rsc(2004,
             cli("update", meter, "cse-in/Cmeter/c", "--ty", "cnt", "--content", "{\"lbl\":[\"x\"]}", "--json"));
  expect_rsc(2002, cli("delete", meter, "cse-in/Cmeter/c", "--json"));
  expect_rsc(4117, cli("register", meter, "--json"));
  s = cli("audit", w->realm_path, "cse", "--json");
  assert_int_equal(s->code, 0);
  assert_non_null(strstr(s->out, "\"rsc\":4106"));
}

/* A second enrolment renews Ke, Km and Kc; what was there before goes. */
static void renewal(void **state)
{
  const char *dir = new_device(*state, "dev1");
  char before[200], after[200];
  cli_expect(0, "enrol", dir);
  const char *const names[] = {"keID", "kmID", "kcID"};
  for (size_t i = 0; i < 3; i++) {
    state_text(dir, names[i], before);
    cli_expect(0, "enrol", dir);
    state_text(dir, names[i], after);
    assert_true(after[0]);
    assert_string_not_equal(before, after);
  }
  state_text(dir, "mefClientReg", before);
  cli_expect(0, "enrol", dir, "--until", "mef");
  state_text(dir, "mefClientReg", after);
  assert_string_equal(before, after); /* updated, not made anew */
  expect_rsc(2001, cli("register", dir, "--json"));
}

/*= TS-0003 8.3.5.2.7 */
static void key_of_the_mef(void **state)
{
  const char *dir = new_device(*state, "dev2");
  cli_expect(0, "enrol", dir, "--until", "mef", "--register-key", "22");
  expect_rsc(2001, cli("register", dir, "--with", "mef", "--json"));
  expect_rsc(2000, cli("get", dir, "cse-in/Cdev2", "--json")); /* the same key again */
}

static void over_tls12(void **state)
{
  town *w = *state;
  const char *dir = new_device(w, "old");
  char conf[400];
  snprintf(conf, sizeof(conf), "%s/device.conf", dir);
  char *text = temp_read(conf), *at = strstr(text, "tls13 = true");
  assert_non_null(at);
  memcpy(at, "tls13=false ", 12);
  temp_write(conf, text, 0600);
  free(text);
  cli_expect(0, "enrol", dir);
  expect_rsc(2001, cli("register", dir, "--json"));
}

/*= TS-0003 10.2.2 each policy of a device understands a realm that keeps its default */
static void over_each_policy(void **state)
{
  town *w = *state;
  static const char *const policies[] = {"ts0003-r3", "constrained"}, *const names[] = {"strict", "small"};
  for (size_t i = 0; i < 2; i++) {
    const char *dir = new_device(w, names[i]);
    char conf[400], line[80];
    snprintf(conf, sizeof(conf), "%s/device.conf", dir);
    snprintf(line, sizeof(line), "security_policy = \"%s\"", policies[i]);
    char *text = temp_read(conf), *at = strstr(text, "security_policy = \"modern\"");
    assert_non_null(at);
    char *rest = strdup(at + strlen("security_policy = \"modern\""));
    strcpy(at, line);
    strcat(at, rest);
    temp_write(conf, text, 0600);
    free(rest);
    free(text);
    cli_expect(0, "enrol", dir);
    expect_rsc(2001, cli("register", dir, "--json"));
  }
}

static void expect_alert(const said *s)
{
  assert_int_equal(s->code, 1);
  assert_true(strlen(json_text(s->out, "alert")) > 0);
  assert_non_null(strstr(s->out, "handshake failed: alert "));
}

static void wrong_and_unknown_keys(void **state)
{
  town *w = *state;
  new_device(w, "honest");
  char dir[300], kpm[300];
  snprintf(dir, sizeof(dir), "%s/liar", w->temp->path);
  snprintf(kpm, sizeof(kpm), "%s/liar.kpm", w->temp->path);
  cli_expect(0, "device", "new", dir, "--realm", w->realm_path, "--kpm-id", "honest", "--generate", kpm);
  expect_alert(cli("enrol", dir, "--json"));
  snprintf(dir, sizeof(dir), "%s/stranger", w->temp->path);
  cli_expect(0, "device", "new", dir, "--realm", w->realm_path, "--kpm-id", "stranger", "--key-file", kpm);
  expect_alert(cli("enrol", dir, "--json"));
  expect_rsc(4105, cli("mef", "enrolee", "add", w->realm_path, "--id", "honest", "--key-file", kpm, "--json"));
}

/*= TS-0003 8.8.2.10 */
static void a_revoked_key_ends_the_association(void **state)
{
  town *w = *state;
  const char *dir = new_device(w, "dev3");
  char kc[200];
  cli_expect(0, "enrol", dir);
  expect_rsc(2001, cli("register", dir, "--json"));
  state_text(dir, "kcID", kc);
  gh_device *device;
  gh_reply reply;
  gh_diag diag = {""};
  assert_int_equal(gh_device_open(dir, NULL, &device, &diag), GH_OK);
  assert_int_equal(gh_device_associate(device, GH_DEVICE_KEY_MAF, &reply, &diag), GH_OK);
  assert_int_equal(gh_device_wait_closed(device, 200), GH_ETIMEOUT);
  expect_rsc(2002, cli("maf", "key", "revoke", w->realm_path, kc, "--json"));
  assert_int_equal(gh_device_wait_closed(device, 1000), GH_OK);
  usleep(500000); /* within the second, every function of the machine has heard of it */
  gh_device_request request = {.op = GH_DEVICE_RETRIEVE, .to = GH_STR("cse-in/Cdev3"), .rcn = -1};
  assert_int_equal(gh_device_request_send(device, &request, &reply, &diag), GH_EAUTH); /* and it does not come back */
  assert_true(reply.alert > 0);
  gh_device_close(device);
  expect_alert(cli("get", dir, "cse-in/Cdev3", "--json"));
  cli_expect(0, "enrol", dir, "--from", "key"); /* a new key helps */
  expect_rsc(2000, cli("get", dir, "cse-in/Cdev3", "--json"));
}

static void administration(void **state)
{
  town *w = *state;
  const char *dir = new_device(w, "dev4");
  cli_expect(0, "enrol", dir);
  said *s = cli("mef", "enrolee", "list", w->realm_path, "--json");
  assert_int_equal(s->code, 0);
  assert_non_null(strstr(s->out, "dev4@mef.sp.example.com"));
  assert_null(strstr(s->out, "\"kv\"")); /* TP-19 */
  s = cli("maf", "key", "list", w->realm_path, "--json");
  assert_int_equal(s->code, 0);
  assert_non_null(strstr(s->out, "//sp.example.com/in-cse/Cdev4"));
  assert_null(strstr(s->out, "\"kv\""));
  expect_rsc(2000, cli("get", w->realm_path, "maf", "--admin", "--function", "maf", "--json"));
  expect_rsc(2002, cli("mef", "enrolee", "delete", w->realm_path, "dev4", "--json"));
  expect_alert(cli("enrol", dir, "--json"));
  expect_rsc(4004, cli("mef", "enrolee", "delete", w->realm_path, "dev4", "--json"));
  cli_expect(0, "doctor", w->realm_path);
}

/* TP-07: another realm's administrator is nobody here. */
static void a_foreign_administrator(void **state)
{
  town *w = *state;
  char other[300], from[340], to[340];
  snprintf(other, sizeof(other), "%s/other", w->temp->path);
  cli_expect(0, "init", other, "--sp-id", "sp.example.com");
  static const char *const names[] = {"mef", "maf", "cse"};
  for (size_t i = 0; i < 3; i++) { /* the address of ours, the credential of theirs */
    snprintf(from, sizeof(from), "%s/run/%s.endpoint", w->realm_path, names[i]);
    snprintf(to, sizeof(to), "%s/run/%s.endpoint", other, names[i]);
    char *text = temp_read(from);
    temp_write(to, text, 0600);
    free(text);
  }
  said *s = cli("mef", "enrolee", "list", other, "--json");
  assert_int_equal(s->code, 1);
  assert_non_null(strstr(s->out, "unknown_ca")); /* neither end knows the other's root */
}

/* After a restart of all functions the device goes on with what it has. */
static void functions_restart(void **state)
{
  town *w = *state;
  const char *dir = new_device(w, "dev5");
  cli_expect(0, "enrol", dir);
  expect_rsc(2001, cli("register", dir, "--json"));
  expect_rsc(2001, cli("create", dir, "cse-in/Cdev5", "--ty", "cnt", "--rn", "kept", "--json"));
  stop_town(w);
  cli_expect(3, "get", dir, "cse-in/Cdev5/kept");
  start_town(w);
  expect_rsc(2000, cli("get", dir, "cse-in/Cdev5/kept", "--json"));
  cli_expect(0, "enrol", dir, "--from", "key");
}

/* The whole way again without HTTP. */ /*= TS-0008 6.3.1; TS-0003 8.3.2.1; TS-0003 8.8.2.7; TS-0003 10.2.3 */
static void over_coap(void **state)
{
  static const char *const bindings[] = {"coap", "coaps_tcp"}, *const names[] = {"udp1", "tcp1"};
  for (size_t i = 0; i < 2; i++) {
    const char *dir = new_device(*state, names[i]), *b = bindings[i];
    char box[60];
    snprintf(box, sizeof(box), "cse-in/C%s", names[i]);
    cli_expect(0, "enrol", dir, "--binding", b);
    expect_rsc(2001, cli("register", dir, "--binding", b, "--json"));
    expect_rsc(2001, cli("create", dir, box, "--ty", "cnt", "--rn", "c", "--binding", b, "--json"));
    expect_rsc(2000, cli("get", dir, box, "--binding", b, "--json"));
    expect_rsc(2000, cli("get", dir, box, "--json")); /* and over HTTP it is the same AE */
    expect_rsc(4106, cli("get", dir, box, "--from", "Cother", "--binding", b, "--json"));
    expect_rsc(4004, cli("get", dir, "cse-in/nowhere", "--binding", b, "--json"));
    expect_rsc(2002, cli("delete", dir, box, "--binding", b, "--json"));
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(from_kpm_to_data),
      cmocka_unit_test(renewal),
      cmocka_unit_test(key_of_the_mef),
      cmocka_unit_test(over_tls12),
      cmocka_unit_test(over_each_policy),
      cmocka_unit_test(wrong_and_unknown_keys),
      cmocka_unit_test(a_revoked_key_ends_the_association),
      cmocka_unit_test(administration),
      cmocka_unit_test(a_foreign_administrator),
      cmocka_unit_test(functions_restart),
      cmocka_unit_test(over_coap),
  };
  return cmocka_run_group_tests(tests, make_town, drop_town);
}
