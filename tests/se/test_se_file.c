/* The sealed file: what is put is there after reopening, what must not be used is refused, wrapping. */
#include "se_fixture.h"

#include <openssl/err.h>
#include <signal.h>
#include <sys/resource.h>

#include "base/encoding.h"
#include "crypto/kdf.h"
#include "se/se_backend.h"

static const uint8_t ke_octets[32] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                      16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};

/* ---- records */

/*= TS-0003 6.3 */
static void test_records_survive_reopening(void **state)
{
  fixture *f = *state;
  gh_se *se = create(f);
  const gh_secret key = secret_of(0x11, 64);
  const gh_se_info info = {.kind = GH_SE_KPSA,
                           .id = GH_STR("k1@maf.example.com"),
                           .suid = 12,
                           .owner = GH_STR("//sp.example.com/in-cse/Cae1"),
                           .peer = GH_STR("in-cse.sp.example.com"),
                           .not_after_us = INT64_C(4102444800000000)};
  gh_se_info got;
  gh_secret out;
  gh_str blob;
  assert_int_equal(gh_se_put(se, &info, &key), GH_OK);
  assert_int_equal(put_key(se, GH_SE_KPM, "thiskey@mymef.com", 0x22), GH_OK);
  assert_int_equal(gh_se_put_blob(se, &(gh_se_info){.kind = GH_SE_PRIVATE_KEY, .id = GH_STR("cse")}, GH_STR("a\0b")),
                   GH_OK);
  se = reopen(f, se);
  assert_int_equal(gh_se_info_get(se, &f->arena, GH_SE_KPSA, info.id, &got), GH_OK);
  assert_true(got.kind == info.kind && got.suid == 12 && got.not_after_us == info.not_after_us);
  assert_str(got.id, "k1@maf.example.com");
  assert_str(got.owner, "//sp.example.com/in-cse/Cae1");
  assert_str(got.peer, "in-cse.sp.example.com");
  assert_int_equal(use_key(se, GH_SE_KPSA, "k1@maf.example.com", &out), GH_OK);
  assert_true(gh_secret_equal(&out, &key));
  assert_key(se, GH_SE_KPM, "thiskey@mymef.com", 0x22);
  assert_int_equal(gh_se_use_blob(se, &f->arena, GH_SE_PRIVATE_KEY, GH_STR("cse"), &blob), GH_OK);
  assert_true(gh_str_eq(blob, GH_STR("a\0b")));
  gh_se_close(se);
}

static void test_put_replaces_and_remove_removes(void **state)
{
  fixture *f = *state;
  gh_se *se = create(f);
  gh_secret out;
  assert_int_equal(put_key(se, GH_SE_KM, "a@maf", 1), GH_OK);
  assert_int_equal(put_key(se, GH_SE_KC, "a@maf", 2), GH_OK); /* another kind: another record */
  assert_int_equal(put_key(se, GH_SE_KM, "a@maf", 3), GH_OK);
  assert_key(se, GH_SE_KM, "a@maf", 3);
  assert_key(se, GH_SE_KC, "a@maf", 2);
  assert_int_equal(gh_se_remove(se, GH_SE_KM, GH_STR("a@maf")), GH_OK);
  assert_int_equal(gh_se_remove(se, GH_SE_KM, GH_STR("a@maf")), GH_ENOTFOUND);
  assert_int_equal(use_key(se, GH_SE_KM, "a@maf", &out), GH_ENOTFOUND);
  se = reopen(f, se);
  assert_int_equal(use_key(se, GH_SE_KM, "a@maf", &out), GH_ENOTFOUND);
  assert_key(se, GH_SE_KC, "a@maf", 2);
  gh_se_close(se);
}

typedef struct listing {
  gh_se *se;
  size_t seen, stop_after;
} listing;

static bool list_one(void *ctx, const gh_se_info *info)
{
  listing *l = ctx;
  l->seen++;
  assert_true(info->id.len > 0);
  /* A callback may change the environment: it walks over a snapshot. */
  assert_int_equal(gh_se_remove(l->se, info->kind, info->id), GH_OK);
  return l->seen < l->stop_after;
}

static void test_each(void **state)
{
  fixture *f = *state;
  gh_se *se = create(f);
  for (int i = 0; i < 5; i++)
    assert_int_equal(put_key(se, GH_SE_KC, (const char *[]){"a", "b", "c", "d", "e"}[i], (uint8_t)i), GH_OK);
  listing l = {.se = se, .stop_after = 2};
  assert_int_equal(gh_se_each(se, list_one, &l), GH_OK);
  assert_int_equal(l.seen, 2);
  l = (listing){.se = se, .stop_after = 100};
  assert_int_equal(gh_se_each(se, list_one, &l), GH_OK);
  assert_int_equal(l.seen, 3);
  gh_se_close(se);
}

