/* gatehouse get, create, update, delete, notify: one request, as the AE of a device or as the administrator of a
 * realm. */
#include "client/secret_file.h"
#include "cmd/admin.h"
#include "cmd/device_call.h"
#include "cmd/verbs.h"
#include "m2m/json.h"
#include "m2m/tables.h"

#include <fcntl.h>
#include <unistd.h>

enum { CONTENT_MAX_BYTES = 1 << 20 };

/* ---- resource types by number, short name or name */

static const gh_type_def *type_by_short_name(gh_call *call, gh_str name)
{
  static const char *const prefixes[] = {"", "m2m:", "sec:", "gh:"};
  const gh_type_def *type = NULL;
  for (size_t i = 0; !type && i < sizeof prefixes / sizeof *prefixes; i++)
    type = gh_type_by_root(gh_arena_fmt(&call->arena, "%s%.*s", prefixes[i], GH_STR_ARG(name)));
  return type;
}

static const gh_type_def *type_by_name(gh_str name)
{
  static const uint32_t starts[] = {1, 10001, 40001, 41001};
  for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
    for (uint32_t ty = starts[i]; ty < starts[i] + 100; ty++) {
      const gh_type_def *type = gh_type_by_number(ty);
      if (type && gh_str_eq(gh_str_of(type->name), name)) return type;
    }
  return NULL;
}

static const gh_type_def *find_type(gh_call *call, gh_str text)
{
  uint64_t number;
  if (gh_str_to_u64(text, &number)) return number <= UINT32_MAX ? gh_type_by_number((uint32_t)number) : NULL;
  const gh_type_def *type = type_by_short_name(call, text);
  return type ? type : type_by_name(text);
}

/* ---- content */

static gh_err read_file(gh_call *call, const char *path, gh_str *out, gh_diag *diag)
{
  int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return gh_fail(diag, GH_ENOTFOUND, "--content: cannot open %s", path);
  gh_buf text = GH_BUF_INIT;
  ssize_t got;
  while (text.len <= CONTENT_MAX_BYTES && (got = read(fd, gh_buf_reserve(&text, 65536), 65536)) > 0)
    gh_buf_added(&text, (size_t)got);
  close(fd);
  bool fits = text.len <= CONTENT_MAX_BYTES;
  *out = gh_arena_dup(&call->arena, gh_buf_str(&text));
  gh_buf_free(&text);
  return fits ? GH_OK : gh_fail(diag, GH_ELIMIT, "--content: %s is larger than %d octets", path, CONTENT_MAX_BYTES);
}

static bool is_wrapped(const gh_val *value)
{
  gh_str root;
  gh_val *inner;
  return gh_val_unwrap(value, &root, &inner) && gh_str_find(root, ':') != SIZE_MAX && inner->type == GH_VAL_OBJECT;
}

/* {"mni":5} becomes {"m2m:cnt":{"mni":5}} where the type is known; --rn goes in. */
static gh_err shape(gh_call *call, const gh_type_def *type, gh_val **content, gh_diag *diag)
{
  gh_str rn = gh_call_text(call, "rn", GH_STR_NONE), root;
  gh_val *inner;
  if (!*content) *content = gh_val_object(&call->arena);
  if ((*content)->type != GH_VAL_OBJECT) return gh_fail(diag, GH_ESYNTAX, "--content: an object is expected");
  if (!is_wrapped(*content)) {
    if (!type) return gh_fail(diag, GH_EINVAL, "--content: write {\"m2m:cnt\":{...}}, or say --ty");
    *content = gh_val_wrap(&call->arena, gh_str_of(type->root), *content);
  }
  if (gh_val_unwrap(*content, &root, &inner) && rn.ptr)
    gh_val_set(&call->arena, inner, GH_STR("rn"), gh_val_str(&call->arena, rn));
  return GH_OK;
}

