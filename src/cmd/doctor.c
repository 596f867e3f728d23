/* gatehouse doctor: is this realm as it should be? Reads everything, changes nothing, shows no secret. */
#include "cmd/doctor.h"

#include <dirent.h>
#include <netdb.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/device_call.h"
#include "cmd/verbs.h"
#include "store/store.h"

enum { MAX_DEPTH = 8, CONNECT_TIMEOUT_S = 2 };

static const char *health_name(gh_health health)
{
  switch (health) {
  case GH_HEALTHY: return "ok";
  case GH_UNKNOWN_HEALTH: return "unknown";
  case GH_ILL: return "FAILED";
  }
  return "";
}

void gh_report_add(gh_report *report, gh_str what, gh_health health, const char *fmt, ...)
{
  gh_arena *a = &report->call->arena;
  va_list args;
  va_start(args, fmt);
  gh_str text = gh_arena_vfmt(a, fmt, args);
  va_end(args);
  gh_val *row = gh_val_object(a);
  gh_val_set(a, row, GH_STR("check"), gh_val_str(a, gh_arena_dup(a, what)));
  gh_val_set(a, row, GH_STR("state"), gh_val_str(a, gh_str_of(health_name(health))));
  gh_val_set(a, row, GH_STR("text"), gh_val_str(a, text));
  gh_val_push(report->rows, row);
  if (health == GH_ILL) report->failed++;
}

/* ---- modes */

static size_t check_entry(gh_report *report, gh_str path, int depth);

static size_t check_children(gh_report *report, gh_str path, int depth)
{
  DIR *dir = opendir(path.ptr);
  size_t bad = 0;
  for (struct dirent *entry; dir && (entry = readdir(dir));) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    bad += check_entry(report, gh_arena_fmt(&report->call->arena, "%.*s/%s", GH_STR_ARG(path), entry->d_name),
                       depth + 1);
  }
  if (dir) closedir(dir);
  return bad;
}

static size_t check_entry(gh_report *report, gh_str path, int depth)
{
  struct stat st;
  if (lstat(path.ptr, &st) != 0 || S_ISLNK(st.st_mode)) return 0;
  bool open_to_others = st.st_mode & (S_IRWXG | S_IRWXO);
  if (open_to_others) gh_report_add(report, path, GH_ILL, "mode %04o lets others in", (unsigned)(st.st_mode & 07777));
  size_t below = S_ISDIR(st.st_mode) && depth < MAX_DEPTH ? check_children(report, path, depth) : 0;
  return below + open_to_others;
}

void gh_check_modes(gh_report *report, gh_str dir)
{
  if (check_entry(report, dir, 0) == 0) gh_report_add(report, GH_STR("files"), GH_HEALTHY, "for their owner alone");
}

/* ---- store */

void gh_check_store(gh_report *report, const gh_realm_function *function)
{
  gh_store *store;
  gh_diag diag = {""};
  gh_str what = gh_arena_fmt(&report->call->arena, "%.*s store", GH_STR_ARG(function->name));
  if (access(function->store.ptr, F_OK) != 0) {
    gh_report_add(report, what, GH_UNKNOWN_HEALTH, "not there yet: the function has never run");
    return;
  }
  gh_err err = gh_store_open_readonly(function->store.ptr, &store, &diag);
  if (err == GH_OK) {
    err = gh_store_check(store, &diag);
    gh_store_close(store);
  }
  gh_report_add(report, what, err == GH_OK ? GH_HEALTHY : GH_ILL, "%s", err == GH_OK ? "intact" : diag.text);
}

/* ---- end point */

static bool answers(const char *host, uint16_t port)
{
  char text[8];
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *found = NULL;
  snprintf(text, sizeof text, "%u", port);
  if (getaddrinfo(host, text, &hints, &found) != 0 || !found) return false;
  int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct timeval limit = {.tv_sec = CONNECT_TIMEOUT_S};
  bool ok = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0 &&
            connect(fd, found->ai_addr, found->ai_addrlen) == 0;
  if (fd >= 0) close(fd);
  freeaddrinfo(found);
  return ok;
}

