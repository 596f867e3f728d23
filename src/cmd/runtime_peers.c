/* Whom a function may call, and how: its certificate, or, where there is one, a key: the Kpsa that the administrator
 * gave both sides, or the Kc of a MAF.
 * The key is looked for whenever a connection is opened, so that a key that comes or goes while serving counts at
 * once. */
#include "cmd/reach.h"
#include "cmd/runtime.h"

#include <stdlib.h>

#include "cse/registration.h"
#include "host/fetch.h"
#include "m2m/key_id.h"

gh_str gh_runtime_cse_absolute(gh_runtime *runtime, gh_str stem)
{
  return gh_arena_fmt(&runtime->arena, "//%.*s/%.*s", GH_STR_ARG(runtime->realm->sp_fqdn), GH_STR_ARG(stem));
}

static gh_err endpoint(void *ctx, gh_str fqdn, struct sockaddr_storage *address, socklen_t *len)
{
  const gh_outbound_binding *ignored = NULL;
  return gh_runtime_address(ctx, fqdn, 0, address, len, &ignored);
}

/* ---- keys */

static void forget_key(gh_runtime_peer *peer)
{
  gh_tls_client_free(peer->psk.client);
  peer->psk.client = NULL;
  gh_str_release(&peer->psk.id);
  gh_secret_wipe(&peer->psk.key);
}

static bool is_key(const gh_runtime_peer *peer, const gh_key_record *key)
{
  return peer->psk.client && gh_str_eq(peer->psk.id, key->id) && peer->psk.key.len == key->key.len &&
         gh_bytes_equal_ct(peer->psk.key.bytes, key->key.bytes, key->key.len);
}

static gh_err new_client_for(const gh_runtime_peer *peer, const gh_key_record *key,
                             const gh_outbound_binding *binding, gh_tls_client **out)
{
  gh_tls_client_options options = {
      .tls = peer->options, .server_name = peer->fqdn, .psk_identity = key->id, .psk = &key->key};
  gh_diag diag;
  gh_runtime_fit_tls(binding, &options.tls);
  return gh_tls_client_new(&options, out, &diag);
}

/* A context for the key, made anew when it is another one, under the same identifier too. */
static gh_tls_client *client_for(gh_runtime_peer *peer, const gh_key_record *key, const gh_outbound_binding *binding)
{
  pthread_mutex_lock(&peer->lock);
  if (!is_key(peer, key)) {
    forget_key(peer);
    if (new_client_for(peer, key, binding, &peer->psk.client) == GH_OK &&
        gh_secret_set(&peer->psk.key, key->key.bytes, key->key.len) == GH_OK)
      peer->psk.id = gh_str_clone(key->id);
    else
      forget_key(peer);
  }
  gh_tls_client *client = gh_tls_client_ref(peer->psk.client);
  pthread_mutex_unlock(&peer->lock);
  return client;
}

/*= TS-0003 8.2.1 SA2: towards a registree with the credential of SA1, where that was a key of a MAF and is still
 * held; after a restart it is not, until the registree has associated again */
static gh_err key_of_registree(gh_host *host, gh_arena *arena, gh_str entity, gh_key_record *key)
{
  unsigned type;
  gh_str id = GH_STR_NONE;
  gh_node *node = gh_tree_by_id(host->tree, GH_VIEW_COMMITTED, gh_remote_cse_id(arena, &host->config.self, entity));
  bool known = node && gh_str_eq(node->creator, entity) && gh_credential_id_parse(node->extra, &type, &id) == GH_OK &&
               type == GH_CRED_SAEF_KEY;
  key->id = known ? gh_arena_dup(arena, id) : GH_STR_NONE;
  gh_node_unref(node);
  GH_REQUIRE(known, GH_ENOTFOUND);
  GH_TRY(gh_fetch_key(host->fetcher, key->id, &key->key, &key->not_after_us));
  return key->not_after_us > gh_host_now_us(host) ? GH_OK : GH_EEXPIRED;
}

/* The key for another CSE. *only: without it there is no association. */
static gh_err key_for(gh_host *host, gh_arena *arena, gh_str entity, gh_key_record *key, bool *only)
{
  const gh_host_config *c = &host->config;
  *only = c->registrar_maf.len && gh_str_eq(entity, c->registrar);
  if (*only) return gh_keyring_find_owned(host->keyring, arena, GH_KEY_KC, entity, key); /*= TS-0003 8.2.2.3 */
  /*= TS-0003 8.2.2.1 a CSE is Entity A of the association with another, too */
  gh_err err = gh_keyring_find_owned(host->keyring, arena, GH_KEY_KPSA, entity, key);
  return err == GH_OK ? err : key_of_registree(host, arena, entity, key);
}