/*= TS-0003 10.7; a key is not used past its end */
static void test_expired(void **state)
{
  fixture *f = *state;
  gh_se *se = create(f);
  gh_clock_fixed fixed = {.now_us = 999};
  const gh_clock clock = gh_clock_of_fixed(&fixed);
  const gh_secret key = secret_of(5, 32);
  gh_secret out = secret_of(0, 0);
  assert_int_equal(gh_se_put(se, &(gh_se_info){.kind = GH_SE_KC, .id = GH_STR("k"), .not_after_us = 1000}, &key),
                   GH_OK);
  assert_int_equal(gh_se_use_psk(se, &clock, GH_SE_KC, GH_STR("k"), &out), GH_OK);
  gh_secret_wipe(&out);
  fixed.now_us = 1000;
  assert_int_equal(gh_se_use_psk(se, &clock, GH_SE_KC, GH_STR("k"), &out), GH_EEXPIRED);
  assert_int_equal(out.len, 0);
  gh_se_close(se);
}

static void test_refused_arguments(void **state)
{
  fixture *f = *state;
  gh_se *se = create(f);
  char huge[GH_SE_BLOB_MAX_BYTES + 1];
  memset(huge, 'x', sizeof(huge));
  const gh_secret key = secret_of(1, 32), brief = secret_of(1, 15);
  const gh_se_info good = {.kind = GH_SE_KM, .id = GH_STR("k")};
  gh_se_info odd = good;
  gh_secret out;
  gh_str blob;
  assert_int_equal(gh_se_put(se, &good, &brief), GH_EINVAL);
  odd.id = GH_STR_NONE;
  assert_int_equal(gh_se_put(se, &odd, &key), GH_EINVAL);
  odd.id = (gh_str){huge, GH_SE_TEXT_MAX_BYTES + 1};
  assert_int_equal(gh_se_put(se, &odd, &key), GH_ELIMIT);
  odd = good, odd.owner = (gh_str){huge, GH_SE_TEXT_MAX_BYTES + 1};
  assert_int_equal(gh_se_put(se, &odd, &key), GH_ELIMIT);
  odd = good, odd.suid = 7;
  assert_int_equal(gh_se_put(se, &odd, &key), GH_EINVAL);
  odd = good, odd.not_after_us = -1;
  assert_int_equal(gh_se_put(se, &odd, &key), GH_EINVAL);
  odd = good, odd.kind = GH_SE_PRIVATE_KEY;
  assert_int_equal(gh_se_put(se, &odd, &key), GH_EINVAL);
  assert_int_equal(gh_se_put_blob(se, &odd, (gh_str){huge, sizeof(huge)}), GH_ELIMIT);
  assert_int_equal(gh_se_put_blob(se, &odd, GH_STR_NONE), GH_EINVAL);
  assert_int_equal(gh_se_put_blob(se, &good, GH_STR("blob")), GH_EINVAL);
  odd.kind = GH_SE_WRAPPING;
  assert_int_equal(gh_se_put(se, &odd, &key), GH_EINVAL);
  assert_int_equal(gh_se_remove(se, GH_SE_WRAPPING, GH_STR("wrap-1")), GH_EINVAL);
  assert_int_equal(use_key(se, GH_SE_WRAPPING, "wrap-1", &out), GH_EINVAL);
  assert_int_equal(use_key(se, GH_SE_PRIVATE_KEY, "k", &out), GH_EINVAL);
  assert_int_equal(gh_se_use_blob(se, &f->arena, GH_SE_KM, GH_STR("k"), &blob), GH_EINVAL);
  assert_int_equal(gh_se_use_blob(se, &f->arena, GH_SE_PRIVATE_KEY, GH_STR("k"), &blob), GH_ENOTFOUND);
  gh_se_close(se);
}

/* ---- derivation */

/*= TS-0003 10.3.7 */
static void test_derive_usage(void **state)
{
  fixture *f = *state;
  gh_se *se = create(f);
  gh_secret ke = {.len = 32}, out;
  memcpy(ke.bytes, ke_octets, 32);
  const gh_se_info info = {.kind = GH_SE_KM, .id = GH_STR("km@maf.example.com"), .suid = 21};
  assert_int_equal(gh_se_put(se, &(gh_se_info){.kind = GH_SE_KE, .id = GH_STR("ke@mef.example.com")}, &ke), GH_OK);
  assert_int_equal(gh_se_derive_usage(se, GH_STR("ke@mef.example.com"), GH_STR("maf.example.com"), &info), GH_OK);
  se = reopen(f, se);
  assert_int_equal(use_key(se, GH_SE_KM, "km@maf.example.com", &out), GH_OK);
  assert_str(gh_hex_lower(&f->arena, out.bytes, out.len),
             "f8610e4d1a428f72308e2941f53a1a0fdc1afa7b1dde3ec59fc52381dcbeb66a");
  assert_int_equal(gh_se_derive_usage(se, GH_STR("other"), GH_STR("maf.example.com"), &info), GH_ENOTFOUND);
  gh_se_info odd = info;
  odd.suid = 0;
  assert_int_equal(gh_se_derive_usage(se, GH_STR("ke@mef.example.com"), GH_STR("maf.example.com"), &odd), GH_EINVAL);
  assert_int_equal(gh_se_derive_usage(se, GH_STR("ke@mef.example.com"), GH_STR("\xff"), &info), GH_ESYNTAX);
  gh_se_close(se);
}

