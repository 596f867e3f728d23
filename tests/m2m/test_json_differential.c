/* Our JSON reader beside jansson: a few thousand generated texts, whole and damaged, must be judged alike and give
 * the same tree. */
#include "cmocka_all.h"

#include <jansson.h>
#include <math.h>

#include "base/random.h"
#include "m2m/json.h"

enum { DOCUMENTS = 600, DAMAGED_EACH = 12 };

typedef struct maker {
  gh_random random;
  gh_buf text;
  int names; /* makes member names unique */
} maker;

static uint32_t pick(maker *m, uint32_t below)
{
  uint32_t value = 0;
  assert_int_equal(gh_random_fill(&m->random, &value, sizeof value), GH_OK);
  return value % below;
}

static void make_blanks(maker *m)
{
  static const char blanks[] = " \t\r\n";
  while (pick(m, 6) == 0) gh_buf_add_char(&m->text, blanks[pick(m, 4)]);
}

static void make_string(maker *m)
{
  static const char *const pieces[] = {"a",
                                       "Zz9",
                                       "//sp.example.com/in-cse",
                                       "\\n",
                                       "\\\"",
                                       "\\\\",
                                       "\\u00e9",
                                       "\\ud83d\\ude00",
                                       "\xc3\xa9",
                                       "\xe2\x82\xac",
                                       "\xf0\x9f\x98\x80",
                                       "\\/",
                                       "{",
                                       "long plain text without any escape",
                                       "\x7f"};
  gh_buf_add_char(&m->text, '"');
  for (uint32_t i = pick(m, 6); i > 0; i--)
    gh_buf_add(&m->text, gh_str_of(pieces[pick(m, sizeof pieces / sizeof *pieces)]));
  gh_buf_fmt(&m->text, "%d\"", m->names++);
}

static void make_number(maker *m)
{
  static const char *const forms[] = {"0",   "-0", "0.0", "-1.5", "1e5", "1E-7", "0.1", "123456789.123456789e-30",
                                      "4.35"};
  if (pick(m, 3) == 0)
    gh_buf_add(&m->text, gh_str_of(forms[pick(m, sizeof forms / sizeof *forms)]));
  else
    gh_buf_fmt(&m->text, "%d.%ue%d", (int)pick(m, 2000) - 1000, pick(m, 100000), (int)pick(m, 60) - 30);
}

static void make_value(maker *m, int depth);

static void make_list(maker *m, int depth, bool object)
{
  gh_buf_add_char(&m->text, object ? '{' : '[');
  uint32_t count = pick(m, 20) == 0 ? 40 : pick(m, 5);
  for (uint32_t i = 0; i < count; i++) {
    make_blanks(m);
    if (object) {
      make_string(m);
      make_blanks(m);
      gh_buf_add_char(&m->text, ':');
    }
    make_value(m, depth - 1);
    if (i + 1 < count) gh_buf_add_char(&m->text, ',');
  }
  make_blanks(m);
  gh_buf_add_char(&m->text, object ? '}' : ']');
}

static void make_value(maker *m, int depth)
{
  static const char *const words[] = {"true", "false", "null"};
  uint32_t kind = pick(m, depth > 0 ? 6 : 4);
  make_blanks(m);
  if (kind == 0)
    make_string(m);
  else if (kind == 1)
    make_number(m);
  else if (kind == 2)
    gh_buf_fmt(&m->text, "%lld", (long long)pick(m, 2000000000) * (pick(m, 2) ? 1000000000LL : -7));
  else if (kind == 3)
    gh_buf_add(&m->text, gh_str_of(words[pick(m, 3)]));
  else
    make_list(m, depth, kind == 4);
  make_blanks(m);
}

static bool same(const gh_val *ours, const json_t *theirs);

static bool same_array(const gh_val *ours, const json_t *theirs)
{
  size_t i = 0;
  if (!json_is_array(theirs) || json_array_size(theirs) != ours->u.array.count) return false;
  for (const gh_val *element = ours->u.array.first; element; element = element->next)
    if (!same(element, json_array_get(theirs, i++))) return false;
  return true;
}

static bool same_object(const gh_val *ours, const json_t *theirs)
{
  if (!json_is_object(theirs) || json_object_size(theirs) != ours->u.object.count) return false;
  for (const gh_member *member = ours->u.object.first; member; member = member->next) {
    char name[512];
    assert_true(gh_str_to_cstr(member->name, name, sizeof name));
    const json_t *other = json_object_get(theirs, name);
    if (!other || !same(member->value, other)) return false;
  }
  return true;
}

