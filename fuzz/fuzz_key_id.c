/* Key identifiers, Credential-IDs and timestamps on foreign octets: what is accepted has one canonical text. */
#include <stdlib.h>

#include "crypto/public_key_id.h"
#include "m2m/key_id.h"
#include "m2m/m2m_time.h"

#define MUST(cond)                                                                                                   \
  do {                                                                                                               \
    if (!(cond)) abort();                                                                                            \
  } while (0)

static void key_id(gh_arena *arena, gh_str text, bool base64)
{
  gh_key_id id, again;
  gh_err err = gh_key_id_parse(text, base64, &id);
  MUST(err == GH_OK || err == GH_ESYNTAX || err == GH_ELIMIT);
  if (err != GH_OK) return;
  gh_str canonical = gh_key_id_canonical(arena, &id);
  MUST(canonical.len == text.len);
  MUST(gh_key_id_parse(canonical, base64, &again) == GH_OK && gh_key_id_equal(&id, &again));
  MUST(gh_str_eq(canonical, gh_key_id_canonical(arena, &again)));
  if (!base64) MUST(gh_key_id_parse(text, true, &again) == GH_OK);
}

static void credential_id(gh_arena *arena, gh_str text)
{
  unsigned type;
  gh_str value;
  if (gh_credential_id_parse(text, &type, &value) != GH_OK) return;
  MUST(gh_cred_type_known(type));
  MUST(gh_str_eq(gh_credential_id(arena, type, value), text));
}

static void public_key_id(gh_arena *arena, gh_str text)
{
  gh_public_key_id id, again;
  if (gh_public_key_id_parse(text, &id) != GH_OK) return;
  MUST(gh_public_key_id_parse(gh_public_key_id_uri(arena, &id), &again) == GH_OK);
  MUST(gh_public_key_id_equal(&id, &again));
}

static void timestamp(gh_arena *arena, gh_str text)
{
  int64_t us, relative;
  if (gh_timestamp_parse(text, &us) == GH_OK) {
    MUST(gh_str_eq(gh_timestamp(arena, us), gh_str_sub(text, 0, 15)));
    MUST(gh_abs_rel_parse(text, 0, &relative) == GH_OK && relative == us);
  } else if (gh_abs_rel_parse(text, 0, &relative) == GH_OK) {
    (void)gh_timestamp(arena, relative);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  gh_str text = {(const char *)data, size};
  gh_arena arena;
  gh_arena_init(&arena);
  key_id(&arena, text, false);
  key_id(&arena, text, true);
  credential_id(&arena, text);
  public_key_id(&arena, text);
  timestamp(&arena, text);
  gh_arena_free(&arena);
  return 0;
}
