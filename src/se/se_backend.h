/* What a back end of the secure environment fulfils: one table of functions. se.c has checked every argument
 * (kinds, lengths, bounds) before it calls; a back end checks only what it alone can know. All are thread-safe. */
#ifndef GH_SE_SE_BACKEND_H
#define GH_SE_SE_BACKEND_H

#include "se/se.h"

enum {
  GH_SE_TEXT_MAX_BYTES = 512, /* id, owner, peer */
  GH_SE_KEY_MIN_BYTES = 16,
  GH_SE_BLOB_MAX_BYTES = 16 * 1024,
  GH_SE_WRAP_MAX_BYTES = 1024 * 1024
};

typedef struct gh_se_ops {
  gh_err (*put)(gh_se *se, const gh_se_info *info, gh_str key); /* keys and blobs */
  gh_err (*remove)(gh_se *se, gh_se_kind kind, gh_str id);
  gh_err (*info)(gh_se *se, gh_arena *arena, gh_se_kind kind, gh_str id, gh_se_info *out);
  gh_err (*each)(gh_se *se, bool (*fn)(void *ctx, const gh_se_info *info), void *ctx);
  /* Also says when the record ends; se.c judges it. */
  gh_err (*use_psk)(gh_se *se, gh_se_kind kind, gh_str id, int64_t *not_after_us, gh_secret *out);
  gh_err (*use_blob)(gh_se *se, gh_arena *arena, gh_se_kind kind, gh_str id, gh_str *out);
  gh_err (*derive_usage)(gh_se *se, gh_str ke_id, gh_str target_fqdn, const gh_se_info *info);
  gh_err (*wrap)(gh_se *se, gh_arena *arena, gh_str aad, gh_str plain, gh_str *sealed);
  gh_err (*unwrap)(gh_se *se, gh_arena *arena, gh_str aad, gh_str sealed, gh_str *plain);
  void (*close)(gh_se *se);
} gh_se_ops;

/* First member of the state of every back end. */
struct gh_se {
  const gh_se_ops *ops;
};

#endif
