/* From configuration to running functions, and back. */
#include "cmd/runtime.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bind/web_outbound.h"
#include "cmd/reach.h"
#include "cse/cse.h"
#include "maf/maf.h"
#include "mef/mef.h"

/* A new function: its gh_function, and a row here. */
static const gh_function *function_of(gh_realm_kind kind)
{
  switch (kind) {
  case GH_REALM_MEF: return &gh_mef_function;
  case GH_REALM_MAF: return &gh_maf_function;
  case GH_REALM_CSE: return &gh_cse_function;
  }
  return NULL;
}

static gh_link_limits link_limits(const gh_realm *realm)
{
  gh_link_limits limits = gh_link_default_limits;
  limits.max_connections = (uint32_t)realm->limits.max_connections;
  limits.max_handshakes = (uint32_t)realm->limits.max_handshakes;
  limits.max_connections_per_address = (uint32_t)realm->limits.max_connections_per_address;
  limits.max_handshakes_per_address = (uint32_t)realm->limits.max_handshakes_per_address;
  limits.handshake_ms = (uint32_t)realm->limits.handshake_ms;
  limits.idle_ms = (uint32_t)realm->limits.idle_ms;
  limits.request_ms = (uint32_t)realm->limits.request_ms;
  limits.max_out_bytes = (size_t)realm->limits.max_out_bytes;
  limits.max_association_us = realm->limits.association_s * GH_US_PER_S;
  return limits;
}

typedef struct start_worker {
  gh_runtime *runtime;
  gh_worker *worker;
  gh_loop *loop;
  gh_link_limits limits;
} start_worker;

static void init_worker(void *arg)
{
  start_worker *s = arg;
  gh_worker_init(s->worker, gh_loop_uv(s->loop), s->loop, &s->runtime->clock, &s->runtime->log, &s->limits);
}

static gh_err start_workers(gh_runtime *runtime)
{
  long count = runtime->realm->limits.workers ? (long)runtime->realm->limits.workers : sysconf(_SC_NPROCESSORS_ONLN);
  long most = (long)(sizeof runtime->workers / sizeof *runtime->workers);
  if (count < 1) count = 1;
  if (count > most) count = most;
  for (long i = 0; i < count; i++) {
    char name[32];
    start_worker s = {
        .runtime = runtime, .worker = gh_calloc(1, sizeof(gh_worker)), .limits = link_limits(runtime->realm)};
    snprintf(name, sizeof name, "gh-worker-%ld", i);
    gh_err err = gh_loop_start(name, &s.loop);
    if (err != GH_OK) {
      free(s.worker);
      return err;
    }
    gh_loop_call(s.loop, init_worker, &s);
    s.worker->index = (uint32_t)i;
    runtime->workers[runtime->worker_count++] = s.worker;
  }
  return GH_OK;
}

static void collect_functions(gh_runtime *runtime)
{
  const gh_realm *realm = runtime->realm;
  for (size_t i = 0; i < realm->function_count; i++) {
    const gh_realm_function *f = &realm->functions[i];
    if (f->public_keys.len) runtime->keyed_cses[runtime->keyed_cse_count++] = f->fqdn;
    if (f->kind == GH_REALM_MAF) runtime->mafs[runtime->maf_count++] = f->fqdn;
    if (f->kind == GH_REALM_MEF) runtime->mefs[runtime->mef_count++] = f->fqdn;
  }
}

/* m2m:cseTypeID: whoever registers nowhere is the IN-CSE. */
static int cse_type_of(const gh_realm_function *f)
{
  enum { IN_CSE = 1, MN_CSE = 2 };
  if (f->kind != GH_REALM_CSE) return 0;
  return gh_realm_is_in_cse(f) ? IN_CSE : MN_CSE;
}

static const char *text_or_null(gh_str text)
{
  return text.len ? text.ptr : NULL;
}

static gh_status_policy policy_of(gh_str name)
{
  gh_status_policy policy = GH_STATUS_REQUIRE; /* the names were checked when the configuration was read */
  return gh_status_policy_named(name, &policy) ? policy : GH_STATUS_REQUIRE;
}

