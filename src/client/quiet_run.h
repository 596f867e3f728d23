/* Turns of a loop that raise no SIGPIPE in a program that did not ask for it. */
#ifndef GH_CLIENT_QUIET_RUN_H
#define GH_CLIENT_QUIET_RUN_H

#include <uv.h>

/* As uv_run. */
void gh_quiet_run(uv_loop_t *loop, uv_run_mode mode);

#endif
