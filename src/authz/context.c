/* Owns one element of accessControlContexts: its members are AND-ed, a missing member is no constraint. */
#include "authz/context.h"

static gh_err compile_actw(gh_compile *c, const gh_val *value, void *out)
{
  gh_context *context = out;
  void *items;
  GH_TRY(gh_compile_list(c, value, 1, sizeof(gh_window), gh_window_compile, &items, &context->window_count));
  context->windows = items;
  return GH_OK;
}

static gh_err compile_acip(gh_compile *c, const gh_val *value, void *out)
{
  gh_context *context = out;
  return gh_nets_compile(c, value, &context->nets);
}

static gh_err compile_aclr(gh_compile *c, const gh_val *value, void *out)
{
  gh_context *context = out;
  return gh_region_compile(c, value, &context->region);
}

/*= TS-0004 6.3.5.26; the members of accessControlContexts; those of Release 4 are known, not built */
static const gh_compile_member context_members[] = {
    {"actw", compile_actw, false}, {"acip", compile_acip, false}, {"aclr", compile_aclr, false},
    {"acui", NULL, false},         {"acec", NULL, false},         {"acl", NULL, false},
};

gh_err gh_context_compile(gh_compile *c, const gh_val *value, void *context)
{
  return gh_compile_object(c, value, context_members, sizeof(context_members) / sizeof(context_members[0]), context);
}

static gh_truth match_windows(const gh_context *context, const gh_moment *moment)
{
  gh_truth best = context->window_count ? GH_NO : GH_YES;
  for (size_t i = 0; i < context->window_count && best != GH_YES; i++) {
    gh_truth one = gh_window_match(&context->windows[i], moment);
    if (one > best) best = one;
  }
  return best;
}

static gh_truth least(gh_truth a, gh_truth b)
{
  return a < b ? a : b;
}

/*= TS-0003 7.1.5; res_time AND res_ip AND res_loc; what is constrained but unknown never permits */
gh_truth gh_context_match(const gh_context *context, const gh_moment *moment, const gh_peer_addr *plain,
                          const gh_place *place)
{
  gh_truth in_time = match_windows(context, moment);
  gh_truth in_nets = context->nets.present ? gh_nets_match(&context->nets, plain) : GH_YES;
  gh_truth in_region = context->region.present ? gh_region_match(&context->region, place) : GH_YES;
  return least(in_time, least(in_nets, in_region));
}
