/* The demonstration: a realm in a temporary folder, three serving processes, two devices, and a list of checks. */
#ifndef GH_CMD_DEMO_STORY_H
#define GH_CMD_DEMO_STORY_H

#include "cmd/call.h"
#include "cmd/demo_proc.h"

enum { GH_DEMO_FUNCTIONS = 3, GH_DEMO_CHECKS_MAX = 64 };

typedef struct gh_demo_check {
  gh_str title, detail;
  bool held;
} gh_demo_check;

typedef struct gh_demo {
  gh_call *call;
  gh_arena *arena;
  gh_str dir, realm;
  pid_t pids[GH_DEMO_FUNCTIONS]; /* mef, maf, cse; 0: not running */
  gh_demo_check checks[GH_DEMO_CHECKS_MAX];
  size_t check_count;
} gh_demo;

/* demo_story.c */
void gh_demo_begin(gh_demo *demo);  /* step 1 */
void gh_demo_enrol(gh_demo *demo);  /* step 2 and 3 */
void gh_demo_use(gh_demo *demo);    /* step 4 */
void gh_demo_share(gh_demo *demo);  /* step 5 */
void gh_demo_attack(gh_demo *demo); /* step 6, demo_attack.c */
void gh_demo_crash(gh_demo *demo);  /* step 7, demo_crash.c */
void gh_demo_end(gh_demo *demo);

bool gh_demo_start_all(gh_demo *demo);
/* A folder or file of the demonstration, NUL-terminated. */
gh_str gh_demo_path(gh_demo *demo, const char *name);

/* demo_report.c: narration (nothing with --json) and checks. */
void gh_demo_title(gh_demo *demo, const char *fmt, ...) GH_PRINTF(2, 3);
void gh_demo_say(gh_demo *demo, const char *fmt, ...) GH_PRINTF(2, 3);
bool gh_demo_expect(gh_demo *demo, bool held, const char *title, const char *fmt, ...) GH_PRINTF(4, 5);
gh_exit gh_demo_table(gh_demo *demo);

/* Runs `gatehouse ARGS...` (ends with NULL) as a process and shows the command line. False when it could not be run.
 */
bool gh_demo_cli(gh_demo *demo, gh_run_result *result, ...) __attribute__((sentinel));
/* Members of the JSON it printed; empty and 0 when absent. `content` looks inside content's one member. */
gh_str gh_demo_text(const gh_run_result *result, const char *name);
int gh_demo_number(const gh_run_result *result, const char *name);
const gh_val *gh_demo_content(const gh_run_result *result);

#endif
