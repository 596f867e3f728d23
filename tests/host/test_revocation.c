/* The file through which functions of one machine tell each other of revoked keys, as a reader meets it: also after a
 * writer that was killed in the middle of a line. TP-20. */
#include "harness.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "host/fetch.h"
#include "m2m/m2m_time.h"

typedef struct revocation_test {
  harness h;
  char path[96];
  gh_psk_query query;
  gh_err at_once;
  const char *identity;
} revocation_test;

/* An issuer that gives every key. */
static void give_key(void *ctx, gh_worker *worker, gh_outbound_call *call)
{
  (void)worker;
  const revocation_test *t = ctx;
  gh_val *body = gh_val_object(&call->arena), *key = gh_val_object(&call->arena);
  gh_val_set(&call->arena, key, GH_STR("suid"), gh_val_int(&call->arena, 32));
  gh_val_set(&call->arena, key, GH_STR("kv"), gh_val_str(&call->arena, GH_STR("a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5")));
  gh_val_set(&call->arena, key, GH_STR("cr"), gh_val_str(&call->arena, GH_STR("//sp.example.com/in-cse/Cmeter")));
  gh_val_set(&call->arena, key, GH_STR("et"),
             gh_val_str(&call->arena, gh_timestamp(&call->arena, gh_host_now_us(t->h.host) + 3600 * GH_US_PER_S)));
  gh_val_set(&call->arena, body, GH_STR("sec:skr"), key);
  call->err = GH_OK;
  call->response = (gh_response){.rsc = 2000, .pc = body};
  call->done(call);
}

static int setup(void **state)
{
  revocation_test *t = calloc(1, sizeof *t);
  harness_prepare(&t->h, &gh_cse_function);
  snprintf(t->path, sizeof t->path, "%s/revoked", t->h.dir);
  t->h.options.config.revocation_path = t->path;
  t->h.options.outbound = (gh_outbound){t, give_key};
  t->h.options.config.recheck_us = t->h.options.config.negative_us = 600 * GH_US_PER_S;
  harness_open(&t->h);
  *state = t;
  return 0;
}

static int teardown(void **state)
{
  revocation_test *t = *state;
  harness_stop(&t->h);
  free(t);
  return 0;
}

static void ignore_answer(gh_psk_query *query)
{
  (void)query; /* the next question is answered at once */
}

static void ask_on_worker(void *arg)
{
  revocation_test *t = arg;
  const gh_fetch_options options = {.entity = GH_STR("maf.sp.example.com"), .want_suid = 32};
  gh_secret_wipe(&t->query.key);
  gh_peer_clear(&t->query.peer);
  t->query =
      (gh_psk_query){.identity = gh_str_of(t->identity), .worker = &t->h.worker, .done = ignore_answer, .why = ""};
  t->at_once = gh_fetch_psk(t->h.host->fetcher, &options, &t->query);
}

static gh_err ask_for(revocation_test *t, const char *identity)
{
  t->identity = identity;
  gh_loop_call(t->h.loop, ask_on_worker, t);
  return t->at_once;
}

static void hold_key(revocation_test *t, const char *identity)
{
  for (int i = 0; i < 100 && ask_for(t, identity) != GH_OK; i++) gh_loop_call(t->h.loop, harness_nothing, NULL);
  assert_int_equal(ask_for(t, identity), GH_OK);
}

static void append(const revocation_test *t, const char *text)
{
  FILE *file = fopen(t->path, "a");
  assert_true(fputs(text, file) >= 0);
  assert_int_equal(fclose(file), 0);
}

/* The file is looked at five times a second. */
static void wait_revoked(revocation_test *t, const char *identity)
{
  for (int i = 0; i < 1000 && ask_for(t, identity) == GH_OK; i++) usleep(10000);
  assert_int_equal(t->at_once, GH_EAUTH);
  assert_string_equal(t->query.why, "revoked");
  gh_secret_wipe(&t->query.key);
  gh_peer_clear(&t->query.peer);
}

static void a_line_ends_a_key(void **state)
{
  revocation_test *t = *state;
  hold_key(t, "AA@maf.sp.example.com");
  hold_key(t, "BB@maf.sp.example.com");
  append(t, "AA@maf.sp.example.com\n");
  wait_revoked(t, "AA@maf.sp.example.com");
  assert_int_equal(ask_for(t, "BB@maf.sp.example.com"), GH_OK);
  append(t, "BB@maf.sp."); /* not done yet */
  append(t, "example.com\n");
  wait_revoked(t, "BB@maf.sp.example.com");
}

