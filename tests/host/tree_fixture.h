/* A tree without a host: nodes made by hand, a clock that the test sets. */
#ifndef GH_TEST_TREE_FIXTURE_H
#define GH_TEST_TREE_FIXTURE_H

#include "../m2m/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>

#include "host/tree.h"
#include "m2m/constants.h"
#include "m2m/json.h"
#include "m2m/m2m_time.h"

#define NOON_US (INT64_C(1800000000) * GH_US_PER_S)

typedef struct tree_test {
  gh_self self;
  gh_clock_fixed clock;
  gh_tree *tree;
} tree_test;

/* What a made node says of itself; 0 and NULL are left out. */
typedef struct made {
  const char *ri, *pi, *rn;
  uint32_t ty; /* 0: container */
  int version;
  int64_t expires_us, seq;
} made;

static inline gh_node *make_node(const tree_test *t, const made *m)
{
  char text[400];
  gh_arena arena;
  gh_val *attrs;
  gh_node *node;
  gh_diag diag = {""};
  gh_arena_init(&arena);
  uint32_t ty = m->ty ? m->ty : GH_TY_CONTAINER;
  const char *rn = m->rn ? m->rn : m->ri;
  int len = snprintf(text, sizeof text, "{\"rn\":\"%s\",\"ty\":%u,\"ri\":\"%s\",\"lbl\":[\"v%d\"]", rn, ty, m->ri,
                     m->version);
  if (m->expires_us)
    len += snprintf(text + len, sizeof text - (size_t)len, ",\"et\":\"%s\"", gh_timestamp(&arena, m->expires_us).ptr);
  if (ty == GH_TY_CONTAINER)
    len +=
        snprintf(text + len, sizeof text - (size_t)len, ",\"cni\":0,\"cbs\":0,\"st\":0,\"lt\":\"20260101T000000\"");
  snprintf(text + len, sizeof text - (size_t)len, "}");
  assert_int_equal(gh_json_parse(&arena, gh_str_of(text), &gh_json_default_limits, &attrs, &diag), GH_OK);
  gh_node_draft draft = {.type = gh_type_by_number(ty),
                         .seq = m->seq ? m->seq : gh_tree_next_seq(t->tree),
                         .ri = gh_str_of(m->ri),
                         .pi = gh_str_of(m->pi),
                         .rn = gh_str_of(rn),
                         .creator = GH_STR("//sp.example.com/in-cse/C1"),
                         .attrs = attrs};
  if (gh_node_make(&draft, &t->self, &node, &diag) != GH_OK) fail_msg("%s", diag.text);
  gh_arena_free(&arena);
  return node;
}

static inline gh_err insert_node(tree_test *t, const made *m)
{
  return gh_tree_insert(t->tree, make_node(t, m));
}

/* Version of what a view sees; -1: nothing. */
static inline int version_of(gh_node *node)
{
  int version = -1;
  if (node) {
    const char *at = strstr(node->body.ptr, "\"v");
    assert_non_null(at);
    version = atoi(at + 2);
  }
  gh_node_unref(node);
  return version;
}

static inline int by_id(tree_test *t, gh_view view, const char *ri)
{
  return version_of(gh_tree_by_id(t->tree, view, gh_str_of(ri)));
}

static inline int by_path(tree_test *t, gh_view view, const char *path)
{
  return version_of(gh_tree_by_path(t->tree, view, gh_str_of(path)));
}

static inline size_t children_of(tree_test *t, gh_view view, const char *ri, bool instances)
{
  gh_node *out[64];
  size_t count = gh_tree_children(t->tree, view, gh_str_of(ri), instances, out, 64);
  for (size_t i = 0; i < count; i++) gh_node_unref(out[i]);
  return count;
}

/* The base "in-cse" named "cse-in", committed. */
static inline int setup_tree(void **state)
{
  tree_test *t = calloc(1, sizeof *t);
  t->self = (gh_self){.sp_fqdn = GH_STR("sp.example.com"),
                      .cse_id = GH_STR("in-cse"),
                      .cse_rn = GH_STR("cse-in"),
                      .in_cse = GH_STR("in-cse")};
  t->clock.now_us = NOON_US;
  gh_clock clock = gh_clock_of_fixed(&t->clock);
  t->tree = gh_tree_new(&t->self, &clock);
  const made base = {.ri = "in-cse", .rn = "cse-in", .ty = GH_TY_CSEBASE};
  assert_int_equal(gh_tree_load(t->tree, make_node(t, &base)), GH_OK);
  *state = t;
  return 0;
}

static inline int teardown_tree(void **state)
{
  tree_test *t = *state;
  gh_tree_free(t->tree);
  free(t);
  return 0;
}

/* Fewer rounds where everything takes twenty times as long. */
static inline int rounds(int normal, int slow)
{
  return getenv("GH_UNDER_VALGRIND") ? slow : normal;
}

#endif
