/* Questions for keys that were never held here. Whoever asks may be a stranger who invents identities, so few of them
 * are with the issuer at a time, addresses take turns, and what waits is bounded: for each address, and in all. A
 * queue belongs to one worker and one issuer; whoever uses it holds the fetcher's lock. */
#ifndef GH_HOST_FETCH_QUEUE_H
#define GH_HOST_FETCH_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

enum {
  GH_FETCH_ASKED_MAX = 3, /* of the four connections that a worker has to each issuer: one is left for known keys */
  GH_FETCH_WAITING_MAX = 1024 /* then the longest line loses its end */
};

typedef struct gh_fetch_line gh_fetch_line;

typedef struct gh_fetch_ticket { /* part of a question */
  struct gh_fetch_ticket *next;
  gh_fetch_line *line; /* of its address; NULL: in no queue */
  bool waiting;        /* false: it is with the issuer */
} gh_fetch_ticket;

typedef struct gh_fetch_queue {
  gh_fetch_line *turn; /* a ring of addresses */
  uint32_t waiting, asked;
} gh_fetch_queue;

/* At the end of its address's line. False: the address has `most` questions in hand, or nobody has more. *pushed_out
 * is a ticket that had to make room, or NULL. */
bool gh_fetch_queue_enter(gh_fetch_queue *queue, gh_fetch_ticket *ticket, uint64_t address, uint32_t most,
                          gh_fetch_ticket **pushed_out);
/* Another address asks for the same: it waits there if that line is shorter. */
void gh_fetch_queue_share(gh_fetch_queue *queue, gh_fetch_ticket *ticket, uint64_t address);
/* The next one that may be asked now, or NULL. gh_fetch_queue_leave when it is answered. */
gh_fetch_ticket *gh_fetch_queue_next(gh_fetch_queue *queue);
void gh_fetch_queue_leave(gh_fetch_queue *queue, gh_fetch_ticket *ticket);
/* One that waits, whichever, or NULL: for the end. It is in no queue any more. */
gh_fetch_ticket *gh_fetch_queue_drain(gh_fetch_queue *queue);

#endif
