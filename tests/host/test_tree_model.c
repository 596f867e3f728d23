/* The tree against a model that is too simple to be wrong: thousands of random batches, kept or undone. What a writer
 * and a reader see and what a restart loads from the store must be what the model says. Then: readers on other
 * threads while a writer publishes. */
#include "../store/store_fixture.h"
#include "tree_fixture.h"

#include <pthread.h>

#include "base/random.h"

enum { IDS = 40, NAMES = 6, BATCH_OPS = 12 };

typedef struct item { /* number 0 is the base */
  bool there, instance;
  int parent, name, version;
  int64_t cni, seq;
} item;

typedef struct model_test {
  tree_test *tree;
  store_test *store;
  uint64_t seed;
  item committed[IDS], pending[IDS];
  bool lost[IDS]; /* a reader has lost sight of it within this batch: its name or ID was taken over */
  bool fail;      /* the batch shall not be kept */
} model_test;

static unsigned pick(model_test *m, unsigned below)
{
  gh_random random = gh_random_of_seed(&m->seed);
  uint32_t value = 0;
  MUST(gh_random_fill(&random, &value, sizeof value) == GH_OK);
  return value % below;
}

static const char *id_of(int i, char text[static 16])
{
  snprintf(text, 16, i ? "id%d" : "in-cse", i);
  return text;
}

static gh_node *node_of(model_test *m, int i, const item *it)
{
  char ri[16], pi[16], rn[16];
  snprintf(rn, sizeof rn, "n%d", it->name);
  const made as = {.ri = id_of(i, ri),
                   .pi = id_of(it->parent, pi),
                   .rn = rn,
                   .version = it->version,
                   .seq = it->seq,
                   .ty = it->instance ? GH_TY_CONTENT_INSTANCE : GH_TY_CONTAINER};
  return make_node(m->tree, &as);
}

static int named(const item *items, int parent, int name)
{
  for (int i = 1; i < IDS; i++)
    if (items[i].there && items[i].parent == parent && items[i].name == name) return i;
  return 0;
}

/* Whoever was removed in this batch and had this name or ID is hidden from readers now. */
static void mark_lost(model_test *m, int i, const item *it)
{
  for (int k = 1; k < IDS; k++) {
    const item *c = &m->committed[k];
    if (c->there && (k == i || (c->parent == it->parent && c->name == it->name))) m->lost[k] = true;
  }
}

static void try_insert(model_test *m)
{
  int i = 1 + (int)pick(m, IDS - 1);
  item it = {.there = true,
             .parent = (int)pick(m, IDS),
             .name = (int)pick(m, NAMES),
             .version = (int)pick(m, 1000),
             .instance = pick(m, 3) == 0,
             .seq = gh_tree_next_seq(m->tree->tree)};
  gh_err expected = GH_OK;
  if (it.parent && !m->pending[it.parent].there)
    expected = GH_ENOTFOUND;
  else if (m->pending[i].there || named(m->pending, it.parent, it.name))
    expected = GH_EEXIST;
  MUST(gh_tree_insert(m->tree->tree, node_of(m, i, &it)) == expected);
  if (expected != GH_OK) return;
  m->pending[i] = it;
  mark_lost(m, i, &it);
}

static void forget_below(model_test *m, int i)
{
  m->pending[i].there = false;
  for (int k = 1; k < IDS; k++)
    if (m->pending[k].there && m->pending[k].parent == i) forget_below(m, k);
}

static void try_remove(model_test *m)
{
  char ri[16];
  int i = 1 + (int)pick(m, IDS - 1);
  gh_tree_remove(m->tree->tree, gh_str_of(id_of(i, ri)), NULL, NULL);
  if (m->pending[i].there) forget_below(m, i);
}

static void try_replace(model_test *m)
{
  int i = 1 + (int)pick(m, IDS - 1);
  item it = m->pending[i];
  it.version = (int)pick(m, 1000);
  it.cni = 0; /* the new version starts with what its attributes say */
  MUST(gh_tree_replace(m->tree->tree, node_of(m, i, &it)) == (it.there ? GH_OK : GH_ENOTFOUND));
  if (it.there) m->pending[i] = it;
}

static void try_edit(model_test *m)
{
  char ri[16];
  int i = 1 + (int)pick(m, IDS - 1);
  if (m->pending[i].instance) return;
  gh_node *edit = gh_tree_edit(m->tree->tree, gh_str_of(id_of(i, ri)));
  MUST((edit != NULL) == m->pending[i].there);
  if (!edit) return;
  edit->cni++;
  m->pending[i].cni++;
}

