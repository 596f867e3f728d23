/* gatehouse features: what is built, with clause and test. */
#include "cmd/features_table.h"
#include "cmd/verbs.h"

static void put(gh_call *call, gh_val *row, const char *name, const char *text)
{
  gh_val_set(&call->arena, row, gh_str_of(name), gh_val_str(&call->arena, gh_str_of(text)));
}

static gh_val *row_of(gh_call *call, const gh_feature *f)
{
  gh_val *row = gh_val_object(&call->arena);
  put(call, row, "id", f->id);
  put(call, row, "clause", f->clause);
  if (call->json) put(call, row, "title", f->title);
  put(call, row, "state", gh_feature_state_name(gh_feature_state_of(f)));
  if (call->json) put(call, row, "why", f->why);
  if (call->json) put(call, row, "test", f->test);
  if (!call->json) put(call, row, "title", f->title);
  return row;
}

static gh_exit run(gh_call *call)
{
  gh_str state = gh_call_text(call, "state", GH_STR_NONE);
  gh_val *rows = gh_val_array(&call->arena);
  for (size_t i = 0; i < gh_features_count; i++) {
    const gh_feature *f = &gh_features[i];
    if (!state.len || gh_str_eq(state, gh_str_of(gh_feature_state_name(gh_feature_state_of(f)))))
      gh_val_push(rows, row_of(call, f));
  }
  return gh_call_done(call, rows);
}

static const gh_opt options[] = {
    {"state", 0, GH_OPT_CHOICE, "yes|partly|no|unavailable", "only those"},
    {.name = NULL},
};

const gh_verb gh_verb_features = {
    .words = "features",
    .operands = "",
    .help = "catalogue of security features: clause, state, test",
    .options = options,
    .run = run,
};