/*= TS-0003 8.1.2.4; 8.2.2.2 a CSE that is known by the certificate of its node or device proves that name */
static void expect_node(gh_served *s, gh_str fqdn, gh_tls_client_options *options)
{
  const gh_realm *realm = s->runtime->realm;
  const gh_self self = {.sp_fqdn = realm->sp_fqdn, .in_cse = realm->in_cse};
  gh_arena arena;
  gh_arena_init(&arena);
  for (size_t i = 0; i < s->function->node_cses.count; i++) {
    gh_str row = s->function->node_cses.items[i], name;
    size_t blank = gh_str_rfind(row, ' ');
    unsigned type;
    if (gh_id_fqdn_form(&arena, &self, gh_str_sub(row, blank + 1, SIZE_MAX), &name) != GH_OK) continue;
    if (!gh_str_eq_nocase(name, fqdn)) continue;
    if (gh_credential_id_parse(gh_str_sub(row, 0, blank), &type, &options->peer_name) != GH_OK) continue;
    options->peer_flavour = type == GH_CRED_NODE_CERT ? GH_CERT_NODE_ID : GH_CERT_DEVICE;
  }
  gh_arena_free(&arena);
}

/*= TS-0003 8.1.2.4; 8.2.2.2 a CSE that was configured with its raw public key is shown ours, and proves that key */
static void expect_key(const gh_served *s, gh_str fqdn, gh_tls_client_options *options)
{
  const gh_realm_function *f = gh_realm_function_of(s->runtime->realm, fqdn);
  if (!f || f->kind != GH_REALM_CSE || !f->public_keys.len) return;
  options->server_keys = f->public_keys;
  options->tls.chain_pem = GH_STR_NONE;
}

/* Where a registered point of access is of another binding than the peer usually has: associations are kept, so these
 * contexts are made for one. */
static gh_tls_client *choose_once(gh_runtime_peer *peer, const gh_key_record *key, const gh_outbound_binding *binding)
{
  gh_served *s = peer->served;
  gh_tls_client *client = NULL;
  gh_diag diag = {""};
  if (key->id.len) return new_client_for(peer, key, binding, &client) == GH_OK ? client : NULL;
  gh_tls_client_options options = {.server_name = peer->fqdn};
  expect_node(s, peer->fqdn, &options);
  pthread_mutex_lock(&s->found_lock);
  options.tls = s->own.options;
  options.tls.tls13 = peer->options.tls13;
  expect_key(s, peer->fqdn, &options);
  gh_runtime_fit_tls(binding, &options.tls);
  gh_err err = gh_tls_client_new(&options, &client, &diag);
  pthread_mutex_unlock(&s->found_lock);
  if (err != GH_OK)
    GH_LOG(&s->runtime->log, GH_LOG_ERROR, "peer-not-usable", GH_F("entity", peer->fqdn),
           GH_F("reason", (const char *)diag.text));
  return err == GH_OK ? client : NULL;
}

static gh_tls_client *choose(void *ctx, const gh_outbound_peer *http, const gh_outbound_binding *binding)
{
  gh_runtime_peer *peer = ctx;
  gh_key_record key = {.key = {.len = 0}};
  gh_arena arena;
  gh_host *host = peer->served->host;
  gh_tls_client *client = NULL;
  bool only = false;
  gh_arena_init(&arena);
  bool cse = gh_str_starts(http->entity, GH_STR("//"));
  bool keyed = host && cse && key_for(host, &arena, http->entity, &key, &only) == GH_OK;
  bool usual = binding == http->binding;
  only |= peer->provider && gh_str_empty(peer->provider->anchors);
  if (!keyed) key.id = GH_STR_NONE;
  if (!usual && (keyed || !only)) client = choose_once(peer, &key, binding);
  if (usual && keyed) client = client_for(peer, &key, binding);
  gh_secret_wipe(&key.key);
  gh_arena_free(&arena);
  if (client || only || !usual) return client;
  pthread_mutex_lock(&peer->lock);
  client = gh_tls_client_ref(peer->renewed ? peer->renewed : http->tls);
  pthread_mutex_unlock(&peer->lock);
  return client;
}

/* ---- life */

const gh_outbound_binding *gh_runtime_binding(gh_reach_binding binding)
{
  switch (binding) {
  case GH_REACH_COAPS: return &gh_coap_outbound;
  case GH_REACH_COAPS_TCP: return &gh_coap_tcp_outbound;
  case GH_REACH_WSS:
  case GH_REACH_HTTPS: return &gh_http_outbound;
  case GH_REACH_MQTT:
  case GH_REACH_NONE: break;
  }
  return NULL;
}

