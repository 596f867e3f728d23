/* gatehouse demo: the whole story on loopback, narrated, with separate processes and real sockets; ends with a table
 * of its checks. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "cmd/demo_story.h"
#include "cmd/verbs.h"

static void remove_folder(gh_demo *demo)
{
  const char *argv[] = {"rm", "-rf", "--", demo->dir.ptr, NULL};
  gh_demo_run_program(argv);
}

static gh_exit tell(gh_demo *demo)
{
  gh_demo_begin(demo);
  if (!demo->pids[0] || !demo->pids[1] || !demo->pids[2]) return gh_demo_table(demo);
  gh_demo_enrol(demo);
  gh_demo_use(demo);
  gh_demo_share(demo);
  gh_demo_attack(demo);
  gh_demo_crash(demo);
  gh_demo_end(demo);
  return gh_demo_table(demo);
}

static gh_exit run(gh_call *call)
{
  char dir[] = "/tmp/gatehouse-demo-XXXXXX";
  gh_diag diag;
  signal(SIGPIPE, SIG_IGN);
  gh_str wanted = gh_call_text(call, "dir", GH_STR_NONE);
  if (!wanted.len && !mkdtemp(dir))
    return gh_call_failed(call, gh_fail(&diag, GH_EIO, "cannot make a temporary folder"), &diag);
  gh_demo demo = {.call = call, .arena = &call->arena, .dir = wanted.len ? wanted : gh_str_of(dir)};
  gh_exit code = tell(&demo);
  for (int i = 0; i < GH_DEMO_FUNCTIONS; i++)
    if (demo.pids[i]) gh_demo_kill(demo.pids[i]);
  if (wanted.len || code != GH_EXIT_DONE)
    gh_demo_say(&demo, "kept for you to look at: %s (logs, realm, devices)", demo.dir.ptr);
  else
    remove_folder(&demo);
  return code;
}

static const gh_opt options[] = {{"dir", 0, GH_OPT_TEXT, "DIR", "an existing empty folder to work in; it is kept"},
                                 {.name = NULL}};

const gh_verb gh_verb_demo = {
    .words = "demo",
    .operands = "",
    .min_operands = 0,
    .max_operands = 0,
    .help = "the whole story on loopback, narrated, in under a minute",
    .details = "Makes a realm in a temporary folder, runs its functions as three processes, enrols and registers two "
               "devices, attacks, kills and\n"
               "restarts. Exit code 0 only if every check held.",
    .options = options,
    .run = run,
};
