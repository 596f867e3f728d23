/* mosquitto as a program beside a test. */
#ifndef GH_TEST_MOSQUITTO_PROGRAM_H
#define GH_TEST_MOSQUITTO_PROGRAM_H

#include "../m2m/cmocka_all.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static inline pid_t spawn(const char *const *words)
{
  pid_t pid = 0;
  char *const *argv = (char *const *)(uintptr_t)words;
  if (posix_spawnp(&pid, words[0], NULL, NULL, argv, environ) == 0) return pid;
  char path[80]; /* Debian keeps daemons out of the way of users */
  snprintf(path, sizeof path, "/usr/sbin/%s", words[0]);
  assert_int_equal(posix_spawn(&pid, path, NULL, NULL, argv, environ), 0);
  return pid;
}

static inline uint16_t free_port(void)
{
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof at;
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
  assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
  close(fd);
  return ntohs(at.sin_port);
}

/* It listens at `port` when this returns. */
static inline pid_t mosquitto_begin(const char *conf_path, uint16_t port)
{
  const char *const words[] = {"mosquitto", "-c", conf_path, NULL};
  pid_t pid = spawn(words);
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  for (int i = 0;; i++) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bool there = connect(fd, (struct sockaddr *)&at, sizeof at) == 0;
    close(fd);
    if (there) return pid;
    if (i == 3000) fail_msg("mosquitto does not start");
    usleep(10000);
  }
}

static inline void mosquitto_end(pid_t pid)
{
  kill(pid, SIGTERM);
  waitpid(pid, NULL, 0);
}

#endif
