/* The device as a server for its registrar (SA2, TS-0003 8.2.1). Only the registrar can open an association, by the
 * key of the device's own associations with it; only NOTIFY is taken. Everything happens within gh_device_serve. */
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "bind/http_codec.h"
#include "client/device_private.h"
#include "client/endpoint.h"
#include "client/quiet_run.h"
#include "crypto/public_key_id.h"
#include "link/listener.h"
#include "link/raw_public_key.h"
#include "m2m/constants.h"
#include "m2m/ids.h"
#include "m2m/json.h"
#include "m2m/key_id.h"
#include "m2m/tables.h"

enum { CONNECTIONS_MAX = 16, ACCEPTS_PER_EVENT = 16, IDLE_MS = 60000, POINT_BYTES = 800 };

struct gh_device_server {
  gh_device *device;
  gh_device_on_notify on_notify;
  void *ctx;
  uv_loop_t uv;
  gh_worker worker;
  uv_poll_t accepting;
  uv_timer_t timer;
  uv_async_t stop;
  int fd;
  gh_key_source source;
  gh_tls_server *tls;
  gh_http_limits limits;
  bool timed_out, stopped;
  bool at_broker;       /* MQTT: requests come over the device's own association; of the rest only `device`, call-back
                           and point are used */
  atomic_bool told_off; /* there, instead of `stop` */
  char point[POINT_BYTES];
};

typedef struct session { /* a connection of the registrar, or of whoever tries */
  gh_device_server *server;
  gh_http_reader reader;
} session;

/* ---- who may come */

/* The key that the identity names, if it is one that the device and its registrar share for their associations. */
static gh_err find_shared(gh_device *device, gh_str id, gh_secret *out)
{
  const gh_device_state *s = &device->state;
  switch (gh_device_usual_key(device)) {
  case GH_DEVICE_KEY_MAF: return gh_se_use_psk(device->se, &device->clock, GH_SE_KC, id, out);
  case GH_DEVICE_KEY_MEF:
    GH_REQUIRE(gh_str_eq(id, s->mef_key_id), GH_ENOTFOUND);
    return gh_se_use_psk(device->se, &device->clock, GH_SE_KPSA, id, out);
  case GH_DEVICE_KEY_PSK:
    GH_REQUIRE(gh_str_eq(id, s->kpsa_id), GH_ENOTFOUND);
    return gh_se_use_psk(device->se, &device->clock, GH_SE_KPSA, id, out);
  case GH_DEVICE_KEY_PUBLIC: /* see name_public_key */
  case GH_DEVICE_KEY_CERTIFICATE: /* see name_peer */ break;
  }
  return GH_ENOTFOUND;
}

static gh_peer registrar_of(gh_arena *arena, const gh_device_config *c)
{
  return (gh_peer){.kind = GH_PEER_CSE,
                   .id = gh_arena_fmt(arena, "//%.*s/%.*s", GH_STR_ARG(c->sp_id), GH_STR_ARG(c->cse_id))};
}

/*= TS-0003 8.2.1 SA2: the credential of SA1, with the roles changed */
static gh_err find_psk(void *ctx, gh_psk_query *query)
{
  gh_device_server *server = ctx;
  gh_device *device = server->device;
  const gh_device_config *c = &device->config;
  gh_key_id parsed;
  query->why = "identity-malformed";
  GH_TRY(gh_key_id_parse(query->identity, false, &parsed));
  /* The key serves in both directions: our own call to the registrar, sent back to us, names the registrar. */
  query->why = "reflected";
  GH_REQUIRE(!gh_str_eq_nocase(query->server_name, c->cse.fqdn), GH_EAUTH);
  gh_arena arena;
  gh_arena_init(&arena);
  gh_str id = gh_key_id_canonical(&arena, &parsed);
  gh_err err = find_shared(device, id, &query->key);
  query->why = err == GH_EEXPIRED ? "expired" : "unknown-identity";
  if (err == GH_OK) {
    gh_peer peer = registrar_of(&arena, c);
    peer.method = GH_METHOD_PSK;
    peer.credential_id = gh_credential_id(&arena, GH_CRED_SAEF_KEY, id);
    peer.key_id = id;
    gh_peer_copy(&query->peer, &peer);
  }
  gh_arena_free(&arena);
  return err;
}

