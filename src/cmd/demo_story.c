/* Steps 1 to 5: a realm, enrolment, registration, use, sharing. Every step is a command that a newcomer can type. */
#include "cmd/demo_story.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "cmd/demo_data.h"

static const char *const names[GH_DEMO_FUNCTIONS] = {"mef", "maf", "cse"};

enum { INSTANCES = 5 };

gh_str gh_demo_path(gh_demo *demo, const char *name)
{
  return gh_arena_fmt(demo->arena, "%.*s/%s", GH_STR_ARG(demo->dir), name);
}

bool gh_demo_start_all(gh_demo *demo)
{
  bool all = true;
  for (int i = 0; i < GH_DEMO_FUNCTIONS; i++) {
    const char *args[] = {"serve", "-c", demo->realm.ptr, names[i], NULL};
    gh_str line = GH_STR("");
    gh_str log = gh_arena_fmt(demo->arena, "%.*s/%s.log", GH_STR_ARG(demo->dir), names[i]);
    gh_err err = gh_demo_start(demo->arena, args, log.ptr, &demo->pids[i], &line);
    if (err != GH_OK) demo->pids[i] = 0;
    gh_demo_say(demo, "$ gatehouse serve -c realm %s &      # process %d %.*s", names[i], (int)demo->pids[i],
                GH_STR_ARG(line));
    all = all && err == GH_OK;
  }
  return all;
}

void gh_demo_begin(gh_demo *demo)
{
  gh_run_result r;
  gh_demo_title(demo, "1. A realm, and its three functions as three processes");
  demo->realm = gh_demo_path(demo, "realm");
  gh_demo_cli(demo, &r, "init", demo->realm.ptr, "--sp-id", "sp.example.com", NULL);
  gh_demo_expect(demo, r.exit_code == 0, "a realm is made, with nothing default in it", "%s", "");
  gh_demo_expect(demo, gh_demo_start_all(demo), "MEF, MAF and CSE serve, each its own process", "%s", "");
}

static void new_device(gh_demo *demo, const char *name)
{
  gh_run_result r;
  gh_arena *a = demo->arena;
  gh_str id = gh_arena_fmt(a, "%s@mef.sp.example.com", name),
         ae = gh_arena_fmt(a, "//sp.example.com/in-cse/C%s", name);
  gh_str key = gh_demo_path(demo, gh_arena_fmt(a, "%s.key", name).ptr), dir = gh_demo_path(demo, name);
  gh_demo_cli(demo, &r, "mef", "enrolee", "add", demo->realm.ptr, "--id", id.ptr, "--enrolee-id", ae.ptr,
              "--generate", key.ptr, NULL);
  gh_demo_expect(demo, r.exit_code == 0, gh_arena_fmt(a, "the operator adds %s at the MEF", name).ptr, "KpmID %s",
                 id.ptr);
  gh_demo_cli(demo, &r, "device", "new", dir.ptr, "--realm", demo->realm.ptr, "--kpm-id", id.ptr, "--key-file",
              key.ptr, NULL);
  gh_demo_expect(demo, r.exit_code == 0,
                 gh_arena_fmt(a, "%s has its state folder and its pre-provisioned key", name).ptr, "%s", "");
}

/* Does the MEF's audit trail know this KeID? */
static bool mef_knows(gh_demo *demo, gh_str ke_id)
{
  gh_run_result r;
  gh_demo_cli(demo, &r, "audit", demo->realm.ptr, "mef", NULL);
  return ke_id.len && strstr(r.out.ptr, ke_id.ptr) != NULL;
}

static void enrol(gh_demo *demo, const char *name)
{
  gh_run_result r;
  gh_str dir = gh_demo_path(demo, name);
  gh_demo_cli(demo, &r, "enrol", dir.ptr, "--psk", "--until", "mef", NULL);
  gh_str ke_id = gh_arena_dup(demo->arena, gh_demo_text(&r, "keID"));
  gh_demo_expect(demo, r.exit_code == 0 && ke_id.len, gh_arena_fmt(demo->arena, "%s enrols over TLS-PSK", name).ptr,
                 "KeID %s", ke_id.ptr);
  gh_demo_expect(demo, mef_knows(demo, ke_id), "the MEF derived the same KeID", "%s", ke_id.ptr);
}

static bool log_has(gh_demo *demo, const char *log, gh_str a, const char *b)
{
  static char text[1 << 20];
  int fd = open(gh_demo_path(demo, log).ptr, O_RDONLY | O_CLOEXEC);
  ssize_t got = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
  if (fd >= 0) close(fd);
  if (got < 0) return false;
  text[got] = '\0';
  gh_str rest = {text, (size_t)got}, line;
  while (rest.ptr && gh_str_split(&rest, '\n', &line))
    if (line.len && memmem(line.ptr, line.len, a.ptr, a.len) && memmem(line.ptr, line.len, b, strlen(b))) return true;
  return false;
}

