/* Who may come to a device that listens (SA2, TS-0003 8.2.1): its registrar, by the credential of the device's own
 * associations with it, and nobody else by anything. */
#include "client/device_server_private.h"
#include "crypto/public_key_id.h"
#include "m2m/key_id.h"

/* The key that the identity names, if it is one that the device and its registrar share for their associations. */
static gh_err find_shared(gh_device *device, gh_str id, gh_secret *out)
{
  const gh_device_state *s = &device->state;
  switch (gh_device_usual_key(device)) {
  case GH_DEVICE_KEY_MAF: return gh_se_use_psk(device->se, &device->clock, GH_SE_KC, id, out);
  case GH_DEVICE_KEY_MEF:
    GH_REQUIRE(gh_str_eq(id, s->mef_key_id), GH_ENOTFOUND);
    return gh_se_use_psk(device->se, &device->clock, GH_SE_KPSA, id, out);
  case GH_DEVICE_KEY_PSK:
    GH_REQUIRE(gh_str_eq(id, s->kpsa_id), GH_ENOTFOUND);
    return gh_se_use_psk(device->se, &device->clock, GH_SE_KPSA, id, out);
  case GH_DEVICE_KEY_PUBLIC: /* see name_public_key */
  case GH_DEVICE_KEY_CERTIFICATE: /* see name_peer */ break;
  }
  return GH_ENOTFOUND;
}

static gh_peer registrar_of(gh_arena *arena, const gh_device_config *c)
{
  return (gh_peer){.kind = GH_PEER_CSE,
                   .id = gh_arena_fmt(arena, "//%.*s/%.*s", GH_STR_ARG(c->sp_id), GH_STR_ARG(c->cse_id))};
}

/*= TS-0003 8.2.1 SA2: the credential of SA1, with the roles changed */
static gh_err find_psk(void *ctx, gh_psk_query *query)
{
  gh_device_server *server = ctx;
  gh_device *device = server->device;
  const gh_device_config *c = &device->config;
  gh_key_id parsed;
  query->why = "identity-malformed";
  GH_TRY(gh_key_id_parse(query->identity, false, &parsed));
  /* The key serves in both directions: our own call to the registrar, sent back to us, names the registrar. */
  query->why = "reflected";
  GH_REQUIRE(!gh_str_eq_nocase(query->server_name, c->cse.fqdn), GH_EAUTH);
  gh_arena arena;
  gh_arena_init(&arena);
  gh_str id = gh_key_id_canonical(&arena, &parsed);
  gh_err err = find_shared(device, id, &query->key);
  query->why = err == GH_EEXPIRED ? "expired" : "unknown-identity";
  if (err == GH_OK) {
    gh_peer peer = registrar_of(&arena, c);
    peer.method = GH_METHOD_PSK;
    peer.credential_id = gh_credential_id(&arena, GH_CRED_SAEF_KEY, id);
    peer.key_id = id;
    gh_peer_copy(&query->peer, &peer);
  }
  gh_arena_free(&arena);
  return err;
}

/*= TS-0003 8.2.1; 8.2.2.2 SA2 with raw public keys: that of the registrar is one of those that the device was told */
static gh_err name_public_key(void *ctx, gh_str spki, gh_peer *out)
{
  const gh_device_server *server = ctx;
  gh_str rest = server->device->state.cse_key_ids, one;
  gh_public_key_id id;
  bool known = false;
  while (!known && gh_str_split(&rest, ' ', &one))
    known = one.len && gh_public_key_id_parse(one, &id) == GH_OK && gh_public_key_id_matches(&id, spki);
  GH_REQUIRE(known, GH_ENOTFOUND);
  gh_arena arena;
  gh_arena_init(&arena);
  gh_peer peer = registrar_of(&arena, &server->device->config);
  peer.method = GH_METHOD_PUBLIC_KEY;
  gh_peer_copy(out, &peer);
  gh_arena_free(&arena);
  return GH_OK;
}

/*= TS-0003 8.2.1; TS-0003 8.2.2.2 SA2 with certificates: that of the registrar, by the name that SA1 expects of it. A
 * device with another credential takes none. */
static gh_err name_peer(void *ctx, gh_cert_flavour flavour, gh_str name, int64_t not_after_us, gh_peer *out)
{
  const gh_device_server *server = ctx;
  const gh_device_config *c = &server->device->config;
  GH_REQUIRE(gh_device_usual_key(server->device) == GH_DEVICE_KEY_CERTIFICATE, GH_EAUTH);
  GH_REQUIRE(flavour == GH_CERT_CSE_ID && gh_str_eq_nocase(name, c->cse.fqdn), GH_EAUTH);
  gh_arena arena;
  gh_arena_init(&arena);
  gh_peer peer = registrar_of(&arena, c);
  peer.method = GH_METHOD_CERTIFICATE;
  peer.not_after_us = not_after_us;
  gh_peer_copy(out, &peer);
  gh_arena_free(&arena);
  return GH_OK;
}

void gh_device_server_peers(gh_device_server *server)
{
  server->source = (gh_key_source){.ctx = server, .find_psk = find_psk, .name_peer = name_peer};
  if (gh_device_usual_key(server->device) == GH_DEVICE_KEY_PUBLIC) server->source.name_public_key = name_public_key;
}
