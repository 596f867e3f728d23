/* The device as a server for its registrar (SA2, TS-0003 8.2.1): opening, closing, and the loop between, which runs
 * within gh_device_serve alone. Only NOTIFY is taken. */
#include <stdlib.h>
#include <string.h>

#include "client/device_server_private.h"
#include "client/endpoint.h"
#include "client/quiet_run.h"
#include "link/raw_public_key.h"
#include "m2m/constants.h"
#include "m2m/json.h"
#include "m2m/tables.h"

enum { CONNECTIONS_MAX = 32, CONNECTIONS_OF_ONE = 16, IDLE_MS = 60000 };

/* What a device serves, by the binding that it speaks. */
typedef struct door {
  const char *binding, *scheme;
  bool coap, datagrams;
} door;

static const door doors[] = {
    {"http", "https", false, false}, {"coap", "coaps", true, true}, {"coaps_tcp", "coaps+tcp", true, false}};

/* ---- requests */

static gh_str text_of(gh_arena *arena, const gh_val *pc)
{
  gh_buf text = GH_BUF_INIT;
  if (!pc) return GH_STR_NONE;
  gh_json_write(&text, pc);
  gh_str copy = gh_arena_dup(arena, gh_buf_str(&text));
  gh_buf_free(&text);
  return copy;
}

int gh_device_server_refuse(gh_arena *arena, gh_response *response, int rsc, const char *text)
{
  response->pc = gh_val_wrap(arena, GH_STR("m2m:dbg"), gh_val_str(arena, gh_str_of(text)));
  return rsc;
}

/*= TS-0004 7.3.3.9.1 what the registrar passes on */
int gh_device_server_take(gh_device_server *server, gh_arena *arena, const gh_request *request, gh_response *response)
{
  if (request->op != GH_OP_NOTIFY)
    return gh_device_server_refuse(arena, response, GH_RSC_OPERATION_NOT_ALLOWED, "only NOTIFY");
  if (!request->has_from) return gh_device_server_refuse(arena, response, GH_RSC_BAD_REQUEST, "fr is missing");
  const gh_device_notification notification = {
      .from = request->from, .to = request->to, .rqi = request->rqi, .content = text_of(arena, request->pc)};
  bool around = server->device->in_notify;
  server->device->in_notify = true;
  int rsc = server->on_notify(server->ctx, &notification);
  server->device->in_notify = around;
  return gh_rsc_find(rsc)->rsc == rsc ? rsc : GH_RSC_INTERNAL_SERVER_ERROR;
}

/* ---- the loop */

static void on_timer(uv_timer_t *timer)
{
  gh_device_server *server = timer->data;
  server->timed_out = true;
}

static void on_stop(uv_async_t *stop)
{
  gh_device_server *server = stop->data;
  server->stopped = true;
}

gh_err gh_device_serve(gh_device_server *server, uint32_t timeout_ms)
{
  GH_REQUIRE(!server->device->in_notify, GH_EINVAL); /* a loop within a loop */
  if (server->own_link) return gh_device_server_serve_link(server, timeout_ms);
  server->timed_out = false;
  uv_update_time(&server->uv);
  uv_timer_start(&server->timer, on_timer, timeout_ms, 0);
  while (!server->timed_out && !server->stopped) gh_quiet_run(&server->uv, UV_RUN_ONCE);
  uv_timer_stop(&server->timer);
  gh_device_server_status_settle(server);
  return server->stopped ? GH_OK : GH_ETIMEOUT;
}

void gh_device_server_stop(gh_device_server *server)
{
  atomic_store(&server->told_off, true);
  if (!server->own_link) uv_async_send(&server->stop);
}

gh_str gh_device_server_point(const gh_device_server *server)
{
  return gh_str_of(server->point);
}

/* ---- opening and closing */

/* What proves the device, where that is no pre-shared key. */
static gh_err take_credential(gh_device_server *server, gh_arena *secret, gh_tls_options *options, gh_diag *diag)
{
  gh_device *device = server->device;
  gh_device_certificate own = {.key_pem = GH_STR_NONE};
  gh_device_key key = gh_device_usual_key(device);
  if (key != GH_DEVICE_KEY_PUBLIC && key != GH_DEVICE_KEY_CERTIFICATE) return GH_OK;
  if (key == GH_DEVICE_KEY_PUBLIC) {
    if (!gh_raw_public_key_available()) return gh_fail(diag, GH_EUNSUPPORTED, "%s", GH_RAW_PUBLIC_KEY_NEEDS);
  }
  gh_err err = key == GH_DEVICE_KEY_CERTIFICATE
                   ? gh_device_use_certificate(device, secret, &own)
                   : gh_se_use_blob(device->se, secret, GH_SE_PRIVATE_KEY, GH_STR(GH_DEVICE_OWN_KEY), &own.key_pem);
  if (err == GH_EEXPIRED) return gh_fail(diag, err, "the certificate is past its end");
  if (err != GH_OK) return gh_fail(diag, err, "the private key cannot be used");
  options->key_pem = own.key_pem;
  options->chain_pem = own.chain_pem;
  options->anchors_pem = own.anchors_pem;
  options->status = own.chain_pem.len ? gh_device_server_status(server) : NULL;
  return GH_OK;
}

