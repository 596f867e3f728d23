/* Our CBOR reader and writer beside libcbor: random items, whole and damaged. libcbor says what the octets are; what
 * of that is Content follows from rules written here a second time. */
#include "cmocka_all.h"

#include <cbor.h>
#include <math.h>
#include <utf8proc.h>

#include "tree_maker.h"

#include "m2m/cbor.h"

enum { ITEMS = 700, DAMAGED_EACH = 12, DEPTH = 32 };

/* ---- an item of libcbor beside a value of ours; NULL: is it Content at all? */

static bool fits(const cbor_item_t *item, const gh_val *ours, int depth);

static bool good_text(gh_str text)
{
  utf8proc_int32_t code;
  for (size_t i = 0; i < text.len;) {
    utf8proc_ssize_t step =
        utf8proc_iterate((const utf8proc_uint8_t *)text.ptr + i, (utf8proc_ssize_t)(text.len - i), &code);
    if (step <= 0 || code == 0) return false;
    i += (size_t)step;
  }
  return true;
}

/* Text of a string item, chunks joined. */
static bool text_of(const cbor_item_t *item, gh_buf *out)
{
  bool text = cbor_isa_string(item);
  bool whole = text ? cbor_string_is_definite(item) : cbor_bytestring_is_definite(item);
  if (whole) {
    gh_str one = {text ? (const char *)cbor_string_handle(item) : (const char *)cbor_bytestring_handle(item),
                  text ? cbor_string_length(item) : cbor_bytestring_length(item)};
    gh_buf_add(out, one);
    return !text || good_text(one);
  }
  cbor_item_t **chunks = text ? cbor_string_chunks_handle(item) : cbor_bytestring_chunks_handle(item);
  size_t count = text ? cbor_string_chunk_count(item) : cbor_bytestring_chunk_count(item);
  for (size_t i = 0; i < count; i++)
    if (!text_of(chunks[i], out)) return false;
  return true;
}

static bool fits_text(const cbor_item_t *item, const gh_str *ours)
{
  gh_buf text = GH_BUF_INIT;
  bool good = text_of(item, &text) && good_text(gh_buf_str(&text));
  if (good && ours) good = gh_str_eq(gh_buf_str(&text), *ours);
  gh_buf_free(&text);
  return good;
}

static bool fits_int(const cbor_item_t *item, const gh_val *ours)
{
  uint64_t number = cbor_get_int(item);
  if (number > INT64_MAX) return false;
  int64_t value = cbor_isa_negint(item) ? -1 - (int64_t)number : (int64_t)number;
  return !ours || (ours->type == GH_VAL_INT && ours->u.integer == value);
}

static bool fits_other(const cbor_item_t *item, const gh_val *ours)
{
  if (cbor_is_float(item)) {
    double value = cbor_float_get_float(item);
    if (!isfinite(value) || !ours) return isfinite(value);
    return ours->type == GH_VAL_REAL && ours->u.real <= value && ours->u.real >= value &&
           !signbit(ours->u.real) == !signbit(value);
  }
  if (cbor_is_null(item)) return !ours || ours->type == GH_VAL_NULL;
  if (!cbor_is_bool(item)) return false;
  return !ours || (ours->type == GH_VAL_BOOL && ours->u.boolean == cbor_get_bool(item));
}

static bool fits_array(const cbor_item_t *item, const gh_val *ours, int depth)
{
  size_t count = cbor_array_size(item);
  if (depth == 0 || (ours && (ours->type != GH_VAL_ARRAY || ours->u.array.count != count))) return false;
  const gh_val *element = ours ? ours->u.array.first : NULL;
  for (size_t i = 0; i < count; i++) {
    if (!fits(cbor_array_handle(item)[i], element, depth - 1)) return false;
    if (element) element = element->next;
  }
  return true;
}

static bool is_name(const cbor_item_t *item)
{
  return (cbor_isa_string(item) || cbor_isa_bytestring(item)) && fits_text(item, NULL);
}

