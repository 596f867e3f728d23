/* The tree: what the writer does in a batch is seen by itself at once and by readers after the commit, or never. */
#include "tree_fixture.h"

#define W GH_VIEW_WRITER
#define R GH_VIEW_COMMITTED

static void pending_then_published(void **state)
{
  tree_test *t = *state;
  const made a = {.ri = "a", .pi = "in-cse", .version = 1}, b = {.ri = "b", .pi = "a", .rn = "x", .version = 2};
  assert_int_equal(insert_node(t, &a), GH_OK);
  assert_int_equal(insert_node(t, &b), GH_OK); /* below what is pending itself */
  assert_int_equal(by_id(t, W, "b"), 2);
  assert_int_equal(by_path(t, W, "cse-in/a/x"), 2);
  assert_int_equal(by_path(t, W, "-/a/x"), 2);
  assert_int_equal(by_id(t, R, "a"), -1);
  assert_int_equal(by_path(t, R, "cse-in/a/x"), -1);
  assert_int_equal(children_of(t, R, "in-cse", true), 0);
  assert_int_equal(children_of(t, W, "in-cse", true), 1);
  gh_tree_publish(t->tree);
  assert_int_equal(by_path(t, R, "cse-in/a/x"), 2);
  assert_int_equal(by_path(t, R, "a/x"), 2); /* hybrid address */
  assert_int_equal(by_path(t, R, "cse-in/a/x/"), 2);
  assert_int_equal(by_path(t, R, "cse-in/a//x"), -1);
  assert_int_equal(by_path(t, R, "/cse-in/a"), -1);
  assert_int_equal(by_path(t, R, ""), -1);
  assert_int_equal(gh_tree_count(t->tree), 3);
  const made change = {.ri = "b", .pi = "a", .rn = "x", .version = 3};
  assert_int_equal(gh_tree_replace(t->tree, make_node(t, &change)), GH_OK);
  assert_int_equal(by_id(t, R, "b"), 2);
  assert_int_equal(by_id(t, W, "b"), 3);
  gh_tree_publish(t->tree);
  assert_int_equal(by_id(t, R, "b"), 3);
  gh_tree_publish(t->tree); /* nothing pending */
  gh_tree_undo(t->tree);
  assert_int_equal(by_id(t, R, "b"), 3);
}

static void undone(void **state)
{
  tree_test *t = *state;
  const made kept = {.ri = "kept", .pi = "in-cse", .version = 1}, below = {.ri = "below", .pi = "kept", .version = 1};
  assert_int_equal(insert_node(t, &kept), GH_OK);
  assert_int_equal(insert_node(t, &below), GH_OK);
  gh_tree_publish(t->tree);
  const made change = {.ri = "kept", .pi = "in-cse", .version = 2}, fresh = {.ri = "new", .pi = "kept"},
             deeper = {.ri = "deep", .pi = "new"};
  assert_int_equal(gh_tree_replace(t->tree, make_node(t, &change)), GH_OK);
  assert_int_equal(insert_node(t, &fresh), GH_OK);
  assert_int_equal(insert_node(t, &deeper), GH_OK);
  gh_tree_remove(t->tree, GH_STR("below"), NULL, NULL);
  assert_int_equal(by_id(t, W, "below"), -1);
  assert_int_equal(by_id(t, R, "below"), 1);
  gh_tree_undo(t->tree);
  for (int view = R; view <= W; view++) {
    assert_int_equal(by_id(t, (gh_view)view, "kept"), 1);
    assert_int_equal(by_id(t, (gh_view)view, "below"), 1);
    assert_int_equal(by_id(t, (gh_view)view, "new"), -1);
    assert_int_equal(by_path(t, (gh_view)view, "cse-in/kept/new/deep"), -1);
  }
  assert_int_equal(gh_tree_count(t->tree), 3);
  assert_int_equal(insert_node(t, &fresh), GH_OK); /* the name is free again */
  gh_tree_publish(t->tree);
}

