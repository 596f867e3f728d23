/* A blocking association over the same connections that the servers use. Must never return while its own loop still
 * has something of the caller's, nor raise SIGPIPE in a program that did not ask for it. */
#include "client/client.h"

#include <netdb.h>
#include <stdlib.h>

#include "base/no_sigpipe.h"
#include "bind/coap_client.h"
#include "bind/http_codec.h"
#include "bind/mqtt_client.h"
#include "client/client_ws.h"
#include "client/quiet_run.h"
#include "link/dtls.h"

enum { DEFAULT_TIMEOUT_MS = 10000, PINGS_MAX = 4, LOOK_MS = 1000 };
/* Silence after which the other end is pinged, and again: over DTLS, over WebSocket. */
#define SILENCE_US(ws) ((ws) ? 15 * GH_US_PER_S : 5 * GH_US_PER_S)
#define PING_AGAIN_US(ws) ((ws) ? 3 * GH_US_PER_S : GH_US_PER_S)

struct gh_client {
  uv_loop_t uv;
  gh_worker worker;
  uv_timer_t timer;
  gh_clock clock;
  gh_random random;
  gh_tls_client *tls;
  gh_conn *conn; /* NULL: closed */
  gh_client_binding binding;
  gh_http_reader reader;
  gh_coap_client coap;  /* where the binding is CoAP */
  gh_client_ws *ws;     /* where it is WebSocket */
  gh_mqtt_client *mqtt; /* where it is MQTT; conn stays NULL */
  bool listens;         /* there, for requests of the CSE */
  gh_str server_name;
  uint32_t timeout_ms;
  uint16_t mtu;
  bool ready;     /* association established */
  bool message;   /* a response is complete */
  bool timed_out; /* the timer ran */
  int pings;      /* without an answer */
  int64_t heard_us, pinged_us;
  gh_err why; /* of the close */
  gh_diag reason, ws_reason;
  gh_diag refusal; /* why we refused the server's certificates; empty: we did not */
  int alert;
};

static bool is_coap(const gh_client *client)
{
  return client->binding == GH_CLIENT_COAP || client->binding == GH_CLIENT_COAP_TCP;
}

/* ---- what the connection tells */

static void on_ready(gh_conn *conn, void *ctx)
{
  gh_client *client = ctx;
  client->ready = true;
  client->heard_us = gh_clock_mono_us(&client->clock);
  if (is_coap(client)) gh_coap_client_ready(&client->coap, conn);
}

static void send_ws(gh_client *client)
{
  gh_buf *out = gh_client_ws_out(client->ws);
  if (client->conn && out->len) gh_conn_write(client->conn, gh_buf_str(out));
  gh_buf_wipe_free(out);
}

static void on_ws_data(gh_client *client, gh_conn *conn, gh_str bytes)
{
  gh_err err = gh_client_ws_feed(client->ws, bytes, &client->ws_reason);
  send_ws(client);
  client->message = gh_client_ws_done(client->ws);
  if (err != GH_OK) gh_conn_close(conn, err, client->ws_reason.text);
}

static void on_data(gh_conn *conn, void *ctx, gh_str bytes)
{
  gh_client *client = ctx;
  size_t used = 0;
  client->heard_us = gh_clock_mono_us(&client->clock);
  client->pings = 0;
  if (client->ws) {
    on_ws_data(client, conn, bytes);
    return;
  }
  if (is_coap(client)) {
    gh_coap_client_data(&client->coap, bytes);
    client->message = client->coap.done;
    return;
  }
  switch (gh_http_feed(&client->reader, bytes, &used)) {
  case GH_HTTP_NEED_MORE: return;
  case GH_HTTP_MESSAGE:
    client->message = true;
    if (used < bytes.len) gh_conn_close(conn, GH_EPROTO, "octets behind the response");
    return;
  case GH_HTTP_ERROR: gh_conn_close(conn, GH_EPROTO, client->reader.error.text); return;
  }
}