/*= TS-0003 10.7; what is derived from Ke ends no later than Ke */
static void test_derived_key_ends_with_ke(void **state)
{
  fixture *f = *state;
  gh_se *se = create(f);
  static const struct {
    int64_t ke, asked, want;
  } cases[] = {{0, 0, 0}, {1000, 0, 1000}, {1000, 2000, 1000}, {1000, 500, 500}, {0, 700, 700}};
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    const gh_secret ke = secret_of(3, 32);
    gh_se_info got;
    assert_int_equal(
        gh_se_put(se, &(gh_se_info){.kind = GH_SE_KE, .id = GH_STR("ke"), .not_after_us = cases[i].ke}, &ke), GH_OK);
    const gh_se_info info = {.kind = GH_SE_KPSA, .id = GH_STR("kpsa"), .suid = 22, .not_after_us = cases[i].asked};
    assert_int_equal(gh_se_derive_usage(se, GH_STR("ke"), GH_STR("in-cse.sp.example.com"), &info), GH_OK);
    assert_int_equal(gh_se_info_get(se, &f->arena, GH_SE_KPSA, GH_STR("kpsa"), &got), GH_OK);
    assert_int_equal(got.not_after_us, cases[i].want);
  }
  gh_se_close(se);
}

/* ---- wrapping */

static void test_wrap_round_trip(void **state)
{
  fixture *f = *state;
  gh_se *se = create(f);
  gh_str sealed, again, plain;
  assert_int_equal(gh_se_wrap(se, &f->arena, GH_STR("row 1"), GH_STR("key material"), &sealed), GH_OK);
  assert_int_equal(gh_se_wrap(se, &f->arena, GH_STR("row 1"), GH_STR("key material"), &again), GH_OK);
  assert_false(gh_str_eq(sealed, again)); /* a fresh nonce each time */
  assert_null(memmem(sealed.ptr, sealed.len, "key", 3));
  se = reopen(f, se);
  assert_int_equal(gh_se_unwrap(se, &f->arena, GH_STR("row 1"), sealed, &plain), GH_OK);
  assert_str(plain, "key material");
  assert_int_equal(gh_se_unwrap(se, &f->arena, GH_STR("row 2"), sealed, &plain), GH_ETAMPER);
  assert_int_equal(gh_se_unwrap(se, &f->arena, GH_STR_NONE, sealed, &plain), GH_ETAMPER);
  for (size_t bit = 0; bit < 8 * sealed.len; bit++) {
    gh_str changed = gh_arena_dup(&f->arena, sealed);
    union {
      const char *in;
      char *out;
    } octets = {.in = changed.ptr};
    octets.out[bit / 8] = (char)(octets.out[bit / 8] ^ (1 << bit % 8));
    assert_int_equal(gh_se_unwrap(se, &f->arena, GH_STR("row 1"), changed, &plain), GH_ETAMPER);
  }
  for (size_t len = 0; len < sealed.len; len++)
    assert_int_equal(gh_se_unwrap(se, &f->arena, GH_STR("row 1"), gh_str_sub(sealed, 0, len), &plain), GH_ETAMPER);
  assert_int_equal(gh_se_wrap(se, &f->arena, GH_STR_NONE, GH_STR_NONE, &sealed), GH_OK);
  assert_int_equal(gh_se_unwrap(se, &f->arena, GH_STR_NONE, sealed, &plain), GH_OK);
  assert_int_equal(plain.len, 0);
  gh_se_close(se);
}

/* Without the file there is nothing to touch: it still works. */
static void test_wrap_does_not_need_the_file(void **state)
{
  fixture *f = *state;
  gh_se *se = create(f);
  gh_str sealed, plain;
  assert_int_equal(gh_se_wrap(se, &f->arena, GH_STR("a"), GH_STR("first use makes the key"), &sealed), GH_OK);
  unlink(f->path);
  assert_int_equal(gh_se_wrap(se, &f->arena, GH_STR("a"), GH_STR("second"), &sealed), GH_OK);
  assert_int_equal(gh_se_unwrap(se, &f->arena, GH_STR("a"), sealed, &plain), GH_OK);
  assert_str(plain, "second");
  assert_int_equal(put_key(se, GH_SE_KC, "k", 1), GH_ENOTFOUND); /* a write does need it, and says so */
  gh_se_close(se);
}

