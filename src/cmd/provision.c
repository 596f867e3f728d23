/* The key goes from a private file into one request, and is wiped. */
#include "cmd/provision.h"

#include <unistd.h>

#include "base/encoding.h"
#include "client/secret_file.h"
#include "m2m/m2m_time.h"

enum { DEFAULT_DAYS = 365 };

gh_err gh_provision_take_key(gh_call *call, gh_secret *key, gh_diag *diag)
{
  gh_random random = gh_random_system();
  gh_str generate = gh_call_text(call, "generate", GH_STR_NONE);
  if (generate.ptr) return gh_key_file_generate(generate.ptr, &random, key, diag);
  return gh_key_file_read(gh_call_text(call, "key-file", GH_STR("-")).ptr, key, diag);
}

static gh_str expiry(gh_call *call)
{
  gh_clock clock = gh_clock_system();
  return gh_timestamp(&call->arena,
                      gh_clock_wall_us(&clock) + gh_call_number(call, "days", DEFAULT_DAYS) * 86400 * GH_US_PER_S);
}

static void forget_text(const gh_val *value)
{
  gh_wipe((void *)(uintptr_t)value->u.str.ptr, value->u.str.len);
}

static gh_exit send(gh_call *call, const gh_provision *what, gh_val *attrs, gh_str id)
{
  gh_arena *a = &call->arena;
  gh_val_set(a, attrs, GH_STR("et"), gh_val_str(a, expiry(call)));
  gh_request request = {
      .op = GH_OP_CREATE, .to = what->to, .ty = what->ty, .has_ty = true, .rcn = GH_RCN_ABSENT, .rt = 3};
  request.pc = gh_val_wrap(a, what->root, attrs);
  gh_response response;
  gh_exit code = gh_admin_ask(call, what->kind, &request, &response);
  if (code != GH_EXIT_DONE) return code;
  gh_val *o = gh_val_object(a);
  gh_val_set(a, o, gh_str_of(what->id_name), gh_val_str(a, id));
  gh_put_response(call, o, &request, &response);
  return gh_call_done(call, o);
}

/* Nobody has this key: it was refused, or has not left. After a time-out, or when the connection broke, somebody may.
 */
static bool stays_unknown(const gh_call *call, gh_exit code)
{
  return code == GH_EXIT_REFUSED ||
         (code == GH_EXIT_FAILED && (call->failed == GH_ENOTFOUND || call->failed == GH_EACCES));
}

gh_exit gh_provision_send(gh_call *call, const gh_provision *what, gh_val *attrs, gh_str id, const gh_secret *key)
{
  gh_arena *a = &call->arena;
  gh_val *kv = gh_val_str(a, gh_base64(a, key->bytes, key->len));
  gh_val_set(a, attrs, GH_STR("syki"), gh_val_str(a, id));
  gh_val_set(a, attrs, GH_STR("kv"), kv);
  gh_exit code = send(call, what, attrs, id);
  forget_text(kv);
  gh_str made = gh_call_text(call, "generate", GH_STR_NONE);
  if (made.ptr && stays_unknown(call, code)) unlink(made.ptr); /* the next attempt makes another */
  return code;
}

gh_exit gh_provision_send_public(gh_call *call, const gh_provision *what, gh_val *attrs, gh_str id)
{
  gh_val_set(&call->arena, attrs, GH_STR("rpki"), gh_val_str(&call->arena, id));
  return send(call, what, attrs, id);
}