static void on_closed(gh_conn *conn, void *ctx, gh_err why, const char *reason)
{
  gh_client *client = ctx;
  client->alert = gh_conn_alert(conn, NULL);
  client->why = why;
  gh_fail(&client->reason, why, "%s", reason);
  gh_fail(&client->refusal, why, "%.*s", GH_STR_ARG(gh_conn_refusal(conn)));
  client->coap.conn = NULL;
  if (client->ready && !client->ws && gh_http_feed_end(&client->reader) == GH_HTTP_MESSAGE) client->message = true;
  client->conn = NULL;
}

static const gh_conn_handler handler = {on_ready, on_data, on_closed};

/* ---- running the private loop */

static void on_timer(uv_timer_t *timer)
{
  ((gh_client *)timer->data)->timed_out = true;
}

/* With a limit of 0: takes what is there already. */
static void run_until(gh_client *client, const bool *done, uint32_t timeout_ms)
{
  if (!client->conn || *done) return;
  client->timed_out = false;
  uv_update_time(&client->uv);
  uv_timer_start(&client->timer, on_timer, timeout_ms, 0);
  do gh_quiet_run(&client->uv, timeout_ms ? UV_RUN_ONCE : UV_RUN_NOWAIT);
  while (client->conn && !*done && !client->timed_out);
  uv_timer_stop(&client->timer);
}

/* ---- opening */

static gh_err make_tls(gh_client *client, const gh_client_options *o, gh_diag *diag)
{
  gh_tls_client_options tls = {
      .tls = {.chain_pem = o->chain_pem,
              .key_pem = o->key_pem,
              .anchors_pem = o->anchors_pem,
              .policy = o->policy,
              .status = o->status,
              .tls13 = o->tls13,
              .datagram = o->binding == GH_CLIENT_COAP,
              .alpn = o->binding == GH_CLIENT_COAP_TCP ? "coap" : NULL,
              .require_ems = true},
      .server_name = o->server_name,
      .server_keys = o->server_keys,
      .psk_identity = o->psk_identity,
      .psk = o->psk,
  };
  bool certificate = o->chain_pem.len && o->key_pem.len && o->anchors_pem.len;
  bool raw_key = o->key_pem.len && o->server_keys.len;
  if (gh_str_empty(o->psk_identity) && !certificate && !raw_key)
    return gh_fail(diag, GH_EINVAL, "neither a pre-shared key, nor certificate, key and anchors, nor public keys");
  return gh_tls_client_new(&tls, &client->tls, diag);
}

static gh_err start(gh_client *client, const struct addrinfo *at, gh_diag *diag)
{
  int64_t deadline = gh_clock_mono_us(&client->clock) + (int64_t)client->timeout_ms * 1000;
  gh_err err = client->binding == GH_CLIENT_COAP
                   ? gh_dtls_connect(&client->worker, at->ai_addr, at->ai_addrlen, client->tls, client->mtu, deadline,
                                     &handler, client, &client->conn)
                   : gh_conn_connect(&client->worker, at->ai_addr, at->ai_addrlen, client->tls, deadline, &handler,
                                     client, &client->conn);
  if (err != GH_OK) return gh_fail(diag, err, "cannot connect");
  run_until(client, &client->ready, client->timeout_ms + 2 * GH_WORKER_SWEEP_MS);
  return client->ready && client->conn ? GH_OK
         : client->conn                ? GH_ETIMEOUT
         : client->why == GH_OK        ? GH_EAUTH
                                       : client->why;
}

static gh_err resolve(const gh_client_options *o, struct addrinfo **out, gh_diag *diag)
{
  char host[256], port[8];
  if (!gh_str_to_cstr(o->host, host, sizeof host) || gh_str_empty(o->host))
    return gh_fail(diag, GH_EINVAL, "host is not acceptable");
  snprintf(port, sizeof port, "%u", o->port);
  struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
  int rc = getaddrinfo(host, port, &hints, out);
  return rc == 0 ? GH_OK : gh_fail(diag, GH_ECONN, "cannot resolve %s: %s", host, gai_strerror(rc));
}

