/* A running process: workers, and the functions it hosts, made from a realm's configuration. */
#ifndef GH_CMD_RUNTIME_H
#define GH_CMD_RUNTIME_H

#include <pthread.h>

#include "bind/coap_server.h"
#include "bind/point_outbound.h"
#include "bind/pool_outbound.h"
#include "bind/http_server.h"
#include "bind/mqtt_outbound.h"
#include "bind/ws_keep_outbound.h"
#include "cmd/access_points.h"
#include "cmd/config.h"
#include "cmd/names.h"
#include "cmd/poa.h"
#include "cmd/reach.h"
#include "host/certificate_status.h"
#include "host/host.h"
#include "link/dtls.h"

typedef struct gh_served_coap { /* its CoAP listeners; ports are 0 where it has none */
  gh_coap_server server;
  gh_tls_server *dtls, *tls;
  gh_dtls_listener *udp;
  gh_listener *tcp;
  uint16_t udp_port, tcp_port;
} gh_served_coap;

/* Another function that this one calls. */
typedef struct gh_runtime_peer {
  struct gh_served *served;
  gh_str fqdn;
  gh_tls_options options;            /* for a key: no certificate */
  pthread_mutex_t lock;              /* of what follows; connections hold the clients that they were opened with */
  const gh_realm_provider *provider; /* it is the IN-CSE of another provider; else NULL */
  gh_tls_client *renewed;            /* instead of that of the start; NULL: none */
  struct {
    gh_str id;
    gh_secret key;
    gh_tls_client *client; /* NULL: none was needed yet */
  } psk;                   /* the key that was used last */
} gh_runtime_peer;

/* The credentials for outgoing associations, for peers that are met later. */
typedef struct gh_runtime_own {
  gh_tls_options options;
  gh_str chain_pem, key_pem, anchors_pem, anchors_for[GH_CERT_FLAVOURS]; /* owned */
} gh_runtime_own;

typedef struct gh_served { /* one function */
  const gh_realm_function *function;
  struct gh_runtime *runtime;
  gh_se *se;
  gh_host *host;
  gh_certificate_status *status;
  gh_tls_server *tls;
  gh_http_server http;
  gh_listener *listener;
  uint16_t port;
  gh_served_coap coap;
  gh_tls_client *mqtt_tls;
  gh_mqtt_server *mqtt;                /* NULL: off */
  gh_str points[GH_ACCESS_POINTS_MAX]; /* of its <CSEBase> */
  gh_outbound_peer peers[GH_REALM_MAX_FUNCTIONS + GH_REALM_MAX_PROVIDERS];
  gh_runtime_peer peer_keys[GH_REALM_MAX_FUNCTIONS + GH_REALM_MAX_PROVIDERS];
  size_t peer_count;
  pthread_mutex_t found_lock; /* of the three below */
  struct gh_runtime_found *found;
  struct gh_runtime_said *said;
  gh_runtime_own own;
  gh_pool_outbound *outbound;
  gh_str mqtt_entities[GH_REALM_MAX_FUNCTIONS]; /* CSEs that are reached over MQTT */
  size_t mqtt_entity_count;
  gh_mqtt_outbound *mqtt_outbound; /* NULL: no broker, or none that enforces our list */
  gh_ws_server websocket;          /* CSE only */
  gh_ws_outbound *ws_outbound;
  gh_point_outbound *point_outbound; /* in front of the others; CSE only */
  gh_ws_keeper *keeper;              /* of the connection to the registrar; NULL: none is kept */
} gh_served;

typedef struct gh_runtime {
  const gh_realm *realm;
  gh_provider providers[GH_REALM_MAX_PROVIDERS]; /* as the IN-CSE knows them */
  gh_clock clock;
  gh_random random;
  gh_log log;
  gh_worker *workers[64];
  size_t worker_count;
  gh_served served[GH_REALM_MAX_FUNCTIONS];
  size_t served_count;
  gh_str mafs[GH_REALM_MAX_FUNCTIONS], mefs[GH_REALM_MAX_FUNCTIONS];
  size_t maf_count, mef_count;
  gh_str keyed_cses[GH_REALM_MAX_FUNCTIONS]; /* FQDNs of CSEs with raw public keys */
  size_t keyed_cse_count;
  gh_arena arena;
  gh_names *names; /* of the hosts that are called */
  gh_listener *metrics;
  uint16_t metrics_port;
} gh_runtime;

/* Starts the workers, then each function: opens its store, listens, announces its end point. On failure call
 * gh_runtime_stop all the same. */
GH_MUST_USE gh_err gh_runtime_start(gh_runtime *runtime, const gh_realm *realm,
                                    const gh_realm_function *const *functions, size_t count, gh_diag *diag);
/* Reads the configuration and the credentials again: certificates, keys and anchors are used by associations that
 * begin from now on, in both directions; nobody is disconnected. Other settings need a restart. On an error nothing
 * has changed for the function in question. */
void gh_runtime_reload(gh_runtime *runtime);
/* No new connections; requests under way are answered (up to drain_ms); then everything is closed and stored. */
void gh_runtime_stop(gh_runtime *runtime, uint32_t drain_ms);

