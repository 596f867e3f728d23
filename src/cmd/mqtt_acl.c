/* The rights of the table in TS-0010 7.4, line by line. Who is registered may use its own topics and nothing else;
 * who is not may ask for registration under its Credential-ID and nothing else. */
#include "cmd/mqtt_acl.h"

#include <stdlib.h>

#include "base/encoding.h"
#include "bind/mqtt_topic_codec.h"
#include "m2m/constants.h"
#include "m2m/key_id.h"

typedef struct line {
  gh_str user, text;
  size_t order; /* as it was made */
} line;

typedef struct list {
  const gh_mqtt_acl *acl;
  gh_arena arena;
  gh_str self; /* level of the CSE */
  line *lines;
  size_t count, cap;
  gh_node **children; /* references: of the base */
  size_t child_count;
} list;

/* `access` is "read" or "write". */
static void grant(list *l, gh_str user, const char *access, gh_mqtt_topic_kind kind, gh_str originator,
                  gh_str receiver)
{
  if (l->count == l->cap) {
    l->cap = l->cap ? l->cap * 2 : 64;
    l->lines = gh_realloc(l->lines, l->cap * sizeof *l->lines);
  }
  gh_str name = gh_mqtt_topic_kind_name(kind);
  gh_str text = gh_arena_fmt(&l->arena, "topic %s %.*s/oneM2M/%.*s/%.*s/%.*s/+", access, GH_STR_ARG(l->acl->prefix),
                             GH_STR_ARG(name), GH_STR_ARG(originator), GH_STR_ARG(receiver));
  l->lines[l->count] = (line){user, text, l->count};
  l->count++;
}

/* ---- rights */

/*= TS-0010 7.4 a CSE: requests to it, responses to what it asked; registrations, or none could reach it */
static void grant_cse(list *l, gh_str user, gh_str cse)
{
  grant(l, user, "read", GH_MQTT_REQ, GH_STR("+"), cse);
  grant(l, user, "read", GH_MQTT_REG_REQ, GH_STR("+"), cse);
  grant(l, user, "write", GH_MQTT_REG_RESP, GH_STR("+"), cse);
}

/* Between a CSE and one that it is registered with, or that is registered with it. */
static void grant_exchange(list *l, gh_str user, gh_str from, gh_str to)
{
  grant(l, user, "write", GH_MQTT_REQ, from, to);
  grant(l, user, "read", GH_MQTT_RESP, from, to);
  grant(l, user, "write", GH_MQTT_RESP, to, from);
}

/*= TS-0010 7.4 a registered AE and its registrar */
static void grant_ae(list *l, gh_str user, gh_str stem)
{
  grant(l, user, "read", GH_MQTT_REQ, l->self, stem);
  grant_exchange(l, user, stem, l->self);
}

/*= TS-0010 7.4 a CSE that is registered here */
static void grant_registree_cse(list *l, gh_str user, gh_str cse)
{
  grant_cse(l, user, cse);
  grant_exchange(l, user, cse, l->self);
}

/*= TS-0010 7.4 in all other cases registration, under the Credential-ID */
static void grant_registration(list *l, gh_str user, gh_str credential_id)
{
  gh_str level;
  if (gh_mqtt_level_of_credential(&l->arena, credential_id, &level) != GH_OK) return;
  grant(l, user, "write", GH_MQTT_REG_REQ, level, GH_STR("+"));
  grant(l, user, "read", GH_MQTT_REG_RESP, level, GH_STR("+"));
}

/* ---- who */

bool gh_mqtt_acl_user(gh_arena *arena, const gh_self *self, gh_str credential_id, gh_str *user)
{
  unsigned type;
  if (gh_credential_id_parse(credential_id, &type, user) != GH_OK) return false;
  if (type == GH_CRED_CSE_CERT && gh_id_fqdn_form(arena, self, *user, user) != GH_OK) return false;
  bool certificate = type == GH_CRED_CSE_CERT || type == GH_CRED_AE_CERT;
  bool key = type == GH_CRED_MEF_KEY || type == GH_CRED_MAF_KEY || type == GH_CRED_SAEF_KEY;
  return key || (certificate && user->len <= GH_MQTT_ACL_NAME_MAX); /* a longer name is none of the certificate's */
}

