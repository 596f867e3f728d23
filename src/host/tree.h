/* The resource tree in memory. Readers see the last committed version of every resource and never wait for the disk;
 * the one writer sees its own pending versions until the batch commits or is undone. */
#ifndef GH_HOST_TREE_H
#define GH_HOST_TREE_H

#include "host/node.h"
#include "store/store.h"

typedef struct gh_tree gh_tree;
typedef struct gh_slot gh_slot;

/* Which versions a look-up sees. WRITER: on the writer's thread alone, it takes no lock. */
typedef enum gh_view { GH_VIEW_COMMITTED, GH_VIEW_WRITER } gh_view;

gh_tree *gh_tree_new(const gh_self *self, const gh_clock *clock);
void gh_tree_free(gh_tree *tree);

/* All look-ups return a reference (gh_node_unref) or NULL. Expired resources are invisible. */
gh_node *gh_tree_by_id(gh_tree *tree, gh_view view, gh_str ri);
/* CSE-relative address, structured or not; "-" for the base. */
gh_node *gh_tree_by_path(gh_tree *tree, gh_view view, gh_str path);
/* Any form of address of this host. */
gh_node *gh_tree_by_address(gh_tree *tree, gh_view view, gh_str address);
gh_node *gh_tree_parent(gh_tree *tree, gh_view view, const gh_node *node);
gh_node *gh_tree_base(gh_tree *tree, gh_view view);
gh_node *gh_tree_child_named(gh_tree *tree, gh_view view, gh_str ri, gh_str rn);
/* Newest or oldest contentInstance below. */
gh_node *gh_tree_instance(gh_tree *tree, gh_view view, gh_str ri, bool newest);
/* Children in order of creation, at most `limit`; instances too when asked. Returns the count; references in out[].
 */
size_t gh_tree_children(gh_tree *tree, gh_view view, gh_str ri, bool instances, gh_node **out, size_t limit);
/* Structured CSE-relative address of a resource. */
gh_str gh_tree_path(gh_tree *tree, gh_view view, gh_arena *arena, const gh_node *node);
size_t gh_tree_count(gh_tree *tree);

/* Writer only (or before serving). The tree takes over the reference. GH_EEXIST also for what has expired and was not
 * swept: see gh_tree_in_the_way. */
int64_t gh_tree_next_seq(gh_tree *tree);
GH_MUST_USE gh_err gh_tree_insert(gh_tree *tree, gh_node *node);
GH_MUST_USE gh_err gh_tree_replace(gh_tree *tree, gh_node *node);
/* A pending node that the writer may change in place (counters): a copy made once a batch. NULL when there is none.
 * The pointer is borrowed and good until the batch ends. */
gh_node *gh_tree_edit(gh_tree *tree, gh_str ri);
/* Removes the resource and everything below; calls gone(ctx, node) for each. */
void gh_tree_remove(gh_tree *tree, gh_str ri, void (*gone)(void *ctx, const gh_node *node), void *ctx);
/* Every pending change as rows of the open transaction. */
GH_MUST_USE gh_err gh_tree_flush(gh_tree *tree, gh_store_txn *txn);
/* Makes pending changes visible, or undoes them. */
void gh_tree_publish(gh_tree *tree);
void gh_tree_undo(gh_tree *tree);
/* Puts a committed resource in while loading. */
GH_MUST_USE gh_err gh_tree_load(gh_tree *tree, gh_node *node);
gh_node *gh_tree_expired_node(gh_tree *tree, gh_str ri); /* reference to it although it is invisible */
/* What holds this ID, or this name below `pi`, although it has expired: a reference, or NULL. Writer only. */
gh_node *gh_tree_in_the_way(gh_tree *tree, gh_str ri, gh_str pi, gh_str rn);
/* Resource IDs whose time has come, at most `limit`. */
size_t gh_tree_expired(gh_tree *tree, int64_t now_us, gh_str *out, size_t limit, gh_arena *arena);

#endif
