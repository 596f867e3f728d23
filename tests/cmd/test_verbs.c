/* The table of verbs, reading of options, usage exit codes, --json everywhere. */
#include "cli.h"

#include "cmd/features_table.h"
#include "cmd/verbs.h"

static void every_verb_explains_itself(void **state)
{
  (void)state;
  for (size_t i = 0; gh_verbs[i]; i++) {
    const gh_verb *v = gh_verbs[i];
    const char *args[6] = {"help"};
    char words[3][24] = {"", "", ""};
    int n = sscanf(v->words, "%23s %23s %23s", words[0], words[1], words[2]);
    for (int w = 0; w < n; w++) args[w + 1] = words[w];
    said *s = cli_args(args);
    assert_int_equal(s->code, 0);
    assert_non_null(strstr(s->out, v->help));
    assert_non_null(strstr(s->out, "--json"));
    for (const gh_opt *o = v->options; o && o->name; o++) {
      assert_non_null(strstr(s->out, o->name));
      assert_true(o->kind == GH_OPT_FLAG || o->value);
    }
    args[n] = "--help"; /* "VERB --help" is the same */
    memmove(args, args + 1, sizeof(args) - sizeof(args[0]));
    for (int w = 0; w < n; w++) args[w] = words[w];
    args[n] = "--help";
    args[n + 1] = NULL;
    assert_int_equal(cli_args(args)->code, 0);
  }
}

static void usage_errors(void **state)
{
  (void)state;
  cli_expect(2, "dance");
  cli_expect(2, "mef");
  cli_expect(2, "mef", "enrolee");
  cli_expect(2, "init");
  cli_expect(2, "init", "a", "b", "--sp-id", "sp.example");
  assert_non_null(strstr(cli("init", "a", "--colour=red")->err, "unknown option '--colour=red'"));
  assert_non_null(strstr(cli("init", "a", "--sp-id")->err, "--sp-id needs a value"));
  assert_non_null(strstr(cli("init", "a", "--sp-id", "x.y", "--sp-id", "x.z")->err, "--sp-id was given twice"));
  assert_non_null(strstr(cli("audit", "a", "cse", "--limit", "many")->err, "--limit: 'many' is not a number"));
  assert_non_null(strstr(cli("audit", "a", "cse", "--limit", "-1")->err, "--limit: '-1' is not a number"));
  assert_non_null(strstr(cli("audit", "a", "cse", "--detail=yes")->err, "--detail takes no value"));
  assert_non_null(
      strstr(cli("create", "d", "cse-in", "--ty", "spaceship")->err, "--ty: there is no resource type 'spaceship'"));
  assert_non_null(strstr(cli("create", "d", "cse-in")->err, "--ty is missing"));
  assert_non_null(
      strstr(cli("create", "d", "cse-in", "--ty", "cnt", "--content", "{\"a\":1")->err, "--content: offset"));
  assert_non_null(strstr(cli("update", "d", "cse-in/c", "--content", "{\"mni\":1}")->err, "--content: write"));
  assert_non_null(strstr(cli("mef", "enrolee", "add", "r", "--id", "a")->err, "--key-file"));
  assert_non_null(strstr(cli("device", "new", "d", "--realm", "r")->err, "--key-file"));
  assert_non_null(strstr(cli("enrol", "d", "--until", "dinner")->err, "--until"));
  assert_non_null(strstr(cli("register", "d", "--with", "love")->err, "--with"));
  cli_expect(2, "help", "dance");
}

/* One object, and nothing beside it: a program that reads it needs no second case. */
static void usage_errors_in_json(void **state)
{
  (void)state;
  static const char *const calls[][6] = {
      {"--json"},
      {"dance", "--json"},
      {"mef", "--json"},
      {"help", "dance", "--json"},
      {"get", "d", "--json"},
      {"get", "d", "t", "u", "--json"},
      {"get", "d", "t", "--colour=red", "--json"},
      {"get", "d", "t", "--binding=carrier", "--json"},
      {"features", "--state=maybe", "--json"},
      {"init", "--json", "d"},
  };
  for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
    said *s = cli_args(calls[i]);
    assert_int_equal(s->code, 2);
    assert_string_equal(s->err, "");
    assert_string_equal(json_text(s->out, "error"), "usage");
    assert_non_null(strstr(json_text(s->out, "text"), "see gatehouse help"));
  }
}