static void join_maf(gh_demo *demo, const char *name)
{
  gh_run_result r, list;
  gh_arena *a = demo->arena;
  gh_str dir = gh_demo_path(demo, name);
  gh_demo_cli(demo, &r, "enrol", dir.ptr, "--from", "maf", "--until", "maf", NULL);
  gh_str ke_id = gh_arena_dup(a, gh_demo_text(&r, "keID")), km_id = gh_arena_dup(a, gh_demo_text(&r, "kmID"));
  gh_demo_expect(demo, r.exit_code == 0 && km_id.len, gh_arena_fmt(a, "%s registers at the MAF", name).ptr, "KmID %s",
                 km_id.ptr);
  gh_demo_expect(demo, ke_id.len && log_has(demo, "maf.log", ke_id, "key-fetch"),
                 "the MAF fetched Km from the MEF in mid-handshake", "by KeID");
  gh_demo_cli(demo, &r, "enrol", dir.ptr, "--from", "key", NULL);
  gh_str kc_id = gh_arena_dup(a, gh_demo_text(&r, "kcID"));
  gh_demo_expect(demo, r.exit_code == 0 && kc_id.len, gh_arena_fmt(a, "%s registers a key for the CSE", name).ptr,
                 "KcID %s", kc_id.ptr);
  gh_demo_cli(demo, &list, "maf", "key", "list", demo->realm.ptr, NULL);
  gh_str relative = gh_arena_dup(a, gh_str_sub(kc_id, 0, gh_str_rfind(kc_id, '@')));
  gh_demo_expect(demo, relative.len && strstr(list.out.ptr, relative.ptr),
                 "the MAF lists that key, without its value", "%s", "");
}

void gh_demo_enrol(gh_demo *demo)
{
  gh_demo_title(demo, "2. A device with nothing but a pre-provisioned key enrols");
  new_device(demo, "meter1");
  enrol(demo, "meter1");
  gh_demo_title(demo, "3. It becomes a client of the MAF and gets a key for the CSE");
  join_maf(demo, "meter1");
}

static void register_ae(gh_demo *demo, const char *name)
{
  gh_run_result r;
  gh_str dir = gh_demo_path(demo, name), expected = gh_arena_fmt(demo->arena, "C%s", name);
  gh_demo_cli(demo, &r, "register", dir.ptr, "--app-id", "N.meter", "--rn", name, NULL);
  gh_demo_expect(demo, gh_demo_number(&r, "rsc") == 2001 && gh_str_eq(gh_demo_text(&r, "aeID"), expected),
                 gh_arena_fmt(demo->arena, "%s is registered as the AE its key stands for", name).ptr, "AE-ID %s",
                 expected.ptr);
}

/* The i-th measured line of the data file, without its comment and heading. */
static gh_str data_line(int index)
{
  gh_str rest = gh_demo_data, line;
  while (gh_str_split(&rest, '\n', &line)) {
    if (line.len == 0 || line.ptr[0] < '0' || line.ptr[0] > '9') continue;
    if (index-- == 0) return line;
  }
  return GH_STR("");
}

void gh_demo_use(gh_demo *demo)
{
  gh_run_result r;
  gh_arena *a = demo->arena;
  gh_str dir = gh_demo_path(demo, "meter1");
  gh_demo_title(demo, "4. It associates with the CSE, registers, and stores what it measures");
  register_ae(demo, "meter1");
  gh_demo_expect(demo, log_has(demo, "cse.log", GH_STR("key-fetch"), "fetched"),
                 "the CSE fetched Kc from the MAF in mid-handshake", "%s", "");
  gh_demo_cli(demo, &r, "create", dir.ptr, "cse-in/meter1", "--ty", "cnt", "--content",
              "{\"m2m:cnt\":{\"rn\":\"data\"}}", NULL);
  gh_demo_expect(demo, gh_demo_number(&r, "rsc") == 2001, "a container is made", "%d", gh_demo_number(&r, "rsc"));
  int made = 0;
  gh_str last = GH_STR("");
  for (int i = 0; i < INSTANCES; i++) {
    last = data_line(i);
    gh_str content = gh_arena_fmt(a, "{\"m2m:cin\":{\"con\":\"%.*s\"}}", GH_STR_ARG(last));
    gh_demo_cli(demo, &r, "create", dir.ptr, "cse-in/meter1/data", "--ty", "cin", "--content", content.ptr, NULL);
    made += gh_demo_number(&r, "rsc") == 2001;
  }
  gh_demo_expect(demo, made == INSTANCES, "measurements are stored", "%d instances", made);
  gh_demo_cli(demo, &r, "get", dir.ptr, "cse-in/meter1/data/la", NULL);
  gh_str con = GH_STR("");
  const gh_val *cin = gh_demo_content(&r);
  if (cin) gh_val_get_str(cin, GH_STR("con"), &con);
  gh_demo_expect(demo, gh_demo_number(&r, "rsc") == 2000 && gh_str_eq(con, last), "the newest one comes back", "%.*s",
                 GH_STR_ARG(con));
}

