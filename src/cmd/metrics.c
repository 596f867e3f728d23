/* Prometheus metrics: rendered from the counters of workers, hosts and stores; served on a port of their own, meant
 * for loopback. */
#include <stdlib.h>

#include "cmd/runtime.h"
#include "cse/registration.h"

typedef struct row {
  const char *name, *help;
  size_t offset;
} row;

static const row link_rows[] = {
    {"accepted_total", "connections accepted", offsetof(gh_link_counters, accepted)},
    {"handshakes_ok_total", "associations established", offsetof(gh_link_counters, handshakes_ok)},
    {"handshakes_resumed_total", "of these, those that went on with a session",
     offsetof(gh_link_counters, handshakes_resumed)},
    {"handshakes_failed_total", "handshakes that failed", offsetof(gh_link_counters, handshakes_failed)},
    {"closed_total", "connections ended", offsetof(gh_link_counters, closed)},
    {"refused_limit_total", "connections refused at a limit", offsetof(gh_link_counters, refused_limit)},
    {"refused_address_total", "of these, those whose address had too many",
     offsetof(gh_link_counters, refused_address)},
    {"revoked_total", "associations ended by revocation", offsetof(gh_link_counters, revoked)},
    {"bytes_in_total", "octets received", offsetof(gh_link_counters, bytes_in)},
    {"bytes_out_total", "octets sent", offsetof(gh_link_counters, bytes_out)},
};

static const row host_rows[] = {
    {"requests_total", "requests answered", offsetof(gh_host_counters, requests)},
    {"requests_permitted_total", "requests that succeeded", offsetof(gh_host_counters, permitted)},
    {"requests_refused_total", "requests answered with 4xxx", offsetof(gh_host_counters, refused)},
    {"requests_failed_total", "requests answered with 5xxx or 6xxx", offsetof(gh_host_counters, failed)},
    {"impersonations_total", "requests whose From was another's", offsetof(gh_host_counters, impersonations)},
    {"keys_fetched_total", "keys obtained from a MAF or MEF", offsetof(gh_host_counters, keys_fetched)},
    {"keys_refused_total", "keys that a MAF or MEF did not give", offsetof(gh_host_counters, keys_refused)},
    {"revocations_total", "associations ended because their key was revoked",
     offsetof(gh_host_counters, revocations)},
};

static uint64_t at(const void *base, size_t offset)
{
  return atomic_load_explicit((const atomic_uint_fast64_t *)(const void *)((const char *)base + offset),
                              memory_order_relaxed);
}

static void head(gh_buf *out, const char *name, const char *help, const char *type)
{
  gh_buf_fmt(out, "# HELP gatehouse_%s %s\n# TYPE gatehouse_%s %s\n", name, help, name, type);
}

static void write_link(gh_runtime *r, gh_buf *out)
{
  for (size_t i = 0; i < sizeof link_rows / sizeof *link_rows; i++) {
    uint64_t sum = 0;
    for (size_t w = 0; w < r->worker_count; w++) sum += at(&r->workers[w]->counters, link_rows[i].offset);
    head(out, link_rows[i].name, link_rows[i].help, "counter");
    gh_buf_fmt(out, "gatehouse_%s %llu\n", link_rows[i].name, (unsigned long long)sum);
  }
}

static void write_hosts(gh_runtime *r, gh_buf *out)
{
  for (size_t i = 0; i < sizeof host_rows / sizeof *host_rows; i++) {
    head(out, host_rows[i].name, host_rows[i].help, "counter");
    for (size_t h = 0; h < r->served_count; h++)
      gh_buf_fmt(out, "gatehouse_%s{function=\"%.*s\"} %llu\n", host_rows[i].name,
                 GH_STR_ARG(r->served[h].function->name),
                 (unsigned long long)at(&r->served[h].host->counters, host_rows[i].offset));
  }
}

static void write_stores(gh_runtime *r, gh_buf *out)
{
  head(out, "store_commits_total", "group commits", "counter");
  head(out, "store_jobs_total", "changes committed or refused", "counter");
  head(out, "store_failed_commits_total", "commits that failed", "counter");
  head(out, "audit_records_total", "audit records written", "counter");
  head(out, "audit_dropped_total", "audit records lost at the limit of the queue", "counter");
  head(out, "store_waiting", "changes waiting for the writer", "gauge");
  head(out, "resources", "resources in the tree", "gauge");
  for (size_t h = 0; h < r->served_count; h++) {
    gh_store_counters c;
    gh_store_counters_get(r->served[h].host->store, &c);
    const struct {
      const char *name;
      uint64_t value;
    } values[] = {{"store_commits_total", c.commits},
                  {"store_jobs_total", c.jobs},
                  {"store_failed_commits_total", c.failed_commits},
                  {"audit_records_total", c.audits},
                  {"audit_dropped_total", c.audits_dropped},
                  {"store_waiting", c.waiting},
                  {"resources", gh_tree_count(r->served[h].host->tree)}};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
      gh_buf_fmt(out, "gatehouse_%s{function=\"%.*s\"} %llu\n", values[i].name,
                 GH_STR_ARG(r->served[h].function->name), (unsigned long long)values[i].value);
  }
}

