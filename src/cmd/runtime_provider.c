/* The IN-CSEs of other service providers: who they are for the host, which anchors count for them, and how they are
 * called. Which providers there are is fixed at the start; their anchors are read again on SIGHUP. */
#include "cmd/runtime.h"

void gh_runtime_use_providers(gh_served *s, gh_host_config *config)
{
  if (gh_realm_is_in_cse(s->function)) gh_runtime_tell_providers(s->runtime->realm, s->runtime->providers, config);
}

void gh_runtime_tell_providers(const gh_realm *realm, gh_provider *out, gh_host_config *config)
{
  for (size_t i = 0; i < realm->provider_count; i++) {
    const gh_realm_provider *p = &realm->providers[i];
    out[i] = (gh_provider){.cse = p->cse,
                           .fqdn = p->fqdn,
                           .certificate = p->anchors.len > 0,
                           .called = gh_reach_named(p->reach) != GH_REACH_NONE,
                           .may_register = p->may_register,
                           .registers = p->registers};
  }
  config->providers = out;
  config->provider_count = realm->provider_count;
}

gh_err gh_runtime_read_guests(gh_served *s, gh_arena *arena, gh_tls_options *own, gh_diag *diag)
{
  return gh_realm_is_in_cse(s->function) ? gh_realm_guests(s->runtime->realm, arena, own, diag) : GH_OK;
}

/*= TS-0003 8.1.2.4 the anchors that were configured for this entity, and not those of our own realm */
gh_tls_options gh_runtime_options_for(const gh_realm_provider *provider, const gh_tls_options *own)
{
  gh_tls_options options = *own;
  if (!provider) return options;
  options.anchors_pem = GH_STR_NONE;
  for (size_t i = 0; i < GH_CERT_FLAVOURS; i++) options.anchors_for[i] = GH_STR_NONE;
  for (size_t i = 0; i < own->guest_count; i++)
    if (gh_str_eq(own->guests[i].fqdn, provider->fqdn)) options.anchors_pem = own->guests[i].anchors_pem;
  return options;
}

/*= TS-0001 6.5.2.2 where the IN-CSE of the target's domain is */
static gh_err endpoint(void *ctx, gh_str fqdn, struct sockaddr_storage *address, socklen_t *len)
{
  const gh_runtime_peer *peer = ctx;
  char host[GH_ENDPOINT_HOST_BYTES];
  uint16_t port;
  gh_diag diag;
  (void)fqdn;
  GH_TRY(gh_reach_place(peer->provider->reach, host, &port, &diag));
  return gh_names_find(peer->served->runtime->names, host, port, address, len);
}

/*= TS-0003 8.2.1 on Mcc' either IN-CSE opens an association with the other: Kpsa where there is one, else
 * certificates */
static gh_err add_provider(gh_served *s, const gh_realm_provider *p, const gh_tls_options *own, gh_diag *diag)
{
  gh_outbound_peer *http = &s->peers[s->peer_count];
  gh_runtime_peer *peer = &s->peer_keys[s->peer_count];
  gh_tls_options tls = gh_runtime_options_for(p, own);
  http->binding = gh_runtime_binding(gh_reach_named(p->reach));
  GH_TRY(gh_runtime_init_peer(s, http, peer, p->fqdn, &tls, diag));
  http->entity = p->cse;
  http->endpoint = endpoint;
  peer->provider = p;
  s->peer_count++;
  return GH_OK;
}

gh_err gh_runtime_add_providers(gh_served *s, const gh_tls_options *own, gh_diag *diag)
{
  const gh_realm *realm = s->runtime->realm;
  if (!gh_realm_is_in_cse(s->function)) return GH_OK;
  for (size_t i = 0; i < realm->provider_count; i++)
    if (gh_reach_named(realm->providers[i].reach) != GH_REACH_NONE)
      GH_TRY(add_provider(s, &realm->providers[i], own, diag));
  return GH_OK;
}
