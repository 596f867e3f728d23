/* Owns what is true of every secure environment: which kinds may be put, used and removed how, and the end of a
 * record. Must never let a private or wrapping key out as a pre-shared key. */
#include "se/se.h"

#include "se/se_backend.h"

static bool is_symmetric(gh_se_kind kind)
{
  switch (kind) {
  case GH_SE_KPM:
  case GH_SE_KPSA:
  case GH_SE_KM:
  case GH_SE_KE:
  case GH_SE_KC: return true;
  case GH_SE_PRIVATE_KEY:
  case GH_SE_WRAPPING: return false;
  }
  return false;
}

static gh_err check_text(gh_str text)
{
  GH_REQUIRE(text.len <= GH_SE_TEXT_MAX_BYTES, GH_ELIMIT);
  return GH_OK;
}

static gh_err check_info(const gh_se_info *info)
{
  GH_REQUIRE(info->id.len > 0, GH_EINVAL);
  GH_REQUIRE(info->suid == 0 || (info->suid >= 10 && info->suid <= 99), GH_EINVAL);
  GH_REQUIRE(info->not_after_us >= 0, GH_EINVAL);
  GH_TRY(check_text(info->id));
  GH_TRY(check_text(info->owner));
  return check_text(info->peer);
}

gh_err gh_se_put(gh_se *se, const gh_se_info *info, const gh_secret *key)
{
  GH_TRY(check_info(info));
  GH_REQUIRE(is_symmetric(info->kind), GH_EINVAL);
  GH_REQUIRE(key->len >= GH_SE_KEY_MIN_BYTES && key->len <= GH_SECRET_MAX_BYTES, GH_EINVAL);
  return se->ops->put(se, info, (gh_str){(const char *)key->bytes, key->len});
}

gh_err gh_se_put_blob(gh_se *se, const gh_se_info *info, gh_str blob)
{
  GH_TRY(check_info(info));
  GH_REQUIRE(info->kind == GH_SE_PRIVATE_KEY && blob.len > 0, GH_EINVAL);
  GH_REQUIRE(blob.len <= GH_SE_BLOB_MAX_BYTES, GH_ELIMIT);
  return se->ops->put(se, info, blob);
}

gh_err gh_se_remove(gh_se *se, gh_se_kind kind, gh_str id)
{
  /* What was wrapped would be lost with the wrapping key. */
  GH_REQUIRE(is_symmetric(kind) || kind == GH_SE_PRIVATE_KEY, GH_EINVAL);
  return se->ops->remove(se, kind, id);
}

gh_err gh_se_info_get(gh_se *se, gh_arena *arena, gh_se_kind kind, gh_str id, gh_se_info *out)
{
  return se->ops->info(se, arena, kind, id, out);
}

gh_err gh_se_each(gh_se *se, bool (*fn)(void *ctx, const gh_se_info *info), void *ctx)
{
  return se->ops->each(se, fn, ctx);
}

gh_err gh_se_use_psk(gh_se *se, const gh_clock *clock, gh_se_kind kind, gh_str id, gh_secret *out)
{
  GH_REQUIRE(is_symmetric(kind), GH_EINVAL);
  gh_secret key = {.len = 0};
  int64_t not_after_us = 0;
  gh_err err = se->ops->use_psk(se, kind, id, &not_after_us, &key);
  /*= TS-0003 10.7; a key is not used past its end */
  if (err == GH_OK && not_after_us != 0 && gh_clock_wall_us(clock) >= not_after_us) err = GH_EEXPIRED;
  if (err == GH_OK) err = gh_secret_set(out, key.bytes, key.len);
  gh_secret_wipe(&key);
  return err;
}

gh_err gh_se_use_blob(gh_se *se, gh_arena *arena, gh_se_kind kind, gh_str id, gh_str *out)
{
  GH_REQUIRE(kind == GH_SE_PRIVATE_KEY, GH_EINVAL);
  return se->ops->use_blob(se, arena, kind, id, out);
}

gh_err gh_se_derive_usage(gh_se *se, gh_str ke_id, gh_str target_fqdn, const gh_se_info *info)
{
  GH_TRY(check_info(info));
  GH_REQUIRE(is_symmetric(info->kind) && info->suid != 0, GH_EINVAL);
  return se->ops->derive_usage(se, ke_id, target_fqdn, info);
}

gh_err gh_se_wrap(gh_se *se, gh_arena *arena, gh_str aad, gh_str plain, gh_str *sealed)
{
  GH_REQUIRE(aad.len <= GH_SE_WRAP_MAX_BYTES && plain.len <= GH_SE_WRAP_MAX_BYTES, GH_ELIMIT);
  return se->ops->wrap(se, arena, aad, plain, sealed);
}

gh_err gh_se_unwrap(gh_se *se, gh_arena *arena, gh_str aad, gh_str sealed, gh_str *plain)
{
  GH_REQUIRE(aad.len <= GH_SE_WRAP_MAX_BYTES && sealed.len <= 2 * GH_SE_WRAP_MAX_BYTES, GH_ELIMIT);
  return se->ops->unwrap(se, arena, aad, sealed, plain);
}

void gh_se_close(gh_se *se)
{
  if (se) se->ops->close(se);
}
