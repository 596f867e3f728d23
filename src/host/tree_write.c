/* Changing the tree: pending versions of one batch, then published or undone together. One writer. */
#include "host/tree_private.h"

#include <stdlib.h>

#include "m2m/constants.h"
#include "m2m/json.h"
#include "m2m/m2m_time.h"

typedef gh_slot **(*link_of)(gh_slot *slot);

static gh_slot **id_link(gh_slot *slot)
{
  return &slot->id_next;
}

static gh_slot **name_link(gh_slot *slot)
{
  return &slot->name_next;
}

static uint32_t id_hash(const gh_slot *slot)
{
  return slot->id_hash;
}

static uint32_t name_hash(const gh_slot *slot)
{
  return slot->name_hash;
}

static void grow(gh_shard *shard, link_of link, uint32_t (*hash)(const gh_slot *))
{
  size_t size = shard->size ? shard->size * 2 : 8;
  gh_slot **buckets = gh_calloc(size, sizeof *buckets);
  for (size_t b = 0; b < shard->size; b++)
    for (gh_slot *slot = shard->buckets[b], *next; slot; slot = next) {
      next = *link(slot);
      size_t to = (hash(slot) / GH_SHARDS) % size;
      *link(slot) = buckets[to];
      buckets[to] = slot;
    }
  free(shard->buckets);
  shard->buckets = buckets;
  shard->size = size;
}

static void index_add(gh_shard *shards, gh_slot *slot, link_of link, uint32_t (*hash)(const gh_slot *))
{
  gh_shard *shard = &shards[hash(slot) % GH_SHARDS];
  if (shard->count >= shard->size) grow(shard, link, hash);
  gh_slot **bucket = &shard->buckets[(hash(slot) / GH_SHARDS) % shard->size];
  *link(slot) = *bucket;
  *bucket = slot;
  shard->count++;
}

static void index_remove(gh_shard *shards, gh_slot *slot, link_of link, uint32_t (*hash)(const gh_slot *))
{
  gh_shard *shard = &shards[hash(slot) % GH_SHARDS];
  gh_slot **at = &shard->buckets[(hash(slot) / GH_SHARDS) % shard->size];
  while (*at && *at != slot) at = link(*at);
  if (!*at) return;
  *at = *link(slot);
  shard->count--;
}

static gh_slot_list *list_of(gh_slot *slot)
{
  return slot->is_instance ? &slot->parent->instances : &slot->parent->others;
}

static void list_append(gh_slot *slot)
{
  if (!slot->parent) return;
  gh_slot_list *list = list_of(slot);
  slot->prev = list->last;
  if (list->last)
    list->last->next = slot;
  else
    list->first = slot;
  list->last = slot;
}

static void list_take_out(gh_slot *slot)
{
  if (!slot->parent) return;
  gh_slot_list *list = list_of(slot);
  if (slot->prev)
    slot->prev->next = slot->next;
  else
    list->first = slot->next;
  if (slot->next)
    slot->next->prev = slot->prev;
  else
    list->last = slot->prev;
}

static gh_slot *new_slot(const gh_node *node, gh_slot *parent)
{
  gh_slot *slot = gh_calloc(1, sizeof *slot + node->ri.len + node->rn.len);
  memcpy(slot->text, node->ri.ptr, node->ri.len);
  memcpy(slot->text + node->ri.len, node->rn.ptr, node->rn.len);
  slot->ri = (gh_str){slot->text, node->ri.len};
  slot->rn = (gh_str){slot->text + node->ri.len, node->rn.len};
  slot->parent = parent;
  slot->is_instance = node->ty == GH_TY_CONTENT_INSTANCE;
  slot->id_hash = gh_tree_hash_id(slot->ri);
  slot->name_hash = gh_tree_hash_name(parent, slot->rn);
  return slot;
}

static void attach(gh_tree *tree, gh_slot *slot)
{
  index_add(tree->ids, slot, id_link, id_hash);
  index_add(tree->names, slot, name_link, name_hash);
  list_append(slot);
  if (!slot->parent) tree->base = slot;
  tree->count++;
}