/*= TS-0003 8.2.1; 8.2.2.2 SA2 with raw public keys: that of the registrar is one of those that the device was told */
static gh_err name_public_key(void *ctx, gh_str spki, gh_peer *out)
{
  const gh_device_server *server = ctx;
  gh_str rest = server->device->state.cse_key_ids, one;
  gh_public_key_id id;
  bool known = false;
  while (!known && gh_str_split(&rest, ' ', &one))
    known = one.len && gh_public_key_id_parse(one, &id) == GH_OK && gh_public_key_id_matches(&id, spki);
  GH_REQUIRE(known, GH_ENOTFOUND);
  gh_arena arena;
  gh_arena_init(&arena);
  gh_peer peer = registrar_of(&arena, &server->device->config);
  peer.method = GH_METHOD_PUBLIC_KEY;
  gh_peer_copy(out, &peer);
  gh_arena_free(&arena);
  return GH_OK;
}

/*= TS-0003 8.2.1; TS-0003 8.2.2.2 SA2 with certificates: that of the registrar, by the name that SA1 expects of it. A
 * device with another credential takes none. */
static gh_err name_peer(void *ctx, gh_cert_flavour flavour, gh_str name, int64_t not_after_us, gh_peer *out)
{
  const gh_device_server *server = ctx;
  const gh_device_config *c = &server->device->config;
  GH_REQUIRE(gh_device_usual_key(server->device) == GH_DEVICE_KEY_CERTIFICATE, GH_EAUTH);
  GH_REQUIRE(flavour == GH_CERT_CSE_ID && gh_str_eq_nocase(name, c->cse.fqdn), GH_EAUTH);
  gh_arena arena;
  gh_arena_init(&arena);
  gh_peer peer = registrar_of(&arena, c);
  peer.method = GH_METHOD_CERTIFICATE;
  peer.not_after_us = not_after_us;
  gh_peer_copy(out, &peer);
  gh_arena_free(&arena);
  return GH_OK;
}

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

static int refuse(gh_arena *arena, gh_response *response, int rsc, const char *text)
{
  response->pc = gh_val_wrap(arena, GH_STR("m2m:dbg"), gh_val_str(arena, gh_str_of(text)));
  return rsc;
}

/*= TS-0004 7.3.3.9.1 what the registrar passes on */
static int take(gh_device_server *server, gh_arena *arena, const gh_request *request, gh_response *response)
{
  if (request->op != GH_OP_NOTIFY) return refuse(arena, response, GH_RSC_OPERATION_NOT_ALLOWED, "only NOTIFY");
  if (!request->has_from) return refuse(arena, response, GH_RSC_BAD_REQUEST, "fr is missing");
  const gh_device_notification notification = {
      .from = request->from, .to = request->to, .rqi = request->rqi, .content = text_of(arena, request->pc)};
  int rsc = server->on_notify(server->ctx, &notification);
  return gh_rsc_find(rsc)->rsc == rsc ? rsc : GH_RSC_INTERNAL_SERVER_ERROR;
}

static void answer(session *s, gh_conn *conn)
{
  gh_arena arena;
  gh_request request = {.op = 0};
  gh_response response = {0};
  gh_diag diag = {""};
  const gh_http_message *message = &s->reader.message;
  gh_arena_init(&arena);
  response.rsc = gh_http_to_request(&arena, message, &request, &diag);
  response.rsc = response.rsc == GH_RSC_OK ? take(s->server, &arena, &request, &response)
                                           : refuse(&arena, &response, response.rsc, diag.text);
  bool keep = message->keep_alive && message->method != GH_HTTP_OTHER_METHOD;
  gh_http_write_response(gh_conn_out(conn), &request, &response, keep);
  gh_arena_free(&arena);
  gh_http_next(&s->reader);
  gh_http_reader_trim(&s->reader);
  if (keep)
    gh_conn_flush(conn);
  else
    gh_conn_close(conn, GH_OK, "end of the exchange");
}

static void on_ready(gh_conn *conn, void *ctx)
{
  (void)conn;
  (void)ctx;
}

/* One request at a time: a registrar waits for the answer. */
static void on_data(gh_conn *conn, void *ctx, gh_str octets)
{
  session *s = ctx;
  while (octets.len && gh_conn_is_open(conn)) {
    size_t used = 0;
    gh_http_state state = gh_http_feed(&s->reader, octets, &used);
    octets = gh_str_sub(octets, used, SIZE_MAX);
    if (state == GH_HTTP_MESSAGE) {
      answer(s, conn);
    } else if (state == GH_HTTP_ERROR) {
      gh_http_write_plain(gh_conn_out(conn), s->reader.error.status, s->reader.error.rsc,
                          gh_str_of(s->reader.error.text));
      gh_conn_close(conn, GH_EPROTO, "malformed HTTP");
    } else if (gh_http_reader_wants_continue(&s->reader)) {
      gh_conn_write(conn, GH_STR(GH_HTTP_CONTINUE_LINE));
    }
  }
  gh_conn_expect(conn, gh_http_reader_in_message(&s->reader));
}