/* What is longer than any identifier is skipped; empty lines mean nothing. */
static void damage_holds_up_nothing(void **state)
{
  revocation_test *t = *state;
  char *noise = malloc(10001);
  memset(noise, 'x', 10000);
  noise[10000] = '\0';
  hold_key(t, "AA@maf.sp.example.com");
  hold_key(t, "BB@maf.sp.example.com");
  hold_key(t, "CC@maf.sp.example.com");
  append(t, "ZZ@maf.sp.ex"); /* its writer was killed; the next one begins a line of its own */
  append(t, "\nAA@maf.sp.example.com\n");
  wait_revoked(t, "AA@maf.sp.example.com");
  append(t, noise);
  append(t, "\n\n\nBB@maf.sp.example.com\n");
  wait_revoked(t, "BB@maf.sp.example.com");
  assert_int_equal(ask_for(t, "CC@maf.sp.example.com"), GH_OK);
  gh_secret_wipe(&t->query.key);
  gh_peer_clear(&t->query.peer);
  free(noise);
}

/* Whoever tidies up: what is written afterwards counts, however short the file is then. */
static void a_file_that_is_cut(void **state)
{
  revocation_test *t = *state;
  hold_key(t, "AA@maf.sp.example.com");
  hold_key(t, "BB@maf.sp.example.com");
  append(t, "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\nAA@maf.sp.example.com\n");
  wait_revoked(t, "AA@maf.sp.example.com");
  assert_int_equal(truncate(t->path, 0), 0);
  append(t, "\nBB@maf.sp.example.com\n");
  wait_revoked(t, "BB@maf.sp.example.com");
}

/* Written over from its beginning, beyond its old end, in one step: what stands before that end counts too, and what
 * begins in the middle of a line there is nobody's key. */
static void a_file_that_is_cut_and_filled_at_once(void **state)
{
  revocation_test *t = *state;
  static const char *const keys[] = {"AA@maf.sp.example.com", "BB@maf.sp.example.com", "CC@maf.sp.example.com",
                                     "DD@maf.sp.example.com"};
  for (size_t i = 0; i < 4; i++) hold_key(t, keys[i]);
  append(t, "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\nAA@maf.sp.example.com\n");
  wait_revoked(t, "AA@maf.sp.example.com");
  struct stat was;
  assert_int_equal(stat(t->path, &was), 0);
  char fresh[200];
  int len = snprintf(fresh, sizeof fresh, "BB@maf.sp.example.com\n%*s%s\n%s\n", (int)was.st_size - 22, "x", keys[2],
                     keys[3]);
  assert_true(len > was.st_size && strstr(fresh, keys[2]) == fresh + was.st_size); /* where reading would go on */
  int fd = open(t->path, O_WRONLY);
  assert_int_equal(pwrite(fd, fresh, (size_t)len, 0), len);
  close(fd);
  wait_revoked(t, "BB@maf.sp.example.com");
  wait_revoked(t, "DD@maf.sp.example.com");
  assert_int_equal(ask_for(t, "CC@maf.sp.example.com"), GH_OK);
  gh_secret_wipe(&t->query.key);
  gh_peer_clear(&t->query.peer);
}

static void revoke_on_worker(void *arg)
{
  const revocation_test *t = arg;
  gh_host_revoke_key(t->h.host, gh_str_of(t->identity));
}

static bool file_has(const revocation_test *t, const char *line)
{
  char text[256] = "";
  FILE *file = fopen(t->path, "r");
  assert_non_null(file);
  size_t len = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[len] = '\0';
  return strstr(text, line) != NULL;
}

static void a_file_that_is_replaced(void **state)
{
  revocation_test *t = *state;
  char old[110];
  snprintf(old, sizeof old, "%s.1", t->path);
  hold_key(t, "AA@maf.sp.example.com");
  hold_key(t, "BB@maf.sp.example.com");
  hold_key(t, "CC@maf.sp.example.com");
  assert_int_equal(rename(t->path, old), 0);
  /* we write to the file that is there now, not to that which we had opened */
  t->identity = "ZZ@maf.sp.example.com";
  gh_loop_call(t->h.loop, revoke_on_worker, t);
  assert_true(file_has(t, "\nZZ@maf.sp.example.com\n"));
  append(t, "\nAA@maf.sp.example.com\n");
  wait_revoked(t, "AA@maf.sp.example.com");
  assert_int_equal(unlink(t->path), 0); /* it is made anew, for whoever comes to write */
  for (int i = 0; i < 1000 && access(t->path, F_OK) != 0; i++) usleep(10000);
  append(t, "\nBB@maf.sp.example.com\n");
  wait_revoked(t, "BB@maf.sp.example.com");
  assert_int_equal(ask_for(t, "CC@maf.sp.example.com"), GH_OK);
  gh_secret_wipe(&t->query.key);
  gh_peer_clear(&t->query.peer);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(a_line_ends_a_key, setup, teardown),
      cmocka_unit_test_setup_teardown(damage_holds_up_nothing, setup, teardown),
      cmocka_unit_test_setup_teardown(a_file_that_is_cut, setup, teardown),
      cmocka_unit_test_setup_teardown(a_file_that_is_cut_and_filled_at_once, setup, teardown),
      cmocka_unit_test_setup_teardown(a_file_that_is_replaced, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
