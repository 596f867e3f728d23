/* Asks each source once, as the device would. */
#include "cmd/device_sources.h"

#include "base/clock.h"
#include "client/device_sources.h"
#include "m2m/m2m_time.h"

static gh_str policy_name(gh_device_status_policy policy)
{
  switch (policy) {
  case GH_DEVICE_STATUS_REQUIRE: return GH_STR("require");
  case GH_DEVICE_STATUS_SOFT: return GH_STR("soft");
  case GH_DEVICE_STATUS_USUAL:
  case GH_DEVICE_STATUS_OFF: break;
  }
  return GH_STR("off");
}

static gh_str copied(gh_call *call, gh_str text)
{
  return gh_arena_fmt(&call->arena, "%.*s", GH_STR_ARG(text));
}

static void put_end(gh_call *call, gh_source_row *row, gh_err err, int64_t end_us, const gh_diag *diag)
{
  gh_clock clock = gh_clock_system();
  if (err != GH_OK) {
    row->fault = copied(call, gh_str_of(diag->text));
  } else if (end_us != INT64_MAX) {
    row->until = gh_timestamp(&call->arena, end_us);
    row->over = end_us < gh_clock_wall_us(&clock);
  }
}

static void try_responder(gh_call *call, gh_device *device, gh_source_row *row)
{
  gh_cert_state said = GH_CERT_UNKNOWN;
  bool own = false;
  gh_diag diag = {""};
  gh_err err = gh_device_try_responder(device, row->what, &said, &own, &diag);
  const char *whom = own ? "the device's own certificate" : "an anchor";
  row->mute = err == GH_EAUTH; /* what it knows of others is not known */
  if (err == GH_OK)
    row->said = gh_arena_fmt(&call->arena, "%s is %s", whom, said == GH_CERT_GOOD ? "good" : "revoked");
  else if (row->mute)
    row->fault = gh_arena_fmt(&call->arena, "%s (asked about %s)", diag.text, whom);
  else
    row->fault = copied(call, gh_str_of(diag.text));
}

gh_err gh_device_sources(gh_call *call, gh_device *device, gh_source_row rows[static GH_SOURCE_ROWS])
{
  gh_device_revocation r;
  gh_diag diag = {""};
  int64_t end_us = INT64_MAX;
  GH_TRY(gh_device_revocation_get(device, &r, &diag));
  rows[0] = (gh_source_row){.name = "crl", .what = copied(call, r.crl_file), .policy = GH_STR("require")};
  rows[1] = (gh_source_row){.name = "crlUrl", .what = copied(call, r.crl_url), .policy = GH_STR("require")};
  rows[2] = (gh_source_row){.name = "ocsp", .what = copied(call, r.ocsp_url), .policy = policy_name(r.ocsp)};
  rows[3] = (gh_source_row){.name = "stapling", .what = policy_name(r.stapling), .policy = policy_name(r.stapling)};
  if (rows[0].what.len) {
    gh_err err = gh_device_try_file(rows[0].what, &end_us, &diag);
    put_end(call, &rows[0], err, end_us, &diag);
  }
  if (rows[1].what.len) {
    gh_err err = gh_device_try_lists(device, rows[1].what, &end_us, &diag);
    put_end(call, &rows[1], err, end_us, &diag);
  }
  if (rows[2].what.len) try_responder(call, device, &rows[2]);
  return GH_OK;
}
