/* Requests over an association that the device opened: at its broker (MQTT), or a WebSocket with its registrar. What
 * serves them is that association's call-back; here is waited for them. */
#include <poll.h>
#include <stdlib.h>

#include "client/device_server_private.h"
#include "client/endpoint.h"
#include "m2m/constants.h"

enum { SLICE_MS = 200 };

/*= TS-0010 6.4.3; TS-0010 7.2 the broker lets nobody but the registrar publish what comes here */
/*= TS-0020 6.1 over a WebSocket it is the registrar that has proven itself */
static void on_request(void *ctx, gh_arena *arena, const gh_request *request, gh_response *response)
{
  gh_device_server *server = ctx;
  gh_device *device = server->device;
  if (device->leave) { /* it is about to end */
    response->rsc = gh_device_server_refuse(arena, response, GH_RSC_TARGET_NOT_REACHABLE, "the device leaves");
    return;
  }
  device->in_request = true;
  response->rsc = gh_device_server_take(server, arena, request, response);
  device->in_request = false;
}

gh_err gh_device_server_serve_link(gh_device_server *server, uint32_t timeout_ms)
{
  int64_t until = gh_clock_mono_us(&server->device->clock) / 1000 + timeout_ms;
  for (;;) {
    int64_t left = until - gh_clock_mono_us(&server->device->clock) / 1000;
    if (atomic_load(&server->told_off)) return GH_OK;
    if (left <= 0) return GH_ETIMEOUT;
    uint32_t slice = left < SLICE_MS ? (uint32_t)left : SLICE_MS;
    /* whether it has ended is for the caller to find, who announces the device again */
    gh_device_hold_against_lists(server->device);
    bool open = server->device->cse && gh_client_is_open(server->device->cse);
    if (!open || gh_client_wait_closed(server->device->cse, slice) != GH_ETIMEOUT) poll(NULL, 0, (int)slice);
    gh_device_leave(server->device);
  }
}

static gh_err name_broker(gh_device_server *server, gh_diag *diag)
{
  const gh_device_config *c = &server->device->config;
  gh_endpoint broker;
  if (gh_str_empty(c->mqtt_broker)) return gh_fail(diag, GH_ENOTFOUND, "device.conf names no broker");
  GH_TRY(gh_endpoint_find(c->mqtt_broker, &broker, diag));
  bool v6 = strchr(broker.host, ':') != NULL;
  snprintf(server->point, sizeof server->point, "mqtts://%s%s%s:%u%s%.*s", v6 ? "[" : "", broker.host, v6 ? "]" : "",
           broker.port, c->mqtt_prefix.len ? "/" : "", GH_STR_ARG(c->mqtt_prefix));
  return GH_OK;
}

gh_err gh_device_server_begin_link(gh_device_server *server, gh_str at, gh_diag *diag)
{
  gh_device *device = server->device;
  bool broker = gh_str_eq(device->config.binding, GH_STR("mqtt"));
  if (at.len && broker) return gh_fail(diag, GH_EINVAL, "over MQTT a device listens at its broker and nowhere else");
  if (at.len)
    return gh_fail(diag, GH_EINVAL, "over WebSocket a device listens on its own connection and nowhere else");
  if (broker)
    GH_TRY(name_broker(server, diag));
  else
    snprintf(server->point, sizeof server->point, "%s", GH_DEVICE_OPEN_WEBSOCKET);
  server->own_link = true;
  gh_device_dissociate(device); /* the next one listens */
  device->on_request = on_request;
  device->on_request_ctx = server;
  return GH_OK;
}

void gh_device_server_leave_link(gh_device_server *server)
{
  gh_device_dissociate(server->device);
  server->device->on_request = NULL;
  free(server);
}
