/* The inside of a device that takes requests, for the device_server*.c files. */
#ifndef GH_CLIENT_DEVICE_SERVER_PRIVATE_H
#define GH_CLIENT_DEVICE_SERVER_PRIVATE_H

#include <stdatomic.h>

#include "bind/coap_session.h"
#include "bind/http_codec.h"
#include "client/device_private.h"
#include "link/dtls.h"

enum { GH_DEVICE_POINT_BYTES = 800 };

struct gh_device_server {
  gh_device *device;
  gh_device_on_notify on_notify;
  void *ctx;
  char point[GH_DEVICE_POINT_BYTES];
  bool own_link; /* MQTT, WebSocket: requests come over the device's own association; of what follows only `told_off`
                    is used */
  atomic_bool told_off; /* there, instead of `stop` */
  uv_loop_t uv;
  gh_worker worker;
  uv_timer_t timer;
  gh_status_source status;           /* of who comes */
  struct gh_device_waiting *waiting; /* handshakes, for what it asks */
  uv_timer_t looking;                /* at what is known of revoked certificates */
  unsigned look_ms;
  unsigned lists; /* the generation that the associations were held against */
  uv_async_t stop;
  gh_key_source source;
  gh_tls_server *tls;
  gh_listener *streams;
  gh_dtls_listener *datagrams;
  gh_http_limits limits;
  gh_coap_service coap;
  bool timed_out, stopped;
};

/* Performs a request of the registrar: the response status code, and Content where it is refused. */
int gh_device_server_take(gh_device_server *server, gh_arena *arena, const gh_request *request,
                          gh_response *response);
int gh_device_server_refuse(gh_arena *arena, gh_response *response, int rsc, const char *text);

/* device_server_peers.c: who may come. `source` is the server's. */
void gh_device_server_peers(gh_device_server *server);

/* device_server_status.c: the source for who comes, NULL: nobody asks; it works between begin and end, on the
 * server's loop. Settle whenever the loop is left: a handshake that waits is in a job of OpenSSL, which is this
 * thread's. */
const gh_status_source *gh_device_server_status(gh_device_server *server);
void gh_device_server_status_begin(gh_device_server *server);
void gh_device_server_status_end(gh_device_server *server);
void gh_device_server_status_settle(gh_device_server *server);

/* device_server_http.c, device_server_coap.c: fill handler, new_ctx and owner. */
void gh_device_server_http(gh_device_server *server, gh_listener_options *options);
void gh_device_server_coap(gh_device_server *server, bool datagrams, gh_listener_options *options);

/* device_server_link.c: over the device's own association. */
GH_MUST_USE gh_err gh_device_server_begin_link(gh_device_server *server, gh_str at, gh_diag *diag);
GH_MUST_USE gh_err gh_device_server_serve_link(gh_device_server *server, uint32_t timeout_ms);
void gh_device_server_leave_link(gh_device_server *server);

#endif