static bool same(const gh_val *ours, const json_t *theirs)
{
  switch (ours->type) {
  case GH_VAL_NULL: return json_is_null(theirs);
  case GH_VAL_BOOL: return ours->u.boolean ? json_is_true(theirs) : json_is_false(theirs);
  case GH_VAL_INT: return json_is_integer(theirs) && json_integer_value(theirs) == ours->u.integer;
  case GH_VAL_REAL:
    return json_is_real(theirs) && memcmp(&ours->u.real, &(double){json_real_value(theirs)}, sizeof(double)) == 0;
  case GH_VAL_STR:
    return json_is_string(theirs) &&
           gh_str_eq(ours->u.str, (gh_str){json_string_value(theirs), json_string_length(theirs)});
  case GH_VAL_ARRAY: return same_array(ours, theirs);
  case GH_VAL_OBJECT: return same_object(ours, theirs);
  }
  return false;
}

/* Integers beyond 64 bits: jansson refuses them, we read them as doubles. */
static bool known_difference(const json_error_t *error)
{
  return strstr(error->text, "too big") != NULL;
}

static bool compare(gh_str text, bool *accepted)
{
  gh_arena arena;
  json_error_t error = {.text = ""};
  gh_diag diag = {{0}};
  gh_val *ours = NULL;
  gh_arena_init(&arena);
  gh_err err = gh_json_parse(&arena, text, NULL, &ours, &diag);
  json_t *theirs = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
  bool alike = (err == GH_OK) == (theirs != NULL) && (!theirs || same(ours, theirs));
  if (!alike && !theirs && known_difference(&error)) alike = true;
  if (!alike) print_error("%.*s\nours: %s\njansson: %s\n", GH_STR_ARG(text), diag.text, error.text);
  *accepted = theirs != NULL;
  json_decref(theirs);
  gh_arena_free(&arena);
  return alike;
}

static void damage(maker *m, gh_buf *copy)
{
  static const char likely[] = "\"\\{}[],:0123456789eE+-.tfn u\x80\xc3\x01";
  size_t at = pick(m, (uint32_t)copy->len);
  switch (pick(m, 3)) {
  case 0: copy->ptr[at] = likely[pick(m, sizeof likely - 1)]; break;
  case 1:
    memmove(copy->ptr + at, copy->ptr + at + 1, copy->len - at - 1);
    copy->len--;
    break;
  default: copy->len = at;
  }
}

static void agrees_with_jansson(void **state)
{
  (void)state;
  uint64_t seed = 20270101;
  maker m = {.random = gh_random_of_seed(&seed), .text = GH_BUF_INIT};
  size_t whole = 0, damaged_accepted = 0, damaged_refused = 0;
  bool accepted;
  for (int i = 0; i < DOCUMENTS; i++) {
    gh_buf_clear(&m.text);
    make_value(&m, 6);
    assert_true(compare(gh_buf_str(&m.text), &accepted));
    assert_true(accepted);
    whole++;
    for (int j = 0; j < DAMAGED_EACH; j++) {
      gh_buf copy = GH_BUF_INIT;
      gh_buf_add(&copy, gh_buf_str(&m.text));
      damage(&m, &copy);
      assert_true(compare((gh_str){copy.ptr, copy.len}, &accepted));
      if (accepted)
        damaged_accepted++;
      else
        damaged_refused++;
      gh_buf_free(&copy);
    }
  }
  gh_buf_free(&m.text);
  assert_int_equal(whole, DOCUMENTS);
  assert_true(damaged_accepted > 300 && damaged_refused > 3000);
}

/* What our writer writes, jansson reads as the same tree. */
static void jansson_reads_our_text(void **state)
{
  (void)state;
  uint64_t seed = 7;
  maker m = {.random = gh_random_of_seed(&seed), .text = GH_BUF_INIT};
  for (int i = 0; i < DOCUMENTS; i++) {
    gh_arena arena;
    gh_arena_init(&arena);
    gh_buf out = GH_BUF_INIT;
    gh_val *ours;
    gh_buf_clear(&m.text);
    make_value(&m, 5);
    assert_int_equal(gh_json_parse(&arena, gh_buf_str(&m.text), NULL, &ours, NULL), GH_OK);
    gh_json_write(&out, ours);
    json_t *theirs = json_loadb(out.ptr, out.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
    assert_non_null(theirs);
    assert_true(same(ours, theirs));
    json_decref(theirs);
    gh_buf_free(&out);
    gh_arena_free(&arena);
  }
  gh_buf_free(&m.text);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(agrees_with_jansson),
      cmocka_unit_test(jansson_reads_our_text),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
