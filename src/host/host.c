/* Opening a host: store, tree, keys, base resource; what happens around each commit; the sweep of what has expired.
 */
#include "host/host.h"

#include <stdlib.h>

#include "host/base.h"
#include "host/id_map.h"
#include "host/fetch.h"
#include "host/revocation.h"
#include "host/sweep.h"
#include "m2m/constants.h"

typedef struct gh_after {
  struct gh_after *next;
  void (*fn)(gh_host *host, void *ctx);
  void (*drop)(void *ctx);
  void *ctx;
} gh_after;

const gh_type_ops *gh_host_type(const gh_host *host, uint32_t ty)
{
  for (size_t i = 0; i < host->function->type_count; i++)
    if (host->function->types[i]->ty == ty) return host->function->types[i];
  return NULL;
}

void gh_host_serving(gh_host *host, gh_str poa)
{
  if (host->function->serving) host->function->serving(host, poa);
}

int gh_type_update_freely(gh_exchange *x, const gh_node *target, gh_val *merged, const gh_val *changes)
{
  (void)x;
  (void)target;
  (void)merged;
  (void)changes;
  return GH_RSC_OK;
}

int gh_type_remove_freely(gh_exchange *x, const gh_node *target)
{
  (void)x;
  (void)target;
  return GH_RSC_OK;
}

int64_t gh_host_now_us(const gh_host *host)
{
  return gh_clock_wall_us(&host->clock);
}

/* Administration is a credential: only a certificate of the realm names an administrator. */
bool gh_host_is_admin(const gh_host *host, const gh_peer *peer)
{
  return peer->kind == GH_PEER_AE && peer->method == GH_METHOD_CERTIFICATE && gh_host_names_admin(host, peer->id);
}

bool gh_host_names_admin(const gh_host *host, gh_str id)
{
  for (size_t i = 0; i < host->config.admin_count; i++)
    if (gh_str_eq(host->config.admins[i], id)) return true;
  return false;
}

void gh_host_after_commit(gh_host *host, void (*fn)(gh_host *host, void *ctx), void (*drop)(void *ctx), void *ctx)
{
  gh_after *after = gh_calloc(1, sizeof *after);
  *after = (gh_after){.fn = fn, .drop = drop, .ctx = ctx};
  gh_after **at = &host->after;
  while (*at) at = &(*at)->next;
  *at = after;
}

static gh_err before_commit(void *ctx, gh_store_txn *txn)
{
  gh_host *host = ctx;
  return gh_tree_flush(host->tree, txn);
}

static void after_commit(void *ctx, gh_err err)
{
  gh_host *host = ctx;
  if (err == GH_OK)
    gh_tree_publish(host->tree);
  else
    gh_tree_undo(host->tree);
  gh_after *after = host->after;
  host->after = NULL;
  for (gh_after *next; after; after = next) {
    next = after->next;
    if (err == GH_OK) after->fn(host, after->ctx);
    if (after->drop) after->drop(after->ctx);
    free(after);
  }
}

/* The workers are woken once for all the answers of a commit. */
static void all_told(void *ctx)
{
  gh_host *host = ctx;
  for (size_t i = 0; i < host->worker_count; i++) gh_loop_wake(host->workers[i]->loop);
}

static gh_err load_resource(void *ctx, const gh_store_row *row)
{
  gh_host *host = ctx;
  gh_node *node;
  gh_diag diag = {""};
  const gh_type_def *type = gh_type_by_number(row->ty);
  gh_err err = type ? gh_node_load(type, row->seq, row->ri, row->pi, row->rn, row->creator, row->extra, row->body,
                                   &host->config.self, &node, &diag)
                    : GH_EUNSUPPORTED;
  if (err == GH_OK) err = gh_tree_load(host->tree, node);
  if (err != GH_OK)
    GH_LOG(&host->log, GH_LOG_ERROR, "resource-not-loaded", GH_F("ri", row->ri), GH_F("reason", diag.text));
  const gh_type_ops *ops = err == GH_OK ? gh_host_type(host, row->ty) : NULL;
  if (ops && ops->loaded) ops->loaded(host, node);
  return err;
}

static gh_err source_psk(void *ctx, gh_psk_query *query)
{
  gh_host *host = ctx;
  return host->function->find_psk(host, query);
}

