/* Checks of the agreements with other service providers. */
#include "cmd/doctor.h"
#include "cmd/reach.h"

void gh_check_provider(gh_report *report, const gh_realm_provider *p)
{
  gh_arena *a = &report->call->arena;
  gh_str anchors = gh_arena_fmt(a, "provider %.*s anchors", GH_STR_ARG(p->name));
  bool called = gh_reach_named(p->reach) != GH_REACH_NONE;
  gh_report_add(report, gh_arena_fmt(a, "provider %.*s", GH_STR_ARG(p->name)), GH_HEALTHY, "%.*s, %s%.*s; %s; %s",
                GH_STR_ARG(p->cse), called ? "called at " : "never called: reach is ", GH_STR_ARG(p->reach),
                p->may_register ? "may register here" : "may not register here",
                p->registers ? "we register there" : "we do not register there");
  if (p->anchors.len)
    gh_report_anchors(report, anchors, p->anchors, p->fqdn);
  else
    gh_report_add(report, anchors, GH_UNKNOWN_HEALTH, "none: %.*s proves itself with a provisioned key alone",
                  GH_STR_ARG(p->cse));
}
