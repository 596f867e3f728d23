/* From one identifier to another, for what is asked on any thread while the tree changes elsewhere: the AE-ID that a
 * credential registered with (TS-0003 8.2.1: the same credential gets the same identity again), the CSE that leads to
 * another CSE (TS-0004 7.3.2.6). */
#ifndef GH_HOST_ID_MAP_H
#define GH_HOST_ID_MAP_H

#include "base/arena.h"

typedef struct gh_id_map gh_id_map;

gh_id_map *gh_id_map_new(void);
void gh_id_map_free(gh_id_map *map);
/* Any thread. An empty value removes. */
void gh_id_map_set(gh_id_map *map, gh_str from, gh_str to);
/* Copies into the arena; false when unknown. */
bool gh_id_map_get(gh_id_map *map, gh_arena *arena, gh_str from, gh_str *to);
/* Calls fn for every pair, under the lock: fn must not use the map. */
void gh_id_map_each(gh_id_map *map, void (*fn)(void *ctx, gh_str from, gh_str to), void *ctx);

#endif