/*= TS-0003 8.1.2.5 revocation of the certificates of peers, in both directions */
static gh_err open_status(gh_served *s, gh_tls_options *tls, gh_diag *diag)
{
  const gh_realm_function *f = s->function;
  const gh_certificate_status_options options = {.crl_path = text_or_null(f->crl),
                                                 .crl_url = text_or_null(f->crl_url),
                                                 .crl = policy_of(f->crl_policy),
                                                 .stapling = policy_of(f->stapling_policy),
                                                 .ocsp_url = text_or_null(f->ocsp_responder),
                                                 .ocsp = policy_of(f->ocsp_policy),
                                                 .staple = f->ocsp_staple,
                                                 .chain_pem = tls->chain_pem,
                                                 .anchors_pem = tls->anchors_pem,
                                                 .anchors_for = tls->anchors_for,
                                                 .workers = s->runtime->workers,
                                                 .worker_count = s->runtime->worker_count,
                                                 .timeout_ms = (uint32_t)f->status_timeout_ms,
                                                 .web = gh_web_outbound(),
                                                 .clock = s->runtime->clock,
                                                 .log = &s->runtime->log};
  GH_TRY(gh_certificate_status_open(&options, &s->status, diag));
  tls->status = gh_certificate_status_source(s->status);
  return GH_OK;
}

static gh_err open_host(gh_served *s, gh_diag *diag)
{
  gh_runtime *r = s->runtime;
  const gh_realm *realm = r->realm;
  const gh_realm_function *f = s->function;
  gh_host_options o = {.function = function_of(f->kind),
                       .store_path = f->store.ptr,
                       .se = s->se,
                       .clock = r->clock,
                       .random = r->random,
                       .log = r->log,
                       .workers = r->workers,
                       .worker_count = r->worker_count,
                       .outbound = s->point_outbound ? gh_point_outbound_port(s->point_outbound)
                                                     : gh_ws_outbound_port(s->ws_outbound)};
  o.log.component = f->name.ptr;
  o.config = (gh_host_config){
      .self = {.sp_fqdn = realm->sp_fqdn, .cse_id = f->cse_id, .cse_rn = f->cse_rn, .in_cse = realm->in_cse},
      .fqdn = f->fqdn,
      .admins = realm->admins.items,
      .admin_count = realm->admins.count,
      .mafs = r->mafs,
      .maf_count = r->maf_count,
      .mefs = r->mefs,
      .mef_count = r->mef_count,
      .keyed_cses = r->keyed_cses,
      .keyed_cse_count = f->kind == GH_REALM_CSE ? r->keyed_cse_count : 0, /* MAF and MEF know certificates only */
      .node_cses = f->node_cses.items,
      .node_cse_count = f->node_cses.count,
      .cse_type = cse_type_of(f),
      .registrar = f->registrar.len ? gh_runtime_cse_absolute(r, f->registrar) : GH_STR_NONE,
      .registrar_maf = f->registrar_maf,
      .serialization = f->serialization,
      .transit_us = f->transit_ms * 1000,
      .open_registration = f->open_registration,
      .max_registration_us = f->max_registration_s * GH_US_PER_S,
      .max_key_us = f->max_key_s * GH_US_PER_S,
      .fetch_timeout_us = f->fetch_timeout_ms * 1000,
      .max_fetches_per_address = (uint32_t)f->max_fetches_per_address,
      .negative_us = f->negative_s * GH_US_PER_S,
      .recheck_us = f->recheck_s * GH_US_PER_S,
      .revocation_path = gh_arena_fmt(&r->arena, "%.*s/revoked", GH_STR_ARG(realm->run)).ptr,
  };
  o.config.points = s->points;
  o.config.point_count = f->kind == GH_REALM_CSE ? gh_access_points(&r->arena, f, s->points) : 0;
  gh_runtime_use_providers(s, &o.config);
  gh_runtime_places(r, f, &o.config);
  return gh_host_open(&o, &s->host, diag);
}