static void write_mqtt(gh_runtime *r, gh_buf *out)
{
  static const struct {
    const char *name, *help;
    size_t offset;
  } rows[] = {
      {"mqtt_connects_total", "connections to the broker", offsetof(gh_mqtt_counters, connects)},
      {"mqtt_requests_total", "requests that the broker delivered", offsetof(gh_mqtt_counters, requests)},
      {"mqtt_answers_total", "answers given to the broker", offsetof(gh_mqtt_counters, answers)},
      {"mqtt_duplicates_total", "requests delivered again, not performed", offsetof(gh_mqtt_counters, duplicates)},
      {"mqtt_over_share_total", "requests refused because their originator had too many under way",
       offsetof(gh_mqtt_counters, over_share)},
      {"mqtt_dropped_total", "messages that were no request, or too many", offsetof(gh_mqtt_counters, dropped)},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    head(out, rows[i].name, rows[i].help, "counter");
    for (size_t h = 0; h < r->served_count; h++) {
      gh_mqtt_counters c;
      if (!r->served[h].mqtt) continue;
      gh_mqtt_counters_get(r->served[h].mqtt, &c);
      gh_buf_fmt(out, "gatehouse_%s{function=\"%.*s\"} %llu\n", rows[i].name, GH_STR_ARG(r->served[h].function->name),
                 (unsigned long long)*(const uint64_t *)(const void *)((const char *)&c + rows[i].offset));
    }
  }
}

typedef struct gauge {
  gh_buf *out;
  const gh_served *served;
} gauge;

static void write_registration(void *ctx, gh_str registrar, bool registered)
{
  const gauge *g = ctx;
  gh_buf_fmt(g->out, "gatehouse_registered{function=\"%.*s\",registrar=\"%.*s\"} %d\n",
             GH_STR_ARG(g->served->function->name), GH_STR_ARG(registrar), registered);
}

static void write_registered_here(const gh_served *s, const gh_provider *p, gh_buf *out)
{
  gh_arena arena;
  gh_arena_init(&arena);
  gh_str id = gh_remote_cse_id(&arena, &s->host->config.self, p->cse);
  gh_node *node = gh_tree_by_id(s->host->tree, GH_VIEW_COMMITTED, id);
  gh_buf_fmt(out, "gatehouse_provider_registered{function=\"%.*s\",provider=\"%.*s\"} %d\n",
             GH_STR_ARG(s->function->name), GH_STR_ARG(p->cse), node && p->may_register);
  gh_node_unref(node);
  gh_arena_free(&arena);
}

static void write_registrations(gh_runtime *r, gh_buf *out)
{
  head(out, "registered", "1: this CSE is registered there", "gauge");
  for (size_t h = 0; h < r->served_count; h++) {
    gauge g = {out, &r->served[h]};
    if (r->served[h].function->kind == GH_REALM_CSE) gh_registration_each(r->served[h].host, write_registration, &g);
  }
  head(out, "provider_registered", "1: the IN-CSE of this provider is registered here", "gauge");
  for (size_t h = 0; h < r->served_count; h++)
    for (size_t i = 0; i < r->served[h].host->config.provider_count; i++)
      write_registered_here(&r->served[h], &r->served[h].host->config.providers[i], out);
}

void gh_metrics_write(gh_runtime *runtime, gh_buf *out)
{
  write_registrations(runtime, out);
  write_link(runtime, out);
  write_hosts(runtime, out);
  write_stores(runtime, out);
  write_mqtt(runtime, out);
}

static void on_ready(gh_conn *conn, void *ctx)
{
  (void)conn;
  (void)ctx;
}

/* Any request gets the metrics; nothing a client sends is interpreted. */
static void on_data(gh_conn *conn, void *ctx, gh_str octets)
{
  if (gh_str_find(octets, '\n') == SIZE_MAX) return;
  gh_buf body = GH_BUF_INIT;
  gh_metrics_write(ctx, &body);
  gh_buf_fmt(gh_conn_out(conn),
             "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: %zu\r\nConnection: "
             "close\r\n\r\n",
             body.len);
  gh_buf_add(gh_conn_out(conn), gh_buf_str(&body));
  gh_buf_free(&body);
  gh_conn_close(conn, GH_OK, "answered");
}

static void on_closed(gh_conn *conn, void *ctx, gh_err why, const char *reason)
{
  (void)conn;
  (void)ctx;
  (void)why;
  (void)reason;
}

static const gh_conn_handler handler = {on_ready, on_data, on_closed};

static void *context(void *owner, gh_worker *worker)
{
  (void)worker;
  return owner;
}

gh_err gh_metrics_listen(gh_runtime *runtime, gh_diag *diag)
{
  gh_str text = runtime->realm->metrics_listen;
  if (gh_str_empty(text)) return GH_OK;
  char host[64];
  uint64_t port;
  size_t colon = gh_str_rfind(text, ':');
  bool ok = colon != SIZE_MAX && gh_str_to_cstr(gh_str_sub(text, 0, colon), host, sizeof host) &&
            gh_str_to_u64(gh_str_sub(text, colon + 1, SIZE_MAX), &port) && port <= UINT16_MAX;
  if (!ok) return gh_fail(diag, GH_EINVAL, "metrics_listen must be address:port");
  gh_listener_options options = {
      .host = host, .port = (uint16_t)port, .handler = &handler, .new_ctx = context, .owner = runtime};
  gh_err err = gh_listener_open(&options, runtime->workers, runtime->worker_count, &runtime->metrics_port,
                                &runtime->metrics, diag);
  if (err == GH_OK)
    GH_LOG(&runtime->log, GH_LOG_INFO, "metrics", GH_F("host", (const char *)host),
           GH_F("port", runtime->metrics_port));
  return err;
}
