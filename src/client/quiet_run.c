/* A turn of the loop with SIGPIPE held back. */
#include "client/quiet_run.h"

#include "base/no_sigpipe.h"

void gh_quiet_run(uv_loop_t *loop, uv_run_mode mode)
{
  gh_no_sigpipe held;
  gh_no_sigpipe_begin(&held);
  uv_run(loop, mode);
  gh_no_sigpipe_end(&held);
}
