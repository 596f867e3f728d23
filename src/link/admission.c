/* A hash table of addresses on each worker, and refusals: counted always, logged once a second. */
#include "link/admission.h"

#include <stdlib.h>

#include "link/address.h"
#include "link/worker.h"

enum { FIRST_SLOTS = 64 };
#define GH_LOG_AGAIN_US GH_US_PER_S

void gh_admission_init(gh_admission *a)
{
  gh_random random = gh_random_system();
  *a = (gh_admission){.slot_count = FIRST_SLOTS};
  a->slots = gh_calloc(a->slot_count, sizeof *a->slots);
  /* without a seed strangers could choose addresses that share a slot: slower, never wrong */
  if (gh_random_fill(&random, &a->seed, sizeof a->seed) != GH_OK) a->seed = (uintptr_t)a;
}

void gh_admission_free(gh_admission *a)
{
  for (size_t i = 0; i < a->slot_count; i++)
    for (gh_neighbour *neighbour = a->slots[i], *next; neighbour; neighbour = next) {
      next = neighbour->next;
      free(neighbour);
    }
  free(a->slots);
  free(a->spare);
  *a = (gh_admission){.slots = NULL};
}

static gh_neighbour **slot_of(const gh_admission *a, uint64_t key)
{
  uint64_t hash = (key ^ a->seed) * UINT64_C(0x9e3779b97f4a7c15);
  hash = (hash ^ hash >> 29 ^ a->seed) * UINT64_C(0xbf58476d1ce4e5b9);
  return &a->slots[(hash ^ hash >> 32) & (a->slot_count - 1)];
}

static gh_neighbour **find(const gh_admission *a, uint64_t key)
{
  gh_neighbour **at = slot_of(a, key);
  while (*at && (*at)->key != key) at = &(*at)->next;
  return at;
}

static void grow(gh_admission *a)
{
  gh_neighbour **old = a->slots;
  size_t count = a->slot_count;
  a->slot_count = count * 2;
  a->slots = gh_calloc(a->slot_count, sizeof *a->slots);
  for (size_t i = 0; i < count; i++)
    for (gh_neighbour *neighbour = old[i], *next; neighbour; neighbour = next) {
      gh_neighbour **slot = slot_of(a, neighbour->key);
      next = neighbour->next;
      neighbour->next = *slot;
      *slot = neighbour;
    }
  free(old);
}

static gh_neighbour *add(gh_admission *a, uint64_t key)
{
  if (a->count >= a->slot_count) grow(a);
  gh_neighbour *neighbour = a->spare ? a->spare : gh_malloc(sizeof *neighbour);
  gh_neighbour **slot = slot_of(a, key);
  a->spare = NULL;
  *neighbour = (gh_neighbour){.next = *slot, .key = key};
  *slot = neighbour;
  a->count++;
  return neighbour;
}

/* A flood of strangers must not become a flood of lines. */
static void refuse(gh_worker *worker, const struct sockaddr_storage *from, const char *reason)
{
  gh_admission *a = &worker->admission;
  char text[GH_ADDRESS_TEXT_BYTES];
  int64_t now = gh_clock_mono_us(&worker->clock);
  atomic_fetch_add_explicit(&worker->counters.refused_limit, 1, memory_order_relaxed);
  if (a->logged_us && now < a->logged_us + GH_LOG_AGAIN_US) {
    a->unlogged++;
    return;
  }
  gh_address_text(from, text);
  GH_LOG(worker->log, GH_LOG_WARN, "connection-refused", GH_F("peer", (const char *)text), GH_F("reason", reason),
         GH_F("others", a->unlogged));
  a->logged_us = now;
  a->unlogged = 0;
}

bool gh_admission_has_room(gh_worker *worker, const struct sockaddr_storage *from)
{
  const gh_link_limits *limits = &worker->limits;
  const char *reason = NULL;
  if (worker->connections >= limits->max_connections) reason = "max_connections";
  if (worker->handshaking >= limits->max_handshakes) reason = "max_handshakes";
  if (worker->closing) reason = "shutting down";
  if (reason) refuse(worker, from, reason);
  return !reason;
}

/* Why it may not have one more, or NULL. */
static const char *over_bound(const gh_link_limits *limits, const gh_neighbour *neighbour,
                              const gh_neighbour *network)
{
  uint32_t connections = limits->max_connections_per_address, handshakes = limits->max_handshakes_per_address;
  if (neighbour && connections && neighbour->connections >= connections) return "max_connections_per_address";
  if (neighbour && handshakes && neighbour->handshakes >= handshakes) return "max_handshakes_per_address";
  if (network && connections && network->connections / GH_NETWORK_SHARE >= connections)
    return "max_connections_per_address, of its /48";
  if (network && handshakes && network->handshakes / GH_NETWORK_SHARE >= handshakes)
    return "max_handshakes_per_address, of its /48";
  return NULL;
}

gh_neighbour *gh_admission_enter(gh_worker *worker, const struct sockaddr_storage *from)
{
  gh_admission *a = &worker->admission;
  if (!gh_admission_has_room(worker, from)) return NULL;
  uint64_t key = gh_address_key(from), wide = gh_address_network_key(from);
  gh_neighbour *neighbour = *find(a, key), *network = wide == key ? NULL : *find(a, wide);
  const char *reason = over_bound(&worker->limits, neighbour, network);
  if (reason) {
    atomic_fetch_add_explicit(&worker->counters.refused_address, 1, memory_order_relaxed);
    refuse(worker, from, reason);
    return NULL;
  }
  if (!network && wide != key) network = add(a, wide);
  if (!neighbour) neighbour = add(a, key);
  neighbour->network = network;
  neighbour->connections++;
  if (network) network->connections++;
  return neighbour;
}

static void leave(gh_admission *a, gh_neighbour *neighbour)
{
  if (--neighbour->connections) return;
  gh_neighbour **at = find(a, neighbour->key);
  *at = neighbour->next;
  a->count--;
  free(a->spare);
  a->spare = neighbour;
}

void gh_admission_leave(gh_worker *worker, gh_neighbour *neighbour)
{
  if (!neighbour) return;
  gh_neighbour *network = neighbour->network; /* it goes when the last address in it does */
  leave(&worker->admission, neighbour);
  if (network) leave(&worker->admission, network);
}

void gh_admission_begin_handshake(gh_neighbour *neighbour)
{
  if (!neighbour) return;
  neighbour->handshakes++;
  if (neighbour->network) neighbour->network->handshakes++;
}

void gh_admission_end_handshake(gh_neighbour *neighbour)
{
  if (!neighbour) return;
  neighbour->handshakes--;
  if (neighbour->network) neighbour->network->handshakes--;
}