/* The same identity of the peer, over whatever binding. */
void gh_runtime_fit_tls(const gh_outbound_binding *binding, gh_tls_options *tls)
{
  tls->datagram = binding->datagrams;
  tls->alpn = binding == &gh_coap_tcp_outbound ? "coap" : NULL;
}

gh_err gh_runtime_init_peer(gh_served *s, gh_outbound_peer *http, gh_runtime_peer *peer, gh_str fqdn,
                            const gh_tls_options *own, gh_diag *diag)
{
  gh_tls_client_options options = {.tls = *own, .server_name = fqdn};
  expect_node(s, fqdn, &options);
  expect_key(s, fqdn, &options);
  http->mtu = (uint16_t)s->runtime->realm->limits.datagram_mtu;
  gh_runtime_fit_tls(http->binding, &options.tls);
  GH_TRY(gh_tls_client_new(&options, &http->tls, diag));
  *peer = (gh_runtime_peer){.served = s, .fqdn = fqdn, .options = options.tls};
  peer->options.guests = NULL; /* of the server alone */
  peer->options.guest_count = 0;
  peer->options.chain_pem = peer->options.key_pem = peer->options.anchors_pem = GH_STR_NONE; /* not with a key */
  pthread_mutex_init(&peer->lock, NULL);
  http->entity = http->host_header = fqdn;
  http->endpoint = endpoint;
  http->ctx = peer;
  http->choose_tls = choose;
  return GH_OK;
}

static gh_err add_peer(gh_served *s, const gh_realm_function *f, const gh_tls_options *own, gh_diag *diag)
{
  gh_outbound_peer *http = &s->peers[s->peer_count];
  gh_tls_options tls = *own;
  tls.tls13 = own->tls13 && f->tls13;
  http->binding = gh_runtime_binding(gh_reach_of(f));
  GH_TRY(gh_runtime_init_peer(s, http, &s->peer_keys[s->peer_count], f->fqdn, &tls, diag));
  if (f->kind == GH_REALM_CSE) http->entity = gh_runtime_cse_absolute(s->runtime, f->cse_id);
  if (f->kind == GH_REALM_CSE) http->endpoint_at = gh_runtime_address;
  s->peer_count++;
  return GH_OK;
}

/*= TS-0020 5.2 a registree keeps one connection to its registrar, for requests in both directions */
static bool is_kept(const gh_served *s, const gh_realm_function *f)
{
  bool registrar =
      f->kind == GH_REALM_CSE && s->function->registrar.len && gh_str_eq(f->cse_id, s->function->registrar);
  return registrar && gh_reach_of(f) == GH_REACH_WSS;
}

/*= TS-0010 7.2 whom a topic names is believed only of a broker that enforces our list */
static gh_err add_mqtt_entity(gh_served *s, const gh_realm_function *f, gh_diag *diag)
{
  const gh_realm_mqtt *own = &s->function->mqtt;
  if (gh_str_empty(own->broker) || !own->enforces)
    return gh_fail(diag, GH_EINVAL, "%.*s is reached over MQTT: %.*s needs mqtt.broker, and enforces = true",
                   GH_STR_ARG(f->name), GH_STR_ARG(s->function->name));
  if (s->function->registrar_maf.len && gh_str_eq(f->cse_id, s->function->registrar))
    return gh_fail(diag, GH_EINVAL, "%.*s associates with its registrar by a MAF, and a broker knows nothing of that",
                   GH_STR_ARG(s->function->name));
  s->mqtt_entities[s->mqtt_entity_count++] = gh_runtime_cse_absolute(s->runtime, f->cse_id);
  return GH_OK;
}

static gh_err make_mqtt_outbound(gh_served *s, gh_outbound *next, gh_diag *diag)
{
  gh_runtime *r = s->runtime;
  const gh_realm_mqtt *own = &s->function->mqtt;
  if (!s->mqtt_entity_count && (gh_str_empty(own->broker) || !own->enforces)) return GH_OK;
  const gh_mqtt_outbound_options options = {.self = {.sp_fqdn = r->realm->sp_fqdn,
                                                     .cse_id = s->function->cse_id,
                                                     .cse_rn = s->function->cse_rn,
                                                     .in_cse = r->realm->in_cse},
                                            .entities = s->mqtt_entities,
                                            .entity_count = s->mqtt_entity_count,
                                            .reaches = gh_runtime_is_at_broker,
                                            .ctx = s,
                                            .prefix = s->function->mqtt.prefix,
                                            .next = *next,
                                            .workers = r->workers,
                                            .worker_count = r->worker_count,
                                            .random = r->random,
                                            .log = &r->log};
  if (gh_mqtt_outbound_new(&options, &s->mqtt_outbound) != GH_OK)
    return gh_fail(diag, GH_EINVAL, "%.*s cannot stand in a topic", GH_STR_ARG(s->function->cse_id));
  *next = gh_mqtt_outbound_port(s->mqtt_outbound);
  return GH_OK;
}