static gh_err take_content(gh_call *call, gh_op op, const gh_type_def *type, gh_val **out, gh_diag *diag)
{
  gh_str text = gh_call_text(call, "content", GH_STR_NONE);
  gh_diag why = {""};
  *out = NULL;
  if (text.len && text.ptr[0] == '@') GH_TRY(read_file(call, text.ptr + 1, &text, diag));
  if (text.len) {
    gh_err err = gh_json_parse(&call->arena, text, &gh_json_default_limits, out, &why);
    if (err != GH_OK) return gh_fail(diag, err, "--content: %s", why.text);
  }
  return op == GH_OP_NOTIFY ? GH_OK : shape(call, type, out, diag); /* a notification goes as it is */
}

/* ---- the request */

static gh_exit send_as_admin(gh_call *call, gh_request *request)
{
  gh_response response;
  gh_exit code = gh_admin_ask(call, GH_REALM_CSE, request, &response);
  if (code != GH_EXIT_DONE) return code;
  gh_val *o = gh_val_object(&call->arena);
  gh_put_response(call, o, request, &response);
  return gh_call_done(call, o);
}

static gh_str text_of(gh_call *call, const gh_val *content)
{
  if (!content) return GH_STR_NONE;
  gh_buf text = GH_BUF_INIT;
  gh_json_write(&text, content);
  gh_str copy = gh_arena_dup(&call->arena, gh_buf_str(&text));
  gh_buf_free(&text);
  return copy;
}

static gh_exit send_as_device(gh_call *call, const gh_request *request)
{
  gh_device *device;
  gh_reply reply = {.alert = -1};
  gh_diag diag = {""};
  gh_err err = gh_call_device(call, &device, &diag);
  if (err != GH_OK) return gh_call_failed(call, err, &diag);
  gh_device_request wanted = {.op = (gh_device_op)request->op,
                              .to = request->to,
                              .from = request->from,
                              .rqi = request->rqi,
                              .ty = request->ty,
                              .rcn = request->rcn,
                              .cbor = request->accept != NULL,
                              .content = text_of(call, request->pc)};
  err = gh_device_request_send(device, &wanted, &reply, &diag);
  gh_exit code = gh_call_reply(call, err, &reply, gh_val_object(&call->arena), &diag);
  gh_device_close(device);
  return code;
}

static gh_exit run_op(gh_call *call, gh_op op)
{
  gh_diag diag = {""};
  gh_request request = {
      .op = op, .to = call->operands[1], .rcn = (int)gh_call_number(call, "rcn", GH_RCN_ABSENT), .rt = 3};
  request.from = gh_call_text(call, "from", GH_STR_NONE);
  request.has_from = request.from.ptr != NULL;
  request.rqi = gh_call_text(call, "rqi", GH_STR_NONE);
  if (gh_call_has(call, "cbor"))
    request.content_type = request.accept = gh_media_type_of(GH_REP_CBOR, GH_MEDIA_PLAIN);
  bool with_type = op == GH_OP_CREATE || op == GH_OP_UPDATE, with_content = with_type || op == GH_OP_NOTIFY;
  gh_str ty = with_type ? gh_call_text(call, "ty", GH_STR_NONE) : GH_STR_NONE;
  const gh_type_def *type = ty.ptr ? find_type(call, ty) : NULL;
  if (ty.ptr && !type) return gh_call_misused(call, "--ty: there is no resource type '%.*s'", GH_STR_ARG(ty));
  if (op == GH_OP_CREATE && !type) return gh_call_misused(call, "--ty is missing");
  gh_err err = with_content ? take_content(call, op, type, &request.pc, &diag) : GH_OK;
  if (err != GH_OK) return gh_call_misused(call, "%s", diag.text);
  if (op == GH_OP_CREATE) {
    request.ty = type->ty;
    request.has_ty = true;
  }
  return gh_call_has(call, "admin") ? send_as_admin(call, &request) : send_as_device(call, &request);
}

static gh_exit run_get(gh_call *call)
{
  return run_op(call, GH_OP_RETRIEVE);
}

static gh_exit run_create(gh_call *call)
{
  return run_op(call, GH_OP_CREATE);
}

static gh_exit run_update(gh_call *call)
{
  return run_op(call, GH_OP_UPDATE);
}

