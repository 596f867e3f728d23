/* A CSE at its MQTT broker. */
#include <stdlib.h>

#include "client/endpoint.h"
#include "cmd/runtime.h"

static gh_err new_tls(const gh_served *served, const gh_tls_options *tls, gh_tls_client **out, gh_diag *diag)
{
  gh_tls_client_options client = {.tls = *tls, .server_name = served->function->mqtt.name};
  client.tls.alpn = NULL;
  /* the handshake is libmosquitto's: it cannot be left and gone on with, but its thread may wait */
  client.tls.status = served->status ? gh_certificate_status_waiting_source(served->status) : NULL;
  return gh_tls_client_new(&client, out, diag);
}

gh_err gh_served_mqtt_start(gh_served *served, const gh_tls_options *tls, gh_diag *diag)
{
  const gh_realm_function *f = served->function;
  gh_runtime *r = served->runtime;
  gh_endpoint at;
  if (gh_str_empty(f->mqtt.broker)) return GH_OK;
  if (gh_endpoint_parse(f->mqtt.broker, &at) != GH_OK)
    return gh_fail(diag, GH_EINVAL, "mqtt.broker must be host:port");
  GH_TRY(new_tls(served, tls, &served->mqtt_tls, diag));
  gh_mqtt_options options = {.host = served->host,
                             .workers = r->workers,
                             .worker_count = r->worker_count,
                             .broker_host = gh_arena_dup(&r->arena, gh_str_of(at.host)).ptr,
                             .broker_port = at.port,
                             .prefix = f->mqtt.prefix,
                             .tls = served->mqtt_tls,
                             .association_us = r->realm->limits.association_s * GH_US_PER_S,
                             .enforces = f->mqtt.enforces,
                             .log = &served->host->log,
                             .limits = {.max_payload_bytes = (size_t)f->mqtt.max_payload_bytes,
                                        .max_under_way = (uint32_t)f->mqtt.max_under_way,
                                        .max_under_way_each = (uint32_t)f->mqtt.max_under_way_each}};
  options.responses = gh_mqtt_outbound_responses(served->mqtt_outbound);
  GH_TRY(gh_mqtt_server_start(&options, &served->mqtt, diag));
  gh_mqtt_outbound_use(served->mqtt_outbound, served->mqtt);
  return GH_OK;
}

gh_err gh_served_mqtt_renew(gh_served *served, const gh_tls_options *tls, gh_diag *diag)
{
  gh_tls_client *fresh = NULL;
  if (!served->mqtt) return GH_OK;
  GH_TRY(new_tls(served, tls, &fresh, diag));
  gh_mqtt_server_renew(served->mqtt, fresh);
  return GH_OK;
}

void gh_served_mqtt_stop(gh_served *served, uint32_t drain_ms)
{
  gh_mqtt_server_stop(served->mqtt, drain_ms);
}

void gh_served_mqtt_free(gh_served *served)
{
  gh_mqtt_server_free(served->mqtt);
  gh_tls_client_free(served->mqtt_tls);
}
