/* Host names that are looked up beside the workers: who asks is never held up, whatever the resolver does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cmd/names.h"

enum { WAIT_S = 20 };

static _Atomic int asked, asked_slow, held;
static _Atomic bool silent, gone;

/* "slow..": while `silent`; "none..": there is none; anything else is 192.0.2.<number of times asked>. */
static gh_err resolver(const char *host, struct sockaddr_storage *address, socklen_t *len)
{
  int times = ++asked;
  held++;
  if (strncmp(host, "slow", 4) == 0) asked_slow++;
  while (silent && strncmp(host, "slow", 4) == 0) usleep(1000);
  held--;
  if (gone || strncmp(host, "none", 4) == 0) return GH_ECONN;
  struct sockaddr_in *in = (struct sockaddr_in *)address;
  in->sin_family = AF_INET;
  in->sin_addr.s_addr = htonl(0xc0000200u + (uint32_t)times);
  *len = sizeof *in;
  return GH_OK;
}

typedef struct time_test {
  gh_clock_fixed time;
  gh_names *names;
} time_test;

static int setup(void **state)
{
  static time_test t;
  t = (time_test){.time = {.now_us = GH_US_PER_S}};
  gh_clock clock = gh_clock_of_fixed(&t.time);
  asked = asked_slow = 0;
  silent = gone = false;
  t.names = gh_names_new(resolver, &clock);
  *state = &t;
  return 0;
}

static int teardown(void **state)
{
  time_test *t = *state;
  silent = false;
  gh_names_free(t->names);
  return 0;
}

/* As a worker does: asks again while it is told to. */
static gh_err find(time_test *t, const char *host, int *last)
{
  struct sockaddr_storage address;
  socklen_t len = 0;
  time_t end = time(NULL) + WAIT_S;
  gh_err err;
  while ((err = gh_names_find(t->names, host, 8443, &address, &len)) == GH_EAGAIN && time(NULL) < end) usleep(1000);
  const struct sockaddr_in *in = (const struct sockaddr_in *)&address;
  if (err == GH_OK) assert_int_equal(ntohs(in->sin_port), 8443);
  if (err == GH_OK && last) *last = (int)(ntohl(in->sin_addr.s_addr) & 0xff);
  return err;
}

static void names_are_kept_for_a_while(void **state)
{
  time_test *t = *state;
  int first = 0, then = 0;
  assert_int_equal(find(t, "mn1.sp.example.com", &first), GH_OK);
  assert_int_equal(find(t, "mn1.sp.example.com", &then), GH_OK);
  assert_true(first == then && asked == 1);
  assert_int_equal(find(t, "none.sp.example.com", NULL), GH_ECONN);
  assert_int_equal(find(t, "none.sp.example.com", NULL), GH_ECONN);
  assert_int_equal(asked, 2);
  t->time.now_us += 31 * GH_US_PER_S;
  time_t end = time(NULL) + WAIT_S;
  do { /* what was known serves until the new answer is there */
    assert_int_equal(find(t, "mn1.sp.example.com", &then), GH_OK);
  } while (then == first && time(NULL) < end);
  assert_int_equal(then, 3);
  gone = true;
  t->time.now_us += 31 * GH_US_PER_S;
  assert_int_equal(find(t, "mn1.sp.example.com", &then), GH_OK); /* and while the resolver knows nothing */
  assert_int_equal(find(t, "none.sp.example.com", NULL), GH_ECONN);
}

static void a_silent_resolver_holds_up_nobody(void **state)
{
  time_test *t = *state;
  struct sockaddr_storage address;
  socklen_t len = 0;
  char host[32];
  silent = true;
  for (int i = 0; i < 300; i++) {
    snprintf(host, sizeof host, "slow%d.sp.example.com", i);
    assert_int_equal(gh_names_find(t->names, host, 1, &address, &len), GH_EAGAIN);
  }
  assert_true(asked_slow <= 4); /* a look-up of the test before may begin only now */
  assert_int_equal(gh_names_find(t->names, "192.0.2.7", 1, &address, &len), GH_OK);
  assert_int_equal(gh_names_find(t->names, "2001:db8::1", 1, &address, &len), GH_OK);
  assert_true(address.ss_family == AF_INET6 && len == sizeof(struct sockaddr_in6));
  silent = false;
  assert_int_equal(find(t, "slow299.sp.example.com", NULL), GH_OK);
}

/* The process ends meanwhile. */
static void the_end_comes_first(void **state)
{
  time_test *t = *state;
  struct sockaddr_storage address;
  socklen_t len = 0;
  gh_clock clock = gh_clock_of_fixed(&t->time);
  gh_names *names = gh_names_new(resolver, &clock);
  time_t end = time(NULL) + WAIT_S;
  silent = true;
  assert_int_equal(gh_names_find(names, "slow.sp.example.com", 1, &address, &len), GH_EAGAIN);
  while (!held && time(NULL) < end) usleep(1000);
  gh_names_free(names);
  silent = false;
  while (held && time(NULL) < end) usleep(1000);
}

static void the_system_knows_localhost(void **state)
{
  (void)state;
  gh_clock clock = gh_clock_system();
  time_test t = {.names = gh_names_new(NULL, &clock)};
  struct sockaddr_storage address;
  socklen_t len = 0;
  time_t end = time(NULL) + WAIT_S;
  gh_err err;
  while ((err = gh_names_find(t.names, "localhost", 1, &address, &len)) == GH_EAGAIN && time(NULL) < end)
    usleep(1000);
  assert_int_equal(err, GH_OK);
  assert_int_equal(gh_names_find(t.names, "", 1, &address, &len), GH_ECONN);
  gh_names_free(t.names);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
  const struct CMUnitTest tests[] = {
      WITH(names_are_kept_for_a_while),
      WITH(a_silent_resolver_holds_up_nobody),
      WITH(the_end_comes_first),
      cmocka_unit_test(the_system_knows_localhost),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
