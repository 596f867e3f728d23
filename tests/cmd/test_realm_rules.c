/* What the operator decides for a realm, seen from devices: who may register, what happens without a MAF, what lies
 * on disk. Test purposes TP-12, TP-19, TP-20. */
#include "cli.h"

#include <signal.h>
#include <sys/stat.h>

#include "cmd/runtime.h"
#include "gatehouse/client.h"

typedef struct realm_run {
  temp_dir *temp;
  char realm_path[300];
  gh_realm realm;
  gh_runtime runtime;
} realm_run;

static void begin(realm_run *w)
{
  gh_diag diag = {""};
  const gh_realm_function *functions[GH_REALM_MAX_FUNCTIONS];
  assert_int_equal(gh_realm_read(w->realm_path, &w->realm, &diag), GH_OK);
  w->realm.log_level = GH_LOG_OFF;
  for (size_t i = 0; i < w->realm.function_count; i++) functions[i] = &w->realm.functions[i];
  if (gh_runtime_start(&w->runtime, &w->realm, functions, w->realm.function_count, &diag) != GH_OK)
    fail_msg("%s", diag.text);
}

static void end(realm_run *w)
{
  gh_runtime_stop(&w->runtime, 1000);
  gh_realm_free(&w->realm);
}

static int setup(void **state)
{
  realm_run *w = calloc(1, sizeof(*w));
  void *temp;
  signal(SIGPIPE, SIG_IGN);
  if (temp_dir_make(&temp) != 0) return -1;
  w->temp = temp;
  snprintf(w->realm_path, sizeof(w->realm_path), "%s/realm", w->temp->path);
  cli_expect(0, "init", w->realm_path, "--sp-id", "sp.example.com");
  begin(w);
  *state = w;
  return 0;
}

static int teardown(void **state)
{
  realm_run *w = *state;
  end(w);
  void *temp = w->temp;
  temp_dir_drop(&temp);
  free(w);
  return 0;
}

static const char *device(realm_run *w, const char *name, bool named)
{
  static char dirs[4][300];
  static unsigned next;
  char key[320], ae[80], *dir = dirs[next++ % 4];
  snprintf(dir, sizeof(dirs[0]), "%s/%s", w->temp->path, name);
  snprintf(key, sizeof(key), "%s.key", dir);
  snprintf(ae, sizeof(ae), "//sp.example.com/in-cse/C%s", name);
  cli_expect(0, "device", "new", dir, "--realm", w->realm_path, "--kpm-id", name, "--generate", key);
  if (named)
    cli_expect(0, "mef", "enrolee", "add", w->realm_path, "--id", name, "--enrolee-id", ae, "--key-file", key);
  else
    cli_expect(0, "mef", "enrolee", "add", w->realm_path, "--id", name, "--key-file", key);
  return dir;
}

/*= TS-0003 8.2.1; TS-0001 10.2.2.2 */
static void nameless_credentials(void **state)
{
  realm_run *w = *state;
  const char *dir = device(w, "x", false);
  cli_expect(0, "enrol", dir);
  cli_expect(1, "register", dir, "--rn", "x");
  for (size_t i = 0; i < w->runtime.served_count; i++) w->runtime.served[i].host->config.open_registration = true;
  cli_expect(0, "register", dir, "--rn", "x");
  cli_expect(0, "get", dir, "cse-in/x");
  cli_expect(1, "register", dir, "--rn", "again");
  /* the same credential is the same AE after a restart, although registration is closed again */
  end(w);
  begin(w);
  cli_expect(0, "get", dir, "cse-in/x");
}

static void an_unreachable_maf_harms_nobody_else(void **state)
{
  realm_run *w = *state;
  gh_device *open_one;
  gh_reply reply;
  gh_diag diag;
  char endpoint[320];
  const char *a = device(w, "a", true), *b = device(w, "b", true);
  cli_expect(0, "enrol", a);
  cli_expect(0, "register", a, "--rn", "a");
  cli_expect(0, "enrol", b);
  assert_int_equal(gh_device_open(a, NULL, &open_one, &diag), GH_OK);
  gh_device_request read = {.op = GH_DEVICE_RETRIEVE, .to = GH_STR("cse-in/a"), .rcn = -1};
  assert_int_equal(gh_device_request_send(open_one, &read, &reply, &diag), GH_OK);
  end(w); /* everything forgets its open associations to the MAF */
  gh_device_dissociate(open_one);
  begin(w);
  assert_int_equal(gh_device_request_send(open_one, &read, &reply, &diag), GH_OK);
  snprintf(endpoint, sizeof(endpoint), "%s/run/maf.endpoint", w->realm_path);
  FILE *file = fopen(endpoint, "w");
  fputs("127.0.0.1:1\n", file);
  fclose(file);
  for (size_t i = 0; i < w->runtime.served_count; i++) /* drop what the CSE keeps open to the MAF */
    if (w->runtime.served[i].function->kind == GH_REALM_MAF) gh_listener_close(w->runtime.served[i].listener);
  assert_int_equal(gh_device_request_send(open_one, &read, &reply, &diag), GH_OK);
  assert_int_equal(reply.rsc, 2000);
  gh_device_close(open_one);
}

/* TP-19, TP-12: neither the realm nor a device keeps a key in clear, and nobody else can read what they keep. */
static void keys_are_nowhere_in_clear(void **state)
{
  realm_run *w = *state;
  char command[800], key[200] = "", path[400];
  struct stat st;
  const char *dir = device(w, "s", true);
  cli_expect(0, "enrol", dir);
  snprintf(path, sizeof(path), "%s.key", dir);
  FILE *file = fopen(path, "r");
  assert_non_null(fgets(key, sizeof(key), file));
  fclose(file);
  key[strcspn(key, "\n")] = '\0';
  assert_true(strlen(key) >= 32);
  snprintf(command, sizeof(command), "grep -r -i -q -- '%.32s' '%s' '%s'", key, w->realm_path, dir);
  assert_int_not_equal(system(command), 0);
  static const char *const names[] = {"", "/secret", "/cse.sealed", "/cse.db", "/mef.db", "/gatehouse.conf"};
  for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
    snprintf(path, sizeof(path), "%s%s", w->realm_path, names[i]);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 077, 0);
  }
}

static void metrics_are_prometheus_text(void **state)
{
  realm_run *w = *state;
  gh_buf text = GH_BUF_INIT;
  cli_expect(3, "get", device(w, "m", true), "cse-in");
  gh_metrics_write(&w->runtime, &text);
  gh_buf_add_char(&text, '\0');
  assert_non_null(strstr(text.ptr, "# TYPE gatehouse_handshakes_ok_total counter\n"));
  assert_non_null(strstr(text.ptr, "gatehouse_requests_permitted_total{function=\"mef\"} 1\n"));
  gh_buf_free(&text);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(nameless_credentials, setup, teardown),
      cmocka_unit_test_setup_teardown(an_unreachable_maf_harms_nobody_else, setup, teardown),
      cmocka_unit_test_setup_teardown(keys_are_nowhere_in_clear, setup, teardown),
      cmocka_unit_test_setup_teardown(metrics_are_prometheus_text, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