static void explain(gh_demo *demo, gh_str rqi)
{
  gh_run_result r;
  gh_demo_cli(demo, &r, "explain", demo->realm.ptr, "--request", rqi.ptr, NULL);
  gh_str reason = gh_demo_text(&r, "reason");
  const gh_val *trace = r.json ? gh_val_get(r.json, GH_STR("trace")) : NULL;
  for (const gh_val *line = trace && trace->type == GH_VAL_ARRAY ? trace->u.array.first : NULL; line;
       line = line->next)
    if (line->type == GH_VAL_STR) gh_demo_say(demo, "| %.*s", GH_STR_ARG(line->u.str));
  gh_demo_expect(demo, r.exit_code == 1 && reason.len, "explain says why, from the audit trail", "%.*s",
                 GH_STR_ARG(reason));
}

#define POLICY                                                                                                       \
  "{\"m2m:acp\":{\"rn\":\"readers\",\"pv\":{\"acr\":[{\"acor\":[\"Cmeter1\"],\"acop\":63},{\"acor\":[\"Cmeter2\"],"  \
  "\"acop\":2}]},"                                                                                                   \
  "\"pvs\":{\"acr\":[{\"acor\":[\"Cmeter1\"],\"acop\":63}]}}}"

void gh_demo_share(gh_demo *demo)
{
  gh_run_result r;
  gh_str first = gh_demo_path(demo, "meter1"), second = gh_demo_path(demo, "meter2");
  gh_demo_title(demo, "5. A second device may not read, until the first says so");
  new_device(demo, "meter2");
  enrol(demo, "meter2");
  join_maf(demo, "meter2");
  register_ae(demo, "meter2");
  gh_demo_cli(demo, &r, "get", second.ptr, "cse-in/meter1/data/la", NULL);
  gh_demo_expect(demo, gh_demo_number(&r, "rsc") == 4103, "its read is refused", "%d %.*s", gh_demo_number(&r, "rsc"),
                 GH_STR_ARG(gh_demo_text(&r, "name")));
  explain(demo, gh_arena_dup(demo->arena, gh_demo_text(&r, "rqi")));
  gh_demo_cli(demo, &r, "create", first.ptr, "cse-in/meter1", "--ty", "acp", "--content", POLICY, NULL);
  gh_demo_expect(demo, gh_demo_number(&r, "rsc") == 2001, "the first device makes a policy", "Cmeter2 may RETRIEVE");
  gh_demo_cli(demo, &r, "update", first.ptr, "cse-in/meter1/data", "--content",
              "{\"m2m:cnt\":{\"acpi\":[\"cse-in/meter1/readers\"]}}", NULL);
  gh_demo_expect(demo, gh_demo_number(&r, "rsc") == 2004, "and links the container to it", "%d",
                 gh_demo_number(&r, "rsc"));
  gh_demo_cli(demo, &r, "get", second.ptr, "cse-in/meter1/data/la", NULL);
  gh_demo_expect(demo, gh_demo_number(&r, "rsc") == 2000, "now the read is permitted", "%d",
                 gh_demo_number(&r, "rsc"));
  gh_demo_cli(demo, &r, "explain", demo->realm.ptr, "--originator", "Cmeter2", "--operation", "retrieve", "--target",
              "cse-in/meter1/data", NULL);
  gh_demo_expect(demo, r.exit_code == 0, "and explain names the rule", "policy %.*s, rule %d",
                 GH_STR_ARG(gh_demo_text(&r, "policy")), gh_demo_number(&r, "rule"));
}

void gh_demo_end(gh_demo *demo)
{
  bool clean = true;
  gh_demo_title(demo, "8. The end");
  for (int i = 0; i < GH_DEMO_FUNCTIONS; i++) {
    if (demo->pids[i]) clean = gh_demo_stop(demo->pids[i]) && clean;
    demo->pids[i] = 0;
  }
  gh_demo_expect(demo, clean, "the three processes stop on SIGTERM", "exit code 0");
}
