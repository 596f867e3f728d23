/* Ports: the workers of one process share theirs, and nobody else gets a part of it. */
#include "../m2m/cmocka_all.h"

#include <errno.h>
#include <unistd.h>

#include "link/listener.h"

enum { SOCKETS = 3 };

static void a_port_is_shared_within_and_not_without(int type)
{
  int own[SOCKETS], other = -1;
  uint16_t port = 0, same;
  assert_int_equal(gh_socket_bind("127.0.0.1", &port, type, GH_PORT_NEW, &own[0]), GH_OK);
  assert_int_not_equal(port, 0);
  for (int i = 1; i < SOCKETS; i++) {
    same = port;
    assert_int_equal(gh_socket_bind("127.0.0.1", &same, type, GH_PORT_SHARED, &own[i]), GH_OK);
    assert_int_equal(same, port);
  }
  assert_int_equal(gh_socket_bind("127.0.0.1", &port, type, GH_PORT_NEW, &other), GH_EIO);
  assert_int_equal(errno, EADDRINUSE);
  for (int i = 0; i < SOCKETS; i++) close(own[i]);
  assert_int_equal(gh_socket_bind("127.0.0.1", &port, type, GH_PORT_NEW, &other), GH_OK);
  close(other);
}

static void streams(void **state)
{
  (void)state;
  a_port_is_shared_within_and_not_without(SOCK_STREAM);
}

static void datagrams(void **state)
{
  (void)state;
  a_port_is_shared_within_and_not_without(SOCK_DGRAM);
}

static void names_are_no_addresses(void **state)
{
  (void)state;
  int fd;
  uint16_t port = 0;
  assert_int_equal(gh_socket_bind("localhost", &port, SOCK_STREAM, GH_PORT_NEW, &fd), GH_EINVAL);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(streams), cmocka_unit_test(datagrams),
                                     cmocka_unit_test(names_are_no_addresses)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
