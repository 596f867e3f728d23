/* Checks of a device's folder, and of the sources that say to it which certificates are revoked. */
#include "base/clock.h"
#include "cmd/device_call.h"
#include "cmd/device_sources.h"
#include "cmd/doctor.h"
#include "m2m/m2m_time.h"

static void report_certificate(gh_report *report, gh_device *device)
{
  const gh_device_state *s = gh_device_state_get(device);
  const gh_clock clock = gh_clock_system();
  if (!s->certificate_id.len) {
    gh_report_add(report, GH_STR("certificate"), GH_HEALTHY, "none: the device uses keys");
    return;
  }
  bool over = s->certificate_until_us <= gh_clock_wall_us(&clock);
  gh_report_add(report, GH_STR("certificate"), over ? GH_ILL : GH_HEALTHY, "%.*s until %.*s%s",
                GH_STR_ARG(s->certificate_id),
                GH_STR_ARG(gh_timestamp(&report->call->arena, s->certificate_until_us)), over ? ": over" : "");
}

static void report_source(gh_report *report, const char *title, const gh_source_row *row)
{
  gh_str what = gh_str_of(title);
  bool strict = gh_str_eq(row->policy, GH_STR("require"));
  const char *then = strict ? "without an answer there is no association" : "without an answer it goes on";
  if (row->fault.len)
    gh_report_add(report, what, row->mute ? GH_UNKNOWN_HEALTH : GH_ILL, "%.*s: %.*s; %s", GH_STR_ARG(row->what),
                  GH_STR_ARG(row->fault), then);
  else if (row->said.len)
    gh_report_add(report, what, GH_HEALTHY, "%.*s answers: %.*s; %s", GH_STR_ARG(row->what), GH_STR_ARG(row->said),
                  then);
  else
    gh_report_add(report, what, row->over ? GH_ILL : GH_HEALTHY, "%.*s%s%.*s%s; %s", GH_STR_ARG(row->what),
                  row->until.len ? ", until " : ", without an end", GH_STR_ARG(row->until), row->over ? ": over" : "",
                  then);
}

static void report_stapling(gh_report *report, const gh_source_row *row)
{
  bool off = gh_str_eq(row->policy, GH_STR("off")), strict = gh_str_eq(row->policy, GH_STR("require"));
  gh_report_add(report, GH_STR("stapled answers"), GH_HEALTHY, "%s",
                off      ? "not asked for"
                : strict ? "asked for; a server that sends none is refused unless another source speaks"
                         : "asked for; a server that sends none is let through");
}

static void report_sources(gh_report *report, gh_device *device)
{
  static const char *const titles[] = {"revocation list", "revocation list over HTTP", "responder"};
  gh_source_row rows[GH_SOURCE_ROWS];
  if (gh_device_sources(report->call, device, rows) != GH_OK) return; /* it has no certificate */
  for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
    if (rows[i].what.len) report_source(report, titles[i], &rows[i]);
  report_stapling(report, &rows[GH_SOURCE_ROWS - 1]);
}

gh_exit gh_doctor_device(gh_call *call)
{
  gh_report report = {call, gh_val_array(&call->arena), 0};
  gh_device *device = NULL;
  gh_diag diag = {""};
  gh_err err = gh_call_device(call, &device, &diag);
  if (err != GH_OK) return gh_call_failed(call, err, &diag);
  gh_report_add(&report, GH_STR("configuration"), GH_HEALTHY, "a device of %.*s",
                GH_STR_ARG(gh_device_config_get(device)->cse.fqdn));
  gh_check_modes(&report, call->operands[0]);
  report_certificate(&report, device);
  report_sources(&report, device);
  gh_device_close(device);
  gh_exit code = gh_call_done(call, report.rows);
  return report.failed ? GH_EXIT_FAILED : code;
}