static void check_item(model_test *m, gh_view view, const item *items, int i)
{
  char ri[16];
  gh_node *node = gh_tree_by_id(m->tree->tree, view, gh_str_of(id_of(i, ri)));
  MUST((node != NULL) == items[i].there);
  if (!node) return;
  if (!items[i].instance) MUST(node->cni == items[i].cni);
  MUST(version_of(gh_node_ref(node)) == items[i].version);
  gh_node_unref(node);
}

static void check_path(model_test *m, gh_view view, const item *items, int i)
{
  gh_arena arena;
  gh_arena_init(&arena);
  gh_str path = GH_STR_NONE;
  for (int at = i; at; at = items[at].parent)
    path = gh_arena_fmt(&arena, "/n%d%.*s", items[at].name, GH_STR_ARG(path));
  path = gh_arena_fmt(&arena, "cse-in%.*s", GH_STR_ARG(path));
  MUST(by_path(m->tree, view, path.ptr) == items[i].version);
  gh_arena_free(&arena);
}

static void check_children(model_test *m, gh_view view, const item *items, int i)
{
  char ri[16];
  gh_node *out[IDS];
  size_t expected = 0;
  int64_t last_other = -1, last_instance = -1;
  for (int k = 1; k < IDS; k++) expected += items[k].there && items[k].parent == i;
  size_t count = gh_tree_children(m->tree->tree, view, gh_str_of(id_of(i, ri)), true, out, IDS);
  MUST(count == expected);
  for (size_t k = 0; k < count; k++) {
    int64_t *last = out[k]->ty == GH_TY_CONTENT_INSTANCE ? &last_instance : &last_other;
    MUST(out[k]->seq > *last);
    *last = out[k]->seq;
    gh_node_unref(out[k]);
  }
}

static void check_all(model_test *m, gh_view view, const item *items)
{
  check_children(m, view, items, 0);
  for (int i = 1; i < IDS; i++) {
    check_item(m, view, items, i);
    if (!items[i].there) continue;
    check_path(m, view, items, i);
    check_children(m, view, items, i);
  }
}

static gh_err run_random_batch(job *j, gh_store_txn *txn)
{
  (void)txn;
  model_test *m = j->t->options.hooks.ctx;
  memcpy(m->pending, m->committed, sizeof m->pending);
  memset(m->lost, 0, sizeof m->lost);
  for (unsigned ops = 1 + pick(m, BATCH_OPS); ops; ops--) {
    unsigned dice = pick(m, 100);
    if (dice < 45)
      try_insert(m);
    else if (dice < 65)
      try_remove(m);
    else if (dice < 85)
      try_replace(m);
    else
      try_edit(m);
  }
  check_all(m, GH_VIEW_WRITER, m->pending);
  for (int i = 1; i < IDS; i++)
    if (!m->lost[i]) check_item(m, GH_VIEW_COMMITTED, m->committed, i);
  return GH_OK;
}

static gh_err flush_or_fail(void *ctx, gh_store_txn *txn)
{
  model_test *m = ctx;
  gh_err err = gh_tree_flush(m->tree->tree, txn);
  MUST(err == GH_OK);
  return m->fail ? GH_EIO : err;
}

static void publish_or_undo(void *ctx, gh_err err)
{
  model_test *m = ctx;
  MUST((err != GH_OK) == m->fail);
  if (m->fail)
    gh_tree_undo(m->tree->tree);
  else
    gh_tree_publish(m->tree->tree);
}

static gh_err load_row(void *ctx, const gh_store_row *row)
{
  model_test *m = ctx;
  gh_node *node;
  assert_int_equal(gh_node_load(gh_type_by_number(row->ty), row->seq, row->ri, row->pi, row->rn, row->creator,
                                row->extra, row->body, &m->tree->self, &node, NULL),
                   GH_OK);
  return gh_tree_load(m->tree->tree, node);
}

static void restart(model_test *m)
{
  void *tree;
  teardown_tree((void **)&m->tree);
  setup_tree(&tree);
  m->tree = tree;
  reopen_store(m->store);
  assert_int_equal(gh_store_each_resource(m->store->store, load_row, m), GH_OK);
}

static int setup_model(void **state)
{
  model_test *m = calloc(1, sizeof *m);
  void *part;
  setup_tree(&part);
  m->tree = part;
  new_folder(&part);
  m->store = part;
  m->store->options.hooks =
      (gh_store_hooks){.before_commit = flush_or_fail, .after_commit = publish_or_undo, .ctx = m};
  open_store(m->store);
  m->committed[0].there = true;
  *state = m;
  return 0;
}

static int teardown_model(void **state)
{
  model_test *m = *state;
  teardown_store((void **)&m->store);
  teardown_tree((void **)&m->tree);
  free(m);
  return 0;
}

