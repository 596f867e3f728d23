/* The points of access of a registered CSE: which of them are for us, and why the others are not. Nothing here says
 * who is there. */
#include <stdlib.h>

#include "cmd/mqtt_acl.h"
#include "cmd/poa.h"
#include "cmd/runtime.h"
#include "cse/registration.h"
#include "host/provisioned_key.h"

enum { SAID_MAX = 4096 };

/* What was looked at when it was last said which entries are passed over: once for each change. */
struct gh_runtime_said {
  struct gh_runtime_said *next;
  gh_str entity, looked_at;
};

typedef struct points {
  const gh_val *first; /* entries of pointOfAccess; NULL: not registered, or not request-reachable */
  gh_str credential_id;
} points;

static points points_of(gh_host *host, gh_arena *arena, gh_str entity)
{
  gh_val *attrs = NULL;
  bool reachable = false;
  points p = {.first = NULL};
  /*= TS-0001 6.5.4 over Mcc' the agreement says where, never what the other side has registered with */
  if (gh_id_is_foreign(&host->config.self, entity)) return p;
  gh_node *node = gh_tree_by_id(host->tree, GH_VIEW_COMMITTED, gh_remote_cse_id(arena, &host->config.self, entity));
  bool own = node && gh_str_eq(node->creator, entity) && gh_node_attrs(arena, node, &attrs) == GH_OK;
  if (own) p.credential_id = gh_arena_dup(arena, node->extra);
  gh_node_unref(node);
  if (!own || !gh_val_get_bool(attrs, GH_STR("rr"), &reachable) || !reachable) return p;
  const gh_val *list = gh_val_get(attrs, GH_STR("poa"));
  if (list && list->type == GH_VAL_ARRAY) p.first = list->u.array.first;
  return p;
}

/* ---- why not */

gh_err gh_runtime_pass_over(const gh_served *s, gh_str entity, gh_str point, const char *why)
{
  GH_LOG(&s->runtime->log, GH_LOG_WARN, "point-of-access-passed-over", GH_F("entity", entity), GH_F("point", point),
         GH_F("reason", why));
  return GH_EUNSUPPORTED;
}

const gh_outbound_binding *gh_runtime_binding_of(gh_poa_scheme scheme)
{
  switch (scheme) {
  case GH_POA_HTTPS: return &gh_http_outbound;
  case GH_POA_COAPS: return &gh_coap_outbound;
  case GH_POA_COAPS_TCP: return &gh_coap_tcp_outbound;
  case GH_POA_MQTTS: break;
  }
  return NULL;
}

static bool is_listener(gh_str text, const gh_poa *poa)
{
  gh_endpoint at;
  return gh_endpoint_parse(text, &at) == GH_OK && at.port == poa->at.port &&
         gh_str_eq_nocase(gh_str_of(at.host), gh_str_of(poa->at.host));
}

/*= TS-0010 6.6; TS-0010 7.2 whom topics name is believed of one broker only, and a registree does not choose it */
static const char *why_not_broker(const gh_served *s, const gh_poa *poa)
{
  const gh_realm_mqtt *own = &s->function->mqtt;
  bool known = own->broker.len && is_listener(own->broker, poa);
  for (size_t i = 0; i < own->listeners.count && !known; i++) known = is_listener(own->listeners.items[i], poa);
  if (!known) return "not the broker of this CSE";
  if (!own->enforces) return "the broker enforces no list of ours";
  return gh_str_eq(poa->prefix, own->prefix) ? NULL : "another prefix of topics";
}

static const char *why_not_proven(const gh_served *s, gh_str credential_id)
{
  gh_arena arena;
  gh_str user;
  gh_arena_init(&arena);
  bool told = gh_mqtt_acl_user(&arena, &s->host->config.self, credential_id, &user);
  gh_arena_free(&arena);
  if (!told) return "the broker cannot tell who proves this credential";
  return gh_provisioned_key_is_gone(s->host, credential_id) ? "its key has been taken away" : NULL;
}

/*= TS-0003 8.2.1; TS-0010 7.2; TS-0010 7.4 our list lets nobody read what we publish for a registree, and nobody
 * answer for it, but whoever proves to the broker the credential that it registered with */
const char *gh_runtime_why_not_at_broker(const gh_served *s, const gh_poa *poa, gh_str credential_id)
{
  const char *why = why_not_broker(s, poa);
  return why ? why : why_not_proven(s, credential_id);
}