void gh_check_endpoint(gh_report *report, const gh_realm *realm, const gh_realm_function *function)
{
  char host[GH_ENDPOINT_HOST_BYTES];
  uint16_t port;
  gh_diag diag = {""};
  gh_str what = gh_arena_fmt(&report->call->arena, "%.*s end point", GH_STR_ARG(function->name));
  if (gh_realm_endpoint(realm, function->fqdn, host, &port, &diag) != GH_OK)
    gh_report_add(report, what, GH_UNKNOWN_HEALTH, "not running");
  else if (answers(host, port))
    gh_report_add(report, what, GH_HEALTHY, "%s:%u answers", host, port);
  else
    gh_report_add(report, what, GH_UNKNOWN_HEALTH, "%s:%u does not answer: not running?", host, port);
}

/* ---- resumption */

static void check_resumption(gh_report *report, const gh_realm *realm)
{
  const gh_realm_limits *limits = &realm->limits;
  if (!limits->resumption_s)
    gh_report_add(report, GH_STR("resumption"), GH_HEALTHY, "off: each association proves its credential");
  else
    gh_report_add(report, GH_STR("resumption"), GH_HEALTHY,
                  "CSEs resume sessions for %lld s, at most %lld of each listener; MAF and MEF never",
                  (long long)limits->resumption_s, (long long)limits->max_sessions);
}

/* ---- the verb */

static gh_exit examine(gh_call *call, const gh_realm *realm)
{
  gh_report report = {call, gh_val_array(&call->arena), 0};
  gh_report_add(&report, GH_STR("configuration"), GH_HEALTHY, "%zu functions of %.*s", realm->function_count,
                GH_STR_ARG(realm->sp_fqdn));
  gh_check_modes(&report, realm->dir);
  gh_check_admin_credential(&report, realm);
  gh_check_anchors(&report, realm);
  check_resumption(&report, realm);
  for (size_t i = 0; i < realm->function_count; i++) {
    const gh_realm_function *f = &realm->functions[i];
    gh_check_function_credentials(&report, realm, f);
    gh_check_status_sources(&report, f);
    gh_check_store(&report, f);
    gh_check_endpoint(&report, realm, f);
  }
  for (size_t i = 0; i < realm->provider_count; i++) gh_check_provider(&report, &realm->providers[i]);
  gh_exit code = gh_call_done(call, report.rows);
  return report.failed ? GH_EXIT_FAILED : code;
}

/* A folder that has device.conf and is no realm. */
static bool is_device(gh_call *call)
{
  gh_str dir = call->operands[0];
  bool device = access(gh_arena_fmt(&call->arena, "%.*s/device.conf", GH_STR_ARG(dir)).ptr, F_OK) == 0;
  return device && access(gh_arena_fmt(&call->arena, "%.*s/gatehouse.conf", GH_STR_ARG(dir)).ptr, F_OK) != 0;
}

static gh_exit run(gh_call *call)
{
  if (is_device(call)) return gh_doctor_device(call);
  gh_realm realm;
  gh_diag diag = {""};
  gh_err err = gh_realm_read(call->operands[0].ptr, &realm, &diag);
  gh_exit code = err == GH_OK ? examine(call, &realm) : gh_call_failed(call, err, &diag);
  gh_realm_free(&realm);
  return code;
}

static const gh_opt options[] = {GH_OPT_PASSPHRASE, {.name = NULL}};

const gh_verb gh_verb_doctor = {
    .words = "doctor",
    .operands = "REALM|DEVICE",
    .min_operands = 1,
    .max_operands = 1,
    .help = "check a realm or a device: modes, certificates, sealed files, revocation lists, stores, end points, "
            "further anchors",
    .details =
        "Of a device: its folder, its certificate, and whether the sources answer of which it asks whether its CSE's "
        "certificate is\nrevoked. Exit code 3 when a check FAILED.",
    .options = options,
    .run = run,
};
