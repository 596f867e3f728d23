/* A small hash map under a mutex: looked at once a handshake. */
#include "host/credential_map.h"

#include <pthread.h>
#include <stdlib.h>

enum { BUCKETS = 4096 };

typedef struct pair {
  struct pair *next;
  gh_str credential_id, ae_id;
} pair;

struct gh_credential_map {
  pthread_mutex_t lock;
  pair *buckets[BUCKETS];
};

gh_credential_map *gh_credential_map_new(void)
{
  gh_credential_map *map = gh_calloc(1, sizeof *map);
  pthread_mutex_init(&map->lock, NULL);
  return map;
}

static void free_pair(pair *p)
{
  gh_str_release(&p->credential_id);
  gh_str_release(&p->ae_id);
  free(p);
}

void gh_credential_map_free(gh_credential_map *map)
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

static pair **place(gh_credential_map *map, gh_str credential_id)
{
  uint32_t h = 2166136261u;
  for (size_t i = 0; i < credential_id.len; i++) h = (h ^ (uint8_t)credential_id.ptr[i]) * 16777619u;
  pair **at = &map->buckets[h % BUCKETS];
  while (*at && !gh_str_eq((*at)->credential_id, credential_id)) at = &(*at)->next;
  return at;
}

void gh_credential_map_set(gh_credential_map *map, gh_str credential_id, gh_str ae_id)
{
  pthread_mutex_lock(&map->lock);
  pair **at = place(map, credential_id);
  pair *old = *at;
  if (old) {
    *at = old->next;
    free_pair(old);
  }
  if (ae_id.len) {
    pair *p = gh_calloc(1, sizeof *p);
    *p = (pair){.next = *at, .credential_id = gh_str_clone(credential_id), .ae_id = gh_str_clone(ae_id)};
    *at = p;
  }
  pthread_mutex_unlock(&map->lock);
}

bool gh_credential_map_get(gh_credential_map *map, gh_arena *arena, gh_str credential_id, gh_str *ae_id)
{
  pthread_mutex_lock(&map->lock);
  const pair *p = *place(map, credential_id);
  if (p) *ae_id = gh_arena_dup(arena, p->ae_id);
  pthread_mutex_unlock(&map->lock);
  return p != NULL;
}
