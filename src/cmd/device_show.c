/* gatehouse device show: what a device knows, without its secrets. */
#include "cmd/device_call.h"
#include "cmd/device_sources.h"
#include "cmd/verbs.h"

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

static gh_str named(gh_call *call, const gh_source_row *row, const char *what)
{
  return gh_arena_fmt(&call->arena, "%s%s", row->name, what);
}

/*= TS-0003 8.1.2.5 where the device looks whether its CSE's certificate is revoked, and whether it can at all */
static void put_revocation(gh_call *call, gh_val *o, gh_device *device)
{
  gh_source_row rows[GH_SOURCE_ROWS];
  bool any = false;
  if (gh_device_sources(call, device, rows) != GH_OK) return; /* it has no certificate */
  for (size_t i = 0; i < GH_SOURCE_ROWS; i++) {
    const gh_source_row *row = &rows[i];
    any |= row->what.len && !gh_str_eq(row->policy, GH_STR("off"));
    put(call, o, row->name, row->what);
    put(call, o, named(call, row, "Until").ptr, row->until);
    put(call, o, named(call, row, "Says").ptr, row->said);
    put(call, o, named(call, row, "Fault").ptr, row->fault);
    if (row->what.len && gh_str_eq(gh_str_of(row->name), GH_STR("ocsp")))
      put(call, o, named(call, row, "Policy").ptr, row->policy);
  }
  if (!any) put(call, o, "revocation", GH_STR("nobody looks whether the CSE's certificate is revoked"));
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
