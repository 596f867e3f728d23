/* JSON reader, writer and schema checks on foreign octets. What was read must survive writing and reading. */
#include <stdlib.h>

#include "m2m/json.h"
#include "m2m/schema.h"

#define MUST(cond)                                                                                                   \
  do {                                                                                                               \
    if (!(cond)) abort();                                                                                            \
  } while (0)

static void survives(gh_arena *arena, const gh_val *value, void (*write)(gh_buf *, const gh_val *))
{
  gh_buf buf = GH_BUF_INIT;
  gh_val *again;
  write(&buf, value);
  MUST(gh_json_parse(arena, gh_buf_str(&buf), NULL, &again, NULL) == GH_OK);
  MUST(gh_val_equal(value, again));
  gh_buf_free(&buf);
}

static void check_schema(const gh_val *value)
{
  gh_str root;
  gh_val *attrs;
  gh_diag diag;
  if (!gh_val_unwrap(value, &root, &attrs)) return;
  const gh_type_def *type = gh_type_by_root(root);
  if (!type) return;
  int create = gh_schema_check_create(type, attrs, &diag);
  int update = gh_schema_check_update(type, attrs, &diag);
  MUST(create == 2000 || create == 4000 || create == 5001);
  MUST(update == 2000 || update == 4000 || update == 5001);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  gh_arena arena;
  gh_val *value = NULL;
  gh_diag diag;
  gh_arena_init(&arena);
  gh_err err = gh_json_parse(&arena, (gh_str){(const char *)data, size}, NULL, &value, &diag);
  if (err == GH_OK) {
    survives(&arena, value, gh_json_write);
    survives(&arena, value, gh_json_write_pretty);
    MUST(gh_val_equal(value, gh_val_copy(&arena, value)));
    check_schema(value);
  } else {
    MUST(err == GH_ESYNTAX || err == GH_ERANGE || err == GH_ELIMIT);
    MUST(strncmp(diag.text, "offset ", 7) == 0);
  }
  gh_arena_free(&arena);
  return 0;
}
