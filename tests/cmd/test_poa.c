/* Points of access that registrees write: which ones we go to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cmd/poa.h"

#define SP GH_STR("sp.example.com")

/*= TS-0004 6.3.3; TS-0004 7.3.2.6 */
static void where_we_go(void **state)
{
  (void)state;
  static const struct {
    const char *poa;
    gh_poa_scheme scheme;
    const char *host;
    uint16_t port;
    const char *prefix;
  } cases[] = {{"https://192.0.2.1:8443", GH_POA_HTTPS, "192.0.2.1", 8443, ""},
               {"https://192.0.2.1", GH_POA_HTTPS, "192.0.2.1", 443, ""},
               {"https://192.0.2.1/", GH_POA_HTTPS, "192.0.2.1", 443, ""},
               {"https://[2001:db8::1]:8443", GH_POA_HTTPS, "2001:db8::1", 8443, ""},
               {"https://[2001:db8::1]", GH_POA_HTTPS, "2001:db8::1", 443, ""},
               {"https://mn1.in-cse.sp.example.com:1", GH_POA_HTTPS, "mn1.in-cse.sp.example.com", 1, ""},
               {"https://SP.EXAMPLE.COM", GH_POA_HTTPS, "SP.EXAMPLE.COM", 443, ""},
               {"HTTPS://192.0.2.1", GH_POA_HTTPS, "192.0.2.1", 443, ""},
               {"coaps://192.0.2.1", GH_POA_COAPS, "192.0.2.1", 5684, ""},
               {"COAPS://[::1]:1", GH_POA_COAPS, "::1", 1, ""},
               {"coaps+tcp://192.0.2.1/", GH_POA_COAPS_TCP, "192.0.2.1", 5684, ""},
               {"coaps+tcp://sp.example.com:7", GH_POA_COAPS_TCP, "sp.example.com", 7, ""},
               {"mqtts://broker.example.org", GH_POA_MQTTS, "broker.example.org", 8883, ""},
               {"mqtts://127.0.0.1:1/abc/def", GH_POA_MQTTS, "127.0.0.1", 1, "abc/def"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    gh_poa at;
    gh_err err = gh_poa_parse(gh_str_of(cases[i].poa), SP, &at);
    if (err != GH_OK) fail_msg("'%s': %s (%s)", cases[i].poa, gh_err_name(err), at.why);
    assert_int_equal(at.scheme, cases[i].scheme);
    assert_string_equal(at.at.host, cases[i].host);
    assert_int_equal(at.at.port, cases[i].port);
    assert_true(gh_str_eq(at.prefix, gh_str_of(cases[i].prefix)));
  }
}

#define CLEAR "in clear text"
#define NAME "a name outside the domain of the provider"
#define PLACE "no host and port"

/*= TS-0003 8.2.1; TS-0020 5.2 each with its reason */
static void where_we_do_not_go(void **state)
{
  (void)state;
  static const struct {
    const char *poa;
    gh_err err;
    const char *why;
  } cases[] = {{"http://192.0.2.1:8080", GH_EUNSUPPORTED, CLEAR},
               {"HTTP://192.0.2.1:8080", GH_EUNSUPPORTED, CLEAR},
               {"coap://192.0.2.1", GH_EUNSUPPORTED, CLEAR},
               {"coap+tcp://192.0.2.1", GH_EUNSUPPORTED, CLEAR},
               {"mqtt://192.0.2.1", GH_EUNSUPPORTED, CLEAR},
               {"ws://192.0.2.1", GH_EUNSUPPORTED, CLEAR},
               {"wss://192.0.2.1", GH_EUNSUPPORTED, "a registree opens its WebSocket itself"},
               {"file:///etc/passwd", GH_EUNSUPPORTED, "an unknown scheme"},
               {"https:/192.0.2.1", GH_EUNSUPPORTED, "an unknown scheme"},
               /* names of others are not looked up */
               {"https://slow.example.org", GH_EUNSUPPORTED, NAME},
               {"coaps://slow.example.org", GH_EUNSUPPORTED, NAME},
               {"coaps+tcp://notsp.example.com", GH_EUNSUPPORTED, NAME},
               {"https://sp.example.com.evil.org", GH_EUNSUPPORTED, NAME},
               {"https://localhost", GH_EUNSUPPORTED, NAME},
               {"https://192.0.2.1:8443/path", GH_EUNSUPPORTED, "a path in front of ours"},
               {"coaps://192.0.2.1/path", GH_EUNSUPPORTED, "a path in front of ours"},
               {"https://user@192.0.2.1", GH_ESYNTAX, PLACE},
               {"https://192.0.2.1:0", GH_ESYNTAX, PLACE},
               {"coaps://192.0.2.1:99999", GH_ESYNTAX, PLACE},
               {"https://192.0.2.1:", GH_ESYNTAX, PLACE},
               {"mqtts:///abc", GH_ESYNTAX, PLACE},
               {"https://", GH_ESYNTAX, PLACE},
               {"https:///", GH_ESYNTAX, PLACE},
               {"https://[2001:db8::1", GH_ESYNTAX, PLACE},
               {"https://a b", GH_ESYNTAX, PLACE},
               {"", GH_ESYNTAX, "an unknown scheme"},
               {"192.0.2.1", GH_ESYNTAX, "an unknown scheme"}};
  gh_poa at;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    gh_err err = gh_poa_parse(gh_str_of(cases[i].poa), SP, &at);
    if (err != cases[i].err) fail_msg("'%s': %s", cases[i].poa, gh_err_name(err));
    assert_string_equal(at.why, cases[i].why);
  }
  char longest[600] = "https://";
  memset(longest + 8, '1', sizeof longest - 9);
  longest[sizeof longest - 1] = '\0';
  assert_int_equal(gh_poa_parse(gh_str_of(longest), SP, &at), GH_ESYNTAX);
  assert_string_equal(at.why, "too long");
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(where_we_go), cmocka_unit_test(where_we_do_not_go)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