static gh_err open_tls(gh_device_server *server, const door *d, gh_diag *diag)
{
  gh_device *device = server->device;
  gh_tls_options options = {.policy = gh_security_policy_named(device->config.security_policy),
                            .datagram = d->datagrams,
                            .tls13 = device->config.tls13,
                            .alpn = d->coap && !d->datagrams ? "coap" : NULL,
                            .require_ems = true};
  gh_arena secret;
  gh_arena_init(&secret);
  gh_device_server_peers(server);
  gh_err err = take_credential(server, &secret, &options, diag);
  if (err == GH_OK) err = gh_tls_server_new(&options, &server->source, &device->random, &server->tls, diag);
  gh_wipe((void *)(uintptr_t)options.key_pem.ptr, options.key_pem.len);
  gh_arena_free(&secret);
  return err;
}

static gh_err open_port(gh_device_server *server, const door *d, gh_str at, gh_diag *diag)
{
  gh_endpoint where;
  uint16_t port = 0;
  gh_worker *worker = &server->worker;
  if (gh_endpoint_parse(at, &where) != GH_OK)
    return gh_fail(diag, GH_EINVAL, "'%.*s' is not ADDRESS:PORT", GH_STR_ARG(at));
  gh_listener_options options = {.host = where.host, .port = where.port, .tls = server->tls};
  if (d->coap)
    gh_device_server_coap(server, d->datagrams, &options);
  else
    gh_device_server_http(server, &options);
  if (d->datagrams)
    GH_TRY(gh_dtls_listener_open(&options, &worker, 1, &server->device->random, &port, &server->datagrams, diag));
  else
    GH_TRY(gh_listener_open(&options, &worker, 1, &port, &server->streams, diag));
  bool v6 = strchr(where.host, ':') != NULL;
  snprintf(server->point, sizeof server->point, "%s://%s%s%s:%u", d->scheme, v6 ? "[" : "", where.host, v6 ? "]" : "",
           port);
  return GH_OK;
}

static gh_err start_loop(gh_device_server *server, gh_diag *diag)
{
  gh_link_limits limits = gh_link_default_limits;
  limits.max_connections = limits.max_handshakes = CONNECTIONS_MAX;
  /* one stranger does not keep the registrar out */
  limits.max_connections_per_address = limits.max_handshakes_per_address = CONNECTIONS_OF_ONE;
  limits.idle_ms = IDLE_MS;
  if (uv_loop_init(&server->uv) != 0) return gh_fail(diag, GH_EIO, "no event loop");
  gh_worker_init(&server->worker, &server->uv, NULL, &server->device->clock, NULL, &limits);
  uv_timer_init(&server->uv, &server->timer);
  uv_async_init(&server->uv, &server->stop, on_stop);
  server->timer.data = server->stop.data = server;
  gh_device_server_status_begin(server);
  return GH_OK;
}

static void end_loop(gh_device_server *server)
{
  gh_listener_close(server->streams);
  gh_dtls_listener_close(server->datagrams);
  gh_worker_close(&server->worker);
  uv_close((uv_handle_t *)&server->timer, NULL);
  uv_close((uv_handle_t *)&server->stop, NULL);
  gh_device_server_status_end(server);
  while (uv_loop_alive(&server->uv)) gh_quiet_run(&server->uv, UV_RUN_DEFAULT);
  uv_loop_close(&server->uv);
  gh_worker_free(&server->worker);
  gh_listener_free(server->streams);
  gh_dtls_listener_free(server->datagrams);
}

static gh_err listen_here(gh_device_server *server, const door *d, gh_str at, gh_diag *diag)
{
  gh_err err = open_tls(server, d, diag);
  if (err == GH_OK) err = start_loop(server, diag);
  if (err == GH_OK) {
    err = open_port(server, d, at, diag);
    if (err == GH_OK) return GH_OK;
    end_loop(server);
  }
  gh_tls_server_free(server->tls);
  return err;
}

gh_err gh_device_listen(gh_device *device, gh_str at, gh_device_on_notify on_notify, void *ctx,
                        gh_device_server **out, gh_diag *diag)
{
  GH_TRY(gh_device_begin(device, NULL, diag));
  gh_device_server *server = gh_calloc(1, sizeof *server);
  *server =
      (gh_device_server){.device = device, .on_notify = on_notify, .ctx = ctx, .limits = gh_http_default_limits};
  const door *d = NULL;
  for (size_t i = 0; i < sizeof doors / sizeof *doors; i++)
    if (gh_str_eq(device->config.binding, gh_str_of(doors[i].binding))) d = &doors[i];
  gh_err err = d ? listen_here(server, d, at, diag) : gh_device_server_begin_link(server, at, diag);
  if (err == GH_OK)
    *out = server;
  else
    free(server);
  return err;
}

void gh_device_server_close(gh_device_server *server)
{
  if (!server) return;
  if (server->device->in_notify) { /* a mistake of the program: gh_device_serve is still to return */
    gh_device_server_stop(server);
    return;
  }
  if (server->own_link) {
    gh_device_server_leave_link(server);
    return;
  }
  end_loop(server);
  gh_tls_server_free(server->tls);
  free(server);
}
