/* bench_server: a CSE on a plain and a TLS port (HTTP) and on a DTLS port (CoAP), chosen by the system. Prints one
 * line of JSON with the ports when it serves; after that answers each line of its standard input with the counters so
 * far; ends when the input ends. bench_server --dir DIR [--workers N] [--policy NAME] */
#include "server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "se/se_file_cost.h"

typedef struct worker_start {
  server *s;
  gh_worker *worker;
  gh_loop *loop;
} worker_start;

static void init_worker(void *arg)
{
  worker_start *w = arg;
  gh_worker_init(w->worker, gh_loop_uv(w->loop), w->loop, &w->s->clock, &w->s->log, NULL);
}

static gh_err start_workers(server *s, size_t count)
{
  for (size_t i = 0; i < count; i++) {
    char name[32];
    snprintf(name, sizeof name, "gh-worker-%zu", i);
    worker_start w = {.s = s, .worker = gh_calloc(1, sizeof(gh_worker))};
    GH_TRY(gh_loop_start(name, &w.loop));
    gh_loop_call(w.loop, init_worker, &w);
    w.worker->index = (uint32_t)i;
    s->loops[i] = w.loop;
    s->workers[i] = w.worker;
    s->worker_count = i + 1;
  }
  return GH_OK;
}

static gh_err open_host(server *s, gh_diag *diag)
{
  static gh_str mafs[] = {{"maf.sp.example.com", 18}};
  char store[512], keys[512];
  const gh_seal_cost cheap = {.log2_n = 10, .r = 8, .p = 1};
  snprintf(store, sizeof store, "%s/store.db", s->dir);
  snprintf(keys, sizeof keys, "%s/keys.sealed", s->dir);
  GH_TRY(gh_se_file_create_with_cost(keys, GH_STR("bench passphrase"), &s->random, &cheap, &s->se, diag));
  gh_host_options o = {.function = &gh_cse_function,
                       .store_path = store,
                       .se = s->se,
                       .clock = s->clock,
                       .random = s->random,
                       .log = s->log,
                       .workers = s->workers,
                       .worker_count = s->worker_count,
                       .config = {.self = {.sp_fqdn = GH_STR("sp.example.com"),
                                           .cse_id = GH_STR("in-cse"),
                                           .cse_rn = GH_STR("cse-in"),
                                           .in_cse = GH_STR("in-cse")},
                                  .fqdn = GH_STR(BENCH_FQDN),
                                  .mafs = mafs,
                                  .maf_count = 1,
                                  .cse_type = 1,
                                  .max_registration_us = INT64_C(31536000) * GH_US_PER_S,
                                  .max_key_us = INT64_C(2592000) * GH_US_PER_S,
                                  .fetch_timeout_us = GH_US_PER_S,
                                  .negative_us = GH_US_PER_S,
                                  .recheck_us = 3600 * GH_US_PER_S}};
  return gh_host_open(&o, &s->host, diag);
}

static gh_err listen_on(server *s, gh_tls_server *tls, uint16_t *port, gh_listener **out, gh_diag *diag)
{
  gh_listener_options options = {.host = "127.0.0.1", .tls = tls};
  gh_http_server_listen_options(&s->http, &options);
  return gh_listener_open(&options, s->workers, s->worker_count, port, out, diag);
}

static gh_err listen_for_coap(server *s, gh_diag *diag)
{
  gh_listener_options options = {.host = "127.0.0.1", .tls = s->dtls};
  s->coap = (gh_coap_server){.host = s->host, .max_body_bytes = 64 * 1024};
  gh_coap_udp_listen_options(&s->coap, &options);
  return gh_dtls_listener_open(&options, s->workers, s->worker_count, &s->random, &s->dtls_port, &s->dtls_listener,
                               diag);
}

/* Contexts for streams and for datagrams, of one policy and one credential. */
static gh_err make_contexts(server *s, gh_diag *diag)
{
  gh_arena arena;
  gh_tls_options tls;
  gh_arena_init(&arena);
  gh_err err = world_credentials(s, &arena, &tls, diag);
  if (err == GH_OK) err = gh_tls_server_new(&tls, &s->host->key_source, &s->random, &s->tls, diag);
  tls.datagram = true;
  tls.alpn = NULL;
  if (err == GH_OK) err = gh_tls_server_new(&tls, &s->host->key_source, &s->random, &s->dtls, diag);
  gh_arena_free(&arena);
  return err;
}

