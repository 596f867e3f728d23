/* Running this program again with other arguments, watched and bounded in time. */
#include "cmd/demo_proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "m2m/json.h"

extern char **environ;

enum { RUN_MAX_S = 30, START_MAX_S = 10, STOP_MAX_S = 10, ARGS_MAX = 40 };

static void close_pair(const int fds[2])
{
  if (fds[0] >= 0) close(fds[0]);
  if (fds[1] >= 0) close(fds[1]);
}

/* argv for the child: program, the arguments, and --json when asked. posix_spawn wants char *; it does not write. */
static size_t build_argv(const char *const *args, bool json, char **argv)
{
  union {
    const char *in;
    char *out;
  } text;
  size_t n = 0;
  text.in = "gatehouse";
  argv[n++] = text.out;
  for (size_t i = 0; args[i] && n < ARGS_MAX - 2; i++) {
    text.in = args[i];
    argv[n++] = text.out;
  }
  text.in = "--json";
  if (json) argv[n++] = text.out;
  argv[n] = NULL;
  return n;
}

static gh_err spawn(const char *const *args, bool json, const int in[2], const int out[2], const int err[2],
                    int log_fd, pid_t *pid)
{
  char *argv[ARGS_MAX];
  posix_spawn_file_actions_t actions;
  build_argv(args, json, argv);
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], 0);
  posix_spawn_file_actions_adddup2(&actions, out[1], 1);
  posix_spawn_file_actions_adddup2(&actions, log_fd >= 0 ? log_fd : err[1], 2);
  int rc = posix_spawn(pid, "/proc/self/exe", &actions, NULL, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  return rc == 0 ? GH_OK : GH_EIO;
}

static gh_err open_pipes(int in[2], int out[2], int err[2])
{
  GH_REQUIRE(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0 && pipe2(err, O_CLOEXEC) == 0, GH_EIO);
  return GH_OK;
}

/* Reads both outputs until they close. */
static gh_err collect(int out_fd, int err_fd, gh_buf *out, gh_buf *err, int64_t until_us)
{
  gh_clock clock = gh_clock_system();
  struct pollfd fds[2] = {{out_fd, POLLIN, 0}, {err_fd, POLLIN, 0}};
  gh_buf *buffers[2] = {out, err};
  while (fds[0].fd >= 0 || fds[1].fd >= 0) {
    int64_t left = (until_us - gh_clock_mono_us(&clock)) / 1000;
    GH_REQUIRE(left > 0, GH_ETIMEOUT);
    if (poll(fds, 2, (int)left) < 0 && errno != EINTR) return GH_EIO;
    for (int i = 0; i < 2; i++) {
      if (fds[i].fd < 0 || !fds[i].revents) continue;
      ssize_t got = read(fds[i].fd, gh_buf_reserve(buffers[i], 4096), 4096);
      if (got > 0)
        gh_buf_added(buffers[i], (size_t)got);
      else
        fds[i].fd = -1;
    }
  }
  return GH_OK;
}

static int exit_code_of(pid_t pid)
{
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

gh_err gh_demo_run(gh_arena *arena, const char *const *args, gh_str input, gh_run_result *result)
{
  int in[2] = {-1, -1}, out[2] = {-1, -1}, err[2] = {-1, -1};
  gh_buf out_text = GH_BUF_INIT, err_text = GH_BUF_INIT;
  gh_clock clock = gh_clock_system();
  pid_t pid;
  gh_err rc = open_pipes(in, out, err);
  if (rc == GH_OK) rc = spawn(args, true, in, out, err, -1, &pid);
  if (rc == GH_OK) {
    close(out[1]);
    close(err[1]);
    out[1] = err[1] = -1;
    ssize_t written = input.len ? write(in[1], input.ptr, input.len) : 0;
    close(in[1]);
    in[1] = -1;
    rc = written < 0
             ? GH_EIO
             : collect(out[0], err[0], &out_text, &err_text, gh_clock_mono_us(&clock) + RUN_MAX_S * GH_US_PER_S);
    if (rc != GH_OK) kill(pid, SIGKILL);
    *result = (gh_run_result){.exit_code = exit_code_of(pid)};
    result->out = gh_arena_dup(arena, gh_buf_str(&out_text));
    result->err = gh_arena_dup(arena, gh_buf_str(&err_text));
    if (gh_json_parse(arena, result->out, &gh_json_default_limits, &result->json, NULL) != GH_OK) result->json = NULL;
  }
  close_pair(in);
  close_pair(out);
  close_pair(err);
  gh_buf_free(&out_text);
  gh_buf_free(&err_text);
  return rc;
}

static gh_err first_line_of(gh_arena *arena, int fd, gh_str *line)
{
  gh_clock clock = gh_clock_system();
  int64_t until = gh_clock_mono_us(&clock) + START_MAX_S * GH_US_PER_S;
  char text[2048];
  size_t len = 0;
  while (len < sizeof text) {
    struct pollfd p = {fd, POLLIN, 0};
    int64_t left = (until - gh_clock_mono_us(&clock)) / 1000;
    GH_REQUIRE(left > 0 && poll(&p, 1, (int)left) > 0, GH_ETIMEOUT);
    ssize_t got = read(fd, text + len, sizeof text - len);
    GH_REQUIRE(got > 0, GH_ECONN);
    len += (size_t)got;
    size_t end = gh_str_find((gh_str){text, len}, '\n');
    if (end == SIZE_MAX) continue;
    *line = gh_arena_dup(arena, (gh_str){text, end});
    return GH_OK;
  }
  return GH_ELIMIT;
}

gh_err gh_demo_start(gh_arena *arena, const char *const *args, const char *log_path, pid_t *pid, gh_str *first_line)
{
  int in[2] = {-1, -1}, out[2] = {-1, -1}, err[2] = {-1, -1};
  int log_fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  GH_REQUIRE(log_fd >= 0, GH_EIO);
  gh_err rc = open_pipes(in, out, err);
  if (rc == GH_OK) rc = spawn(args, true, in, out, err, log_fd, pid);
  if (rc == GH_OK) {
    close(out[1]);
    out[1] = -1;
    rc = first_line_of(arena, out[0], first_line);
    if (rc != GH_OK) gh_demo_kill(*pid);
  }
  close(log_fd);
  close_pair(in);
  close_pair(out);
  close_pair(err);
  return rc;
}

void gh_demo_run_program(const char *const *argv)
{
  char *copy[ARGS_MAX];
  pid_t pid;
  union {
    const char *in;
    char *out;
  } text;
  size_t n = 0;
  for (; argv[n] && n < ARGS_MAX - 1; n++) {
    text.in = argv[n];
    copy[n] = text.out;
  }
  copy[n] = NULL;
  if (posix_spawnp(&pid, copy[0], NULL, NULL, copy, environ) == 0) exit_code_of(pid);
}

void gh_demo_kill(pid_t pid)
{
  kill(pid, SIGKILL);
  exit_code_of(pid);
}

bool gh_demo_stop(pid_t pid)
{
  kill(pid, SIGTERM);
  for (int waited = 0; waited < STOP_MAX_S * 100; waited++) {
    int status;
    if (waitpid(pid, &status, WNOHANG) == pid) return WIFEXITED(status) && WEXITSTATUS(status) == 0;
    usleep(10000);
  }
  gh_demo_kill(pid);
  return false;
}
