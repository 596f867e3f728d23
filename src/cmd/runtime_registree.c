/* How an AE is reached that takes requests (SA2): its points of access as addresses, and the credential by which it
 * registered as the only proof that it is there. */
#include "cmd/poa.h"
#include "cmd/runtime.h"
#include "host/fetch.h"
#include "m2m/key_id.h"

/*= TS-0010 6.4.2 */
static gh_err at_broker(const gh_served *s, const gh_outbound_call *call, gh_str point, const gh_poa *poa,
                        gh_point_place *place)
{
  const char *why = gh_runtime_why_not_at_broker(s, poa, call->credential_id);
  if (why) return gh_runtime_pass_over(s, call->entity, point, why);
  place->port = gh_mqtt_outbound_ae_port(s->mqtt_outbound);
  return gh_mqtt_outbound_is_open(s->mqtt_outbound) ? GH_OK : GH_ECONN;
}

/* An entry that is not for us is passed over; the log says why. */
static gh_err find(void *ctx, const gh_outbound_call *call, gh_str point, gh_point_place *place)
{
  const gh_served *s = ctx;
  gh_poa poa;
  if (gh_poa_parse(point, s->runtime->realm->sp_fqdn, &poa) != GH_OK)
    return gh_runtime_pass_over(s, call->entity, point, poa.why);
  if (poa.scheme == GH_POA_MQTTS) return at_broker(s, call, point, &poa, place);
  place->binding = gh_runtime_binding_of(poa.scheme);
  return gh_names_find(s->runtime->names, poa.at.host, poa.at.port, &place->address, &place->address_len);
}

/* ---- pre-shared keys */

/*= TS-0003 8.2.1 the key of SA1: Kpsa, or the key of a MAF or MEF while it is held. A key whose owner is known is
 * that of this AE or of nobody. */
static gh_err key_named(gh_host *host, gh_arena *arena, const gh_outbound_call *call, gh_str key_id,
                        gh_key_record *key)
{
  gh_err err = gh_keyring_find(host->keyring, arena, GH_KEY_KPSA, key_id, key);
  if (err == GH_OK && gh_str_empty(key->owner)) return GH_OK; /* bound to the AE when it registered */
  if (err == GH_OK) return gh_str_eq(key->owner, call->entity) ? GH_OK : GH_EAUTH;
  GH_REQUIRE(err == GH_ENOTFOUND, err);
  key->id = key_id;
  GH_TRY(gh_fetch_key(host->fetcher, key_id, &key->key, &key->not_after_us));
  return key->not_after_us > gh_host_now_us(host) ? GH_OK : GH_ENOTFOUND;
}

static gh_err with_key(gh_served *s, const gh_outbound_call *call, gh_str value, const gh_outbound_binding *binding,
                       gh_tls_client **out)
{
  gh_arena arena;
  gh_key_id parsed;
  gh_key_record key = {.key = {.len = 0}};
  gh_diag diag;
  GH_TRY(gh_key_id_parse(value, false, &parsed));
  gh_arena_init(&arena);
  gh_err err = key_named(s->host, &arena, call, gh_key_id_canonical(&arena, &parsed), &key);
  if (err == GH_ENOTFOUND) /* it has come with a later one since */
    err = gh_fetch_key_of(s->host->fetcher, &arena, call->entity, &key.id, &key.key);
  if (err == GH_OK) {
    pthread_mutex_lock(&s->found_lock);
    gh_tls_client_options options = {.tls = s->own.options, .psk_identity = key.id, .psk = &key.key};
    gh_runtime_fit_tls(binding, &options.tls);
    err = gh_tls_client_new(&options, out, &diag);
    pthread_mutex_unlock(&s->found_lock);
  }
  gh_secret_wipe(&key.key);
  gh_arena_free(&arena);
  return err;
}

/* ---- certificates and public keys */

static gh_err with_own(gh_served *s, const gh_outbound_binding *binding, gh_tls_client_options *options,
                       gh_tls_client **out)
{
  gh_diag diag = {""};
  pthread_mutex_lock(&s->found_lock);
  options->tls = s->own.options;
  gh_runtime_fit_tls(binding, &options->tls);
  gh_err err = gh_tls_client_new(options, out, &diag);
  pthread_mutex_unlock(&s->found_lock);
  if (err != GH_OK)
    GH_LOG(&s->runtime->log, GH_LOG_WARN, "registree-not-usable", GH_F("reason", (const char *)diag.text));
  return err;
}

/*= TS-0003 8.1.2.4; 8.2.1 in SA2 the name is expected that SA1 has proven, in a certificate of the same flavour */
static gh_err with_certificate(gh_served *s, gh_cert_flavour flavour, gh_str name, const gh_outbound_binding *binding,
                               gh_tls_client **out)
{
  gh_tls_client_options options = {.peer_name = name, .peer_flavour = flavour};
  return with_own(s, binding, &options, out);
}

/*= TS-0003 8.2.2.2 the public key itself */
static gh_err with_public_key(gh_served *s, gh_arena *arena, gh_str value, const gh_outbound_binding *binding,
                              gh_tls_client **out)
{
  gh_key_record key = {.key = {.len = 0}};
  GH_TRY(gh_keyring_find(s->host->keyring, arena, GH_KEY_RPK, value, &key)); /* not when it was taken away */
  gh_tls_client_options options = {.server_keys = value};
  return with_own(s, binding, &options, out);
}

/*= TS-0003 8.2.1; 10.4 SA2 by the Credential-ID that was bound to the AE in SA1 */
static gh_err client(void *ctx, const gh_outbound_call *call, const gh_outbound_binding *binding, gh_tls_client **out)
{
  gh_served *s = ctx;
  unsigned type;
  gh_str value;
  gh_arena arena;
  GH_REQUIRE(s->host, GH_ENOTFOUND);
  GH_TRY(gh_credential_id_parse(call->credential_id, &type, &value));
  switch (type) {
  case GH_CRED_SAEF_KEY: return with_key(s, call, value, binding, out);
  case GH_CRED_AE_CERT: return with_certificate(s, GH_CERT_AE_ID, call->entity, binding, out);
  case GH_CRED_NODE_CERT: return with_certificate(s, GH_CERT_NODE_ID, value, binding, out);
  case GH_CRED_DEVICE_CERT: return with_certificate(s, GH_CERT_DEVICE, value, binding, out);
  case GH_CRED_RPK: break;
  default: return GH_EAUTH; /* no credential of an AE */
  }
  gh_arena_init(&arena);
  gh_err err = with_public_key(s, &arena, value, binding, out);
  gh_arena_free(&arena);
  return err;
}

gh_point_source gh_runtime_point_source(gh_served *served)
{
  return (gh_point_source){
      .ctx = served, .mtu = (uint16_t)served->runtime->realm->limits.datagram_mtu, .find = find, .client = client};
}
