/* A small hash map under a mutex. */
#include "host/id_map.h"

#include <pthread.h>
#include <stdlib.h>

enum { BUCKETS = 4096 };

typedef struct pair {
  struct pair *next;
  gh_str from, to;
} pair;

struct gh_id_map {
  pthread_mutex_t lock;
  pair *buckets[BUCKETS];
};

gh_id_map *gh_id_map_new(void)
{
  gh_id_map *map = gh_calloc(1, sizeof *map);
  pthread_mutex_init(&map->lock, NULL);
  return map;
}

static void free_pair(pair *p)
{
  gh_str_release(&p->from);
  gh_str_release(&p->to);
  free(p);
}

void gh_id_map_free(gh_id_map *map)
{
  if (!map) return;
  for (size_t i = 0; i < BUCKETS; i++)
    for (pair *p = map->buckets[i], *next; p; p = next) {
      next = p->next;
      free_pair(p);
    }
  pthread_mutex_destroy(&map->lock);
  free(map);
}

static pair **place(gh_id_map *map, gh_str from)
{
  uint32_t h = 2166136261u;
  for (size_t i = 0; i < from.len; i++) h = (h ^ (uint8_t)from.ptr[i]) * 16777619u;
  pair **at = &map->buckets[h % BUCKETS];
  while (*at && !gh_str_eq((*at)->from, from)) at = &(*at)->next;
  return at;
}

void gh_id_map_set(gh_id_map *map, gh_str from, gh_str to)
{
  pthread_mutex_lock(&map->lock);
  pair **at = place(map, from);
  pair *old = *at;
  if (old) {
    *at = old->next;
    free_pair(old);
  }
  if (to.len) {
    pair *p = gh_calloc(1, sizeof *p);
    *p = (pair){.next = *at, .from = gh_str_clone(from), .to = gh_str_clone(to)};
    *at = p;
  }
  pthread_mutex_unlock(&map->lock);
}

bool gh_id_map_get(gh_id_map *map, gh_arena *arena, gh_str from, gh_str *to)
{
  pthread_mutex_lock(&map->lock);
  const pair *p = *place(map, from);
  if (p) *to = gh_arena_dup(arena, p->to);
  pthread_mutex_unlock(&map->lock);
  return p != NULL;
}

void gh_id_map_each(gh_id_map *map, void (*fn)(void *ctx, gh_str from, gh_str to), void *ctx)
{
  pthread_mutex_lock(&map->lock);
  for (size_t i = 0; i < BUCKETS; i++)
    for (const pair *p = map->buckets[i]; p; p = p->next) fn(ctx, p->from, p->to);
  pthread_mutex_unlock(&map->lock);
}
