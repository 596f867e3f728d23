/* Inside of the tree, for tree.c and tree_write.c. */
#ifndef GH_HOST_TREE_PRIVATE_H
#define GH_HOST_TREE_PRIVATE_H

#include <pthread.h>

#include "base/clock.h"
#include "host/tree.h"

enum { GH_SHARDS = 256 }; /* so that growing one index holds readers up for microseconds, not for the whole tree */

enum { GH_TREE_SPINS = 200 }; /* tries before sleeping on the lock */

typedef struct gh_slot_list {
  gh_slot *first, *last;
} gh_slot_list;

/* The place of a resource. What readers see is `committed`; what the writer sees is `pending` while `dirty`. */
struct gh_slot {
  gh_slot *id_next, *name_next;
  uint32_t id_hash, name_hash;
  gh_slot *parent, *prev, *next;
  gh_slot_list instances; /* children of type contentInstance, oldest first */
  gh_slot_list others;
  gh_node *committed; /* NULL: created in this batch */
  gh_node *pending;   /* NULL while dirty: removed in this batch */
  gh_slot *dirty_next;
  bool dirty, is_instance, owns_pending, unindexed;
  gh_str ri, rn;
  char text[];
};

typedef struct gh_shard {
  gh_slot **buckets;
  size_t size, count;
} gh_shard;

struct gh_tree {
  pthread_rwlock_t lock; /* held for look-ups and for changing links, never across the disk */
  const gh_self *self;
  gh_clock clock;
  gh_shard ids[GH_SHARDS], names[GH_SHARDS];
  int64_t soonest_us[GH_SHARDS]; /* writer only: nothing of the shard of `ids` expires before */
  gh_slot *base;
  gh_slot *dirty;
  size_t count;
  int64_t last_seq;
};

uint32_t gh_tree_hash_id(gh_str ri);
uint32_t gh_tree_hash_name(const gh_slot *parent, gh_str rn);
gh_slot *gh_tree_slot_by_id(gh_tree *tree, gh_str ri);
gh_slot *gh_tree_slot_by_name(gh_tree *tree, const gh_slot *parent, gh_str rn);

/* One look-up: what it sees, at one moment. */
typedef struct gh_look {
  gh_tree *tree;
  gh_view view;
  int64_t now_us;
} gh_look;
gh_node *gh_tree_see(const gh_look *look, const gh_slot *slot);

#endif
