/* What a <CSEBase> says of where its CSE is reached. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cmd/access_points.h"

static const gh_realm_function plain = {.kind = GH_REALM_CSE,
                                        .fqdn = {"in-cse.sp.example.com", 21},
                                        .endpoint = {"auto", 4},
                                        .listen = {"127.0.0.1:0", 11}};

static void assert_points(const gh_realm_function *f, const char *const *expected)
{
  gh_arena arena;
  gh_str points[GH_ACCESS_POINTS_MAX];
  gh_arena_init(&arena);
  size_t count = gh_access_points(&arena, f, points), wanted = 0;
  while (expected[wanted]) wanted++;
  assert_int_equal(count, wanted);
  for (size_t i = 0; i < count; i++)
    if (!gh_str_eq(points[i], gh_str_of(expected[i])))
      fail_msg("'%.*s', expected '%s'", GH_STR_ARG(points[i]), expected[i]);
  gh_arena_free(&arena);
}

/*= TS-0001 9.6.3 */
static void ports_of_the_system_are_not_said(void **state)
{
  (void)state;
  gh_realm_function f = plain;
  f.coap_listen = GH_STR("127.0.0.1:0");
  assert_points(&f, (const char *const[]){"https://in-cse.sp.example.com", "wss://in-cse.sp.example.com",
                                          "coaps://in-cse.sp.example.com", NULL});
}

static void every_listener_and_the_broker(void **state)
{
  (void)state;
  gh_realm_function f = plain;
  f.listen_port = 8443;
  f.coap_listen = GH_STR("0.0.0.0:5684");
  f.coaps_tcp_listen = GH_STR("[::]:5685");
  f.mqtt.broker = GH_STR("broker.example.org:8883");
  f.mqtt.prefix = GH_STR("abc/def");
  assert_points(&f,
                (const char *const[]){"https://in-cse.sp.example.com:8443", "wss://in-cse.sp.example.com:8443",
                                      "coaps://in-cse.sp.example.com:5684", "coaps+tcp://in-cse.sp.example.com:5685",
                                      "mqtts://broker.example.org:8883/abc/def", NULL});
}

/* A port that is forwarded, a proxy. */
static void where_the_operator_says(void **state)
{
  (void)state;
  gh_realm_function f = plain;
  f.endpoint = GH_STR("doors.example.org:443");
  assert_points(&f, (const char *const[]){"https://doors.example.org:443", "wss://doors.example.org:443", NULL});
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ports_of_the_system_are_not_said),
      cmocka_unit_test(every_listener_and_the_broker),
      cmocka_unit_test(where_the_operator_says),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
