/* A hosting CSE for measuring: its workers, host and listeners in one process, credentials made at start. */
#ifndef GH_BENCH_SERVER_H
#define GH_BENCH_SERVER_H

#include "bind/coap_server.h"
#include "bind/http_server.h"
#include "cse/cse.h"
#include "host/host.h"
#include "link/dtls.h"

enum { SERVER_WORKERS_MAX = 16 };

/* The AE that every connection of the load generator stands for, whatever its credential. */
#define BENCH_AE_STEM "Cbench"
#define BENCH_AE_ID "//sp.example.com/in-cse/" BENCH_AE_STEM
#define BENCH_FQDN "in-cse.sp.example.com"
#define BENCH_KEY_ID "Kbench@maf.sp.example.com"

typedef struct server {
  const char *dir; /* store, key file and the load generator's credentials */
  const gh_security_policy *policy;
  gh_clock clock;
  gh_random random;
  gh_log log;
  gh_loop *loops[SERVER_WORKERS_MAX];
  gh_worker *workers[SERVER_WORKERS_MAX];
  size_t worker_count;
  gh_se *se;
  gh_host *host;
  gh_http_server http;
  gh_ws_server websocket;
  gh_coap_server coap;
  gh_tls_server *tls, *dtls;
  gh_listener *plain_listener, *tls_listener;
  gh_dtls_listener *dtls_listener;
  uint16_t plain_port, tls_port, dtls_port;
} server;

/* server_world.c: what must be there before anything can be measured. */
GH_MUST_USE gh_err world_credentials(server *s, gh_arena *arena, gh_tls_options *tls,
                                     gh_diag *diag);          /* PEM files too */
GH_MUST_USE gh_err world_key(server *s, gh_diag *diag);       /* the AE's pre-shared key, in the keyring */
GH_MUST_USE gh_err world_resources(server *s, gh_diag *diag); /* AE, policy, container cse-in/bench/c */

#endif