static gh_err explain(const gh_client *client, const gh_client_options *o, gh_err err, gh_diag *diag)
{
  if (client->alert >= 0) {
    const char *more = client->refusal.text;
    return gh_fail(diag, GH_EAUTH, "handshake failed: alert %d %s%s%s", client->alert, gh_alert_name(client->alert),
                   more[0] ? ": " : "", more);
  }
  if (err == GH_ECONN) return gh_fail(diag, err, "cannot reach %.*s:%u", GH_STR_ARG(o->host), o->port);
  if (err == GH_ETIMEOUT) return gh_fail(diag, err, "no answer from %.*s:%u in time", GH_STR_ARG(o->host), o->port);
  return gh_fail(diag, err, "%s", client->reason.text[0] ? client->reason.text : "the association failed");
}

static gh_err connect_any(gh_client *client, const gh_client_options *o, gh_diag *diag)
{
  struct addrinfo *found = NULL;
  GH_TRY(resolve(o, &found, diag));
  gh_err err = GH_ECONN;
  for (struct addrinfo *at = found; at && err == GH_ECONN; at = at->ai_next) err = start(client, at, diag);
  freeaddrinfo(found);
  return err == GH_OK ? GH_OK : explain(client, o, err, diag);
}

/*= TS-0020 6.2.1 the association stands, then the handshake */
static gh_err open_websocket(gh_client *client, const gh_client_options *o, gh_diag *diag)
{
  GH_TRY(gh_client_ws_new(o, &client->random, &client->ws));
  client->message = false;
  send_ws(client);
  run_until(client, &client->message, client->timeout_ms);
  if (client->message && client->conn) return GH_OK;
  if (client->conn) return gh_fail(diag, GH_ETIMEOUT, "no answer to the WebSocket handshake in time");
  return gh_fail(diag, GH_EPROTO, "no WebSocket: %s", client->reason.text);
}

/*= TS-0010 7.3 the association is one with the broker */
static gh_err open_session(gh_client *client, const gh_client_options *o, gh_diag *diag)
{
  const gh_mqtt_client_options options = {.host = o->host,
                                          .port = o->port,
                                          .tls = client->tls,
                                          .timeout_ms = client->timeout_ms,
                                          .receiver = o->mqtt.receiver,
                                          .prefix = o->mqtt.prefix,
                                          .client_id = o->mqtt.client_id,
                                          .credential_id = o->mqtt.credential_id,
                                          .representation = o->representation};
  GH_TRY(gh_mqtt_client_open(&options, &client->mqtt, diag));
  client->listens = o->on_request && o->mqtt.listener.len;
  return client->listens
             ? gh_mqtt_client_listen(client->mqtt, o->mqtt.listener, o->on_request, o->on_request_ctx, diag)
             : GH_OK;
}

static void init_loop(gh_client *client)
{
  gh_link_limits limits = gh_link_default_limits;
  limits.idle_ms = 0;
  limits.request_ms = 0; /* our own timer bounds each wait */
  gh_worker_init(&client->worker, &client->uv, NULL, &client->clock, NULL, &limits);
  uv_timer_init(&client->uv, &client->timer);
  client->timer.data = client;
}

gh_err gh_client_open(const gh_client_options *options, gh_client **out, int *alert, gh_diag *diag)
{
  gh_client *client = gh_calloc(1, sizeof *client);
  client->clock = gh_clock_system();
  client->random = gh_random_system();
  client->alert = -1;
  client->timeout_ms = options->timeout_ms ? options->timeout_ms : DEFAULT_TIMEOUT_MS;
  client->server_name = gh_str_clone(options->server_name);
  client->binding = options->binding;
  client->mtu = options->mtu;
  gh_http_reader_init(&client->reader, GH_HTTP_RESPONSES, NULL);
  if (uv_loop_init(&client->uv) != 0) {
    gh_str_release(&client->server_name);
    free(client);
    return gh_fail(diag, GH_EIO, "no event loop");
  }
  init_loop(client);
  if (is_coap(client)) {
    gh_coap_client_init(&client->coap, &client->uv, client->binding == GH_CLIENT_COAP_TCP, &client->random);
    client->coap.szx = gh_coap_szx_for(options->mtu);
  }
  gh_err err = make_tls(client, options, diag);
  if (err == GH_OK && options->binding == GH_CLIENT_MQTT)
    err = open_session(client, options, diag);
  else if (err == GH_OK)
    err = connect_any(client, options, diag);
  if (err == GH_OK && client->binding == GH_CLIENT_WS) err = open_websocket(client, options, diag);
  if (alert) *alert = client->alert;
  if (err != GH_OK) {
    gh_client_close(client);
    return err;
  }
  *out = client;
  return GH_OK;
}