static gh_exit run_delete(gh_call *call)
{
  return run_op(call, GH_OP_DELETE);
}

static gh_exit run_notify(gh_call *call)
{
  return run_op(call, GH_OP_NOTIFY);
}

#define COMMON_OPTIONS                                                                                               \
  {"rcn", 0, GH_OPT_NUMBER, "N", "result content (TS-0004 6.3.4.2.7)"},                                              \
      {"from", 0, GH_OPT_TEXT, "STEM", "From parameter (the own AE-ID-Stem)"},                                       \
      {"rqi", 0, GH_OPT_TEXT, "ID", "request identifier (random)"},                                                  \
      {"cbor", 0, GH_OPT_FLAG, NULL, "send and ask for CBOR instead of JSON"},                                       \
      {"admin", 0, GH_OPT_FLAG, NULL, "DIR is a realm; ask as its administrator"},                                   \
      {"function", 0, GH_OPT_TEXT, "NAME", "with --admin: a function of the realm (cse)"}, GH_OPT_BINDING,           \
      GH_OPT_PASSPHRASE,                                                                                             \
  {                                                                                                                  \
    .name = NULL                                                                                                     \
  }

static const gh_opt plain_options[] = {COMMON_OPTIONS};
static const gh_opt create_options[] = {
    {"ty", 0, GH_OPT_TEXT, "TYPE", "resource type: container, cnt or 3 (required)"},
    {"content", 0, GH_OPT_TEXT, "JSON|@FILE",
     "attributes {\"mni\":5}, or the whole {\"m2m:cnt\":{...}}; @- is standard input"},
    {"rn", 0, GH_OPT_TEXT, "NAME", "resource name"},
    COMMON_OPTIONS};
static const gh_opt update_options[] = {
    {"ty", 0, GH_OPT_TEXT, "TYPE", "resource type of TARGET, when CONTENT has only its attributes"},
    {"content", 0, GH_OPT_TEXT, "JSON|@FILE", "attributes to change; null removes one"},
    COMMON_OPTIONS};

static const gh_opt notify_options[] = {
    {"content", 0, GH_OPT_TEXT, "JSON|@FILE", "the notification, {\"m2m:sgn\":{...}}; @- is standard input"},
    COMMON_OPTIONS};

#define TARGET_HELP                                                                                                  \
  "TARGET is an address of TS-0001 7.2: cse-in/meter1 or its resource ID, /in-cse/..., //sp.example/in-cse/...\n"    \
  "Shows the response status code with its name; a refusal is exit code 1."

const gh_verb gh_verb_get = {.words = "get",
                             .operands = "DIR TARGET",
                             .min_operands = 2,
                             .max_operands = 2,
                             .help = "retrieve a resource",
                             .details = TARGET_HELP,
                             .options = plain_options,
                             .run = run_get};
const gh_verb gh_verb_create = {.words = "create",
                                .operands = "DIR TARGET",
                                .min_operands = 2,
                                .max_operands = 2,
                                .help = "create a resource below TARGET",
                                .details = TARGET_HELP,
                                .options = create_options,
                                .run = run_create};
const gh_verb gh_verb_update = {.words = "update",
                                .operands = "DIR TARGET",
                                .min_operands = 2,
                                .max_operands = 2,
                                .help = "change attributes of a resource",
                                .details = TARGET_HELP,
                                .options = update_options,
                                .run = run_update};
const gh_verb gh_verb_delete = {.words = "delete",
                                .operands = "DIR TARGET",
                                .min_operands = 2,
                                .max_operands = 2,
                                .help = "delete a resource and what is below it",
                                .details = TARGET_HELP,
                                .options = plain_options,
                                .run = run_delete};
const gh_verb gh_verb_notify = {.words = "notify",
                                .operands = "DIR TARGET",
                                .min_operands = 2,
                                .max_operands = 2,
                                .help = "send a notification to the AE whose <AE> is TARGET",
                                .details =
                                    TARGET_HELP "\nThe registrar of that AE passes it on, and its answer back; "
                                                "5103: it cannot be reached.",
                                .options = notify_options,
                                .run = run_notify};