static void one_id_one_name(void **state)
{
  tree_test *t = *state;
  const made a = {.ri = "a", .pi = "in-cse", .rn = "n"}, same_id = {.ri = "a", .pi = "in-cse", .rn = "m"},
             same_name = {.ri = "b", .pi = "in-cse", .rn = "n"}, elsewhere = {.ri = "c", .pi = "a", .rn = "n"},
             orphan = {.ri = "d", .pi = "none"};
  assert_int_equal(insert_node(t, &a), GH_OK);
  assert_int_equal(insert_node(t, &same_id), GH_EEXIST);
  assert_int_equal(insert_node(t, &same_name), GH_EEXIST);
  assert_int_equal(insert_node(t, &elsewhere), GH_OK);
  assert_int_equal(insert_node(t, &orphan), GH_ENOTFOUND);
  assert_int_equal(gh_tree_replace(t->tree, make_node(t, &orphan)), GH_ENOTFOUND);
  assert_null(gh_tree_edit(t->tree, GH_STR("d")));
  gh_tree_remove(t->tree, GH_STR("d"), NULL, NULL);
  gh_tree_publish(t->tree);
  assert_int_equal(insert_node(t, &same_id), GH_EEXIST);
  assert_int_equal(insert_node(t, &same_name), GH_EEXIST);
  assert_int_equal(gh_tree_count(t->tree), 3);
}

/* DELETE and CREATE of the same name in one batch, once and often, kept and undone. */
static void names_are_reused_within_a_batch(void **state)
{
  tree_test *t = *state;
  const made first = {.ri = "a", .pi = "in-cse", .rn = "n", .version = 1},
             child = {.ri = "child", .pi = "a", .version = 1};
  assert_int_equal(insert_node(t, &first), GH_OK);
  assert_int_equal(insert_node(t, &child), GH_OK);
  gh_tree_publish(t->tree);
  for (int keep = 0; keep < 2; keep++) {
    for (int version = 2; version < 6; version++) { /* the same ID, or another with the same name */
      const made again = {.ri = version % 2 ? "a" : "b", .pi = "in-cse", .rn = "n", .version = version},
                 below = {.ri = "child", .pi = again.ri, .version = version};
      gh_tree_remove(t->tree, GH_STR("a"), NULL, NULL);
      gh_tree_remove(t->tree, GH_STR("b"), NULL, NULL);
      assert_int_equal(by_path(t, W, "cse-in/n"), -1);
      assert_int_equal(by_id(t, W, "child"), -1);
      assert_int_equal(insert_node(t, &again), GH_OK);
      assert_int_equal(insert_node(t, &below), GH_OK);
      assert_int_equal(by_path(t, W, "cse-in/n/child"), version);
      assert_int_equal(children_of(t, W, "in-cse", true), 1);
    }
    if (keep)
      gh_tree_publish(t->tree);
    else
      gh_tree_undo(t->tree);
    for (int view = R; view <= W; view++) {
      assert_int_equal(by_path(t, (gh_view)view, "cse-in/n"), keep ? 5 : 1);
      assert_int_equal(by_path(t, (gh_view)view, "cse-in/n/child"), keep ? 5 : 1);
      assert_int_equal(by_id(t, (gh_view)view, "a"), keep ? 5 : 1);
      assert_int_equal(by_id(t, (gh_view)view, "b"), -1);
      assert_int_equal(children_of(t, (gh_view)view, "in-cse", true), 1);
    }
    assert_int_equal(gh_tree_count(t->tree), 3);
  }
}

typedef struct gone_list {
  char text[256];
} gone_list;

static void note_gone(void *ctx, const gh_node *node)
{
  gone_list *list = ctx;
  size_t len = strlen(list->text);
  snprintf(list->text + len, sizeof list->text - len, "%.*s ", GH_STR_ARG(node->ri));
}