/* What is written at once may find that the peer has gone. */
static void say_goodbye(gh_client *client)
{
  gh_no_sigpipe held;
  gh_no_sigpipe_begin(&held);
  if (client->ws && client->conn) {
    gh_client_ws_close(client->ws);
    send_ws(client);
  }
  gh_mqtt_client_close(client->mqtt);
  if (client->conn) gh_conn_close(client->conn, GH_OK, "done");
  gh_no_sigpipe_end(&held);
}

void gh_client_close(gh_client *client)
{
  if (!client) return;
  say_goodbye(client);
  bool never = false;
  if (client->conn) run_until(client, &never, 500);
  gh_worker_close(&client->worker);
  uv_close((uv_handle_t *)&client->timer, NULL);
  if (is_coap(client)) gh_coap_client_close(&client->coap);
  while (uv_loop_alive(&client->uv)) gh_quiet_run(&client->uv, UV_RUN_DEFAULT);
  uv_loop_close(&client->uv);
  gh_worker_free(&client->worker);
  gh_tls_client_free(client->tls);
  gh_http_reader_free(&client->reader);
  gh_client_ws_free(client->ws);
  if (is_coap(client)) gh_coap_client_free(&client->coap);
  gh_str_release(&client->server_name);
  free(client);
}

/* ---- requests */

static gh_err send_over_ws(gh_client *client, const gh_request *request, gh_diag *diag)
{
  gh_err err = gh_client_ws_ask(client->ws, request);
  send_ws(client);
  return err == GH_OK ? GH_OK : gh_fail(diag, err, "the WebSocket is closed");
}

static gh_err send_request(gh_client *client, const gh_request *request, gh_diag *diag)
{
  if (!client->conn) return gh_fail(diag, GH_ECONN, "the association is closed");
  client->message = false;
  if (client->ws) return send_over_ws(client, request, diag);
  if (is_coap(client)) {
    gh_err sent = gh_coap_client_send(&client->coap, request, gh_clock_wall_us(&client->clock));
    return sent == GH_OK ? GH_OK : gh_fail(diag, sent, "a parameter of the request cannot be sent over CoAP");
  }
  gh_buf octets = GH_BUF_INIT;
  gh_err err = gh_http_write_request(&octets, request, client->server_name);
  if (err == GH_OK)
    gh_conn_write(client->conn, gh_buf_str(&octets));
  else
    gh_fail(diag, err, "a parameter of the request has characters that cannot be sent");
  gh_buf_wipe_free(&octets);
  return err;
}

static gh_err no_response(gh_client *client, gh_diag *diag)
{
  if (client->conn) {
    gh_conn_close(client->conn, GH_ETIMEOUT, "no response in time");
    return gh_fail(diag, GH_ETIMEOUT, "no response in time");
  }
  if (client->alert >= 0)
    return gh_fail(diag, GH_EAUTH, "association ended: alert %d %s", client->alert, gh_alert_name(client->alert));
  if (client->why == GH_EPROTO) return gh_fail(diag, GH_EPROTO, "not a response: %s", client->reason.text);
  return gh_fail(diag, GH_ECONN, "the entity closed the association");
}

static gh_err read_response(gh_client *client, gh_arena *arena, const gh_request *request, gh_response *response,
                            gh_diag *diag)
{
  switch (client->binding) {
  case GH_CLIENT_HTTP: GH_TRY(gh_http_to_response(arena, &client->reader.message, response, diag)); break;
  case GH_CLIENT_COAP:
  case GH_CLIENT_COAP_TCP: GH_TRY(gh_coap_client_response(&client->coap, arena, response, diag)); break;
  case GH_CLIENT_WS: GH_TRY(gh_client_ws_take(client->ws, arena, response, diag)); break;
  case GH_CLIENT_MQTT: break; /* does not come here */
  }
  /*= TS-0004 6.4.2 the response bears the request identifier */
  if (!gh_str_empty(response->rqi) && !gh_str_eq(response->rqi, request->rqi))
    return gh_fail(diag, GH_EPROTO, "the response belongs to another request");
  return GH_OK;
}

