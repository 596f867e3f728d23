/* MEF client commands: the device answers what it is asked to do until there is nothing left. It executes no class
 * but NO_MORE_COMMANDS yet and says so. */
#include "client/device_private.h"

enum { MAX_COMMANDS = 64, MAX_RETRIES = 3 };
enum {
  STATUS_REPEATED_CMD_ID = 40,
  STATUS_CLASS_NOT_SUPPORTED = 41,
  STATUS_BAD_ARGUMENTS = 42,
  STATUS_REISSUED = 11
};

typedef struct command {
  int64_t id, class, status;
  bool arguments; /* those of the class are there */
} command;

/*= TS-0003 8.3.9.4 cmdID, cmdDescription, cmdStatusCode */
static bool parse(const gh_val *attrs, command *out)
{
  const gh_val *description = gh_val_get(attrs, GH_STR("cmde"));
  if (!gh_val_get_int(attrs, GH_STR("cmid"), &out->id) || !description) return false;
  if (!gh_val_get_int(description, GH_STR("ccid"), &out->class)) return false;
  if (!gh_val_get_int(attrs, GH_STR("cmst"), &out->status)) out->status = 10;
  const gh_val *args = gh_val_get(description, GH_STR("cmar"));
  const gh_val *none = args ? gh_val_get(args, GH_STR("nmca")) : NULL;
  gh_str duration;
  out->arguments = none && gh_val_get_str(none, GH_STR("rtd"), &duration);
  return true;
}

/* What the device answers to a command; 0: it answers nothing, the exchange is over. */
static int64_t answer(const command *c, int64_t last_id, int64_t last_status)
{
  /*= TS-0003 8.3.9.5.3 a reissued command is answered with its stored result */
  if (last_id >= 0 && c->id == last_id) return c->status == STATUS_REISSUED ? last_status : STATUS_REPEATED_CMD_ID;
  if (c->class != 0) return STATUS_CLASS_NOT_SUPPORTED; /*= TS-0003 8.3.9.5 step 3 */
  return c->arguments ? 0 : STATUS_BAD_ARGUMENTS;       /*= TS-0003 8.3.9.6 */
}

static gh_val *result(gh_device *device, int64_t id, int64_t status)
{
  gh_arena *a = &device->scratch;
  gh_val *attrs = gh_val_object(a);
  gh_val_set(a, attrs, GH_STR("cmid"), gh_val_int(a, id));
  gh_val_set(a, attrs, GH_STR("cmst"), gh_val_int(a, status));
  return gh_val_wrap(a, GH_STR("sec:mecm"), attrs);
}

gh_err gh_device_run_commands(gh_device *device, gh_client *client, gh_reply *reply, gh_diag *diag)
{
  gh_str to = gh_arena_fmt(&device->scratch, "mef/%.*s/cmd", GH_STR_ARG(device->state.mef_reg_id));
  gh_request request = {.op = GH_OP_RETRIEVE, .to = to, .rcn = GH_RCN_ABSENT, .rt = 3};
  int64_t last_id = -1, last_status = 0;
  int unreadable = 0;
  for (int i = 0; i < MAX_COMMANDS; i++) {
    gh_val *attrs;
    command c = {0};
    GH_TRY(gh_device_ask(device, client, &request, GH_STR("sec:mecm"), &attrs, reply, diag));
    if (gh_reply_refused(reply)) return GH_OK;
    request = (gh_request){.op = GH_OP_RETRIEVE, .to = to, .rcn = GH_RCN_ABSENT, .rt = 3};
    if (!parse(attrs, &c)) {
      if (++unreadable == MAX_RETRIES) return gh_fail(diag, GH_EPROTO, "the MEF's commands cannot be read");
      continue;
    }
    int64_t status = answer(&c, last_id, last_status);
    if (status == 0) return GH_OK;
    request.op = GH_OP_UPDATE;
    request.pc = result(device, c.id, status);
    last_id = c.id;
    last_status = status;
  }
  return gh_fail(diag, GH_ELIMIT, "the MEF sent more than %d commands", MAX_COMMANDS);
}