static gh_err source_peer(void *ctx, gh_cert_flavour flavour, gh_str name, int64_t not_after_us, gh_peer *peer)
{
  gh_host *host = ctx;
  return host->function->name_peer(host, flavour, name, not_after_us, peer);
}

static gh_err source_public_key(void *ctx, gh_str spki, gh_peer *peer)
{
  gh_host *host = ctx;
  return host->function->name_public_key(host, spki, peer);
}

static gh_err load_resources(gh_host *host, const gh_host_options *options, gh_diag *diag)
{
  GH_TRY(gh_base_load(host, options->readonly, diag));
  gh_err err = gh_store_each_resource(host->store, load_resource, host);
  return err == GH_OK ? GH_OK : gh_fail(diag, err, "a resource of %s cannot be read", options->store_path);
}

static void source_settle(void *ctx, gh_peer *peer)
{
  gh_host *host = ctx;
  if (host->function->settle_peer) host->function->settle_peer(host, peer);
}

/* Who could not prove a key is written down; the identity is a claim. */
static void source_failed(void *ctx, gh_str psk_identity, const char *address, const char *reason)
{
  gh_host *host = ctx;
  gh_store_audit record = {.time_us = gh_host_now_us(host),
                           .rqi = GH_STR(""),
                           .event = GH_STR("handshake"),
                           .originator = GH_STR(""),
                           .credential = psk_identity,
                           .peer = gh_str_of(address),
                           .op = GH_STR("ASSOCIATE"),
                           .target = host->config.fqdn,
                           .outcome = GH_STR("refused"),
                           .reason = gh_str_of(reason),
                           .detail = GH_STR("")};
  if (host->store) gh_store_audit_later(host->store, &record);
}

static gh_err fill(gh_host *host, const gh_host_options *options, gh_diag *diag)
{
  if (options->readonly) {
    GH_TRY(gh_store_open_readonly(options->store_path, &host->store, diag));
    return load_resources(host, options, diag);
  }
  gh_store_options store = {
      .path = options->store_path, .hooks = {before_commit, after_commit, all_told, host}, .log = &host->log};
  GH_TRY(gh_store_open(&store, &host->store, diag));
  GH_TRY(load_resources(host, options, diag));
  GH_TRY(gh_keyring_load(host->keyring, host->store, diag));
  GH_TRY(gh_revocation_start(host, diag));
  gh_sweeper_start(host);
  return GH_OK;
}

gh_err gh_host_open(const gh_host_options *options, gh_host **out, gh_diag *diag)
{
  gh_host *host = gh_calloc(1, sizeof *host);
  host->function = options->function;
  host->config = options->config;
  host->clock = options->clock;
  host->random = options->random;
  host->log = options->log;
  host->se = options->se;
  host->workers = options->workers;
  host->worker_count = options->worker_count;
  host->outbound = options->outbound;
  host->key_source = (gh_key_source){host, source_psk, source_peer, source_settle, source_failed, NULL};
  if (host->function->name_public_key) host->key_source.name_public_key = source_public_key;
  host->credentials = gh_id_map_new();
  host->routes = gh_id_map_new();
  host->subscribed_nodes = gh_id_map_new();
  host->tree = gh_tree_new(&host->config.self, &host->clock);
  host->keyring = gh_keyring_new(host->se, &host->clock);
  host->fetcher = gh_fetcher_new(host);
  gh_err err = fill(host, options, diag);
  if (err != GH_OK) {
    gh_host_close(host);
    return err;
  }
  *out = host;
  return GH_OK;
}

void gh_host_stop(gh_host *host)
{
  if (!host) return;
  if (host->function->stopping) host->function->stopping(host);
  gh_sweeper_stop(host);
  gh_revocation_stop(host);
}

void gh_host_close_store(gh_host *host)
{
  gh_store_close(host->store);
  host->store = NULL;
}

void gh_host_close(gh_host *host)
{
  if (!host) return;
  gh_store_close(host->store);
  if (host->function->closed) host->function->closed(host);
  gh_sweeper_free(host);
  gh_revocation_free(host);
  gh_fetcher_free(host->fetcher);
  gh_keyring_free(host->keyring);
  gh_tree_free(host->tree);
  gh_id_map_free(host->credentials);
  gh_id_map_free(host->routes);
  gh_id_map_free(host->subscribed_nodes);
  free(host);
}