gh_err gh_client_request(gh_client *client, gh_arena *arena, gh_request *request, gh_response *response,
                         gh_diag *diag)
{
  if (gh_str_empty(request->rvi)) request->rvi = GH_STR("3");
  if (gh_str_empty(request->rqi)) GH_TRY(gh_random_id(&client->random, arena, GH_STR("r"), 8, &request->rqi));
  if (client->mqtt) return gh_mqtt_client_request(client->mqtt, arena, request, response, diag);
  gh_no_sigpipe held;
  gh_no_sigpipe_begin(&held);
  gh_err sent = send_request(client, request, diag);
  gh_no_sigpipe_end(&held);
  GH_TRY(sent);
  bool http = client->binding == GH_CLIENT_HTTP;
  run_until(client, is_coap(client) ? &client->coap.done : &client->message, client->timeout_ms);
  if (is_coap(client)) client->message = client->coap.done;
  if (!client->message) return no_response(client, diag);
  gh_err err = read_response(client, arena, request, response, diag);
  bool keep = (!http || client->reader.message.keep_alive) && err == GH_OK;
  if (http) gh_http_next(&client->reader);
  if (!keep && client->conn) gh_conn_close(client->conn, GH_OK, "end of the exchange");
  return err;
}

gh_err gh_client_export(gh_client *client, const char *label, uint8_t out[static 48])
{
  GH_REQUIRE(client->conn, GH_ECONN);
  return gh_conn_export(client->conn, label, out);
}

/* Over DTLS nobody says that the other end was killed, and over a path that has gone nobody says anything: who waits
 * for requests would wait for ever. */ /*= RFC 7252 4.3; RFC 6455 5.5.2 */
static void look_after(gh_client *client)
{
  bool ws = client->ws != NULL, coap = client->binding == GH_CLIENT_COAP;
  int64_t now = gh_clock_mono_us(&client->clock);
  if (!client->conn || !(ws || coap)) return;
  if (now < client->heard_us + SILENCE_US(ws) || now < client->pinged_us + PING_AGAIN_US(ws)) return;
  gh_no_sigpipe held;
  gh_no_sigpipe_begin(&held);
  client->pinged_us = now;
  if (client->pings++ == PINGS_MAX) {
    gh_conn_close(client->conn, GH_ECONN, "the entity is silent");
  } else if (coap) {
    gh_coap_layer_ping(&client->coap.layer);
  } else {
    gh_client_ws_ping(client->ws);
    send_ws(client);
  }
  gh_no_sigpipe_end(&held);
}

gh_err gh_client_wait_closed(gh_client *client, uint32_t timeout_ms)
{
  bool never = false;
  if (client->listens) return gh_mqtt_client_wait(client->mqtt, timeout_ms);
  for (uint32_t left = timeout_ms, now = 0;; left -= now) {
    now = left < LOOK_MS ? left : LOOK_MS;
    look_after(client);
    run_until(client, &never, now);
    if (!client->conn || now == left) break;
  }
  return client->conn ? GH_ETIMEOUT : GH_OK;
}

bool gh_client_is_revoked(gh_client *client, const struct gh_status_source *status)
{
  if (client->mqtt) return gh_mqtt_client_is_revoked(client->mqtt, status);
  return client->conn && gh_conn_is_revoked(client->conn, status);
}

bool gh_client_is_open(const gh_client *client)
{
  return client->mqtt ? gh_mqtt_client_is_open(client->mqtt) : client->conn != NULL;
}

int gh_client_alert(const gh_client *client)
{
  return client->alert;
}

gh_str gh_client_protocol(gh_client *client, gh_arena *arena)
{
  return client->conn ? gh_conn_protocol(arena, client->conn) : GH_STR_NONE;
}
