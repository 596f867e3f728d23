/* From the name in a verified certificate to the entity it stands for. */
#include "host/host.h"
#include "m2m/key_id.h"

bool gh_host_lists(const gh_str *names, size_t count, gh_str fqdn)
{
  for (size_t i = 0; i < count; i++)
    if (gh_str_eq_nocase(names[i], fqdn)) return true;
  return false;
}

/* "<cse>.<in-cse>.<sp>" or "<in-cse>.<sp>" -> absolute CSE-ID (TS-0001 6.5.1.1) */
static gh_err cse_of_domain(gh_arena *arena, const gh_self *self, gh_str domain, gh_str *out)
{
  gh_str suffix = gh_arena_fmt(arena, ".%.*s", GH_STR_ARG(self->sp_fqdn));
  GH_REQUIRE(gh_str_ends(domain, suffix), GH_EAUTH);
  gh_str front = gh_str_sub(domain, 0, domain.len - suffix.len), stem, in_cse = self->in_cse;
  GH_REQUIRE(gh_str_split(&front, '.', &stem) && stem.len, GH_EAUTH);
  if (front.ptr) GH_REQUIRE(gh_str_split(&front, '.', &in_cse) && !front.ptr, GH_EAUTH);
  GH_REQUIRE(gh_str_eq(in_cse, self->in_cse), GH_EAUTH);
  *out = gh_arena_fmt(arena, "//%.*s/%.*s", GH_STR_ARG(self->sp_fqdn), GH_STR_ARG(stem));
  return GH_OK;
}

static gh_err name_ae(gh_arena *arena, const gh_host_config *c, gh_str name, gh_peer *found)
{
  GH_TRY(gh_id_absolute(arena, &c->self, name, &found->id));
  found->kind = GH_PEER_AE;
  found->credential_id = gh_credential_id(arena, GH_CRED_AE_CERT, found->id);
  return GH_OK;
}

static gh_err name_domain(gh_arena *arena, const gh_host_config *c, gh_str name, gh_peer *found)
{
  if (gh_host_lists(c->mafs, c->maf_count, name) || gh_host_lists(c->mefs, c->mef_count, name)) {
    found->kind = GH_PEER_FUNCTION;
    found->id = name;
    found->credential_id = gh_credential_id(arena, GH_CRED_CSE_CERT, name);
    return GH_OK;
  }
  /*= TS-0003 8.1.2.5 of another flavour than the configured one */
  GH_REQUIRE(!gh_host_lists(c->keyed_cses, c->keyed_cse_count, name), GH_EAUTH);
  /*= TS-0003 8.2.2.2 over Mcc': link/ has verified it against the anchors of that provider and no others */
  const gh_provider *other = gh_provider_certified(c, name);
  if (other)
    found->id = other->cse;
  else
    GH_TRY(cse_of_domain(arena, &c->self, name, &found->id));
  found->kind = GH_PEER_CSE;
  found->credential_id = gh_credential_id(arena, GH_CRED_CSE_CERT, found->id);
  return GH_OK;
}

/*= TS-0003 8.2.2.2; a node or a device is a credential: whom it stands for is assigned, or found when it registers */
static gh_err name_credential(gh_arena *arena, gh_cred_type type, gh_str name, gh_peer *found)
{
  found->kind = GH_PEER_CREDENTIAL;
  found->credential_id = gh_credential_id(arena, type, name);
  return GH_OK;
}

/*= TS-0003 8.2.2.2; 8.1.2.1; 10.1.3; the flavour of the certificate says what kind of entity it names */
gh_err gh_host_name_peer(gh_host *host, gh_cert_flavour flavour, gh_str name, int64_t not_after_us, gh_peer *peer)
{
  gh_arena arena;
  gh_arena_init(&arena);
  gh_peer found = {.kind = GH_PEER_NONE, .method = GH_METHOD_CERTIFICATE, .not_after_us = not_after_us};
  gh_err err = GH_EAUTH;
  if (flavour == GH_CERT_AE_ID) err = name_ae(&arena, &host->config, name, &found);
  if (flavour == GH_CERT_CSE_ID || flavour == GH_CERT_FQDN) err = name_domain(&arena, &host->config, name, &found);
  if (flavour == GH_CERT_NODE_ID) err = name_credential(&arena, GH_CRED_NODE_CERT, name, &found);
  if (flavour == GH_CERT_DEVICE) err = name_credential(&arena, GH_CRED_DEVICE_CERT, name, &found);
  if (err == GH_OK) gh_peer_copy(peer, &found);
  gh_arena_free(&arena);
  return err;
}
