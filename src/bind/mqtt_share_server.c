/* A small hash table: who has nothing under way is not in it, so it is bounded by what is under way in all. */
#include "bind/mqtt_share_server.h"

#include <stdlib.h>

enum { BUCKETS = 256 };

typedef struct share {
  struct share *next;
  gh_str originator;
  uint32_t under_way;
} share;

struct gh_mqtt_shares {
  uint32_t each;
  share *buckets[BUCKETS];
};

gh_mqtt_shares *gh_mqtt_shares_new(uint32_t each)
{
  gh_mqtt_shares *shares = gh_calloc(1, sizeof *shares);
  shares->each = each;
  return shares;
}

static void free_share(share *s)
{
  gh_str_release(&s->originator);
  free(s);
}

void gh_mqtt_shares_free(gh_mqtt_shares *shares)
{
  if (!shares) return;
  for (size_t i = 0; i < BUCKETS; i++)
    for (share *s = shares->buckets[i], *next; s; s = next) {
      next = s->next;
      free_share(s);
    }
  free(shares);
}

static share **place(gh_mqtt_shares *shares, gh_str originator)
{
  uint32_t h = 2166136261u;
  for (size_t i = 0; i < originator.len; i++) h = (h ^ (uint8_t)originator.ptr[i]) * 16777619u;
  share **at = &shares->buckets[h % BUCKETS];
  while (*at && !gh_str_eq((*at)->originator, originator)) at = &(*at)->next;
  return at;
}

bool gh_mqtt_shares_take(gh_mqtt_shares *shares, gh_str originator)
{
  share **at = place(shares, originator);
  if (*at && (*at)->under_way >= shares->each) return false;
  if (!*at) {
    *at = gh_calloc(1, sizeof **at);
    (*at)->originator = gh_str_clone(originator);
  }
  (*at)->under_way++;
  return true;
}

void gh_mqtt_shares_give(gh_mqtt_shares *shares, gh_str originator)
{
  share **at = place(shares, originator), *s = *at;
  if (!s || --s->under_way) return;
  *at = s->next;
  free_share(s);
}
