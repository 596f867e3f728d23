/* A device that listens, served on a thread of its own; and a device that knows whom to talk to, where nobody is. */
#ifndef GH_TEST_DEVICE_SERVING_H
#define GH_TEST_DEVICE_SERVING_H

#include "temp_dir.h"

#include <pthread.h>

#include "client/device_private.h"
#include "gatehouse/gatehouse.h"

static inline void *serve_until_stopped(void *server)
{
  while (gh_device_serve(server, 60000) == GH_ETIMEOUT) continue;
  return NULL;
}

/* In the binding that the device speaks. */
static inline gh_device_server *serving_begin(gh_device *device, gh_device_on_notify on_notify, void *ctx,
                                              pthread_t *thread)
{
  gh_diag diag = {""};
  gh_device_server *server = NULL;
  if (gh_device_listen(device, GH_STR("127.0.0.1:0"), on_notify, ctx, &server, &diag) != GH_OK)
    fail_msg("%s", diag.text);
  assert_int_equal(pthread_create(thread, NULL, serve_until_stopped, server), 0);
  return server;
}

/* NULL is allowed. */
static inline void serving_end(gh_device_server **server, pthread_t thread)
{
  if (!*server) return;
  gh_device_server_stop(*server);
  pthread_join(thread, NULL);
  gh_device_server_close(*server);
  *server = NULL;
}

/* "HOST:PORT" */
static inline gh_str address_of(const gh_device_server *server)
{
  gh_str point = gh_device_server_point(server);
  return gh_str_sub(point, gh_str_rfind(point, '/') + 1, SIZE_MAX);
}

static inline uint16_t port_of_server(const gh_device_server *server)
{
  gh_str at = address_of(server);
  uint64_t number = 0;
  assert_true(gh_str_to_u64(gh_str_sub(at, gh_str_rfind(at, ':') + 1, SIZE_MAX), &number));
  return (uint16_t)number;
}

/* At "DIR/name"; opened. */
static inline gh_device *device_of(const temp_dir *dir, const char *name, const char *cse, const gh_secret *kpm)
{
  gh_device_config c;
  gh_diag diag = {""};
  gh_device *device = NULL;
  const gh_str nowhere = GH_STR("127.0.0.1:1");
  gh_device_config_defaults(&c);
  c.sp_id = GH_STR("sp.example.com");
  c.cse = (gh_device_peer){gh_str_of(cse), nowhere, nowhere, nowhere};
  c.mef = (gh_device_peer){.fqdn = GH_STR("mef.sp.example.com"), .endpoint = nowhere};
  c.maf = (gh_device_peer){.fqdn = GH_STR("maf.sp.example.com"), .endpoint = nowhere};
  c.kpm_id = GH_STR("dev1@mef.sp.example.com");
  c.timeout_ms = 3000;
  if (gh_device_create(temp_path(dir, name), &c, kpm, NULL, &diag) != GH_OK) fail_msg("%s", diag.text);
  assert_int_equal(gh_device_open(temp_path(dir, name), NULL, &device, &diag), GH_OK);
  return device;
}

#endif
