/* Points of access that registrees write: which ones we go to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cmd/poa.h"

/*= TS-0004 7.3.2.6; TS-0003 8.2.1 */
static void where_we_go_and_where_not(void **state)
{
  (void)state;
  static const struct {
    const char *poa;
    gh_err err;
    const char *host;
    uint16_t port;
  } cases[] = {{"https://192.0.2.1:8443", GH_OK, "192.0.2.1", 8443},
               {"https://192.0.2.1", GH_OK, "192.0.2.1", 443},
               {"https://192.0.2.1/", GH_OK, "192.0.2.1", 443},
               {"https://[2001:db8::1]:8443", GH_OK, "2001:db8::1", 8443},
               {"https://[2001:db8::1]", GH_OK, "2001:db8::1", 443},
               {"https://mn1.in-cse.sp.example.com:1", GH_OK, "mn1.in-cse.sp.example.com", 1},
               {"https://SP.EXAMPLE.COM", GH_OK, "SP.EXAMPLE.COM", 443},
               /* not protected, or not spoken */
               {"http://192.0.2.1:8080", GH_EUNSUPPORTED, "", 0},
               {"HTTPS://192.0.2.1", GH_EUNSUPPORTED, "", 0},
               {"coap://192.0.2.1", GH_EUNSUPPORTED, "", 0},
               {"coaps://192.0.2.1", GH_EUNSUPPORTED, "", 0},
               {"mqtt://192.0.2.1", GH_EUNSUPPORTED, "", 0},
               {"ws://192.0.2.1", GH_EUNSUPPORTED, "", 0},
               {"file:///etc/passwd", GH_EUNSUPPORTED, "", 0},
               /* names of others are not looked up */
               {"https://slow.example.org", GH_EUNSUPPORTED, "", 0},
               {"https://notsp.example.com", GH_EUNSUPPORTED, "", 0},
               {"https://sp.example.com.evil.org", GH_EUNSUPPORTED, "", 0},
               {"https://localhost", GH_EUNSUPPORTED, "", 0},
               {"https://192.0.2.1:8443/path", GH_EUNSUPPORTED, "", 0},
               {"https://user@192.0.2.1", GH_ESYNTAX, "", 0},
               {"https://192.0.2.1:0", GH_ESYNTAX, "", 0},
               {"https://192.0.2.1:99999", GH_ESYNTAX, "", 0},
               {"https://192.0.2.1:", GH_ESYNTAX, "", 0},
               {"https://", GH_ESYNTAX, "", 0},
               {"https:///", GH_ESYNTAX, "", 0},
               {"https://[2001:db8::1", GH_ESYNTAX, "", 0},
               {"https://a b", GH_ESYNTAX, "", 0},
               {"", GH_ESYNTAX, "", 0},
               {"192.0.2.1", GH_ESYNTAX, "", 0}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    gh_endpoint at = {.port = 0};
    gh_err err = gh_poa_endpoint(gh_str_of(cases[i].poa), GH_STR("sp.example.com"), &at);
    if (err != cases[i].err) fail_msg("'%s': %s", cases[i].poa, gh_err_name(err));
    if (err != GH_OK) continue;
    assert_string_equal(at.host, cases[i].host);
    assert_int_equal(at.port, cases[i].port);
  }
  char longest[600] = "https://";
  memset(longest + 8, '1', sizeof longest - 9);
  longest[sizeof longest - 1] = '\0';
  gh_endpoint at;
  assert_int_equal(gh_poa_endpoint(gh_str_of(longest), GH_STR("sp.example.com"), &at), GH_ESYNTAX);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(where_we_go_and_where_not)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
