/* End points, private files, keys as text, private folders. */
#include "temp_dir.h"

#include "base/random.h"
#include "client/endpoint.h"
#include "client/folder.h"
#include "client/secret_file.h"

static void endpoints(void **state)
{
  (void)state;
  gh_endpoint at;
  assert_int_equal(gh_endpoint_parse(GH_STR("127.0.0.1:8443"), &at), GH_OK);
  assert_string_equal(at.host, "127.0.0.1");
  assert_int_equal(at.port, 8443);
  assert_int_equal(gh_endpoint_parse(GH_STR("[::1]:0"), &at), GH_OK);
  assert_string_equal(at.host, "::1");
  assert_int_equal(gh_endpoint_parse(GH_STR("in-cse.sp.example:65535"), &at), GH_OK);
  const char *const bad[] = {
      "",       ":",       "host",   "host:",    ":80",       "host:65536",   "host:-1",     "host:80x",
      "::1:80", "[::1:80", "[h]:80", "ho st:80", "host/x:80", "user@host:80", "host:000080", "http://host:80"};
  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
    if (gh_endpoint_parse(gh_str_of(bad[i]), &at) == GH_OK) fail_msg("'%s' was accepted", bad[i]);
}

static void endpoints_in_files(void **state)
{
  gh_endpoint at;
  gh_diag diag = {""};
  char text[600];
  const char *path = temp_path(*state, "x.endpoint");
  snprintf(text, sizeof(text), "file:%s", path);
  assert_true(gh_endpoint_valid(gh_str_of(text)));
  assert_int_equal(gh_endpoint_find(gh_str_of(text), &at, &diag), GH_ENOTFOUND);
  temp_write(path, "127.0.0.1:4711\n", 0600);
  assert_int_equal(gh_endpoint_find(gh_str_of(text), &at, &diag), GH_OK);
  assert_int_equal(at.port, 4711);
  temp_write(path, "nonsense\n", 0600);
  assert_int_equal(gh_endpoint_find(gh_str_of(text), &at, &diag), GH_ESYNTAX);
  assert_int_equal(gh_endpoint_find(GH_STR("127.0.0.1:0"), &at, &diag), GH_EINVAL);
  assert_false(gh_endpoint_valid(GH_STR("file:")));
}

static void keys_as_text(void **state)
{
  (void)state;
  gh_secret key;
  gh_diag diag = {""};
  assert_int_equal(gh_key_text_decode(GH_STR("000102030405060708090a0b0c0d0e0f"), &key, &diag), GH_OK);
  assert_int_equal(key.len, 16);
  assert_int_equal(key.bytes[15], 15);
  assert_int_equal(gh_key_text_decode(GH_STR("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"), &key, &diag), GH_OK);
  assert_int_equal(key.len, 32);
  assert_int_equal(key.bytes[31], 31);
  assert_int_equal(gh_key_text_decode(GH_STR("0001020304"), &key, &diag), GH_EINVAL);
  assert_int_not_equal(gh_key_text_decode(GH_STR("correct horse battery staple"), &key, &diag), GH_OK);
  /* TP-19: no part of a key gets into the message */
  assert_null(strstr(diag.text, "horse"));
  assert_int_not_equal(gh_key_text_decode(GH_STR(""), &key, &diag), GH_OK);
}

static void private_files(void **state)
{
  gh_random random = gh_random_system();
  gh_diag diag = {""};
  gh_buf text = GH_BUF_INIT;
  const char *path = temp_path(*state, "secret");
  assert_int_equal(gh_passphrase_new(path, &random, &diag), GH_OK);
  assert_int_equal(mode_of(path), 0600);
  assert_int_equal(gh_passphrase_new(path, &random, &diag), GH_EEXIST);
  assert_int_equal(gh_passphrase_read(path, &text, &diag), GH_OK);
  assert_int_equal(text.len, 2 * GH_PASSPHRASE_OCTETS);
  chmod(path, 0640);
  assert_int_equal(gh_passphrase_read(path, &text, &diag), GH_EACCES);
  const char *shortened = temp_path(*state, "short");
  temp_write(shortened, "hunter2\n", 0600);
  gh_buf_clear(&text);
  assert_int_equal(gh_passphrase_read(shortened, &text, &diag), GH_EINVAL);
  assert_null(strstr(diag.text, "hunter2"));
  gh_buf_wipe_free(&text);
}

static void generated_keys(void **state)
{
  gh_random random = gh_random_system();
  gh_secret key, again;
  gh_diag diag = {""};
  const char *path = temp_path(*state, "kpm");
  assert_int_equal(gh_key_file_generate(path, &random, &key, &diag), GH_OK);
  assert_int_equal(mode_of(path), 0600);
  assert_int_equal(gh_key_file_read(path, &again, &diag), GH_OK);
  assert_true(gh_secret_equal(&key, &again));
  assert_int_equal(gh_key_file_generate(path, &random, &key, &diag), GH_EEXIST);
  chmod(path, 0644);
  assert_int_equal(gh_key_file_read(path, &again, &diag), GH_EACCES);
}

static void replaced_files(void **state)
{
  gh_diag diag = {""};
  gh_buf text = GH_BUF_INIT;
  const char *path = temp_path(*state, "state.json");
  assert_int_equal(gh_private_file_replace(path, GH_STR("one"), &diag), GH_OK);
  assert_int_equal(gh_private_file_replace(path, GH_STR("two"), &diag), GH_OK);
  assert_int_equal(mode_of(path), 0600);
  assert_int_equal(gh_private_file_read(path, &text, &diag), GH_OK);
  assert_str(gh_buf_str(&text), "two");
  assert_int_equal(gh_private_file_create(path, GH_STR("three"), &diag), GH_EEXIST);
  gh_buf_free(&text);
}

static void folders(void **state)
{
  gh_diag diag = {""};
  bool made;
  const char *path = temp_path(*state, "dir"), *file = temp_path(*state, "dir/file");
  assert_int_equal(gh_folder_new(path, &made, &diag), GH_OK);
  assert_true(made);
  assert_int_equal(mode_of(path), 0700);
  chmod(path, 0755);
  assert_int_equal(gh_folder_check(path, &diag), GH_EACCES);
  assert_int_equal(gh_folder_new(path, &made, &diag), GH_OK);
  assert_false(made);
  assert_int_equal(mode_of(path), 0700);
  temp_write(file, "x", 0600);
  assert_int_equal(gh_folder_new(path, &made, &diag), GH_EEXIST);
  assert_int_equal(gh_folder_new(file, &made, &diag), GH_EEXIST);
  assert_int_equal(gh_folder_check(file, &diag), GH_EINVAL);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(endpoints),
      cmocka_unit_test_setup_teardown(endpoints_in_files, temp_dir_make, temp_dir_drop),
      cmocka_unit_test(keys_as_text),
      cmocka_unit_test_setup_teardown(private_files, temp_dir_make, temp_dir_drop),
      cmocka_unit_test_setup_teardown(generated_keys, temp_dir_make, temp_dir_drop),
      cmocka_unit_test_setup_teardown(replaced_files, temp_dir_make, temp_dir_drop),
      cmocka_unit_test_setup_teardown(folders, temp_dir_make, temp_dir_drop),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
