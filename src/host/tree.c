/* Slots, their indexes, and look-ups. Changes are in tree_write.c. */
#include "host/tree_private.h"

#include <stdlib.h>

static uint32_t hash_bytes(uint32_t h, gh_str s)
{
  for (size_t i = 0; i < s.len; i++) h = (h ^ (uint8_t)s.ptr[i]) * 16777619u;
  return h;
}

uint32_t gh_tree_hash_id(gh_str ri)
{
  return hash_bytes(2166136261u, ri);
}

uint32_t gh_tree_hash_name(const gh_slot *parent, gh_str rn)
{
  uint32_t h = 2166136261u ^ (uint32_t)((uintptr_t)parent >> 4);
  return hash_bytes(h * 16777619u, rn);
}

gh_slot *gh_tree_slot_by_id(gh_tree *tree, gh_str ri)
{
  uint32_t h = gh_tree_hash_id(ri);
  gh_shard *shard = &tree->ids[h % GH_SHARDS];
  if (!shard->size) return NULL;
  for (gh_slot *s = shard->buckets[(h / GH_SHARDS) % shard->size]; s; s = s->id_next)
    if (s->id_hash == h && gh_str_eq(s->ri, ri)) return s;
  return NULL;
}

gh_slot *gh_tree_slot_by_name(gh_tree *tree, const gh_slot *parent, gh_str rn)
{
  uint32_t h = gh_tree_hash_name(parent, rn);
  gh_shard *shard = &tree->names[h % GH_SHARDS];
  if (!shard->size) return NULL;
  for (gh_slot *s = shard->buckets[(h / GH_SHARDS) % shard->size]; s; s = s->name_next)
    if (s->name_hash == h && s->parent == parent && gh_str_eq(s->rn, rn)) return s;
  return NULL;
}

gh_node *gh_tree_see(const gh_look *look, const gh_slot *slot)
{
  if (!slot) return NULL;
  gh_node *node = look->view == GH_VIEW_WRITER && slot->dirty ? slot->pending : slot->committed;
  if (!node) return NULL;
  /*= TS-0001 9.6.1.3.2 what has expired does not exist */
  if (node->expires_us && node->expires_us <= look->now_us) return NULL;
  return node;
}

/* By ID, when everything above is there too: nothing outlives its parent, not even until the sweep comes. */
static gh_slot *visible_slot(const gh_look *look, gh_str ri)
{
  gh_slot *slot = gh_tree_slot_by_id(look->tree, ri);
  for (const gh_slot *up = slot; up; up = up->parent)
    if (!gh_tree_see(look, up)) return NULL;
  return slot;
}

static gh_slot *slot_by_path(const gh_look *look, gh_str path)
{
  gh_tree *tree = look->tree;
  gh_str rest = path, part;
  if (!gh_str_split(&rest, '/', &part)) return NULL;
  gh_slot *slot = gh_str_eq(part, GH_STR("-")) ? tree->base : NULL;
  if (!slot && tree->base && gh_str_eq(part, tree->base->rn)) slot = tree->base;
  if (!slot) slot = visible_slot(look, part);
  while (slot && rest.ptr && gh_str_split(&rest, '/', &part)) {
    if (part.len == 0 && !rest.ptr) break; /* a trailing slash is tolerated */
    if (!gh_tree_see(look, slot)) return NULL;
    slot = gh_tree_slot_by_name(tree, slot, part);
  }
  return slot;
}

/* The writer is alone in changing links, so its own look-ups need no lock; readers take it, and mostly find it free:
 * it is held for less than it takes to fall asleep and be woken. */
static gh_look begin_look(gh_tree *tree, gh_view view)
{
  gh_look look = {tree, view, gh_clock_wall_us(&tree->clock)};
  if (view == GH_VIEW_WRITER) return look;
  for (int i = 0; i < GH_TREE_SPINS; i++)
    if (pthread_rwlock_tryrdlock(&tree->lock) == 0) return look;
  pthread_rwlock_rdlock(&tree->lock);
  return look;
}

static void end_look(const gh_look *look)
{
  if (look->view != GH_VIEW_WRITER) pthread_rwlock_unlock(&look->tree->lock);
}

gh_node *gh_tree_by_id(gh_tree *tree, gh_view view, gh_str ri)
{
  gh_look look = begin_look(tree, view);
  gh_node *node = gh_node_ref(gh_tree_see(&look, visible_slot(&look, ri)));
  end_look(&look);
  return node;
}

gh_node *gh_tree_by_path(gh_tree *tree, gh_view view, gh_str path)
{
  gh_look look = begin_look(tree, view);
  gh_node *node = gh_node_ref(gh_tree_see(&look, slot_by_path(&look, path)));
  end_look(&look);
  return node;
}

