/* gatehouse: the program. */
#include <signal.h>
#include <sys/stat.h>

#include "cmd/call.h"

int main(int argc, char **argv)
{
  signal(SIGPIPE, SIG_IGN); /* a peer that is gone is an error of the write, not the end of the process */
  umask(S_IRWXG | S_IRWXO); /* what is made is for its owner */
  return (int)gh_cli_run(argc, argv, stdout, stderr);
}
