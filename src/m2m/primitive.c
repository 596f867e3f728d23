/* Request and response primitives: names of operations, Content of a response, the error answer. */
#include "m2m/primitive.h"

#include "m2m/json.h"

const char *gh_op_name(int op)
{
  static const char *const names[] = {"?", "CREATE", "RETRIEVE", "UPDATE", "DELETE", "NOTIFY"};
  return op >= GH_OP_CREATE && op <= GH_OP_NOTIFY ? names[op] : names[0];
}

gh_err gh_response_content(gh_arena *arena, const gh_response *response, gh_val **out)
{
  /* A resource may have grown, update by update, beyond what one request may bring. */
  static const gh_json_limits ours = {.max_depth = UINT32_MAX, .max_values = UINT32_MAX};
  *out = response->pc;
  return gh_str_empty(response->body) ? GH_OK : gh_json_parse(arena, response->body, &ours, out, NULL);
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