static void removal_takes_everything_below(void **state)
{
  tree_test *t = *state;
  const made nodes[] = {{.ri = "a", .pi = "in-cse"}, {.ri = "b", .pi = "a"},
                        {.ri = "c", .pi = "b"},      {.ri = "i1", .pi = "b", .ty = GH_TY_CONTENT_INSTANCE},
                        {.ri = "d", .pi = "a"},      {.ri = "other", .pi = "in-cse"}};
  for (size_t i = 0; i < 6; i++) assert_int_equal(insert_node(t, &nodes[i]), GH_OK);
  gh_tree_publish(t->tree);
  gh_tree_remove(t->tree, GH_STR("c"), NULL, NULL);
  gone_list gone = {""};
  gh_tree_remove(t->tree, GH_STR("a"), note_gone, &gone);
  assert_string_equal(gone.text, "i1 b d a "); /* what was gone already is not told again; children before parents */
  assert_int_equal(by_path(t, R, "cse-in/a/b/c"), 0);
  const made late = {.ri = "late", .pi = "b"};
  assert_int_equal(insert_node(t, &late), GH_ENOTFOUND);
  gh_tree_publish(t->tree);
  assert_int_equal(gh_tree_count(t->tree), 2);
  for (size_t i = 0; i < 5; i++) assert_int_equal(by_id(t, R, nodes[i].ri), -1);
  assert_int_equal(by_id(t, R, "other"), 0);
}

/* New in this batch and removed in it: nothing is left, whichever way the batch ends. */
static void born_and_gone_in_one_batch(void **state)
{
  tree_test *t = *state;
  for (int keep = 0; keep < 2; keep++) {
    const made a = {.ri = "a", .pi = "in-cse"}, b = {.ri = "b", .pi = "a"};
    assert_int_equal(insert_node(t, &a), GH_OK);
    assert_int_equal(insert_node(t, &b), GH_OK);
    gh_tree_remove(t->tree, GH_STR("a"), NULL, NULL);
    assert_int_equal(insert_node(t, &a), GH_OK);
    gh_tree_remove(t->tree, GH_STR("a"), NULL, NULL);
    if (keep)
      gh_tree_publish(t->tree);
    else
      gh_tree_undo(t->tree);
    assert_int_equal(gh_tree_count(t->tree), 1);
    assert_int_equal(by_id(t, W, "a"), -1);
  }
}

static void instances_oldest_and_newest(void **state)
{
  tree_test *t = *state;
  const made box = {.ri = "box", .pi = "in-cse"};
  assert_int_equal(insert_node(t, &box), GH_OK);
  static const char *const names[] = {"i1", "i2", "i3", "i4"};
  for (int i = 0; i < 4; i++) {
    const made m = {.ri = names[i],
                    .pi = "box",
                    .ty = GH_TY_CONTENT_INSTANCE,
                    .version = i + 1,
                    .expires_us = i == 3 ? NOON_US + GH_US_PER_S : 0};
    assert_int_equal(insert_node(t, &m), GH_OK);
  }
  assert_null(gh_tree_instance(t->tree, R, GH_STR("box"), true));
  gh_tree_publish(t->tree);
  assert_int_equal(version_of(gh_tree_instance(t->tree, R, GH_STR("box"), true)), 4);
  t->clock.now_us += GH_US_PER_S; /* the newest has expired and was not swept */
  assert_int_equal(version_of(gh_tree_instance(t->tree, R, GH_STR("box"), true)), 3);
  gh_tree_remove(t->tree, GH_STR("i1"), NULL, NULL);
  assert_int_equal(version_of(gh_tree_instance(t->tree, W, GH_STR("box"), false)), 2);
  assert_int_equal(version_of(gh_tree_instance(t->tree, R, GH_STR("box"), false)), 1);
  gh_tree_publish(t->tree);
  assert_int_equal(version_of(gh_tree_instance(t->tree, R, GH_STR("box"), false)), 2);
  assert_int_equal(children_of(t, R, "box", false), 0);
  assert_int_equal(children_of(t, R, "box", true), 2);
  gh_node *one[1];
  assert_int_equal(gh_tree_children(t->tree, R, GH_STR("in-cse"), true, one, 0), 0);
  assert_int_equal(gh_tree_children(t->tree, R, GH_STR("box"), true, one, 1), 1);
  gh_node_unref(one[0]);
  assert_null(gh_tree_instance(t->tree, R, GH_STR("none"), true));
}

