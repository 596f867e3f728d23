/* Points of access from the configuration: they are the same before and after a restart, whatever ports came of it.
 */
#include "cmd/access_points.h"

#include "client/endpoint.h"

/* Others know the CSE by its name, whatever address it listens at. */
static gh_str named(gh_arena *arena, const char *scheme, const gh_realm_function *f, uint16_t port)
{
  return port ? gh_arena_fmt(arena, "%s://%.*s:%u", scheme, GH_STR_ARG(f->fqdn), port)
              : gh_arena_fmt(arena, "%s://%.*s", scheme, GH_STR_ARG(f->fqdn));
}

static gh_str web(gh_arena *arena, const char *scheme, const gh_realm_function *f)
{
  bool announced = gh_str_eq(f->endpoint, GH_STR("auto"));
  return announced ? named(arena, scheme, f, f->listen_port)
                   : gh_arena_fmt(arena, "%s://%.*s", scheme, GH_STR_ARG(f->endpoint));
}

static size_t coap(gh_arena *arena, const char *scheme, const gh_realm_function *f, gh_str listen, gh_str *out)
{
  gh_endpoint at;
  if (gh_str_empty(listen) || gh_endpoint_parse(listen, &at) != GH_OK) return 0;
  *out = named(arena, scheme, f, at.port);
  return 1;
}

/*= TS-0001 9.6.3 pointOfAccess; TS-0020 6.2.1 WebSocket at the same place as HTTP */
size_t gh_access_points(gh_arena *arena, const gh_realm_function *function, gh_str out[static GH_ACCESS_POINTS_MAX])
{
  size_t count = 0;
  out[count++] = web(arena, "https", function);
  out[count++] = web(arena, "wss", function);
  count += coap(arena, "coaps", function, function->coap_listen, out + count);
  count += coap(arena, "coaps+tcp", function, function->coaps_tcp_listen, out + count);
  const gh_realm_mqtt *mqtt = &function->mqtt;
  if (mqtt->broker.len)
    out[count++] = gh_arena_fmt(arena, "mqtts://%.*s%s%.*s", GH_STR_ARG(mqtt->broker), mqtt->prefix.len ? "/" : "",
                                GH_STR_ARG(mqtt->prefix));
  return count;
}