static gh_err make_outbound(gh_served *s, bool keeps, gh_diag *diag)
{
  gh_runtime *r = s->runtime;
  s->outbound = gh_pool_outbound_new(s->peers, s->peer_count - keeps, r->workers, r->worker_count, &r->log);
  if (s->function->kind == GH_REALM_CSE) gh_pool_outbound_find_with(s->outbound, gh_runtime_find_peer, s);
  gh_outbound next = gh_pool_outbound_port(s->outbound);
  GH_TRY(make_mqtt_outbound(s, &next, diag));
  if (keeps) {
    s->keeper = gh_ws_keeper_new(&s->peers[s->peer_count - 1], s->function->serialization, next, &r->log);
    next = gh_ws_keeper_port(s->keeper);
  }
  s->ws_outbound = gh_ws_outbound_new(next, r->workers, r->worker_count, &r->log);
  if (s->function->kind == GH_REALM_CSE)
    s->point_outbound = gh_point_outbound_new(gh_runtime_point_source(s), gh_ws_outbound_port(s->ws_outbound),
                                              r->workers, r->worker_count, &r->log);
  return GH_OK;
}

gh_err gh_runtime_make_peers(gh_served *s, const gh_tls_options *own, gh_diag *diag)
{
  const gh_realm *realm = s->runtime->realm;
  const gh_realm_function *kept = NULL;
  for (size_t i = 0; i < realm->function_count; i++) {
    const gh_realm_function *f = &realm->functions[i];
    bool wanted = f != s->function && gh_reach_of(f) != GH_REACH_NONE &&
                  (f->kind != GH_REALM_CSE || s->function->kind == GH_REALM_CSE);
    if (wanted && gh_reach_of(f) == GH_REACH_MQTT)
      GH_TRY(add_mqtt_entity(s, f, diag));
    else if (wanted && is_kept(s, f))
      kept = f;
    else if (wanted)
      GH_TRY(add_peer(s, f, own, diag));
  }
  GH_TRY(gh_runtime_add_providers(s, own, diag));
  if (kept) GH_TRY(add_peer(s, kept, own, diag)); /* the last one: not of the pool */
  gh_runtime_keep_own(s, own);
  return make_outbound(s, kept != NULL, diag);
}

gh_err gh_runtime_renew_peer(const gh_outbound_peer *http, gh_runtime_peer *peer, const gh_tls_options *own,
                             gh_diag *diag)
{
  gh_tls_client *fresh;
  gh_tls_client_options options = {.tls = gh_runtime_options_for(peer->provider, own), .server_name = peer->fqdn};
  expect_node(peer->served, peer->fqdn, &options);
  expect_key(peer->served, peer->fqdn, &options);
  options.tls.tls13 = peer->options.tls13;
  gh_runtime_fit_tls(http->binding, &options.tls);
  GH_TRY(gh_tls_client_new(&options, &fresh, diag));
  pthread_mutex_lock(&peer->lock);
  gh_tls_client_free(peer->renewed);
  peer->renewed = fresh;
  pthread_mutex_unlock(&peer->lock);
  return GH_OK;
}

gh_err gh_runtime_renew_peers(gh_served *s, const gh_tls_options *own, gh_diag *diag)
{
  for (size_t i = 0; i < s->peer_count; i++) GH_TRY(gh_runtime_renew_peer(&s->peers[i], &s->peer_keys[i], own, diag));
  return gh_runtime_renew_found(s, own, diag);
}

void gh_runtime_clear_peer(gh_outbound_peer *http, gh_runtime_peer *peer)
{
  forget_key(peer);
  gh_tls_client_free(peer->renewed);
  pthread_mutex_destroy(&peer->lock);
  gh_tls_client_free(http->tls);
}

void gh_runtime_free_peers(gh_served *s)
{
  for (size_t i = 0; i < s->peer_count; i++) gh_runtime_clear_peer(&s->peers[i], &s->peer_keys[i]);
  gh_runtime_free_found(s);
}
