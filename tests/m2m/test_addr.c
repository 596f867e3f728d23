/* Target addresses: what is hosted here, what is in transit, what is refused. */
#include "cmocka_all.h"

#include "m2m/ids.h"
#include "vector_file.h"

static void addr_one(gh_arena *arena, const vector *v)
{
  gh_self self = {GH_STR("sp.example.com"), GH_STR("in-cse"), GH_STR("cse-in"), GH_STR("in-cse")};
  gh_addr addr;
  gh_err err = gh_addr_parse(vector_octets(arena, v->column[0]), &addr);
  bool refused = gh_str_eq(v->column[1], GH_STR("refused"));
  if ((err == GH_ESYNTAX) != refused) fail_msg("addresses.txt:%d: %s", v->line, gh_err_name(err));
  if (refused) return;
  if (gh_addr_is_local(&addr, &self) != gh_str_eq(v->column[1], GH_STR("local")))
    fail_msg("addresses.txt:%d: place", v->line);
  if (!gh_str_eq(addr.path, v->column[2]) || !gh_str_eq(addr.attribute, v->column[3]))
    fail_msg("addresses.txt:%d: %.*s # %.*s", v->line, GH_STR_ARG(addr.path), GH_STR_ARG(addr.attribute));
}

/*= TS-0001 7.2; resource identifiers of three scopes */
/*= TS-0004 7.3.2.6; another SP-ID or CSE-ID is transit */
static void addresses(void **state)
{
  (void)state;
  assert_true(vector_each("tests/vectors/m2m/addresses.txt", addr_one) > 45);
}

static void length(void **state)
{
  (void)state;
  char text[1026];
  gh_addr addr;
  memset(text, 'a', sizeof text);
  assert_int_equal(gh_addr_parse((gh_str){text, 1024}, &addr), GH_OK);
  assert_int_equal(gh_addr_parse((gh_str){text, 1025}, &addr), GH_ESYNTAX);
  assert_int_equal(gh_addr_parse(GH_STR_NONE, &addr), GH_ESYNTAX);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(addresses),
      cmocka_unit_test(length),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