static void detach(gh_tree *tree, gh_slot *slot)
{
  if (!slot->unindexed) {
    index_remove(tree->ids, slot, id_link, id_hash);
    index_remove(tree->names, slot, name_link, name_hash);
  }
  list_take_out(slot);
  if (tree->base == slot) tree->base = NULL;
  tree->count--;
  gh_node_unref(slot->committed);
  gh_node_unref(slot->pending);
  free(slot);
}

static void mark_dirty(gh_tree *tree, gh_slot *slot)
{
  if (slot->dirty) return;
  slot->dirty = true;
  slot->pending = gh_node_ref(slot->committed);
  slot->dirty_next = tree->dirty;
  tree->dirty = slot;
}

int64_t gh_tree_next_seq(gh_tree *tree)
{
  return ++tree->last_seq;
}

/* A removed slot of the same batch keeps its name until the commit: the name is free for the writer all the same. */
static bool occupied(const gh_slot *slot)
{
  return slot && (!slot->dirty || slot->pending);
}

/* A new resource takes the name or ID of one that this batch removed: the old one leaves the indexes now (and comes
 * back when the batch is undone). Readers lose sight of it a little before the commit. */
static void unindex(gh_tree *tree, gh_slot *slot)
{
  index_remove(tree->ids, slot, id_link, id_hash);
  index_remove(tree->names, slot, name_link, name_hash);
  slot->unindexed = true;
}

static void note_expiry(gh_tree *tree, const gh_slot *slot, const gh_node *node)
{
  int64_t *soonest = &tree->soonest_us[slot->id_hash % GH_SHARDS];
  if (node->expires_us && node->expires_us < *soonest) *soonest = node->expires_us;
}

static gh_err insert(gh_tree *tree, gh_node *node, bool committed)
{
  gh_slot *parent = gh_str_empty(node->pi) ? NULL : gh_tree_slot_by_id(tree, node->pi);
  if (!gh_str_empty(node->pi) && !occupied(parent)) return GH_ENOTFOUND;
  gh_slot *same_id = gh_tree_slot_by_id(tree, node->ri);
  gh_slot *same_name = gh_tree_slot_by_name(tree, parent, node->rn);
  if (occupied(same_id) || occupied(same_name)) return GH_EEXIST;
  if (same_id) unindex(tree, same_id);
  if (same_name && same_name != same_id) unindex(tree, same_name);
  gh_slot *slot = new_slot(node, parent);
  if (committed) {
    slot->committed = node;
  } else {
    slot->dirty = true;
    slot->pending = node;
    slot->owns_pending = true;
    slot->dirty_next = tree->dirty;
    tree->dirty = slot;
  }
  attach(tree, slot);
  note_expiry(tree, slot, node);
  if (node->seq > tree->last_seq) tree->last_seq = node->seq;
  return GH_OK;
}

static void begin_change(gh_tree *tree)
{
  for (int i = 0; i < GH_TREE_SPINS; i++)
    if (pthread_rwlock_trywrlock(&tree->lock) == 0) return;
  pthread_rwlock_wrlock(&tree->lock);
}

gh_err gh_tree_insert(gh_tree *tree, gh_node *node)
{
  begin_change(tree);
  gh_err err = insert(tree, node, false);
  pthread_rwlock_unlock(&tree->lock);
  if (err != GH_OK) gh_node_unref(node);
  return err;
}

gh_err gh_tree_load(gh_tree *tree, gh_node *node)
{
  gh_err err = insert(tree, node, true);
  if (err != GH_OK) gh_node_unref(node);
  return err;
}

gh_err gh_tree_replace(gh_tree *tree, gh_node *node)
{
  gh_slot *slot = gh_tree_slot_by_id(tree, node->ri);
  if (!occupied(slot)) {
    gh_node_unref(node);
    return GH_ENOTFOUND;
  }
  mark_dirty(tree, slot);
  note_expiry(tree, slot, node);
  gh_node_unref(slot->pending);
  slot->pending = node;
  slot->owns_pending = true;
  return GH_OK;
}