gh_node *gh_tree_by_address(gh_tree *tree, gh_view view, gh_str address)
{
  gh_addr addr;
  if (gh_addr_parse(address, &addr) != GH_OK || !gh_addr_is_local(&addr, tree->self)) return NULL;
  if (gh_str_empty(addr.path)) return gh_tree_base(tree, view);
  return gh_tree_by_path(tree, view, addr.path);
}

gh_node *gh_tree_parent(gh_tree *tree, gh_view view, const gh_node *node)
{
  return gh_str_empty(node->pi) ? NULL : gh_tree_by_id(tree, view, node->pi);
}

gh_node *gh_tree_base(gh_tree *tree, gh_view view)
{
  gh_look look = begin_look(tree, view);
  gh_node *node = gh_node_ref(gh_tree_see(&look, tree->base));
  end_look(&look);
  return node;
}

gh_node *gh_tree_child_named(gh_tree *tree, gh_view view, gh_str ri, gh_str rn)
{
  gh_look look = begin_look(tree, view);
  gh_slot *parent = visible_slot(&look, ri);
  gh_node *node = parent ? gh_node_ref(gh_tree_see(&look, gh_tree_slot_by_name(tree, parent, rn))) : NULL;
  end_look(&look);
  return node;
}

gh_node *gh_tree_instance(gh_tree *tree, gh_view view, gh_str ri, bool newest)
{
  gh_look look = begin_look(tree, view);
  gh_slot *parent = visible_slot(&look, ri);
  gh_slot *slot = !parent ? NULL : newest ? parent->instances.last : parent->instances.first;
  while (slot && !gh_tree_see(&look, slot)) slot = newest ? slot->prev : slot->next;
  gh_node *node = gh_node_ref(gh_tree_see(&look, slot));
  end_look(&look);
  return node;
}

static size_t collect(const gh_look *look, const gh_slot_list *list, gh_node **out, size_t limit)
{
  size_t count = 0;
  for (gh_slot *slot = list->first; slot && count < limit; slot = slot->next) {
    gh_node *node = gh_tree_see(look, slot);
    if (node) out[count++] = gh_node_ref(node);
  }
  return count;
}

size_t gh_tree_children(gh_tree *tree, gh_view view, gh_str ri, bool instances, gh_node **out, size_t limit)
{
  gh_look look = begin_look(tree, view);
  gh_slot *parent = visible_slot(&look, ri);
  size_t count = 0;
  if (parent) {
    count = collect(&look, &parent->others, out, limit);
    if (instances) count += collect(&look, &parent->instances, out + count, limit - count);
  }
  end_look(&look);
  return count;
}

gh_str gh_tree_path(gh_tree *tree, gh_view view, gh_arena *arena, const gh_node *node)
{
  gh_str path = node->rn;
  gh_node *parent = gh_tree_parent(tree, view, node);
  while (parent) {
    path = gh_arena_fmt(arena, "%.*s/%.*s", GH_STR_ARG(parent->rn), GH_STR_ARG(path));
    gh_node *up = gh_tree_parent(tree, view, parent);
    gh_node_unref(parent);
    parent = up;
  }
  return gh_arena_dup(arena, path);
}

size_t gh_tree_count(gh_tree *tree)
{
  gh_look look = begin_look(tree, GH_VIEW_COMMITTED);
  size_t count = tree->count;
  end_look(&look);
  return count;
}

gh_tree *gh_tree_new(const gh_self *self, const gh_clock *clock)
{
  gh_tree *tree = gh_calloc(1, sizeof *tree);
  tree->self = self;
  tree->clock = *clock;
  for (size_t i = 0; i < GH_SHARDS; i++) tree->soonest_us[i] = INT64_MAX;
  /* readers come without a pause: one that the writer had to wait for would be followed by the next */
  pthread_rwlockattr_t kind;
  pthread_rwlockattr_init(&kind);
  pthread_rwlockattr_setkind_np(&kind, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
  pthread_rwlock_init(&tree->lock, &kind);
  pthread_rwlockattr_destroy(&kind);
  return tree;
}

static void free_slot(gh_slot *slot)
{
  gh_node_unref(slot->committed);
  gh_node_unref(slot->pending);
  free(slot);
}

void gh_tree_free(gh_tree *tree)
{
  if (!tree) return;
  for (size_t i = 0; i < GH_SHARDS; i++) {
    for (size_t b = 0; b < tree->ids[i].size; b++)
      for (gh_slot *slot = tree->ids[i].buckets[b], *next; slot; slot = next) {
        next = slot->id_next;
        free_slot(slot);
      }
    free(tree->ids[i].buckets);
    free(tree->names[i].buckets);
  }
  pthread_rwlock_destroy(&tree->lock);
  free(tree);
}