static gh_str text_of(gh_arena *arena, tree_test *t, gh_view view, const char *ri, const char *name)
{
  gh_node *node = gh_tree_by_id(t->tree, view, gh_str_of(ri));
  gh_val *attrs;
  int64_t number = -1;
  assert_non_null(node);
  assert_int_equal(gh_node_attrs(arena, node, &attrs), GH_OK);
  gh_val_get_int(attrs, gh_str_of(name), &number);
  gh_node_unref(node);
  return gh_arena_fmt(arena, "%lld", (long long)number);
}

/* Counters are changed in place on a copy: readers keep the committed ones until the batch ends. */
static void counters_are_edited_in_place(void **state)
{
  tree_test *t = *state;
  gh_arena arena;
  gh_arena_init(&arena);
  const made box = {.ri = "box", .pi = "in-cse"};
  assert_int_equal(insert_node(t, &box), GH_OK);
  gh_tree_publish(t->tree);
  for (int keep = 0; keep < 2; keep++) {
    gh_node *edit = gh_tree_edit(t->tree, GH_STR("box"));
    assert_non_null(edit);
    assert_true(edit->counted);
    edit->cni += 4;
    edit->st += 1;
    edit->lt_us = NOON_US;
    assert_ptr_equal(gh_tree_edit(t->tree, GH_STR("box")), edit); /* once a batch */
    assert_str(text_of(&arena, t, W, "box", "cni"), "4");
    assert_str(text_of(&arena, t, R, "box", "cni"), "0");
    if (keep)
      gh_tree_publish(t->tree);
    else
      gh_tree_undo(t->tree);
    assert_str(text_of(&arena, t, R, "box", "cni"), keep ? "4" : "0");
    assert_str(text_of(&arena, t, R, "box", "st"), keep ? "1" : "0");
  }
  gh_tree_remove(t->tree, GH_STR("box"), NULL, NULL);
  assert_null(gh_tree_edit(t->tree, GH_STR("box")));
  gh_tree_publish(t->tree);
  gh_arena_free(&arena);
}

/* As a writer does: what has expired is removed when it is in the way. */
static gh_err insert_making_room(tree_test *t, const made *m)
{
  gh_err err = insert_node(t, m);
  if (err != GH_EEXIST) return err;
  for (gh_node *old; (old = gh_tree_in_the_way(t->tree, gh_str_of(m->ri), gh_str_of(m->pi),
                                               gh_str_of(m->rn ? m->rn : m->ri))) != NULL;
       gh_node_unref(old))
    gh_tree_remove(t->tree, old->ri, NULL, NULL);
  return insert_node(t, m);
}

/*= TS-0001 9.6.1.3.2; what has expired does not exist */
static void expired_is_invisible_and_makes_room(void **state)
{
  tree_test *t = *state;
  const int64_t soon = NOON_US + 10 * GH_US_PER_S;
  const made a = {.ri = "a", .pi = "in-cse", .rn = "n", .version = 1, .expires_us = soon},
             below = {.ri = "below", .pi = "a", .version = 1, .expires_us = soon},
             next = {.ri = "b", .pi = "in-cse", .rn = "n", .version = 2},
             same = {.ri = "a", .pi = "in-cse", .rn = "m", .version = 3};
  assert_int_equal(insert_node(t, &a), GH_OK);
  assert_int_equal(insert_node(t, &below), GH_OK);
  gh_tree_publish(t->tree);
  t->clock.now_us = soon - 1;
  assert_int_equal(by_path(t, R, "cse-in/n/below"), 1);
  assert_int_equal(insert_node(t, &next), GH_EEXIST);
  t->clock.now_us = soon;
  assert_int_equal(by_path(t, R, "cse-in/n"), -1);
  assert_int_equal(by_path(t, R, "cse-in/n/below"), -1);
  assert_int_equal(by_id(t, R, "below"), -1);
  assert_int_equal(by_id(t, W, "a"), -1);
  assert_int_equal(children_of(t, R, "in-cse", true), 0);
  gh_arena arena;
  gh_str ids[8];
  gh_arena_init(&arena);
  assert_int_equal(gh_tree_expired(t->tree, t->clock.now_us, ids, 8, &arena), 2);
  assert_int_equal(gh_tree_expired(t->tree, t->clock.now_us, ids, 1, &arena), 1);
  assert_int_equal(gh_tree_expired(t->tree, soon - 1, ids, 8, &arena), 0);
  gh_node *hidden = gh_tree_expired_node(t->tree, GH_STR("a"));
  assert_int_equal(version_of(hidden), 1);
  /* the name is free before any sweep; undone, the old one is where it was */
  assert_int_equal(insert_making_room(t, &next), GH_OK);
  gh_tree_undo(t->tree);
  assert_int_equal(version_of(gh_tree_expired_node(t->tree, GH_STR("a"))), 1);
  assert_int_equal(insert_making_room(t, &next), GH_OK);
  assert_null(gh_tree_expired_node(t->tree, GH_STR("a")));
  assert_int_equal(insert_making_room(t, &same), GH_OK); /* and so is its ID */
  gh_tree_publish(t->tree);
  assert_int_equal(by_path(t, R, "cse-in/n"), 2);
  assert_int_equal(by_path(t, R, "cse-in/m"), 3);
  assert_int_equal(by_id(t, R, "below"), -1);
  assert_int_equal(gh_tree_count(t->tree), 3);
  gh_arena_free(&arena);
}

