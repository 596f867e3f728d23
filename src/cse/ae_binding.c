/* Two rows for each: by stem and by credential. */
#include "cse/ae_binding.h"

enum { VALUE_BYTES = 1024 };

static bool get(gh_exchange *x, const char *what, gh_str of, gh_str *value)
{
  char bytes[VALUE_BYTES];
  size_t len = 0;
  gh_str name = gh_arena_fmt(&x->arena, "%s:%.*s", what, GH_STR_ARG(of));
  if (gh_store_get_meta(x->host->store, name, bytes, sizeof bytes, &len) != GH_OK) return false;
  *value = gh_arena_dup(&x->arena, (gh_str){bytes, len});
  return len > 0;
}

static gh_err put(gh_exchange *x, const char *what, gh_str of, gh_str value)
{
  GH_REQUIRE(value.len <= VALUE_BYTES, GH_ELIMIT);
  return gh_txn_put_meta(x->txn, gh_arena_fmt(&x->arena, "%s:%.*s", what, GH_STR_ARG(of)), value);
}

gh_err gh_ae_binding_keep(gh_exchange *x, gh_str credential_id, gh_str stem)
{
  if (gh_str_empty(credential_id)) return GH_OK;
  GH_TRY(put(x, "ae", stem, credential_id));
  return put(x, "ae-of", credential_id, stem);
}

bool gh_ae_binding_recall(gh_exchange *x, gh_str credential_id, gh_str *stem)
{
  return !gh_str_empty(credential_id) && get(x, "ae-of", credential_id, stem);
}

bool gh_ae_binding_is_of_another(gh_exchange *x, gh_str credential_id, gh_str stem)
{
  gh_str owner;
  return get(x, "ae", stem, &owner) && !gh_str_eq(owner, credential_id);
}