/* The stem of an AE of ours, SP-relative for others. */
static bool level_of(list *l, gh_str absolute, gh_str *level)
{
  gh_str id = gh_id_relative(&l->arena, &l->acl->host->config.self, absolute);
  return gh_mqtt_level_of_id(&l->arena, id, level) == GH_OK;
}

/* The registration of another provider's IN-CSE, or our picture of it: no broker stands between the two. */
static bool is_over_mccp(list *l, const gh_node *node)
{
  const gh_self *self = &l->acl->host->config.self;
  return gh_id_is_foreign(self, node->creator) || gh_str_eq(node->creator, gh_self_cse_absolute(&l->arena, self));
}

/* A registered AE or CSE: what the CSE may exchange with it, and what it may itself. */
static void take_registree(list *l, const gh_node *node)
{
  const gh_self *self = &l->acl->host->config.self;
  gh_str level, user;
  bool is_ae = node->ty == GH_TY_AE;
  if ((!is_ae && node->ty != GH_TY_REMOTE_CSE) || gh_str_eq(node->creator, l->acl->registrar)) return;
  if (is_over_mccp(l, node) || !level_of(l, node->creator, &level)) return;
  grant_exchange(l, l->acl->user, l->self, level);
  if (!gh_mqtt_acl_user(&l->arena, self, node->extra, &user)) return;
  if (is_ae)
    grant_ae(l, user, level);
  else
    grant_registree_cse(l, user, level);
}

static bool is_registered(const list *l, gh_str id)
{
  for (size_t i = 0; i < l->child_count; i++)
    if (l->children[i]->ty == GH_TY_AE && gh_str_eq(l->children[i]->creator, id)) return true;
  return false;
}

static bool is_credential_of_ae(const list *l, gh_str credential_id)
{
  for (size_t i = 0; i < l->child_count; i++)
    if (l->children[i]->ty == GH_TY_AE && gh_str_eq(l->children[i]->extra, credential_id)) return true;
  return false;
}

/* A provisioned key: its identifier is the user. */
static gh_err take_key(list *l, const gh_node *node)
{
  gh_val *attrs;
  gh_str owner = GH_STR_NONE, user = node->extra, level;
  if (node->ty != GH_TY_ASSOCIATION_KEY) return GH_OK;
  GH_TRY(gh_node_attrs(&l->arena, node, &attrs));
  gh_val_get_str(attrs, GH_STR("enid"), &owner);
  if (gh_id_is_foreign(&l->acl->host->config.self, owner)) return GH_OK;
  gh_str credential_id = gh_credential_id(&l->arena, GH_CRED_SAEF_KEY, user);
  if (owner.len && gh_id_parse(owner).kind == GH_ID_CSE && level_of(l, owner, &level)) {
    grant_registree_cse(l, user, level);
    grant(l, l->acl->user, "write", GH_MQTT_RESP, level, l->self); /* its registration comes as a request */
  } else if (owner.len && is_registered(l, owner) && level_of(l, owner, &level)) {
    grant_ae(l, user, level);
  } else if (!is_credential_of_ae(l, credential_id)) {
    grant_registration(l, user, credential_id);
  }
  return GH_OK;
}

/* ---- the file */

static int compare_texts(gh_str a, gh_str b)
{
  int order = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);
  return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare(const void *a, const void *b)
{
  const line *x = a, *y = b;
  int order = compare_texts(x->user, y->user);
  if (!order) order = compare_texts(x->text, y->text);
  return order ? order : (x->order > y->order) - (x->order < y->order);
}

static void write_lines(list *l, gh_mqtt_acl *acl, gh_buf *out)
{
  if (l->count) qsort(l->lines, l->count, sizeof *l->lines, compare);
  gh_buf_fmt(out, "# Who may use which topics of /%.*s (TS-0010 7.4). Made by gatehouse cse mqtt-acl: do not edit.\n",
             GH_STR_ARG(acl->host->config.self.cse_id));
  for (size_t i = 0; i < l->count; i++) {
    const line *at = &l->lines[i], *before = i ? at - 1 : NULL;
    bool same_user = before && gh_str_eq(before->user, at->user);
    if (same_user && gh_str_eq(before->text, at->text)) continue;
    if (!same_user) {
      gh_buf_fmt(out, "\nuser %.*s\n", GH_STR_ARG(at->user));
      acl->user_count++;
    }
    gh_buf_fmt(out, "%.*s\n", GH_STR_ARG(at->text));
  }
}