/* A resource does not outlive its parent: not even for a sweep's pause, not even by its unstructured ID. */
static void below_an_expired_parent_is_nothing(void **state)
{
  tree_test *t = *state;
  const made a = {.ri = "a", .pi = "in-cse", .version = 1, .expires_us = NOON_US + GH_US_PER_S},
             b = {.ri = "b", .pi = "a", .version = 1}, c = {.ri = "c", .pi = "b", .version = 1};
  assert_int_equal(insert_node(t, &a), GH_OK);
  assert_int_equal(insert_node(t, &b), GH_OK);
  assert_int_equal(insert_node(t, &c), GH_OK);
  gh_tree_publish(t->tree);
  t->clock.now_us += GH_US_PER_S;
  assert_int_equal(by_path(t, R, "cse-in/a/b/c"), -1);
  assert_int_equal(by_id(t, R, "c"), -1);
  assert_int_equal(by_path(t, R, "b/c"), -1);
  assert_int_equal(children_of(t, R, "b", true), 0);
  assert_null(gh_tree_instance(t->tree, R, GH_STR("b"), true));
  assert_null(gh_tree_child_named(t->tree, R, GH_STR("b"), GH_STR("c")));
}

static void addresses_and_paths(void **state)
{
  tree_test *t = *state;
  const made a = {.ri = "a", .pi = "in-cse", .rn = "x", .version = 1},
             b = {.ri = "b", .pi = "a", .rn = "y", .version = 2};
  assert_int_equal(insert_node(t, &a), GH_OK);
  assert_int_equal(insert_node(t, &b), GH_OK);
  gh_tree_publish(t->tree);
  static const char *const good[] = {"cse-in/x/y",
                                     "b",
                                     "a/y",
                                     "-/x/y",
                                     "/in-cse/b",
                                     "/in-cse/cse-in/x/y",
                                     "//sp.example.com/in-cse/cse-in/x/y",
                                     "//sp.example.com/in-cse/b",
                                     "cse-in/x/y#lbl"};
  static const char *const bad[] = {
      "/other/b", "//other.example.com/in-cse/b", "cse-in/y", "x/y", "cse-in/x/y/z", "/in-cse/in-cse/y", "cse-in/b"};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++)
    if (version_of(gh_tree_by_address(t->tree, R, gh_str_of(good[i]))) != 2) fail_msg("%s", good[i]);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    if (version_of(gh_tree_by_address(t->tree, R, gh_str_of(bad[i]))) != -1) fail_msg("%s", bad[i]);
  gh_node *base = gh_tree_by_address(t->tree, R, GH_STR("/in-cse")), *node = gh_tree_by_id(t->tree, R, GH_STR("b"));
  gh_arena arena;
  gh_arena_init(&arena);
  assert_str(base->rn, "cse-in");
  assert_str(gh_tree_path(t->tree, R, &arena, node), "cse-in/x/y");
  assert_str(gh_tree_path(t->tree, R, &arena, base), "cse-in");
  gh_node *parent = gh_tree_parent(t->tree, R, node);
  assert_str(parent->ri, "a");
  assert_null(gh_tree_parent(t->tree, R, base));
  gh_node_unref(parent);
  gh_node_unref(node);
  gh_node_unref(base);
  gh_arena_free(&arena);
}

