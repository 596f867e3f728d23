/* The exchange itself: refusing it, releasing what it holds. */
#include "host/host.h"

int gh_refuse(gh_exchange *x, int rsc, const char *fmt, ...)
{
  va_list args;
  va_start(args, fmt);
  gh_str text = gh_arena_vfmt(&x->arena, fmt, args);
  va_end(args);
  gh_response_error(&x->arena, &x->response, rsc, "%.*s", GH_STR_ARG(text));
  gh_fail(&x->diag, GH_EINVAL, "%.*s", GH_STR_ARG(text));
  return rsc;
}

void gh_exchange_clear(gh_exchange *x)
{
  gh_node_unref(x->target);
  gh_node_unref(x->shown);
  x->target = x->shown = NULL;
  gh_wipe(x->export_bootstrap, sizeof x->export_bootstrap);
  gh_wipe(x->export_connection, sizeof x->export_connection);
  gh_arena_free(&x->arena);
}