static bool names_are_unique(const struct cbor_pair *pairs, size_t count)
{
  bool unique = true;
  for (size_t i = 0; i < count && unique; i++) {
    gh_buf name = GH_BUF_INIT;
    unique = is_name(pairs[i].key) && text_of(pairs[i].key, &name);
    gh_str text = gh_buf_str(&name);
    for (size_t j = 0; j < i && unique; j++) unique = !fits_text(pairs[j].key, &text);
    gh_buf_free(&name);
  }
  return unique;
}

static bool fits_map(const cbor_item_t *item, const gh_val *ours, int depth)
{
  size_t count = cbor_map_size(item);
  const struct cbor_pair *pairs = cbor_map_handle(item);
  if (depth == 0 || (ours && (ours->type != GH_VAL_OBJECT || ours->u.object.count != count))) return false;
  if (!names_are_unique(pairs, count)) return false;
  const gh_member *member = ours ? ours->u.object.first : NULL;
  for (size_t i = 0; i < count; i++) {
    if (member && !fits_text(pairs[i].key, &member->name)) return false; /* the order, too */
    if (!fits(pairs[i].value, member ? member->value : NULL, depth - 1)) return false;
    if (member) member = member->next;
  }
  return true;
}

static bool fits(const cbor_item_t *item, const gh_val *ours, int depth)
{
  switch (cbor_typeof(item)) {
  case CBOR_TYPE_UINT:
  case CBOR_TYPE_NEGINT: return fits_int(item, ours);
  case CBOR_TYPE_BYTESTRING:
  case CBOR_TYPE_STRING: return (!ours || ours->type == GH_VAL_STR) && fits_text(item, ours ? &ours->u.str : NULL);
  case CBOR_TYPE_ARRAY: return fits_array(item, ours, depth);
  case CBOR_TYPE_MAP: return fits_map(item, ours, depth);
  case CBOR_TYPE_TAG: return false;
  case CBOR_TYPE_FLOAT_CTRL: return fits_other(item, ours);
  }
  return false;
}

/* ---- octets to libcbor */

static void note_size(void *largest, size_t size)
{
  if (size > *(size_t *)largest) *(size_t *)largest = size;
}

/* Arrays and maps that announce more than there is: libcbor takes memory for them before it looks. */
static bool announces_too_much(gh_str octets)
{
  size_t largest = 0;
  struct cbor_callbacks callbacks = cbor_empty_callbacks;
  callbacks.array_start = note_size;
  callbacks.map_start = note_size;
  while (octets.len) {
    struct cbor_decoder_result r = cbor_stream_decode((cbor_data)octets.ptr, octets.len, &callbacks, &largest);
    if (r.status != CBOR_DECODER_FINISHED) break;
    octets = gh_str_sub(octets, r.read, octets.len);
  }
  return largest > octets.len + 100000;
}

static bool compare(gh_str octets, bool *accepted)
{
  gh_arena arena;
  gh_diag diag = {""};
  gh_val *ours = NULL;
  struct cbor_load_result result = {.read = 0};
  gh_arena_init(&arena);
  gh_err err = gh_cbor_parse(&arena, octets, NULL, &ours, &diag);
  bool huge = announces_too_much(octets);
  cbor_item_t *theirs = huge || !octets.len ? NULL : cbor_load((cbor_data)octets.ptr, octets.len, &result);
  bool content = theirs && result.read == octets.len && fits(theirs, NULL, DEPTH);
  bool alike = (err == GH_OK) == content && (!content || fits(theirs, ours, DEPTH));
  if (!alike) {
    print_error("ours: %s, libcbor: error %d at %zu\n", diag.text, (int)result.error.code, result.error.position);
    for (size_t i = 0; i < octets.len; i++) print_error("%02x", (unsigned char)octets.ptr[i]);
    print_error("\n");
  }
  if (theirs) cbor_decref(&theirs);
  *accepted = err == GH_OK;
  gh_arena_free(&arena);
  return alike;
}