static gh_err fill(list *l)
{
  gh_str registrar;
  GH_REQUIRE(level_of(l, gh_self_cse_absolute(&l->arena, &l->acl->host->config.self), &l->self), GH_EINVAL);
  grant_cse(l, l->acl->user, l->self);
  if (l->acl->registrar.len && level_of(l, l->acl->registrar, &registrar))
    grant_exchange(l, l->acl->user, l->self, registrar);
  for (size_t i = 0; i < l->child_count; i++) {
    take_registree(l, l->children[i]);
    GH_TRY(take_key(l, l->children[i]));
  }
  return GH_OK;
}

static size_t children_of_base(gh_host *host, gh_node ***out)
{
  gh_node *base = gh_tree_base(host->tree, GH_VIEW_COMMITTED);
  size_t most = gh_tree_count(host->tree);
  *out = gh_calloc(most + 1, sizeof **out);
  size_t count = base ? gh_tree_children(host->tree, GH_VIEW_COMMITTED, base->ri, false, *out, most) : 0;
  gh_node_unref(base);
  return count;
}

static void release(gh_node **nodes, size_t count)
{
  for (size_t i = 0; i < count; i++) gh_node_unref(nodes[i]);
  free(nodes);
}

gh_err gh_mqtt_acl_write(gh_mqtt_acl *acl, gh_buf *out, gh_diag *diag)
{
  list l = {.acl = acl};
  gh_arena_init(&l.arena);
  l.child_count = children_of_base(acl->host, &l.children);
  acl->user_count = 0;
  gh_err err = fill(&l);
  if (err == GH_OK)
    write_lines(&l, acl, out);
  else
    gh_fail(diag, err, "a resource of the CSE cannot be read");
  release(l.children, l.child_count);
  free(l.lines);
  gh_arena_free(&l.arena);
  return err;
}

static int by_key_id(const void *a, const void *b)
{
  const gh_node *const *x = a, *const *y = b;
  return compare_texts((*x)->extra, (*y)->extra);
}

/*= TS-0010 7.3 the broker is Entity B and holds the keys that its clients prove. Not that of another provider, whose
 * IN-CSE and ours prove it to each other: whoever runs the broker could be either */
static gh_err write_key(gh_host *host, const gh_node *node, gh_buf *out, size_t *count)
{
  gh_key_record record = {.key = {.len = 0}};
  gh_arena arena;
  gh_arena_init(&arena);
  gh_err err = gh_keyring_find(host->keyring, &arena, GH_KEY_KPSA, node->extra, &record);
  if (err == GH_OK && !gh_id_is_foreign(&host->config.self, record.owner)) {
    char *at = gh_buf_reserve(out, node->extra.len + 2 * record.key.len + 2), *begin = at;
    at += snprintf(at, node->extra.len + 2, "%.*s:", GH_STR_ARG(node->extra));
    for (size_t i = 0; i < record.key.len; i++) at += snprintf(at, 3, "%02x", record.key.bytes[i]);
    *at++ = '\n';
    gh_buf_added(out, (size_t)(at - begin));
    ++*count;
  }
  gh_secret_wipe(&record.key);
  gh_arena_free(&arena);
  return err == GH_EEXPIRED ? GH_OK : err;
}

gh_err gh_mqtt_psk_write(gh_host *host, gh_buf *out, size_t *count, gh_diag *diag)
{
  gh_node **children;
  size_t n = children_of_base(host, &children), keys = 0;
  gh_node **sorted = gh_calloc(n + 1, sizeof *sorted);
  for (size_t i = 0; i < n; i++)
    if (children[i]->ty == GH_TY_ASSOCIATION_KEY) sorted[keys++] = children[i];
  if (keys) qsort(sorted, keys, sizeof *sorted, by_key_id);
  gh_err err = GH_OK;
  *count = 0;
  gh_buf_reserve(out, keys * 512 + 1); /* never moved: no copy of a key stays behind */
  for (size_t i = 0; i < keys && err == GH_OK; i++) err = write_key(host, sorted[i], out, count);
  free(sorted);
  release(children, n);
  return err == GH_OK ? GH_OK : gh_fail(diag, err, "a provisioned key cannot be read: %s", gh_err_name(err));
}
