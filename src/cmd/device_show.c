/* gatehouse device show: what a device knows, without its secrets. */
#include "cmd/device_call.h"
#include "cmd/verbs.h"
#include "crypto/crl_file.h"
#include "m2m/m2m_time.h"

static void put(gh_call *call, gh_val *o, const char *name, gh_str text)
{
  if (text.len)
    gh_val_set(&call->arena, o, gh_str_of(name), gh_val_str(&call->arena, gh_arena_dup(&call->arena, text)));
}

static void put_peer(gh_call *call, gh_val *o, const char *name, const gh_device_peer *peer)
{
  if (!peer->fqdn.len) return;
  put(call, o, name, gh_arena_fmt(&call->arena, "%.*s at %.*s", GH_STR_ARG(peer->fqdn), GH_STR_ARG(peer->endpoint)));
}

/*= TS-0003 8.1.2.5 where the device looks whether its CSE's certificate is revoked, and whether it can at all */
static void put_revocation(gh_call *call, gh_val *o, gh_device *device)
{
  gh_str path;
  gh_crl_set *lists = NULL;
  gh_diag diag = {""};
  if (gh_device_crl_file(device, &path, &diag) != GH_OK) return; /* it has no certificate */
  if (!path.len) {
    put(call, o, "crl", GH_STR("none: nobody looks whether the CSE's certificate is revoked"));
    return;
  }
  gh_str file = gh_arena_fmt(&call->arena, "%.*s", GH_STR_ARG(path));
  put(call, o, "crl", file);
  if (gh_crl_file_read(file.ptr, &lists, &diag) != GH_OK) {
    put(call, o, "crlFault", gh_str_of(diag.text));
    return;
  }
  int64_t end = gh_crl_set_next_update_us(lists);
  if (end != INT64_MAX) put(call, o, "crlUntil", gh_timestamp(&call->arena, end));
  gh_crl_set_free(lists);
}

static gh_exit run(gh_call *call)
{
  gh_device *device;
  gh_diag diag = {""};
  gh_err err = gh_call_device(call, &device, &diag);
  if (err != GH_OK) return gh_call_failed(call, err, &diag);
  const gh_device_config *config = gh_device_config_get(device);
  gh_val *o = gh_val_object(&call->arena);
  put(call, o, "sp", config->sp_id);
  put(call, o, "cseID", gh_arena_fmt(&call->arena, "/%.*s", GH_STR_ARG(config->cse_id)));
  put_peer(call, o, "cse", &config->cse);
  put_peer(call, o, "mef", &config->mef);
  put_peer(call, o, "maf", &config->maf);
  gh_put_state(call, o, device);
  put_revocation(call, o, device);
  gh_device_close(device);
  return gh_call_done(call, o);
}

static const gh_opt options[] = {GH_OPT_PASSPHRASE, {.name = NULL}};

const gh_verb gh_verb_device_show = {
    .words = "device show",
    .operands = "DIR",
    .min_operands = 1,
    .max_operands = 1,
    .help = "whom a device talks to, and which keys and registrations it has",
    .options = options,
    .run = run,
};
