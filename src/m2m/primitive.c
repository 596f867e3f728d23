/* Request and response primitives: names of operations and the error answer. */
#include "m2m/primitive.h"

const char *gh_op_name(int op)
{
  static const char *const names[] = {"?", "CREATE", "RETRIEVE", "UPDATE", "DELETE", "NOTIFY"};
  return op >= GH_OP_CREATE && op <= GH_OP_NOTIFY ? names[op] : names[0];
}

void gh_response_error(gh_arena *arena, gh_response *response, int rsc, const char *fmt, ...)
{
  va_list args;
  va_start(args, fmt);
  gh_str text = gh_arena_vfmt(arena, fmt, args);
  va_end(args);
  response->rsc = rsc;
  response->body = GH_STR_NONE;
  response->pc = gh_val_wrap(arena, GH_STR("m2m:dbg"), gh_val_str(arena, text));
}
