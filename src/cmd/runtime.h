/* A running process: workers, and the functions it hosts, made from a realm's configuration. */
#ifndef GH_CMD_RUNTIME_H
#define GH_CMD_RUNTIME_H

#include "bind/http_outbound.h"
#include "bind/http_server.h"
#include "cmd/config.h"
#include "host/host.h"

typedef struct gh_served { /* one function */
  const gh_realm_function *function;
  struct gh_runtime *runtime;
  gh_se *se;
  gh_host *host;
  gh_tls_server *tls;
  gh_http_server http;
  gh_listener *listener;
  uint16_t port;
  gh_http_peer peers[GH_REALM_MAX_FUNCTIONS];
  size_t peer_count;
  gh_http_outbound *outbound;
  gh_ws_server websocket; /* CSE only */
  gh_ws_outbound *ws_outbound;
} gh_served;

typedef struct gh_runtime {
  const gh_realm *realm;
  gh_clock clock;
  gh_random random;
  gh_log log;
  gh_worker *workers[64];
  size_t worker_count;
  gh_served served[GH_REALM_MAX_FUNCTIONS];
  size_t served_count;
  gh_str mafs[GH_REALM_MAX_FUNCTIONS], mefs[GH_REALM_MAX_FUNCTIONS];
  size_t maf_count, mef_count;
  gh_arena arena;
  gh_listener *metrics;
  uint16_t metrics_port;
} gh_runtime;

/* Starts the workers, then each function: opens its store, listens, announces its end point. On failure call
 * gh_runtime_stop all the same. */
GH_MUST_USE gh_err gh_runtime_start(gh_runtime *runtime, const gh_realm *realm,
                                    const gh_realm_function *const *functions, size_t count, gh_diag *diag);
/* No new connections; requests under way are answered (up to drain_ms); then everything is closed and stored. */
void gh_runtime_stop(gh_runtime *runtime, uint32_t drain_ms);

/* Prometheus text of everything the process counts. */
void gh_metrics_write(gh_runtime *runtime, gh_buf *out);
/* Serves it as clear text at realm->metrics_listen (give a loopback address). */
GH_MUST_USE gh_err gh_metrics_listen(gh_runtime *runtime, gh_diag *diag);

#endif