static gh_err start(server *s, size_t workers, gh_diag *diag)
{
  gh_err err = start_workers(s, workers);
  if (err == GH_OK) err = open_host(s, diag);
  if (err == GH_OK) err = make_contexts(s, diag);
  if (err == GH_OK) err = world_key(s, diag);
  if (err == GH_OK) err = world_resources(s, diag);
  if (err != GH_OK) return err;
  s->websocket = (gh_ws_server){.host = s->host, .max_message_bytes = 64 * 1024};
  s->http = (gh_http_server){.host = s->host, .limits = gh_http_default_limits, .websocket = &s->websocket};
  GH_TRY(listen_on(s, NULL, &s->plain_port, &s->plain_listener, diag));
  GH_TRY(listen_on(s, s->tls, &s->tls_port, &s->tls_listener, diag));
  return listen_for_coap(s, diag);
}

static void close_worker(void *arg)
{
  gh_worker_close(arg);
}

static void stop(server *s)
{
  gh_listener_close(s->plain_listener);
  gh_listener_close(s->tls_listener);
  gh_dtls_listener_close(s->dtls_listener);
  gh_host_stop(s->host);
  for (size_t i = 0; i < s->worker_count; i++) gh_loop_call(s->loops[i], close_worker, s->workers[i]);
  gh_host_close_store(s->host);
  for (size_t i = 0; i < s->worker_count; i++) {
    gh_loop_stop(s->loops[i]);
    gh_worker_free(s->workers[i]);
    free(s->workers[i]);
  }
  gh_host_close(s->host);
  gh_listener_free(s->plain_listener);
  gh_listener_free(s->tls_listener);
  gh_dtls_listener_free(s->dtls_listener);
  gh_tls_server_free(s->tls);
  gh_tls_server_free(s->dtls);
  gh_se_close(s->se);
}

static void print_counters(const server *s)
{
  gh_store_counters c;
  unsigned long long connections = 0, handshakes = 0, failed = 0;
  gh_store_counters_get(s->host->store, &c);
  for (size_t i = 0; i < s->worker_count; i++) {
    const gh_link_counters *link = &s->workers[i]->counters;
    connections += atomic_load(&link->accepted) - atomic_load(&link->closed);
    handshakes += atomic_load(&link->handshakes_ok);
    failed += atomic_load(&link->handshakes_failed);
  }
  printf("{\"commits\":%llu,\"jobs\":%llu,\"connections\":%llu,\"handshakes\":%llu,\"handshakes_failed\":%llu,"
         "\"requests\":%llu}\n",
         (unsigned long long)c.commits, (unsigned long long)c.jobs, connections, handshakes, failed,
         (unsigned long long)atomic_load(&s->host->counters.requests));
  fflush(stdout);
}

static void serve(const server *s)
{
  char line[64];
  printf("{\"plain\":%u,\"tls\":%u,\"dtls\":%u,\"pid\":%d}\n", s->plain_port, s->tls_port, s->dtls_port,
         (int)getpid());
  fflush(stdout);
  while (fgets(line, sizeof line, stdin)) print_counters(s);
}

static const char *option(int argc, char **argv, const char *name, const char *otherwise)
{
  for (int i = 1; i + 1 < argc; i++)
    if (strcmp(argv[i], name) == 0) return argv[i + 1];
  return otherwise;
}

int main(int argc, char **argv)
{
  static server s;
  gh_diag diag = {""};
  int workers = atoi(option(argc, argv, "--workers", "2"));
  s.dir = option(argc, argv, "--dir", NULL);
  s.policy = gh_security_policy_named(gh_str_of(option(argc, argv, "--policy", "modern")));
  s.clock = gh_clock_system();
  s.random = gh_random_system();
  s.log = (gh_log){
      .level = GH_LOG_ERROR, .format = GH_LOG_JSON, .fd = STDERR_FILENO, .clock = s.clock, .component = "bench"};
  if (!s.dir || !s.policy || workers < 1 || workers > SERVER_WORKERS_MAX) {
    fprintf(stderr, "usage: bench_server --dir DIR [--workers N] [--policy NAME]\n");
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  gh_err err = start(&s, (size_t)workers, &diag);
  if (err != GH_OK) {
    fprintf(stderr, "bench_server: %s: %s\n", gh_err_name(err), diag.text);
    return 3;
  }
  serve(&s);
  stop(&s);
  return 0;
}