/* Two environments never open what the other sealed. */
static void test_wrap_is_bound_to_the_environment(void **state)
{
  fixture *f = *state;
  gh_se *one = create(f), *two;
  gh_str sealed, plain;
  assert_int_equal(gh_se_wrap(one, &f->arena, GH_STR("a"), GH_STR("x"), &sealed), GH_OK);
  gh_se_close(one);
  unlink(f->path);
  two = create(f);
  assert_int_equal(gh_se_unwrap(two, &f->arena, GH_STR("a"), sealed, &plain), GH_ETAMPER);
  gh_se_close(two);
}

/* ---- two handles, as two processes would have */

static void test_two_handles_lose_nothing(void **state)
{
  fixture *f = *state;
  gh_se *one = create(f), *two;
  gh_str sealed, plain;
  assert_int_equal(open_with(f, "correct horse", &two), GH_OK);
  assert_int_equal(put_key(one, GH_SE_KC, "from one", 1), GH_OK);
  assert_int_equal(put_key(two, GH_SE_KC, "from two", 2), GH_OK);
  assert_key(two, GH_SE_KC, "from one", 1); /* seen when it wrote */
  assert_int_equal(gh_se_wrap(one, &f->arena, GH_STR("a"), GH_STR("shared"), &sealed), GH_OK);
  assert_int_equal(gh_se_unwrap(two, &f->arena, GH_STR("a"), sealed, &plain), GH_OK);
  assert_str(plain, "shared");
  gh_se_close(two);
  one = reopen(f, one);
  assert_key(one, GH_SE_KC, "from one", 1);
  assert_key(one, GH_SE_KC, "from two", 2);
  gh_se_close(one);
}

/* ---- failing disk */

static void test_failed_write_changes_nothing(void **state)
{
  fixture *f = *state;
  gh_se *se = create(f);
  gh_secret out;
  struct rlimit before;
  assert_int_equal(put_key(se, GH_SE_KC, "old", 1), GH_OK);
  signal(SIGXFSZ, SIG_IGN);
  getrlimit(RLIMIT_FSIZE, &before);
  setrlimit(RLIMIT_FSIZE, &(struct rlimit){.rlim_cur = 16, .rlim_max = before.rlim_max});
  gh_err err = put_key(se, GH_SE_KC, "new", 2);
  setrlimit(RLIMIT_FSIZE, &before);
  assert_int_equal(err, GH_EIO);
  assert_int_equal(use_key(se, GH_SE_KC, "new", &out), GH_ENOTFOUND);
  assert_key(se, GH_SE_KC, "old", 1);
  assert_int_equal(put_key(se, GH_SE_KC, "next", 3), GH_OK);
  se = reopen(f, se);
  assert_key(se, GH_SE_KC, "old", 1);
  assert_key(se, GH_SE_KC, "next", 3);
  gh_se_close(se);
}

/* The default cost is the stated one, and it opens what it made. */
static void test_default_cost(void **state)
{
  fixture *f = *state;
  gh_se *se;
  assert_int_equal(gh_se_file_create(f->path, GH_STR("correct horse"), &f->random, &se, NULL), GH_OK);
  gh_buf file = read_file(f->path);
  static const uint8_t want[12] = {0, 0, 0, 15, 0, 0, 0, 8, 0, 0, 0, 1};
  assert_memory_equal(file.ptr + 12, want, sizeof(want));
  gh_buf_free(&file);
  se = reopen(f, se);
  gh_se_close(se);
  gh_se_close(NULL);
  assert_int_equal(ERR_peek_error(), 0);
}

int main(void)
{
#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      WITH_FOLDER(test_records_survive_reopening),
      WITH_FOLDER(test_put_replaces_and_remove_removes),
      WITH_FOLDER(test_each),
      WITH_FOLDER(test_expired),
      WITH_FOLDER(test_refused_arguments),
      WITH_FOLDER(test_derive_usage),
      WITH_FOLDER(test_derived_key_ends_with_ke),
      WITH_FOLDER(test_wrap_round_trip),
      WITH_FOLDER(test_wrap_does_not_need_the_file),
      WITH_FOLDER(test_wrap_is_bound_to_the_environment),
      WITH_FOLDER(test_two_handles_lose_nothing),
      WITH_FOLDER(test_failed_write_changes_nothing),
      WITH_FOLDER(test_default_cost),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
