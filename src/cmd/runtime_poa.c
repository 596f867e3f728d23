/* Where another function is: as the configuration says, else, for a registered CSE, as its <remoteCSE> says. Whoever
 * answers there must prove the CSE-ID all the same. */
#include <stdlib.h>

#include "cmd/reach.h"
#include "cmd/runtime.h"

enum { FOUND_MAX = 4096 };

struct gh_runtime_found { /* a CSE that the configuration does not know; kept until the end */
  struct gh_runtime_found *next;
  gh_outbound_peer http;
  gh_runtime_peer peer;
  gh_str entity, fqdn;
};

/* ---- addresses */

/* address NULL: that there is such a place is all that is asked. */
static gh_err resolve(const gh_served *s, const char *host, uint16_t port, struct sockaddr_storage *address,
                      socklen_t *len)
{
  return address ? gh_names_find(s->runtime->names, host, port, address, len) : GH_OK;
}

/* The operator has said where, and nowhere else. */
static bool is_placed(const gh_realm_function *f)
{
  return !gh_str_eq(f->endpoint, GH_STR("auto")) || !gh_str_ends(f->reach, GH_STR("://auto"));
}

gh_err gh_runtime_address(void *ctx, gh_str fqdn, size_t choice, struct sockaddr_storage *address, socklen_t *len,
                          const gh_outbound_binding **binding)
{
  const gh_runtime_peer *peer = ctx;
  const gh_served *s = peer->served;
  char host[GH_ENDPOINT_HOST_BYTES];
  uint16_t port;
  gh_diag diag;
  gh_poa point;
  gh_str entity;
  const gh_realm_function *f = gh_realm_function_of(s->runtime->realm, fqdn);
  bool placed = f && gh_reach_endpoint(s->runtime->realm, f, host, &port, &diag) == GH_OK;
  bool only = f && is_placed(f);
  if (placed && choice == 0) return resolve(s, host, port, address, len);
  GH_REQUIRE(s->host && s->function->kind == GH_REALM_CSE && !only, GH_ENOTFOUND);
  gh_arena arena;
  gh_arena_init(&arena);
  entity = gh_arena_fmt(&arena, "//%.*s/%.*s", GH_STR_ARG(s->runtime->realm->sp_fqdn),
                        GH_STR_ARG(f ? f->cse_id : gh_str_sub(fqdn, 0, gh_str_find(fqdn, '.'))));
  gh_err err = gh_runtime_nth_point(peer->served, entity, choice - placed, &point);
  gh_arena_free(&arena);
  GH_TRY(err);
  *binding = gh_runtime_binding_of(point.scheme);
  return resolve(s, point.at.host, point.at.port, address, len);
}

/* ---- peers that are found later; the lock is held */

static struct gh_runtime_found *new_found(gh_served *s, gh_str entity)
{
  gh_arena arena;
  gh_str fqdn;
  gh_diag diag = {""};
  struct gh_runtime_found *f = gh_calloc(1, sizeof *f);
  gh_arena_init(&arena);
  gh_err err = gh_id_fqdn_form(&arena, &s->host->config.self, entity, &fqdn);
  /* one that the configuration knows, and nobody can connect to */
  if (err == GH_OK && gh_realm_function_of(s->runtime->realm, fqdn)) err = GH_ENOTFOUND;
  if (err == GH_OK) {
    f->entity = gh_str_clone(entity);
    f->fqdn = gh_str_clone(fqdn);
    f->http.binding = &gh_http_outbound;
    err = gh_runtime_init_peer(s, &f->http, &f->peer, f->fqdn, &s->own.options, &diag);
  }
  gh_arena_free(&arena);
  if (err == GH_OK) {
    f->http.entity = f->entity;
    f->http.endpoint_at = gh_runtime_address;
    return f;
  }
  GH_LOG(&s->runtime->log, GH_LOG_ERROR, "peer-not-usable", GH_F("entity", entity),
         GH_F("reason", (const char *)diag.text));
  gh_str_release(&f->entity);
  gh_str_release(&f->fqdn);
  free(f);
  return NULL;
}

static struct gh_runtime_found *known(gh_served *s, gh_str entity, size_t *count)
{
  *count = 0;
  for (struct gh_runtime_found *f = s->found; f; f = f->next, ++*count)
    if (gh_str_eq(f->entity, entity)) return f;
  return NULL;
}

/*= TS-0003 8.2.1 SA2 towards a registree that can be reached */
const gh_outbound_peer *gh_runtime_find_peer(void *served, gh_str entity)
{
  gh_served *s = served;
  gh_poa ignored;
  size_t count;
  if (!s->host || gh_runtime_nth_point(s, entity, 0, &ignored) != GH_OK) return NULL;
  pthread_mutex_lock(&s->found_lock);
  struct gh_runtime_found *f = known(s, entity, &count);
  if (!f && count < FOUND_MAX && (f = new_found(s, entity)) != NULL) {
    f->next = s->found;
    s->found = f;
  }
  pthread_mutex_unlock(&s->found_lock);
  return f ? &f->http : NULL;
}

/* ---- their credentials */

static void drop_own(gh_runtime_own *own)
{
  gh_wipe((void *)(uintptr_t)own->key_pem.ptr, own->key_pem.len);
  gh_str_release(&own->chain_pem);
  gh_str_release(&own->key_pem);
  gh_str_release(&own->anchors_pem);
  for (size_t i = 0; i < GH_CERT_FLAVOURS; i++) gh_str_release(&own->anchors_for[i]);
}

void gh_runtime_keep_own(gh_served *s, const gh_tls_options *own)
{
  pthread_mutex_lock(&s->found_lock);
  drop_own(&s->own);
  s->own = (gh_runtime_own){.options = *own,
                            .chain_pem = gh_str_clone(own->chain_pem),
                            .key_pem = gh_str_clone(own->key_pem),
                            .anchors_pem = gh_str_clone(own->anchors_pem)};
  s->own.options.hosts = NULL; /* of the server alone */
  s->own.options.host_count = 0;
  s->own.options.guests = NULL;
  s->own.options.guest_count = 0;
  s->own.options.chain_pem = s->own.chain_pem;
  s->own.options.key_pem = s->own.key_pem;
  s->own.options.anchors_pem = s->own.anchors_pem;
  for (size_t i = 0; i < GH_CERT_FLAVOURS; i++)
    s->own.options.anchors_for[i] = s->own.anchors_for[i] = gh_str_clone(own->anchors_for[i]);
  pthread_mutex_unlock(&s->found_lock);
}

gh_err gh_runtime_renew_found(gh_served *s, const gh_tls_options *own, gh_diag *diag)
{
  gh_tls_options kept = *own;
  kept.tls13 = s->own.options.tls13;
  kept.require_ems = true;
  gh_runtime_keep_own(s, &kept);
  gh_err err = GH_OK;
  pthread_mutex_lock(&s->found_lock);
  for (struct gh_runtime_found *f = s->found; f && err == GH_OK; f = f->next)
    err = gh_runtime_renew_peer(&f->http, &f->peer, own, diag);
  pthread_mutex_unlock(&s->found_lock);
  return err;
}

void gh_runtime_free_found(gh_served *s)
{
  for (struct gh_runtime_found *f = s->found, *next; f; f = next) {
    next = f->next;
    gh_runtime_clear_peer(&f->http, &f->peer);
    gh_str_release(&f->entity);
    gh_str_release(&f->fqdn);
    free(f);
  }
  gh_runtime_free_points(s);
  drop_own(&s->own);
  pthread_mutex_destroy(&s->found_lock);
}
