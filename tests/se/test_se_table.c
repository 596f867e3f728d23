/* Snapshots of records: order, bounds, and octets that are no table. */
#include "../m2m/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>

#include "se/se_pages.h"
#include "se/se_table.h"

static gh_se_table *plus(gh_se_table *table, gh_se_kind kind, const char *id, size_t key_len)
{
  static const char key[GH_SE_BLOB_MAX_BYTES] = "key";
  gh_se_table *next = NULL;
  const gh_se_info info = {.kind = kind, .id = gh_str_of(id), .suid = 21, .owner = GH_STR("o"), .peer = GH_STR("p")};
  assert_int_equal(gh_se_table_with(table, &info, (gh_str){key, key_len}, &next), GH_OK);
  gh_se_table_unref(table);
  return next;
}

static void test_order_and_sharing(void **state)
{
  (void)state;
  static const char *const ids[] = {"m", "a", "z", "mm", "", "b", "m"};
  gh_se_table *table = gh_se_table_empty(), *without = NULL;
  for (size_t i = 0; i < 7; i++) {
    table = plus(table, GH_SE_KM, ids[i][0] ? ids[i] : "e", 16);
    table = plus(table, GH_SE_KPM, "only", 16);
  }
  assert_int_equal(table->count, 7);
  assert_int_equal(table->records[0]->info.kind, GH_SE_KPM);
  static const char *const want[] = {"only", "a", "b", "e", "m", "mm", "z"};
  for (size_t i = 0; i < 7; i++) assert_str(table->records[i]->info.id, want[i]);
  assert_non_null(gh_se_table_find(table, GH_SE_KM, GH_STR("mm")));
  assert_null(gh_se_table_find(table, GH_SE_KM, GH_STR("mmm")));
  assert_null(gh_se_table_find(table, GH_SE_KC, GH_STR("m")));
  assert_int_equal(gh_se_table_without(table, GH_SE_KM, GH_STR("none"), &without), GH_ENOTFOUND);
  assert_int_equal(gh_se_table_without(table, GH_SE_KM, GH_STR("m"), &without), GH_OK);
  assert_null(gh_se_table_find(without, GH_SE_KM, GH_STR("m")));
  assert_non_null(gh_se_table_find(table, GH_SE_KM, GH_STR("m"))); /* the old one is as it was */
  gh_se_table_unref(table);
  assert_non_null(gh_se_table_find(without, GH_SE_KM, GH_STR("z")));
  gh_se_table_unref(without);
}

static void test_octets_round_trip_and_refusals(void **state)
{
  (void)state;
  uint8_t *image;
  size_t len;
  gh_se_table *table = plus(plus(gh_se_table_empty(), GH_SE_KM, "a", 16), GH_SE_PRIVATE_KEY, "b", 1), *again = NULL;
  assert_int_equal(gh_se_table_write(table, &image, &len), GH_OK);
  const gh_str octets = {(const char *)image, len};
  assert_int_equal(gh_se_table_read(octets, &again), GH_OK);
  assert_int_equal(again->count, 2);
  assert_int_equal(again->records[0]->info.suid, 21);
  assert_int_equal(again->records[0]->key.len, 16);
  gh_se_table_unref(again);
  again = NULL;
  for (size_t cut = 0; cut < len; cut++)
    assert_int_equal(gh_se_table_read(gh_str_sub(octets, 0, cut), &again), GH_ESYNTAX);
  gh_str longer = gh_str_clone((gh_str){(const char *)image, len});
  longer.len++; /* the copy has a NUL behind it */
  assert_int_equal(gh_se_table_read(longer, &again), GH_ESYNTAX);
  gh_str_release(&longer);
  /* Any octet may change what the table says, but it never reads outside. */
  for (size_t i = 0; i < len; i++) {
    for (unsigned v = 0; v < 256; v += 51) {
      uint8_t before = image[i];
      image[i] = (uint8_t)v;
      if (gh_se_table_read(octets, &again) == GH_OK) gh_se_table_unref(again);
      image[i] = before;
    }
  }
  gh_se_pages_free(image, len);
  gh_se_table_unref(table);
}

/* Design bound: 4096 records, 8 MiB. */
static void test_bounds(void **state)
{
  (void)state;
  gh_se_table *table = gh_se_table_empty(), *over = NULL;
  uint8_t *image;
  size_t len;
  char id[16];
  for (int i = 0; i < GH_SE_MAX_RECORDS; i++) {
    snprintf(id, sizeof(id), "k%d", i);
    table = plus(table, GH_SE_KC, id, 32);
  }
  const gh_se_info one_more = {.kind = GH_SE_KM, .id = GH_STR("k")}, same = {.kind = GH_SE_KC, .id = GH_STR("k7")};
  static const char key[GH_SE_BLOB_MAX_BYTES];
  assert_int_equal(gh_se_table_with(table, &one_more, (gh_str){key, 16}, &over), GH_ELIMIT);
  assert_int_equal(gh_se_table_with(table, &same, (gh_str){key, 16}, &over), GH_OK); /* replacing still works */
  gh_se_table_unref(over);
  gh_se_table_unref(table);
  table = gh_se_table_empty();
  for (int i = 0; i < 520; i++) {
    snprintf(id, sizeof(id), "k%d", i);
    table = plus(table, GH_SE_PRIVATE_KEY, id, GH_SE_BLOB_MAX_BYTES);
  }
  assert_int_equal(gh_se_table_write(table, &image, &len), GH_ELIMIT);
  gh_se_table_unref(table);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_order_and_sharing),
      cmocka_unit_test(test_octets_round_trip_and_refusals),
      cmocka_unit_test(test_bounds),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
