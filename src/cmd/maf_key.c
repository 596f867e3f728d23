/* gatehouse maf key list, revoke: keys registered at the MAF. */
#include "cmd/admin.h"
#include "cmd/verbs.h"
#include "m2m/key_id.h"

static gh_exit run_list(gh_call *call)
{
  gh_request request = {.op = GH_OP_RETRIEVE, .to = GH_STR("maf"), .rcn = 8, .rt = 3};
  gh_response response;
  gh_exit code = gh_admin_ask(call, GH_REALM_MAF, &request, &response);
  if (code != GH_EXIT_DONE) return code;
  gh_str root;
  gh_val *base = NULL, *list = NULL;
  if (response.pc && gh_val_unwrap(response.pc, &root, &base)) list = gh_val_get(base, GH_STR("sec:skr"));
  if (list) return gh_call_done(call, list);
  gh_call_note(call, "no key");
  return gh_call_done(call, gh_val_array(&call->arena));
}

/*= TS-0003 8.8.2.10 the MAF stops distributing the key; associations built on it end */
static gh_exit run_revoke(gh_call *call)
{
  gh_str key = call->operands[1];
  size_t at = gh_str_rfind(key, '@');
  gh_str relative = at == SIZE_MAX ? key : gh_str_sub(key, 0, at);
  gh_key_id id;
  gh_str text =
      gh_arena_fmt(&call->arena, "%.*s@%s", GH_STR_ARG(relative), at == SIZE_MAX ? "maf" : key.ptr + at + 1);
  if (gh_key_id_parse(text, false, &id) != GH_OK)
    return gh_call_misused(call, "'%.*s' is not a key identifier", GH_STR_ARG(key));
  gh_request request = {.op = GH_OP_DELETE, .rcn = GH_RCN_ABSENT, .rt = 3};
  request.to = gh_arena_fmt(&call->arena, "maf/%.*s", GH_STR_ARG(relative));
  gh_response response;
  gh_exit code = gh_admin_ask(call, GH_REALM_MAF, &request, &response);
  if (code != GH_EXIT_DONE) return code;
  gh_val *o = gh_val_object(&call->arena);
  gh_put_response(call, o, &request, &response);
  return gh_call_done(call, o);
}

const gh_verb gh_verb_maf_key_list = {
    .words = "maf key list",
    .operands = "REALM",
    .min_operands = 1,
    .max_operands = 1,
    .help = "keys registered at the MAF: identifiers, owners, targets, end; never the keys",
    .run = run_list,
};

const gh_verb gh_verb_maf_key_revoke = {
    .words = "maf key revoke",
    .operands = "REALM KEYID",
    .min_operands = 2,
    .max_operands = 2,
    .help = "end a registered key: it is handed out no more, and associations built on it are dropped",
    .details = "KEYID is RelativeKeyID or RelativeKeyID@MAF-FQDN, as `gatehouse maf key list` shows it.",
    .run = run_revoke,
};