static void on_closed(gh_conn *conn, void *ctx, gh_err why, const char *reason)
{
  session *s = ctx;
  (void)conn, (void)why, (void)reason;
  gh_http_reader_free(&s->reader);
  free(s);
}

static const gh_conn_handler handler = {on_ready, on_data, on_closed};

static void on_acceptable(uv_poll_t *poll, int status, int events)
{
  (void)events;
  gh_device_server *server = poll->data;
  for (int i = 0; status == 0 && i < ACCEPTS_PER_EVENT; i++) {
    int fd = accept4(server->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    if (server->worker.connections >= server->worker.limits.max_connections) {
      close(fd);
      continue;
    }
    session *s = gh_calloc(1, sizeof *s);
    s->server = server;
    gh_http_reader_init(&s->reader, GH_HTTP_REQUESTS, &server->limits);
    gh_conn_accept(&server->worker, fd, server->tls, GH_STR_NONE, &handler, s);
  }
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

/* ---- through a broker */

enum { SLICE_MS = 200 };

/*= TS-0010 6.4.3; TS-0010 7.2 the broker lets nobody but the registrar publish what comes here */
static void on_broker_request(void *ctx, gh_arena *arena, const gh_request *request, gh_response *response)
{
  response->rsc = take(ctx, arena, request, response);
}

static gh_err serve_at_broker(gh_device_server *server, uint32_t timeout_ms)
{
  int64_t until = gh_clock_mono_us(&server->device->clock) / 1000 + timeout_ms;
  for (;;) {
    int64_t left = until - gh_clock_mono_us(&server->device->clock) / 1000;
    if (atomic_load(&server->told_off)) return GH_OK;
    if (left <= 0) return GH_ETIMEOUT;
    uint32_t slice = left < SLICE_MS ? (uint32_t)left : SLICE_MS;
    /* whether it has ended is for the caller to find, who announces the device again */
    bool open = server->device->cse && gh_client_is_open(server->device->cse);
    if (!open || gh_client_wait_closed(server->device->cse, slice) != GH_ETIMEOUT) poll(NULL, 0, (int)slice);
  }
}

static gh_err listen_at_broker(gh_device_server *server, gh_str at, gh_diag *diag)
{
  gh_device *device = server->device;
  const gh_device_config *c = &device->config;
  if (at.len) return gh_fail(diag, GH_EINVAL, "over MQTT a device listens at its broker and nowhere else");
  gh_endpoint broker;
  if (gh_str_empty(c->mqtt_broker)) return gh_fail(diag, GH_ENOTFOUND, "device.conf names no broker");
  GH_TRY(gh_endpoint_find(c->mqtt_broker, &broker, diag));
  bool v6 = strchr(broker.host, ':') != NULL;
  server->at_broker = true;
  snprintf(server->point, sizeof server->point, "mqtts://%s%s%s:%u%s%.*s", v6 ? "[" : "", broker.host, v6 ? "]" : "",
           broker.port, c->mqtt_prefix.len ? "/" : "", GH_STR_ARG(c->mqtt_prefix));
  gh_device_dissociate(device); /* the next one listens */
  device->on_request = on_broker_request;
  device->on_request_ctx = server;
  return GH_OK;
}

static void leave_broker(gh_device_server *server)
{
  gh_device_dissociate(server->device);
  server->device->on_request = NULL;
  free(server);
}

/* ---- the public calls */

gh_err gh_device_serve(gh_device_server *server, uint32_t timeout_ms)
{
  if (server->at_broker) return serve_at_broker(server, timeout_ms);
  server->timed_out = false;
  uv_update_time(&server->uv);
  uv_timer_start(&server->timer, on_timer, timeout_ms, 0);
  while (!server->timed_out && !server->stopped) gh_quiet_run(&server->uv, UV_RUN_ONCE);
  uv_timer_stop(&server->timer);
  return server->stopped ? GH_OK : GH_ETIMEOUT;
}

void gh_device_server_stop(gh_device_server *server)
{
  atomic_store(&server->told_off, true);
  if (!server->at_broker) uv_async_send(&server->stop);
}

gh_str gh_device_server_point(const gh_device_server *server)
{
  return gh_str_of(server->point);
}

/* ---- opening and closing */

static gh_err listen_at(gh_device_server *server, gh_str at, gh_diag *diag)
{
  gh_endpoint where;
  uint16_t port;
  if (gh_endpoint_parse(at, &where) != GH_OK)
    return gh_fail(diag, GH_EINVAL, "'%.*s' is not ADDRESS:PORT", GH_STR_ARG(at));
  port = where.port;
  gh_err err = gh_socket_bind(where.host, &port, SOCK_STREAM, &server->fd);
  if (err == GH_EINVAL) return gh_fail(diag, err, "%s is not a numeric address", where.host);
  if (err != GH_OK) return gh_fail(diag, err, "cannot listen on %.*s", GH_STR_ARG(at));
  bool v6 = strchr(where.host, ':') != NULL;
  snprintf(server->point, sizeof server->point, "https://%s%s%s:%u", v6 ? "[" : "", where.host, v6 ? "]" : "", port);
  return GH_OK;
}

/* What proves the device, where that is no pre-shared key. */
static gh_err take_credential(gh_device_server *server, gh_arena *secret, gh_tls_options *options, gh_diag *diag)
{
  gh_device *device = server->device;
  gh_device_certificate own = {.key_pem = GH_STR_NONE};
  gh_device_key key = gh_device_usual_key(device);
  if (key != GH_DEVICE_KEY_PUBLIC && key != GH_DEVICE_KEY_CERTIFICATE) return GH_OK;
  if (key == GH_DEVICE_KEY_PUBLIC) {
    server->source.name_public_key = name_public_key;
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
  return GH_OK;
}

static gh_err open_tls(gh_device_server *server, gh_diag *diag)
{
  gh_device *device = server->device;
  gh_tls_options options = {.policy = gh_security_policy_named(device->config.security_policy),
                            .tls13 = device->config.tls13,
                            .require_ems = true};
  gh_arena secret;
  gh_arena_init(&secret);
  server->source = (gh_key_source){.ctx = server, .find_psk = find_psk, .name_peer = name_peer};
  gh_err err = take_credential(server, &secret, &options, diag);
  if (err == GH_OK) err = gh_tls_server_new(&options, &server->source, &device->random, &server->tls, diag);
  gh_wipe((void *)(uintptr_t)options.key_pem.ptr, options.key_pem.len);
  gh_arena_free(&secret);
  return err;
}

static void start_loop(gh_device_server *server)
{
  gh_link_limits limits = gh_link_default_limits;
  limits.max_connections = limits.max_handshakes = CONNECTIONS_MAX;
  limits.idle_ms = IDLE_MS;
  gh_worker_init(&server->worker, &server->uv, NULL, &server->device->clock, NULL, &limits);
  uv_timer_init(&server->uv, &server->timer);
  uv_async_init(&server->uv, &server->stop, on_stop);
  uv_poll_init(&server->uv, &server->accepting, server->fd);
  server->timer.data = server->stop.data = server->accepting.data = server;
  uv_poll_start(&server->accepting, UV_READABLE, on_acceptable);
}

static gh_err listen_here(gh_device_server *server, gh_str at, gh_diag *diag)
{
  gh_err err = open_tls(server, diag);
  if (err == GH_OK) err = listen_at(server, at, diag);
  if (err == GH_OK && uv_loop_init(&server->uv) != 0) err = gh_fail(diag, GH_EIO, "no event loop");
  if (err == GH_OK) {
    start_loop(server);
    return GH_OK;
  }
  if (server->fd >= 0) close(server->fd);
  gh_tls_server_free(server->tls);
  return err;
}

gh_err gh_device_listen(gh_device *device, gh_str at, gh_device_on_notify on_notify, void *ctx,
                        gh_device_server **out, gh_diag *diag)
{
  gh_device_server *server = gh_calloc(1, sizeof *server);
  *server = (gh_device_server){
      .device = device, .on_notify = on_notify, .ctx = ctx, .fd = -1, .limits = gh_http_default_limits};
  bool broker = gh_str_eq(device->config.binding, GH_STR("mqtt"));
  gh_err err = broker ? listen_at_broker(server, at, diag) : listen_here(server, at, diag);
  if (err == GH_OK)
    *out = server;
  else
    free(server);
  return err;
}

void gh_device_server_close(gh_device_server *server)
{
  if (!server) return;
  if (server->at_broker) {
    leave_broker(server);
    return;
  }
  gh_worker_close(&server->worker);
  uv_close((uv_handle_t *)&server->accepting, NULL);
  uv_close((uv_handle_t *)&server->timer, NULL);
  uv_close((uv_handle_t *)&server->stop, NULL);
  while (uv_run(&server->uv, UV_RUN_DEFAULT) != 0) continue;
  uv_loop_close(&server->uv);
  gh_worker_free(&server->worker);
  close(server->fd);
  gh_tls_server_free(server->tls);
  free(server);
}