/* runtime_peers.c: the other functions of the realm, and the outbound port to them. */
gh_str gh_runtime_cse_absolute(gh_runtime *runtime, gh_str stem);
/* Where the other CSEs of the realm are, seen from `self`. */
void gh_runtime_places(gh_runtime *runtime, const gh_realm_function *self, gh_host_config *config);
GH_MUST_USE gh_err gh_runtime_make_peers(gh_served *served, const gh_tls_options *own, gh_diag *diag);
void gh_runtime_free_peers(gh_served *served);
/* Outgoing associations use these credentials from now on. */
GH_MUST_USE gh_err gh_runtime_renew_peers(gh_served *served, const gh_tls_options *own, gh_diag *diag);

/* runtime_poa.c: CSEs that the configuration does not place are looked for where their registration says. A point of
 * access is an address and proves nothing. `choice`: the configured place first, where there is one. */
GH_MUST_USE gh_err gh_runtime_address(void *ctx, gh_str fqdn, size_t choice, struct sockaddr_storage *address,
                                      socklen_t *len, const gh_outbound_binding **binding);
const gh_outbound_peer *gh_runtime_find_peer(void *served, gh_str entity);
/* What the peers that are found later shall use; copies. */
void gh_runtime_keep_own(gh_served *served, const gh_tls_options *own);
GH_MUST_USE gh_err gh_runtime_renew_found(gh_served *served, const gh_tls_options *own, gh_diag *diag);
void gh_runtime_free_found(gh_served *served);
/* runtime_points.c: the nth point of access of a registered CSE that an association can be opened to. Which of its
 * entries are passed over is logged, once for each change of its registration. GH_ENOTFOUND: there is none. */
GH_MUST_USE gh_err gh_runtime_nth_point(gh_served *served, gh_str entity, size_t n, gh_poa *out);
/* A registered CSE that the configuration does not know, and whose first point of access that is for us is at the
 * trusted broker, which tells of its credential. */
bool gh_runtime_is_at_broker(void *served, gh_str entity);
/* NULL: this is the broker that the configuration trusts with our list, and it tells whoever has registered with this
 * credential; else why not. */
const char *gh_runtime_why_not_at_broker(const gh_served *served, const gh_poa *poa, gh_str credential_id);
/* Logs it. GH_EUNSUPPORTED always. */
gh_err gh_runtime_pass_over(const gh_served *served, gh_str entity, gh_str point, const char *why);
const gh_outbound_binding *gh_runtime_binding_of(gh_poa_scheme scheme); /* NULL: no association of ours */
void gh_runtime_free_points(gh_served *served);
/* runtime_registree.c: where AEs are, and how they prove themselves there. */
gh_point_source gh_runtime_point_source(gh_served *served);
/* runtime_peers.c: the same identity of the peer, over whatever binding. */
void gh_runtime_fit_tls(const gh_outbound_binding *binding, gh_tls_options *tls);
/* runtime_peers.c: `http` says the binding; entity and host_header become `fqdn`, which must outlive them. */
GH_MUST_USE gh_err gh_runtime_init_peer(gh_served *served, gh_outbound_peer *http, gh_runtime_peer *peer, gh_str fqdn,
                                        const gh_tls_options *own, gh_diag *diag);
GH_MUST_USE gh_err gh_runtime_renew_peer(const gh_outbound_peer *http, gh_runtime_peer *peer,
                                         const gh_tls_options *own, gh_diag *diag);
/* runtime_provider.c: the IN-CSEs of other providers. Nothing is done for a function that is no IN-CSE. */
void gh_runtime_use_providers(gh_served *served, gh_host_config *config);
/* The agreements as a host knows them, in `out`, which has room for all. */
void gh_runtime_tell_providers(const gh_realm *realm, gh_provider *out, gh_host_config *config);
GH_MUST_USE gh_err gh_runtime_read_guests(gh_served *served, gh_arena *arena, gh_tls_options *own, gh_diag *diag);
GH_MUST_USE gh_err gh_runtime_add_providers(gh_served *served, const gh_tls_options *own, gh_diag *diag);
/* What the peer must prove: the anchors of its own realm where it is of another. */
gh_tls_options gh_runtime_options_for(const gh_realm_provider *provider, const gh_tls_options *own);
/* runtime_peers.c */
const gh_outbound_binding *gh_runtime_binding(gh_reach_binding binding);
void gh_runtime_clear_peer(gh_outbound_peer *http, gh_runtime_peer *peer);

/* Listens for CoAP where the configuration says so; `tls` as for the HTTP listener. */
GH_MUST_USE gh_err gh_served_coap_listen(gh_served *served, const gh_tls_options *tls, gh_diag *diag);
GH_MUST_USE gh_err gh_served_coap_renew(gh_served *served, const gh_tls_options *tls, gh_diag *diag);
void gh_served_coap_close(gh_served *served); /* no new associations */
void gh_served_coap_free(gh_served *served);  /* after the workers have ended */

/* runtime_mqtt.c: connects to the broker where the configuration names one. Stop while the workers run. */
GH_MUST_USE gh_err gh_served_mqtt_start(gh_served *served, const gh_tls_options *tls, gh_diag *diag);
GH_MUST_USE gh_err gh_served_mqtt_renew(gh_served *served, const gh_tls_options *tls, gh_diag *diag);
void gh_served_mqtt_stop(gh_served *served, uint32_t drain_ms);
void gh_served_mqtt_free(gh_served *served);

/* Prometheus text of everything the process counts. */
void gh_metrics_write(gh_runtime *runtime, gh_buf *out);
/* Serves it as clear text at realm->metrics_listen (give a loopback address). */
GH_MUST_USE gh_err gh_metrics_listen(gh_runtime *runtime, gh_diag *diag);

#endif
