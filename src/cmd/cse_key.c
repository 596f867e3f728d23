/* gatehouse cse key add, list, delete: Kpsa, keys that a CSE and its registrees were given beforehand, and raw public
 * keys of registrees. */
#include "base/encoding.h"
#include "cmd/provision.h"
#include "cmd/public_key.h"
#include "cmd/verbs.h"
#include "crypto/public_key_id.h"
#include "m2m/constants.h"
#include "m2m/key_id.h"

/* As the CSE names it. */
static gh_str key_id_of(gh_call *call, gh_str text)
{
  gh_key_id id;
  gh_public_key_id public_key;
  if (gh_public_key_id_parse(text, &public_key) == GH_OK) return gh_public_key_id_value(&call->arena, &public_key);
  if (gh_key_id_parse(text, false, &id) == GH_OK) return gh_key_id_canonical(&call->arena, &id);
  gh_call_misused(call, "'%.*s' is not a key identifier name@FQDN", GH_STR_ARG(text));
  return GH_STR_NONE;
}

static gh_val *attrs_of(gh_call *call)
{
  gh_val *attrs = gh_val_object(&call->arena);
  gh_str peer = gh_call_text(call, "peer", GH_STR_NONE);
  if (peer.ptr) gh_val_set(&call->arena, attrs, GH_STR("enid"), gh_val_str(&call->arena, peer));
  return attrs;
}

static gh_exit add_public_key(gh_call *call)
{
  gh_str id;
  gh_diag diag = {""};
  if (gh_call_has(call, "id") || gh_call_has(call, "key-file") || gh_call_has(call, "generate"))
    return gh_call_misused(call, "--public-key is instead of --id, --key-file and --generate");
  gh_err err = gh_call_public_key(call, gh_call_text(call, "public-key", GH_STR_NONE), &id, &diag);
  if (err != GH_OK) return gh_call_failed(call, err, &diag);
  gh_provision what = {GH_REALM_CSE, GH_STR("-"), GH_TY_ASSOCIATION_KEY, GH_STR("gh:ask"), "publicKeyID"};
  return gh_provision_send_public(call, &what, attrs_of(call), id);
}

static gh_exit run_add(gh_call *call)
{
  if (gh_call_has(call, "public-key")) return add_public_key(call);
  gh_secret key = {.len = 0};
  gh_diag diag = {""};
  if (!gh_call_has(call, "id")) return gh_call_misused(call, "--id is missing");
  if (!gh_call_has(call, "peer")) return gh_call_misused(call, "--peer is missing");
  if (gh_call_has(call, "key-file") == gh_call_has(call, "generate"))
    return gh_call_misused(call, "one of --key-file and --generate is needed");
  gh_str id = key_id_of(call, gh_call_text(call, "id", GH_STR_NONE));
  if (gh_str_empty(id)) return GH_EXIT_USAGE;
  gh_err err = gh_provision_take_key(call, &key, &diag);
  if (err != GH_OK) return gh_call_failed(call, err, &diag);
  gh_provision what = {GH_REALM_CSE, GH_STR("-"), GH_TY_ASSOCIATION_KEY, GH_STR("gh:ask"), "kpsaID"};
  gh_exit code = gh_provision_send(call, &what, attrs_of(call), id, &key);
  gh_secret_wipe(&key);
  return code;
}

static gh_exit run_list(gh_call *call)
{
  gh_request request = {.op = GH_OP_RETRIEVE, .to = GH_STR("-"), .rcn = 8, .rt = 3};
  gh_response response;
  gh_exit code = gh_admin_ask(call, GH_REALM_CSE, &request, &response);
  if (code != GH_EXIT_DONE) return code;
  gh_str root;
  gh_val *base = NULL, *list = NULL;
  if (response.pc && gh_val_unwrap(response.pc, &root, &base)) list = gh_val_get(base, GH_STR("gh:ask"));
  if (list) return gh_call_done(call, list);
  gh_call_note(call, "no key");
  return gh_call_done(call, gh_val_array(&call->arena));
}

/* The CSE names the resource after the key: "ask-" and its identifier in hexadecimal. */
static gh_exit run_delete(gh_call *call)
{
  gh_str id = key_id_of(call, call->operands[1]);
  if (gh_str_empty(id)) return GH_EXIT_USAGE;
  gh_request request = {.op = GH_OP_DELETE, .rcn = GH_RCN_ABSENT, .rt = 3};
  request.to = gh_arena_fmt(&call->arena, "ask-%.*s", GH_STR_ARG(gh_hex_upper(&call->arena, id.ptr, id.len)));
  gh_response response;
  gh_exit code = gh_admin_ask(call, GH_REALM_CSE, &request, &response);
  if (code != GH_EXIT_DONE) return code;
  gh_val *o = gh_val_object(&call->arena);
  gh_put_response(call, o, &request, &response);
  return gh_call_done(call, o);
}

#define FUNCTION                                                                                                     \
  {                                                                                                                  \
    "function", 'f', GH_OPT_TEXT, "NAME", "which CSE of the realm (the first)"                                       \
  }

static const gh_opt add_options[] = {
    {"id", 0, GH_OPT_TEXT, "KPSAID", "KpsaID, name@FQDN of who issues it (required, but for --public-key)"},
    {"peer", 0, GH_OPT_TEXT, "ID",
     "absolute AE-ID or CSE-ID that the key stands for (required; with --public-key: none, whoever registers with "
     "it)"},
    {"key-file", 0, GH_OPT_TEXT, "FILE",
     "Kpsa in hexadecimal or base64, in a file of mode 0600; - is standard input"},
    {"generate", 0, GH_OPT_TEXT, "FILE", "make a Kpsa and write it to a new file of mode 0600"},
    {"public-key", 0, GH_OPT_TEXT, "KEY",
     "a raw public key instead of Kpsa: ni:///sha-256;.., or a PEM file with the key or a certificate of it"},
    {"days", 0, GH_OPT_DAYS, "N", "life of the key (365)"},
    FUNCTION,
    {.name = NULL},
};
static const gh_opt function_options[] = {FUNCTION, {.name = NULL}};

const gh_verb gh_verb_cse_key_add = {
    .words = "cse key add",
    .operands = "REALM",
    .min_operands = 1,
    .max_operands = 1,
    .help = "give a CSE a provisioned key (Kpsa) or a raw public key for associations with one AE or CSE",
    .details =
        "The other side gets the same Kpsa: gatehouse device psk. A public key comes from there: gatehouse device "
        "public-key;\nit needs OpenSSL 3.2 or later.",
    .options = add_options,
    .run = run_add,
};

const gh_verb gh_verb_cse_key_list = {
    .words = "cse key list",
    .operands = "REALM",
    .min_operands = 1,
    .max_operands = 1,
    .help = "provisioned and public keys of a CSE: identifiers, for whom, end; never the keys",
    .options = function_options,
    .run = run_list,
};

const gh_verb gh_verb_cse_key_delete = {
    .words = "cse key delete",
    .operands = "REALM KEYID",
    .min_operands = 2,
    .max_operands = 2,
    .help = "the CSE forgets a provisioned key (KpsaID, or ni:///.. of a public key); associations under it end",
    .options = function_options,
    .run = run_delete,
};