/* A port chosen by the system is asked for again after a restart, so that devices find the function where it was. */
static gh_err listen_on(gh_served *s, gh_diag *diag)
{
  gh_runtime *r = s->runtime;
  const gh_realm_function *f = s->function;
  char host[GH_ENDPOINT_HOST_BYTES];
  uint16_t before = 0;
  gh_diag ignored;
  s->http = (gh_http_server){.host = s->host, .limits = gh_http_default_limits};
  s->http.limits.max_head_bytes = (size_t)r->realm->limits.max_head_bytes;
  s->http.limits.max_body_bytes = (size_t)r->realm->limits.max_body_bytes;
  s->websocket = (gh_ws_server){.host = s->host,
                                .max_message_bytes = s->http.limits.max_head_bytes + s->http.limits.max_body_bytes,
                                .outbound = s->ws_outbound};
  if (f->kind == GH_REALM_CSE) s->http.websocket = &s->websocket; /*= TS-0020 1 Mca and Mcc */
  gh_listener_options options = {.host = f->listen_host, .port = f->listen_port, .tls = s->tls};
  gh_http_server_listen_options(&s->http, &options);
  bool again = !f->listen_port && gh_realm_endpoint(r->realm, f->fqdn, host, &before, &ignored) == GH_OK;
  if (again) {
    options.port = before;
    if (gh_listener_open(&options, r->workers, r->worker_count, &s->port, &s->listener, &ignored) == GH_OK)
      return GH_OK;
    options.port = 0;
  }
  return gh_listener_open(&options, r->workers, r->worker_count, &s->port, &s->listener, diag);
}

static gh_str point_of_access(const gh_served *s)
{
  return gh_reach_point(&s->runtime->arena, s->runtime->realm, s->function, s->port);
}

static gh_err start_function(gh_served *s, gh_diag *diag)
{
  gh_runtime *r = s->runtime;
  gh_arena arena;
  gh_arena_init(&arena);
  gh_tls_options tls = {.policy = NULL};
  gh_err err = gh_realm_open_se(r->realm, s->function, &r->random, &s->se, diag);
  if (err == GH_OK) err = gh_realm_credentials(r->realm, s->function, s->se, &arena, &tls, diag);
  if (err == GH_OK) err = gh_runtime_read_guests(s, &arena, &tls, diag);
  if (err == GH_OK) {
    tls.tls13 = s->function->tls13;
    tls.require_ems = true;
    err = open_status(s, &tls, diag);
    if (err == GH_OK) err = gh_runtime_make_peers(s, &tls, diag);
    if (err == GH_OK) err = open_host(s, diag);
    gh_tls_options web = tls;
    web.alpn = GH_HTTP_ALPN;
    if (err == GH_OK) err = gh_tls_server_new(&web, &s->host->key_source, &r->random, &s->tls, diag);
    if (err == GH_OK) err = gh_served_coap_listen(s, &tls, diag);
    if (err == GH_OK) err = gh_served_mqtt_start(s, &tls, diag);
  }
  gh_realm_wipe_credentials(&tls);
  gh_arena_free(&arena);
  if (err == GH_OK) err = listen_on(s, diag);
  if (err == GH_OK) err = gh_realm_announce(r->realm, s->function, s->port, diag);
  if (err == GH_OK) gh_ws_keeper_start(s->keeper, &s->websocket, r->workers[0]);
  if (err == GH_OK) gh_host_serving(s->host, point_of_access(s));
  if (err == GH_OK)
    GH_LOG(&r->log, GH_LOG_INFO, "serving", GH_F("function", s->function->name), GH_F("fqdn", s->function->fqdn),
           GH_F("host", (const char *)s->function->listen_host), GH_F("port", s->port));
  return err;
}

/* Which function it was; what stands in its files is for doctor to say. */
static gh_err blame(const gh_served *s, gh_err err, gh_diag *diag)
{
  gh_diag why = *diag;
  bool files = err == GH_ECRYPTO || err == GH_ESYNTAX || err == GH_ETAMPER;
  return gh_fail(diag, err, "%.*s: %s%s", GH_STR_ARG(s->function->name), why.text[0] ? why.text : gh_err_name(err),
                 files ? "; gatehouse doctor looks at its files" : "");
}