static void random_batches(void **state)
{
  model_test *m = *state;
  m->seed = 20260101;
  for (int round = 0; round < rounds(1500, 150); round++) {
    m->fail = pick(m, 10) < 3;
    gh_err err = do_job(m->store, run_random_batch, 0);
    assert_true((err != GH_OK) == m->fail);
    if (!m->fail) memcpy(m->committed, m->pending, sizeof m->committed);
    check_all(m, GH_VIEW_COMMITTED, m->committed);
    check_all(m, GH_VIEW_WRITER, m->committed);
    if (round % 50 == 49) {
      restart(m);
      check_all(m, GH_VIEW_COMMITTED, m->committed);
    }
  }
}

/* ---- threads ---- */

enum { READERS = 3, PAIRS = 16 };

typedef struct race {
  tree_test *tree;
  atomic_bool over;
  atomic_int looks, hits, wrong;
} race;

static const char *pair_id(char text[static 16], int pair, bool second)
{
  snprintf(text, 16, "%s%d", second ? "b" : "a", pair);
  return text;
}

/* Both of a pair change in one batch: a reader that sees the second in version v sees the first in v or later. */
static void *read_pairs(void *arg)
{
  race *r = arg;
  char id[16];
  gh_node *out[4 * PAIRS];
  for (int i = 0; !atomic_load(&r->over); i++) {
    int second = by_id(r->tree, GH_VIEW_COMMITTED, pair_id(id, i % PAIRS, true));
    int first = by_id(r->tree, GH_VIEW_COMMITTED, pair_id(id, i % PAIRS, false));
    atomic_fetch_add(&r->wrong, first < second && first != -1);
    atomic_fetch_add(&r->looks, 1);
    atomic_fetch_add(&r->hits, second >= 0);
    size_t count = gh_tree_children(r->tree->tree, GH_VIEW_COMMITTED, GH_STR("in-cse"), true, out, 4 * PAIRS);
    for (size_t k = 0; k < count; k++) gh_node_unref(out[k]);
    gh_node *newest = gh_tree_instance(r->tree->tree, GH_VIEW_COMMITTED, GH_STR("a0"), true);
    gh_node_unref(newest);
  }
  return NULL;
}

static void put_pair_version(tree_test *t, int pair, int version)
{
  char id[16];
  for (int second = 0; second < 2; second++) {
    const made m = {
        .ri = pair_id(id, pair, second), .pi = "in-cse", .version = version, .expires_us = NOON_US + GH_US_PER_S};
    if (by_id(t, GH_VIEW_WRITER, id) >= 0)
      assert_int_equal(gh_tree_replace(t->tree, make_node(t, &m)), GH_OK);
    else
      assert_int_equal(insert_node(t, &m), GH_OK);
  }
}

static void write_pairs(tree_test *t, int round)
{
  char id[16];
  for (int pair = 0; pair < PAIRS; pair++) {
    bool remove = (round + pair) % 7 == 0;
    if (remove) {
      gh_tree_remove(t->tree, gh_str_of(pair_id(id, pair, false)), NULL, NULL);
      gh_tree_remove(t->tree, gh_str_of(pair_id(id, pair, true)), NULL, NULL);
    }
    if (!remove || round % 2) put_pair_version(t, pair, round);
    gh_node *edit = gh_tree_edit(t->tree, gh_str_of(pair_id(id, pair, false)));
    if (edit) edit->cni++;
  }
}

/* Readers never see half a batch of versions, nothing that was undone, nothing freed. (Run by hand under
 * ThreadSanitizer too.) */
static void readers_beside_a_writer(void **state)
{
  race r = {.tree = *state};
  pthread_t readers[READERS];
  for (int i = 0; i < READERS; i++) assert_int_equal(pthread_create(&readers[i], NULL, read_pairs, &r), 0);
  for (int round = 0; round < rounds(1500, 50) || atomic_load(&r.looks) < 1000; round++) {
    write_pairs(r.tree, round);
    gh_tree_publish(r.tree->tree);
    write_pairs(r.tree, 1000000); /* never seen */
    gh_tree_undo(r.tree->tree);
  }
  atomic_store(&r.over, true);
  for (int i = 0; i < READERS; i++) pthread_join(readers[i], NULL);
  assert_int_equal(atomic_load(&r.wrong), 0);
  assert_true(atomic_load(&r.hits) > 0);
  for (int i = 0; i < PAIRS; i++) {
    char id[16];
    assert_true(by_id(r.tree, GH_VIEW_COMMITTED, pair_id(id, i, false)) < 1000000);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(random_batches, setup_model, teardown_model),
      cmocka_unit_test_setup_teardown(readers_beside_a_writer, setup_tree, teardown_tree),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