gh_node *gh_tree_edit(gh_tree *tree, gh_str ri)
{
  gh_slot *slot = gh_tree_slot_by_id(tree, ri);
  if (!occupied(slot)) return NULL;
  mark_dirty(tree, slot);
  if (!slot->owns_pending) { /* readers share the committed version: change a copy */
    gh_node *copy = NULL;
    gh_err err = gh_node_load(gh_type_by_number(slot->pending->ty), slot->pending->seq, slot->pending->ri,
                              slot->pending->pi, slot->pending->rn, slot->pending->creator, slot->pending->extra,
                              slot->pending->body, tree->self, &copy, NULL);
    if (err != GH_OK) return NULL;
    gh_node_unref(slot->pending);
    slot->pending = copy;
    slot->owns_pending = true;
  }
  return slot->pending;
}

static void remove_below(gh_tree *tree, gh_slot *slot, void (*gone)(void *ctx, const gh_node *node), void *ctx)
{
  const gh_slot_list *lists[] = {&slot->others, &slot->instances};
  for (size_t i = 0; i < 2; i++)
    for (gh_slot *child = lists[i]->first; child; child = child->next)
      if (occupied(child)) remove_below(tree, child, gone, ctx);
  mark_dirty(tree, slot);
  if (gone) gone(ctx, slot->pending);
  gh_node_unref(slot->pending);
  slot->pending = NULL;
}

void gh_tree_remove(gh_tree *tree, gh_str ri, void (*gone)(void *ctx, const gh_node *node), void *ctx)
{
  gh_slot *slot = gh_tree_slot_by_id(tree, ri);
  if (occupied(slot)) remove_below(tree, slot, gone, ctx);
}

/* Writes the counters of a container back into its body. */
static gh_err refresh(gh_tree *tree, gh_slot *slot)
{
  gh_node *node = slot->pending;
  gh_arena arena;
  gh_arena_init(&arena);
  gh_val *attrs;
  gh_err err = gh_node_attrs(&arena, node, &attrs);
  if (err == GH_OK) {
    gh_node_draft draft = {.type = gh_type_by_number(node->ty),
                           .seq = node->seq,
                           .ri = node->ri,
                           .pi = node->pi,
                           .rn = node->rn,
                           .creator = node->creator,
                           .extra = node->extra,
                           .attrs = attrs};
    gh_node *fresh;
    err = gh_node_make(&draft, tree->self, &fresh, NULL);
    if (err == GH_OK) {
      gh_node_unref(node);
      slot->pending = fresh;
    }
  }
  gh_arena_free(&arena);
  return err;
}

static gh_err write_row(gh_tree *tree, gh_slot *slot, gh_store_txn *txn)
{
  if (!slot->pending) return slot->committed ? gh_txn_delete_resource(txn, slot->ri) : GH_OK;
  if (slot->pending->counted && slot->owns_pending) GH_TRY(refresh(tree, slot));
  const gh_node *n = slot->pending;
  if (slot->committed) return gh_txn_update_resource(txn, n->ri, n->body, n->extra);
  gh_store_row row = {.ri = n->ri,
                      .pi = n->pi,
                      .rn = n->rn,
                      .ty = n->ty,
                      .creator = n->creator,
                      .extra = n->extra,
                      .body = n->body,
                      .seq = n->seq};
  return gh_txn_put_resource(txn, &row);
}

gh_err gh_tree_flush(gh_tree *tree, gh_store_txn *txn)
{
  /* rows of removed resources first: a new one may bear the same ID */
  for (gh_slot *slot = tree->dirty; slot; slot = slot->dirty_next)
    if (!slot->pending) GH_TRY(write_row(tree, slot, txn));
  for (gh_slot *slot = tree->dirty; slot; slot = slot->dirty_next)
    if (slot->pending) GH_TRY(write_row(tree, slot, txn));
  return GH_OK;
}

static void publish_slot(gh_tree *tree, gh_slot *slot)
{
  slot->dirty = slot->owns_pending = false;
  if (!slot->pending) {
    detach(tree, slot);
    return;
  }
  gh_node_unref(slot->committed);
  slot->committed = slot->pending;
  slot->pending = NULL;
}

