/* Configuration through tables: what is written reads back; whatever the table does not know is an error with file
 * and line. */
#include "temp_dir.h"

#include "client/conf_table.h"

typedef struct inner {
  int64_t number;
  bool on;
} inner;

typedef struct settings {
  gh_str name, mode;
  gh_conf_list names;
  inner in;
} settings;

static bool short_name(gh_str text)
{
  return text.len > 0 && text.len < 6;
}

static const gh_conf_key inner_keys[] = {
    {"number", GH_CONF_NUMBER, offsetof(inner, number), "7", 1, INT64_C(5000000000), NULL, NULL, NULL, "how many"},
    {"on", GH_CONF_SWITCH, offsetof(inner, on), "true", 0, 0, NULL, NULL, NULL, NULL},
};
static const gh_conf_table inner_table = {inner_keys, 2};
static const gh_conf_key keys[] = {
    {"name", GH_CONF_TEXT, offsetof(settings, name), NULL, 0, 0, short_name, "a short name", NULL, "first\nsecond"},
    {"mode", GH_CONF_TEXT, offsetof(settings, mode), "plain", 0, 0, NULL, NULL, NULL, NULL},
    {"names", GH_CONF_TEXTS, offsetof(settings, names), NULL, 0, 0, short_name, "a short name", NULL, NULL},
    {"in", GH_CONF_GROUP, offsetof(settings, in), NULL, 0, 0, NULL, NULL, &inner_table, NULL},
};
static const gh_conf_table table = {keys, 4};

static gh_err read_text(temp_dir *t, const char *text, gh_arena *arena, settings *out, gh_diag *diag)
{
  const char *path = temp_path(t, "a.conf");
  gh_conf conf;
  temp_write(path, text, 0600);
  GH_TRY(gh_conf_open(path, &conf, diag));
  gh_err err = gh_conf_read(&conf, gh_conf_root(&conf), &table, arena, out, diag);
  gh_conf_close(&conf);
  return err;
}

/* Reading must fail, and the message must hold `part`. */
static void refuse(temp_dir *t, const char *text, const char *part)
{
  gh_arena arena;
  gh_arena_init(&arena);
  settings s = {.in = {0}};
  gh_diag diag = {""};
  assert_int_equal(read_text(t, text, &arena, &s, &diag), GH_ESYNTAX);
  if (!strstr(diag.text, part)) fail_msg("\"%s\" lacks \"%s\"", diag.text, part);
  gh_arena_free(&arena);
}

static void reads_with_defaults(void **state)
{
  gh_arena arena;
  gh_arena_init(&arena);
  settings s = {.in = {0}};
  gh_diag diag = {""};
  assert_int_equal(read_text(*state, "name = \"abc\";\nnames = [ \"x\", \"y\" ];\n", &arena, &s, &diag), GH_OK);
  assert_str(s.name, "abc");
  assert_str(s.mode, "plain");
  assert_int_equal(s.names.count, 2);
  assert_str(s.names.items[1], "y");
  assert_int_equal(s.in.number, 7);
  assert_true(s.in.on);
  gh_arena_free(&arena);
}

static void refuses_with_file_and_line(void **state)
{
  refuse(*state, "name = \"abc\";\nnames = [];\ncolour = 3;\n", "a.conf:3: setting 'colour' is unknown");
  refuse(*state, "name = \"abc\";\nnames = [];\nin = {\n  numbr = 3;\n};\n",
         "a.conf:4: setting 'in.numbr' is unknown");
  refuse(*state, "names = [];\n", "setting 'name' is missing");
  refuse(*state, "name = \"abc\";\n", "setting 'names' is missing");
  refuse(*state, "name = \"much too long\";\nnames = [];\n", "a.conf:1: setting 'name' must be a short name");
  refuse(*state, "name = 7;\nnames = [];\n", "a.conf:1: setting 'name' must be a short name");
  refuse(*state, "name = \"abc\";\nnames = [ \"\" ];\n", "a.conf:2: setting 'names.()' must be a short name");
  refuse(*state, "name = \"abc\";\nnames = \"x\";\n", "a.conf:2: setting 'names' must be");
  refuse(*state, "name = \"abc\";\nnames = [];\nin = { number = 0; };\n",
         "a.conf:3: setting 'in.number' must be 1 to 5000000000");
  refuse(*state, "name = \"abc\";\nnames = [];\nin = { number = 1.5; };\n", "must be a whole number");
  refuse(*state, "name = \"abc\";\nnames = [];\nin = { on = 1; };\n", "must be true or false");
  refuse(*state, "name = \"abc\";\nnames = [];\nin = 4;\n", "must be a group");
  refuse(*state, "name = \"abc\";\nname = \"abd\";\nnames = [];\n", "a.conf:2: duplicate");
  refuse(*state, "name = \"abc\"\nnames = [\n", "a.conf:");
  refuse(*state, "name = \"a\\x07c\";\nnames = [];\n", "must be a short name");
}

static void refuses_files_that_others_write(void **state)
{
  gh_conf conf;
  gh_diag diag = {""};
  const char *path = temp_path(*state, "b.conf");
  temp_write(path, "name = \"abc\";\n", 0660);
  assert_int_equal(gh_conf_open(path, &conf, &diag), GH_EACCES);
  assert_int_equal(gh_conf_open(temp_path(*state, "none.conf"), &conf, &diag), GH_ENOTFOUND);
}

static void writes_what_it_reads(void **state)
{
  gh_arena arena;
  gh_arena_init(&arena);
  gh_str names[] = {GH_STR("a\"b"), GH_STR("c\\d")};
  settings s = {.name = GH_STR("n"), .mode = GH_STR("x y"), .names = {names, 2}, .in = {INT64_C(4999999999), false}},
           again = {.in = {0}};
  gh_buf text = GH_BUF_INIT;
  gh_diag diag = {""};
  gh_conf_write(&text, &table, &s, 0, true);
  gh_buf_add_char(&text, '\0');
  assert_non_null(strstr(text.ptr, "# first\n# second\nname = \"n\";\n"));
  assert_non_null(strstr(text.ptr, "  # how many\n  number = 4999999999L;\n"));
  if (read_text(*state, text.ptr, &arena, &again, &diag) != GH_OK) fail_msg("%s", diag.text);
  assert_str(again.mode, "x y");
  assert_str(again.names.items[0], "a\"b");
  assert_str(again.names.items[1], "c\\d");
  assert_int_equal(again.in.number, INT64_C(4999999999));
  assert_false(again.in.on);
  gh_buf_free(&text);
  gh_arena_free(&arena);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(reads_with_defaults, temp_dir_make, temp_dir_drop),
      cmocka_unit_test_setup_teardown(refuses_with_file_and_line, temp_dir_make, temp_dir_drop),
      cmocka_unit_test_setup_teardown(refuses_files_that_others_write, temp_dir_make, temp_dir_drop),
      cmocka_unit_test_setup_teardown(writes_what_it_reads, temp_dir_make, temp_dir_drop),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