static void damage(tree_maker *m, gh_buf *copy)
{
  static const unsigned char likely[] = {0x00, 0x18, 0x1b, 0x1c, 0x20, 0x3b, 0x41, 0x5f, 0x61,
                                         0x7f, 0x80, 0x81, 0x9f, 0xa1, 0xbf, 0xc0, 0xd8, 0xf4,
                                         0xf6, 0xf7, 0xf8, 0xf9, 0xfa, 0xfb, 0xff, 0xc3};
  size_t at = maker_pick(m, (uint32_t)copy->len);
  switch (maker_pick(m, 4)) {
  case 0: copy->ptr[at] = (char)likely[maker_pick(m, sizeof likely)]; break;
  case 1: copy->ptr[at] = (char)maker_bits(m); break;
  case 2:
    memmove(copy->ptr + at, copy->ptr + at + 1, copy->len - at - 1);
    copy->len--;
    break;
  default: copy->len = at;
  }
}

/*= TS-0004 8.5.1 */
static void agrees_with_libcbor(void **state)
{
  (void)state;
  uint64_t seed = 20270101;
  size_t damaged_accepted = 0, damaged_refused = 0;
  bool accepted;
  for (int i = 0; i < ITEMS; i++) {
    gh_arena arena;
    gh_arena_init(&arena);
    tree_maker m = {.random = gh_random_of_seed(&seed), .arena = &arena};
    gh_buf item = GH_BUF_INIT;
    gh_cbor_write(&item, make_tree(&m, 5));
    assert_true(compare(gh_buf_str(&item), &accepted));
    assert_true(accepted);
    for (int j = 0; j < DAMAGED_EACH; j++) {
      gh_buf copy = GH_BUF_INIT;
      gh_buf_add(&copy, gh_buf_str(&item));
      for (uint32_t times = 1 + maker_pick(&m, 2); times > 0 && copy.len; times--) damage(&m, &copy);
      assert_true(compare((gh_str){copy.ptr, copy.len}, &accepted));
      if (accepted)
        damaged_accepted++;
      else
        damaged_refused++;
      gh_buf_free(&copy);
    }
    gh_buf_free(&item);
    gh_arena_free(&arena);
  }
  assert_true(damaged_accepted > 300 && damaged_refused > 3000);
}

/* Octets without any plan. */
static void agrees_on_noise(void **state)
{
  (void)state;
  uint64_t seed = 3;
  gh_arena arena;
  gh_arena_init(&arena);
  tree_maker m = {.random = gh_random_of_seed(&seed), .arena = &arena};
  bool accepted;
  for (int i = 0; i < 20000; i++) {
    char octets[24];
    assert_int_equal(gh_random_fill(&m.random, octets, sizeof octets), GH_OK);
    assert_true(compare((gh_str){octets, 1 + maker_pick(&m, sizeof octets)}, &accepted));
  }
  gh_arena_free(&arena);
}

/* libcbor, having read what we wrote, writes the same octets: heads are as short as they can be. */
static void libcbor_writes_our_octets(void **state)
{
  (void)state;
  uint64_t seed = 7;
  for (int i = 0; i < ITEMS; i++) {
    gh_arena arena;
    gh_arena_init(&arena);
    tree_maker m = {.random = gh_random_of_seed(&seed), .arena = &arena};
    gh_buf ours = GH_BUF_INIT;
    struct cbor_load_result result;
    unsigned char *theirs = NULL;
    size_t cap = 0;
    gh_cbor_write(&ours, make_tree(&m, 5));
    cbor_item_t *item = cbor_load((cbor_data)ours.ptr, ours.len, &result);
    assert_non_null(item);
    size_t len = cbor_serialize_alloc(item, &theirs, &cap);
    assert_int_equal(len, ours.len);
    assert_memory_equal(theirs, ours.ptr, len);
    free(theirs);
    cbor_decref(&item);
    gh_buf_free(&ours);
    gh_arena_free(&arena);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(agrees_with_libcbor),
      cmocka_unit_test(agrees_on_noise),
      cmocka_unit_test(libcbor_writes_our_octets),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
