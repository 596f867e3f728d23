/* Reads public keys only: no secret passes here. */
#include "cmd/public_key.h"

#include <errno.h>
#include <string.h>

#include "crypto/public_key.h"
#include "crypto/public_key_id.h"

enum { PEM_MAX_BYTES = 65536 };

static gh_err read_file(gh_arena *arena, gh_str path, gh_str *out, gh_diag *diag)
{
  FILE *file = fopen(path.ptr, "re");
  if (!file) return gh_fail(diag, GH_ENOTFOUND, "%s: %s", path.ptr, strerror(errno));
  char *text = gh_arena_alloc(arena, PEM_MAX_BYTES);
  *out = (gh_str){text, fread(text, 1, PEM_MAX_BYTES, file)};
  fclose(file);
  return out->len < PEM_MAX_BYTES ? GH_OK : gh_fail(diag, GH_ELIMIT, "%s is too long for a public key", path.ptr);
}

gh_err gh_call_public_key(gh_call *call, gh_str given, gh_str *id, gh_diag *diag)
{
  gh_public_key_id parsed;
  gh_str pem = GH_STR_NONE, spki = GH_STR_NONE;
  if (gh_public_key_id_parse(given, &parsed) != GH_OK) {
    if (gh_str_eq_nocase(gh_str_sub(given, 0, 3), GH_STR("ni:")))
      return gh_fail(diag, GH_EINVAL, "'%s' is not an identifier of RFC 6920 with SHA-256", given.ptr);
    GH_TRY(read_file(&call->arena, given, &pem, diag));
    gh_err err = gh_public_key_from_pem(&call->arena, pem, &spki);
    if (err != GH_OK) return gh_fail(diag, GH_EINVAL, "%s holds neither a public key nor a certificate", given.ptr);
    GH_TRY(gh_public_key_check_profile(spki, diag));
    GH_TRY(gh_public_key_id_of(spki, GH_SHA_256, &parsed));
  }
  *id = gh_public_key_id_uri(&call->arena, &parsed);
  return GH_OK;
}
