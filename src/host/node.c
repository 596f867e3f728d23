/* Versions of resources: made from attributes, or loaded from a row. One allocation each. */
#include "host/node.h"

#include <stdlib.h>

#include "m2m/constants.h"
#include "m2m/json.h"
#include "m2m/m2m_time.h"

static gh_str place(char **at, gh_str s)
{
  char *start = *at;
  if (s.len) memcpy(start, s.ptr, s.len);
  start[s.len] = '\0';
  *at += s.len + 1;
  return (gh_str){start, s.len};
}

static gh_err compile(gh_node *node, const gh_val *attrs, const gh_self *self, gh_diag *diag)
{
  const gh_val *pv = gh_val_get(attrs, GH_STR("pv"));
  const gh_val *pvs = gh_val_get(attrs, GH_STR("pvs"));
  if (!pv || !pvs) return gh_fail(diag, GH_ESYNTAX, "pv and pvs are mandatory");
  GH_TRY(gh_policy_compile(pv, self, &node->pv, diag));
  return gh_policy_compile(pvs, self, &node->pvs, diag);
}

/* The acpi strings are copied behind the node's other text. */
static void take_acpi(gh_node *node, const gh_val *attrs)
{
  const gh_val *acpi = gh_val_get(attrs, GH_STR("acpi"));
  if (!acpi || acpi->type != GH_VAL_ARRAY || acpi->u.array.count == 0) return;
  node->acpi = gh_calloc(acpi->u.array.count, sizeof *node->acpi);
  for (const gh_val *v = acpi->u.array.first; v; v = v->next)
    if (v->type == GH_VAL_STR) node->acpi[node->acpi_count++] = gh_str_clone(v->u.str);
}

static int64_t limit_of(const gh_val *attrs, gh_str name)
{
  int64_t limit;
  return gh_val_get_int(attrs, name, &limit) ? limit : INT64_MAX;
}

static void take_counters(gh_node *node, const gh_val *attrs)
{
  gh_str lt;
  gh_val_get_int(attrs, GH_STR("cs"), &node->cs);
  node->counted = gh_val_get_int(attrs, GH_STR("cni"), &node->cni);
  if (!node->counted) return;
  gh_val_get_int(attrs, GH_STR("cbs"), &node->cbs);
  gh_val_get_int(attrs, GH_STR("st"), &node->st);
  if (gh_val_get_str(attrs, GH_STR("lt"), &lt) && gh_timestamp_parse(lt, &node->lt_us) != GH_OK) node->lt_us = 0;
  node->mni = limit_of(attrs, GH_STR("mni"));
  node->mbs = limit_of(attrs, GH_STR("mbs"));
  node->mia = limit_of(attrs, GH_STR("mia"));
  gh_val_get_bool(attrs, GH_STR("disr"), &node->disr);
}

static gh_err take_apart(gh_node *node, const gh_val *attrs, const gh_self *self, gh_diag *diag)
{
  gh_str et;
  if (gh_val_get_str(attrs, GH_STR("et"), &et) && gh_timestamp_parse(et, &node->expires_us) != GH_OK)
    return gh_fail(diag, GH_ESYNTAX, "et is not a timestamp");
  take_acpi(node, attrs);
  take_counters(node, attrs);
  node->has_poa = node->ty == GH_TY_AE && gh_val_get(attrs, GH_STR("poa")) != NULL;
  if (node->ty == GH_TY_ACCESS_CONTROL_POLICY) return compile(node, attrs, self, diag);
  return GH_OK;
}

static gh_node *allocate(const gh_node_draft *d, gh_str body, size_t root_len)
{
  size_t total = d->ri.len + d->pi.len + d->rn.len + d->creator.len + d->extra.len + body.len + 6;
  gh_node *node = gh_malloc(sizeof *node + total);
  *node = (gh_node){.ty = d->type->ty, .seq = d->seq};
  atomic_init(&node->refs, 1);
  char *at = node->text;
  node->ri = place(&at, d->ri);
  node->pi = place(&at, d->pi);
  node->rn = place(&at, d->rn);
  node->creator = place(&at, d->creator);
  node->extra = place(&at, d->extra);
  node->body = place(&at, body);
  node->inner = gh_str_sub(node->body, root_len + 4, body.len - root_len - 5);
  return node;
}

gh_err gh_node_make(const gh_node_draft *draft, const gh_self *self, gh_node **out, gh_diag *diag)
{
  enum { USUAL_BYTES = 1024 };
  gh_buf body = GH_BUF_INIT;
  gh_str root = gh_str_of(draft->type->root);
  gh_buf_reserve(&body, USUAL_BYTES);
  gh_buf_add(&body, GH_STR("{\""));
  gh_buf_add(&body, root);
  gh_buf_add(&body, GH_STR("\":"));
  gh_json_write(&body, draft->attrs);
  gh_buf_add_char(&body, '}');
  gh_node *node = allocate(draft, gh_buf_str(&body), root.len);
  gh_buf_free(&body);
  gh_err err = take_apart(node, draft->attrs, self, diag);
  if (err != GH_OK) {
    gh_node_unref(node);
    return err;
  }
  *out = node;
  return GH_OK;
}

gh_err gh_node_load(const gh_type_def *type, int64_t seq, gh_str ri, gh_str pi, gh_str rn, gh_str creator,
                    gh_str extra, gh_str body, const gh_self *self, gh_node **out, gh_diag *diag)
{
  gh_arena arena;
  gh_arena_init(&arena);
  gh_val *root_object, *attrs;
  gh_str root;
  gh_err err = gh_json_parse(&arena, body, &gh_json_default_limits, &root_object, diag);
  if (err == GH_OK && !gh_val_unwrap(root_object, &root, &attrs)) err = gh_fail(diag, GH_ESYNTAX, "no root member");
  if (err == GH_OK) {
    gh_node_draft draft = {
        .type = type, .seq = seq, .ri = ri, .pi = pi, .rn = rn, .creator = creator, .extra = extra, .attrs = attrs};
    err = gh_node_make(&draft, self, out, diag);
  }
  gh_arena_free(&arena);
  return err;
}

gh_node *gh_node_ref(gh_node *node)
{
  if (node) atomic_fetch_add_explicit(&node->refs, 1, memory_order_relaxed);
  return node;
}

void gh_node_unref(gh_node *node)
{
  if (!node || atomic_fetch_sub_explicit(&node->refs, 1, memory_order_acq_rel) != 1) return;
  gh_policy_free(node->pv);
  gh_policy_free(node->pvs);
  for (size_t i = 0; i < node->acpi_count; i++) gh_str_release(&node->acpi[i]);
  free(node->acpi);
  free(node);
}

gh_err gh_node_attrs(gh_arena *arena, const gh_node *node, gh_val **out)
{
  GH_TRY(gh_json_parse(arena, node->inner, &gh_json_default_limits, out, NULL));
  if (!node->counted) return GH_OK;
  gh_val_set(arena, *out, GH_STR("cni"), gh_val_int(arena, node->cni));
  gh_val_set(arena, *out, GH_STR("cbs"), gh_val_int(arena, node->cbs));
  gh_val_set(arena, *out, GH_STR("st"), gh_val_int(arena, node->st));
  gh_val_set(arena, *out, GH_STR("lt"), gh_val_str(arena, gh_timestamp(arena, node->lt_us)));
  return GH_OK;
}
