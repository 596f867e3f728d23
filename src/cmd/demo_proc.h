/* Child processes of the demonstration: this very program with other arguments. */
#ifndef GH_CMD_DEMO_PROC_H
#define GH_CMD_DEMO_PROC_H

#include <sys/types.h>

#include "base/arena.h"
#include "m2m/value.h"

typedef struct gh_run_result {
  int exit_code;   /* 128 + signal when killed */
  gh_str out, err; /* what it printed */
  gh_val *json;    /* `out` parsed, or NULL */
} gh_run_result;

/* Runs `gatehouse ARGS... --json` to its end (at most 30 s); the arguments end with NULL. `input` goes to its
 * standard input. */
GH_MUST_USE gh_err gh_demo_run(gh_arena *arena, const char *const *args, gh_str input, gh_run_result *out);

/* Starts `gatehouse ARGS...` in the background, its log appended to `log_path`; returns when it has printed its first
 * line (the addresses) or failed within 10 s. */
GH_MUST_USE gh_err gh_demo_start(gh_arena *arena, const char *const *args, const char *log_path, pid_t *pid,
                                 gh_str *first_line);
/* Runs another program by name, with no output, to its end. */
void gh_demo_run_program(const char *const *argv);
/* SIGKILL, at once, and waits for the end. */
void gh_demo_kill(pid_t pid);
/* SIGTERM; true when it ended by itself with 0 within 10 s. */
bool gh_demo_stop(pid_t pid);

#endif