/* A reader's reference outlives the resource. */
static void references_keep_versions_alive(void **state)
{
  tree_test *t = *state;
  const made a = {.ri = "a", .pi = "in-cse", .version = 1}, change = {.ri = "a", .pi = "in-cse", .version = 2};
  assert_int_equal(insert_node(t, &a), GH_OK);
  gh_tree_publish(t->tree);
  gh_node *held = gh_tree_by_id(t->tree, R, GH_STR("a"));
  assert_int_equal(gh_tree_replace(t->tree, make_node(t, &change)), GH_OK);
  gh_tree_publish(t->tree);
  gh_tree_remove(t->tree, GH_STR("a"), NULL, NULL);
  gh_tree_publish(t->tree);
  assert_str(held->ri, "a");
  assert_int_equal(version_of(held), 1);
}

static void a_hundred_thousand(void **state)
{
  tree_test *t = *state;
  const int count = rounds(100000, 5000), boxes = 100;
  char ri[32], pi[32], path[80];
  for (int i = 0; i < boxes; i++) {
    snprintf(ri, sizeof ri, "box%d", i);
    const made box = {.ri = ri, .pi = "in-cse", .version = i};
    assert_int_equal(insert_node(t, &box), GH_OK);
  }
  for (int i = 0; i < count; i++) {
    snprintf(ri, sizeof ri, "n%d", i);
    snprintf(pi, sizeof pi, "box%d", i % boxes);
    const made m = {.ri = ri, .pi = pi, .ty = GH_TY_CONTENT_INSTANCE, .version = i};
    assert_int_equal(insert_node(t, &m), GH_OK);
    if (i % 1000 == 0) gh_tree_publish(t->tree);
  }
  gh_tree_publish(t->tree);
  assert_int_equal(gh_tree_count(t->tree), 1 + boxes + count);
  for (int i = 0; i < count; i++) {
    snprintf(ri, sizeof ri, "n%d", i);
    snprintf(path, sizeof path, "cse-in/box%d/n%d", i % boxes, i);
    assert_int_equal(by_id(t, R, ri), i);
    assert_int_equal(by_path(t, R, path), i);
  }
  for (int i = 0; i < boxes; i += 2) {
    snprintf(ri, sizeof ri, "box%d", i);
    gh_tree_remove(t->tree, gh_str_of(ri), NULL, NULL);
  }
  gh_tree_publish(t->tree);
  assert_int_equal(gh_tree_count(t->tree), 1 + (boxes + count) / 2);
  assert_int_equal(by_id(t, R, "n2"), -1);
  assert_int_equal(by_id(t, R, "n3"), 3);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(pending_then_published, setup_tree, teardown_tree),
      cmocka_unit_test_setup_teardown(undone, setup_tree, teardown_tree),
      cmocka_unit_test_setup_teardown(one_id_one_name, setup_tree, teardown_tree),
      cmocka_unit_test_setup_teardown(names_are_reused_within_a_batch, setup_tree, teardown_tree),
      cmocka_unit_test_setup_teardown(removal_takes_everything_below, setup_tree, teardown_tree),
      cmocka_unit_test_setup_teardown(born_and_gone_in_one_batch, setup_tree, teardown_tree),
      cmocka_unit_test_setup_teardown(instances_oldest_and_newest, setup_tree, teardown_tree),
      cmocka_unit_test_setup_teardown(counters_are_edited_in_place, setup_tree, teardown_tree),
      cmocka_unit_test_setup_teardown(expired_is_invisible_and_makes_room, setup_tree, teardown_tree),
      cmocka_unit_test_setup_teardown(below_an_expired_parent_is_nothing, setup_tree, teardown_tree),
      cmocka_unit_test_setup_teardown(addresses_and_paths, setup_tree, teardown_tree),
      cmocka_unit_test_setup_teardown(references_keep_versions_alive, setup_tree, teardown_tree),
      cmocka_unit_test_setup_teardown(a_hundred_thousand, setup_tree, teardown_tree),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