/* NULL: it is for us. */
static const char *why_not(const gh_served *s, const points *p, gh_str point, gh_poa *poa)
{
  if (gh_poa_parse(point, s->runtime->realm->sp_fqdn, poa) != GH_OK) return poa->why;
  if (gh_runtime_binding_of(poa->scheme)) return NULL;
  /* a CSE without a Credential-ID has registered through the broker, which knew it then as it does now */
  return gh_str_empty(p->credential_id) ? why_not_broker(s, poa)
                                        : gh_runtime_why_not_at_broker(s, poa, p->credential_id);
}

/* ---- said once */

static gh_str as_text(gh_arena *arena, const points *p)
{
  gh_buf text = GH_BUF_INIT;
  gh_buf_add(&text, p->credential_id);
  for (const gh_val *v = p->first; v; v = v->next)
    if (v->type == GH_VAL_STR) gh_buf_fmt(&text, "\n%.*s", GH_STR_ARG(v->u.str));
  gh_str out = gh_arena_dup(arena, gh_buf_str(&text));
  gh_buf_free(&text);
  return out;
}

static bool is_news(gh_served *s, gh_str entity, gh_str looked_at)
{
  size_t count = 0;
  pthread_mutex_lock(&s->found_lock);
  struct gh_runtime_said *said = s->said;
  for (; said && !gh_str_eq(said->entity, entity); said = said->next) count++;
  bool news = said ? !gh_str_eq(said->looked_at, looked_at) : count < SAID_MAX;
  if (news && !said) {
    said = gh_calloc(1, sizeof *said);
    *said = (struct gh_runtime_said){.next = s->said, .entity = gh_str_clone(entity)};
    s->said = said;
  }
  if (news) {
    gh_str_release(&said->looked_at);
    said->looked_at = gh_str_clone(looked_at);
  }
  pthread_mutex_unlock(&s->found_lock);
  return news;
}

static void say_which_not(gh_served *s, gh_arena *arena, gh_str entity, const points *p)
{
  gh_poa poa;
  if (!p->first || !is_news(s, entity, as_text(arena, p))) return;
  for (const gh_val *v = p->first; v; v = v->next) {
    const char *why = v->type == GH_VAL_STR ? why_not(s, p, v->u.str, &poa) : NULL;
    if (why) gh_runtime_pass_over(s, entity, v->u.str, why);
  }
}

void gh_runtime_free_points(gh_served *s)
{
  for (struct gh_runtime_said *said = s->said, *next; said; said = next) {
    next = said->next;
    gh_str_release(&said->entity);
    gh_str_release(&said->looked_at);
    free(said);
  }
  s->said = NULL;
}

/* ---- which */

/*= TS-0004 7.3.2.6 the entries of pointOfAccess in their order; those that are not for us are passed over */
gh_err gh_runtime_nth_point(gh_served *s, gh_str entity, size_t n, gh_poa *out)
{
  gh_arena arena;
  gh_err err = GH_ENOTFOUND;
  gh_arena_init(&arena);
  points p = points_of(s->host, &arena, entity);
  say_which_not(s, &arena, entity, &p);
  for (const gh_val *v = p.first; v && err != GH_OK; v = v->next) {
    bool usable = v->type == GH_VAL_STR && gh_poa_parse(v->u.str, s->runtime->realm->sp_fqdn, out) == GH_OK &&
                  gh_runtime_binding_of(out->scheme) && n-- == 0;
    if (usable) err = GH_OK;
  }
  gh_arena_free(&arena);
  return err;
}

bool gh_runtime_is_at_broker(void *served, gh_str entity)
{
  gh_served *s = served;
  gh_arena arena;
  gh_str fqdn;
  gh_poa poa = {.scheme = GH_POA_HTTPS};
  bool found = false;
  if (!s->host || !gh_str_starts(entity, GH_STR("//"))) return false; /* a function without resources */
  gh_arena_init(&arena);
  /* CSEs of other providers are where the operator has said, as those that the configuration knows */
  bool ours = gh_str_starts(entity, gh_arena_fmt(&arena, "//%.*s/", GH_STR_ARG(s->runtime->realm->sp_fqdn)));
  bool strange = ours && gh_id_fqdn_form(&arena, &s->host->config.self, entity, &fqdn) == GH_OK &&
                 !gh_realm_function_of(s->runtime->realm, fqdn);
  points p = {.first = NULL};
  if (strange) p = points_of(s->host, &arena, entity);
  for (const gh_val *v = p.first; v && !found; v = v->next)
    found = v->type == GH_VAL_STR && !why_not(s, &p, v->u.str, &poa);
  bool at_broker = found && poa.scheme == GH_POA_MQTTS;
  if (at_broker) say_which_not(s, &arena, entity, &p);
  gh_arena_free(&arena);
  return at_broker;
}
