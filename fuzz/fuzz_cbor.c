/* CBOR reader and writer on foreign octets. What was read must survive writing and reading in both serializations,
 * and writing is stable. */
#include <stdlib.h>

#include "m2m/cbor.h"
#include "m2m/json.h"

#define MUST(cond)                                                                                                   \
  do {                                                                                                               \
    if (!(cond)) abort();                                                                                            \
  } while (0)

static gh_val *through_cbor(gh_arena *arena, const gh_val *value, gh_buf *octets)
{
  gh_val *again = NULL;
  gh_cbor_write(octets, value);
  MUST(gh_cbor_parse(arena, gh_buf_str(octets), NULL, &again, NULL) == GH_OK);
  MUST(gh_val_equal(value, again));
  return again;
}

static void survives(gh_arena *arena, const gh_val *value)
{
  gh_buf first = GH_BUF_INIT, second = GH_BUF_INIT, json = GH_BUF_INIT;
  gh_val *from_json = NULL;
  gh_json_write(&json, through_cbor(arena, value, &first));
  MUST(gh_json_parse(arena, gh_buf_str(&json), NULL, &from_json, NULL) == GH_OK);
  through_cbor(arena, from_json, &second);
  MUST(gh_str_eq(gh_buf_str(&first), gh_buf_str(&second)));
  gh_buf_free(&first);
  gh_buf_free(&second);
  gh_buf_free(&json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  gh_arena arena;
  gh_val *value = NULL;
  gh_diag diag;
  gh_arena_init(&arena);
  gh_err err = gh_cbor_parse(&arena, (gh_str){(const char *)data, size}, NULL, &value, &diag);
  if (err == GH_OK) {
    survives(&arena, value);
    MUST(gh_val_equal(value, gh_val_copy(&arena, value)));
  } else {
    MUST(err == GH_ESYNTAX || err == GH_ERANGE || err == GH_ELIMIT);
    MUST(strncmp(diag.text, "offset ", 7) == 0);
  }
  gh_arena_free(&arena);
  return 0;
}