gh_err gh_runtime_start(gh_runtime *runtime, const gh_realm *realm, const gh_realm_function *const *functions,
                        size_t count, gh_diag *diag)
{
  *runtime = (gh_runtime){.realm = realm, .clock = gh_clock_system(), .random = gh_random_system()};
  runtime->log =
      (gh_log){.level = realm->log_level, .format = realm->log_format, .fd = STDERR_FILENO, .clock = runtime->clock};
  gh_arena_init(&runtime->arena);
  runtime->names = gh_names_new(NULL, &runtime->clock);
  if (mkdir(realm->run.ptr, S_IRWXU) != 0 && errno != EEXIST) /* it is no part of a backup */
    return gh_fail(diag, GH_EIO, "cannot make the folder %s: %s", realm->run.ptr, strerror(errno));
  gh_err err = start_workers(runtime);
  if (err != GH_OK) return gh_fail(diag, err, "cannot start worker threads");
  collect_functions(runtime);
  for (size_t i = 0; i < count; i++) {
    gh_served *s = &runtime->served[runtime->served_count++];
    *s = (gh_served){.function = functions[i], .runtime = runtime};
    pthread_mutex_init(&s->found_lock, NULL);
    err = start_function(s, diag);
    if (err != GH_OK) return blame(s, err, diag);
  }
  return gh_metrics_listen(runtime, diag);
}

static void wait_for_writers(gh_runtime *runtime, uint32_t drain_ms)
{
  for (uint32_t waited = 0; waited < drain_ms; waited += 20) {
    uint64_t waiting = 0;
    for (size_t i = 0; i < runtime->served_count; i++) {
      gh_store_counters counters = {0};
      if (runtime->served[i].host) gh_store_counters_get(runtime->served[i].host->store, &counters);
      waiting += counters.waiting;
    }
    if (!waiting) return;
    usleep(20000);
  }
}

static void close_worker(void *arg)
{
  gh_worker_close(arg);
}

static void free_function(gh_served *s)
{
  gh_host_close(s->host);
  gh_listener_free(s->listener);
  gh_served_coap_free(s);
  gh_served_mqtt_free(s);
  gh_mqtt_outbound_free(s->mqtt_outbound);
  gh_tls_server_free(s->tls);
  gh_point_outbound_free(s->point_outbound);
  gh_ws_outbound_free(s->ws_outbound);
  gh_ws_keeper_free(s->keeper);
  gh_pool_outbound_free(s->outbound);
  gh_runtime_free_peers(s);
  gh_se_close(s->se);
}

void gh_runtime_stop(gh_runtime *runtime, uint32_t drain_ms)
{
  gh_listener_close(runtime->metrics);
  for (size_t i = 0; i < runtime->served_count; i++) {
    gh_listener_close(runtime->served[i].listener);
    gh_served_coap_close(&runtime->served[i]);
    gh_served_mqtt_stop(&runtime->served[i], drain_ms);
  }
  wait_for_writers(runtime, drain_ms);
  for (size_t i = 0; i < runtime->served_count; i++) {
    gh_host_stop(runtime->served[i].host);
    gh_mqtt_outbound_stop(runtime->served[i].mqtt_outbound);
    gh_ws_keeper_stop(runtime->served[i].keeper);
    gh_point_outbound_stop(runtime->served[i].point_outbound);
    gh_ws_outbound_stop(runtime->served[i].ws_outbound);
    gh_pool_outbound_stop(runtime->served[i].outbound);
  }
  for (size_t i = 0; i < runtime->worker_count; i++)
    gh_loop_call(runtime->workers[i]->loop, close_worker, runtime->workers[i]);
  /* the stores finish what waits; their answers go to loops that still run */
  for (size_t i = 0; i < runtime->served_count; i++)
    if (runtime->served[i].host) gh_host_close_store(runtime->served[i].host);
  for (size_t i = 0; i < runtime->served_count; i++) gh_certificate_status_close(runtime->served[i].status);
  for (size_t i = 0; i < runtime->worker_count; i++) {
    gh_loop_stop(runtime->workers[i]->loop);
    gh_worker_free(runtime->workers[i]);
    free(runtime->workers[i]);
  }
  for (size_t i = 0; i < runtime->served_count; i++) free_function(&runtime->served[i]);
  gh_listener_free(runtime->metrics);
  gh_names_free(runtime->names);
  gh_arena_free(&runtime->arena);
}
