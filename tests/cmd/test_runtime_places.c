/* Where the CSEs of a realm are, seen from each of them, as their `registrar` settings say. TP-02. */
#include "../m2m/cmocka_all.h"

#include "cmd/runtime.h"

#define CSE(id, above)                                                                                               \
  {                                                                                                                  \
    .kind = GH_REALM_CSE, .cse_id = GH_STR(id), .registrar = GH_STR(above)                                           \
  }

/* in-cse above mn1 and mn2; mn3 below mn1, mn4 below mn3; lost is below one that is not of this realm; a and b turn
 * round each other. */
static const gh_realm_function functions[] = {
    CSE("in-cse", ""), CSE("mn1", "in-cse"), CSE("mn2", "in-cse"),
    CSE("mn3", "mn1"), CSE("mn4", "mn3"),    CSE("lost", "elsewhere"),
    CSE("a", "b"),     CSE("b", "a"),        {.kind = GH_REALM_MAF, .cse_id = GH_STR("maf")}};

static const char *place_from(const char *self, const char *cse, gh_runtime *runtime)
{
  static char text[80];
  gh_host_config config = {.cse_type = 0};
  const gh_realm_function *own = NULL;
  for (size_t i = 0; i < runtime->realm->function_count; i++)
    if (gh_str_eq(runtime->realm->functions[i].cse_id, gh_str_of(self))) own = &runtime->realm->functions[i];
  assert_non_null(own);
  gh_runtime_places(runtime, own, &config);
  text[0] = '\0';
  for (size_t i = 0; i < config.cse_place_count; i++)
    if (gh_str_eq(config.cse_places[i].cse, gh_runtime_cse_absolute(runtime, gh_str_of(cse))))
      gh_str_to_cstr(config.cse_places[i].through, text, sizeof text);
  return text;
}

static void seen_from_each(void **state)
{
  (void)state;
  static const struct {
    const char *self, *cse, *through;
  } rows[] = {
      {"in-cse", "mn1", "//sp.example.com/mn1"},
      {"in-cse", "mn4", "//sp.example.com/mn1"},
      {"in-cse", "in-cse", ""},
      {"in-cse", "lost", ""},
      {"in-cse", "a", ""},
      {"in-cse", "maf", ""},
      {"mn1", "mn4", "//sp.example.com/mn3"},
      {"mn1", "in-cse", "//sp.example.com/in-cse"},
      {"mn1", "mn2", "//sp.example.com/in-cse"},
      {"mn3", "mn2", "//sp.example.com/mn1"},
      {"mn3", "mn1", "//sp.example.com/mn1"},
      {"a", "b", "//sp.example.com/b"},
      {"maf", "mn1", ""},
  };
  static gh_realm realm;
  static gh_runtime runtime;
  realm.sp_fqdn = GH_STR("sp.example.com");
  realm.function_count = sizeof functions / sizeof *functions;
  memcpy(realm.functions, functions, sizeof functions);
  runtime.realm = &realm;
  gh_arena_init(&runtime.arena);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    const char *found = place_from(rows[i].self, rows[i].cse, &runtime);
    if (strcmp(found, rows[i].through) != 0) fail_msg("%s from %s: %s", rows[i].cse, rows[i].self, found);
  }
  gh_arena_free(&runtime.arena);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(seen_from_each)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
