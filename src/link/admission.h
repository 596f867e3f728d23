/* Who may still connect: bounds of a worker, and of what one address has on it (an IPv4 address, the /64 of an IPv6
 * address, with a larger bound the /48), so that a single neighbour cannot take all places. Each worker counts for
 * itself: the kernel spreads the connections of an address over the workers, and no lock is needed. Only addresses
 * that have a connection are remembered, so the table is bounded by max_connections. */
#ifndef GH_LINK_ADMISSION_H
#define GH_LINK_ADMISSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

typedef struct gh_worker gh_worker;

enum { GH_NETWORK_SHARE = 4 }; /* a /48 may have so many times what one address may */

/* What an address, or a network, has at present. */
typedef struct gh_neighbour {
  struct gh_neighbour *next;
  struct gh_neighbour *network; /* around the address; NULL: IPv4, or it is one itself */
  uint64_t key;
  uint32_t connections, handshakes;
} gh_neighbour;

typedef struct gh_admission {
  gh_neighbour **slots;
  size_t slot_count, count;
  uint64_t seed;
  int64_t logged_us;   /* mono: when a refusal was logged last */
  uint32_t unlogged;   /* refusals since */
  gh_neighbour *spare; /* the last one that was left, for the next address */
} gh_admission;

void gh_admission_init(gh_admission *admission);
void gh_admission_free(gh_admission *admission);
/* Is there room on this worker at all? Also for a peer whose address is not proven yet. Counts the refusal. */
bool gh_admission_has_room(gh_worker *worker, const struct sockaddr_storage *from);
/* And for this address, which the peer has proven to be its own? One more connection of it, or NULL: refused. Leave
 * it with gh_admission_leave. */
gh_neighbour *gh_admission_enter(gh_worker *worker, const struct sockaddr_storage *from);
void gh_admission_leave(gh_worker *worker, gh_neighbour *neighbour);
/* A connection of this neighbour (NULL: not counted) begins its handshake, or has ended it. */
void gh_admission_begin_handshake(gh_neighbour *neighbour);
void gh_admission_end_handshake(gh_neighbour *neighbour);

#endif
