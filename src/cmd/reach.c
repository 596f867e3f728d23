/* The setting `reach`: which binding the other functions use, and where. */
#include "cmd/reach.h"

#include "client/endpoint.h"

static const struct {
  const char *scheme;
  gh_reach_binding binding;
  const char *announced; /* run/<name>.<this>.endpoint; NULL: where `endpoint` says */
} schemes[] = {
    {"https://", GH_REACH_HTTPS, NULL},
    {"wss://", GH_REACH_WSS, NULL},
    {"coaps://", GH_REACH_COAPS, "coap"},
    {"coaps+tcp://", GH_REACH_COAPS_TCP, "coaps_tcp"},
};
enum { SCHEMES = sizeof schemes / sizeof *schemes };

/* SCHEMES when there is none. */
static size_t scheme_of(gh_str text, gh_str *where)
{
  size_t i = 0;
  while (i < SCHEMES && !gh_str_starts(text, gh_str_of(schemes[i].scheme))) i++;
  *where = i < SCHEMES ? gh_str_sub(text, strlen(schemes[i].scheme), SIZE_MAX) : GH_STR_NONE;
  return i;
}

static bool is_auto(gh_str where)
{
  return gh_str_eq(where, GH_STR("auto"));
}

static bool is_mqtt(gh_str text)
{
  return gh_str_eq(text, GH_STR("mqtt"));
}

bool gh_reach_valid(gh_str text)
{
  gh_str where;
  gh_endpoint at;
  if (gh_str_eq(text, GH_STR("none")) || is_mqtt(text)) return true;
  if (scheme_of(text, &where) == SCHEMES) return false;
  return is_auto(where) || (gh_endpoint_parse(where, &at) == GH_OK && at.port);
}

gh_reach_binding gh_reach_named(gh_str text)
{
  gh_str where;
  size_t i = scheme_of(text, &where);
  if (is_mqtt(text)) return GH_REACH_MQTT;
  return i < SCHEMES ? schemes[i].binding : GH_REACH_NONE;
}

gh_reach_binding gh_reach_of(const gh_realm_function *function)
{
  return gh_reach_named(function->reach);
}

bool gh_reach_direct(gh_str text)
{
  gh_str where;
  if (!gh_reach_valid(text)) return false;
  (void)scheme_of(text, &where);
  switch (gh_reach_named(text)) {
  case GH_REACH_NONE: return true;
  case GH_REACH_HTTPS:
  case GH_REACH_COAPS:
  case GH_REACH_COAPS_TCP: return !is_auto(where);
  case GH_REACH_MQTT:
  case GH_REACH_WSS: break;
  }
  return false;
}

gh_err gh_reach_place(gh_str text, char host[static GH_ENDPOINT_HOST_BYTES], uint16_t *port, gh_diag *diag)
{
  gh_str where;
  gh_endpoint at;
  (void)scheme_of(text, &where);
  GH_TRY(gh_endpoint_find(where, &at, diag));
  gh_str_to_cstr(gh_str_of(at.host), host, GH_ENDPOINT_HOST_BYTES);
  *port = at.port;
  return GH_OK;
}

bool gh_reach_listens(const gh_realm_function *function)
{
  gh_str where;
  (void)scheme_of(function->reach, &where);
  if (is_mqtt(function->reach)) return function->mqtt.broker.len > 0;
  if (!is_auto(where)) return true;
  gh_reach_binding binding = gh_reach_of(function);
  if (binding == GH_REACH_COAPS) return function->coap_listen.len > 0;
  return binding != GH_REACH_COAPS_TCP || function->coaps_tcp_listen.len > 0;
}

gh_err gh_reach_endpoint(const gh_realm *realm, const gh_realm_function *function,
                         char host[static GH_ENDPOINT_HOST_BYTES], uint16_t *port, gh_diag *diag)
{
  gh_str where;
  size_t i = scheme_of(function->reach, &where);
  if (i == SCHEMES) return gh_fail(diag, GH_ENOTFOUND, "%.*s cannot be reached", GH_STR_ARG(function->fqdn));
  if (is_auto(where) && !schemes[i].announced) return gh_realm_endpoint(realm, function->fqdn, host, port, diag);
  if (is_auto(where)) return gh_realm_announced(realm, function, schemes[i].announced, host, port, diag);
  return gh_reach_place(function->reach, host, port, diag);
}

static gh_str point(gh_arena *arena, const char *scheme, const char *host, uint16_t port)
{
  bool v6 = strchr(host, ':') != NULL;
  return gh_arena_fmt(arena, "%s%s%s%s:%u", scheme, v6 ? "[" : "", host, v6 ? "]" : "", port);
}

gh_str gh_reach_point(gh_arena *arena, const gh_realm *realm, const gh_realm_function *function, uint16_t listen_port)
{
  gh_str where;
  gh_diag ignored;
  uint16_t port;
  char host[GH_ENDPOINT_HOST_BYTES];
  size_t i = scheme_of(function->reach, &where);
  if (is_mqtt(function->reach)) return gh_arena_fmt(arena, "mqtts://%.*s", GH_STR_ARG(function->mqtt.broker));
  if (i == SCHEMES) return GH_STR_NONE;
  const char *scheme = schemes[i].binding == GH_REACH_WSS ? "https://" : schemes[i].scheme;
  if (!is_auto(where)) return gh_arena_fmt(arena, "%s%.*s", scheme, GH_STR_ARG(where));
  if (!schemes[i].announced && !is_auto(function->endpoint))
    return gh_arena_fmt(arena, "%s%.*s", scheme, GH_STR_ARG(function->endpoint));
  if (!schemes[i].announced) return point(arena, scheme, function->listen_host, listen_port);
  if (gh_realm_announced(realm, function, schemes[i].announced, host, &port, &ignored) != GH_OK) return GH_STR_NONE;
  return point(arena, scheme, host, port);
}