static void help_in_json(void **state)
{
  (void)state;
  for (size_t i = 0; gh_verbs[i]; i++) {
    char words[3][24] = {"", "", ""};
    const char *args[6] = {"help"};
    int n = sscanf(gh_verbs[i]->words, "%23s %23s %23s", words[0], words[1], words[2]);
    for (int w = 0; w < n; w++) args[w + 1] = words[w];
    args[n + 1] = "--json";
    said *s = cli_args(args);
    assert_int_equal(s->code, 0);
    assert_string_equal(json_text(s->out, "verb"), gh_verbs[i]->words);
    for (const gh_opt *o = gh_verbs[i]->options; o && o->name; o++) {
      char quoted[64];
      snprintf(quoted, sizeof(quoted), "\"--%s\"", o->name);
      assert_non_null(strstr(s->out, quoted));
      assert_true(strlen(o->help) > 0);
    }
  }
}

static void choices_and_days(void **state)
{
  (void)state;
  assert_non_null(strstr(cli("features", "--state", "maybe")->err, "--state: 'maybe' is not one of yes|partly|no"));
  assert_non_null(strstr(cli("get", "d", "t", "--binding", "htt")->err, "--binding: 'htt' is not one of"));
  cli_expect(0, "features", "--state", "partly");
  static const char *const days[] = {"0", "36501", "9223372036854775807"};
  for (size_t i = 0; i < 3; i++)
    assert_non_null(strstr(cli("ca", "renew", "r", "cse", "--days", days[i])->err, "--days: must be 1 to 36500"));
}

static void failures(void **state)
{
  cli_expect(3, "device", "show", temp_path(*state, "none"));
  cli_expect(3, "doctor", temp_path(*state, "none"));
  said *s = cli("doctor", temp_path(*state, "none"), "--json");
  assert_int_equal(s->code, 3);
  assert_string_equal(json_text(s->out, "error"), "not-found");
  assert_true(strlen(json_text(s->out, "text")) > 0);
}

static void the_longest_words_win(void **state)
{
  (void)state;
  int used;
  char *argv[] = {(char[]){"mef"}, (char[]){"enrolee"}, (char[]){"list"}, (char[]){"realm"}};
  assert_ptr_equal(gh_verb_find(4, argv, &used), &gh_verb_mef_enrolee_list);
  assert_int_equal(used, 3);
  assert_null(gh_verb_find(2, argv, &used));
}

static void version_and_features(void **state)
{
  (void)state;
  said *s = cli("version", "--json");
  assert_int_equal(s->code, 0);
  assert_true(strlen(json_text(s->out, "gatehouse")) > 0);
  s = cli("features", "--json");
  assert_int_equal(s->code, 0);
  gh_arena arena;
  gh_arena_init(&arena);
  gh_val *rows;
  assert_int_equal(gh_json_parse(&arena, gh_str_of(s->out), &gh_json_default_limits, &rows, NULL), GH_OK);
  assert_int_equal(rows->u.array.count, gh_features_count);
  static const char *const members[] = {"id", "clause", "title", "state", "why", "test"};
  for (const gh_val *row = rows->u.array.first; row; row = row->next)
    for (size_t i = 0; i < 6; i++) assert_non_null(gh_val_get(row, gh_str_of(members[i])));
  gh_arena_free(&arena);
}

/* "unit_cmd_test_flow" is tests/cmd/test_flow.c; other names belong to the test command. */
static bool test_exists(const char *name)
{
  char folder[64], path[160];
  const char *at = strstr(name, "_test_");
  if (strncmp(name, "unit_", 5) != 0 || !at) return name[0] != '\0';
  snprintf(folder, sizeof(folder), "%.*s", (int)(at - name - 5), name + 5);
  snprintf(path, sizeof(path), "tests/%s/%s.c", folder, at + 1);
  return access(path, R_OK) == 0;
}

/* A row that says yes names a test that exists; any other says why. Identifiers are unique. */
static void the_catalogue_is_honest(void **state)
{
  (void)state;
  for (size_t i = 0; i < gh_features_count; i++) {
    const gh_feature *f = &gh_features[i];
    bool proven = f->test[0] && test_exists(f->test);
    if (f->state == GH_FEATURE_YES ? !proven : !f->why[0]) fail_msg("row %s", f->id);
    for (size_t j = 0; j < i; j++) assert_string_not_equal(f->id, gh_features[j].id);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_verb_explains_itself),
      cmocka_unit_test(usage_errors),
      cmocka_unit_test(usage_errors_in_json),
      cmocka_unit_test(help_in_json),
      cmocka_unit_test(choices_and_days),
      cmocka_unit_test_setup_teardown(failures, temp_dir_make, temp_dir_drop),
      cmocka_unit_test(the_longest_words_win),
      cmocka_unit_test(version_and_features),
      cmocka_unit_test(the_catalogue_is_honest),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