static void undo_slot(gh_tree *tree, gh_slot *slot)
{
  slot->dirty = slot->owns_pending = false;
  gh_node_unref(slot->pending);
  slot->pending = NULL;
  if (!slot->committed) {
    detach(tree, slot);
  } else if (slot->unindexed) {
    index_add(tree->ids, slot, id_link, id_hash);
    index_add(tree->names, slot, name_link, name_hash);
    note_expiry(tree, slot, slot->committed);
    slot->unindexed = false;
  }
}

/* The dirty list is newest first, so children come before their parents: a parent is detached last. */
static void end_batch(gh_tree *tree, void (*end)(gh_tree *, gh_slot *))
{
  begin_change(tree);
  gh_slot *slot = tree->dirty;
  tree->dirty = NULL;
  gh_slot *later = NULL;
  for (gh_slot *next; slot; slot = next) {
    next = slot->dirty_next;
    if (slot->instances.first || slot->others.first) {
      slot->dirty_next = later;
      later = slot;
    } else {
      end(tree, slot);
    }
  }
  while (later) {
    gh_slot *next_round = NULL;
    for (gh_slot *next; later; later = next) {
      next = later->dirty_next;
      bool leaves = end == publish_slot ? !later->pending : !later->committed;
      if (leaves && (later->instances.first || later->others.first)) {
        later->dirty_next = next_round;
        next_round = later;
      } else {
        end(tree, later);
      }
    }
    later = next_round;
  }
  pthread_rwlock_unlock(&tree->lock);
}

void gh_tree_publish(gh_tree *tree)
{
  if (tree->dirty) end_batch(tree, publish_slot);
}

void gh_tree_undo(gh_tree *tree)
{
  if (tree->dirty) end_batch(tree, undo_slot);
}

static int64_t sooner(int64_t than_us, const gh_node *node)
{
  return node && node->expires_us && node->expires_us < than_us ? node->expires_us : than_us;
}

/* A shard is looked through only when something in it may have expired: with a million resources whose time has not
 * come this is 256 comparisons. */
static size_t expired_in(gh_tree *tree, size_t at, int64_t now_us, gh_str *out, size_t limit, gh_arena *arena)
{
  const gh_shard *shard = &tree->ids[at];
  size_t count = 0;
  int64_t soonest = INT64_MAX;
  for (size_t b = 0; b < shard->size; b++)
    for (gh_slot *slot = shard->buckets[b]; slot; slot = slot->id_next) {
      soonest = sooner(sooner(soonest, slot->committed), slot->pending);
      if (sooner(INT64_MAX, slot->committed) > now_us) continue;
      if (count == limit) return count;
      out[count++] = gh_arena_dup(arena, slot->ri);
    }
  tree->soonest_us[at] = soonest;
  return count;
}

size_t gh_tree_expired(gh_tree *tree, int64_t now_us, gh_str *out, size_t limit, gh_arena *arena)
{
  size_t count = 0;
  for (size_t i = 0; i < GH_SHARDS && count < limit; i++)
    if (tree->soonest_us[i] <= now_us) count += expired_in(tree, i, now_us, out + count, limit - count, arena);
  return count;
}

gh_node *gh_tree_in_the_way(gh_tree *tree, gh_str ri, gh_str pi, gh_str rn)
{
  const gh_slot *parent = gh_tree_slot_by_id(tree, pi);
  const gh_slot *holders[] = {gh_tree_slot_by_id(tree, ri), parent ? gh_tree_slot_by_name(tree, parent, rn) : NULL};
  gh_look look = {tree, GH_VIEW_WRITER, gh_clock_wall_us(&tree->clock)};
  for (size_t i = 0; i < 2; i++)
    if (occupied(holders[i]) && !gh_tree_see(&look, holders[i]))
      return gh_node_ref(holders[i]->dirty ? holders[i]->pending : holders[i]->committed);
  return NULL;
}

gh_node *gh_tree_expired_node(gh_tree *tree, gh_str ri)
{
  gh_slot *slot = gh_tree_slot_by_id(tree, ri);
  if (!occupied(slot)) return NULL;
  return gh_node_ref(slot->dirty ? slot->pending : slot->committed);
}
